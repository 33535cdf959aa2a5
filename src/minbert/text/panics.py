"""What the tokenizers library does with a tokenizer that it has read and then cannot use: it panics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minbert.errors import UserError


@contextmanager
def panics_told(told: str) -> Iterator[None]:
    """Turn a panic of the library into an error of the user's; ``told`` says of what.

    A panic is no ``Exception``, and its class can be told by its name alone. The library writes a line of its own.

    Raises:
        UserError: it panicked.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise UserError(f"{told}: the tokenizers library cannot work with it ({error}). Is it damaged?") from None
