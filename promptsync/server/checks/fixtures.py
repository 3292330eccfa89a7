"""``registry.yaml``: the agents, tools, protected labels and models of a registry.

The API cannot create them, or not as well as a file can. ``fixtures.schema.json`` describes the file. The
evaluation files beside it are the evaluations of the registry, each with its rows as a dataset. A changed
item gets a new version; an item that is no longer declared is marked as deleted.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from promptsync.errors import UsageError
from promptsync.files import schema
from promptsync.files.evaluation import FOLDER, load_evaluations
from promptsync.files.yaml import load
from promptsync.files.yaml.load import InvalidFile, text_of
from promptsync.prompt.evaluation import EvaluationFile
from promptsync.prompt.prompt import Problem
from promptsync.server.checks.evaluations import EVALUATION, runs_prompt
from promptsync.server.checks.models import model_problem
from promptsync.server.prompts import items
from promptsync.server.prompts.items import DATASET, PENDING, TOOL, WORKFLOW, protect
from promptsync.server.store.database import Database, Store, encoded, now
from promptsync.server.tables.store import PROMPT

Spec = dict[str, Any]
Place = tuple[str | int, ...]


class FixtureError(UsageError):
    """The fixtures file cannot be used; ``details`` lists everything that is wrong with it."""

    code = "fixtures"


class Declared(msgspec.Struct, frozen=True):
    """An item that the file declares, with the body of its version; of an evaluation, with its columns."""

    name: str
    body: Any
    labels: list[str] = []
    uid: str | None = None
    number: int | None = None


class Fixtures(msgspec.Struct, frozen=True):
    """What a fixtures file declares: items by kind, each protected label with all its keys, and models."""

    declared: dict[str, list[Declared]]
    protected_labels: list[Spec]
    models: list[Spec] = []


def load_fixtures(store: Store, path: str | Path) -> None:
    """Apply what the file at ``path`` declares, unless the database has done so already.

    Raises ``FixtureError`` if the file cannot be read or is invalid.
    """
    path = Path(path)
    with store.read() as db:
        known = db.execute("SELECT fixtures FROM registry").fetchone()["fixtures"]
    try:
        with path.open("rb") as file:
            data = load.read(file, path.name)
        digest = hashlib.sha256(data)
        for place in sorted((path.parent / FOLDER).rglob("*")):
            if place.is_file():
                digest.update(f"{place.name}\0".encode() + hashlib.sha256(place.read_bytes()).digest())
        if digest.hexdigest() == known:
            return
        fixtures = parse_fixtures(data, path.name, load_evaluations(path.parent))
    except InvalidFile as error:
        what, kind = f"{path} is not a valid fixtures file.", "fixtures"
        if error.problems[0].path != path.name:
            what, kind = f"{path.parent / FOLDER} has a file that is not valid.", "evaluation"
        details = [text_of(problem) for problem in error.problems]
        raise FixtureError(what, details=details, hint=f"promptsync schema {kind}") from None
    except OSError as error:
        raise FixtureError(
            f"Cannot read the fixtures file {path}: {error.strerror}.",
            hint="Create it, or remove `fixtures` from the remote in promptsync.yaml.",
        ) from error
    with store.write() as db:
        apply_fixtures(db, fixtures, digest.hexdigest())


def apply_fixtures(db: Database, fixtures: Fixtures, digest: str) -> None:
    """Make the active datasets, evaluations, agents, tools and protected labels those of ``fixtures``."""
    # A renamed tool keeps its versions. Otherwise a tool is known by its name, and another can get its id.
    db.executemany(
        "UPDATE OR IGNORE items SET name = ? WHERE kind = ? AND uid = ?",
        [(tool.name, TOOL, tool.uid) for tool in fixtures.declared[TOOL]],
    )
    db.execute("UPDATE items SET uid = NULL WHERE kind = ?", (TOOL,))
    for kind, declared in fixtures.declared.items():
        for item in declared:
            (_save_evaluation if kind == EVALUATION else _save_item)(db, kind, item)
        # Items are marked and not deleted, because runs and old versions refer to them.
        db.execute(
            f"UPDATE {'runs' if kind == EVALUATION else 'items'} SET deleted = 1, updated_at = ?"
            " WHERE kind = ? AND NOT deleted AND name NOT IN (SELECT value FROM json_each(?))",
            (now(), kind, encoded([item.name for item in declared])),
        )
    protect(db, fixtures.protected_labels)
    db.execute("UPDATE registry SET models = ?, fixtures = ?", (encoded(fixtures.models), digest))


def _save_item(db: Database, kind: str, declared: Declared) -> None:
    """Store a version if it differs from the newest one or has a number, and point the labels at it."""
    item = items.save(db, kind, declared.name, uid=declared.uid)
    version = None if declared.number or not item["latest"] else items.version(db, item)
    # Compared as text, because 1 and true are equal in Python.
    if version is None or encoded(version["body"]) != encoded(declared.body):
        version = items.add_version(db, item, declared.body, number=declared.number)
    db.execute("DELETE FROM labels WHERE item_id = ?", (item["id"],))
    items.point_labels(db, version, dict.fromkeys(declared.labels))


def _save_evaluation(db: Database, kind: str, declared: Declared) -> None:
    db.execute(
        "INSERT INTO runs (kind, name, spec, created_at, updated_at) VALUES (:kind, :name, :spec, :now, :now)"
        " ON CONFLICT (name) WHERE kind = 'evaluation' DO UPDATE SET spec = :spec, deleted = 0,"
        " updated_at = CASE WHEN spec = :spec AND NOT deleted THEN updated_at ELSE :now END",
        {"kind": kind, "name": declared.name, "spec": encoded(declared.body), "now": now()},
    )


def parse_fixtures(data: bytes, name: str, evaluations: Sequence[EvaluationFile] = ()) -> Fixtures:
    """Return what the fixtures file called ``name`` and evaluation files declare; raises InvalidFile."""
    loaded = load.load(data, name)
    if problems := schema.check(loaded, name, "fixtures"):
        raise InvalidFile(problems)
    value = {key: given for key, given in (loaded.value or {}).items() if given is not None}
    problems = [
        Problem(name, *load.position(loaded.text, place), "fixtures", message)
        for place, message in _contradictions(value)
    ]
    if problems:
        raise InvalidFile(problems)
    columns = {file.name: _report_columns(file) for file in evaluations}
    declared = {
        WORKFLOW: [_agent(item) for item in value.get("agents", ())],
        TOOL: [_tool(item) for item in value.get("tools", ())],
        DATASET: [Declared(file.name, {"columns": file.inputs, "rows": file.rows}) for file in evaluations],
        EVALUATION: [Declared(name, made) for name, made in columns.items() if made],
    }
    protected = [_protected(item) for item in value.get("protected_labels", ())]
    return Fixtures(declared, protected, value.get("models", []))


def _report_columns(file: EvaluationFile) -> list[Spec]:
    """Return the columns of an evaluation as the sheet of a run has them; none without a prompt.

    A run has one prompt: the first in ``prompts``, if it is a name, or that of a prompt column.
    """

    def column(title: str, kind: str, config: Mapping[str, Any], *, is_step: bool = False) -> Spec:
        return {"title": title, "type": kind.upper(), "config": config, "is_output_column": is_step}

    columns = [column(computed.title, computed.type, computed.config) for computed in file.columns]
    for name in file.prompts[:1]:
        if not set("*?[") & set(name):
            mapping = {"template": {"name": name}, "prompt_template_variable_mappings": file.variables}
            columns.insert(0, column(file.output, PROMPT, mapping))
    columns += [column(step.title, step.type, step.config, is_step=True) for step in file.scorecard.steps]
    return columns if any(runs_prompt(made["type"], made["config"]) for made in columns) else []


def _contradictions(file: Spec) -> Iterator[tuple[Place, str]]:
    """Yield what a schema cannot express, with its place."""
    for index, model in enumerate(file.get("models", ())):
        if wrong := model_problem(model):
            yield ("models", index, wrong[0]), wrong[1]
    lists: dict[Place, list[Spec]] = {(kind,): file.get(kind, []) for kind in ("agents", "tools")}
    nodes = [agent["nodes"] for agent in file.get("agents", [])]
    lists |= {("agents", index, "nodes"): specs for index, specs in enumerate(nodes)}
    for (place, specs), key in itertools.product(lists.items(), ("name", "id")):
        values = [spec[key] for spec in specs if key in spec]
        for index, value in enumerate(values):
            if value in values[:index]:
                yield (*place, index, key), f"The {key} {value!r} is used twice."


# -- filling in ---------------------------------------------------------------------------------------------


def _mapping(item: str | Spec) -> Spec:
    return {"name": item} if isinstance(item, str) else item


def _agent(item: Spec) -> Declared:
    """Return an agent with its nodes as workflows describe them: each depends on the one before it."""
    names = [node["name"] for node in item["nodes"]]
    # An agent without an output node would return nothing.
    outputs = [node["name"] for node in item["nodes"] if node.get("output")] or names[-1:]
    nodes = []
    for place, node in enumerate(item["nodes"]):
        prompt, variables = _mapping(node["prompt"]), node.get("variables") or {}
        about = {"name": node["name"], "node_type": PROMPT, "is_output_node": node["name"] in outputs}
        version = {"version_number": prompt.get("version"), "label": prompt.get("label")}
        config = {"template": {"name": prompt["name"], **version}, "variables": variables}
        nodes.append({**about, "configuration": config, "dependencies": names[:place][-1:]})
    return Declared(item["name"], {"nodes": nodes}, item.get("labels") or [])


def _tool(item: Spec) -> Declared:
    definition = {"type": "function", "function": item["function"]}
    labels, number = item.get("labels") or [], item.get("version") or 1
    return Declared(item["name"], definition, labels, str(item["id"]), number)


def _protected(item: str | Spec) -> Spec:
    label = _mapping(item)
    given = {key: value for key, value in label.items() if value}
    return {"prompts": ["*"], "answer": PENDING, "requests": {}} | given
