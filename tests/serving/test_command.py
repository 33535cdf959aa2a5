"""``minbert serve``: started, stopped by a signal, and looked at by ``--check``."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving_models import small_model

from command_line import complains, minbert
from minbert.machine.container import free_bytes
from minbert.serving import checking, server
from minbert.serving.batcher import Batcher


@pytest.fixture(scope="module")
def run(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    small_model(tiny_encoder).save_pretrained(folder)
    return folder


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def own_logs() -> Iterator[None]:
    """Give the loggers back as they were, for tests that look at logs."""
    loggers = [logging.getLogger(name) for name in ("minbert.serving", "uvicorn.error")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.usefixtures("own_logs")
def test_a_server_starts_answers_and_ends_by_sigterm(
    run: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READY_OFF_SECONDS", 0.1)
    (tmp_path / "token").write_text("a-token-of-nineteen\n")
    answers: list[httpx.Response] = []
    collector = bool(gc.get_freeze_count()), gc.get_threshold()

    def ask_and_end() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False) as client:
            for _ in range(3000):
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/readyz").status_code == 200:
                        break
                time.sleep(0.02)
            headers = {"Authorization": "Bearer a-token-of-nineteen"}
            answers.append(client.post("/v1/analyze", json={"inputs": ["a quince"]}, headers=headers))
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL, "nobody waits for SIGTERM"
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask_and_end)
    asking.start()
    ended = minbert("serve", run, "--port", str(port), "--token-file", tmp_path / "token", "--precision", "fp32")
    asking.join()
    assert ended.returncode == 0, ended.stderr
    assert (bool(gc.get_freeze_count()), gc.get_threshold()) == collector  # it is as it was
    assert answers[0].json()["model"] == "small"
    assert f"serving small at http://127.0.0.1:{port}" in ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    [asked] = [line for line in lines if line.get("route") == "/v1/analyze"]
    assert (asked["status"], asked["rows"], asked["method"]) == (200, 1, "POST")
    assert asked["tokens"] > 2
    assert "quince" not in ended.stdout
    assert "nineteen" not in ended.stdout


@pytest.mark.usefixtures("own_logs")
def test_ctrl_c_twice_ends_at_once_without_an_error(run: Path, port: int) -> None:
    def interrupt_twice() -> None:
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False) as kept_open,
            contextlib.suppress(httpx.TransportError),
        ):
            for _ in range(3000):
                with contextlib.suppress(httpx.TransportError):
                    if kept_open.get("/readyz").status_code == 200:
                        break
                time.sleep(0.02)
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.02)  # two that wait together come as one

    asking = threading.Thread(target=interrupt_twice)
    asking.start()
    ended = minbert("serve", run, "--port", str(port), "--precision", "fp32")
    asking.join()
    assert ended.returncode == 0, ended.stderr
    assert {json.loads(line)["level"] for line in ended.stdout.splitlines()} == {"info"}


@pytest.mark.usefixtures("own_logs")
def test_a_server_whose_model_stops_working_ends_with_an_error(
    run: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(server, "MODEL_FAILED_SECONDS", 0.1)
    monkeypatch.setattr(Batcher, "_next", stops)
    ended = minbert("serve", run, "--port", str(port))
    assert ended.returncode == 1
    assert [json.loads(line)["event"] for line in ended.stdout.splitlines()].count("inference thread died") == 1


def test_check_says_what_is_fine(run: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = minbert("serve", run, "--port", str(port), "--check")
    assert fine.returncode == 0, fine.stderr
    for line in (f"port: fine. 127.0.0.1:{port} is free", "token: fine", "folder: fine", "memory: fine", "speed: fine"):
        assert line in fine.stdout
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        (tmp_path / "token").write_text("short")
        bad = minbert("serve", tmp_path, "--port", str(port), "--token-file", tmp_path / "token", "--check")
    complains(bad, "see port, token, folder above")
    assert "at least 16" in bad.stdout and "NOT FINE" in bad.stdout
    monkeypatch.setattr(checking, "free_bytes", lambda: 1000)
    complains(minbert("serve", run, "--port", str(port), "--check"), "see memory above")
    assert (free_bytes() or 1) > 0


def test_what_cannot_be_served_is_told_at_once(run: Path, port: int, tmp_path: Path) -> None:
    complains(minbert("serve", tmp_path / "nothing", "--port", str(port)), "nothing")
    (tmp_path / "ensemble.json").write_text("{}")
    complains(minbert("serve", tmp_path, "--port", str(port)), "ensemble")
    complains(minbert("serve", run, "--port", "70000"), "65535")
    complains(minbert("serve", run, "--host", "no.such.host.invalid", "--port", str(port)), "cannot be bound")
    complains(minbert("serve", run, "--token-file", tmp_path / "none"), "none", "cannot be read")
