"""One pass of the model over pieces of several jobs, and the answers of the jobs that are complete by it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minbert.machine.precision import Precision, mixed_precision
from minbert.multitask.network import MultitaskNetwork, Span
from minbert.multitask.sequences import ALONE
from minbert.packed import PackedBatch, concatenate
from minbert.serving.jobs import ENCODER, Job, reader_of, taken_by
from minbert.serving.logs import told
from minbert.tasks.predictions import Predictions
from minbert.text.packing import pack_joined, pack_single
from minbert.text.token_table import TokenTable

_log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """Some units of a job."""

    job: Job
    units: range

    @property
    def tokens(self) -> int:
        """How many tokens they have together."""
        return self.job.tokens_of(self.units)

    def apart(self) -> Iterable[Piece]:
        """Yield a piece for each unit."""
        return (Piece(self.job, range(unit, unit + 1)) for unit in self.units)


class _Place(NamedTuple):
    """A place in a packed batch, in the order of the packing: joined sequences last, each reader's side by side."""

    joined: bool
    reader: str
    """Empty for the encoder alone."""
    piece: int
    unit: int


class Reader:
    """Runs a network over pieces of jobs, dropout off."""

    def __init__(self, network: MultitaskNetwork, precision: Precision) -> None:
        self.network = network.eval()
        self.precision = precision

    def read(self, pieces: Sequence[Piece]) -> None:
        """Read ``pieces`` in one pass and keep the vectors with their jobs.

        If that raises an error, each unit is read by itself. So is each whose vector is not finite: a neighbour in the
        batch may have spoilt it. What fails alone is unsound.
        """
        try:
            again = self._read_together(pieces)
        except Exception as error:
            told(_log, "batch failed", error=error)
            again = [single for piece in pieces for single in piece.apart()]
        for single in again:
            try:
                failed = bool(self._read_together([single]))
            except Exception as error:
                told(_log, "item failed", error=error)
                failed = True
            if failed:
                single.job.unsound.add(single.job.units[single.units[0]])
        for piece in pieces:
            piece.job.done += len(piece.units)

    def answer(self, jobs: Sequence[Job]) -> None:
        """Let the heads answer jobs whose sequences have all been read: those of one task at once."""
        for task in dict.fromkeys(task for job in jobs for task in job.tasks):
            asking = [job for job in jobs if task in job.tasks]
            try:
                self._answer(task, asking)
            except Exception as error:
                told(_log, "head failed", error=error)
                for job in asking:
                    self._answer_alone(task, job)

    def _answer_alone(self, task: str | None, job: Job) -> None:
        try:
            self._answer(task, [job])
        except Exception as error:
            told(_log, "item failed", error=error)
            job.failed[task] = np.ones(len(job.rows[task]), dtype=np.bool_)

    def _read_together(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Read ``pieces``; return those units, one by one, whose vectors are not finite or all 0."""
        places = sorted(
            _Place(_is_joined(piece.job, unit), piece.job.units[unit].reader or "", index, unit)
            for index, piece in enumerate(pieces)
            for unit in piece.units
        )
        jobs = [piece.job for piece in pieces]
        # What goes through tasks' adapters and a shared layer cannot share a pass with what the encoder reads alone.
        parts = [[place for place in places if bool(place.reader) == through_tasks] for through_tasks in (False, True)]
        return [bad for part in parts if part for bad in self._pass(jobs, part)]

    def _pass(self, jobs: Sequence[Job], places: Sequence[_Place]) -> list[Piece]:
        """Read sequences in one call of the encoder; see ``_read_together``."""
        network = self.network
        batch = _packed(jobs, places).to(network.device)
        runs = groupby(places, key=lambda place: (place.joined, place.reader))
        spans = [Span(reader, len(list(run))) for (_, reader), run in runs] if places[0].reader else None
        readers = {place.reader or ENCODER for place in places}
        wanted = {taken for job in jobs for reader, taken in job.vectors if reader in readers}
        with torch.no_grad(), mixed_precision(network.device, self.precision):
            vectors = {taken: found.float() for taken, found in network.pooled(batch, spans, wanted).items()}
        sound = torch.stack([_sound(found) for found in vectors.values()]).all(0).cpu().numpy()
        own: dict[tuple[int, str], list[int]] = {}
        for at, place in enumerate(places):
            own.setdefault((place.piece, place.reader), []).append(at)
        for (piece, reader), here in own.items():
            job = jobs[piece]
            numbers = [job.units[places[at].unit].number for at in here]
            for (whose, taken), kept in job.vectors.items():
                if (whose or "") == reader:
                    kept[numbers] = vectors[taken][here]
        return [Piece(jobs[place.piece], range(place.unit, place.unit + 1)) for place in _where_not(sound, places)]

    def _answer(self, task: str | None, jobs: Sequence[Job]) -> None:
        """Store a task's answers with ``jobs``."""
        network = self.network
        key = (reader_of(network, task), taken_by(network, task))
        vectors = torch.cat([job.vectors[key] for job in jobs])
        starts = accumulate((len(job.sequences) for job in jobs), initial=0)
        rows = np.concatenate([job.rows[task] + start for job, start in zip(jobs, starts, strict=False)])
        failed = np.concatenate([job.unsound_rows(network, task) for job in jobs])
        seen = vectors[torch.from_numpy(rows.T.reshape(-1))]  # all first texts, then all second ones, as heads expect
        ends = list(accumulate(len(job.rows[task]) for job in jobs))
        own = [slice(end - len(job.rows[task]), end) for job, end in zip(jobs, ends, strict=True)]
        if task is ENCODER:
            answers = seen.cpu().numpy()
            for job, part in zip(jobs, own, strict=True):
                job.sentence_vectors, job.failed[task] = answers[part], failed[part]
            return
        with torch.no_grad():
            logits = network.head(task)(seen).logits.float().cpu()
        failed |= ~logits.isfinite().all(1).numpy()
        logits[torch.from_numpy(failed)] = 0.0  # nobody is told what follows from them
        predicted = network.task(task).kind.predictions(logits)
        for job, part in zip(jobs, own, strict=True):
            probabilities = None if predicted.probabilities is None else predicted.probabilities[part]
            job.predictions[task] = Predictions(predicted.values[part], probabilities, predicted.class_names)
            job.failed[task] = failed[part]


def _is_joined(job: Job, unit: int) -> bool:
    second = job.sequences.second
    return second is not None and bool(second[job.units[unit].number] != ALONE)


def _packed(jobs: Sequence[Job], places: Sequence[_Place]) -> PackedBatch:
    """Pack the sequences at ``places``, in their order."""
    tables = [job.sequences.table for job in jobs]
    token_ids = np.concatenate([table.token_ids for table in tables])
    lengths = np.concatenate([table.lengths for table in tables])
    table = TokenTable(token_ids, np.concatenate([[0], lengths.cumsum()]))
    starts = list(accumulate((len(table) for table in tables), initial=0))
    alone: list[int] = []
    first: list[int] = []
    second: list[int] = []
    for place in places:
        sequences, start = jobs[place.piece].sequences, starts[place.piece]
        number = jobs[place.piece].units[place.unit].number
        (first if place.joined else alone).append(sequences.first[number] + start)
        if place.joined:
            assert sequences.second is not None
            second.append(sequences.second[number] + start)
    template, longest = jobs[0].sequences.template, jobs[0].sequences.max_length
    packs = []
    if alone:
        packs.append(pack_single(table, np.array(alone), template, longest))
    if first:
        packs.append(pack_joined(table, np.array(first), np.array(second), template, longest))
    return concatenate(packs)


def _sound(vectors: Tensor) -> Tensor:
    """Return which of vectors (N, width) are finite and not all 0, (N,)."""
    return vectors.isfinite().all(1) & (vectors != 0).any(1)


def _where_not(sound: NDArray[np.bool_], places: Sequence[_Place]) -> list[_Place]:
    return [place for place, fine in zip(places, sound.tolist(), strict=True) if not fine]
