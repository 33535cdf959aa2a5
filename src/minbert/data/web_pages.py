"""A page of the web in place of a file of rows: what is saved of an address that wants a sign-in, or has moved."""

from __future__ import annotations

import re
from pathlib import Path

from minbert.data.lines import Line
from minbert.errors import UserError

_START = re.compile(r"\s*<(!doctype\s+html|html|\?xml)\b", re.IGNORECASE)


def refuse_web_page(first: Line, path: Path) -> None:
    """Check the first line of a file of rows.

    Raises:
        UserError: a page of the web begins so.
    """
    if _START.match(first.text):
        raise UserError(
            f"{path}:{first.number}: is a page of the web (HTML), not a file of rows. Open it in a browser to see what "
            "it says; the file itself may need a sign-in, or another address."
        )
