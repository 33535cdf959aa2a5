"""Labels that are numbers: scores, classes in an order, or codes of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from minbert.errors import UserError, shown
from minbert.schema_inference.found import Ask, Findings, Question
from minbert.schema_inference.labels import Labels, is_plain
from minbert.schema_inference.words import says

_SCALES = ((0, 1), (-1, 1), (1, 5), (0, 5), (1, 10), (0, 10), (0, 100))
"""Scales that people use, the narrower first."""
_STARS = frozenset([5, 6, 7, 10])
"""Where scales from 1 end; one to three are codes as often."""
MOST_GRADES = 11
"""As many grades as 0 to 10; more are a scale of numbers."""

_LARGEST = 1e300
_LARGEST_WHOLE = 2**53
"""Beyond, not every whole number is a float."""


def read_numbers(labels: Labels, findings: Findings, ask: Ask) -> bool:
    """Set the kind that numbers mean, and what goes with it; return whether all labels are numbers.

    Whole numbers with leading zeros or exponents are names, but where the header says that they are scores.

    Raises:
        UserError: they are beyond what a float holds.
    """
    values = labels.numbers
    if values is None or len(values) < 2:
        return False
    if max(map(abs, values)) > _LARGEST:
        raise UserError(
            f"column '{shown(labels.headers[0])}' holds numbers beyond {_LARGEST:.0e}; mend them in the file"
        )
    if any(value != int(value) for value in values):
        _leave_out(labels.missing, findings)
        _scores(values, findings, "numbers with decimals")
        return True
    if not says(labels.headers[0], "score") and not all(map(is_plain, labels.names)):
        return False  # 01234 and 1e5 are names of classes
    whole = [int(value) for value in dict.fromkeys(values)]
    if labels.missing == [] and (codes := _without_minus_one(labels, whole)) is not None:
        whole = codes
        findings.unsure.append(
            "-1 is taken for no label, and its rows are left out; where it is a class, remove 'labels'"
        )
        _leave_out(["-1"], findings)
    else:
        _leave_out(labels.missing, findings)
    _whole_numbers(labels, whole, findings, ask)
    return True


def _leave_out(labels: Sequence[str], findings: Findings) -> None:
    """Leave out the rows of some labels; every other label stays as it is."""
    if labels:
        findings.set("labels", dict.fromkeys(labels), f"{' and '.join(map(shown, labels[:3]))} stands for no label")


def _without_minus_one(labels: Labels, whole: Sequence[int]) -> list[int] | None:
    """Return the other classes where -1 is rare beside 0, 1, ...: how some files write that a row has no label."""
    if whole[0] != -1 or len(whole) < 3 or list(whole[1:]) != list(range(len(whole) - 1)):
        return None
    rare = labels.names["-1"] <= 0.05 * labels.names.total()
    return list(whole[1:]) if rare else None


def _whole_numbers(labels: Labels, whole: Sequence[int], findings: Findings, ask: Ask) -> None:
    low, high, count = whole[0], whole[-1], len(whole)
    told = f"whole numbers {low} to {high}"
    is_score, is_code = says(labels.headers[0], "score"), says(labels.headers[0], "codes")
    gapless = high - low + 1 == count
    if list(whole) == [0, 1]:
        findings.set("kind", "binary", "labels are 0 and 1")
    elif is_score and count > 2:
        if count <= MOST_GRADES:
            _ordinal(whole, findings, f"{told} of a header that says score")
        else:
            _scores(whole, findings, f"{told}, {count} of them different")
    elif is_code or count == 2:
        _codes(whole, findings, told)
    elif count > MOST_GRADES and not (gapless and low in (0, 1)):
        _scores(whole, findings, f"{told}, {count} of them different")
    elif count > MOST_GRADES:
        if _decide(labels, told, "a scale, on which nearer is more alike (kind: regression)", findings, ask):
            _scores(whole, findings, told)
        else:
            _codes(whole, findings, told)
    elif low == 1 and gapless and high in _STARS:
        _ordinal(whole, findings, f"{told} in order")
        findings.unsure.append(f"{told} are taken for grades; where they are codes, set 'kind: classification'")
    elif low == -high or (
        gapless and count > 3 and _decide(labels, told, "in order, as grades are (kind: ordinal)", findings, ask)
    ):
        _ordinal(whole, findings, f"{told} in order")
    else:
        _codes(whole, findings, told)


def _decide(labels: Labels, told: str, other: str, findings: Findings, ask: Ask) -> bool:
    """Return whether numbers that may be codes of classes are taken for something else."""
    choices = ["codes of classes, in no order (kind: classification)", other]
    return findings.decide(Question(f"'{shown(labels.headers[0])}' holds {told}. What are they?", choices), ask) == 1


def _codes(whole: Sequence[int], findings: Findings, told: str) -> None:
    findings.set("kind", "classification", f"{told}, as codes of classes")
    _classes(whole, findings)


def _ordinal(whole: Sequence[int], findings: Findings, told: str) -> None:
    findings.set(
        "kind", "ordinal", f"{told}; if answers may lie between them (3.5), set 'kind: regression' and 'range'"
    )
    _classes(whole, findings)


def _classes(whole: Sequence[int], findings: Findings) -> None:
    low, high = whole[0], whole[-1]
    if low == 0 and high < 2 * len(whole):
        findings.set("classes", high + 1)
        if lacking := sorted(set(range(high)) - set(whole)):
            findings.unsure.append(
                f"no row has the label {', '.join(map(str, lacking[:5]))}; it is a class all the same"
            )
    else:
        findings.set("classes", [str(value) for value in whole])


def _scores(values: Sequence[Decimal] | Sequence[int], findings: Findings, told: str) -> None:
    low, high = float(values[0]), float(values[-1])
    fitting = [scale for scale in _SCALES if scale[0] <= low and high <= scale[1]]
    usual = next((scale for scale in fitting if high - low >= 0.7 * (scale[1] - scale[0])), None)
    low_end, high_end = usual or (_rounded(low, high - low, down=True), _rounded(high, high - low, down=False))
    findings.set("kind", "regression", told)
    findings.set("range", [low_end, high_end], f"labels go from {low:g} to {high:g}; one outside the range is refused")


def _rounded(value: float, spread: float, *, down: bool) -> float | int:
    """Return the value rounded outwards to a digit that is fine beside the spread."""
    unit = 10.0 ** math.floor(math.log10(spread / 2)) if spread > 0 else 1.0
    rounded = round((math.floor if down else math.ceil)(value / unit) * unit, 12)
    return int(rounded) if rounded == int(rounded) and abs(rounded) < _LARGEST_WHOLE else rounded
