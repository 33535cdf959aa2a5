"""Jobs: what a request asks of the model, as the sequences to be read for it and the tasks that answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.encoder.pooling import Taken
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import MultitaskNetwork
from minbert.multitask.sequences import Indices, Sequences
from minbert.multitask.texts import Text
from minbert.tasks.heads import Pair
from minbert.tasks.predictions import Predictions
from minbert.text.token_table import TokenTable

ENCODER = None
"""In the place of a task: sentence vectors, as the encoder alone says them."""

Failed = NDArray[np.bool_]
"""(R,) which rows have no answer, because the model's numbers are not finite or all 0, or it raised an error."""


class Unit(NamedTuple):
    """One sequence to be read for a job."""

    reader: str | None
    """The task whose adapter and shared layer it goes through; None for the encoder alone."""
    number: int
    """Which of the job's sequences."""


class Job:
    """What one request asks: rows, all single texts or all pairs, and which tasks answer each of them.

    Every distinct sequence is read once for all tasks, but for those with adapters of their own.
    """

    def __init__(
        self, network: MultitaskNetwork, sequences: Sequences, form: Pair | None, tasks: Sequence[str | None]
    ) -> None:
        """Take ``R`` rows read as ``form`` says (see ``form_of``), to be answered by ``tasks``."""
        self.sequences = sequences
        self.tasks = tasks
        self.rows = {task: _columns(sequences.rows, form, network, task) for task in tasks}
        """Of each task, the sequences (R, k) that its head sees."""
        self.vectors = {
            key: torch.zeros(len(sequences), _width(network, *key), device=network.device)
            for key in {(reader_of(network, task), taken_by(network, task)) for task in tasks}
        }
        """(S, width) by reader and what is taken of a sequence."""
        lengths = sequences.lengths()
        by_reader: dict[str | None, list[Indices]] = {}
        for task in tasks:
            by_reader.setdefault(reader_of(network, task), []).append(self.rows[task].ravel())
        self.units = [
            Unit(reader, int(number))
            for reader, rows in by_reader.items()
            for number in np.unique(np.concatenate(rows))
        ]
        self._ends = np.cumsum([0, *(lengths[unit.number] for unit in self.units)])
        self._given = 0
        self.done = 0
        """How many units have been read."""
        self.unsound: set[Unit] = set()
        """What could not be read, or gave numbers that mean nothing."""
        self.predictions: dict[str, Predictions] = {}
        self.sentence_vectors: NDArray[np.float32] | None = None
        """(R, hidden), where ``ENCODER`` was asked."""
        self.failed: dict[str | None, Failed] = {}
        self.answered: asyncio.Future[None] | None = None
        self.queued_at = self.started_at = self.ended_at = time.perf_counter()

    @property
    def tokens(self) -> int:
        """How many tokens are read for it in all."""
        return int(self._ends[-1])

    @property
    def waiting_tokens(self) -> int:
        """How many of them have not been given out yet."""
        return int(self._ends[-1] - self._ends[self._given])

    def tokens_of(self, units: range) -> int:
        """Return how many tokens some units, which follow each other, have together."""
        return int(self._ends[units.stop] - self._ends[units.start])

    def take(self, tokens: int) -> range:
        """Give out the next units: as many as have at most so many tokens together, but at least one."""
        most = int(np.searchsorted(self._ends, self._ends[self._given] + tokens, side="right")) - 1
        given = range(self._given, max(self._given + 1, most))
        self._given = given.stop
        return given

    def unsound_rows(self, network: MultitaskNetwork, task: str | None) -> Failed:
        """Return which rows (R,) of a task have a sequence that is unsound."""
        reader = reader_of(network, task)
        numbers = [unit.number for unit in self.unsound if unit.reader == reader]
        return np.asarray(np.isin(self.rows[task], numbers).any(axis=1))


def new_job(model: MultitaskModel, tasks: Sequence[str | None], rows: Sequence[Text]) -> Job:
    """Tokenize rows, all texts or all pairs, for tasks that take them.

    Raises:
        UserError: a text is no Unicode.
    """
    form = form_of(model, tasks)
    firsts = [row if isinstance(row, str) else row[0] for row in rows]
    seconds = [row[1] for row in rows if not isinstance(row, str)]
    table, numbers = TokenTable.from_texts(firsts + seconds, model.tokenizer)
    first, second = numbers[: len(rows)], numbers[len(rows) :] if seconds else None
    return Job(model, Sequences.of_rows(table, first, second, form, model.template, model.max_length), form, tasks)


def form_of(network: MultitaskNetwork, tasks: Sequence[str | None]) -> Pair | None:
    """Return how the two texts of a row are read so that each of these tasks finds what its head sees; None for one."""
    forms = {None if task is ENCODER else network.task(task).pair for task in tasks}
    joined = forms & {"cross", "joint"}
    if "both" in forms or ("bi" in forms and joined):
        return "both"
    return "cross" if joined else next(iter(forms))


def reader_of(network: MultitaskNetwork, task: str | None) -> str | None:
    """Return the task as which sequences go through the network for ``task``; equal readers see equal states."""
    return ENCODER if task is ENCODER else network.read_as(task)


def taken_by(network: MultitaskNetwork, task: str | None) -> Taken:
    """Return what is taken of a sequence for ``task``; of the encoder alone the mean, as ``minbert encode`` does."""
    return "mean" if task is ENCODER else network.task(task).taken


def _width(network: MultitaskNetwork, reader: str | None, taken: Taken) -> int:
    """Return how many numbers a vector has."""
    width = network.encoder.config.hidden_size if reader is ENCODER else network.vector_width
    return 2 * width if taken == "texts" else width


def _columns(rows: Indices, form: Pair | None, network: MultitaskNetwork, task: str | None) -> Indices:
    """Return those of the sequences of rows read as ``form`` that are a task's own."""
    own = None if task is ENCODER else network.task(task).pair
    if form == "both" and own == "bi":
        return rows[:, :2]
    if form == "both" and own in ("cross", "joint"):
        return rows[:, 2:]
    return rows
