"""Words that can be no path, wherever a command or a recipe expects one: one plain message, no traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from minbert.cli.main import app
from minbert.data.places import resolve_data
from minbert.encoder.sources import find_encoder
from minbert.errors import UserError
from minbert.files.paths import to_path
from minbert.multitask.model import MultitaskModel
from minbert.recipe.shipped import RECIPES

TEXT = "The film was good, and so was the rest of the evening. " * 6


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "an empty text was given where the name of a file or folder"),
        (" ", "an empty text"),
        (TEXT, r"'The film was good.*too long for that \(\d+ bytes.*Is another argument missing before it"),
        ("ü" * 128, "too long for that .256 bytes"),
        (f"runs/{TEXT}/x", "too long"),
        ("a\0b", "has a NUL character"),
        ("~nobody-of-this-name/runs", "there is no user of this name"),
    ],
)
def test_what_can_be_no_path(word: str, message: str) -> None:
    for use in (to_path, resolve_data, find_encoder, RECIPES.find, MultitaskModel.from_pretrained):
        with pytest.raises(UserError, match=message):
            use(word)


def test_what_can_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert to_path("~/runs") == tmp_path / "runs"
    assert to_path(".") == Path()
    assert to_path("ü" * 127) == Path("ü" * 127)
    assert to_path("a/" * 400 + "b").name == "b"
    assert to_path("-") == Path("-")


def callbacks(of: typer.Typer) -> Iterator[Callable[..., object]]:
    """Yield the function of every command."""
    yield from (command.callback for command in of.registered_commands if command.callback is not None)
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from callbacks(group.typer_instance)


def test_every_path_of_every_command_is_read_by_to_path() -> None:
    paths = {
        (callback.__name__, name): hint.__metadata__[0].parser
        for callback in callbacks(app)
        for name, hint in get_type_hints(callback, include_extras=True).items()
        if "Path" in str(getattr(hint, "__origin__", hint))
    }
    assert len(paths) > 20
    assert {place for place, parser in paths.items() if parser is not to_path} == set()


@pytest.mark.parametrize("word", ["", TEXT], ids=["empty", "too long"])
@pytest.mark.parametrize(
    "command",
    [
        "train WORD",
        "train quickstart --data WORD",
        "train quickstart --encoder WORD --dry-run",
        "train quickstart --out WORD",
        "train quickstart --budget WORD",
        "pretrain WORD",
        "pretrain pretrain/sample --encoder WORD --out {new}",
        "reproduce WORD",
        "reproduce phan --out WORD",
        "sweep WORD --out {new} --seeds 2",
        "compare WORD",
        "report WORD",
        "ensemble WORD WORD --out {new}",
        "soup WORD WORD --out {new}",
        "evaluate WORD",
        "predict WORD text --task t",
        "predict {new} --input WORD --task t",
        "encode WORD --input {new}.csv --output {new}.npy",
        "augment WORD --text a --method swap --output {new}.csv",
        "data check WORD",
        "data check quickstart --encoder WORD",
        "data download WORD",
        "recipes show WORD",
        "recipes copy quickstart WORD",
    ],
)
def test_the_forgotten_argument(command: str, word: str, tmp_path: Path) -> None:
    words = [word if part == "WORD" else part.format(new=tmp_path / "new") for part in command.split()]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, UserError), (result.exception, result.output)
    assert "name of a file or folder" in str(result.exception) or "too long for that" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_a_path_that_an_option_has_by_default_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["report", "."])
    assert isinstance(result.exception, UserError), result.exception
    assert "no run of minbert's" in str(result.exception)
