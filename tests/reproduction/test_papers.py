"""The papers' tables: complete, and each row a recipe that is what its label says."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from minbert.errors import UserError
from minbert.recipe.recipe import Recipe, load_recipe
from minbert.recipe.shipped import recipe_names
from minbert.reproduction.papers import PAPERS, load_paper

FIVE = ["gao", "goel", "li-ya", "phan", "yang-dange"]


def test_the_five_papers_are_there_and_ours() -> None:
    assert PAPERS.names == sorted([*FIVE, "best"])


def test_our_table_measures_the_best_recipe_by_each_task_alone_on_the_same_files() -> None:
    paper = load_paper("best")
    best = load_recipe(paper.tables["best"].rows["best"].recipe)  # type: ignore[arg-type]
    assert list(paper.single_task) == list(best.tasks)
    for task, name in paper.single_task.items():
        alone = load_recipe(name)
        assert list(alone.tasks) == [task] and alone.tasks[task].files == best.tasks[task].files
    rows = paper.tables["best"].rows
    assert rows["best-soup"].systems == rows["best"].systems
    assert rows["best-ensemble"].systems == rows["best"].systems + list(paper.single_task.values())


@pytest.mark.parametrize("name", FIVE)
def test_every_row_has_a_recipe_of_the_papers_own(name: str) -> None:
    paper = load_paper(name)
    named = set()
    for table in paper.tables.values():
        for row in table.rows.values():
            named |= set(row.systems)
            for column, recipe in table.systems_by_column(row).items():
                score = table.columns[column].split(".")[0]
                assert score == "overall" or score in load_recipe(recipe).tasks
            assert all(-1 <= figure <= 1 for figure in row.published.values())
    for task, recipe in paper.single_task.items():
        named.add(recipe)
        loaded = load_recipe(recipe)
        assert loaded.schedule.method.model_dump()["task"] == task == loaded.training.select
    assert named <= set(recipe_names())
    # A recipe that no row names would never be seen again; these are bases of others.
    assert {recipe for recipe in recipe_names() if recipe.startswith(f"{name}/")} - named <= {"goel/cos-relu"}


@pytest.mark.parametrize(("name", "rounding"), [("gao", 0.007), ("goel", 0.002), ("li-ya", 0.002)])
def test_published_means_are_means_of_their_columns(name: str, rounding: float) -> None:
    """A slip of the keyboard in a figure would show here. Gao's means were taken before its columns were rounded."""
    for table in load_paper(name).tables.values():
        for row_name, row in table.rows.items():
            if "overall" in row.published:
                mean = statistics.fmean(row.published[column] for column in ("SST", "Para", "STS"))
                assert row.published["overall"] == pytest.approx(mean, abs=rounding), (name, row_name)


def recipe(name: str) -> Recipe:
    return load_recipe(name)


def test_the_papers_settings_are_the_defaults() -> None:
    for name in recipe_names():
        if name.split("/")[0] in FIVE:
            loaded = recipe(name)
            assert loaded.encoder.name == "bert-base-uncased" and loaded.optimizer.head_learning_rate is None
            frozen = loaded.training.encoder == "frozen"
            swapped = name.endswith("-swapped")
            if "/lr-" not in name:
                assert loaded.optimizer.learning_rate == (1e-3 if frozen != swapped else 1e-5), name
            assert loaded.schedule.batch_size == (
                10 if name.startswith("li-ya") else int(name.rsplit("-", 1)[1]) if "batch" in name else 8
            )
            assert loaded.seed == (int(name.rsplit("-", 1)[1]) if "-seed-" in name else 11711)
            assert all(task.pooling == "pooler" for task in loaded.tasks.values())


def test_rows_are_what_their_labels_say() -> None:
    assert recipe("goel/cos-relu-pcg").combination.name == "pcgrad"
    for alpha in ("0.5", "1.5", "3.0"):
        assert recipe(f"goel/cos-relu-gn-{alpha}-mlm-loop").combination.model_dump()["alpha"] == float(alpha)
    loop = recipe("goel/cos-relu-pcg-mlm-loop")
    assert loop.tasks["sentiment"].rows is None and loop.tasks["paraphrase"].rows == 8544
    assert loop.schedule.method.model_dump()["epoch"] == "sentiment"
    assert loop.encoder.pretraining is not None and loop.encoder.pretraining.recipe == "pretrain/goel"
    assert {name: task.head.name for name, task in loop.tasks.items()} == {
        "sentiment": "mlp",
        "paraphrase": "mlp",
        "similarity": "cosine",
    }
    baseline = recipe("goel/baseline")
    assert [task.rows for task in baseline.tasks.values()] == [6040, 6040, None]
    assert all(task.head.name == "linear" for task in baseline.tasks.values())
    assert [loss.name for loss in recipe("phan/3-mnrl").tasks["paraphrase"].losses] == ["binary_cross_entropy", "mnrl"]
    assert recipe("phan/6-round-robin-cosine-feature").tasks["similarity"].head.model_dump()["features"][-1] == "cosine"
    assert recipe("gao/all-data").tasks["similarity"].head.name == "scale_softmax"
    assert recipe("gao/all-data").tasks["paraphrase"].pair == "cross"
    assert recipe("gao/lr-8e-6").optimizer.learning_rate == 8e-6 and recipe("gao/lr-8e-6").training.epochs == 1


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: Mine\ntables: {all: {caption: c, columns: {A: overall}, baseline: one, rows: {"
        "one: {label: the first, recipe: one.yaml}, two: {label: the second, recipe: {A: quickstart}}}}}\n"
    )
    table = load_paper(str(path)).tables["all"]
    assert table.rows["one"].recipe == str(tmp_path / "one.yaml") and table.rows["two"].recipe == {"A": "quickstart"}
    path.write_text(path.read_text().replace("baseline: one", "baseline: three"))
    with pytest.raises(UserError, match="baseline 'three' is no row"):
        load_paper(str(path))
    with pytest.raises(UserError, match=r"did you mean 'goel'.*known: best, gao, goel, li-ya, phan, yang-dange"):
        load_paper("goell")
