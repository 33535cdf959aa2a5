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
_WORD = re.compile(r"[^\W\d_]+")
_PIECES = 1.7
"""Of a word. English has 1.03 to 1.23 with minilm, tweets included; German 2.2, Chinese 8 (and unknown tokens)."""
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
        tokens = iter(map(len, tokenizer.token_ids(texts)))
        lengths = [sum(next(tokens) for _ in row) + _SPECIAL for row in rows]
        needed.append(int(np.percentile(lengths, 99, method="inverted_cdf")))
        words = [word for text in texts[:_MOST_TEXTS] for word in _WORD.findall(text)][:20_000]
        pieces = sum(map(len, tokenizer.token_ids(words))) / max(len(words), 1)
        if pieces > _PIECES:
            task.findings.unsure.append(
                f"{name} cuts the words of '{task.name}' into {pieces:.1f} pieces on average, so it may not know their "
                "language; give an encoder that does with --encoder"
            )
    most = max(needed)
    of_most = tasks[needed.index(most)]
    wanted = -(-most // 16) * 16
    told = (
        f"of 99 % of the {'pairs, joined,' if len(of_most.texts[0]) > 1 else 'texts'} the longest has {most:,} tokens"
    )
    if len(tasks) > 1:
        told = f"'{of_most.name}' needs it: {told}; shorter texts cost no more by it, as nothing is padded"
    if wanted > longest:
        told += "; the encoder reads no more, so longer ones are cut"
    encoder.set("max_length", min(max(wanted, 32), longest), told)
