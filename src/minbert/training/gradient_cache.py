"""Gradient caching (Gao et al. 2021, section 3): the gradient of a large batch in the memory of a small one.

A loss that compares rows with each other needs the sentence vectors of all of them at once, but not their graphs. So
the encoder reads the rows in chunks without a graph; head and loss run once over the vectors of all rows and leave a
gradient at each vector; then the encoder reads each chunk again, now with its graph and the dropout masks it had, and
the chunk's cached gradients go back through it. The sum over chunks is the gradient of the whole batch.

In memory are the graph of one chunk, the sentence vectors of all rows and their gradients, and what the loss itself
holds (a matrix of rows by rows, for one that ranks). It costs one forward pass more: a third of a step's arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from minbert.encoder.dropout import GeneratorState
from minbert.machine.precision import Precision, mixed_precision
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Part
from minbert.multitask.regularization import Passes
from minbert.packed import PackedBatch
from minbert.tasks.heads import HeadOutput


class Chunk(NamedTuple):
    """Some rows of a task's batch."""

    batch: PackedBatch
    """On the model's device."""
    part: Part


def add_cached_gradients(
    model: MultitaskModel,
    chunks: Sequence[Chunk],
    precision: Precision,
    loss: Callable[[HeadOutput], Tensor],
    penalty: Callable[[Passes, float], Tensor] | None = None,
) -> None:
    """Add the gradient of a loss of all ``chunks``, which are of one task, to the parameters.

    Args:
        model: whose encoder is to be trained.
        chunks: the rows, in order.
        precision: of the passes.
        loss: of the head output of all rows, called once: a scalar with its graph.
        penalty: of the passes of a chunk, whose share of all rows is given: a scalar to be added to the loss. It sees
            the encoder's masks as the loss did, and new ones in the head.
    """
    masks, vectors = [], []
    for batch, part in chunks:
        masks.append(GeneratorState(model.device))
        with torch.no_grad(), mixed_precision(model.device, precision):
            vectors += model.vectors(batch, [part])
    task, rows = chunks[0].part.task, [part.rows for _, part in chunks]
    sides = model.tasks[task].sequences_per_row
    whole = _joined(vectors, sides).requires_grad_()
    with mixed_precision(model.device, precision):
        output = model.head(task)(whole)
    loss(output).backward()  # type: ignore[no-untyped-call]
    assert whole.grad is not None
    for (batch, part), own_masks, gradient in zip(chunks, masks, _parted(whole.grad, sides, rows), strict=True):
        if penalty is None:
            with own_masks.replayed(), mixed_precision(model.device, precision):
                [own] = model.vectors(batch, [part])
            own.backward(gradient)  # type: ignore[no-untyped-call]
        else:
            passes = Passes(model, batch, part, precision, own_masks)
            added = penalty(passes, part.rows / sum(rows))
            if added.requires_grad:  # not in the first step of a teacher, which has nothing to say yet
                torch.autograd.backward([passes.vectors, added], [gradient, torch.ones_like(added)])
            else:
                passes.vectors.backward(gradient)  # type: ignore[no-untyped-call]


def _joined(vectors: Sequence[Tensor], sides: int) -> Tensor:
    """Return the vectors of all rows, (N, hidden), as heads expect them: all first texts, then all second texts.

    Each chunk's vectors are in that order already.
    """
    return torch.cat([chunk.view(sides, -1, chunk.shape[-1]) for chunk in vectors], dim=1).flatten(0, 1)


def _parted(vectors: Tensor, sides: int, rows: Sequence[int]) -> list[Tensor]:
    """Undo ``_joined``, for chunks of so many ``rows``."""
    by_side = vectors.view(sides, -1, vectors.shape[-1])
    return [chunk.flatten(0, 1) for chunk in torch.split(by_side, list(rows), dim=1)]
