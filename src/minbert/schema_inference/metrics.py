"""Which metric fits how often each label occurs, and from which probability on a class is answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from minbert.schema_inference.found import Findings, InferredTask
from minbert.schema_inference.labels import Labels
from minbert.tasks.kinds import KINDS
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.thresholds import DEV, HALF

_LOPSIDED = 0.35
"""Below this share of two classes, always answering the other one has too good an accuracy."""
_RARE = 0.25
"""Of the share that a class would have if all had the same."""
_FEW_CLASSES = 20
_FEW_ROWS = 5


def choose_metric(labels: Labels, findings: Findings) -> None:
    """Set ``metric`` by the shares of the classes in the train file, and tell of rare ones."""
    kind = findings.settings["kind"]
    counts = _counts(labels, findings)
    total = sum(counts.values())
    metric, reason = KINDS[kind].metrics[0], ""
    if kind == "binary" and total:
        binary = Binary(classes=findings.settings.get("classes"))
        yes = sum(times for name, times in counts.items() if binary.parse(name)) / total
        if min(yes, 1 - yes) < _LOPSIDED:
            metric = "f1" if yes < 0.5 else "mcc"
            reason = f"{_percent(yes)} of rows are yes: accuracy would say little"
    elif kind == "classification" and total:
        largest, most = max((times, name) for name, times in counts.items())
        smallest, least = min((times, name) for name, times in counts.items())
        if largest > total * (1 - _LOPSIDED):
            metric, reason = (
                "macro_f1",
                f"{_percent(largest / total)} of rows are '{most}': accuracy would say little",
            )
        elif smallest < total * _RARE / len(counts) and len(counts) <= _FEW_CLASSES:
            metric, reason = (
                "macro_f1",
                f"{_percent(smallest / total)} of rows are '{least}': accuracy would hide it",
            )
    elif kind == "multilabel":
        reason = "all answers count alike; by macro_f1 all classes do, the rare ones too"
    findings.set("metric", metric, reason)
    if kind in ("classification", "ordinal") and (rare := [name for name in counts if counts[name] < _FEW_ROWS]):
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        findings.unsure.append(f"classes with fewer than {_FEW_ROWS} rows to train on: {', '.join(rare[:5])}{more}")


def choose_thresholds(tasks: Sequence[InferredTask], training: Findings) -> None:
    """Set from which probability on a class is answered, of tasks with any number of classes a row."""
    for task in tasks:
        if task.findings.settings["kind"] != "multilabel":
            continue
        if "keep" in training.settings:
            task.findings.set("thresholds", HALF, "a class is answered from this probability on; no dev rows choose it")
        else:
            reason = "from which probability on a class is answered is chosen on dev: of rare classes it is low"
            task.findings.set("thresholds", DEV, reason)


def _counts(labels: Labels, findings: Findings) -> Counter[str]:
    """Return how often each of the task's labels occurs in the train file, by what the recipe translates it to."""
    translated = findings.settings.get("labels", {})
    counts: Counter[str] = Counter()
    for name, times in labels.names.items():
        if times and (meant := translated.get(name, name)) is not None:
            counts[meant] += times
    return counts


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share > 0.1 else 1}f} %"
