"""A tokenizer, read from and written to the files that the ecosystem uses."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from minbert.errors import UserError
from minbert.files import write_json, write_text
from minbert.text.batches import batches
from minbert.text.cutting import Cutter
from minbert.text.file_names import CONFIGURATION, SPECIAL_TOKENS, TOKENIZER, WORD_PIECES
from minbert.text.panics import panics_told
from minbert.text.special_tokens import mark_special, model_vocabulary, without
from minbert.text.template import Template
from minbert.text.tokenizer_class import class_settings
from minbert.text.tokenizer_files import read_tokenizer
from minbert.text.word_marks import WordMarks

CHARACTERS_AT_ONCE = 2**18
"""Characters tokenized in one call, of however many texts: the library takes some 120 bytes for each."""
PIECE = 2**15
"""Characters of a long text that are tokenized by themselves: enough pieces in one call for many cores."""
_CHARACTERS_A_TOKEN = 8
"""Of a text of which few tokens are wanted, so many characters for each of them are tokenized at first."""


class Tokenizer:
    """Texts to token ids, without special tokens, padding or truncation, as the tokenizer's files say.

    What stands in a text is only ever text: a literal ``[SEP]`` becomes ``[``, ``sep``, ``]``, so that no user's text
    can end a sequence or open a second one.
    """

    def __init__(self, backend: tokenizers.Tokenizer, special: Mapping[str, str]) -> None:
        """Take over ``backend``; ``special`` are its special tokens under the names of special_tokens_map.json."""
        mark_special(backend, special.values())
        backend.encode_special_tokens = True  # special tokens in a text are split like any other text
        self._special = dict(special)
        ids = {role: index for role, token in special.items() if (index := backend.token_to_id(token)) is not None}
        self.classification_id = ids["cls_token"]
        self.separator_id = ids["sep_token"]
        self.padding_id = ids["pad_token"]
        self.mask_id = ids["mask_token"]
        self.unknown_id = ids["unk_token"]
        self._file: str = backend.to_str()
        content = json.loads(self._file)
        added = backend.get_added_tokens_decoder()
        self.special_ids = frozenset(index for index, token in added.items() if token.special)
        """Those five and all others that no text is given; the unknown one is, where a text has what nothing covers."""
        self.vocabulary_size = max([*added, *model_vocabulary(content).values()]) + 1
        """The rows an embedding needs: one more than the highest id."""
        self.texts_tokenized = 0
        """How many texts ``token_ids`` has been given so far."""
        self.marks = WordMarks.of(content)
        """How tokens tell where words begin."""
        backend.model = without({added[index].content for index in self.special_ids}, content)
        self._backend = backend
        self._cutter = Cutter(content, self._encode)

    @classmethod
    def from_files(cls, path: Path) -> Tokenizer:
        """Read a tokenizer from a folder, or from its tokenizer.json, vocab.txt or vocab.json itself.

        The first of them that is there is read. Which token is special, and for what, say tokenizer_config.json and
        special_tokens_map.json beside it; what they do not say is as BERT or RoBERTa has it.

        A vocab.txt (one token a line) is read with the ``do_lower_case``, ``strip_accents`` and
        ``tokenize_chinese_chars`` of tokenizer_config.json; what that does not say is as transformers has it. Without
        such a file, text keeps its capitals if the vocabulary has words with capitals; a warning is logged. A
        vocab.json (with merges.txt) is read with its ``add_prefix_space``.

        Raises:
            UserError: files are missing, corrupt, of a kind that cannot be read, or lack a special token.
        """
        with panics_told(str(path)):
            return cls(*read_tokenizer(path))

    def token_ids(self, texts: Sequence[str], most: int | None = None) -> list[list[int]]:
        """Return each text's token ids, without special tokens; a text without words gives an empty list.

        Of a text with more than ``most`` tokens these are the first ``most``, and little more of it is tokenized.

        Raises:
            UserError: a text holds half of a surrogate pair, which no encoding can write.
        """
        limit = sys.maxsize if most is None else most
        ids: list[list[int]] = [[] for _ in texts]
        size, left = _CHARACTERS_A_TOKEN * limit, dict(enumerate(texts))
        while left:
            heads = {number: text[: self._cutter.end(text, 0, size)] for number, text in left.items()}
            for number, piece in self._encoded(heads.items()):
                ids[number] += piece
            left = {
                number: text[len(heads[number]) :]
                for number, text in left.items()
                if len(heads[number]) < len(text) and len(ids[number]) < limit
            }
            size *= 2
        self.texts_tokenized += len(texts)
        return [piece[:limit] for piece in ids]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has; see ``token_ids``. Of long texts no more than pieces are held."""
        lengths = [0] * len(texts)
        for number, ids in self._encoded(enumerate(texts)):
            lengths[number] += len(ids)
        self.texts_tokenized += len(texts)
        return lengths

    def pieces(self, text: str) -> Iterator[str]:
        """Yield pieces of a text whose tokens, one piece's after the other's, are those of the text."""
        return self._cutter.pieces(text, PIECE)

    def _encoded(self, texts: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[int]]]:
        """Yield the ids of each text's pieces, with the text's number. Few characters are tokenized in one call."""
        numbered = ((number, piece) for number, text in texts for piece in self.pieces(text))
        for batch in batches(numbered, sys.maxsize, lambda each: len(each[1]), CHARACTERS_AT_ONCE):
            ids = self._encode([piece for _, piece in batch])
            yield from zip((number for number, _ in batch), ids, strict=True)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        try:
            with panics_told("the tokenizer"):
                encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            for text in texts:
                if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
                    raise UserError(
                        f"text {text[:80]!a}: holds half of a surrogate pair, so it is no Unicode text. "
                        "Look for a '\\ud...' escape cut in two."
                    ) from None
            raise
        return [encoding.ids for encoding in encodings]

    def normalized(self, text: str) -> str:
        """Return the text as the tokenizer sees it: in lower case, say, and without accents."""
        normalizer = self._backend.normalizer
        return normalizer.normalize_str(text) if normalizer else text

    def with_tokens(self, tokens: Sequence[str]) -> Tokenizer:
        """Return the tokenizer with more tokens, which are found wherever a text has them, also within a word.

        Their ids follow, in this order, those that there are.
        """
        content = json.loads(self._file)
        if isinstance(content["model"]["vocab"], dict):
            # The library gives out ids by counting the vocabulary, which may leave some out. There a token has its own.
            more = {token: self.vocabulary_size + number for number, token in enumerate(tokens)}
            content["model"]["vocab"] = self.vocabulary() | more
        backend = tokenizers.Tokenizer.from_str(json.dumps(content))
        backend.add_tokens([tokenizers.AddedToken(token, normalized=False) for token in tokens])
        return Tokenizer(backend, self._special)

    @property
    def fingerprint(self) -> str:
        """What changes with the ids that texts are given: a hash of the tokenizer, and its library's version."""
        content = json.dumps([self._file, self._special, tokenizers.__version__], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def vocabulary(self) -> dict[str, int]:
        """Return every token's id, special ones included."""
        content = json.loads(self._file)
        return {**model_vocabulary(content), **{token["content"]: token["id"] for token in content["added_tokens"]}}

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return what the vocabulary calls these ids."""
        return [str(self._backend.id_to_token(index)) for index in ids]

    def framing(self, texts: int) -> list[str]:
        """Return the special tokens that its own file puts around one text or two; none if it says nothing."""
        encoding = self._backend.encode("", "" if texts == 2 else None)
        pairs = zip(encoding.tokens, encoding.special_tokens_mask, strict=True)
        return [token for token, special in pairs if special]

    def save(self, folder: Path, template: Template, *, segments: bool) -> None:
        """Write tokenizer.json, tokenizer_config.json, special_tokens_map.json, and of word pieces vocab.txt.

        Each is whole or absent. ``transformers.AutoTokenizer`` reads the folder and gives the same ids.

        Args:
            folder: where to.
            template: how the encoder's family frames sequences.
            segments: whether the encoder tells a second text from a first by its segment.

        Raises:
            UserError: the folder cannot be written to.
        """
        content = json.loads(self._file)
        content["post_processor"] = self._post_processor(template, segments=segments)
        names = ["input_ids", "token_type_ids", "attention_mask"]
        configuration = {
            **class_settings(content, template),
            "model_input_names": names if segments else [name for name in names if name != "token_type_ids"],
            **self._special,
        }
        write_json(folder / TOKENIZER, content)
        write_json(folder / CONFIGURATION, configuration)
        write_json(folder / SPECIAL_TOKENS, self._special)
        if content["model"]["type"] == "WordPiece":
            token_of = {index: token for token, index in model_vocabulary(content).items()}
            # An id is its line number, so an id that no token has keeps an empty line.
            lines = [token_of.get(index, "") for index in range(max(token_of) + 1)]
            write_text(folder / WORD_PIECES, "\n".join(lines) + "\n")

    def _post_processor(self, template: Template, *, segments: bool) -> dict[str, Any]:
        """Return what a tokenizer.json says of how sequences are framed."""
        token_of = dict(zip(template.ids, self.tokens(template.ids), strict=True))

        def special(ids: Sequence[int], segment: int) -> list[dict[str, Any]]:
            return [{"SpecialToken": {"id": token_of[index], "type_id": segment}} for index in ids]

        def text(name: str, segment: int) -> list[dict[str, Any]]:
            return [{"Sequence": {"id": name, "type_id": segment}}]

        start, second = special(template.start, 0) + text("A", 0), int(segments)
        return {
            "type": "TemplateProcessing",
            "single": start + special(template.end, 0),
            "pair": start + special(template.between, 0) + text("B", second) + special(template.end, second),
            "special_tokens": {
                token: {"id": token, "ids": [index], "tokens": [token]} for index, token in token_of.items()
            },
        }
