"""The list of commands in ``docs/index.md``, made from the command line itself.

``python -m minbert.cli.commands_page docs/index.md`` writes it anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_group

from minbert.cli.main import app
from minbert.display.columns import Column, markdown_table
from minbert.files import write_text

BEGIN, END = "<!-- commands: written by `make reference` -->", "<!-- end of commands -->"
"""The lines of a page between which the list stands."""

_COLUMNS: list[Column[tuple[str, str]]] = [
    Column("command", lambda command: f"`minbert {command[0]}`"),
    Column("what it does", lambda command: command[1]),
]


def commands() -> dict[str, str]:
    """Return what each command does, in a line, by its words: ``train``, ``data check``."""
    return _below(get_group(app), "")


def with_commands(page: str) -> str:
    """Return a page in Markdown with the list of commands as it is now between ``BEGIN`` and ``END``."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = markdown_table(_COLUMNS, commands().items())
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _below(group: TyperGroup, prefix: str) -> dict[str, str]:
    found = {}
    for name, command in group.commands.items():
        words = f"{prefix}{name}"
        inner = command if isinstance(command, TyperGroup) else None
        if inner is None or inner.invoke_without_command:
            found[words] = command.get_short_help_str(limit=120)
        if inner is not None:
            found |= _below(inner, f"{words} ")
    return found


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write_text(path, with_commands(path.read_text(encoding="utf-8")))
