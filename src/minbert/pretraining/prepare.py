"""From a pretraining recipe to everything its run needs: texts read and tokenized, encoder and head loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from minbert.augmentation.rows import RowAugmenter
from minbert.augmentation.tables import new_rows_table
from minbert.data.corpora import Corpus, divide, read_texts
from minbert.data.examples import read_split, same_content
from minbert.data.places import resolve_data
from minbert.data.task_splits import read_task_split
from minbert.display.progress import Display
from minbert.encoder.masked_lm import MaskedLM
from minbert.encoder.masked_lm_files import load_masked_lm
from minbert.encoder.sources import check_tokenizer, find_encoder
from minbert.errors import UserError, did_you_mean
from minbert.machine.allocator import keep_memory
from minbert.machine.device import available_device
from minbert.multitask.sequences import Indices, Sequences
from minbert.pretraining.corpus_order import CorpusOrder, epoch_counts
from minbert.pretraining.course import PretrainingCourse
from minbert.pretraining.loop import PretrainingTexts
from minbert.pretraining.recipe import CorpusSettings, PretrainingRecipe
from minbert.randomness import generator
from minbert.recipe.recipe import load_recipe
from minbert.text.masking import Maskable, MaskedBatch, mask_tokens
from minbert.text.template import Template
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Pretraining:
    """A recipe with its model built and its texts read."""

    model: MaskedLM
    head_was_there: bool
    """Whether the encoder's files had a masked-LM head; else it is fresh."""
    tokenizer: Tokenizer
    texts: PretrainingTexts
    course: PretrainingCourse
    new_texts: dict[str, str]
    """Of corpora with augmentation, the table of the texts it made."""


def prepare_pretraining(recipe: PretrainingRecipe, display: Display) -> Pretraining:
    """Read all corpora, then load the encoder and its head, or draw a fresh one. Writes nothing.

    Raises:
        UserError: files, encoder or settings do not serve the recipe.
    """
    keep_memory()
    corpora = dict(_read_corpora(recipe))
    new_texts = _augment(recipe, corpora, display)
    files = find_encoder(recipe.encoder.name)
    tokenizer = Tokenizer.from_files(files.folder)
    torch.manual_seed(recipe.seed)
    model, head_was_there = load_masked_lm(
        recipe.encoder.name,
        recipe.head,
        hidden_dropout=recipe.encoder.hidden_dropout,
        attention_dropout=recipe.encoder.attention_dropout,
    )
    check_tokenizer(recipe.encoder.name, model.encoder, tokenizer)
    max_length = min(recipe.encoder.max_length, model.encoder.longest)
    template = model.encoder.architecture.template(tokenizer)
    texts = _tokenize(recipe, corpora, tokenizer, template, max_length, display)
    sizes = {name: len(corpus.train) for name, corpus in corpora.items()}
    weights = {name: corpus.weight for name, corpus in recipe.corpora.items()}
    order = CorpusOrder(
        sizes,
        epoch_counts(sizes, weights, recipe.size_power),
        texts.train.lengths(),
        recipe.seed,
        texts=recipe.training.batch_size,
        tokens=recipe.training.tokens_per_step,
    )
    course = PretrainingCourse(order, recipe.masking, recipe.training, recipe.optimizer)
    try:
        recipe.optimizer.warmup_steps(course.total_steps)
    except ValueError as error:
        raise UserError(f"optimizer.warmup: {error}.") from None
    return Pretraining(model.to(available_device()), head_was_there, tokenizer, texts, course, new_texts)


def _read_corpora(recipe: PretrainingRecipe) -> Iterator[tuple[str, Corpus]]:
    held_out = 0
    for name, settings in recipe.corpora.items():
        texts = list(_texts(recipe, name, settings))
        corpus = divide(texts, recipe.held_out.share, settings.at_most, recipe.seed, name)
        if not corpus.train:
            raise UserError(f"corpora.{name}: no text of it is left to train on; the whole of it is held out.")
        held_out += len(corpus.held_out)
        yield name, corpus
    if not held_out:
        raise UserError(
            f"held_out.share: at {recipe.held_out.share:g}, chance holds out none of so few texts; raise it, or give "
            "more texts."
        )


def corpus_files(recipe: PretrainingRecipe) -> dict[str, Path]:
    """Return the files of all corpora, by the recipe's keys; none of a corpus whose recipe or folder is not there."""
    found: dict[str, Path] = {}
    for name, settings in recipe.corpora.items():
        with suppress(UserError):  # whoever reads the texts tells it
            if settings.recipe is None:
                files, data = settings.files or [], recipe.data
            else:
                other = load_recipe(settings.recipe)
                tasks = [task for key, task in other.tasks.items() if settings.task in (None, key)]
                own = [task.files.train for task in tasks if task.files.train is not None]
                files = [*own, *(shared.file for task in tasks for shared in task.also_train_on)]
                data = other.data if recipe.data is None else recipe.data
            found |= {f"corpora.{name}.{file}": resolve_data(data) / file for file in files}
    return found


def _texts(recipe: PretrainingRecipe, name: str, settings: CorpusSettings) -> Iterator[str]:
    if settings.recipe is None:
        place = resolve_data(recipe.data)
        for file in settings.files or []:
            yield from read_texts(place / file, settings.column or [])
        return
    other = load_recipe(settings.recipe)
    place = resolve_data(other.data if recipe.data is None else recipe.data)
    if settings.task is not None and settings.task not in other.tasks:
        hint = did_you_mean(settings.task, other.tasks)
        raise UserError(f"corpora.{name}.task: {settings.recipe} has no task '{settings.task}'{hint}.")
    for task_name in [settings.task] if settings.task is not None else list(other.tasks):
        task = other.tasks[task_name]
        if task.files.train is None:
            raise UserError(f"corpora.{name}: task '{task_name}' of {settings.recipe} names no train file.")
        own = read_task_split(place, task, task.kind, "train", labelled=False, name=task_name)
        shared = [read_split(place / more.file, more, task.kind, labelled=False) for more in task.also_train_on]
        for split in (own, *shared):
            yield from split.first
            yield from split.second or []


def _augment(recipe: PretrainingRecipe, corpora: dict[str, Corpus], display: Display) -> dict[str, str]:
    """Put new texts after the training texts of corpora with augmentation; return the tables of them.

    None is made from a text that is held out of its corpus, nor kept if it says what a held-out text of any says.
    """
    augmenter = RowAugmenter(recipe.seed, available_device())
    held_out = {same_content([text]) for corpus in corpora.values() for text in corpus.held_out}
    tables = {}
    for name, settings in recipe.corpora.items():
        if not settings.augmentation:
            continue
        corpus = corpora[name]
        ids = [str(number) for number in range(1, len(corpus.train) + 1)]
        with display.counting(f"augmenting {name}", len(ids) * len(settings.augmentation)) as bar:
            made = augmenter.new_rows(settings.augmentation, ids, [(text,) for text in corpus.train], bar.advance)
        there = set(corpus.train)
        distinct = {row.texts[0]: row for row in reversed(made)}  # of equal ones the first
        kept = [
            row
            for row in made
            if distinct[row.texts[0]] is row and row.texts[0] not in there and same_content(row.texts) not in held_out
        ]
        display.note(f"{name}: {len(kept):,} new texts beside {len(ids):,}")
        corpora[name] = replace(corpus, train=[*corpus.train, *(row.texts[0] for row in kept)])
        tables[name] = new_rows_table(kept, ids, None)
    return tables


def _tokenize(
    recipe: PretrainingRecipe,
    corpora: Mapping[str, Corpus],
    tokenizer: Tokenizer,
    template: Template,
    max_length: int,
    display: Display,
) -> PretrainingTexts:
    """Tokenize every distinct text once, and hide tokens of the held-out ones once and for all."""
    scored = {name: corpus.held_out[: recipe.held_out.scored] for name, corpus in corpora.items()}
    everything = [text for corpus in corpora.values() for text in corpus.train]
    trained = len(everything)
    everything += [text for texts in scored.values() for text in texts]
    with display.counting("tokenizing") as bar:
        table, rows = TokenTable.from_texts(everything, tokenizer, bar.reached)
    vocabulary = Maskable.of(tokenizer)

    def sequences(numbers: Indices) -> Sequences:
        return Sequences(table, numbers, None, np.arange(len(numbers))[:, None], template, max_length)

    train = sequences(rows[:trained])
    if cut := train.truncated():
        display.note(f"{cut:,} of {trained:,} training texts are cut to {max_length} tokens")
    held_out: dict[str, MaskedBatch] = {}
    start = trained
    for name, texts in scored.items():
        if texts:
            batch = sequences(rows[start : start + len(texts)]).pack(np.arange(len(texts)))
            # Not the run's seed: scores of runs with different seeds compare.
            masked = mask_tokens(batch, vocabulary, recipe.masking, generator(0, "held-out masks", name))
            if len(masked.targets):
                held_out[name] = masked
        start += len(texts)
    if not held_out:
        raise UserError(f"encoder '{recipe.encoder.name}': its tokenizer knows no token of the held-out texts.")
    return PretrainingTexts(train, held_out, vocabulary)
