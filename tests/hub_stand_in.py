"""The hub, played by a small server on this machine that answers what its client asks."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Files = dict[str, bytes]

LARGE = (".safetensors", ".onnx")
"""How files end that go the way of large ones: put somewhere first, then named in the commit."""


def commit_of(files: Files) -> str:
    """Return a hash that follows from the files."""
    return hashlib.sha1(
        json.dumps({name: hashlib.sha1(files[name]).hexdigest() for name in files}).encode()
    ).hexdigest()


@dataclass
class Repository:
    """A model's files, commit by commit."""

    files: Files
    private: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("main", self.files)

    def commit(self, branch: str, files: Files) -> str:
        """Put files beside those that a branch has."""
        there = dict(self.commits.get(self.branches.get(branch, ""), {})) | files
        digest = commit_of(there)
        self.commits[digest] = there
        self.branches[branch] = digest
        return digest

    def at(self, revision: str) -> str | None:
        """Return the commit that a branch or a commit names."""
        found = self.branches.get(revision, revision)
        return found if found in self.commits else None


class Hub:
    """A server of ``repositories``, to which those who have one of ``tokens`` (token -> owner) may write."""

    def __init__(self, repositories: dict[str, Files], tokens: dict[str, str] | None = None) -> None:
        self.repositories = {name: Repository(files) for name, files in repositories.items()}
        self.tokens = tokens or {}
        self.stored: Files = {}
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.send(self, *hub.read(self.path, self.command))

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                hub.send(self, *hub.written(self.path, self.body(), self.headers.get("Authorization", "")))

            def do_PUT(self) -> None:
                content = self.body()
                assert self.path == f"/stored/{hashlib.sha256(content).hexdigest()}"
                hub.stored[self.path.rpartition("/")[2]] = content
                hub.send(self, 200, b"")

            def body(self) -> bytes:
                if "Content-Length" in self.headers:
                    return self.rfile.read(int(self.headers["Content-Length"]))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def read(self, path: str, command: str = "GET") -> tuple[Any, ...]:
        """Return status, content and headers of what is asked for."""
        path = unquote(path.partition("?")[0])
        self.asked.append(f"{command} {path}")
        if path.startswith("/api/models/gated"):
            return 403, {}, {"X-Error-Code": "GatedRepo"}
        for name, repository in self.repositories.items():
            start = f"/api/models/{name}"
            if path == start or path.startswith((f"{start}/revision/", f"{start}/tree/")):
                kind, _, revision = path.removeprefix(start).strip("/").partition("/")
                digest = repository.at(revision or "main")
                if digest is None:
                    return 404, {}, {"X-Error-Code": "RevisionNotFound"}
                files = repository.commits[digest]
                if kind == "tree":
                    return 200, [self.listed(file, content) for file, content in files.items()]
                siblings = [{"rfilename": file} for file in files]
                return 200, {"id": name, "sha": digest, "private": repository.private, "siblings": siblings}
            if path.startswith(f"/{name}/resolve/"):
                revision, _, file = path.removeprefix(f"/{name}/resolve/").partition("/")
                content = repository.commits[revision].get(file)
                if content is not None:
                    return 200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": revision}
        return 404, {}, {"X-Error-Code": "RepoNotFound"}

    def listed(self, file: str, content: bytes) -> dict[str, Any]:
        """Return a line of a tree."""
        return {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def written(self, path: str, body: bytes, authorization: str) -> tuple[Any, ...]:
        """Return status and content of the answer to who writes."""
        path = unquote(path.partition("?")[0])
        self.asked.append(f"POST {path}")
        who = self.tokens.get(authorization.removeprefix("Bearer "))
        if who is None:
            return 401, {"error": "Invalid username or password."}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}"
            if wanted["organization"] != who:
                return 403, {"error": f"You don't have the rights to create a model under {wanted['organization']}"}
            taken = name in self.repositories
            if not taken:
                private = wanted.get("private", wanted.get("visibility") == "private")  # before 1.0, and since
                self.repositories[name] = Repository({".gitattributes": b""}, private)
            return 409 if taken else 200, {"url": f"{self.address}/{name}"}
        name = next(name for name in self.repositories if path.startswith((f"/api/models/{name}/", f"/{name}.git/")))
        if name.partition("/")[0] != who:
            return 403, {"error": "You don't have the rights to write here"}
        return self.of_repository(name, path.partition(name)[2], body)

    def of_repository(self, name: str, path: str, body: bytes) -> tuple[Any, ...]:
        """Return status and content of the answer to who writes into a repository."""
        repository = self.repositories[name]
        if path == ".git/info/lfs/objects/batch":
            objects = [
                each | {"actions": {"upload": {"href": f"{self.address}/stored/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return 200, {"objects": objects}
        _, verb, branch = path.split("/", 2)
        if verb == "branch":
            taken = branch in repository.branches
            repository.branches.setdefault(branch, repository.branches["main"])
            return 409 if taken else 200, {}
        if branch not in repository.branches:
            return 404, {"error": "Invalid rev id"}
        if verb == "preupload":
            files = [each["path"] for each in json.loads(body)["files"]]
            modes = {file: "lfs" if file.endswith(LARGE) else "regular" for file in files}
            return 200, {
                "files": [{"path": file, "uploadMode": mode, "shouldIgnore": False} for file, mode in modes.items()]
            }
        assert verb == "commit"
        lines = [json.loads(line) for line in body.splitlines()]
        assert [line["key"] for line in lines].count("header") == 1
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            if line["key"] == "file"
            else self.stored[line["value"]["oid"]]
            for line in lines
            if line["key"] != "header"
        }
        digest = repository.commit(branch, files)
        return 200, {"commitUrl": f"{self.address}/{name}/commit/{digest}", "commitOid": digest}

    def send(
        self, request: BaseHTTPRequestHandler, status: int, content: Any, headers: dict[str, str] | None = None
    ) -> None:
        """Answer: bytes as they are, all else as JSON."""
        if not isinstance(content, bytes):
            content, headers = json.dumps(content).encode(), {"Content-Type": "application/json"} | (headers or {})
        request.send_response(status)
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)


@contextmanager
def served(repositories: dict[str, Files], tokens: dict[str, str] | None = None) -> Iterator[Hub]:
    """Serve repositories until the body ends."""
    hub = Hub(repositories, tokens)
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
