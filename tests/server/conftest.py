from __future__ import annotations

import threading

import pytest
from evaluation_files import put
from registry_server import Caller, flat, running

from promptsync.server.app import create_app
from promptsync.server.checks.models import Echo


@pytest.fixture
def fixtures(request, tmp_path):
    """The fixtures file of the registry, if the module declares one."""
    declared = getattr(request.module, "FIXTURES", None)
    return declared and put(tmp_path, {"registry.yaml": declared} if isinstance(declared, str) else declared)


@pytest.fixture
def app(tmp_path, fixtures):
    with create_app(tmp_path / "registry.db", fixtures=fixtures) as application:
        yield application


@pytest.fixture
def call(app):
    return Caller(app)


@pytest.fixture
def url(app):
    with running(app) as base_url:
        yield base_url


@pytest.fixture
def publish(call):
    """Publish a flat body that must be accepted, and return the answer."""

    def published(name, template=None, **more):
        answer = call("POST", "/rest/prompt-templates", flat(name, template, **more))
        assert answer.status == 201, answer.body
        return answer.body

    return published


@pytest.fixture
def archive(call):
    def archived(template_id, kind="PROMPT"):
        body = {"entities": [{"id": template_id, "type": kind}]}
        assert call("DELETE", "/api/public/v2/folders/entities", body).body["moved_count"] == 1

    return archived


class Gate:
    """A model that answers one text after the other, each when it may, and repeats the text then."""

    name, parallel = "gate", 1

    def __init__(self):
        self.asked, self.open = threading.Semaphore(0), threading.Semaphore(0)
        self.texts = []

    def answer(self, template, metadata):
        self.texts.append(Echo().answer(template, metadata))
        self.asked.release()
        assert self.open.acquire(timeout=120)
        return f"true {self.texts[-1]}"


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.release(1000)


@pytest.fixture
def slow(tmp_path, fixtures, gate):
    """A registry whose model waits, and that does not wait for it when it is closed."""
    with create_app(tmp_path / "registry.db", fixtures=fixtures, model=gate) as application:
        application.runner.close_seconds = 0.0
        yield application
