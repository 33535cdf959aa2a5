"""The training loop: what a step's gradient is, what dev says of the model, and which models are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from minbert.data.schedules import Step
from minbert.display.progress import Display
from minbert.machine.ranks import ranks
from minbert.multitask.inference import NotFiniteAnswersError
from minbert.multitask.model import MultitaskModel
from minbert.multitask.model_files import save_weights
from minbert.optim.settings import parameter_groups
from minbert.tasks.metrics import METRICS, worth
from minbert.tracking import Tracker
from minbert.training.checkpoint import Best
from minbert.training.combining import StepCombination
from minbert.training.course import Course
from minbert.training.learner import Learner
from minbert.training.micro_batches import step_tokens
from minbert.training.protocols import Counts
from minbert.training.rows import Rows
from minbert.training.scoring import DevScores, score_dev, score_name
from minbert.training.stepper import OnEvaluation, Stepper

BEST = "best"
"""A folder within, where ``keep_best_of_tasks`` asks for it: for each task, and for ``overall``, its best model's."""


class TrainingLoop(Stepper[Step]):
    """The loop over the tasks' rows."""

    model: MultitaskModel
    course: Course

    def __init__(
        self,
        learner: Learner,
        dev: Mapping[str, Rows],
        course: Course,
        folder: Path,
        display: Display,
        on_evaluation: OnEvaluation | None = None,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        """Train ``learner.model`` in place; the best one's weights and all records go to ``folder``."""
        self.learner = learner
        self.dev = dev
        settings, model = course.settings, learner.model
        frozen = settings.encoder == "frozen" or not model.adapters_settings.trains_encoder
        model.encoder.requires_grad_(not frozen)
        # Our optimizers take sparse gradients (optim/gradients.py). On a GPU zeros cost less than finding out, and
        # waiting for, how many rows there are.
        model.encoder.embeddings.word.sparse = model.device.type == "cpu"
        groups = parameter_groups(model.encoder, model.fresh_modules(), course.optimizer)
        super().__init__(model, groups, course, settings, folder, display, on_evaluation, trackers)
        self.combination = StepCombination(course.combination, learner, course.seed, self.reduction)
        self.remembered |= {"combination": self.combination, "regularization": learner.regularizing}

    def _accumulate(self, step: Step) -> Tensor:
        self.learner.begin_step(self.state.step / self.total_steps)
        return self.combination.accumulate(step, self.state.step, self.state.shards)

    def _optimize(self, step: Step, losses: Tensor) -> None:
        super()._optimize(step, losses)
        self.learner.finish_step()

    def _counts(self, step: Step) -> Counts:
        return Counts(list(step), sum(len(rows) for rows in step.values()), step_tokens(step, self.learner.lengths))

    def _rows_told(self, step: Step, tasks: Sequence[str]) -> str:
        ids = {task: self.learner.train[task].ids for task in tasks}
        rows = "; ".join(f"{task}: {', '.join(ids[task][row] for row in step[task][:32])}" for task in tasks)
        return f"Rows of the step: {rows}. "

    def _judge(self) -> None:
        with self.stop.breaking_off():
            scores = self._dev_scores()
        dev = DevScores(**ranks().tell(lambda: asdict(scores)))  # what follows from them must be alike on all ranks
        state, settings, losses = self.state, self.course.settings, self._mean_losses()
        self._record(
            {
                "losses": losses,
                "combination": self.combination.weather.report(),
                "regularization": self.learner.regularizing.report(),
                "dev": dev.as_json(),
            }
        )
        metrics = {name: task.metric for name, task in self.model.tasks.items()}
        better = state.note_bests(dev.primary, metrics, dev.overall.get("overall"))
        kept = [self.folder / BEST / name for name in better] if settings.keep_best_of_tasks else []
        score = dev.selected(settings.select) if self.dev else 0.0
        improved = self._is_better(score)
        if improved or settings.keep == "last":
            state.best = Best(score=score, step=state.step)
            kept = [self.folder, *kept]
        if kept and ranks().first:
            save_weights(self.model, *kept)
        self.combination.weather.clear()
        self.learner.regularizing.clear()
        self.display.evaluated(
            state.step,
            state.step / self.course.steps_per_epoch,
            losses,
            dev.primary,
            dev.overall.get("overall"),
            improved and settings.keep == "best",
            [name for name, metric in metrics.items() if METRICS[metric].less_is_better],
        )
        self._lose_patience(improved)

    def _worth(self, score: float) -> float:
        return worth(score_name(self.course.settings.select, self.model.tasks), score)

    def _lose_patience(self, improved: bool) -> None:
        """End the training after ``patience`` evaluations without a better score."""
        state, patience = self.state, self.course.settings.patience
        state.evaluations_without_improvement = 0 if improved else state.evaluations_without_improvement + 1
        if patience is not None and state.evaluations_without_improvement >= patience:
            if state.step < self.total_steps:
                self.display.note(f"no better score in {patience} evaluations: training stops early")
            state.finished = True

    def _dev_scores(self) -> DevScores:
        answers = {}
        for task, rows in self.dev.items():
            self.stop.break_off_together()
            try:
                answers[task] = (self.learner.predictions(task, rows), rows.known_labels)
            except NotFiniteAnswersError:
                what = f"a dev prediction of task '{task}' is not a finite number"
                raise self._not_finite(self.state.step, what) from None
        return score_dev(self.model.tasks, answers)
