"""Labels that are names of classes, one a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from minbert.errors import UserError, shown
from minbert.schema_inference.found import Findings
from minbert.schema_inference.labels import Labels

_ORDERS = (
    ("very negative", "negative", "neutral", "positive", "very positive"),
    ("very bad", "bad", "neutral", "good", "very good"),
    ("terrible", "bad", "okay", "good", "great"),
    ("very low", "low", "medium", "high", "very high"),
    ("easy", "medium", "hard"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("a1", "a2", "b1", "b2", "c1", "c2"),
    ("negativ", "neutral", "positiv"),
    ("negatif", "neutre", "positif"),
    ("negativo", "neutral", "positivo"),
    ("消极", "中性", "积极"),
    ("no", "maybe", "yes"),
)
"""Names whose order people know."""
_USUAL = ("contradiction", "neutral", "entailment")
"""Names in no order, but always said in this one."""


def read_class_names(labels: Labels, findings: Findings) -> bool:
    """Set ``kind: classification`` and its classes.

    Raises:
        UserError: nearly every row has a label of its own, so they are no classes.
    """
    spellings = _spellings(labels)
    if len(spellings) < 2:
        raise UserError(f"column '{shown(labels.headers[0])}' has fewer than two different labels")
    if len(spellings) > 20 and len(spellings) > 0.5 * labels.all.total():
        raise UserError(f"column '{shown(labels.headers[0])}' has another label in nearly every row; classes repeat")
    names, why = _in_order(list(spellings), labels)
    findings.set("kind", "classification", f"{len(names)} names")
    findings.set("classes", names, why)
    if labels.missing or any(len(each) > 1 for each in spellings.values()):
        translated = {labels.known[value]: name for name, each in spellings.items() for value in each}
        findings.set("labels", translated | dict.fromkeys(labels.missing), _why_translated(labels, spellings))
    if any(name.isdigit() for name in names) and not all(name.isdigit() for name in names):
        findings.unsure.append("some labels are numbers and some are names; each is a class of its own")
    return True


def _spellings(labels: Labels) -> dict[str, list[str]]:
    """Return the values of each class by its commonest spelling; capitals and final zeros make no other class."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for value, name in labels.known.items():
        alike[name.casefold()].append(value)
    return {max(values, key=lambda value: labels.all[value]): values for values in alike.values()}


def _why_translated(labels: Labels, spellings: Mapping[str, Sequence[str]]) -> str:
    """Return what the translation of labels does, in words."""
    spelt = [{labels.known[value] for value in values} for values in spellings.values()]
    reasons = ["what differs in capitals alone is one class"] if any(len(each) > 1 for each in spelt) else []
    if any(len(values) > len(each) for values, each in zip(spellings.values(), spelt, strict=True)):
        reasons.append("a number is one class however it is written")
    if labels.missing:
        reasons.append(f"{' and '.join(map(shown, labels.missing[:3]))} stands for no label")
    return "; ".join(reasons)


def _in_order(names: list[str], labels: Labels) -> tuple[list[str], str]:
    if set(names) <= set(labels.listed):
        return list(labels.listed), "as the file of labels lists them"
    known = next((order for order in (*_ORDERS, _USUAL) if {name.casefold() for name in names} <= set(order)), None)
    if known is None:
        return sorted(names), ""
    graded = known is not _USUAL and len(names) > 2
    why = "in an order that people know; 'kind: ordinal' would make use of it" if graded else ""
    return sorted(names, key=lambda name: known.index(name.casefold())), why
