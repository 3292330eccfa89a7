"""A GitLab for tests, on a loopback socket: notes and merge requests by its API, and git over HTTP."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATH = "fernweh/prompts"
PROJECT = 278
BOT = 41


class Answer(Exception):
    """A status that is not a success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Project:
    """A project there. ``tokens`` are the users by their tokens, ``calls`` what the API was asked for."""

    origin: Path
    tokens: dict[str, int] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    pushes: list[str] = field(default_factory=list)
    """The passwords of each push."""
    url: str = ""

    def handle(self, method: str, path: str, query: dict[str, str], body: Any, user: int) -> Any:
        """Return what GitLab would; a list is cut into pages by the caller."""
        prefix = f"/projects/{PROJECT}/merge_requests"
        if (method, path) == ("GET", "/user"):
            return {"id": user, "username": f"project_{PROJECT}_bot"}
        if found := re.fullmatch(rf"{prefix}/(\d+)/notes(?:/(\d+))?", path):
            return self._note(method, int(found[1]), found[2], body, user)
        if found := re.fullmatch(rf"{prefix}(?:/(\d+))?", path):
            return self._request(method, found[1], query, body)
        raise Answer(404, f"404 Not Found: {method} {path}")

    def _note(self, method: str, number: int, note: str | None, body: Any, user: int) -> Any:
        if method == "GET":
            return [one for one in self.notes if one["noteable_iid"] == number]
        if len(body["body"]) > 1_000_000 or not body["body"].strip():
            raise Answer(400, "body is too long")
        if method == "POST":
            new = {"id": len(self.notes) + 300, "noteable_iid": number, "author": {"id": user}, **body}
            self.notes.append(new)
            return new
        old = next(one for one in self.notes if str(one["id"]) == note)
        if method != "PUT" or old["author"]["id"] != user:
            raise Answer(403, "403 Forbidden")
        old.update(body)
        return old

    def _request(self, method: str, number: str | None, query: dict[str, str], body: Any) -> Any:
        if method == "GET":
            keys = ("state", "source_branch", "target_branch")
            return [one for one in self.requests if all(one[key] == query[key] for key in keys)]
        if method == "PUT":
            old = next(one for one in self.requests if str(one["iid"]) == number)
            assert set(body) <= {"title", "description"}
            old.update(body)
            return old
        count = ["git", "rev-list", "--count", f"{body['target_branch']}..{body['source_branch']}"]
        ahead = subprocess.run(count, cwd=self.origin, capture_output=True, text=True, check=True)
        same = [one for one in self.requests if one["source_branch"] == body["source_branch"]]
        if ahead.stdout.strip() == "0" or any(one["state"] == "opened" for one in same):
            raise Answer(409, "Another open merge request already exists for this source branch")
        new = {"iid": len(self.requests) + 1, "state": "opened", "source_project_id": PROJECT, **body}
        self.requests.append(new)
        return new


class _Handler(BaseHTTPRequestHandler):
    project: Project

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b"".join(iter(self._chunk, b""))
        target = urlsplit(self.path)
        if target.path.startswith("/api/v4/"):
            self._api(target.path.removeprefix("/api/v4"), target.query, content)
        else:
            self._git(target.path, target.query, content)

    def _chunk(self) -> bytes:
        content = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return content

    def _api(self, path: str, query: str, content: bytes) -> None:
        project, headers = self.project, {"Content-Type": "application/json"}
        project.calls.append(f"{self.command} {path}")
        try:
            user = project.tokens.get(self.headers.get("PRIVATE-TOKEN", ""))
            if user is None:
                raise Answer(401, "401 Unauthorized")
            wanted = {key: values[0] for key, values in parse_qs(query).items()}
            body = json.loads(content) if content else None
            found = project.handle(self.command, path, wanted, body, user)
            if isinstance(found, list):
                size, page = int(wanted.get("per_page", "20")), int(wanted.get("page", "1"))
                headers["X-Next-Page"] = str(page + 1) if len(found) > size * page else ""
                found = found[size * (page - 1) : size * page]
            self._answer(201 if self.command == "POST" else 200, json.dumps(found).encode(), headers)
        except Answer as answer:
            self._answer(answer.status, json.dumps({"message": str(answer)}).encode(), headers)

    def _git(self, path: str, query: str, content: bytes) -> None:
        """Let git's own program for HTTP answer, with the path of the project and the token as a password."""
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        password = base64.b64decode(encoded).decode().partition(":")[2] if scheme == "Basic" else ""
        if password not in self.project.tokens:
            self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="GitLab"'})
            return
        if path.endswith("/git-receive-pack"):
            self.project.pushes.append(password)
        place = path.removeprefix(f"/{PATH}.git")
        assert place != path, path
        environ = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.project.origin),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": place,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(content)),
            "REMOTE_USER": "bot",
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environ, input=content, capture_output=True, check=True
        )
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self._answer(int(headers.pop("Status", "200").split()[0]), rest, headers)

    do_GET = do_POST = do_PUT = _any


@contextmanager
def serving(origin: Path) -> Iterator[Project]:
    """A project whose repository is ``origin``."""
    project = Project(origin)
    handler = type("Handler", (_Handler,), {"project": project})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        project.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield project
        finally:
            server.shutdown()
            thread.join()
