"""From a recipe to everything its run needs: files read, texts tokenized, encoder loaded, heads built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from minbert.data.examples import Split, read_split
from minbert.data.places import resolve_data
from minbert.data.schedules import TaskSize
from minbert.data.subsample import subsample
from minbert.encoder.allocator import keep_freed_memory
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.multitask.precision import Precision, fastest_precision
from minbert.multitask.sequences import Sequences
from minbert.recipe import Recipe, TaskRecipe
from minbert.tasks.settings import TaskSettings
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer
from minbert.training.display import Display
from minbert.training.gradients import FinetunedGradients, FrozenGradients, StepGradients
from minbert.training.rows import Rows
from minbert.training.scoring import check_select


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe with its model built and its files read."""

    model: MultitaskModel
    train: dict[str, Rows]
    dev: dict[str, Rows]
    test: dict[str, Rows]
    """Only of tasks whose test file is there."""
    sizes: dict[str, TaskSize]


def prepare(recipe: Recipe, display: Display) -> Prepared:
    """Read all files of ``recipe``, then load its encoder and build its heads. Writes nothing.

    Raises:
        UserError: files, encoder, schedule or selection do not serve the recipe.
    """
    keep_freed_memory()
    texts, sizes = _read(recipe, display)
    model = _build(recipe)
    rows = _tokenize(model, texts, display)
    for (split, name), part in rows.items():
        if cut := part.sequences.truncated():
            display.note(f"{name}: {cut} of its {split} sequences are cut to {model.max_length} tokens")
    train, dev, test = (
        {name: rows[split, name] for name in recipe.tasks if (split, name) in rows}
        for split in ("train", "dev", "test")
    )
    return Prepared(model, train, dev, test, sizes)


def check_recipe(recipe: Recipe, display: Display) -> None:
    """Refuse what ``prepare`` would refuse, as far as that shows without loading the encoder. Writes nothing.

    Raises:
        UserError: see ``prepare``.
    """
    _read(recipe, display)
    find_encoder(recipe.encoder.name)


def chosen_precision(setting: Literal["auto", "fp32", "bf16"]) -> Precision:
    """Return the number format that a setting means; ``auto`` is what is faster on this machine."""
    return fastest_precision(available_device())[0] if setting == "auto" else setting


def resolve(recipe: Recipe) -> Recipe:
    """Return the recipe with all that depends on the machine spelt out, so that it can be repeated elsewhere."""
    training = recipe.training.model_copy(update={"precision": chosen_precision(recipe.training.precision)})
    return recipe.model_copy(update={"training": training})


def step_gradients(recipe: Recipe, prepared: Prepared, display: Display) -> StepGradients:
    """Return what computes the run's gradients; with a frozen encoder, all training texts are encoded now."""
    settings = recipe.training
    arguments = (
        prepared.model,
        prepared.train,
        chosen_precision(recipe.training.precision),
        settings.tokens_per_microbatch,
    )
    if settings.encoder == "finetuned":
        return FinetunedGradients(*arguments)
    sequences = sum(len(rows.sequences) for rows in prepared.train.values())
    with display.counting("encoding texts once", sequences) as bar:
        return FrozenGradients(*arguments, bar.advance)


def available_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _read(recipe: Recipe, display: Display) -> tuple[dict[tuple[str, str], Split], dict[str, TaskSize]]:
    check_select(recipe.training.select, recipe.tasks)
    texts = _read_splits(recipe, display)
    sizes = {
        name: TaskSize(len(texts["train", name]), task.batch_size or recipe.schedule.batch_size)
        for name, task in recipe.tasks.items()
    }
    _check_steps(recipe, sizes)
    return texts, sizes


def _read_splits(recipe: Recipe, display: Display) -> dict[tuple[str, str], Split]:
    place = resolve_data(recipe.data)
    texts: dict[tuple[str, str], Split] = {}
    for name, task in recipe.tasks.items():
        files = task.files.by_split
        for split in ("train", "dev"):
            if split not in files:
                raise UserError(f"tasks.{name}.files.{split}: training needs it.")
            texts[split, name] = read_split(place / files[split], task, task)
        texts["train", name] = _subsampled(recipe.seed, name, task, texts["train", name])
        if "test" in files and not (place / files["test"]).is_file():
            display.note(f"{place / files['test']}: is not there, so no predictions are written for it")
        elif "test" in files:
            texts["test", name] = read_split(place / files["test"], task, task, labelled=None)
    return texts


def _subsampled(seed: int, name: str, task: TaskRecipe, split: Split) -> Split:
    if task.rows is None:
        return split
    try:
        chosen = subsample(len(split), task.rows, seed, name)
    except ValueError as error:
        raise UserError(f"tasks.{name}.rows: {error}.") from None
    return replace(
        split,
        ids=[split.ids[row] for row in chosen],
        first=[split.first[row] for row in chosen],
        second=[split.second[row] for row in chosen] if split.second else None,
        labels=split.labels[chosen] if split.labels is not None else None,
    )


def _check_steps(recipe: Recipe, sizes: Mapping[str, TaskSize]) -> None:
    """Ask schedule and optimizer now what they would otherwise refuse only after the encoder is loaded."""
    try:
        steps = recipe.schedule.method.steps_per_epoch(sizes) * recipe.training.epochs
    except ValueError as error:
        raise UserError(f"schedule.method: {error}.") from None
    schedule, combination = recipe.schedule.method.name, recipe.combination.name
    if combination != "sum" and schedule != "round_robin":
        raise UserError(
            f"combination '{combination}' weighs the tasks of a step against each other, so each step needs a batch of "
            f"every task: use schedule.method=round_robin, not '{schedule}'."
        )
    try:
        recipe.optimizer.warmup_steps(steps)
    except ValueError as error:
        raise UserError(f"optimizer.warmup: {error}.") from None


def _build(recipe: Recipe) -> MultitaskModel:
    """Load the encoder and build fresh heads, alike for the same seed."""
    files = find_encoder(recipe.encoder.name)
    torch.manual_seed(recipe.seed)
    encoder = load_encoder(
        recipe.encoder.name,
        hidden_dropout=recipe.encoder.hidden_dropout,
        attention_dropout=recipe.encoder.attention_dropout,
    )
    tasks = {
        name: TaskSettings.model_validate({key: getattr(task, key) for key in TaskSettings.model_fields})
        for name, task in recipe.tasks.items()
    }
    model = MultitaskModel(encoder, Tokenizer.from_files(files.folder), tasks, recipe.encoder.max_length)
    return model.to(available_device())


def _tokenize(
    model: MultitaskModel, texts: Mapping[tuple[str, str], Split], display: Display
) -> dict[tuple[str, str], Rows]:
    """Tokenize every distinct text of all tasks and splits once, into one table."""
    columns = [column for split in texts.values() for column in (split.first, split.second or [])]
    everything = [text for column in columns for text in column]
    with display.counting("tokenizing") as bar:
        table, numbers = TokenTable.from_texts(everything, model.tokenizer, bar.reached)
    rows = {}
    start = 0
    for (split_name, name), split in texts.items():
        middle = start + len(split)
        end = middle + len(split.second or [])
        sequences = Sequences.of_rows(
            table,
            numbers[start:middle],
            numbers[middle:end] if split.second else None,
            model.tasks[name].pair,
            model.special_tokens,
            model.max_length,
        )
        rows[split_name, name] = Rows(split.ids, sequences, split.labels)
        start = end
    return rows
