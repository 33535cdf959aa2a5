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
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_serializer, model_validator

from minbert.errors import did_you_mean


class Settings(BaseModel):
    """A piece of a recipe: unknown keys are errors, values cannot be changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
