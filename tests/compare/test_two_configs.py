"""Two ``promptsync.yaml`` in one repository that have a prompt of the same name in one workspace."""

from __future__ import annotations

from pathlib import Path

import pytest
from working_copy import NAME, Copy

Pair = tuple[Copy, Copy]


@pytest.fixture
def pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Pair:
    """The directories ``a`` and ``b``. Their files have different texts, and one commit added both."""
    root, registry = tmp_path / "work", tmp_path / "registry.db"
    a = Copy(root, registry, capsys, "a").begin()
    b = Copy(root, registry, capsys, "b")
    b.configure()
    a.write("Hello from a")
    b.write("Hello from b")
    b.commit()
    assert b.push() == [1]
    return a, b


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_version_of_the_other_file_is_not_included(pair: Pair, is_edited: bool) -> None:
    a, b = pair
    if is_edited:
        a.commit("Good day from a")
    assert a.state() == "diverged"
    a.refused("push")
    assert (b.said(), b.state()) == ("Hello from b", "in-sync")


def test_a_version_that_only_adds_a_field_is_not_included(pair: Pair) -> None:
    a, b = pair
    a.write("Hello")
    b.path().write_text(f"{a.path().read_text()}model: {{provider: openai, name: gpt-4o}}\n")
    b.commit()
    assert b.push() == [2]
    assert a.state() == "diverged"


def test_each_file_includes_its_own_versions(pair: Pair) -> None:
    a, b = pair
    a.ok("push", "--force", NAME, "-y")
    assert (a.state(), b.state()) == ("in-sync", "diverged")
    a.commit("Good day from a")
    assert a.state() == "ahead"
    assert a.push() == [3]
    b.commit("Good day from b")
    b.refused("push")


def test_files_with_the_same_text_are_both_in_sync(pair: Pair) -> None:
    a, b = pair
    a.commit("Hello from b")
    assert (a.state(), b.state()) == ("in-sync", "in-sync")
