"""A model's files: ``model.safetensors``, ``config.json`` and the tokenizer's, as the ecosystem names them."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from minbert.encoder.bert import BertEncoder
from minbert.encoder.config import EncoderConfig
from minbert.encoder.sources import find_encoder
from minbert.encoder.tensor_files import read_tensors, write_tensors
from minbert.encoder.weights import export_tensors, import_tensors
from minbert.errors import UserError
from minbert.files import read_json, write_json
from minbert.multitask.model import MultitaskModel
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

_FORMAT = 1
_HEADS = "heads."


def model_tensors(model: MultitaskModel) -> dict[str, Tensor]:
    """Return all weights: the encoder's under transformers' names, the heads' under ``heads.TASK.``."""
    heads = {f"{_HEADS}{name}": tensor for name, tensor in model.heads.state_dict().items()}
    tensors = export_tensors(model.encoder) | heads
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}


def save_model(model: MultitaskModel, folder: Path) -> None:
    """Write the model into ``folder``; each file is whole or absent."""
    ours = {
        "format": _FORMAT,
        "max_length": model.max_length,
        "tasks": {name: task.model_dump(mode="json") for name, task in model.tasks.items()},
    }
    write_json(folder / "config.json", model.encoder.config.to_hub() | {"minbert": ours})
    model.tokenizer.save(folder)
    save_weights(model, folder)


def save_weights(model: MultitaskModel, folder: Path) -> None:
    """Write ``model.safetensors`` alone, where the other files are there already."""
    write_tensors(folder / "model.safetensors", model_tensors(model))


def load_model(source: str) -> MultitaskModel:
    """Load what ``save_model`` wrote.

    Raises:
        UserError: see ``MultitaskModel.from_pretrained``.
    """
    files = find_encoder(source)
    config = read_json(files.config)
    ours = config.get("minbert") if isinstance(config, dict) else None
    if not isinstance(ours, dict):
        raise UserError(
            f"{source}: is an encoder without tasks, not a minbert model. "
            "Train one from it: minbert train RECIPE --encoder " + source
        )
    if ours.get("format") != _FORMAT:
        found = ours.get("format")
        raise UserError(f"{files.config}: model format {found!r}; this version of minbert reads {_FORMAT}.")
    try:
        tasks = {name: TaskSettings.model_validate(task) for name, task in ours["tasks"].items()}
        max_length = int(ours["max_length"])
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{files.config}: its 'minbert' part is damaged: {error}") from None
    encoder = BertEncoder(EncoderConfig.from_hub(config, files.config))
    model = MultitaskModel(encoder, Tokenizer.from_files(files.folder), tasks, max_length)
    tensors = read_tensors(files.weights)
    heads = {name.removeprefix(_HEADS): tensors.pop(name) for name in list(tensors) if name.startswith(_HEADS)}
    import_tensors(encoder, tensors, files.weights)
    expected = model.heads.state_dict()
    odd = sorted(
        name
        for name in expected.keys() | heads.keys()
        if name not in expected or name not in heads or expected[name].shape != heads[name].shape
    )
    if odd:
        shown = ", ".join(odd[:5])
        raise UserError(f"{files.weights}: head weights are missing, unknown or of another shape: {shown}.")
    model.heads.load_state_dict(heads)
    return model.eval()
