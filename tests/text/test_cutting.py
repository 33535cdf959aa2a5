"""A long text that is tokenized in pieces, or no further than needed, has the tokens of the whole."""

from __future__ import annotations

import json
from functools import cache
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend

import families
from laws import each
from minbert.text import tokenizer as module
from minbert.text.tokenizer import Tokenizer

TRICKY = [
    "",
    " ",
    "x" * 300,
    "hello world " * 40,
    "漢字" * 60,
    "漢字 and 中文, " * 20,
    "Cafe\u0301 ÉTÉ \u0301e n\u0303 " * 20,
    "a \u0301b" * 40,
    "\u0600 1 \u0600" * 30,
    "foo \u200b bar \u200b\u200b baz " * 20,
    "one\ntwo\r\nthree \n four\t" * 20,
    "don't 'tis I'll , 'twas " * 20,
    "\u037a \u037aa b\u037a c " * 20,
    "\ufdfa \ufdfb x \u00a8 y ½ z ﬁ " * 20,
    "x  y   z    |||EMAIL||| w " * 20,
    "word< s> <mask> [SEP] </s> <|endoftext|> " * 15,
    "😀👩‍🚀 😀 e\u0301 👩‍🚀a " * 20,
    "ΟΔΟΣ ΣΑΣ Σ " * 30,
    "हिन्दी में लिखा हुआ पाठ " * 20,
    "한국어 문장 하나 " * 30,
    "1,000.5 a.b. c! d? " * 20,
    "نص عربي طويل ـ" * 20,
]
ALPHABET = "aelÉ é\u0301\n\t 漢字😀.,'\u00a0\u200d\u200b\x00ﬁ\u037a\u0600Σς1 "


@cache
def made(family: str, **changes: Any) -> Tokenizer:
    """A family's tokenizer, or one with other parts than the family has."""
    content = json.loads(families.backend(family).to_str())
    special = families.FAMILIES[family][1]
    roles = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    bert = dict(zip(roles, ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"), strict=True))
    content |= {key: json.loads(part) for key, part in changes.items()}
    return Tokenizer(Backend.from_str(json.dumps(content)), {role: special.get(role, bert[role]) for role in roles})


def in_pieces(tokenizer: Tokenizer, text: str, size: int) -> list[int]:
    return list(chain.from_iterable(tokenizer.token_ids([*tokenizer._cutter.pieces(text, size)])))


METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
BYTES_ALONE = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("xlm-roberta", {"pre_tokenizer": METASPACE}),
    ("xlm-roberta", {"pre_tokenizer": METASPACE | {"prepend_scheme": "first"}}),
    ("xlm-roberta", {"pre_tokenizer": METASPACE | {"split": False}}),
    ("xlm-roberta", {"pre_tokenizer": None}),
    (
        "xlm-roberta",
        {
            "pre_tokenizer": METASPACE,
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "NFKC"},
                    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                ],
            },
        },
    ),
    ("roberta", {"normalizer": {"type": "Strip", "strip_left": True, "strip_right": True}}),
    ("roberta", {"normalizer": {"type": "Prepend", "prepend": "▁"}}),
    ("roberta", {"normalizer": {"type": "Replace", "pattern": {"Regex": "o w"}, "content": "OW"}}),
    ("roberta", {"pre_tokenizer": BYTES_ALONE}),
    ("bert", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "Lowercase"}]}}),
    ("bert", {"normalizer": None}),
    ("bert", {"pre_tokenizer": {"type": "WhitespaceSplit"}}),
]  # fmt: skip
ALL = [(family, {}) for family in families.FAMILIES] + [
    (family, {key: json.dumps(part) for key, part in changes.items()}) for family, changes in OTHERS
]


@each("given_tokenizer", ALL)
@each("size", [1, 40])
def test_pieces_have_the_tokens_of_the_whole(given_tokenizer: tuple[str, dict[str, str]], size: int) -> None:
    tokenizer = made(given_tokenizer[0], **given_tokenizer[1])
    for text, whole in zip(TRICKY, tokenizer.token_ids(TRICKY), strict=True):
        assert "".join(tokenizer._cutter.pieces(text, size)) == text
        assert in_pieces(tokenizer, text, size) == whole, text


@given(st.data(), st.text(st.sampled_from(ALPHABET), max_size=60), st.integers(1, 9))
@settings(max_examples=400)
def test_any_text_has_the_tokens_of_its_pieces(data: st.DataObject, text: str, size: int) -> None:
    family, changes = data.draw(st.sampled_from(ALL))
    tokenizer = made(family, **changes)
    assert in_pieces(tokenizer, text, size) == tokenizer.token_ids([text])[0]


@each("family", families.FAMILIES)
def test_long_texts_of_words_are_cut(family: str) -> None:
    tokenizer = made(family)
    pieces = [*tokenizer._cutter.pieces("hello world, and so. " * 100, 50)]
    assert [50 <= len(piece) <= 60 for piece in pieces[:-1]] == [True] * (len(pieces) - 1)


@each("family", ["bert", "cased bert", "mpnet"])
def test_ideographs_are_cut_where_each_is_a_word(family: str) -> None:
    assert [len(piece) for piece in made(family)._cutter.pieces("漢字" * 50, 30)] == [30, 30, 30, 10]


@each(("family", "changes"), OTHERS[2:4] + OTHERS[5:9])
def test_what_joins_words_or_is_unknown_is_not_cut(family: str, changes: dict[str, Any]) -> None:
    tokenizer = made(family, **{key: json.dumps(part) for key, part in changes.items()})
    assert [*tokenizer._cutter.pieces("hello world " * 100, 50)] == ["hello world " * 100]


@each("most", [1, 5, 64, 10**6])
@each("family", families.FAMILIES)
def test_first_tokens_are_those_of_the_whole(family: str, most: int) -> None:
    tokenizer = made(family)
    texts = [text * 5 for text in TRICKY]
    assert tokenizer.token_ids(texts, most) == [ids[:most] for ids in tokenizer.token_ids(texts)]


def test_no_more_of_a_text_is_tokenized_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = made("bert")
    seen: list[int] = []
    encode = tokenizer._encode

    def counted(texts: Any) -> list[list[int]]:
        seen.append(sum(map(len, texts)))
        return encode(texts)

    monkeypatch.setattr(tokenizer, "_encode", counted)
    for text in ("hello world " * 10**5, "a" * 50 + " b" * 10**5, "漢" * 10**5):
        seen.clear()
        assert len(tokenizer.token_ids([text], 100)[0]) == 100
        assert sum(seen) < 4000


def test_few_characters_are_tokenized_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = made("bert")
    monkeypatch.setattr(module, "PIECE", 50)
    monkeypatch.setattr(module, "CHARACTERS_AT_ONCE", 200)
    seen: list[int] = []
    encode = tokenizer._encode

    def counted(texts: Any) -> list[list[int]]:
        seen.append(sum(map(len, texts)))
        return encode(texts)

    texts = [*TRICKY[3:7], *["hello"] * 300]
    whole = encode(texts)
    monkeypatch.setattr(tokenizer, "_encode", counted)
    assert tokenizer.token_ids(texts) == whole
    assert max(seen) < 300
    assert tokenizer.lengths(texts) == [len(ids) for ids in whole]
