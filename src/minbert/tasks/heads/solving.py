"""Solving a head before training, over vectors that stay as they are: linear probing (Alain & Bengio 2016).

A linear layer's weights minimise the sum over rows of what the head is asked for, plus ``penalty / 2`` times their
squared length, where each input counts in units of its own spread. That is ridge regression where the loss is a squared
error, and logistic or softmax regression where it is a cross entropy. The bias is free, so that what no input tells
comes out as the labels' mean, or as the classes' shares. Which penalty is best, rows tell that were held out for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minbert.optim.adamw import AdamW
from minbert.tasks.heads.base import HeadOutput

_PENALTIES: tuple[float, ...] = tuple(10.0 ** (exponent / 2) for exponent in range(2, -11, -1))
"""Those that are tried, a row, from the strongest down, until two in a row have made held-out rows worse."""

_ROWS_TO_CHOOSE = 4000
"""How many rows choose the penalty, at most: it costs a dozen solutions, and hardly depends on which rows they are."""
_FOLDS = 5
_ROWS_FOR_ALL_FOLDS = 1000
"""Up to so many rows, every fold is held out once; of more rows, a fifth tells enough."""

_LEAST_SPREAD = 1e-3
"""What an input's spread counts for at least, as a share of the largest."""
_TOLERANCE, _TOLERANCE_TO_CHOOSE = 1e-7, 1e-3
"""Of the largest slope of the mean loss, where L-BFGS has arrived."""

_BATCH, _EPOCHS, _PATIENCE, _LEARNING_RATE = 64, 10, 2, 1e-3


@dataclass(frozen=True, slots=True)
class Problem:
    """What a head is asked for on ``R`` rows."""

    labels: Tensor
    """(R, ...), in double precision."""
    weights: Tensor | None
    """(R, ...) what each label counts, likewise; None: all alike."""
    loss: Callable[[HeadOutput, Tensor, Tensor | None], Tensor]
    """From a head's output, labels and weights of some rows to the mean of their losses (a scalar)."""
    least_squares: bool
    """Whether that is the mean squared difference of logits and labels."""
    texts: NDArray[np.int64]
    """(R,) equal for rows with the same (first) text, which are held out together."""
    generator: np.random.Generator

    def __len__(self) -> int:
        """Return R."""
        return len(self.texts)

    def of(self, rows: Tensor) -> Problem:
        """Return the problem of the chosen rows."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, labels=self.labels[rows], weights=weights, texts=self.texts[rows.cpu().numpy()])

    def sample(self, rows: int) -> Tensor:
        """Return the numbers of at most so many rows, drawn at random, in order."""
        if len(self) <= rows:
            return torch.arange(len(self), device=self.labels.device)
        chosen = np.sort(self.generator.permutation(len(self))[:rows])
        return torch.from_numpy(chosen).to(self.labels.device)

    def folds(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows to fit and rows held out, a fifth of the texts at a time; none where all texts are one."""
        distinct, numbers = np.unique(self.texts, return_inverse=True)
        folds = min(_FOLDS, len(distinct))
        fold_of = (self.generator.permutation(len(distinct)) % folds)[numbers]
        for fold in range(folds if len(self) <= _ROWS_FOR_ALL_FOLDS else 1) if folds > 1 else ():
            held_out = torch.from_numpy(fold_of == fold).to(self.labels.device)
            yield torch.nonzero(~held_out).squeeze(-1), torch.nonzero(held_out).squeeze(-1)


class Solution(NamedTuple):
    """A layer, and what stands above it."""

    weight: Tensor
    """(outputs, D)."""
    bias: Tensor
    """(outputs,); zeros where the layer has none."""
    above: list[Tensor]
    """See ``LayerRows``."""


@dataclass(frozen=True, slots=True)
class LayerRows:
    """The rows of a problem with what a layer sees of them and what becomes of its output; all in double precision."""

    inputs: Tensor
    """(R, D)."""
    offset: Tensor | None
    """(R, outputs), which is added to the layer's output; None: nothing is."""
    output: Callable[[Tensor], HeadOutput]
    """What the head says where that sum is this."""
    above: Sequence[nn.Parameter]
    """The weights that ``output`` uses: they are solved with the layer."""
    problem: Problem

    def of(self, rows: Tensor) -> LayerRows:
        """Return the chosen rows."""
        offset = None if self.offset is None else self.offset[rows]
        return replace(self, inputs=self.inputs[rows], offset=offset, problem=self.problem.of(rows))

    def loss(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the mean loss of a layer, with what stands above it as it is."""
        scores = torch.addmm(bias, self.inputs, weight.T)
        output = self.output(scores if self.offset is None else scores + self.offset)
        return self.problem.loss(output, self.problem.labels, self.problem.weights)

    def put(self, above: Sequence[Tensor]) -> None:
        """Set what stands above the layer."""
        with torch.no_grad():
            for parameter, value in zip(self.above, above, strict=True):
                parameter.copy_(value)

    def loss_of(self, solution: Solution) -> float:
        """Return the mean loss of a solution."""
        self.put(solution.above)
        with torch.no_grad():
            return float(self.loss(solution.weight, solution.bias))


def solve_layer(layer: nn.Linear, rows: LayerRows) -> None:
    """Set a layer's weights and bias, and what stands above it, to the solution."""
    spread = rows.inputs.std(0, correction=0)
    # Without a bias there is nothing to take in a mean: what stands above the layer does, and L-BFGS takes longer.
    mean = rows.inputs.mean(0) if layer.bias is not None else torch.zeros_like(spread)
    # Some encoders have inputs that all but stand still: in units of their own they would be noise, with vast weights.
    spread = spread.clamp(min=max(_LEAST_SPREAD * float(spread.max()), torch.finfo(spread.dtype).tiny))
    rows = replace(rows, inputs=(rows.inputs - mean) / spread)
    penalty = _best_penalty(rows.of(rows.problem.sample(_ROWS_TO_CHOOSE)), layer)
    solution = _solver(rows, layer, _TOLERANCE)(penalty)
    rows.put(solution.above)
    with torch.no_grad():
        layer.weight.copy_(solution.weight / spread)
        if layer.bias is not None:
            layer.bias.copy_(solution.bias - layer.weight @ mean)


def _best_penalty(rows: LayerRows, layer: nn.Linear) -> float:
    """Return the penalty whose solutions have the least loss on rows held out; the strongest where none can be."""
    folds = [
        (_solver(rows.of(fitted), layer, _TOLERANCE_TO_CHOOSE), rows.of(held_out))
        for fitted, held_out in rows.problem.folds()
    ]
    best, least, worse = _PENALTIES[0], math.inf, 0
    for a_row in _PENALTIES if folds else ():
        penalty = a_row * len(rows.problem)
        loss = sum(held_out.loss_of(solve(penalty)) * len(held_out.problem) for solve, held_out in folds)
        if loss < least:
            best, least, worse = a_row, loss, 0
        else:
            worse += 1
        if worse == 2:
            break
    return best * len(rows.problem)


def _solver(rows: LayerRows, layer: nn.Linear, tolerance: float) -> Callable[[float], Solution]:
    """Return what solves a layer like this one on ``rows`` for a penalty."""
    return _ridge(rows) if rows.problem.least_squares else _likelihood(rows, layer, tolerance)


def _ridge(rows: LayerRows) -> Callable[[float], Solution]:
    """Solve the normal equations, of the inputs or of the rows, whichever are fewer (Hoerl & Kennard 1970)."""
    targets = rows.problem.labels.unsqueeze(-1)
    targets = targets if rows.offset is None else targets - rows.offset
    mean, level = rows.inputs.mean(0), targets.mean(0)
    x, y = rows.inputs - mean, targets - level
    of_rows = len(x) < x.shape[1]
    gram, right = (x @ x.T, y) if of_rows else (x.T @ x, x.T @ y)

    def solve(penalty: float) -> Solution:
        factor = torch.linalg.cholesky(gram + penalty * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
        found = torch.cholesky_solve(right, factor)
        weight = (x.T @ found if of_rows else found).T
        return Solution(weight, level - weight @ mean, [])

    return solve


def _likelihood(rows: LayerRows, layer: nn.Linear, tolerance: float) -> Callable[[float], Solution]:
    """Descend by L-BFGS (Liu & Nocedal 1989) from the solution for the penalty before, at first from zero."""
    weight = torch.zeros_like(layer.weight).requires_grad_()
    bias = rows.inputs.new_zeros(layer.out_features).requires_grad_(layer.bias is not None)
    above = [parameter.detach().clone() for parameter in rows.above]
    parameters = [parameter for parameter in (weight, bias, *rows.above) if parameter.requires_grad]

    def loss(flat: NDArray[np.float64], penalty: float) -> tuple[float, NDArray[np.float64]]:
        _fill(parameters, flat)
        total = rows.loss(weight, bias) + penalty / (2 * len(rows.problem)) * weight.square().sum()
        return total.item(), _flat(torch.autograd.grad(total, parameters))

    def solve(penalty: float) -> Solution:
        from scipy.optimize import minimize  # takes a while, and heads of most commands are not solved

        nonlocal above
        rows.put(above)
        options = {"maxiter": 200, "maxcor": 100, "gtol": tolerance, "ftol": 0.0}
        found = minimize(loss, _flat(parameters), (penalty,), method="L-BFGS-B", jac=True, options=options)
        _fill(parameters, found.x)
        above = [parameter.detach().clone() for parameter in rows.above]
        return Solution(weight.detach().clone(), bias.detach().clone(), above)

    return solve


def _flat(tensors: Sequence[Tensor]) -> NDArray[np.float64]:
    """Return all values of some tensors, one after the other."""
    values: NDArray[np.float64] = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).double().cpu().numpy()
    return values


def _fill(parameters: Sequence[Tensor], flat: NDArray[np.float64]) -> None:
    """Set parameters to such values."""
    with torch.no_grad():
        parts = torch.from_numpy(flat).split([parameter.numel() for parameter in parameters])  # type: ignore[no-untyped-call]
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))


def train_layers(head: nn.Module, seen: Callable[[Tensor], Tensor], layer: nn.Linear, rows: LayerRows) -> None:
    """Train a head of several layers: the last is solved over the others' fresh weights, then all learn for a while.

    They learn from four fifths of the texts. What has the least loss on the others is kept, the solution counted.

    Args:
        head: what is trained.
        seen: what its last layer sees where the first sees this.
        layer: the last.
        rows: with what the first layer sees.
    """
    problem = rows.problem
    fitted, held_out = (rows.of(some) for some in next(problem.folds(), (problem.sample(len(problem)),) * 2))

    def held_out_loss() -> float:
        head.eval()
        with torch.no_grad():
            loss = replace(held_out, inputs=seen(held_out.inputs)).loss(layer.weight, layer.bias)
        head.train()
        return float(loss)

    with torch.random.fork_rng():
        torch.manual_seed(int(problem.generator.integers(2**63)))
        head.eval()
        with torch.no_grad():
            solved = replace(fitted, inputs=seen(fitted.inputs))
        solve_layer(layer, solved)
        best, least, epochs_without = deepcopy(head.state_dict()), held_out_loss(), 0
        optimizer = AdamW(head.parameters(), _LEARNING_RATE)
        for _ in range(_EPOCHS):
            for batch in torch.randperm(len(fitted.problem)).split(_BATCH):  # type: ignore[no-untyped-call]
                part = fitted.of(batch.to(fitted.inputs.device))
                optimizer.zero_grad()
                replace(part, inputs=seen(part.inputs)).loss(layer.weight, layer.bias).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            loss, epochs_without = held_out_loss(), epochs_without + 1
            if loss < least:
                best, least, epochs_without = deepcopy(head.state_dict()), loss, 0
            if epochs_without == _PATIENCE:
                break
        head.load_state_dict(best)
