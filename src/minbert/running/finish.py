"""What a run leaves when its training has ended: answers, metrics and cards of the models that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from minbert.display.progress import Display
from minbert.evaluation.baselines import baseline
from minbert.evaluation.deciding import decide_on_dev
from minbert.evaluation.predicting import SplitTask, predict_rows, score_predictions
from minbert.files import write_json
from minbert.machine.device import available_device
from minbert.machine.memory import peak_bytes
from minbert.machine.precision import chosen_precision
from minbert.machine.ranks import ranks
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe
from minbert.run_folder.answers import write_predicted
from minbert.run_folder.card import write_model_card
from minbert.run_folder.folder import METRICS
from minbert.running.prepare import Prepared
from minbert.tasks.predictions import Predictions
from minbert.training.checkpoint import Best
from minbert.training.loop import BEST
from minbert.training.rows import Rows
from minbert.training.stepper import TrainingResult

AllRows = Mapping[SplitTask, Rows]
Predicted = dict[SplitTask, Predictions]


def finish(
    recipe: Recipe,
    prepared: Prepared,
    result: TrainingResult,
    tuned: dict[str, Any] | None,
    out: Path,
    display: Display,
) -> None:
    """Write prediction files, answers and metrics of the kept model, and of tasks' best ones where there are any.

    All ranks predict, and the first writes.
    """
    state = result.state
    assert state.best is not None
    rows = {("dev", name): part for name, part in prepared.dev.items()}
    rows |= {("test", name): part for name, part in prepared.test.items()}
    kept = _predict(recipe, rows, out, display)
    best_of = {}
    if recipe.training.keep_best_of_tasks:
        assert state.best_overall is not None
        best_of = {**state.best_of_task, "overall": state.best_overall}
    at_step = {} if tuned is not None else {state.best.step: kept}
    for name, best in best_of.items():
        if best.step not in at_step:
            at_step[best.step] = _predict(recipe, rows, out / BEST / name, display)

    def write() -> None:
        metrics = _metrics(recipe, prepared, result)
        for name, best in best_of.items():
            _write_best(recipe, rows, at_step[best.step], (name, best), metrics, out)
        _write_kept(recipe, rows, kept, metrics if tuned is None else {**metrics, "head_tuning": tuned}, out)

    ranks().tell(write)


def _metrics(recipe: Recipe, prepared: Prepared, result: TrainingResult) -> dict[str, Any]:
    """Return what ``metrics.json`` says of the run, whichever of its models it stands beside."""
    state = result.state
    assert state.best is not None
    return {
        "best_step": state.best.step,
        "best_of_task": {task: best.model_dump() for task, best in state.best_of_task.items()},
        "best_overall": None if state.best_overall is None else state.best_overall.model_dump(),
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
        "ranks": ranks().count,
        "device": str(available_device()),
        "before_training": result.history[0]["dev"],
        "baselines": {
            name: baseline(task, prepared.train[name].known_labels, prepared.dev[name].known_labels)._asdict()
            for name, task in recipe.tasks.items()
            if name in prepared.dev
        },
    }


def _write_kept(recipe: Recipe, rows: AllRows, predicted: Predicted, metrics: dict[str, Any], out: Path) -> None:
    predicted = decide_on_dev(out, recipe.tasks, rows, predicted)
    write_predicted(out, recipe.tasks, rows, predicted)
    dev = score_predictions(recipe.tasks, rows, predicted).as_json()
    chosen = (
        f"It was the best on dev by `{recipe.training.select}`, at step {metrics['best_step']} of {metrics['steps']}."
        if recipe.training.keep == "best"
        else f"It is the model after the last of {metrics['steps']} steps."
    )
    if "head_tuning" in metrics:
        chosen += " Then each head was trained alone."
    if recipe.training.head_end == "probe":
        chosen += " Then its heads were solved once more over the trained encoder."
    write_model_card(out, out.resolve().name, recipe, dev, chosen, metrics["before_training"])
    write_json(out / METRICS, {"dev": dev, **metrics})


def _write_best(
    recipe: Recipe, rows: AllRows, predicted: Predicted, of: tuple[str, Best], metrics: dict[str, Any], out: Path
) -> None:
    """Write what the folder of a task's best model holds; ``of`` names the task (or ``overall``), and says when."""
    name, best = of
    folder = out / BEST / name
    predicted = decide_on_dev(folder, recipe.tasks, rows, predicted)
    write_predicted(folder, recipe.tasks, rows, predicted)
    dev = score_predictions(recipe.tasks, rows, predicted).as_json()
    chosen = f"Of its run, the model that was best on dev by `{name}`, at step {best.step} of {metrics['steps']}."
    write_model_card(folder, f"{out.resolve().name}-best-{name}", recipe, dev, chosen, metrics["before_training"])
    write_json(folder / METRICS, {"dev": dev, **metrics, "best_step": best.step, "best_of": name})


def _predict(recipe: Recipe, rows: AllRows, folder: Path, display: Display) -> Predicted:
    """Return what the model in ``folder`` predicts, read back from its files, as a user would."""
    model = MultitaskModel.from_pretrained(folder).to(available_device())
    precision = chosen_precision(recipe.training.precision)
    return predict_rows(model, rows, precision, display, "predicting dev and test")
