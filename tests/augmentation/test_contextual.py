"""Words guessed by a masked LM, against transformers' own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import families
from minbert.augmentation import Augmentation
from minbert.augmentation.contextual import ContextualReplacer
from minbert.augmentation.words import STOP_WORDS, word_spans
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.masked_lm import HeadKind, MaskedLM
from minbert.encoder.masked_lm_files import save_masked_lm
from minbert.encoder.sources import save_tokenizer
from minbert.errors import UserError
from minbert.text.tokenizer import Tokenizer

CPU = torch.device("cpu")
Rewrite = Callable[..., list[str]]
WORDS = ["the", "a", "film", "is", "good", "bad", "dull", "bright", "river", "train", "learn", "why"]
WORDS += ["do", "people", "rice", "on", "cold"]
PIECES = ["un", "##known", "##s", "q", "."]


def save(folder: Path, kind: HeadKind) -> Path:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *PIECES]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    config = EncoderConfig(
        vocabulary_size=len(vocabulary),
        hidden_size=32,
        layers=2,
        attention_heads=4,
        intermediate_size=64,
        max_positions=24,
        initializer_range=0.4,
    )
    draws = torch.Generator().manual_seed(8)
    model = MaskedLM(Encoder(config, draws), kind, draws)
    save_masked_lm(model, folder)
    save_tokenizer(Tokenizer.from_files(folder), model.encoder, folder)
    return folder


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("lm") / "bert", "bert")


@pytest.fixture(scope="module")
def roberta_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = families.write("roberta", tmp_path_factory.mktemp("lm") / "roberta")
    tokenizer = Tokenizer.from_files(folder)
    sizes = {"hidden_size": 32, "layers": 2, "attention_heads": 4, "intermediate_size": 64, "initializer_range": 0.4}
    family = {"model_type": "roberta", "segment_types": 1, "padding_id": tokenizer.padding_id}
    config = EncoderConfig.model_validate({"vocabulary_size": tokenizer.vocabulary_size, **sizes, **family})
    draws = torch.Generator().manual_seed(8)
    model = MaskedLM(Encoder(config, draws), "bert", draws)
    save_masked_lm(model, folder)
    save_tokenizer(tokenizer, model.encoder, folder)
    return folder


def load(folder: Path, **settings: object) -> ContextualReplacer:
    replacer = Augmentation.model_validate({"name": "contextual", "encoder": str(folder), **settings}).load(CPU)
    assert isinstance(replacer, ContextualReplacer)
    return replacer


def their_shares(folder: Path, masked: str, hidden: str, top_k: int) -> dict[str, float]:
    """Return what transformers' model gives each of the likeliest whole words at the one mask token."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).double().eval()
    encoded = tokenizer(masked, return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoded).logits[0, encoded["input_ids"][0] == tokenizer.mask_token_id][0]
    space = "Ġ" if tokenizer.mask_token == "<mask>" else ""
    words = {token.removeprefix(space): index for token, index in tokenizer.get_vocab().items() if space in token}
    allowed = {
        word: float(logits[index])
        for word, index in words.items()
        if word.isascii() and word.isalpha() and len(word) > 1 and word.lower() not in STOP_WORDS and word != hidden
    }
    top = sorted(allowed, key=lambda token: -allowed[token])[:top_k]
    shares = torch.tensor([allowed[token] for token in top], dtype=torch.float64).softmax(0)
    return dict(zip(top, shares.tolist(), strict=True))


# One word each that may be hidden: known, in pieces, unknown.
TEXTS = [("is the Film, on a?", "film"), ("the unknowns is a", "unknowns"), ("why do a zzz. on", "zzz")]


@pytest.mark.parametrize(("text", "hidden"), TEXTS)
@pytest.mark.parametrize("top_k", [1, 4])
def test_like_transformers(masked_lm: Path, text: str, hidden: str, top_k: int, rewrite: Rewrite) -> None:
    start = text.lower().index(hidden)
    before, after = text[:start], text[start + len(hidden) :]
    expected = their_shares(masked_lm, f"{before}[MASK]{after}", hidden, top_k)
    found = Counter(rewrite(load(masked_lm, top_k=top_k), text, 1500))
    model = text[start]
    for word, share in expected.items():
        written = before + (word.capitalize() if model.isupper() else word) + after
        assert found.pop(written, 0) / 1500 == pytest.approx(share, abs=0.05)
    assert not found


@pytest.mark.parametrize("text", ["this is a thing, and so", "is world"])
def test_a_mask_of_bytes_takes_in_the_space_before(roberta_lm: Path, text: str, rewrite: Rewrite) -> None:
    hidden = "thing" if "thing" in text else "world"
    expected = their_shares(roberta_lm, text.replace(hidden, "<mask>"), hidden, 4)
    found = Counter(rewrite(load(roberta_lm, top_k=4), text, 1500))
    assert len(expected) == 4
    for word, share in expected.items():
        assert found.pop(text.replace(hidden, word.lower()), 0) / 1500 == pytest.approx(share, abs=0.05)
    assert not found


def test_company_and_order_change_nothing(masked_lm: Path) -> None:
    from minbert.randomness import generator

    texts = ["cold film good rice river", "bad", "?", "the dull bright river train people learn rice", ""]
    replacer = load(masked_lm, alpha=0.5)

    def draws(order: list[int]) -> list[list[object]]:
        return [[generator(1, number, copy) for copy in range(3)] for number in order]

    together = replacer.rewrite(texts, draws([0, 1, 2, 3, 4]))
    backwards = replacer.rewrite(texts[::-1], draws([4, 3, 2, 1, 0]))
    alone = [replacer.rewrite([text], draws([number]))[0] for number, text in enumerate(texts)]
    assert together == backwards[::-1] == alone
    assert together[2] == ["?"] * 3 and together[4] == [""] * 3


def test_several_words_are_hidden_at_once(masked_lm: Path, rewrite: Rewrite) -> None:
    text = "cold film good rice river"
    for new in rewrite(load(masked_lm, alpha=0.6), text, 20):
        pairs = zip(text.split(), new.split(), strict=True)
        assert sum(old != word for old, word in pairs) == 3


def test_words_past_the_longest_sequence_stay(masked_lm: Path, rewrite: Rewrite) -> None:
    text = " ".join(["the"] * 21 + ["film", "rice", "rice", "rice"])
    for new in rewrite(load(masked_lm, alpha=1), text, 5):
        words = [new[start:end] for start, end in word_spans(new)]
        assert words[21] != "film" and words[22:] == ["rice"] * 3


def test_the_other_head_serves_too(tmp_path: Path, rewrite: Rewrite) -> None:
    folder = save(tmp_path / "two", "two_layer")
    assert len(set(rewrite(load(folder), "cold film", 40))) > 2


def test_an_encoder_without_a_head_is_refused(tiny_encoder: Path) -> None:
    with pytest.raises(UserError, match=r"has no masked-LM head.*minbert pretrain"):
        load(tiny_encoder)
