"""Numbers and bytes that are written one after another and then read anywhere: in memory while few, else in a file."""

from __future__ import annotations

import tempfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from minbert.errors import UserError

IN_MEMORY = 2**22
"""Bytes kept in memory. More go to a temporary file, which is mapped: it takes none."""


class Spool:
    """Values of one type, written one after another.

    The file that many of them go to has no name, so nothing of it is left when the process ends, however that comes.
    """

    def __init__(self, dtype: type[Any]) -> None:
        self._dtype = dtype
        self._held = bytearray()
        self._file: BinaryIO | None = None

    def write(self, values: bytes | NDArray[Any]) -> None:
        """Add values.

        Raises:
            UserError: there is no room for them.
        """
        self._held += values if isinstance(values, bytes) else values.tobytes()
        if len(self._held) >= IN_MEMORY:
            self._spill()

    def array(self) -> NDArray[Any]:
        """Return all values (n,), which may be changed there; nothing more can be added.

        Raises:
            UserError: as for ``write``.
        """
        if self._file is None:
            return np.frombuffer(self._held, self._dtype)
        self._spill()
        with self._file as file:
            return np.memmap(file, self._dtype, "r+").view(np.ndarray)

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  (open until all is written)
            self._file.write(self._held)
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: what is not kept in memory cannot be written there ({error.strerror}). "
                "Free some space, or name another folder: TMPDIR=FOLDER minbert ..."
            ) from error
        self._held.clear()
