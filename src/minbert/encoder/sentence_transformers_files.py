"""What a model of sentence-transformers says beside its encoder: where that is, and what is made of its states."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor

from minbert.encoder.file_names import CONFIG, MODULES, POOLING, SAFETENSORS
from minbert.encoder.tensor_files import write_tensors
from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.json_text import read_json, read_object
from minbert.files.paths import to_path

logger = logging.getLogger(__name__)

_OURS = {"cls": "cls", "cls_token": "cls", "mean": "mean", "mean_tokens": "mean"}
"""Its ways of pooling -> ours. All others are none of ours."""
_MODE = "pooling_mode"

Activation = Literal["identity", "tanh", "relu"]
_ACTIVATIONS: dict[Activation, str] = {
    "identity": "torch.nn.modules.linear.Identity",
    "tanh": "torch.nn.modules.activation.Tanh",
    "relu": "torch.nn.modules.activation.ReLU",
}

NO_CLASSIFIER: Mapping[str, Any] = {
    "sentence_transformers": {"activation_fn": "torch.nn.NO_CLASSIFIER_IS_HERE_see_minbert_export"}
}
"""For the ``config.json`` of an encoder without a classifier. ``CrossEncoder`` would put an untrained one onto it, and
its scores look like any others. It stops at an activation that does not exist; nobody else reads this."""


class DenseLayer(NamedTuple):
    """A linear layer behind pooling, and what becomes of its output."""

    weight: Tensor
    """(outputs, inputs)"""
    bias: Tensor
    activation: Activation


class Sizes(NamedTuple):
    """What an encoder reads and gives."""

    width: int
    """Of its states."""
    max_length: int
    """Longer texts are cut, in tokens."""


Pooled = Literal["cls", "mean"]
"""What a text's vector is made of, before any layer."""


def save_sentence_transformer(
    folder: Path, sizes: Sizes, pooling: Pooled = "mean", layers: Sequence[DenseLayer] = ()
) -> None:
    """Write what makes a ``SentenceTransformer`` of the encoder in ``folder``: pooling, and linear layers behind it.

    The last layer's output takes the place of the vector. The names of modules and the keys of pooling are those of the
    first versions, which all later ones read.

    Raises:
        UserError: the folder cannot be written to.
    """
    _save_modules(folder, sizes, pooling, layers, {})
    write_json(
        folder / "config_sentence_transformers.json",
        {"model_type": "SentenceTransformer", "similarity_fn_name": "cosine", "prompts": {}},
    )


def save_cross_encoder(
    folder: Path, sizes: Sizes, pooling: Pooled, layers: Sequence[DenseLayer], *, probabilities: bool
) -> None:
    """Write what makes a ``CrossEncoder`` of the encoder in ``folder``; see ``save_sentence_transformer``.

    The last layer gives the scores; with ``probabilities`` each becomes one, by a sigmoid.
    """
    _save_modules(folder, sizes, pooling, layers, {"module_output_name": "scores"})
    activation = "torch.nn.modules.activation.Sigmoid" if probabilities else _ACTIVATIONS["identity"]
    write_json(
        folder / "config_sentence_transformers.json",
        {"model_type": "CrossEncoder", "activation_fn": activation, "prompts": {}},
    )


def _save_modules(
    folder: Path, sizes: Sizes, pooling: Pooled, layers: Sequence[DenseLayer], of_last: dict[str, str]
) -> None:
    """Write the modules; ``of_last`` are further settings of the last layer."""
    places = [("Transformer", ""), ("Pooling", POOLING)]
    places += [("Dense", f"{number}_Dense") for number in range(2, 2 + len(layers))]
    modules = [
        {"idx": number, "name": str(number), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, place) in enumerate(places)
    ]
    write_json(folder / MODULES, modules)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": sizes.max_length, "do_lower_case": False})
    ways = {
        "word_embedding_dimension": sizes.width,
        "pooling_mode_cls_token": pooling == "cls",
        "pooling_mode_mean_tokens": pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    write_json(folder / POOLING / CONFIG, ways)
    for layer, (_, place) in zip(layers, places[2:], strict=True):
        outputs, inputs = layer.weight.shape
        settings: dict[str, Any] = {
            "in_features": inputs,
            "out_features": outputs,
            "bias": True,
            "activation_function": _ACTIVATIONS[layer.activation],
        }
        write_json(folder / place / CONFIG, settings | (of_last if layer is layers[-1] else {}))
        write_tensors(folder / place / SAFETENSORS, {"linear.weight": layer.weight, "linear.bias": layer.bias})


def encoder_folder(folder: Path) -> Path:
    """Return the folder of the encoder: ``folder`` or, where modules.json says so, one in it.

    Raises:
        UserError: modules.json is damaged.
    """
    if (folder / CONFIG).is_file() or not (folder / MODULES).is_file():
        return folder
    places = [place for kind, place in _modules(folder) if kind == "Transformer"]
    return folder / places[0] if places else folder


def tell_other_vectors(name: str, folder: Path, width: int) -> None:
    """Warn where the model of sentence-transformers in ``folder`` makes its vectors otherwise than by means.

    Args:
        name: of the encoder, for messages.
        folder: with a modules.json.
        width: of the encoder's states.

    Raises:
        UserError: a file is damaged.
    """
    modules = _modules(folder)
    for file in (folder / place / CONFIG for kind, place in modules if kind == "Pooling"):
        pooling = read_object(file) if file.is_file() else {}
        ways = _ways(pooling)
        ours = [f"'{_OURS[way]}'" for way in ways if way in _OURS]
        if ways and ours != ["'mean'"]:
            same = f"'pooling: {ours[0][1:-1]}'" if len(ways) == len(ours) == 1 else "None of minbert's ways of pooling"
            logger.warning("encoder '%s': its authors pool by %s. %s does the same.", name, " and ".join(ways), same)
        told = pooling.get("word_embedding_dimension", pooling.get("embedding_dimension", width))
        if told != width:
            logger.warning(
                "%s: pools states of %s numbers, and the encoder's have %s. Do the files belong together?",
                file,
                told,
                width,
            )
    if any(kind == "Dense" for kind, _ in modules):
        logger.warning("encoder '%s': its authors put a dense layer behind pooling. It is not read.", name)


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Return the kind and the folder of each of a model's modules."""
    content = read_json(folder / MODULES)
    modules = []
    for module in content if isinstance(content, list) else [None]:
        kind, place = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(place, str) or Path(place).is_absolute() or ".." in place:
            raise UserError(f"{folder / MODULES}: is no list of modules with a 'type' and a 'path'. Get it again.")
        modules.append((kind.rpartition(".")[2], str(to_path(place)) if place else ""))
    return modules


def _ways(pooling: dict[str, Any]) -> list[str]:
    """Return how states are pooled: several ways are set side by side."""
    named = pooling.get(_MODE)
    if named is not None:
        return [str(way) for way in (named if isinstance(named, list) else [named])]
    return [key.removeprefix(f"{_MODE}_") for key, value in pooling.items() if key.startswith(_MODE) and value is True]
