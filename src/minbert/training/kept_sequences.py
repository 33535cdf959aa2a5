"""The sequences of rows that the cache keeps: tokenized once, and kept there, too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minbert.data.examples import Split
from minbert.files import write_json
from minbert.files.cache import cached_folder
from minbert.files.long_arrays import mapped
from minbert.multitask.reading import TextReader
from minbert.multitask.sequences import Sequences, tokens_needed
from minbert.tasks.heads import Pair
from minbert.text.token_files import mapped_table, write_table

TOKENS = "tokens"
"""In the cache: a folder for each split whose rows are kept there."""

_FIRST, _SECOND, _ROWS = "first.int64", "second.int64", "rows.int64"


def kept_sequences(
    split: Split, pair: Pair | None, reader: TextReader, tokenize: Callable[[], Sequences], note: Callable[[str], None]
) -> Sequences:
    """Return what ``tokenize`` makes of ``split``: from the cache if it is there, else it is put there.

    The key is made of the rows' own, of the tokenizer, and of how pairs are read. ``note`` is told if another process
    is making the same; then its end is waited for.

    Raises:
        UserError: the cache cannot be written to, or there is no room.
    """
    about = {
        "rows": split.key,
        "file": split.path.name,
        "tokenizer": reader.tokenizer.fingerprint,
        "pair": pair,
        "most": tokens_needed([pair], reader.max_length),
    }

    def make(folder: Path) -> None:
        sequences = tokenize()
        write_table(sequences.table, folder)
        sequences.first.tofile(folder / _FIRST)
        if sequences.second is not None:
            sequences.second.tofile(folder / _SECOND)
        np.ascontiguousarray(sequences.rows.T).tofile(folder / _ROWS)
        write_json(folder / "about.json", about)

    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    folder = cached_folder(
        TOKENS,
        key,
        make,
        lambda busy: note(f"the tokens of {split.path}: another process makes them ({busy.holder}). This one waits."),
    )
    return Sequences(
        mapped_table(folder),
        mapped(folder / _FIRST, np.int64),
        mapped(folder / _SECOND, np.int64) if (folder / _SECOND).exists() else None,
        mapped(folder / _ROWS, np.int64).reshape(-1, len(split)).T,
        reader.template,
        reader.max_length,
    )
