"""Numbers of classes get their names, where the files tell them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from minbert.display.progress import Display
from minbert.running.checking import check_source
from minbert.schema_inference.commented_recipe import recipe_text
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import of, one, text, write


def described(**features: Any) -> dict[bytes, bytes]:
    """Return a file's metadata as the library datasets writes it."""
    told = {"info": {"features": {"text": {"dtype": "string", "_type": "Value"}, **features}}}
    return {b"huggingface": json.dumps(told).encode()}


def class_label(*names: Any) -> dict[str, Any]:
    return {"names": list(names), "_type": "ClassLabel"}


def parquet(path: Path, labels: list[int], metadata: dict[bytes, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    table = pyarrow.table({"text": [text()(row) for row in range(len(labels))], "label": labels})
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)
    return path.parent


@pytest.mark.parametrize(
    ("names", "labels", "kind", "classes", "translated"),
    [
        (["Zoo", "Art", "Sky"], [0, 1, 2], "classification", ["Zoo", "Art", "Sky"], "Zoo Art Sky"),
        (["Zoo", "Art", "Sky"], [0, 1], "classification", ["Zoo", "Art", "Sky"], "Zoo Art Sky"),
        (["no", "yes"], [0, 1], "binary", ["no", "yes"], "no yes"),
        (["10", "20", "30"], [0, 1, 2], "ordinal", ["10", "20", "30"], "10 20 30"),
    ],
)
def test_a_parquet_file_tells_what_its_numbers_mean(
    names: list[str], labels: list[int], kind: str, classes: list[str], translated: str, tmp_path: Path, quiet: Display
) -> None:
    folder = parquet(tmp_path / "data/train.parquet", labels * 80, described(label=class_label(*names)))
    parquet(folder / "test.parquet", [-1] * 20, described(label=class_label(*names)))
    inferred = infer_folder(folder)
    settings = inferred.tasks[0].findings.settings
    assert (settings["kind"], settings["classes"]) == (kind, classes)
    assert settings["labels"] == dict(zip("01234", translated.split(), strict=False))
    (tmp_path / "recipe.yaml").write_text(recipe_text(inferred, tmp_path), encoding="utf-8")
    lines, healthy = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    assert healthy, lines
    assert any(f"{translated.split()[0]}: 80 (" in line for line in lines)


def test_minus_one_is_no_label(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "data/train.parquet", [0, 1, 2] * 80 + [-1] * 40, described(label=class_label(*"abc")))
    (task,) = infer_folder(folder).tasks
    assert task.findings.settings["labels"] == {"0": "a", "1": "b", "2": "c", "-1": None}
    assert task.labelled == 240


@pytest.mark.parametrize(
    "metadata",
    [
        {b"huggingface": b"{"},
        {b"huggingface": b"[" * 100_000},
        {b"huggingface": b"[]"},
        {b"huggingface": b'{"info": {"features": ["label"]}}'},
        described(label={"names": "abc"}),
        described(label=7),
        described(label=class_label("a", "b")),  # fewer than the numbers
        described(label=class_label("a", "a", "b")),
        described(label=class_label("a", 1, "b")),
        described(label=class_label("a", " ", "b")),
        described(other=class_label("a", "b", "c")),
        {},
    ],
)
def test_words_about_a_file_that_say_nothing_of_it_change_nothing(metadata: dict[bytes, bytes], tmp_path: Path) -> None:
    (task,) = infer_folder(parquet(tmp_path / "data/train.parquet", [0, 1, 2] * 80, metadata)).tasks
    assert task.findings.settings["classes"] == 3
    assert "labels" not in task.findings.settings


@pytest.mark.parametrize(
    ("listed", "labels", "translated"),
    [
        ("Zoo Art Sky", [0, 1, 2], {"0": "Zoo", "1": "Art", "2": "Sky"}),
        ("Zoo Art Sky", [1, 2, 3], {"1": "Zoo", "2": "Art", "3": "Sky"}),
        ("Zoo Art Sky", [1, 2], None),
        ("Zoo Art Sky", [-1, 0, 1], {"-1": "Zoo", "0": "Art", "1": "Sky"}),
        ("Zoo Art Sky", [-1, 0, 1, 2], {"0": "Zoo", "1": "Art", "2": "Sky", "-1": None}),
        ("label Zoo Art", [0, 1], {"0": "Zoo", "1": "Art"}),
        ("2:Sky 0:Zoo 1:Art", [0, 1, 2], {"0": "Zoo", "1": "Art", "2": "Sky"}),
        ("2:Sky 0:Zoo 1:Art", [0, 1], {"0": "Zoo", "1": "Art", "2": "Sky"}),
        ("2:Sky 0:Zoo 1:Art", [0, 3], None),
        ("2:Sky 0:Zoo 0:Art", [0, 1, 2], {"0": "2:Sky", "1": "0:Zoo", "2": "0:Art"}),
        ("Zoo Art Sky", [0, 1, "Sky"], None),
        ("Zoo Art", [0, 1, "Art"], {"0": "Zoo", "1": "Art", "Art": "Art"}),
        (
            "Zoo Art Sky",
            ["1.0", "2.0", "0.0"],
            {"0": "Zoo", "1": "Art", "2": "Sky"},
        ),
        ("0 1 2", [0, 1, 2], None),
        ("Zoo Art", [0, 1, 2], None),
        ("Zoo Art Sky", [2, 3, 4], {"2": "Zoo", "3": "Art", "4": "Sky"}),
        ("Zoo Art Sky", [2, 4, 6], None),
        ("Zoo Art Sky", ["00", "01", "02"], None),
    ],
)
def test_a_list_of_classes_tells_it_too(
    listed: str, labels: list[Any], translated: dict[str, str] | None, tmp_path: Path, quiet: Display
) -> None:
    write(tmp_path, one({"text": text(), "label": lambda row: labels[row % len(labels)]}))
    (tmp_path / "classes.txt").write_text("\n".join(listed.split()), encoding="utf-8")
    inferred = infer_folder(tmp_path)
    assert inferred.tasks[0].findings.settings.get("labels") == translated
    told = "classes.txt names other classes than the labels, and is not used" in inferred.tasks[0].findings.unsure
    assert told == (translated is None and listed != "0 1 2")
    (tmp_path / "recipe.yaml").write_text(recipe_text(inferred, tmp_path), encoding="utf-8")
    lines, healthy = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    assert healthy, lines


def test_where_numbers_mean_other_classes_in_another_file_that_is_left_out(tmp_path: Path) -> None:
    for split, names in (
        ("train-00000-of-00002", "abc"),
        ("train-00001-of-00002", "cba"),
        ("dev", "bac"),
        ("test", "abc"),
    ):
        parquet(tmp_path / f"data/{split}.parquet", [0, 1, 2] * 80, described(label=class_label(*names)))
    inferred = infer_folder(tmp_path / "data")
    (task,) = inferred.tasks
    assert task.findings.settings["files"] == {"train": "train-00000-of-00002.parquet", "test": "test.parquet"}
    assert "also_train_on" not in task.findings.settings
    told = "left out; its numbers stand for other classes than those of train-00000-of-00002.parquet"
    assert inferred.remarks == [f"dev.parquet: {told}", f"train-00001-of-00002.parquet: {told}"]


def test_names_in_one_file_and_numbers_in_another_are_the_same_classes(tmp_path: Path, quiet: Display) -> None:
    parquet(tmp_path / "data/dev.parquet", [0, 1, 2] * 80, described(label=class_label("Zoo", "Art", "Sky")))
    write(tmp_path / "data", one({"text": text(), "label": of("Sky", "Zoo", "Art")}, file="train.csv"))
    inferred = infer_folder(tmp_path / "data")
    assert inferred.tasks[0].findings.settings["classes"] == ["Zoo", "Art", "Sky"]
    (tmp_path / "recipe.yaml").write_text(recipe_text(inferred, tmp_path), encoding="utf-8")
    lines, healthy = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    assert healthy, lines


@pytest.mark.parametrize("feature", [{"feature": class_label(*"abc"), "_type": "Sequence"}, [class_label(*"abc")]])
def test_classes_of_lists_get_their_names(feature: Any, tmp_path: Path, quiet: Display) -> None:
    (tmp_path / "data").mkdir()
    sets = [[0], [1, 2], [], [0, 2]] * 60
    table = pyarrow.table({"text": [text()(row) for row in range(len(sets))], "labels": sets})
    metadata = described(labels=feature)
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "data/train.parquet")
    inferred = infer_folder(tmp_path / "data")
    settings = inferred.tasks[0].findings.settings
    assert (settings["kind"], settings["classes"]) == ("multilabel", ["a", "b", "c"])
    (tmp_path / "recipe.yaml").write_text(recipe_text(inferred, tmp_path), encoding="utf-8")
    lines, healthy = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    assert healthy, lines


@pytest.mark.parametrize("names", [["World", "n/a", "null"], ["World", "world", "Sci"], ["yes", "no", "n/a"]])
def test_odd_names_stay_as_they_are(names: list[str], tmp_path: Path) -> None:
    folder = parquet(tmp_path / "data/train.parquet", [0, 1, 2] * 80, described(label=class_label(*names)))
    settings = infer_folder(folder).tasks[0].findings.settings
    assert settings["classes"] == names
    assert settings["labels"] == dict(zip("012", names, strict=True))


def test_grades_stay_grades_with_their_names(tmp_path: Path) -> None:
    write(tmp_path, one({"text": text(), "stars": of("1", "2", "3")}))
    (tmp_path / "classes.txt").write_text("bad\nfair\ngood\n", encoding="utf-8")
    settings = infer_folder(tmp_path).tasks[0].findings.settings
    assert (settings["kind"], settings["classes"]) == ("ordinal", ["bad", "fair", "good"])
