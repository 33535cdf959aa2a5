"""Methods: whatever a recipe chooses by name. One pydantic model in a file of its own, whose fields are its settings.

A *family* (losses, heads, schedules, ...) is an abstract ``Method``; its members declare ``name``, ``title`` and
``source`` and are found by importing every file of the family's folder (``import_members``). In a recipe a method is
written as its name alone or as a mapping of its name and settings::

    head: linear
    head: {name: linear, dropout: 0.3}
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from minbert.errors import did_you_mean, shown


class Settings(BaseModel):
    """A piece of a recipe: unknown keys are errors, a number is a number, values cannot be changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_written_as_such(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if (odd := next(_no_numbers(cls.model_fields[info.field_name].annotation, value), None)) is not None:
            told = f"the text '{shown(odd)}'" if isinstance(odd, str) else str(odd).lower()
            raise ValueError(f"takes a number, not {told}")
        return value


class Method(Settings):
    """One way of doing something, chosen in a recipe by name. See the module's text."""

    name: ClassVar[str]
    """How recipes call it."""
    title: ClassVar[str]
    """What it is, in a few words, for ``minbert methods``."""
    source: ClassVar[str]
    """The paper, with its section or equation, or the field's standard text."""
    family: ClassVar[str]
    """The recipe key that chooses among the family's members."""
    default: ClassVar[str | None] = None
    """The member that settings without a name are meant for."""
    beside: ClassVar[bool] = False
    """Whether a recipe writes the settings beside the key that chooses, rather than under it."""
    members: ClassVar[dict[str, type[Method]]]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if Method in cls.__bases__:
            cls.members = {}
            families[cls.family] = cls
        elif "name" in cls.__dict__:
            cls.members[cls.name] = cls

    @model_validator(mode="wrap")
    @classmethod
    def _choose(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Any:
        if isinstance(value, cls):
            return value
        if cls.__dict__.get("name") and isinstance(value, Mapping) and "name" not in value:
            return handler(value)  # a member's own constructor
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, Mapping) and "name" not in value and cls.default:
            value = {"name": cls.default, **value}
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            article = "an" if cls.family[0] in "aeiou" else "a"
            raise ValueError(f"give the name of {article} {cls.family}, or a mapping with 'name' and its settings")
        settings = {key: setting for key, setting in value.items() if key != "name"}
        chosen = cls.members.get(value["name"])
        if chosen is None:
            known = ", ".join(sorted(cls.members))
            hint = did_you_mean(value["name"], cls.members)
            raise ValueError(f"'{value['name']}' is no {cls.family}{hint}; known: {known}")
        return handler(settings) if chosen is cls else chosen.model_validate({"name": chosen.name, **settings})

    @model_serializer(mode="wrap")
    def _with_name(self, handler: Any) -> dict[str, Any]:
        return {"name": self.name, **handler(self)}


families: dict[str, type[Method]] = {}
"""Every family by the recipe key that chooses from it."""


def methods_beside(annotation: Any) -> list[type[Method]]:
    """Return the methods that a key of this type chooses from, where their settings stand beside the key."""
    if isinstance(annotation, type) and issubclass(annotation, Method):
        return [member for _, member in sorted(annotation.members.items())] if annotation.beside else []
    return [method for argument in get_args(annotation) for method in methods_beside(argument)]


def import_members(package: str, path: Iterable[str]) -> None:
    """Import every file of a family's folder, so that its members are known."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")


def _no_numbers(annotation: Any, value: Any) -> Iterator[bool | str]:
    """Yield the truth values and texts in ``value`` that pydantic would turn into numbers (True is 1, "1_0" is 10)."""
    kinds = list(_alternatives(annotation))
    if isinstance(value, bool | str):
        takes_it = any(
            kind in (type(value), Any)
            or (get_origin(kind) is Literal and (isinstance(value, str) or value in get_args(kind)))
            or (isinstance(value, str) and isinstance(kind, type) and issubclass(kind, BaseModel))
            for kind in kinds
        )
        if not takes_it and not {int, float}.isdisjoint(kinds):
            yield value
    elif isinstance(value, list | tuple):
        for kind in kinds:
            inner = get_args(kind)
            if get_origin(kind) is tuple and ... not in inner:
                for one, item in zip(inner, value, strict=False):
                    yield from _no_numbers(one, item)
            elif get_origin(kind) in (list, tuple):
                for item in value:
                    yield from _no_numbers(inner[0], item)
    elif isinstance(value, Mapping):
        for kind in kinds:
            if get_origin(kind) in (dict, Mapping):
                for item in value.values():
                    yield from _no_numbers(get_args(kind)[1], item)


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the types that a union takes, without what is annotated to them; any other type itself."""
    if get_origin(annotation) in (Union, UnionType):
        for kind in get_args(annotation):
            yield from _alternatives(kind)
    elif get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    else:
        yield annotation
