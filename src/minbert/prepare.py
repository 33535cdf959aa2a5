"""From a recipe to everything its run needs: files read, texts tokenized, encoder loaded, heads built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from minbert.augmentation.rows import RowAugmenter
from minbert.augmentation.tables import new_rows_table
from minbert.data.examples import Split, read_split
from minbert.data.places import resolve_data
from minbert.data.schedules import TaskSize
from minbert.data.shared_rows import joined, read_shared
from minbert.data.subsample import subsample
from minbert.distill import Teachers, find_teachers
from minbert.encoder.allocator import keep_freed_memory
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.multitask.precision import Precision, fastest_precision
from minbert.multitask.sequences import Sequences
from minbert.recipe import Recipe
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
    new_rows: dict[str, str]
    """Of tasks with augmentation, the table of the training rows it made."""
    teachers: Teachers
    taught: dict[str, Split]
    """The training rows, as they were read, of the tasks that have teachers."""


def prepare(recipe: Recipe, display: Display) -> Prepared:
    """Read all files of ``recipe``, then load its encoder and build its heads. Writes nothing.

    Raises:
        UserError: files, encoder, schedule, selection or teachers do not serve the recipe.
    """
    check_select(recipe.training.select, recipe.tasks)
    _check_sharing(recipe)
    teachers = find_teachers(recipe)
    keep_freed_memory()
    texts = _read_splits(recipe, display)
    new_rows = _augment(recipe, texts, display)
    sizes = {
        name: TaskSize(len(texts["train", name]), task.batch_size or recipe.schedule.batch_size)
        for name, task in recipe.tasks.items()
    }
    _check_steps(recipe, sizes)
    model = _build(recipe)
    _check_learns(recipe, model)
    rows = _tokenize(model, texts, display)
    for (split, name), part in rows.items():
        if cut := part.sequences.truncated():
            display.note(f"{name}: {cut} of its {split} sequences are cut to {model.max_length} tokens")
    train, dev, test = (
        {name: rows[split, name] for name in recipe.tasks if (split, name) in rows}
        for split in ("train", "dev", "test")
    )
    taught = {name: texts["train", name] for name in teachers}
    return Prepared(model, train, dev, test, sizes, new_rows, teachers, taught)


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
    regularization = {name: task.regularization for name, task in recipe.tasks.items() if task.regularization}
    if settings.encoder == "finetuned":
        return FinetunedGradients(*arguments, regularization)
    if regularization:
        raise UserError(
            f"tasks.{next(iter(regularization))}.regularization: it compares passes through the encoder, and a frozen "
            "one reads each text once: use training.encoder=finetuned, or leave it out."
        )
    sequences = sum(len(rows.sequences) for rows in prepared.train.values())
    with display.counting("encoding texts once", sequences) as bar:
        return FrozenGradients(*arguments, bar.advance)


def available_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _read_splits(recipe: Recipe, display: Display) -> dict[tuple[str, str], Split]:
    place = resolve_data(recipe.data)
    texts: dict[tuple[str, str], Split] = {}
    for name, task in recipe.tasks.items():
        files = task.files.by_split
        for split in ("train", "dev"):
            if split not in files:
                raise UserError(f"tasks.{name}.files.{split}: training needs it.")
            texts[split, name] = read_split(place / files[split], task, task)
        texts["train", name] = _subsampled(texts["train", name], task.rows, recipe.seed, name, "rows")
        texts["dev", name] = _subsampled(texts["dev", name], task.dev_rows, recipe.seed, name, "dev_rows")
        shared = read_shared(place, name, task, task, recipe.seed)
        texts["train", name] = joined(texts["train", name], shared)
        if "test" in files and not (place / files["test"]).is_file():
            display.note(f"{place / files['test']}: is not there, so no predictions are written for it")
        elif "test" in files:
            texts["test", name] = read_split(place / files["test"], task, task, labelled=None)
    return texts


def _subsampled(split: Split, wanted: int | str | None, seed: int, name: str, key: str) -> Split:
    if wanted is None:
        return split
    try:
        chosen = subsample(len(split), wanted, seed, name)
    except ValueError as error:
        raise UserError(f"tasks.{name}.{key}: {error}.") from None
    return split.take(chosen)


def _check_sharing(recipe: Recipe) -> None:
    """Refuse a frozen encoder whose output changes all the same."""
    for key, name in (("adapters", recipe.encoder.adapters.name), ("shared_layer", recipe.encoder.shared_layer.name)):
        if recipe.training.encoder == "frozen" and name != "none":
            raise UserError(
                f"encoder.{key}: '{name}' does not go with training.encoder=frozen, which reads each text once and "
                "trains heads on its vector: what is trained before that vector would never change it. "
                "Use training.encoder=finetuned."
                + (" Adapters leave the encoder's own weights alone if train_encoder is false." * (key == "adapters"))
            )


def _augment(recipe: Recipe, texts: dict[tuple[str, str], Split], display: Display) -> dict[str, str]:
    """Put the new rows of tasks with augmentation after their training rows; return the tables of them."""
    augmenter = RowAugmenter(recipe.seed, available_device())
    tables = {}
    for name, task in recipe.tasks.items():
        if not task.augmentation:
            continue
        split = texts["train", name]
        rows = [(text,) if isinstance(text, str) else text for text in split.texts]
        with display.counting(f"augmenting {name}", len(rows) * len(task.augmentation)) as bar:
            made = augmenter.new_rows(task.augmentation, split.ids, rows, bar.advance)
        display.note(f"{name}: {len(made):,} new rows beside {len(rows):,}")
        assert split.labels is not None
        texts["train", name] = replace(
            split,
            ids=[*split.ids, *(row.id for row in made)],
            first=[*split.first, *(row.texts[0] for row in made)],
            second=None if split.second is None else [*split.second, *(row.texts[1] for row in made)],
            labels=np.concatenate([split.labels, [split.labels[row.origin] for row in made]]),
        )
        tables[name] = new_rows_table(made, split.ids, split.labels.tolist())
    return tables


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
    tokenizer = Tokenizer.from_files(files.folder)
    choice = recipe.encoder
    model = MultitaskModel(encoder, tokenizer, tasks, choice.max_length, choice.adapters, choice.shared_layer)
    return model.to(available_device())


def _check_learns(recipe: Recipe, model: MultitaskModel) -> None:
    """Refuse a frozen encoder where no loss reaches weights of a head."""
    reached = [
        name
        for name, task in recipe.tasks.items()
        if list(model.head(name).parameters()) and not all(loss.over_vectors for loss in task.losses)
    ]
    if recipe.training.encoder == "frozen" and not reached:
        raise UserError(
            "training.encoder: 'frozen' leaves nothing to train: every task has a head without weights, or losses that "
            "train the encoder alone. Use 'finetuned', or another head or loss."
        )


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
