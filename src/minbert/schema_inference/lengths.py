"""How long sequences are, in tokens of the encoder, and whether it knows the texts' language."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from minbert.encoder.architectures import architecture_of
from minbert.encoder.config_file import read_config
from minbert.encoder.sources import find_encoder
from minbert.files.json_text import read_json
from minbert.schema_inference.found import Findings, InferredTask
from minbert.text.tokenizer import Tokenizer

_MOST_TEXTS = 2000
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts written without spaces (Thai, Lao, Burmese, Khmer, kana, Han): there a word is a character here."""
_WORDS = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|[^\W\d_{_UNSPACED}]+")
_MOST_WORDS = 20_000
_PIECES = 1.7
"""Of a word. English has 1.03 to 1.23 with minilm, tweets included, and German 2.2."""
_UNKNOWN = 0.05
"""Of a word's pieces. minilm knows all but 0.2 % of English and German, and a quarter of Chinese."""
_SPECIAL = 3


def choose_length(tasks: Sequence[InferredTask], name: str, encoder: Findings) -> None:
    """Set ``max_length`` so that 99 % of each task's sequences are whole, and tell of texts in another language.

    It is one for all tasks, what the longest of them needs: nothing is padded, so short texts cost no more by it. Pairs
    count with both texts joined, so that a recipe that reads them so cuts none.

    Raises:
        UserError: there is no such encoder.
    """
    files = find_encoder(name)
    config = read_config(read_json(files.config), files.config)
    longest = min(512, architecture_of(config).longest(config))
    tokenizer = Tokenizer.from_files(files.folder)
    needed: list[int] = []
    for task in tasks:
        step = max(1, len(task.texts) // _MOST_TEXTS)
        rows = task.texts[::step]
        texts = [text for row in rows for text in row]
        tokens = iter(tokenizer.lengths(texts))
        lengths = [sum(next(tokens) for _ in row) + _SPECIAL for row in rows]
        needed.append(int(np.percentile(lengths, 99, method="inverted_cdf")))
        if strange := _how_strange(tokenizer, texts[:_MOST_TEXTS], task.name):
            task.findings.unsure.append(
                f"{name} {strange}, so it may not know their language; give an encoder that does with --encoder"
            )
    most = max(needed)
    of_most = tasks[needed.index(most)]
    wanted = -(-most // 16) * 16
    told = f"99 % of the {'pairs, joined,' if len(of_most.texts[0]) > 1 else 'texts'} have at most {most:,} tokens"
    if len(tasks) > 1:
        told = f"'{of_most.name}' needs it: {told}; shorter texts cost no more by it, as nothing is padded"
    if wanted > longest:
        told += "; the encoder reads no more, so longer ones are cut"
    encoder.set("max_length", min(max(wanted, 32), longest), told)


def _how_strange(tokenizer: Tokenizer, texts: Sequence[str], task: str) -> str | None:
    """Return what the tokenizer does to the texts' words if it seems not to know their language."""
    found = [match for text in texts for match in _WORDS.finditer(text)][:_MOST_WORDS]
    words = sum(len(match[0]) if match["unspaced"] else 1 for match in found)
    pieces = [piece for ids in tokenizer.token_ids([match[0] for match in found]) for piece in ids]
    unknown = pieces.count(tokenizer.unknown_id) / max(len(pieces), 1)
    if unknown > _UNKNOWN:
        return f"does not know {unknown:.0%} of what the words of '{task}' are made of"
    if len(pieces) > _PIECES * words:
        return f"cuts the words of '{task}' into {len(pieces) / words:.1f} pieces on average"
    return None
