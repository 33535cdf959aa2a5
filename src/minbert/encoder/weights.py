"""An encoder's weights under the ecosystem's names, those of its family in transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from minbert.encoder.architectures import Architecture, architecture_of
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.tensor_files import LARGEST_WEIGHT, is_sound
from minbert.errors import UserError

# What our own files hold beside the encoder, so that a run can go on from another's encoder.
_OUR_HEADS = ("heads.", "adapters.", "shared.", "cls.two_layer.")

Shape = Sequence[int]
Value = TypeVar("Value")


def export_tensors(encoder: Encoder) -> dict[str, Tensor]:
    """Return every weight of ``encoder`` by its ecosystem name, as a view of the encoder's own memory."""
    family = encoder.architecture
    tensors: dict[str, Tensor] = {}
    for name, parameter in encoder.named_parameters():
        place, kind = name.rsplit(".", 1)
        prefix = ""
        if place.startswith("layers."):
            _, number, place = place.split(".", 2)
            prefix = f"{family.layer_prefix}{number}."
        modules = family.modules[place]
        for module, view in zip(modules, parameter.detach().chunk(len(modules)), strict=True):
            tensors[f"{prefix}{module}.{kind}"] = view
    return tensors


class _Undrawn(TorchFunctionMode):
    """Leaves weights undrawn: to draw on the device ``meta``, torch imports sympy first, 1.3 seconds of it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func in (Tensor.normal_, nn.init.normal_):
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def fresh_encoder(config: EncoderConfig, shapes: Mapping[str, Shape], where: object) -> Encoder:
    """Return a fresh encoder that weights of these ``shapes`` by name will fill; it has a pooler where they have.

    Nothing is allocated before the shapes are known to be those of ``config``.

    Raises:
        UserError: they are not; see ``import_tensors``.
    """
    family = architecture_of(config)
    given = _of_the_encoder(family, shapes, where)
    poolers = family.modules.get("pooler", ())
    pooler = any(name.rpartition(".")[0] in poolers for name in given)
    if config.layers > len(given):
        raise UserError(
            f"{where}: holds {len(given)} tensors, and its config.json describes {config.layers:,} layers. "
            "Is the file whole, and do the two belong together?"
        )
    with torch.device("meta"), _Undrawn():
        expected = {name: tensor.shape for name, tensor in export_tensors(Encoder(config, pooler=pooler)).items()}
    _check_shapes(expected, given, where)
    return Encoder(config, pooler=pooler)


def import_tensors(encoder: Encoder, tensors: Mapping[str, Tensor], where: object) -> None:
    """Fill ``encoder`` with ``tensors`` by their ecosystem names, all of them or none.

    A prefix (``bert.``), wrappers' names before it and names that older versions wrote are understood, heads are left
    out, and half precision is read into the encoder's own.

    Raises:
        UserError: a tensor is missing, unexpected, given twice, of another shape, or holds values that are no numbers.
    """
    given = _of_the_encoder(encoder.architecture, tensors, where)
    views = export_tensors(encoder)
    _check_shapes(
        {name: view.shape for name, view in views.items()},
        {name: tensor.shape for name, tensor in given.items()},
        where,
    )
    _refuse(
        {
            "not of floating point": [name for name in views if not given[name].is_floating_point()],
            "sparse, quantised or without values": [name for name in views if not _is_plain(given[name])],
            f"with values that are no finite numbers or beyond {LARGEST_WEIGHT:g}": [
                name
                for name in views
                if _is_plain(given[name]) and given[name].is_floating_point() and not is_sound(given[name].float())
            ],
        },
        where,
    )
    for name, view in views.items():
        view.copy_(given[name])


def _is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor is one number after the other, in memory."""
    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized


def _of_the_encoder(family: Architecture, named: Mapping[str, Value], where: object) -> dict[str, Value]:
    """Return the values of a file that are the encoder's, by today's names."""
    inside = unwrapped(family, named, where)
    # Where the encoder's names have its prefix, whatever has none is beside it: a head of any name.
    prefix = family.prefix if f"{family.prefix}{_words(family)}" in inside else ""
    given: dict[str, Value] = {}
    twice = []
    for file_name, value in inside.items():
        name = family.today(file_name)
        if not file_name.startswith(prefix) or name.startswith((*family.other_heads, *_OUR_HEADS)):
            continue
        if name in given:
            twice.append(name)
        given[name] = value
    _refuse({"given twice": twice}, where)
    return given


def unwrapped(family: Architecture, named: Mapping[str, Value], where: object) -> dict[str, Value]:
    """Return a file's values without what wrappers put before all names: ``module.``, ``0.auto_model.`` and the like.

    Raises:
        UserError: it holds several encoders.
    """
    words = _words(family)
    places = {name.removesuffix(words) for name in named if f".{name}".endswith(f".{words}")}
    # Some files hold their one encoder twice, with its prefix and without.
    copies = places == {"", family.prefix} and all(
        _are_equal(named[bare], value)
        for name, value in named.items()
        if (bare := name.removeprefix(family.prefix)) != name and bare in named
    )
    if len(places) > 1 and not copies:
        told = " and ".join(place.removesuffix(".") or "no prefix" for place in sorted(places)[:3])
        raise UserError(f"{where}: holds several encoders, under {told}. Save the one you mean alone.")
    if not places or "" in places:
        return dict(named)
    (place,) = places
    wrapper = place.removesuffix(family.prefix) if f".{place}".endswith(f".{family.prefix}") else place
    others = tuple(f".{model_type}." for model_type in Architecture.members if f"{model_type}." != family.prefix)
    if f".{wrapper}".endswith(others):  # weights of another family, told as such by their names
        return dict(named)
    return {name.removeprefix(wrapper): value for name, value in named.items() if name.startswith(wrapper)}


def _are_equal(one: Any, other: Any) -> bool:
    """Return whether two shapes, or two tensors, are the same."""
    if not isinstance(one, Tensor):
        return tuple(one) == tuple(other)
    return one.dtype == other.dtype and _is_plain(one) and _is_plain(other) and torch.equal(one, other)


def _words(family: Architecture) -> str:
    (module,) = family.modules["embeddings.word"]
    return f"{module}.weight"


def _check_shapes(expected: Mapping[str, Shape], given: Mapping[str, Shape], where: object) -> None:
    both = [name for name in expected if name in given]
    problems = {
        "missing": [name for name in expected if name not in given],
        "unexpected": [name for name in given if name not in expected],
        "of another shape": [
            f"{name} {tuple(given[name])} instead of {tuple(expected[name])}"
            for name in both
            if tuple(given[name]) != tuple(expected[name])
        ],
    }
    _refuse(problems, where)


def _refuse(problems: Mapping[str, list[str]], where: object) -> None:
    if any(problems.values()):
        told = "; ".join(f"{_some(names)} {problem}" for problem, names in problems.items() if names)
        raise UserError(
            f"{where}: these are not the weights that its config.json describes: {told}. "
            "Is the file whole, and do the two belong together?"
        )


def _some(names: list[str]) -> str:
    """Return the first few names and how many there are in all."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, ... ({len(names)} in all)"
