"""What a sweep varies: recipe keys with the values or ranges they take, read from words such as ``KEY=1e-5,2e-5``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minbert.errors import UserError
from minbert.files.strict_yaml import YamlError, parse_yaml, to_yaml_line
from minbert.methods import Method
from minbert.recipe.recipe import Recipe

_NUMBER = r"[-+]?(?:[0-9]{1,300}\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\.\.({_NUMBER})(:log)?\s*")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``log`` draws their logarithms evenly."""

    low: int | float
    high: int | float
    log: bool

    def __str__(self) -> str:
        return f"{compact(self.low)}..{compact(self.high)}{':log' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values, each by the text it was written as."""

    by_text: Mapping[str, Any]

    def __str__(self) -> str:
        return "|".join(self.by_text)


def read_grid(words: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each key of ``KEY=v1,v2`` words.

    What follows the ``=`` is what stands between the brackets of a YAML list, or the list with its brackets.

    Raises:
        UserError: a word cannot be read, names no value or one twice, or a key that cannot be swept.
    """
    grid: dict[str, list[Any]] = {}
    for word in words:
        key, text = _key_and_text("--grid", word, "optimizer.learning_rate=1e-5,2e-5", grid)
        values = _listed(word, text)
        if not values:
            raise UserError(f"--grid {word}: names no value; write KEY=VALUE,VALUE.")
        for index, value in enumerate(values):
            if any(value == other and type(value) is type(other) for other in values[:index]):
                raise UserError(f"--grid {word}: the value {compact(value)} is given twice.")
        grid[key] = values
    return grid


def read_space(words: Sequence[str]) -> dict[str, Range | Choices]:
    """Return the range or choices of each key of ``KEY=low..high``, ``KEY=low..high:log`` and ``KEY=a|b`` words.

    Raises:
        UserError: a word cannot be read, its range is empty, or it has a key that cannot be swept.
    """
    space: dict[str, Range | Choices] = {}
    for word in words:
        key, text = _key_and_text("--search", word, "optimizer.learning_rate=1e-5..1e-3:log", space)
        if match := _RANGE.fullmatch(text):
            low, high = _number(match[1]), _number(match[2])
            if not (math.isfinite(low) and math.isfinite(high)):
                raise UserError(f"--search {word}: the ends of a range must be finite numbers.")
            if low >= high:
                raise UserError(f"--search {word}: the first number of a range must be the smaller one.")
            if match[3] and low <= 0:
                raise UserError(f"--search {word}: a range on a logarithmic scale must start above 0.")
            space[key] = Range(low, high, log=bool(match[3]))
            continue
        parts = [part.strip() for part in text.split("|")]
        if len(parts) < 2 or "" in parts or len(set(parts)) < len(parts):
            raise UserError(f"--search {word}: write KEY=low..high, KEY=low..high:log, or different values KEY=a|b|c.")
        try:
            space[key] = Choices({part: parse_yaml(part) for part in parts})
        except YamlError:
            raise UserError(f"--search {word}: one of its values is not a YAML value.") from None
    return space


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def base_value(recipe: Recipe, key: str) -> Any:
    """Return what ``recipe`` says at a dotted key, None where it has none; a method with its defaults by its name."""
    value: Any = recipe
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    if isinstance(value, Method):
        plain = value == type(value).model_validate({"name": value.name})
        return value.name if plain else value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [item.model_dump(mode="json") if isinstance(item, Method) else item for item in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def compact(value: Any) -> str:
    """Return a value in few characters, as a recipe could hold it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.4g}"
    return to_yaml_line(value)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return for each dotted key as many of its last parts as tell it from the others."""
    short = {}
    for key in keys:
        parts = key.split(".")
        tails = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
        others = [other for other in keys if other != key]
        short[key] = next(t for t in tails if not any(o == t or o.endswith(f".{t}") for o in others) or t == key)
    return short


def _key_and_text(option: str, word: str, example: str, seen: Mapping[str, Any]) -> tuple[str, str]:
    key, equals, text = word.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"{option} {word}: write KEY=VALUES, for example {option} {example}.")
    if key in seen:
        raise UserError(f"{option} {word}: {key} is given twice; put all its values into one option.")
    if key == "seed":
        raise UserError(f"{option} {word}: seeds are no setting to choose among; give them by --seeds.")
    if key == "training.select":
        raise UserError(f"{option} {word}: {key} is the score that the sweep compares by; fix it with --set.")
    return key, text


def _listed(word: str, text: str) -> list[Any]:
    for candidate in (text, f"[{text}]"):
        try:
            values = parse_yaml(candidate)
        except YamlError:
            continue
        if isinstance(values, list) and candidate.lstrip().startswith("["):
            return values
    raise UserError(f"--grid {word}: '{text}' is not a list of YAML values.")
