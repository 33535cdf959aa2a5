"""Rows of a file dealt out to all ranks of a command, and their answers brought together in the rows' order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from minbert.data.text_rows import TextRow, TextRows
from minbert.machine.ranks import Ranks, ranks, taking_part
from minbert.multitask.sequences import Sequences
from minbert.text.batches import batches

ROWS_AT_ONCE = 2048
CHARACTERS_AT_ONCE = 2**24
"""Rows that a rank answers together, or fewer with so many characters: enough for full batches, and small in memory."""

Answer = Callable[[Sequence[TextRow]], tuple[list[Tensor], list[Sequences]]]
"""From some rows to what is said of them, tensors (R, ...) on the CPU, and what was read for them."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Some rows, what is said of them, and how many sequences were read for them and cut."""

    rows: Sequence[TextRow]
    answers: list[Tensor]
    sequences: int
    cut: int


def answered(rows: TextRows, answer: Answer) -> Iterator[Answered]:
    """Return all rows with their answers, some at a time, on every rank alike.

    The first rank alone reads the rows, so a file need not be on other machines, and standard input is read once. Each
    rank answers its share of them by itself. The first rows are read at once, so what is wrong from the start is told
    before anything is written.

    Raises:
        UserError: a row cannot be used; or ``answer`` raises it.
    """
    blocks = _read_by_first(rows)
    first = next(blocks, None)
    return _answered(blocks if first is None else chain([first], blocks), answer)


def _answered(blocks: Iterator[list[TextRow]], answer: Answer) -> Iterator[Answered]:
    own, done = ranks(), 0
    for block in blocks:
        own.place, done = f"after {done:,} rows", done + len(block)
        mine = own.share(len(block))
        with taking_part(Ranks()):
            # A rank without a row answers the first one for the answers' types and widths, and drops that.
            answers, read = answer(block[mine.start : mine.stop] or block[:1])
        counts = torch.tensor([[len(each), each.truncated()] for each in read]).sum(0) * bool(mine)
        own.sum_([counts])
        gathered = [torch.cat(own.gather(part[: len(mine)])) for part in answers]
        yield Answered(block, gathered, *counts.tolist())


def _read_by_first(rows: TextRows) -> Iterator[list[TextRow]]:
    """Yield the rows that the first rank reads, as many at a time as all ranks together answer."""
    own = ranks()
    blocks = batches(rows, ROWS_AT_ONCE * own.count, _characters, CHARACTERS_AT_ONCE * own.count)
    while block := _handed_on(next(blocks, []) if own.first else []):
        yield block


def _characters(row: TextRow) -> int:
    return sum(map(len, row.texts))


def _handed_on(block: list[TextRow]) -> list[TextRow]:
    """Return the first rank's block."""
    own = ranks()
    if own.alone:
        return block
    text = bytearray(json.dumps(block).encode())
    size = own.tell(lambda: len(text))  # which waits for a slow input, as a collective would not
    content = torch.frombuffer(text, dtype=torch.uint8) if own.first else torch.empty(size, dtype=torch.uint8)
    own.copy_([content])
    return [TextRow(line, row_id, tuple(texts)) for line, row_id, texts in json.loads(content.numpy().tobytes())]
