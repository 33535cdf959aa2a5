"""Which characters a vocabulary lacks, and that tokens for them change nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.encoder.architectures import Architecture
from minbert.text.new_characters import unknown_characters
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer

NEW = "zß好각😀😂"
TEXTS = st.lists(st.text(st.sampled_from(f"abc AÉé中.'\t\u0301\u200b\ufe0f{NEW}"), max_size=20), max_size=6)


def framing(tokenizer: Tokenizer) -> Template:
    """BERT's sequences."""
    separator = (tokenizer.separator_id,)
    return Template((tokenizer.classification_id,), separator, separator)


@given(texts=TEXTS)
@settings(max_examples=60, deadline=None)
def test_only_words_with_new_characters_change(texts: list[str], tokenizer: Tokenizer) -> None:
    characters = unknown_characters(tokenizer, texts, 1)
    assert set(characters) == set("".join(texts)) & set(NEW)
    after = tokenizer.with_tokens(characters)
    for text, old, new in zip(texts, tokenizer.token_ids(texts), after.token_ids(texts), strict=True):
        assert [token for token in after.tokens(new) if token in NEW] == [one for one in text if one in NEW]
        if not set(text) & set(NEW):
            assert new == old


def test_a_word_is_cut_around_them(tokenizer: Tokenizer) -> None:
    assert unknown_characters(tokenizer, ["cat😀", "好"], 1) == ["好", "😀"]
    more = tokenizer.with_tokens(["好", "😀"])
    expected = ["cat", "😀", "😀", "cat", "好", "[", "sep", "]"]
    assert more.tokens(more.token_ids(["cat😀 😀Cat好[SEP]"])[0]) == expected
    assert tokenizer.tokens(tokenizer.token_ids(["cat😀 😀Cat好"])[0]) == ["[UNK]", "[UNK]", "[UNK]"]


def test_a_syllable_of_which_a_part_is_unknown(tmp_path: Path) -> None:
    known = {part for syllable in "각" for part in unicodedata.normalize("NFD", syllable)}
    pieces = [*["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], *sorted(known), *(f"##{part}" for part in sorted(known))]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    assert unknown_characters(Tokenizer.from_files(tmp_path), ["각 가값"], 1) == ["값"]


def test_a_character_counts_once_a_text(tokenizer: Tokenizer) -> None:
    assert unknown_characters(tokenizer, ["😀😀😀", "a cat", "the cat😂", "😂"], 2) == ["😂"]


def test_the_most_frequent_comes_first_in_whatever_order_texts_stand(tokenizer: Tokenizer) -> None:
    texts = ["好", "好 文", "好 文 😀", "É", "中"]
    assert unknown_characters(tokenizer, texts, 1) == ["好", "文", "😀"]
    assert unknown_characters(tokenizer, texts[::-1], 1) == ["好", "文", "😀"]


def test_transformers_reads_the_same_from_what_is_written(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    texts = ["the cat😀 好", "😀😂 É ж", "中文 cat's Жa"]
    more = tokenizer.with_tokens(unknown_characters(tokenizer, texts, 1))
    more.save(tmp_path, framing(more), segments=True)
    theirs: Any = AutoTokenizer.from_pretrained(tmp_path)
    expected = [theirs(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert more.token_ids(texts) == expected == Tokenizer.from_files(tmp_path).token_ids(texts)
    assert more.fingerprint != tokenizer.fingerprint


def test_tokens_that_were_added_before_keep_their_ids(vocabulary_folder: Path, tmp_path: Path) -> None:
    size = Tokenizer.from_files(vocabulary_folder).vocabulary_size
    for name in ("vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((vocabulary_folder / name).read_bytes())
    (tmp_path / "added_tokens.json").write_text(f'{{"<user>": {size}, "<link>": {size + 1}}}')
    more = Tokenizer.from_files(tmp_path).with_tokens(["😀"])
    text = "the <user> cat😀 <link>"
    assert more.tokens(more.token_ids([text])[0]) == ["the", "<user>", "cat", "😀", "<link>"]
    assert more.vocabulary()["😀"] == size + 2
    more.save(tmp_path / "saved", framing(more), segments=True)
    assert Tokenizer.from_files(tmp_path / "saved").token_ids([text]) == more.token_ids([text])


def test_ids_that_a_vocabulary_leaves_out_stay_empty(vocabulary_folder: Path, tmp_path: Path) -> None:
    lines = (vocabulary_folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "vocab.txt").write_text("\n".join([*lines[:9], "", "", *lines[9:]]), encoding="utf-8")
    before = Tokenizer.from_files(tmp_path)
    after = before.with_tokens(["好", "😀"])
    assert [after.vocabulary()[token] for token in "好😀"] == [len(lines) + 2, len(lines) + 3]
    assert before.vocabulary().items() <= after.vocabulary().items()
    after.save(tmp_path / "saved", framing(after), segments=True)
    text = "the cat😀 sat好"
    assert Tokenizer.from_files(tmp_path / "saved").token_ids([text]) == after.token_ids([text])


@pytest.mark.parametrize("family", sorted(Architecture.members))
def test_every_family(family: str, tiny_encoder_of: Callable[[str], Path]) -> None:
    tokenizer = Tokenizer.from_files(tiny_encoder_of(family))
    characters = unknown_characters(tokenizer, ["fox好 🥝"], 1)
    assert characters == ([] if family in {"roberta", "modernbert"} else ["好", "🥝"])
    more = tokenizer.with_tokens(characters)
    [ids] = more.token_ids(["fox好 🥝"])
    assert more.unknown_id not in ids
    assert [token for token in more.tokens(ids) if token in "好🥝"] == characters
    assert more.vocabulary_size == tokenizer.vocabulary_size + len(characters)
