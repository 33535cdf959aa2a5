"""Files put into a repository on the hub, in one commit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minbert.errors import UserError, printable
from minbert.files import sha256

MAIN = "main"
"""The branch that a reader gets who names none."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it is to be in the repository."""

    name: str
    """Its path there."""
    content: Path | bytes
    """Where it is, or what is to be in it."""
    size: int
    """In bytes."""
    digest: str
    """The hexadecimal SHA-256 of what is in it."""

    @classmethod
    def of(cls, name: str, content: Path | bytes) -> Upload:
        """Hash a file.

        Raises:
            UserError: it cannot be read.
        """
        if isinstance(content, bytes):
            return cls(name, content, len(content), hashlib.sha256(content).hexdigest())
        return cls(name, content, content.stat().st_size, sha256(content))


@dataclass(frozen=True, slots=True)
class Commit:
    """What an upload has made."""

    digest: str
    """The commit's hash, which a reader may give as ``revision``."""
    page: str
    """The repository's address on the web."""


def check_repository_id(repository: str) -> None:
    """Check that a repository may have this id.

    Raises:
        UserError: it may not, or the id names no owner.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # imported when asked for

    try:
        validate_repo_id(repository)
        valid = "/" in repository
    except HFValidationError:
        valid = False
    if not valid:
        raise UserError(
            f"'{repository}': is no id of a repository. Give OWNER/NAME, of letters, digits, '-', '_' and '.', for "
            "example your-name/my-model."
        )


def upload(uploads: Sequence[Upload], repository: str, *, private: bool, branch: str | None) -> Commit:
    """Put files into a repository, all of them in one commit, and make the repository if it is not there.

    Args:
        uploads: the files. Others that are there already stay.
        repository: its id, ``OWNER/NAME``.
        private: whether only its owner, and whom the owner lets, may read it.
        branch: where to commit to, made if it is not there; None is ``main``.

    Raises:
        UserError: there is no token, the hub refuses it or cannot be reached, or the repository is there already and
            is public where it should be private, or the other way round. Nothing is committed then.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    hub = HfApi()
    where = f"{repository} on {hub.endpoint}"
    if get_token() is None:
        raise UserError(
            f"{where}: nobody is logged in here. Run 'hf auth login', or set HF_TOKEN to a token that writes."
        )
    with _errors_told(where):
        page = hub.create_repo(repository, private=private, exist_ok=True)
        _check_visibility(repository, page, asked=private, found=hub.model_info(repository).private)
        if branch not in (None, MAIN):
            hub.create_branch(repository, branch=branch, exist_ok=True)
        # Not upload_folder: where hf-xet is installed, it cuts large folders into several commits.
        commit = hub.create_commit(
            repository,
            [CommitOperationAdd(each.name, each.content) for each in uploads],
            commit_message="Upload a model by minbert",
            revision=branch,
        )
    return Commit(commit.oid, str(page))


def _check_visibility(repository: str, page: str, *, asked: bool, found: bool | None) -> None:
    """Refuse a repository that more people, or fewer, can read than was asked for: it was made before."""
    words = {True: "private", False: "public"}
    if found is not None and found != asked:
        raise UserError(
            f"{repository}: is there already and is {words[found]}; you asked for a {words[asked]} one. Nothing was "
            f"uploaded. Push with --{words[found]}, or change it at {page}/settings."
        )


@contextmanager
def _errors_told(where: str) -> Iterator[None]:
    """Tell what the hub's library raises in the body; ``where`` names the repository."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except UserError:
        raise
    except OfflineModeIsEnabled:
        raise UserError(f"{where}: HF_HUB_OFFLINE is set, so nothing can be uploaded. Unset it.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = f" ('{printable(error.server_message)}')" if error.server_message else ""
        advice = {
            401: "The token is not valid, or not any more: log in anew with 'hf auth login'.",
            403: "The token may not write there. Is the owner's name right? Take a token with the right to write.",
            404: "It is not there, or not for this token. Is the owner's name right?",
        }.get(status, "Try again later.")
        raise UserError(
            f"{where}: the hub refuses with status {status}{said}. {advice} Nothing was committed."
        ) from error
    except Exception as error:  # each version of the hub's library lets through errors of the network library it uses
        raise UserError(
            f"{where}: the upload failed ({type(error).__name__}: {printable(str(error))}). Try again when the "
            "hub can be reached: what is there already is not uploaded twice."
        ) from error
