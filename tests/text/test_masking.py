"""Which tokens are hidden, how often, and what stands in their place. Every draw is from a fixed seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import families
from minbert.packed import PackedBatch, concatenate
from minbert.randomness import generator
from minbert.text.masking import Maskable, MaskedBatch, MaskingSettings, mask_tokens
from minbert.text.tokenizer import Tokenizer

SIZE, MASK, CLS, SEP, PAD, UNK = 60, 4, 2, 3, 0, 1
GAP = 7  # an id that no token has
PIECES = range(40, 60)


@pytest.fixture(scope="module")
def vocabulary() -> Maskable:
    ordinary = np.ones(SIZE, dtype=np.bool_)
    ordinary[[PAD, UNK, CLS, SEP, MASK, GAP]] = False
    continues = np.zeros(SIZE, dtype=np.bool_)
    continues[list(PIECES)] = True
    return Maskable(MASK, ordinary, continues)


def batch_of(*texts: list[int]) -> PackedBatch:
    sequences = [[CLS, *text, SEP] for text in texts]
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return PackedBatch(
        torch.tensor([token for sequence in sequences for token in sequence]),
        torch.zeros(int(lengths.sum()), dtype=torch.int64),
        torch.cat([torch.arange(length) for length in lengths.tolist()]),
        torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]),
    )


def random_batch(texts: int, length: int, seed: int = 0) -> PackedBatch:
    random = np.random.default_rng(seed)
    return batch_of(*(random.integers(8, SIZE, size=length).tolist() for _ in range(texts)))


def within(count: int, trials: int, chance: float) -> bool:
    """Whether a count is within 4 standard deviations of what a chance gives: 1 in 16,000 true ones is not."""
    return abs(count - trials * chance) <= 4 * (trials * chance * (1 - chance)) ** 0.5


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize(("share", "mask", "random"), [(0.15, 0.8, 0.1), (0.4, 0.5, 0.5), (0.3, 0.0, 0.0)])
def test_the_shares_are_those_asked_for(
    vocabulary: Maskable, whole_words: bool, share: float, mask: float, random: float
) -> None:
    batch = random_batch(2000, 20)
    wanted = MaskingSettings(share=share, mask=mask, random=random, whole_words=whole_words)
    hidden = mask_tokens(batch, vocabulary, wanted, generator(1, "test"))
    maskable = int(vocabulary.ordinary[batch.token_ids.numpy()].sum())
    assert maskable == 40_000
    new = hidden.batch.token_ids[hidden.positions]
    count = len(new)
    # Whole words stand or fall together, so their tokens vary more: by at most the longest run's length.
    assert within(count, maskable, share) if not whole_words else abs(count / maskable - share) < 0.02
    masked, kept = int((new == MASK).sum()), int((new == hidden.targets).sum())
    assert within(masked, count, mask)
    ordinary = int(vocabulary.ordinary.sum())
    assert within(kept, count, 1 - mask - random + random / ordinary)


def test_replacements_are_drawn_evenly_from_ordinary_tokens(vocabulary: Maskable) -> None:
    wanted = MaskingSettings(share=0.9, mask=0, random=1)
    hidden = mask_tokens(random_batch(1000, 30), vocabulary, wanted, generator(1, "test"))
    drawn = hidden.batch.token_ids[hidden.positions].numpy()
    counts = np.bincount(drawn, minlength=SIZE)
    assert (counts[~vocabulary.ordinary] == 0).all()
    observed = counts[vocabulary.ordinary]
    expected = len(drawn) / len(observed)
    degrees = len(observed) - 1
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert abs(chi_square - degrees) < 4 * (2 * degrees) ** 0.5


def test_every_place_is_as_likely_as_any_other(vocabulary: Maskable) -> None:
    hidden = mask_tokens(random_batch(6000, 10), vocabulary, MaskingSettings(), generator(2, "test"))
    counts = np.bincount(hidden.batch.positions[hidden.positions].numpy(), minlength=12)
    assert counts[0] == counts[11] == 0  # [CLS] and [SEP]
    assert all(within(int(count), 6000, 0.15) for count in counts[1:11])


def test_only_what_is_hidden_changes_and_the_batch_itself_never(vocabulary: Maskable) -> None:
    batch = random_batch(50, 12)
    before = batch.token_ids.clone()
    hidden = mask_tokens(batch, vocabulary, MaskingSettings(share=0.3), generator(3, "test"))
    assert torch.equal(batch.token_ids, before)
    others = torch.ones(len(before), dtype=torch.bool)
    others[hidden.positions] = False
    assert torch.equal(hidden.batch.token_ids[others], before[others])
    assert torch.equal(hidden.targets, before[hidden.positions])
    assert (hidden.positions.diff() > 0).all()
    assert hidden.batch.offsets is batch.offsets


def test_special_tokens_and_unknown_ones_are_never_hidden(vocabulary: Maskable) -> None:
    batch = batch_of([UNK, 9, PAD, MASK, 10, GAP], [11])
    hidden = mask_tokens(batch, vocabulary, MaskingSettings(share=0.99), generator(4, "test"))
    assert set(hidden.targets.tolist()) <= {9, 10, 11}


def test_draws_follow_from_the_generator_alone(vocabulary: Maskable) -> None:
    batch = random_batch(30, 12)
    one, same, other = (
        mask_tokens(batch, vocabulary, MaskingSettings(), generator(5, "masks", step)) for step in (1, 1, 2)
    )
    assert torch.equal(one.positions, same.positions)
    assert torch.equal(one.batch.token_ids, same.batch.token_ids)
    assert not torch.equal(one.batch.token_ids, other.batch.token_ids)


def test_one_token_at_least_is_hidden_where_any_can_be(vocabulary: Maskable) -> None:
    for whole_words in (False, True):
        wanted = MaskingSettings(share=1e-9, whole_words=whole_words)
        places = {
            tuple(mask_tokens(batch_of([9, 10, 41]), vocabulary, wanted, generator(6, seed)).positions.tolist())
            for seed in range(40)
        }
        assert places == ({(1,), (2, 3)} if whole_words else {(1,), (2,), (3,)})
        none = mask_tokens(batch_of([UNK], []), vocabulary, wanted, generator(6, "none"))
        assert len(none.positions) == len(none.targets) == 0


def test_whole_words_are_hidden_whole(vocabulary: Maskable) -> None:
    words = [[9], [10, 40], [11, 41, 42], [12], [13, 43]]
    rows = [[token for word in np.random.default_rng(n).permutation(5) for token in words[word]] for n in range(200)]
    batch = batch_of(*rows)
    hidden = mask_tokens(batch, vocabulary, MaskingSettings(share=0.3, whole_words=True), generator(7, "test"))
    chosen = set(hidden.positions.tolist())
    tokens = batch.token_ids.tolist()
    cut = 0
    for place, token in enumerate(tokens):
        if token in PIECES:
            assert (place in chosen) == (place - 1 in chosen)
            cut += place in chosen
    assert cut > 100
    plain = mask_tokens(batch, vocabulary, MaskingSettings(share=0.3), generator(7, "test"))
    apart = set(plain.positions.tolist())
    assert any((place in apart) != (place - 1 in apart) for place, token in enumerate(tokens) if token in PIECES)


def test_a_piece_behind_a_special_token_is_a_word_of_its_own(vocabulary: Maskable) -> None:
    """A word whose start is unknown, or stands in the sequence before, is nothing to hang on to."""
    batch = batch_of([9, UNK, 41], [42])
    wanted = MaskingSettings(share=0.5, whole_words=True)
    seen = {tuple(mask_tokens(batch, vocabulary, wanted, generator(8, n)).targets.tolist()) for n in range(200)}
    assert {(9,), (41,), (42,), (9, 41), (9, 42), (41, 42), (9, 41, 42)} == seen


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(1, 30), st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_pieces_put_together_are_the_whole(vocabulary: Maskable, lengths: list[int], budget: int, seed: int) -> None:
    batch = batch_of(*([9 + n] * length for n, length in enumerate(lengths)))
    whole = mask_tokens(batch, vocabulary, MaskingSettings(share=0.5), generator(seed))
    pieces: list[MaskedBatch] = list(whole.micro_batches(budget))
    assert all(len(p.batch.token_ids) <= budget or len(p.batch.lengths) == 1 for p in pieces)
    assert all(len(p.batch.lengths) for p in pieces)
    together = concatenate([piece.batch for piece in pieces])
    for name in ("token_ids", "segment_ids", "positions", "offsets"):
        assert torch.equal(getattr(together, name), getattr(whole.batch, name))
    starts = np.cumsum([0, *(len(piece.batch.token_ids) for piece in pieces)])
    places = [piece.positions + int(start) for piece, start in zip(pieces, starts[:-1], strict=True)]
    assert torch.equal(torch.cat(places), whole.positions)
    assert torch.equal(torch.cat([piece.targets for piece in pieces]), whole.targets)


def test_a_tokenizer_tells_what_may_be_hidden(tokenizer: Tokenizer) -> None:
    vocabulary = Maskable.of(tokenizer)
    tokens = {index: token for token, index in tokenizer.vocabulary().items()}
    assert len(vocabulary.ordinary) == tokenizer.vocabulary_size
    assert {tokens[i] for i in np.flatnonzero(~vocabulary.ordinary)} == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    assert {tokens[i] for i in np.flatnonzero(vocabulary.continues)} == {t for t in tokens.values() if t[:2] == "##"}
    assert tokens[vocabulary.mask_id] == "[MASK]"


WORDS_OF_FAMILIES = {  # the vocabularies are too small for most words to be whole
    "bert": ["the", "quick", "brown", "fox", ",", "jumped"],
    "mpnet": ["the", "quick", "brown", "fox", ",", "jumped"],
    "roberta": ["the", "quick", "brown", "fox,", "jumped"],
    "spaced roberta": ["the", "quick", "brown", "fox,", "jumped"],
    "modernbert": ["the", "quick", "brown", "fox,", "jumped"],
    "xlm-roberta": ["the", "quick", "brown", "fox,", "jumped"],
    "camembert": ["the", "quick", "brown", "fox,", "jumped"],
}


@pytest.mark.parametrize("family", WORDS_OF_FAMILIES)
def test_whole_words_begin_where_the_vocabulary_says(family: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_files(families.write(family, tmp_path / family))
    vocabulary = Maskable.of(tokenizer)
    assert not vocabulary.ordinary[[*tokenizer.special_ids]].any()
    (ids,) = tokenizer.token_ids(["the quick brown fox, jumped"])
    starts = [n for n, index in enumerate(ids) if n == 0 or not vocabulary.continues[index]]
    token_of = {index: token for token, index in tokenizer.vocabulary().items()}
    words = ["".join(token_of[index] for index in part) for part in np.split(ids, starts[1:])]
    assert [word.translate({ord(mark): None for mark in "#Ġ▁"}) for word in words] == WORDS_OF_FAMILIES[family]


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1}, {"mask": 0.8, "random": 0.3}, {"mask": -0.1}])
def test_shares_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        MaskingSettings.model_validate(wrong)
