"""The training loop: steps, evaluations, the best model, checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minbert.data.schedules import Schedule, TaskSize
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files import write_text
from minbert.multitask.combination import Combination
from minbert.multitask.model import MultitaskModel
from minbert.multitask.model_files import save_weights
from minbert.optim.ema import ExponentialMovingAverage
from minbert.optim.gradients import clip_, stored_gradients
from minbert.optim.settings import OptimizerSettings, make_optimizer, parameter_groups
from minbert.tasks.predictions import predictions
from minbert.tracking import Tracker
from minbert.training.checkpoint import Best, LoopState, load_checkpoint, load_more, save_checkpoint
from minbert.training.combining import StepCombination
from minbert.training.gradients import StepGradients
from minbert.training.interrupt import Interrupted, StopRequest, stop_on_signal
from minbert.training.micro_batches import Step, step_tokens
from minbert.training.rows import Rows
from minbert.training.scoring import DevScores, score_dev
from minbert.training.settings import TrainingSettings

CHECKPOINT = "checkpoints/last.safetensors"
HISTORY = "history.jsonl"
BEST = "best"
"""A folder within, where ``keep_best_of_tasks`` asks for it: for each task, and for ``overall``, its best model's."""

OnEvaluation = Callable[[int, float], None]
"""Told of every evaluation but the last, after its checkpoint: which it is (from 1), and the best score so far.

What it raises ends the run there.
"""


class NotFiniteError(UserError):
    """A loss or gradient became infinite or no number, so training stopped."""


@dataclass(slots=True)
class TrainingResult:
    """How a run ended. The kept model's weights are in the run folder."""

    state: LoopState
    history: list[dict[str, Any]]
    """What ``history.jsonl`` holds; the first entry is the untrained model."""


class TrainingLoop:
    """One run of the loop in one folder. Call ``run`` once."""

    def __init__(
        self,
        gradients: StepGradients,
        dev: Mapping[str, Rows],
        schedule: Schedule,
        sizes: Mapping[str, TaskSize],
        combination: Combination,
        settings: TrainingSettings,
        optimizer: OptimizerSettings,
        seed: int,
        folder: Path,
        display: Display,
        on_evaluation: OnEvaluation | None = None,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        """Train ``gradients.model`` in place; the best one's weights and all records go to ``folder``."""
        self.gradients = gradients
        self.model: MultitaskModel = gradients.model
        self.dev = dev
        self.schedule = schedule
        self.sizes = sizes
        self.settings = settings
        self.optimizer_settings = optimizer
        self.seed = seed
        self.folder = folder
        self.display = display
        self.on_evaluation = on_evaluation
        self.trackers = trackers
        frozen = settings.encoder == "frozen" or not self.model.adapters_settings.trains_encoder
        self.model.encoder.requires_grad_(not frozen)
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        # Our optimizers take sparse gradients (optim/gradients.py). On a GPU zeros cost less than finding out, and
        # waiting for, how many rows there are.
        self.model.encoder.embeddings.word.sparse = self.model.device.type == "cpu"
        groups = parameter_groups(self.model.encoder, self.model.fresh_modules(), optimizer)
        self.optimizer = make_optimizer(groups, optimizer)
        self.average = ExponentialMovingAverage(self.parameters, optimizer.ema_decay) if optimizer.ema_decay else None
        self.combination = StepCombination(combination, gradients, seed)
        self.steps_per_epoch = schedule.steps_per_epoch(sizes)
        self.total_steps = self.steps_per_epoch * settings.epochs
        self.state = LoopState()
        self.history: list[dict[str, Any]] = []
        self.last_checkpoint = time.monotonic()

    def run(self, resume: bool) -> TrainingResult:
        """Train to the end, or from the last checkpoint to the end if ``resume``.

        Raises:
            NotFiniteError: a loss or gradient is not finite; names the step, the task and the rows.
            Interrupted: the user asked to stop; a checkpoint has been written.
            UserError: the checkpoint is damaged, or the disk is full.
        """
        if resume:
            self._resume()
        else:
            self._evaluate()  # the untrained heads: what training must beat
            self._checkpoint()
        if self.state.finished:
            return TrainingResult(self.state, self.history)
        steps = self.schedule.steps(self.sizes, self.settings.epochs, self.seed, skip=self.state.step)
        with stop_on_signal() as stop, self.display.training(self.total_steps, self.state.step):
            self._steps(steps, stop)
        return TrainingResult(self.state, self.history)

    def _steps(self, steps: Iterator[tuple[int, Step]], stop: StopRequest) -> None:
        evaluate_every = self.settings.evaluate_every or self.steps_per_epoch
        self.model.train()
        for _, step in steps:
            self._step(step)
            last = self.state.step == self.total_steps
            if last or self.state.step % evaluate_every == 0:
                improved = self._evaluate()
                patience = self.settings.patience
                self.state.evaluations_without_improvement = (
                    0 if improved else self.state.evaluations_without_improvement + 1
                )
                exhausted = patience is not None and self.state.evaluations_without_improvement >= patience
                if exhausted and not last:
                    self.display.note(f"no better score in {patience} evaluations: training stops early")
                self.state.finished = last or exhausted
                self._checkpoint()
                if self.state.finished:
                    return
                if self.on_evaluation is not None and self.state.best is not None:
                    self.on_evaluation(len(self.history) - 1, self.state.best.score)
            elif time.monotonic() - self.last_checkpoint > 60 * self.settings.checkpoint_minutes:
                self._checkpoint()
            if stop.made:
                self._checkpoint()
                raise Interrupted

    def _step(self, step: Step) -> None:
        started = time.perf_counter()
        factor = self.optimizer_settings.factor(self.state.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_learning_rate"] * factor
        self.gradients.begin_step(self.state.step / self.total_steps)
        losses = self.combination.accumulate(step, self.state.step)
        gradients = stored_gradients(self.parameters)
        norm = torch.nn.utils.get_total_norm(gradients)
        self._check_finite(step, losses, norm)
        if (limit := self.optimizer_settings.max_gradient_norm) is not None:
            clip_(gradients, norm, limit)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.gradients.finish_step()
        if self.average is not None:
            self.average.update()
        state = self.state
        state.step += 1
        state.train_seconds += time.perf_counter() - started
        state.examples += sum(len(rows) for rows in step.values())
        state.tokens += step_tokens(step, self.gradients.lengths)
        for task, loss in zip(step, losses.tolist(), strict=True):
            total, count = state.loss_sums.get(task, (0.0, 0))
            state.loss_sums[task] = (total + loss, count + 1)
        self.display.step(state.step, self._mean_losses(), state.examples / state.train_seconds)

    def _check_finite(self, step: Step, losses: Tensor, norm: Tensor) -> None:
        if torch.isfinite(losses).all() and torch.isfinite(norm):
            return
        for task, loss in zip(step, losses.tolist(), strict=True):
            if not torch.isfinite(torch.tensor(loss)):
                what, tasks = f"the loss of task '{task}' is {loss}", [task]
                break
        else:
            what, tasks = f"the gradient's norm is {norm.item()}", list(step)
        rows = "; ".join(f"{task}: {', '.join(self._ids(task, step)[:32])}" for task in tasks)
        raise NotFiniteError(
            f"step {self.state.step + 1}: {what}, so training stopped. Rows of the step: {rows}. "
            f"The last good checkpoint is {self.folder / CHECKPOINT}. "
            "Try a lower optimizer.learning_rate, or training.precision=fp32."
        )

    def _ids(self, task: str, step: Step) -> list[str]:
        ids = self.gradients.train[task].ids
        return [ids[row] for row in step[task]]

    def _mean_losses(self) -> dict[str, float]:
        return {task: total / count for task, (total, count) in self.state.loss_sums.items()}

    def _evaluate(self) -> bool:
        """Score dev, record a line of history, keep the model if it is the best; return whether it is.

        With an exponential moving average, the averaged weights are what is scored and kept.
        """
        # Before the first step there is nothing to average.
        with self.average.swap() if self.average is not None and self.state.step else nullcontext():
            return self._evaluate_weights()

    def _evaluate_weights(self) -> bool:
        dev = self._dev_scores()
        state = self.state
        chosen = dev.selected(self.settings.select)
        improved = state.best is None or chosen > state.best.score
        losses = self._mean_losses()
        self.history.append(
            {
                "step": state.step,
                "seconds": round(state.train_seconds, 3),
                "losses": losses,
                "combination": self.combination.weather.report(),
                "regularization": self.gradients.regularizing.report(),
                "dev": dev.as_json(),
            }
        )
        write_text(self.folder / HISTORY, "".join(json.dumps(line) + "\n" for line in self.history))
        for tracker in self.trackers:
            tracker.recorded(self.history[-1])
        better = state.note_bests(dev.primary, dev.overall["overall"])
        kept = [self.folder / BEST / name for name in better] if self.settings.keep_best_of_tasks else []
        if improved:
            state.best = Best(score=chosen, step=state.step)
            kept = [self.folder, *kept]
        if kept:
            save_weights(self.model, *kept)
        state.loss_sums = {}
        self.combination.weather.clear()
        self.gradients.regularizing.clear()
        self.display.evaluated(
            state.step, state.step / self.steps_per_epoch, losses, dev.primary, dev.overall["overall"], improved
        )
        return improved

    def _dev_scores(self) -> DevScores:
        answers = {}
        for task, rows in self.dev.items():
            logits = self.gradients.logits(task, rows)
            if not torch.isfinite(logits).all():
                raise NotFiniteError(
                    f"step {self.state.step}: a dev prediction of task '{task}' is not a finite number, "
                    f"so training stopped. The last good checkpoint is {self.folder / CHECKPOINT}."
                )
            answers[task] = (predictions(logits, self.model.tasks[task]), rows.known_labels)
        return score_dev(self.model.tasks, answers)

    def _checkpoint(self) -> None:
        more = {f"combination.{name}": tensor for name, tensor in self.combination.state().items()}
        more |= {f"regularization.{name}": tensor for name, tensor in self.gradients.regularizing.state().items()}
        if self.average is not None:
            more |= {f"average.{name}": tensor for name, tensor in self.average.state().items()}
        save_checkpoint(self.folder / CHECKPOINT, self.state, self.model, self.optimizer, more)
        self.last_checkpoint = time.monotonic()

    def _resume(self) -> None:
        self.state = load_checkpoint(self.folder / CHECKPOINT, self.model, self.optimizer)
        self.combination.restore(load_more(self.folder / CHECKPOINT, "combination."))
        self.gradients.regularizing.restore(load_more(self.folder / CHECKPOINT, "regularization."))
        if self.average is not None:
            self.average.restore(load_more(self.folder / CHECKPOINT, "average."))
        # An evaluation after the checkpoint will come again.
        self.history = [line for line in read_history(self.folder) if line["step"] <= self.state.step]
        for line in self.history:
            for tracker in self.trackers:
                tracker.recorded(line)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's history.

    Raises:
        UserError: the file is missing or damaged.
    """
    where = folder / HISTORY
    try:
        lines = map(json.loads, where.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line["step"] >= 0]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where}: cannot be read ({error}); start anew in another --out.") from None
