"""The tables of the registry's database, as the statements that create them.

The schema has a version and no migrations: a file with another version is refused.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x70737263
"""Marks the file as a promptsync registry, so that no other database is used by mistake."""

SCHEMA_VERSION: Final = 21
"""Saved in the file as ``PRAGMA user_version``."""

SCHEMA: Final = (
    # -- items with versions and labels --
    # One row. fixtures is the digest of the file whose content is in the database; 0 days are any number.
    """CREATE TABLE registry (
        workspace_id INTEGER NOT NULL,
        fixtures TEXT NOT NULL DEFAULT '',
        protected_labels TEXT NOT NULL DEFAULT '[]',
        models TEXT NOT NULL DEFAULT '[]',
        requests_kept INTEGER NOT NULL DEFAULT 100000, days_kept INTEGER NOT NULL DEFAULT 0)""",
    # Drawn at random, so that a cache keyed by workspace never mistakes one registry for another.
    """INSERT INTO registry (workspace_id) SELECT 1000000 + abs(random() % 2146483648)""",
    # A path has the names from the root, joined by slashes.
    """CREATE TABLE folders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        parent_id INTEGER REFERENCES folders (id),
        name TEXT NOT NULL,
        path TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL)""",
    # The kinds are in prompts/items.py. Clients know some of them by a uid instead of the id.
    # Rows are never deleted, so ids need no AUTOINCREMENT, which would use one up for each update.
    """CREATE TABLE items (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL, name TEXT NOT NULL, uid TEXT,
        tags TEXT NOT NULL,
        folder_id INTEGER REFERENCES folders (id),
        latest INTEGER NOT NULL DEFAULT 0,
        deleted INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
        UNIQUE (kind, name),
        UNIQUE (kind, uid))""",
    """CREATE INDEX items_by_creation ON items (kind, deleted, created_at, id)""",
    # The type is that of a prompt template: chat or completion.
    """CREATE TABLE versions (
        id INTEGER PRIMARY KEY,
        item_id INTEGER NOT NULL REFERENCES items (id),
        number INTEGER NOT NULL,
        body TEXT NOT NULL, type TEXT, message TEXT,
        created_at TEXT NOT NULL,
        UNIQUE (item_id, number))""",
    """CREATE TABLE labels (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        item_id INTEGER NOT NULL REFERENCES items (id),
        name TEXT NOT NULL,
        version_id INTEGER NOT NULL REFERENCES versions (id),
        created_at TEXT NOT NULL,
        UNIQUE (item_id, name))""",
    """CREATE INDEX labels_by_name ON labels (name)""",
    """CREATE TABLE snippet_uses (
        version_id INTEGER NOT NULL REFERENCES versions (id),
        name TEXT NOT NULL, number INTEGER, label TEXT)""",
    """CREATE INDEX snippet_uses_by_name ON snippet_uses (name)""",
    # -- logged requests --
    """CREATE TABLE request_groups (id INTEGER PRIMARY KEY AUTOINCREMENT, created_at TEXT NOT NULL)""",
    # Columns are called as in a response. The texts come last, because most searches do not read them. They
    # are in lower case, and UTF-8, because the functions of SQLite end a text at a NUL.
    """CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        version_id INTEGER REFERENCES versions (id),
        group_id INTEGER REFERENCES request_groups (id),
        span_id TEXT,
        provider_type TEXT, engine TEXT,
        status TEXT NOT NULL, error_type TEXT, error_message TEXT,
        input_tokens INTEGER, output_tokens INTEGER, price NUMERIC,
        request_start_time TEXT, request_end_time TEXT, latency_ms NUMERIC,
        output_kind TEXT NOT NULL,
        tags TEXT NOT NULL, metadata TEXT NOT NULL, scores TEXT NOT NULL DEFAULT '{}',
        prompt_input_variables TEXT NOT NULL DEFAULT '{}',
        created_at TEXT NOT NULL,
        input BLOB NOT NULL, output BLOB NOT NULL, blueprint TEXT NOT NULL)""",
    """CREATE INDEX requests_by_span ON requests (span_id)""",
    """CREATE INDEX requests_by_creation ON requests (created_at)""",
    # The values in tags, metadata, output and input variables, each with its path.
    """CREATE TABLE request_values (
        request_id INTEGER NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
        field TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (request_id, field, key, value)) WITHOUT ROWID""",
    # The rowid is the request's id. Words are indexed as Python splits them: the tokenizer splits at spaces.
    """CREATE VIRTUAL TABLE request_words USING fts5 (
        words, detail = none, columnsize = 0, tokenize = "ascii tokenchars '_'")""",
    # -- spans --
    # log_span_id is the span_id of the span's request: its own, or that of another span.
    """CREATE TABLE spans (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        body TEXT NOT NULL,
        trace_id TEXT AS (json_extract(body, '$.trace_id')),
        span_id TEXT AS (json_extract(body, '$.span_id')),
        log_span_id TEXT AS (
            ifnull(json_extract(body, '$.attributes."promptlayer.request_log.span_id"'), span_id)),
        UNIQUE (trace_id, span_id))""",
    """CREATE INDEX spans_by_request ON spans (log_span_id)""",
    # A request goes with its words and with the traces that it belongs to.
    """CREATE TRIGGER requests_deleted AFTER DELETE ON requests BEGIN
        DELETE FROM request_words WHERE rowid = old.id;
        DELETE FROM spans WHERE trace_id IN (SELECT trace_id FROM spans WHERE log_span_id = old.span_id);
        END""",
    # -- Tables --
    # The id is for the API, the number for the order. What belongs to a table or a sheet is deleted with it.
    """CREATE TABLE smart_tables (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        folder_id INTEGER REFERENCES folders (id),
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL)""",
    # version_count goes up with each change of the sheet's data, layout or scorecard, and of its results.
    # The sheets of runs and calculations are in no table. A calculation has a source, whose rows its columns
    # read; the version of the source and the scorecard are those when the calculation started.
    """CREATE TABLE sheets (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        table_id TEXT REFERENCES smart_tables (id) ON DELETE CASCADE,
        title TEXT NOT NULL,
        row_count INTEGER NOT NULL DEFAULT 0, version_count INTEGER NOT NULL DEFAULT 1,
        scorecard TEXT,
        source_id TEXT REFERENCES sheets (id) ON DELETE CASCADE,
        source_version INTEGER,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL)""",
    """CREATE INDEX sheets_by_table ON sheets (table_id, number)""",
    """CREATE INDEX sheets_by_source ON sheets (source_id)""",
    """CREATE TABLE columns (
        id TEXT PRIMARY KEY,
        sheet_id TEXT NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
        title TEXT NOT NULL, type TEXT NOT NULL, config TEXT NOT NULL, dependencies TEXT NOT NULL,
        position_rank INTEGER NOT NULL,
        is_output_column INTEGER NOT NULL DEFAULT 0)""",
    """CREATE INDEX columns_by_sheet ON columns (sheet_id, position_rank)""",
    # Every row of a sheet has a cell in every column.
    """CREATE TABLE cells (
        id TEXT PRIMARY KEY,
        sheet_id TEXT NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
        column_id TEXT NOT NULL REFERENCES columns (id) ON DELETE CASCADE,
        row_index INTEGER NOT NULL,
        status TEXT NOT NULL,
        value TEXT NOT NULL DEFAULT 'null', error TEXT,
        last_computed_version INTEGER, model TEXT,
        operation_id TEXT,
        updated_at TEXT NOT NULL,
        UNIQUE (sheet_id, row_index, column_id))""",
    """CREATE INDEX cells_by_operation ON cells (operation_id, status)""",
    # It is under way while cells of it are queued.
    """CREATE TABLE table_operations (
        id TEXT PRIMARY KEY,
        sheet_id TEXT NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
        cell_count INTEGER NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0)""",
    """CREATE INDEX cells_by_column ON cells (column_id, status, row_index)""",
    # -- evaluations and runs --
    # An evaluation, a run of it, or a run of an agent: see kind. The first two share their ids in the API.
    # The version is that of the prompt or agent. The channel is for the results of an agent; all_outputs is
    # whether to send those of all nodes.
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        parent_id INTEGER REFERENCES runs (id),
        version_id INTEGER REFERENCES versions (id),
        dataset_id INTEGER REFERENCES versions (id),
        spec TEXT NOT NULL DEFAULT '[]',
        sheet_id TEXT REFERENCES sheets (id),
        channel TEXT,
        all_outputs INTEGER NOT NULL DEFAULT 0,
        deleted INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL)""",
    """CREATE UNIQUE INDEX evaluations_by_name ON runs (name) WHERE kind = 'evaluation'""",
    # -- skills --
    """CREATE TABLE skill_files (
        version_id INTEGER NOT NULL REFERENCES versions (id),
        path TEXT NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (version_id, path)) WITHOUT ROWID""",
)
