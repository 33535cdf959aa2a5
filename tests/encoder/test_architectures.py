"""Every family of encoders, held to transformers' own model of it and to what all families have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minbert.encoder import encoder as encoder_module
from minbert.encoder.architectures import Architecture
from minbert.encoder.architectures.electra import ElectraConfig
from minbert.encoder.attention.layout import PackedLayout
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.masked_lm import MaskedLM, masked_lm_loss
from minbert.encoder.masked_lm_files import export_masked_lm, load_masked_lm, save_masked_lm
from minbert.encoder.sources import load_encoder, save_encoder
from minbert.encoder.weights import export_tensors
from minbert.errors import UserError
from minbert.multitask.adapters import Adapters
from minbert.packed import PackedBatch, concatenate

MakeBatch = Callable[..., PackedBatch]
Padded = Callable[[PackedBatch], dict[str, Tensor]]

SIZES: dict[str, dict[str, Any]] = {
    "bert": {"max_positions": 150},
    "camembert": {"max_positions": 154, "padding_id": 3, "segment_types": 1},
    "distilbert": {"max_positions": 150},
    "electra": {"max_positions": 150, "embedding_size": 40},
    "modernbert": {"max_positions": 150, "padding_id": 2, "layers": 3, "global_every": 2, "local_attention": 20},
    "mpnet": {"max_positions": 152},
    "roberta": {"max_positions": 152, "segment_types": 2},
    "xlm-roberta": {"max_positions": 152, "segment_types": 1},
}
"""What a small encoder of each family has beside ``small_config``; each has room for 150 tokens."""
TELL_TEXTS_APART = {"bert", "electra"}
"""The families with an embedding for the second text."""
LONGEST = 150
LENGTHS = [[1, 4, 140, 33, 30], [12, 12, 12], [LONGEST]]


def test_every_family_is_tried() -> None:
    assert set(SIZES) == set(Architecture.members)


@pytest.fixture(params=SIZES)
def encoder(request: pytest.FixtureRequest, small_config: EncoderConfig) -> Encoder:
    """A small encoder whose every weight counts: no bias is 0, no norm's weight 1."""
    family = Architecture.members[request.param]
    given = {key: value for key, value in small_config.model_dump().items() if key in small_config.model_fields_set}
    config = family.config_class(
        **given | {"model_type": request.param, "initializer_range": 0.2} | SIZES[request.param]
    )
    generator = torch.Generator().manual_seed(1)
    encoder = Encoder(config, generator)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return encoder.eval()


@pytest.fixture
def batch_of(make_batch: MakeBatch) -> MakeBatch:
    """Make a batch without the tokens that are padding in some family: theirs leaves them out of positions."""

    def make(lengths: list[int], **options: Any) -> PackedBatch:
        made = make_batch(lengths, **options)
        return replace(made, token_ids=made.token_ids.clamp(min=5))

    return make


def twin_of(encoder: Encoder, folder: Path) -> nn.Module:
    """Return transformers' model of the family, made from the files that we write."""
    transformers = pytest.importorskip("transformers")
    save_encoder(encoder, folder)
    model, told = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager", output_loading_info=True)
    assert not any(told.values()), told
    assert type(model).__name__ == encoder.architecture.model_class
    twin: nn.Module = model.eval()
    return twin


@pytest.fixture
def theirs(encoder: Encoder, tmp_path: Path) -> nn.Module:
    return twin_of(encoder, tmp_path / "ours")


def outputs(theirs: nn.Module, batch: PackedBatch, padded: Padded) -> tuple[Tensor, Tensor | None]:
    """Return their hidden states of the batch's tokens, and the pooler's output if they have one."""
    inputs = padded(batch)
    segments = inputs.pop("token_type_ids")
    if theirs.config.model_type in TELL_TEXTS_APART:
        inputs["token_type_ids"] = segments
    output = theirs(**inputs)
    return output.last_hidden_state[inputs["attention_mask"] == 1], getattr(output, "pooler_output", None)


def assert_gradients_equal(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    scale = max(float(gradient.abs().max()) for gradient in ours.values())
    for name, gradient in ours.items():
        # A key's bias shifts all scores of a query alike: its gradient is 0, and what is computed is rounding.
        near = max(1e-4 * float(theirs[name].abs().max()), 1e-6 * scale)
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-4, atol=near, msg=name)


def test_sequences_that_nobody_asks_for_change_nothing(
    encoder: Encoder, batch_of: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, batch = encoder.double(), batch_of([3, 140, 1, 26])
    found = []
    for filled in (False, True):
        monkeypatch.setattr(encoder_module, "made_for_each_size", lambda _weight, filled=filled: filled)
        encoder.zero_grad()
        output = encoder(batch)
        output.hidden_states.square().sum().backward()
        found.append((output, [parameter.grad for parameter in encoder.parameters()]))
    torch.testing.assert_close(*found, rtol=0, atol=1e-9)


@pytest.mark.parametrize("pairs", [False, True])
def test_states_and_gradients_are_those_of_transformers(
    encoder: Encoder,
    theirs: nn.Module,
    batch_of: MakeBatch,
    padded: Padded,
    gradients: Callable[[Encoder], dict[str, Tensor]],
    pairs: bool,
) -> None:
    for lengths in LENGTHS:
        batch = batch_of(lengths, pairs=pairs)
        found, (states, pooled) = encoder(batch), outputs(theirs, batch, padded)
        torch.testing.assert_close(found.hidden_states, states, rtol=0, atol=1e-5)
        generator = torch.Generator().manual_seed(2)
        direction, of_pooled = torch.randn(states.shape, generator=generator), 0.0
        of_ours, of_theirs = ((of * direction).sum() for of in (found.hidden_states, states))
        if encoder.pooler is not None:
            torch.testing.assert_close(found.pooled, pooled, rtol=0, atol=1e-5)
            of_pooled = torch.randn(len(batch), encoder.config.hidden_size, generator=generator)
            of_ours, of_theirs = of_ours + (found.pooled * of_pooled).sum(), of_theirs + (pooled * of_pooled).sum()
        for model, total in ((encoder, of_ours), (theirs, of_theirs)):
            model.zero_grad()
            total.backward()
        ours = gradients(encoder)
        assert ours.keys() == dict(theirs.named_parameters()).keys()
        assert_gradients_equal(ours, {name: parameter.grad for name, parameter in theirs.named_parameters()})


def test_an_electra_whose_embeddings_fit_has_no_projection(small_config: EncoderConfig, tmp_path: Path) -> None:
    sizes = small_config.model_dump() | {"model_type": "electra", "embedding_size": small_config.hidden_size}
    encoder = Encoder(ElectraConfig(**sizes)).eval()
    assert not [name for name, _ in encoder.named_parameters() if "projection" in name]
    twin_of(encoder, tmp_path)  # which misses nothing
    again = load_encoder(str(tmp_path))
    assert again.config == encoder.config


def test_files_of_transformers_are_read(encoder: Encoder, theirs: nn.Module, tmp_path: Path) -> None:
    theirs.save_pretrained(tmp_path / "theirs")  # type: ignore[operator]
    again = load_encoder(str(tmp_path / "theirs"))
    assert again.config == encoder.config
    for name, tensor in export_tensors(encoder).items():
        assert torch.equal(export_tensors(again)[name], tensor), name


def test_masked_lm_logits_and_gradients_are_those_of_transformers_or_refused(
    encoder: Encoder, batch_of: MakeBatch, padded: Padded, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    if encoder.architecture.no_masked_lm:
        save_encoder(encoder, tmp_path)
        with pytest.raises(UserError, match=re.escape(f"encoder '{tmp_path}': {encoder.architecture.no_masked_lm}")):
            load_masked_lm(str(tmp_path))
        return
    model = MaskedLM(encoder, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4)), alpha=0.1)
    save_masked_lm(model, tmp_path / "ours")
    theirs, told = transformers.AutoModelForMaskedLM.from_pretrained(
        tmp_path / "ours", attn_implementation="eager", output_loading_info=True
    )
    assert type(theirs).__name__ == encoder.architecture.masked_lm_class
    assert not told["missing_keys"]
    assert not [name for name in told["unexpected_keys"] if ".pooler." not in name]
    batch, hidden = batch_of([7, 3, 12, 1, 5], pairs=False), torch.tensor([1, 4, 8, 9, 15, 21, 27])
    inputs = padded(batch)
    del inputs["token_type_ids"]
    logits = model(batch, hidden)
    of_theirs = theirs.eval()(**inputs).logits[inputs["attention_mask"] == 1][hidden]
    torch.testing.assert_close(logits, of_theirs, rtol=1e-5, atol=1e-5)
    for found in (logits, of_theirs):
        masked_lm_loss(found, batch.token_ids[hidden]).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    ours = {name: tensor for name, tensor in export_masked_lm(model).items() if ".pooler." not in name}
    of_theirs = {name: parameter.grad for name, parameter in theirs.named_parameters(remove_duplicate=False)}
    assert_gradients_equal(ours, of_theirs)
    assert all(re.search("decoder|projector", name) for name in of_theirs.keys() - ours.keys())  # tied to the others
    theirs.save_pretrained(tmp_path / "theirs")
    again, head_was_there = load_masked_lm(str(tmp_path / "theirs"))
    assert head_was_there
    for name, tensor in export_masked_lm(again).items():
        assert torch.equal(tensor, theirs.get_parameter(name)), name


def test_a_sequence_alone_is_the_sequence_in_any_batch(encoder: Encoder, batch_of: MakeBatch) -> None:
    sequences = [batch_of([length], seed=length) for length in (7, 31, 12, 148, 3)]
    with torch.no_grad():
        alone = [encoder(sequence).hidden_states for sequence in sequences]
        for order in ([0, 1, 2, 3, 4], [3, 4, 0], [2, 2, 4]):
            together = encoder(concatenate([sequences[number] for number in order])).hidden_states
            expected = torch.cat([alone[number] for number in order])
            torch.testing.assert_close(together, expected, rtol=0, atol=1e-5)


def test_the_fused_kernel_gives_what_bins_give(
    encoder: Encoder, batch_of: MakeBatch, kernel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of([3, 140, 12])
    with torch.no_grad():
        fused = encoder(batch).hidden_states
        assert len(kernel.probabilities) == (0 if encoder.position_bias else encoder.config.layers)
        monkeypatch.undo()
        torch.testing.assert_close(fused, encoder(batch).hidden_states, rtol=0, atol=1e-5)


def test_a_sequence_ends_where_the_family_says(encoder: Encoder, batch_of: MakeBatch) -> None:
    assert encoder.longest == LONGEST
    with pytest.raises(ValueError, match=rf"has {LONGEST + 1} tokens; this encoder has {LONGEST}"):
        encoder(batch_of([LONGEST + 1]))


def test_first_tokens_alone_are_those_of_the_whole(
    encoder: Encoder, batch_of: MakeBatch, gradients: Callable[[Encoder], dict[str, Tensor]]
) -> None:
    batch = batch_of([5, 140, 1, 12])
    encoder.double()
    found = []
    for only_first in (False, True):
        output = encoder(batch, only_first=only_first)
        states = output.hidden_states if only_first else output.hidden_states[batch.offsets[:-1]]
        encoder.zero_grad()
        (states.sin().sum() + (0 if output.pooled is None else output.pooled.sum())).backward()
        if encoder.pooler is not None:
            found.append(output.pooled)
        found += [states, *gradients(encoder).values()]
    half = len(found) // 2
    for whole, alone in zip(found[:half], found[half:], strict=True):
        torch.testing.assert_close(alone, whole, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("part", ["hidden_dropout", "attention_dropout"])
def test_training_drops_what_transformers_drops(
    encoder: Encoder, batch_of: MakeBatch, padded: Padded, tmp_path: Path, part: str
) -> None:
    """Of what is dropped almost surely, nothing is left: the rest is the same in both."""
    dropping = Encoder(encoder.config.model_copy(update={part: 1 - 1e-7}))
    dropping.load_state_dict(encoder.state_dict())
    batch = batch_of([20, 7], pairs=False)
    torch.manual_seed(0)
    found, twin = dropping.train()(batch).hidden_states, twin_of(dropping, tmp_path).train()
    torch.testing.assert_close(found, outputs(twin, batch, padded)[0], rtol=0, atol=1e-5)
    assert not torch.allclose(found, encoder(batch).hidden_states, atol=1e-2)


def test_some_families_tell_a_second_text_by_its_segment(encoder: Encoder, batch_of: MakeBatch) -> None:
    tells = encoder.config.model_type in TELL_TEXTS_APART
    assert encoder.architecture.reads_segments(encoder.config) is tells
    pair, single = (encoder(batch_of([30], pairs=pairs)).hidden_states for pairs in (True, False))
    assert torch.equal(pair, single) is not tells


def test_adapters_know_the_family(encoder: Encoder, batch_of: MakeBatch) -> None:
    batch = batch_of([5, 60, 12])
    targets = ["query", "key", "value", "attention_output", "intermediate", "output"]
    built = Adapters.model_validate({"name": "lora", "targets": targets}).build(encoder.config)
    assert built is not None
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
        adapted = encoder(batch, adaptations=built.adaptations([built], batch, [77])).hidden_states
        assert not torch.allclose(adapted, encoder(batch).hidden_states, atol=1e-3)
        built.merge(encoder)
        torch.testing.assert_close(encoder(batch).hidden_states, adapted, rtol=0, atol=1e-4)


def test_fresh_weights_follow_the_generator(encoder: Encoder) -> None:
    config = encoder.config
    first, again, other = (Encoder(config, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name
        if parameter.dim() == 1:
            assert (parameter == (0 if name.endswith("bias") else 1)).all(), name
        else:
            assert not torch.equal(parameter, other.get_parameter(name)), name
            assert parameter.std().item() == pytest.approx(config.initializer_range, rel=0.25), name
    assert (first.embeddings.word.weight[config.padding_id] == 0).all()


def test_a_family_that_is_not_known_is_told_with_those_that_are(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_encoder(encoder, tmp_path)
    monkeypatch.delitem(Architecture.members, encoder.config.model_type)
    known = ", ".join(sorted(Architecture.members))
    with pytest.raises(
        UserError, match=rf"config\.json: model_type is '[\w-]+'; minbert reads encoders of type {known}"
    ):
        load_encoder(str(tmp_path))


class Places(PackedLayout):
    def attend(self, query_key_value: Tensor, probability: float, window: int | None = None) -> Tensor:
        raise NotImplementedError


def test_a_layout_tells_each_tokens_place_in_its_sequence() -> None:
    places = Places(torch.tensor([0, 3, 4, 6]), torch.device("cpu")).positions
    assert places.tolist() == [0, 1, 2, 0, 0, 1]
