"""What differs between two states of real git repositories."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from gitcopy import Copy, Files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeds import examples

from promptsync.errors import PromptsyncError
from promptsync.files.yaml.load import InvalidFile

A = "prompts/a.yaml"
B = "prompts/b.yaml"
C = "prompts/c.yaml"


def text(content: str = "Hello", name: str = "", more: str = "") -> str:
    return (f"name: {name}\n" if name else "") + f"content: {content}\n{more}"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy.made(tmp_path)


CONTENT: list[tuple[str, Files, Files, dict[str, str]]] = [
    ("the second suffix", {A: text()}, {A: text(), "prompts/b.yml": text("Bye")}, {"b": "added"}),
    ("quotes", {A: text()}, {A: text("'Hello'")}, {}),
    ("a block", {A: "content: |\n  Hello\n"}, {A: 'content: "Hello\\n"\n'}, {}),
    ("the order of keys", {A: text(more="tags: [x]\n")}, {A: "tags: [x]\n" + text()}, {}),
    ("line ends", {A: text()}, {A: text().replace("\n", "\r\n")}, {}),
    ("a default spelled out", {A: text()}, {A: text(more="template_format: f-string\n")}, {}),
    ("the format", {A: text()}, {A: text(more="template_format: jinja2\n")}, {"a": "changed"}),
    ("a model", {A: text()}, {A: text(more="model: {provider: openai, name: gpt-4o}\n")}, {"a": "changed"}),
    ("tags", {A: text(more="tags: [x]\n")}, {A: text(more="tags: [x, y]\n")}, {"a": "changed"}),
    ("the order of tags", {A: text(more="tags: [x, y]\n")}, {A: text(more="tags: [y, x]\n")}, {}),
    ("evaluations", {A: text()}, {A: text(more="evaluations: [quality]\n")}, {}),
    ("agents", {A: text()}, {A: text(more="agents: [helper]\n")}, {}),
    ("examples", {A: text()}, {A: text(more="examples: [{x: y}]\n")}, {}),
    ("synced", {A: text(more="synced: 1-0a1b2c3\n")}, {A: text(more="synced: 2-3fa9c1a\n")}, {}),
    ("the suffix", {A: text()}, {"prompts/a.yml": text()}, {}),
    ("a name in quotes", {A: '"name": n\ncontent: Hello\n'}, {A: '# x\n"name": n\ncontent: Hello\n'}, {}),
    ("what could not be read", {A: "content: [\n"}, {A: text()}, {"a": "changed"}),
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
    ("two equal files of one name", {A: text("One", "n"), B: text("One", "n")}, {A: text("One", "n")}, {}),
    (
        "files that are not read",
        {A: text()},
        {A: text(), "prompts/.x/b.yaml": "x", "prompts/#c.yaml": "x"},
        {},
    ),
    ("drafts that became prompts", {"prompts/.x/b.yaml": text()}, {B: text()}, {"b": "added"}),
    ("other files", {A: text(), "prompts/README.md": "x"}, {A: text(), "prompts/README.md": "y"}, {}),
    (
        "odd names",
        {"prompts/ä 'x\".yaml": text()},
        {"prompts/ä 'x\".yaml": text("Bye")},
        {"ä 'x\"": "changed"},
    ),
]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [row[1:] for row in CONTENT], ids=[row[0] for row in CONTENT]
)
def test_a_prompt_changed_when_its_content_did(
    copy: Copy, before: Files, after: Files, expected: dict[str, str]
) -> None:
    copy.become(before)
    start = copy.commit()
    copy.become(after)
    assert copy.kinds(start) == expected


LEAF = text("Be kind", "leaf")
OTHER = text("Be brief", "leaf")

SNIPPETS: list[tuple[str, Files, Files, dict[str, str]]] = [
    ("a parent", {B: text('"@@@leaf@@@"', "b")}, {A: OTHER}, {"leaf": "changed", "b": "dependant leaf"}),
    (
        "any depth",
        {B: text('"@@@leaf@@@"', "b"), C: text('"x @@@b@@@"', "c"), "prompts/d.yaml": text('"@@@c@@@"', "d")},
        {A: OTHER},
        {"leaf": "changed", "b": "dependant leaf", "c": "dependant b > leaf", "d": "dependant c > b > leaf"},
    ),
    ("a version", {B: text('"@@@leaf@version_number:3@@@"', "b")}, {A: OTHER}, {"leaf": "changed"}),
    (
        "a version of a snippet that uses the latest of another",
        {B: text('"@@@leaf@@@"', "b"), C: text('"@@@b@version_number:1@@@"', "c")},
        {A: OTHER},
        {"leaf": "changed", "b": "dependant leaf", "c": "dependant b > leaf"},
    ),
    (
        "the latest of a snippet that uses a version of another",
        {B: text('"@@@leaf@version_number:1@@@"', "b"), C: text('"@@@b@@@"', "c")},
        {A: OTHER},
        {"leaf": "changed"},
    ),
    (
        "a label",
        {B: text('"@@@leaf@label:prod@@@"', "b")},
        {A: OTHER},
        {"leaf": "changed", "b": "dependant leaf"},
    ),
    (
        "a version and the latest",
        {B: text('"@@@leaf@version_number:1@@@ @@@leaf@@@"', "b")},
        {A: OTHER},
        {"leaf": "changed", "b": "dependant leaf"},
    ),
    (
        "the shortest way",
        {B: text('"@@@leaf@@@"', "b"), C: text('"@@@b@@@ @@@leaf@@@"', "c")},
        {A: OTHER},
        {"leaf": "changed", "b": "dependant leaf", "c": "dependant leaf"},
    ),
    (
        "a snippet that went away",
        {B: text('"@@@leaf@@@"', "b")},
        {A: ""},
        {"leaf": "deleted", "b": "dependant leaf"},
    ),
    (
        "a circle",
        {B: text('"@@@c@@@ @@@leaf@@@"', "b"), C: text('"@@@b@@@"', "c")},
        {A: OTHER},
        {"leaf": "changed", "b": "dependant leaf", "c": "dependant b > leaf"},
    ),
    ("itself", {B: text('"@@@b@@@"', "b")}, {B: text('"More @@@b@@@"', "b")}, {"b": "changed"}),
    (
        "what nothing expands",
        {B: text(name="b", more='metadata: {x: "@@@leaf@@@"}\n')},
        {A: OTHER},
        {"leaf": "changed"},
    ),
    ("a snippet of others", {B: text('"@@@foreign@@@"', "b")}, {A: OTHER}, {"leaf": "changed"}),
    ("a comment in a snippet", {B: text('"@@@leaf@@@"', "b")}, {A: "# x\n" + LEAF}, {}),
]


@pytest.mark.parametrize(
    ("parents", "after", "expected"), [row[1:] for row in SNIPPETS], ids=[row[0] for row in SNIPPETS]
)
def test_a_changed_snippet_brings_those_that_use(
    copy: Copy, parents: Files, after: Files, expected: dict[str, str]
) -> None:
    copy.become({A: LEAF, **parents})
    copy.commit()
    copy.become({path: text for path, text in {A: LEAF, **parents, **after}.items() if text})
    assert copy.kinds() == expected


def test_what_is_committed_differs_no_more_and_the_set_says_where_files_are(copy: Copy) -> None:
    copy.become({A: LEAF, B: text('"@@@leaf@@@"'), C: text()})
    commit = copy.commit()
    copy.become({A: OTHER, B: text('"@@@leaf@@@"')})
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
    expected = {"a": "changed", "b": "changed", "ignored": "added", "new": "added"}
    assert copy.kinds() == copy.kinds(start) == expected


@pytest.mark.parametrize("flag", ["--skip-worktree", "--assume-unchanged"])
def test_a_file_that_git_was_told_not_to_look_at_is_refused(copy: Copy, flag: str) -> None:
    copy.become({A: text(), B: text("Two")})
    copy.commit()
    copy.git("update-index", flag, A)
    with pytest.raises(PromptsyncError, match=f"git ignores changes in {A}") as caught:
        copy.changed()
    command, *arguments = shlex.split(caught.value.hint)
    assert (command, caught.value.exit_code) == ("git", 3)
    copy.git(*arguments)
    copy.put({A: text("Bye")})
    assert copy.kinds() == {"a": "changed"}


def test_line_ends_that_git_converts_are_no_change(copy: Copy) -> None:
    copy.put({".gitattributes": "*.yaml text eol=crlf\n"})
    copy.become({A: "content: |\n  One\n  Two\n", B: text()})
    copy.commit()
    copy.git("rm", "-q", "-r", "--cached", "prompts")
    copy.git("reset", "-q", "--hard")
    assert b"\r\n" in (copy.root / A).read_bytes()
    assert copy.kinds() == {}
    copy.put({B: text("Bye").replace("\n", "\r\n")})
    assert copy.kinds() == {"b": "changed"}


SETTINGS = """
    diff.external=false diff.relative=true diff.noprefix=true diff.renames=copies diff.ignoreSubmodules=all
    color.ui=always core.quotePath=true core.abbrev=4 diff.orderFile=promptsync.yaml
    status.showUntrackedFiles=no log.showSignature=true
"""


def test_the_settings_of_a_user_change_nothing(copy: Copy) -> None:
    copy.become({A: text(), "prompts/ä.yaml": text("Two"), C: text(name="c")})
    copy.commit()
    for setting in SETTINGS.split():
        copy.git("config", *setting.split("=", 1))
    copy.put({"prompts/ä.yaml": text("Bye"), B: text("New"), "prompts/d.yaml": text(name="c")})
    (copy.root / C).unlink()
    assert copy.kinds() == {"ä": "changed", "b": "added"}


def test_files_that_git_knows_to_be_the_same_are_not_read_in_the_old_state(copy: Copy) -> None:
    copy.become({f"prompts/p{number}.yaml": text(f"Text {number}", f"p{number}") for number in range(20)})
    start = copy.commit()
    kept = copy.git("rev-parse", "HEAD:prompts/p7.yaml")
    for line in copy.git("ls-tree", "-r", "HEAD", "prompts").splitlines():
        blob = line.split()[2]
        if blob != kept:  # nobody can read what is not there
            (copy.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    copy.put({"prompts/p7.yaml": text("Bye", "p7")})
    assert copy.kinds(start) == {"p7": "changed"}


_STATE = st.dictionaries(
    st.sampled_from([A, B, C, "prompts/x/a.yaml", "prompts/x/d.yaml"]),
    st.tuples(st.sampled_from(["", "n", "m"]), st.sampled_from(["One", "Two", "@@@n@@@"]), st.booleans()),
    max_size=4,
)


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=_STATE, after=_STATE)
def test_any_two_states_differ_by_what_their_names_hold(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, tuple[str, str, bool]],
    after: dict[str, tuple[str, str, bool]],
) -> None:
    def held(state: dict[str, tuple[str, str, bool]]) -> dict[str, str]:
        return {name or path[8:-5]: content for path, (name, content, _) in state.items()}

    def written(state: dict[str, tuple[str, str, bool]]) -> Files:
        return {
            path: ("# x\n" if note else "") + text(f'"{content}"', name)
            for path, (name, content, note) in state.items()
        }

    if len(held(after)) < len(after) or len(held(before)) < len(before):
        return
    copy = Copy.made(tmp_path_factory.mktemp("states"))
    copy.become(written(before))
    start = copy.commit()
    copy.become(written(after))
    old, new = held(before), held(after)
    found = copy.changed(start)
    own = {one.name for one in found.prompts if one.kind != "dependant" and one.kind != "deleted"}
    assert own == {name for name, content in new.items() if old.get(name) != content}
    gone = {one.name for one in found.prompts if one.kind == "deleted"}
    assert gone == old.keys() - new.keys()
    users = {name for name, content in new.items() if content == "@@@n@@@"}
    touched = {one.name for one in found.prompts if one.kind != "dependant"}
    assert {one.name for one in found.prompts if one.kind == "dependant"} == (
        (users - own) if "n" in touched else set()
    )
