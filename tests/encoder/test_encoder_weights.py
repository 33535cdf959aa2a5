from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from minbert.encoder.bert import BertEncoder
from minbert.encoder.config import EncoderConfig
from minbert.encoder.weights import export_tensors, import_tensors
from minbert.errors import UserError


@pytest.fixture
def tensors(small_encoder: BertEncoder) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in export_tensors(small_encoder).items()}


@pytest.fixture
def empty(small_config: EncoderConfig) -> BertEncoder:
    return BertEncoder(small_config, torch.Generator().manual_seed(9))


def test_names_and_values_are_those_of_transformers(
    small_encoder: BertEncoder, empty: BertEncoder, twin: Callable[[BertEncoder], torch.nn.Module]
) -> None:
    theirs = twin(small_encoder)  # loads ours strictly: every name and shape
    assert import_tensors(empty, theirs.state_dict(), "file") == ()
    for name, tensor in export_tensors(small_encoder).items():
        assert torch.equal(export_tensors(empty)[name], tensor), name


def test_exported_tensors_are_views(small_encoder: BertEncoder) -> None:
    exported = export_tensors(small_encoder)
    with torch.no_grad():
        small_encoder.layers[1].attention.query_key_value.weight.fill_(3)
    assert (exported["encoder.layer.1.attention.self.key.weight"] == 3).all()
    assert sum(tensor.numel() for tensor in exported.values()) == sum(p.numel() for p in small_encoder.parameters())


def test_old_names_prefixes_heads_and_half_precision_are_understood(
    tensors: dict[str, Tensor], empty: BertEncoder
) -> None:
    old = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): (
            tensor.bfloat16()
        )
        for name, tensor in tensors.items()
    }
    old |= {
        "bert.embeddings.position_ids": torch.arange(512)[None],
        "cls.predictions.bias": torch.zeros(90),
        "cls.seq_relationship.weight": torch.zeros(2, 48),
        "classifier.weight": torch.zeros(2, 48),
    }
    assert sum("gamma" in name for name in old) == 5
    import_tensors(empty, old, "file")
    for name, tensor in export_tensors(empty).items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, tensors[name].bfloat16().float()), name


def change(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    assert name in tensors
    tensors[name] = tensor


KEY = "encoder.layer.1.attention.self.key.weight"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda tensors: tensors.pop(KEY), f"{KEY} missing"),
        (lambda tensors: change(tensors, KEY, torch.zeros(48, 47)), f"{KEY} (48, 47) instead of (48, 48) of another"),
        (lambda tensors: change(tensors, KEY, torch.zeros(48, 48, dtype=torch.int8)), f"{KEY} not of floating point"),
        (lambda tensors: tensors[KEY].view(-1)[5].fill_(float("nan")), f"{KEY} with values that are no finite"),
        (lambda tensors: tensors[KEY].view(-1)[5].fill_(float("inf")), f"{KEY} with values that are no finite"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "extra unexpected"),
        (lambda tensors: tensors.update({f"bert.{KEY}": tensors[KEY]}), f"{KEY} given twice"),
        (lambda tensors: tensors.pop("pooler.dense.bias"), "pooler.dense.bias missing"),
    ],
)
def test_whatever_does_not_fit_is_told_and_nothing_is_written(
    tensors: dict[str, Tensor], empty: BertEncoder, damage: Callable[[dict[str, Tensor]], object], told: str
) -> None:
    before = {name: tensor.clone() for name, tensor in export_tensors(empty).items()}
    damage(tensors)
    with pytest.raises(UserError) as error:
        import_tensors(empty, tensors, "folder/model.safetensors")
    assert str(error.value).startswith("folder/model.safetensors: ")
    assert told in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in export_tensors(empty).items())


def test_many_problems_make_one_short_message(tensors: dict[str, Tensor], empty: BertEncoder) -> None:
    wrong = {f"roberta.{name}": tensor for name, tensor in tensors.items()}
    with pytest.raises(UserError) as error:
        import_tensors(empty, wrong, "file")
    assert f"({len(tensors)} in all) missing" in str(error.value)
    assert f"({len(tensors)} in all) unexpected" in str(error.value)
    assert len(str(error.value)) < 700


def test_a_fresh_pooler_only_where_it_is_asked_for(tensors: dict[str, Tensor], empty: BertEncoder) -> None:
    names = ("pooler.dense.weight", "pooler.dense.bias")
    for name in names:
        del tensors[name]
    with pytest.raises(UserError, match=r"pooler\.dense\.weight, pooler\.dense\.bias missing"):
        import_tensors(empty, tensors, "file")
    with torch.no_grad():
        empty.pooler.bias.fill_(1)
    torch.manual_seed(0)
    assert import_tensors(empty, tensors, "file", fresh_pooler=True) == names
    assert empty.pooler.weight.std().item() == pytest.approx(empty.config.initializer_range, rel=0.1)
    assert (empty.pooler.bias == 0).all()
    assert torch.equal(export_tensors(empty)[KEY], tensors[KEY])
