"""Files of models: weights, configurations, tokenizers. Whatever is in them, they are read or refused by a message."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from damage import Reader, bounded, damaged_bytes, damaged_json
from hypothesis import given
from hypothesis import strategies as st

import families
from minbert.encoder.architectures import Architecture
from minbert.encoder.sources import load_encoder
from minbert.encoder.tensor_files import read_shapes, read_tensors
from minbert.multitask.model import MultitaskModel
from minbert.text.tokenizer import Tokenizer
from small_models import model_over

pytestmark = pytest.mark.filterwarnings("ignore")
TASKS = {
    "mood": {"kind": "classification", "classes": ["bad", "good"]},
    "close": {"kind": "regression", "range": [0, 5], "pair": "bi"},
}
TOKENIZERS = ("bert", "roberta", "xlm-roberta", "modernbert")


def load(folder: Path) -> None:
    load_encoder(str(folder))


def tokenize(folder: Path) -> None:
    """Read a tokenizer and use it as a run does."""
    tokenizer = Tokenizer.from_files(folder)
    tokenizer.token_ids(["a good film", "", "naïve 漢字 <s> [SEP]"])
    tokenizer.framing(2)


def answer(folder: Path) -> None:
    """Load a model and ask it."""
    model = MultitaskModel.from_pretrained(folder)
    if "mood" in model.tasks:
        model.predict("mood", ["a good film"])


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    return Path(shutil.copytree(tiny_encoder, tmp_path_factory.mktemp("fuzz") / "encoder"))


@pytest.fixture(scope="module")
def pickled(encoder: Path) -> Path:
    """The same with weights as torch pickled them, in an archive and as before."""
    folder = Path(shutil.copytree(encoder, encoder.with_name("pickled")))
    weights = read_tensors(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    torch.save(weights, folder / "old.bin", _use_new_zipfile_serialization=False)
    return folder


@pytest.fixture(scope="module")
def sharded(encoder: Path) -> Path:
    """The same with an index."""
    folder = Path(shutil.copytree(encoder, encoder.with_name("sharded")))
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    names = read_shapes(folder / "model-1.safetensors")
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, "model-1.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def model(encoder: Path) -> Path:
    folder = encoder.with_name("model")
    model_over(encoder, TASKS, 32, seed=1).save_pretrained(folder)
    return folder


@given(data=st.data())
@bounded(60)
def test_weights(encoder: Path, data: st.DataObject) -> None:
    whole = (encoder / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    heads = damaged_bytes(whole[:header]).map(lambda head: head + whole[header:])
    trees = damaged_json(whole[8:header]).map(lambda tree: len(tree).to_bytes(8, "little") + tree + whole[header:])
    Reader(encoder, load).bears("model.safetensors", data.draw(heads | trees | damaged_bytes(whole)))


@given(data=st.data())
@bounded(60)
def test_pickled_weights(pickled: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["pytorch_model.bin", "old.bin"]))
    read = load if name == "pytorch_model.bin" else lambda folder: read_tensors(folder / "old.bin")
    Reader(pickled, read).bears(name, data.draw(damaged_bytes((pickled / name).read_bytes())))


@given(data=st.data())
@bounded(40)
def test_an_index_of_weights(sharded: Path, data: st.DataObject) -> None:
    name = "model.safetensors.index.json"
    Reader(sharded, load).bears(name, data.draw(damaged_json((sharded / name).read_bytes())))


@given(family=st.sampled_from(sorted(Architecture.members)), data=st.data())
@bounded(80)
def test_configurations(tiny_encoder_of: object, family: str, data: st.DataObject) -> None:
    folder: Path = tiny_encoder_of(family)  # type: ignore[operator]
    Reader(folder, load).bears("config.json", data.draw(damaged_json((folder / "config.json").read_bytes())))


@given(data=st.data())
@bounded(60)
def test_descriptions_of_models(model: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["config.json", "config.json", "modules.json", "1_Pooling/config.json"]))
    Reader(model, answer).bears(name, data.draw(damaged_json((model / name).read_bytes())))


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tokenizers, each with all files that the ecosystem has had for its kind."""
    place = tmp_path_factory.mktemp("tokenizers")
    for name in TOKENIZERS:
        folder = families.write(name, place / name)
        tokenizer = Tokenizer.from_files(folder)
        special = {f"{role}_token": tokenizer.tokens([index])[0] for role, index in _special(tokenizer).items()}
        (folder / "special_tokens_map.json").write_text(json.dumps(special))
    old = place / "old pairs"
    old.mkdir()
    families.backend("roberta").model.save(str(old))
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(place / "roberta" / name, old)
    (old / "added_tokens.json").write_text(json.dumps({"<more>": families.backend("roberta").get_vocab_size()}))
    pieces = place / "old pieces"
    pieces.mkdir()
    words = sorted(families.backend("bert").get_vocab().items(), key=lambda item: item[1])
    (pieces / "vocab.txt").write_text("\n".join(word for word, _ in words) + "\n")
    shutil.copy(place / "bert" / "tokenizer_config.json", pieces)
    (pieces / "added_tokens.json").write_text(json.dumps({"[MORE]": len(words)}))
    return place


def _special(tokenizer: Tokenizer) -> dict[str, int]:
    return {
        "cls": tokenizer.classification_id,
        "sep": tokenizer.separator_id,
        "pad": tokenizer.padding_id,
        "mask": tokenizer.mask_id,
        "unk": tokenizer.unknown_id,
    }


@given(data=st.data())
@bounded(150)
def test_tokenizers(tokenizers: Path, data: st.DataObject) -> None:
    folder = data.draw(st.sampled_from(sorted(tokenizers.iterdir())))
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    damaged = damaged_json if path.suffix == ".json" else damaged_bytes
    Reader(folder, tokenize).bears(path.name, data.draw(damaged(path.read_bytes())))
