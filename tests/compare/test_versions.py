"""What a registry holds, the versions of a prompt, and the commits that hold the same."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from release_world import World, faulty, world

from promptsync.commands.log import LoggedVersion, read_log
from promptsync.compare.gather import gather
from promptsync.errors import PromptsyncError
from promptsync.files.config import load
from promptsync.project.pointers import find_versions
from promptsync.project.project import Project, open_project
from promptsync.project.target import NoSuchPrompt, find_prompt, resolve
from promptsync.project.versions import Catalog, read_versions
from promptsync.prompt.version import Version
from promptsync.push.actions import PushOptions
from promptsync.push.apply import apply_push
from promptsync.push.plan import plan_push


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def commit(here: World, text: str, message: str, path: str = "prompts/greet.yaml") -> str:
    here.write(path, f"content: {text}\n")
    git(here.root, "init", "-q")
    git(here.root, "add", "-A")
    git(here.root, "commit", "-q", "-m", message)
    return git(here.root, "rev-parse", "HEAD")


def log(project: Project, name: str) -> list[LoggedVersion]:
    return read_log(project, find_prompt(project, name, Catalog(project)))


def show(project: Project, *wanted: str) -> tuple[Version, tuple[str, ...] | None]:
    catalog = Catalog(project)
    (version,) = find_versions(project, resolve(project, wanted, catalog), catalog)
    return version


def push_all(here: World) -> None:
    with open_project(here.project.config) as fresh:  # a project looks at git once
        snapshot = gather(fresh)
        apply_push(fresh, plan_push(fresh, snapshot, PushOptions()))


# -- the versions --------------------------------------------------------------------------------------


def test_versions_are_listed_newest_first_with_labels_and_plain_messages(here: World) -> None:
    here.publish("greet", "one", "two (v2)", "three")
    here.label("greet", prod=2, staging=3, live=2)
    found = log(here.project, "greet")
    assert [(one.version, one.message, one.labels) for one in found] == [
        (3, "three", ("staging",)),
        (2, "two", ("live", "prod")),
        (1, "one", ()),
    ]
    assert all(one.created_at and one.commit is None and not one.base for one in found)


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (3, 3), (40, 40), (45, 45), (99, 45), (None, 45)])
def test_no_more_versions_are_read_than_asked_for(here: World, limit: int | None, count: int) -> None:
    here.publish("greet", *(f"text {number}" for number in range(1, 46)))
    listed = find_prompt(here.project, "greet", Catalog(here.project))
    before = here.project.registry.requests
    found = read_versions(here.project, listed, limit)
    assert [one.version for one in found] == list(range(45, 45 - count, -1))
    assert here.project.registry.requests == before + count


def test_a_second_look_reads_the_newest_version_only(here: World) -> None:
    here.publish("greet", *(f"text {number}" for number in range(20)))
    log(here.project, "greet")
    with open_project(here.project.config) as fresh:
        log(fresh, "greet")
        # two lists, the labels, the newest version; the others are in the cache
        assert fresh.registry.requests == 4


def test_versions_that_are_gone_are_left_out(tmp_path: Path) -> None:
    gone: list[int] = []

    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return None

    with faulty(tmp_path, answers) as (sound, broken, odd):
        sound.publish("greet", *(f"text {number}" for number in range(1, 8)))
        inner = odd.app

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            if any(f"version={number}&" in f"{environ['QUERY_STRING']}&" for number in gone):
                start_response("404 Not Found", [("Content-Type", "application/json")])
                return [b'{"message": "Prompt version not found"}']
            return inner(environ, start_response)

        odd.app = app
        gone[:] = [2, 5, 6]
        listed = find_prompt(broken.project, "greet", Catalog(broken.project))
        assert [one.version for one in read_versions(broken.project, listed, 3)] == [7, 4, 3]
        assert [one.version for one in read_versions(broken.project, listed)] == [7, 4, 3, 1]


def test_a_mark_names_the_commit_and_content_finds_the_others(here: World) -> None:
    first = commit(here, "Hello {name}", "Say hello")
    push_all(here)
    here.publish("greet", "edited in the registry")
    found = log(here.project, "greet")
    assert [(one.version, one.commit, one.message) for one in found] == [
        (2, None, "edited in the registry"),
        (1, first, "Say hello"),
    ]
    assert found[1].short == first[:7]
    assert [one.base for one in found] == [False, True]


def test_a_restored_version_carries_a_mark_that_is_not_its_own(here: World) -> None:
    first = commit(here, "Hello {name}", "Say hello")
    push_all(here)
    second = commit(here, "Bye {name}", "Say bye")
    push_all(here)
    old = show(here.project, "greet@1")[0]
    here.project.registry.prompts.publish(old.prompt, message=old.message or "")
    found = log(here.project, "greet")
    # the message says v1, so the content decides
    assert [(one.version, one.commit) for one in found] == [(3, first), (2, second), (1, first)]
    assert [one.version for one in found if one.base] == [2]


def test_the_file_is_found_wherever_it_is(here: World) -> None:
    commit(here, "Hello\nname: greet", "Elsewhere", "prompts/deep/other.yaml")
    push_all(here)
    (only,) = log(here.project, "greet")
    assert only.base
    assert only.commit is not None


def test_a_deleted_file_still_has_its_commits(here: World) -> None:
    first = commit(here, "Hello", "Say hello")
    push_all(here)
    (here.root / "prompts/greet.yaml").unlink()
    (only,) = log(here.project, "greet")
    assert (only.commit, only.base) == (first, False)


def test_a_shallow_clone_lists_versions_without_a_base(here: World, tmp_path: Path) -> None:
    commit(here, "One", "One")
    push_all(here)
    commit(here, "Two", "Two")
    here.publish("greet", "edited in the registry")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", tmp_path.as_uri(), str(clone))
    (clone / "promptsync.yaml").write_text(
        'remotes: {local: {url: "local:../.promptsync/registry.db"}}\n', "utf-8"
    )
    with open_project(load(clone / "promptsync.yaml")) as project:
        found = log(project, "greet")
    assert [one.version for one in found] == [2, 1]
    assert not any(one.base for one in found)


def test_an_unknown_prompt_has_no_versions(here: World) -> None:
    here.publish("greet", "one")
    with pytest.raises(NoSuchPrompt, match="no prompt 'gret'") as caught:
        log(here.project, "gret")
    assert "did you mean 'greet'" in caught.value.hint


# -- a single version ----------------------------------------------------------------------------------

WANTED = [
    ("support/refund", "support/refund", 3),
    ("support/refund@1", "support/refund", 1),
    ("support/refund@03", "support/refund", 3),
    ("support/refund:prod", "support/refund", 2),
    ("support/refund:eu:west", "support/refund", 1),
    ("Example: title", "Example: title", 1),
    ("Example: title@1", "Example: title", 1),
    ("Example: title: draft", "Example: title", 1),
    ("mail@example.org", "mail@example.org", 1),
    ("mail@example.org@1", "mail@example.org", 1),
    ("release@2", "release@2", 1),  # a prompt of that very name comes before version 2 of another
    ("release@1", "release", 1),
]


@pytest.mark.parametrize(("wanted", "name", "version"), WANTED)
def test_names_may_hold_what_separates_versions_and_labels(
    here: World, wanted: str, name: str, version: int
) -> None:
    here.publish("support/refund", "one", "two", "three")
    here.label("support/refund", prod=2, **{"eu:west": 1})
    for other in ("Example: title", "mail@example.org", "release", "release@2"):
        here.publish(other, "one")
    here.publish("release", "two")
    here.label("Example: title", **{" draft": 1})
    found = show(here.project, wanted)[0]
    assert (found.prompt.name, found.version) == (name, version)


MISSING = [
    ("greet@9", "no version 9; its latest is v2"),
    ("greet@0", "no version 0"),
    ("greet@999999999999999999", "no version 999999999999999999"),
    ("greet:staging", "no label 'staging'"),
    ("gret@1", "no prompt 'gret'"),
    ("gret:prod", "no prompt 'gret'"),
    ("greet@x", "no prompt 'greet@x'"),
    ("greet@" + "9" * 5000, "no prompt"),
    ("zzz", "no prompt 'zzz'"),
    (":", "no prompt"),
    ("@1", "no prompt"),
]


@pytest.mark.parametrize(("wanted", "words"), MISSING)
def test_what_does_not_exist_is_a_usage_error(here: World, wanted: str, words: str) -> None:
    here.publish("greet", "one", "two")
    here.label("greet", prod=1)
    with pytest.raises(PromptsyncError, match=words) as caught:
        show(here.project, wanted)
    assert caught.value.hint
    assert caught.value.exit_code == 2
    assert caught.value.code == "not-found"


def test_a_version_is_shown_with_its_labels_and_the_tags_of_today(here: World) -> None:
    here.publish("greet", "one")
    show(here.project, "greet@1")
    here.publish("greet", "two", tags=["a", "b"])
    here.label("greet", prod=1)
    found, labels = show(here.project, "greet@1")
    assert labels == ("prod",)
    assert found.prompt.tags == ("a", "b")


def test_a_registry_without_labels_still_resolves_one(tmp_path: Path) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return (404, {"detail": "Not Found"}) if path.endswith("/labels") else None

    with faulty(tmp_path, answers) as (sound, broken, _):
        sound.publish("greet", "one", "two")
        sound.label("greet", prod=1)
        found, labels = show(broken.project, "greet:prod")
        assert (found.version, labels) == (1, None)
        assert [one.labels for one in log(broken.project, "greet")] == [None, None]
