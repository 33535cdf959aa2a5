"""BERT's WordPiece tokenizer, read from and written to the files that the ecosystem uses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import tokenizers
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from minbert.errors import UserError
from minbert.files import write_json, write_text
from minbert.files.json_text import read_json

logger = logging.getLogger(__name__)

SPECIAL_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
"""The special tokens under the names that special_tokens_map.json gives them."""


class Tokenizer:
    """Texts to WordPiece ids (Devlin et al. 2019, section 3), without special tokens, padding or truncation.

    What stands in a text is only ever text: a literal ``[SEP]`` becomes ``[``, ``sep``, ``]``, so that no user's text
    can end a sequence or open a second one.
    """

    def __init__(self, backend: tokenizers.Tokenizer, origin: str) -> None:
        """Take over ``backend``, which must be BERT's WordPiece; ``origin`` names it in error messages.

        Raises:
            UserError: it is some other tokenizer, or lacks one of BERT's special tokens.
        """
        _check_is_bert(backend, origin)
        backend.no_padding()
        backend.no_truncation()
        # Some files list [SEP] and the like as plain added tokens; only special ones heed encode_special_tokens.
        backend.add_special_tokens(list(SPECIAL_TOKENS.values()))
        backend.encode_special_tokens = True  # special tokens in a text are split like any other text
        self._backend = backend
        vocabulary = backend.get_vocab()
        self.classification_id = vocabulary["[CLS]"]
        self.separator_id = vocabulary["[SEP]"]
        self.padding_id = vocabulary["[PAD]"]
        self.mask_id = vocabulary["[MASK]"]
        self.unknown_id = vocabulary["[UNK]"]
        self.vocabulary_size = max(vocabulary.values()) + 1
        """The rows an embedding needs: one more than the highest id."""
        self.texts_tokenized = 0
        """How many texts ``token_ids`` has been given so far."""

    @classmethod
    def from_files(cls, path: Path) -> Tokenizer:
        """Read a tokenizer from a folder, or from its tokenizer.json or vocab.txt itself.

        A folder's tokenizer.json is all that is read, if it is there. A vocab.txt (one token a line) is read with the
        ``do_lower_case``, ``strip_accents`` and ``tokenize_chinese_chars`` of a tokenizer_config.json beside it;
        what that does not say is as transformers has it. Without such a file, text keeps its capitals if the vocabulary
        has words with capitals; a warning is logged.

        Raises:
            UserError: files are missing, corrupt, not BERT's WordPiece, or lack a special token.
        """
        if path.is_dir():
            candidates = [path / "tokenizer.json", path / "vocab.txt"]
            file = next((candidate for candidate in candidates if candidate.is_file()), None)
            if file is None:
                raise UserError(f"{path}: holds neither tokenizer.json nor vocab.txt: no tokenizer to read.")
        else:
            file = path
        backend = _read_tokenizer_json(file) if file.suffix == ".json" else _read_vocabulary(file)
        return cls(backend, str(file))

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, without special tokens; a text without words gives an empty list.

        Raises:
            UserError: a text holds half of a surrogate pair, which no encoding can write.
        """
        try:
            encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            for text in texts:
                if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
                    raise UserError(
                        f"text {text[:80]!a}: holds half of a surrogate pair, so it is no Unicode text. "
                        "Look for a '\\ud...' escape cut in two."
                    ) from None
            raise
        self.texts_tokenized += len(texts)
        return [encoding.ids for encoding in encodings]

    def vocabulary(self) -> dict[str, int]:
        """Return every token's id, special ones included."""
        vocabulary: dict[str, int] = self._backend.get_vocab()
        return vocabulary

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, tokenizer_config.json, special_tokens_map.json and vocab.txt, each atomically.

        ``transformers.AutoTokenizer`` reads the folder and gives the same ids.

        Raises:
            UserError: the folder cannot be written to.
        """
        normalizer = self._backend.normalizer
        configuration = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": normalizer.lowercase,
            "strip_accents": normalizer.strip_accents,
            "tokenize_chinese_chars": normalizer.handle_chinese_chars,
            **SPECIAL_TOKENS,
        }
        token_of = {index: token for token, index in self._backend.get_vocab(with_added_tokens=False).items()}
        # An id is its line number, so an id that no token has keeps an empty line.
        lines = [token_of.get(index, "") for index in range(max(token_of) + 1)]
        write_text(folder / "tokenizer.json", self._backend.to_str(pretty=True))
        write_json(folder / "tokenizer_config.json", configuration)
        write_json(folder / "special_tokens_map.json", SPECIAL_TOKENS)
        write_text(folder / "vocab.txt", "\n".join(lines) + "\n")


def _read_tokenizer_json(file: Path) -> tokenizers.Tokenizer:
    read_json(file)  # says what is wrong with a missing or torn file better than the library does
    try:
        return tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"{file}: is not a file of the tokenizers library ({error}).") from None


def _read_vocabulary(file: Path) -> tokenizers.Tokenizer:
    try:
        lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except FileNotFoundError:
        raise UserError(f"{file}: no such file or folder.") from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: is not UTF-8 text, so it cannot be a vocabulary of one token a line.") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}).") from None
    configuration = file.with_name("tokenizer_config.json")
    switches = _read_switches(configuration)
    if not configuration.is_file() and _has_capitals(lines):
        logger.warning(
            "%s: has words with capitals, and no %s is beside it: texts keep their capitals.", file, configuration.name
        )
        switches["do_lower_case"] = False
    vocabulary = {token: index for index, token in enumerate(lines) if token}
    _check_special_tokens(vocabulary, str(file))
    backend = tokenizers.Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = BertNormalizer(
        lowercase=switches.get("do_lower_case", True),
        strip_accents=switches.get("strip_accents"),  # None: as lower-casing goes
        handle_chinese_chars=switches.get("tokenize_chinese_chars", True),
    )
    backend.pre_tokenizer = BertPreTokenizer()
    backend.decoder = WordPieceDecoder(prefix="##")
    backend.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return backend


def _has_capitals(tokens: list[str]) -> bool:
    """Return whether a vocabulary is of text with capitals: one word in a hundred has some; special tokens apart."""
    words = [token for token in tokens if token and not token.startswith("[")]
    return sum(token != token.lower() for token in words) > 0.01 * len(words)


def _read_switches(file: Path) -> dict[str, bool]:
    """Return what tokenizer_config.json, if there is one, says of the normalizer; a null says nothing."""
    configuration = read_json(file) if file.is_file() else {}
    if not isinstance(configuration, dict):
        raise UserError(f"{file}: must be a JSON object of settings, not a {type(configuration).__name__}.")
    switches = {}
    for key in ("do_lower_case", "strip_accents", "tokenize_chinese_chars"):
        value = configuration.get(key)
        if value is not None and not isinstance(value, bool):
            raise UserError(f"{file}, key '{key}': must be true or false, not {value!r}.")
        if value is not None:
            switches[key] = value
    return switches


def _check_is_bert(backend: tokenizers.Tokenizer, origin: str) -> None:
    model, normalizer = backend.model, backend.normalizer
    if not isinstance(model, WordPiece):
        raise UserError(
            f"{origin}: is a {type(model).__name__} tokenizer; a BERT encoder needs WordPiece. Is the model a BERT?"
        )
    if (
        not isinstance(normalizer, BertNormalizer)
        or not isinstance(backend.pre_tokenizer, BertPreTokenizer)
        or not normalizer.clean_text
        or model.continuing_subword_prefix != "##"
        or model.unk_token != "[UNK]"
    ):
        raise UserError(
            f"{origin}: is a WordPiece tokenizer, but does not clean and split text the way BERT does "
            "(BertNormalizer, BertPreTokenizer, '##' for the pieces inside a word). Take the tokenizer of a BERT."
        )
    _check_special_tokens(backend.get_vocab(), origin)


def _check_special_tokens(vocabulary: dict[str, int], origin: str) -> None:
    missing = [token for token in SPECIAL_TOKENS.values() if token not in vocabulary]
    if missing:
        raise UserError(f"{origin}: the vocabulary lacks {', '.join(missing)}. Is it a BERT vocabulary, and whole?")
