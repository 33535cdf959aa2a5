"""Gradient caching (Gao et al. 2021, section 3): the gradient of a large batch in the memory of a small one.

A loss that compares rows with each other needs the sentence vectors of all of them at once, but not their graphs. So
the encoder reads the rows in micro-batches without a graph; head and loss run once over the vectors of all rows and
leave a gradient at each vector; then the encoder reads each micro-batch again, now with its graph and the dropout masks
it had, and its cached gradients go back through it. The sum over micro-batches is the gradient of the whole batch.

Of several ranks each reads its own rows. They gather the vectors of all, each computes the same loss, and takes from it
the gradients at its own rows' vectors; that of the head counts once.

In memory are the graph of one micro-batch, the sentence vectors of all rows and their gradients, and what the loss
itself holds (a matrix of rows by rows, for one that ranks). It costs one forward pass more: a third of a step's
arithmetic. Where one micro-batch is all that a rank has, its graph is kept, and it is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from minbert.encoder.dropout import GeneratorState
from minbert.machine.precision import Precision, mixed_precision
from minbert.machine.ranks import ranks
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Span
from minbert.multitask.regularization import Passes
from minbert.packed import PackedBatch
from minbert.tasks.heads import HeadOutput
from minbert.tasks.heads.features import full_precision


def add_cached_gradients(
    model: MultitaskModel,
    task: str,
    shards: Mapping[int, Sequence[PackedBatch]],
    draw: Callable[..., None],
    precision: Precision,
    loss: Callable[[HeadOutput], Tensor],
    penalty: Callable[[Passes, float], Tensor] | None = None,
) -> None:
    """Add this rank's part of the gradient of a loss of all ranks' rows, which are of one task, to the parameters.

    Args:
        model: whose encoder is to be trained.
        task: whose rows they are.
        shards: the micro-batches of each of this rank's shards, in order, on the model's device.
        draw: decides what dropout masks follow from: called with a shard's number before it is read, with that and
            ``again`` before it is read again, and with ``head`` before the head.
        precision: of the passes.
        loss: of the head output of all rows, called once: a scalar with its graph.
        penalty: of the passes of a micro-batch, whose share of all rows is given: a scalar to be added to the loss. It
            sees the encoder's masks as the loss did, and new ones in the head.
    """
    sides = model.tasks[task].sequences_per_row
    keep = penalty is None and sum(map(len, shards.values())) == 1
    read: dict[int, list[_Read]] = {}
    for shard, batches in shards.items():
        draw(shard)
        read[shard] = [_Read(model, task, batch, precision, keep) for batch in batches]
    own = [part for parts in read.values() for part in parts]
    width = model.vector_width * (2 if model.tasks[task].taken == "texts" else 1)
    none = torch.empty(0, sides, width, dtype=next(model.parameters()).dtype, device=model.device)
    gathered = ranks().gather(torch.cat([none, *(_by_row(part.vectors.detach(), sides) for part in own)]))
    whole = torch.cat(gathered).requires_grad_()
    draw("head")
    with mixed_precision(model.device, precision):
        output = model.head(task)(_by_side(whole))
    value = loss(output)
    if ranks().first:
        value.backward()  # type: ignore[no-untyped-call]
        gradients = whole.grad
    else:  # of the vectors alone: the head's is the first rank's to add
        [gradients] = torch.autograd.grad(value, whole)
    assert gradients is not None
    start = sum(map(len, gathered[: ranks().rank]))
    for shard, parts in read.items():
        draw(shard, "again")
        for part in parts:
            count = len(part.batch) // sides
            part.backward(_by_side(gradients[start : start + count]), penalty, count / len(whole))
            start += count


class _Read:
    """A micro-batch that has been read: its sentence vectors, and all that it takes to come to them again."""

    def __init__(self, model: MultitaskModel, task: str, batch: PackedBatch, precision: Precision, keep: bool) -> None:
        """Read ``batch``; ``keep`` the graph."""
        self.batch = batch
        self._model, self._task, self._precision, self._kept = model, task, precision, keep
        self._masks = GeneratorState(model.device)
        with torch.set_grad_enabled(keep):
            self.vectors = self._vectors()

    def backward(self, gradient: Tensor, penalty: Callable[[Passes, float], Tensor] | None, share: float) -> None:
        """Take the ``gradient`` at the vectors, and that of the ``penalty`` of so large a share, to the parameters."""
        if penalty is None:
            if not self._kept:
                with self._masks.replayed():
                    self.vectors = self._vectors()
            backward_from(self.vectors, gradient)
            return
        passes = Passes(self._model, self._task, self.batch, self._precision, self._masks)
        backward_from(passes.vectors, gradient, penalty(passes, share))

    def _vectors(self) -> Tensor:
        with mixed_precision(self._model.device, self._precision):
            [vectors] = self._model.vectors(self.batch, [Span(self._task, len(self.batch))])
        return vectors


def backward_from(vectors: Tensor, gradient: Tensor, added: Tensor | float = 0.0) -> None:
    """Take the ``gradient`` at ``vectors``, and that of a scalar ``added`` to the loss, to what they follow from.

    The gradient at vectors of their product with it is the gradient, to the last bit. Given to ``Tensor.backward``, it
    would have torch import sympy, for half a second and 36 MB.
    """
    ((vectors * gradient.to(vectors.dtype)).sum() + added).backward()  # type: ignore[no-untyped-call]


def _by_row(vectors: Tensor, sides: int) -> Tensor:
    """Return the vectors of a micro-batch, all first texts and then all second texts, row by row: (R, sides, width)."""
    return full_precision(vectors).view(sides, -1, vectors.shape[-1]).transpose(0, 1)


def _by_side(rows: Tensor) -> Tensor:
    """Undo ``_by_row``: return (sides R, width), as heads expect them."""
    return rows.transpose(0, 1).flatten(0, 1)
