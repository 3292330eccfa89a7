"""Skill collections: files with versions, sent as JSON or as an archive."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeds import examples
from stored import skills_of

from promptsync.server import skills
from promptsync.server.http import ApiError
from promptsync.server.skills import (
    MAX_ENTRIES,
    MAX_FILE,
    MAX_FILES,
    read_archive,
)

SKILLS = "/api/public/v2/skill-collections"
BINARY = b"\x89PNG\xff"


def archive(*entries: tuple[str | zipfile.ZipInfo, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for name, content in entries:
            # Without the time, so that the names of the tests are the same everywhere.
            entry = zipfile.ZipInfo(name) if isinstance(name, str) else name
            made.writestr(entry, content, method)
    return data.getvalue()


def form(parts: list[tuple[str, str | bytes]], boundary: str = "b0undary") -> dict[str, Any]:
    """The arguments of a call that sends a form; bytes are a file."""
    raw = b""
    for name, value in parts:
        file = isinstance(value, bytes)
        raw += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        raw += b'; filename="a.zip"\r\nContent-Type: application/zip' if file else b""
        raw += b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    raw += f"--{boundary}--\r\n".encode()
    return {"raw": raw, "content_type": f"multipart/form-data; boundary={boundary}"}


def files(*paths: str) -> list[dict[str, str]]:
    return [{"path": path, "content": path} for path in paths]


@pytest.fixture
def create(call):
    def created(name: str = "team", provider: str | None = None, **more: Any) -> dict[str, Any]:
        answer = call("POST", SKILLS, {"name": name, "provider": provider, **more})
        assert answer.status == 201, answer.body
        return answer.body

    return created


# -- versions -----------------------------------------------------------------------------------------------


def test_a_collection_is_found_by_id_name_and_root_path(call, create) -> None:
    made = create(files=[{"path": "a.md", "content": "ü"}, {"path": "empty"}], commit_message="first")
    about = made["skill_collection"]
    for identifier in (about["id"], "team", "%2Fteam"):
        answer = call("GET", f"{SKILLS}/{identifier}").body
        assert (answer["skill_collection"], answer["version"]) == (about, made["version"])
        assert answer["files"] == {"a.md": "ü", "empty": ""}


def test_a_provider_finds_the_files_in_its_own_folder(call, create) -> None:
    for number, (provider, stored, exported) in enumerate(
        (
            (None, "triage/SKILL.md", "triage/SKILL.md"),
            (None, ".claude/CLAUDE.md", ".claude/CLAUDE.md"),
            ("claude_code", "CLAUDE.md", ".claude/CLAUDE.md"),
            ("claude_code", "triage/SKILL.md", ".claude/skills/triage/SKILL.md"),
            ("claude_code", "skills/policy.md", ".claude/skills/policy.md"),
            ("openai", "AGENTS.md", ".agents/AGENTS.md"),
            ("openai", "triage/agents/openai.yaml", ".agents/skills/triage/agents/openai.yaml"),
            ("openclaw", "workspace/skills/a/SKILL.md", ".openclaw/workspace/skills/a/SKILL.md"),
        )
    ):
        made = create(str(number), provider=provider, files=files(stored))
        assert (made["version"]["provider"], made["version"]["file_paths"]) == (provider, [stored])
        assert list(call("GET", f"{SKILLS}/{number}").body["files"]) == [exported]
        # A path that was read can be sent.
        saved = call("POST", f"{SKILLS}/{number}/versions", {"deletes": [exported]})
        assert saved.body["version"]["file_paths"] == []


# -- archives -----------------------------------------------------------------------------------------------


def test_an_archive_can_be_sent_and_read_with_binary_files(call, create) -> None:
    sent = archive(("d/", ""), ("d/SKILL.md", "ü"), ("logo.png", BINARY))
    body = {"provider": "claude_code", "files": files("CLAUDE.md")}
    for name, key in (("zip", "metadata"), ("archive", "json"), ("files", "json")):
        answer = call("POST", SKILLS, **form([(key, json.dumps({**body, "name": name})), (name, sent)]))
        assert answer.status == 201, answer.body
        read = call("GET", f"{SKILLS}/{name}?format=zip")
        assert read.headers["Content-Type"] == "application/zip"
        assert call("GET", f"{SKILLS}/{name}?format=zip").raw == read.raw
        with zipfile.ZipFile(io.BytesIO(read.raw)) as pulled:
            assert {entry: pulled.read(entry) for entry in pulled.namelist()} == {
                ".claude/CLAUDE.md": b"CLAUDE.md",
                ".claude/logo.png": BINARY,
                ".claude/skills/d/SKILL.md": "ü".encode(),
            }
        shown = call("GET", f"{SKILLS}/{name}?format=json").body
        assert list(shown["files"]) == [".claude/CLAUDE.md", ".claude/skills/d/SKILL.md"]
        # What was read can be sent; the files that it does not have stay.
        again = form([("metadata", '{"deletes": []}'), ("zip", read.raw)])
        saved = call("POST", f"{SKILLS}/{name}/versions", **again).body["version"]["file_paths"]
        assert saved == shown["version"]["file_paths"] == ["CLAUDE.md", "d/SKILL.md", "logo.png"]


def link(name: str, kind: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o777) << 16
    return entry


def patched(data: bytes, changes: Callable[[int], dict[int, bytes]]) -> bytes:
    """Change bytes of an archive with one entry; ``changes`` get the place of the directory."""
    changed = bytearray(data)
    for at, new in changes(data.index(b"PK\x01\x02")).items():
        changed[at : at + len(new)] = new
    return bytes(changed)


ENCRYPTED = patched(archive(("a", "1")), lambda directory: {6: b"\x01", directory + 8: b"\x01"})
ONE_BYTE = struct.pack("<I", 1)
LYING = patched(
    archive(("a", b"\0" * (MAX_FILE + 1))), lambda directory: {22: ONE_BYTE, directory + 24: ONE_BYTE}
)
"""An entry that says that it is one byte long."""
FAR_AWAY = patched(archive(("a", "1")), lambda _: {-6: struct.pack("<I", 2**32 - 2)})
"""The directory is said to be at a place that no file has."""


def twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return archive(("a", "1"), ("a", "2"))


def test_an_archive_that_is_refused(app, call) -> None:
    for data, words in (
        (b"", "read as a ZIP file"),
        (b"PK\x03\x04", "read as a ZIP file"),
        (archive(("a", "1"))[:-30], "read as a ZIP file"),
        (FAR_AWAY, "read as a ZIP file"),
        (archive(("../a", "1")), "'../a' is not a valid path"),
        (archive(("/a", "1")), "'/a' is not a valid path"),
        *(
            (archive((path, "1")), "is not a valid path")
            for path in ("a/./b", "a//b", "a\\..\\b", "C:/a", "a\nb", "x" * 600)
        ),
        (archive((link("a", stat.S_IFLNK), "/etc/passwd")), "'a' in the archive is not a plain file"),
        (archive((link("a", stat.S_IFIFO), "")), "is not a plain file"),
        (ENCRYPTED, "is encrypted"),
        (archive(("a", "1"), method=zipfile.ZIP_LZMA), "is not a plain file"),
        (archive(("a", b"\0" * (MAX_FILE + 1))), "'a' is larger than 5,242,880 bytes"),
        (LYING, "read as a ZIP file"),
        (archive(*((str(at), b"\0" * MAX_FILE) for at in range(7))), "33,554,432 bytes in total"),
        (archive(*((str(at), "") for at in range(MAX_ENTRIES + 1))), "more than 1,000 entries"),
        (archive(*((str(at), "") for at in range(MAX_FILES + 1))), "at most 100 files"),
        (archive(("a", "1"), ("a/b", "1")), "'a' cannot be both a file and a folder"),
        (twice(), "'a' in the archive is not a plain file that is stored or deflated, or is there twice"),
    ):
        answer = call("POST", SKILLS, **form([("metadata", '{"name": "team"}'), ("zip", data)]))
        assert (answer.status, words in answer.body["message"]) == (400, True), answer.body
        assert skills_of(app) == [], words


@settings(max_examples=examples(300), deadline=None)
@given(at=st.integers(0, 400), by=st.binary(min_size=1, max_size=8), cut=st.integers(0, 40))
def test_no_damage_is_an_unexpected_error(at, by, cut) -> None:
    data = bytearray(archive(("a/b", "12345"), ("c", BINARY * 20)))
    data[at : at + len(by)] = by
    try:
        read_archive(bytes(data[: len(data) - cut]))
    except ApiError as error:
        assert error.status == 400


# -- what is refused ----------------------------------------------------------------------------------------

LARGE = [{"path": "a", "content": "x" * (MAX_FILE + 1)}]
NEW = {"name": "team"}


def test_a_request_that_is_refused_changes_nothing(app, call, create) -> None:
    create("taken", files=files("a", "b/c", "skills/b/c"))
    create("other")
    twice = {"provider": "openai", "files": files("a/b", ".agents/skills/a/b")}
    call.expect(
        ("POST", SKILLS, {"name": "/x"}, 400, "start with a slash"),
        ("POST", SKILLS, NEW | {"folder_id": 9}, 400, "no folder with the id 9"),
        ("POST", SKILLS, NEW | {"files": files("a", "a")}, 400, "'a' is sent twice"),
        ("POST", SKILLS, NEW | twice, 400, "sent twice"),
        ("POST", SKILLS, NEW | {"files": files("a\0")}, 400, "is not a valid path"),
        ("POST", SKILLS, NEW | {"files": LARGE}, 400, "'a' is larger than"),
        *(
            ("POST", f"{SKILLS}/taken/versions", body, 400, words)
            for body, words in (
                ({"moves": [{"old_path": "x", "new_path": "c"}]}, "no file 'x'"),
                ({"moves": [{"old_path": "a", "new_path": "a"}]}, "which exists"),
                ({"moves": [{"old_path": "a", "new_path": "../b"}]}, "a valid path"),
                ({"file_updates": files("a/b")}, "both a file and a folder"),
                ({"provider": "openai"}, "Two files would have the same path"),
            )
        ),
        ("PATCH", f"{SKILLS}/nobody", {"name": "x"}, 404, "'nobody'"),
        ("PATCH", f"{SKILLS}/taken", {"name": "other"}, 400, "'other' already"),
    )
    assert skills_of(app) == ["taken", "other"]
    assert call("GET", f"{SKILLS}/taken").body["version"]["number"] == 1


def test_the_files_of_several_versions_are_limited_together(monkeypatch, call, create) -> None:
    monkeypatch.setattr(skills, "MAX_TOTAL", 11)
    create(files=[{"path": "a", "content": "x" * 6}])
    more = {"file_updates": [{"path": "more", "content": "x" * 6}]}
    call.expect(("POST", f"{SKILLS}/team/versions", more, 400, "more than 11 bytes in total"))
    assert call("GET", f"{SKILLS}/team").body["version"]["number"] == 1


# -- forms --------------------------------------------------------------------------------------------------

NAME = ("metadata", '{"name": "team"}')


def test_a_form_that_is_refused(call) -> None:
    for sent, words in (
        (form([]), "name: required"),
        (form([("metadata", "{")]), "not valid JSON"),
        (form([NAME, ("json", "{}")]), "A form has at most one field"),
        (form([NAME, ("zip", b"x"), ("zip", b"x")]), "A form has at most one field"),
        (form([NAME, ("zip", "text")]), "A form has at most one field"),
        (form([NAME, ("other", b"x")]), "A form has at most one field"),
        (form([("metadata", b"{}")]), "A form has at most one field"),
        (form([NAME, *[("zip", b"x")] * 20]), "The form cannot be read"),
        ({"raw": b"x", "content_type": "multipart/form-data"}, "The form cannot be read"),
    ):
        answer = call("POST", SKILLS, **sent)
        status = 422 if words == "name: required" else 400
        assert (answer.status, words in answer.body["message"]) == (status, True), answer.body


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_form_is_a_server_error(call, data) -> None:
    keys = st.sampled_from(["metadata", "json", "zip", "files", 'x"', ""])
    values = st.binary(max_size=30) | st.text(max_size=20) | st.sampled_from(['{"name": 1}', '{"name": "n"}'])
    sent = form(data.draw(st.lists(st.tuples(keys, values), max_size=3)))
    raw, cut = sent["raw"], data.draw(st.integers(0, 30))
    sent["raw"] = raw[: len(raw) - cut] if data.draw(st.booleans()) else raw
    assert call("POST", SKILLS, **sent).status < 500
