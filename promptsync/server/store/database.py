"""The registry's database: one SQLite file that threads and processes share."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptsync.errors import Refused, RemoteError
from promptsync.server.store.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION

Database = sqlite3.Connection
Row = sqlite3.Row

BUSY_SECONDS = 30.0
"""How long a transaction waits for another process before it fails."""

MAX_INTEGER = 2**63 - 1
"""The largest integer that SQLite stores."""

# As seconds, this is in the year 5138; as milliseconds, in 1973.
_MILLISECONDS = 1e11


class StoreError(RemoteError):
    """The database file cannot be used; the message names the file and the reason."""

    code = "registry"


def decoded(text: str | bytes) -> Any:
    """Return the value of a JSON column. Raises ``sqlite3.DatabaseError`` for one that is damaged."""
    try:
        # json.loads() would look for the encoding of bytes first.
        return json.loads(text if isinstance(text, str) else text.decode())
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a value is not JSON ({error})") from None


def encoded(value: Any) -> str:
    """Return ``value`` as the text of a JSON column."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def storable(text: str) -> str:
    """Return a text as SQLite stores it, which is without the half characters of some models' answers."""
    return text.encode(errors="replace").decode()


def insert(db: Database, table: str, **values: Any) -> int:
    """Insert a row whose columns are the keywords, and return its id."""
    columns = ", ".join(f'"{column}"' for column in values)
    marks = ", ".join(f":{column}" for column in values)
    return int(db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values).lastrowid or 0)


def now() -> str:
    """Return the current time as a timestamp."""
    return parse_time(time.time())


def parse_time(value: str | float) -> str:
    """Return ISO text, or seconds since 1970, as the registry writes times; raises ``ValueError`` for others.

    That is ISO 8601 in UTC, all of one width, so that they sort as text. A number that would lie thousands of
    years ahead counts milliseconds, as JavaScript does.
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
        else:
            moment = datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(str(error)) from error
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


# A query that names a column "tags [json]" or "is_deleted [flag]" gets a Python value, ready for a response.
sqlite3.register_converter("json", decoded)
sqlite3.register_converter("flag", lambda value: value != b"0")


class Store:
    """An open registry database. Safe to use from many threads; other processes may open it too.

    Raises ``StoreError`` if the file cannot be opened, is not a registry, or was made by another version.
    ``workspace_id`` is drawn at random when the database is created.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._writing = threading.Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        _check_link(self.path)
        connection = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_file() and not os.access(self.path, os.W_OK):
                raise OSError("the file is read-only")
            connection = self._connect()
            _prepare(connection, self.path)
            row = connection.execute("SELECT workspace_id FROM registry").fetchone()
            if row is None:
                raise sqlite3.DatabaseError("it has no workspace id")
        # Damage may turn up in SQLite's messages.
        except (OSError, sqlite3.Error, UnicodeError, StoreError) as error:
            if connection is not None:
                connection.close()
            hint = error.hint if isinstance(error, StoreError) else _hint(error)
            raise StoreError(f"Cannot open the registry {self.path}: {error}", hint=hint) from error
        self.workspace_id: int = row["workspace_id"]
        self._idle.append(connection)

    def read(self) -> AbstractContextManager[Database]:
        """Yield a connection that sees one consistent state of the database."""
        return self._transaction("BEGIN")

    @contextmanager
    def write(self) -> Iterator[Database]:
        """Yield the only connection that can write now; commit at the end, roll back on an exception."""
        # Left to SQLite, threads of this process would sleep between attempts, longer than a write takes.
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise sqlite3.OperationalError("database is locked")
        try:
            with self._transaction("BEGIN IMMEDIATE") as connection:
                yield connection
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close every connection; those in use are closed when they are returned."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise StoreError(f"The registry {self.path} is closed.")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.execute(begin)
            with connection:
                yield connection
        finally:
            self._idle.append(connection)
            if self._closed:
                self.close()

    def _connect(self) -> sqlite3.Connection:
        # A connection is used by one thread at a time, but not always by the one that opened it.
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            detect_types=sqlite3.PARSE_COLNAMES,
        )
        connection.row_factory = sqlite3.Row
        connection.create_function("casefold", 1, str.casefold, deterministic=True)
        # SQLite checks foreign keys only in connections that turn this on.
        connection.execute("PRAGMA foreign_keys = ON")
        # A power cut may then lose the last commits, but with the write-ahead log it damages nothing.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def _check_link(path: Path) -> None:
    """Raise ``Refused`` if the database, or a file that SQLite keeps beside it, is a symbolic link."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        link = f"{path}{suffix}"
        # Not is_symlink(), which raises an error for a path that no file can have.
        if os.path.islink(link):  # noqa: PTH114
            raise Refused(
                f"{link} is a symbolic link, and a registry is never written through one",
                hint=f"rm {shlex.quote(link)}",
                code="private-link",
            )


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the database is a registry of this version; create the tables of a new one."""
    is_new = _is_new(connection, path)
    # With the write-ahead log, readers never wait for a writer. SQLite cannot switch to it while another
    # process opens the file, so then the next opening does.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    if not is_new:
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        # Another process may have created the tables while this one waited for the lock.
        if _is_new(connection, path):
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the database is empty. Raises ``StoreError`` for one that this version cannot use."""
    # In one statement, so that what another process creates is seen in full or not at all.
    version, owner, tables = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if not (owner or version or tables):
        return True
    if owner != APPLICATION_ID:
        raise StoreError(
            "this database belongs to another program.", hint="Give the registry a file of its own."
        )
    if version != SCHEMA_VERSION:
        quoted = shlex.quote(str(path))
        raise StoreError(
            f"it was made by another version of promptsync (schema {version}). "
            "Deleting it loses its versions, labels, logged requests and runs.",
            # A log that is left behind would be taken for that of the new file.
            hint="to keep its prompts, pull them with that version first\n"
            f"rm -f {quoted} {quoted}-wal {quoted}-shm",
        )
    return False


def _hint(error: Exception) -> str:
    if "no such module: fts5" in str(error):
        return "Use a Python whose SQLite has FTS5, such as those of python.org."
    if type(error) is sqlite3.DatabaseError:  # its subclasses are no damage
        return "Restore the file from a backup, or give the registry a file of its own."
    return "Check that the path is a writable file on a local disk."
