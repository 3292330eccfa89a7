"""What the tool needs of a registry. Everything above ``registry/`` knows these protocols and nothing more.

Every method may be called by many threads at once and raises the errors of ``registry.errors``.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from promptsync.prompt.prompt import Label, Listed, Prompt, RemoteVersion

OnPage = Callable[[int, int], None]
"""Called with the pages that were read, and the pages in all as far as known."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait for a registry, in seconds."""

    answer: float = 30.0
    """For the answer to each attempt of a request."""
    connect: float = 10.0
    connect_loopback: float = 3.0
    """A server on this machine is there at once, or something else is listening."""
    first_retry: float = 0.5
    """Before the first repetition of a request; doubled with each further one."""
    read_back: float = 1.0
    """Between two looks at what became of a publish that got no answer."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """The version that a publish made."""

    template_id: int
    version: int


@dataclass(frozen=True, slots=True)
class StartedAgent:
    """``execution_id`` is what to poll, ``None`` where the registry answered with the outputs at once."""

    execution_id: int | None
    raw: Mapping[str, Any]


class VersionCache(Protocol):
    """Keeps the raw answers that hold one immutable version each.

    Keyed by URL, workspace id and template id, never by name. ``get`` returns ``None`` for what it lacks.
    """

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None: ...

    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None: ...


class Prompts(Protocol):
    """The prompts of a registry and their versions."""

    @property
    def stores_tags(self) -> bool:
        """Whether the registry stores tags, as far as its answers have shown."""
        ...

    def list(
        self,
        *,
        status: str = "active",
        label: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        with_tags: bool = False,
        on_page: OnPage | None = None,
    ) -> builtins.list[Listed]:
        """Return every prompt, from all pages.

        ``status`` is ``active``, ``deleted`` or ``all``. With ``label``: those that have it, each at that
        label's version. ``name`` matches parts of names, in any case. ``with_tags`` reads the tags prompt by
        prompt where the list leaves them out. Bodies may hold expanded snippets: they only prove equality.
        """
        ...

    def get(
        self, template_id: int | None, name: str, *, version: int | None = None, label: str | None = None
    ) -> RemoteVersion:
        """Return one version of a prompt as it was published, with its snippet references as they are.

        The latest without ``version`` and ``label``, of which at most one may be given. Tags belong to the
        prompt: also an old version has those of the last list or the last answer. A label that an A/B release
        overloads may answer with different versions: resolve it with ``labels``, read by version and compare.
        A known version may come from the cache.

        Raises ``NotFound``; ``RenamedRemotely`` when ``template_id`` has another name now; ``NotReadableRaw``
        when the registry only gives a form of this prompt that may not be its source.
        """
        ...

    def publish(self, prompt: Prompt, *, message: str, labels: Sequence[str] = ()) -> NewVersion:
        """Publish ``prompt`` as a new version, created or moved ``labels`` included.

        Each success makes a version, so it is never sent twice unless the registry certainly did nothing.
        After ``NotSent`` (``Rejected`` is one) there is no new version; after ``FateUnknown`` there may be
        one: read back before deciding. The registry may drop what it does not know: read back as well.
        """
        ...

    def archive(self, template_id: int, is_snippet: bool) -> None:
        """Archive a prompt with all its versions, as the dashboard does. Raises ``NotFound``."""
        ...

    def snippet_usage(self, template_id: int, name: str, *, version: int | None = None) -> dict[str, Any]:
        """Return who uses a snippet.

        ``snippet_usage[]`` with ``prompt_registry_id, prompt_name, version_numbers``, and ``label_usage[]``.
        """
        ...

    def render(
        self,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        provider: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return what a model would be sent: ``prompt_template``, ``llm_kwargs``, …

        The latest version without ``version`` and ``label``, of which at most one may be given. Never a
        source to store: snippets are expanded in it.
        """
        ...


class Labels(Protocol):
    """The release labels of a registry.

    A registry may hold a change back for approval, or overload a label with an A/B release: read the label
    again after each change.
    """

    def of(self, template_id: int, name: str) -> list[Label]:
        """Return the labels of one prompt, each with the version that it points at.

        Raises ``Unsupported`` where labels can only be set while publishing.
        """
        ...

    def all(self) -> list[Label] | None:
        """Return the labels of all prompts in one request, ``None`` where a registry has no such list.

        Each label names its prompt by id, by name or by both.
        """
        ...

    def set(self, template_id: int, name: str, label: str, version: int, existing: Label | None) -> None:
        """Point ``label`` of the prompt at ``version``: move ``existing``, or create it without one."""
        ...

    def delete(self, label: Label) -> None:
        """Delete a label; one that does not exist any more is no error."""
        ...


class Checks(Protocol):
    """Datasets, evaluations and agents. Answers are the registry's own objects."""

    def list_datasets(self, **filters: object) -> list[dict[str, Any]]:
        """Return all datasets: ``id, version_number, column_names, dataset_group{id, name}, …``.

        ``filters`` are query parameters; those that are ``None`` are not sent. A registry of the customer's
        document knows ``name`` (of the group, matched in parts) and ``status`` alone.
        """
        ...

    def list_evaluations(self, *, include_runs: bool = False, **filters: object) -> list[dict[str, Any]]:
        """Return all evaluations: ``id, name, workspace_id, …``. ``name`` matches parts; compare again.

        With ``include_runs`` each has its ``runs`` (``id, status, score``), where the registry has them.
        """
        ...

    def run_evaluation(self, evaluation_id: int, name: str, *, dataset_id: int | None = None) -> int:
        """Start an evaluation and return the id of the new report, which ``evaluation`` reads.

        ``name`` is the report's, 1 to 255 characters.
        """
        ...

    def evaluation(self, report_id: int) -> dict[str, Any]:
        """Return a report: ``status`` (``RUNNING``, ``COMPLETED``), ``stats.status_counts``, ``report``, …"""
        ...

    def evaluation_score(self, report_id: int) -> dict[str, Any]:
        """Return a finished report's score: ``overall_score`` (or ``None``), ``score_type``, ``details``."""
        ...

    def evaluation_rows(self, report_id: int) -> dict[str, Any]:
        """Return a report's ``columns`` and ``rows``; a row is a list of cells, the dataset's first."""
        ...

    def list_agents(self, **filters: object) -> list[dict[str, Any]]:
        """Return all agents (the vendor's workflows): ``id, name, release_labels, latest_version_number``."""
        ...

    def agent(
        self, agent: int | str, *, label: str | None = None, version: int | None = None
    ) -> dict[str, Any]:
        """Return one version of an agent: ``version``, ``nodes[]`` with ``name, node_type, configuration``, …

        The latest without ``label`` and ``version``, of which at most one may be given.
        """
        ...

    def run_agent(
        self,
        agent: int | str,
        variables: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        version: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> StartedAgent:
        """Start an agent, by id or name: the latest version, or that of ``label`` or ``version``."""
        ...

    def agent_result(self, execution_id: int, *, all_outputs: bool = True) -> tuple[bool, Any]:
        """Return whether the run is done, and then its outputs: by node, or the output node's bare value."""
        ...


class Tracking(Protocol):
    """Requests that applications made, and what is noted about them."""

    def log_request(self, request: Mapping[str, Any]) -> int:
        """Log a request, given in the registry's own shape, and return its id."""
        ...

    def track_prompt(
        self,
        request_id: int | str,
        prompt_name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        """Note which prompt a request used: the newest version when neither version nor label is given."""
        ...

    def track_score(self, request_id: int | str, score: int, *, name: str | None = None) -> None:
        """Score a request with 0 to 100, under ``name`` or the registry's default."""
        ...

    def track_metadata(self, request_id: int | str, metadata: Mapping[str, str]) -> None:
        """Add metadata to a request; a key that it has already is replaced."""
        ...

    def track_group(self, request_id: int | str, group_id: int) -> None:
        """Put a request into a group."""
        ...

    def create_group(self) -> int:
        """Create a group of requests and return its id."""
        ...


class Registry(Protocol):
    """One registry with one key. Use it as a context manager, or call ``close``."""

    @property
    def url(self) -> str: ...
    @property
    def waits(self) -> Waits: ...
    @property
    def prompts(self) -> Prompts: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def checks(self) -> Checks: ...
    @property
    def tracking(self) -> Tracking: ...

    @property
    def workspace_id(self) -> int | None:
        """The workspace of the key, ``None`` where the registry does not say.

        Costs a request where no version was read yet.
        """
        ...

    @property
    def workspace_seen(self) -> int | None:
        """The workspace as far as the answers so far have shown it. Costs no request."""
        ...

    @property
    def requests(self) -> int:
        """How many requests were sent so far, repetitions included."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
