"""The tokenizer gives the ids that transformers gives, and lets no text forge special tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.models import BPE

from minbert.errors import UserError
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer

TEXTS = st.text(st.sampled_from("abcste ABCÉéñ中.,'1\t\n\u0301\u200b😀"), max_size=40)
SENTENCES = [
    "The cat sat; was it unable?",
    "Café ÉTÉ naïve e\u0301",
    "  a\tb\nc  \u200b",
    "",
    "中文 cat's 1,000",
    "x" * 150,
]


def framing(tokenizer: Tokenizer) -> Template:
    """BERT's sequences."""
    separator = (tokenizer.separator_id,)
    return Template((tokenizer.classification_id,), separator, separator)


@given(text=TEXTS)
@settings(max_examples=100, deadline=None)
def test_same_ids_as_transformers(text: str, tokenizer: Tokenizer, reference: Any) -> None:
    assert tokenizer.token_ids([text]) == [reference(text, add_special_tokens=False)["input_ids"]]


def test_configuration_beside_vocabulary_is_heeded(cased_folder: Path) -> None:
    from transformers import BertTokenizerFast

    ours, theirs = Tokenizer.from_files(cased_folder), BertTokenizerFast.from_pretrained(cased_folder)
    assert ours.token_ids(SENTENCES) == [theirs(text, add_special_tokens=False)["input_ids"] for text in SENTENCES]
    assert ours.token_ids(["Cat É"]) != ours.token_ids(["cat é"])


@pytest.mark.parametrize("capitals", [True, False])
def test_without_a_configuration_the_vocabulary_tells(
    tmp_path: Path, capitals: bool, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["soup", "the", *"aehiprstTP", *(f"##{letter}" for letter in "aehirs"), *["The", "Paris"] * capitals]
    words = words if capitals else [word.lower() for word in words]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]"]
    (tmp_path / "vocab.txt").write_text("\n".join(dict.fromkeys(special + words)))
    tokenizer = Tokenizer.from_files(tmp_path)
    token_of = {index: token for token, index in tokenizer.vocabulary().items()}
    cased, uncased = ["The", "Paris", "soup"], ["the", "p", "##a", "##r", "##i", "##s", "soup"]
    assert [token_of[index] for index in tokenizer.token_ids(["The Paris soup"])[0]] == (cased if capitals else uncased)
    assert ("has words with capitals" in caplog.text) is capitals
    tokenizer.save(tmp_path, framing(tokenizer), segments=True)  # tokenizer_config.json, vocab.txt and all
    (tmp_path / "tokenizer.json").unlink()
    caplog.clear()
    assert Tokenizer.from_files(tmp_path).token_ids(["The soup"]) == tokenizer.token_ids(["The soup"])
    assert not caplog.text


def test_real_model(minilm_folder: Path, tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    ours, theirs = Tokenizer.from_files(minilm_folder), BertTokenizerFast.from_pretrained(minilm_folder)
    expected = [theirs(text, add_special_tokens=False)["input_ids"] for text in SENTENCES]
    assert ours.token_ids(SENTENCES) == expected  # its file asks for padding to 128, which must not happen
    assert ours.token_ids(["a " * 1000]) == [[1037] * 1000]  # nor its truncation to 128
    assert ours.vocabulary_size == 30522
    assert (ours.padding_id, ours.unknown_id, ours.classification_id, ours.separator_id, ours.mask_id) == (
        0,
        100,
        101,
        102,
        103,
    )
    (tmp_path / "vocab.txt").write_bytes((minilm_folder / "vocab.txt").read_bytes())
    assert Tokenizer.from_files(tmp_path).token_ids(SENTENCES) == expected


@pytest.mark.parametrize("special", ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"])
def test_text_cannot_forge_special_tokens(special: str, tokenizer: Tokenizer) -> None:
    apart = special.replace("[", "[ ").replace("]", " ]")
    ids, expected = tokenizer.token_ids([f"a {special}b{special}", f"a {apart}b{apart}"])
    assert ids == expected
    assert not {tokenizer.classification_id, tokenizer.separator_id, tokenizer.padding_id, tokenizer.mask_id} & {*ids}


def test_plainly_added_special_tokens_cannot_be_forged_either(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Some tokenizer.json files list [SEP] as an added token that is not special."""
    tokenizer.save(tmp_path, framing(tokenizer), segments=True)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    content["added_tokens"] = [{"id": tokenizer.separator_id, "content": "[SEP]", **plain}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert Tokenizer.from_files(tmp_path).token_ids(["a [SEP]"]) == tokenizer.token_ids(["a [SEP]"])


@pytest.mark.parametrize("folder", ["vocabulary_folder", "cased_folder", "minilm_folder"])
def test_saved_tokenizer_is_read_alike_by_transformers_and_us(
    folder: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    ours = Tokenizer.from_files(request.getfixturevalue(folder))
    ours.save(tmp_path / "saved", framing(ours), segments=True)
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    expected = ours.token_ids(SENTENCES)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert [theirs(text, add_special_tokens=False)["input_ids"] for text in SENTENCES] == expected
    pair = theirs("the cat", "sat")
    a, b = ours.token_ids(["the cat", "sat"])
    assert pair["input_ids"] == [ours.classification_id, *a, ours.separator_id, *b, ours.separator_id]
    assert theirs.pad_token_id == ours.padding_id
    assert Tokenizer.from_files(tmp_path / "saved").token_ids(SENTENCES) == expected
    (tmp_path / "saved" / "tokenizer.json").unlink()  # vocab.txt and tokenizer_config.json say the same
    assert Tokenizer.from_files(tmp_path / "saved").token_ids(SENTENCES) == expected


def test_ids_without_a_token_keep_their_lines(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\r\n[UNK]\r\n[CLS]\r\n\r\n[SEP]\r\n[MASK]\r\na\r\n")
    tokenizer = Tokenizer.from_files(tmp_path / "vocab.txt")
    assert (tokenizer.separator_id, tokenizer.vocabulary_size, tokenizer.token_ids(["A"])) == (4, 7, [[6]])
    tokenizer.save(tmp_path, framing(tokenizer), segments=True)
    assert (tmp_path / "vocab.txt").read_text() == "[PAD]\n[UNK]\n[CLS]\n\n[SEP]\n[MASK]\na\n"


def test_texts_are_counted(vocabulary_folder: Path) -> None:
    tokenizer = Tokenizer.from_files(vocabulary_folder)
    tokenizer.token_ids(["a", "b"])
    tokenizer.token_ids(["a"])
    assert tokenizer.texts_tokenized == 3


def test_half_a_surrogate_pair_is_told(tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match=r"'a\\ud83d'.*surrogate"):
        tokenizer.token_ids(["fine", "a\ud83d"])


def _write_other_model(path: Path) -> None:
    tokenizers.Tokenizer(BPE()).save(str(path / "tokenizer.json"))


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda path: (path / name).write_bytes(content) and None


def _write_wrong_switch(path: Path) -> None:
    (path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    (path / "tokenizer_config.json").write_text('{"do_lower_case": "no"}')


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _: None, "neither tokenizer.json nor vocab.txt"),
        (lambda path: path.rmdir(), "no such file or folder"),
        (_write("tokenizer.json", b'{"version": "1.0", '), "tokenizer.json, line 1: is not valid JSON"),
        (_write("tokenizer.json", b'{"version": "1.0"}'), "is not a file of the tokenizers library"),
        (_write("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n\xff\n"), "is not UTF-8"),
        (_write("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n"), r"lacks \[SEP\], \[MASK\]"),
        (_write("vocab.txt", b""), r"lacks \[UNK\]"),
        (_write_other_model, r"lacks \[UNK\], \[SEP\], \[PAD\], \[CLS\], \[MASK\]. Is it the vocabulary of an encoder"),
        (_write_wrong_switch, "key 'do_lower_case': must be true or false, not 'no'"),
    ],
)
def test_bad_files_are_told(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    write(folder)
    with pytest.raises(UserError, match=message):
        Tokenizer.from_files(folder)
