"""Gradient caching (Gao et al. 2021, section 3): the gradient of a large batch in the memory of a small one.

A loss that compares rows with each other needs the sentence vectors of all of them at once, but not their graphs. So
the encoder reads the rows in micro-batches without a graph; head and loss run once over the vectors of all rows and
leave a gradient at each vector; then the encoder reads each micro-batch again, now with its graph and the dropout masks
it had, and its cached gradients go back through it. The sum over micro-batches is the gradient of the whole batch.

In memory are the graph of one micro-batch, the sentence vectors of all rows and their gradients, and what the loss
itself holds (a matrix of rows by rows, for one that ranks). It costs one forward pass more: a third of a step's
arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from minbert.encoder.dropout import GeneratorState
from minbert.machine.precision import Precision, mixed_precision
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Span
from minbert.multitask.regularization import Passes
from minbert.packed import PackedBatch
from minbert.tasks.heads import HeadOutput


def add_cached_gradients(
    model: MultitaskModel,
    task: str,
    batches: Sequence[PackedBatch],
    precision: Precision,
    loss: Callable[[HeadOutput], Tensor],
    penalty: Callable[[Passes, float], Tensor] | None = None,
) -> None:
    """Add the gradient of a loss of all rows in ``batches``, which are of one task, to the parameters.

    Args:
        model: whose encoder is to be trained.
        task: whose rows they are.
        batches: the micro-batches, in order, on the model's device.
        precision: of the passes.
        loss: of the head output of all rows, called once: a scalar with its graph.
        penalty: of the passes of a micro-batch, whose share of all rows is given: a scalar to be added to the loss. It
            sees the encoder's masks as the loss did, and new ones in the head.
    """
    masks, vectors = [], []
    for batch in batches:
        masks.append(GeneratorState(model.device))
        with torch.no_grad(), mixed_precision(model.device, precision):
            vectors += model.vectors(batch, [Span(task, len(batch))])
    sides = model.tasks[task].sequences_per_row
    rows = [len(batch) // sides for batch in batches]
    whole = _joined(vectors, sides).requires_grad_()
    with mixed_precision(model.device, precision):
        output = model.head(task)(whole)
    loss(output).backward()  # type: ignore[no-untyped-call]
    assert whole.grad is not None
    for batch, count, own_masks, gradient in zip(batches, rows, masks, _parted(whole.grad, sides, rows), strict=True):
        if penalty is None:
            with own_masks.replayed(), mixed_precision(model.device, precision):
                [own] = model.vectors(batch, [Span(task, len(batch))])
            own.backward(gradient)  # type: ignore[no-untyped-call]
        else:
            passes = Passes(model, task, batch, precision, own_masks)
            added = penalty(passes, count / sum(rows))
            if added.requires_grad:  # not in the first step of a teacher, which has nothing to say yet
                torch.autograd.backward([passes.vectors, added], [gradient, torch.ones_like(added)])
            else:
                passes.vectors.backward(gradient)  # type: ignore[no-untyped-call]


def _joined(vectors: Sequence[Tensor], sides: int) -> Tensor:
    """Return the vectors of all rows, (N, hidden), as heads expect them: all first texts, then all second texts.

    Each micro-batch's vectors are in that order already.
    """
    return torch.cat([own.view(sides, -1, own.shape[-1]) for own in vectors], dim=1).flatten(0, 1)


def _parted(vectors: Tensor, sides: int, rows: Sequence[int]) -> list[Tensor]:
    """Undo ``_joined``, for micro-batches of so many ``rows``."""
    by_side = vectors.view(sides, -1, vectors.shape[-1])
    return [own.flatten(0, 1) for own in torch.split(by_side, list(rows), dim=1)]
