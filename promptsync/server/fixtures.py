"""``registry.yaml``: the datasets, evaluations and agents of an embedded registry.

The API has no way to create them that a file could not do better.

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

A node sees the inputs of the run and the outputs of the nodes before it, under their names;
``variables: {name: "{{ expression }}"}`` computes more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptsync.errors import UsageError
from promptsync.server.places import Place, Problems
from promptsync.server.scoring import KINDS, value_problem

Spec = dict[str, Any]

_TOP = Place()


class FixtureError(UsageError):
    """The fixtures file cannot be read; ``details`` are all its faults."""

    code = "fixtures"


@dataclass(frozen=True, slots=True)
class Fixtures:
    """What a fixtures file declares, validated and complete: each spec has all its keys."""

    datasets: tuple[Spec, ...] = ()
    evaluations: tuple[Spec, ...] = ()
    agents: tuple[Spec, ...] = ()


def parse_fixtures(text: str, where: str | Path) -> Fixtures:
    """Read the text of a fixtures file; raises ``FixtureError`` with every fault that it has."""
    import yaml

    try:
        document = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FixtureError(f"{where} is not valid YAML.", details=str(error).splitlines()) from error
    problems = Problems()
    found = _read(document if document is not None else {}, problems)
    if problems.found:
        details = [f"{where}:{line}:{column}: {message}" for line, column, message in problems.placed(text)]
        raise FixtureError(f"{where} has {len(details)} fault(s).", details=details)
    return found


def _read(document: Any, problems: Problems) -> Fixtures:
    if not isinstance(document, Mapping):
        problems.add(_TOP, "the file has to be a mapping with datasets, evaluations and agents")
        return Fixtures()
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        problems.add(_TOP, f"a value is no JSON (quote dates and the like): {error}")
        return Fixtures()
    for key in document.keys() - {"datasets", "evaluations", "agents"}:
        problems.add(_TOP.at(str(key)), f"unknown key {key!r}")
    datasets = tuple(_dataset(*item, problems) for item in _named(document, "datasets", problems))
    known = {dataset["name"] for dataset in datasets}
    evaluations = []
    for where, item in _named(document, "evaluations", problems):
        evaluations.append(_evaluation(where, item, problems))
        wanted = evaluations[-1]["dataset"]
        if wanted not in known:
            problems.add(where.at("dataset"), f"evaluation {item['name']!r}: no dataset {wanted!r}")
    agents = tuple(_agent(*item, problems) for item in _named(document, "agents", problems))
    return Fixtures(datasets, tuple(evaluations), agents)


def _named(
    document: Mapping[str, Any], key: str, problems: Problems, around: Place | None = None
) -> Iterator[tuple[Place, Spec]]:
    """The items of a list with the place of each, those without a name of their own left out."""
    items = document.get(key) or []
    if not isinstance(items, list):
        problems.add((around or _TOP).at(key), f"{key} has to be a list")
        return
    seen: set[str] = set()
    for index, item in enumerate(items):
        where = (around or _TOP).at(key, index)
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not name:
            problems.add(where, f"{where} needs a name")
        elif name in seen:
            problems.add(where.at("name"), f"{where}: the name {name!r} is taken")
        else:
            seen.add(name)
            yield where.called(name), item


def _dataset(where: Place, item: Spec, problems: Problems) -> Spec:
    rows = item.get("rows") or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        problems.add(where.at("rows"), f"{where}: rows has to be a list of mappings")
        rows = []
    _only(where, item, {"name", "rows"}, problems)
    columns = list(dict.fromkeys(str(column) for row in rows for column in row))
    return {"name": item["name"], "columns": columns, "rows": [_text_keys(row) for row in rows]}


def _text_keys(value: Mapping[Any, Any]) -> Spec:
    return {str(key): item for key, item in value.items()}


def _evaluation(where: Place, item: Spec, problems: Problems) -> Spec:
    scores = item.get("scores") or []
    if not isinstance(scores, list):
        problems.add(where.at("scores"), f"{where}: scores has to be a list")
        scores = []
    _only(where, item, {"name", "dataset", "prompt", "scores"}, problems)
    read: list[Spec] = []
    for index, score in enumerate(scores):
        checked = _score(where.at("scores", index), score, problems)
        if checked is not None:
            taken = {other["name"] for other in read}
            checked["name"] = next(name for name in _numbered(checked["name"]) if name not in taken)
            read.append(checked)
    dataset = item.get("dataset")
    return {
        "name": item["name"],
        "dataset": dataset if isinstance(dataset, str) else "",
        "prompt": _prompt(where, item.get("prompt"), problems),
        "scores": read,
    }


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name} {number}"
        number += 1


def _score(where: Place, score: Any, problems: Problems) -> Spec | None:
    if not isinstance(score, Mapping):
        problems.add(where, f"{where} has to be a mapping such as {{contains: text}}")
        return None
    kinds = [kind for kind in KINDS if kind in score]
    name = score.get("name", kinds[0] if kinds else "")
    if len(kinds) != 1 or not isinstance(name, str) or score.keys() - {*kinds, "name"}:
        problems.add(where, f"{where} takes exactly one of {', '.join(KINDS)}, and a name")
        return None
    problem = value_problem(kinds[0], score[kinds[0]])
    if problem:
        problems.add(where.at(kinds[0]), f"{where}: {problem}")
        return None
    return {"name": name, "kind": kinds[0], "value": score[kinds[0]]}


def _prompt(where: Place, prompt: Any, problems: Problems) -> Spec:
    if isinstance(prompt, str):
        prompt = {"name": prompt}
    if not isinstance(prompt, Mapping) or not isinstance(prompt.get("name"), str):
        problems.add(where.at("prompt"), f"{where}: prompt has to be a mapping with a name")
        return {}
    _only(where.at("prompt"), prompt, {"name", "version", "label"}, problems)
    version, label = prompt.get("version"), prompt.get("label")
    if version is not None and label is not None:
        problems.add(where.at("prompt"), f"{where}: prompt takes a version or a label, not both")
    if (
        not isinstance(version, int | None)
        or isinstance(version, bool)
        or (version is not None and version < 1)
    ):
        problems.add(where.at("prompt"), f"{where}: the version of a prompt is a number from 1")
    if not isinstance(label, str | None):
        problems.add(where.at("prompt"), f"{where}: the label of a prompt is a string")
    return {"name": prompt["name"], "version": version, "label": label}


def _agent(where: Place, item: Spec, problems: Problems) -> Spec:
    _only(where, item, {"name", "nodes", "labels"}, problems)
    labels = item.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        problems.add(where.at("labels"), f"{where}: labels has to be a list of strings")
        labels = []
    nodes = [_node(place, node, problems) for place, node in _named(item, "nodes", problems, where)]
    if not nodes:
        problems.add(where, f"{where} needs nodes")
    elif not any(node["output"] for node in nodes):
        nodes[-1]["output"] = True
    return {"name": item["name"], "nodes": nodes, "labels": list(dict.fromkeys(labels))}


def _node(where: Place, node: Spec, problems: Problems) -> Spec:
    _only(where, node, {"name", "prompt", "output", "variables"}, problems)
    variables = node.get("variables") or {}
    if not isinstance(variables, Mapping) or not all(isinstance(text, str) for text in variables.values()):
        problems.add(where.at("variables"), f"{where}: variables has to map names to texts")
        variables = {}
    if not isinstance(node.get("output", False), bool):
        problems.add(where.at("output"), f"{where}: output is true or false")
    return {
        "name": node["name"],
        "prompt": _prompt(where, node.get("prompt"), problems),
        "output": node.get("output") is True,
        "variables": _text_keys(variables),
    }


def _only(where: Place, item: Mapping[str, Any], known: set[str], problems: Problems) -> None:
    for key in item:
        if key not in known:
            problems.add(where.at(str(key)), f"{where}: unknown key {key!r}")
