"""The papers' tables: which recipe stands in which row, and which figures were published for it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from minbert.errors import UserError, did_you_mean
from minbert.files.paths import to_path
from minbert.files.strict_yaml import read_yaml
from minbert.methods import Settings
from minbert.recipe.reading import validate
from minbert.recipe.shipped import Shipped, recipe_names

PAPERS = Shipped("paper", "reproduction/shipped/papers")


class PaperRow(Settings):
    """One system of a table."""

    label: str = Field(description="what the paper calls it")
    recipe: str | dict[str, str] | list[str] = Field(
        description="its recipe; where the columns are runs of their own, one each; where runs are taken together, all"
    )
    together: Literal["soup", "ensemble"] | None = Field(
        None, description="what is made of all seeds of its recipes, in place of their mean"
    )
    published: dict[str, float] = Field({}, description="the paper's figures, by column; none where it gives none")
    asked: bool = Field(False, description="runs only when asked for by name")

    @property
    def systems(self) -> list[str]:
        """The recipes that its figures come from."""
        if isinstance(self.recipe, str):
            return [self.recipe]
        return list(self.recipe.values()) if isinstance(self.recipe, dict) else self.recipe


class PaperTable(Settings):
    """One table."""

    caption: str = Field(description="what the table shows")
    columns: dict[str, str] = Field(
        min_length=1, description="a score for each column: overall, TASK or TASK.METRIC of metrics.json"
    )
    baseline: str = Field(description="the row that others are compared with")
    rows: dict[str, PaperRow] = Field(min_length=1, description="every row by its name")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.baseline not in self.rows:
            raise ValueError(f"baseline '{self.baseline}' is no row")
        for name, row in self.rows.items():
            if row.together is None and isinstance(row.recipe, list):
                raise ValueError(f"row '{name}': has several recipes; 'together' says what is made of them")
            if row.together is not None and isinstance(row.recipe, dict):
                raise ValueError(f"row '{name}': runs taken together have no recipe a column; give a list")
            if row.together is not None and name == self.baseline:
                raise ValueError(f"baseline '{name}' is made of other rows' runs, and so no row to compare with")
            for mapping in (row.published, row.recipe if isinstance(row.recipe, dict) else {}):
                if unknown := [column for column in mapping if column not in self.columns]:
                    raise ValueError(f"row '{name}': no column '{unknown[0]}'")
        return self

    def systems_by_column(self, row: PaperRow) -> dict[str, str]:
        """Return which recipe fills each column that the row has; none does of runs taken together."""
        if row.together is not None or isinstance(row.recipe, list):
            return {}
        return dict.fromkeys(self.columns, row.recipe) if isinstance(row.recipe, str) else row.recipe


class Paper(Settings):
    """A paper's tables."""

    title: str = Field(description="its authors")
    conditions: str = Field("", description="what its figures were measured with")
    notes: str = Field("", description="what to know when reading ours beside theirs")
    single_task: dict[str, str] = Field({}, description="for each task the recipe that trains it alone")
    tables: dict[str, PaperTable] = Field(min_length=1, description="every table by its name")

    def row_names(self) -> list[str]:
        """Return the names of all rows, each once."""
        return list(dict.fromkeys(name for table in self.tables.values() for name in table.rows))

    def chosen_rows(self, wanted: Collection[str]) -> list[tuple[str, PaperRow]]:
        """Return the rows by name that are wanted, tables in order: with none, all that need not be asked for.

        The baseline of each table that a wanted row stands in is always among them.

        Raises:
            UserError: there is no such row.
        """
        names = self.row_names()
        for name in wanted:
            if name not in names:
                raise UserError(
                    f"row '{name}': is not in the paper{did_you_mean(name, names)}; known: {', '.join(names)}."
                )
        chosen = []
        for table in self.tables.values():
            here = [name for name, row in table.rows.items() if (name in wanted if wanted else not row.asked)]
            chosen += [(name, row) for name, row in table.rows.items() if here and name in {*here, table.baseline}]
        return chosen


def load_paper(source: str) -> Paper:
    """Return the tables of a paper, by its name, or of a YAML file of one's own.

    In a file of one's own, paths of recipes are meant from its folder.

    Raises:
        UserError: there is no such paper or file, it is not YAML, or it cannot be used.
    """
    path = PAPERS.find(source)
    paper = validate(Paper, read_yaml(path), str(path))
    return paper if source in PAPERS.names else _anchored(paper, path.parent)


def _anchored(paper: Paper, folder: Path) -> Paper:
    """Return the paper with every recipe that is no shipped one as a whole path."""

    def whole(name: str) -> str:
        return name if name in recipe_names() else str((folder / to_path(name)).resolve())

    tree = paper.model_dump()
    tree["single_task"] = {task: whole(name) for task, name in paper.single_task.items()}
    for table in tree["tables"].values():
        for row in table["rows"].values():
            match row["recipe"]:
                case str(name):
                    row["recipe"] = whole(name)
                case dict(by_column):
                    row["recipe"] = {column: whole(name) for column, name in by_column.items()}
                case names:
                    row["recipe"] = [whole(name) for name in names]
    return Paper.model_validate(tree)
