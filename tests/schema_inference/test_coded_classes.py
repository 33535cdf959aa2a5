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
from schema_inference.folders import one, text, write


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
        (["1", "2", "3", "4", "5"], [0, 1, 2, 3, 4], "ordinal", ["1", "2", "3", "4", "5"], "1 2 3 4 5"),
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
        ("Zoo Art Sky", [1, 2], {"0": "Zoo", "1": "Art", "2": "Sky"}),
        (
            "Zoo Art Sky",
            ["1.0", "2.0", "0.0"],
            {"0": "Zoo", "1": "Art", "2": "Sky"},
        ),
        ("0 1 2", [0, 1, 2], None),
        ("Zoo Art", [0, 1, 2], None),
        ("Zoo Art Sky", [2, 3, 4], None),
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
    (tmp_path / "recipe.yaml").write_text(recipe_text(inferred, tmp_path), encoding="utf-8")
    lines, healthy = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    assert healthy, lines
