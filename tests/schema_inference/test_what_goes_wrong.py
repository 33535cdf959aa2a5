"""Folders that make no task, or not of every file: what is told, and that the rest is used."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from minbert.errors import UserError
from minbert.schema_inference import tables
from minbert.schema_inference.found import InferredFolder
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import code, of, one, splits, table, text, word, write

ENCODER = ""
GOOD = {"text": text(), "label": of("a", "b")}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ENCODER", str(tiny_encoder))


def infer(folders: list[Path]) -> InferredFolder:
    return infer_folder(folders, ENCODER)


def remarks(folder: Path) -> str:
    return "\n".join(infer([folder]).remarks)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "holds no file to train on"),
        ({"reviews-test.csv": table(GOOD)}, "reviews-test.csv: left out; no train file of the same name is there"),
        ({"a.csv": table({"text": text()})}, "a.csv: no column holds labels"),
        ({"a.csv": table({"text": text(), "id": code})}, "a.csv: no column holds labels"),
        ({"a.csv": table({"label": of("a", "b")})}, "a.csv: no column holds texts"),
        ({"a.csv": table({"text": text(), "note": text(9)})}, "a.csv: no column holds labels"),
        (
            {"a.csv": table({"text": of("so it was"), "label": of("a", "b")})},
            "'text' has one value; 'label' repeats",
        ),
        (
            {"a.csv": table({"text": lambda row: row, "label": of("a", "b")})},
            "'text' holds numbers or dates; 'label'",
        ),
        ({"a.csv": table({"url": word, "label": of("a", "b")})}, "'url' tells about a row by its name; call it 'text'"),
        (
            {"a.csv": table({"text": text(), "label": lambda row: f"no {row % 40}"})},
            "another label in nearly every row",
        ),
        (
            {"a.csv": table({"text": text(), "score": of("3,5", "4,0", "2,5")})},
            "decimal commas; write numbers",
        ),
        (
            {"a.csv": table({"text": text(), "label": of("[a]", "[a, b]", "[]")})},
            r"seems to hold lists, but \[.* is none",
        ),
        (
            {"a.csv": table({"text": text(), "label": of("a")})},
            r"no column holds labels \(its columns: text, label\): 'label' has one value, 'a', and labels need two",
        ),
        ({"a.csv": table(GOOD, 1)}, "the file has 1 row, and a task needs more"),
        (
            {"a.csv": table({"text": text(), "day": lambda row: f"2024-01-{row % 28 + 1:02}"})},
            "'day' holds dates; write",
        ),
        (
            {"a.csv": table({"text": text(), "price": lambda row: f"${row}.99"})},
            "'price' differs in nearly every row; names of classes repeat, and scores are plain numbers",
        ),
        ({"a.csv": table({"text": text(), "label": lambda row: f"u{row}"})}, "'label' differs in nearly every row"),
        (
            {"a-train.csv": table(GOOD), "a-dev.jsonl": table({"sentence": text(), "gold": of("a", "b")}, 20)},
            r"holds texts \(its columns: text, label; those of a-dev.jsonl: sentence, gold\); a column needs the same",
        ),
        (
            {"a-train.csv": table(GOOD), "a-dev.csv": table({"text": text(), "gold": of("a", "b")}, 20)},
            r"those of a-dev.csv: text, gold\): 'label' is not in the dev file; it needs the same name there",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_task_is_told(files: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        infer([write(tmp_path, files)])


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("a.csv", "text,label\n", "a.csv: holds no rows, only the names of its columns$"),
        ("a.jsonl", "\n", "a.jsonl: holds no rows$"),
        ("a.csv", "<!DOCTYPE html>\n<p>Sign in, please\n", "a.csv:1: is a page of the web"),
        ("a.jsonl", "<html>\n", "a.jsonl:1: is a page of the web"),
        ("a.csv", "text\n" + "so it was\t1\n" * 9, "a.csv: the header has 1 field .* separated by tabs"),
    ],
)
def test_files_that_hold_no_rows(file: str, content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        infer([tmp_path])
    write(tmp_path, one(GOOD, file="good.csv"))
    assert file in remarks(tmp_path)


def test_a_folder_of_other_files(tmp_path: Path) -> None:
    for name in ("rows.json", "table.xlsx", "notes.md"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"no file to train on\. rows.json, table.xlsx: not read; rows go in .csv,"):
        infer([tmp_path])


def test_no_folder_and_the_folder_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: is no folder"):
        infer([tmp_path / "nowhere"])
    for name in ("recipe.yaml", "metrics.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="is the folder of a run"):
        infer([tmp_path])


def test_a_folder_that_links_to_itself_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, one(GOOD))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "again.csv").symlink_to(tmp_path / "notes.csv")
    (task,) = infer([tmp_path, tmp_path / "loop"]).tasks
    assert task.findings.settings["files"] == {"train": "notes.csv"}
    assert "again.csv in " in remarks(tmp_path)
    assert "left out; a link to a file that is read already" in remarks(tmp_path)


def test_a_link_to_a_file_elsewhere_is_read(tmp_path: Path) -> None:
    write(tmp_path, one(GOOD, file="store/blob.csv"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.csv").symlink_to(tmp_path / "store" / "blob.csv")
    (task,) = infer([tmp_path / "own"]).tasks
    assert task.name == "notes"
    assert remarks(tmp_path / "own") == ""


def test_somebody_s_disk(tmp_path: Path) -> None:
    write(tmp_path, {f"{number}/t{number}.csv": table(GOOD, 2) for number in range(101)})
    with pytest.raises(UserError, match=r"holds files for 101 tasks\. Give the folders of those to train on"):
        infer([tmp_path])


def test_an_unpacked_file_comes_before_its_packed_one(tmp_path: Path) -> None:
    write(tmp_path, one(GOOD) | one(GOOD, file="notes.csv.gz"))
    assert remarks(tmp_path) == "notes.csv.gz: left out; the unpacked file stands beside it"


def test_a_file_that_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path, one(GOOD, file="good.csv") | splits(GOOD, "part-{}.csv"))
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    (tmp_path / "part-test.csv").write_bytes("text;label\nzu spät;a\n".encode("utf-16"))
    inferred = infer([tmp_path])
    assert [task.name for task in inferred.tasks] == ["good", "part"]
    assert inferred.tasks[1].findings.settings["files"] == {"train": "part-train.csv", "dev": "part-dev.csv"}
    told = "\n".join(inferred.remarks)
    assert f"\n{tmp_path / 'bad.parquet'}: is no Parquet file" in f"\n{told}"
    assert "part-test.csv: is UTF-16 text" in told


def test_bad_rows_are_counted_and_the_others_used(tmp_path: Path) -> None:
    write(tmp_path, one(GOOD))
    with (tmp_path / "notes.csv").open("a", encoding="utf-8") as file:
        file.write("one field\n")
    (task,) = infer([tmp_path]).tasks
    assert task.rows == {"train": 60}
    assert "1 row of the train file cannot be read" in "\n".join(task.findings.unsure)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    rows = table(GOOD)
    write(tmp_path, {"a-train.csv": rows, "a-train.jsonl": rows, "a-dev.csv": rows, "a.csv": rows})
    assert "a-train.jsonl, a.csv: left out; a-train.csv is taken as the train file of a" in remarks(tmp_path)


def test_files_of_one_name_in_two_folders_are_two_tasks(tmp_path: Path) -> None:
    write(tmp_path, {"north/notes.csv": table(GOOD), "south/notes.csv": table(GOOD), "notes.csv": table(GOOD)})
    assert [task.name for task in infer([tmp_path]).tasks] == ["notes", "north-notes", "south-notes"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("评论.csv", "task_评论"),
        ("overall.csv", "overall_task"),
        ("2024 (new).csv", "task_2024_new"),
        ("forward.csv", "forward_task"),
    ],
)
def test_names_that_no_task_can_have(file: str, name: str, tmp_path: Path) -> None:
    assert [task.name for task in infer([write(tmp_path, one(GOOD, file=file))]).tasks] == [name]


def test_further_training_files_are_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path, splits(GOOD, "quips-{}.csv") | {"quips-train-large.csv": table(GOOD)})
    (task,) = infer([tmp_path]).tasks
    assert task.findings.settings["files"]["train"] == "quips-train.csv"
    assert "quips-train-large.csv: left out" in remarks(tmp_path)


@pytest.mark.parametrize("file", ["notes.csv", "notes.jsonl", "notes.csv.gz", "notes.parquet"])
def test_of_a_huge_file_a_part_is_read_and_all_rows_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 30)
    monkeypatch.setattr(tables, "MOST_READ", 60)
    monkeypatch.setattr(tables, "_BYTES_AT_A_TIME", 100)
    (task,) = infer([write(tmp_path, one({"id": code, **GOOD}, 600, file))]).tasks
    assert task.rows == {"train": 30}
    assert "id" not in task.findings.settings
    assert task.labelled == pytest.approx(600, rel=0.05)
    assert f"only 30 of about {task.labelled} rows of the train file were looked at" in task.findings.unsure


def test_a_large_file_that_is_sorted_by_its_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 30)
    columns = {"text": text(), "label": lambda row: "early" if row < 200 else "late" if row < 270 else "last"}
    (task,) = infer([write(tmp_path, one(columns, 300))]).tasks
    assert task.findings.settings["classes"] == ["early", "last", "late"]
    assert task.labelled == 300
    assert "only 19 of about 300 rows of the train file were looked at" in task.findings.unsure


@pytest.mark.parametrize(
    ("values", "told"), [(("train", "dev", "test"), True), (("train", "boat"), False), (("trial", "test"), False)]
)
def test_a_column_that_says_the_split_is_told(tmp_path: Path, values: tuple[str, ...], told: bool) -> None:
    (task,) = infer([write(tmp_path, one({"split": of(*values), **GOOD}))]).tasks
    assert any("'split' says which split a row is of" in doubt for doubt in task.findings.unsure) == told


def test_tables_by_other_names_are_tasks_and_what_stands_beside_them_is_none(tmp_path: Path) -> None:
    """As MRPC, SICK (.txt) and the reviews of Amazon and Yelp (.json) come."""
    write(tmp_path, splits(GOOD, "quips/{}.tsv") | splits(GOOD, "jokes/{}.jsonl"))
    for name, suffix in (("quips", ".txt"), ("jokes", ".json")):
        for path in sorted((tmp_path / name).iterdir()):
            path.rename(path.with_suffix(suffix))
    write(tmp_path, {"jokes/infos.jsonl": [{"jokes": 60}], "jokes/labels.jsonl": [{"label": 1}, {"label": 2}]})
    (tmp_path / "jokes" / "labels.jsonl").rename(tmp_path / "jokes" / "labels.json")
    (tmp_path / "jokes" / "infos.jsonl").rename(tmp_path / "jokes" / "dataset_infos.json")
    (tmp_path / "quips" / "readme.txt").write_text("a\ttab\n", encoding="utf-8")
    assert {task.name: task.rows["train"] for task in infer([tmp_path]).tasks} == {"quips": 60, "jokes": 60}
    assert "jokes/dataset_infos.json, jokes/labels.json, quips/readme.txt: not read" in remarks(tmp_path)


@pytest.mark.parametrize("columns", [{"id": code}, {"id": code, "text": text(), "essay_set": of(1, 2)}])
def test_a_dev_file_without_labels_is_left_out(columns: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, {"train.csv": table({"essay_set": of(1, 2), **GOOD}), "dev_ids.csv": table(columns, 20)})
    (task,) = infer([tmp_path]).tasks
    assert task.rows == {"train": 60}
    assert task.findings.settings["label"] == "label"
    assert "dev_ids.csv: left out; it seems to have no labels" in remarks(tmp_path)


def test_a_dev_file_with_the_likelier_label_is_kept(tmp_path: Path) -> None:
    both = {"text": text(), "category": of("a", "b"), "quality": of(1, 2, 3)}
    write(tmp_path, {"train.csv": table(both), "dev.csv": table({**GOOD, "category": of("a", "b")}, 20)})
    (task,) = infer([tmp_path]).tasks
    assert (task.findings.settings["label"], task.rows) == ("category", {"train": 60, "dev": 20})


def test_the_same_rows_in_json_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"train.tsv": table(GOOD), "train.jsonl": table(GOOD)})
    (tmp_path / "train.jsonl").rename(tmp_path / "train.json")
    (tmp_path / "array.json").write_text('[{"text": "a", "label": "b"}]', encoding="utf-8")
    (task,) = infer([tmp_path]).tasks
    assert task.findings.settings["files"] == {"train": "train.tsv"}
    assert "train.json: left out" in remarks(tmp_path) and "array.json: no column holds labels" in remarks(tmp_path)


def test_an_id_that_repeats_is_not_used(tmp_path: Path) -> None:
    (task,) = infer([write(tmp_path, one({"id": of("x", "y", "z"), **GOOD}))]).tasks
    assert "id" not in task.findings.settings


def test_files_of_runs_and_hidden_folders_are_no_data(tmp_path: Path) -> None:
    rows = table(GOOD)
    write(tmp_path, {"notes.csv": rows, "runs/notes-dev-output.csv": rows, ".cache/other.csv": rows})
    (tmp_path / "runs" / "recipe.yaml").write_text("{}", encoding="utf-8")
    assert [task.rows for task in infer([tmp_path]).tasks] == [{"train": 60}]


def test_classes_are_those_of_all_files_in_the_order_of_a_list(tmp_path: Path) -> None:
    write(tmp_path, splits(GOOD, "moods/{}.csv") | {"moods/dev.csv": table({"text": text(), "label": of("c", "a")})})
    (tmp_path / "moods" / "labels.txt").write_text("b\nc\na\nd\n", encoding="utf-8")
    (task,) = infer([tmp_path]).tasks
    assert task.findings.settings["classes"] == ["b", "c", "a", "d"]


@pytest.mark.parametrize("odd", ["a|a", "a||b", "|a", "n/a"])
def test_an_odd_set_among_many_is_told_and_makes_no_other_kind(odd: str, tmp_path: Path) -> None:
    sets = of("a", "b|c", "a|d", "", "c|d|a", "b")
    columns = {"text": text(), "label": lambda row: odd if row == 200 else sets(row)}
    (task,) = infer([write(tmp_path, one(columns, 321))]).tasks
    settings = task.findings.settings
    assert (settings["kind"], settings["classes"]) == ("multilabel", ["a", "b", "c", "d"])
    left_out = task.findings.reasons.get("skip_unlabelled", "")
    told = "\n".join([*task.findings.unsure, left_out])
    assert {
        "a|a": "1 row holds no set of names ('a|a'), and training refuses that: mend it in the file",
        "n/a": "1 row holds 'n/a', which seems to mean no label, and training refuses that: remove",
    }.get(odd, f"1 row holds '{odd}', where a name is missing") in told
    assert settings.get("skip_unlabelled", False) == (left_out != "") == (odd in ("a||b", "|a"))


def test_between_separators_null_is_no_label_and_an_empty_text_no_class(tmp_path: Path) -> None:
    columns = {"text": text(), "label": of("a|b", "b|c", "", None, "c|a")}
    (task,) = infer([write(tmp_path, one(columns, file="notes.jsonl"))]).tasks
    assert "12 empty ones are rows of no class" in task.findings.reasons["kind"]
    assert task.findings.settings["skip_unlabelled"] is True
    assert task.findings.reasons["skip_unlabelled"].startswith("12 rows hold null")


@pytest.mark.parametrize("odd", [["a", None], ["a", "a"]])
def test_lists_that_are_no_sets_are_told(odd: list[str | None], tmp_path: Path) -> None:
    lists = of(["a"], ["b", "c"], [])
    columns = {"text": text(), "label": lambda row: json.dumps(odd if row == 20 else lists(row))}
    (task,) = infer([write(tmp_path, one(columns))]).tasks
    assert task.findings.settings["classes"] == ["a", "b", "c"]
    assert "1 row holds no set of names" in "\n".join(task.findings.unsure)


def test_a_list_in_json_lines_that_holds_null_is_told(tmp_path: Path) -> None:
    columns = {"text": text(), "label": lambda row: ["a", None] if row == 20 else ["a", "b"][: row % 3]}
    (task,) = infer([write(tmp_path, one(columns, file="notes.jsonl"))]).tasks
    assert task.findings.settings["classes"] == ["a", "b"]
    assert "1 rows of the train file hold neither a text nor a list of texts in 'label'" in task.findings.unsure[0]


def test_a_task_that_no_recipe_can_hold_is_left_out_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path, one(GOOD) | one({"text": text(), "label": of("a\nb", "c")}, file="lines.csv"))
    assert [task.name for task in infer([tmp_path]).tasks] == ["notes"]
    told = "lines.csv: no recipe can hold what was found: classes: .* is no class name: .* line breaks; left out"
    assert re.search(told, remarks(tmp_path))


def test_scores_beyond_what_training_can_reckon_with_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recipe can hold what was found: kind: 'range' is beyond .* Scale"):
        infer([write(tmp_path, one({"text": text(), "score": lambda row: 10 ** (row % 20)}))])


def test_numbers_beyond_what_a_float_holds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"column 'score' holds numbers beyond 1e\+300"):
        infer([write(tmp_path, one({"text": text(), "score": of("1e9999", "2", "3")}))])


def test_a_list_of_classes_may_repeat_one_and_have_empty_lines(tmp_path: Path) -> None:
    write(tmp_path, one(GOOD))
    (tmp_path / "labels.txt").write_text("b\n\na\nb\n", encoding="utf-8")
    assert infer([tmp_path]).tasks[0].findings.settings["classes"] == ["b", "a"]


def test_names_that_end_in_a_separator_are_no_sets(tmp_path: Path) -> None:
    (task,) = infer([write(tmp_path, one({"text": text(), "label": of("C", "C++", "Go", "C+")}))]).tasks
    assert task.findings.settings["kind"] == "classification"
    assert task.findings.settings["classes"] == ["C", "C+", "C++", "Go"]


def test_a_recipe_beside_the_files_does_not_hide_them_but_a_run_does(tmp_path: Path) -> None:
    write(tmp_path / "reviews", one(GOOD))
    write(tmp_path / "run", one(GOOD, file="dev-answers.csv"))
    write(tmp_path, one(GOOD, file="other.csv"))
    for folder in ("reviews", "run"):
        (tmp_path / folder / "recipe.yaml").write_text("{}", encoding="utf-8")
    (tmp_path / "run" / "history.jsonl").write_text("{}", encoding="utf-8")
    assert [task.name for task in infer([tmp_path]).tasks] == ["other", "notes"]


def test_the_given_folders_own_name_says_no_split(tmp_path: Path) -> None:
    write(tmp_path / "test", one(GOOD, file="reviews.csv"))
    (task,) = infer([tmp_path / "test"]).tasks
    assert task.findings.settings["files"] == {"train": "reviews.csv"}
    with pytest.raises(UserError, match=r"test/reviews\.csv: left out; no train file"):
        infer([tmp_path])


def test_a_folder_above_is_called_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "films", one(GOOD, file="data.csv"))
    (tmp_path / "films" / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "films" / "sub")
    (task,) = infer([tmp_path / "link" / ".."]).tasks  # a link's folder above is that of what it leads to
    assert task.name == "films"


def test_a_part_of_a_train_file_that_lacks_the_label_is_left_out(tmp_path: Path) -> None:
    parts = {f"r-train-0000{n}-of-00004.csv": table(GOOD, 60, 60 * n) for n in (1, 2)}
    lacking = {"r-train-00003-of-00004.csv": table({"text": text(), "gold": of("a", "b")}, 20)}
    write(tmp_path, parts | lacking)
    (tmp_path / "r-train-00004-of-00004.csv").write_text("text,label\n", encoding="utf-8")
    (task,) = infer([tmp_path]).tasks
    assert task.findings.settings["also_train_on"] == [{"file": "r-train-00002-of-00004.csv"}]
    assert task.labelled == 120
    assert "r-train-00003-of-00004.csv: left out; it has no column label" in remarks(tmp_path)
    assert "r-train-00004-of-00004.csv: holds no rows" in remarks(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [table(GOOD, 2), [{"text": f"the film number {row % 2} is long", "label": "ab"[row % 2]} for row in range(300)]],
)
def test_a_task_that_can_spare_no_dev_rows_is_left_out_beside_others(tmp_path: Path, rows: Any) -> None:
    write(tmp_path, {"large.csv": table(GOOD, 600), "tiny.csv": rows})
    found = infer([tmp_path])
    assert [task.name for task in found.tasks] == ["large"]
    assert f"tiny: {len(rows)} labelled rows with 2 different texts are too few" in str(found)
    (tmp_path / "large.csv").unlink()
    assert infer([tmp_path]).training.settings["keep"] == "last"


def test_rows_of_several_classes_can_be_spared_whatever_the_classes(tmp_path: Path) -> None:
    topics = {"text": text(), "label": lambda row: [f"c{row % 50}", f"c{row % 7}"]}
    write(tmp_path, {"large.csv": table(GOOD, 600), "topics.jsonl": table(topics, 50)})
    assert [task.findings.settings["held_out"] for task in infer([tmp_path]).tasks] == ["20%", "20%"]
