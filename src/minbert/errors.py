"""The one kind of error that a user can cause, and so can mend; and what to know that is no error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input, told in one message: what is wrong, where, and what to do about it.

    The command line prints the message and exits with code 2; library callers can catch it.
    """


class Notice(UserWarning):
    """What a user should know that is no error. The command line prints its message, and nothing of where it arose."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known word nearest to ``word``, or an empty string."""
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{printable(nearest[0])}'?)" if nearest else ""


def shown(text: str) -> str:
    """Return a piece of a file fit for a message: short, and without characters that would upset a terminal."""
    text = printable(text)
    return text if len(text) <= 60 else text[:59] + "…"


def printable(text: str) -> str:
    """Return ``text`` with a mark in place of every character that would upset a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
