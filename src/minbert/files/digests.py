"""The SHA-256 of large files, remembered as long as a file has not been touched."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from minbert.errors import UserError, printable
from minbert.files import sha256, write_json
from minbert.files.cache import cached_folder
from minbert.files.json_text import read_json
from minbert.files.states import settled_state

DIGESTS = "digests"
"""In the cache: a folder for each large file."""

_ABOUT = "about.json"


def remembered_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file; a large one is not read again while its ``settled_state`` is the same.

    Raises:
        UserError: it cannot be read.
    """
    state = settled_state(path)
    if state is None:
        return sha256(path)

    def make(folder: Path) -> None:
        digest = sha256(path)
        if settled_state(path) != state:
            raise UserError(f"{path}: changed while it was read.")
        write_json(folder / _ABOUT, {"file": printable(str(path)), "state": state, "sha256": digest})

    key = hashlib.sha256(json.dumps([os.fsdecode(path.resolve()), state]).encode()).hexdigest()
    try:
        return str(read_json(cached_folder(DIGESTS, key, make) / _ABOUT)["sha256"])
    except UserError:  # a cache that cannot be written costs time, nothing else
        return sha256(path)
