"""Writing Parquet some rows at a time, so that a file of any size takes the memory of one group of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO


@contextmanager
def parquet_writer(file: BinaryIO, types: Mapping[str, Any]) -> Iterator[Callable[[Sequence[Any]], None]]:
    """Give a function that writes one group of rows, given its columns in the order of ``types``.

    ``types`` are pyarrow's, by the columns' names. A column is a sequence of values, or an array of pyarrow's. The
    file is whole when the body ends.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    schema = pyarrow.schema(list(types.items()))
    with ParquetWriter(file, schema) as writer:

        def write_group(columns: Sequence[Any]) -> None:
            arrays = [
                column if isinstance(column, pyarrow.Array) else pyarrow.array(column, kind)
                for column, kind in zip(columns, types.values(), strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))

        yield write_group
