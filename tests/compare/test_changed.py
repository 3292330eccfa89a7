"""What differs between two states of real git repositories, and which states have a name."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from gitcopy import Copy, Files, git

from promptsync.errors import PromptsyncError
from promptsync.files.yaml.load import InvalidFile

A, B, C = (f"prompts/{name}.yaml" for name in "abc")
CONFIG = "promptsync.yaml"
ZEROS, GONE = "0" * 40, "1234567890" * 4


def text(content: str = "Hello", name: str = "", more: str = "") -> str:
    return (f"name: {name}\n" if name else "") + f"content: {content}\n{more}"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy.made(tmp_path)


EQUAL: list[tuple[str, str]] = [
    (text(), text("'Hello'")),
    (text(), text().replace("\n", "\r\n")),
    (text(more="tags: [x, y]\n"), text(more="tags: [y, x]\n")),
    (text(), text(more="evaluations: [quality]\nagents: [helper]\nexamples: [{x: y}]\n")),
    (text(more="synced: 1-0a1b2c3\n"), text(more="synced: 2-3fa9c1a\n")),
    ('"name": n\ncontent: Hello\n', '# x\n"name": n\ncontent: Hello\n'),
]
CHANGED: list[tuple[str, str]] = [
    (text(), text(more="model: {provider: openai, name: gpt-4o}\n")),
    (text(more="tags: [x]\n"), text(more="tags: [x, y]\n")),
    ("content: [\n", text()),
]


def test_a_prompt_changed_when_its_content_did(copy: Copy) -> None:
    for number, (before, after) in enumerate(EQUAL + CHANGED):
        copy.become({A: before})
        start = copy.commit()
        copy.become({A: after})
        expected = {} if number < len(EQUAL) else {"a": "changed"}
        assert copy.kinds(start) == expected, (before, after)


LEAF, OTHER = text("Be kind", "leaf"), text("Be brief", "leaf")
USER = text('"@@@leaf@@@"', "b")

STATES_OF_FILES: list[tuple[str, Files, Files, dict[str, str]]] = [
    ("the suffix", {A: text()}, {"prompts/a.yml": text()}, {}),
    (
        "what could not be read and went away",
        {A: "name: n\ncontent: [\n", B: text()},
        {B: text()},
        {"n": "deleted"},
    ),
    (
        "two files of one name",
        {A: text("One", "n"), B: text("Two", "n")},
        {A: text("One", "n")},
        {"n": "changed"},
    ),
    (
        "files that are not read",
        {A: text(), "prompts/README.md": "x"},
        {A: text(), "prompts/README.md": "y", "prompts/.x/b.yaml": "x", "prompts/#c.yaml": "x"},
        {},
    ),
    (
        "odd names",
        {"prompts/ä 'x\".yaml": text()},
        {"prompts/ä 'x\".yaml": text("Bye")},
        {"ä 'x\"": "changed"},
    ),
    (
        "a snippet at any depth, by the shortest way",
        {A: LEAF, B: USER, C: text('"x @@@b@@@"', "c"), "prompts/d.yaml": text('"@@@c@@@ @@@leaf@@@"', "d")},
        {A: OTHER},
        {"leaf": "changed", "b": "dependant leaf", "c": "dependant b > leaf", "d": "dependant leaf"},
    ),
    (
        "versions and labels of a snippet",
        {
            A: LEAF,
            B: text('"@@@leaf@version_number:3@@@"', "b"),
            C: text('"@@@leaf@label:prod@@@"', "c"),
            "prompts/d.yaml": text('"@@@c@version_number:1@@@"', "d"),
        },
        {A: OTHER},
        {"leaf": "changed", "c": "dependant leaf", "d": "dependant c > leaf"},
    ),
    ("itself", {B: text('"@@@b@@@"', "b")}, {B: text('"More @@@b@@@"', "b")}, {"b": "changed"}),
]


def test_what_differs_is_told_by_name_and_with_the_users_of_snippets(copy: Copy) -> None:
    for what, before, after, expected in STATES_OF_FILES:
        copy.become(before)
        start = copy.commit()
        if after == {A: OTHER}:
            after = {**before, **after}
        copy.become({path: content for path, content in after.items() if content})
        assert copy.kinds(start) == expected, what


def test_what_is_committed_differs_no_more_and_the_set_says_where_files_are(copy: Copy) -> None:
    copy.become({A: LEAF, B: USER, C: text()})
    commit = copy.commit()
    copy.become({A: OTHER, B: USER})
    found = copy.changed("HEAD")
    assert (found.since, found.commit, found.names) == ("HEAD", commit, ("b", "leaf"))
    assert [(one.name, one.path) for one in found.prompts] == [("b", B), ("c", None), ("leaf", A)]
    copy.commit()
    assert copy.kinds() == {}
    assert copy.kinds(commit) == {"b": "dependant leaf", "c": "deleted", "leaf": "changed"}
    copy.put({B: "content: [\n"})
    with pytest.raises(InvalidFile, match=r"prompts/b\.yaml"):
        copy.changed()


def test_uncommitted_untracked_and_ignored_files_count(copy: Copy) -> None:
    copy.become({A: text(), B: text("Two"), C: text("Three")})
    start = copy.commit()
    copy.put({A: text("Staged"), "prompts/new.yaml": text("New"), "prompts/ignored.yaml": text("Ignored")})
    copy.git("add", A)
    copy.put({B: text("Not staged"), ".gitignore": "ignored.yaml\n"})
    copy.git("rm", "-q", "--cached", C)
    assert copy.kinds(start) == {"a": "changed", "b": "changed", "ignored": "added", "new": "added"}


# -- elsewhere -------------------------------------------------------------------------------------------


def test_prompts_are_followed_into_another_directory(tmp_path: Path) -> None:
    copy = Copy.made(tmp_path, "services/bot")
    copy.put({A: text("One"), B: text("One"), "prompts/c.yaml": text("Three", "n")})
    start = copy.commit()
    (copy.root / "prompts").rename(copy.root / "texts")
    copy.put({CONFIG: "prompts: texts\n", "texts/b.yaml": text("Two")})
    assert copy.kinds(start) == {"b": "changed"}
    copy.commit()
    assert copy.kinds(start) == {"b": "changed"}


def test_without_a_configuration_that_says_it_the_directory_is_that_of_today(tmp_path: Path) -> None:
    for number, config in enumerate((None, "prompts: [\n", "- x\n", "prompts: 7\n")):
        copy = Copy.made(tmp_path / str(number), config=config or "")
        copy.put({A: text("One"), B: text("One")})
        if config is None:
            (copy.root / CONFIG).unlink()
        start = copy.commit()
        copy.put({CONFIG: "prompts: prompts\n", B: text("Two")})
        assert copy.kinds(start) == {"b": "changed"}, config


def test_only_names_that_belong_here_count(tmp_path: Path) -> None:
    copy = Copy.made(tmp_path, config="include: ['ours/*']\n")
    copy.put(
        {
            A: text("'@@@theirs/tone@@@ @@@ours/tone@@@'", "ours/a"),
            B: text("'@@@ours/tone@@@'", "theirs/b"),
            C: text("'@@@theirs/b@@@'", "ours/c"),
            "prompts/f.yaml": text("Out", "ours/f"),
            "prompts/g.yaml": text("In", "theirs/g"),
            "prompts/theirs.yaml": text("Kind", "theirs/tone"),
            "prompts/ours.yaml": text("Kind", "ours/tone"),
        }
    )
    copy.commit()
    copy.put({"prompts/theirs.yaml": text("Brief", "theirs/tone")})
    assert copy.kinds() == {}
    copy.put({"prompts/ours.yaml": text("Brief", "ours/tone")})
    copy.put({"prompts/f.yaml": text("Out", "theirs/f"), "prompts/g.yaml": text("In", "ours/g")})
    assert copy.kinds() == {
        "ours/tone": "changed",
        "ours/a": "dependant ours/tone",
        "ours/c": "dependant theirs/b > ours/tone",
        "ours/f": "deleted",
        "ours/g": "added",  # where it had another name, it did not belong here
    }


def test_a_repository_of_sha256_objects_is_read_too(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256")
    copy = Copy(tmp_path, tmp_path)
    copy.put({CONFIG: "prompts: prompts\n", A: text("One", "n"), B: text("One", "m")})
    start = copy.commit()
    (copy.root / A).rename(copy.root / "prompts/c.yaml")
    copy.put({B: text("Two", "m")})
    assert len(start) == 64
    assert copy.kinds(start) == {"m": "changed"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("update-index --skip-worktree prompts/a.yaml", "git ignores changes in prompts/a.yaml"),
        ("update-index --assume-unchanged prompts/a.yaml", "git ignores changes in prompts/a.yaml"),
        ("sparse-checkout set prompts/near", "a sparse checkout hides prompts/far away/b.yaml"),
    ],
)
def test_what_git_does_not_look_at_is_refused_with_the_command_that_helps(
    copy: Copy, command: str, said: str
) -> None:
    copy.put({A: text(), "prompts/near/c.yaml": text(), "prompts/far away/b.yaml": text("One")})
    copy.commit()
    copy.git(*command.split())
    with pytest.raises(PromptsyncError, match=said) as caught:
        copy.changed()
    program, *arguments = shlex.split(caught.value.hint)
    assert (program, caught.value.exit_code, caught.value.code) == ("git", 3, "hidden")
    copy.git(*arguments)
    copy.put({A: text("Bye")})
    assert copy.kinds() == {"a": "changed"}


# -- states ---------------------------------------------------------------------------------------------


@pytest.fixture
def branch(tmp_path: Path) -> Copy:
    """A branch that changed ``b``; main went on and changed ``a``. Both began with a tag."""
    copy = Copy.made(tmp_path / "origin")
    copy.put({A: text("One"), "prompts/b.yaml": text("One")})
    copy.commit()
    copy.git("tag", "v1")
    copy.put({A: text("Two")})
    copy.commit()
    copy.git("checkout", "-q", "-b", "feature", "v1")
    copy.put({"prompts/b.yaml": text("Two")})
    copy.commit("Change b on a branch")  # of two commits of one second, nobody knows which is the younger
    return copy


STATES: list[tuple[str | None, tuple[str, ...]]] = [
    (None, ()),
    ("HEAD", ()),
    ("HEAD~1", ("b",)),
    ("v1", ("b",)),
    ("main", ("a", "b")),
    ("main..", ("a", "b")),
    ("main...", ("b",)),
    ("main...HEAD", ("b",)),
    (":/Change b", ()),
    (ZEROS, ("a", "b")),
    ("0" * 64, ("a", "b")),
]


def test_a_state_is_named_as_git_names_it(branch: Copy) -> None:
    for since, names in STATES:
        found = branch.changed(since)
        assert (found.names, found.since) == (names, since or "HEAD"), since
        assert (found.commit is None) == (since is not None and not since.strip("0"))
    commit = branch.git("rev-parse", "main")
    found = branch.changed(commit[:9])
    assert (found.commit, found.names) == (commit, ("a", "b"))


NO_STATES = [
    ("", "revision", "origin/main"),
    ("...", "revision", "origin/main"),
    ("--all", "revision", "origin/main"),
    ("a\nb", "revision", "origin/main"),
    ("main...v1", "revision", "--since main"),
    ("HEAD:prompts", "unknown-revision", "git log --oneline HEAD"),
    ("nowhere", "unknown-revision", "git fetch origin nowhere"),
    ("origin/nowhere...", "unknown-revision", "git fetch origin nowhere\n"),
    ("a;b", "unknown-revision", "git fetch origin 'a;b'"),
    (GONE, "unknown-revision", f"git fetch origin {GONE}"),
    ("HEAD~9", "unknown-revision", "git log --oneline HEAD"),
]


def failed(copy: Copy, since: str | None) -> PromptsyncError:
    with pytest.raises(PromptsyncError) as caught:
        copy.changed(since)
    return caught.value


def test_what_names_no_commit_is_an_error(branch: Copy) -> None:
    for since, code, hint in NO_STATES:
        error = failed(branch, since)
        assert (error.exit_code, error.code, hint in error.hint) == (2, code, True), since


def test_a_branch_that_only_the_origin_has_is_named(branch: Copy, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(branch.top), "clone")
    clone = Copy(tmp_path / "clone", tmp_path / "clone")
    assert failed(clone, "main").hint == "--since origin/main"
    assert clone.changed("origin/main...").names == ("b",)


def cloned(origin: Copy, directory: Path, *options: str) -> Copy:
    """A clone over a transport, which makes it as shallow as it is told."""
    git(directory, "clone", "-q", *options, f"file://{origin.top}", "clone")
    return Copy(directory / "clone", directory / "clone")


@pytest.mark.parametrize("since", ["HEAD~1", "origin/main...", GONE])
def test_a_shallow_clone_says_what_to_fetch(branch: Copy, tmp_path: Path, since: str) -> None:
    options = ["--no-single-branch"] if since.endswith("...") else []
    clone = cloned(branch, tmp_path, "--depth", "1", *options)
    error = failed(clone, since)
    assert (error.exit_code, error.code) == (3, "shallow-clone")
    assert "fetch-depth: 0" in error.hint and since.removesuffix("...") in error.message
    clone.git("fetch", "-q", "--unshallow", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    assert since == GONE or clone.changed(since)


def _no_git(copy: Copy) -> None:
    (copy.top / ".git").rename(copy.top / "elsewhere")


def _no_commit(copy: Copy) -> None:
    copy.git("checkout", "-q", "--orphan", "empty")


def _unrelated(copy: Copy) -> None:
    copy.git("checkout", "-q", "--orphan", "other")
    copy.commit()


@pytest.mark.parametrize(
    ("spoil", "since", "code", "hint"),
    [
        (_no_git, ZEROS, "no-repository", "git init"),
        (_no_commit, None, "no-commit", "git commit"),
        (_unrelated, "main...", "no-merge-base", "--since main"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_where_no_state_can_be_told_there_is_an_error(
    branch: Copy, spoil: Callable[[Copy], None], since: str | None, code: str, hint: str
) -> None:
    spoil(branch)
    error = failed(branch, since)
    assert (error.exit_code, error.code, hint in error.hint) == (2, code, True)
    if spoil is _unrelated:
        assert branch.changed("main").names == ("a", "b")
    elif spoil is _no_commit:
        assert branch.kinds(ZEROS) == {"a": "added", "b": "added"}
