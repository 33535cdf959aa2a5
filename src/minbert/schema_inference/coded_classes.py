"""Labels that are numbers of classes, where a file tells the classes' names: Parquet's own words, or a list."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from minbert.schema_inference.labels import Labels, is_plain

_NO_LABEL = "-1"


def named_codes(labels: Labels) -> dict[str, str | None] | None:
    """Return the name of every number, None of -1; None where labels are not such numbers.

    A list counts from 0, as Parquet's names do. It counts from 1 where the numbers end with its length.
    """
    numbers = labels.numbers
    names = labels.code_names or labels.listed
    codes = [int(value) for value in numbers or () if value == int(value) and value != -1]
    if (
        numbers is None
        or len(codes) < 2
        or len(codes) + (-1 in numbers) < len(numbers)
        or not all(map(is_plain, labels.names))
        or (not labels.code_names and set(labels.names) & set(names))
    ):
        return None
    first = int(not labels.code_names and min(codes) >= 1 and max(codes) == len(names))
    if min(codes) < first or max(codes) >= first + len(names):
        return None
    meant: dict[str, str | None] = {str(first + place): name for place, name in enumerate(names)}
    return meant | ({_NO_LABEL: None} if -1 in numbers else {})


def with_names(labels: Labels, meant: dict[str, str | None]) -> Labels:
    """Return the labels as they would be if the files had the names."""

    def renamed(counts: Counter[str]) -> Counter[str]:
        named: Counter[str] = Counter()
        for value, times in counts.items():
            if (name := meant.get(labels.known.get(value, value), value)) is not None:
                named[name] += times
        return named

    return replace(
        labels,
        train=renamed(labels.train),
        all=renamed(labels.all),
        listed=list(labels.code_names or labels.listed),
        code_names=(),
    )


def composed(meant: dict[str, str | None], translated: dict[str, str | None] | None) -> dict[str, str | None]:
    """Return from the files' numbers to the task's labels, where the names themselves may be translated."""
    further = translated or {}
    return {value: name if name is None else further.get(name, name) for value, name in meant.items()} | {
        value: name for value, name in further.items() if name is None
    }
