"""The special tokens that make a sequence of one text or two."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """Where special tokens stand in a sequence, by their ids: before its text or texts, between two, and at the end."""

    start: tuple[int, ...]
    between: tuple[int, ...]
    end: tuple[int, ...]

    def tokens(self, texts: int) -> int:
        """Return how many special tokens a sequence of so many texts has, 1 or 2."""
        return len(self.start) + (texts - 1) * len(self.between) + len(self.end)

    @property
    def ids(self) -> tuple[int, ...]:
        """Each of them once, ascending."""
        return tuple(sorted({*self.start, *self.between, *self.end}))
