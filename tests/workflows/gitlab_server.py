"""A GitLab for tests, on a loopback socket: notes and merge requests by its API, and git over HTTP."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

PATH = "fernweh/prompts"
PROJECT = 278
BOT = 41
CGI = ("QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "HTTP_CONTENT_ENCODING")


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

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        answer = self._api if request.path.startswith("/api/v4/") else self._git
        return answer(request)(environ, start_response)

    # -- the API ------------------------------------------------------------------------------------------

    def _api(self, request: Request) -> Response:
        path, headers = request.path.removeprefix("/api/v4"), {}
        self.calls.append(f"{request.method} {path}")
        try:
            user = self.tokens.get(request.headers.get("PRIVATE-TOKEN", ""))
            if user is None:
                raise Answer(401, "401 Unauthorized")
            body = json.loads(request.get_data() or b"null")
            found = self._handle(request.method, path, request.args, body, user)
        except Answer as answer:
            return Response(json.dumps({"message": str(answer)}), answer.status)
        if isinstance(found, list):
            size, page = (int(request.args.get(key, usual)) for key, usual in (("per_page", 20), ("page", 1)))
            headers["X-Next-Page"] = str(page + 1) if len(found) > size * page else ""
            found = found[size * (page - 1) : size * page]
        return Response(json.dumps(found), 201 if request.method == "POST" else 200, headers)

    def _handle(self, method: str, path: str, query: Any, body: Any, user: int) -> Any:
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

    def _request(self, method: str, number: str | None, query: Any, body: Any) -> Any:
        if method == "GET":
            keys = ("state", "source_branch", "target_branch")
            return [one for one in self.requests if all(one[key] == query[key] for key in keys)]
        if method == "PUT":
            old = next(one for one in self.requests if str(one["iid"]) == number)
            assert set(body) <= {"title", "description"}
            old.update(body)
            return old
        count = ["git", "rev-list", "--count", f"{body['target_branch']}..{body['source_branch']}"]
        ahead = subprocess.check_output(count, cwd=self.origin, text=True)
        same = [one for one in self.requests if one["source_branch"] == body["source_branch"]]
        if ahead.strip() == "0" or any(one["state"] == "opened" for one in same):
            raise Answer(409, "Another open merge request already exists for this source branch")
        new = {"iid": len(self.requests) + 1, "state": "opened", "source_project_id": PROJECT, **body}
        self.requests.append(new)
        return new

    # -- git ----------------------------------------------------------------------------------------------

    def _git(self, request: Request) -> Response:
        """Let git's own program for HTTP answer, with the path of the project and the token as a password."""
        password = (request.authorization and request.authorization.password) or ""
        if password not in self.tokens:
            return Response(status=401, headers={"WWW-Authenticate": 'Basic realm="GitLab"'})
        if request.path.endswith("/git-receive-pack"):
            self.pushes.append(password)
        place = request.path.removeprefix(f"/{PATH}.git")
        assert place != request.path, request.path
        environ = {
            **os.environ,
            **{key: request.environ.get(key, "") for key in CGI},
            "GIT_PROJECT_ROOT": str(self.origin),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": place,
            "CONTENT_LENGTH": str(len(request.get_data())),
            "REMOTE_USER": "bot",
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environ, input=request.get_data(), capture_output=True, check=True
        )
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return Response(rest, int(headers.pop("Status", "200").split()[0]), headers)


@contextmanager
def serving(origin: Path) -> Iterator[Project]:
    """A project whose repository is ``origin``."""
    project = Project(origin)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with make_server("127.0.0.1", 0, project, threaded=True) as server:
        project.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield project
        finally:
            server.shutdown()
