"""Tokenizers as folders hold them: tokenizer.json, or the vocabularies of before."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import tokenizers
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import BPE, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel, Metaspace

from minbert.errors import UserError
from minbert.files.json_text import read_json, read_object
from minbert.text.file_names import (
    ADDED,
    BYTE_PAIRS,
    CONFIGURATION,
    MERGES,
    TOKENIZER,
    TOKENIZERS,
    UNREADABLE,
    WORD_PIECES,
)
from minbert.text.special_tokens import complete, special_tokens_of, told_special_tokens

logger = logging.getLogger(__name__)


def tokenizer_file(folder: Path) -> Path | None:
    """Return the file that a folder's tokenizer is read from, where there is one."""
    # Beside bpe.codes, vocab.txt is no list of word pieces.
    known = (TOKENIZER,) if _unreadable(folder) else TOKENIZERS
    return next((folder / name for name in known if (folder / name).is_file()), None)


def files_read(file: Path) -> list[Path]:
    """Return the files that decide what becomes of a text, of a tokenizer that is read from ``file``."""
    older = (ADDED, CONFIGURATION)
    beside = {TOKENIZER: (), WORD_PIECES: older, BYTE_PAIRS: (MERGES, *older)}[file.name]
    return [file, *(file.with_name(name) for name in beside if file.with_name(name).is_file())]


def _unreadable(folder: Path) -> str | None:
    return next((name for name in UNREADABLE if (folder / name).is_file()), None)


def read_tokenizer(path: Path) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    """Return the tokenizer of a folder or of one of its ``TOKENIZERS``, and its special tokens.

    Raises:
        UserError: files are missing, corrupt, of a kind that cannot be read, or lack a special token.
    """
    file = tokenizer_file(path) if path.is_dir() else path
    if file is None:
        raise UserError(_nothing_to_read(path))
    told = told_special_tokens(file.parent)
    if file.name == BYTE_PAIRS:
        return _read_byte_pairs(file, told)
    if file.suffix == ".json":
        return _read_tokenizer_json(file, told)
    return _read_word_pieces(file, told)


def _nothing_to_read(folder: Path) -> str:
    old = _unreadable(folder)
    if old is None:
        return f"{folder}: holds neither {TOKENIZER} nor {WORD_PIECES} nor {BYTE_PAIRS}: no tokenizer to read."
    if not old.endswith(".model"):
        return f"{folder}: its tokenizer is {old}, which minbert does not read. Choose an encoder with {TOKENIZER}."
    return (
        f"{folder}: its tokenizer is {old}, which minbert does not read. Write {TOKENIZER} once: pip install "
        'transformers sentencepiece protobuf, then python -c "from transformers import AutoTokenizer as T; '
        f"T.from_pretrained('{folder}').save_pretrained('{folder}')\""
    )


def _read_tokenizer_json(file: Path, told: Mapping[str, str]) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    try:
        backend = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        read_json(file)  # says what is wrong with a missing or torn file better than the library does
        raise UserError(f"{file}: is not a file of the tokenizers library ({error}).") from None
    backend.no_padding()
    backend.no_truncation()
    _tell_differences(file, backend)
    return backend, complete({**special_tokens_of(backend), **told}, backend.token_to_id, file)


def _tell_differences(file: Path, backend: tokenizers.Tokenizer) -> None:
    """Warn where the tokenizer_config.json beside a tokenizer.json says other than that."""
    splitter = backend.pre_tokenizer
    does = {
        "do_lower_case": getattr(backend.normalizer, "lowercase", None),
        "strip_accents": getattr(backend.normalizer, "strip_accents", None),
        "tokenize_chinese_chars": getattr(backend.normalizer, "handle_chinese_chars", None),
        "add_prefix_space": getattr(splitter, "add_prefix_space", None),
    }
    if isinstance(splitter, Metaspace):
        does["add_prefix_space"] = splitter.prepend_scheme != "never"
    for key, said in _read_switches(file.with_name(CONFIGURATION), *does).items():
        if does[key] not in (None, said):
            logger.warning(
                "%s: has %s %s, and the %s beside it %s. Texts are read as %s says.",
                file,
                key,
                json.dumps(does[key]),
                CONFIGURATION,
                json.dumps(said),
                file.name,
            )


def _read_byte_pairs(file: Path, told: Mapping[str, str]) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    """Read vocab.json and merges.txt, as RoBERTa's are."""
    merges = file.with_name(MERGES)
    for one in (file, merges):
        if not one.is_file():
            raise UserError(f"{one}: no such file. {BYTE_PAIRS} and {MERGES} belong together.")
    try:
        model = BPE.from_file(str(file), str(merges))
    except Exception as error:  # the library raises nothing narrower
        read_json(file)
        raise UserError(f"{file}: with {MERGES}, is no vocabulary of byte pairs ({error}).") from None
    backend = tokenizers.Tokenizer(model)
    switches = _read_switches(file.with_name(CONFIGURATION), "add_prefix_space")
    backend.pre_tokenizer = ByteLevel(add_prefix_space=switches.get("add_prefix_space", False))
    backend.decoder = ByteLevelDecoder()
    _add_tokens(backend, file.with_name(ADDED))
    return backend, complete(told, backend.token_to_id, file)


def _read_word_pieces(file: Path, told: Mapping[str, str]) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    """Read vocab.txt, as BERT's is."""
    try:
        lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except FileNotFoundError:
        raise UserError(f"{file}: no such file or folder.") from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: is not UTF-8 text, so it cannot be a vocabulary of one token a line.") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}).") from None
    configuration = file.with_name(CONFIGURATION)
    switches = _read_switches(configuration, "do_lower_case", "strip_accents", "tokenize_chinese_chars")
    if not configuration.is_file() and _has_capitals(lines):
        logger.warning(
            "%s: has words with capitals, and no %s is beside it: texts keep their capitals.", file, configuration.name
        )
        switches["do_lower_case"] = False
    vocabulary = {token: index for index, token in enumerate(lines) if token}
    if "[UNK]" in vocabulary:  # MPNet's, too, though its other special tokens are RoBERTa's
        told = {"unk_token": "[UNK]", **told}
    backend = tokenizers.Tokenizer(WordPiece(vocabulary))
    _add_tokens(backend, file.with_name(ADDED))
    special = complete(told, backend.token_to_id, file)
    backend.model.unk_token = special["unk_token"]
    backend.normalizer = BertNormalizer(
        lowercase=switches.get("do_lower_case", True),
        strip_accents=switches.get("strip_accents"),  # None: as lower-casing goes
        handle_chinese_chars=switches.get("tokenize_chinese_chars", True),
    )
    backend.pre_tokenizer = BertPreTokenizer()
    backend.decoder = WordPieceDecoder(prefix="##")
    return backend, special


def _add_tokens(backend: tokenizers.Tokenizer, file: Path) -> None:
    """Add the tokens of an added_tokens.json, where there is one, under the ids that it gives them."""
    added = read_json(file) if file.is_file() else {}
    if not isinstance(added, dict) or not all(isinstance(index, int) for index in added.values()):
        raise UserError(f"{file}: must be a JSON object from tokens to ids.")
    for token, index in sorted(added.items(), key=lambda item: item[1]):
        backend.add_tokens([token])
        if (found := backend.token_to_id(token)) != index:
            raise UserError(
                f"{file}: gives {token!r} the id {index}; behind the vocabulary it has {found}. "
                "Do the files belong together?"
            )


def _has_capitals(tokens: list[str]) -> bool:
    """Return whether a vocabulary is of text with capitals: one word in a hundred has some; special tokens apart."""
    words = [token for token in tokens if token and not token.startswith("[")]
    return sum(token != token.lower() for token in words) > 0.01 * len(words)


def _read_switches(file: Path, *keys: str) -> dict[str, bool]:
    """Return what tokenizer_config.json, if there is one, says under ``keys``; a null says nothing."""
    configuration = read_object(file) if file.is_file() else {}
    switches = {}
    for key in keys:
        value = configuration.get(key)
        if value is not None and not isinstance(value, bool):
            raise UserError(f"{file}, key '{key}': must be true or false, not {value!r}.")
        if value is not None:
            switches[key] = value
    return switches
