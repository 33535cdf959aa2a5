"""Rows read with no more tokens than are needed pack as rows of whole texts do, from lists and from columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from laws import each
from minbert.errors import UserError
from minbert.multitask.reading import TextReader
from minbert.multitask.sequences import Sequences
from minbert.tasks.heads import Pair
from minbert.text.template import Template
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer

FIRST = ["a good film " * 40, "rice", "cold days on a river " * 30, "a bad film " * 41, "rice"]
SECOND = ["cold days " * 90, "the river " * 50, "rice", "a good film " * 40, "rice"]


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder: Path) -> Tokenizer:
    return Tokenizer.from_files(tiny_encoder)


@each("pair", [None, "bi", "cross", "joint", "both"])
@each("max_length", [8, 9, 64])
def test_it_packs_as_whole_texts_do(tokenizer: Tokenizer, pair: Pair | None, max_length: int) -> None:
    ends = (tokenizer.separator_id,)
    reader = TextReader(tokenizer, Template((tokenizer.classification_id,), ends, ends), max_length)
    columns = [FIRST] if pair is None else [FIRST, SECOND]
    table, numbers = TokenTable.from_texts([text for column in columns for text in column], tokenizer)
    first, second = numbers[: len(FIRST)], None if pair is None else numbers[len(FIRST) :]
    whole = Sequences.of_rows(table, first, second, pair, reader.template, max_length)
    texts = FIRST if pair is None else list(zip(FIRST, SECOND, strict=True))
    for read in (reader.of_task("task", pair, texts), reader.of_columns("task", pair, columns)):
        assert np.array_equal(read.rows, whole.rows)
        assert np.array_equal(read.lengths(), whole.lengths())
        assert read.truncated() == whole.truncated() > 0
        everything = np.arange(len(whole))
        assert torch.equal(read.pack(everything).token_ids, whole.pack(everything).token_ids)


def test_columns_that_a_task_does_not_take_are_told(tokenizer: Tokenizer) -> None:
    ends = (tokenizer.separator_id,)
    reader = TextReader(tokenizer, Template(ends, ends, ends), 64)
    with pytest.raises(UserError, match="task 'mood' takes single texts"):
        reader.of_columns("mood", None, [FIRST, SECOND])
    with pytest.raises(UserError, match="task 'near' takes pairs of texts"):
        reader.of_columns("near", "bi", [FIRST])
