"""Encoders from the hub, played by a small server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hub_stand_in import Hub, served
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import save_encoder
from minbert.encoder.weights import export_tensors

ASK = """
import json, sys
from minbert.encoder.hub import download_encoder
from minbert.errors import UserError
answers = {}
for name in sys.argv[1:]:
    try:
        answers[name] = {"folder": str(download_encoder(name))}
    except UserError as error:
        answers[name] = {"error": str(error)}
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A tiny encoder as the hub would have it, with more files than anybody needs."""
    from minbert.encoder.config import EncoderConfig

    sizes = {"vocabulary_size": 9, "hidden_size": 4, "layers": 1, "attention_heads": 2, "intermediate_size": 4}
    encoder = Encoder(EncoderConfig.model_validate(sizes), torch.Generator().manual_seed(0))
    folder = tmp_path_factory.mktemp("made")
    save_encoder(encoder, folder)
    torch.save(export_tensors(encoder), folder / "pytorch_model.bin")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tf_model.h5").write_text("nobody reads this")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    pickled = {name: content for name, content in files.items() if name != "model.safetensors"}
    words = [
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "sentencepiece.bpe.model",
    ]
    shards = ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    pickles = [name.replace("model", "pytorch_model").replace("safetensors", "bin") for name in shards]
    beside = {"config.json": b"{}"} | dict.fromkeys(words, b"{}")
    extra = {"model.py": b"raise", "onnx/model.onnx": b"", "openvino/config.json": b"{}", "flax_model.msgpack": b""}
    inner = {f"0_Transformer/{name}": content for name, content in files.items()}
    repositories = {
        "plain": files,
        "someone/pickled": pickled,
        "sharded": beside | dict.fromkeys([*shards, *pickles], b"{}") | extra,
        "sharded-pickles": beside | dict.fromkeys(pickles, b"{}") | extra,
        "sentences": inner | {"modules.json": b"[]", "1_Pooling/config.json": b"{}", "2_Dense/model.safetensors": b""},
    }
    with served(repositories) as hub:
        yield hub


def ask(names: list[str], home: Path, **environment: str) -> dict[str, dict[str, str]]:
    """Download ``names`` in a process of its own: the client reads its environment once, when imported."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().endswith("_PROXY") and key[:3] != "HF_"}
    source = str(Path(__file__).parents[2] / "src")
    given = {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": source, **environment}
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names], env=kept | given, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, str]] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub-home")


@pytest.fixture(scope="module")
def answers(hub: Hub, home: Path) -> dict[str, dict[str, str]]:
    names = ["plain", "someone/pickled", "someone/absent", "gated/model", "sharded", "sharded-pickles", "sentences"]
    return ask(names, home, HF_ENDPOINT=hub.address)


def test_safetensors_are_taken_where_there_are_any(answers: dict[str, dict[str, str]], files: dict[str, bytes]) -> None:
    folder = Path(answers["plain"]["folder"])
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "tokenizer.json"}
    assert all(path.read_bytes() == files[path.name] for path in folder.iterdir())


def test_a_pickle_is_the_last_resort(answers: dict[str, dict[str, str]], files: dict[str, bytes]) -> None:
    folder = Path(answers["someone/pickled"]["folder"])
    assert {path.name for path in folder.iterdir()} == {"config.json", "pytorch_model.bin", "tokenizer.json"}
    assert (folder / "pytorch_model.bin").read_bytes() == files["pytorch_model.bin"]


@pytest.mark.parametrize("name", ["sharded", "sharded-pickles", "sentences"])
def test_the_files_of_every_family_are_fetched_and_no_others(
    answers: dict[str, dict[str, str]], hub: Hub, name: str
) -> None:
    folder = Path(answers[name]["folder"])
    wanted = {file for file in hub.repositories[name].files if not file.endswith((".py", ".onnx", ".msgpack", ".h5"))}
    wanted -= {"openvino/config.json", "2_Dense/model.safetensors"}
    if name != "sharded-pickles":
        wanted = {file for file in wanted if "pytorch_model" not in file}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == wanted


def test_what_may_not_be_had_is_told(answers: dict[str, dict[str, str]], hub: Hub) -> None:
    assert f"no model on {hub.address}" in answers["someone/absent"]["error"]
    assert "hf auth login" in answers["gated/model"]["error"]
    assert "Ask at" in answers["gated/model"]["error"]


def test_without_a_network_only_what_was_downloaded(answers: dict[str, dict[str, str]], home: Path, hub: Hub) -> None:
    asked = len(hub.asked)
    offline = ask(["plain", "someone/pickled", "someone/other"], home, HF_ENDPOINT=hub.address, HF_HUB_OFFLINE="1")
    assert offline["plain"] == answers["plain"]
    assert offline["someone/pickled"] == answers["someone/pickled"]
    assert "Nor was it downloaded before, and" in offline["someone/other"]["error"]
    assert len(hub.asked) == asked


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    error = ask(["plain"], tmp_path, HF_ENDPOINT="http://127.0.0.1:9")["plain"]["error"]
    assert error.startswith(
        "'plain': is no folder here. Nor was it downloaded before, and http://127.0.0.1:9 cannot be reached"
    )
