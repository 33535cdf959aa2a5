"""What the reading of a folder has come to: one task's settings, why they are so, and what is not sure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minbert.recipe.reading import changed, lay_over
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.schema_inference.commented_recipe import understood


@dataclass(frozen=True, slots=True)
class Question:
    """Two readings or more are as likely; ``choices`` says each in a few words, the safer one first."""

    text: str
    choices: Sequence[str]


Ask = Callable[[Question], int | None]
"""Returns the number of the choice that somebody has made, None where there is nobody to ask."""


def nobody(question: Question) -> None:
    """Ask nobody."""


@dataclass
class Findings:
    """Settings of a recipe's task with the reason for each, by key; and what a person should look at."""

    settings: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)

    def set(self, key: str, value: Any, reason: str = "") -> None:
        """Set a key, and say why."""
        self.settings[key] = value
        if reason:
            self.reasons[key] = reason

    def decide(self, question: Question, ask: Ask) -> int:
        """Return the number of the choice that is made; where there is nobody to ask, of the safer one, and say so."""
        choice = ask(question)
        if choice is None:
            safer, *others = question.choices
            self.unsure.append(f"{question.text} Taken: {safer}. It may be: {', or '.join(others)}")
        return choice or 0


@dataclass(frozen=True)
class InferredTask:
    """A task as its files show it."""

    name: str
    findings: Findings
    unused: list[str]
    """The columns of the train file that are neither text, label nor id."""
    rows: dict[str, int]
    """How many rows each split's file has, of those that were read."""
    labelled: int
    """How many of the training rows have a label, and are trained on."""
    texts: list[tuple[str, ...]]
    """Of each training row that was read, the one text or the two."""

    @property
    def classes(self) -> int:
        """How many classes the recipe names; two where it names none."""
        classes = self.findings.settings.get("classes", 2)
        return classes if isinstance(classes, int) else len(classes)


@dataclass(frozen=True)
class InferredFolder:
    """Everything that a folder's files have told."""

    data: Path
    tasks: list[InferredTask]
    encoder: Findings
    schedule: Findings
    optimizer: Findings
    training: Findings
    remarks: list[str]
    """What was left out, and why."""

    def __str__(self) -> str:
        """Return what was understood and what was not, as ``minbert new`` prints it."""
        return "\n".join(understood(self))

    def recipe(self, changes: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Recipe:
        """Return the recipe, with changes laid over it: dotted keys with values, and ``KEY=VALUE`` words.

        A changed ``schedule.batch_size`` is that of all tasks. Heads are solved at the end only where the last model is
        kept, and begin at random only where the encoder learns with them.

        Raises:
            UserError: the changes do not fit.
        """
        tree = self.tree
        if "batch_size" in changed(changes or {}, settings, "schedule"):
            tree["tasks"] = {
                name: {key: value for key, value in task.items() if key != "batch_size"}
                for name, task in tree["tasks"].items()
            }
        training = changed(changes or {}, settings, "training")
        needless = {"head_end": training.get("keep") == "best", "head_start": training.get("encoder") == "frozen"}
        tree["training"] = {key: value for key, value in tree["training"].items() if not needless.get(key)}
        lay_over(tree, changes or {}, settings)
        return parse_recipe(tree, str(self.data))

    @property
    def tree(self) -> dict[str, Any]:
        """The recipe, as a mapping that could have been read from a file."""
        return {
            "data": str(self.data),
            "encoder": self.encoder.settings,
            "tasks": {task.name: task.findings.settings for task in self.tasks},
            "schedule": self.schedule.settings,
            "optimizer": self.optimizer.settings,
            "training": self.training.settings,
        }
