"""Files that once brought more than a message: an error of Python's or a library's, a panic, a minute of nothing."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import Reader

import families
from laws import each
from minbert.encoder.config_file import read_config
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.encoder.tensor_files import read_tensors
from minbert.errors import UserError
from minbert.evaluation.answers import Answers, read_answers, write_answers
from minbert.files.paths import to_path
from minbert.multitask.model import MultitaskModel
from minbert.reproduction.results_file import read_results
from minbert.reproduction.runs import read_failure
from minbert.run_folder.metrics import read_metrics
from minbert.sweeping.records import read_record
from minbert.sweeping.results_file import read_sweep
from minbert.tasks.predictions import Predictions
from minbert.text.tokenizer import Tokenizer
from minbert.together.ensemble_file import read_ensemble
from minbert.together.soup_file import soup_runs
from minbert.training.history import read_history
from small_models import model_over

LEGACY = b"".join(pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
"""How torch's pickles began before they were archives."""


def refused(read: Callable[[], object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        read()


@each(
    ("rest", "told"),
    [
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "cannot be read as a file of tensors"),  # a class that cannot be called
        (pickle.dumps({}, 2) + pickle.dumps(["nobody"], 2), "cannot be read as a file of tensors"),
        (b"\x80\x02J\x01", "cannot be read as a file of tensors"),  # a number of four bytes, and the file ends
        (b"", "cannot be read as a file of tensors"),
    ],
)
def test_pickles_that_torch_trips_over(tmp_path: Path, rest: bytes, told: str) -> None:
    (tmp_path / "old.bin").write_bytes(LEGACY + rest)
    refused(lambda: read_tensors(tmp_path / "old.bin"), told)


@each("name", ["x" * 5000 + ".safetensors", "a\0.safetensors", "\ud800.safetensors", "\x1b[2J"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    refused(lambda: read_tensors(index), ".")
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "a.Transformer", "path": name}]))
    refused(lambda: find_encoder(str(tmp_path)), ".")
    (tmp_path / "ensemble.json").write_text(json.dumps({"tasks": {"a": [{"run": name, "weight": 1.0}]}}))
    if len(name) > 100 or not name.isascii() or "\0" in name:
        refused(lambda: read_ensemble(tmp_path), ".")


def test_paths_that_are_too_long() -> None:
    refused(lambda: to_path("a/" * 3000), "too long for a path")
    refused(lambda: to_path("\ud800"), "half of a surrogate pair")


def test_a_tokenizer_that_its_library_panics_over(tmp_path: Path) -> None:
    folder = families.write("bert", tmp_path / "bert")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["post_processor"]["special_tokens"] = {}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    refused(lambda: Tokenizer.from_files(folder), "the tokenizers library cannot work with it")


@each("content", ["[]", "null", "3", '"text"'])
def test_settings_of_tokenizers_that_are_no_object(tmp_path: Path, content: str) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).write_text(content)
        refused(lambda: Tokenizer.from_files(tmp_path), "must be a JSON object")
        (tmp_path / name).unlink()


def test_kinds_of_many_layers_are_read_in_one_go(tmp_path: Path) -> None:
    """Each possible interval was once tried against all layers: ten thousand million comparisons."""
    kinds = ["full_attention", *["sliding_attention"] * 99_999]
    config = {"model_type": "modernbert", "layer_types": kinds, "num_hidden_layers": len(kinds)}
    (tmp_path / "config.json").write_text(json.dumps(config))

    def read(folder: Path) -> None:
        read_config(json.loads((folder / "config.json").read_text()), "here")

    Reader(tmp_path, read).bears("config.json", (tmp_path / "config.json").read_bytes())


@each("name", ["a.b", "", "../a", "keys", "overall"])
def test_tasks_that_no_recipe_could_name(tiny_encoder: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    if not folder.exists():
        model_over(tiny_encoder, {"mood": {"kind": "binary"}}, 16, seed=0).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["minbert"]["tasks"] = {name: next(iter(config["minbert"]["tasks"].values()))}
    (folder / "config.json").write_text(json.dumps(config))
    refused(lambda: MultitaskModel.from_pretrained(folder), "'minbert' part is damaged")


READERS: dict[str, Callable[[Path], Any]] = {
    "metrics.json": read_metrics,
    "history.jsonl": read_history,
    "failure.json": read_failure,
    "soup.json": soup_runs,
    "sweep.json": read_sweep,
    "results.json": read_results,
    "ensemble.json": read_ensemble,
    "records/base.json": lambda folder: read_record(folder, "base"),
}


@each("name", READERS)
def test_records_of_another_shape(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    for content in ("[]", "null", "{}", '"text"', '{"dev": {"a": {"b": NaN}}}', '{"message": []}', '{"step": 1e400}'):
        (tmp_path / name).write_text(content)
        refused(lambda: READERS[name](tmp_path), name)


def test_answers_that_contradict_themselves(tmp_path: Path) -> None:
    ids, labels = ["a", "b"], np.array([1.0, 0.0])
    half = np.full((2, 2), 0.5)
    cases = {
        "none of the classes": Predictions(np.array([2.0, 0.0]), half, ["no", "yes"]),
        "probabilities each": Predictions(labels, np.full((2, 3), 0.3), ["no", "yes"]),
        "not between 0 and 1": Predictions(labels, half * 3, ["no", "yes"]),
        "no probabilities": Predictions(labels, None, ["no", "yes"]),
        "do not fit together": Predictions(np.array([np.nan, 0.0]), None, []),
    }
    for told, predicted in cases.items():
        write_answers(tmp_path, "mood", "dev", Answers(ids, labels, predicted))
        refused(lambda: read_answers(tmp_path, "mood", "dev"), told)


def test_weights_of_a_configuration_that_is_null(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("null")
    (tmp_path / "model.safetensors").write_bytes((tiny_encoder / "model.safetensors").read_bytes())
    refused(lambda: load_encoder(str(tmp_path)), "must be a JSON object")
