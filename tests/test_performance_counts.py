"""What runs cost, counted instead of timed: a regression fails on any machine, however noisy.

Counted is where the parts meet: calls of the encoder, tokens that go through its layers and back, slots of attention,
texts given to the tokenizer, updates by the optimizer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode

from minbert.data.text_rows import TextRows
from minbert.display.progress import Display
from minbert.encoder.attention.bins import BinLayout
from minbert.encoder.attention.filling import fill_bins
from minbert.encoder.encoder import Encoder
from minbert.encoder.layers import EncoderLayer
from minbert.encoder.sources import load_encoder
from minbert.evaluation.streaming import encode_file, predict_file
from minbert.multitask.inference import TOKENS_PER_BATCH
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe, load_recipe
from minbert.running.run import train_recipe
from minbert.running.texts import Texts, read_texts, task_sizes
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer
from texts import TextGenerator

EMPTY = 0.05
"""The share of attention's slots that may be empty."""
LAYERS = 2
"""Of the tiny encoder."""


class Counts:
    """What went where, in training (dropout on) and outside of it."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        """Of the encoder."""
        self.sequences: Counter[str] = Counter()
        """Through the encoder."""
        self.tokens: Counter[str] = Counter()
        """Through a layer, summed over the layers; ``backward``: of a layer's gradients."""
        self.slots: Counter[str] = Counter()
        """Of attention, summed over the layers."""
        self.tokenized: Counter[str] = Counter()
        """How often each text was given to a tokenizer."""
        self.backwards = 0
        self.updates = 0

    def after_forward(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        mode = "training" if module.training else "reading"
        if isinstance(module, Encoder):
            self.calls[mode] += 1
            self.sequences[mode] += len(arguments[0].lengths)
        elif isinstance(module, EncoderLayer):
            hidden, layout = arguments[:2]
            self.tokens[mode] += len(hidden)
            self.slots[mode] += sum(group.bins * group.width for group in layout.groups)
            if output.requires_grad:
                output.register_hook(self._after_backward)

    def _after_backward(self, gradient: Tensor) -> None:
        self.tokens["backward"] += len(gradient)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """Counts of everything from now to the test's end."""
    counts = Counts()
    token_ids, backward = Tokenizer.token_ids, Tensor.backward

    def counting_token_ids(self: Tokenizer, texts: Any, most: int | None = None) -> Any:
        counts.tokenized.update(texts)
        return token_ids(self, texts, most)

    def counting_backward(self: Tensor, *arguments: Any, **more: Any) -> None:
        counts.backwards += 1
        backward(self, *arguments, **more)

    def after_update(*_: Any) -> None:
        counts.updates += 1

    monkeypatch.setattr(Tokenizer, "token_ids", counting_token_ids)
    monkeypatch.setattr(Tensor, "backward", counting_backward)
    hooks = [register_module_forward_hook(counts.after_forward), register_optimizer_step_post_hook(after_update)]
    yield counts
    for hook in hooks:
        hook.remove()


class Expected:
    """What a run of the sample recipe must cost, worked out from its files alone."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer, display: Display) -> None:
        self.texts: Texts = read_texts(recipe, display)
        self.distinct = {text for split in self.texts.values() for text in (*split.first, *(split.second or []))}
        known = list(self.distinct)
        self.lengths = {text: len(ids) + 2 for text, ids in zip(known, tokenizer.token_ids(known), strict=True)}
        assert max(self.lengths.values()) <= recipe.encoder.max_length  # nothing is cut
        self.steps = list(
            recipe.schedule.method.steps(task_sizes(recipe, self.texts), recipe.training.epochs, recipe.seed, skip=0)
        )

    def trained(self) -> int:
        """The tokens of all steps' rows, special ones counted."""
        total = 0
        for _, step in self.steps:
            for task, rows in step.items():
                split = self.texts["train", task]
                columns = [split.first, *([split.second] if split.second else [])]
                total += sum(self.lengths[column[row]] for column in columns for row in rows)
        return total

    def sequences(self, *splits: str) -> int:
        """The distinct texts of each task's rows of these splits."""
        return sum(
            len({*split.first, *(split.second or [])}) for (part, _), split in self.texts.items() if part in splits
        )


def sample_recipe(encoder: Path, **changes: Any) -> Recipe:
    more = {key.replace("__", "."): value for key, value in changes.items()}
    fixed = {
        "encoder.name": str(encoder),
        "encoder.max_length": 64,
        "training.epochs": 1,
        "training.head_start": "random",
    }
    return load_recipe("quickstart", fixed | {"training.precision": "fp32"} | more)


def test_a_plain_step_is_one_call_and_one_backward_over_real_tokens(
    tiny_encoder: Path, tmp_path: Path, quiet: Display, counts: Counts
) -> None:
    recipe = sample_recipe(tiny_encoder)
    expected = Expected(recipe, Tokenizer.from_files(tiny_encoder), quiet)
    counts.tokenized.clear()
    train_recipe(recipe, tmp_path / "run", False, quiet)
    steps = len(expected.steps)
    assert steps > 10
    assert counts.calls["training"] == counts.backwards == counts.updates == steps
    assert counts.tokens["training"] == counts.tokens["backward"] == LAYERS * expected.trained()
    assert counts.tokens["training"] >= (1 - EMPTY) * counts.slots["training"]

    assert set(counts.tokenized) == expected.distinct
    assert set(counts.tokenized.values()) == {1}
    # Dev before the first step and after the last, and with the kept model once more; test with that alone.
    assert counts.sequences["reading"] == 3 * expected.sequences("dev") + expected.sequences("test")


def test_surgery_walks_each_tasks_tokens_once(
    tiny_encoder: Path, tmp_path: Path, quiet: Display, counts: Counts
) -> None:
    recipe = sample_recipe(tiny_encoder, combination="pcgrad")
    expected = Expected(recipe, Tokenizer.from_files(tiny_encoder), quiet)
    train_recipe(recipe, tmp_path / "run", False, quiet)
    steps, tasks = len(expected.steps), len(recipe.tasks)
    assert counts.calls["training"] <= tasks * steps
    assert counts.backwards == tasks * steps
    assert counts.updates == steps
    # A graph that tasks share would be walked once for each: three times the tokens on the way back.
    assert counts.tokens["training"] == counts.tokens["backward"] == LAYERS * expected.trained()


def test_a_frozen_encoder_reads_every_text_once(
    tiny_encoder: Path, tmp_path: Path, quiet: Display, counts: Counts
) -> None:
    recipe = sample_recipe(tiny_encoder, training__encoder="frozen", training__epochs=3)
    expected = Expected(recipe, Tokenizer.from_files(tiny_encoder), quiet)
    train_recipe(recipe, tmp_path / "run", False, quiet)
    assert counts.calls["training"] == counts.tokens["backward"] == 0
    assert counts.updates == len(expected.steps)
    # Once for training and all its evaluations, and once more with the kept model, read back from its files.
    assert counts.sequences["reading"] == expected.sequences("train", "dev") + expected.sequences("dev", "test")


def test_a_long_step_is_cut_without_padding(tiny_encoder: Path, tmp_path: Path, quiet: Display, counts: Counts) -> None:
    recipe = sample_recipe(tiny_encoder, training__tokens_per_microbatch=256)
    expected = Expected(recipe, Tokenizer.from_files(tiny_encoder), quiet)
    train_recipe(recipe, tmp_path / "run", False, quiet)
    assert counts.calls["training"] == counts.backwards > len(expected.steps)
    assert counts.updates == len(expected.steps)
    assert counts.tokens["training"] == LAYERS * expected.trained()
    # No micro-batch is left nearly empty.
    assert counts.calls["training"] <= 1.25 * expected.trained() / 256 + len(expected.steps)


@pytest.mark.parametrize("batch", [16, 32, 64])
def test_bins_of_batches_like_the_tasks_are_full(batch: int) -> None:
    generator = TextGenerator(["word"], seed=5)
    tokens = slots = 0
    for _ in range(40):
        drawn = [
            *generator.lengths("sentiment", batch),
            *generator.lengths("paraphrase", 2 * batch),
            *generator.lengths("similarity", 2 * batch),
        ]
        lengths = np.array(drawn) + 2
        tokens += int(lengths.sum())
        slots += fill_bins(lengths).slots
    assert tokens >= (1 - EMPTY) * slots


class Operations(TorchDispatchMode):
    """How often each of torch's operations ran that computes anything."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not function.is_view:
            self.counts[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


def test_attention_in_bins_does_nothing_but_what_its_formula_needs() -> None:
    layout = BinLayout(torch.tensor([0, 30, 40, 62]), 2, torch.device("cpu"))
    assert len(layout.groups) == 1
    layout.biases(None)
    packed = torch.randn(62, 3 * 16)
    with Operations() as operations:
        layout.attend(packed, 0.0)
    assert operations.counts == {"index_select": 2, "mul": 1, "bmm": 2, "add_": 1, "_softmax": 1}


@pytest.fixture
def model(tiny_encoder: Path) -> MultitaskModel:
    """A model with a task on texts, one on pairs as two texts, one on joined pairs."""
    tasks = {
        "mood": {"kind": "classification", "classes": 3},
        "close": {"kind": "regression", "range": [0, 5], "pair": "bi", "head": "cosine"},
        "same": {"kind": "binary", "pair": "cross"},
    }
    torch.manual_seed(0)
    settings = {name: TaskSettings.model_validate(task) for name, task in tasks.items()}
    return MultitaskModel(load_encoder(str(tiny_encoder)), Tokenizer.from_files(tiny_encoder), settings, 64)


@pytest.fixture
def sentences() -> list[str]:
    """Distinct texts as long as questions are."""
    generator = TextGenerator(["film", "good", "river", "train", "cook", "rice", "cold", "days"], seed=6)
    return list(dict.fromkeys(generator.texts([max(4, length) for length in generator.lengths("paraphrase", 1500)])))


def test_encode_reads_each_distinct_text_once_in_full_batches(
    model: MultitaskModel, sentences: list[str], counts: Counts
) -> None:
    vectors = model.encode([*sentences, *reversed(sentences), sentences[0]])
    assert len(vectors) == 2 * len(sentences) + 1
    assert set(counts.tokenized.values()) == {1}
    assert counts.sequences["reading"] == len(sentences)
    real = sum(min(len(text.split()) + 2, 64) for text in sentences)
    assert counts.tokens["reading"] == LAYERS * real
    assert counts.tokens["reading"] >= (1 - EMPTY) * counts.slots["reading"]
    assert counts.calls["reading"] <= 1.05 * real / TOKENS_PER_BATCH + 1


def test_predict_reads_each_distinct_text_or_joined_pair_once(
    model: MultitaskModel, sentences: list[str], counts: Counts
) -> None:
    first, second = sentences[:100], sentences[50:150]
    pairs = list(zip(first, second, strict=True))
    model.predict("mood", first + second)
    assert counts.sequences["reading"] == 150
    model.predict("close", pairs)
    assert counts.sequences["reading"] == 2 * 150
    assert set(counts.tokenized.values()) == {2}  # once a call
    model.predict("same", pairs + pairs)
    assert counts.sequences["reading"] == 2 * 150 + 100
    assert counts.calls["training"] == 0


def test_files_are_answered_in_full_batches(
    model: MultitaskModel, sentences: list[str], tmp_path: Path, counts: Counts, quiet: Display
) -> None:
    source = tmp_path / "texts.tsv"
    source.write_text("\n".join(["text", *sentences, *sentences]) + "\n", encoding="utf-8")
    real = sum(min(len(text.split()) + 2, 64) for text in sentences)
    batches = 1.05 * real / TOKENS_PER_BATCH + 2
    rows = TextRows(source, ["text"])
    encode_file(model, rows, tmp_path / "vectors.npy", "mean", "fp32", quiet)
    assert counts.calls["reading"] <= 2 * batches
    predict_file(model, ["mood"], rows, tmp_path / "answers.tsv", "fp32", quiet)
    assert counts.calls["reading"] <= 4 * batches
