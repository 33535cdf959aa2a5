"""Which systems there are, what is shown of them, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished_runs import ROWS, alone, finished_run
from rich.console import Console
from sklearn.metrics import log_loss as sklearn_log_loss

from minbert.cli import main, tables
from minbert.comparing.compare import Comparison, compare
from minbert.comparing.tables import _amount, as_csv, markdown, remarks, sentences
from minbert.errors import UserError
from minbert.evaluation.answers import answers_path, read_answers, write_answers
from minbert.evaluation.intervals import score_interval


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds each of a base, of what is better at one task, and of each task alone."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3):
        finished_run(folder / "base" / f"seed-{seed}", seed)
        finished_run(folder / "surgery" / f"seed-{seed}", seed, same=0.8, combination="pcgrad")
        finished_run(folder / "same-alone" / f"seed-{seed}", seed, same=0.8, **alone("same"))
        finished_run(folder / "close-alone" / f"seed-{seed}", seed + 3, **alone("close"))
    return folder


@pytest.fixture(scope="module")
def compared(runs: Path) -> Comparison:
    return compare([runs])


def test_seeds_of_a_recipe_are_one_system(compared: Comparison) -> None:
    assert {system.name: system.seeds for system in compared.systems} == {
        "base": [1, 2, 3],
        "close-alone": [4, 5, 6],
        "same-alone": [1, 2, 3],
        "surgery": [1, 2, 3],
    }
    assert compared.baseline == "base"
    assert [score.task for score in compared.of("base")] == ["same", "close", "overall"]
    assert [score.task for score in compared.of("same-alone")] == ["same"]


def test_scores_are_those_of_the_answers(compared: Comparison, runs: Path) -> None:
    answers = [read_answers(runs / "base" / f"seed-{seed}", "close", "dev") for seed in (1, 2, 3)]
    score = compared.of("base")[1]
    assert (score.score, score.low, score.high) == pytest.approx(score_interval("regression", "pearson", answers))
    parts = [part.score for part in compared.of("base")]
    assert parts[2] == pytest.approx(np.mean(parts[:2]))


def test_log_losses_are_means_over_rows_and_seeds(compared: Comparison, runs: Path) -> None:
    answers = [read_answers(runs / "base" / f"seed-{seed}", "same", "dev") for seed in (1, 2, 3)]
    expected = np.mean([sklearn_log_loss(run.labels, run.predictions.probabilities) for run in answers])
    assert [score.log_loss for score in compared.of("base")] == [pytest.approx(expected, rel=1e-12), None, None]
    line = markdown(compared).splitlines()[4]
    assert line.startswith(f"| base | same (accuracy) | 3 | {compared.of('base')[0].score:.3f} |")
    assert f"| {expected:.3f} | baseline |" in line
    assert sum(remark.startswith("Log loss: ") for remark in remarks(compared)) == 1


def test_tables_fit_a_terminal_and_have_no_empty_columns(compared: Comparison) -> None:
    shown = {}
    for system, table in zip(compared.systems, tables.comparison(compared), strict=True):
        console = Console(file=io.StringIO(), width=80)
        console.print(table)
        shown[system.name] = console.file.getvalue()  # type: ignore[attr-defined]
    heads = {name: next(line.split() for line in text.splitlines() if " dev" in line) for name, text in shown.items()}
    both = ["to", "baseline", "p", "to", "single", "task", "p"]
    assert heads == {
        "base": ["score", "dev", "log", "loss", *both[3:]],
        "surgery": ["score", "dev", "log", "loss", *both],
        "same-alone": ["score", "dev", "log", "loss"],
        "close-alone": ["score", "dev"],
    }
    cut = "\N{HORIZONTAL ELLIPSIS}"
    assert cut not in "".join(shown.values())
    assert "(pearson)" in shown["surgery"]


def test_where_nothing_has_classes_no_log_loss_is_told(tmp_path: Path) -> None:
    found = compare([finished_run(tmp_path / str(seed), seed, **alone("close")) for seed in (1, 2)])
    assert "log loss" not in markdown(found).lower()


def test_differences_are_told_with_what_is_shown(compared: Comparison) -> None:
    same, close, overall = compared.of("surgery")
    for score, shown in ((same, 1), (close, 0), (overall, 1)):
        assert score.to_baseline is not None
        assert score.to_baseline.shown == shown
        assert score.to_baseline.p <= score.to_baseline.p_holm
    told = sentences(compared)["surgery"]
    assert told[0].startswith("better on same by ")
    assert "points" in told[0]
    assert told[0].endswith("no difference shown on close")
    assert all(score.to_baseline is None for name in ("base", "same-alone") for score in compared.of(name))


def test_negative_transfer_is_marked(compared: Comparison) -> None:
    same, close, overall = compared.of("base")
    assert same.to_single_task is not None
    assert same.to_single_task.to == "same-alone"
    assert same.to_single_task.high < 0
    assert same.negative_transfer
    assert not close.negative_transfer
    assert overall.to_single_task is None
    assert not any(score.negative_transfer for score in compared.of("surgery"))
    assert sentences(compared)["base"][-1] == "negative transfer on same"
    assert markdown(compared).count(", negative transfer") == 1


def test_a_single_task_of_another_encoder_or_fewer_rows_is_no_measure(tmp_path: Path) -> None:
    finished_run(tmp_path / "joint", 1)
    finished_run(tmp_path / "alone", 1, encoder={"name": "other"}, **alone("same"))
    assert all(score.to_single_task is None for score in compare([tmp_path]).scores)


def test_of_several_single_tasks_the_nearest_recipe_counts(tmp_path: Path) -> None:
    long = {"training": {"epochs": 9}}
    finished_run(tmp_path / "a-short", 1, **alone("same"))
    finished_run(tmp_path / "b-long", 1, **alone("same"), **long)
    finished_run(tmp_path / "joint", 1, **long)
    compared = compare([tmp_path], "joint")
    to_single = compared.of("joint")[0].to_single_task
    assert to_single is not None
    assert to_single.to == "b-long"
    assert compared.of("a-short")[0].to_baseline is not None


def test_other_rows_are_refused_with_the_first_difference(tmp_path: Path) -> None:
    first, other = finished_run(tmp_path / "a", 1), finished_run(tmp_path / "b", 2)
    same = read_answers(other, "same", "dev")
    same.ids[4] = "x"
    write_answers(other, "same", "dev", same)
    with pytest.raises(UserError, match=r"task 'same'.*row 5 is 'r4' there and 'x' here"):
        compare([first, other])
    same.ids[4] = "r4"
    labels = same.labels.copy()
    labels[7] = 1 - labels[7]
    write_answers(other, "same", "dev", replace(same, labels=labels))
    with pytest.raises(UserError, match=r"row 'r7' has label"):
        compare([first, other])
    shutil.rmtree(other)
    finished_run(other, 2, rows=90)
    with pytest.raises(UserError, match=rf"{ROWS} rows there, 90 here"):
        compare([first, other])


def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    first = finished_run(tmp_path / "a", 1)
    with pytest.raises(UserError, match="neither a run nor a folder with runs"):
        compare([first, tmp_path / "a" / "answers"])
    with pytest.raises(UserError, match="cannot be read"):
        compare([tmp_path / "none"])
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "ensemble.json").write_text('{"tasks": {}}')
    with pytest.raises(UserError, match=r"both.ensemble\.json: is damaged"):
        compare([first, tmp_path / "both"])
    with pytest.raises(UserError, match=r"--baseline b: is none of the systems.*a"):
        compare([first], "b")
    shutil.copytree(first, tmp_path / "copy")
    with pytest.raises(UserError, match="same recipe with the same seed"):
        compare([tmp_path])
    answers_path(first, "same", "dev").unlink()
    with pytest.raises(UserError, match="no such file"):
        compare([first])


def test_unfinished_runs_are_left_out_or_refused(tmp_path: Path) -> None:
    first, other = finished_run(tmp_path / "a", 1), finished_run(tmp_path / "b", 2, combination="pcgrad")
    (other / "metrics.json").unlink()
    compared = compare([tmp_path])
    assert [system.name for system in compared.systems] == ["a"]
    assert "not finished" in " ".join(remarks(compared))
    with pytest.raises(UserError, match="not finished"):
        compare([first, other])


def test_an_ensemble_is_a_system_of_its_own_and_measures_no_other(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path / "base" / f"seed-{seed}", seed) for seed in (1, 2)]
    singles = [finished_run(tmp_path / "alone" / f"seed-{seed}", seed, **alone("same")) for seed in (1, 2)]

    def ensemble(name: str, members: dict[str, list[Path]], **right: float) -> Path:
        folder = finished_run(tmp_path / name, 9, **right)
        (folder / "recipe.yaml").unlink()
        tasks = {task: [{"run": str(run), "weight": 0.5} for run in those] for task, those in members.items()}
        (folder / "ensemble.json").write_text(json.dumps({"format": 1, "tasks": tasks}))
        return folder

    together = ensemble("together", {"close": runs, "same": singles}, same=0.9)
    of_one = ensemble("of-one", {"same": singles})
    compared = compare([tmp_path / "base", together, of_one, tmp_path / "alone"])
    names = [system.name for system in compared.systems]
    assert names == ["base", "together", "of-one", "alone"]
    assert [system.seeds for system in compared.systems] == [[1, 2], [], [], [1, 2]]
    assert [score.task for score in compared.of("together")] == ["close", "same", "overall"]
    assert [score.task for score in compared.of("of-one")] == ["same"]
    answers = read_answers(together, "same", "dev")
    assert compared.of("together")[1].score == pytest.approx(np.mean(answers.labels == answers.predictions.values))
    for score in compared.scores:  # three models of a task do not tell what one can do
        assert score.to_single_task is None or score.to_single_task.to == "alone"
    same = compared.of("together")[1]
    assert same.to_single_task is not None and same.to_baseline is not None and same.to_baseline.to == "base"
    told = " ".join(remarks(compared))
    assert "One seed only" not in told
    shutil.rmtree(runs[0])
    with pytest.raises(UserError, match=r"seed-1"):
        compare([together])


def test_names_are_as_short_as_tells_apart(tmp_path: Path) -> None:
    for place in ("x", "y"):
        finished_run(tmp_path / place / "run", 1, combination={"x": "pcgrad", "y": "sum"}[place])
    assert [s.name for s in compare([tmp_path]).systems] == ["x/run", "y/run"]
    assert [s.name for s in compare([tmp_path / "x", tmp_path / "y"]).systems] == ["x/run", "y/run"]
    assert [s.name for s in compare([tmp_path / "x" / "run"]).systems] == ["run"]


@pytest.mark.parametrize(
    ("folders", "name"),
    [
        (["a", "b"], "a, b"),
        (["a", "b", "c", "d"], "a and 3 more"),
        (["cs224n-best", "cs224n-best-2", "cs224n-best-3"], "cs224n-best"),
        (["longer_one", "longer_two"], "longer"),
        (["base", "best"], "base, best"),
        (["mine/first", "mine/second"], "mine"),
        (["seed-1/base", "seed-2/base"], "base"),
        (["monday/base", "friday/base"], "base"),
        (["base/seed-1", "base/seed-2"], "base"),
    ],
)
def test_a_system_is_called_by_what_its_runs_have_in_common(tmp_path: Path, folders: list[str], name: str) -> None:
    for seed, folder in enumerate(folders):
        finished_run(tmp_path / folder, seed)
    assert [s.name for s in compare([tmp_path]).systems] == [name]


def test_systems_whose_runs_lie_side_by_side_list_them(tmp_path: Path) -> None:
    for seed, folder in enumerate("abcd"):
        finished_run(tmp_path / "all" / folder, seed, combination="sum" if folder in "ac" else "pcgrad")
    assert [s.name for s in compare([tmp_path]).systems] == ["all/a, all/c", "all/b, all/d"]


def test_the_baseline_may_be_a_name_a_run_or_elsewhere(runs: Path) -> None:
    base, surgery = runs / "base", runs / "surgery"
    assert compare([runs], "surgery").baseline == "surgery"
    assert compare([runs], str(surgery / "seed-2")).baseline == "surgery"
    assert compare([base], str(surgery)).baseline == "surgery"
    with pytest.raises(UserError, match="holds several systems"):
        compare([runs], str(runs))


def test_one_seed_and_few_rows_are_told(tmp_path: Path) -> None:
    finished_run(tmp_path / "a", 1, rows=30)
    finished_run(tmp_path / "b", 1, rows=30, combination="pcgrad")
    told = " ".join(remarks(compare([tmp_path])))
    assert "One seed only: a and b" in told
    assert "same (30)" in told


def test_the_command_writes_what_it_shows(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = {kind: tmp_path / f"comparison.{end}" for kind, end in (("json", "json"), ("csv", "csv"), ("markdown", "md"))}
    options = [word for kind, path in out.items() for word in (f"--{kind}", str(path))]
    with pytest.raises(SystemExit) as left:
        main.app(["compare", str(runs), "--baseline", "base", *options])
    assert not left.value.code
    shown = capsys.readouterr().out
    assert "better on same" in shown
    compared = compare([runs], "base")
    assert json.loads(out["json"].read_text()) == json.loads(json.dumps(compared.as_json()))
    assert out["csv"].read_text() == as_csv(compared)
    assert out["markdown"].read_text() == markdown(compared)
    lines = list(csv.DictReader(io.StringIO(as_csv(compared))))
    assert len(lines) == len(compared.scores)
    assert float(lines[0]["score"]) == compared.scores[0].score


def test_the_best_is_scored_on_rows_it_was_not_chosen_by(tmp_path: Path) -> None:
    """Five systems that are equally good: the best one's score is luck, and the nested estimate has none of it."""
    for number in range(5):
        finished_run(tmp_path / f"system-{number}", 10 + number, optimizer={"warmup": number / 10})
    found = compare([tmp_path])
    overall = next(choice for choice in found.choices if choice.task == "overall")
    scores = {score.system: score.score for score in found.scores if score.task == "overall"}
    assert overall.candidates == 5
    assert overall.score == max(scores.values()) == scores[overall.system]
    assert min(scores.values()) < overall.held_out < overall.score
    assert sum(overall.picked.values()) == pytest.approx(1)
    assert any(f"{overall.held_out:.3f}" in remark for remark in remarks(found))


def test_a_choice_on_halves_is_that_of_each_half(compared: Comparison) -> None:
    """Where one system is better everywhere, every half chooses it, and nothing is lost to luck."""
    same = next(choice for choice in compared.choices if choice.task == "same")
    assert set(same.picked) <= {"surgery", "same-alone"}
    assert same.held_out == pytest.approx(same.score, abs=0.02)


@pytest.mark.parametrize(
    ("metric", "low", "high", "told"),
    [
        ("accuracy", 0.012, 0.034, "1.2 to 3.4 points"),
        ("accuracy", 0.0003, 0.0012, "0.03 to 0.12 points"),
        ("accuracy", 0.000004, 0.1, "0.0004 to 10.0000 points"),
        ("accuracy", 0.0, 0.1, "0.0 to 10.0 points"),
    ],
)
def test_a_difference_that_is_shown_does_not_look_like_none(metric: str, low: float, high: float, told: str) -> None:
    assert _amount(metric, low, high) == told
