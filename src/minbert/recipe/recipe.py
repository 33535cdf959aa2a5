"""The recipe: everything a run needs to be repeated. The rooms own its pieces; here they are put together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from minbert.augmentation import Augmentation
from minbert.data.relabelling import labels_of
from minbert.data.schedules import Schedule
from minbert.data.task_files import Columns, TaskFiles
from minbert.errors import did_you_mean
from minbert.evaluation.prediction_files import PredictionFile
from minbert.files.paths import to_path
from minbert.files.strict_yaml import to_yaml
from minbert.methods import Settings
from minbert.multitask.adapters import Adapters
from minbert.multitask.combination import Combination
from minbert.multitask.regularization import Regularization
from minbert.multitask.shared_layers import SharedLayer
from minbert.optim.settings import OptimizerSettings
from minbert.recipe.reading import read_tree, validate, without_nulls
from minbert.recipe.seeds import Seed
from minbert.recipe.shipped import pretraining_recipe_names
from minbert.tasks.names import check_task_name
from minbert.tasks.settings import TaskSettings
from minbert.training.distillation import DistillationSettings
from minbert.training.settings import TrainingSettings


class EncoderChoice(Settings):
    """Which encoder, and how it is set up."""

    name: str = Field("minilm", description="'minilm' (embedded), a folder, or an id on the hub, ID or ID@REVISION")
    hidden_dropout: float = Field(0.1, ge=0, lt=1, description="dropout of hidden states in training")
    attention_dropout: float = Field(0.1, ge=0, lt=1, description="dropout of attention probabilities in training")
    max_length: int = Field(512, ge=4, description="longest sequence in tokens, special ones included; more is cut")


class PretrainingFirst(Settings):
    """Masked-LM pretraining that comes before the training of tasks: same data, same encoder, same seed."""

    recipe: str = Field(description="a recipe of minbert pretrain, by its shipped name or path")
    changes: dict[str, Any] = Field({}, description="keys of that recipe to change, dotted, with their new values")


class SharedEncoder(EncoderChoice):
    """Which encoder, and how tasks share it."""

    new_characters: int | None = Field(
        None,
        ge=1,
        description="characters that the vocabulary lacks, such as emoji, get tokens if so many train texts have them",
    )
    adapters: SerializeAsAny[Adapters] = Field(
        Adapters.model_validate({}), description="small weights that are trained inside the encoder's layers"
    )
    shared_layer: SerializeAsAny[SharedLayer] = Field(
        SharedLayer.model_validate({}), description="what all tasks share between the encoder and pooling"
    )
    pretraining: PretrainingFirst | None = Field(
        None,
        description="masked-LM pretraining to run first, in the run's folder 'pretraining'; a recipe's name will do",
    )

    @field_validator("pretraining", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"recipe": value} if isinstance(value, str) else value


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
    regularization: list[SerializeAsAny[Regularization]] = Field(
        [], description="one, or a list, of what is added to the task's loss in training to keep predictions smooth"
    )
    augmentation: list[SerializeAsAny[Augmentation]] = Field(
        [], description="new training rows made from the task's own, by one method or several"
    )

    @model_validator(mode="before")
    @classmethod
    def _pairs_are_two_sequences_by_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("text"), list) and "pair" not in value:
            value = {**value, "pair": "bi"}
        return value

    @field_validator("regularization", "augmentation", mode="before")
    @classmethod
    def _one_none_or_several(cls, value: Any) -> Any:
        return [] if value is None else value if isinstance(value, list) else [value]

    @field_validator("regularization")
    @classmethod
    def _each_once(cls, value: list[Regularization]) -> list[Regularization]:
        names = [method.name for method in value]
        if len(set(names)) < len(names):
            raise ValueError(f"each regularization once; found {', '.join(names)}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _columns_are_the_classes_by_default(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("kind") != "multilabel" or value.get("classes") is not None:
            return value
        if not isinstance(value.get("label"), list):
            return value
        given = value.get("labels")
        names = [given.get(name) if isinstance(given, dict) else name for name in value["label"]]
        return {**value, "classes": [name for name in dict.fromkeys(names) if name is not None]}

    @model_validator(mode="after")
    def _sets_of_labels_are_of_a_kind_that_has_them(self) -> Self:
        files: list[Columns] = [self, *self.also_train_on]
        for file in files:
            for key, given in (("label", isinstance(file.label, list)), ("labels_separator", file.labels_separator)):
                if given and not self.kind.several:
                    what = "a list of columns" if key == "label" else "it"
                    raise ValueError(f"'{key}': {what} goes with 'kind: multilabel', and only with it")
            for name in file.label if isinstance(file.label, list) else ():
                try:
                    labels_of(file, self.kind).parse(json.dumps([name], ensure_ascii=False))
                except ValueError as error:
                    raise ValueError(f"'label': the column '{name}' is no class: {error}") from None
        return self

    @model_validator(mode="after")
    def _pair_has_two_columns(self) -> Self:
        if (self.pair is None) != isinstance(self.text, str):
            raise ValueError("'pair' goes with two text columns (text: [first, second]), and only with them")
        return self

    @model_validator(mode="after")
    def _labels_become_its_own(self) -> Self:
        files: dict[str, Columns] = {"": self}
        files |= {f"also_train_on: {shared.file}: ": shared for shared in self.also_train_on}
        for place, file in files.items():
            try:
                labels_of(file, self.kind)
            except ValueError as error:
                raise ValueError(f"{place}labels: {error}") from None
        return self


class Recipe(Settings):
    """A run, complete."""

    description: str = Field("", description="what the recipe is for, in a line or two")
    seed: Seed = Field(11711, description="everything random follows from it")
    data: str | None = Field(
        None,
        description="folder of the tasks' files; 'sample' is the set that ships with minbert, null asks for --data",
    )
    encoder: SharedEncoder = Field(SharedEncoder(), description="which encoder, and how tasks share it")
    tasks: dict[str, TaskRecipe] = Field(
        min_length=1, description="every task by its name; null takes out one that a base recipe has"
    )
    schedule: ScheduleChoice = Field(ScheduleChoice(), description="how rows become steps")
    combination: SerializeAsAny[Combination] = Field(
        Combination.model_validate({}), description="how the tasks' losses and gradients become one step"
    )
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="how gradients move the weights")
    training: TrainingSettings = Field(TrainingSettings(), description="how long to train, what to keep")
    distillation: DistillationSettings | None = Field(
        None, description="trained models to learn from beside the gold labels; null: none"
    )

    @field_validator("tasks", mode="before")
    @classmethod
    def _without_those_taken_out(cls, value: Any) -> Any:
        return without_nulls(value)

    @field_validator("tasks")
    @classmethod
    def _plain_names(cls, tasks: dict[str, TaskRecipe]) -> dict[str, TaskRecipe]:
        for name in tasks:
            check_task_name(name)
        return tasks

    @model_validator(mode="after")
    def _predictions_have_files_of_their_own(self) -> Self:
        tasks_of: dict[str, list[str]] = {}
        for name, task in self.tasks.items():
            tasks_of.setdefault((task.output.file if task.output else name).casefold(), []).append(name)
        for file, names in tasks_of.items():
            if len(names) > 1:
                raise ValueError(
                    f"tasks {', '.join(names)}: their predictions would go to one file, {file}-dev-output.csv (a task "
                    "without 'output' has its own name there); give each another output.file"
                )
        return self

    @model_validator(mode="after")
    def _heads_are_solved_over_the_weights_that_are_kept(self) -> Self:
        if self.training.head_end == "probe" and self.optimizer.ema_decay is not None:
            raise ValueError(
                "training.head_end: 'probe' solves heads over the last weights, and optimizer.ema_decay keeps averaged "
                "ones: leave out one"
            )
        return self

    @model_validator(mode="after")
    def _teachers_teach_tasks_there_are(self) -> Self:
        asked = self.distillation.teachers if self.distillation is not None else []
        for name in asked if isinstance(asked, dict) else ():
            if name not in self.tasks:
                raise ValueError(f"distillation.teachers: there is no task '{name}'{did_you_mean(name, self.tasks)}")
        return self

    def to_yaml(self) -> str:
        """Return the recipe as YAML that reads back to the same recipe."""
        return to_yaml(self.model_dump(mode="json"))


def load_recipe(source: str, overrides: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe by its shipped name or its path, and lay changes over it; see ``recipe_reading.read_tree``.

    Raises:
        UserError: no such recipe, not YAML, unknown keys (with the nearest known), or values that make no sense.
    """
    return parse_recipe(*load_tree(source, overrides or {}, settings))


def load_tree(source: str, overrides: Mapping[str, Any], settings: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return a recipe as the mapping that it was read as, not yet checked, and where it stands; see ``read_tree``.

    The folders of teachers and the path of a recipe of pretraining are meant from the file's own folder, too; those
    that ``settings`` name, from here.

    Raises:
        UserError: see ``read_tree``.
    """
    tree, where = read_tree(Recipe, source, overrides, settings, anchor=_anchor_paths)
    _anchor_paths(tree, Path())
    return tree, where


def parse_recipe(tree: Any, where: str) -> Recipe:
    """Return the recipe that a mapping read from ``where`` describes.

    Raises:
        UserError: see ``load_recipe``.
    """
    return validate(Recipe, tree, where)


def _anchor_paths(tree: dict[str, Any], folder: Path) -> None:
    _anchor_pretraining(tree, folder)
    _anchor_teachers(tree, folder)


def _anchor_pretraining(tree: dict[str, Any], folder: Path) -> None:
    encoder = tree.get("encoder")
    if not isinstance(encoder, dict):
        return
    first = encoder.get("pretraining")
    more = first if isinstance(first, dict) else {"recipe": first}
    name = more.get("recipe")
    if isinstance(name, str) and name not in pretraining_recipe_names():
        encoder["pretraining"] = {**more, "recipe": str((folder / to_path(name)).resolve())}


def _anchor_teachers(tree: dict[str, Any], folder: Path) -> None:
    def whole(runs: Any) -> Any:
        if isinstance(runs, list):
            return [whole(run) for run in runs]
        return str((folder / to_path(runs)).resolve()) if isinstance(runs, str) else runs

    distillation = tree.get("distillation")
    if isinstance(distillation, dict) and "teachers" in distillation:
        asked = distillation["teachers"]
        distillation["teachers"] = (
            {task: whole(runs) for task, runs in asked.items()} if isinstance(asked, dict) else whole(asked)
        )
