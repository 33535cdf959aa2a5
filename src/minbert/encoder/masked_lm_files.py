"""A masked-LM model's files under the ecosystem's names, those of transformers' ``BertForMaskedLM``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from minbert.encoder.hub import CONFIG, SAFETENSORS
from minbert.encoder.masked_lm import HeadKind, MaskedLM
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.encoder.tensor_files import read_tensors, write_tensors
from minbert.encoder.weights import export_tensors
from minbert.errors import UserError
from minbert.files import write_json

# Our parameter -> theirs. transformers knows no second head, so its names are ours, where encoders look for nothing.
_NAMES: dict[HeadKind, dict[str, str]] = {
    "bert": {
        "dense.weight": "cls.predictions.transform.dense.weight",
        "dense.bias": "cls.predictions.transform.dense.bias",
        "norm.weight": "cls.predictions.transform.LayerNorm.weight",
        "norm.bias": "cls.predictions.transform.LayerNorm.bias",
        "bias": "cls.predictions.bias",
    },
    "two_layer": {
        name: f"cls.two_layer.{name}" for name in ("dense.weight", "dense.bias", "decoder.weight", "decoder.bias")
    },
}
_DECODER = "cls.predictions.decoder.weight"
_WORDS = "embeddings.word_embeddings.weight"


def export_masked_lm(model: MaskedLM) -> dict[str, Tensor]:
    """Return every weight by its ecosystem name, as views: encoder under ``bert.``, head under ``cls.``.

    The tied output matrix is left out, as transformers leaves it out.
    """
    encoder = {f"bert.{name}": tensor for name, tensor in export_tensors(model.encoder).items()}
    head = dict(model.head.named_parameters())
    return encoder | {theirs: head[ours].detach() for ours, theirs in _NAMES[model.head.kind].items()}


def import_head(model: MaskedLM, tensors: Mapping[str, Tensor], where: object) -> bool:
    """Fill the head with a file's ``tensors`` if it has one of this kind; return whether it has.

    Raises:
        UserError: part of the head is missing, of another shape or not finite; or its output matrix is not tied.
    """
    given = {_today(name): tensor for name, tensor in tensors.items()}
    wanted = {theirs: dict(model.head.named_parameters())[ours] for ours, theirs in _NAMES[model.head.kind].items()}
    if not any(name in given for name in wanted):
        return False
    wrong = [
        name
        for name, parameter in wanted.items()
        if name not in given
        or given[name].shape != parameter.shape
        or not given[name].is_floating_point()
        or not bool(given[name].float().isfinite().all())
    ]
    if wrong:
        raise UserError(
            f"{where}: its masked-LM head is damaged: {', '.join(wrong)} missing, of another shape, or with values "
            "that are no finite numbers. Get the file again."
        )
    if model.head.kind == "bert" and _DECODER in given and not torch.equal(given[_DECODER], given[_WORDS]):
        raise UserError(
            f"{where}: {_DECODER} is not the matrix of word embeddings, and a head with an output matrix of its own is "
            "not BERT's. Choose another encoder, or one without a masked-LM head: a fresh one is then drawn."
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(given[name])
    return True


def load_masked_lm(
    name: str,
    kind: HeadKind = "bert",
    *,
    hidden_dropout: float | None = None,
    attention_dropout: float | None = None,
) -> tuple[MaskedLM, bool]:
    """Return the encoder called ``name`` with a masked-LM head, and whether the head's weights came with it.

    Where they did not, the head is drawn from torch's default generator. A missing pooler is drawn anew too: this
    training does not use it.

    Raises:
        UserError: see ``load_encoder`` and ``import_head``.
    """
    files = find_encoder(name)
    encoder = load_encoder(
        str(files.folder), hidden_dropout=hidden_dropout, attention_dropout=attention_dropout, fresh_pooler=True
    )
    model = MaskedLM(encoder, kind)
    return model, import_head(model, read_tensors(files.weights), files.weights)


def save_masked_lm(model: MaskedLM, folder: Path) -> None:
    """Write weights and configuration for ``load_encoder``, and for transformers' ``AutoModelForMaskedLM``.

    Raises:
        UserError: the folder cannot be written to.
    """
    save_masked_lm_weights(model, folder)
    write_json(folder / CONFIG, model.encoder.config.to_hub() | {"architectures": ["BertForMaskedLM"]})


def save_masked_lm_weights(model: MaskedLM, folder: Path) -> None:
    """Write the weights alone, where the configuration is there already."""
    write_tensors(folder / SAFETENSORS, {name: tensor.cpu() for name, tensor in export_masked_lm(model).items()})


def _today(name: str) -> str:
    """Return the name that today's ``BertForMaskedLM`` has for a tensor of any BERT file; the encoder's unprefixed."""
    name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
    name = name.replace("LayerNorm.beta", "LayerNorm.bias")
    return "cls.predictions.bias" if name == "cls.predictions.decoder.bias" else name
