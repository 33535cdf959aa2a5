"""The model card: a run folder's ``README.md`` in the hub's format, made of what the folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minbert.data.download import hub_data_set
from minbert.encoder.sources import MINILM, MINILM_ON_THE_HUB, named_revision
from minbert.evaluation.answers import read_answers
from minbert.evaluation.intervals import Interval, score_interval
from minbert.files import write_text
from minbert.files.json_text import read_json
from minbert.recipe.recipe import Recipe, TaskRecipe
from minbert.run_folder.card_texts import Card, card_text
from minbert.tasks.metrics import METRICS, with_direction
from minbert.tasks.settings import TaskSettings

CARD = "README.md"


def write_model_card(
    folder: Path,
    name: str,
    recipe: Recipe,
    dev: Mapping[str, Any],
    chosen: str,
    before: Mapping[str, Any] | None = None,
) -> None:
    """Write the card of the model in ``folder``.

    Intervals come from the folder's answers to dev rows. The same folder gives the same card, and no text of any data
    set is in it, nor a path of this machine.

    Args:
        folder: the model's, with its answers.
        name: what to call it.
        recipe: what it was trained by.
        dev: its scores, as ``metrics.json`` holds them: none, where there were no dev rows.
        chosen: how it came about, a sentence.
        before: its scores before training, likewise, where there was one.

    Raises:
        UserError: answers are missing or damaged, or the card cannot be written.
    """
    from huggingface_hub import ModelCardData

    base, config = _base_model(recipe), read_json(folder / "config.json")
    known = {hub_data_set(file) for task in recipe.tasks.values() for file in _training_files(task)}
    scores = {
        task: {metric: _interval(folder, task, settings, metric) for metric in settings.metrics}
        for task, settings in recipe.tasks.items()
        if task in dev
    }
    data = ModelCardData(
        base_model=base,
        library_name="minbert",
        pipeline_tag="feature-extraction",
        tags=["minbert", config["model_type"], "multi-task-learning", "sentence-transformers", "sentence-similarity"],
        datasets=sorted(name for name in known if name is not None) or None,
        metrics=sorted({METRICS[metric].hub for task in scores.values() for metric in task}),
        model_name=name,
        eval_results=[
            _result(recipe, task, metric, interval.score)
            for task in scores
            for metric, interval in scores[task].items()
        ],
    )
    body = card_text(
        Card(
            name=name,
            recipe=recipe,
            base_model=base,
            chosen=chosen,
            scores={
                task: {
                    with_direction(metric, METRICS[metric].title): interval for metric, interval in intervals.items()
                }
                for task, intervals in scores.items()
            },
            answers={
                name: TaskSettings.model_validate(task).kind.answer_described
                for name, task in config["minbert"]["tasks"].items()
            },
            overall=dev.get("overall"),
            before=None
            if before is None
            else {
                task: {with_direction(metric, METRICS[metric].title): before[task][metric] for metric in scores[task]}
                for task in scores
            },
            overall_before=None if before is None else before.get("overall"),
            max_length=config["minbert"]["max_length"],
        )
    )
    write_text(folder / CARD, f"---\n{data.to_yaml()}\n---\n\n{body}")


def _base_model(recipe: Recipe) -> str | None:
    """Return the encoder's id on the hub; None where it came from a folder."""
    name = recipe.encoder.name
    if name == MINILM:
        return MINILM_ON_THE_HUB
    return None if Path(name).expanduser().exists() or Path(name).is_absolute() else named_revision(name)[0]


def _training_files(task: TaskRecipe) -> list[str]:
    """Return the names of the files whose rows a task trains on."""
    files = [task.files.train, *(more.file for more in task.also_train_on)]
    return [Path(file).name for file in files if file is not None]


def _interval(folder: Path, name: str, task: TaskRecipe, metric: str) -> Interval:
    return score_interval(task.kind.name, metric, [read_answers(folder, name, "dev")])


def _result(recipe: Recipe, name: str, metric: str, score: float) -> Any:
    """Return one line of the hub's ``model-index``."""
    from huggingface_hub import EvalResult

    task, scored = recipe.tasks[name], METRICS[metric]
    file = Path(task.split_files.get("dev", "")).name
    return EvalResult(
        task_type=task.kind.hub_task(task.pair is not None),
        task_name=name,
        dataset_type=hub_data_set(file) or "unknown",
        dataset_name=f"{name} ({file}{', sample set' if recipe.data == 'sample' else ''})",
        dataset_config=name,
        dataset_split="dev",
        metric_type=scored.hub,
        metric_name=scored.title,
        metric_args=dict(scored.hub_arguments) or None,
        metric_value=round(score, 4),
    )
