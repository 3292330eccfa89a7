"""``registry.yaml``: the datasets, evaluations, agents, tools and protected labels of an embedded registry.

The API cannot create them, or not as well as a file can. ``fixtures.schema.json`` describes the file.

    datasets:
      - {name: refund cases, rows: [{question: "Where is my money?", expect: refund}]}
    evaluations:
      - name: refund quality
        dataset: refund cases
        prompt: {name: support/refund}          # latest unless version or label is given
        scores: [{contains: "{{ expect }}"}]    # jinja2 over the row
    agents:
      - name: refund-agent
        labels: [prod]                          # optional: release labels of the agent
        nodes: [{name: answer, prompt: {name: support/refund}, output: true}]
    tools:                                      # with the ids that prompts reference
      - {id: 5, name: get_weather, labels: [prod], function: {name: get_weather}}
    protected_labels: [prod]                    # changes of this label wait for approval
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptsync.errors import UsageError
from promptsync.prompt.prompt import Problem
from promptsync.server.checks.scoring import KINDS, text_problem
from promptsync.server.prompts.labels import PENDING

Spec = dict[str, Any]

_LISTS = ("datasets", "evaluations", "agents", "tools")


class FixtureError(UsageError):
    """The fixtures file cannot be read; ``details`` lists everything that is wrong with it."""

    code = "fixtures"


@dataclass(frozen=True, slots=True)
class Fixtures:
    """What a fixtures file declares, checked and complete: each spec has all its keys."""

    datasets: tuple[Spec, ...] = ()
    evaluations: tuple[Spec, ...] = ()
    agents: tuple[Spec, ...] = ()
    tools: tuple[Spec, ...] = ()
    protected_labels: tuple[Spec, ...] = ()


def read_fixtures(path: str | Path) -> bytes:
    """Return the contents of a fixtures file; raises ``FixtureError``."""
    from promptsync.files.errors import InvalidFile
    from promptsync.files.yaml import load

    try:
        with Path(path).open("rb") as file:
            return load.read(file, Path(path).name)
    except InvalidFile as error:
        raise _invalid(Path(path), error.problems) from None
    except OSError as error:
        raise FixtureError(
            f"Cannot read the fixtures file {path}: {error.strerror}.",
            hint="Create it, or remove `fixtures` from the remote in promptsync.yaml.",
        ) from error


def parse_fixtures(data: bytes, where: str | Path) -> Fixtures:
    """Return what a fixtures file declares; raises ``FixtureError`` with every problem in ``data``."""
    # Imported here, because the file is read only after it has changed.
    from promptsync.files import schema
    from promptsync.files.errors import InvalidFile
    from promptsync.files.yaml import load

    path = Path(where)
    try:
        loaded = load.load(data, path.name)
    except InvalidFile as error:
        raise _invalid(path, error.problems) from None
    problems = schema.check(loaded, path.name, "fixtures")
    value: Spec = loaded.value if isinstance(loaded.value, dict) else {}
    for place, message in _contradictions(value):
        problems.append(Problem(path.name, *load.position(loaded.text, place), "fixtures", message))
    if problems:
        raise _invalid(path, sorted(problems))
    return Fixtures(
        tuple(_dataset(item) for item in value.get("datasets") or ()),
        tuple(_evaluation(item) for item in value.get("evaluations") or ()),
        tuple(_agent(item) for item in value.get("agents") or ()),
        tuple(_tool(item) for item in value.get("tools") or ()),
        tuple(_protected(item) for item in value.get("protected_labels") or ()),
    )


def _invalid(path: Path, problems: Iterable[Problem]) -> FixtureError:
    from promptsync.files.errors import text_of

    return FixtureError(
        f"{path} is not a valid fixtures file.",
        details=[text_of(problem) for problem in problems],
        hint="promptsync schema fixtures",
    )


# -- what a schema cannot express ---------------------------------------------------------------------------

Place = tuple[str | int, ...]


def _contradictions(value: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield places and problems; the schema reports values of a wrong type."""
    for key in _LISTS:
        yield from _repeated((key,), value.get(key))
    yield from _repeated(("tools",), value.get("tools"), "id")
    known = {item["name"] for _, item in _named((), value.get("datasets"))}
    for place, item in _named(("evaluations",), value.get("evaluations")):
        wanted = item.get("dataset")
        if isinstance(wanted, str) and wanted not in known:
            yield (*place, "dataset"), f"There is no dataset {wanted!r} in this file."
        for index, score in enumerate(_listed(item.get("scores"))):
            yield from _score_problems((*place, "scores", index), score)
    for place, item in _named(("agents",), value.get("agents")):
        yield from _repeated((*place, "nodes"), item.get("nodes"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _named(place: Place, value: Any) -> Iterator[tuple[Place, Spec]]:
    for index, item in enumerate(_listed(value)):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield (*place, index), item


def _repeated(place: Place, value: Any, key: str = "name") -> Iterator[tuple[Place, str]]:
    seen: set[str] = set()
    for where, item in _named(place, value):
        shown = repr(item.get(key))
        if shown in seen and key in item:
            yield (*where, key), f"The {key} {shown} is used twice."
        seen.add(shown)


def _score_problems(place: Place, score: Any) -> Iterator[tuple[Place, str]]:
    for kind in KINDS if isinstance(score, dict) else ():
        problem = text_problem(kind, score[kind]) if isinstance(score.get(kind), str) else None
        if problem is not None:
            yield (*place, kind), f"{problem.rstrip('.')}."


# -- filling in ---------------------------------------------------------------------------------------------


def _dataset(item: Spec) -> Spec:
    rows = item.get("rows") or []
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return {"name": item["name"], "columns": columns, "rows": rows}


def _evaluation(item: Spec) -> Spec:
    scores: list[Spec] = []
    for score in item.get("scores") or ():
        kind = next(kind for kind in KINDS if kind in score)
        used = {other["name"] for other in scores}
        given = name = score.get("name", kind)
        numbers = itertools.count(2)
        while name in used:
            name = f"{given} {next(numbers)}"
        scores.append({"name": name, "kind": kind, "value": score[kind]})
    prompt = _prompt(item["prompt"])
    return {"name": item["name"], "dataset": item["dataset"], "prompt": prompt, "scores": scores}


def _prompt(given: str | Spec) -> Spec:
    prompt = {"name": given} if isinstance(given, str) else given
    return {"name": prompt["name"], "version": prompt.get("version"), "label": prompt.get("label")}


def _agent(item: Spec) -> Spec:
    nodes = [_node(node) for node in item["nodes"]]
    # An agent without an output node would return nothing.
    if not any(node["output"] for node in nodes):
        nodes[-1]["output"] = True
    return {"name": item["name"], "nodes": nodes, "labels": list(dict.fromkeys(item.get("labels") or ()))}


def _node(node: Spec) -> Spec:
    return {
        "name": node["name"],
        "prompt": _prompt(node["prompt"]),
        "output": node.get("output", False),
        "variables": node.get("variables") or {},
    }


def _tool(item: Spec) -> Spec:
    return {
        "id": item["id"],
        "name": item["name"],
        "version": item.get("version") or 1,
        "labels": item.get("labels") or [],
        "definition": {"type": "function", "function": item["function"]},
    }


def _protected(given: str | Spec) -> Spec:
    item = {"name": given} if isinstance(given, str) else given
    return {
        "name": item["name"],
        "prompts": item.get("prompts") or ["*"],
        "answer": item.get("answer", PENDING),
    }
