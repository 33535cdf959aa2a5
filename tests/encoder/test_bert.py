from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.packed import PackedBatch, concatenate

MakeBatch = Callable[..., PackedBatch]
Padded = Callable[[PackedBatch], dict[str, Tensor]]
Twin = Callable[[Encoder], torch.nn.Module]


def assert_equal(encoder: Encoder, transformers_model: torch.nn.Module, batch: PackedBatch, padded: Padded) -> None:
    inputs = padded(batch)
    with torch.no_grad():
        ours, theirs = encoder(batch), transformers_model(**inputs)
    hidden = theirs.last_hidden_state[inputs["attention_mask"].bool()]
    torch.testing.assert_close(ours.hidden_states, hidden, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.pooled, theirs.pooler_output, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def minilm_twin(minilm: Encoder, twin: Twin) -> torch.nn.Module:
    return twin(minilm)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("lengths", [[1, 512, 9], [33, 2, 64, 100, 65, 5, 17], [12] * 7])
def test_minilm_equals_transformers(
    minilm: Encoder,
    minilm_twin: torch.nn.Module,
    make_batch: MakeBatch,
    padded: Padded,
    lengths: list[int],
    pairs: bool,
) -> None:
    assert_equal(minilm, minilm_twin, make_batch(lengths, 30522, pairs=pairs), padded)


def test_bert_base_shapes_equal_transformers(make_batch: MakeBatch, padded: Padded, twin: Twin) -> None:
    config = EncoderConfig(vocabulary_size=90, layers=3)
    encoder = Encoder(config, torch.Generator().manual_seed(0)).eval()
    assert_equal(encoder, twin(encoder), make_batch([30, 5, 77, 1, 50]), padded)


def test_every_gradient_equals_transformers(
    small_encoder: Encoder,
    make_batch: MakeBatch,
    padded: Padded,
    twin: Twin,
    gradients: Callable[[Encoder], dict[str, Tensor]],
) -> None:
    encoder = small_encoder.double()
    theirs = twin(encoder)
    batch = make_batch([3, 90, 1, 33, 20, 8])
    inputs = padded(batch)
    result = theirs(**inputs)
    ours = encoder(batch)
    hidden = result.last_hidden_state[inputs["attention_mask"].bool()]
    generator = torch.Generator().manual_seed(0)
    weights, pooled_weights = (
        torch.randn(of.shape, generator=generator, dtype=torch.float64) for of in (hidden, ours.pooled)
    )
    for states, pooled in ((ours.hidden_states, ours.pooled), (hidden, result.pooler_output)):
        ((states * weights).sum() + (pooled * pooled_weights).sum()).backward()
    of_ours = gradients(encoder)
    of_theirs = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert of_ours.keys() == of_theirs.keys()
    for name, gradient in of_theirs.items():
        assert gradient is not None
        torch.testing.assert_close(of_ours[name], gradient, rtol=1e-9, atol=1e-10, msg=name)


def test_a_sequence_alone_equals_the_sequence_in_any_batch(small_encoder: Encoder, make_batch: MakeBatch) -> None:
    encoder = small_encoder.eval()
    sequences = [make_batch([length], seed=length) for length in (7, 31, 12, 200, 3, 13)]
    with torch.no_grad():
        alone = [encoder(sequence) for sequence in sequences]
        for order in ([0, 1, 2, 3, 4, 5], [3, 5, 0], [2, 2, 4, 1]):
            batch = concatenate([sequences[number] for number in order])
            together = encoder(batch)
            for place, number in enumerate(order):
                start, end = batch.offsets[place : place + 2].tolist()
                states = together.hidden_states[start:end]
                torch.testing.assert_close(states, alone[number].hidden_states, rtol=0, atol=1e-5)
                torch.testing.assert_close(together.pooled[place], alone[number].pooled[0], rtol=0, atol=1e-5)


def test_first_tokens_alone_are_those_of_the_whole(
    small_encoder: Encoder, make_batch: MakeBatch, gradients: Callable[[Encoder], dict[str, Tensor]]
) -> None:
    """Values and gradients are equal, and the last layer's feed-forward sees a row a sequence."""
    encoder, batch = small_encoder.double().eval(), make_batch([3, 90, 1, 33])
    rows: list[int] = []
    last = encoder.layers[-1]
    last.feed_forward.register_forward_hook(lambda _m, inputs, _o: rows.append(len(inputs[0])))
    found = []
    for only_first in (False, True):
        output = encoder(batch, only_first=only_first)
        states = output.hidden_states if only_first else output.hidden_states[batch.offsets[:-1]]
        encoder.zero_grad()
        (states.sin().sum() + output.pooled.sum()).backward()
        found.append({**gradients(encoder), "states": states.detach(), "pooled": output.pooled.detach()})
    assert rows == [127, 4]
    whole, alone = found
    for name, tensor in whole.items():
        torch.testing.assert_close(alone[name], tensor, rtol=1e-9, atol=1e-10, msg=name)


def test_segments_and_positions_count(small_encoder: Encoder, make_batch: MakeBatch) -> None:
    encoder = small_encoder.eval()
    pair, single = make_batch([9]), make_batch([9], pairs=False)
    turned = PackedBatch(pair.token_ids, pair.segment_ids, pair.positions.flip(0), pair.offsets)
    with torch.no_grad():
        plain = encoder(pair).pooled
        assert (plain - encoder(single).pooled).abs().max() > 1e-3
        assert (plain - encoder(turned).pooled).abs().max() > 1e-3


def test_word_embeddings_can_take_the_place_of_the_lookup(small_encoder: Encoder, make_batch: MakeBatch) -> None:
    encoder, batch = small_encoder.eval(), make_batch([5, 40])
    words = encoder.word_embeddings(batch)
    plain, given = encoder(batch), encoder(batch, word_embeddings=words)
    assert torch.equal(plain.hidden_states, given.hidden_states)
    assert torch.equal(plain.pooled, given.pooled)
    shift = torch.zeros_like(words)
    shift[2] = 1e-2
    shift.requires_grad_()
    moved = encoder(batch, word_embeddings=words.detach() + shift)
    assert not torch.equal(moved.pooled[0], plain.pooled[0])
    assert torch.equal(moved.pooled[1], plain.pooled[1])
    (gradient,) = torch.autograd.grad(moved.pooled[0].sum(), shift)
    assert gradient[:5].abs().min() > 0
    assert (gradient[5:] == 0).all()


def test_dropout_repeats_from_a_saved_state(small_config: EncoderConfig, make_batch: MakeBatch) -> None:
    dropping = small_config.model_copy(update={"hidden_dropout": 0.1, "attention_dropout": 0.1})
    encoder = Encoder(dropping, torch.Generator().manual_seed(1))
    batch = make_batch([5, 40])
    state = torch.get_rng_state()
    first, second = encoder(batch), encoder(batch)
    torch.set_rng_state(state)
    again = encoder(batch)
    assert torch.equal(first.hidden_states, again.hidden_states)
    assert not torch.equal(first.hidden_states, second.hidden_states)
    encoder.eval()
    assert torch.equal(encoder(batch).hidden_states, encoder(batch).hidden_states)


@pytest.mark.parametrize("part", ["hidden_dropout", "attention_dropout"])
def test_each_dropout_acts_where_it_should(small_config: EncoderConfig, make_batch: MakeBatch, part: str) -> None:
    encoder = Encoder(small_config.model_copy(update={part: 0.5}), torch.Generator().manual_seed(1))
    batch = make_batch([5, 40])
    torch.manual_seed(0)
    before = torch.get_rng_state()
    encoder(batch)
    after = torch.get_rng_state()
    # One draw a call of dropout: after the embeddings and twice a layer, or once a group of bins and layer.
    torch.set_rng_state(before)
    for _ in range(5 if part == "hidden_dropout" else 2):
        torch.empty((), dtype=torch.int64).random_()
    assert torch.equal(torch.get_rng_state(), after)


def test_bf16_autocast_stays_close(minilm: Encoder, make_batch: MakeBatch) -> None:
    batch = make_batch([5, 40, 128, 17], 30522)
    with torch.no_grad():
        plain = minilm(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = minilm(batch)
    similarity = torch.cosine_similarity(plain.hidden_states, rounded.hidden_states.float(), dim=1)
    assert similarity.min() > 0.999
    assert not torch.equal(plain.hidden_states, rounded.hidden_states.float())


def test_bf16_autocast_trains(
    small_encoder: Encoder, make_batch: MakeBatch, gradients: Callable[[Encoder], dict[str, Tensor]]
) -> None:
    batch = make_batch([5, 40, 33])
    found = []
    for enabled in (False, True):
        small_encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = small_encoder(batch)
        (output.hidden_states[:, :5].sum() + output.pooled.float().sum()).backward()
        found.append(torch.cat([gradient.flatten() for gradient in gradients(small_encoder).values()]))
    assert torch.cosine_similarity(*found, dim=0) > 0.99


def test_fresh_weights_follow_the_generator(small_config: EncoderConfig) -> None:
    first, again, other = (Encoder(small_config, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name
        if name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            assert not torch.equal(parameter, other.get_parameter(name)), name
            drawn = parameter[1:] if name == "embeddings.word.weight" else parameter
            standard = drawn / small_config.initializer_range
            assert abs(standard.mean().item()) < 4 / drawn.numel() ** 0.5, name
            assert abs(standard.std().item() - 1) < 4 / (2 * drawn.numel()) ** 0.5, name
    assert (first.embeddings.word.weight[small_config.padding_id] == 0).all()


@pytest.mark.parametrize("lengths", [[513], [4, 600, 2]])
def test_a_sequence_longer_than_the_positions_is_refused(
    small_encoder: Encoder, make_batch: MakeBatch, lengths: list[int]
) -> None:
    with pytest.raises(ValueError, match=rf"{max(lengths)} tokens; this encoder has 512 positions"):
        small_encoder(make_batch(lengths))


def test_empty_sequences_and_batches_are_refused(small_encoder: Encoder) -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    for offsets in ([0], [0, 0]):
        with pytest.raises(ValueError, match="at least one"):
            small_encoder(PackedBatch(nothing, nothing, nothing, torch.tensor(offsets)))
