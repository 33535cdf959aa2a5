"""A model's files: ``model.safetensors``, ``config.json`` and the tokenizer's, as the ecosystem names them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor, nn

from minbert.display.commands import command_line
from minbert.encoder.config_file import config_mapping, read_config
from minbert.encoder.encoder import Encoder
from minbert.encoder.sentence_transformers_files import NO_CLASSIFIER, Sizes, save_sentence_transformer
from minbert.encoder.sources import check_tokenizer, find_encoder, save_tokenizer
from minbert.encoder.tensor_files import LARGEST_WEIGHT, is_sound, read_shapes, read_tensors, write_tensors
from minbert.encoder.weights import export_tensors, fresh_encoder, import_tensors
from minbert.errors import UserError
from minbert.files import link_or_copy, write_json
from minbert.files.json_text import read_json
from minbert.multitask.adapters import Adapters
from minbert.multitask.network import MultitaskNetwork
from minbert.multitask.shared_layers import SharedLayer
from minbert.tasks.kinds import Kind
from minbert.tasks.names import check_task_name
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

_FORMAT = 1
_WHOLE_NUMBER = TypeAdapter(int, config=ConfigDict(strict=True))


def model_tensors(network: MultitaskNetwork) -> dict[str, Tensor]:
    """Return all weights that a saved model has.

    The encoder's, with an adapter that all tasks share merged into them, have transformers' names; the heads' stand
    under ``heads.TASK.``, tasks' own adapters under ``adapters.TASK.``, the shared layer's under ``shared.``.
    """
    encoder = network.encoder
    if network.shared_adapter is not None:
        encoder = copy.deepcopy(encoder)
        network.shared_adapter.merge(encoder)
    tensors = export_tensors(encoder)
    for prefix, (_, module) in _beside_the_encoder(network).items():
        tensors |= {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A saved model as its files describe it, the encoder's weights and all others still to be loaded."""

    encoder: Encoder
    tokenizer: Tokenizer
    tasks: dict[str, TaskSettings]
    max_length: int
    adapters: Adapters
    shared_layer: SharedLayer
    weights: Path


def save_description(network: MultitaskNetwork, tokenizer: Tokenizer, max_length: int, folder: Path) -> None:
    """Write all of a model's files but the weights; each is whole or absent."""
    ours: dict[str, Any] = {
        "format": _FORMAT,
        "max_length": max_length,
        "tasks": {name: task.model_dump(mode="json") for name, task in network.tasks.items()},
    }
    if len(network.adapters):
        ours["adapters"] = network.adapters_settings.model_dump(mode="json")
    if network.shared_layer is not None:
        ours["shared_layer"] = network.shared_layer_settings.model_dump(mode="json")
    config = network.encoder.config
    write_json(folder / "config.json", config_mapping(config, tokenizer) | {**NO_CLASSIFIER, "minbert": ours})
    save_tokenizer(tokenizer, network.encoder, folder)
    # The vectors of ``model.encode``: means over all tokens.
    save_sentence_transformer(folder, Sizes(config.hidden_size, max_length))


def write_kinds(folder: Path, kinds: Mapping[str, Kind]) -> None:
    """Write other settings of tasks' kinds into the description of the model in ``folder``.

    Raises:
        UserError: there is no such file, or it cannot be written.
    """
    path = folder / "config.json"
    config = read_json(path)
    for name, kind in kinds.items():
        settings = kind.model_dump(mode="json")
        config["minbert"]["tasks"][name] |= {key: settings[key] for key in settings.keys() - {"name"}}
    write_json(path, config)


def save_weights(network: MultitaskNetwork, folder: Path, *more: Path) -> None:
    """Write ``model.safetensors`` alone, where the other files are there already, into one folder or several.

    Several folders share one file on disk where the file system can.
    """
    write_tensors(folder / "model.safetensors", model_tensors(network))
    for other in more:
        link_or_copy(folder / "model.safetensors", other / "model.safetensors")


def read_description(source: str, revision: str | None = None) -> ModelDescription:
    """Return what ``save_description`` wrote into the folder ``source``, or onto the hub under that id.

    ``revision`` is a branch, a tag or a commit on the hub.

    Raises:
        UserError: there is no such model, or its files are damaged or of another kind.
    """
    files = find_encoder(source, revision)
    config = read_json(files.config)
    ours = config.get("minbert") if isinstance(config, dict) else None
    if not isinstance(ours, dict):
        raise UserError(
            f"{source}: is an encoder without tasks, not a minbert model. sentence-transformers gives its vectors as "
            "they are. If a run was exported into it, give the run. Else train one from it: "
            f"{command_line('train', 'RECIPE', '--encoder', source)}"
        )
    if ours.get("format") != _FORMAT:
        found = ours.get("format")
        raise UserError(f"{files.config}: model format {found!r}; this version of minbert reads {_FORMAT}.")
    try:
        tasks = {name: TaskSettings.model_validate(task) for name, task in ours["tasks"].items()}
        for name in tasks:
            check_task_name(name)
        max_length = _WHOLE_NUMBER.validate_python(ours["max_length"])
        adapters = Adapters.model_validate(ours.get("adapters", {}))
        shared_layer = SharedLayer.model_validate(ours.get("shared_layer", {}))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = f"{place}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        raise UserError(f"{files.config}: its 'minbert' part is damaged: {told}.") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{files.config}: its 'minbert' part is damaged: {error}") from None
    encoder = fresh_encoder(read_config(config, files.config), read_shapes(files.weights), files.weights)
    tokenizer = Tokenizer.from_files(files.folder)
    check_tokenizer(source, encoder, tokenizer)
    return ModelDescription(encoder, tokenizer, tasks, max_length, adapters, shared_layer, files.weights)


def load_weights(network: MultitaskNetwork, path: Path) -> None:
    """Load what ``save_weights`` wrote at ``path``.

    Raises:
        UserError: the file is damaged, or its tensors are not those of ``network``.
    """
    tensors = read_tensors(path)
    for prefix, (what, module) in _beside_the_encoder(network).items():
        names = [name for name in tensors if name.startswith(prefix)]
        _fill(module, {name.removeprefix(prefix): tensors.pop(name) for name in names}, what, path)
    import_tensors(network.encoder, tensors, path)


def _beside_the_encoder(network: MultitaskNetwork) -> dict[str, tuple[str, nn.Module]]:
    """Return a model's other weights by the prefix of their names, and what to call them in messages."""
    layer = nn.Module() if network.shared_layer is None else network.shared_layer
    return {
        "heads.": ("head", network.heads),
        "adapters.": ("adapter", network.adapters),
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
    unsound = sorted(name for name, tensor in tensors.items() if not is_sound(tensor))
    if unsound:
        raise UserError(
            f"{where}: {what} weights with values that are no finite numbers or beyond {LARGEST_WEIGHT:g}: "
            f"{', '.join(unsound[:5])}. Get or write the file again."
        )
    module.load_state_dict(tensors)
