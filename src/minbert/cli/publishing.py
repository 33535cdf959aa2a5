"""``minbert push``: a model goes up to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.files.paths import to_path


def push(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", parser=to_path, help="A run's folder, or one that export wrote.")
    ],
    repository: Annotated[
        str, typer.Argument(metavar="REPO_ID", help="OWNER/NAME on the hub; made if it is not there.")
    ],
    private: Annotated[bool, typer.Option("--private/--public", help="Who can read the repository.")] = True,
    branch: Annotated[
        str | None, typer.Option("--revision", metavar="BRANCH", help="Where to commit to; by default main.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go up, and end.")] = False,
) -> None:
    """Put a model on the hub in one commit, and print its hash."""
    from minbert.cli import tables
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.hub.uploading import check_repository_id, upload
    from minbert.run_folder.publishing import uploads
    from minbert.together.ensemble_file import check_has_model

    display = Display(terminal())
    check_repository_id(repository)
    check_has_model(run, run)
    with display.waiting(f"hashing the files of {run}"):
        files = uploads(run, repository)
    display.show(tables.uploads(files), in_full=True)
    if dry_run:
        return
    commit = upload(files, repository, private=private, branch=branch)
    display.note(f"{commit.page} ({'private' if private else 'public'})")
    display.note(f"revision {commit.digest}: whoever names it gets these files, whatever is committed later")
