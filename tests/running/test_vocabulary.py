"""``encoder.new_characters``: what only emoji tell is learnt, and a run's folder has all that it needs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from minbert.display.progress import Display
from minbert.encoder.sources import load_encoder
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.running.run import train_recipe


@pytest.fixture
def told_by_emoji(two_tasks: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A recipe for a task whose label follows from an emoji at the end of a word, and from nothing else."""
    random = np.random.default_rng(2)
    for split, rows in (("train", 64), ("dev", 32)):
        lines = [
            f"{split}{n}\t{' '.join(random.choice(['good', 'film', 'rice', 'river'], 3))}{'😀😂'[n % 2]}\t{n % 2}"
            for n in range(rows)
        ]
        (tmp_path / f"data/mood-{split}.tsv").write_text("\n".join(["id\ttext\tlabel", *lines]) + "\n")
    del two_tasks["tasks"]["close"], two_tasks["tasks"]["mood"]["files"]["test"]
    two_tasks["tasks"]["mood"]["classes"] = 2
    two_tasks["training"]["epochs"] = 12
    two_tasks["optimizer"] = {"learning_rate": 1e-2}
    return two_tasks


@pytest.mark.parametrize("least", [None, 40, 2])
def test_a_label_that_an_emoji_tells(
    least: int | None, told_by_emoji: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    told_by_emoji["encoder"]["new_characters"] = least
    run = tmp_path / "run"
    train_recipe(parse_recipe(told_by_emoji, "test"), run, False, quiet)
    model = MultitaskModel.from_pretrained(run)
    answers = model.predict("mood", ["film😀", "film😂", "rice 😂", "rice 😀"]).values
    # Each emoji stands in half of the 64 rows. Without tokens both are one unknown word.
    assert list(answers) == ([0, 1, 1, 0] if least == 2 else [answers[0]] * 2 + [answers[2]] * 2)
    assert ("😀" in model.tokenizer.vocabulary()) is (least == 2)
    assert model.encoder.config.vocabulary_size == model.tokenizer.vocabulary_size


def test_new_embeddings_are_like_the_known_ones_and_alike_in_all_runs(tiny_encoder: Path) -> None:
    encoder, other = (load_encoder(str(tiny_encoder)) for _ in range(2))
    old = encoder.embeddings.word.weight.detach().clone()
    with torch.no_grad():  # deviations and means of dimensions that differ
        old.mul_(torch.linspace(0.5, 2, old.shape[1])).add_(torch.linspace(-1, 1, old.shape[1]))
    for each in (encoder, other):
        each.embeddings.word.weight.data = old.clone()
        torch.manual_seed(id(each))
        each.add_word_embeddings(range(len(old), len(old) + 4000))
    new = encoder.embeddings.word.weight
    assert torch.equal(new, other.embeddings.word.weight)
    assert torch.equal(new[: len(old)], old)
    assert new.requires_grad
    torch.testing.assert_close(new[len(old) :].mean(0), old.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(new[len(old) :].std(0), old.std(0), atol=0, rtol=0.1)
    assert encoder.config.vocabulary_size == len(new) == len(old) + 4000


def test_embeddings_to_spare_are_used_first(tiny_encoder: Path) -> None:
    encoder = load_encoder(str(tiny_encoder))
    size = encoder.config.vocabulary_size
    before = encoder.embeddings.word.weight.detach().clone()
    encoder.add_word_embeddings(range(size - 2, size + 1))
    assert encoder.config.vocabulary_size == size + 1
    changed = (encoder.embeddings.word.weight[:-1] != before).any(1).nonzero()[:, 0]
    assert changed.tolist() == [size - 2, size - 1]


@pytest.mark.parametrize(
    "change", [{"training": {"encoder": "frozen"}}, {"encoder": {"adapters": "lora"}}], ids=["frozen", "adapters"]
)
def test_where_nothing_would_train_them_there_are_none(
    change: dict[str, Any], told_by_emoji: dict[str, Any], tmp_path: Path
) -> None:
    told_by_emoji["encoder"]["new_characters"] = 2
    told_by_emoji["training"]["epochs"] = 1
    for part, settings in change.items():
        told_by_emoji[part] |= settings
    written = io.StringIO()
    train_recipe(parse_recipe(told_by_emoji, "test"), tmp_path / "run", False, Display(Console(file=written)))
    assert "encoder.new_characters: no tokens are added" in " ".join(written.getvalue().split())
    assert "😀" not in MultitaskModel.from_pretrained(tmp_path / "run").tokenizer.vocabulary()
