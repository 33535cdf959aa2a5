"""The one kind of error that a user can cause, and so can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input, told in one message: what is wrong, where, and what to do about it.

    The command line prints the message and exits with code 2; library callers can catch it.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known word nearest to ``word``, or an empty string."""
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""


def shown(text: str) -> str:
    """Return a piece of a file fit for a message: short, and without characters that would upset a terminal."""
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return printable if len(printable) <= 60 else printable[:59] + "…"
