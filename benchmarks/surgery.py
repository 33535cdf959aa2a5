"""What gradient surgery exchanges in a step: each task's whole sum, or the rows of it that a process keeps.

    torchrun --standalone --nproc-per-node 2 benchmarks/surgery.py --tasks 3

Both ways take the gradients of some tasks, all as large as minilm's without word embeddings, to one combined gradient
on every process. The first adds up every task's gradient on every process. The second is ours (``Reduction.cut``).
They take turns, and nothing is computed besides. Of each, the median is printed, and what a process holds of gradients.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from minbert.machine.joining import joined
from minbert.machine.ranks import ranks
from minbert.training.reduction import Gradient, Reduction
from minbert.training.task_gradients import TaskGradients

LAYER = [(384, 384), (384,)] * 4 + [(1536, 384), (1536,), (384, 1536), (384,)] + [(384,)] * 4
SHAPES = [(512, 384), (2, 384), (384,), (384,)] + LAYER * 6
HALF = 0.5


def by_sums(parameters: list[Tensor], of_tasks: list[list[Tensor]]) -> list[list[Gradient]]:
    """Combine the gradients of all tasks by adding up each of them on every process; return what was held of them."""
    reduction, held = Reduction(), []
    for own in of_tasks:
        take(parameters, own)
        reduction.total_(torch.zeros(1), parameters)
        held.append([parameter.grad for parameter in parameters])
    gradients = TaskGradients(held)
    gradients.gramian()
    for parameter, total in zip(parameters, gradients.combine(torch.full((len(held),), HALF)), strict=True):
        parameter.grad = total
    return held


def by_rows(parameters: list[Tensor], of_tasks: list[list[Tensor]]) -> list[list[Gradient]]:
    """Combine them by adding up on every process the rows that it keeps; return what was held of them."""
    reduction, held = Reduction(), []
    for own in of_tasks:
        take(parameters, own)
        held.append(reduction.cut(torch.zeros(1), [], parameters)[1])
    gradients = TaskGradients(held)
    reduction.products(gradients.gramian())
    reduction.whole_(parameters, gradients.combine(torch.full((len(held),), HALF)))
    return held


def take(parameters: list[Tensor], gradients: list[Tensor]) -> None:
    """Put gradients into parameters."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient


def main() -> None:
    """Print, on the first process, the seconds of both ways."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tasks", type=int, default=3)
    options.add_argument("--repeats", type=int, default=9)
    given = options.parse_args()
    ways: list[Callable[[list[Tensor], list[list[Tensor]]], list[list[Gradient]]]] = [by_sums, by_rows]
    seconds: dict[str, list[float]] = {way.__name__: [] for way in ways}
    with joined() as own:
        torch.set_num_threads(1)
        torch.manual_seed(own.rank)
        parameters = [torch.zeros(shape) for shape in SHAPES]
        for number in range(given.repeats + 1):
            results = []
            for way in ways:
                torch.manual_seed(own.rank)
                of_tasks = [[torch.randn(shape) for shape in SHAPES] for _ in range(given.tasks)]
                ranks().sum_([torch.zeros(1)])  # all begin together
                begun = time.perf_counter()
                held = way(parameters, of_tasks)
                ranks().sum_([torch.zeros(1)])
                if number:
                    seconds[way.__name__].append(time.perf_counter() - begun)
                results.append(torch.cat([parameter.grad.flatten() for parameter in parameters]))  # type: ignore[union-attr]
                if number == given.repeats and own.first:
                    size = sum(gradient.numel() for task in held for gradient in task if gradient is not None)
                    median = statistics.median(seconds[way.__name__])
                    print(f"{own.count} processes, {way.__name__}: {median:.3f} s, {4 * size / 1e6:.0f} MB held")
            torch.testing.assert_close(*results)


if __name__ == "__main__":
    main()
