"""The recipe of masked-LM pretraining: which encoder, which texts, how they are hidden, how long."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from minbert.augmentation import Augmentation
from minbert.data.corpora import is_plain_text
from minbert.data.task_files import FileName
from minbert.encoder.masked_lm import HeadKind
from minbert.files.paths import to_path
from minbert.files.strict_yaml import to_yaml
from minbert.methods import Settings
from minbert.optim.settings import OptimizerSettings
from minbert.pretraining.held_out import OVERALL
from minbert.pretraining.settings import PretrainingSettings
from minbert.recipe.reading import read_tree, validate, without_nulls
from minbert.recipe.recipe import EncoderChoice
from minbert.recipe.seeds import Seed
from minbert.recipe.shipped import recipe_names
from minbert.text.masking import MaskingSettings


class CorpusSettings(Settings):
    """One corpus: texts from files, or the training texts of another recipe's tasks."""

    files: list[FileName] | None = Field(
        None, description="files of texts, named from the data folder: .txt has one a line, others are tables"
    )
    column: list[str] | None = Field(None, description="the columns of a table that hold texts, one or several")
    recipe: str | None = Field(
        None, description="instead of files: a recipe of minbert train, whose training texts these are"
    )
    task: str | None = Field(None, description="only this task's texts of the recipe; null: those of all its tasks")
    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="multiplies the corpus's share of an epoch")
    at_most: int | None = Field(None, ge=1, description="use at most so many of its texts, drawn at random")
    augmentation: list[SerializeAsAny[Augmentation]] = Field(
        [], description="new texts made from those that are trained on, by one method or several"
    )

    @field_validator("augmentation", mode="before")
    @classmethod
    def _one_method_is_a_list_of_one(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]

    @field_validator("files", "column", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.files) == (self.recipe is not None):
            raise ValueError("name either its 'files' or a 'recipe' whose training texts it takes")
        if self.recipe is not None and self.column is not None:
            raise ValueError("'column' goes with 'files'; a recipe names its columns itself")
        if self.recipe is None and self.task is not None:
            raise ValueError("'task' goes with 'recipe'")
        if self.column is not None and all(is_plain_text(Path(file)) for file in self.files or []):
            raise ValueError("a .txt file has no columns, but 'column' is given")
        return self


class HeldOutSettings(Settings):
    """Which texts are never trained on, and how many of them are scored."""

    share: float = Field(
        0.05, gt=0, le=0.5, description="share of every corpus's texts that is never trained on, by a hash of the text"
    )
    scored: int = Field(1000, ge=1, description="score at most so many held-out texts of a corpus")


class PretrainingRecipe(Settings):
    """A pretraining run, complete."""

    description: str = Field("", description="what the recipe is for, in a line or two")
    seed: Seed = Field(11711, description="everything random follows from it")
    data: str | None = Field(
        None,
        description="folder of the corpora's files; 'sample' is the set that ships with minbert, null asks for --data",
    )
    encoder: EncoderChoice = Field(EncoderChoice(), description="which encoder, and how it is set up")
    head: HeadKind = Field(
        "bert",
        description="'bert': tied to the word embeddings (Devlin et al. 2019); 'two_layer': ReLU, its own matrix",
    )
    corpora: dict[str, CorpusSettings] = Field(
        min_length=1, description="every corpus by its name; null takes out one that a base recipe has"
    )
    size_power: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a corpus's share of an epoch grows with weight * size^size_power; 0 makes all alike",
    )
    held_out: HeldOutSettings = Field(HeldOutSettings(), description="what is kept to be scored on")
    masking: MaskingSettings = Field(MaskingSettings(), description="which tokens are hidden, and how")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="how gradients move the weights")
    training: PretrainingSettings = Field(PretrainingSettings(), description="how long to train, what to keep")

    @field_validator("corpora", mode="before")
    @classmethod
    def _without_those_taken_out(cls, value: Any) -> Any:
        return without_nulls(value)

    @field_validator("corpora")
    @classmethod
    def _plain_names(cls, corpora: dict[str, CorpusSettings]) -> dict[str, CorpusSettings]:
        for name in corpora:
            if not re.fullmatch(r"[A-Za-z][\w-]*", name):
                raise ValueError(f"'{name}' is no name for a corpus: letters, digits, '_' and '-', a letter first")
            if name == OVERALL:
                raise ValueError(f"'{name}' is the name of a score; call the corpus something else")
        return corpora

    def to_yaml(self) -> str:
        """Return the recipe as YAML that reads back to the same recipe."""
        return to_yaml(self.model_dump(mode="json"))


def load_pretraining_recipe(
    source: str, overrides: Mapping[str, Any] | None = None, settings: Sequence[str] = ()
) -> PretrainingRecipe:
    """Read a recipe by its shipped name or its path, and lay changes over it; see ``recipe_reading.read_tree``.

    The path of a corpus's ``recipe`` is meant from the file's own folder, too.

    Raises:
        UserError: no such recipe, not YAML, unknown keys (with the nearest known), or values that make no sense.
    """
    tree, where = read_tree(PretrainingRecipe, source, overrides or {}, settings, anchor=_anchor_recipes)
    return parse_pretraining_recipe(tree, where)


def parse_pretraining_recipe(tree: Any, where: str) -> PretrainingRecipe:
    """Return the recipe that a mapping read from ``where`` describes.

    Raises:
        UserError: see ``load_pretraining_recipe``.
    """
    return validate(PretrainingRecipe, tree, where)


def _anchor_recipes(tree: dict[str, Any], folder: Path) -> None:
    corpora = tree.get("corpora")
    for corpus in corpora.values() if isinstance(corpora, dict) else ():
        name = corpus.get("recipe") if isinstance(corpus, dict) else None
        if isinstance(name, str) and name not in recipe_names():
            corpus["recipe"] = str((folder / to_path(name)).resolve())
