"""From the words of a command to methods with their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from minbert.augmentation import Augmentation
from minbert.errors import UserError, did_you_mean


def choose_methods(names: Sequence[str], settings: Sequence[str]) -> list[Augmentation]:
    """Return the methods called ``names``.

    ``settings`` are ``KEY=VALUE`` words, the value in YAML, for every method, or ``METHOD.KEY=VALUE`` for one.

    Raises:
        UserError: there is no such method, or it has no such setting, or the value makes no sense.
    """
    for_all: dict[str, Any] = {}
    for_one: dict[str, dict[str, Any]] = {name: {} for name in names}
    for word in settings:
        key, equals, text = word.partition("=")
        method, dot, own = key.partition(".")
        if not equals or not key or (dot and not own):
            raise UserError(f"--set {word}: write KEY=VALUE or METHOD.KEY=VALUE, for example --set alpha=0.2.")
        if dot and method not in for_one:
            raise UserError(f"--set {word}: there is no --method {method}{did_you_mean(method, for_one)}.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UserError(f"--set {word}: '{text}' is not a YAML value.") from None
        if dot:
            for_one[method][own] = value
        else:
            for_all[key] = value
    return [_method(name, {**for_all, **for_one[name]}) for name in names]


def _method(name: str, settings: dict[str, Any]) -> Augmentation:
    try:
        return Augmentation.model_validate({**settings, "name": name})
    except ValidationError as error:
        told = "; ".join(_explain(name, problem) for problem in error.errors())
        raise UserError(f"--method {name}: {told}.") from None


def _explain(name: str, problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
        known = list(Augmentation.members[name].model_fields)
        return f"has no setting '{key}'{did_you_mean(key, known)}; it has: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"needs its setting '{key}': --set {key}=..."
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}" if key else message
