"""Where a corpus's texts come from: files of texts, or the training texts of another recipe's tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minbert.data.corpora import read_texts
from minbert.data.examples import read_split
from minbert.data.places import resolve_data
from minbert.data.task_splits import read_task_split
from minbert.errors import UserError, did_you_mean
from minbert.pretraining.recipe import CorpusSettings, PretrainingRecipe
from minbert.recipe.recipe import TaskRecipe, load_recipe


@dataclass(frozen=True, slots=True)
class CorpusTexts:
    """The texts of a corpus as its files hold them, equal ones as often as they come."""

    place: Path
    """The data folder."""
    names: list[str]
    """The files read, named from it."""
    columns: list[str]
    """Of files of texts that are tables."""
    tasks: Mapping[str, TaskRecipe]
    """Or the tasks whose training texts they are."""

    @classmethod
    def of_corpus(cls, recipe: PretrainingRecipe, name: str, settings: CorpusSettings) -> CorpusTexts:
        """Return the texts of the corpus ``name`` of ``recipe``.

        Raises:
            UserError: there is no such data folder, recipe or task, or a task without a train file.
        """
        if settings.recipe is None:
            return cls(resolve_data(recipe.data), settings.files or [], settings.column or [], {})
        other = load_recipe(settings.recipe)
        place = resolve_data(other.data if recipe.data is None else recipe.data)
        if settings.task is not None and settings.task not in other.tasks:
            hint = did_you_mean(settings.task, other.tasks)
            raise UserError(f"corpora.{name}.task: {settings.recipe} has no task '{settings.task}'{hint}.")
        names = []
        tasks = {key: task for key, task in other.tasks.items() if settings.task in (None, key)}
        for key, task in tasks.items():
            if task.files.train is None:
                raise UserError(f"corpora.{name}: task '{key}' of {settings.recipe} names no train file.")
            names += [task.files.train, *(shared.file for shared in task.also_train_on)]
        return cls(place, names, [], tasks)

    def __iter__(self) -> Iterator[str]:
        """Yield all texts; see ``read_texts`` and ``read_task_split`` for what cannot be used."""
        if not self.tasks:
            for file in self.names:
                yield from read_texts(self.place / file, self.columns)
        for name, task in self.tasks.items():
            own = read_task_split(self.place, task, task.kind, "train", labelled=False, name=name)
            shared = [
                read_split(self.place / more.file, more, task.kind, labelled=False) for more in task.also_train_on
            ]
            for split in (own, *shared):
                yield from split.first
                yield from split.second or []

    @property
    def paths(self) -> list[Path]:
        """The files, in the order of ``names``."""
        return [self.place / name for name in self.names]

    @property
    def how_read(self) -> dict[str, Any]:
        """What says, beside the files' content, which texts they hold."""
        tasks = {name: task.model_dump(mode="json") for name, task in self.tasks.items()}
        return {"files": self.names, "column": self.columns, "tasks": tasks}


def corpus_files(recipe: PretrainingRecipe) -> dict[str, Path]:
    """Return the files of all corpora, by the recipe's keys; none of a corpus whose recipe or folder is not there."""
    found: dict[str, Path] = {}
    for name, settings in recipe.corpora.items():
        with suppress(UserError):  # whoever reads the texts tells it
            texts = CorpusTexts.of_corpus(recipe, name, settings)
            found |= {f"corpora.{name}.{file}": path for file, path in zip(texts.names, texts.paths, strict=True)}
    return found
