"""What a change of the recipe gives: which rows are drawn, what is trained on them, and the table's arithmetic."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import changes


def write_set(folder: Path, rows: int = 1000, dev: int = 30) -> None:
    folder.mkdir(parents=True)
    for name, count in (("train", rows), ("dev", dev)):
        lines = [f'{name}{n}\t"so" it is {name} {n}\t{"yes" if n % 2 else "no"}' for n in range(count)]
        (folder / f"{name}.tsv").write_text("\n".join(["id\ttext\tlabel", *lines]) + "\n", encoding="utf-8")


def drawn(folder: Path, name: str) -> list[str]:
    header, *lines = (folder / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "id\ttext\tlabel"
    return lines


def test_what_is_scored_was_neither_trained_on_nor_chosen_by(tmp_path: Path) -> None:
    write_set(tmp_path / "set")
    (tmp_path / "set" / "labels.txt").write_text("yes\nno\n", encoding="utf-8")
    with (tmp_path / "set" / "train.tsv").open("a", encoding="utf-8") as file:
        file.writelines(f'again{n}\t"so" it is train {n}\tno\n' for n in range(1000))  # every text is there twice
    changes.write_drawn(tmp_path / "set", tmp_path / "drawn", 300, 20, 2000)
    files = {name: drawn(tmp_path / "drawn", name) for name in ("train", "dev", "test")}
    assert {name: len(lines) for name, lines in files.items() if name != "test"} == {"train": 300, "dev": 20}
    texts = {name: {line.split("\t")[1] for line in lines} for name, lines in files.items()}
    assert all(texts[a].isdisjoint(texts[b]) for a, b in itertools.combinations(texts, 2))
    assert set.union(*texts.values()) == {
        f'"so" it is {name} {n}' for name, k in (("train", 1000), ("dev", 30)) for n in range(k)
    }
    assert (tmp_path / "drawn" / "labels.txt").read_text(encoding="utf-8") == "yes\nno\n"
    changes.write_drawn(tmp_path / "set", tmp_path / "fewer", 200, 20, 50)
    assert drawn(tmp_path / "fewer", "train") == files["train"][:200]
    assert len(drawn(tmp_path / "fewer", "test")) == 50


def test_a_small_set_keeps_rows_to_be_scored(tmp_path: Path) -> None:
    write_set(tmp_path / "set")
    changes.write_drawn(tmp_path / "set", tmp_path / "drawn", 2000, 300, 1500)
    assert len(drawn(tmp_path / "drawn", "train")) == 1000 - changes.LEFT
    assert len(drawn(tmp_path / "drawn", "test")) == changes.LEFT


def test_one_model_of_two_sets_is_scored_on_each(tmp_path: Path, tiny_encoder: Path) -> None:
    write_set(tmp_path / "a")
    write_set(tmp_path / "b")
    wanted = {
        "sets": ["a", "b"],
        "seed": 1,
        "set": ["tasks.TASK.batch_size=16"],
        "change": ["training.epochs=1"],
        "rows": 40,
        "dev": 20,
        "scored": 30,
        "encoder": str(tiny_encoder),
    }
    found = changes.measured(wanted, tmp_path)
    assert found["scores"].keys() == {"a", "b"}
    assert wanted.items() <= found.items()


def test_differences_are_of_what_all_changes_have_and_the_interval_is_over_sets() -> None:
    def result(change: list[str], seed: int, **scores: float) -> dict[str, Any]:
        return {"change": change, "seed": seed, "scores": scores, "seconds": 10}

    more = ["training.epochs=5"]
    found = [
        result([], 1, a=0.5),
        result([], 2, a=0.7),
        result([], 1, b=0.4, c=0.9),
        result(more, 1, a=0.6),
        result(more, 2, a=0.8),
        result(more, 1, b=0.3, c=1.0, d=0.1),  # nobody else has been scored on d
    ]
    first, other = changes.summary(found)
    assert first == {  # nobody else has been scored on d
        "change": "as it is",
        "a": pytest.approx(0.6),
        "b": 0.4,
        "c": 0.9,
        "mean": pytest.approx((0.6 + 0.4 + 0.9) / 3),
        "seconds": 10,
        "seeds": pytest.approx(4 / 3),
    }
    assert other["change"] == "training.epochs=5"
    assert other["mean"] == pytest.approx((0.7 + 0.3 + 1.0) / 3)
    low, high = stats.ttest_rel([0.7, 0.3, 1.0], [0.6, 0.4, 0.9]).confidence_interval()
    assert other["ahead of the first"] == f"{0.1 / 3:+.3f} ({low:+.3f} to {high:+.3f})"
    assert changes.summary([]) == []


def test_what_is_there_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[object]] = []

    def measured(wanted: dict[str, Any], data: Path) -> dict[str, Any]:  # noqa: ARG001
        asked.append([*wanted["sets"], wanted["seed"], changes.told(wanted["change"])])
        return {**wanted, "scores": dict.fromkeys(wanted["sets"], 0.5), "seconds": 1}

    monkeypatch.setattr(changes, "measured", measured)
    words = ["changes.py", "--data", "nowhere", "--out", str(tmp_path / "found.jsonl"), "--threads", "1"]
    more = ["--change", "training.epochs=5"]
    for others, new in (
        (["--sets", "a", *more], [["a", 1, "as it is"], ["a", 1, "training.epochs=5"]]),
        (["--sets", "a", "b", *more], [["b", 1, "as it is"], ["b", 1, "training.epochs=5"]]),
        (["--sets", "a", "b", "--together"], [["a", "b", 1, "as it is"]]),
        (["--sets", "a", "--rows", "9"], [["a", 1, "as it is"]]),
        (["--sets", "a", "--set", "training.epochs=2"], [["a", 1, "as it is"]]),
        (["--sets", "a", "--seeds", "2", "--show"], []),
    ):
        asked.clear()
        monkeypatch.setattr("sys.argv", [*words, *others])
        changes.main()
        assert asked == new
