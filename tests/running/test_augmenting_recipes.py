"""Augmentation inside recipes of training and pretraining: rows, tables in the run folder, resuming, mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minbert.data.rows import read_rows
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.pretraining.prepare import prepare_pretraining
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import prepare
from minbert.running.run import train_recipe
from minbert.training.checkpoint_folder import newest_checkpoint


def table(path: Path) -> list[dict[str, str]]:
    return [row.values for row in read_rows(path)]  # type: ignore[union-attr]


def test_training_rows_and_their_copies(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    plain = prepare(parse_recipe(two_tasks, "test"), quiet)
    two_tasks["tasks"]["mood"]["augmentation"] = [{"name": "swap", "copies": 2}, "deletion"]
    two_tasks["tasks"]["close"] |= {"augmentation": {"name": "deletion", "alpha": 0.4}, "rows": 10}
    recipe = parse_recipe(two_tasks, "test")
    prepared = prepare(recipe, quiet)
    mood = prepared.train["mood"]
    assert mood.ids[:24] == plain.train["mood"].ids
    assert len(set(mood.ids)) == len(mood.ids) > 24 * 2
    label_of = dict(zip(mood.ids[:24], mood.known_labels[:24], strict=True))
    assert [label_of[new.split("~")[0]] for new in mood.ids[24:]] == mood.known_labels[24:].tolist()
    assert prepared.course.sizes["mood"].rows == len(mood.ids)
    assert prepared.dev["mood"].ids == plain.dev["mood"].ids
    close = prepared.train["close"]
    assert {new.split("~")[0] for new in close.ids[10:]} <= set(close.ids[:10]), "of the rows that are trained on"

    train_recipe(recipe, tmp_path / "run", False, quiet)
    kept = table(tmp_path / "run/augmented/mood.tsv")
    assert [row["id"] for row in kept] == mood.ids[24:]
    originals = {row["id"]: row for row in table(Path(two_tasks["data"]) / "mood-train.tsv")}
    for row in kept:
        origin = originals[row["origin"]]
        assert row["label"] == origin["label"]
        assert row["text"] != origin["text"]
        assert set(row["text"].split()) <= set(origin["text"].split())
    pairs = table(tmp_path / "run/augmented/close.tsv")
    assert [row["id"] for row in pairs] == close.ids[10:]
    assert pairs[0].keys() == {"id", "origin", "method", "text1", "text2", "label"}


def test_without_augmentation_nothing_changes(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "run", False, quiet)
    assert not (tmp_path / "run/augmented").exists()


def test_the_same_seed_gives_the_same_rows(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["tasks"]["mood"]["augmentation"] = "swap"
    first, again = (prepare(parse_recipe(two_tasks, "test"), quiet) for _ in range(2))
    other = prepare(parse_recipe(two_tasks | {"seed": 1}, "test"), quiet)
    assert first.new_rows == again.new_rows != other.new_rows
    tokens = [one.train["mood"].sequences.table.token_ids for one in (first, again)]
    assert np.array_equal(*tokens)


def test_a_run_that_would_go_on_with_other_rows_is_stopped(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minbert.training.loop import TrainingLoop

    two_tasks["tasks"]["mood"]["augmentation"] = "swap"
    recipe, out = parse_recipe(two_tasks, "test"), tmp_path / "run"
    run = TrainingLoop.run

    def stopped(self: TrainingLoop, resume: bool) -> Any:
        run(self, resume)
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingLoop, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_recipe(recipe, out, False, quiet)
    monkeypatch.undo()
    assert newest_checkpoint(out)
    path = out / "augmented/mood.tsv"
    whole = path.read_text()
    path.write_text(whole.replace("~swap~1", "~swap~9", 1))
    with pytest.raises(UserError, match="no longer gives the rows that this run began with"):
        train_recipe(recipe, out, True, quiet)
    path.write_text(whole)
    train_recipe(recipe, out, True, quiet)


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ("swop", r"'swop' is no augmentation \(did you mean 'swap'\?\)"),
        ({"name": "swap", "alhpa": 0.2}, "unknown key; did you mean 'alpha'?"),
        ({"name": "swap", "alpha": 0}, "alpha: input should be greater than 0"),
        ({"name": "swap", "copies": 0}, "copies: input should be greater than or equal to 1"),
        ([{"copies": 2}], "give the name of an augmentation"),
        ("contextual", "encoder: is missing"),
        ({"name": "back_translation", "forth": "a", "back": {"nam": "b"}}, "unknown key; did you mean 'name'?"),
    ],
)
def test_mistakes_are_told_by_their_key(two_tasks: dict[str, Any], augmentation: Any, message: str) -> None:
    two_tasks["tasks"]["mood"]["augmentation"] = augmentation
    with pytest.raises(UserError) as told:
        parse_recipe(two_tasks, "test")
    assert "tasks.mood.augmentation" in str(told.value)
    assert message.replace("\\", "") in str(told.value)


def test_a_recipe_reads_back(two_tasks: dict[str, Any]) -> None:
    import yaml

    translated = {"name": "back_translation", "forth": "a", "back": {"name": "b", "prefix": "c: "}}
    two_tasks["tasks"]["mood"]["augmentation"] = ["swap", translated]
    recipe = parse_recipe(two_tasks, "test")
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), "again") == recipe


@pytest.fixture
def pretraining(tmp_path: Path, tiny_encoder: Path) -> dict[str, Any]:
    texts = [f"the {a} {b} is {c}" for a in ("good", "bad") for b in ("film", "river") for c in ("dull", "cold")]
    for name, part in (("one", texts), ("two", [text + " on cold days" for text in texts])):
        (tmp_path / f"{name}.txt").write_text("\n".join(part) + "\n")
    corpora = {name: {"files": f"{name}.txt"} for name in ("one", "two")}
    return {
        "data": str(tmp_path),
        "encoder": {"name": str(tiny_encoder)},
        "corpora": corpora,
        "held_out": {"share": 0.4},
        "training": {"epochs": 1, "batch_size": 4, "precision": "fp32"},
    }


def test_pretraining_texts(pretraining: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    from minbert.pretraining.run import pretrain_recipe

    plain = prepare_pretraining(parse_pretraining_recipe(pretraining, "test"), quiet)
    pretraining["corpora"]["one"]["augmentation"] = {"name": "swap", "copies": 30}
    recipe = parse_pretraining_recipe(pretraining, "test")
    prepared = prepare_pretraining(recipe, quiet)
    pretrain_recipe(recipe, tmp_path / "run", False, quiet)
    kept = table(tmp_path / "run/augmented/one.tsv")
    before = plain.course.order.sizes
    assert prepared.course.order.sizes == {"one": before["one"] + len(kept), "two": before["two"]}
    new = [row["text"] for row in kept]
    lines = (tmp_path / "one.txt").read_text().splitlines()
    assert kept[0].keys() == {"id", "origin", "method", "text"}
    # Swaps of these texts lead from one to another, and to those that are held out: neither is kept.
    assert len(set(new)) == len(new) > 20 and not set(new) & set(lines)
    assert prepared.texts.held_out["one"].batch.lengths.tolist() == plain.texts.held_out["one"].batch.lengths.tolist()


def test_texts_that_are_held_out_make_no_new_ones(pretraining: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    from minbert.data.corpora import divided
    from minbert.text.distinct import DistinctTexts

    pretraining["corpora"]["one"]["augmentation"] = "deletion"
    recipe = parse_pretraining_recipe(pretraining, "test")
    lines = Path(pretraining["data"], "one.txt").read_text().splitlines()
    (tmp_path / "scratch").mkdir()
    parts = divided(DistinctTexts(lambda: lines, tmp_path / "scratch"), 0.4, None, recipe.seed, "one")
    train = [text for text, held_out in parts if not held_out]
    made = prepare_pretraining(recipe, quiet).new_texts["one"].splitlines()[1:]
    origins = {train[int(line.split("\t")[1]) - 1] for line in made}
    assert len(train) < len(set(lines)) and origins and origins <= set(train)
