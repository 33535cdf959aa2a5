"""The whole way with an encoder of each family: pretraining, training, and what other libraries make of the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from minbert.display.progress import Display
from minbert.encoder.architectures import Architecture
from minbert.encoder.sources import load_encoder
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.pretraining.run import pretrain_recipe
from minbert.recipe.recipe import parse_recipe
from minbert.running.checking import check_source
from minbert.running.run import plan_recipe, train_recipe
from minbert.text.tokenizer import Tokenizer

TEXTS = ["the quick brown fox", "hello, world! naïve (so) ÉTÉ", "", "fox " * 80]


@pytest.fixture(params=sorted(Architecture.members))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def encoder(family: str, tiny_encoder_of: Callable[[str], Path]) -> Path:
    return tiny_encoder_of(family)


def test_transformers_and_sentence_transformers_load_what_a_run_leaves(
    encoder: Path, two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    transformers = pytest.importorskip("transformers")
    sentence_transformers = pytest.importorskip("sentence_transformers")
    two_tasks["encoder"] = {"name": str(encoder), "max_length": 40}
    two_tasks["training"]["epochs"] = 1
    two_tasks["tasks"]["close"]["pair"] = "cross"
    recipe = parse_recipe(two_tasks, "test")
    assert plan_recipe(recipe, quiet).peak_bytes > 0
    run = tmp_path / "run"
    train_recipe(recipe, run, False, quiet)
    ours = MultitaskModel.from_pretrained(run)
    expected = ours.encode(TEXTS)
    np.testing.assert_allclose(sentence_transformers.SentenceTransformer(str(run)).encode(TEXTS), expected, atol=1e-5)
    agree_on_special_tokens(transformers, run)
    model, told = transformers.AutoModel.from_pretrained(run, output_loading_info=True)
    assert not told["missing_keys"]
    pair = ("hello world", "the lazy dogs")
    inputs = transformers.AutoTokenizer.from_pretrained(run)(*pair, return_tensors="pt")
    with torch.no_grad():
        states = model.eval()(**inputs).last_hidden_state[0]
        found = ours.encoder(ours.sequences("close", [pair]).pack(np.arange(1))).hidden_states
    torch.testing.assert_close(found, states, rtol=0, atol=1e-5)


def agree_on_special_tokens(transformers: Any, folder: Path) -> None:
    """Hold the ids that ``AutoConfig`` finds to those of ``AutoTokenizer``, and to the vocabulary."""
    config = transformers.AutoConfig.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    token_of = {"bos": "cls", "cls": "cls", "eos": "sep", "sep": "sep", "pad": "pad"}
    found = {name: getattr(config, f"{name}_token_id", None) for name in token_of}
    expected = {name: getattr(tokenizer, f"{token}_token_id") for name, token in token_of.items()}
    assert found["pad"] is not None
    assert {name: index for name, index in found.items() if index not in (None, expected[name])} == {}
    assert max(index for index in found.values() if index is not None) < config.vocab_size


@pytest.mark.parametrize(("family", "special"), [("bert", 3), ("roberta", 4)])
def test_the_check_of_data_counts_the_tokens_that_join_two_texts(
    encoder: Path, special: int, two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    two_tasks["encoder"] = {"name": str(encoder), "max_length": 60}
    two_tasks["tasks"]["close"]["pair"] = "cross"
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(two_tasks))
    rows = [json.loads(line) for line in (Path(two_tasks["data"]) / "close-test.jsonl").read_text().splitlines()]
    read = Tokenizer.from_files(encoder).token_ids
    lengths = sorted(len(a) + len(b) + special for row in rows for a, b in [read([row["a"], row["b"]])])
    lines, _ = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    (told,) = [line for line in lines[lines.index("close") :] if "tokens a sequence" in line][2:3]
    assert f"tokens a sequence: {lengths[0]} to {lengths[-1]}," in told


def test_masked_lm_pretraining_goes_on_to_training_or_is_refused(
    family: str, encoder: Path, two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    (tmp_path / "texts.txt").write_text("the quick brown fox\nhello world\nlazy dogs are so naive\n" * 20)
    tree = {
        "data": str(tmp_path),
        "encoder": {"name": str(encoder)},
        "corpora": {"plain": {"files": "texts.txt"}},
        "held_out": {"share": 0.3},
        "optimizer": {"learning_rate": 1e-3},
        "training": {"epochs": 1, "batch_size": 8, "precision": "fp32"},
    }
    recipe, run = parse_pretraining_recipe(tree, "test"), tmp_path / "pretrained"
    reason = Architecture.members[family].no_masked_lm
    if reason is not None:
        with pytest.raises(UserError, match=r"is an ELECTRA\. Its pretraining needs"):
            pretrain_recipe(recipe, run, False, quiet)
        return
    assert pretrain_recipe(recipe, run, False, quiet)
    agree_on_special_tokens(pytest.importorskip("transformers"), run)
    two_tasks["encoder"]["name"] = str(run)
    two_tasks["training"]["epochs"] = 1
    train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", False, quiet)


def test_vectors_of_a_real_mpnet_are_those_of_sentence_transformers() -> None:
    folder = os.environ.get("MINBERT_MPNET")
    if folder is None:
        pytest.skip("MINBERT_MPNET names no folder of all-mpnet-base-v2")
    sentence_transformers = pytest.importorskip("sentence_transformers")
    theirs = sentence_transformers.SentenceTransformer(folder, device="cpu")  # means over tokens, then of length 1
    model = MultitaskModel(load_encoder(folder), Tokenizer.from_files(Path(folder)), {}, theirs.max_seq_length).eval()
    texts = [*TEXTS, "Der schnelle braune Fuchs 漢字 " * 12, "words " * 700]
    ours = model.encode(texts)
    lengths = np.linalg.norm(ours, axis=1, keepdims=True)
    np.testing.assert_allclose(ours / lengths, theirs.encode(texts), rtol=0, atol=1e-5)
