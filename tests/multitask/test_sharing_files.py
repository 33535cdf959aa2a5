"""Models with adapters or a shared layer on disk: for us, for transformers, and damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sharing_models import TASKS, TEXTS, build
from torch import Tensor

from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.json_text import read_json
from minbert.multitask.model import MultitaskModel

OWN_LORA = {"name": "lora", "rank": 2, "per_task": True}
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"adapters": {"name": "lora", "rank": 2}},
    "own lora": {"adapters": OWN_LORA},
    "pals": {"adapters": {"name": "pals", "size": 12}},
    "bilstm": {"shared_layer": {"name": "bilstm", "size": 3}},
    "both": {"adapters": "pals", "shared_layer": "bilstm"},
}


def plain_vectors(folder: Path, texts: list[str]) -> np.ndarray[Any, Any]:
    """Return transformers' mean vectors."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    batch = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states: Tensor = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    return ((states * mask).sum(1) / mask.sum(1)).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_what_is_loaded_by_us_and_by_transformers(
    tiny_encoder: Path, tmp_path: Path, kind: str
) -> None:
    model = build(tiny_encoder, **KINDS[kind])
    model.save_pretrained(tmp_path)
    again = MultitaskModel.from_pretrained(tmp_path)
    for task in TASKS:
        np.testing.assert_allclose(
            again.predict(task, TEXTS[task]).values, model.predict(task, TEXTS[task]).values, atol=1e-5
        )
    texts = TEXTS["mood"]
    np.testing.assert_allclose(again.encode(texts), model.encode(texts), atol=1e-5)
    np.testing.assert_allclose(plain_vectors(tmp_path, texts), model.encode(texts), atol=1e-5)
    if kind != "lora":  # merged: other weights, the same function
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[name]), name


def test_merged_matrices_leave_nothing_behind(tiny_encoder: Path, tmp_path: Path) -> None:
    model = build(tiny_encoder, **KINDS["lora"])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    plain = build(tiny_encoder)
    plain.save_pretrained(tmp_path / "plain")
    assert read_json(tmp_path / "config.json") == read_json(tmp_path / "plain/config.json")
    ours, others = (load_file(folder / "model.safetensors") for folder in (tmp_path, tmp_path / "plain"))
    assert ours.keys() == others.keys()
    changed = {name.rsplit("layer.", 1)[-1][2:] for name in ours if not torch.equal(ours[name], others[name])}
    assert {name for name in changed if name.startswith("attention")} == {
        "attention.self.query.weight",
        "attention.self.value.weight",
    }


def test_names_on_disk(tiny_encoder: Path, tmp_path: Path) -> None:
    build(tiny_encoder, OWN_LORA, "bilstm").save_pretrained(tmp_path)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert {"adapters.mood.layers.0.query.a", "adapters.close.layers.1.value.b"} <= names
    assert {"shared.lstm.weight_ih_l0", "shared.lstm.bias_hh_l0_reverse", "shared.pooler.weight"} <= names


@pytest.mark.parametrize(
    ("kind", "prefix", "message"),
    [
        ("own lora", "adapters.same", r"adapter weights are missing.*same"),
        ("pals", "adapters.mood.down", r"adapter weights are missing.*mood\.down"),
        ("bilstm", "shared.lstm.bias_hh_l0", r"shared layer's weights are missing.*lstm\.bias_hh_l0"),
    ],
)
def test_missing_weights_are_explained(
    tiny_encoder: Path, tmp_path: Path, kind: str, prefix: str, message: str
) -> None:
    build(tiny_encoder, **KINDS[kind]).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(prefix)}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=message):
        MultitaskModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapters": {"name": "lora", "rank": 4, "per_task": True}}, "adapter weights are missing, unknown or of an"),
        ({"adapters": {"name": "lora", "rank": "wide"}}, "'minbert' part is damaged"),
        ({"adapters": {"name": "loro"}}, "did you mean 'lora'"),
        ({"adapters": 3}, "'minbert' part is damaged"),
        ({"adapters": "none"}, "adapter weights are missing, unknown"),
        ({"shared_layer": "bilstm"}, "shared layer's weights are missing"),
    ],
)
def test_a_configuration_that_does_not_go_with_the_weights_is_explained(
    tiny_encoder: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    build(tiny_encoder, OWN_LORA).save_pretrained(tmp_path)
    config = read_json(tmp_path / "config.json")
    write_json(tmp_path / "config.json", config | {"minbert": config["minbert"] | change})
    with pytest.raises(UserError, match=message):
        MultitaskModel.from_pretrained(tmp_path)
