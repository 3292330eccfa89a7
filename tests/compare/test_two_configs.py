"""Two ``promptsync.yaml`` in one repository that have a prompt of the same name in one workspace."""

from __future__ import annotations

import shutil
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


def test_a_version_that_only_adds_a_field_is_not_included(pair: Pair) -> None:
    a, b = pair
    a.write("Hello")
    b.path().write_text(f"{a.path().read_text()}model: {{provider: openai, name: gpt-4o}}\n")
    b.commit()
    assert b.push() == [2]
    assert a.state() == "diverged"


def test_each_file_includes_its_own_versions(pair: Pair) -> None:
    a, b = pair
    assert (a.state(), b.state()) == ("diverged", "in-sync")
    a.commit("Good morning from a")
    a.refused("push")
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


@pytest.fixture
def x(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Copy:
    """The directory ``x``, whose file is published. ``y`` is to be its copy."""
    x = Copy(tmp_path / "work", tmp_path / "registry.db", capsys, "x").begin()
    x.commit("Hello")
    assert x.push() == [1]
    return x


def _copied(x: Copy) -> Copy:
    y = Copy(x.root, x.registry, x.capsys, "y")
    shutil.copytree(x.project, y.project)
    y.commit()
    y.commit("Hello from y")
    assert y.push() == [2]
    return y


def _refuses_over_the_other_text(x: Copy) -> None:
    x.commit("Hello from x")
    assert x.state() == "diverged"
    x.refused("push")
    assert x.said() == "Hello from y"


def test_a_version_of_another_file_on_a_branch_is_not_included_before_and_after_its_merge(x: Copy) -> None:
    x.git("switch", "-qc", "by")
    _copied(x)
    x.git("switch", "-q", "main")
    _refuses_over_the_other_text(x)
    x.git("merge", "-q", "by")
    assert x.state() == "diverged"


@pytest.mark.parametrize("what", ["y", "y/prompts"])
def test_a_version_of_another_file_that_was_removed_is_not_included(x: Copy, what: str) -> None:
    _copied(x)
    x.git("rm", "-rqf", what)
    _refuses_over_the_other_text(x)


def test_a_moved_configuration_has_no_other_file(x: Copy) -> None:
    x.git("mv", "x", "z")
    z = Copy(x.root, x.registry, x.capsys, "z")
    z.commit()
    z.commit("Hello from z")
    assert z.state() == "ahead"
