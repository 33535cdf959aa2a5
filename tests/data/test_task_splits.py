"""Rows held out of a train file as dev: which, and that everything that reads dev reads them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from minbert.data.check import check
from minbert.data.check_report import render
from minbert.data.task_splits import read_task_split
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.pretraining.corpus_texts import CorpusTexts
from minbert.pretraining.recipe import PretrainingRecipe
from minbert.recipe.recipe import TaskRecipe, load_recipe, parse_recipe
from minbert.reporting.records import read_records
from minbert.reporting.texts import answered_texts
from minbert.running.evaluating import evaluate_run
from minbert.running.run import train_recipe
from minbert.together.members import common_rows, find_members


def task(file: str, wanted: int | str, **changes: Any) -> TaskRecipe:
    settings = {"kind": "classification", "classes": ["a", "b", "rare"], "text": "text", "label": "label"}
    return TaskRecipe.model_validate(settings | {"files": {"train": file}, "held_out": wanted} | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty rows of 'a', thirty of 'b', one of 'rare'; every tenth row says what the one before says, in capitals."""
    labels = ["a"] * 60 + ["b"] * 30 + ["rare"]
    texts = [f"text {row - 1}".upper() if row % 10 == 9 else f"text {row}" for row in range(len(labels))]
    lines = [f"{text}\t{label}" for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "rows.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    return tmp_path


def both(folder: Path, settings: TaskRecipe) -> tuple[Any, Any]:
    train, dev = (read_task_split(folder, settings, settings.kind, split, name="t") for split in ("train", "dev"))
    return train, dev


@pytest.mark.parametrize(("wanted", "rows"), [("20%", 18), (30, 30), ("1%", 1)])
def test_every_row_is_on_one_side_and_its_copies_with_it(folder: Path, wanted: int | str, rows: int) -> None:
    train, dev = both(folder, task("rows.tsv", wanted))
    assert sorted([*train.ids, *dev.ids], key=int) == [str(number) for number in range(1, 92)]
    assert abs(len(dev) - rows) <= max(2, rows // 5)
    assert not {text.casefold() for text in train.first} & {text.casefold() for text in dev.first}


def test_each_label_gives_its_share_and_a_lone_one_is_trained_on(folder: Path) -> None:
    train, dev = both(folder, task("rows.tsv", "20%"))
    counts = Counter(dev.labels.tolist())
    assert abs(counts[0.0] - 12) <= 2
    assert abs(counts[1.0] - 6) <= 2
    assert 2.0 not in counts
    assert 2.0 in train.labels


def test_the_order_of_rows_does_not_matter(folder: Path) -> None:
    header, *lines = (folder / "rows.tsv").read_text(encoding="utf-8").splitlines()
    (folder / "other.tsv").write_text("\n".join([header, *reversed(lines)]) + "\n", encoding="utf-8")
    one, other = (both(folder, task(file, "20%"))[1] for file in ("rows.tsv", "other.tsv"))
    assert sorted(text.casefold() for text in one.first) == sorted(text.casefold() for text in other.first)


def test_scores_are_held_out_over_their_whole_range(folder: Path) -> None:
    lines = [f"text {row}\t{row / 10}" for row in range(50)]
    (folder / "scores.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    settings = task("scores.tsv", "10%", kind="regression", classes=None, range=[0, 5])
    assert both(folder, settings)[1].labels.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


@pytest.mark.parametrize("wanted", [91, 100, "100%"])
def test_too_few_texts_are_told(folder: Path, wanted: int | str) -> None:
    with pytest.raises(UserError, match=r"rows.tsv: .* too few .* Change tasks.t.held_out"):
        both(folder, task("rows.tsv", wanted))


@pytest.mark.parametrize("files", [{"train": "rows.tsv", "dev": "rows.tsv"}, {"test": "rows.tsv"}])
def test_it_needs_a_train_file_and_no_dev_file(files: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="'held_out' takes dev's rows from a train file"):
        task("rows.tsv", "10%", files=files)


def test_the_check_counts_both_sides_and_tells_a_bad_row_once(folder: Path) -> None:
    with (folder / "rows.tsv").open("a", encoding="utf-8") as file:
        file.write("text x\tc\n")
    settings = task("rows.tsv", "20%")
    report = check({"t": (settings, settings.kind)}, folder)
    train, dev = report.tasks[0].splits
    assert (train.rows + dev.rows, len(report.problems), report.tasks[0].overlaps) == (91, 1, [])
    assert f"train: {train.rows} rows" in "\n".join(render(report))


def test_a_run_its_evaluation_report_ensemble_and_pretraining_know_the_same_rows(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    mood = two_tasks["tasks"]["mood"]
    del mood["files"]["dev"], two_tasks["tasks"]["close"]
    mood["held_out"] = "25%"
    recipe = parse_recipe(two_tasks | {"training": {"epochs": 1, "precision": "fp32"}}, "recipe")
    settings = recipe.tasks["mood"]
    place = Path(str(recipe.data))
    train, dev = (read_task_split(place, settings, settings.kind, part, name="mood") for part in ("train", "dev"))
    summary = train_recipe(recipe, tmp_path / "run", display=quiet)
    assert evaluate_run(tmp_path / "run", display=quiet).as_json()["mood"] == summary.metrics["dev"]["mood"]
    records = read_records(tmp_path / "run", [])
    assert records.answers["mood"].ids == dev.ids
    assert answered_texts(records, "mood") == [(text,) for text in dev.first]
    rows = common_rows(find_members([tmp_path / "run"]), "mood", "dev", None, quiet)
    assert rows is not None
    assert rows.ids == dev.ids
    assert "(25% held out as dev)" in (tmp_path / "run/README.md").read_text(encoding="utf-8")
    corpora = {"corpora": {"own": {"recipe": str(tmp_path / "run/recipe.yaml")}}}
    pretraining = PretrainingRecipe.model_validate(corpora)
    assert [*CorpusTexts.of_corpus(pretraining, "own", pretraining.corpora["own"])] == train.first
    assert load_recipe(str(tmp_path / "run/recipe.yaml")).tasks["mood"].held_out == "25%"
