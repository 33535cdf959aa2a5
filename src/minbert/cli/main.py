"""The command line: ``minbert COMMAND``. Each command reads its options and calls one function of a lower floor."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from minbert.cli import (
    augmentation,
    comparing,
    data,
    ensembles,
    exporting,
    inference,
    listings,
    pretraining,
    publishing,
    reporting,
    reproducing,
    serving,
    sweeping,
    training,
    understanding,
)
from minbert.cli.echo import echo
from minbert.display.harmless import harmless
from minbert.display.streams import give_up, is_broken, open_streams
from minbert.errors import Notice, UserError
from minbert.machine.launch import launched
from minbert.machine.signals import EndedBySignal, ending_by_signals

_UsageError: type[Any] = typer.BadParameter.__mro__[1]
"""Of click, or of the copy of it that newer versions of typer bring."""


class _Commands(TyperGroup):
    """The commands; a mistake in the words of one, which may be names of files, is told harmlessly."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            error.message = harmless(error.message)
            raise


class _Remark(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record))


app = typer.Typer(
    name="minbert",
    cls=_Commands,
    help="One encoder for several text tasks at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"max_content_width": 120},
    rich_markup_mode=None,  # help and errors as they are written: 'minbert[tracking]' is no markup
)
app.command()(understanding.new)
app.command()(training.train)
app.command()(pretraining.pretrain)
app.command()(reproducing.reproduce)
app.command()(comparing.compare)
app.command()(augmentation.augment)
app.command()(ensembles.ensemble)
app.command()(ensembles.soup)
app.command()(sweeping.sweep)
app.command()(reporting.report)
app.command()(inference.evaluate)
app.command()(inference.predict)
app.command()(inference.encode)
app.command()(exporting.export)
app.command()(publishing.push)
app.command()(serving.serve)
app.command()(listings.methods)
app.add_typer(listings.recipes_app, name="recipes")
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        echo(f"minbert {version('minbert')}")
        raise typer.Exit


_OF_TORCHRUN = "TORCHELASTIC_USE_AGENT_STORE"
"""Is in the environment of a process that torchrun has started."""

_ON_MANY_RANKS = ("train", "pretrain", "evaluate", "predict", "encode")
"""The commands that processes can share."""


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  (its callback prints it)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """One encoder for several text tasks at once."""
    if launched() and context.invoked_subcommand not in _ON_MANY_RANKS:
        raise UserError(
            f"'{_called(context)}' runs in one process: call it without torchrun. "
            f"Under torchrun run: {', '.join(_ON_MANY_RANKS)}."
        )


def _called(context: typer.Context) -> str:
    """Return the words of the command that was called, without what it was given: "minbert data check"."""
    command: Any = context.command
    words = ["minbert"]
    for word in sys.argv[1:]:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
        words.append(word)
    return " ".join(words)


@contextmanager
def _all_ranks() -> Iterator[None]:
    """Share the command with the other processes that torchrun started, if it did."""
    if launched() is None:
        yield
        return
    from minbert.machine.joining import joined

    with joined():
        yield


def _show_warning(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
    """Print our own warnings as one line, each once a command, and all others as Python does."""
    if not issubclass(category, Notice):
        _pythons_own(message, category, *more, **named)
    elif str(message) not in _told:
        _told.add(str(message))
        echo(f"note: {message}", err=True)


_pythons_own = warnings.showwarning
_told: set[str] = set()
"""The warnings of this command so far: every evaluation of a run may have the same."""


def run() -> None:
    """Run the command line.

    The user's own errors become one message and exit code 2; Ctrl-C becomes one and 130, SIGTERM one and 143.
    """
    try:
        _run()
    except SystemExit as end:
        if _OF_TORCHRUN in os.environ and isinstance(end.code, int) and end.code:
            _end_at_once(end.code)
        raise


def _end_at_once(code: int) -> NoReturn:
    """End this rank, which torchrun waits for: on a busy machine Python takes two seconds to take torch apart."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _run() -> None:
    open_streams()
    warnings.showwarning = _show_warning
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Remark())
    _told.clear()
    try:
        with ending_by_signals(), _all_ranks():
            app(prog_name="minbert")
    except UserError as error:
        echo("\n".join([f"error: {error}", *getattr(error, "__notes__", [])]), err=True)
        sys.exit(2)
    except EndedBySignal as signalled:
        echo(str(signalled), err=True)
        sys.exit(signalled.exit_code)
    except OSError as error:  # typer sees to a reader that has had enough, as `head` has
        if not is_broken(sys.stdout):
            raise
        give_up(sys.stdout)
        echo(f"error: standard output cannot be written ({error.strerror}).", err=True)
        sys.exit(2)
