"""What is imported when, seen by one fresh interpreter. No timing: what would make a command slow is never imported."""

from __future__ import annotations

import json
import subprocess
import sys

LOOK = """
import contextlib, io, json, sys

def tell(what):
    heavy = "torch transformers scipy sklearn pyarrow tokenizers huggingface_hub optuna matplotlib jinja2".split()
    print(json.dumps([what, [name for name in heavy if name in sys.modules]]))

from minbert.cli.main import app
for command in sys.argv[1:]:
    sys.argv = ["minbert", *command.split()]
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            app()
        except SystemExit as stop:
            assert not stop.code, (command, stop.code)
    tell(command)
import minbert.encoder
tell("the encoder's room")
from minbert.reporting.style import new_drawing, styled
tell("the figures' style")
with styled():
    new_drawing(1)
tell("a drawing")
assert "matplotlib.pyplot" not in sys.modules
"""


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    commands = ["--help", *(f"{command} --help" for command in ("train", "pretrain", "sweep", "report"))]
    commands += ["recipes", "recipes show quickstart", "--version"]
    run = subprocess.run([sys.executable, "-c", LOOK, *commands], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    expected = [[what, []] for what in (*commands, "the encoder's room", "the figures' style")]
    assert told[:-1] == expected
    assert "matplotlib" in told[-1][1]
