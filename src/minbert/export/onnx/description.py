"""``minbert.json``: what stands beside a graph, for minbert itself and for programs in other languages."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from minbert.encoder.architectures import Architecture
from minbert.errors import UserError
from minbert.export.onnx.padded import EMBEDDING, OPSET, PaddedNetwork, logits_name, rows_name
from minbert.files import write_json
from minbert.files.json_text import read_json
from minbert.methods import Settings
from minbert.multitask.model import MultitaskModel
from minbert.tasks.heads.base import Pair
from minbert.tasks.settings import TaskSettings

GRAPH, DESCRIPTION = "model.onnx", "minbert.json"

_SEQUENCES: dict[Pair | None, list[str]] = {
    None: ["first"],
    "bi": ["first", "second"],
    "cross": ["joined"],
    "joint": ["joined"],
    "both": ["first", "second", "joined"],
}
"""Which sequences a row reads, in the order of the columns of ``TASK.rows``."""


class DescribedTask(Settings):
    """A task as programs in other languages need it, and as a recipe has it."""

    model_config = ConfigDict(extra="ignore")

    adapter: int = 0
    """The task's own adapter, by what the input ``adapter`` calls it; 0 where tasks have none."""
    recipe: TaskSettings


class DescribedEmbedding(Settings):
    """What the graph says of each sequence itself."""

    model_config = ConfigDict(extra="ignore")

    size: int = Field(ge=1)


class Description(Settings):
    """What minbert reads of the file again."""

    model_config = ConfigDict(extra="ignore")

    format: Literal[1]
    family: str
    max_length: int = Field(ge=1)
    embedding: DescribedEmbedding
    tasks: dict[str, DescribedTask] = Field(min_length=1)


def write_description(model: MultitaskModel, padded: PaddedNetwork, folder: Path) -> None:
    """Write the file that belongs to the graph of a model.

    Raises:
        UserError: it cannot be written.
    """
    frame = model.template
    described: dict[str, Any] = {
        "format": 1,
        "versions": {name: version(name) for name in ("minbert", "torch", "onnx")} | {"opset": OPSET},
        "family": model.encoder.config.model_type,
        "max_length": model.max_length,
        "frame": {"start": frame.start, "between": frame.between, "end": frame.end},
        "padding_id": model.tokenizer.padding_id,
        "inputs": padded.batch_inputs,
        "embedding": {"output": EMBEDDING, "pooling": "mean", "size": model.encoder.config.hidden_size},
        "tasks": {name: _task(model, name) for name in model.tasks},
    }
    write_json(folder / DESCRIPTION, described)


def is_exported(folder: Path) -> bool:
    """Return whether ``folder`` holds a graph and what belongs to it."""
    return (folder / GRAPH).is_file() and (folder / DESCRIPTION).is_file()


def read_description(folder: Path) -> Description:
    """Return what ``write_description`` wrote into ``folder``.

    Raises:
        UserError: the folder holds no exported model, or the file is damaged.
    """
    path = folder / DESCRIPTION
    if not is_exported(folder):
        raise UserError(f"{folder}: has no {GRAPH} with {DESCRIPTION}. Make it by: minbert export RUN --to onnx DIR")
    try:
        described = Description.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: is damaged, or of another version of minbert: {place}: {first['msg']}.") from None
    if described.family not in Architecture.members:
        raise UserError(f"{path}: is of an encoder of type '{described.family}', which this minbert does not know.")
    return described


def _task(model: MultitaskModel, name: str) -> dict[str, Any]:
    task = model.task(name)
    return {
        "kind": task.kind.name,
        "classes": task.kind.class_names,
        "sequences": _SEQUENCES[task.pair],
        "rows": rows_name(name),
        "logits": logits_name(name),
        "activation": task.kind.activation,
        "decision": task.kind.decision,
        "adapter": [*model.adapters].index(name) + 1 if name in model.adapters else 0,
        "recipe": task.model_dump(mode="json"),
    }
