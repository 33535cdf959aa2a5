"""The reference that writes itself: every method, and every key of a recipe with its type, default and meaning.

``python -m minbert.reference.recipes_page`` prints ``docs/recipes.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from minbert.methods import Method, Settings, families
from minbert.pretraining.recipe import PretrainingRecipe
from minbert.recipe.recipe import Recipe
from minbert.recipe.shipped import find_recipe, pretraining_recipe_names, recipe_names

_INTRODUCTION = """\
# Recipes: every key

<!-- Written by `make reference`; edit the descriptions in the code, not this page. -->

A recipe is a YAML file. `minbert recipes` lists the ones that ship, `minbert recipes copy NAME FILE` starts your own,
and `--set KEY=VALUE` changes any key for one run (`--set training.epochs=5`, `--set tasks.sentiment.weight=2`).
`extends: NAME_OR_PATH` builds on another recipe: mappings are merged key by key, anything else is replaced. A relative
`data` folder is meant from the recipe's own folder. Where a *method* is asked for, give its name, or a mapping of
`name` and its settings.
"""

_TYPE_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}


def method_lines() -> list[str]:
    """Return every method, family by family: recipe keys and room, then name, what it is, source."""
    lines = []
    for family, base in sorted(families.items()):
        lines.append(f"{family} ({', '.join(_keys_that_choose(base))}; {_room(base)}):")
        for name, member in sorted(base.members.items()):
            lines += [f"  {name:22} {member.title}", f"  {'':22} {member.source}"]
    return lines


def recipes_page() -> str:
    """Return the page of all recipe keys, in Markdown."""
    parts = [_INTRODUCTION, "## Keys\n", *_keys("", Recipe), "\n## Methods\n"]
    for family, base in sorted(families.items()):
        keys = " and ".join(f"`{key}`" for key in _keys_that_choose(base))
        parts.append(f"\n### {family}\n\nChosen by {keys}; the code is in `{_room(base)}`.\n")
        for name, member in sorted(base.members.items()):
            parts.append(f"\n**`{name}`**: {member.title}. Source: {member.source}.\n")
            parts += _keys("", member)
    parts.append("\n## Recipes that ship\n")
    parts.append("`minbert recipes show NAME` prints one.\n\n| recipe | what it is |\n|---|---|")
    for name in [*recipe_names(), *pretraining_recipe_names()]:
        tree = yaml.safe_load(find_recipe(name).read_text(encoding="utf-8"))
        parts.append(f"| `{name}` | {tree['description']} |")
    return "\n".join(parts) + "\n"


def _keys_that_choose(family: type[Method]) -> list[str]:
    """Return the recipe keys, of training and of pretraining, whose value is a member of a family."""
    keys = [*_keys_of_type(family, "", Recipe), *_keys_of_type(family, "", PretrainingRecipe)]
    return list(dict.fromkeys(keys))


def _keys_of_type(wanted: type[Method], prefix: str, model: type[Settings]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if _mentions(field.annotation, wanted):
            yield f"{prefix}{name}"
        for inner in _inner_models(field.annotation):
            yield from _keys_of_type(wanted, f"{prefix}{name}.{_placeholder(field)}", inner)


def _mentions(annotation: Any, wanted: type[Method]) -> bool:
    return annotation is wanted or any(_mentions(argument, wanted) for argument in get_args(annotation))


def _room(family: type[Method]) -> str:
    return "/".join(family.__module__.split(".")[1:-1])


def _keys(prefix: str, model: type[Settings]) -> Iterator[str]:
    """Yield a bullet a key, the keys of inner mappings after it."""
    for name, field in model.model_fields.items():
        yield f"- `{prefix}{name}` ({_type(field.annotation)}{_default(field)}): {field.description or ''}"
        for inner in _inner_models(field.annotation):
            yield from _keys(f"{prefix}{name}.{_placeholder(field)}", inner)


def _placeholder(field: FieldInfo) -> str:
    return "NAME." if getattr(field.annotation, "__origin__", None) is dict else ""


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
    if origin is not None and str(origin) == "typing.Literal":
        return " | ".join(map(str, arguments))
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    return " or ".join(map(_type, arguments))


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        told = field.json_schema_extra
        return f"; default {told['default']}" if isinstance(told, dict) else "; needed"
    value = field.default
    if isinstance(value, Method):
        return f"; default `{value.name}`"
    if isinstance(value, Settings):
        return ""
    return f"; default `{json.dumps(value)}`"


if __name__ == "__main__":
    print(recipes_page(), end="")
