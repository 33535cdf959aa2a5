"""What every loop does alike: the optimizer's step, counters, history, evaluations, checkpoints, stopping, resuming."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from minbert.display.progress import Display
from minbert.encoder.tensor_files import LARGEST_WEIGHT, is_sound
from minbert.errors import UserError
from minbert.machine.ranks import ranks
from minbert.optim.ema import ExponentialMovingAverage
from minbert.optim.gradients import clip_, stored_gradients
from minbert.optim.settings import make_optimizer
from minbert.tracking import Tracker
from minbert.training.checkpoint import LoopState
from minbert.training.checkpoint_folder import (
    CHECKPOINTS,
    CheckpointSettings,
    keep_checkpoint,
    load_newest,
    remove_old_checkpoints,
)
from minbert.training.history import read_history, write_history
from minbert.training.interrupt import Interrupted, StopRequest
from minbert.training.protocols import Counts, Remembers, Steps
from minbert.training.reduction import Reduction, Wishes, check_same_weights

StepT = TypeVar("StepT")

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
    """What ``history.jsonl`` holds; the first entry is the model before training."""


class Stepper(ABC, Generic[StepT]):
    """One run of steps in one folder. Call ``run`` once.

    Each loop is a stepper, and says what the gradient of a step is (``_accumulate``), what the step has read
    (``_counts``), and what an evaluation says of the model (``_judge``). A stepper knows no rows and no scores but the
    one that decides.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: list[dict[str, Any]],
        course: Steps[StepT],
        checkpoints: CheckpointSettings,
        folder: Path,
        display: Display,
        on_evaluation: OnEvaluation | None = None,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        """Train what may learn in ``model``, in place, by an optimizer of ``groups`` (see ``parameter_groups``).

        ``checkpoints`` says when they are written beside each evaluation. All records go to ``folder``; ``trackers``
        are told of every line of its history.
        """
        self.model = model
        self.course = course
        self.checkpoints = checkpoints
        self.folder = folder
        self.display = display
        self.on_evaluation = on_evaluation
        self.trackers = trackers
        self.total_steps = course.total_steps
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = make_optimizer(groups, course.optimizer)
        decay = course.optimizer.ema_decay
        self.average = ExponentialMovingAverage(self.parameters, decay) if decay else None
        self.remembered: dict[str, Remembers] = {} if self.average is None else {"average": self.average}
        self.state = LoopState(shards=ranks().count)
        self.history: list[dict[str, Any]] = []
        self.stop = StopRequest()
        self.last_checkpoint = time.monotonic()
        self.reduction = Reduction(self._wishes)

    @abstractmethod
    def _accumulate(self, step: StepT) -> Tensor:
        """Add a step's gradient, of all ranks, to the parameters; return its losses (K,), detached."""

    @abstractmethod
    def _counts(self, step: StepT) -> Counts:
        """Return what a step has read."""

    @abstractmethod
    def _judge(self) -> None:
        """Score the weights as they stand, ``_record`` it, and save them where they are to be kept.

        The scoring, which may take long, is ``self.stop.breaking_off()``; what follows it is not.

        Raises:
            Interrupted: the user asked to stop; nothing has changed.
        """

    def _rows_told(self, step: StepT, tasks: Sequence[str]) -> str:  # noqa: ARG002
        """Return a sentence on which rows of a step are to blame, or nothing."""
        return ""

    def run(self, resume: bool) -> TrainingResult:
        """Train to the end, or from the last checkpoint to the end if ``resume``.

        Raises:
            NotFiniteError: a loss or gradient is not finite; names the step, the task and the rows.
            Interrupted: the user asked to stop; a checkpoint has been written.
            UserError: the checkpoint is damaged, or the disk is full.
        """
        with self.stop.listening():
            if resume:
                self._resume()
                self._tell_idle()
            else:
                self.state.evaluation_due = True  # what training must beat
            if not self.state.finished:
                with self.display.training(self.total_steps, self.state.step):
                    self._steps()
            self.stop.break_off_together()
            with self.stop.breaking_off():  # a request in the last step stops what would follow it
                return TrainingResult(self.state, self.history)

    def _wishes(self) -> Wishes:
        late = time.monotonic() - self.last_checkpoint > 60 * self.checkpoints.checkpoint_minutes
        return Wishes(stop=self.stop.made, checkpoint=late and ranks().first)

    def _steps(self) -> None:
        self.model.train()
        if self.state.evaluation_due:
            self._evaluate()
        for step, evaluate in self.course.steps(self.state.step):
            if self.state.finished:
                return
            if self.reduction.agreed().stop:
                self._checkpoint()
                raise self.stop.interrupted(
                    "stopped; the checkpoint is written, and the same call with resume=True goes on"
                )
            self._step(step)
            self.state.evaluation_due = evaluate
            if evaluate:
                self._evaluate()
            elif self.reduction.agreed().checkpoint:
                self._checkpoint()

    def _step(self, step: StepT) -> None:
        started = time.perf_counter()
        ranks().place = f"at step {self.state.step + 1}"
        factor = self.course.optimizer.factor(self.state.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_learning_rate"] * factor
        losses = self._accumulate(step)
        self._optimize(step, losses)
        state, counts = self.state, self._counts(step)
        state.step += 1
        state.train_seconds += time.perf_counter() - started
        state.examples += counts.examples
        state.tokens += counts.tokens
        for task, loss in zip(counts.tasks, losses.tolist(), strict=True):
            total, count = state.loss_sums.get(task, (0.0, 0))
            state.loss_sums[task] = (total + loss, count + 1)
        self.display.step(state.step, self._mean_losses(), state.examples / state.train_seconds)

    def _optimize(self, step: StepT, losses: Tensor) -> None:
        """Check the step's losses and its gradient, which is whole now, and make the optimizer's step."""
        gradients = stored_gradients(self.parameters)
        norm = torch.nn.utils.get_total_norm(gradients)
        self._check_finite(step, losses, norm)
        if (limit := self.course.optimizer.max_gradient_norm) is not None:
            clip_(gradients, norm, limit)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update()

    def _check_finite(self, step: StepT, losses: Tensor, norm: Tensor) -> None:
        if torch.isfinite(losses).all() and torch.isfinite(norm):
            return
        tasks = self._counts(step).tasks
        what = f"the gradient's norm is {norm.item()}"
        for task, loss in zip(tasks, losses.tolist(), strict=True):
            if not math.isfinite(loss):
                what, tasks = f"the loss of task '{task}' is {loss}", [task]
                break
        raise self._not_finite(self.state.step + 1, what, self._rows_told(step, tasks))

    def _not_finite(self, step: int, what: str, rows: str = "") -> NotFiniteError:
        """Return the error that says so; ``what`` and ``rows`` tell where."""
        on = "".join(f", on rank {rank}" for rank in self.reduction.not_finite)
        return NotFiniteError(
            f"step {step}{on}: {what}, so training stopped. {rows}The last good checkpoint is in "
            f"{self.folder / CHECKPOINTS}. Try a lower optimizer.learning_rate, or training.precision=fp32."
        )

    def _mean_losses(self) -> dict[str, float]:
        """Return each task's mean loss since the last evaluation."""
        return {task: total / count for task, (total, count) in self.state.loss_sums.items()}

    def _evaluate(self) -> None:
        """Judge the weights or, with an exponential moving average, the averaged weights; write a checkpoint.

        Raises:
            NotFiniteError: a weight is so large that no reader would take the file with it.
            Interrupted: the user asked to stop; by the checkpoint, the evaluation is still due.
        """
        state = self.state
        try:
            # Before the first step there is nothing to average.
            with self.average.swap() if self.average is not None and state.step else nullcontext():
                self._check_weights()
                self._judge()
        except Interrupted:
            self._checkpoint()
            raise
        state.loss_sums, state.evaluation_due = {}, False
        state.finished |= state.step == self.total_steps
        self._checkpoint()
        if self.on_evaluation is not None and state.best is not None and state.step and not state.finished:
            self.on_evaluation(len(self.history) - 1, state.best.score)

    def _check_weights(self) -> None:
        if not all(map(is_sound, self.parameters)):
            raise self._not_finite(self.state.step, f"a weight is beyond {LARGEST_WEIGHT:g} by now")

    def _record(self, said: Mapping[str, Any]) -> None:
        """Write a line of history: what an evaluation has ``said``."""
        line = {"step": self.state.step, "seconds": round(self.state.train_seconds, 3), **said}
        self.history.append(line)
        if ranks().first:
            write_history(self.folder, self.history)
            for tracker in self.trackers:
                tracker.recorded(line)

    def _worth(self, score: float) -> float:
        """Return what is the higher the better: the score that decides, unless less of it is better."""
        return score

    def _is_better(self, score: float) -> bool:
        """Return whether ``score`` is better than that of the best weights so far."""
        return self.state.best is None or self._worth(score) > self._worth(self.state.best.score)

    def _checkpoint(self) -> None:
        check_same_weights(self.parameters, f"step {self.state.step}", self.folder / CHECKPOINTS)
        more = {
            f"{part}.{name}": tensor for part, one in self.remembered.items() for name, tensor in one.state().items()
        }
        if ranks().first:
            keep = self.checkpoints.keep_checkpoints
            keep_checkpoint(self.folder, keep, self.state, self.model, self.optimizer, more)
        self.last_checkpoint = time.monotonic()

    def _tell_idle(self) -> None:
        count, shards = ranks().count, self.state.shards
        if count > shards:
            self.display.note(
                f"this run began on {shards} {'rank' if shards == 1 else 'ranks'}, and its steps are cut for as many: "
                f"{count - shards} of {count} only help to evaluate"
            )

    def _resume(self) -> None:
        self.state, more = load_newest(self.folder, self.model, self.optimizer, self.display.note)
        if ranks().first:
            remove_old_checkpoints(self.folder, self.checkpoints.keep_checkpoints, self.state.step)
        for part, one in self.remembered.items():
            start = f"{part}."
            one.restore({name.removeprefix(start): more[name] for name in more if name.startswith(start)})
        # An evaluation after the checkpoint will come again.
        end = self.state.step + (not self.state.evaluation_due)
        self.history = [line for line in read_history(self.folder) if line["step"] < end] if end else []
        for tracker in self.trackers if ranks().first else ():
            for line in self.history:
                tracker.recorded(line)
