from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from strategies import names

from promptsync.prompt.names import MAX_PATH, MAX_SEGMENT, folded, name_for, path_for


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("support/refund", "support/refund.yaml"),
        ("x.yaml", "x.yaml.yaml"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd.yaml"),
        ("/etc/passwd", "%2Fetc/passwd.yaml"),
        ("a//b", "a%2F%2Fb.yaml"),
        ("Example: page", "Example%3A page.yaml"),
        ("a\\b", "a%5Cb.yaml"),
        ("con", "%63on.yaml"),
        ("LPT1.txt/x", "%4CPT1.txt/x.yaml"),
        ("concert", "concert.yaml"),
        ("ends in a dot.", "ends in a dot%2E.yaml"),
        ("line\nbreak\x1b", "line%0Abreak%1B.yaml"),
        ("\u202egnp", "%E2%80%AEgnp.yaml"),
        ("a.yaml/b", "a%2Eyaml/b.yaml"),
        ("\ud800", "%ED%A0%80.yaml"),
        ("a~/b~", "a%7E/b~.yaml"),
    ],
)
def test_a_name_has_a_readable_path_that_converts_back(name: str, path: str) -> None:
    assert path_for(name) == path
    assert name_for(path) == name


def test_the_path_of_a_file_that_a_user_named_is_its_name() -> None:
    paths = ["a/b.yml", "50% off.yaml", "a%2Fb.yaml", "notes.txt", "%2E%2E.yml"]
    assert [name_for(path) for path in paths] == ["a/b", "50% off", "a%2Fb", "notes.txt", ".."]


@pytest.mark.parametrize(
    "name", ["e" * 512, "é" * 512, "%" * 512, "a/" * 255 + "b", "x" * 300 + "/y", "ab/" + "é" * 300]
)
def test_a_long_name_is_shortened_and_stays_unique(name: str) -> None:
    path = path_for(name)
    assert len(path.encode()) <= MAX_PATH + 5
    assert all(len(part.encode()) <= MAX_SEGMENT + 5 for part in path.split("/"))
    assert path != path_for(name[:-1] + "z")


TAKEN = {"Refund": "refund", "e\u0301": "é", "STRASSE": "straße", "a/B": "A/b", "a": "a"}


@pytest.mark.parametrize(("name", "taken"), TAKEN.items())
def test_a_path_that_is_taken_is_avoided(name: str, taken: str) -> None:
    path = path_for(name, [f"{taken}.yaml"])
    assert folded(path) != folded(f"{taken}.yaml")
    assert path == path_for(name, [f"{taken}.yaml"])
    assert path.startswith(name)


@given(names())
def test_no_path_leaves_the_directory(name: str) -> None:
    path = path_for(name)
    assert not path.startswith(("/", "."))
    for part in PurePosixPath(path).parts + PureWindowsPath(path).parts:
        assert part not in ("..", ".", "/", "\\")
        assert not part.startswith(".")
        assert part.isprintable() or "\u200d" in part or not part.isascii()
        assert not set(part) & set('<>:"|?*\\')
    assert not PureWindowsPath(path).drive
    assert path.endswith(".yaml")
    assert name_for(path) == name or "~" in path  # what is too long is shortened


@given(names(), names())
def test_two_names_never_share_a_path(one: str, other: str) -> None:
    assert (path_for(one) == path_for(other)) is (one == other)
