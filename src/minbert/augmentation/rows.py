"""New rows made from rows: which came from which, and none that says what another says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from minbert.augmentation.base import Augmentation, Augmenter
from minbert.randomness import generator

ROWS_AT_ONCE = 256
"""Rows rewritten between two calls of ``advance``."""

Texts = tuple[str, ...]
"""The text of a row, or its two texts."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row that was made; its label is its origin's."""

    id: str
    origin: int
    """The number of the row it was made from, from 0."""
    method: str
    texts: Texts


@dataclass(slots=True)
class RowAugmenter:
    """Makes new rows. What each method needs is loaded once, however often the method comes."""

    seed: int
    device: torch.device
    _loaded: dict[str, Augmenter] = field(default_factory=dict)

    def new_rows(
        self,
        methods: Sequence[Augmentation],
        ids: Sequence[str],
        texts: Sequence[Texts],
        advance: Callable[[int], None] = lambda done: None,  # noqa: ARG005
    ) -> list[NewRow]:
        """Return the new rows of all ``methods``, in the order of their origins.

        Of a pair both texts are rewritten. A new row is dropped if its texts are those of its origin or of another new
        row of that origin, case and white space aside, or if one of them is blank. Its id is ``ORIGIN~METHOD~NUMBER``,
        with a further ``~`` where a row has that id already.

        What is made of a row follows from its texts and the seed, and not from its id, its place or other rows.
        ``advance`` is called with the number of rows just finished, ``len(methods)`` times each row in all.
        """
        said = [{_content(row)} for row in texts]
        taken = set(ids)
        made: list[NewRow] = []
        numbered: Counter[str] = Counter()
        for method in methods:
            augmenter = self._augmenter(method)
            numbers = range(numbered[method.name] + 1, numbered[method.name] + method.copies + 1)
            for start in range(0, len(texts), ROWS_AT_ONCE):
                part = range(start, min(start + ROWS_AT_ONCE, len(texts)))
                for origin, copies in zip(part, self._rewrite(augmenter, method, numbers, texts, part), strict=True):
                    for number, copy in zip(numbers, copies, strict=True):
                        content = _content(copy)
                        if content in said[origin] or not all(content):
                            continue
                        said[origin].add(content)
                        made.append(NewRow(_id(ids[origin], method.name, number, taken), origin, method.name, copy))
                advance(len(part))
            numbered[method.name] += method.copies
        return sorted(made, key=lambda row: row.origin)

    def _augmenter(self, method: Augmentation) -> Augmenter:
        key = method.model_dump_json()
        if key not in self._loaded:
            self._loaded[key] = method.load(self.device)
        return self._loaded[key]

    def _rewrite(
        self, augmenter: Augmenter, method: Augmentation, numbers: range, texts: Sequence[Texts], part: range
    ) -> list[list[Texts]]:
        """Return the copies of each row of ``part``."""
        flat = [(column, text) for row in part for column, text in enumerate(texts[row])]
        draws = [
            [generator(self.seed, "augmentation", method.name, number, column, text) for number in numbers]
            for column, text in flat
        ]
        rewritten = iter(augmenter.rewrite([text for _, text in flat], draws))
        rows = []
        for row in part:
            of_columns = [next(rewritten) for _ in texts[row]]
            rows.append([tuple(text.strip() for text in copy) for copy in zip(*of_columns, strict=True)])
        return rows


def _content(texts: Texts) -> Texts:
    """Return what two rows share that only case and white space tell apart."""
    return tuple(" ".join(text.casefold().split()) for text in texts)


def _id(origin: str, method: str, number: int, taken: set[str]) -> str:
    new = f"{origin}~{method}~{number}"
    while new in taken:
        new += "~"
    taken.add(new)
    return new
