"""What a sweep has shown so far: one row a configuration, over its seeds; as tables and as files for other programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from minbert.display.columns import Column, csv_table, markdown_table
from minbert.files import write_json, write_text
from minbert.recipe.recipe import Recipe
from minbert.recipe.seeds import Spread
from minbert.sweeping.plan import Configuration, Run
from minbert.sweeping.records import Record, score_at, score_name
from minbert.sweeping.results_file import SWEEP_RESULTS
from minbert.sweeping.values import base_value, compact, short_keys
from minbert.tasks.metrics import worth

BEST = "best.yaml"


@dataclass(frozen=True, slots=True)
class Row:
    """A configuration and how its runs ended."""

    configuration: Configuration
    runs: Sequence[Run]
    records: Sequence[Record]
    """Of the runs that have ended, in the order of ``runs``."""

    @property
    def finished(self) -> list[Record]:
        return [record for record in self.records if record.state == "finished"]

    @property
    def complete(self) -> bool:
        """Whether every run is finished, so that it can be compared with others."""
        return len(self.finished) == len(self.runs)

    def spread(self, score: str) -> Spread | None:
        """Return a score (see ``records.score_at``) over the finished runs; None where there are none."""
        scores = [score_at(record.dev, score) for record in self.finished if record.dev is not None]
        return Spread.of(scores) if scores else None

    @property
    def seconds(self) -> float | None:
        """Seconds of training, all seeds together."""
        seconds = [record.train_seconds for record in self.records if record.train_seconds is not None]
        return sum(seconds) if seconds else None

    @property
    def state(self) -> str:
        """In a word or two, what is there to know beside the scores."""
        counts = {state: sum(r.state == state for r in self.records) for state in ("pruned", "failed")}
        counts["unfinished"] = len(self.runs) - len(self.records)
        told = [(state, count) for state, count in counts.items() if count]
        if len(self.runs) == 1:
            return told[0][0] if told else ""
        return ", ".join(f"{count} {state}" for state, count in told)


@dataclass(frozen=True, slots=True)
class Results:
    """A sweep's rows, and what they are compared by."""

    recipe: Recipe
    """The recipe that the sweep varies."""
    keys: Sequence[str]
    """The recipe keys it varies."""
    rows: Sequence[Row]

    @property
    def score(self) -> str:
        """The dev score that decides, as ``records.score_name`` gives it."""
        return score_name(self.recipe)

    @property
    def scores(self) -> list[str]:
        """The scores to show: every task's own metric, their mean, and the one that decides."""
        names = [f"{name}.{task.metric}" for name, task in self.recipe.tasks.items()]
        names += ["overall"] if len(names) > 1 else []
        return names if self.score in names else [*names, self.score]

    @property
    def best(self) -> Row | None:
        """The complete row with the best mean score, the first of equals."""
        ranked = [(spread.mean, row) for row in self.rows if row.complete and (spread := row.spread(self.score))]
        return max(ranked, key=lambda pair: worth(self.score, pair[0]))[1] if ranked else None

    @property
    def base(self) -> Row | None:
        """The row of the recipe as it stands, if the sweep has it and it is complete."""
        return next((row for row in self.rows if row.complete and row.configuration.recipe == self.recipe), None)

    def difference(self, row: Row) -> float | None:
        """Return how much higher a row's mean score is than the base row's."""
        base, score = self.base, row.spread(self.score)
        base_score = base.spread(self.score) if base else None
        return score.mean - base_score.mean if score and base_score and row is not base else None

    @property
    def unfinished(self) -> int:
        """How many runs have not ended; until then the best is the best so far."""
        return sum(len(row.runs) - len(row.records) for row in self.rows)

    def count(self, state: str) -> int:
        """Return how many runs ended in ``state``."""
        return sum(record.state == state for row in self.rows for record in row.records)

    def value(self, changes: Mapping[str, Any], key: str) -> Any:
        """Return a key's value: the changed one, or the recipe's own."""
        return changes[key] if key in changes else base_value(self.recipe, key)

    def ranked(self) -> list[Row]:
        """Return the rows with the best score first, those without one last."""

        def place(row: Row) -> float:
            spread = row.spread(self.score)
            return math.inf if spread is None else -worth(self.score, spread.mean)

        return sorted(self.rows, key=place)


def columns(results: Results, rows: Sequence[Row]) -> list[Column[Row]]:
    """Return the columns of a table of ``rows``."""
    base, best = results.base, results.best
    best_word = "best so far" if results.unfinished else "best"

    def mark(row: Row) -> str:
        return ", ".join(word for word, other in ((best_word, best), ("base", base)) if row is other)

    def value(key: str, row: Row) -> str:
        return compact(results.value(row.configuration.changes, key))

    def spread(score: str, row: Row) -> str:
        return str(row.spread(score) or "")

    def difference(row: Row) -> str:
        return "" if (found := results.difference(row)) is None else f"{found:+.3f}"

    short = short_keys(results.keys)
    found = [Column("", mark, numeric=False)]
    found += [Column(short[key], partial(value, key), numeric=False) for key in results.keys]
    if any(len(row.runs) > 1 for row in results.rows):
        found.append(Column("n", lambda row: str(len(row.finished))))
    found += [Column(score, partial(spread, score)) for score in results.scores]
    if base:
        found.append(Column("difference", difference))
    found.append(Column("seconds", lambda row: "" if row.seconds is None else f"{row.seconds:.0f}"))
    if any(row.state for row in rows):
        found.append(Column("state", lambda row: row.state, numeric=False))
    return found


def remarks(results: Results) -> list[str]:
    """Return what to keep in mind when reading the table."""
    told = []
    spread = [row for row in results.rows if len(row.finished) > 1]
    if spread:
        told.append("± is the standard deviation over seeds (n - 1 in the denominator); n counts finished seeds.")
    if results.base:
        told.append(f"The difference is that of the mean {results.score} from the base row's.")
    if errors := [score for score in results.scores if worth(score, 1.0) < 0]:
        told.append(f"Of {' and '.join(errors)} less is better.")
    if results.unfinished:
        verb = "is" if results.unfinished == 1 else "are"
        told.append(f"{results.unfinished} of the runs {verb} unfinished, so what is best may change.")
    finished = sum(row.complete for row in results.rows)
    if finished > 1:
        told += [
            f"The best of {finished} was picked by its score on dev, so that score is too good: part of it is luck.",
            "Compare it with the base again on new seeds, and on labels that had no part in the choice.",
        ]
    return told


def write_results(folder: Path, results: Results) -> None:
    """Write ``sweep.json``, ``sweep.csv``, ``sweep.md`` and, once there is a best configuration, ``best.yaml``."""
    write_json(folder / SWEEP_RESULTS, _as_json(results))
    write_text(folder / "sweep.csv", _as_csv(results))
    table = markdown_table(columns(results, results.rows), results.rows)
    failures = [
        f"- {record.name} {record.state}: {' '.join((record.message or '').split())}"
        for row in results.rows
        for record in row.records
        if record.state == "failed"
    ]
    parts = [table, "\n\n".join(remarks(results)), "\n".join(failures)]
    write_text(folder / "sweep.md", "\n\n".join(part for part in parts if part) + "\n")
    if best := results.best:
        write_text(folder / BEST, best.configuration.recipe.to_yaml())


def _as_json(results: Results) -> dict[str, Any]:
    best, base = results.best, results.base
    rows = []
    for row in results.rows:
        spreads = {score: row.spread(score) for score in results.scores}
        rows.append(
            {
                "name": row.configuration.name,
                "changes": row.configuration.changes,
                "values": {key: results.value(row.configuration.changes, key) for key in results.keys},
                "runs": [run.name for run in row.runs],
                "state": row.state or "finished",
                "scores": {
                    score: {"mean": spread.mean, "sd": spread.sd, "n": spread.n} if spread else None
                    for score, spread in spreads.items()
                },
                "difference": results.difference(row),
                "train_seconds": row.seconds,
            }
        )
    return {
        "score": results.score,
        "keys": {key: base_value(results.recipe, key) for key in results.keys},
        "best": best.configuration.name if best else None,
        "base": base.configuration.name if base else None,
        "configurations": rows,
        "runs": [record.model_dump(mode="json") for row in results.rows for record in row.records],
    }


def _csv_cell(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else compact(value)


def _as_csv(results: Results) -> str:
    """Return one line a run that has ended, every number in full."""

    def value(key: str, record: Record) -> Any:
        return _csv_cell(results.value(record.changes, key))

    def score(name: str, record: Record) -> float | None:
        return score_at(record.dev, name) if record.dev else None

    fields: dict[str, Callable[[Record], Any]] = {
        "run": attrgetter("name"),
        "state": attrgetter("state"),
        **{key: partial(value, key) for key in results.keys},
        "seed": attrgetter("seed"),
        **{name: partial(score, name) for name in results.scores},
        **{name: attrgetter(name) for name in ("best_step", "steps", "train_seconds", "message")},
    }
    return csv_table(fields, [record for row in results.rows for record in row.records])
