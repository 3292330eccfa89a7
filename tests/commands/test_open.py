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


@pytest.mark.parametrize("argument", ["support/refund", "support/refund@1", "support/r*"])
def test_on_a_terminal_the_page_is_opened_and_printed(
    vendor: World, opened: list[str], argument: str
) -> None:
    url = page(vendor, "support/refund")
    done = vendor.on_terminal("open", argument, answer=None)
    assert (done.code, done.out, opened) == (0, f"{url}\n", [url])
    assert ("choose v1 there" in done.err) == ("@" in argument)


@pytest.mark.parametrize("options", [("--print",), ("--json",)])
def test_on_request_the_page_is_only_printed(
    vendor: World, opened: list[str], options: tuple[str, ...]
) -> None:
    done = vendor.on_terminal("open", "support/refund", *options, answer=None)
    assert (done.code, opened) == (0, [])
    assert page(vendor, "support/refund") in done.out


def test_without_a_terminal_the_page_is_only_printed(vendor: World, opened: list[str]) -> None:
    assert vendor.ok("open", "support/refund").out == f"{page(vendor, 'support/refund')}\n"
    assert opened == []


def test_in_a_pipe_the_page_is_only_printed(
    vendor: World, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "columns", lambda variable: None)
    done = vendor.on_terminal("open", "support/refund", answer=None)
    assert (done.out, opened) == (f"{page(vendor, 'support/refund')}\n", [])


def test_without_a_browser_the_page_is_printed(vendor: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "launch", lambda url: 1)
    done = vendor.on_terminal("open", "support/refund", answer=None)
    assert (done.code, done.out) == (0, f"{page(vendor, 'support/refund')}\n")
    assert "no browser could be started" in done.err


@pytest.mark.parametrize(
    ("argument", "message"),
    [("support/refnd", "did you mean 'support/refund'?"), ("support/*", "matches 2")],
)
def test_what_is_not_one_prompt_is_a_usage_error(
    vendor: World, opened: list[str], argument: str, message: str
) -> None:
    done = vendor.on_terminal("open", argument, answer=None)
    assert (done.code, message in done.err, opened) == (2, True, [])


def test_the_embedded_registry_has_no_dashboard(local: World, opened: list[str]) -> None:
    local.write("a")
    local.commit()
    local.ok("push")
    done = local.on_terminal("open", "a@1", answer=None, NO_COLOR="1")
    assert (done.code, opened) == (2, [])
    message = "local (embedded registry) has no dashboard; only PromptLayer has one"
    assert done.err == f"error: {message}\nhint: promptsync show a@1\n"
    assert local.run("show", "a@1").code == 0
