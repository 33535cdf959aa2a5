"""Running a network without gradients: every distinct sequence once, in batches of like size.

Of several ranks each reads its share of the batches, and all have the answers. So all must ask alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from minbert.encoder.pooling import Taken
from minbert.errors import UserError
from minbert.machine.precision import Precision, mixed_precision
from minbert.machine.ranks import ranks
from minbert.multitask.network import MultitaskNetwork, Span
from minbert.multitask.sequences import Indices, Sequences
from minbert.tasks.heads import HeadOutput
from minbert.tasks.kinds import Kind
from minbert.tasks.predictions import Predictions

TOKENS_PER_BATCH = 4096
"""Enough to keep two cores in large matrix products, few enough that hidden states stay near the cache."""

Progress = Callable[[int], None]
"""Called with the number of sequences just finished."""


class NotFiniteAnswersError(UserError):
    """A model's answer is infinite or no number."""

    def __init__(self, what: str, answers: Tensor) -> None:
        """``what`` was asked; ``answers`` (R, ...) of which at least one is not finite."""
        self.row = int((~answers.isfinite()).flatten(1).any(1).nonzero()[0])
        """The first row that has such an answer, from 0."""
        self.reason = "the model's answer is not a finite number: its weights are damaged or far too large."
        super().__init__(f"{what}, input {self.row + 1}: {self.reason}")


def sentence_vectors(
    network: MultitaskNetwork,
    sequences: Sequences,
    taken: Taken,
    precision: Precision,
    progress: Progress = lambda done: None,  # noqa: ARG005
    *,
    task: str | None = None,
) -> Tensor:
    """Return the vectors of all ``S`` distinct sequences, (S, width), fp32 on the model's device, dropout off.

    They are what the head of ``task`` sees; without a task, what the encoder alone says: see ``MultitaskNetwork.read``.
    With ``texts`` taken they are twice as wide.
    """
    return _vectors(network, sequences, [taken], precision, progress, task)[taken]


def _vectors(
    network: MultitaskNetwork,
    sequences: Sequences,
    wanted: Collection[Taken],
    precision: Precision,
    progress: Progress,
    task: str | None,
) -> dict[Taken, Tensor]:
    """Return all that is wanted of the sequences, from one pass over each; see ``sentence_vectors``."""
    width = network.encoder.config.hidden_size if task is None else network.vector_width
    vectors = {
        taken: torch.empty(len(sequences), 2 * width if taken == "texts" else width, device=network.device)
        for taken in wanted
    }
    batches = [np.sort(mixed) for mixed in _batches(sequences.lengths())]  # joined sequences are packed last
    own = [batches[index] for index in ranks().share(len(batches))]
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), mixed_precision(network.device, precision):
            for numbers in own:
                batch = sequences.pack(numbers).to(network.device)
                spans = None if task is None else [Span(task, len(numbers))]
                for taken, found in network.pooled(batch, spans, wanted).items():
                    vectors[taken][torch.from_numpy(numbers)] = found.float()
                progress(len(numbers))
    finally:
        network.train(was_training)
    if not ranks().alone:
        for found in vectors.values():
            found[_all(batches)] = torch.cat(ranks().gather(found[_all(own)]))
    return vectors


def _all(batches: list[Indices]) -> Tensor:
    return torch.from_numpy(np.concatenate([np.empty(0, np.int64), *batches]))


def task_logits(
    network: MultitaskNetwork,
    task: str,
    sequences: Sequences,
    precision: Precision,
    progress: Progress = lambda done: None,  # noqa: ARG005
) -> Tensor:
    """Return a task's logits for all ``R`` rows of ``sequences``, (R, outputs), fp32 on the CPU."""
    vectors = sentence_vectors(network, sequences, network.task(task).taken, precision, progress, task=task)
    return head_logits(network, task, sequences, vectors)


def task_predictions(
    network: MultitaskNetwork,
    task: str,
    sequences: Sequences,
    precision: Precision,
    progress: Progress = lambda done: None,  # noqa: ARG005
) -> Predictions:
    """Return a task's predictions for all ``R`` rows of ``sequences``.

    Raises:
        NotFiniteAnswersError: one is no finite number.
    """
    logits = task_logits(network, task, sequences, precision, progress)
    return predictions_from(task, network.task(task).kind, logits)


def predictions_of_tasks(
    network: MultitaskNetwork, tasks: Sequence[str], sequences: Sequences, precision: Precision
) -> list[Predictions]:
    """Return the predictions of several tasks for all ``R`` rows of ``sequences``, which are read for all alike.

    Every sequence goes through the encoder once, but for tasks with adapters of their own.

    Raises:
        NotFiniteAnswersError: one is no finite number.
    """
    found: dict[str, Predictions] = {}
    for reader in dict.fromkeys(map(network.read_as, tasks)):
        own = [task for task in tasks if network.read_as(task) == reader]
        wanted = dict.fromkeys(network.task(task).taken for task in own)
        vectors = _vectors(network, sequences, wanted, precision, lambda done: None, reader)  # noqa: ARG005
        for task in own:
            logits = head_logits(network, task, sequences, vectors[network.task(task).taken])
            found[task] = predictions_from(task, network.task(task).kind, logits)
    return [found[task] for task in tasks]


def predictions_from(task: str, kind: Kind, logits: Tensor) -> Predictions:
    """Return the predictions that follow from the logits (R, outputs) of a task of this kind.

    Raises:
        NotFiniteAnswersError: one is no finite number.
    """
    if not torch.isfinite(logits).all():
        raise NotFiniteAnswersError(f"task '{task}'", logits)
    return kind.predictions(logits)


def head_logits(network: MultitaskNetwork, task: str, sequences: Sequences, vectors: Tensor) -> Tensor:
    """Return a task's logits (R, outputs) from the vectors (S, width) of its sequences, dropout off."""
    return torch.cat([output.logits for output in _head_outputs(network, task, sequences, vectors)])


def class_logits(network: MultitaskNetwork, task: str, sequences: Sequences, vectors: Tensor) -> Tensor | None:
    """Return the logits (R, classes) of a head whose score is a choice among classes, dropout off; None of others."""
    parts = [output.class_logits for output in _head_outputs(network, task, sequences, vectors)]
    return None if any(part is None for part in parts) else torch.cat([part for part in parts if part is not None])


def _head_outputs(network: MultitaskNetwork, task: str, sequences: Sequences, vectors: Tensor) -> Iterator[HeadOutput]:
    """Yield the head's output for some thousand rows at a time, on the CPU."""
    head = network.head(task)
    was_training = head.training
    rows = np.arange(len(sequences.rows))
    head.eval()
    try:
        for some in np.array_split(rows, max(1, -(-len(rows) // 8192))):
            with torch.no_grad():
                output = head(vectors[torch.from_numpy(sequences.of(some))])
            classes = None if output.class_logits is None else output.class_logits.cpu()
            yield HeadOutput(output.logits.cpu(), None, classes)
    finally:
        head.train(was_training)


def _batches(lengths: Indices) -> Iterator[Indices]:
    """Yield sequence numbers, some TOKENS_PER_BATCH tokens at a time, every batch with long and short ones alike."""
    # Packed sequences need no padding, so nothing is won by sorting them. Attention's bins fill up where short
    # sequences can take the room that long ones leave: 97 % of the slots of Quora, STS and SST are tokens this way,
    # 75 % in batches of like length, and a token costs a fifth more scores there.
    order = np.argsort(-lengths, kind="stable")
    batches = min(len(order), -(-int(lengths.sum()) // TOKENS_PER_BATCH))
    for number in range(batches):
        yield order[number::batches]
