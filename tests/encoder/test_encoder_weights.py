from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.weights import export_tensors, fresh_encoder, import_tensors
from minbert.errors import UserError


@pytest.fixture
def tensors(small_encoder: Encoder) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in export_tensors(small_encoder).items()}


@pytest.fixture
def empty(small_config: EncoderConfig) -> Encoder:
    return Encoder(small_config, torch.Generator().manual_seed(9))


def test_names_and_values_are_those_of_transformers(
    small_encoder: Encoder, empty: Encoder, twin: Callable[[Encoder], torch.nn.Module]
) -> None:
    theirs = twin(small_encoder)  # loads ours strictly: every name and shape
    import_tensors(empty, theirs.state_dict(), "file")
    for name, tensor in export_tensors(small_encoder).items():
        assert torch.equal(export_tensors(empty)[name], tensor), name


def test_exported_tensors_are_views(small_encoder: Encoder) -> None:
    exported = export_tensors(small_encoder)
    with torch.no_grad():
        small_encoder.layers[1].attention.query_key_value.weight.fill_(3)
    assert (exported["encoder.layer.1.attention.self.key.weight"] == 3).all()
    assert sum(tensor.numel() for tensor in exported.values()) == sum(p.numel() for p in small_encoder.parameters())


def test_old_names_prefixes_heads_and_half_precision_are_understood(tensors: dict[str, Tensor], empty: Encoder) -> None:
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


@pytest.mark.parametrize("before", ["bert.", "module.", "module.bert.", "0.auto_model.", "_orig_mod.text.bert."])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_an_encoder_inside_another_model_is_found(
    tensors: dict[str, Tensor], empty: Encoder, small_config: EncoderConfig, before: str, dtype: torch.dtype
) -> None:
    wrapper = before.removesuffix("bert.")
    file = {f"{before}{name}": tensor.to(dtype) for name, tensor in tensors.items()}
    file |= {f"{wrapper}classifier.weight": torch.zeros(2, 48)}
    if before.endswith("bert."):
        file |= {f"{wrapper}my_head.0.weight": torch.zeros(48), "elsewhere.weight": torch.zeros(1)}
    import_tensors(empty, file, "file")
    for name, tensor in export_tensors(empty).items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, tensors[name].to(dtype).float()), name
    assert fresh_encoder(small_config, shapes(file), "file").pooler is not None


def test_two_encoders_in_a_file_are_told(tensors: dict[str, Tensor], empty: Encoder) -> None:
    file = {f"{side}.bert.{name}": tensor for side in ("query", "answer") for name, tensor in tensors.items()}
    with pytest.raises(UserError, match=r"holds several encoders, under answer\.bert and query\.bert\. Save the"):
        import_tensors(empty, file, "file")


def test_an_encoder_that_stands_twice_in_a_file_is_read_if_both_are_the_same(
    tensors: dict[str, Tensor], empty: Encoder, small_config: EncoderConfig
) -> None:
    file = tensors | {f"bert.{name}": tensor.clone() for name, tensor in tensors.items()}
    fresh_encoder(small_config, shapes(file), "file")
    import_tensors(empty, file, "file")
    assert torch.equal(export_tensors(empty)[KEY], tensors[KEY])
    file[f"bert.{KEY}"] *= 2
    with pytest.raises(UserError, match=r"file: holds several encoders, under no prefix and bert\. Save the"):
        import_tensors(empty, file, "file")
    file[f"bert.{KEY}"] = torch.zeros(48, 47)
    with pytest.raises(UserError, match="holds several encoders"):
        fresh_encoder(small_config, shapes(file), "file")


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
        (lambda tensors: change(tensors, KEY, torch.zeros(48, 48).to_sparse()), f"{KEY} sparse, quantised or without"),
        (
            lambda tensors: change(tensors, KEY, torch.zeros(48, 48, device="meta")),
            f"{KEY} sparse, quantised or without",
        ),
        (lambda tensors: tensors[KEY].view(-1)[5].fill_(float("nan")), f"{KEY} with values that are no finite"),
        (lambda tensors: tensors[KEY].view(-1)[5].fill_(float("inf")), f"{KEY} with values that are no finite"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "extra unexpected"),
        (lambda tensors: tensors.update({f"bert.{KEY}": tensors[KEY]}), f"{KEY} given twice"),
        (lambda tensors: tensors.pop("pooler.dense.bias"), "pooler.dense.bias missing"),
    ],
)
def test_whatever_does_not_fit_is_told_and_nothing_is_written(
    tensors: dict[str, Tensor], empty: Encoder, damage: Callable[[dict[str, Tensor]], object], told: str
) -> None:
    before = {name: tensor.clone() for name, tensor in export_tensors(empty).items()}
    damage(tensors)
    with pytest.raises(UserError) as error:
        import_tensors(empty, tensors, "folder/model.safetensors")
    assert str(error.value).startswith("folder/model.safetensors: ")
    assert told in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in export_tensors(empty).items())


def test_many_problems_make_one_short_message(tensors: dict[str, Tensor], empty: Encoder) -> None:
    wrong = {f"roberta.{name}": tensor for name, tensor in tensors.items()}
    with pytest.raises(UserError) as error:
        import_tensors(empty, wrong, "file")
    assert f"({len(tensors)} in all) missing" in str(error.value)
    assert f"({len(tensors)} in all) unexpected" in str(error.value)
    assert len(str(error.value)) < 700


def shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def test_a_pooler_is_where_the_weights_have_one(tensors: dict[str, Tensor], small_config: EncoderConfig) -> None:
    assert fresh_encoder(small_config, shapes(tensors), "file").pooler is not None
    for name in ("pooler.dense.weight", "pooler.dense.bias"):
        with pytest.raises(UserError, match=rf"{name} missing"):
            fresh_encoder(small_config, shapes({key: value for key, value in tensors.items() if key != name}), "file")
    without = {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler.")}
    encoder = fresh_encoder(small_config, shapes(without), "file")
    import_tensors(encoder, without, "file")
    assert encoder.pooler is None
    assert export_tensors(encoder).keys() == without.keys()
    assert torch.equal(export_tensors(encoder)[KEY], tensors[KEY])


def test_a_fresh_encoder_is_that_of_the_generator(tensors: dict[str, Tensor], small_config: EncoderConfig) -> None:
    """The look at shapes draws no number."""
    torch.manual_seed(4)
    expected = export_tensors(Encoder(small_config))
    torch.manual_seed(4)
    found = export_tensors(fresh_encoder(small_config, shapes(tensors), "file"))
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(
    "absurd",
    [
        {"layers": 10**8},
        {"vocabulary_size": 10**8},
        {"intermediate_size": 10**8},
        {"max_positions": 10**8},
        {"hidden_size": 10**8},
        {"hidden_size": 4 * 10**6, "vocabulary_size": 10**7},
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_allocated(
    tensors: dict[str, Tensor], small_config: EncoderConfig, absurd: dict[str, int]
) -> None:
    """Any of these would take terabytes, or hours."""
    config = EncoderConfig.model_validate(small_config.model_dump() | absurd)
    with pytest.raises(UserError, match=r"^file: .* its config\.json describes"):
        fresh_encoder(config, shapes(tensors), "file")
