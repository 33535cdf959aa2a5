"""``minbert serve --check``: whether a server would start here, and what it would need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from minbert.display.progress import Display
from minbert.encoder.file_names import SAFETENSORS
from minbert.errors import UserError
from minbert.files.paths import to_path
from minbert.machine.container import free_bytes
from minbert.machine.device import available_device
from minbert.machine.memory import peak_bytes
from minbert.serving.loading import load_service, warm_up
from minbert.serving.server import bound_socket
from minbert.serving.token import read_token

_LOADING = 2.5
"""A model takes so much of its file's size while it is read."""
_SPARE_BYTES = 500_000_000
"""For requests: their bodies, tokens and answers, and what lies between tensors of ever other sizes. In fp32 a server
of MiniLM took up to 450 MB more under load than after one full batch."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    fine: bool
    said: str


def check_serving(
    run: str,
    host: str,
    port: int,
    token_file: Path | None,
    revision: str | None,
    precision: Literal["auto", "fp32", "bf16"],
    display: Display,
) -> Iterator[Finding]:
    """Yield what was found of port, token, folder, memory and speed; a full batch is read for it."""
    try:
        bound_socket(host, port).close()
        yield Finding("port", True, f"{host}:{port} is free")
    except UserError as error:
        yield Finding("port", False, str(error))
    try:
        token = read_token(token_file)
        yield Finding("token", True, "there is none: whoever reaches the port is answered" if token is None else "read")
    except UserError as error:
        yield Finding("token", False, str(error))
    weights = to_path(run) / SAFETENSORS
    needed = int(_LOADING * weights.stat().st_size) + _SPARE_BYTES if weights.is_file() else _SPARE_BYTES
    free = free_bytes()
    if free is not None and free < needed:
        yield Finding("memory", False, f"{_mb(free)} are free; reading the model takes {_mb(needed)}")
        return
    try:
        service = load_service(run, revision, precision, display)
    except UserError as error:
        yield Finding("folder", False, str(error))
        return
    told = f"{service.name}: {', '.join(service.model.tasks)}; {service.model.max_length} tokens a text"
    yield Finding("folder", True, told)
    tokens, seconds = warm_up(service)
    device, left = available_device(), free_bytes()
    taken = f"{_mb(peak_bytes(device))} taken after a full batch"
    if left is None:
        yield Finding("memory", True, taken)
    else:
        yield Finding("memory", left >= _SPARE_BYTES, f"{taken}, {_mb(left)} free; requests need {_mb(_SPARE_BYTES)}")
    threads = f"{torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
    yield Finding(
        "speed", True, f"{tokens:,} tokens in {seconds:.2f} s ({device.type}, {threads}, {service.precision})"
    )


def _mb(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
