"""Writing vectors, one a row, to a file whose suffix tells the format: numpy's own, or Parquet with ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from minbert.data.parquet_writer import parquet_writer
from minbert.files import atomic_path

VECTOR_FORMATS = (".npy", ".parquet")
"""The suffixes of what can be written."""

WriteVectors = Callable[[Sequence[str], NDArray[np.float32]], None]
"""Called with the ids of some rows (N) and their vectors (N, width)."""


@contextmanager
def vector_writer(output: Path, width: int) -> Iterator[WriteVectors]:
    """Give a function that writes the vectors of some rows; the file appears only when all are written.

    An ``.npy`` file holds an array (rows, width) of fp32 without ids. A ``.parquet`` file has the columns ``id`` and
    ``vector``, a list of ``width`` fp32 numbers. No more is held than what one call is given.

    Raises:
        UserError: the file cannot be written.
    """
    formats = {".npy": _npy, ".parquet": _parquet}
    with (
        atomic_path(output) as temporary,
        temporary.open("wb") as file,
        formats[output.suffix.lower()](file, width) as write,
    ):
        yield write


@contextmanager
def _npy(file: BinaryIO, width: int) -> Iterator[WriteVectors]:
    """Write the header anew at the end, when the number of rows is known: numpy leaves room for that in it."""
    rows = 0

    def write_header() -> None:
        layout = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, layout)

    def write(_: Sequence[str], vectors: NDArray[np.float32]) -> None:
        nonlocal rows
        file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
        rows += len(vectors)

    write_header()
    start = file.tell()
    yield write
    file.seek(0)
    write_header()
    assert file.tell() == start


@contextmanager
def _parquet(file: BinaryIO, width: int) -> Iterator[WriteVectors]:
    import pyarrow

    kind = pyarrow.list_(pyarrow.float32(), width)
    with parquet_writer(file, {"id": pyarrow.string(), "vector": kind}) as write_group:

        def write(ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
            numbers = pyarrow.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
            write_group([ids, pyarrow.FixedSizeListArray.from_arrays(numbers, width)])

        yield write
