"""Reading recipes: YAML that builds on YAML, changes laid over it, and every mistake in it told by its key."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from minbert.data.rows import FORMATS, format_of
from minbert.errors import UserError, did_you_mean, printable, shown
from minbert.files.paths import to_path
from minbert.files.strict_yaml import read_settings, read_yaml
from minbert.methods import Method, Settings, methods_beside
from minbert.recipe.shipped import RECIPES

Piece = TypeVar("Piece", bound=Settings)

Anchor = Callable[[dict[str, Any], Path], None]
"""Turns paths that a file's tree holds, and that are meant from the file's folder, into whole ones."""

_NO_MAPPING = "a recipe is a mapping of keys like 'tasks:' and 'training:'."


def read_tree(
    model: type[Settings],
    source: str,
    overrides: Mapping[str, Any],
    settings: Sequence[str],
    anchor: Anchor | None = None,
) -> tuple[dict[str, Any], str]:
    """Return the tree of a recipe, read by its shipped name or its path, with changes over it; and where it stands.

    ``overrides`` maps dotted keys to values; ``settings`` are ``KEY=VALUE`` words, the value in YAML. A recipe may
    build on another: ``extends: NAME_OR_PATH`` (a path is meant from the recipe's own folder); mappings are merged
    key by key, everything else is replaced, and so is a method by one of another name: its settings mean nothing to
    the other. A relative ``data`` folder in a file is meant from the file's folder; ``anchor`` sees to other paths of
    that kind. ``model`` is what the tree shall describe.

    Raises:
        UserError: no such recipe, not YAML, no mapping, or ``settings`` that cannot be read.
    """
    tree, where = _read(model, source, (), anchor)
    lay_over(tree, overrides, settings)
    return tree, where


def lay_over(tree: dict[str, Any], overrides: Mapping[str, Any], settings: Sequence[str]) -> None:
    """Put changes into the tree of a recipe; see ``read_tree``.

    Raises:
        UserError: ``settings`` cannot be read, or they change a task that is not there.
    """
    known = list(_mapping_at(tree, "tasks"))
    for key, value in overrides.items():
        put(tree, key, value)
    for key, value in read_settings(settings, "training.epochs=5").items():
        put(tree, key, value)
    for name, task in _mapping_at(tree, "tasks").items() if known else ():
        if name not in known and isinstance(task, dict) and "kind" not in task:
            told = ", ".join(map(shown, known))
            raise UserError(f"tasks.{name}: there is no such task{did_you_mean(name, known)}. The tasks are: {told}.")


def changed(overrides: Mapping[str, Any], settings: Sequence[str], piece: str) -> Mapping[str, Any]:
    """Return what changes say of one piece of a recipe, by key.

    Raises:
        UserError: ``settings`` cannot be read.
    """
    tree: dict[str, Any] = {}
    lay_over(tree, overrides, settings)
    return _mapping_at(tree, piece)


def _mapping_at(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = tree.get(key)
    return inner if isinstance(inner, Mapping) else {}


def validate(model: type[Piece], tree: Any, where: str) -> Piece:
    """Return the recipe that a mapping read from ``where`` describes.

    Raises:
        UserError: unknown keys (with the nearest known), or values that make no sense.
    """
    if not isinstance(tree, dict):
        raise UserError(f"{where}: {_NO_MAPPING}")
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        lines = [printable(_explain(model, problem)) for problem in error.errors()]
        told = "\n".join(f"  {line}" for line in lines[:8])
        more = f"\n  and {len(lines) - 8} more" if len(lines) > 8 else ""
        raise UserError(f"{where}: this recipe cannot be used:\n{told}{more}") from None


def without_nulls(value: Any) -> Any:
    """Return a mapping without the keys whose value is null: how a recipe takes out what its base recipe has."""
    return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, Mapping) else value


def anchor_data(tree: dict[str, Any], folder: Path) -> None:
    """Make a relative ``data`` folder whole."""
    data = tree.get("data")
    if isinstance(data, str) and data != "sample":
        tree["data"] = str((folder / to_path(data)).resolve())


def _read(
    model: type[Settings], source: str, seen: tuple[Path, ...], anchor: Anchor | None
) -> tuple[dict[str, Any], str]:
    path = RECIPES.find(source, seen[-1].parent if seen else None)
    if path in seen:
        raise UserError(f"{path}: extends itself, by way of {' -> '.join(map(str, seen))}.")
    if format_of(path) in FORMATS:
        raise UserError(f"{path}: is a table of rows. Give the folder that it is in, or a recipe in YAML.")
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise UserError(f"{path}: {_NO_MAPPING}")
    anchor_data(tree, path.parent)
    if anchor is not None:
        anchor(tree, path.parent)
    base = tree.pop("extends", None)
    if base is None:
        return tree, str(path)
    if not isinstance(base, str):
        raise UserError(f"{path}: extends: give the name or path of one recipe.")
    return _merge(_read(model, base, (*seen, path), anchor)[0], tree, model), str(path)


def _merge(base: dict[str, Any], over: Mapping[str, Any], annotation: Any) -> dict[str, Any]:
    """Return ``over`` laid over ``base``; ``annotation`` is the type of what both describe, None where unknown."""
    if _is_method(annotation) and over.get("name", base.get("name")) != base.get("name"):
        return dict(over)
    merged = dict(base)
    for key, value in over.items():
        old, inner = merged.get(key), _annotation_at(annotation, key)
        if isinstance(old, str) and _is_method(inner):
            old = {"name": old}
        merged[key] = _merge(old, value, inner) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _is_method(annotation: Any) -> bool:
    return any(issubclass(model, Method) for model in _models_in(annotation))


def _annotation_at(annotation: Any, key: str) -> Any:
    """Return the type of the value at ``key`` of a value of type ``annotation``; None where unknown."""
    if getattr(annotation, "__origin__", None) is dict:
        return get_args(annotation)[1]
    fields = (model.model_fields for model in _models_in(annotation))
    return next((known[key].annotation for known in fields if key in known), None)


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted key of ``tree``. Mappings below ``tree`` are copied on the way, never changed."""
    *parents, last = key.split(".")
    for parent in parents:
        inner = tree.get(parent)
        if isinstance(inner, str):  # a method by its name alone, now getting a setting
            inner = {"name": inner}
        tree[parent] = dict(inner) if isinstance(inner, dict) else {}
        tree = tree[parent]
    tree[last] = value


def _explain(root: type[Settings], problem: Any) -> str:
    """Return one problem as ``key: what is wrong``, with the nearest known key for one that is unknown."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(_as_written(root, location))
    kind, message = problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        known = _known_keys(root, location[:-1])
        if owners := known.get(location[-1]):
            return f"{key}: is a setting of {' and '.join(owners)}, which is not chosen there"
        near = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if kind == "missing":
        return f"{key}: is missing"
    message = message.removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}" if key else message


def _as_written(root: type[Settings], location: Sequence[str]) -> list[str]:
    """Return where a value stands in a recipe: not under the key of a method whose settings stand beside that key."""
    last = len(location) - 1
    return [part for at, part in enumerate(location) if at == last or not methods_beside(_field(root, location, at))]


def _field(root: type[Settings], location: Sequence[str], at: int) -> Any:
    """Return the type of the key that stands ``at`` a place of a path; None where it is unknown."""
    fields = (model.model_fields for model in _models_at(root, location[:at]))
    return next((known[location[at]].annotation for known in fields if location[at] in known), None)


def _known_keys(root: type[Settings], path: Sequence[str]) -> dict[str, list[str]]:
    """Return the keys a recipe may have at ``path``, in order, each with the methods that it is a setting of."""
    models = _models_at(root, path)
    fields = [field for model in models for field in model.model_fields.values()]
    beside = [method for field in fields for method in methods_beside(field.annotation)]
    known: dict[str, list[str]] = {}
    for model in dict.fromkeys((*models, *beside)):
        for key in model.model_fields:
            known.setdefault(key, []).extend([model.name] if issubclass(model, Method) else [])
    return dict(sorted(known.items()))


def _models_at(root: type[Settings], path: Sequence[str]) -> list[type[Settings]]:
    """Return the models whose keys may stand at ``path``, found by walking the models' fields."""
    models: list[type[Settings]] = [root]
    for part in path:
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        inner = [found for annotation in annotations for found in _models_in(annotation)]
        if inner:  # else ``part`` is the name of a task, or of a method's member: the models stay
            models = inner
    return models


def _models_in(annotation: Any) -> list[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Method):
        return list(annotation.members.values())
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
