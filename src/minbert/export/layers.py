"""A task's head as linear layers one after the other, as other libraries have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from minbert.encoder.config_file import config_mapping
from minbert.encoder.file_names import CONFIG, SAFETENSORS
from minbert.encoder.sentence_transformers_files import DenseLayer
from minbert.encoder.sources import save_tokenizer
from minbert.encoder.tensor_files import write_tensors
from minbert.errors import UserError
from minbert.export.carrying import Exported
from minbert.files import write_json
from minbert.files.json_text import read_json
from minbert.multitask.model import MultitaskModel
from minbert.multitask.model_files import model_tensors
from minbert.tasks.heads.linear import Linear, LinearHead
from minbert.tasks.heads.mlp import Mlp, MlpHead
from minbert.tasks.names import check_task_name
from minbert.text.file_names import CONFIGURATION


class Chain(NamedTuple):
    """What is made of a sequence's states for a task."""

    pooling: Literal["cls", "mean"]
    layers: list[DenseLayer]
    """In order; the last gives the logits. The pooler is one of them, with 'pooling: pooler'."""


def why_no_plain_encoder(exported: Exported) -> str | None:
    """Return what stands between a task and the encoder as other libraries have it; None where nothing does."""
    if exported.adapters.private and exported.adapters.name != "none":
        return "its own adapter stands inside the encoder, where other libraries have nothing"
    if exported.shared_layer.name != "none":
        return "the shared layer stands between encoder and pooling, where other libraries have nothing"
    return None


def why_no_chain(exported: Exported) -> str | None:
    """Return why a task's logits are no chain of linear layers over one vector of one sequence; None where they are."""
    if why := why_no_plain_encoder(exported):
        return why
    if exported.task.pair not in (None, "cross"):
        return "its pair has several vectors, and other libraries compute with one"
    if not isinstance(exported.task.head, Linear | Mlp):
        return "its head is more than linear layers one after the other"
    return None


def inner_layers(exported: Exported) -> list[tuple[int, str]]:
    """Return width and activation of each layer of a task's chain but the last."""
    task = exported.task
    pooler = [(exported.width, "tanh")] if task.pooling == "pooler" else []
    hidden = task.head.hidden_widths(exported.width, task.pair) if isinstance(task.head, Mlp) else []
    return [*pooler, *((width, "relu") for width in hidden)]


def chain(model: MultitaskModel, task: str, tensors: Mapping[str, Tensor]) -> Chain:
    """Return a task's chain; ``tensors`` are ``encoder_tensors``."""
    head, pooling = model.head(task), model.task(task).pooling
    layers: list[DenseLayer] = []
    if pooling == "pooler":
        (name,) = model.encoder.architecture.modules["pooler"]
        layers.append(DenseLayer(tensors[f"{name}.weight"], tensors[f"{name}.bias"], "tanh"))
    if isinstance(head, MlpHead):
        hidden = [layer for layer in head.layers[:-1] if isinstance(layer, nn.Linear)]  # all of them are
        layers += [DenseLayer(layer.weight.detach(), layer.bias.detach(), "relu") for layer in hidden]
    assert isinstance(head, LinearHead | MlpHead)
    layers.append(DenseLayer(head.last.weight.detach(), head.last.bias.detach(), "identity"))
    return Chain("mean" if pooling == "mean" else "cls", layers)


def encoder_tensors(model: MultitaskModel) -> dict[str, Tensor]:
    """Return the encoder's weights under transformers' names, with an adapter that all tasks share merged into them."""
    return {
        name: tensor
        for name, tensor in model_tensors(model).items()
        if not name.startswith(("heads.", "adapters.", "shared."))
    }


def save_encoder_files(
    model: MultitaskModel, tensors: Mapping[str, Tensor], folder: Path, config: Mapping[str, Any]
) -> None:
    """Write weights, ``config.json`` and tokenizer; ``config`` is laid over what the encoder's would say.

    The tokenizer cuts texts where the model does, and special tokens in a text are text to it as well.

    Raises:
        UserError: the folder cannot be written to.
    """
    write_tensors(folder / SAFETENSORS, tensors)
    write_json(folder / CONFIG, config_mapping(model.encoder.config, model.tokenizer) | dict(config))
    save_tokenizer(model.tokenizer, model.encoder, folder)
    settings = read_json(folder / CONFIGURATION)
    write_json(folder / CONFIGURATION, settings | {"model_max_length": model.max_length, "split_special_tokens": True})


def labels(names: Sequence[str]) -> dict[str, Any]:
    """Return what a ``config.json`` says of the logits of a model, from the first on."""
    return {
        "id2label": {str(number): name for number, name in enumerate(names)},
        "label2id": {name: number for number, name in enumerate(names)},
    }


def task_folder(folder: Path, task: str) -> Path:
    """Return the folder of a task's own model.

    Raises:
        UserError: no recipe could have named a task so, and no folder may be called so.
    """
    try:
        check_task_name(task)
    except ValueError as error:
        raise UserError(f"{error}. Its model has a folder of this name.") from None
    return folder / task
