"""From the words of a command to methods with their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from minbert.augmentation import Augmentation
from minbert.errors import UserError, did_you_mean, shown
from minbert.files.strict_yaml import read_settings


def choose_methods(names: Sequence[str], settings: Sequence[str]) -> list[Augmentation]:
    """Return the methods called ``names``.

    ``settings`` are ``KEY=VALUE`` words, the value in YAML, for every method, or ``METHOD.KEY=VALUE`` for one.

    Raises:
        UserError: there is no such method, or it has no such setting, or the value makes no sense.
    """
    for_all: dict[str, Any] = {}
    for_one: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, value in read_settings(settings, "alpha=0.2").items():
        method, dot, own = key.partition(".")
        if not dot:
            for_all[key] = value
        elif method in for_one:
            for_one[method][own] = value
        else:
            raise UserError(f"--set {shown(key)}: there is no --method {shown(method)}{did_you_mean(method, for_one)}.")
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
