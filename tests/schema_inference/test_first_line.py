"""Files whose first line is a row: that it is seen, and what the columns are called then."""

from __future__ import annotations

from pathlib import Path

import pytest

from minbert.running.evaluating import evaluate_run, text_rows
from minbert.running.run import train_recipe
from minbert.schema_inference.first_line import read_start, row_for_a_header
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import Values, longer, of, phrase, table, text, word, write


def write_rows(path: Path, columns: list[Values], rows: range = range(150)) -> None:
    """Write a file without a header."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    cells = [[str(values(row)) for values in columns] for row in rows]
    quoted = [[f'"{cell}"' if delimiter in cell or "\n" in cell else cell for cell in row] for row in cells]
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
        ("a.csv", [lambda row: f"{text()(row)}\nand so on", of("a", "b")], "text label"),
        ("a.tsv", [lambda row: f"{text()(row)}\nand so on", of("a", "b")], "text label"),
        ("a.tsv", [text(), of("no", "yes"), of("no", "odd", "even")], "text label column_3"),  # one value twice
        ("a.csv", [of("text", "image"), text()], "label text_column"),
        ("a.csv", [text(), of(0, 1), of(1, 0, 0), of(1, 0, 0, 0)], "text column_2 column_3 column_4"),
        ("a.csv", [lambda row: f"{text()(row)[:-1]}?", longer, of("a", "b")], "text1 text2 label"),
    ],
)
def test_columns_are_named_by_their_values(
    file: str, columns: list[Values], header: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    write_rows(tmp_path / file, columns)
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    names = header.split()
    texts = [name for name in names if name.startswith("text")]
    labels = "label" if "label" in names else names[1:]
    assert task.findings.settings["header"] == names
    assert task.findings.settings["text"] == (texts if len(texts) > 1 else texts[0])
    assert task.findings.settings["label"] == labels
    assert task.rows["train"] == 150  # the first line, too
    assert task.findings.unsure[0].startswith(f"the first line of {file} seems to be a row ('")


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ({"a baker lost his map": text(), "a": of("a", "b")}, "a"),
        ({"1": of(1, 2), "great film it was": text()}, "1"),
        ({"1": of(1, 2), "text": text()}, None),
        ({"0": of(1, 2), "1": text()}, None),  # as pandas writes it
        ({"": of(0, 1), "0": of(1, 2), "1": text()}, None),
        ({"sentence": text(), "0": of(0, 1), "2": of(0, 1, 2)}, None),
        ({"remark": text(), "2019": lambda row: row, "2020": lambda row: 3 * row, "kind": of("a", "b")}, None),
        ({"They met our clerk in my colour.": text(), "other": of("a", "b")}, "They met our clerk in my colour."),
        ({"1": of(1, 2), "Great": text()}, "1"),
        ({"blurb": text(), "1": of(0, 1), "2": of(1, 0), "3": of(0, 1, 1)}, None),
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
    start = read_start(tmp_path / "a.csv", "utf-8")
    assert start is not None
    assert row_for_a_header({"train": start}) == value
    assert read_start(tmp_path / "a.jsonl", "utf-8") is None


def test_files_that_have_no_name_in_common_have_rows_for_headers(tmp_path: Path) -> None:
    write_rows(tmp_path / "a-train.tsv", [lambda row: f"w{row:05}", text()], range(60))
    write_rows(tmp_path / "a-test.tsv", [lambda row: f"w{row:05}", text()], range(61, 121))
    found = {split: read_start(tmp_path / f"a-{split}.tsv", "utf-8") for split in ("train", "test")}
    starts = {split: start for split, start in found.items() if start is not None}
    assert str(row_for_a_header(starts)).startswith("The ferryman")


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


@pytest.mark.parametrize(
    ("first", "others", "width", "fields"),
    [
        ("Well, it was;bad", "never;good", 2, ["Well, it was", "bad"]),
        ("Well, so, it was;bad", "never;good", 2, ["Well, so, it was", "bad"]),
        ("0,I &amp; you &lt;3 it", "1,never;so", 2, ["0", "I &amp; you &lt;3 it"]),
        ("so it was;bad|b", "never|good", 2, ["so it was;bad", "b"]),
        ("a\tb", "so, it\twas", 2, ["a", "b"]),
        ("Well, it was,good", "never,bad", 2, ["Well", "it was", "good"]),  # a comma that should be in quotes
        ("plain", "words", 0, None),
    ],
)
def test_fields_are_cut_so_that_all_lines_have_as_many(
    first: str, others: str, width: int, fields: list[str] | None, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("\n".join([first, *[others] * 9]) + "\n")
    start = read_start(tmp_path / "a.csv", "utf-8")
    assert (start and start.fields) == fields
    assert len(start.columns if start else []) == width


def test_what_else_may_be_the_label_is_told(tmp_path: Path, tiny_encoder: Path) -> None:
    write_rows(tmp_path / "a.tsv", [of("en", "fr"), text(), of("love", "fear", "joy")])
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    assert "'label' (2 different values) may be another column: 'column_3' (3 different values)" in task.findings.unsure


def test_a_file_beside_one_without_a_header_may_have_one_of_its_own(tmp_path: Path, tiny_encoder: Path) -> None:
    columns: list[Values] = [of("up", "down"), text()]
    write_rows(tmp_path / "train.csv", columns, range(60))
    write(tmp_path, {"dev.csv": table({"mood": columns[0], "words": columns[1]}, 20)})
    inferred = infer_folder(tmp_path, str(tiny_encoder))
    assert inferred.tasks[0].findings.settings["classes"] == ["down", "up"]
    assert inferred.tasks[0].rows == {"train": 60}
    assert "dev.csv: left out; its first line names columns (mood, words)" in "\n".join(inferred.remarks)


def test_files_without_a_header_beside_one_that_has_it(tmp_path: Path, tiny_encoder: Path) -> None:
    columns: list[Values] = [of("up", "down"), text()]
    write(tmp_path, {"train.csv": table({"mood": columns[0], "text": columns[1]})})
    write_rows(tmp_path / "dev.csv", columns, range(60, 90))
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    assert task.findings.settings["header"] == ["mood", "text"]
    assert task.findings.reasons["header"] == "that of the train file, for dev.csv has none"
    assert task.rows["dev"] == 30


def test_a_rare_value_in_the_first_row_of_dev_makes_it_no_header(tmp_path: Path, tiny_encoder: Path) -> None:
    write_rows(tmp_path / "train.csv", [of(0, 1), of("web", "app"), text()], range(60))
    write_rows(tmp_path / "dev.csv", [of(0, 1), lambda row: "app" if row > 60 else "phone", text()], range(60, 90))
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    assert task.rows == {"train": 60, "dev": 30}


def test_a_class_called_text_in_another_file_makes_no_header(tmp_path: Path, tiny_encoder: Path) -> None:
    write_rows(tmp_path / "train.csv", [of("image", "text"), text()], range(60))
    write_rows(tmp_path / "dev.csv", [of("image", "text"), text()], range(61, 91))
    [task] = infer_folder(tmp_path, str(tiny_encoder)).tasks
    assert task.findings.settings["header"] == ["label", "text_column"]
    assert task.rows == {"train": 60, "dev": 30}


def test_two_files_do_not_begin_with_the_same_row(tmp_path: Path) -> None:
    columns = {"What do you think of it all today.": text(), "How good was it for you all.": of(1, 2, 3, 4, 5)}
    write(tmp_path, {"train.csv": table(columns), "dev.csv": table(columns, 20)})
    starts = {split: read_start(tmp_path / f"{split}.csv", "utf-8") for split in ("train", "dev")}
    assert row_for_a_header({split: start for split, start in starts.items() if start is not None}) is None


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ("column_1,column_2\nso it was,0\nnever,1\n", ["column_1", "column_2"]),
        ("sep=;\n0;well, so\n1;never, so, or so\n", ["0", "well, so"]),
        ("a\0b,c\nso,1\nit,0\n", None),
        ("", None),
        ("\n\n", None),
    ],
)
def test_the_first_line_is_read_as_a_row(content: str, fields: list[str] | None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    start = read_start(tmp_path / "a.csv", "utf-8")
    assert (start and start.fields) == fields


@pytest.mark.parametrize(
    "content", ["column_1,column_2\nso it was here,0\nnever or so,1\n", "All reviews\n1,a b c\n2,d e f\n"]
)
def test_lines_that_are_no_rows_are_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    start = read_start(tmp_path / "a.csv", "utf-8")
    assert start is None or row_for_a_header({"train": start}) is None
