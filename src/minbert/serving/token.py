"""The bearer token that a server asks for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from minbert.errors import UserError

VARIABLE = "MINBERT_SERVE_TOKEN"
_FORM = re.compile(r"[A-Za-z0-9._~+/=-]{16,}")


def read_token(file: Path | None) -> str | None:
    """Return the token that a file holds, or the environment; None where neither does.

    Raises:
        UserError: the file cannot be read, or what is given is no token that is hard to guess.
    """
    if file is not None:
        try:
            given, where = file.read_text(encoding="utf-8"), str(file)
        except (OSError, UnicodeDecodeError):
            raise UserError(f"{file}: cannot be read as a file of text. It must hold the token alone.") from None
    elif VARIABLE in os.environ:
        given, where = os.environ[VARIABLE], VARIABLE
    else:
        return None
    if not _FORM.fullmatch(given.strip()):
        raise UserError(
            f"{where}: holds no token: at least 16 letters, digits and . _ ~ + / = -, in one line. "
            "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return given.strip()
