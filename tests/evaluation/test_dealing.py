"""Files answered by several ranks: every row once, in order, as one process answers it, and written by the first."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow.parquet
import pytest
import torch
from rich.console import Console

from many_ranks import Team, team
from minbert.data import text_rows
from minbert.data.rows import Row
from minbert.data.text_rows import TextRows
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.evaluation import dealing
from minbert.evaluation.streaming import encode_file, predict_file
from minbert.machine.ranks import ranks
from minbert.multitask.inference import NotFiniteAnswersError
from minbert.multitask.model import MultitaskModel
from minbert.multitask.sequences import Sequences
from small_models import WORDS, model_over, stir

TASKS: dict[str, Any] = {
    "mood": {"kind": "classification", "classes": ["bad", "good", "fine"]},
    "topics": {"kind": "multilabel", "classes": ["food", "travel"]},
    "near": {"kind": "regression", "range": [0, 5], "pair": "bi"},
}


@pytest.fixture(scope="module")
def three() -> Iterator[Team]:
    with team(3) as started:
        yield started


@pytest.fixture(scope="module")
def model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    made = model_over(tiny_encoder, TASKS, 64, seed=2)
    stir(made)
    made.save_pretrained(folder)
    return folder


def write_rows(path: Path, count: int) -> None:
    random = np.random.default_rng(count)
    texts = [" ".join(random.choice(WORDS, size=random.integers(1, 9))) for _ in range(2 * count)]
    rows = [{"key": f"r{n}", "a": texts[2 * n], "b": texts[2 * n + 1]} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@mock.patch.object(dealing, "ROWS_AT_ONCE", 4)
def answer_all(model: Path, folder: Path) -> list[Any]:
    """Answer the rows in every way; return what each call says of them. Runs on every rank."""
    loaded, display = MultitaskModel.from_pretrained(model), Display(Console(file=io.StringIO()))
    folder = folder / f"{ranks().count}-ranks"
    told: list[Any] = []
    for task in TASKS:
        rows = TextRows(folder.parent / "in.jsonl", ["a", "b"] if task == "near" else ["a"], "key")
        told.append(predict_file(loaded, [task], rows, folder / f"{task}.parquet", "fp32", display))
    rows = TextRows(folder.parent / "in.jsonl", ["b"])
    told.append(encode_file(loaded, rows, folder / "vectors.npy", "mean", "fp32", display))
    return told


@pytest.mark.parametrize("count", [31, 12, 2, 0])
def test_ranks_answer_as_one_process_does(three: Team, model: Path, tmp_path: Path, count: int) -> None:
    """Several rounds of blocks that are full and not, fewer rows than ranks, and none."""
    write_rows(tmp_path / "in.jsonl", count)
    alone = answer_all(model, tmp_path)
    of_ranks = three.run(answer_all, model, tmp_path)
    assert of_ranks[0] == of_ranks[1] == of_ranks[2]
    assert [told.rows for told in of_ranks[0]] == [told.rows for told in alone] == [count] * 4
    for task in TASKS:
        ours, theirs = (pyarrow.parquet.read_table(tmp_path / f"{n}-ranks/{task}.parquet") for n in (3, 1))
        assert ours.column("id").to_pylist() == [f"r{number}" for number in range(count)]
        for name in ours.column_names:
            if name.startswith("probability") or (task, name) == ("near", "prediction"):
                assert np.allclose(ours.column(name), theirs.column(name), rtol=0, atol=2e-6)  # cut after six digits
            else:
                assert ours.column(name) == theirs.column(name)
    vectors, others = (np.load(tmp_path / f"{n}-ranks/vectors.npy") for n in (3, 1))
    assert vectors.shape == others.shape
    assert np.allclose(vectors, others, rtol=0, atol=1e-6)
    assert len(list(tmp_path.rglob("*.npy"))) == 2


def rows_of_an_input_that_only_the_first_can_read() -> tuple[list[str], int]:
    read = 0

    def reader(_path: Path, _header: Sequence[str]) -> Iterator[Row]:
        nonlocal read
        for number in range(1, 20):
            read += 1
            yield Row(number, {"text": f"text {number} of rank {ranks().rank}"})

    with mock.patch.object(text_rows, "read_rows", reader), mock.patch.object(dealing, "ROWS_AT_ONCE", 2):
        blocks = list(dealing._read_by_first(TextRows(Path("-"), ["text"])))
    return [row.texts[0] for block in blocks for row in block], read


def test_the_first_rank_alone_reads_the_input(three: Team) -> None:
    found = three.run(rows_of_an_input_that_only_the_first_can_read)
    for texts, _ in found:
        assert texts == [f"text {number} of rank 0" for number in range(1, 20)]
    assert [read for _, read in found] == [19, 0, 0]


def told_of_the_second_row_of_its_share(model: Path, source: Path) -> str:
    loaded, display = MultitaskModel.from_pretrained(model), Display(Console(file=io.StringIO()))

    def fail(_task: str, _sequences: Sequences, _precision: str) -> Any:
        raise NotFiniteAnswersError("task", torch.tensor([[0.0], [np.nan]]))

    loaded.predictions = fail  # type: ignore[assignment]
    try:
        predict_file(loaded, ["mood"], TextRows(source, ["a"]), source.with_name("out.csv"), "fp32", display)
    except UserError as error:
        return str(error)
    return "no error"


def test_a_rank_names_the_line_of_its_own_row(three: Team, model: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "in.jsonl", 6)
    told = three.run(told_of_the_second_row_of_its_share, model, tmp_path / "in.jsonl")
    for line, said in zip((2, 4, 6), told, strict=True):
        assert f"in.jsonl, line {line}: the model's answer is not a finite number" in said
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
