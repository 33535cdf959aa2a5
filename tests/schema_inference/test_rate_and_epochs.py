"""How fast and how long the recipe for a folder trains, and how its tasks take turns."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from laws import each
from minbert.data.schedules.base import TaskSize
from minbert.files.strict_yaml import parse_yaml
from minbert.recipe.recipe import parse_recipe
from minbert.schema_inference import schedule
from minbert.schema_inference.commented_recipe import recipe_text
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import Values, of, one, table, text, write

MOOD = {"text": text(), "label": of("glad", "sad")}


# Of them a fifth is dev, and a tenth from 1,000 on.
@each(("rows", "epochs"), [(24, 20), (400, 10), (780, 5), (800, 3), (1422, 3), (1424, 2), (2222, 2), (2224, 1)])
def test_more_rows_are_read_less_often(
    rows: int, epochs: int, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_LEAST_EPOCHS", ((1280, 3), (2000, 2)))
    monkeypatch.setattr(schedule, "_SMALL", 630)
    monkeypatch.setattr(schedule, "_SMALLER", 0)
    monkeypatch.setattr(schedule, "_LEAST_STEPS", 95 if rows == 400 else 0)
    found = infer_folder(write(tmp_path / f"{rows}", one(MOOD, rows)), str(tiny_encoder))
    assert found.training.settings["epochs"] == epochs


@each(("rows", "batch"), [(780, 16), (800, 32)])
def test_a_thousand_rows_alone_are_read_in_smaller_batches(
    rows: int, batch: int, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_SMALLER", 630)  # of them a fifth is dev
    found = infer_folder(write(tmp_path / f"{rows}", one(MOOD, rows)), str(tiny_encoder))
    assert found.recipe().tasks[found.tasks[0].name].batch_size == batch
    assert ("rows: more and smaller batches were likely better" in recipe_text(found, tmp_path)) == (batch == 16)


@each(("narrow", "rows", "rate"), [(512, 400, 1e-4), (4, 400, 5e-5), (512, 24, 5e-5)])
def test_a_narrow_encoder_learns_faster_of_more_than_a_few_rows(
    narrow: int, rows: int, rate: float, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_NARROW", narrow)
    found = infer_folder(write(tmp_path / f"{narrow}-{rows}", one(MOOD, rows)), str(tiny_encoder))
    assert found.recipe().optimizer.learning_rate == rate
    written = recipe_text(found, tmp_path)
    assert ("optimizer:\n  # an encoder of width" in written) == (rate == 1e-4) == ("learning_rate" in written)


def test_several_tasks_take_turns_by_steps_of_one_length(tmp_path: Path, tiny_encoder: Path) -> None:
    large, small = {"large.csv": table(MOOD, 2400)}, {"small.csv": table({"text": text(7), "label": of("a", "b")}, 600)}
    few = {"some.csv": table(MOOD, 150), "fewer.csv": table({"text": text(7), "label": of("a", "b")}, 90)}
    recipes = {}
    for name, files in (("one", large), ("two", large | small), ("few", few)):
        found = infer_folder(write(tmp_path / name, files), str(tiny_encoder))
        recipes[name] = found.recipe()
        as_written = parse_recipe(parse_yaml(recipe_text(found, tmp_path)), "written")
        assert as_written.schedule == recipes[name].schedule
        assert as_written.optimizer == recipes[name].optimizer
    for name in ("one", "few"):
        assert recipes[name].schedule.method.name == "round_robin"
        assert recipes[name].optimizer.max_gradient_norm == 1
    two = recipes["two"]
    assert two.optimizer.max_gradient_norm == 0.1
    assert (recipes["one"].training.epochs, two.training.epochs) == (5, 3)  # five passes were measured alone
    assert (recipes["one"].training.head_start, two.training.head_start) == ("random", "probe")
    sizes = {name: TaskSize(rows, two.tasks[name].batch_size or 0) for name, rows in (("large", 2160), ("small", 540))}
    assert sizes["small"].batch_size == 8
    steps = [step for _, step in two.schedule.method.steps(sizes, 1, 1)]
    assert [list(step) for step in steps[:3]] == [["large"], ["small"], ["large"]]
    for name, size in sizes.items():  # a pass over each, beside as many batches of the other
        assert len(set(chain.from_iterable(step[name] for step in steps if name in step))) == size.rows
    assert len(steps) == 2 * sizes["large"].batches


def test_what_is_set_for_all_tasks_takes_the_place_of_what_was_found_for_each(
    tmp_path: Path, tiny_encoder: Path
) -> None:
    files = {"large.csv": table(MOOD, 2400), "small.csv": table({"text": text(7), "label": of("a", "b")}, 600)}
    found = infer_folder(write(tmp_path / "two", files), str(tiny_encoder))
    recipe = found.recipe(settings=["schedule.batch_size=4", "tasks.small.batch_size=2"])
    assert (recipe.schedule.batch_size, [task.batch_size for task in recipe.tasks.values()]) == (4, [None, 2])
    few = infer_folder(write(tmp_path / "few", one(MOOD, 40)), str(tiny_encoder))
    changes = ["training.keep=best", "tasks.notes.held_out=20%"]
    assert few.recipe(settings=changes).training.head_end == "trained"


@each(("rows", "start"), [(40, "probe"), (380, "probe"), (400, "random"), (800, "probe")])
def test_heads_of_one_small_task_begin_at_random_if_the_encoder_learns(
    rows: int, start: str, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_SMALL", 630)
    monkeypatch.setattr(schedule, "_LEAST_OF_RANDOM", 310)
    found = infer_folder(write(tmp_path / f"{rows}", one(MOOD, rows)), str(tiny_encoder))
    assert found.recipe().training.head_start == start
    assert ("be it that before training" in recipe_text(found, tmp_path)) == (rows in (380, 800))
    assert found.recipe(settings=["training.encoder=frozen"]).training.head_start == "probe"
    assert found.recipe({"training.encoder": "frozen", "training.head_start": "random"}).training.head_start == "random"


@each(("classes", "start"), [(11, "random"), (12, "probe")])
def test_heads_of_many_classes_begin_solved(classes: int, start: str, tmp_path: Path, tiny_encoder: Path) -> None:
    columns = {"text": text(), "label": lambda row: f"class {row % classes}"}
    found = infer_folder(write(tmp_path / f"{classes}", one(columns, 1500)), str(tiny_encoder))
    assert (found.recipe().training.epochs, found.recipe().training.head_start) == (5, start)


@each(("labels", "start"), [(of("same", "other"), "probe"), (of("entailment", "not_entailment"), "random")])
def test_heads_of_pairs_that_are_read_apart_begin_solved(
    labels: Values, start: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    columns = {"text1": text(), "text2": text(9), "label": labels}
    found = infer_folder(write(tmp_path / start, one(columns, 1500)), str(tiny_encoder))
    assert found.recipe().training.head_start == start
