"""The page of a folder that could be a repository by itself: one task, with what the hub wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minbert.export.carrying import Carried
from minbert.export.page import CARD, SEQUENCES, with_metadata
from minbert.files import write_text
from minbert.multitask.model import MultitaskModel

TEXTS = [
    "A quiet, generous film that stayed with me for days.",
    "Two hours of shouting and not one idea.",
    "It follows a ferry crew through one winter.",
]
"""What pages show, written for this project."""


def task_sections(usages: Mapping[str, str]) -> str:
    """Return what the whole folder's page says of its tasks: how each one's folder is loaded and asked."""
    told = "".join(f"\n\n### {name}\n\n{usage}" for name, usage in usages.items())
    return (
        "Each task has a folder of its own, with a page, in FOLDER, which `minbert export` wrote. "
        f"`minbert push FOLDER/TASK OWNER/NAME` makes a repository of it.{told}"
    )


@dataclass(frozen=True, slots=True)
class Repository:
    """A task's own folder."""

    model: MultitaskModel
    task: str
    carried: Carried
    library: str
    """Who reads it, in the hub's words."""
    pipeline: str
    """What it does, in the hub's words."""

    def write(self, folder: Path, usage: str) -> None:
        """Write the page; ``usage`` says in Markdown how the folder is loaded and asked."""
        task = self.model.task(self.task)
        decision = f" By yourself: {self.carried.why}." if self.carried.why else ""
        told = (
            f"One task of a minbert model, for {self.library}. A row is {SEQUENCES[task.pair]}. An answer is "
            f"{task.kind.answer_described}. A sequence has at most {self.model.max_length} tokens.{decision}"
        )
        body = f"# {self.task}\n\n{told}\n\n{usage}\n"
        write_text(folder / CARD, with_metadata(self._metadata(), body))

    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "library_name": self.library,
            "pipeline_tag": self.pipeline,
            "tags": ["minbert", self.model.encoder.config.model_type],
        }
        if self.pipeline == "sentence-similarity":
            metadata["widget"] = [{"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}]
        elif self.model.task(self.task).pair is None:  # the hub has no widget that takes pairs
            metadata["widget"] = [{"text": text} for text in TEXTS]
        return metadata
