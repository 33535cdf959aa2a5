"""What kind of task labels make. A way to read them is one entry; the first that fits counts."""

from __future__ import annotations

from collections.abc import Callable

from minbert.schema_inference.class_names import read_class_names
from minbert.schema_inference.coded_classes import name_sets, read_coded
from minbert.schema_inference.found import Ask, Findings
from minbert.schema_inference.label_sets import read_lists, read_separated, read_several_columns
from minbert.schema_inference.labels import Labels
from minbert.schema_inference.numeric_labels import read_numbers
from minbert.schema_inference.truth_values import read_truth_values

_READINGS: list[Callable[[Labels, Findings, Ask], bool]] = [
    lambda labels, findings, _: read_several_columns(labels, findings),
    lambda labels, findings, _: read_lists(labels, findings),
    lambda labels, findings, _: read_coded(labels, findings),
    lambda labels, findings, _: read_truth_values(labels, findings),
    read_numbers,
    read_separated,
    lambda labels, findings, _: read_class_names(labels, findings),
]


def infer_kind(labels: Labels, findings: Findings, ask: Ask) -> None:
    """Set ``kind`` and what goes with it.

    Raises:
        UserError: no kind of task fits the labels.
    """
    assert any(reading(labels, findings, ask) for reading in _READINGS)
    if findings.settings["kind"] == "multilabel" and len(labels.headers) == 1:
        name_sets(labels, findings)
    if labels.code_source and findings.settings["kind"] != "regression" and not _are_used(labels, findings):
        findings.unsure.append(f"{labels.code_source} names other classes than the labels, and is not used")
    if "labels_separator" not in findings.settings and labels.empty:
        rows = "1 row has" if labels.empty == 1 else f"{labels.empty:,} rows have"
        where = " in one of these columns" if len(labels.headers) > 1 else ""
        findings.set("skip_unlabelled", True, f"{rows} no label{where}")


def _are_used(labels: Labels, findings: Findings) -> bool:
    """Return whether the classes have the names that a file tells."""
    classes = findings.settings.get("classes", 2)
    names = set(map(str, range(classes) if isinstance(classes, int) else classes))
    return names <= {*labels.code_names.values(), *labels.listed}
