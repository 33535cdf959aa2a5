"""A task's rows as an endless stream of batches: pass after pass, each in a new order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minbert.files.long_arrays import shuffled
from minbert.randomness import generator


class RowStream:
    """The batches of one task, by number.

    Every pass has each row exactly once and its last batch may be short. A pass's order follows from the seed, the
    task's name and the number of the pass, so any batch can be had without drawing those before it.
    """

    def __init__(self, rows: int, batch_size: int, seed: int, task: str) -> None:
        self._rows = rows
        self._batch_size = batch_size
        self._batches_per_pass = -(-rows // batch_size)
        self._seed = seed
        self._task = task
        self._pass = -1
        self._order = np.empty(0, np.int64)

    def batch(self, number: int) -> NDArray[np.int64]:
        """Return the row numbers of batch ``number``, counted from 0 over all passes."""
        pass_number, batch = divmod(number, self._batches_per_pass)
        if pass_number != self._pass:
            self._order = shuffled(self._rows, generator(self._seed, "order", self._task, pass_number))
            self._pass = pass_number
        return self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
