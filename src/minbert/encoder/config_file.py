"""An encoder's ``config.json``, as transformers writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from minbert.encoder.architectures import Architecture, architecture_of
from minbert.encoder.config import EncoderConfig
from minbert.errors import UserError
from minbert.text.tokenizer import Tokenizer

_UNSAID = "bert"
"""The family of files that name none: BERT's first ones."""


def read_config(mapping: Any, where: object) -> EncoderConfig:
    """Return the configuration written in a ``config.json``.

    Args:
        mapping: the file's content.
        where: the file, for messages.

    Raises:
        UserError: the file describes no encoder of a known family, lacks a size, or has a value that cannot be.
    """
    if not isinstance(mapping, Mapping):
        raise UserError(f"{where}: must be a JSON object of the encoder's settings.")
    family = Architecture.members.get(str(mapping.get("model_type") or _UNSAID))
    if family is None:
        known = ", ".join(sorted(Architecture.members))
        raise UserError(
            f"{where}: model_type is {mapping['model_type']!r}; minbert reads encoders of type {known}."
            + " The code that it brings (auto_map) is not run." * bool(mapping.get("auto_map"))
        )
    mapping = family.settings(mapping, where)
    for key, (expected, otherwise) in family.fixed_keys.items():
        if mapping.get(key, expected) not in (expected, None):
            raise UserError(
                f"{where}: {key} is {mapping[key]!r}, {otherwise}. Choose a plain encoder ({key}: {expected!r})."
            )
    missing = [key for key in family.required_keys if mapping.get(key) is None]
    if missing:
        raise UserError(f"{where}: lacks {', '.join(missing)}. Is this the config.json of an encoder?")
    given = {ours: mapping[theirs] for ours, theirs in family.config_keys.items() if mapping.get(theirs) is not None}
    try:
        return family.config_class(model_type=family.model_type, **given)
    except ValidationError as error:
        problems = "; ".join(
            _in_file_words(family, detail["loc"], detail["msg"], detail["input"]) for detail in error.errors()
        )
        raise UserError(f"{where}: {problems}. Is the file damaged?") from None


def config_mapping(config: EncoderConfig, tokenizer: Tokenizer | None = None) -> dict[str, Any]:
    """Return the content of a ``config.json`` that transformers' ``AutoModel`` reads.

    ``tokenizer`` gives the special tokens' ids: those that a file leaves out, transformers takes from the family's
    first model, whose vocabulary is another.
    """
    family = architecture_of(config)
    return {
        "architectures": [family.model_class],
        "model_type": family.model_type,
        **{key: expected for key, (expected, _) in family.fixed_keys.items()},
        **{theirs: getattr(config, ours) for ours, theirs in family.config_keys.items()},
        **({key: getattr(tokenizer, token) for key, token in family.special_ids.items()} if tokenizer else {}),
    }


def _in_file_words(family: Architecture, location: tuple[int | str, ...], message: str, value: Any) -> str:
    """Return one of pydantic's complaints with the key as the file has it."""
    if not location:
        return message.removeprefix("Value error, ")
    return f"{family.config_keys[str(location[0])]} is {value!r:.80}: {message[0].lower()}{message[1:]}"
