"""Pairwise covering: few rows in which every two values of any two axes meet, unless a rule keeps them apart."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Axes = Mapping[str, Sequence[str]]
"""Each axis with its values."""
Row = dict[str, str]
"""A value of each axis, or, as long as it grows, of some of them."""
Partners = dict[tuple[str, str], set[tuple[str, str]]]
"""From a value of an axis to those of others that it has still to meet; empty where a row is to meet none."""


@dataclass(frozen=True)
class Rule:
    """Values that have no meaning together."""

    axes: tuple[str, ...]
    forbids: Callable[..., bool]
    """From a value of each of ``axes``, in order."""
    reason: str
    """A regular expression for what the user is told."""
    follows: bool = False
    """Whether it follows from other rules, so that no row breaks it alone."""

    def broken_by(self, row: Mapping[str, str]) -> bool:
        """Return whether the row, complete or not, has such values."""
        values = [row[axis] for axis in self.axes if axis in row]
        return len(values) == len(self.axes) and self.forbids(*values)


def broken(row: Mapping[str, str], rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules that a row breaks."""
    return [rule for rule in rules if rule.broken_by(row)]


def covering_rows(axes: Axes, rules: Sequence[Rule]) -> list[Row]:
    """Return complete rows that break no rule and hold every pair of values that some such row can hold.

    Greedy: each row begins with a pair still missing, and every further axis takes, of the values that break no rule
    with those before, the one that adds most missing pairs.
    """
    chance = random.Random(0)
    missing = {pair: None for pair in _pairs(axes) if not broken(dict(pair), rules)}
    partners: Partners = defaultdict(set)
    for one, other in missing:
        partners[one].add(other)
        partners[other].add(one)
    rows = []
    while missing:
        seed = next(iter(missing))
        row = completed(dict(seed), axes, rules, partners, chance)
        assert row is not None, f"{seed}: breaks no rule by itself, but cannot be completed; say so in a rule"
        for pair in combinations(sorted(row.items()), 2):
            missing.pop(pair, None)
            partners[pair[0]].discard(pair[1])
            partners[pair[1]].discard(pair[0])
        rows.append(row)
    return rows


def completed(
    row: Row,
    axes: Axes,
    rules: Sequence[Rule],
    partners: Partners,
    chance: random.Random,
) -> Row | None:
    """Return the row with a value for every axis, so that it breaks no rule; None if there is no such row."""
    left = [axis for axis in axes if axis not in row]
    if not left:
        return row
    chance.shuffle(left)
    axis = max(left, key=lambda name: len(axes[name]))
    # Rules that the row was begun with are kept broken: that is how a row that is to be refused is asked for.
    asked = [rule for rule in rules if axis in rule.axes and all(other in row or other == axis for other in rule.axes)]

    def gain(value: str) -> int:
        return len(partners[axis, value] & row.items())

    for value in sorted(axes[axis], key=gain, reverse=True) if partners else axes[axis]:
        longer = {**row, axis: value}
        if not broken(longer, asked) and _leaves_a_way(longer, axis, axes, rules):
            whole = completed(longer, axes, rules, partners, chance)
            if whole is not None:
                return whole
    return None


def _leaves_a_way(row: Row, latest: str, axes: Axes, rules: Sequence[Rule]) -> bool:
    """Return whether each axis that the latest one leaves the last of a rule still has a value.

    One row took 600,000 steps without: a value that left none for an axis far down was changed last of all.
    """
    last = {
        left[0]
        for rule in rules
        if latest in rule.axes and len(left := [axis for axis in rule.axes if axis not in row]) == 1
    }
    return all(
        any(not broken({**row, axis: value}, [rule for rule in rules if axis in rule.axes]) for value in axes[axis])
        for axis in last
    )


def forbidden_rows(axes: Axes, rules: Sequence[Rule]) -> Iterator[tuple[Row, Rule]]:
    """Yield, for each rule and each choice of values it forbids, a row that breaks this rule and no other."""
    for rule in (rule for rule in rules if not rule.follows):
        choices: list[Row] = [{}]
        for axis in rule.axes:
            choices = [{**choice, axis: value} for choice in choices for value in axes[axis]]
        for choice in choices:
            if broken(choice, rules) == [rule]:
                row = completed(choice, axes, rules, {}, random.Random(0))
                assert row is not None
                assert broken(row, rules) == [rule]
                yield row, rule


def _pairs(axes: Axes) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    for left, right in combinations(sorted(axes), 2):
        for one in axes[left]:
            for other in axes[right]:
                yield (left, one), (right, other)
