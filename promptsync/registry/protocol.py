"""What promptsync needs of a registry: code outside ``registry/`` calls one only through these protocols.

``registry.open`` returns them. Evaluations, agents and datasets are JSON objects with PromptLayer's keys;
everything else has types of its own. Every method can be called from many threads at once, and raises the
errors in ``registry.errors``.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self

from promptsync.prompt.prompt import Label, Prompt
from promptsync.prompt.version import Version
from promptsync.registry.values import Capabilities, NewVersion, SheetId, StartedAgent, Timeouts

OnPage = Callable[[int, int], None]
"""Called with the number of pages read so far, and the number of all pages as far as it is known."""


class Memory(Protocol):
    """Keeps what was read for the next process: raw versions, which never change, and ``facts`` about a URL.

    The keys of a version are ids, never a name. ``get`` returns ``None`` for one that it does not have, and
    ``versions`` all of them, from any registry.
    """

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None: ...
    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None: ...
    def versions(self) -> Iterable[dict[str, Any]]: ...
    def facts(self, url: str) -> dict[str, Any]: ...
    def keep_facts(self, url: str, facts: Mapping[str, Any]) -> None: ...


class Prompts(Protocol):
    """The prompts of a registry and their versions."""

    @property
    def stores_tags(self) -> bool:
        """Whether the registry stores tags, as far as its responses have shown."""

    def list(
        self,
        *,
        status: str = "active",
        label: str | None = None,
        name: str | None = None,
        with_tags: bool = False,
        on_page: OnPage | None = None,
    ) -> builtins.list[Version]:
        """Return every prompt, each at its latest version; ``status`` is ``active`` or ``deleted``.

        ``label`` selects the prompts that have it, each at that label's version. ``name`` matches parts of
        names and ignores case. Tags may be missing, except ``with_tags``. Snippets may be expanded in the
        bodies, so two equal bodies mean equal prompts, but different bodies may be equal prompts too.
        """

    def latest(
        self, names: Collection[str], *, needed: Collection[str] = (), on_page: OnPage | None = None
    ) -> builtins.list[Version]:
        """Return the active prompts with these names, as ``list`` does now with tags, by fewer requests.

        If one of the ``needed`` names does not exist, the whole list was read to be sure of that.
        """

    def get(
        self,
        template_id: int | None,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        fresh: bool = False,
    ) -> Version:
        """Return one version of a prompt as it was published, with unexpanded snippet references.

        Pass at most one of ``version`` and ``label``; the default is the latest version. Tags belong to the
        prompt, so an old version has the present ones. A version that was read before may come from the
        memory, unless ``fresh``.

        Raises ``NotFound``, ``RenamedRemotely`` if ``template_id`` has another name now, and
        ``NotReadableRaw`` if the registry returns only a form of this prompt that may not be its source.
        """

    def unfilled(self, template_id: int, name: str, version: int) -> dict[str, Any]:
        """Return what the registry returns to an application that fills in the variables of a version itself.

        Snippets and tools are in place, and ``llm_kwargs`` is there. Raises ``NotFound`` and ``Unsupported``,
        and ``NotReadableRaw`` if the registry filled in the variables all the same.
        """

    def publish(self, prompt: Prompt, *, message: str, labels: Sequence[str] = ()) -> NewVersion:
        """Publish ``prompt`` as a new version, and create or move ``labels`` to it.

        After ``NotSent``, which includes ``Rejected``, there is no new version. After ``FateUnknown`` there
        may be one: read back before deciding. Read back after a success too, because the registry may drop
        fields that it does not know.
        """

    def archive(self, template_id: int, is_snippet: bool) -> None:
        """Archive a prompt with all its versions. Raises ``NotFound``."""

    def snippet_usage(self, template_id: int, name: str) -> dict[str, Any]:
        """Return who references a snippet: prompts in ``snippet_usage[]``, labels in ``label_usage[]``."""

    def tool(
        self, tool: int | str, *, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Return the definition of a registry tool: its latest version, or that of ``version`` or ``label``.

        Raises ``NotFound``.
        """

    def render(
        self,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return what would be sent to a model: ``prompt_template``, ``llm_kwargs``, …

        ``provider`` and ``model`` replace those of the prompt. Never store the result as a source, because
        its snippets are expanded.
        """


class Labels(Protocol):
    """The release labels of a registry. It may hold a change for approval: read the label again after it."""

    def of(self, template_id: int, name: str) -> list[Label]:
        """Return the labels of one prompt, each with the version that it points at.

        Raises ``Unsupported`` if the registry can set labels only while publishing.
        """

    def all(self) -> list[Label] | None:
        """Return the labels of all prompts in one request, ``None`` if the registry has no such list.

        Each label names its prompt by id, by name or by both.
        """

    @property
    def may_list_all(self) -> bool:
        """Whether ``all`` is worth a request where there is another way; not if it failed within a day."""

    def can_change(self, template_id: int, name: str) -> bool:
        """Whether labels can be created, moved and deleted without a publish.

        Nothing is written to find out, and the prompt need not exist.
        """

    def set(self, template_id: int, name: str, label: str, version: int, existing: Label | None) -> None:
        """Point a prompt's ``label`` at ``version``: move ``existing``, or create the label without it."""

    def delete(self, label: Label) -> None:
        """Delete a label. It is no error if it does not exist any more."""


class Checks(Protocol):
    """Datasets, evaluations and agents. Results are the registry's own objects."""

    def list_datasets(self) -> list[dict[str, Any]]:
        """Return all datasets: ``id, version_number, column_names, dataset_group{id, name}, …``."""

    def list_evaluations(self) -> list[dict[str, Any]]:
        """Return all evaluations: ``id, name, workspace_id, …``.

        Each has its ``runs`` (``id, status, score``), if the registry supports that.
        """

    def run_evaluation(self, evaluation_id: int, name: str) -> int:
        """Start an evaluation and return the id of the new report, which ``evaluation`` reads.

        ``name`` is the report's name, 1 to 255 characters.
        """

    def evaluation(self, report_id: int) -> dict[str, Any]:
        """Return a report: ``status`` (``RUNNING``, ``COMPLETED``), ``stats.status_counts``, ``report``, …"""

    def evaluation_score(self, report_id: int) -> dict[str, Any]:
        """Return a finished report's score: ``overall_score`` (or ``None``), ``score_type``, ``details``."""

    def evaluation_rows(self, report_id: int) -> dict[str, Any]:
        """Return a report's ``columns`` and ``rows``. A row is a list of cells, the dataset's cells first."""

    def list_agents(self) -> list[dict[str, Any]]:
        """Return all agents (the vendor's workflows): ``id, name, release_labels, latest_version_number``."""

    def agent(
        self, agent: int | str, *, label: str | None = None, version: int | None = None
    ) -> dict[str, Any]:
        """Return one version of an agent: ``version``, ``nodes[]`` with ``name, node_type, configuration``, …

        Pass at most one of ``label`` and ``version``; the default is the latest version.
        """

    def run_agent(
        self,
        agent: int | str,
        variables: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        version: int | None = None,
    ) -> StartedAgent:
        """Start an agent, given by id or name: its latest version, or the one of ``label`` or ``version``."""

    def agent_result(self, execution_id: int) -> tuple[bool, Any]:
        """Return whether the run is done, and then its outputs by node."""


class Tables(Protocol):
    """Tables, their sheets and what computes and scores them. Results are the registry's own objects.

    A write that creates something is never sent twice: after ``FateUnknown``, look for what it created.
    """

    def titled(self, title: str) -> list[dict[str, Any]]:
        """Return the tables (``id, title, workspace_id, …``) whose titles contain ``title``, newest first."""

    def create(self, title: str) -> dict[str, Any]:
        """Create a table without a sheet, and return it."""

    def sheets(self, table_id: str) -> list[dict[str, Any]]:
        """Return the sheets of a table (``id, title, row_count, created_at, updated_at, …``), in order."""

    def import_sheet(self, table_id: str, title: str, csv: bytes) -> tuple[SheetId, str]:
        """Create a sheet with the rows of a CSV text; return it, and the id of the import to wait for."""

    def import_status(self, table_id: str, operation_id: str) -> dict[str, Any]:
        """Return an import: ``status`` (``pending``, ``running``, ``completed``, ``failed``), …"""

    def delete_sheet(self, sheet: SheetId) -> None:
        """Delete a sheet. It is no error if it does not exist any more."""

    def rows(self, sheet: SheetId, limit: int | None = None) -> dict[str, Any]:
        """Return the ``columns`` of a sheet, its ``row_count``, and all ``rows`` or the first ones.

        A row has its ``row_index``, and its ``cells`` by the ids of their columns.
        """

    def create_column(self, sheet: SheetId, column: Mapping[str, Any]) -> dict[str, Any]:
        """Create a column (``title, type, config, dependencies``), and return it."""

    def scorecard(self, sheet: SheetId) -> dict[str, Any]:
        """Return the ``scorecard`` of a sheet and its ``latest_calculation``, ``{}`` if it has none."""

    def set_scorecard(self, sheet: SheetId, scorecard: Mapping[str, Any]) -> None:
        """Set the scorecard (``name, steps, aggregation``) of a sheet."""

    def recalculate(
        self, sheet: SheetId, column_ids: Sequence[str], confirmation_token: str | None = None
    ) -> dict[str, Any]:
        """Start to compute the cells of some columns that are stale or failed.

        Returns an ``operation_id`` unless there was nothing to do, or ``requires_confirmation`` along with a
        ``confirmation_token`` and the ``affected_cell_count``: then nothing was started.
        """

    def operations(self, sheet: SheetId) -> list[dict[str, Any]]:
        """Return the operations that are under way."""

    def operation(self, sheet: SheetId, operation_id: str) -> dict[str, Any]:
        """Return an operation: ``status, cell_count, completed_count, failed_count, pending_count``."""

    def score(self, sheet: SheetId) -> str:
        """Start to score a sheet, and return the id of the calculation."""

    def calculation(self, sheet: SheetId, calculation_id: str) -> dict[str, Any]:
        """Return a calculation: ``status, aggregate_score`` (0 to 1), ``aggregate_verdict``, …"""

    def cancel(self, sheet: SheetId, operation_id: str | None = None) -> None:
        """Cancel an operation, by default the calculation that is under way."""

    def scored_rows(self, sheet: SheetId, calculation_id: str) -> list[dict[str, Any]]:
        """Return ``row_index, aggregate_score, aggregate_verdict`` of all rows of a calculation."""

    def scored_row(self, sheet: SheetId, row_index: int) -> dict[str, Any]:
        """Return the ``step_results`` of a row in the latest calculation, by the ids of the steps."""

    def link(self, sheet: SheetId) -> str:
        """Return the address of a sheet in the dashboard, empty if it is not known."""


class Tracking(Protocol):
    """Requests that applications made, and what is recorded about them."""

    def log_request(self, request: Mapping[str, Any]) -> int:
        """Log a request, which has the registry's own shape, and return its id."""

    def track(self, request_id: int | str, what: str, **values: Any) -> None:
        """Record a ``prompt``, a ``score`` (0 to 100), ``metadata`` or the ``group`` of a request.

        The values have PromptLayer's keys; those that are ``None`` are left out.
        """

    def create_group(self) -> int:
        """Create a group of requests and return its id."""


class Registry(Protocol):
    """One registry with one key. Use it as a context manager, or call ``close``."""

    @property
    def url(self) -> str: ...
    @property
    def timeouts(self) -> Timeouts: ...
    @property
    def prompts(self) -> Prompts: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def checks(self) -> Checks: ...
    @property
    def tables(self) -> Tables: ...
    @property
    def tracking(self) -> Tracking: ...

    @property
    def workspace_id(self) -> int | None:
        """The workspace of the key, ``None`` if the registry does not return it.

        Costs requests if no version was read yet.
        """

    @property
    def workspace_seen(self) -> int | None:
        """The workspace if a response so far has named it. Costs no request."""

    def page(self, prompt: Version) -> str:
        """Return the URL of a prompt in the dashboard, ``""`` if it is not known. Costs what the id costs."""

    def capabilities(self, prompt: Version) -> Capabilities:
        """Find out what the registry supports, with one of its prompts."""

    @property
    def width(self) -> int:
        """How many requests may be under way by now, as the registry's responses have shown."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
