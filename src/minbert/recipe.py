"""The recipe: everything a run needs to be repeated. The rooms own its pieces; here they are put together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from minbert.data.schedules import Schedule
from minbert.data.task_files import TaskFiles
from minbert.errors import UserError
from minbert.evaluation.prediction_files import PredictionFile
from minbert.methods import Method, Settings
from minbert.optim.settings import OptimizerSettings
from minbert.shipped import find_recipe
from minbert.tasks.settings import TaskSettings
from minbert.training.settings import TrainingSettings


class EncoderChoice(Settings):
    """Which encoder, and how it is set up."""

    name: str = Field("minilm", description="'minilm' (embedded), a folder, or an id on the hub")
    hidden_dropout: float = Field(0.1, ge=0, lt=1, description="dropout of hidden states in training")
    attention_dropout: float = Field(0.1, ge=0, lt=1, description="dropout of attention probabilities in training")
    max_length: int = Field(512, ge=4, description="longest sequence in tokens, special ones included; more is cut")


class ScheduleChoice(Settings):
    """How rows become steps."""

    method: SerializeAsAny[Schedule] = Field(
        Schedule.model_validate("round_robin"), description="which rows of which tasks make a step"
    )
    batch_size: int = Field(32, ge=1, description="rows a batch of a task that names no batch_size of its own")


class TaskRecipe(TaskFiles, TaskSettings):
    """One task: its files, and what the model makes of them."""

    output: PredictionFile | None = Field(
        None, description="names of the prediction files; by default the task's name, and 'Predicted'"
    )

    @model_validator(mode="before")
    @classmethod
    def _pairs_are_two_sequences_by_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("text"), list) and "pair" not in value:
            value = {**value, "pair": "bi"}
        return value

    @model_validator(mode="after")
    def _pair_has_two_columns(self) -> Self:
        if (self.pair is None) != isinstance(self.text, str):
            raise ValueError("'pair' goes with two text columns (text: [first, second]), and only with them")
        return self


class Recipe(Settings):
    """A run, complete."""

    description: str = Field("", description="what the recipe is for, in a line or two")
    seed: int = Field(11711, ge=0, description="everything random follows from it")
    data: str | None = Field(
        None,
        description="folder of the tasks' files; 'sample' is the set that ships with minbert, null asks for --data",
    )
    encoder: EncoderChoice = Field(EncoderChoice(), description="which encoder, and how it is set up")
    tasks: dict[str, TaskRecipe] = Field(min_length=1, description="every task by its name")
    schedule: ScheduleChoice = Field(ScheduleChoice(), description="how rows become steps")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="how gradients move the weights")
    training: TrainingSettings = Field(TrainingSettings(), description="how long to train, what to keep")

    @field_validator("tasks")
    @classmethod
    def _plain_names(cls, tasks: dict[str, TaskRecipe]) -> dict[str, TaskRecipe]:
        for name in tasks:
            if not re.fullmatch(r"[A-Za-z][\w-]*", name):
                raise ValueError(f"'{name}' is no name for a task: letters, digits, '_' and '-', a letter first")
            if name in ("overall", "overall_leaderboard"):
                raise ValueError(f"'{name}' is the name of a score; call the task something else")
        return tasks

    def to_yaml(self) -> str:
        """Return the recipe as YAML that reads back to the same recipe."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def load_recipe(source: str, overrides: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe by its shipped name or its path, and lay changes over it.

    ``overrides`` maps dotted keys to values; ``settings`` are ``KEY=VALUE`` words, the value in YAML. A recipe may
    build on another: ``extends: NAME_OR_PATH`` (a path is meant from the recipe's own folder); mappings are merged
    key by key, everything else is replaced. A relative ``data`` folder in a file is meant from the file's folder.

    Raises:
        UserError: no such recipe, not YAML, unknown keys (with the nearest known), or values that make no sense.
    """
    tree, where = _read(source, ())
    for key, value in (overrides or {}).items():
        _put(tree, key, value)
    for word in settings:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UserError(f"--set {word}: write KEY=VALUE, for example --set training.epochs=5.")
        try:
            _put(tree, key.strip(), yaml.safe_load(text))
        except yaml.YAMLError:
            raise UserError(f"--set {word}: '{text}' is not a YAML value.") from None
    return parse_recipe(tree, where)


def parse_recipe(tree: Any, where: str) -> Recipe:
    """Return the recipe that a mapping read from ``where`` describes.

    Raises:
        UserError: see ``load_recipe``.
    """
    if not isinstance(tree, dict):
        raise UserError(f"{where}: a recipe is a mapping of keys like 'tasks:' and 'training:'.")
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        shown = "\n".join(f"  {line}" for line in lines[:8])
        more = f"\n  and {len(lines) - 8} more" if len(lines) > 8 else ""
        raise UserError(f"{where}: this recipe cannot be used:\n{shown}{more}") from None


def _read(source: str, seen: tuple[Path, ...]) -> tuple[dict[str, Any], str]:
    path = find_recipe(source, seen[-1].parent if seen else None)
    if path in seen:
        raise UserError(f"{path}: extends itself, by way of {' -> '.join(map(str, seen))}.")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{path}{line}: is not YAML: {what}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: a recipe is a mapping of keys like 'tasks:' and 'training:'.")
    data = tree.get("data")
    if isinstance(data, str) and data != "sample":
        tree["data"] = str((path.parent / Path(data).expanduser()).resolve())
    base = tree.pop("extends", None)
    if base is None:
        return tree, str(path)
    if not isinstance(base, str):
        raise UserError(f"{path}: extends: give the name or path of one recipe.")
    return _merge(_read(base, (*seen, path))[0], tree), str(path)


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = tree.get(parent)
        if isinstance(inner, str):  # a method by its name alone, now getting a setting
            inner = {"name": inner}
        tree[parent] = dict(inner) if isinstance(inner, dict) else {}
        tree = tree[parent]
    tree[last] = value


def _explain(problem: Any) -> str:
    """Return one problem as ``key: what is wrong``, with the nearest known key for one that is unknown."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    kind, message = problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        near = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if kind == "missing":
        return f"{key}: is missing"
    message = message.removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}" if key else message


def _known_keys(path: Sequence[str]) -> list[str]:
    """Return the keys a recipe may have at ``path``, found by walking the models' fields."""
    models: list[type[Settings]] = [Recipe]
    for part in path:
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        inner = [found for annotation in annotations for found in _models_in(annotation)]
        if inner:  # else ``part`` is the name of a task or of a method's member: the models stay
            models = inner
    return sorted({key for model in models for key in model.model_fields})


def _models_in(annotation: Any) -> list[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Method):
        return list(annotation.members.values())
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
