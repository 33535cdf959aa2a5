"""What columns of texts hold, whatever their headers say."""

from __future__ import annotations

import re

from minbert.schema_inference.tables import Column

_SOME = 200
"""So many rows tell whether two columns hold the same words."""
_FEW = 20
"""So many different values may well be classes."""
_WORDS = re.compile(r"[a-z0-9]+|\w")
"""Words of English; of other scripts letters, as some set no spaces."""


def holds_prose(column: Column) -> bool:
    """Return whether values are mostly several words."""
    return (
        not column.lists
        and len(column.counts) > 1
        and (column.prose >= 0.4 or column.words >= 4)
        and max(column.numbers, column.dates) < 0.5
    )


def holds_words(column: Column) -> bool:
    """Return whether values are mostly words, if only one each; names are, and codes with digits are not."""
    return (
        not column.lists
        and column.words >= 0.8
        and max(column.numbers, column.dates) < 0.5
        and sum(any(map(str.isdigit, value)) for value in column.counts) < 0.5 * len(column.counts)
    )


def is_full(column: Column) -> bool:
    """Return whether nearly every row has a value."""
    return column.filled >= 0.9 * len(column.values)


def are_alike(one: Column, other: Column) -> bool:
    """Return whether two columns of words may be a pair, not names of classes: if they repeat, not both together."""
    shorter, longer = sorted([one, other], key=lambda column: column.words)
    if shorter.words * 3 < longer.words or min(len(one.counts), len(other.counts)) <= _FEW:
        return False
    rows = [row for row in zip(one.values, other.values, strict=True) if all(row)]
    return len(set(rows)) > 0.5 * len(rows)


def have_words_in_common(one: Column, other: Column) -> bool:
    """Return whether most words of one column stand in the same row of the other, or the other way round."""
    shares = []
    for row in zip(one.values, other.values, strict=True):
        first, second = (set(_WORDS.findall(value.casefold())) for value in row)
        if first and second:
            shares.append(len(first & second) / min(len(first), len(second)))
            if len(shares) == _SOME:
                break
    return sum(shares) > 0.5 * len(shares)
