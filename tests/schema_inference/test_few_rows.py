"""What the recipe for a folder says where its classes have a few rows each."""

from __future__ import annotations

from pathlib import Path

from laws import each
from minbert.display.progress import Display
from minbert.recipe.recipe import load_recipe
from minbert.running.run import train_recipe
from minbert.schema_inference.commented_recipe import recipe_text
from minbert.schema_inference.few_rows import MOST_ROWS_A_CLASS
from minbert.schema_inference.found import InferredFolder
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import of, one, text, write

MOOD = {"text": text(), "label": of("glad", "sad")}


def inferred(folder: Path, files: dict[str, list[dict[str, object]]], encoder: Path) -> InferredFolder:
    return infer_folder(str(write(folder, files)), str(encoder))


def test_all_of_a_few_rows_are_trained_on(tmp_path: Path, tiny_encoder: Path, quiet: Display) -> None:
    found = inferred(tmp_path / "mine", one(MOOD, 24), tiny_encoder)
    (tmp_path / "recipe.yaml").write_text(recipe_text(found, tmp_path), encoding="utf-8")
    recipe = load_recipe(str(tmp_path / "recipe.yaml"), {"training.precision": "fp32"})
    [task] = recipe.tasks.values()
    assert (task.held_out, task.files.dev, recipe.training.keep, recipe.training.head_end) == (
        None,
        None,
        "last",
        "probe",
    )
    assert [loss.name for loss in task.losses] == ["cross_entropy", "supervised_contrastive"]
    assert task.losses[1].temperature == 0.5  # type: ignore[attr-defined]
    assert task.head.normalize  # type: ignore[attr-defined]
    metrics = train_recipe(recipe, tmp_path / "run", display=quiet).metrics
    assert metrics["examples_per_second"] * metrics["train_seconds"] > 19.9 * 24  # twenty passes over every row


@each("written", ["", "unlabeled", "nan", "?"])
def test_rows_without_a_label_do_not_count(written: str, tmp_path: Path, tiny_encoder: Path) -> None:
    some = {"text": text(), "label": lambda row: ("glad", "sad")[row % 2] if row < 24 else written}
    found = inferred(tmp_path, one(some, 600), tiny_encoder)
    assert (found.tasks[0].findings.settings["batch_size"], found.training.settings["keep"]) == (16, "last")


@each(
    ("rows", "batch", "epochs"),
    [(24, 16, 20), (32, 16, 20), (34, 16, 19), (60, 16, 11), (64, 16, 10), (128, 16, 10), (130, 32, 10), (200, 32, 10)],
)
def test_fewer_rows_have_smaller_batches_and_more_passes(
    rows: int, batch: int, epochs: int, tmp_path: Path, tiny_encoder: Path
) -> None:
    found = inferred(tmp_path / f"{rows}", one(MOOD, rows), tiny_encoder)
    assert (found.tasks[0].findings.settings["batch_size"], found.training.settings["epochs"]) == (batch, epochs)


@each(("rows", "temperature"), [(128, 0.5), (130, 0.1)])
def test_very_few_rows_are_told_apart_more_softly(
    rows: int, temperature: float, tmp_path: Path, tiny_encoder: Path
) -> None:
    [task] = inferred(tmp_path / f"{rows}", one(MOOD, rows), tiny_encoder).recipe().tasks.values()
    assert task.losses[1].temperature == temperature  # type: ignore[attr-defined]


@each(("rows", "batch"), [(24, 8), (32, 8), (34, 16), (128, 16), (130, 32), (200, 32)])
def test_pairs_that_are_not_contrasted_have_batches_of_their_own(
    rows: int, batch: int, tmp_path: Path, tiny_encoder: Path
) -> None:
    pairs = {"text1": text(), "text2": text(7), "label": of("same", "other")}
    found = inferred(tmp_path / f"{rows}", one(pairs, rows), tiny_encoder)
    assert (found.tasks[0].findings.settings["batch_size"], found.training.settings["epochs"]) == (batch, 10)


def test_of_more_rows_some_are_dev(tmp_path: Path, tiny_encoder: Path) -> None:
    found = inferred(tmp_path, one(MOOD, 2 * MOST_ROWS_A_CLASS + 2), tiny_encoder)
    [task] = found.tasks
    assert task.findings.settings["held_out"] == "20%"
    assert not {"head", "loss"} & task.findings.settings.keys()
    assert "keep" not in found.training.settings


def test_a_dev_file_chooses_the_model_of_a_few_rows(tmp_path: Path, tiny_encoder: Path) -> None:
    files = one(MOOD, 24, file="train.csv") | one(MOOD, 12, file="dev.csv")
    found = inferred(tmp_path, files, tiny_encoder)
    assert "loss" in found.tasks[0].findings.settings
    assert not {"keep", "head_end"} & found.training.settings.keys()


def test_beside_a_task_that_is_scored_on_dev_a_few_rows_are_too(tmp_path: Path, tiny_encoder: Path) -> None:
    score = {"text": text(), "price": lambda row: row / 7}
    found = inferred(tmp_path, one(MOOD, 24, file="a.csv") | one(score, 102, file="b.csv"), tiny_encoder)
    assert [task.findings.settings["held_out"] for task in found.tasks] == ["20%", "20%"]
    assert "keep" not in found.training.settings


def test_a_few_rows_with_a_score_are_all_trained_on_too(tmp_path: Path, tiny_encoder: Path, quiet: Display) -> None:
    score = {"text": text(), "price": lambda row: row / 7}
    found = inferred(tmp_path / "mine", one(score, 12), tiny_encoder)
    assert found.tasks[0].findings.settings["kind"] == "regression"
    assert found.training.settings["keep"] == "last"
    (tmp_path / "recipe.yaml").write_text(recipe_text(found, tmp_path), encoding="utf-8")
    metrics = train_recipe(load_recipe(str(tmp_path / "recipe.yaml")), tmp_path / "run", display=quiet).metrics
    assert metrics["steps"] == found.training.settings["epochs"] == 10


@each(("rows", "thresholds"), [(60, 0.5), (140, "dev")])
def test_dev_chooses_from_which_probability_on_a_class_is_answered(
    rows: int, thresholds: str | float, tmp_path: Path, tiny_encoder: Path
) -> None:
    several = {"text": text(), "label": lambda row: ("glad", "sad", "glad|sad", "")[row % 4]}
    found = inferred(tmp_path / f"{rows}", one(several, rows), tiny_encoder)
    settings = found.tasks[0].findings.settings
    assert (settings["kind"], settings["thresholds"]) == ("multilabel", thresholds)


def test_rows_of_pairs_have_no_one_vector_to_draw_together(tmp_path: Path, tiny_encoder: Path) -> None:
    pairs = {"text1": text(), "text2": text(7), "label": of("same", "other")}
    found = inferred(tmp_path, one(pairs, 24), tiny_encoder)
    assert found.recipe().tasks[found.tasks[0].name].loss.name == "cross_entropy"  # type: ignore[union-attr]
    assert found.training.settings["keep"] == "last"
