"""What a user wrote (class names, texts, paths) is shown letter for letter, on a terminal as in a file."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from minbert.cli.main import app
from minbert.display.commands import command_line
from minbert.display.console import terminal
from minbert.display.progress import Display

HARD = ["[/a]", "[red]", "{x}", "\\[", ":cat:"]
"""A closing tag, an opening one, a format field, an escaped bracket, an emoji code."""
FOLDER = "of [red] {x} \\[ :cat: [/a]"
"""The slash makes two folders of it."""


@pytest.fixture(autouse=True)
def _on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "1000")


def minbert(*words: str | Path) -> str:
    """Return what a command prints, without colours."""
    result = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", result.output)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A folder whose path is hard, with a recipe whose class names are, too."""
    folder = tmp_path_factory.mktemp("user") / FOLDER
    folder.mkdir(parents=True)
    rows = [f"{HARD[n % 5]} film\t{HARD[n % 5]}" for n in range(20)]
    for split in ("train", "dev", "test"):
        (folder / f"{split}.tsv").write_text("\n".join(["words\tname", *rows]) + "\n")
    task = {
        "kind": "classification",
        "classes": HARD,
        "files": {split: f"{split}.tsv" for split in ("train", "dev", "test")},
        "text": "words",
        "label": "name",
    }
    recipe = {
        "description": "".join(HARD),
        "data": str(folder),
        "encoder": {"name": str(tiny_encoder)},
        "tasks": {"named": task},
        "training": {"epochs": 1, "head_start": "random", "precision": "fp32"},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="module")
def trained(work: Path) -> list[str]:
    """What training prints, of two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORCE_COLOR", "1")
        patch.setenv("COLUMNS", "1000")
        return [
            minbert("train", work / "recipe.yaml", "--seed", str(seed), "--out", work / f"{seed}") for seed in (1, 2)
        ]


@pytest.mark.usefixtures("trained")
class TestCommands:
    def test_train(self, work: Path, trained: list[str]) -> None:
        assert "majority ([/a])" in trained[0]
        assert f"The run is in {work / '1'}." in trained[0]
        assert shlex.join(["minbert", "report", str(work / "1")]) in trained[0]

    def test_predict_texts(self, work: Path) -> None:
        shown = minbert("predict", work / "1", "--task", "named", *HARD)
        for text in HARD:
            assert re.search(rf" {re.escape(text)}\s*\n", shown)

    def test_predict_a_file(self, work: Path) -> None:
        minbert("predict", work / "1", "--task", "named", "--input", work / "dev.tsv", "--output", work / "said.tsv")
        assert (work / "said.tsv").is_file()

    def test_encode(self, work: Path) -> None:
        shown = minbert(
            "encode", work / "1", "--input", work / "dev.tsv", "--text", "words", "--output", work / "v.npy"
        )
        assert f"{work / 'v.npy'}: 20 vectors" in shown

    def test_evaluate(self, work: Path) -> None:
        assert "accuracy" in minbert("evaluate", work / "1")

    def test_compare(self, work: Path) -> None:
        name = "".join(HARD[1:])
        shutil.copytree(work / "1", work / name)
        assert f"{name} " in minbert("compare", work / name)

    def test_ensemble(self, work: Path) -> None:
        shown = minbert("ensemble", work / "1", work / "2", "--out", work / "ensemble")
        assert f"The ensemble is in {work / 'ensemble'}:" in shown

    def test_soup(self, work: Path) -> None:
        shown = minbert("soup", work / "1", work / "2", "--out", work / "soup")
        assert f"The soup is in {work / 'soup'}." in shown
        assert shlex.join(["minbert", "predict", str(work / "soup"), "--task", "named"]) in shown

    def test_sweep(self, work: Path) -> None:
        grid = ["--grid", "optimizer.learning_rate=1e-3,1e-4", "--keep-models", "none"]
        shown = minbert("sweep", work / "recipe.yaml", *grid, "--out", work / "sweep")
        assert f"Every row is in {work / 'sweep' / 'sweep.csv'}" in shown
        assert f"'{work / 'sweep' / 'best.yaml'}'" in shown

    def test_teachers(self, work: Path) -> None:
        recipe = yaml.safe_load((work / "recipe.yaml").read_text())
        recipe["distillation"] = {"teachers": [str(work / "1")]}
        (work / "student.yaml").write_text(yaml.safe_dump(recipe))
        assert f"The run is in {work / 'student'}." in minbert(
            "train", work / "student.yaml", "--out", work / "student"
        )

    def test_data_check(self, work: Path) -> None:
        shown = minbert("data", "check", work / "recipe.yaml")
        for name in HARD:
            assert f"{name} " in shown or f"{name}:" in shown


def test_every_part_of_a_table() -> None:
    console = terminal()
    console.file = io.StringIO()
    hard = "".join(HARD)
    table = Table(title=hard, caption=hard)
    table.add_column(hard)
    table.add_row(hard)
    Display(console).show(table)
    assert console.file.getvalue().count(hard) == 4


@pytest.mark.parametrize("text", HARD)
def test_every_line_of_a_display(text: str) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=200)
    display = Display(console)
    display.note(text)
    display.evaluated(3, 1.0, {text: 0.5}, {text: 0.25}, 0.25, best=True)
    with display.waiting(text):
        pass
    with display.counting(text, 3) as bar:
        bar.advance(1)
    with display.training(3, 0):
        display.step(1, {text: 0.5}, 10.0)
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", console.file.getvalue())  # type: ignore[attr-defined]
    assert f"{text}\n" in shown
    assert f"{text} 0.250 (loss 0.500) best\n" in shown
    assert f"{text} ━" in shown
    assert f"loss  {text} 0.500" in shown


def test_no_other_file_makes_a_console() -> None:
    source = Path(__import__("minbert").__file__).parent
    makers = [path for path in source.rglob("*.py") if re.search(r"Console\(|markup import", path.read_text())]
    assert makers == [source / "display" / "console.py"]


def test_help_and_errors_of_usage() -> None:
    assert "pip install 'minbert[tracking]'" in " ".join(minbert("train", "--help").split())
    result = CliRunner().invoke(app, ["train", "--bogus[/a]"])
    assert result.exit_code == 2
    assert "--bogus[/a]" in result.output


def test_commands_are_quoted() -> None:
    assert command_line("train", Path("my runs/a"), "--out", "b") == "minbert train 'my runs/a' --out b"


def test_python_m_minbert() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "minbert", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.startswith("Usage: minbert ")
