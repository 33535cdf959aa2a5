"""The masked-LM head against transformers' own, and its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from minbert.encoder.config_file import config_mapping
from minbert.encoder.encoder import Encoder
from minbert.encoder.masked_lm import MaskedLM, masked_lm_loss
from minbert.encoder.masked_lm_files import export_masked_lm, import_head, load_masked_lm, save_masked_lm
from minbert.encoder.sources import load_encoder
from minbert.encoder.tensor_files import read_tensors, write_tensors
from minbert.encoder.weights import export_tensors
from minbert.errors import UserError
from minbert.packed import PackedBatch

LENGTHS = [7, 3, 12, 1, 5]
HIDDEN = [1, 4, 8, 9, 15, 21, 27]


@pytest.fixture
def model(small_encoder: Encoder) -> MaskedLM:
    made = MaskedLM(small_encoder, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():  # no parameter at a value that would hide its absence
        for name in ("norm.weight", "norm.bias", "bias", "dense.bias"):
            made.head.get_parameter(name).normal_(1, 0.5, generator=torch.Generator().manual_seed(4))
    return made


@pytest.fixture
def theirs(model: MaskedLM) -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(**config_mapping(model.encoder.config), attn_implementation="eager")
    twin = transformers.BertForMaskedLM(config).eval()
    tensors = {name: tensor for name, tensor in export_masked_lm(model).items() if ".pooler." not in name}
    missing, unexpected = twin.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert set(missing) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}  # tied
    twin.tie_weights()
    return twin


def labels_of(batch: PackedBatch, positions: Tensor, padded: Callable[[PackedBatch], dict[str, Tensor]]) -> Tensor:
    """Return transformers' labels: the token where one is hidden, else -100."""
    labels = torch.full_like(batch.token_ids, -100)
    labels[positions] = batch.token_ids[positions]
    return padded(PackedBatch(labels, batch.segment_ids, batch.positions, batch.offsets))["input_ids"]


def test_logits_loss_and_gradients_are_those_of_transformers(
    model: MaskedLM,
    theirs: torch.nn.Module,
    make_batch: Callable[..., PackedBatch],
    padded: Callable[[PackedBatch], dict[str, Tensor]],
) -> None:
    batch = make_batch(LENGTHS)
    positions = torch.tensor(HIDDEN)
    inputs = padded(batch)
    labels = labels_of(batch, positions, padded)
    labels[inputs["attention_mask"] == 0] = -100
    output = theirs(**inputs, labels=labels)
    logits = model(batch, positions)
    assert logits.shape == (len(HIDDEN), 90)
    torch.testing.assert_close(logits, output.logits[labels != -100], atol=1e-5, rtol=1e-5)
    loss = masked_lm_loss(logits, batch.token_ids[positions]) / len(HIDDEN)
    torch.testing.assert_close(loss, output.loss, atol=1e-5, rtol=1e-5)

    loss.backward()
    output.loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    ours = export_masked_lm(model)
    compared = 0
    for name, parameter in theirs.named_parameters():
        assert parameter.grad is not None, name
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-5, rtol=1e-4, msg=name)
        compared += 1
    assert compared == len(ours) - 2  # transformers' model has no pooler
    assert all((ours[f"bert.pooler.dense.{kind}"] == 0).all() for kind in ("weight", "bias"))


def test_logits_are_computed_at_hidden_tokens_only(model: MaskedLM, make_batch: Callable[..., PackedBatch]) -> None:
    rows: list[int] = []
    model.head.dense.register_forward_hook(lambda _m, args, _out: rows.append(len(args[0])))  # type: ignore[union-attr, operator]
    model(make_batch(LENGTHS), torch.tensor([3, 10]))
    assert rows == [2]


def test_nothing_hidden_is_a_loss_of_zero(model: MaskedLM, make_batch: Callable[..., PackedBatch]) -> None:
    none = torch.empty(0, dtype=torch.int64)
    loss = masked_lm_loss(model(make_batch(LENGTHS), none), none)
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is None or bool((parameter.grad == 0).all()) for parameter in model.parameters())


def test_the_two_layer_head_is_its_formula(small_encoder: Encoder, make_batch: Callable[..., PackedBatch]) -> None:
    model = MaskedLM(small_encoder, "two_layer", torch.Generator().manual_seed(2)).double()
    batch, positions = make_batch(LENGTHS), torch.tensor(HIDDEN)
    hidden = model.encoder(batch).hidden_states[positions]
    weights = dict(model.head.named_parameters())
    between = (hidden @ weights["dense.weight"].T + weights["dense.bias"]).clamp(min=0)
    expected = between @ weights["decoder.weight"].T + weights["decoder.bias"]
    torch.testing.assert_close(model(batch, positions), expected)
    assert weights["decoder.weight"] is not model.encoder.embeddings.word.weight


@pytest.mark.parametrize("kind", ["bert", "two_layer"])
def test_files_give_the_same_model_again(small_encoder: Encoder, tmp_path: Path, kind: str) -> None:
    model = MaskedLM(small_encoder, kind, torch.Generator().manual_seed(2))  # type: ignore[arg-type]
    save_masked_lm(model, tmp_path)
    again, head_was_there = load_masked_lm(str(tmp_path), kind)  # type: ignore[arg-type]
    assert head_was_there
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    other, had_other = load_masked_lm(str(tmp_path), "bert" if kind == "two_layer" else "two_layer")
    assert not had_other
    assert other.head.kind != kind
    encoder = load_encoder(str(tmp_path))  # heads left out, the pooler there
    for name, tensor in export_tensors(small_encoder).items():
        assert torch.equal(export_tensors(encoder)[name], tensor), name


def test_transformers_loads_what_we_save(
    model: MaskedLM,
    tmp_path: Path,
    make_batch: Callable[..., PackedBatch],
    padded: Callable[[PackedBatch], dict[str, Tensor]],
) -> None:
    transformers = pytest.importorskip("transformers")
    save_masked_lm(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["BertForMaskedLM"]
    theirs, report = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert set(report["unexpected_keys"]) <= {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    batch = make_batch(LENGTHS)
    inputs = padded(batch)
    every = theirs.eval()(**inputs).logits[inputs["attention_mask"] == 1]
    torch.testing.assert_close(model(batch, torch.tensor(HIDDEN)), every[HIDDEN], atol=1e-5, rtol=1e-5)


def test_a_checkpoint_of_transformers_is_read_with_its_head(
    theirs: torch.nn.Module, model: MaskedLM, tmp_path: Path
) -> None:
    theirs.save_pretrained(tmp_path)  # type: ignore[operator]
    again, head_was_there = load_masked_lm(str(tmp_path))
    assert head_was_there
    assert again.encoder.pooler is None  # none is in the file
    for name, tensor in export_masked_lm(model).items():
        if ".pooler." not in name:
            assert torch.equal(export_masked_lm(again)[name], tensor), name


def test_old_names_and_a_written_out_tied_matrix_are_understood(model: MaskedLM, tmp_path: Path) -> None:
    """As the files of the first BERTs have them."""
    save_masked_lm(model, tmp_path)
    tensors = read_tensors(tmp_path / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    old["cls.predictions.decoder.weight"] = old["bert.embeddings.word_embeddings.weight"].clone()
    old["cls.predictions.decoder.bias"] = old.pop("cls.predictions.bias")
    old["cls.seq_relationship.weight"] = torch.zeros(2, 48)
    write_tensors(tmp_path / "model.safetensors", old)
    again, head_was_there = load_masked_lm(str(tmp_path))
    assert head_was_there
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("cls.predictions.transform.dense.weight", None, "dense.weight missing"),
        ("cls.predictions.transform.dense.weight", torch.zeros(2, 2), "of another shape"),
        ("cls.predictions.bias", torch.full((90,), float("nan")), "no finite numbers"),
        ("cls.predictions.decoder.weight", torch.zeros(90, 48), "not the matrix of word embeddings"),
    ],
)
def test_a_damaged_head_is_told(model: MaskedLM, name: str, tensor: Tensor | None, words: str) -> None:
    tensors = dict(export_masked_lm(model))
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    with pytest.raises(UserError, match=words) as caught:
        import_head(model, tensors, "there/model.safetensors")
    assert "there/model.safetensors" in str(caught.value)


def test_without_a_head_in_the_file_a_fresh_one_is_drawn(small_encoder: Encoder) -> None:
    model = MaskedLM(small_encoder)
    before = {name: tensor.clone() for name, tensor in model.head.state_dict().items()}
    assert not import_head(model, export_tensors(small_encoder), "file")
    assert all(torch.equal(before[name], tensor) for name, tensor in model.head.state_dict().items())
    assert before["dense.weight"].std().item() == pytest.approx(small_encoder.config.initializer_range, rel=0.1)
    assert (before["bias"] == 0).all()


def test_the_loss_is_a_sum_in_full_precision() -> None:
    logits = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 8, 3, 3, 1])
    expected = -functional.log_softmax(logits.double(), -1)[torch.arange(5), targets].sum()
    assert masked_lm_loss(logits, targets).item() == pytest.approx(expected.item(), rel=1e-6)
    assert masked_lm_loss(logits.bfloat16(), targets).dtype == torch.float32
