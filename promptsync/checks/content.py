"""The content of one of our sheets: a definition with a prompt in its prompt column, its name and size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from promptsync.checks.definition import (
    PROMPT,
    VARIABLES,
    Definition,
    renamed,
    row_texts,
    titles_of,
    type_of,
    with_titles,
)
from promptsync.checks.tested_text import TestedText
from promptsync.errors import UsageError
from promptsync.prompt.canonical import encode, same
from promptsync.prompt.evaluation import Column, sources
from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.prompt.template import template_variables
from promptsync.registry.protocol import text

_CALLS_A_MODEL: Final = frozenset(
    {PROMPT, "LLM_ASSERTION", "AI_DATA_EXTRACTION", "COSINE_SIMILARITY", "CONVERSATION_SIMULATOR"}
    | {"WORKFLOW", "FOR_LOOP", "WHILE_LOOP", "TOOL_EVALUATOR"}
)
"""Types of columns and steps that call a model, or may do so."""

_EASE: Final = ("thresholds", "score_adapter")
"""The keys of a step that decide which scores pass, and that need not be there."""

_TEMPLATES: Final = ("template", "inline_template")
_INSIDE: Final[Mapping[type, str]] = {int: "position", str: "variable_name"}


class Content(Struct, frozen=True, dict=True):
    """The content of a sheet: ``text`` in the prompt column, and each row ``runs`` times."""

    definition: Definition
    text: TestedText
    runs: int

    @cached_property
    def title(self) -> str:
        """The title of the sheet, which names all of its content by a digest."""
        definition = self.definition
        columns = [[column.title, column.type, column.config] for column in self.columns]
        layout = [definition.inputs, columns, definition.steps, definition.aggregation]
        form = encode([self.text.digest, definition.rows, self.runs, layout])
        digest = sha256(form.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"promptsync {self.text.name} {digest}"

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The computed columns; the prompt column lacks its template.

        Raises ``UsageError`` for a variable of the prompt that no column has.
        """
        definition = self.definition
        titles = [column.title for column in definition.columns]
        before = {*definition.inputs, *titles[: titles.index(definition.output)]}
        prompt = definition.columns[titles.index(definition.output)]
        declared = as_mapping(prompt.config.get(VARIABLES))
        variables = {
            name: text(declared, name) or name for name in sorted(template_variables(self.text.template))
        }
        missing = {name: title for name, title in variables.items() if title not in before}
        if missing:
            name, title = next(iter(missing.items()))
            named = repr(name) if name == title else f"{name!r}, from the column {title!r}"
            raise UsageError(
                f"{self.text.name} has the variable {named}, but {definition.place} has no such column",
                hint="promptsync lint\nadd that column, or map the variable to another one",
            )
        config = {key: value for key, value in prompt.config.items() if key not in _TEMPLATES}
        prompt = Column(prompt.title, PROMPT, {**config, VARIABLES: variables})
        return tuple(prompt if column.title == prompt.title else column for column in definition.columns)

    @property
    def row_count(self) -> int:
        return len(self.definition.rows) * self.runs

    @property
    def cells(self) -> int:
        """How many cells are computed, and answers of models for the scorecard."""
        return self.row_count * (len(self.definition.columns) + self._judges)

    @property
    def model_cells(self) -> int:
        """How many of these call a model."""
        columns = sum(column.type in _CALLS_A_MODEL for column in self.definition.columns)
        return self.row_count * (columns + self._judges)

    @property
    def _judges(self) -> int:
        return sum(step.get("primitive_type") in _CALLS_A_MODEL for step in self.definition.steps)

    def column_bodies(self, ids: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the computed columns as the API takes them. ``ids`` must have those made so far, by title."""
        for column in self.columns:
            config = dict(column.config)
            if column.title == self.definition.output:
                source = {"source_prompt_name": self.text.name, "source_prompt_version": self.text.version}
                inline = {"inline": True, **self._prompt, **(source if self.text.version is not None else {})}
                config["inline_template"] = inline
            # As in the vendor's SDK, a config keeps titles, and dependencies have the ids.
            dependencies = [
                {
                    "column_id": ids[title],
                    "reference_type": "value",
                    "config_key": key,
                    **({"config_meta": {_INSIDE[type(inside[0])]: inside[0]}} if inside else {}),
                }
                for (key, *inside), title in sources(column.config)
                if title in ids
            ]
            body = {"title": column.title, "type": column.type, "config": config}
            yield {**body, **({"dependencies": dependencies} if dependencies else {})}

    def scorecard(self, ids: Mapping[str, str], name: str) -> dict[str, Any]:
        """Return the scorecard as the API takes it; its configs have the ids of columns."""
        steps = []
        for index, step in enumerate(self.definition.steps):
            config = step["primitive_config"]
            titles = step.get("source_column_ids") or dict.fromkeys(title for _, title in sources(config))
            step = {**step, "order_index": index, "primitive_config": renamed(config, ids)}
            steps.append({**step, "source_column_ids": [ids[title] for title in titles if title in ids]})
            if "target_column_id" in step:
                steps[-1]["target_column_id"] = ids.get(step["target_column_id"], step["target_column_id"])
        aggregation = dict(self.definition.aggregation)
        return {"name": name, "evaluated_column_ids": [], "aggregation": aggregation, "steps": steps}

    @property
    def _prompt(self) -> dict[str, Any]:
        metadata = {"metadata": self.text.metadata} if self.text.metadata else {}
        return {"prompt_template": self.text.template, **metadata}

    def has_rows(self, sheet: Mapping[str, Any]) -> bool:
        """Whether a sheet has these rows and columns. A registry may store white space in its own way."""

        def cells(row: Mapping[str, str]) -> list[list[str]]:
            return [row.get(title, "").split() for title in self.definition.inputs]

        titles = [*titles_of(sheet["columns"]).values()]
        wanted = {*self.definition.inputs, *(column.title for column in self.definition.columns)}
        rows = [*map(cells, row_texts(sheet))]
        return rows == [*map(cells, self.definition.rows)] * self.runs and all(
            titles.count(title) == 1 for title in wanted
        )

    def matches(self, sheet: Mapping[str, Any], scorecard: Mapping[str, Any]) -> bool:
        """Whether a sheet has this content and this scorecard, whatever else the registry adds to them."""
        if not self.has_rows(sheet):
            return False
        titles = titles_of(sheet["columns"])
        theirs = {titles.get(str(column.get("id")), ""): column for column in sheet["columns"]}
        for column in self.columns:
            config = renamed(as_mapping(theirs[column.title].get("config")), titles)
            if type_of(theirs[column.title]) != column.type or not _includes(config, column.config):
                return False
            if column.title == self.definition.output and not self._has_text(config.get("inline_template")):
                return False
        steps = [with_titles(step, titles) for step in mappings(scorecard.get("steps"))]
        # A scorecard that another user has eased is not ours, even if nothing else was added.
        ours = self.definition.steps
        if not same(*([[step.get(key) for key in _EASE] for step in card] for card in (steps, ours))):
            return False
        aggregation = scorecard.get("aggregation")
        return _includes(steps, ours) and _includes(aggregation, self.definition.aggregation)

    def _has_text(self, inline: Any) -> bool:
        """Whether a prompt column has this prompt. A file lacks defaults that a version has."""
        if _includes(inline, self._prompt):
            return True
        template, metadata = (
            as_mapping(as_mapping(inline).get(key)) for key in ("prompt_template", "metadata")
        )
        return TestedText(self.text.name, template, metadata).digest == self.text.digest


def _includes(theirs: Any, ours: Any) -> bool:
    """Whether a value is ours, except for keys that were added."""
    if isinstance(ours, Mapping):
        return isinstance(theirs, Mapping) and all(_includes(theirs.get(key), ours[key]) for key in ours)
    if isinstance(ours, list | tuple):
        are_alike = isinstance(theirs, list | tuple) and len(theirs) == len(ours)
        return are_alike and all(map(_includes, theirs, ours))
    return same(theirs, ours)
