"""Texts without labels: read from files, each distinct one once, a share of them held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from minbert.data.examples import BadDataError, same_content
from minbert.data.lines import read_lines
from minbert.data.opened import PACKED, opened
from minbert.data.row import Problem, Row, missing_column
from minbert.data.rows import read_rows
from minbert.errors import UserError, shown
from minbert.randomness import Numbers, Permutation
from minbert.text.distinct import DistinctTexts

PLAIN_TEXT = ".txt"


def is_plain_text(path: Path) -> bool:
    """Return whether a file's name says that it has a text a line and no columns."""
    return path.name.lower().removesuffix(PACKED).endswith(PLAIN_TEXT)


def read_texts(path: Path, columns: Sequence[str]) -> Iterator[str]:
    """Yield the texts of a file, stripped of outer white space; blank ones are left out.

    A ``.txt`` file has a text a line and no columns (``.txt.gz`` is one, too); any other (see ``read_rows``) has texts
    in ``columns``.

    Raises:
        BadDataError: rows cannot be used; raised at the end, so that it can tell of all of them.
        UserError: the file cannot be used as a whole, lacks a column, or holds no text.
    """
    problems: list[Problem] = []
    empty = True
    for item in _lines(path) if is_plain_text(path) else _cells(path, columns):
        if isinstance(item, Problem):
            problems.append(item)
        elif text := item.strip():
            empty = False
            yield text
    if problems:
        raise BadDataError(path, problems)
    if empty:
        raise UserError(f"{path}: holds no text.")


def divided(
    texts: DistinctTexts, share: float, at_most: int | None, seed: int, name: str
) -> Iterator[tuple[str, bool]]:
    """Yield ``texts``, at most ``at_most`` of them (drawn by ``seed`` and ``name``), each with whether it is held out.

    Whether a text is held out follows from the text alone, apart from case and white space: so it is held out of every
    corpus, under every seed, and when other texts come or go. A smaller draw is part of a larger one.
    """
    drawn: Iterable[str] = texts
    if at_most is not None and at_most < len(texts):
        drawn = _chosen(texts, np.sort(Permutation(len(texts), seed, "corpus", name)(np.arange(at_most))))
    for text in drawn:
        yield text, _place(text) < share


def _chosen(texts: Iterable[str], numbers: Numbers) -> Iterator[str]:
    wanted = iter(numbers.tolist())
    number = next(wanted, None)
    for place, text in enumerate(texts):
        if place == number:
            number = next(wanted, None)
            yield text


def _place(text: str) -> float:
    """Return a number from 0 up to 1 that follows from the text."""
    digest = hashlib.sha256(same_content([text]).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _lines(path: Path) -> Iterator[str | Problem]:
    with opened(path) as (stream, _):
        for line in read_lines(stream, path):
            yield line.content if line.flaw is None else Problem(path, line.number, *line.flaw)


def _cells(path: Path, columns: Sequence[str]) -> Iterator[str | Problem]:
    checked = False
    for row in read_rows(path):
        if isinstance(row, Problem):
            yield row
            continue
        if not checked:
            _require(path, row, columns)
            checked = True
        for column in columns:
            if column in row.unusable:
                yield Problem(path, row.line, f"column '{shown(column)}' holds {row.unusable[column]}")
            else:
                yield row.values.get(column, "")


def _require(path: Path, row: Row, columns: Sequence[str]) -> None:
    if not columns:
        there = ", ".join(shown(name) for name in list(row.values)[:20])
        raise UserError(f"{path}: is a table; name the column of its texts with 'column'. The columns are: {there}.")
    if missing := missing_column(row, columns):
        raise UserError(f"{path}: {missing}")
