"""Rows of a table that learn at a higher rate than the rest of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor


@contextmanager
def moving_faster(table: Tensor, rows: range, factor: float) -> Iterator[None]:
    """Let the optimizer's step that is made within move ``rows`` of ``table`` (V, ...) ``factor`` times as far.

    Our optimizers move and decay in proportion to the learning rate, so this is what ``factor`` times that rate does.
    """
    moving = table.detach()[rows.start : rows.stop]
    before = moving.clone()
    yield
    moving.copy_(before.lerp(moving, factor))
