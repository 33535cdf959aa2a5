"""Files of a model or a data set on the hub, downloaded now or before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minbert.errors import UserError, did_you_mean
from minbert.files.paths import names_beside


def download_files(name: str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """Return the folder of those files of the hub's model ``name`` that ``patterns`` (globs) match.

    Args:
        name: the model's id, ``OWNER/NAME``.
        patterns: of the files that are wanted.
        revision: a branch, a tag or a commit; by default the newest of ``main``.

    Raises:
        UserError: there is no such model or revision, it may not be had, or the hub cannot be reached.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hint = did_you_mean(Path(name).name, names_beside(Path(name)))
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), revision=revision))
    except HFValidationError:
        raise UserError(
            f"'{name}': is no folder here{hint}, nor can a model on the hub have this name. "
            "Give 'minilm', a folder, or a name such as 'bert-base-uncased' or 'owner/model'."
        ) from None
    except GatedRepoError as error:
        raise UserError(
            f"'{name}': its owner lets only some people have it. Ask at {constants.ENDPOINT}/{name}, then log in with "
            "'hf auth login'."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"'{name}': is no folder here{hint} and no model on {constants.ENDPOINT}. Is the name right? If the model "
            "is private, log in with 'hf auth login'."
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            f"'{name}': has no revision '{revision}' on {constants.ENDPOINT}. Give a branch, a tag, or the whole hash "
            "of a commit."
        ) from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"'{name}': is no folder here{hint}. Nor was it downloaded before, and {constants.ENDPOINT} cannot be "
            "reached. Is the path right? Else connect, or give the folder of a model that you have. 'minilm' needs no "
            "network."
        ) from error
    except Exception as error:  # each version of the hub's library lets through errors of the network library it uses
        raise UserError(
            f"'{name}': download from {constants.ENDPOINT} failed ({type(error).__name__}: {error}). "
            "Try again; what was already downloaded is kept."
        ) from error


def download_data_file(repository: str, file: str, revision: str) -> Path:
    """Return one file of a data set on the hub.

    Raises:
        UserError: it is not there, or the hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file, repo_type="dataset", revision=revision))
    except Exception as error:  # which ones the hub's library lets through differs between its versions
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(
            f"{repository}/{file}: cannot be fetched from the hub ({reason}). Nothing was written. "
            "Check the connection, and HF_ENDPOINT if a mirror is used."
        ) from error
