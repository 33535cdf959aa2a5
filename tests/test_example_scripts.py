"""Every script of examples/ does what its page says, with a tiny encoder on the sample set."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    """Return a script of examples/ as a module, not run."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_own_tasks(tmp_path: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("own_tasks").main(tmp_path, str(tiny_encoder))
    *_, first, second, pair = capsys.readouterr().out.splitlines()
    names = ["awful", "weak", "neutral", "good", "superb"]
    assert first.split()[0] in names
    assert second.split()[0] in names
    assert pair in ("the same question: ['0']", "the same question: ['1']")


def test_own_folder(tmp_path: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("own_folder").main(tmp_path, str(tiny_encoder))
    told = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  unsure: 'sentiment' holds whole numbers 0 to 4") for line in told)
    assert [line[1:9] for line in told[-2:]] == [" of 4  A", " of 4  T"]
    assert {line[0] for line in told[-2:]} <= set("01234")


def test_python_api(tmp_path: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("python_api").main(tmp_path, str(tiny_encoder))
    *_, vectors, error = capsys.readouterr().out.splitlines()
    assert vectors == "vectors: (2, 32)"
    assert "no task 'sentimnt' (did you mean 'sentiment'?)" in error
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == (tmp_path / "run/model.safetensors").read_bytes()


def test_compare_methods(tmp_path: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("compare_methods").main(tmp_path, str(tiny_encoder))
    told = [line for line in capsys.readouterr().out.splitlines() if "(" in line and " to " in line]
    scores = [line for line in told if line.startswith(("sum", "pcgrad"))]
    assert len(scores) == 8
    assert all(("p " in line) == line.startswith("pcgrad") for line in scores)


def test_search(tmp_path: Path, tiny_encoder: Path) -> None:
    nearest = load("search").main(tmp_path, str(tiny_encoder))
    assert len(set(nearest)) == 5


def test_all_are_tested() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested
