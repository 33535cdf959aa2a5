"""Encoders from the Hugging Face hub, or a server that speaks as it does (``HF_ENDPOINT``)."""

from __future__ import annotations

from pathlib import Path

from minbert.encoder.file_names import CONFIG, INDEX, MODULES, PICKLE, POOLING, SAFETENSORS, TRANSFORMER
from minbert.errors import UserError
from minbert.text import file_names as tokenizer_files

_WANTED = (CONFIG, *tokenizer_files.ALL)
_SAFE = (SAFETENSORS, f"{SAFETENSORS}{INDEX}", "model-*-of-*.safetensors")
_PICKLED = (PICKLE, f"{PICKLE}{INDEX}", "pytorch_model-*-of-*.bin")


def download_encoder(name: str) -> Path:
    """Return the folder of the hub's model ``name``, downloaded now or before.

    The weights are safetensors; only where there are none, torch's pickles.

    Raises:
        UserError: there is no such model, it may not be had, or the hub cannot be reached.
    """
    folder = _download(name, (*_WANTED, *_SAFE))
    if any((place / file).is_file() for place in (folder, folder / TRANSFORMER) for file in _SAFE):
        return folder
    return _download(name, (*_WANTED, *_PICKLED))


def _download(name: str, files: tuple[str, ...]) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        inside = [f"{TRANSFORMER}/{file}" for file in files]
        return Path(snapshot_download(name, allow_patterns=[*files, *inside, MODULES, f"{POOLING}/{CONFIG}"]))
    except HFValidationError:
        raise UserError(
            f"encoder '{name}': is no folder here, nor can a model on the hub have this name. "
            "Give 'minilm', a folder, or a name such as 'bert-base-uncased' or 'owner/model'."
        ) from None
    except GatedRepoError as error:
        raise UserError(
            f"encoder '{name}': its owner lets only some people have it. Ask at {constants.ENDPOINT}/{name}, then log "
            "in with 'hf auth login'."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"encoder '{name}': is no folder here and no model on {constants.ENDPOINT}. Is the name right? If the "
            "model is private, log in with 'hf auth login'."
        ) from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"'{name}': is no folder here, and {constants.ENDPOINT} cannot be reached, and no whole copy was "
            "downloaded before. Is the path right? Else connect, or give the folder of a model that you have; 'minilm' "
            "needs no network."
        ) from error
    except Exception as error:  # each version of the hub's library lets through errors of the network library it uses
        raise UserError(
            f"encoder '{name}': download from {constants.ENDPOINT} failed ({type(error).__name__}: {error}). "
            "Try again; what was already downloaded is kept."
        ) from error
