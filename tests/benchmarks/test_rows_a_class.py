"""The arithmetic of the benchmark on few rows: which rows are drawn, how answers are scored, and what is shown."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from scipy import stats

import rows
from minbert.errors import UserError
from rows_contestants import Labelled

LABELS = ["a", "b", "a", "a", "c", "b", "a", "b", "c", "a"]
TABLE = Labelled([(f"text {n}",) for n in range(10)], LABELS)


def test_as_many_rows_of_each_class_are_drawn_and_another_seed_draws_others() -> None:
    drawn = [rows.drawn(TABLE, "2", seed) for seed in (1, 1, 2, 3)]
    assert all(sorted(draw.labels) == ["a", "a", "b", "b", "c", "c"] for draw in drawn)
    assert drawn[0] == drawn[1]
    assert len({tuple(draw.texts) for draw in drawn}) > 1
    label_of = dict(zip(TABLE.texts, LABELS, strict=True))
    assert [label_of[text] for text in drawn[0].texts] == drawn[0].labels
    assert rows.drawn(TABLE, "all", 1) == TABLE


def test_a_quote_in_a_file_is_a_quote(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text('id\ttext1\ttext2\tlabel\n1\t"so" she said\tb\u2028c\tyes\n', encoding="utf-8")
    assert rows.read_table(tmp_path / "train.tsv") == Labelled([('"so" she said', "b\u2028c")], ["yes"])


def test_scores_are_those_of_the_set() -> None:
    assert rows.scored("cr", ["x", "y", "y"], ["x", "x", "y"]) == pytest.approx(2 / 3)
    assert rows.scored("sms-spam", ["ham", "spam", "spam"], ["spam", "spam", "ham"]) == pytest.approx(1 / 2)
    assert rows.scored("tweet-hate", ["x", "y"], ["x", "x"]) == pytest.approx((2 / 3 + 0) / 2)
    assert rows.scored("cola", ["0", "1"], ["1", "0"]) == -1


def test_means_are_of_draws_that_every_contestant_has() -> None:
    def result(name: str, seed: int, contestant: str, score: float) -> dict[str, object]:
        known = {"set": name, "rows": "8", "seed": seed, "contestant": contestant, "changes": []}
        return {**known, "score": score, "seconds": 2.0, "train_rows": 16}

    found = [
        result("cr", 1, "ours", 0.5),
        result("cr", 1, "SetFit", 0.4),
        result("cr", 2, "ours", 0.7),
        result("cr", 2, "SetFit", 0.8),
        result("subj", 1, "ours", 0.9),
        result("subj", 1, "SetFit", 0.7),
        result("subj", 2, "ours", 0.1),  # SetFit has not been measured there
    ]
    table = {row["contestant"]: row for row in rows.summary(found, "8")}
    assert list(table) == ["ours", "SetFit"]
    assert table["ours"]["mean"] == pytest.approx((0.6 + 0.9) / 2)
    assert table["SetFit"]["mean"] == pytest.approx((0.6 + 0.7) / 2)
    assert table["ours"]["draws"] == 3
    assert table["ours"]["ours is ahead by"] == "+0.000"
    scores = {"ours": [0.5, 0.7, 0.9], "SetFit": [0.4, 0.8, 0.7]}
    low, high = stats.ttest_rel(scores["ours"], scores["SetFit"]).confidence_interval()
    assert table["SetFit"]["ours is ahead by"] == f"{0.2 / 3:+.3f} ({low:+.3f} to {high:+.3f})"
    assert rows.summary(found, "16") == []


def test_what_is_there_is_not_measured_again(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[object]] = []

    def measured(options: argparse.Namespace, wanted: dict[str, object]) -> dict[str, object]:  # noqa: ARG001
        asked.append([wanted["set"], wanted["seed"], wanted["changes"]])
        return {**wanted, "score": 0.5, "seconds": 1.0, "train_rows": 16}

    monkeypatch.setattr(rows, "measured", measured)
    words = ["rows.py", "--data", str(tmp_path), "--out", str(tmp_path / "rows.jsonl"), "--encoder", str(tiny_encoder)]
    words += ["--sets", "cr", "subj", "--rows", "8", "--contestants", "ours", "--threads", "1", "--seeds"]
    for more, new in (
        (["1"], [["cr", 1, []], ["subj", 1, []]]),
        (["1", "2"], [["cr", 2, []], ["subj", 2, []]]),
        (["1", "2"], []),
        (["1", "--set", "training.epochs=3"], [["cr", 1, ["training.epochs=3"]], ["subj", 1, ["training.epochs=3"]]]),
    ):
        asked.clear()
        monkeypatch.setattr("sys.argv", [*words, *more])
        rows.main()
        assert asked == new
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 6


def test_ours_answers_by_the_labels_of_the_file_and_a_recipe_can_be_changed(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "cr").mkdir()
    lines = ["id\ttext\tlabel", *(f"{n}\tfilm {n} is {'good' if n % 2 else 'bad'}\t{n % 2}" for n in range(24))]
    for name in ("train", "dev"):
        (tmp_path / "cr" / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = argparse.Namespace(data=tmp_path, scored=10, encoder=tiny_encoder, set=["tasks.TASK.head=mlp"])
    wanted = {"set": "cr", "rows": "4", "seed": 1, "contestant": "ours", "changes": options.set}
    result = rows.measured(options, wanted)
    assert wanted.items() <= result.items()
    assert result["train_rows"] == 8
    assert 0 <= result["score"] <= 1
    options.set = ["tasks.TASK.heed=mlp"]
    with pytest.raises(UserError, match="did you mean 'head'"):
        rows.measured(options, wanted)
