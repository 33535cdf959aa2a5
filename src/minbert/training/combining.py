"""From the tasks' losses to one gradient: a weighted sum in one backward, or a backward a task and surgery between."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from minbert.data.schedules import Step
from minbert.errors import UserError
from minbert.multitask.combination import Combination, Surgeon, Weigher
from minbert.randomness import generator
from minbert.training.learner import Learner
from minbert.training.reduction import Reduction
from minbert.training.shards import Shards
from minbert.training.task_gradients import TaskGradients
from minbert.training.weather import Weather


class StepCombination:
    """Leaves the combined gradient of each step in the parameters, and keeps the weather of the steps gone by."""

    def __init__(self, combination: Combination, learner: Learner, seed: int, reduction: Reduction) -> None:
        """Start ``combination`` for the tasks of ``learner``; what ranks have computed is added up by ``reduction``.

        Raises:
            UserError: it looks at shared gradients, and nothing is trained by all tasks, or there is no such layer.
        """
        self.learner = learner
        self.tasks = list(learner.train)
        self.seed = seed
        self.reduction = reduction
        self.combiner = combination.start(len(self.tasks))
        self.trained = [parameter for parameter in learner.model.parameters() if parameter.requires_grad]
        self.shared = learner.model.shared_parameters()
        self.weather = Weather(self.tasks)
        layer = combination.norm_layer
        if not self.shared and combination.looks_at_gradients:
            raise UserError(
                f"combination: '{combination.name}' works on gradients that tasks share. Here they share none: no "
                "weights are trained by all of them. Use combination=sum."
            )
        self.norm_places = None if layer is None else self._places(layer)

    @property
    def task_by_task(self) -> bool:
        """Whether each task's own gradient is in memory at the same time."""
        return isinstance(self.combiner, Surgeon) or self.norm_places is not None

    def accumulate(self, step: Step, number: int, shards: int = 1) -> Tensor:
        """Add the combined gradient of step ``number``, which has so many ``shards``, to the parameters.

        Returns each task's own unweighted loss, detached, in the step's order. Gradients and losses are of all ranks.
        """
        step = {task: step[task] for task in self.tasks if task in step}
        cut = Shards(shards, self.seed, number)
        random = generator(self.seed, "combination", number)
        if isinstance(self.combiner, Surgeon):
            losses, gradients = self._task_by_task(step, cut)
            products = self.reduction.products(gradients.gramian())
            weights = self.combiner.weights(products, losses.double().cpu(), random)
            self.reduction.whole_(self.shared, gradients.combine(weights))
            self.weather.add(weights, products)
            return losses
        assert isinstance(self.combiner, Weigher)
        weights = self.combiner.weights()
        norms = None
        if self.norm_places is not None:
            losses, gradients = self._task_by_task(step, cut, weights)
            norms = self.reduction.products(gradients.gramian(self.norm_places)).diagonal().sqrt()
            products = self.reduction.products(gradients.gramian())
            self.reduction.whole_(self.shared, gradients.combine(weights))
            self.weather.add(weights, products)
        else:
            by_task = dict(zip(self.tasks, weights.tolist(), strict=True))
            losses = self.reduction.total_(self.learner.accumulate(step, by_task, cut), self.trained)
            self.weather.add(weights)
        if len(step) == len(self.tasks):
            self.combiner.update(losses.double().cpu(), norms, random)
        return losses

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold, by name."""
        combiner = {f"combiner.{name}": tensor for name, tensor in self.combiner.state().items()}
        return combiner | {f"weather.{name}": tensor for name, tensor in self.weather.sums.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned."""
        self.combiner.restore(
            {name.removeprefix("combiner."): tensor for name, tensor in state.items() if name.startswith("combiner.")}
        )
        for name, total in self.weather.sums.items():
            total.copy_(state[f"weather.{name}"])

    def _places(self, layer: str | int) -> list[int]:
        """Return which of the shared parameters belong to a layer (see ``Combination.norm_layer``)."""
        model = self.learner.model
        encoder = model.encoder
        if layer == "all":
            return list(range(len(self.shared)))
        if layer == "last" and model.shared_layer is not None:
            chosen = set(model.shared_layer.parameters())
        elif layer == "pooler" or (layer == "last" and all(task.pooling == "pooler" for task in model.tasks.values())):
            chosen = set() if encoder.pooler is None else set(encoder.pooler.parameters())
        else:
            number = -1 if layer == "last" else int(layer)
            if not -len(encoder.layers) <= number < len(encoder.layers):
                raise UserError(f"combination.layer: the encoder has {len(encoder.layers)} layers, so none is {layer}.")
            chosen = set(encoder.layers[number].parameters())
            if model.shared_adapter is not None:
                chosen |= set(model.shared_adapter.layers[number].parameters())
        places = [place for place, parameter in enumerate(self.shared) if parameter in chosen]
        if not places:
            raise UserError(f"combination.layer: no weight of layer '{layer}' is trained; choose another.")
        return places

    def _task_by_task(
        self, step: Step, shards: Shards, private_weights: Tensor | None = None
    ) -> tuple[Tensor, TaskGradients]:
        """Return losses (K,) and each task's own gradient over shared parameters, as far as this rank keeps it.

        Private parameters keep theirs. Each task has a forward and a backward of its own, on its own batch: a graph
        that tasks shared would be walked once for each of them.
        """
        losses, gradients = [], []
        for index, task in enumerate(self.tasks):
            own = self.learner.accumulate({task: step[task]}, {task: 1.0}, shards)
            private = [p for p in self.learner.model.private_parameters(task) if p.requires_grad]
            for parameter in private:
                if private_weights is not None and parameter.grad is not None:
                    parameter.grad *= float(private_weights[index])
            loss, kept = self.reduction.cut(own, private, self.shared)
            losses.append(loss)
            gradients.append(kept)
        return torch.cat(losses), TaskGradients(gradients)
