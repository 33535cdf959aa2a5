"""Labels that are numbers of classes, where a file tells the classes' names: Parquet's own words, or a list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from minbert.schema_inference.found import Findings
from minbert.schema_inference.labels import MISSING, Labels
from minbert.schema_inference.numeric_labels import MOST_GRADES
from minbert.schema_inference.truth_values import read_truth_values
from minbert.schema_inference.words import says
from minbert.tasks.numbers import number

_NO_LABEL = "-1"
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,8})", re.ASCII)


def read_coded(labels: Labels, findings: Findings) -> bool:
    """Set the kind of labels that are numbers with names, the names, and ``labels``; return whether they are such."""
    if labels.lists or (codes := _codes(labels)) is None:
        return False
    meant: dict[str, str | None] = {name: name for name in labels.names if not _WHOLE.fullmatch(name)}
    meant = {**codes, **meant}
    if _NO_LABEL in labels.names:
        meant.setdefault(_NO_LABEL, None)
    names = list(dict.fromkeys(codes.values()))
    if {name.lower() for name in names} & MISSING or not read_truth_values(_named(labels, meant), findings):
        graded = 2 < len(names) <= MOST_GRADES and (says(labels.headers[0], "score") or _increase(names))
        findings.set("kind", "ordinal" if graded else "classification", f"{len(names)} names")
        findings.set("classes", names, "in the order of their numbers")
    findings.set("labels", meant, f"{labels.code_source} says what the numbers mean")
    return True


def name_sets(labels: Labels, findings: Findings) -> None:
    """Set the names of classes of which a row may have several, where they are numbers and the files tell the names."""
    counts = Counter(map(str, findings.settings["classes"]))
    codes = _codes(replace(labels, train=counts, all=counts))
    if codes is not None and counts.keys() <= codes.keys():
        findings.set("classes", list(dict.fromkeys(codes.values())), "in the order of their numbers")
        findings.set("labels", codes, f"{labels.code_source} says what the numbers mean")


def _codes(labels: Labels) -> dict[str, str] | None:
    """Return the name of each number that is a label; None where files tell none, or of other numbers.

    A list without numbers of its own is taken for theirs if they have no gap, and it is as long. Then -1 is no label
    if it is one too many.
    """
    found = sorted(int(name) for name in labels.names if _WHOLE.fullmatch(name))
    others = labels.names.keys() - set(map(str, found))
    if len(found) < 2:
        return None
    codes = dict(labels.code_names) or _counted(found, labels.listed)
    told = set(map(str, found)) <= {*codes, _NO_LABEL} and others <= set(codes.values())
    return codes if told and any(code != name for code, name in codes.items()) else None


def _counted(found: Sequence[int], names: Sequence[str]) -> dict[str, str]:
    """Return the names of numbers without a gap that are as many."""
    for numbers in (found, found[1:] if found[0] == -1 else ()):
        for each in (names, names[1:] if says(names[0], "label") else ()) if names else ():
            if len(numbers) == len(each) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
                return dict(zip(map(str, numbers), each, strict=True))
    return {}


def _named(labels: Labels, meant: Mapping[str, str | None]) -> Labels:
    """Return the labels as they would be if the files had the names."""

    def named(counts: Counter[str]) -> Counter[str]:
        by_name: Counter[str] = Counter()
        for value, times in counts.items():
            if (name := meant.get(labels.known.get(value, value), value)) is not None:
                by_name[name] += times
        return by_name

    return replace(labels, train=named(labels.train), all=named(labels.all))


def _increase(names: Sequence[str]) -> bool:
    """Return whether names are numbers in order, as those of stars are."""
    values = [number(name) for name in names]
    return all(one is not None and other is not None and one < other for one, other in pairwise(values))
