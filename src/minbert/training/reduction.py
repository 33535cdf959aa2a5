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
        """The ranks on which a loss or gradient of the last step was not finite; unknown to one that is alone."""

    def agreed(self) -> Wishes:
        """Return what any rank wished when the last step was added up; of one that is alone, what it wishes now."""
        return self._wishes() if ranks().alone else self._agreed

    def total_(self, losses: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Put the sums over ranks into the gradients of ``parameters``; return that of ``losses`` (K,)."""
        losses, gradients = self.total(losses, parameters, [parameter.grad for parameter in parameters])
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        return losses

    def total(
        self, losses: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Gradient]
    ) -> tuple[Tensor, list[Gradient]]:
        """Return the sums over ranks of ``losses`` (K,) and of the gradients of as many ``parameters``.

        Gradients may be changed in place. A gradient is None where it is on every rank.
        """
        own = ranks()
        if own.alone:
            return losses, list(gradients)
        losses, reached, sparse_rows = self._header(losses, gradients)
        totals: list[Gradient] = []
        exchanged: list[Tensor] = []
        spread_rows: dict[int, Tensor] = {}
        for index, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            if not reached[index]:
                totals.append(None)
                continue
            if sparse_rows[index]:
                rows, values = _on_all_rows(parameter, gradient)
                if rows is not None:
                    spread_rows[index] = rows
            else:
                values = torch.zeros_like(parameter) if gradient is None else gradient
            totals.append(values)
            exchanged.append(values)
        own.sum_(exchanged)
        for index, rows in spread_rows.items():
            found = totals[index]
            assert found is not None
            totals[index] = from_rows(found, rows, parameters[index])
        return losses, totals

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
        self.not_finite = [rank for rank, is_bad in enumerate(bad_ranks) if is_bad]
        self._agreed = Wishes(*map(bool, wishes))
        return header[: len(losses)], reached, sparse_rows


def _on_all_rows(parameter: Tensor, gradient: Gradient) -> tuple[Tensor | None, Tensor]:
    """Return the rows (U,) that a sparse gradient has on any rank, and this rank's values (U, ...) there.

    Where that is more than half of all rows, the whole gradient is returned instead, dense, without row numbers.
    """
    own = ranks()
    if gradient is None:
        no_rows = torch.empty(0, dtype=torch.int64, device=parameter.device)
        gradient = from_rows(parameter.new_empty(0, *parameter.shape[1:]), no_rows, parameter)
    gradient = gradient.coalesce()
    rows = torch.unique(torch.cat(own.gather(gradient.indices()[0])))
    if 2 * len(rows) > len(parameter):
        return None, gradient.to_dense()
    return rows, spread(gradient, rows)


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
