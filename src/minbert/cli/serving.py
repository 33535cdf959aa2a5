"""``minbert serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.inference import PrecisionOption, Revision, Run
from minbert.files.paths import to_path


def serve(
    run: Run,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all of the machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(parser=to_path, help="File of the bearer token to ask for; else MINBERT_SERVE_TOKEN, if set."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether folder, port, token and memory fit.")
    ] = False,
    revision: Revision = None,
    precision: PrecisionOption = "auto",
) -> None:
    """Answer over HTTP: predictions, embeddings, ranking, and a page to try them."""
    import importlib.util

    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.errors import UserError

    needed = ("fastapi", "uvicorn", "prometheus_client")
    if any(importlib.util.find_spec(package) is None for package in needed):
        raise UserError("minbert serve needs fastapi, uvicorn and prometheus-client: pip install 'minbert[serve]'.")
    display = Display(terminal(stderr=True))
    if check:
        from minbert.serving.checking import check_serving

        bad = []
        for finding in check_serving(run, host, port, token_file, revision, precision, display):
            Display(terminal()).note(f"{finding.what}: {'fine' if finding.fine else 'NOT FINE'}. {finding.said}")
            bad += [] if finding.fine else [finding.what]
        if bad:
            raise UserError(f"{run}: cannot be served like this; see {', '.join(bad)} above.")
        return
    from minbert.serving.loading import load_service, warm_up
    from minbert.serving.server import bound_socket, run_server
    from minbert.serving.token import read_token

    token = read_token(token_file)
    with bound_socket(host, port) as bound:
        service = load_service(run, revision, precision, display)
        warm_up(service)
        if token is None and host not in ("127.0.0.1", "::1", "localhost"):
            display.note("there is no token: whoever reaches this address is answered (--token-file)")
        address = f"[{host}]" if ":" in host else host
        display.note(f"serving {service.name} at http://{address}:{port} (Ctrl-C ends it)")
        if not run_server(service, bound, token):
            raise typer.Exit(1)
