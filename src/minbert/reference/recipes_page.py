"""The reference that writes itself: every method, and every key of a recipe with its type, default and meaning.

``python -m minbert.reference.recipes_page`` prints ``docs/recipes.md``.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from minbert.display.columns import escaped
from minbert.files.strict_yaml import read_yaml
from minbert.methods import Method, Settings, families, methods_beside
from minbert.pretraining.recipe import PretrainingRecipe
from minbert.recipe.recipe import Recipe
from minbert.recipe.shipped import RECIPES, pretraining_recipe_names, recipe_names

_INTRODUCTION = """\
# Recipes: every key

<!-- Written by `make reference`; edit the descriptions in the code, not this page. -->

A recipe is a YAML file. [Your own tasks](your-own-tasks.md) shows one.

- `minbert recipes` lists the recipes that ship. `minbert recipes copy NAME FILE` starts your own.
- `--set KEY=VALUE` changes any key for one run: `--set training.epochs=5`, `--set tasks.sentiment.weight=2`.
- `extends: NAME_OR_PATH` builds on another recipe. Mappings are merged key by key, anything else is replaced.
- A relative `data` folder is relative to the recipe's own folder.
"""

_TABLE = ("| key | default | what it is |", "|---|---|---|")

_TYPE_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}


def method_lines() -> list[str]:
    """Return every method, family by family: recipe keys and room, then name, what it is, source."""
    lines = ["FAMILY (the recipe keys that choose one of its methods; the folder of its code):"]
    for family, base in sorted(families.items()):
        lines.append(f"{family} ({', '.join(_keys_that_choose(base))}; {_room(base)}):")
        for name, member in sorted(base.members.items()):
            lines += [f"  {name:22} {member.title}", f"  {'':22} {member.source}"]
    return lines


def recipes_page() -> str:
    """Return the page of all recipe keys, in Markdown."""
    parts = [_INTRODUCTION, *_sections("", Recipe, level=2)]
    parts.append("\n## Methods\n\nA recipe gives a method by its name, or as a mapping of `name` and its settings.")
    for family, base in sorted(families.items()):
        keys = " and ".join(f"`{key}`" for key in _keys_that_choose(base))
        parts.append(f"\n### {family}\n\nChosen by {keys}. The code is in `{_room(base)}`.\n")
        members = sorted(base.members.items())
        parts += [
            "| name | what it does |",
            "|---|---|",
            *(f"| `{name}` | {member.title} |" for name, member in members),
        ]
        parts += ["\nSources:\n", *(f"- `{name}`: {member.source}" for name, member in members)]
        settings = [row for name, member in members for row in _rows(f"{name}: ", member)]
        parts += ["", *_TABLE, *settings] if settings else []
    parts.append("\n## Recipes of pretraining\n\nKeys of a recipe of `minbert pretrain`.")
    parts.append("`encoder` and `optimizer` have the keys that they have above.\n")
    parts += _sections("", PretrainingRecipe, level=3, known=("encoder", "optimizer"))
    parts.append("\n## Recipes that ship\n")
    parts.append("`minbert recipes show NAME` prints one.\n\n| recipe | what it is |\n|---|---|")
    for name in [*recipe_names(), *pretraining_recipe_names()]:
        tree = read_yaml(RECIPES.find(name))
        first_sentence, _, _ = tree["description"].partition(". ")
        parts.append(f"| `{name}` | {textwrap.shorten(first_sentence.rstrip('.'), 118, placeholder=' ...')} |")
    return "\n".join(parts) + "\n"


def _sections(prefix: str, model: type[Settings], level: int, known: Collection[str] = ()) -> Iterator[str]:
    """Yield a table of a mapping's keys, then a section for each of its inner mappings but those ``known``."""
    yield from [*_TABLE, *_rows("", model)]
    for name, field in model.model_fields.items():
        for inner in _inner_models(field.annotation) if name not in known else ():
            path = f"{prefix}{name}{_placeholder(field)}"
            yield f"\n{'#' * level} `{path}`\n"
            yield from _sections(f"{path}.", inner, level)


def _rows(prefix: str, model: type[Settings], goes_with: str = "") -> Iterator[str]:
    """Yield a table row for each key of a mapping, the settings of methods that stand beside their key after it."""
    for name, field in model.model_fields.items():
        choices = _choices(field.annotation)
        told = f"{goes_with}{field.description or ''}" + (f" ({choices})" if choices else "")
        cells = (f"`{prefix}{name}`", _default(field), told)
        yield f"| {' | '.join(map(escaped, cells))} |"
        for member in methods_beside(field.annotation):
            yield from _rows(prefix, member, f"with {name}: {member.name}: ")


def _keys_that_choose(family: type[Method]) -> list[str]:
    """Return the recipe keys, of training and of pretraining, whose value is a member of a family."""
    keys = [*_keys_of_type(family, "", Recipe), *_keys_of_type(family, "", PretrainingRecipe)]
    return list(dict.fromkeys(keys))


def _keys_of_type(wanted: type[Method], prefix: str, model: type[Settings]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if _mentions(field.annotation, wanted):
            yield f"{prefix}{name}"
        for inner in _inner_models(field.annotation):
            yield from _keys_of_type(wanted, f"{prefix}{name}{_placeholder(field)}.", inner)


def _mentions(annotation: Any, wanted: type[Method]) -> bool:
    return annotation is wanted or any(_mentions(argument, wanted) for argument in get_args(annotation))


def _room(family: type[Method]) -> str:
    return "/".join(family.__module__.split(".")[1:-1])


def _placeholder(field: FieldInfo) -> str:
    return ".NAME" if getattr(field.annotation, "__origin__", None) is dict else ""


def _inner_models(annotation: Any) -> list[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [] if issubclass(annotation, Method) else [annotation]
    return [model for argument in get_args(annotation) for model in _inner_models(argument)]


def _type(annotation: Any) -> str:
    if isinstance(annotation, type):
        if issubclass(annotation, Method):
            return f"{'an' if annotation.family[0] in 'aeiou' else 'a'} {annotation.family}"
        if issubclass(annotation, Settings):
            return "mapping"
        return _TYPE_NAMES[annotation]
    arguments = get_args(annotation)
    origin = getattr(annotation, "__origin__", None)
    if origin is dict:
        return "mapping of names"
    if origin in (list, tuple):
        return "list of " + " and ".join(dict.fromkeys(map(_type, (a for a in arguments if a is not Ellipsis))))
    if origin is Literal:
        return "a word"
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    return " or ".join(map(_type, arguments))


def _default(field: FieldInfo) -> str:
    """Return what a key is where a recipe does not give it; of one that must be given, its type."""
    if field.default is PydanticUndefined:
        stated = field.json_schema_extra
        return str(stated["default"]) if isinstance(stated, dict) else f"needed: {_type(field.annotation)}"
    value = field.default
    if isinstance(value, Method):
        return f"`{value.name}`"
    if isinstance(value, Settings):
        return "see below"
    return f"`{value}`" if isinstance(value, str) and value else f"`{json.dumps(value)}`"


def _choices(annotation: Any) -> str:
    """Return the words that a value is one of; nothing where it may be anything of its type."""
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    inner = [choices for argument in get_args(annotation) if (choices := _choices(argument))]
    return inner[0] if inner else ""


if __name__ == "__main__":
    print(recipes_page(), end="")
