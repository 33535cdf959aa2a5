"""JSON that somebody else may have written, or half of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from minbert.errors import UserError, printable

Shape = TypeVar("Shape")

Number = Annotated[float, Field(ge=-1e39, le=1e39)]
"""Whatever fp32 holds, a squared error of large labels too; NaN is no number."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing, not UTF-8, or not JSON (with the line).
    """
    return parse_json(_read(path), path)


def read_object(path: Path, shape: TypeAdapter[Any] | None = None) -> dict[str, Any]:
    """Read a JSON file that must hold an object, of a ``shape`` if one is given; return it as it stands there.

    Raises:
        UserError: as for ``read_json``; or it holds something else (says where).
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f'{path}: must be a JSON object, {{"key": value, ...}}. Is the file damaged?')
    if shape is not None:
        shaped(value, shape, path)
    return value


def read_shaped(path: Path, shape: TypeAdapter[Shape]) -> Shape:
    """Read a JSON file whose content must have a shape.

    Raises:
        UserError: as for ``read_json``; or the content has another shape (says where).
    """
    return shaped(read_json(path), shape, path)


def shaped(value: Any, shape: TypeAdapter[Shape], where: object) -> Shape:
    """Return what was read from JSON, known to have a shape; ``where`` is for messages.

    Raises:
        UserError: it has another.
    """
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = printable(".".join(map(str, first["loc"])) or "the whole")
        raise UserError(f"{where}: is damaged, or of another version of minbert ({place}: {first['msg']}).") from None


def read_json_lines(path: Path) -> list[Any]:
    """Read a file that holds a JSON value in each line.

    Raises:
        UserError: as for ``read_json``.
    """
    return [parse_json(line, path, number) for number, line in enumerate(_read(path).splitlines(), start=1)]


def parse_json(text: str, where: object, first_line: int = 1) -> Any:
    """Return what ``text`` says; ``where`` and ``first_line`` are for messages.

    Raises:
        UserError: it is not JSON, or JSON that Python cannot read.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise UserError(f"{where}, line {line}: is not valid JSON ({error.msg}). Is the file cut short?") from None
    except RecursionError:
        raise UserError(f"{where}: is nested too deep to be read. Is the file damaged?") from None
    except ValueError:  # Python reads no whole number of more than some thousand digits
        raise UserError(f"{where}: holds a number of too many digits. Is the file damaged?") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text, so it cannot be JSON.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
