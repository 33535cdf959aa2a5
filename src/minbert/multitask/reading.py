"""How a model's texts become sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minbert.errors import UserError, did_you_mean
from minbert.multitask.sequences import Indices, Sequences, tokens_needed
from minbert.multitask.texts import Text, task_texts
from minbert.tasks.heads import Pair
from minbert.tasks.settings import TaskSettings
from minbert.text.template import Template
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer


def find_task(tasks: Mapping[str, TaskSettings], name: str) -> TaskSettings:
    """Return a task's settings.

    Raises:
        UserError: there is no such task.
    """
    if not isinstance(name, str) or name not in tasks:
        known = ", ".join(tasks)
        raise UserError(f"the model has no task '{name}'{did_you_mean(str(name), tasks)}; it has: {known}.")
    return tasks[name]


@dataclass(frozen=True, slots=True)
class TextReader:
    """A model's tokenizer, the frame of its encoder's sequences, and how long these may be."""

    tokenizer: Tokenizer
    template: Template
    max_length: int

    def single_texts(self, texts: Iterable[str]) -> Sequences:
        """Return ``texts``, each a row by itself."""
        table, numbers = TokenTable.from_texts(texts, self.tokenizer, self.max_length)
        return Sequences.of_rows(table, numbers, None, None, self.template, self.max_length)

    def of_task(self, task: str, pair: Pair | None, texts: Iterable[Text]) -> Sequences:
        """Return the rows of a task that reads pairs so, or single texts.

        Raises:
            UserError: the texts are not of that form.
        """
        checked = task_texts(task, texts, pairs=pair is not None)
        firsts = [text if isinstance(text, str) else text[0] for text in checked]
        seconds = [text[1] for text in checked if not isinstance(text, str)]
        most = tokens_needed([pair], self.max_length)
        table, numbers = TokenTable.from_texts(firsts + seconds, self.tokenizer, most)
        return self._of_rows(table, numbers, pair)

    def of_columns(
        self,
        task: str,
        pair: Pair | None,
        columns: Sequence[Iterable[str]],
        progress: Callable[[int, int], None] | None = None,
    ) -> Sequences:
        """Return what ``of_task`` does of rows whose texts stand in one column, or two; no text is held.

        ``progress`` is called as by ``TokenTable.from_columns``.

        Raises:
            UserError: there is one column for pairs, or there are two for single texts.
        """
        if len(columns) != (1 if pair is None else 2):
            takes = "single texts" if pair is None else "pairs of texts"
            raise UserError(
                f"task '{task}' takes {takes}, and its rows have other columns. Does the model fit the data?"
            )
        most = tokens_needed([pair], self.max_length)
        table, numbers = TokenTable.from_columns(columns, self.tokenizer, most, progress)
        return self._of_rows(table, numbers, pair)

    def _of_rows(self, table: TokenTable, numbers: Indices, pair: Pair | None) -> Sequences:
        """Return rows whose first texts are the first ``numbers`` of the table, and their second ones the others."""
        first, second = (numbers, None) if pair is None else np.split(numbers, 2)
        return Sequences.of_rows(table, first, second, pair, self.template, self.max_length)
