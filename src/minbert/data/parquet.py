"""Parquet: the columns that hold text, numbers, booleans or lists of names, read some hundred rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from minbert.data.row import Problem, Row, as_text, checked_row, list_text
from minbert.errors import UserError, shown

_DATASETS = b"huggingface"
"""The key of what the library datasets writes about columns."""


def read_parquet(stream: BinaryIO, path: Path) -> Iterator[Row | Problem]:
    """Yield the rows; a row's line is its number.

    Raises:
        UserError: the file is cut short, is damaged or is no Parquet file; or it has no usable column, or one twice.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    line = 0
    try:
        # Threads of Arrow hold what Python has read. One that lets go of it while Python ends aborts the process.
        file = ParquetFile(stream, pre_buffer=False)
        names = _column_names(file.schema_arrow, path)
        names += [field.name for field in file.schema_arrow if field.name and _is_list(field.type)]
        unusable = {
            field.name: f"values of the type {field.type}, neither text nor number"
            for field in file.schema_arrow
            if field.name and not _is_usable(field.type)
        }
        for batch in file.iter_batches(batch_size=512, columns=names, use_threads=False):
            columns = [_values(batch.column(name)) for name in names]
            for values in zip(*columns, strict=True):
                line += 1
                yield _row(path, line, dict(zip(names, values, strict=True)), unusable)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = shown(str(error).partition("\n")[0])
        raise UserError(f"{path}: not a whole Parquet file ({reason}). Was it cut short? Fetch it again.") from error


def read_class_labels(stream: BinaryIO) -> dict[str, list[str]]:
    """Return the names of the classes whose numbers a column holds, by column, as the library datasets writes them.

    It keeps them in the file's metadata, as JSON: ``{"info": {"features": {"label": {"names": [...], ...}}}}``.
    Those of a list's items are in ``{"feature": {"names": ...}}`` or ``[{"names": ...}]``.
    """
    from pyarrow.parquet import ParquetFile

    metadata = ParquetFile(stream, pre_buffer=False).schema_arrow.metadata or {}
    try:
        features = json.loads(metadata[_DATASETS])["info"]["features"]
        named = {column: _item(feature).get("names") for column, feature in features.items()}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):  # another's metadata, or none
        return {}
    return {column: names for column, names in named.items() if _are_names(names)}


def _item(feature: Any) -> Any:
    """Return what a feature says of a value, or of the items of a list."""
    return feature[0] if isinstance(feature, list) and feature else feature.get("feature", feature)


def _are_names(names: object) -> bool:
    """Return whether these are different names of classes."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() == name != "" for name in names):
        return False
    return len(set(names)) == len(names)


def _column_names(schema: Any, path: Path) -> list[str]:
    names = [field.name for field in schema if field.name and _is_usable(field.type)]
    if not names:
        raise UserError(f"{path}: no column holds text or numbers.")
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: there are two columns '{shown(name)}'.")
    return names


def _is_usable(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    return _is_text(kind) or is_number or types.is_null(kind)


def _is_list(kind: Any) -> bool:
    """Return whether values are lists of names: texts or whole numbers, as labels may be."""
    from pyarrow import types

    return (types.is_list(kind) or types.is_large_list(kind)) and (
        _is_text(kind.value_type) or types.is_integer(kind.value_type)
    )


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    text_types = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary)
    return any(is_type(kind) for is_type in text_types)


def _values(column: Any) -> list[Any]:
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        # As bytes, because the format does not check that text is UTF-8, and one bad value would spoil all others.
        column = column.cast(pyarrow.large_binary())
    values: list[Any] = column.to_pylist()
    if pyarrow.types.is_float32(column.type) or pyarrow.types.is_float16(column.type):
        # With the digits that it takes to tell the number from its neighbours: 0.1, not 0.10000000149011612.
        width = column.type.to_pandas_dtype()
        return [None if value is None else float(str(width(value))) for value in values]
    return values


def _row(path: Path, line: int, values: dict[str, Any], unusable: Mapping[str, str]) -> Row | Problem:
    texts: dict[str, str] = {}
    lists: dict[str, str] = {}
    for name, value in values.items():
        try:
            if not isinstance(value, list):
                texts[name] = as_text(value) or ""
            elif (inner := list_text(value)) is not None:
                lists[name] = inner
        except UnicodeDecodeError:
            return Problem(path, line, f"not UTF-8, in column '{shown(name)}'")
    nulls = [name for name, value in values.items() if value is None]
    return checked_row(path, line, texts, unusable, lists, nulls)
