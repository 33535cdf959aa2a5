"""Standard streams that are full, closed, unread or of a small alphabet: one line at most, and no work is lost."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.table import Table

from minbert.cli import main
from minbert.data.row_writer import row_writer
from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.display.streams import Steady, give_up, open_streams

RUN = [sys.executable, "-m", "minbert"]
LOST = "the output can no longer be written"


def windows_stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="cp1252")


def written(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


def test_a_full_stream_is_told_once_and_work_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123  (a device)
        monkeypatch.setattr(sys, "stdout", full)
        display = Display(terminal())
        for number in range(3):
            display.note(f"step {number}")
        with display.counting("predicting", 3) as bar:
            bar.advance(3)
    assert capsys.readouterr().err == f"{LOST} (No space left on device); the work goes on\n"


def test_what_waits_for_a_broken_stream_is_given_up() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", encoding="utf-8")
    stream.write("waits")
    give_up(stream)
    stream.close()  # would raise BrokenPipeError


def test_letters_that_the_encoding_lacks_are_written_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    out, errors = windows_stream(), windows_stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", errors)
    open_streams()
    typer.echo("Größe: 你")
    display = Display(terminal())
    display.note("0.71–0.82")
    table = Table("Größe")
    table.add_row("你")
    display.show(table)
    typer.echo("无", err=True)
    assert written(out).startswith("Größe: \\u4f60\n0.71–0.82\n+".encode("cp1252"))
    assert written(errors) == b"\\u65e0\n"


def test_rows_are_utf_8_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    out = windows_stream()
    monkeypatch.setattr(sys, "stdout", out)
    with row_writer(None, {"id": "text", "prediction": "number"}) as write:
        write(["größer", 1])
    assert written(out) == "id\tprediction\ngrößer\t1\n".encode()


def test_a_closed_stream_swallows_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    open_streams()
    typer.echo("unheard")
    Display(terminal()).note("unheard")
    with row_writer(None, {"id": "text"}) as write:
        write(["1"])


def test_a_full_standard_output_ends_a_command_that_prints_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123  (a device)
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["minbert", "recipes", "show", "cs224n/best"])
        with pytest.raises(SystemExit) as ended:
            main.run()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: standard output cannot be written (No space left on device).\n"


def test_another_error_of_the_system_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError("a bug")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(OSError, match="a bug"):
        main.run()


def test_training_outlives_whoever_reads_it(two_tasks_file: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [*RUN, "train", str(two_tasks_file), "--out", str(tmp_path / "run"), "--set", "training.epochs=1"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, f"{LOST} (Broken pipe); the work goes on\n")
    assert json.loads((tmp_path / "run/metrics.json").read_text())["steps"] > 0


def test_steady_tells_what_its_stream_is() -> None:
    out = windows_stream()
    assert Steady(out).encoding == "cp1252"
    assert not Steady(out).isatty()
    assert Steady(out).write("abc") == 3
    assert written(out) == b"abc"
