"""What many tests need: a tiny encoder on disk, small files of two tasks, and a recipe over them."""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

# Two threads of torch wait for each other where other tests want the cores; so each worker has one, and so has each
# process that a test starts. The hub's library reads its variable once, when imported: no test may reach the network.
# What is cached goes into a folder of its own, also while tests are collected.
os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", MINBERT_CACHE=tempfile.mkdtemp(prefix="minbert-cache-"))

import hypothesis
import numpy as np
import pytest
import torch
import yaml
from rich.console import Console

import families
from minbert.display.progress import Display
from small_models import WORDS

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def no_flushes() -> Generator[None]:
    """Flush nothing to the disk, which takes a third of a small run: no test cuts the power."""
    with mock.patch.object(os, "fsync", lambda _: None):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected: what they import stays, and took a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Remove what was cached."""
    shutil.rmtree(os.environ["MINBERT_CACHE"], ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make crash-test` says."""
    parser.addoption("--all-crash-points", action="store_true", help="try every crash point, and many kills")


@pytest.fixture
def all_crash_points(request: pytest.FixtureRequest) -> bool:
    """Whether every crash point is to be tried, not a sample."""
    return bool(request.config.getoption("--all-crash-points"))


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of two layers, 32 wide, and a vocabulary of a few words."""
    from minbert.encoder.config import EncoderConfig
    from minbert.encoder.encoder import Encoder
    from minbert.encoder.sources import save_encoder

    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    torch.manual_seed(3)
    config = EncoderConfig(
        vocabulary_size=len(vocabulary),
        hidden_size=32,
        layers=2,
        attention_heads=4,
        intermediate_size=64,
        max_positions=64,
    )
    save_encoder(Encoder(config), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """From a family to a folder with a tiny random encoder of it, and its tokenizer."""
    places = tmp_path_factory.mktemp("families")

    def folder_of(model_type: str) -> Path:
        folder = places / model_type
        return folder if folder.exists() else families.write_encoder(model_type, folder)

    return folder_of


@pytest.fixture
def quiet() -> Display:
    """A display that prints nowhere."""
    return Display(Console(file=io.StringIO()))


def sentence(random: np.random.Generator, *extra: str) -> str:
    """Return a few of the known words, and the given ones, in random order."""
    words = [*random.choice(WORDS, size=random.integers(2, 9)), *extra]
    random.shuffle(words)
    return " ".join(words)


@pytest.fixture
def two_tasks(tmp_path: Path, tiny_encoder: Path) -> dict[str, Any]:
    """A recipe over two small tasks (three classes; similarity of pairs) whose files are written for it."""
    random = np.random.default_rng(5)
    data = tmp_path / "data"
    data.mkdir()
    for split, rows in (("train", 24), ("dev", 10), ("test", 5)):
        lines = ["id\ttext\tlabel"]
        lines += [f"m{split}{n}\t{sentence(random, WORDS[5 + n % 3])}\t{n % 3}" for n in range(rows)]
        (data / f"mood-{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        pairs = []
        for n in range(rows):
            first = sentence(random)
            second = first if n % 2 else sentence(random)
            pairs.append({"id": f"c{split}{n}", "a": first, "b": second, "score": 5.0 if n % 2 else 1.5})
        (data / f"close-{split}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    return {
        "data": str(data),
        "encoder": {"name": str(tiny_encoder)},
        "tasks": {
            "mood": {
                "kind": "classification",
                "classes": 3,
                "files": {split: f"mood-{split}.tsv" for split in ("train", "dev", "test")},
                "id": "id",
                "text": "text",
                "label": "label",
            },
            "close": {
                "kind": "regression",
                "range": [0, 5],
                "weight": 1.0,
                "files": {split: f"close-{split}.jsonl" for split in ("train", "dev", "test")},
                "id": "id",
                "text": ["a", "b"],
                "label": "score",
            },
        },
        "schedule": {"batch_size": 4},
        "optimizer": {"learning_rate": 1e-3},
        "training": {"epochs": 2, "head_start": "random", "evaluate_every": 3, "precision": "fp32"},
    }


@pytest.fixture
def two_tasks_file(tmp_path: Path, two_tasks: dict[str, Any]) -> Path:
    """The recipe of ``two_tasks`` as a YAML file."""
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(two_tasks), encoding="utf-8")
    return path
