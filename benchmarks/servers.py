"""The servers that are compared, each a process of its own on chosen cores: ours, and what people write in ten lines.

``python benchmarks/servers.py DESIGN PORT ENCODER SEED`` runs one of the latter.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from answering import Contestant, answerer, our_model
from minbert.machine.precision import Precision

OURS: dict[str, Precision] = {"minbert serve": "fp32", "minbert serve, bf16": "bf16"}
PEERS = {
    "unbatched": [Contestant("ours", "predict")],
    "pipeline": [Contestant("pipeline", "predict")],
    "three pipelines": [Contestant("pipeline", "predict")] * 3,
    "sentence-transformers": [Contestant("sentence-transformers", "encode")],
}
"""FastAPI around our model, request by request; around transformers' pipeline; around one of a model for each of three
tasks, asked one after the other; around sentence-transformers (vectors rather than classes)."""


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    process: int

    @property
    def resident_mb(self) -> float:
        """The memory that its process holds, in MB (10^6 bytes)."""
        pages = int(Path(f"/proc/{self.process}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu_seconds(self) -> float:
        """The time that cores have worked for its process."""
        fields = Path(f"/proc/{self.process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def served(
    design: str, folder: Path, cores: Sequence[int], encoder: str, seed: int, group: Path | None = None
) -> Iterator[Server]:
    """Run a server on some cores, in a control group if one is given, until the block ends.

    Raises:
        SystemExit: it does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if design in OURS:
        command = ["-m", "minbert", "serve", str(folder), "--port", str(port), "--precision", OURS[design]]
    else:
        command = [__file__, design, str(port), encoder, str(seed)]
    variables = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}

    def confined() -> None:
        os.sched_setaffinity(0, cores)
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    log = folder / f"{design.replace(' ', '-')}.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, *command],
            env=inherited | variables,
            stdout=written,
            stderr=written,
            preexec_fn=confined,
        )
        try:
            _wait_until_ready(process, port, log)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(90)


@contextlib.contextmanager
def quota_of_one_core() -> Iterator[Path | None]:
    """Make a control group that may use one core; None where this user cannot."""
    groups, period = Path("/sys/fs/cgroup"), 100_000
    first = (groups / "cpu/cpu.cfs_quota_us").exists()
    place = groups / ("cpu" if first else "") / "minbert-benchmark"
    try:
        place.mkdir()
        if first:
            (place / "cpu.cfs_period_us").write_text(f"{period}", encoding="ascii")
            (place / "cpu.cfs_quota_us").write_text(f"{period}", encoding="ascii")
        else:
            (place / "cpu.max").write_text(f"{period} {period}", encoding="ascii")
    except OSError:
        yield None
        return
    try:
        yield place
    finally:
        place.rmdir()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz")
            return
        time.sleep(0.1)
    raise SystemExit(f"a server does not start.\n{log.read_text()[-2000:]}")


def plain_server(design: str, port: int, encoder: str, seed: int) -> None:
    """Serve a peer as most people do: FastAPI, and a call of the library in each request."""
    import uvicorn
    from fastapi import Body, FastAPI

    model = our_model(encoder, seed)
    answers = [answerer(contestant, model, encoder) for contestant in PEERS[design]]
    app = FastAPI()

    @app.post("/predict")
    def predict(inputs: list[str] = Body(embed=True)) -> list[list[list[float]]]:  # noqa: B008
        return [answer(inputs).tolist() for answer in answers]

    @app.get("/readyz")
    def ready() -> str:
        return "ok"

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    plain_server(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
