"""Every key of a recipe, and what its annotation is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal, get_args, get_origin

from minbert.methods import Method, Settings


def keys(model: type[Settings], tasks: Collection[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key with its field, those of a task for each of ``tasks``.

    Settings that are left out by default, and lists of settings, have no keys.
    """
    for name, field in model.model_fields.items():
        yield prefix + name, field
        for inner in parts(field.annotation):
            if not _is_settings(inner):
                continue
            if get_origin(field.annotation) is dict:
                for task in tasks:
                    yield from keys(inner, tasks, f"{prefix}{name}.{task}.")
            elif field.annotation is inner:
                yield from keys(inner, tasks, f"{prefix}{name}.")


def parts(annotation: Any) -> Iterator[Any]:
    """Yield the classes and literals that an annotation is made of."""
    if get_origin(annotation) is Literal or not get_args(annotation):
        yield annotation
    for argument in get_args(annotation) if get_origin(annotation) is not Literal else ():
        yield from parts(argument)


def _is_settings(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Settings) and not issubclass(part, Method)


def is_method(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Method)
