"""From a pretraining recipe to everything its run needs: texts read and tokenized, encoder and head loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from minbert.display.progress import Display
from minbert.encoder.masked_lm import MaskedLM
from minbert.encoder.masked_lm_files import load_masked_lm
from minbert.encoder.sources import check_tokenizer, find_encoder
from minbert.errors import UserError
from minbert.machine.allocator import keep_memory
from minbert.machine.device import available_device
from minbert.pretraining.augmenting import NewTexts, new_texts
from minbert.pretraining.corpus_order import CorpusOrder, epoch_counts
from minbert.pretraining.corpus_tables import CorpusTables, corpus_tables
from minbert.pretraining.course import PretrainingCourse
from minbert.pretraining.recipe import PretrainingRecipe
from minbert.pretraining.steps import EpochSteps, StepsOfTexts, StepsOfTokens
from minbert.pretraining.texts import PretrainingTexts, TrainingTexts
from minbert.randomness import generator
from minbert.text.masking import Maskable, MaskedBatch, mask_tokens
from minbert.text.packing import pack_single
from minbert.text.template import Template
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
    """Tokenize all corpora, or find their tokens in the cache; load the encoder and its head, or draw a fresh one.

    Writes nothing but the cache.

    Raises:
        UserError: files, encoder or settings do not serve the recipe.
    """
    keep_memory()
    tokenizer = Tokenizer.from_files(find_encoder(recipe.encoder.name).folder)
    corpora = {name: corpus_tables(recipe, name, tokenizer, display) for name in recipe.corpora}
    _check_divided(corpora, recipe.held_out.share)
    made = new_texts(recipe, tokenizer, display)
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
    texts = _texts(recipe, corpora, made, tokenizer, template, max_length)
    if cut := texts.train.truncated():
        display.note(f"{cut:,} of {len(texts.train):,} training texts are cut to {max_length} tokens")
    course = _course(recipe, corpora, made, texts.train, display)
    return Pretraining(
        model.to(available_device()),
        head_was_there,
        tokenizer,
        texts,
        course,
        {name: new.written for name, new in made.items()},
    )


def _check_divided(corpora: Mapping[str, CorpusTables], share: float) -> None:
    for name, corpus in corpora.items():
        if not len(corpus.train):
            raise UserError(
                f"corpora.{name}: all of its texts ({len(corpus.held_out):,}) are held out, so none is left to train "
                f"on. Give more texts, or lower held_out.share ({share:g})."
            )
    if not any(len(corpus.held_out) for corpus in corpora.values()):
        names = ", ".join(f"corpora.{name}" for name in corpora)
        texts = sum(len(corpus.train) for corpus in corpora.values())
        raise UserError(
            f"{names}: none of the texts ({texts:,}) is held out, so nothing can be scored. Chance decides. Give more "
            f"texts, or raise held_out.share ({share:g})."
        )


def _texts(
    recipe: PretrainingRecipe,
    corpora: Mapping[str, CorpusTables],
    made: Mapping[str, NewTexts],
    tokenizer: Tokenizer,
    template: Template,
    max_length: int,
) -> PretrainingTexts:
    """Put the corpora's training texts after one another, and hide tokens of the held-out ones once and for all."""
    tables = []
    held_out: dict[str, MaskedBatch] = {}
    vocabulary = Maskable.of(tokenizer)
    for name, corpus in corpora.items():
        tables += [corpus.train, *([made[name].table] if name in made else [])]
        scored = np.arange(min(len(corpus.held_out), recipe.held_out.scored))
        if len(scored):
            batch = pack_single(corpus.held_out, scored, template, max_length)
            # Not the run's seed: scores of runs with different seeds compare.
            masked = mask_tokens(batch, vocabulary, recipe.masking, generator(0, "held-out masks", name))
            if len(masked.targets):
                held_out[name] = masked
    if not held_out:
        raise UserError(f"encoder '{recipe.encoder.name}': its tokenizer knows no token of the held-out texts.")
    return PretrainingTexts(TrainingTexts(tables, template, max_length), held_out, vocabulary)


def _course(
    recipe: PretrainingRecipe,
    corpora: Mapping[str, CorpusTables],
    made: Mapping[str, NewTexts],
    train: TrainingTexts,
    display: Display,
) -> PretrainingCourse:
    sizes = {
        name: len(corpus.train) + (len(made[name].table) if name in made else 0) for name, corpus in corpora.items()
    }
    weights = {name: corpus.weight for name, corpus in recipe.corpora.items()}
    order = CorpusOrder(sizes, epoch_counts(sizes, weights, recipe.size_power), recipe.seed)
    cut: EpochSteps
    if (tokens := recipe.training.tokens_per_step) is None:
        cut = StepsOfTexts(len(order), recipe.training.batch_size)
    else:
        epochs = recipe.training.epochs
        key = [
            *([corpus.key, made[name].written if name in made else ""] for name, corpus in corpora.items()),
            [train.max_length, train.template.tokens(1)],
        ]
        with display.counting("cutting epochs into steps", len(order) * epochs) as bar:
            cut = StepsOfTokens(order, train.lengths, tokens, epochs, key, bar.advance)
    course = PretrainingCourse(order, cut, recipe.masking, recipe.training, recipe.optimizer)
    try:
        recipe.optimizer.warmup_steps(course.total_steps)
    except ValueError as error:
        raise UserError(f"optimizer.warmup: {error}.") from None
    return course
