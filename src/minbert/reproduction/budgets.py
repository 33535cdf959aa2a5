"""Budgets: a recipe made to fit a smaller purse, by less data, fewer epochs, and rates for a smaller encoder.

Tasks, heads, losses, schedule, combination and batch size stay untouched.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from minbert.data.subsample import WantedRows
from minbert.encoder.pooling import Pooling
from minbert.files.strict_yaml import read_yaml
from minbert.methods import Settings
from minbert.pretraining.recipe import load_pretraining_recipe
from minbert.recipe.reading import validate
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.recipe.shipped import Shipped

BUDGETS = Shipped("budget", "reproduction/shipped/budgets")

Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Budget(Settings):
    """What may be spent on a run. The defaults change nothing."""

    description: str = Field("", description="what the budget is for, in a line or two")
    rows: float = Field(1.0, gt=0, le=1, description="share of every task's training rows, of what the recipe takes")
    dev_rows: WantedRows | None = Field(None, description="how much of dev is scored; null: what the recipe says")
    test: bool = Field(True, description="whether test files are predicted")
    epochs: int | None = Field(None, ge=1, description="at most so many epochs where the encoder is trained")
    frozen_epochs: int | None = Field(None, ge=1, description="at most so many epochs where it is frozen")
    learning_rate: Factor = Field(1.0, description="factor of the encoder's learning rate, where it is trained")
    head_learning_rate: Factor = Field(1.0, description="factor of the heads' learning rate, where it is trained")
    max_length: int | None = Field(None, ge=4, description="longest sequence in tokens; null: what the recipe says")
    pooling: Pooling | None = Field(
        None, description="every task's sentence vector, where an encoder was trained for another than the recipe's"
    )
    pretraining_texts: int | None = Field(
        None, ge=1, description="at most so many texts of each corpus of a pretraining recipe that comes first"
    )
    pretraining: dict[str, Any] = Field(
        {}, description="changes of a pretraining recipe that comes first: dotted keys with their new values"
    )

    def apply(self, recipe: Recipe) -> Recipe:
        """Return the recipe, cut to this budget.

        Raises:
            UserError: the budget asks for what the recipe cannot have.
        """
        tree = recipe.model_dump(mode="json")
        for task in tree["tasks"].values():
            task["rows"] = self._part(task["rows"])
            for shared in task["also_train_on"]:
                shared["rows"] = self._part(shared["rows"])
            task["pooling"] = self.pooling or task["pooling"]
            task["dev_rows"] = self.dev_rows if self.dev_rows is not None else task["dev_rows"]
            if not self.test:
                task["files"]["test"] = None
        if isinstance(steps := tree["schedule"]["method"]["epoch"], int):
            tree["schedule"]["method"]["epoch"] = max(1, round(steps * self.rows))
        frozen = recipe.training.encoder == "frozen"
        if (most := self.frozen_epochs if frozen else self.epochs) is not None:
            tree["training"]["epochs"] = min(most, recipe.training.epochs)
        if not frozen and (self.learning_rate, self.head_learning_rate) != (1, 1):
            optimizer = tree["optimizer"]
            head = optimizer["head_learning_rate"] or optimizer["learning_rate"]
            optimizer["learning_rate"] *= self.learning_rate
            optimizer["head_learning_rate"] = head * self.head_learning_rate
        if self.max_length is not None:
            tree["encoder"]["max_length"] = min(self.max_length, recipe.encoder.max_length)
        if (first := tree["encoder"]["pretraining"]) is not None:
            first["changes"] |= self._at_most(first["recipe"]) | self.pretraining
        return parse_recipe(tree, "the recipe within its budget")

    def _at_most(self, pretraining: str) -> dict[str, Any]:
        if self.pretraining_texts is None:
            return {}
        corpora = load_pretraining_recipe(pretraining).corpora
        return {f"corpora.{name}.at_most": self.pretraining_texts for name in corpora}

    def _part(self, rows: int | str | None) -> int | str | None:
        """Return the budget's share of the rows a task takes: all (None), a share ("10%") or a number."""
        if self.rows == 1:
            return rows
        if isinstance(rows, int):
            return max(1, round(rows * self.rows))
        share = 100.0 if rows is None else float(rows.removesuffix("%"))
        return f"{share * self.rows:.6g}%"


def load_budget(source: str) -> Budget:
    """Read a budget by its shipped name or its path.

    Raises:
        UserError: there is no such budget, it is not YAML, has unknown keys, or values that make no sense.
    """
    path = BUDGETS.find(source)
    return validate(Budget, read_yaml(path), str(path))
