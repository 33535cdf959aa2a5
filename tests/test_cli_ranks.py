"""Commands that answer, as torchrun starts them: one output, one message, and the other ranks are silent."""

from __future__ import annotations

import signal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from command_line import minbert, wait_for
from running_ranks import on_ranks


@pytest.fixture
def run(two_tasks: dict[str, Any], tmp_path: Path) -> Path:
    two_tasks["training"] |= {"epochs": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(two_tasks), encoding="utf-8")
    assert minbert("train", tmp_path / "recipe.yaml", "--out", tmp_path / "run").returncode == 0
    (tmp_path / "out").mkdir()
    return tmp_path / "run"


def of_ranks(folder: Path, *words: str | Path) -> list[CompletedProcess[str]]:
    with on_ranks(list(words), 2, folder / "said") as started:
        return started.ended()


def test_evaluate_and_predict_say_what_one_process_says(run: Path, tmp_path: Path) -> None:
    first, other = of_ranks(tmp_path, "evaluate", run)
    assert (first.returncode, other.returncode) == (0, 0)
    assert first.stdout == minbert("evaluate", run).stdout
    assert (other.stdout, other.stderr) == ("", "")
    source = tmp_path / "data" / "mood-dev.tsv"
    predict = ["predict", run, "--task", "mood", "--input", source]
    first, other = of_ranks(tmp_path, *predict, "--output", tmp_path / "out/answers.jsonl")
    assert (first.returncode, other.returncode) == (0, 0), first.stderr
    assert f"{tmp_path / 'out/answers.jsonl'}: 10 rows" in first.stderr
    assert (other.stdout, other.stderr) == ("", "")
    assert len((tmp_path / "out/answers.jsonl").read_text(encoding="utf-8").splitlines()) == 10
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_bad_row_ends_all_ranks_with_one_message(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.csv"
    source.write_text("text\n" + "a good film\n" * 5 + "a,b\n", encoding="utf-8")
    words = ["encode", run, "--input", source, "--output", tmp_path / "out/vectors.npy"]
    first, other = of_ranks(tmp_path, *words)
    assert (first.returncode, other.returncode) == (2, 1)
    assert "texts.csv:7: " in first.stderr
    assert (other.stdout, other.stderr) == ("", "")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_command_for_one_process_is_refused_by_its_whole_name(tmp_path: Path) -> None:
    for words, called in ((("data", "check", "quickstart"), "data check"), (("compare", "data", "x"), "compare")):
        (tmp_path / called).mkdir()
        said = "".join(rank.stderr for rank in of_ranks(tmp_path / called, *words))
        assert f"error: 'minbert {called}' runs in one process: call it without torchrun." in said


@pytest.mark.parametrize(
    ("words", "told"),
    [(["train", "/no/such/recipe"], "/no/such/recipe"), (["methods"], "'minbert methods' runs in one process")],
)
def test_what_all_ranks_refuse_is_told_once_and_is_no_matter_of_ranks(
    tmp_path: Path, words: list[str], told: str
) -> None:
    first, other = of_ranks(tmp_path, *words)
    assert (first.returncode, other.returncode) == (2, 1)
    assert first.stderr.count("error: ") == 1
    assert told in first.stderr
    assert "rank 0" not in first.stderr and "rank 1" not in first.stderr
    assert (other.stdout, other.stderr) == ("", "")


def test_sigterm_ends_all_ranks_with_one_message_and_leaves_nothing(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.csv"
    source.write_text("text\n" + "a good film\n" * 200_000, encoding="utf-8")
    words = ["predict", run, "--task", "mood", "--input", source, "--output", tmp_path / "out/answers.jsonl"]
    with on_ranks(words, 2, tmp_path / "said") as started:
        wait_for(tmp_path / "out/.answers.jsonl.*.partial")
        started.send(signal.SIGTERM)
        ended = started.ended()
    assert [rank.returncode for rank in ended] == [143, 143], [rank.stderr for rank in ended]
    assert "".join(rank.stderr for rank in ended).splitlines().count("ended by SIGTERM") == 1
    assert not any("error" in rank.stderr for rank in ended)
    assert list((tmp_path / "out").iterdir()) == []
