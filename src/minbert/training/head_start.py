"""Before the first step, or after the last: every head solved over the vectors of the encoder as it stands.

Fine-tuning from such a head moves the encoder less than fine-tuning from a random one, whose first gradients tear at
features that were good (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution").
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minbert.display.progress import Display
from minbert.files.long_arrays import shuffled
from minbert.machine.ranks import ranks
from minbert.multitask.inference import Progress
from minbert.multitask.sequences import Indices, Sequences
from minbert.randomness import generator
from minbert.tasks.heads.solving import Problem
from minbert.training.learner import Learner

MOST_ROWS = 10_000
"""Of a task with more rows, so many are drawn. With the 1,536 features of a pair they take 120 MB in float64."""


def start_heads(learner: Learner, seed: int, display: Display) -> None:
    """Solve every head that can be, over the vectors of its task's training rows as they are now, dropout off.

    The same seed draws the same rows, and holds out the same ones to choose a penalty by.
    """
    started = time.monotonic()
    rows = _rows(learner, seed)
    texts = sum(map(len, _sequences(learner, seed)))
    solved, kept = [], []
    with display.counting(f"reading {texts:,} texts to solve the heads", texts) as bar:
        for task, settings in learner.model.tasks.items():
            if task in rows and _solve(learner, task, rows[task], seed, bar.advance):
                some, whole = len(rows[task]), len(learner.train[task])
                solved.append(f"{task} ({some:,} of {whole:,} rows)" if some < whole else task)
            else:
                kept.append(f"{task} ({settings.head.name})")
    if solved:
        seconds = time.monotonic() - started
        read = sum(len(learner.train[task].sequences.chosen(numbers)) for task, numbers in rows.items())
        display.note(f"heads solved over the vectors of {read:,} texts in {seconds:.0f} s: {', '.join(solved)}")
    if kept:
        display.note(f"heads that start as they are: {', '.join(kept)}")


def head_start_tokens(learner: Learner, seed: int) -> int:
    """Return how many tokens the encoder reads to solve the heads."""
    return sum(int(sequences.lengths().sum()) for sequences in _sequences(learner, seed))


def _rows(learner: Learner, seed: int) -> dict[str, Indices]:
    """Return the training rows that each head with weights is solved on."""
    return {
        task: np.sort(shuffled(len(rows), generator(seed, "head start", task))[:MOST_ROWS])
        for task, rows in learner.train.items()
        if learner.model.tasks[task].head.has_weights
    }


def _sequences(learner: Learner, seed: int) -> list[Sequences]:
    """Return what the encoder has to read for them: nothing, where it has read everything before."""
    if learner.encodes_once:
        return []
    return [learner.train[task].sequences.chosen(rows) for task, rows in _rows(learner, seed).items()]


def _solve(learner: Learner, task: str, numbers: Indices, seed: int, progress: Progress) -> bool:
    rows, settings = learner.train[task], learner.model.tasks[task].as_solved()
    weights = settings.kind.label_weights(rows.known_labels)

    def tensor(values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values[numbers]).to(learner.model.device)

    problem = Problem(
        labels=tensor(rows.known_labels),
        weights=None if weights is None else tensor(weights),
        loss=lambda output, labels, weights: settings.compute_loss(output, labels, weights=weights),
        least_squares=settings.least_squares,
        texts=rows.sequences.rows[numbers, 0],
        generator=generator(seed, "head start", task, "held out"),
    )
    head, vectors = learner.model.head(task), learner.training_vectors(task, numbers, progress)
    solved = ranks().tell(lambda: head.solve(vectors, problem))
    ranks().copy_(head.state_dict().values())
    return solved
