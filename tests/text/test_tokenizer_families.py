"""Each family's tokenizer gives the ids that transformers gives, before and after a run has saved it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import families
from minbert.errors import UserError
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer
from minbert.text.tokenizer_files import tokenizer_file

NAMES = list(families.FAMILIES)
TEXTS = [
    "hello world",
    "  leading and trailing  ",
    "a\nb\tc \u00a0 d",
    "Café naïve ÉTÉ e\u0301 ﬁne ½",
    "漢字 😀👩‍🚀 x",
    "don't (over)",
    "",
    " ",
    "|||EMAIL||| x    y",
    "word< s>",
    "\u200b\ufeff\x07",
]
SPECIAL = sorted({*families.OF_BERT, *map(str, families.OF_ROBERTA), "<|endoftext|>", "<s>NOTUSED", "<unk>NOTUSED"})


@pytest.fixture(scope="module", params=NAMES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.write(family, tmp_path_factory.mktemp("family") / "tokenizer")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Tokenizer:
    return Tokenizer.from_files(folder)


def template(family: str, tokenizer: Tokenizer) -> Template:
    end = (tokenizer.separator_id,)
    between = end if "[SEP]" in tokenizer.vocabulary() and family != "mpnet" else end * 2
    return Template((tokenizer.classification_id,), between, end)


def reference(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_ids_are_those_of_transformers(folder: Path, ours: Tokenizer) -> None:
    theirs = reference(folder)
    assert ours.token_ids(TEXTS) == [theirs(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert ours.classification_id == theirs.cls_token_id
    assert ours.separator_id == theirs.sep_token_id
    assert ours.padding_id == theirs.pad_token_id
    assert ours.mask_id == theirs.mask_token_id
    assert ours.unknown_id == theirs.unk_token_id
    assert ours.vocabulary_size == len(theirs)


@cache
def known(folder: Path) -> tuple[Tokenizer, Any]:
    return Tokenizer.from_files(folder), reference(folder)


@given(text=st.text(max_size=30) | st.text(st.sampled_from("aelÉ é\u0301\n\t 漢😀.,'\u00a0\u200d\x00ﬁ"), max_size=30))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_of_any_text_are_those_of_transformers(folder: Path, text: str) -> None:
    assume(not any(token in text for token in SPECIAL))  # which theirs takes for special
    ours, theirs = known(folder)
    assert ours.token_ids([text]) == [theirs(text, add_special_tokens=False)["input_ids"]]


@pytest.mark.parametrize("configured", [True, False])
def test_a_saved_tokenizer_frames_single_texts_and_pairs_as_its_family(
    family: str, folder: Path, ours: Tokenizer, configured: bool, tmp_path: Path
) -> None:
    if not configured:  # tokenizer.json alone says which token is which
        (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        ours = Tokenizer.from_files(tmp_path)
    frame, ids = template(family, ours), ours.token_ids(TEXTS)
    ours.save(tmp_path / "saved", frame, segments=family == "bert")
    theirs = reference(tmp_path / "saved")
    expected_class = families.FAMILIES[family][1]["tokenizer_class"]
    assert type(theirs).__name__ == {"PreTrainedTokenizerFast": "TokenizersBackend"}.get(expected_class, expected_class)
    for text, first in zip(TEXTS, ids, strict=True):
        assert theirs(text)["input_ids"] == [*frame.start, *first, *frame.end]
        for other, second in zip(TEXTS, ids, strict=True):
            if not other:
                continue  # theirs takes an empty second text for none
            framed = theirs(text, other)
            assert framed["input_ids"] == [*frame.start, *first, *frame.between, *second, *frame.end]
            if family == "bert":
                assert sum(framed["token_type_ids"]) == len(second) + len(frame.end)
            else:
                assert framed.keys() == {"input_ids", "attention_mask"}
    before = reference(folder)(f"hello {theirs.mask_token} world")["input_ids"]
    assert theirs(f"hello {theirs.mask_token} world")["input_ids"] == before
    again = Tokenizer.from_files(tmp_path / "saved")
    assert again.token_ids(TEXTS) == ids
    assert again.vocabulary() == ours.vocabulary()
    assert again.special_ids == ours.special_ids


@cache
def made(family: str) -> Tokenizer:
    configuration = families.FAMILIES[family][1]
    names = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    bert = dict(zip(names, ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"), strict=True))
    return Tokenizer(families.backend(family), {name: configuration.get(name, bert[name]) for name in names})


@given(
    family=st.sampled_from(NAMES),
    parts=st.lists(st.sampled_from([*SPECIAL, *"<>[]/| asu\n▁Ġ", "end", "mask"]), max_size=12),
)
@settings(max_examples=400)
def test_no_text_becomes_a_special_token(family: str, parts: list[str]) -> None:
    tokenizer = made(family)
    ids = set(tokenizer.token_ids(["".join(parts)])[0])
    assert not ids & (tokenizer.special_ids - {tokenizer.unknown_id})
    if "roberta" in family and "xlm" not in family:  # it has tokens for all bytes
        assert tokenizer.unknown_id not in ids


@pytest.mark.parametrize("family", NAMES)
def test_the_unknown_token_is_for_what_nothing_covers(family: str) -> None:
    tokenizer = made(family)
    assert tokenizer.unknown_id not in tokenizer.token_ids(["<unk>"])[0]


def test_text_that_could_be_a_special_token_reads_as_without_it() -> None:
    """SentencePiece, whose vocabulary it is, never finds ``<s>`` in a text."""
    tokenizer = made("xlm-roberta")
    token_of = {index: token for token, index in tokenizer.vocabulary().items()}
    found = [token_of[index] for index in tokenizer.token_ids(["a<s>"])[0]]
    assert found == ["▁a", "<", "s", ">"]


def test_byte_pairs_in_their_older_files(tmp_path: Path) -> None:
    """vocab.json and merges.txt, with and without a tokenizer_config.json."""
    families.backend("roberta").model.save(str(tmp_path))
    assert tokenizer_file(tmp_path) == tmp_path / "vocab.json"
    whole = made("roberta")
    assert Tokenizer.from_files(tmp_path).token_ids(TEXTS) == whole.token_ids(TEXTS)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_prefix_space": True}))
    spaced = Tokenizer.from_files(tmp_path)
    assert spaced.token_ids(["hello"]) == whole.token_ids([" hello"])
    assert (spaced.mask_id, spaced.unknown_id) == (whole.mask_id, whole.unknown_id)
    spaced.save(tmp_path / "saved", template("roberta", spaced), segments=False)
    theirs = reference(tmp_path / "saved")
    assert [theirs(text, add_special_tokens=False)["input_ids"] for text in TEXTS] == spaced.token_ids(TEXTS)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_tokens_that_an_older_vocabulary_was_given_later(family: str, tmp_path: Path) -> None:
    backend = families.backend(family)
    backend.model.save(str(tmp_path))
    size = backend.get_vocab_size()
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[more]": size + 1, "NEW": size}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(families.FAMILIES[family][1]))
    tokenizer = Tokenizer.from_files(tmp_path)
    assert tokenizer.vocabulary_size == size + 2
    (ids,) = tokenizer.token_ids(["hello NEW [more] world"])
    assert [index for index in ids if index >= size] == [size, size + 1]
    assert ids == reference(tmp_path)("hello NEW [more] world", add_special_tokens=False)["input_ids"]
    tokenizer.save(tmp_path / "saved", template(family, tokenizer), segments=family == "bert")
    assert reference(tmp_path / "saved")("hello NEW [more] world", add_special_tokens=False)["input_ids"] == ids
    for content, told in (({"NEW": size + 5}, f"gives 'NEW' the id {size + 5}; behind"), (["NEW"], "must be a JSON")):
        (tmp_path / "added_tokens.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=told):
            Tokenizer.from_files(tmp_path)


def test_mpnets_older_file(tmp_path: Path) -> None:
    """vocab.txt alone: the tokens between and around are RoBERTa's, that of unknown words is BERT's."""
    families.backend("mpnet").model.save(str(tmp_path))
    tokenizer, whole = Tokenizer.from_files(tmp_path), made("mpnet")
    assert tokenizer.token_ids(TEXTS) == whole.token_ids(TEXTS)
    roles = ("classification_id", "separator_id", "padding_id", "mask_id", "unknown_id")
    assert [getattr(tokenizer, role) for role in roles] == [getattr(whole, role) for role in roles]


@pytest.mark.parametrize(
    ("family", "said", "told"),
    [
        ("bert", {"do_lower_case": False}, "has do_lower_case true, and the tokenizer_config.json beside it false"),
        ("roberta", {"add_prefix_space": True}, "has add_prefix_space false, and the tokenizer_config.json beside it"),
        ("bert", {"do_lower_case": True, "strip_accents": None, "add_prefix_space": False}, ""),
    ],
)
def test_files_that_contradict_each_other_are_told(
    family: str, said: dict[str, bool], told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = families.write(family, tmp_path / "tokenizer")
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    assert Tokenizer.from_files(folder).token_ids(TEXTS) == made(family).token_ids(TEXTS)
    assert told in caplog.text
    assert bool(caplog.text) is bool(told)


@pytest.mark.parametrize(
    ("old", "remedy"),
    [
        ("sentencepiece.bpe.model", "T.from_pretrained('{0}').save_pretrained('{0}')"),
        ("spm.model", "T.from_pretrained('{0}').save_pretrained('{0}')"),
        ("bpe.codes", "Choose an encoder with tokenizer.json."),
    ],
)
def test_files_that_cannot_be_read_are_told_with_the_remedy(old: str, remedy: str, tmp_path: Path) -> None:
    (tmp_path / old).write_bytes(b"\x0a\x0e")
    (tmp_path / "vocab.txt").write_text("word 12\n")
    with pytest.raises(UserError) as error:
        Tokenizer.from_files(tmp_path)
    assert f"its tokenizer is {old}, which minbert does not read" in str(error.value)
    assert remedy.format(tmp_path) in str(error.value)
    families.backend("roberta").save(str(tmp_path / "tokenizer.json"))
    assert tokenizer_file(tmp_path) == tmp_path / "tokenizer.json"
    Tokenizer.from_files(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "merges.txt").unlink(), "merges.txt: no such file. vocab.json and merges.txt belong"),
        (lambda folder: (folder / "merges.txt").write_text("a b c\n"), "is no vocabulary of byte pairs"),
        (lambda folder: (folder / "vocab.json").write_text('["a"]'), "is no vocabulary of byte pairs"),
        (lambda folder: (folder / "vocab.json").write_text('{"a": '), "vocab.json, line 1: is not valid JSON"),
        (lambda folder: (folder / "special_tokens_map.json").write_text("[]"), "must be a JSON object, "),
        (lambda folder: (folder / "special_tokens_map.json").write_text('{"cls_token": 3}'), "must be a token, not 3"),
        (
            lambda folder: (folder / "special_tokens_map.json").write_text('{"cls_token": {"content": "<go>"}}'),
            "the vocabulary lacks <go>",
        ),
    ],
)
def test_damaged_files_are_told(spoil: Callable[[Path], object], told: str, tmp_path: Path) -> None:
    families.backend("roberta").model.save(str(tmp_path))
    spoil(tmp_path)
    with pytest.raises(UserError) as error:
        Tokenizer.from_files(tmp_path)
    assert told in str(error.value)


@pytest.mark.parametrize("special", ["[SEP]", "[CLS]", "<|endoftext|>"])
def test_splitting_is_not_what_keeps_a_text_from_becoming_a_special_token(special: str) -> None:
    """Some models are handed the whole word, and take it if their vocabulary has it."""
    whole = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False, "trim_offsets": True}
    names = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    bert = dict(zip(names, ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"), strict=True))
    for family, splitter in (("bert", {"type": "WhitespaceSplit"}), ("modernbert", whole)):
        content = json.loads(families.backend(family).to_str())
        content["pre_tokenizer"] = splitter
        if family == "modernbert":
            content["model"]["ignore_merges"] = True
        tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(content)), bert)
        forged = set(tokenizer.token_ids([special])[0]) & (tokenizer.special_ids - {tokenizer.unknown_id})
        assert not forged, family


def test_a_splitter_of_no_familys_own_is_saved_as_it_is(tmp_path: Path) -> None:
    content = json.loads(families.backend("xlm-roberta").to_str())
    content["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = Tokenizer.from_files(tmp_path)
    assert tokenizer.framing(1) == ["<s>", "</s>"]
    assert tokenizer.framing(2) == ["<s>", "</s>", "</s>", "</s>"]
    tokenizer.save(tmp_path / "saved", template("xlm-roberta", tokenizer), segments=False)
    theirs = reference(tmp_path / "saved")
    assert tokenizer.token_ids(TEXTS) == [theirs(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
