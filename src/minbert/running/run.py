"""A run, from recipe to predictions. The folder it leaves is all that anything else reads of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from minbert.augmentation.tables import keep_new_rows
from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.evaluation.baselines import Baseline, baseline
from minbert.evaluation.deciding import decide_on_dev
from minbert.evaluation.predicting import SplitTask, predict_rows, score_predictions
from minbert.files import write_json, write_text
from minbert.files.json_text import read_json
from minbert.files.left_overs import remove_left_overs
from minbert.files.locks import claimed
from minbert.machine.device import available_device
from minbert.machine.memory import peak_bytes
from minbert.machine.precision import chosen_precision, fastest_precision
from minbert.multitask.model import MultitaskModel
from minbert.pretraining.recipe import load_pretraining_recipe
from minbert.pretraining.run import pretrain_recipe
from minbert.recipe.recipe import Recipe
from minbert.run_folder.answers import write_predicted
from minbert.run_folder.card import write_model_card
from minbert.run_folder.folder import BEST_OF, METRICS, NEW_ROWS, PRETRAINING, RECIPE, check_run_folder, read_run
from minbert.run_folder.inputs import RunInputs
from minbert.running.inputs import data_files, model_files
from minbert.running.prepare import Prepared, check_recipe, make_learner, prepare, resolve
from minbert.tasks.predictions import Predictions
from minbert.together.teachers import teach
from minbert.tracking import Tracker
from minbert.training.checkpoint_folder import newest_checkpoint
from minbert.training.head_start import start_heads
from minbert.training.head_tuning import tune_heads
from minbert.training.history import read_history
from minbert.training.loop import BEST, TrainingLoop
from minbert.training.plan import Plan, plan_run
from minbert.training.rows import Rows
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

    Raises:
        BusyError: another process works in ``out``.
        UserError: ``out`` holds something else; or see ``prepare`` and ``TrainingLoop.run``.
        Interrupted: the user asked to stop; ``resume`` goes on.
    """
    out, display = Path(out), display or Display(terminal())
    with claimed(out):
        remove_left_overs(out)
        return _train(recipe, out, resume, display, on_evaluation, trackers)


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
    check_run_folder(out, recipe, resume, command="train", read=read_run)
    if not (resume and (out / METRICS).is_file()):
        resumed = newest_checkpoint(out) is not None
        inputs = RunInputs(out, resumed, display)
        inputs.add(data_files(recipe))
        prepared = prepare(_pretrained(recipe, out, resume, display), display)
        inputs.add(model_files(recipe, prepared.teachers))
        learner = make_learner(recipe, prepared, display)
        display.note(f"training on {available_device()} in {recipe.training.precision} ({why}); {out} keeps the run")
        if not resumed and recipe.training.head_start == "probe":
            start_heads(learner, recipe.seed, display)
        loop = TrainingLoop(learner, prepared.dev, prepared.course, out, display, on_evaluation, trackers)
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
        tuned = tune_heads(loop) if recipe.training.head_epochs else None
        _finish(recipe, prepared, result, tuned, out, display)
    else:
        display.note(f"{out} is finished: nothing is trained")
        RunInputs(out, True, display).tell_changed()
        if trackers:
            _tell_again(recipe, out, trackers)
    summary = _summary(out)
    if summary.metrics["best_step"] == 0:
        display.note(
            "step 0, the model before training, is kept: no evaluation had a better "
            f"{recipe.training.select}. Train longer, or try another learning rate"
        )
    for tracker in trackers:
        tracker.finished(summary.metrics)
    return summary


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
    if not (out / RECIPE).is_file():
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


def _finish(
    recipe: Recipe,
    prepared: Prepared,
    result: TrainingResult,
    tuned: dict[str, Any] | None,
    out: Path,
    display: Display,
) -> None:
    """Write prediction files, answers and metrics of the kept model, and of tasks' best ones where there are any."""
    state = result.state
    assert state.best is not None
    assert state.best_overall is not None
    best_of = {**state.best_of_task, "overall": state.best_overall}
    rows = {("dev", name): part for name, part in prepared.dev.items()}
    rows |= {("test", name): part for name, part in prepared.test.items()}
    predicted = decide_on_dev(out, recipe.tasks, rows, _predict(recipe, rows, out, display))
    write_predicted(out, recipe.tasks, rows, predicted)
    metrics: dict[str, Any] = {
        "dev": score_predictions(recipe.tasks, rows, predicted).as_json(),
        "best_step": state.best.step,
        "best_of_task": {task: best.model_dump() for task, best in state.best_of_task.items()},
        "best_overall": state.best_overall.model_dump(),
        "steps": state.step,
        "trained_parameters": sum(p.numel() for p in prepared.model.parameters() if p.requires_grad),
        "train_seconds": round(state.train_seconds, 3),
        "examples_per_second": round(state.examples / state.train_seconds, 2),
        "real_tokens_per_second": round(state.tokens / state.train_seconds, 1),
        "peak_memory_mb": round(peak_bytes(available_device()) / 1e6, 1),
        "encoder": recipe.encoder.name,
        "seed": recipe.seed,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": str(available_device()),
        "before_training": result.history[0]["dev"],
        "baselines": {
            name: baseline(task, prepared.train[name].known_labels, prepared.dev[name].known_labels)._asdict()
            for name, task in recipe.tasks.items()
        },
    }
    at_step = {} if tuned is not None else {state.best.step: predicted}
    for name, best in best_of.items() if recipe.training.keep_best_of_tasks else ():
        folder = out / BEST / name
        if best.step not in at_step:
            at_step[best.step] = _predict(recipe, rows, folder, display)
        at_step[best.step] = decide_on_dev(folder, recipe.tasks, rows, at_step[best.step])
        write_predicted(folder, recipe.tasks, rows, at_step[best.step])
        dev = score_predictions(recipe.tasks, rows, at_step[best.step]).as_json()
        chosen = f"Of its run, the model that was best on dev by `{name}`, at step {best.step} of {state.step}."
        write_model_card(folder, f"{out.resolve().name}-best-{name}", recipe, dev, chosen, metrics["before_training"])
        write_json(folder / METRICS, {**metrics, "dev": dev, "best_step": best.step, "best_of": name})
    chosen = f"It was the best on dev by `{recipe.training.select}`, at step {state.best.step} of {state.step}."
    if tuned is not None:
        metrics["head_tuning"] = tuned
        chosen += " Then each head was trained alone."
    write_model_card(out, out.resolve().name, recipe, metrics["dev"], chosen, metrics["before_training"])
    write_json(out / METRICS, metrics)


def _predict(
    recipe: Recipe, rows: Mapping[SplitTask, Rows], folder: Path, display: Display
) -> dict[SplitTask, Predictions]:
    """Return what the model in ``folder`` predicts, read back from its files, as a user would."""
    model = MultitaskModel.from_pretrained(folder).to(available_device())
    precision = chosen_precision(recipe.training.precision)
    return predict_rows(model, rows, precision, display, "predicting dev and test")


def _summary(out: Path) -> RunSummary:
    metrics = read_json(out / METRICS)
    baselines = {name: Baseline(**value) for name, value in metrics["baselines"].items()}
    return RunSummary(out, metrics, read_history(out)[0]["dev"], baselines)
