"""A check of some files finds what a check of all finds in them, although it does not read all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import examples

from promptsync.files.config import load
from promptsync.files.worktree import scan
from promptsync.inspect import lint
from promptsync.prompt.prompt import Problem

NAMES = ["a", "A", "b", "c", "d"]
TEXTS = [
    "content: plain\n",
    "messages: [{role: user, content: hi}]\n",
    "content: [\n",
    "content: x\nextra: 3\n",
    "contents: '@@@b@@@'\n",
    *(f"content: '@@@{name}@@@'\n" for name in NAMES),
    'content: "\\x40@@b@@@"\n',
    "content: '@@@b@version_number:2@@@'\n",
    "content: '@@@c@version_number:1@@@ {x}'\n",
]
HEADS = ["", *(f"name: {name}\n" for name in NAMES), 'name: "\\x61"\n', "name: ａ\n", "name: 12\n"]

trees = st.dictionaries(
    st.sampled_from([f"{name}.yaml" for name in "abcdefg"] + ["sub/a.yaml", "A.yaml"]),
    st.tuples(st.sampled_from(HEADS), st.sampled_from(TEXTS)).map("".join),
    min_size=1,
)


def found(root: Path, chosen: list[Path]) -> list[Problem]:
    return list(lint.check_files(root, chosen).problems)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    for path, text in files.items():
        (root / "prompts" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "prompts" / path).write_text(text, "utf-8")
    return root


@given(trees, st.data())
@settings(max_examples=examples(150), deadline=None)
def test_what_is_not_read_makes_no_difference(files: dict[str, str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(sorted(files)), min_size=1, unique=True))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = tree(Path(folder).resolve(), files)
        paths = [root / "prompts" / path for path in chosen]
        some = found(root, paths)
        patch.setattr(lint, "names_beside", lambda *_: {})
        assert some == found(root, paths)


def test_files_that_nobody_refers_to_are_not_read(tmp_path: Path) -> None:
    root = tree(
        tmp_path.resolve(),
        {
            "chosen.yaml": "content: '@@@used@@@'\n",
            "used.yaml": "content: x\n",
            "user.yaml": "content: '@@@chosen@@@'\n",
            "other.yaml": "name: lone\ncontent: x\n",
            "sub/broken.yaml": "content: [\n",
        },
    )
    config = load(root / "promptsync.yaml")
    worktree = scan(root, "prompts", lint._needless(config, {root / "prompts/chosen.yaml"}))
    assert sorted(worktree.files) == ["chosen", "used", "user"]
    assert worktree.unread == {"prompts/other.yaml": "lone", "prompts/sub/broken.yaml": "sub/broken"}
    everything = scan(root, "prompts", lint._needless(config, {root / "prompts"}))
    assert everything == scan(root, "prompts")
