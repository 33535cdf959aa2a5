"""The service behind all routes: texts are checked, tokenized, answered in batches, and told row by row."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minbert.errors import UserError, did_you_mean
from minbert.machine.precision import Precision
from minbert.multitask.model import MultitaskModel
from minbert.multitask.texts import Text
from minbert.serving.batcher import Batcher
from minbert.serving.jobs import ENCODER, Job, new_job
from minbert.serving.limits import Limits
from minbert.serving.metrics import Metrics
from minbert.serving.notes import noted
from minbert.serving.reading import Reader
from minbert.serving.refusals import PROBLEMS_TOLD, RefusalError, invalid, no_answer, not_found, stopping

_TOKENIZED_HERE = 2000
"""Characters of a request that the event loop tokenizes itself, in less than 1 ms."""


class Service:
    """One model that answers."""

    def __init__(
        self, model: MultitaskModel, name: str, precision: Precision = "fp32", limits: Limits | None = None
    ) -> None:
        """Serve ``model`` under ``name``."""
        self.model = model
        self.name = name
        self.precision = precision
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.held_bytes = 0
        """Of all bodies that are read or worked on now."""
        self.stopping = False
        """Whether the server is to stop: it still answers, but is not ready any more."""
        self.reader = Reader(model, precision)
        self.batcher = Batcher(self.reader, self.limits, self.metrics.batch)
        # One thread: a long list of texts must hold up neither the event loop nor the products of a batch.
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="tokenizing")

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self.batcher.start()

    def stop(self) -> None:
        """Answer what waits, and end."""
        self.batcher.stop()
        self._tokenizing.shutdown()

    def not_ready(self) -> RefusalError | None:
        """Return why no work should be sent here; None while it should. A full queue is no reason."""
        refused = self.batcher.refusal()
        if refused is not None and refused.code != "overloaded":
            return refused
        return stopping() if self.stopping else None

    def check_task(self, task: str) -> str:
        """Return a task's name.

        Raises:
            RefusalError: the model has no such task.
        """
        if task not in self.model.tasks:
            known = ", ".join(self.model.tasks)
            raise not_found(
                "task_not_found", f"The model has no such task{did_you_mean(task, self.model.tasks)}. It has: {known}."
            )
        return task

    def check_model(self, name: str | None) -> None:
        """Check that a request means the model that is served.

        Raises:
            RefusalError: it names another one.
        """
        if name is not None and name != self.name:
            raise not_found("model_not_found", f"This server has no such model. It has: {self.name}.")

    async def ask(self, tasks: Sequence[str | None], rows: Sequence[Text], truncate: bool) -> Answered:
        """Return what ``tasks`` answer to ``rows``, all texts or all pairs, as the tasks take them.

        Raises:
            RefusalError: a row is no text, too long, or the server takes no work.
        """
        notes = noted.get()
        notes.rows = len(rows)
        notes.task = next((task for task in tasks if task is not ENCODER and len(tasks) == 1), "") or ""
        self._check_sizes(rows)
        try:
            job = await self._new_job(tasks, rows)
        except UserError:
            raise invalid("not_unicode", "A text holds half of a surrogate pair, so it is no Unicode text.") from None
        whole = job.sequences.whole_lengths()
        notes.cut = int((whole > job.sequences.max_length).sum())
        if notes.cut and not truncate:
            raise self._too_long(job, whole)
        if job.tokens > self.limits.request_tokens:
            raise invalid(
                "too_many_tokens",
                f"The request has {job.tokens:,} tokens. It may have {self.limits.request_tokens:,}. Send fewer texts.",
            )
        await self.batcher.answer([job])
        notes.answered([job])
        return Answered(job, whole)

    async def _new_job(self, tasks: Sequence[str | None], rows: Sequence[Text]) -> Job:
        """Tokenize rows for tasks; few characters here, since going to the other thread and back takes longer."""
        if sum(len(row) if isinstance(row, str) else len(row[0]) + len(row[1]) for row in rows) <= _TOKENIZED_HERE:
            return new_job(self.model, tasks, rows)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tokenizing, new_job, self.model, tasks, rows)

    def _check_sizes(self, rows: Sequence[Text]) -> None:
        """Check what can be known without tokenizing."""
        texts = sum(1 if isinstance(row, str) else 2 for row in rows)
        if texts > self.limits.texts:
            raise invalid("too_many_texts", f"The request has {texts:,} texts. It may have {self.limits.texts:,}.")
        blank, long = [], []
        for index, row in enumerate(rows):
            for text in (row,) if isinstance(row, str) else row:
                if not text.strip():
                    blank.append({"input": index})
                if len(text) > self.limits.text_characters:
                    long.append({"input": index, "characters": len(text), "allowed": self.limits.text_characters})
        if blank:
            raise invalid("blank_text", "A text is empty, or only white space.", blank[:PROBLEMS_TOLD])
        if long:
            allowed = f"{self.limits.text_characters:,}"
            raise invalid(
                "text_too_long", f"A text may have {allowed} characters, also to be cut.", long[:PROBLEMS_TOLD]
            )

    def _too_long(self, job: Job, whole: NDArray[np.int64]) -> RefusalError:
        """Return the refusal that names the rows with a sequence that is too long."""
        allowed = job.sequences.max_length
        longest = whole[job.sequences.rows].max(axis=1)
        problems = [
            {"input": int(row), "tokens": int(longest[row]), "allowed": allowed}
            for row in np.flatnonzero(longest > allowed)
        ]
        first = problems[0]
        return invalid(
            "text_too_long",
            f"Input {first['input']} has {first['tokens']:,} tokens. It may have {allowed:,}. "
            'With "truncate": true its end is cut off.',
            problems[:PROBLEMS_TOLD],
        )


class Answered:
    """A job's answers, row by row."""

    def __init__(self, job: Job, whole: NDArray[np.int64]) -> None:
        """Take a job that has been answered, and the tokens (S,) of its sequences before any was cut."""
        self._job = job
        rows = job.sequences.rows
        self.tokens_seen: list[int] = job.sequences.lengths()[rows].sum(axis=1).tolist()
        """Of each row, special tokens included; the two texts of a pair together."""
        self.tokens_total: list[int] = whole[rows].sum(axis=1).tolist()
        """The same, had nothing been cut."""

    def failed(self, task: str | None) -> list[bool]:
        """Return which rows have no answer of a task."""
        failed: list[bool] = self._job.failed[task].tolist()
        return failed

    def said(self, task: str) -> list[dict[str, Any]]:
        """Return what a task says of each row, as ``minbert predict`` does: its prediction and all probabilities."""
        predicted = self._job.predictions[task]
        if predicted.probabilities is None:
            return [{"prediction": round(value, 6)} for value in predicted.values.tolist()]
        shares = predicted.probabilities.round(6).tolist()
        return [
            {"prediction": name, "probabilities": dict(zip(predicted.class_names, row, strict=True))}
            for name, row in zip(predicted.names, shares, strict=True)
        ]

    def scores(self, service: Service, task: str) -> NDArray[np.float64]:
        """Return a number for each row, by which rows are put in order (R,)."""
        predicted = self._job.predictions[task]
        answers = predicted.values if predicted.probabilities is None else predicted.probabilities
        return service.model.task(task).kind.rank_scores(answers)

    def vectors(self, *, normalized: bool) -> NDArray[np.float32]:
        """Return the sentence vectors (R, hidden), of length 1 if normalized; all must have an answer.

        Raises:
            RefusalError: a row has none.
        """
        self.check_all(ENCODER)
        vectors = self._job.sentence_vectors
        assert vectors is not None
        if normalized:
            vectors = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        return vectors.astype("<f4")

    def check_all(self, task: str | None) -> None:
        """Check that every row has an answer of a task.

        Raises:
            RefusalError: one has none.
        """
        if problems := [{"input": row} for row, failed in enumerate(self.failed(task)) if failed]:
            raise no_answer(problems[:PROBLEMS_TOLD])
