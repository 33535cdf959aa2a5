"""Time to quality: curves, results and tables, with made-up curves. Nothing is timed here and no peer runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import time_to_quality
from minbert.errors import UserError
from quality import curves, ours
from quality.contestants import CONTESTANTS
from quality.curves import Curve, Point, Recorder, at, best_at, kept, look_steps, one_after_another, seconds_to
from quality.figure import quality_over_time
from quality.results import Part, Result, read_results, standings, write_results
from quality.rows import LEAST, Course, best_threshold
from quality.tables import ratio_rows, top_rows
from texts import DEV_ROWS, FILES, write_generated

ALL = tuple(FILES)


def curve(*points: tuple[float, float], task: str = "sentiment") -> Curve:
    return [Point(seconds, {task: score}) for seconds, score in points]


def result(contestant: str, tasks: tuple[str, ...], setting: str, *scores: float, seed: int = 1) -> Result:
    part = Part(contestant=contestant, tasks=tasks, setting=setting, seed=seed, rows=None, encoder="tiny", threads=1)
    points = [Point(10.0 * (place + 1), dict.fromkeys(tasks, score)) for place, score in enumerate(scores)]
    return Result(part=part, curve=points, machine="made up")


def test_the_best_model_so_far_is_kept() -> None:
    assert kept(curve((1, 0.5), (2, 0.4), (3, 0.6))) == curve((1, 0.5), (2, 0.5), (3, 0.6))
    assert kept(curve((2, 0.4), (1, 0.5))) == curve((1, 0.5), (2, 0.5))
    both = [Point(1, {"a": 0.9, "b": 0.1}), Point(2, {"a": 0.2, "b": 0.7})]
    assert kept(both) == [both[0], Point(2, both[0].scores)]  # one model for both tasks, not the best of each


def test_tasks_that_are_trained_one_after_another_add_up_their_seconds() -> None:
    first, second = curve((1, 0.5), (2, 0.7)), curve((10, 0.1), (30, 0.3), task="similarity")
    merged = one_after_another([first, second])
    assert [point.seconds for point in merged] == [11, 32]
    assert [point.mean for point in merged] == pytest.approx([0.3, 0.5])
    with pytest.raises(ValueError, match="shorter"):
        one_after_another([first, second[:1]])


def test_who_is_on_top_and_who_is_there_first() -> None:
    both = {"quick": curve((2, 0.5), (4, 0.6)), "slow": curve((20, 0.55), (40, 0.8))}
    assert at(both["quick"], 1.9) is None
    assert at(both["quick"], 3) == both["quick"][0]
    assert best_at(both, 1) is None
    assert best_at(both, 30) == ("quick", 0.6)
    assert best_at(both, 40) == ("slow", 0.8)
    assert seconds_to(both, 0.55) == ("quick", 4)
    assert seconds_to(both, 0.8) == ("slow", 40)
    assert seconds_to(both, 0.81) is None


def test_the_tables_say_how_far_ours_is_ahead_and_how_much_sooner() -> None:
    of_ours, of_peers = {"ours": curve((9, 0.5), (50, 0.7))}, {"peer": curve((100, 0.4), (400, 0.7), (500, 0.7))}
    rows = {row["after"]: row for row in top_rows(of_ours, of_peers)}
    assert rows[30] == {"after": 30, "ours": "ours", "our_mean": 0.5}  # the peer has nothing yet
    assert rows[120]["ahead"] == pytest.approx(0.3)
    assert rows[3600]["ahead"] == pytest.approx(0.0)
    [ratio] = ratio_rows(of_ours, of_peers)
    assert (ratio["peer_seconds"], ratio["our_seconds"], ratio["ratio"]) == (400, 50, 8)  # when the peer first had it
    assert "ratio" not in ratio_rows(of_ours, {"peer": curve((1, 0.9))})[0]


def test_the_clock_stands_while_dev_is_scored_and_finishing_counts_for_one_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def pass_(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(curves, "perf_counter", lambda: now)
    recorder = Recorder()

    def finish() -> Callable[[], dict[str, float]]:
        pass_(5)  # a head is fitted
        return lambda: pass_(100) or {"sentiment": 0.5}  # dev is scored

    for _ in range(2):
        pass_(10)  # of training
        recorder.record(finish)
    assert [point.seconds for point in recorder.curve] == [15, 25]


def test_dev_is_scored_in_the_first_epoch_and_after_each() -> None:
    assert look_steps(240, 3) == [10, 20, 40, 80, 160, 240]
    assert look_steps(2, 1) == [1, 1, 1, 2]  # a short course has as many points as a long one


def test_the_threshold_makes_the_fewest_mistakes() -> None:
    labels, cosines = np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.5, 0.6, 0.7, 0.9])
    assert best_threshold(labels, cosines) in (0.5, 0.7)
    assert best_threshold(np.array([0, 1]), np.array([0.2, 0.3])) == 0.3


def test_each_part_has_its_own_best_setting_and_seeds_are_averaged() -> None:
    two = {"peer": (("sentiment",), ("similarity",))}
    results = [
        result("peer", ("sentiment",), "low", 0.2, 0.4),
        result("peer", ("sentiment",), "low", 0.4, 0.6, seed=2),
        result("peer", ("sentiment",), "lucky", 0.9, 0.9),  # of one seed where others have two
        result("peer", ("similarity",), "low", 0.1, 0.1),
        result("peer", ("similarity",), "high", 0.3, 0.2),
    ]
    standing = standings(results, two)["peer"]
    assert standing.settings == {"sentiment": "low", "similarity": "high"}
    assert [point.scores["sentiment"] for point in standing.curve] == pytest.approx([0.3, 0.5])
    assert [point.scores["similarity"] for point in standing.curve] == pytest.approx([0.3, 0.3])
    assert standings(results[:3], two) == {}  # half a contestant is none


def test_a_second_start_trains_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def train(part: Part, _: object) -> Result:
        if part.contestant == "ours, best" and not trained.count("stopped"):
            trained.append("stopped")
            raise KeyboardInterrupt
        trained.append(f"{part.contestant} {part.seed}")
        return result(part.contestant, part.tasks, part.setting, 0.5, seed=part.seed).model_copy(update={"part": part})

    monkeypatch.setattr(time_to_quality, "trained", train)
    arguments = ["--data", "nowhere", "--results", str(tmp_path / "found.jsonl"), "--only", "ours, short", "ours, best"]
    options = time_to_quality.parser().parse_args(arguments)
    with pytest.raises(KeyboardInterrupt):
        time_to_quality.measure(options, Console(quiet=True))
    results = time_to_quality.measure(options, Console(quiet=True))
    assert trained == ["ours, short 11711", "stopped", "ours, best 11711"]
    assert {one.part.contestant for one in results} == {"ours, short", "ours, best"}
    options.seeds = [11711, 2]
    time_to_quality.measure(options, Console(quiet=True))
    assert trained[3:] == ["ours, short 2", "ours, best 2"]
    shown = time_to_quality.parser().parse_args([*arguments, "--seeds", "2", "3", "--show"])
    assert {one.part.seed for one in time_to_quality.measure(shown, Console(quiet=True))} == {2}
    assert len(trained) == 5
    assert len(read_results(options.results)) == 4


def test_a_damaged_file_of_results_is_refused_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tmp_path / "found.jsonl"
    write_results(found, [result("ours, short", ALL, "", 0.5)])
    assert read_results(found)[0].curve[0].mean == 0.5
    damaged = found.read_text(encoding="utf-8").replace("seconds", "minutes")
    found.write_text(damaged, encoding="utf-8")
    with pytest.raises(UserError, match=r"found\.jsonl"):
        read_results(found)
    monkeypatch.setattr(sys, "argv", ["time_to_quality.py", "--data", "nowhere", "--results", str(found)])
    with pytest.raises(SystemExit, match=r"found\.jsonl"):
        time_to_quality.main()
    assert found.read_text(encoding="utf-8") == damaged


def test_the_likeliest_settings_of_all_come_first() -> None:
    options = time_to_quality.parser().parse_args(["--data", "nowhere", "--only", "ours, short", "logistic regression"])
    parts = time_to_quality.parts_wanted(options, Console(quiet=True))
    assert [(part.contestant, part.setting) for part in parts] == [
        ("ours, short", ""),
        ("logistic regression", "10"),
        ("logistic regression", "100"),
        ("logistic regression", "1"),
    ]
    assert "5e-5 joined" in CONTESTANTS["Trainer"].settings_of(("paraphrase",))
    assert CONTESTANTS["Trainer"].settings_of(("similarity",)) == ["5e-5", "1e-4", "2e-5"]


def test_the_figure_has_a_line_for_everybody() -> None:
    drawn = quality_over_time({"a": curve((1, 0.5), (10, 0.6)), "b": curve((2, 0.4))})
    assert drawn.file.startswith("<?xml")
    assert "b 0.400 after 2 s" in drawn.alt


def test_our_curves_count_what_comes_before_the_first_step(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_generated(tmp_path, 100, str(tiny_encoder), seed=1)
    course = Course(tmp_path, str(tiny_encoder), 1, 96)
    assert {len(rows) for rows in course.read(0.5).values()} == {48, DEV_ROWS}
    assert {len(course.read(0.01)["train", task]) for task in ALL} == {LEAST}
    start, *_, end = ours.trained(course, "cs224n/multitask", ours.SHORT)  # three steps
    assert 0 < start.seconds < end.seconds
    assert set(start.scores) == set(ALL)
    monkeypatch.setattr(ours, "curve_of", lambda *_: [start, end])
    assert ours.trained(course, "cs224n/multitask", {}) == [end]  # its heads are random: at the start no model
