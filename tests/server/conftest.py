from __future__ import annotations

import pytest
from registry_server import Caller

from promptsync.server.app import create_app


@pytest.fixture
def app(tmp_path):
    with create_app(tmp_path / "registry.db") as application:
        yield application


@pytest.fixture
def call(app):
    return Caller(app)


@pytest.fixture
def publish(call):
    """Publish a flat body that must be accepted, and return the answer."""

    def published(name, template=None, **more):
        from registry_server import flat

        answer = call("POST", "/rest/prompt-templates", flat(name, template, **more))
        assert answer.status == 201, answer.body
        return answer.body

    return published
