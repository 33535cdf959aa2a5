"""From a recipe to everything its run needs: files read, texts tokenized, encoder loaded, heads built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from minbert.data.examples import Split
from minbert.display.progress import Display
from minbert.encoder.sources import check_tokenizer, find_encoder, load_encoder
from minbert.errors import UserError
from minbert.files.paths import to_path
from minbert.machine.allocator import keep_memory
from minbert.machine.device import available_device
from minbert.machine.precision import chosen_precision
from minbert.multitask.model import MultitaskModel
from minbert.multitask.sequences import Sequences, tokens_needed
from minbert.recipe.recipe import Recipe
from minbert.run_folder.unfinished import unfinished
from minbert.running.texts import Texts, add_new_rows, check_steps, read_texts, task_sizes
from minbert.running.vocabulary import add_new_characters
from minbert.tasks.heads import Head
from minbert.tasks.settings import TaskSettings
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer
from minbert.together.members import trained_tasks
from minbert.together.teachers import Teachers, find_teachers
from minbert.training.course import Course
from minbert.training.finetuned_learner import FinetunedLearner
from minbert.training.frozen_learner import FrozenLearner
from minbert.training.learner import Learner
from minbert.training.rows import Rows
from minbert.training.scoring import check_select


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe with its model built and its files read."""

    model: MultitaskModel
    train: dict[str, Rows]
    dev: dict[str, Rows]
    """Of all tasks or of none."""
    test: dict[str, Rows]
    """Only of tasks whose test file is there."""
    course: Course
    new_rows: dict[str, str]
    """Of tasks with augmentation, the table of the training rows it made."""
    teachers: Teachers
    taught: dict[str, Split]
    """The training rows, as they were read, of the tasks that have teachers."""


def prepare(recipe: Recipe, display: Display) -> Prepared:
    """Read all files of ``recipe``, then load its encoder and build its heads. Writes nothing but the cache.

    Raises:
        UserError: files, encoder, schedule, selection or teachers do not serve the recipe.
    """
    keep_memory()
    teachers = find_teachers(recipe)
    check_heads_learn(recipe, teachers)
    _tell_of_fresh_heads(recipe, display)
    if note := unfinished(to_path(recipe.encoder.name)):
        display.note(note)
    texts = _checked_texts(recipe, display)
    new_rows = add_new_rows(recipe, texts, available_device(), display)
    model = _build(recipe, texts, display)
    rows = _tokenize(model, texts, display)
    for (split, name), part in rows.items():
        if cut := part.sequences.truncated():
            display.note(f"{name}: {cut} of its {split} sequences are cut to {model.max_length} tokens")
    train, dev, test = (
        {name: rows[split, name] for name in recipe.tasks if (split, name) in rows}
        for split in ("train", "dev", "test")
    )
    sizes, training = task_sizes(recipe, texts), recipe.training
    if not dev:  # there is nothing to score before the end
        steps = recipe.schedule.method.steps_per_epoch(sizes) * training.epochs
        training = training.model_copy(update={"evaluate_every": steps})
    course = Course(
        recipe.schedule.method,
        sizes,
        recipe.combination,
        training,
        recipe.optimizer,
        recipe.seed,
    )
    taught = {name: texts["train", name] for name in teachers}
    return Prepared(model, train, dev, test, course, new_rows, teachers, taught)


def check_recipe(recipe: Recipe, display: Display) -> None:
    """Refuse what ``prepare`` would refuse, as far as that shows without loading the encoder.

    Writes nothing but the cache.

    Raises:
        UserError: see ``prepare``.
    """
    check_heads_learn(recipe, find_teachers(recipe))
    _checked_texts(recipe, display)
    find_encoder(recipe.encoder.name)


def resolve(recipe: Recipe) -> Recipe:
    """Return the recipe with all that depends on the machine spelt out, so that it can be repeated elsewhere."""
    training = recipe.training.model_copy(update={"precision": chosen_precision(recipe.training.precision)})
    return recipe.model_copy(update={"training": training})


def make_learner(recipe: Recipe, prepared: Prepared, display: Display) -> Learner:
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
        return FinetunedLearner(*arguments, regularization)
    if regularization:
        raise UserError(
            f"tasks.{next(iter(regularization))}.regularization: it compares passes through the encoder, and a frozen "
            "one reads each text once: use training.encoder=finetuned, or leave it out."
        )
    sequences = sum(len(rows.sequences) for rows in prepared.train.values())
    with display.counting("encoding texts once", sequences) as bar:
        return FrozenLearner(*arguments, bar.advance)


def _checked_texts(recipe: Recipe, display: Display) -> Texts:
    check_select(recipe.training.select, recipe.tasks)
    _check_sharing(recipe)
    texts = read_texts(recipe, display)
    _check_weights(recipe, texts)
    check_steps(recipe, task_sizes(recipe, texts))
    return texts


def _check_weights(recipe: Recipe, texts: Texts) -> None:
    """Refuse labels' weights that are 0 for every row to train on."""
    for name, task in recipe.tasks.items():
        labels = texts["train", name].labels if ("train", name) in texts else None
        weights = None if labels is None else task.kind.label_weights(labels)
        if weights is not None and not weights.any():
            raise UserError(
                f"tasks.{name}.{task.kind.weights_key}: it is 0 for every class that the train rows have, so the task "
                "would learn nothing. Give one of them a number above 0."
            )


def _check_sharing(recipe: Recipe) -> None:
    """Refuse a frozen encoder whose output changes all the same, or whose gradients are asked for."""
    for key, name in (("adapters", recipe.encoder.adapters.name), ("shared_layer", recipe.encoder.shared_layer.name)):
        if recipe.training.encoder == "frozen" and name != "none":
            raise UserError(
                f"encoder.{key}: '{name}' does not go with training.encoder=frozen, which reads each text once and "
                "trains heads on its vector: what is trained before that vector would never change it. "
                "Use training.encoder=finetuned."
                + (" Adapters leave the encoder's own weights alone if train_encoder is false." * (key == "adapters"))
            )
    if recipe.training.encoder == "frozen" and recipe.combination.looks_at_gradients:
        raise UserError(
            f"combination: '{recipe.combination.name}' works on the encoder's gradients, and a frozen encoder has "
            "none. Use training.encoder=finetuned, or combination=sum."
        )


def _build(recipe: Recipe, texts: Texts, display: Display) -> MultitaskModel:
    """Load the encoder and build fresh heads, alike for the same seed and the same characters in the texts."""
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
    check_tokenizer(recipe.encoder.name, encoder, tokenizer)
    tokenizer = add_new_characters(recipe, texts, encoder, tokenizer, display)
    choice = recipe.encoder
    model = MultitaskModel(encoder, tokenizer, tasks, choice.max_length, choice.adapters, choice.shared_layer)
    return model.to(available_device())


def check_heads_learn(recipe: Recipe, teachers: Teachers) -> None:
    """Refuse a head with weights that nothing trains, and a frozen encoder where no head has weights.

    Teachers train a head as a task's own losses do. Tuning heads after training (``head_epochs``) does not help: by
    then the untrained one has chosen the model.
    """
    for name, task in recipe.tasks.items():
        if task.head.has_weights and not task.trains_head and name not in teachers:
            own, best = [loss.name for loss in task.losses if loss.weight], task.kind.default_loss
            heads = [Head.model_validate(head) for head in Head.members]
            fitting = [head.name for head in heads if not head.has_weights and not head.refusal(task.kind, task.pair)]
            raise UserError(
                f"tasks.{name}.loss: no loss trains the head '{task.head.name}' ({', '.join(own) or 'all weigh 0'}), "
                "so it would answer at random. "
                f"Add a loss that trains it (loss: [{', '.join([*own, best])}])"
                + "".join(f", or take a head without weights (head: {head})" for head in fitting)
                + "."
            )
    if recipe.training.encoder == "frozen" and not any(
        recipe.tasks[name].head.has_weights for name in trained_tasks(recipe)
    ):
        raise UserError(
            "training.encoder: 'frozen' leaves nothing to train: every task has a head without weights. "
            "Use 'finetuned', or another head."
        )


def _tell_of_fresh_heads(recipe: Recipe, display: Display) -> None:
    """Say where heads that the schedule leaves untrained have a say in which model is kept."""
    trained, select = trained_tasks(recipe), recipe.training.select
    fresh = [name for name in recipe.tasks if name not in trained]
    if fresh and select.partition(".")[0] not in trained:
        display.note(
            f"the schedule leaves the heads of {', '.join(fresh)} untrained, and training.select={select} counts what "
            f"they answer; training.select={trained[0]} would not"
        )


def _tokenize(
    model: MultitaskModel, texts: Mapping[tuple[str, str], Split], display: Display
) -> dict[tuple[str, str], Rows]:
    """Tokenize every distinct text of all tasks and splits once, into one table.

    Splits that the cache keeps have tables of their own there, which do not depend on what else is read.
    """
    kept = {
        (split, name): Rows.of_split(model, name, rows, display) for (split, name), rows in texts.items() if rows.key
    }
    together = {place: split for place, split in texts.items() if place not in kept}
    columns = [column for split in together.values() for column in split.columns]
    most = tokens_needed([model.tasks[name].pair for _, name in together], model.max_length)
    with display.counting("tokenizing") as bar:
        table, numbers = TokenTable.from_columns(columns, model.tokenizer, most, bar.reached)
    rows = {}
    start = 0
    for (split_name, name), split in together.items():
        middle = start + len(split)
        end = middle + len(split.second or [])
        sequences = Sequences.of_rows(
            table,
            numbers[start:middle],
            numbers[middle:end] if split.second else None,
            model.tasks[name].pair,
            model.template,
            model.max_length,
        )
        rows[split_name, name] = Rows(split.ids, sequences, split.labels)
        start = end
    rows |= kept
    return {place: rows[place] for place in texts}
