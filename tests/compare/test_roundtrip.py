"""Push after pull, and pull after push, change nothing, whatever a prompt holds.

Each example is a registry with many prompts, so that the database and the working copy are made seldom:
together the examples are 200 prompts (1,875 in ``make fuzz``), nine tenths of which the registry takes.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from zlib import crc32

import pytest
import strategies
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scripted_registry import Reply, Seen
from seeds import FUZZ
from vendor_fields import grow
from worlds import made

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import State
from promptsync.files.config import load
from promptsync.files.disk import write
from promptsync.files.prompt_file import (
    PromptFile,
    Worktree,
    parse,
    paths_for_new,
    render_edit,
    render_new,
    scan,
)
from promptsync.lint.check import check
from promptsync.lint.rules import KnownPrompts
from promptsync.project.project import Project, open_project
from promptsync.prompt.additions import without_notes
from promptsync.prompt.canonical import canonical
from promptsync.prompt.prompt import Local, Prompt, tag_set
from promptsync.pull.plan import apply_pull, plan_pull
from promptsync.pull.write import PullOptions
from promptsync.push.actions import Ending, PushOptions
from promptsync.push.apply import apply_push
from promptsync.push.plan import plan_push
from promptsync.registry.errors import Rejected

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

PROMPTS = 25


def _batched(examples: int) -> settings:
    """A failing batch is reported as it is, for shrinking it would take minutes."""
    return settings(
        max_examples=examples,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[*HealthCheck],
    )


_SNIPPETS = {"tone": 1, "a": 3}
"""Names and versions of the snippets that the generated texts refer to."""

_batches = st.lists(
    # no publish carries version-level fields that the registry does not know: it drops them
    strategies.prompts()
    .filter(lambda prompt: prompt.name not in _SNIPPETS)
    .map(lambda prompt: replace(prompt, extra={})),
    min_size=PROMPTS,
    max_size=PROMPTS,
    unique_by=lambda prompt: prompt.name,
)


@contextmanager
def _working_copies(*registries: str) -> Iterator[list[Project]]:
    """An empty working copy of each registry, without git; the registries hold the snippets only."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as opened:
        projects: list[Project] = []
        for number, registry in enumerate(registries):
            root = Path(directory) / str(number)
            root.mkdir()
            configuration = root / "promptsync.yaml"
            configuration.write_text(f'remotes: {{shared: {{url: "local:../{registry}"}}}}\n', "utf-8")
            projects.append(opened.enter_context(open_project(load(configuration))))
        for project in {project.database: project for project in projects}.values():
            _publish_snippets(project)
        yield projects


def _publish_snippets(project: Project) -> None:
    for name, versions in _SNIPPETS.items():
        for number in range(versions):
            template = {"type": "completion", "content": [{"type": "text", "text": f"Be kind {number}."}]}
            project.registry.prompts.publish(Prompt(name, template), message="")


def _held(project: Project, prompts: Iterable[Prompt]) -> dict[str, Prompt]:
    """Publish prompts past all our checks, and return what the registry made of those that it takes."""
    held = {}
    for prompt in prompts:
        with suppress(Rejected):
            version = project.registry.prompts.publish(prompt, message="by hand")
            found = project.registry.prompts.get(version.template_id, prompt.name).prompt
            held[prompt.name] = replace(found, tags=prompt.tags)
    return held


def _pull(project: Project) -> list[str]:
    plan = plan_pull(project, gather(project), PullOptions())
    return [write.name for write in apply_pull(project, plan).of(plan.writes)]


def _push(project: Project) -> list[str]:
    snapshot = gather(project)
    receipt = apply_push(project, plan_push(project, snapshot, PushOptions()))
    assert not receipt.failed and not receipt.of(Ending.RACED, Ending.ALTERED)
    return [one.name for one in receipt.published]


def _files(project: Project) -> dict[str, Prompt]:
    worktree = scan(project.root, "prompts")
    assert not worktree.problems
    return {name: file.prompt for name, file in worktree.files.items()}


def _states(project: Project) -> set[State]:
    return {item.state for item in gather(project).items}


@_batched(25 if FUZZ else 5)
@given(_batches)
def test_what_was_pulled_is_in_sync_and_pushes_nothing(prompts: list[Prompt]) -> None:
    with _working_copies("registry.db") as (project,):
        held = _held(project, prompts)
        assert set(_pull(project)) == {*held, *_SNIPPETS}
        assert _states(project) == {State.IN_SYNC}
        assert _push(project) == [] == _pull(project)
        assert _contents(_files(project), held) == _contents(held, held)


@_batched(10 if FUZZ else 2)
@given(_batches, st.lists(strategies.locals_(), min_size=PROMPTS, max_size=PROMPTS))
def test_what_was_pushed_is_in_sync_and_comes_back_as_it_was(
    prompts: list[Prompt], local_parts: list[Local]
) -> None:
    with _working_copies("origin.db", "registry.db", "registry.db") as (origin, ours, theirs):
        held = _held(origin, prompts)
        _pull(ours)
        names = _write(ours, zip(held.values(), local_parts, strict=False))
        assert set(_push(ours)) == names
        assert _states(ours) == {State.IN_SYNC}
        assert _push(ours) == [] == _pull(ours)
        assert _contents(_files(ours), names) == _contents(held, names)

        assert set(_pull(theirs)) == {*names, *_SNIPPETS}
        assert _contents(_files(theirs), names) == _contents(held, names)

        shutil.rmtree(ours.root / "prompts")
        assert set(_pull(ours)) == {*names, *_SNIPPETS}
        assert _contents(_files(ours), names) == _contents(held, names)
        assert _push(ours) == []


def _growing(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    """Add unknown keys at every level of each version, in lists as well, that depend on its name alone."""
    reply = forward(seen)
    body = json.loads(reply.content)
    for one in body.get("items") or [body]:
        if isinstance(one.get("prompt_template"), dict):
            grow(one["prompt_template"], one.get("metadata"), crc32(one["prompt_name"].encode()))
            one["author_email"] = f"{one.get('version')}@example.org"
    return Reply(json.dumps(body), reply.status, reply.headers)


@_batched(40 if FUZZ else 1)
@given(_batches)
def test_fields_that_the_vendor_adds_are_no_difference_and_none_is_lost(prompts: list[Prompt]) -> None:
    """Pull then push, and push then pull, with unknown keys at every level: 1,000 in ``make fuzz``."""
    with tempfile.TemporaryDirectory() as directory, made(Path(directory)) as world:
        world.faults.append(_growing)
        with contextlib.closing(world.project()) as project:
            _publish_snippets(project)
            held = _held(project, prompts)
            assert set(_pull(project)) == {*held, *_SNIPPETS}
        world.commit()
        for _ in ("recorded", "without private files"):
            with contextlib.closing(world.project()) as project:
                assert _states(project) == {State.IN_SYNC}
                assert _push(project) == [] == _pull(project)
                shown = {name: without_notes(prompt) for name, prompt in held.items()}
                assert _contents(_files(project), held) == _contents(shown, held)
            shutil.rmtree(world.root / ".promptsync")

        # Another text in each file: its unknown keys are sent, stored, and come back.
        with contextlib.closing(world.project()) as project:
            names = _edit(project, held)
            assert set(_push(project)) == names
            assert _states(project) == {State.IN_SYNC}
            assert _push(project) == [] == _pull(project)
            pushed = _files(project)
            shutil.rmtree(project.root / "prompts")
        shutil.rmtree(world.root / ".promptsync")
        shutil.rmtree(world.root / ".git")
        with contextlib.closing(world.project()) as project:
            assert names <= set(_pull(project))
            assert _contents(_files(project), names) == _contents(pushed, names)
            assert _push(project) == []


def _contents(prompts: Mapping[str, Prompt], names: Iterable[str]) -> dict[str, object]:
    return {name: (canonical(prompts[name]), tag_set(prompts[name])) for name in names}


def _write(project: Project, parts: Iterable[tuple[Prompt, Local]]) -> set[str]:
    """Write a file for each prompt that lint lets through, and return their names."""
    given = {prompt.name: (prompt, local) for prompt, local in parts}
    worktree = scan(project.root, "prompts")
    paths = paths_for_new(worktree, given)
    texts = {name: render_new(prompt, local) for name, (prompt, local) in given.items()}
    return _keep(project, worktree, [parse(text.encode(), paths[name], name) for name, text in texts.items()])


def _edit(project: Project, names: Iterable[str]) -> set[str]:
    """Change the metadata in each file that lint then lets through, and return their names."""
    worktree = scan(project.root, "prompts")
    files = []
    for file in map(worktree.files.__getitem__, names):
        prompt = replace(file.prompt, metadata={**file.prompt.metadata, "edited": True})
        files.append(parse(render_edit(file, prompt, file.local).encode(), file.path, prompt.name))
    return _keep(project, worktree, files)


def _keep(project: Project, worktree: Worktree, files: Sequence[PromptFile]) -> set[str]:
    snippets = {name: file.prompt.template for name, file in worktree.files.items()}
    known = KnownPrompts(snippets, registry=frozenset(snippets))
    refused = {problem.path for problem in check(files, known) if problem.severity == "error"}
    kept = [file for file in files if file.path not in refused]
    for file in kept:
        write(project.root, file.path, file.text)
    return {file.prompt.name for file in kept}
