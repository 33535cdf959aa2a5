"""An encoder's weights under the ecosystem's names, those of transformers' ``BertModel``. No other file knows them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from minbert.encoder.bert import BertEncoder
from minbert.encoder.layers import initialize
from minbert.errors import UserError

# Our module -> theirs; three where ours is fused. Those of a layer stand under "layers.3." and "encoder.layer.3.".
_MODULES = {
    "embeddings.word": ("embeddings.word_embeddings",),
    "embeddings.position": ("embeddings.position_embeddings",),
    "embeddings.segment": ("embeddings.token_type_embeddings",),
    "embeddings.norm": ("embeddings.LayerNorm",),
    "attention.query_key_value": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.output": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "feed_forward.intermediate": ("intermediate.dense",),
    "feed_forward.output": ("output.dense",),
    "feed_forward_norm": ("output.LayerNorm",),
    "pooler": ("pooler.dense",),
}
_POOLER = ("pooler.dense.weight", "pooler.dense.bias")

# Heads that files of whole models carry beside the encoder (the second row: our own, so that a run can go on from
# another's encoder), and buffers that older versions of transformers saved.
_NOT_THE_ENCODER = (
    *("cls.", "classifier.", "qa_outputs."),
    *("heads.", "adapters.", "shared."),
    *("embeddings.position_ids", "embeddings.token_type_ids"),
)


def export_tensors(encoder: BertEncoder) -> dict[str, Tensor]:
    """Return every weight of ``encoder`` by its ecosystem name, as a view of the encoder's own memory."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in encoder.named_parameters():
        place, kind = name.rsplit(".", 1)
        prefix = ""
        if place.startswith("layers."):
            _, number, place = place.split(".", 2)
            prefix = f"encoder.layer.{number}."
        modules = _MODULES[place]
        for module, view in zip(modules, parameter.detach().chunk(len(modules)), strict=True):
            tensors[f"{prefix}{module}.{kind}"] = view
    return tensors


def import_tensors(
    encoder: BertEncoder, tensors: Mapping[str, Tensor], where: object, *, fresh_pooler: bool = False
) -> tuple[str, ...]:
    """Fill ``encoder`` with ``tensors`` by their ecosystem names, all of them or none.

    A prefix ``bert.`` and the old names ``LayerNorm.gamma`` and ``LayerNorm.beta`` are understood, heads are left out,
    and half precision is read into the encoder's own.

    Args:
        encoder: to fill.
        tensors: of the file.
        where: the file, for messages.
        fresh_pooler: whether a file without a pooler will do; the pooler is then drawn anew.

    Returns:
        The names that ``tensors`` lacks and that were drawn anew: none, or the pooler's.

    Raises:
        UserError: a tensor is missing, unexpected, given twice, of another shape, or holds values that are no numbers.
    """
    given: dict[str, Tensor] = {}
    twice: list[str] = []
    for file_name, tensor in tensors.items():
        name = _today(file_name)
        if name in given:
            twice.append(name)
        if not name.startswith(_NOT_THE_ENCODER):
            given[name] = tensor
    views = export_tensors(encoder)
    missing = [name for name in views if name not in given]
    fresh = _POOLER if fresh_pooler and set(missing) == set(_POOLER) else ()
    present = [name for name in views if name in given]
    problems = {
        "missing": [name for name in missing if name not in fresh],
        "unexpected": [name for name in given if name not in views],
        "given twice": twice,
        "of another shape": [
            f"{name} {tuple(given[name].shape)} instead of {tuple(views[name].shape)}"
            for name in present
            if given[name].shape != views[name].shape
        ],
        "not of floating point": [name for name in present if not given[name].is_floating_point()],
        "with values that are no finite numbers": [
            name for name in present if not bool(given[name].float().isfinite().all())
        ],
    }
    if any(problems.values()):
        told = "; ".join(f"{_some(names)} {problem}" for problem, names in problems.items() if names)
        raise UserError(
            f"{where}: these are not the weights that its config.json describes: {told}. "
            "Is the file whole, and do the two belong together?"
        )
    for name in present:
        views[name].copy_(given[name])
    if fresh:
        initialize(encoder.pooler, encoder.config.initializer_range)
    return fresh


def _today(name: str) -> str:
    """Return the name that today's ``BertModel`` has for a tensor of any BERT file."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _some(names: list[str]) -> str:
    """Return the first few names and how many there are in all."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, ... ({len(names)} in all)"
