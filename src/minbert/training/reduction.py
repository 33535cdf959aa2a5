"""The one place where ranks add up what each has computed of a step.

A task's loss is a mean over its rows in the step, and each rank computes its own rows' share of it. So what belongs
together is the sum of losses and the sum of gradients: never a mean of means, which would weigh a rank with few rows
as much as one with many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from minbert.errors import UserError
from minbert.machine.ranks import ranks
from minbert.optim.gradients import from_rows, numbers_of, spread

Gradient = Tensor | None
"""None where nothing has reached the parameter."""


class _Aligned(NamedTuple):
    """A gradient of this rank, of the same shape and rows on all ranks."""

    values: Gradient
    rows: Tensor | None = None
    """The rows (U,) of the parameter that ``values`` (U, ...) stand for; None for all."""


class Wishes(NamedTuple):
    """What is to be done after a step."""

    stop: bool
    checkpoint: bool


class Reduction:
    """Adds up a step's losses and gradients, and finds out what all ranks must know to go on alike.

    Before the gradients goes the *header*: one all-reduce of float64 numbers. It holds the losses, which parameters
    have been reached, whose numbers are not finite, and what each rank wishes. So no rank ever decides anything alone
    that would let it skip an exchange the others wait in.
    """

    def __init__(self, wishes: Callable[[], Wishes] = lambda: Wishes(False, False)) -> None:
        """Take what says what this rank wishes; by default nothing."""
        self._wishes = wishes
        self._agreed = Wishes(False, False)
        self.not_finite: list[int] = []
        """The ranks on which a loss or gradient was not finite, which ends a run; unknown to one that is alone."""

    def agreed(self) -> Wishes:
        """Return what any rank wished when the last step was added up; of one that is alone, what it wishes now."""
        return self._wishes() if ranks().alone else self._agreed

    def total_(self, losses: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Put the sums over ranks into the gradients of ``parameters``; return that of ``losses`` (K,).

        A gradient is None where it is on every rank.
        """
        if ranks().alone:
            return losses
        losses, aligned = self._aligned(losses, parameters)
        _sum_(parameters, aligned)
        return losses

    def cut(self, losses: Tensor, private: Sequence[Tensor], shared: Sequence[Tensor]) -> tuple[Tensor, list[Gradient]]:
        """Take the gradients of ``shared`` parameters, and return what this rank keeps of their sums over ranks.

        That is every N-th row, from that of this rank's number on: all rows, where it is alone. ``whole_`` puts such
        rows together. The sum of ``losses`` (K,) is returned, too. Those of ``private`` gradients stay in parameters.
        """
        if ranks().alone:
            kept = [parameter.grad for parameter in shared]
        else:
            losses, aligned = self._aligned(losses, [*private, *shared])
            _sum_(private, aligned[: len(private)])
            kept = _own_rows(shared, aligned[len(private) :])
        for parameter in shared:
            parameter.grad = None
        return losses, kept

    def products(self, own: Tensor) -> Tensor:
        """Return inner products (K, K) of gradients, of which each rank has those of its ``own`` rows."""
        ranks().sum_([own])
        return own

    def whole_(self, parameters: Sequence[Tensor], own: Sequence[Gradient]) -> None:
        """Put gradients into ``parameters``, of which each rank has its ``own`` rows, as ``cut`` returns them."""
        parts, places = [], []
        for parameter, gradient in zip(parameters, own, strict=True):
            if gradient is None or ranks().alone:
                parameter.grad = gradient
            elif gradient.is_sparse:
                parameter.grad = _joined(gradient, parameter)
            else:
                parameter.grad = torch.empty_like(parameter)
                parts.append(gradient)
                places.append(_by_rank(parameter.grad))
        ranks().join_parts_(parts, places)

    def _aligned(self, losses: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, list[_Aligned]]:
        """Return the sum of ``losses``, and the gradients of ``parameters`` as they can be added up."""
        gradients = [parameter.grad for parameter in parameters]
        losses, reached, sparse_rows = self._header(losses, gradients)
        aligned = []
        for parameter, gradient, by, rows in zip(parameters, gradients, reached, sparse_rows, strict=True):
            if not by:
                aligned.append(_Aligned(None))
            elif rows:
                aligned.append(_on_all_rows(parameter, gradient))
            else:
                aligned.append(_Aligned(torch.zeros_like(parameter) if gradient is None else gradient))
        return losses, aligned

    def _header(self, losses: Tensor, gradients: Sequence[Gradient]) -> tuple[Tensor, list[float], list[float]]:
        """Exchange the header; return the sum of the losses, and by how many ranks, and in how many rows of sparse
        gradients, each parameter has been reached."""
        own, device = ranks(), losses.device
        norm = torch.nn.utils.get_total_norm([numbers_of(gradient) for gradient in gradients if gradient is not None])
        bad = torch.zeros(own.count, dtype=torch.float64, device=device)
        bad[own.rank] = ~(losses.isfinite().all() & norm.to(device).isfinite())
        known = [
            *(float(gradient is not None) for gradient in gradients),
            *(float(gradient._nnz()) if gradient is not None and gradient.is_sparse else 0.0 for gradient in gradients),
            *map(float, self._wishes()),
        ]
        header = torch.cat([losses.double(), bad, torch.tensor(known, dtype=torch.float64, device=device)])
        own.sum_([header])
        sizes = [own.count, len(gradients), len(gradients), len(Wishes._fields)]
        parts = torch.split(header[len(losses) :].cpu(), sizes)
        bad_ranks, reached, sparse_rows, wishes = (part.tolist() for part in parts)
        bad_before = self.not_finite
        self.not_finite = [rank for rank, is_bad in enumerate(bad_ranks) if is_bad or rank in bad_before]
        self._agreed = Wishes(*map(bool, wishes))
        return header[: len(losses)], reached, sparse_rows


def _on_all_rows(parameter: Tensor, gradient: Gradient) -> _Aligned:
    """Return the rows (U,) that a sparse gradient has on any rank, and this rank's values (U, ...) there.

    Where that is more than half of all rows, the whole gradient is returned instead, dense, without row numbers.
    """
    own = ranks()
    if gradient is None:
        no_rows = torch.empty(0, dtype=torch.int64, device=parameter.device)
        gradient = from_rows(parameter.new_empty(0, *parameter.shape[1:]), no_rows, parameter.shape)
    gradient = gradient.coalesce()
    rows = torch.unique(torch.cat(own.gather(gradient.indices()[0])))
    if 2 * len(rows) > len(parameter):
        return _Aligned(gradient.to_dense())
    return _Aligned(spread(gradient, rows), rows)


def _sum_(parameters: Sequence[Tensor], aligned: Sequence[_Aligned]) -> None:
    """Put the sums over ranks of ``aligned`` gradients into parameters."""
    ranks().sum_(values for values, _ in aligned if values is not None)
    for parameter, (values, rows) in zip(parameters, aligned, strict=True):
        parameter.grad = values if values is None or rows is None else from_rows(values, rows, parameter.shape)


def _own_rows(parameters: Sequence[Tensor], aligned: Sequence[_Aligned]) -> list[Gradient]:
    """Return this rank's rows of the sums over ranks of ``aligned`` gradients of ``parameters``."""
    own = ranks()
    sums = iter(own.sum_parts(_by_rank(values, rows) for values, rows in aligned if values is not None))
    kept: list[Gradient] = []
    for parameter, (values, rows) in zip(parameters, aligned, strict=True):
        if values is None or rows is None:
            kept.append(None if values is None else next(sums))
        else:
            mine = rows[rows % own.count == own.rank] // own.count
            kept.append(from_rows(next(sums), mine, _by_rank(parameter)[own.rank].shape))
    return kept


def _by_rank(values: Tensor, rows: Tensor | None = None) -> list[Tensor]:
    """Return what each rank keeps of a gradient's ``values``, which stand for ``rows`` (U,), or for all."""
    count = ranks().count
    if rows is None:
        values = values if values.dim() else values[None]
        return [values[rank::count] for rank in range(count)]
    return [values[rows % count == rank] for rank in range(count)]


def _joined(own: Tensor, parameter: Tensor) -> Tensor:
    """Return the sparse gradient of ``parameter`` of which each rank has its ``own`` rows."""
    here = ranks()
    own = own.coalesce()
    rows = torch.cat(here.gather(own.indices()[0] * here.count + here.rank))
    values = torch.cat(here.gather(own.values()))
    order = torch.argsort(rows)
    return from_rows(values[order], rows[order], parameter.shape)


def check_same_weights(parameters: Sequence[Tensor], when: str, checkpoint: Path) -> None:
    """Check that all ranks have the same weights, to the last bit; ``when`` and ``checkpoint`` are for the message.

    Raises:
        UserError: one has others.
    """
    if ranks().alone:
        return
    own = sum(int(parameter.detach().view(torch.int32).sum(dtype=torch.int64)) for parameter in parameters)
    sums = ranks().collect(own)
    if others := [rank for rank, total in enumerate(sums) if total != sums[0]]:
        raise UserError(
            f"{when}: rank {others[0]} has other weights than rank 0, so training stopped. Its machine may be faulty. "
            f"The last good checkpoint is {checkpoint}."
        )
