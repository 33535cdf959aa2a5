"""A run, from recipe to predictions. The folder it leaves is all that anything else reads of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minbert.augmentation.tables import keep_new_rows
from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.evaluation.baselines import Baseline
from minbert.files import write_json, write_text
from minbert.files.left_overs import remove_left_overs
from minbert.files.locks import claimed
from minbert.machine.device import available_device
from minbert.machine.precision import fastest_precision
from minbert.machine.ranks import ranks
from minbert.multitask.model import MultitaskModel
from minbert.multitask.model_files import save_weights
from minbert.pretraining.recipe import load_pretraining_recipe
from minbert.pretraining.run import pretrain_recipe
from minbert.recipe.recipe import Recipe
from minbert.run_folder.folder import BEST_OF, NEW_ROWS, PRETRAINING, RECIPE, check_run_folder, is_finished, read_run
from minbert.run_folder.inputs import RunInputs
from minbert.run_folder.metrics import read_run_metrics
from minbert.run_folder.whole import check_whole
from minbert.running.agreement import check_same_rows
from minbert.running.finish import finish
from minbert.running.inputs import data_files, model_files
from minbert.running.prepare import check_recipe, make_learner, prepare, resolve
from minbert.together.members import trained_tasks
from minbert.together.teachers import teach
from minbert.tracking import Tracker
from minbert.training.checkpoint_folder import newest_checkpoint
from minbert.training.head_start import start_heads
from minbert.training.head_tuning import tune_heads
from minbert.training.history import HISTORY, check_scores, read_history
from minbert.training.loop import BEST, TrainingLoop
from minbert.training.plan import Plan, plan_run
from minbert.training.stepper import OnEvaluation, TrainingResult


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a finished run has to show."""

    folder: Path
    metrics: dict[str, Any]
    """``metrics.json``."""
    before: dict[str, Any]
    """Dev scores at step 0, as ``metrics`` has those of the kept model: with heads of the probe, or random ones."""
    baselines: dict[str, Baseline]


def train_recipe(
    recipe: Recipe,
    out: str | Path,
    resume: bool = False,
    display: Display | None = None,
    on_evaluation: OnEvaluation | None = None,
    trackers: Sequence[Tracker] = (),
) -> RunSummary:
    """Train ``recipe`` in the folder ``out`` and write everything a run folder holds.

    With ``resume``, an unfinished run of the same recipe and the same files (see ``RunInputs``) goes on where its last
    checkpoint stands, and a finished one is only summed up. ``trackers`` are told of the run as it goes; of a finished
    one, all that it has.

    Of several ranks (``minbert.machine.joining.joined``) all must call it alike. They share the work; the first writes
    everything and tells the trackers. All must see the folder ``out``.

    Raises:
        BusyError: another process works in ``out``.
        UserError: ``out`` holds something else; or see ``prepare`` and ``TrainingLoop.run``.
        Interrupted: the user asked to stop; ``resume`` goes on.
    """
    out, display = Path(out), display or Display(terminal())
    with claimed(out) if ranks().first else nullcontext():
        if ranks().first:
            remove_left_overs(out)
        return _train(recipe, out, resume, display, on_evaluation, trackers if ranks().first else ())


def _train(
    recipe: Recipe,
    out: Path,
    resume: bool,
    display: Display,
    on_evaluation: OnEvaluation | None,
    trackers: Sequence[Tracker],
) -> RunSummary:
    why = fastest_precision(available_device())[1] if recipe.training.precision == "auto" else "as the recipe says"
    recipe = resolve(recipe)
    finished, resumed = ranks().tell(lambda: _stand(recipe, out, resume))
    if not finished:
        inputs = RunInputs(out, resumed, display)
        if ranks().first:
            inputs.add(data_files(recipe))
        prepared = prepare(_pretrained(recipe, out, resume, display), display)
        if ranks().first:
            inputs.add(model_files(recipe, prepared.teachers))
        check_same_rows(prepared)
        ranks().copy_(prepared.model.state_dict().values())
        learner = make_learner(recipe, prepared, display)
        on = f"{available_device()}" if ranks().alone else f"{ranks().count} ranks ({available_device()})"
        display.note(f"training on {on} in {recipe.training.precision} ({why}); {out} keeps the run")
        if not resumed and recipe.training.head_start == "probe":
            start_heads(learner, recipe.seed, display)
        loop = TrainingLoop(learner, prepared.dev, prepared.course, out, display, on_evaluation, trackers)
        if ranks().first:
            if not resumed:
                write_text(out / RECIPE, recipe.to_yaml())
                inputs.write()
                prepared.model.save_pretrained(out)
                if recipe.training.keep_best_of_tasks:
                    _begin_best_of_tasks(recipe, prepared.model, out)
            keep_new_rows(out / NEW_ROWS, prepared.new_rows, resumed)
        teach(recipe, prepared.teachers, prepared.taught, learner, out, display)
        for tracker in trackers:
            tracker.started(recipe.model_dump(mode="json"))
        result = loop.run(resumed)
        _tell_of_idle_tasks(recipe, result, display)
        if recipe.training.head_end == "probe":
            start_heads(learner, recipe.seed, display)
            ranks().tell(lambda: save_weights(prepared.model, out))
        tuned = tune_heads(loop) if recipe.training.head_epochs else None
        finish(recipe, prepared, result, tuned, out, display)
    else:
        display.note(f"{out} is finished: nothing is trained")
        RunInputs(out, True, display).tell_changed()
        if trackers:
            _tell_again(recipe, out, trackers)
    summary = _summary(out, recipe)
    if summary.metrics["best_step"] == 0 and recipe.training.keep == "best":
        display.note(
            "step 0, the model before training, is kept: no evaluation had a better "
            f"{recipe.training.select}. If that score is too low, train longer, or try another learning rate"
        )
    for tracker in trackers:
        tracker.finished(summary.metrics)
    return summary


def _tell_of_idle_tasks(recipe: Recipe, result: TrainingResult, display: Display) -> None:
    """Say which tasks should have been trained and had no step."""
    had_steps = {name for line in result.history for name in line["losses"]}
    if idle := [name for name in trained_tasks(recipe) if name not in had_steps]:
        display.note(
            f"no step was made for {', '.join(idle)}: the schedule gave all steps to other tasks. Train for more "
            "epochs, or with another schedule.method"
        )


def _stand(recipe: Recipe, out: Path, resume: bool) -> tuple[bool, bool]:
    """Return whether the run in ``out`` has finished, and whether it has begun; see ``check_run_folder``.

    Raises:
        UserError: it may not go on; or it has finished, and a file of it is not what was written.
    """
    check_run_folder(out, recipe, resume, command="train", read=read_run)
    if finished := resume and is_finished(out):
        check_whole(out)
    return finished, newest_checkpoint(out) is not None


def plan_recipe(recipe: Recipe, display: Display, out: Path | None = None, resume: bool = False) -> Plan:
    """Return what training ``recipe`` in ``out`` would do and cost; refuses what training would, and writes nothing."""
    if out is not None:
        with claimed(out):
            check_run_folder(out, resolve(recipe), resume, command="train", read=read_run)
    prepared = prepare(recipe, display)
    learner = make_learner(recipe, prepared, display)
    return plan_run(TrainingLoop(learner, prepared.dev, prepared.course, Path(), display))


def _pretrained(recipe: Recipe, out: Path, resume: bool, display: Display) -> Recipe:
    """Run the pretraining that ``recipe`` asks for, if any; return the recipe with the encoder to start from."""
    first = recipe.encoder.pretraining
    if first is None:
        return recipe
    changes = {"data": recipe.data, "encoder.name": recipe.encoder.name, "seed": recipe.seed, **first.changes}
    pretraining = load_pretraining_recipe(first.recipe, changes)
    if ranks().first and not (out / RECIPE).is_file():
        check_recipe(recipe, display)  # what is wrong with the tasks' files is told now, not after the pretraining
        write_text(out / RECIPE, recipe.to_yaml())
    pretrain_recipe(pretraining, out / PRETRAINING, resume, display)
    encoder = recipe.encoder.model_copy(update={"name": str(out / PRETRAINING)})
    return recipe.model_copy(update={"encoder": encoder})


def _tell_again(recipe: Recipe, out: Path, trackers: Sequence[Tracker]) -> None:
    """Tell trackers of a finished run what they may have missed."""
    history = read_history(out)
    for tracker in trackers:
        tracker.started(recipe.model_dump(mode="json"))
        for line in history:
            tracker.recorded(line)


def _begin_best_of_tasks(recipe: Recipe, model: MultitaskModel, out: Path) -> None:
    """Write what the folders of tasks' best models have beside the weights, which the loop writes."""
    for name in (*recipe.tasks, "overall"):
        folder = out / BEST / name
        write_json(folder / BEST_OF, {"best_of": name})
        write_text(folder / RECIPE, recipe.to_yaml())
        model.save_description(folder)


def _summary(out: Path, recipe: Recipe) -> RunSummary:
    metrics = read_run_metrics(out, recipe.tasks)
    baselines = {name: Baseline(**value) for name, value in metrics["baselines"].items()}
    before = read_history(out)[0].get("dev", {})
    check_scores(before, recipe.tasks, out / HISTORY)
    return RunSummary(out, metrics, before, baselines)
