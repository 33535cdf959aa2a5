"""What is in the package is in the wheel: setuptools takes only what ``pyproject.toml`` names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

import minbert

PACKAGE = Path(minbert.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_that_is_no_module_is_package_data() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["minbert"]
    named = {pattern: {path for path in PACKAGE.glob(pattern) if path.is_file()} for pattern in patterns}
    assert not [pattern for pattern, files in named.items() if not files], "names no file"
    there = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    lacking = there - set().union(*named.values())
    assert not lacking, "add to package-data in pyproject.toml"


def test_every_folder_of_modules_is_a_package() -> None:
    """Others are left out without a word."""
    assert not {path.parent for path in PACKAGE.rglob("*.py") if not (path.parent / "__init__.py").exists()}


def test_the_workflow_runs_the_oldest_python_that_the_package_asks_for() -> None:
    text = (Path(__file__).parents[1] / ".github/workflows/test.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["jobs"]["test"]
    assert PROJECT["project"]["requires-python"] == f">={job['strategy']['matrix']['python'][0]}"
    assert {step["run"] for step in job["steps"] if "run" in step} == {"make test", "make dist-check"}
