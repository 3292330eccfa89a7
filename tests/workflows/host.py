"""A host on a loopback socket, GitHub or GitLab: comments and pull requests by its API, and git over HTTP."""

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

from gitcopy import git
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

OWNER, PATH = "fernweh", "fernweh/prompts"
PROJECT = 278
BOT, LOGIN = 41, "github-actions[bot]"
PAGE, LONGEST = 20, 65_536
"""Entries of a page, unless a request says otherwise, and characters of a text. GitLab has room for more."""

CGI = ("QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "HTTP_CONTENT_ENCODING")


@dataclass(frozen=True)
class Api:
    """Where comments and pull requests are, and the keys of these; ``text`` is the one of the description."""

    prefix: str
    comments: str
    comment: str
    requests: str
    state: str
    head: str
    base: str
    text: str


GITHUB = Api(
    f"/repos/{PATH}",
    r"/issues/(\d+)/comments",
    r"/issues/comments/(\d+)",
    "/pulls",
    "open",
    "head",
    "base",
    "body",
)
GITLAB = Api(
    f"/api/v4/projects/{PROJECT}",
    r"/merge_requests/(\d+)/notes",
    r"/merge_requests/\d+/notes/(\d+)",
    "/merge_requests",
    "opened",
    "source_branch",
    "target_branch",
    "description",
)


class Answer(Exception):
    """A status that is not a success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Host:
    """``tokens`` are the users by their tokens, ``calls`` what the API was asked for.

    ``pushes`` are the passwords of each push. A job may have a token that only reads.
    """

    api: Api
    origin: Path
    tokens: dict[str, int] = field(default_factory=dict)
    may_write: bool = True
    comments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    pushes: list[str] = field(default_factory=list)
    url: str = ""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        answer = self._git if request.path.startswith(f"/{PATH}.git/") else self._call
        return answer(request)(environ, start_response)

    def git(self, *arguments: str) -> str:
        """Run git in the repository."""
        return git(self.origin, *arguments).strip()

    # -- the API ------------------------------------------------------------------------------------------

    def _call(self, request: Request) -> Response:
        self.calls.append(f"{request.method} {request.path}")
        try:
            user = self.tokens.get(request.headers.get("PRIVATE-TOKEN", ""))
            if user is None:
                raise Answer(401, "Unauthorized")
            body = json.loads(request.get_data() or b"{}")
            found = self._handle(request.method, request.path, request.args, body, user)
        except Answer as answer:
            return Response(json.dumps({"message": str(answer)}), answer.status)
        headers = {}
        if isinstance(found, list):
            size, page = int(request.args.get("per_page", PAGE)), int(request.args.get("page", 1))
            headers["X-Next-Page"] = str(page + 1) if len(found) > size * page else ""
            found = found[size * (page - 1) : size * page]
        return Response(json.dumps(found), 201 if request.method == "POST" else 200, headers)

    def _handle(self, method: str, path: str, query: Any, body: Any, user: int) -> Any:
        api = self.api
        if path == "/api/v4/user":
            return {"id": user}
        assert path.startswith(api.prefix), path
        path = path.removeprefix(api.prefix)
        if method != "GET":
            text = body.get("body", body.get(api.text, "text"))
            if not self.may_write:
                raise Answer(403, "Resource not accessible by integration")
            if len(text) > LONGEST or not text.strip():
                raise Answer(422, "Validation Failed: body is too long, or empty")
        if found := re.fullmatch(api.comments, path):
            number = int(found[1])
            if method == "GET":
                return [comment for comment in self.comments if comment["number"] == number]
            return self.comment(number, user, body["body"])
        if found := re.fullmatch(api.comment, path):
            old = next(comment for comment in self.comments if str(comment["id"]) == found[1])
            if old["author"]["id"] != user:
                raise Answer(403, "a comment of somebody else was edited")
            return _edited(old, method, body, {"body"})
        if path == api.requests:
            return self._found(query) if method == "GET" else self._opened(body)
        if found := re.fullmatch(rf"{api.requests}/(\d+)", path):
            old = next(request for request in self.requests if str(request["number"]) == found[1])
            return _edited(old, method, body, {"title", api.text})
        raise Answer(404, f"Not Found: {method} {path}")

    def comment(self, number: int, user: int, text: str) -> dict[str, Any]:
        """Write a comment on a pull request."""
        login = LOGIN if user == BOT else "ann"
        by = {"author": {"id": user}, "user": {"login": login}}
        self.comments.append({"id": len(self.comments) + 300, "number": number, **by, "body": text})
        return self.comments[-1]

    def _found(self, query: Any) -> list[dict[str, Any]]:
        api = self.api
        head = query[api.head]
        if api is GITHUB:  # which searches the branches of forks, too
            owner, _, head = head.partition(":")
            assert owner == OWNER
        wanted = {"state": query["state"], api.base: query[api.base], api.head: head}
        return [request for request in self.requests if wanted.items() <= request.items()]

    def _opened(self, body: Any) -> dict[str, Any]:
        api = self.api
        ahead = self.git("rev-list", "--count", f"{body[api.base]}..{body[api.head]}")
        same = {api.head: body[api.head], "state": api.state, "source_project_id": PROJECT}
        if ahead == "0" or any(same.items() <= request.items() for request in self.requests):
            raise Answer(422, "there are no commits, or there is such a pull request")
        number = len(self.requests) + 1
        ids = {"number": number, "iid": number, "source_project_id": PROJECT}
        self.requests.append({**body, **ids, "state": api.state})
        return self.requests[-1]

    # -- git ----------------------------------------------------------------------------------------------

    def _git(self, request: Request) -> Response:
        """Let git's own program for HTTP answer, with the path of the project and the token as a password."""
        password = (request.authorization and request.authorization.password) or ""
        if password not in self.tokens:
            return Response(status=401, headers={"WWW-Authenticate": 'Basic realm="GitLab"'})
        if request.path.endswith("/git-receive-pack"):
            self.pushes.append(password)
        environ = {
            **os.environ,
            **{key: request.environ.get(key, "") for key in CGI},
            "GIT_PROJECT_ROOT": str(self.origin),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path.removeprefix(f"/{PATH}.git"),
            "CONTENT_LENGTH": str(len(request.get_data())),
            "REMOTE_USER": "bot",
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environ, input=request.get_data(), capture_output=True, check=True
        )
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return Response(rest, int(headers.pop("Status", "200").split()[0]), headers)


def _edited(old: dict[str, Any], method: str, body: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    assert method in ("PATCH", "PUT") and set(body) <= keys
    old.update(body)
    return old


@contextmanager
def serving(api: Api, origin: Path) -> Iterator[Host]:
    """A host with an empty repository in ``origin``."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", origin], check=True)
    host = Host(api, origin)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with make_server("127.0.0.1", 0, host, threaded=True) as server:
        host.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield host
        finally:
            server.shutdown()
