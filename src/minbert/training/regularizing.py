"""Regularization in a step: which tasks have which, what it adds to their losses, and what a run records of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from minbert.errors import UserError
from minbert.machine.precision import Precision
from minbert.machine.ranks import ranks
from minbert.multitask.model import MultitaskModel
from minbert.multitask.regularization import Passes, Regularization, Regularizer

Chosen = Mapping[str, Sequence[Regularization]]
"""Task name to its regularizations."""


class Regularizing:
    """The regularizers of all tasks, and the means of what they said since the last evaluation."""

    def __init__(self, model: MultitaskModel, chosen: Chosen) -> None:
        """Start what is ``chosen``; tasks with the same settings share one regularizer, whatever its weight.

        Raises:
            UserError: a regularization has nothing to work on.
        """
        started: dict[str, Regularizer] = {}
        weights = dict(model.named_parameters())
        self._of_task: dict[str, list[tuple[Regularization, Regularizer]]] = {}
        for task, methods in chosen.items():
            for method in methods:
                if why := refusal(model, task, method):
                    raise UserError(f"tasks.{task}.regularization: '{method.name}' does not fit: {why}.")
                settings = method.model_dump_json(exclude={"weight"})
                if settings not in started:
                    started[settings] = method.start(weights)
                self._of_task.setdefault(task, []).append((method, started[settings]))
        self._started = list(started.values())
        # Summed where they are computed: reading one would wait for the device.
        self._sums: dict[str, Tensor] = {}
        self._device = model.device

    def __contains__(self, task: str) -> bool:
        """Return whether a task has any regularization."""
        return task in self._of_task

    def twin(self, task: str) -> bool:
        """Return whether a task is regularized by what compares two passes alone, which may run in one call."""
        return task in self and all(method.twin for method, _ in self._of_task[task])

    def graphs(self, task: str) -> int:
        """Return how many passes of a task's rows are in memory at a time, the one of its loss included."""
        return 1 + sum(method.graphs for method, _ in self._of_task.get(task, ()))

    def precision(self, task: str, precision: Precision) -> Precision:
        """Return the number format of a task's passes, where the run's is ``precision``."""
        return "fp32" if any(method.needs_fp32 for method, _ in self._of_task.get(task, ())) else precision

    def penalty(self, passes: Passes, task: str, share: float) -> Tensor:
        """Return the weighted sum of a task's penalties for the rows of ``passes``: a scalar, a mean over these rows.

        ``share`` is these rows' share of the task's rows in the step.
        """
        penalties = []
        for method, regularizer in self._of_task[task]:
            penalty = regularizer.penalty(passes)
            penalties.append(method.weight * penalty.value)
            for name, value in {"steps": torch.ones((), device=self._device), **penalty.report}.items():
                key = f"{task}.{method.name}.{name}"
                self._sums[key] = self._sums.get(key, 0) + share * value.double()
        return torch.stack(penalties).sum()

    def finish_step(self, progress: float) -> None:
        """Let the regularizers learn from the optimizer's step; see ``Regularizer.finish_step``."""
        for regularizer in self._started:
            regularizer.finish_step(progress)

    def report(self) -> dict[str, Any]:
        """Return task by task, method by method, the means of what was recorded, as JSON; see each method's text.

        All ranks must call it. The first returns what all have recorded, the others return nothing.
        """
        self._hand_over()
        report: dict[str, Any] = {}
        for key, total in sorted(self._sums.items()):
            task, method, name = key.split(".")
            if name != "steps":
                mean = total / self._sums[f"{task}.{method}.steps"]
                report.setdefault(task, {}).setdefault(method, {})[name] = mean.item()
        return report

    def clear(self) -> None:
        """Forget what was recorded."""
        self._sums = {}

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold, by name; see ``report`` for what that is on several ranks."""
        self._hand_over()
        state = {f"sums.{name}": total for name, total in self._sums.items()}
        for index, regularizer in enumerate(self._started):
            state |= {f"{index}.{name}": tensor for name, tensor in regularizer.state().items()}
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned."""
        own: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            part, _, name = key.partition(".")
            own.setdefault(part, {})[name] = tensor
        sums = own.get("sums", {}) if ranks().first else {}
        self._sums = {name: total.to(self._device) for name, total in sums.items()}
        for index, regularizer in enumerate(self._started):
            regularizer.restore(own.get(str(index), {}))

    def _hand_over(self) -> None:
        """Give the first rank what every rank has recorded; together they have what they had."""
        if ranks().alone:
            return
        recorded = ranks().collect({name: total.item() for name, total in self._sums.items()})
        self._sums = {}
        for name, value in (item for own in recorded if ranks().first for item in own.items()):
            self._sums[name] = self._sums.get(name, 0) + torch.tensor(value, dtype=torch.float64, device=self._device)


def refusal(model: MultitaskModel, task: str, method: Regularization) -> str | None:
    """Return why a regularization can do nothing for a task, or None where it can."""
    config = model.encoder.config
    dropped = [part.p for part in model.head(task).modules() if isinstance(part, nn.Dropout)]
    if method.needs_dropout and not any([config.hidden_dropout, config.attention_dropout, *dropped]):
        return "it compares dropout masks, and there is no dropout"
    return None
