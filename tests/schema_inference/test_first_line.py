"""Files whose first line is a row: that it is seen, and what the columns are called then."""

from __future__ import annotations

from pathlib import Path

import pytest

from minbert.running.evaluating import evaluate_run, text_rows
from minbert.running.run import train_recipe
from minbert.schema_inference.first_line import row_for_a_header
from minbert.schema_inference.infer import infer_folder
from minbert.schema_inference.tables import read_table
from schema_inference.folders import Values, longer, of, phrase, table, text, word, write


def write_rows(path: Path, columns: list[Values], rows: range = range(150)) -> None:
    """Write a file without a header."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    cells = [[str(values(row)) for values in columns] for row in rows]
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in cells]
    path.write_text("".join(f"{delimiter.join(row)}\n" for row in quoted), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "columns", "header"),
    [
        ("a.tsv", [of("c_13", "gj04", "bc01"), of(0, 1), of("", "*"), text()], "column_1 label column_3 text"),
        ("a.csv", [of(2, 1, 3), phrase(25), text()], "label column_2 text"),
        ("a.csv", [of(2, 1, 3), text(), longer], "label title text"),
        ("a.tsv", [text(), text(9), lambda row: round(row / 7, 2)], "text1 text2 label"),
        ("a.csv", [text(), lambda row: f"card_limit_{row % 70}"], "text label"),
        ("a.tsv", [text(), of("27", "3", "2,3,7", "9,10"), lambda row: f"e{row}x"], "text label column_3"),
        ("a.csv", [of("spam", "ham"), lambda row: f"a {word(row)}"], "label text"),
        ("a.tsv", [of("spam", "ham"), text(), of(0, 1), of(0, 2), of(0, 3)], "label text column_3 column_4 column_5"),
        ("a.csv", [of(1, 2), lambda row: f"{text()(row)}\nand, so on"], "label text"),
    ],
)
def test_columns_are_named_by_their_values(
    file: str, columns: list[Values], header: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    write_rows(tmp_path / file, columns)
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    names = header.split()
    texts = [name for name in names if name.startswith("text")]
    assert task.findings.settings["header"] == names
    assert task.findings.settings["text"] == (texts if len(texts) > 1 else texts[0])
    assert task.findings.settings["label"] == "label"
    assert task.rows["train"] == 150  # the first line, too
    assert task.findings.unsure[0].startswith(f"the first line of {file} seems to be a row ('")


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ({"a baker lost his map": text(), "a": of("a", "b")}, "a"),
        ({"1": of(1, 2), "text": text()}, "1"),
        ({"great film": text(), "good": of("good", "bad")}, "good"),
        ({"a great film": text(), "4.5": lambda row: row / 10}, "4.5"),
        ({"a great film": text(), "3": lambda row: row % 101}, "3"),
        ({"What did you like best about our fair?": text(), "How was it from 1 to 5?": of(1, 2, 3, 4, 5)}, None),
        ({"text": text(), "label": of("a", "b")}, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_header_is_told_from_a_row(columns: dict[str, Values], value: str | None, tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": table(columns), "a.jsonl": table(columns)})
    assert row_for_a_header({"train": read_table(tmp_path / "a.csv")}) == value
    assert row_for_a_header({"train": read_table(tmp_path / "a.jsonl")}) is None


def test_files_that_have_no_name_in_common_have_rows_for_headers(tmp_path: Path) -> None:
    write_rows(tmp_path / "a-train.tsv", [lambda row: f"w{row:05}", text()], range(60))
    write_rows(tmp_path / "a-test.tsv", [lambda row: f"w{row:05}", text()], range(61, 121))
    tables = {split: read_table(tmp_path / f"a-{split}.tsv") for split in ("train", "test")}
    assert str(row_for_a_header(tables)).startswith("The ferryman")
    assert row_for_a_header({"train": tables["train"]}) is None


def test_a_folder_without_headers_is_trained_and_answers_files_with_and_without(
    tmp_path: Path, tiny_encoder: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    columns: list[Values] = [of("up", "down"), text()]
    write_rows(data / "a-train.csv", columns, range(60))
    write_rows(data / "a-dev.csv", columns, range(60, 90))
    (data / "a-test.csv").write_text("text\nthe ferryman lost a map\nthe pilot sold it\n")  # it has a header
    inferred = infer_folder(data, str(tiny_encoder))
    assert inferred.tasks[0].rows == {"train": 60, "dev": 30, "test": 2}
    run = tmp_path / "run"
    train_recipe(inferred.recipe({"training.epochs": 1}), run)
    for file, rows in (("a-dev.csv", 30), ("a-test.csv", 2)):
        texts = [row.texts[0] for row in text_rows(str(run), ["a"], data / file, [])]
        assert len(texts) == rows
        assert "down" not in texts
    assert evaluate_run(run, split="dev").primary.keys() == {"a"}
