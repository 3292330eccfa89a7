"""``registry.yaml``: the datasets, evaluations, agents, tools and protected labels of an embedded registry.

The API cannot create them, or not as well as a file can. ``fixtures.schema.json`` describes the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from promptsync.errors import UsageError
from promptsync.prompt.prompt import Problem
from promptsync.server.checks.scoring import KINDS, text_problem
from promptsync.server.prompts.labels import PENDING

Spec = dict[str, Any]
Place = tuple[str | int, ...]


class FixtureError(UsageError):
    """The fixtures file cannot be read; ``details`` lists everything that is wrong with it."""

    code = "fixtures"


class Fixtures(msgspec.Struct, frozen=True):
    """What a fixtures file declares: each spec has all its keys."""

    datasets: list[Spec]
    evaluations: list[Spec]
    agents: list[Spec]
    tools: list[Spec]
    protected_labels: list[Spec]


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
    """Return what a fixtures file declares; raises ``FixtureError`` with the problems in ``data``."""
    # Imported here, because the file is read only after it has changed.
    from promptsync.files import schema
    from promptsync.files.errors import InvalidFile
    from promptsync.files.yaml import load

    path = Path(where)
    try:
        loaded = load.load(data, path.name)
    except InvalidFile as error:
        raise _invalid(path, error.problems) from None
    if problems := schema.check(loaded, path.name, "fixtures"):
        raise _invalid(path, problems)
    fixtures = _completed(loaded.value or {})
    problems = [
        Problem(path.name, *load.position(loaded.text, place), "fixtures", message)
        for place, message in _contradictions(fixtures)
    ]
    if problems:
        raise _invalid(path, problems)
    return fixtures


def _invalid(path: Path, problems: Iterable[Problem]) -> FixtureError:
    from promptsync.files.errors import text_of

    return FixtureError(
        f"{path} is not a valid fixtures file.",
        details=[text_of(problem) for problem in sorted(problems)],
        hint="promptsync schema fixtures",
    )


def _contradictions(fixtures: Fixtures) -> Iterator[tuple[Place, str]]:
    """Yield what a schema cannot express, with its place."""
    for key in ("datasets", "evaluations", "agents", "tools"):
        yield from _repeated((key,), getattr(fixtures, key))
    yield from _repeated(("tools",), fixtures.tools, "id")
    datasets = {dataset["name"] for dataset in fixtures.datasets}
    for index, evaluation in enumerate(fixtures.evaluations):
        if evaluation["dataset"] not in datasets:
            message = f"There is no dataset {evaluation['dataset']!r} in this file."
            yield ("evaluations", index, "dataset"), message
        for number, column in enumerate(evaluation["columns"][1:]):
            ((kind, value),) = column["configuration"].items()
            problem = text_problem(kind, value)
            if problem is not None:
                yield ("evaluations", index, "scores", number, kind), f"{problem.rstrip('.')}."
    for index, agent in enumerate(fixtures.agents):
        yield from _repeated(("agents", index, "nodes"), agent["nodes"])


def _repeated(place: Place, items: list[Spec], key: str = "name") -> Iterator[tuple[Place, str]]:
    values = [item[key] for item in items]
    for index, value in enumerate(values):
        if value in values[:index]:
            yield (*place, index, key), f"The {key} {value!r} is used twice."


# -- filling in ---------------------------------------------------------------------------------------------


def _completed(declared: Spec) -> Fixtures:
    lists = {key: declared.get(key) or [] for key in Fixtures.__struct_fields__}
    return Fixtures(
        [_dataset(item) for item in lists["datasets"]],
        [_evaluation(item) for item in lists["evaluations"]],
        [_agent(item) for item in lists["agents"]],
        [_filled(item, version=1, labels=[]) for item in lists["tools"]],
        [_filled(_mapping(item), prompts=["*"], answer=PENDING) for item in lists["protected_labels"]],
    )


def _filled(item: Spec, **defaults: Any) -> Spec:
    """Return a mapping with defaults for the keys that it lacks, or that are null."""
    return defaults | {key: value for key, value in item.items() if value is not None}


def _mapping(item: str | Spec) -> Spec:
    return {"name": item} if isinstance(item, str) else item


def _prompt(item: str | Spec) -> Spec:
    return _filled(_mapping(item), version=None, label=None)


def _dataset(item: Spec) -> Spec:
    dataset = _filled(item, rows=[])
    return dataset | {"columns": list(dict.fromkeys(column for row in dataset["rows"] for column in row))}


def _evaluation(item: Spec) -> Spec:
    """Return an evaluation with its columns as reports describe them: the output, and one for each score."""
    names: Counter[str] = Counter()
    columns = [_column("prompt", _prompt(item["prompt"]), "output") | {"column_type": "PROMPT_TEMPLATE"}]
    for score in item.get("scores") or ():
        kind = next(kind for kind in KINDS if kind in score)
        name = score.get("name", kind)
        names[name] += 1
        columns.append(_column(kind, score[kind], name if names[name] == 1 else f"{name} {names[name]}"))
    return {"name": item["name"], "dataset": item["dataset"], "columns": columns}


def _column(kind: str, value: Any, name: str) -> Spec:
    return {"column_type": kind.upper(), "name": name, "configuration": {kind: value}}


def _agent(item: Spec) -> Spec:
    """Return an agent with its nodes as workflows describe them: each depends on the one before it."""
    names = [node["name"] for node in item["nodes"]]
    nodes: list[Spec] = [
        {
            "name": node["name"],
            "node_type": "PROMPT_TEMPLATE",
            "is_output_node": node.get("output", False),
            "configuration": {"prompt": _prompt(node["prompt"]), "variables": node.get("variables") or {}},
            "dependencies": names[:place][-1:],
        }
        for place, node in enumerate(item["nodes"])
    ]
    # An agent without an output node would return nothing.
    if not any(node["is_output_node"] for node in nodes):
        nodes[-1]["is_output_node"] = True
    return _filled(item, labels=[]) | {"nodes": nodes}
