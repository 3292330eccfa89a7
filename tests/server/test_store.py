from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from registry_server import chat, flat

from promptsync.server.store import database
from promptsync.server.store.database import Store, StoreError
from promptsync.server.store.schema import APPLICATION_ID, SCHEMA_VERSION


def test_a_new_database_draws_a_workspace_that_it_keeps(tmp_path):
    path, empty = tmp_path / "deep" / "down" / "registry.db", tmp_path / "empty.db"
    empty.touch()
    Store(path).close()
    stores = [Store(path), Store(path), Store(empty)]
    ids = [store.workspace_id for store in stores]
    assert ids[0] == ids[1] != ids[2]
    for store in stores:
        with store.read() as db:
            names = ("application_id", "user_version", "journal_mode", "foreign_keys")
            marks = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
        assert marks == [APPLICATION_ID, SCHEMA_VERSION, "wal", 1]
        store.close()


WHOLE, CUT = "a registry", "half a registry"


@pytest.mark.parametrize(
    ("content", "statement", "says", "hint"),
    [
        (b"prompts: prompts\n" * 100, "", "file is not a database", "a file of its own"),
        (b"SQLite format 3\0" + b"\xff" * 2000, "", "file is not a database", "Restore the file"),
        (b"", "CREATE TABLE theirs (x)", "belongs to another program", "a file of its own"),
        (WHOLE, "PRAGMA user_version = 8", "was made by another version", "with that version first\nrm -f "),
        (CUT, "", "malformed", "Restore the file from a backup"),
    ],
)
def test_a_file_that_is_no_registry_of_this_version_is_refused_and_left_alone(
    tmp_path, content, statement, says, hint
):
    path = tmp_path / "registry.db"
    if content in (WHOLE, CUT):
        Store(path).close()
        content = path.read_bytes()[: 6000 if content == CUT else None]
    path.write_bytes(content)
    if statement:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(statement)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"registry\.db: .*{says}") as caught:
        Store(path)
    assert (hint in caught.value.hint, caught.value.exit_code) == (True, 4)
    assert path.read_bytes() == before


def test_an_sqlite_without_full_text_search_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "SCHEMA", ("CREATE VIRTUAL TABLE words USING fts5_missing (words)",))
    with pytest.raises(StoreError, match="no such module: fts5") as caught:
        Store(tmp_path / "registry.db")
    assert "whose SQLite has FTS5" in caught.value.hint


def test_a_directory_or_an_unreachable_path_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "registry.db"):
        with pytest.raises(StoreError, match="Cannot open"):
            Store(path)


def test_a_read_only_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "registry.db"
    Store(path).close()
    path.chmod(stat.S_IRUSR)
    if os.geteuid() == 0:  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreError, match="read-only"):
        Store(path)


def test_a_full_disk_refuses_a_publish_and_loses_nothing(call, publish, app):
    publish("a", chat("small"))
    with app.store.read() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
    for name in ("a", "b"):
        answer = call("POST", "/rest/prompt-templates", flat(name, chat("x" * 100_000)))
        assert (answer.status, "disk is full" in answer.body["message"]) == (503, True)
    assert call("GET", "/prompt-templates").body["total"] == 1
    assert call("GET", "/prompt-templates/a").body["version"] == 1


def test_a_writer_that_waits_too_long_fails_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    with contextlib.closing(Store(tmp_path / "registry.db")) as store:
        with store.write(), pytest.raises(sqlite3.OperationalError, match="locked"), store.write():
            pass
        with store.write():
            pass


def test_a_closed_store_says_so_and_closes_what_is_returned(tmp_path):
    store = Store(tmp_path / "registry.db")
    with store.read() as db:
        store.close()
        db.execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError):
        db.execute("SELECT 1")
    with pytest.raises(StoreError, match="is closed"), store.read():
        pass


def test_many_threads_may_create_one_database_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store(tmp_path / "registry.db"), range(8)))
    assert len({store.workspace_id for store in stores}) == 1
    for store in stores:
        store.close()
