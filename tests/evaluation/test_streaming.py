"""Files answered some rows at a time: the same answers in every format, and never more rows at hand than that."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from rich.console import Console

from minbert.data import text_rows
from minbert.data.row_writer import ROW_FORMATS
from minbert.data.rows import Row
from minbert.data.text_rows import TextRows
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.evaluation import dealing
from minbert.evaluation.streaming import encode_file, predict_file
from minbert.multitask.model import MultitaskModel
from small_models import WORDS, model_over, stir

TASKS: dict[str, Any] = {
    "mood": {"kind": "classification", "classes": ["bad", "good", "fine"]},
    "topics": {"kind": "multilabel", "classes": ["food", "travel"]},
    "near": {"kind": "regression", "range": [0, 5], "pair": "bi"},
}
PAIRS = [(f"{a} {b}", f"{b} {a}") for a, b in zip(WORDS, WORDS[3:], strict=False)]
NAMES = [f"r{number}" for number in range(len(PAIRS))]


@pytest.fixture(scope="module")
def model(tiny_encoder: Path) -> MultitaskModel:
    model = model_over(tiny_encoder, TASKS, 64, seed=2)
    stir(model)
    return model.eval()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = [{"key": name, "a": a, "b": b} for name, (a, b) in zip(NAMES, PAIRS, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def written(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, numbers as numbers and lists as lists, whatever its format."""
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return [{name: _value(cell) for name, cell in row.items()} for row in rows]


def _value(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


@pytest.mark.parametrize("task", TASKS)
def test_every_format_holds_what_the_model_says(
    model: MultitaskModel, source: Path, task: str, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dealing, "ROWS_AT_ONCE", 7)
    said = model.predict(task, PAIRS if task == "near" else [first for first, _ in PAIRS])
    rows = TextRows(source, ["a", "b"] if task == "near" else ["a"], "key")
    for suffix in ROW_FORMATS:
        output = source.with_name(f"out{suffix}")
        assert predict_file(model, [task], rows, output, "fp32", quiet).rows == len(PAIRS)
        found = written(output)
        assert [row["id"] for row in found] == NAMES
        assert [row["prediction"] for row in found] == (
            said.names or pytest.approx(said.values.tolist(), abs=2e-6)
        )  # another cut into batches rounds otherwise
        if said.probabilities is not None:
            shares = [[row[f"probability_{name}"] for name in said.class_names] for row in found]
            assert np.allclose(shares, said.probabilities, rtol=0, atol=2e-6)


def test_vectors_are_those_of_encode_in_both_formats(
    model: MultitaskModel, source: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dealing, "ROWS_AT_ONCE", 7)
    said = model.encode([first for first, _ in PAIRS])
    rows = TextRows(source, ["a"], "key")
    for name in ("out.npy", "out.parquet"):
        encode_file(model, rows, source.with_name(name), "mean", "fp32", quiet)
    table = pyarrow.parquet.read_table(source.with_name("out.parquet"))
    vectors = np.load(source.with_name("out.npy"))
    assert np.abs(vectors - said).max() < 1e-6
    assert table.column("id").to_pylist() == NAMES
    assert np.array_equal(np.array(table.column("vector").to_pylist(), np.float32), vectors)


def test_no_more_rows_are_at_hand_than_are_answered_together(
    model: MultitaskModel, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, answered, ahead = 0, 0, [0]

    def endless_reader(_path: Path, _header: Sequence[str]) -> Iterator[Row]:
        nonlocal read
        for number in range(1, 41):
            read += 1
            ahead.append(read - answered)
            yield Row(number, {"text": "a good film"})

    def answer(*given: Any, **named: Any) -> Any:
        nonlocal answered
        said = predictions(*given, **named)
        answered += len(said[0].values)
        return said

    predictions = model.predictions
    monkeypatch.setattr(model, "predictions", answer)
    monkeypatch.setattr(text_rows, "read_rows", endless_reader)
    monkeypatch.setattr(dealing, "ROWS_AT_ONCE", 8)
    predict_file(model, ["mood"], TextRows(Path("-"), ["text"]), tmp_path / "out.parquet", "fp32", quiet)
    assert (read, answered) == (40, 40)
    assert max(ahead) == 8


def test_a_bad_row_at_the_end_is_told_before_the_first_is_answered(
    model: MultitaskModel, source: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    with source.open("a", encoding="utf-8") as file:
        file.write('{"key": "last"}\n')
    monkeypatch.setattr(dealing, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(model, "predictions", None)
    with pytest.raises(UserError, match=rf"in\.jsonl:{len(PAIRS) + 1}: there is no column 'a'"):
        predict_file(model, ["mood"], TextRows(source, ["a"]), source.with_name("out.csv"), "fp32", quiet)
    assert list(source.parent.iterdir()) == [source]


def test_an_empty_text_is_answered_as_what_it_is(model: MultitaskModel, source: Path, quiet: Display) -> None:
    """Whoever hands in answers, or joins them to a table, needs one for each row."""
    source.write_text('{"a": "good film"}\n{"a": " "}\n{"a": null}\n{"a": "bad"}\n', encoding="utf-8")
    output = source.with_name("out.jsonl")
    total = predict_file(model, ["mood"], TextRows(source, ["a"]), output, "fp32", quiet)
    assert (total.rows, total.without_text) == (4, 2)
    said = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    alone = model.predict("mood", ["good film", "", "", "bad"])
    assert [row["prediction"] for row in said] == alone.names
    assert [row["id"] for row in said] == ["1", "2", "3", "4"]


def test_a_missing_column_names_the_option_that_chooses_it(model: MultitaskModel, source: Path, quiet: Display) -> None:
    for columns, identity, option in ((["a"], "key_", "the id's column with --id"), (["c"], "key", "with --text")):
        rows = TextRows(source, columns, identity)
        with pytest.raises(UserError, match=rf"in\.jsonl:1: there is no column '.*{option}"):
            predict_file(model, ["mood"], rows, source.with_name("out.csv"), "fp32", quiet)


def test_progress_knows_its_end_where_the_rows_can_be_counted(
    model: MultitaskModel, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: dict[str, Any] = {}
    display = Display(Console(file=io.StringIO()))
    counting = display.counting

    def noted(what: str, total: int | None = None) -> Any:
        totals[what] = total
        return counting(what, total)

    monkeypatch.setattr(display, "counting", noted)
    predict_file(model, ["mood"], TextRows(source, ["a"]), source.with_name("out.csv"), "fp32", display)
    assert totals == {f"checking {source}": None, "predicting mood": len(PAIRS)}
