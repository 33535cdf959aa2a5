"""docs/serving.md and deploy/ say what is true: examples run, limits, statuses and options are those of the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_models import Running, serving, small_model
from typer.main import get_command

from minbert.cli.main import app
from minbert.serving import server
from minbert.serving.app import create_app
from minbert.serving.limits import Limits
from minbert.serving.service import Service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
DEPLOY = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "deploy").iterdir()}


@pytest.fixture(scope="module")
def running(tiny_encoder: Path) -> Iterator[Running]:
    with serving(small_model(tiny_encoder)) as found:
        yield found


@pytest.mark.parametrize(("number", "says"), [(0, ["mood", "topics", "stars"]), (1, ["32"])])
def test_the_examples_run(running: Running, number: int, says: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(EXAMPLES[number].replace("http://127.0.0.1:8000", running.url), {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == says


def test_every_route_and_status_is_on_the_page(running: Running) -> None:
    assert len(EXAMPLES) == 2
    paths = create_app(Service(running.service.model, "small")).openapi()["paths"]
    statuses = set()
    for path, methods in paths.items():
        assert f"`{path.replace('{task}', 'TASK')}`" in PAGE or f" {path.replace('{task}', 'TASK')}`" in PAGE, path
        statuses |= {status for operation in methods.values() for status in operation["responses"]}
    _, _, errors = PAGE.partition("## Errors")
    told = {
        status for row in re.findall(r"^\| ([0-9, ]+) \|", errors, flags=re.MULTILINE) for status in row.split(", ")
    }
    assert told == statuses - {"200"}


def test_bodies_of_the_other_shapes_are_the_descriptions_examples(running: Running) -> None:
    schemas = create_app(Service(running.service.model, "small")).openapi()["components"]["schemas"]
    bodies = [json.loads(body) for body in re.findall(r"^\| `POST /\w+` \| `(.*)` \|$", PAGE, flags=re.MULTILINE)]
    shapes = ("EmbedBody", "TeiPredictBody", "TeiRerankBody", "SimilarityBody")
    assert bodies == [schemas[shape]["examples"][0] for shape in shapes]


def test_limits_are_those_of_the_code() -> None:
    limits = Limits()
    assert limits.waiting_tokens == limits.batch_tokens
    for number in (limits.text_characters, limits.texts, limits.request_tokens, limits.batch_tokens):
        assert f"{number:,}" in PAGE
    assert f"{limits.body_bytes / 2**20:g} MiB, within {limits.body_seconds:g} s" in PAGE
    assert f"client_max_body_size {limits.body_bytes / 2**20:g}m;" in DEPLOY["nginx.conf"]
    stop = int(re.findall(r"TimeoutStopSec=(\d+)", DEPLOY["minbert.service"])[0])
    assert stop > server.READY_OFF_SECONDS + server.ALL_ANSWERED_SECONDS
    assert int(re.findall(r"keepalive_timeout (\d+)s", DEPLOY["nginx.conf"])[0]) < server.KEEP_ALIVE_SECONDS


def test_options_named_by_page_and_deployment_exist() -> None:
    known = {
        option
        for parameter in get_command(app).commands["serve"].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }
    named = set(re.findall(r"minbert serve [^\n`]*?(--[a-z-]+)", PAGE))
    for name in ("minbert.service", "Containerfile"):
        [command] = re.findall(r"^(?:ExecStart|ENTRYPOINT).*$", DEPLOY[name], flags=re.MULTILINE)
        named |= set(re.findall(r"--[a-z-]+", command))
    assert {"--host", "--port", "--token-file", "--check"} <= named <= known


def test_the_container_is_made_with_care() -> None:
    lines = [line for line in DEPLOY["Containerfile"].splitlines() if line and not line.startswith("#")]
    words = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert set(words) == {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}
    assert words.index("USER") > max(at for at, word in enumerate(words) if word == "RUN")
    assert not re.search(r":latest|ADD |sudo|curl|--user root", DEPLOY["Containerfile"])
    for source in re.findall(r"^COPY (.*) \S+$", DEPLOY["Containerfile"], flags=re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())
