"""The download, from a local stand-in of the hub."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pyarrow
import pyarrow.parquet
import pytest

from minbert.data.examples import Split, read_split, same_content
from minbert.data.task_files import TaskFiles
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(**columns: pyarrow.Array) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), content)
    return content.getvalue()


def questions(numbers: range, swapped: bool = False) -> bytes:
    first = pyarrow.array([f"question {number}" if number % 50 else "" for number in numbers])
    second = pyarrow.array([f'Question "{number}",\tasked anew' for number in numbers])
    labels = pyarrow.array([number % 2 for number in numbers], pyarrow.int64())
    first, second = (second, first) if swapped else (first, second)
    return parquet(question1=first, question2=second, label=labels)


def scored_pairs(scores: list[float]) -> bytes:
    first = pyarrow.array([f"first {score}" for score in scores])
    second = pyarrow.array([f"second {score}" for score in scores])
    return parquet(sentence1=first, sentence2=second, label=pyarrow.array(scores, pyarrow.float32()))


hub_files = {
    "SetFit/sst5/train.jsonl": json_lines([{"text": "great", "label": 4}, {"text": " bad", "label": 0}] * 2),
    "SetFit/sst5/dev.jsonl": json_lines([{"text": "so so", "label": 2}]),
    "SetFit/sst5/test.jsonl": json_lines([{"text": "fine", "label": 3}]),
    "nyu-mll/glue/qqp/train-00000-of-00001.parquet": questions(range(150)),
    "nyu-mll/glue/qqp/validation-00000-of-00001.parquet": questions(range(100, 200), swapped=True),
    "nyu-mll/glue/stsb/train-00000-of-00001.parquet": scored_pairs([3.8, 5.0, 3.267]),
    "nyu-mll/glue/stsb/validation-00000-of-00001.parquet": scored_pairs([0.0]),
    "nyu-mll/glue/stsb/test-00000-of-00001.parquet": scored_pairs([-1.0]),
}


class Hub(BaseHTTPRequestHandler):
    """Answers what ``hf_hub_download`` asks: HEAD and GET of /datasets/OWNER/NAME/resolve/REVISION/FILE."""

    files: ClassVar[dict[str, bytes]]
    cut_short: ClassVar[str] = ""

    def answer(self) -> bytes:
        _, kind, owner, name, resolve, revision, *file = self.path.split("/")
        content = self.files.get("/".join((owner, name, *file)))
        found = content is not None and (kind, resolve) == ("datasets", "resolve")
        self.send_response(200 if found else 404)
        if not found:
            self.send_header("X-Error-Code", "EntryNotFound")
        body = content or b""
        if self.command == "GET" and self.cut_short and self.path.endswith(self.cut_short):
            body = body[:-1]
        self.send_header("X-Repo-Commit", revision)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.wfile.write(self.answer())

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def hub() -> Iterator[tuple[str, type[Hub]]]:
    class OneHub(Hub):
        files: ClassVar = dict(hub_files)

    server = ThreadingHTTPServer(("127.0.0.1", 0), OneHub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", OneHub
    server.shutdown()
    server.server_close()
    thread.join()


script = """
import json, sys
from pathlib import Path
from minbert.data.download import download
from minbert.errors import UserError
for folder in sys.argv[1:]:
    told = []
    try:
        paths = [path.name for path in download(Path(folder), told.append)]
        print(json.dumps({"paths": paths, "told": told}))
    except UserError as error:
        print(json.dumps({"error": str(error)}))
"""


def download_in_new_process(endpoint: str, cache: Path, *folders: Path, **more: str) -> list[dict[str, Any]]:
    """Run ``download`` for each folder; the hub's library reads its environment only once, on import."""
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment |= {"HF_HUB_OFFLINE": "0", **more}
    command = [sys.executable, "-c", script, *map(str, folders)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def read(folder: Path, name: str, text: str | list[str], label: str, labels: Kind) -> Split:
    files = TaskFiles.model_validate({"files": {"dev": name}, "text": text, "label": label, "id": "id"})
    return read_split(folder / name, files, labels, labelled=None)


def test_nine_files_in_the_courses_format(hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    folder, again = tmp_path / "new" / "data", tmp_path / "again"
    first, refused, second = download_in_new_process(hub[0], tmp_path / "cache", folder, folder, again)
    splits = ("train.csv", "dev.csv", "test-student.csv")
    names = [f"{task}-{split}" for task in ("ids-sst", "quora", "sts") for split in splits]
    assert (first["paths"], sorted(path.name for path in folder.iterdir())) == (names, sorted(names))
    assert "fetching SetFit/sst5/train.jsonl" in first["told"]
    assert "writing ids-sst-train.csv: 4 rows" in first["told"]
    assert "ids-sst-train.csv: exists already" in refused["error"]
    assert second["paths"] == names
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)

    header, row, *_ = (folder / "ids-sst-train.csv").read_text().splitlines()
    number, row_id, *rest = row.split("\t")
    assert (header, number, rest) == ("\tid\tsentence\tsentiment", "0", ["great", "4"])
    assert len(row_id) == 25
    assert set(row_id) <= set("0123456789abcdef")

    classes = Classification(classes=5)
    sentiment = read(folder, "ids-sst-train.csv", "sentence", "sentiment", classes)
    assert (sentiment.first, len(set(sentiment.ids))) == (["great", "bad"] * 2, 4)
    scores = Regression(range=(0, 5))
    similarity = read(folder, "sts-train.csv", ["sentence1", "sentence2"], "similarity", scores)
    assert similarity.labels is not None
    assert similarity.labels.tolist() == [3.8, 5.0, 3.267]
    for name in ("ids-sst-test-student.csv", "quora-test-student.csv", "sts-test-student.csv"):
        assert (folder / name).read_text().splitlines()[0] in ("\tid\tsentence", "\tid\tsentence1\tsentence2")


def test_quora_is_cut_by_content(hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    download_in_new_process(hub[0], tmp_path / "cache", tmp_path / "data")
    columns = ["sentence1", "sentence2"]
    binary = Binary()
    names = ("quora-train.csv", "quora-dev.csv", "quora-test-student.csv")
    splits = [read(tmp_path / "data", name, columns, "is_duplicate", binary) for name in names]
    contents = [{same_content(pair) for pair in split.texts} for split in splits]
    assert sum(len(split) for split in splits) == 250 - 5  # every fiftieth lacks a text
    assert sum(len(content) for content in contents) == len(set.union(*contents)) == 200 - 4
    assert [len(content) > size for content, size in zip(contents, (100, 5, 20), strict=True)] == [True] * 3
    for split in splits[:2]:
        assert split.labels is not None
        assert split.labels.tolist() == [int(re.findall(r"\d+", text)[0]) % 2 for text in split.first]
    assert splits[2].labels is None


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("missing", "nyu-mll/glue/stsb/test-00000-of-00001.parquet: cannot be fetched from the hub"),
        ("cut short", "SetFit/sst5/dev.jsonl: cannot be fetched from the hub"),
        ("no connection", "SetFit/sst5/train.jsonl: cannot be fetched from the hub"),
        ("other columns", "the file from SetFit/sst5 is not as expected"),
        ("damaged", "SetFit/sst5: "),
    ],
)
def test_trouble_with_the_hub(hub: tuple[str, type[Hub]], tmp_path: Path, trouble: str, message: str) -> None:
    endpoint, hub_class = hub
    environment = {}
    if trouble == "missing":
        del hub_class.files["nyu-mll/glue/stsb/test-00000-of-00001.parquet"]
    elif trouble == "cut short":
        hub_class.cut_short = "dev.jsonl"
    elif trouble == "no connection":
        environment["HF_HUB_OFFLINE"] = "1"  # a refused connection is tried again for many seconds
    elif trouble == "other columns":
        hub_class.files["SetFit/sst5/dev.jsonl"] = json_lines([{"sentence": "so so", "label": 2}])
    else:
        hub_class.files["SetFit/sst5/dev.jsonl"] = b'{"text": '
    (outcome,) = download_in_new_process(endpoint, tmp_path / "cache", tmp_path / "data", **environment)
    assert message in outcome["error"]
    assert not (tmp_path / "data").exists()
