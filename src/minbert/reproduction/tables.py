"""How a reproduction's results look: one table a paper's table, its figures and ours side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from minbert.display.columns import Column, markdown_table
from minbert.encoder.sources import MINILM_DESCRIPTION
from minbert.recipe.seeds import Spread


@dataclass(frozen=True, slots=True)
class Grid:
    """A table's cells, ready to be printed."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    note: str

    @property
    def columns(self) -> list[Column[list[str]]]:
        """Its columns: what stands in the first is in words."""
        return [Column(heading, itemgetter(place), numeric=place > 0) for place, heading in enumerate(self.header)]


def grids(results: Mapping[str, Any]) -> list[Grid]:
    """Return the tables of ``results.json``.

    A score has two columns: the paper's figure (where the table has any) and ours (the mean, and the standard deviation
    over seeds), each with its difference to the table's baseline row. The last row holds each task trained alone, by
    ours; where a table has it, another one follows with the differences to it.
    """
    found = []
    for table in results["tables"].values():
        found.append(_grid(table, results["single_task"]))
        if (to_alone := _to_each_task_alone(table, results["single_task"])) is not None:
            found.append(to_alone)
    return found


def markdown(results: Mapping[str, Any]) -> str:
    """Return the tables of ``results.json`` with all that must be known to read them."""
    parts = [f"# {results['title']}\n", f"{conditions(results)}\n"]
    if results["notes"]:
        parts.append(f"{results['notes']}\n")
    for grid in grids(results):
        parts.append(f"## {grid.caption}\n")
        parts += [f"{markdown_table(grid.columns, grid.rows, aligned=True)}\n", f"{grid.note}\n"]
    parts += [f"- {label}: {failure}\n" for label, failure in failures(results).items()]
    return "\n".join(parts)


def failures(results: Mapping[str, Any]) -> dict[str, str]:
    """Return why a run of it failed, by the label of each row that has one such run."""
    return {
        row["label"]: row["failures"][0]
        for table in results["tables"].values()
        for row in table["rows"].values()
        if row["failures"]
    }


def conditions(results: Mapping[str, Any]) -> str:
    """Return what the paper's figures and ours were measured with, and what must be known of the encoder."""
    seeds = "one seed" if results["seeds"] == 1 else f"{results['seeds']} seeds"
    unfinished = results["runs"] - results["finished"]
    paper = f"The paper: {results['conditions']} " if results["conditions"] else ""
    words = (
        f"{paper}Ours: encoder {results['encoder']}, budget {results['budget']}, {seeds}, "
        f"dev; torch {results['torch']} on {results['device']}, threads: {results['threads']}. In brackets: the "
        "difference to another row, named below each table, on the same side. Seconds are of training."
    )
    if results["encoder"] == "minilm":
        words += f" {MINILM_DESCRIPTION}"
    return words + (f" {unfinished} of {results['runs']} runs are still to come." if unfinished else "")


def _grid(table: Mapping[str, Any], single_task: Mapping[str, Sequence[float]]) -> Grid:
    published = any(row["published"] for row in table["rows"].values())
    header = ["system"]
    for column in table["columns"]:
        told = _with_direction(table, column)
        header += [f"{told}, paper", f"{told}, ours"] if published else [told]
    header.append("seconds")
    baseline = table["rows"].get(table["baseline"])
    rows = []
    for name, row in table["rows"].items():
        compared = None if name == table["baseline"] else baseline
        line = [row["label"]]
        for column in table["columns"]:
            if published:
                line.append(_published(row, compared, column))
            if column not in row["ours"]:
                line.append("")
            elif not row["ours"][column] and row["failures"]:
                line.append("failed")
            else:
                line.append(_shown(row["ours"][column], [] if compared is None else compared["ours"].get(column, [])))
        rows.append([*line, f"{row['seconds']:.0f}"])
    if alone := _alone(table, single_task):
        line = ["each task alone"]
        for column in table["columns"]:
            line += [""] * published + [_shown(alone.get(column, []), [])]
        rows.append([*line, ""])
    note = f"Differences are to '{baseline['label']}'." if baseline is not None and len(table["rows"]) > 1 else ""
    return Grid(table["caption"], header, rows, note)


def _published(row: Mapping[str, Any], compared: Mapping[str, Any] | None, column: str) -> str:
    theirs = [] if compared is None or column not in compared["published"] else [compared["published"][column]]
    return _shown([row["published"][column]] if column in row["published"] else [], theirs)


def _alone(table: Mapping[str, Any], single_task: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """Return the scores of each task trained alone by column, where the table is of several."""
    columns = table["columns"]
    if len(set(columns.values())) == 1:
        return {}
    return {column: single_task[score] for column, score in columns.items() if single_task.get(score)}


def _to_each_task_alone(table: Mapping[str, Any], single_task: Mapping[str, Sequence[float]]) -> Grid | None:
    """Return how far each row of several tasks is from each task trained alone; None where there is nothing to tell."""
    alone = _alone(table, single_task)
    rows, tested = [], False
    for row in table["rows"].values():
        if row.get("single_task"):  # absent in results that were written before it was told
            continue
        ours = {column: row["ours"].get(column, []) for column in alone}
        cells = [_transfer(ours[column], scores, column in _errors(table)) for column, scores in alone.items()]
        tested = tested or any(min(len(ours[column]), len(alone[column])) > 1 for column in alone)
        if any(cells):
            rows.append([row["label"], *cells])
    if not rows:
        return None
    note = (
        "In brackets: the 95 % interval of the difference over seeds, on these dev rows (Welch's t). Where all of it "
        "is on the worse side of 0, transfer is negative; it is not corrected for the number of comparisons. "
        if tested
        else "One seed each shows nothing by itself: a difference may be chance, so no transfer is marked as negative. "
    )
    return Grid(
        f"{table['caption']}: difference to each task trained alone, ours",
        ["system", *(_with_direction(table, column) for column in alone)],
        rows,
        f"{note}minbert compare tests the runs of this folder on dev rows, too.",
    )


def _errors(table: Mapping[str, Any]) -> Sequence[str]:
    """Return the columns in which less is better; results that were written before it was told name none."""
    errors: Sequence[str] = table.get("less_is_better", [])
    return errors


def _with_direction(table: Mapping[str, Any], column: str) -> str:
    return f"{column} (less is better)" if column in _errors(table) else column


def _transfer(scores: Sequence[float], alone: Sequence[float], less_is_better: bool) -> str:
    """Return the difference of means and, of several seeds on both sides, its interval and whether all of it is worse.

    Worse is below 0, or above it where ``less_is_better``.
    """
    if not scores:
        return ""
    ours, theirs = Spread.of(scores), Spread.of(alone)
    difference = ours.mean - theirs.mean
    if ours.sd is None or theirs.sd is None:
        return f"{difference:+.3f}"
    from scipy.special import stdtrit

    squares = [spread**2 / number for spread, number in ((ours.sd, ours.n), (theirs.sd, theirs.n))]
    if sum(squares) < 1e-18:
        return f"{difference:+.3f}"
    freedom = sum(squares) ** 2 / (squares[0] ** 2 / (ours.n - 1) + squares[1] ** 2 / (theirs.n - 1))
    half = float(stdtrit(freedom, 0.975)) * sum(squares) ** 0.5
    low, high = difference - half, difference + half
    worse = low > 0 if less_is_better else high < 0
    return f"{difference:+.3f} ({low:+.3f} to {high:+.3f}){', negative transfer' if worse else ''}"


def _shown(scores: Sequence[float], compared: Sequence[float]) -> str:
    """Return the mean, the standard deviation of several, and the difference to another mean."""
    if not scores:
        return ""
    spread = Spread.of(scores)
    return f"{spread} ({spread.mean - Spread.of(compared).mean:+.3f})" if compared else str(spread)
