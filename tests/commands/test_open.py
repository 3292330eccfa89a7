"""``promptsync open``: the page of a prompt, and which registries have one."""

from __future__ import annotations

import click
import pytest
from worlds import World, template

from promptsync.registry.promptlayer.connection import Connection
from promptsync.terminal import streams

DASHBOARD = "https://dashboard.promptlayer.com"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that a browser was started with."""
    urls: list[str] = []
    monkeypatch.setattr(click, "launch", lambda url: urls.append(url) or 0)
    return urls


@template
def support(world: World) -> None:
    for name in ("support/refund", "support/triage"):
        world.publish(name)


@pytest.fixture
def vendor(support: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A registry with a dashboard and two prompts."""
    monkeypatch.setattr(Connection, "dashboard", DASHBOARD)
    monkeypatch.setattr(streams, "columns", lambda variable: 200)
    return support


def page(world: World, name: str) -> str:
    with world.project() as project:
        listed = next(item for item in project.registry.prompts.list() if item.name == name)
        return f"{DASHBOARD}/workspace/{project.registry.workspace_id}/prompt/{listed.template_id}"


def test_on_a_terminal_the_page_is_opened_and_printed(vendor: World, opened: list[str]) -> None:
    url = page(vendor, "support/refund")
    for argument in ("support/refund@1", "support/r*"):
        done = vendor.on_terminal("open", argument, answer=None)
        assert (done.code, done.out, opened.pop()) == (0, f"{url}\n", url)
        assert ("choose v1 there" in done.err) == ("@" in argument)


def test_otherwise_the_page_is_only_printed(
    vendor: World, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = page(vendor, "support/refund")
    for option in ("--print", "--json"):
        assert url in vendor.on_terminal("open", "support/refund", option, answer=None).out
    assert vendor.ok("open", "support/refund").out == f"{url}\n"  # without a terminal
    monkeypatch.setattr(streams, "columns", lambda variable: None)  # in a pipe
    assert vendor.on_terminal("open", "support/refund", answer=None).out == f"{url}\n"
    for argument, message in {
        "support/refnd": "did you mean 'support/refund'?",
        "support/*": "matches 2",
    }.items():
        done = vendor.on_terminal("open", argument, answer=None)
        assert (done.code, message in done.err) == (2, True)
    assert opened == []


def test_without_a_browser_the_page_is_printed(vendor: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "launch", lambda url: 1)
    done = vendor.on_terminal("open", "support/refund", answer=None)
    assert (done.code, done.out) == (0, f"{page(vendor, 'support/refund')}\n")
    assert "no browser could be started" in done.err


def test_the_embedded_registry_has_no_dashboard(local: World, opened: list[str]) -> None:
    local.write("a")
    local.commit()
    local.ok("push")
    done = local.on_terminal("open", "a@1", answer=None, NO_COLOR="1")
    assert (done.code, opened) == (2, [])
    message = "local (embedded registry) has no dashboard; only PromptLayer has one"
    assert done.err == f"error: {message}\nhint: promptsync show a@1\n"
    assert local.run("show", "a@1").code == 0
