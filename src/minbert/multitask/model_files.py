"""A model's files: ``model.safetensors``, ``config.json`` and the tokenizer's, as the ecosystem names them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from minbert.encoder.bert import BertEncoder
from minbert.encoder.config import EncoderConfig
from minbert.encoder.sources import find_encoder
from minbert.encoder.tensor_files import read_tensors, write_tensors
from minbert.encoder.weights import export_tensors, import_tensors
from minbert.errors import UserError
from minbert.files import link_or_copy, read_json, write_json
from minbert.multitask.adapters import Adapters
from minbert.multitask.model import MultitaskModel
from minbert.multitask.shared_layers import SharedLayer
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

_FORMAT = 1
_POOLING = "1_Pooling"


def model_tensors(model: MultitaskModel) -> dict[str, Tensor]:
    """Return all weights that a saved model has.

    The encoder's, with an adapter that all tasks share merged into them, have transformers' names; the heads' stand
    under ``heads.TASK.``, tasks' own adapters under ``adapters.TASK.``, the shared layer's under ``shared.``.
    """
    encoder = model.encoder
    if model.shared_adapter is not None:
        encoder = copy.deepcopy(encoder)
        model.shared_adapter.merge(encoder)
    tensors = export_tensors(encoder)
    for prefix, (_, module) in _beside_the_encoder(model).items():
        tensors |= {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}


def save_model(model: MultitaskModel, folder: Path) -> None:
    """Write the model into ``folder``; each file is whole or absent."""
    save_model_description(model, folder)
    save_weights(model, folder)


def save_model_description(model: MultitaskModel, folder: Path) -> None:
    """Write all of the model's files but the weights."""
    ours: dict[str, Any] = {
        "format": _FORMAT,
        "max_length": model.max_length,
        "tasks": {name: task.model_dump(mode="json") for name, task in model.tasks.items()},
    }
    if len(model.adapters):
        ours["adapters"] = model.adapters_settings.model_dump(mode="json")
    if model.shared_layer is not None:
        ours["shared_layer"] = model.shared_layer_settings.model_dump(mode="json")
    write_json(folder / "config.json", model.encoder.config.to_hub() | {"minbert": ours})
    model.tokenizer.save(folder)
    _save_pooling_description(model, folder)


def _save_pooling_description(model: MultitaskModel, folder: Path) -> None:
    """Write what makes sentence-transformers' vectors those of ``model.encode``: means over all tokens.

    The keys are those of its first versions, which all later ones read.
    """
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": _POOLING, "type": "sentence_transformers.models.Pooling"},
    ]
    write_json(folder / "modules.json", modules)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": model.max_length, "do_lower_case": False})
    pooling = {
        "word_embedding_dimension": model.encoder.config.hidden_size,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    write_json(folder / _POOLING / "config.json", pooling)


def save_weights(model: MultitaskModel, folder: Path, *more: Path) -> None:
    """Write ``model.safetensors`` alone, where the other files are there already, into one folder or several.

    Several folders share one file on disk where the file system can.
    """
    write_tensors(folder / "model.safetensors", model_tensors(model))
    for other in more:
        link_or_copy(folder / "model.safetensors", other / "model.safetensors")


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
        adapters = Adapters.model_validate(ours.get("adapters", {}))
        shared_layer = SharedLayer.model_validate(ours.get("shared_layer", {}))
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{files.config}: its 'minbert' part is damaged: {error}") from None
    encoder = BertEncoder(EncoderConfig.from_hub(config, files.config))
    tokenizer = Tokenizer.from_files(files.folder)
    model = MultitaskModel(encoder, tokenizer, tasks, max_length, adapters, shared_layer)
    tensors = read_tensors(files.weights)
    for prefix, (what, module) in _beside_the_encoder(model).items():
        names = [name for name in tensors if name.startswith(prefix)]
        _fill(module, {name.removeprefix(prefix): tensors.pop(name) for name in names}, what, files.weights)
    import_tensors(encoder, tensors, files.weights)
    return model.eval()


def _beside_the_encoder(model: MultitaskModel) -> dict[str, tuple[str, nn.Module]]:
    """Return a model's other weights by the prefix of their names, and what to call them in messages."""
    layer = nn.Module() if model.shared_layer is None else model.shared_layer
    return {
        "heads.": ("head", model.heads),
        "adapters.": ("adapter", model.adapters),
        "shared.": ("shared layer's", layer),
    }


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], what: str, where: Path) -> None:
    """Load ``tensors`` into ``module``.

    Raises:
        UserError: they are not exactly what it holds.
    """
    expected = module.state_dict()
    odd = sorted(
        name
        for name in expected.keys() | tensors.keys()
        if name not in expected or name not in tensors or expected[name].shape != tensors[name].shape
    )
    if odd:
        shown = ", ".join(odd[:5])
        raise UserError(f"{where}: {what} weights are missing, unknown or of another shape: {shown}.")
    module.load_state_dict(tensors)
