"""What kind of task labels make. A way to read them is one entry; the first that fits counts."""

from __future__ import annotations

from collections.abc import Callable

from minbert.schema_inference.class_names import read_class_names
from minbert.schema_inference.coded_classes import composed, named_codes, with_names
from minbert.schema_inference.found import Ask, Findings
from minbert.schema_inference.label_sets import read_lists, read_separated, read_several_columns
from minbert.schema_inference.labels import Labels
from minbert.schema_inference.numeric_labels import read_numbers
from minbert.schema_inference.truth_values import read_truth_values

_READINGS: list[Callable[[Labels, Findings, Ask], bool]] = [
    lambda labels, findings, _: read_several_columns(labels, findings),
    lambda labels, findings, _: read_lists(labels, findings),
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
    meant = None if labels.lists else named_codes(labels)
    read = labels if meant is None else with_names(labels, meant)
    assert any(reading(read, findings, ask) for reading in _READINGS)
    if meant is not None:
        where = "the file itself" if labels.code_names else "the list of classes"
        if findings.settings.get("classes") == list(read.listed):
            findings.reasons["classes"] = "in the order of their numbers"
        findings.set("labels", composed(meant, findings.settings.get("labels")), f"{where} says what the numbers mean")
    if "labels_separator" not in findings.settings and labels.empty:
        rows = "1 row has" if labels.empty == 1 else f"{labels.empty:,} rows have"
        where = " in one of these columns" if len(labels.headers) > 1 else ""
        findings.set("skip_unlabelled", True, f"{rows} no label{where}")
