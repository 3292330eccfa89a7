"""Labels that the fixtures protect: a change is accepted, and has no effect until it is approved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import Caller, flat

from promptsync.server.app import create_app

Opened = Callable[[str], Caller]
TO_2 = {"prompt_version_number": 2}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Open the same registry with other fixtures."""
    apps: list[Any] = []

    def open_with(text: str) -> Caller:
        for app in apps:
            app.close()
        (tmp_path / "registry.yaml").write_text(text, "utf-8")
        apps.append(create_app(tmp_path / "r.db", fixtures=tmp_path / "registry.yaml"))
        return Caller(apps[-1])

    with_nothing = open_with("")
    for name in ("a", "team/b"):
        for _ in range(2):
            with_nothing("POST", "/rest/prompt-templates", flat(name))
        with_nothing("POST", f"/prompts/{_id(with_nothing, name)}/label", label(1))
    yield open_with
    for app in apps:
        app.close()


def label(version: int, name: str = "prod") -> dict[str, Any]:
    return {"name": name, "prompt_version_number": version}


def _id(call: Caller, name: str) -> int:
    return int(call("GET", f"/prompt-templates/{name.replace('/', '%2F')}").body["id"])


def labels(call: Caller, name: str) -> dict[str, tuple[int, int]]:
    rows = call("GET", f"/prompt-templates/{name.replace('/', '%2F')}/labels").body["release_labels"]
    return {row["release_label"]: (row["release_label_id"], row["prompt_version_number"]) for row in rows}


def versions(call: Caller, name: str) -> dict[str, int]:
    return {label: version for label, (_, version) in labels(call, name).items()}


def test_a_pending_change_returns_200_and_changes_nothing(opened: Opened) -> None:
    call = opened("protected_labels: [prod, stable]")
    label_id, _ = labels(call, "a")["prod"]
    before = call("GET", "/prompt-templates/labels").body
    answer = call("PATCH", f"/prompt-labels/{label_id}", TO_2)
    assert (answer.status, answer.body["id"], answer.body["name"]) == (200, label_id, "prod")
    assert "waits for approval" in answer.body["message"]
    path = f"/prompts/{_id(call, 'a')}/label"
    call.expect(("DELETE", f"/prompt-labels/{label_id}", None, 200), ("POST", path, label(2, "stable"), 200))
    assert call("GET", "/prompt-templates/labels").body == before
    # A publish adds its version; other labels are free.
    call.expect(("POST", path, label(2, "stable.previous"), 200))
    answer = call("POST", "/rest/prompt-templates", flat("a", release_labels=["prod", "dev"]))
    assert (answer.status, answer.body["version_number"], answer.body["release_labels"]) == (201, 3, ["dev"])
    assert versions(call, "a") == {"prod": 1, "dev": 3, "stable.previous": 2}


@pytest.mark.parametrize(("answer", "status"), [("forbidden", 403), ("conflict", 409)])
def test_changes_can_be_refused_instead(opened: Opened, answer: str, status: int) -> None:
    call = opened(f"protected_labels: [{{name: prod, answer: {answer}}}]")
    label_id, _ = labels(call, "a")["prod"]
    call.expect(
        ("PATCH", f"/prompt-labels/{label_id}", TO_2, status),
        ("DELETE", f"/prompt-labels/{label_id}", None, status),
        ("POST", "/rest/prompt-templates", flat("new", release_labels=["prod"]), status),
        ("GET", "/prompt-templates/new", None, 404),
    )
    assert labels(call, "a")["prod"] == (label_id, 1)


def test_protection_can_cover_one_prompt_and_removing_it_approves(opened: Opened) -> None:
    protected = "protected_labels: [{name: prod, prompts: ['team/*']}]"
    for fixtures, there in ((protected, 1), ("", 2)):
        call = opened(fixtures)
        for name in ("a", "team/b"):
            call.expect(("PATCH", f"/prompt-labels/{labels(call, name)['prod'][0]}", TO_2, 200))
        assert (versions(call, "a")["prod"], versions(call, "team/b")["prod"]) == (2, there)
    # No prompts are all of them, and a deletion waits as long as its label is protected.
    call = opened("protected_labels: [{name: prod, prompts: []}]")
    call.expect(("DELETE", f"/prompt-labels/{labels(call, 'a')['prod'][0]}", None, 200))
    for fixtures, is_kept in (("protected_labels: [prod, dev]", True), ("", False)):
        assert ("prod" in versions(opened(fixtures), "a")) is is_kept
