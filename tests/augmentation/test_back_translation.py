"""Back translation with small models, against transformers' own ``generate``; and its rules, by stand-ins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from minbert.augmentation import Augmentation
from minbert.augmentation.back_translation import BackTranslation, BackTranslator
from minbert.augmentation.rows import RowAugmenter
from minbert.errors import UserError
from minbert.randomness import generator

CPU = torch.device("cpu")
TEXTS = ["the cold film", "good rice", "a", "why do people learn on cold days why", "river"]
LONGEST = 12
AWAY = ["kalt film", "reis reis", "xx", "fluss kalt kalt reis fluss", "fluss"]
RETURNED = ["the cold days", "good rice", "why", "why do people learn on cold rice", "river river"]
WORDS = ["<s>", "<pad>", "</s>", "<unk>", "xx", *dict.fromkeys(" ".join(TEXTS).split()), "fluss", "reis", "kalt"]


def save(folder: Path, texts: list[str], translations: list[str], end: float = 0) -> Path:
    """Save a small BART that has learnt a few translations; a very low ``end`` makes all translations endless."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

    backend = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    backend.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = BartConfig(
        vocab_size=len(WORDS),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=40,
        dropout=0.0,
        forced_eos_token_id=2,
    )
    model = BartForConditionalGeneration(config)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    batch = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    labels = tokenizer(translations, padding=True, return_tensors="pt")["input_ids"]
    for _ in range(40 if end == 0 else 0):
        model(**batch, labels=labels.masked_fill(labels == 1, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.final_logits_bias[0, 2] = end
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("seq2seq")
    return save(folder / "forth", TEXTS, AWAY), save(folder / "back", AWAY, RETURNED)


def settings(models: tuple[Path, Path], **more: Any) -> BackTranslation:
    tree = {"name": "back_translation", "forth": str(models[0]), "back": str(models[1]), "max_tokens": LONGEST, **more}
    chosen = Augmentation.model_validate(tree)
    assert isinstance(chosen, BackTranslation)
    return chosen


def theirs(folder: Path, text: str, best: int, **search: Any) -> list[str]:
    """Translate one text by transformers alone."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    made = model.generate(
        **tokenizer(text, return_tensors="pt", return_token_type_ids=False),
        max_new_tokens=LONGEST,
        num_return_sequences=best,
        **search,
    )
    whole = [len([token for token in ids[1:].tolist() if token != tokenizer.pad_token_id]) < LONGEST for ids in made]
    texts = tokenizer.batch_decode(made, skip_special_tokens=True)
    return [text.strip() if ends else "" for text, ends in zip(texts, whole, strict=True)]


def draws(copies: int) -> list[list[Any]]:
    return [[generator(4, text, copy) for copy in range(copies)] for text in TEXTS]


@pytest.mark.parametrize(("beams", "copies"), [(1, 1), (3, 2)])
def test_like_transformers_one_text_at_a_time(models: tuple[Path, Path], beams: int, copies: int) -> None:
    found = settings(models, beams=beams, copies=copies).load(CPU).rewrite(TEXTS, draws(copies))
    for text, ours in zip(TEXTS, found, strict=True):
        away = theirs(models[0], text, 1, num_beams=beams, do_sample=False)[0]
        back = theirs(models[1], away, copies, num_beams=beams, do_sample=False) if away else [""] * copies
        assert ours == [one or text for one in back]
    assert [ours[0] for ours in found] == RETURNED, "or the test shows nothing"


def test_drawn_translations_depend_on_text_and_generator_alone(models: tuple[Path, Path]) -> None:
    augmenter = settings(models, sample=True, copies=2, temperature=2.0).load(CPU)
    texts, chances = TEXTS[:3], draws(2)[:3]
    before = torch.random.get_rng_state()
    found = augmenter.rewrite(texts, chances)
    assert torch.equal(torch.random.get_rng_state(), before), "training draws from torch's own generator"
    assert augmenter.rewrite(texts[::-1], draws(2)[2::-1]) == found[::-1]
    assert any(one != other for one, other in found)


def test_a_prefix_and_a_language_reach_the_model(models: tuple[Path, Path]) -> None:
    told = {"name": str(models[0]), "prefix": "xx ", "target": "reis"}
    found = settings(models, forth=told, beams=1).load(CPU)._forth.translate(TEXTS, 1)  # type: ignore[attr-defined]
    assert found == [
        theirs(models[0], f"xx {text}", 1, num_beams=1, do_sample=False, forced_bos_token_id=WORDS.index("reis"))
        for text in TEXTS
    ]
    assert any(best[0].startswith("reis") for best in found)
    with pytest.raises(UserError, match="has no language token 'de_DE'"):
        settings(models, forth={"name": str(models[0]), "target": "de_DE"}).load(CPU)


def test_what_is_too_long_stays(models: tuple[Path, Path], tmp_path: Path) -> None:
    long = " ".join(["cold"] * 12)
    assert settings(models).load(CPU).rewrite([long], [[generator(1)]]) == [[long]]
    # More than the model's own positions, whatever max_tokens says.
    longer = " ".join(["cold"] * 60)
    assert settings(models, max_tokens=1000).load(CPU).rewrite([longer], [[generator(1)]]) == [[longer]]
    endless = save(tmp_path / "endless", TEXTS, AWAY, end=-1e4)
    assert settings((endless, models[1])).load(CPU).rewrite(["river"], [[generator(1)]]) == [["river"]]
    assert settings((models[0], endless)).load(CPU).rewrite(["river"], [[generator(1)]]) == [["river"]]


class _Echo:
    """A model that gives back what it gets, a little changed for some."""

    devices: list[torch.device] = []  # noqa: RUF012

    def __init__(self, changed: dict[str, str]) -> None:
        self.changed = changed

    def translate(self, texts: list[str], best: int) -> list[list[str]]:
        return [[self.changed.get(text, text)] * best for text in texts]


def test_what_comes_back_the_same_makes_no_row(monkeypatch: pytest.MonkeyPatch, models: tuple[Path, Path]) -> None:
    method = settings(models, copies=2)
    stub = BackTranslator(_Echo({}), _Echo({"river": "RIVER ", "good rice": "fine rice", "a": ""}), method)  # type: ignore[arg-type]
    monkeypatch.setattr(BackTranslation, "load", lambda self, device: stub)  # noqa: ARG005
    rows = RowAugmenter(1, CPU).new_rows([method], list("vwxyz"), [(text,) for text in TEXTS])
    assert [(row.id, row.texts) for row in rows] == [("w~back_translation~1", ("fine rice",))]


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="'beams' must be at least as many"):
        Augmentation.model_validate({"name": "back_translation", "forth": "a", "back": "b", "copies": 5})
    with pytest.raises(ValueError, match="back"):
        Augmentation.model_validate({"name": "back_translation", "forth": "a"})


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be loaded as a seq2seq model.*opus-mt"):
        settings((tmp_path, tmp_path)).load(CPU)


def test_a_missing_transformers_is_told_with_what_to_do(
    models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"pip install 'minbert\[translation\]'"):
        settings(models).load(CPU)
