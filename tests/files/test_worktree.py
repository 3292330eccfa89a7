from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptsync.errors import UsageError
from promptsync.files.prompt_file import Worktree, load_paths, paths_for_new, scan
from promptsync.files.yaml.load import InvalidFile
from promptsync.prompt.prompt import Problem

PROMPT = "content: x\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return root


def rules(worktree: Worktree) -> list[tuple[str, str]]:
    return [(problem.path, problem.rule) for problem in worktree.problems]


def test_files_are_found_by_the_names_of_their_prompts(tmp_path: Path) -> None:
    assert scan(tmp_path, "prompts") == Worktree(tmp_path, "prompts")
    found = ("a.yaml", "deep/er/b.yml", "%2E%2E.yaml")
    skipped = (".hidden.yaml", ".git/x.yaml", "#a.yaml#", "a.yaml~", "README.md", "../other/d.yaml")
    tree(
        tmp_path, {f"prompts/{path}": PROMPT for path in found} | {f"prompts/{path}": "{" for path in skipped}
    )
    tree(tmp_path, {"prompts/c.yaml": "name: another/name\ncontent: x\n", "draft.yaml": PROMPT})
    worktree = scan(tmp_path, "prompts")
    assert {name: file.path for name, file in worktree.files.items()} == {
        "..": "prompts/%2E%2E.yaml",
        "a": "prompts/a.yaml",
        "another/name": "prompts/c.yaml",
        "deep/er/b": "prompts/deep/er/b.yml",
    }
    assert worktree.problems == ()
    # Given files alone are read, wherever they are.
    given = [tmp_path / path for path in ("prompts/a.yaml", "prompts/deep", "draft.yaml", "gone.yaml")]
    worktree = load_paths(tmp_path, "prompts", given)
    assert sorted(worktree.files) == ["a", "deep/er/b", "draft"]
    assert rules(worktree) == [("gone.yaml", "file-unreadable")]


def test_what_is_wrong_with_one_file_stops_no_other(tmp_path: Path) -> None:
    files = {"a": PROMPT, "b": "{", "c": "content: 1\n", "z": "# copy\nname: a\ncontent: x\n"}
    tree(tmp_path, {f"prompts/{name}.yaml": text for name, text in files.items()})
    tree(tmp_path, {"prompts/d.YAML": PROMPT, "prompts/e.yaml": "x" * 6_000_000})
    found = scan(tmp_path, "prompts")
    assert [*found.files] == ["a"]
    assert rules(found) == [
        ("prompts/b.yaml", "yaml-syntax"),
        ("prompts/c.yaml", "wrong-type"),
        ("prompts/d.YAML", "file-refused"),
        ("prompts/e.yaml", "file-size"),
        ("prompts/z.yaml", "name-duplicate"),
    ]
    assert found.problems[-1].line == 2 and "prompts/a.yaml also contains" in found.problems[-1].message
    assert found.paths == tuple(f"prompts/{name}.yaml" for name in "abcez")


def test_paths_that_some_systems_take_for_one_are_a_problem(tmp_path: Path) -> None:
    tree(tmp_path, {"prompts/A.yaml": PROMPT, "prompts/a.yaml": PROMPT})
    if len(list((tmp_path / "prompts").iterdir())) == 1:
        pytest.skip("this file system does not tell cases apart")
    assert rules(scan(tmp_path, "prompts")) == [("prompts/a.yaml", "path-twin")]


def test_links_and_what_is_no_regular_file_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, {"prompts/real/a.yaml": PROMPT, "notes.txt": "x"})
    prompts = tmp_path / "prompts"
    links = {"inside.yaml": "real/a.yaml", "folder": "real", "gone.yaml": "nowhere", "gone": "nowhere"}
    for name, target in links.items():
        (prompts / name).symlink_to(target)
    (prompts / "notes.txt").symlink_to("../notes.txt")
    (prompts / "real" / "loop").symlink_to("..")
    os.mkfifo(prompts / "pipe.yaml")
    found = scan(tmp_path, "prompts")
    assert sorted(found.files) == ["real/a"]
    refused = (*links, "real/loop", "pipe.yaml")
    assert set(rules(found)) == {(f"prompts/{name}", "file-refused") for name in refused}


def test_a_prompts_directory_behind_a_link_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, {"real/below/a.yaml": PROMPT, "root/x.yaml": PROMPT})
    for root, hint in (
        (tmp_path, "set prompts in promptsync.yaml to real/below"),
        (tmp_path / "root", f"replace the link with a directory: prompts must be below {tmp_path / 'root'}"),
    ):
        (root / "link").symlink_to(tmp_path / "real")
        with pytest.raises(UsageError, match="is a symbolic link") as caught:
            scan(root, "link/below")
        assert caught.value.hint == hint


def test_a_name_that_is_not_utf8_is_a_problem_that_can_be_printed(tmp_path: Path) -> None:
    tree(tmp_path, {"prompts/a.yaml": PROMPT})
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/prompts/caf\xe9.yaml")).write_text(PROMPT)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    found = scan(tmp_path, "prompts")
    assert rules(found) == [("prompts/caf\\xe9.yaml", "file-refused")]
    found.problems[0].path.encode()


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    tree(tmp_path, {"prompts/a.yaml": PROMPT})
    (tmp_path / "prompts/a.yaml").chmod(0)
    assert rules(scan(tmp_path, "prompts")) == [("prompts/a.yaml", "file-unreadable")]


def test_a_new_prompt_gets_a_path_of_its_own(tmp_path: Path) -> None:
    tree(tmp_path, {"prompts/refund.yaml": PROMPT, "prompts/broken.yaml": "{"})
    found = scan(tmp_path, "prompts")
    chosen = paths_for_new(found, ["support/refund", "Refund", "broken", "Twin", "twin", "../up"])
    assert chosen["support/refund"] == "prompts/support/refund.yaml"
    assert (chosen["../up"], chosen["Twin"]) == ("prompts/%2E%2E/up.yaml", "prompts/Twin.yaml")
    for name in ("Refund", "broken", "twin"):
        assert chosen[name].startswith(f"prompts/{name}~")


def test_the_hint_of_many_problems_is_not_that_of_the_first() -> None:
    problems = [Problem(f"{name}.yaml", 1, 1, "rule", "wrong.", hint=f"Fix {name}.") for name in "ab"]
    both, alone = InvalidFile(problems), InvalidFile(problems[:1])
    assert (both.hint, alone.hint, alone.details) == ("fix each of the lines listed above", "Fix a.", ())
    assert both.details == ("a.yaml:1:1: wrong. Fix a.", "b.yaml:1:1: wrong. Fix b.")
