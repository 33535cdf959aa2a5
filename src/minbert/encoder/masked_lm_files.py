"""A masked-LM model's files under the ecosystem's names, those of its family in transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import Parameter

from minbert.encoder.config_file import config_mapping
from minbert.encoder.file_names import CONFIG, SAFETENSORS
from minbert.encoder.masked_lm import HeadKind, MaskedLM
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.encoder.tensor_files import is_sound, read_tensors, write_tensors
from minbert.encoder.weights import export_tensors, unwrapped
from minbert.errors import UserError
from minbert.files import write_json
from minbert.text.tokenizer import Tokenizer

# transformers knows no second head, so its names are ours, where encoders look for nothing.
_TWO_LAYERS = {
    name: f"cls.two_layer.{name}" for name in ("dense.weight", "dense.bias", "decoder.weight", "decoder.bias")
}


def export_masked_lm(model: MaskedLM) -> dict[str, Tensor]:
    """Return every weight by its ecosystem name, as views: the encoder with its prefix, and the head.

    The tied output matrix is left out, as transformers leaves it out.
    """
    prefix = model.encoder.architecture.prefix
    encoder = {f"{prefix}{name}": tensor for name, tensor in export_tensors(model.encoder).items()}
    return encoder | {name: parameter.detach() for name, parameter in _named_head(model).items()}


def import_head(model: MaskedLM, tensors: Mapping[str, Tensor], where: object) -> bool:
    """Fill the head with a file's ``tensors`` if it has one of this kind; return whether it has.

    Raises:
        UserError: part of the head is missing, of another shape or not finite; or its output matrix is not tied.
    """
    family = model.encoder.architecture
    inside = unwrapped(family, tensors, where)
    given = {family.today(name): tensor for name, tensor in inside.items()}
    wanted = _named_head(model)
    if not any(name in given for name in wanted):
        return False
    wrong = [
        name
        for name, parameter in wanted.items()
        if name not in given
        or given[name].shape != parameter.shape
        or not given[name].is_floating_point()
        or not is_sound(given[name])
    ]
    if wrong:
        raise UserError(
            f"{where}: its masked-LM head is damaged: {', '.join(wrong)} missing, of another shape, or with values "
            "that are no finite numbers. Get the file again."
        )
    decoder, (words,) = family.masked_lm_decoder, family.modules["embeddings.word"]
    if model.head.kind == "bert" and decoder in given and not torch.equal(given[decoder], given[f"{words}.weight"]):
        raise UserError(
            f"{where}: {decoder} is not the matrix of word embeddings, and a head with an output matrix of its own is "
            "not the family's. Choose another encoder, or one without a masked-LM head: a fresh one is then drawn."
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

    Where they did not, the head is drawn from torch's default generator.

    Raises:
        UserError: its family goes with no such head; see also ``load_encoder`` and ``import_head``.
    """
    files = find_encoder(name)
    encoder = load_encoder(str(files.folder), hidden_dropout=hidden_dropout, attention_dropout=attention_dropout)
    if encoder.architecture.no_masked_lm is not None:
        raise UserError(f"encoder '{name}': {encoder.architecture.no_masked_lm}")
    model = MaskedLM(encoder, kind)
    return model, import_head(model, read_tensors(files.weights), files.weights)


def save_masked_lm(model: MaskedLM, folder: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write weights and configuration for ``load_encoder``, and for transformers' ``AutoModelForMaskedLM``.

    ``tokenizer`` is as for ``config_mapping``.

    Raises:
        UserError: the folder cannot be written to.
    """
    save_masked_lm_weights(model, folder)
    classes = [model.encoder.architecture.masked_lm_class]
    write_json(folder / CONFIG, config_mapping(model.encoder.config, tokenizer) | {"architectures": classes})


def save_masked_lm_weights(model: MaskedLM, folder: Path) -> None:
    """Write the weights alone, where the configuration is there already."""
    write_tensors(folder / SAFETENSORS, {name: tensor.cpu() for name, tensor in export_masked_lm(model).items()})


def _named_head(model: MaskedLM) -> dict[str, Parameter]:
    """Return the head's parameters by the names that files give them."""
    names = model.encoder.architecture.masked_lm_names if model.head.kind == "bert" else _TWO_LAYERS
    return {names[name]: parameter for name, parameter in model.head.named_parameters()}
