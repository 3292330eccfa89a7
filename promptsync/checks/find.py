"""The evaluations and agents of a registry that checks mean, found before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from promptsync.checks.catalogue import Agent, Evaluation, ItemT, list_agents, list_evaluations, pick
from promptsync.checks.select import AgentCheck, EvaluationCheck, Selection
from promptsync.compare.equal import Proof, digest_beside
from promptsync.compare.gather import list_all
from promptsync.compare.project import Project
from promptsync.errors import PromptsyncError, UsageError
from promptsync.files.prompt_file import PromptFile
from promptsync.parallel import mapped
from promptsync.prompt.prompt import Listed
from promptsync.registry.errors import NotFound, NotReadableRaw, RenamedRemotely

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

CheckT = TypeVar("CheckT", EvaluationCheck, AgentCheck)


@dataclass(frozen=True, slots=True)
class Found:
    """Checks with what the registry has under their names."""

    evaluations: tuple[tuple[EvaluationCheck, Evaluation], ...] = ()
    agents: tuple[tuple[AgentCheck, Agent], ...] = ()

    @property
    def prompts(self) -> frozenset[str]:
        """The prompts that any of the checks is to prove."""
        several = [*(one.prompts for one, _ in self.evaluations), *(one.prompts for one, _ in self.agents)]
        return frozenset(prompt for prompts in several for prompt in prompts)


def find_checks(registry: Registry, selection: Selection) -> Found:
    """Return what the checks of a selection mean. Starts nothing.

    Two checks that mean one evaluation, by its name and by its id, become one. Raises ``NoSuchItem``, with
    the places in the files, for what the registry does not have, and ``UsageError`` for a name that several
    share.
    """
    problems: list[PromptsyncError] = []
    evaluations: list[tuple[EvaluationCheck, Evaluation]] = []
    agents: list[tuple[AgentCheck, Agent]] = []
    if selection.evaluations:
        known = list_evaluations(registry, runs=True)
        evaluations = _all(selection.evaluations, known, "evaluation", registry.url, problems, _evaluation)
    if selection.agents:
        agents = _all(selection.agents, list_agents(registry), "agent", registry.url, problems, _agent)
    if problems:
        raise _error(problems, registry.url)
    return Found(_merged(evaluations), tuple(agents))


def _evaluation(check: EvaluationCheck) -> str:
    return check.evaluation


def _agent(check: AgentCheck) -> str:
    return check.agent


def _all(
    checks: Sequence[CheckT],
    known: Sequence[ItemT],
    kind: str,
    url: str,
    problems: list[PromptsyncError],
    name_of: Callable[[CheckT], str],
) -> list[tuple[CheckT, ItemT]]:
    found = []
    for check in checks:
        try:
            (item,) = pick(known, [name_of(check)], kind, url)
        except UsageError as error:
            problems.append(_placed(error, check))
        else:
            found.append((check, item))
    return found


def _placed(error: PromptsyncError, check: EvaluationCheck | AgentCheck) -> PromptsyncError:
    places = [str(place) for place in check.named_in]
    if not places:
        return error
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return type(error)(f"{places[0]}{more}: {error.message}", hint=error.hint, code=error.code)


def _error(problems: Sequence[PromptsyncError], url: str) -> PromptsyncError:
    first = problems[0]
    if len(problems) == 1:
        return first
    return type(first)(
        f"{len(problems)} evaluations and agents that the files name are not to be found in {url}",
        details=[f"{one.message} ({one.hint})" for one in problems],
        code=first.code,
    )


def _merged(
    found: Sequence[tuple[EvaluationCheck, Evaluation]],
) -> tuple[tuple[EvaluationCheck, Evaluation], ...]:
    merged: dict[int, tuple[EvaluationCheck, Evaluation]] = {}
    for check, item in found:
        before = merged.get(item.id)
        merged[item.id] = (check if before is None else _both(before[0], check), item)
    return tuple(merged.values())


def _both(one: EvaluationCheck, other: EvaluationCheck) -> EvaluationCheck:
    minima = [check.min_score for check in (one, other) if check.min_score is not None]
    return replace(
        one,
        prompts=tuple(dict.fromkeys([*one.prompts, *other.prompts])),
        min_score=max(minima, default=None),
        named_in=one.named_in + other.named_in,
    )


def published_versions(
    project: Project, files: Mapping[str, PromptFile], names: Iterable[str]
) -> dict[str, int]:
    """Return the latest version of each prompt whose latest version is what its file says.

    One that is left out is not published yet, or was edited in the registry: what runs there is not what the
    file says. Raises ``RemoteError``.
    """
    listed = list_all(project)
    proof = Proof(project, listed, whole=True)
    listing = {item.name: item for item in listed}
    pairs = [(files[name], listing[name]) for name in names if name in files and name in listing]
    proven = {item.name: item.version for file, item in pairs if proof.equal(file, item)}
    open_pairs = [pair for pair in pairs if pair[1].name not in proven]
    equal = mapped(lambda pair: _says(project, pair[1], pair[0], proof.digest(pair[0])), open_pairs)
    read = {item.name: item.version for (_, item), says in zip(open_pairs, equal, strict=True) if says}
    return proven | read


def _says(project: Project, item: Listed, file: PromptFile, digest: str) -> bool:
    try:
        remote = project.registry.prompts.get(item.template_id, item.name, version=item.version)
    except (NotFound, NotReadableRaw, RenamedRemotely):
        return False
    return digest_beside(file.prompt, remote.prompt) == digest
