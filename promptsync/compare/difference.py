"""What differs, field by field, between two sides, two versions, or the files and a git state."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial

from msgspec import Struct

from promptsync.compare.content import read_content
from promptsync.compare.git_state import find_state
from promptsync.compare.snapshot import Item, State
from promptsync.errors import UsageError
from promptsync.files.evaluation import FOLDER
from promptsync.files.git.repository import Repository
from promptsync.files.git.revisions import tree_at
from promptsync.files.prompt_file import PromptFile, Worktree, name_in, parse
from promptsync.files.yaml.load import InvalidFile, check_valid
from promptsync.project.project import Project
from promptsync.project.target import At, PromptAt, no_such_prompt, resolve, unknown
from promptsync.project.versions import Catalog, NoSuchVersion, find_version
from promptsync.prompt.additions import without_notes
from promptsync.prompt.canonical import digest
from promptsync.prompt.contract import ContractChange, contract_changes
from promptsync.prompt.evaluation import EvaluationFile
from promptsync.prompt.fields import FieldChange, changes, variables_change
from promptsync.prompt.names import name_for
from promptsync.prompt.prompt import Prompt, Version, tag_set
from promptsync.prompt.snippets import follows_text, parents, rendered_in


class ChangeKind(StrEnum):
    """How a prompt differs."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"
    DEPENDANT = "dependant"


class Step(Struct, frozen=True):
    """What changed from one version to another; ``title`` names the two.

    ``contract`` is what may break applications that read the first one; snippets are not in place in it.
    """

    title: str
    fields: tuple[FieldChange, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    contract: tuple[ContractChange, ...] = ()


class Difference(Struct, frozen=True):
    """How the two sides of a prompt differ: in one step, or in two from the base if both sides changed.

    ``state`` is a ``State``, or how two specified states differ.
    """

    name: str
    state: StrEnum
    path: str | None
    steps: tuple[Step, ...]


class ChangedPrompt(Struct, frozen=True):
    """One prompt that differs. ``path`` is its present file, ``None`` if it was deleted.

    ``before`` is the prompt as it was, ``None`` if there was none or its file cannot be read.
    ``through`` are the snippets from a dependant down to the one that changed.
    """

    name: str
    kind: ChangeKind
    path: str | None
    before: Prompt | None = None
    through: tuple[str, ...] = ()


class ChangedPrompts(Struct, frozen=True):
    """What differs from ``since``, sorted by name.

    ``commit`` is its full id, ``None`` for the state before the first commit.
    """

    since: str
    commit: str | None
    prompts: tuple[ChangedPrompt, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that still exist, sorted."""
        return tuple(sorted(prompt.name for prompt in self.prompts if prompt.kind is not ChangeKind.DELETED))


def step(title: str, old: Prompt | None, new: Prompt | None) -> Step:
    """Return the step between two prompts; ``None`` is a prompt that does not exist."""
    contract = () if old is None or new is None else contract_changes(old, new)
    return Step(title, tuple(changes(old, new)), *variables_change(old, new), contract)


def differences(project: Project, items: Iterable[Item]) -> list[Difference]:
    """Return how the sides of each item differ, except items in sync and unreadable ones."""
    wanted = [item for item in items if item.state not in (State.IN_SYNC, State.INVALID)]

    def compared(item: Item) -> Difference:
        steps = tuple(_steps(project, item))
        return Difference(item.name, item.state, item.path, steps)

    return project.mapped("Comparing", compared, wanted)


def differences_between(
    project: Project, worktree: Worktree, arguments: Sequence[str], at: At
) -> list[Difference] | None:
    """Return how specified versions differ from the files or from each other, ``None`` if none is specified.

    Two arguments that mean the same prompts are compared with each other. Any other argument is compared
    with its file, at ``at`` where it specifies no version. Without arguments, every file is compared with
    ``at``. Raises ``NoSuchPrompt``, ``NoSuchVersion``, and ``UsageError`` for a prompt at two versions.
    """
    catalog = Catalog(project)
    if arguments:
        known: Mapping[str, object] = ChainMap(dict(worktree.files), catalog)  # type: ignore[arg-type]
        missing = partial(
            unknown, prompts=project.config.prompts, where=f"{worktree.prompts}/ or {project.registry.url}"
        )
        selected = [resolve(project, [argument], known, at=at, missing=missing) for argument in arguments]
    else:
        names = (name for name in sorted(worktree.files) if project.config.in_scope(name))
        selected = [[PromptAt(name, at, is_exact=False) for name in names]]
    if not any(target.at for targets in selected for target in targets):
        return None
    by_name = [{target.name: target for target in targets} for targets in selected]
    if len(by_name) == 2 and by_name[0].keys() == by_name[1].keys():
        pairs = [(old, by_name[1][name]) for name, old in by_name[0].items()]
    else:
        pairs = [(target, PromptAt(target.name)) for targets in selected for target in targets]
    # One search is cheaper than the list; for several prompts the list is.
    listing = dict(catalog) if len(pairs) > 1 else catalog

    def compare(pair: tuple[PromptAt, PromptAt]) -> Difference | None:
        old, file = pair[0], worktree.files.get(pair[0].name)
        # Beside the file, only what was sent counts. Beside another version, all of it does.
        is_sent = not all(target.at for target in pair)
        sides = [_side(project, file, listing, target, is_sent=is_sent) for target in pair]
        (old_title, before), (new_title, after) = sides
        shown = step(f"{old_title} -> {new_title}", before, after)
        if not shown.fields:
            return None
        kind = ChangeKind.DELETED if after is None else ChangeKind.CHANGED
        kind = ChangeKind.ADDED if before is None else kind
        return Difference(old.name, kind, file.path if file is not None else None, (shown,))

    differing = project.mapped("Comparing", compare, pairs)
    return [difference for difference in differing if difference is not None]


def differences_since(
    project: Project, worktree: Worktree, since: str | None, arguments: Iterable[str]
) -> list[Difference]:
    """Return how the named prompts, or all, differ from a git state.

    Takes ``since`` and raises as ``changed_since`` does; also ``UsageError`` for a name without a file in
    either state.
    """
    changed = changed_since(project, worktree, since)
    known = {*worktree.files, *(prompt.name for prompt in changed.prompts)}
    missing = partial(unknown, prompts=worktree.prompts, where=f"your files or {changed.since}")
    targets = resolve(project, arguments, known, with_versions=False, missing=missing)
    wanted = {target.name for target in targets}
    return [
        _since(changed.since, prompt, worktree.files.get(prompt.name))
        for prompt in changed.prompts
        if not wanted or prompt.name in wanted
    ]


def _since(since: str, prompt: ChangedPrompt, file: PromptFile | None) -> Difference:
    if prompt.kind is ChangeKind.DEPENDANT:
        shown = Step(f"renders {', which renders '.join(prompt.through)}", ())
    else:
        title = f"{since if prompt.before is not None else 'nothing'} -> {prompt.path or 'no file'}"
        shown = step(title, prompt.before, file.prompt if file is not None else None)
    return Difference(prompt.name, prompt.kind, prompt.path, (shown,))


def changed_since(project: Project, worktree: Worktree, since: str | None) -> ChangedPrompts:
    """Return what differs between ``since`` and the working tree; ``None`` stands for ``HEAD``.

    ``since`` is anything that git resolves to a commit, or ``REF...`` for the last commit that REF and
    ``HEAD`` share. Content and tags count; comments, layout, path and local keys do not. Sends no request.
    Raises ``PromptsyncError`` when the state cannot be found, and ``InvalidFile`` for an unreadable file.
    """
    check_valid(worktree.problems)
    history = project.history
    if history is None:
        raise UsageError(
            f"{project.root} is not in a git repository, so there is nothing to compare with",
            hint="git init",
            code="no-repository",
        )
    wanted = "HEAD" if since is None else since
    commit = find_state(history, wanted)
    before, after = _differing(history, worktree, commit)
    in_scope = project.config.in_scope
    own = [change for change in _changes(before, after) if in_scope(change.name)]
    names = {change.name for change in own}
    files = worktree.files
    references = {name: rendered_in(file.prompt.template) for name, file in files.items()} if names else {}
    dependants = [
        ChangedPrompt(name, ChangeKind.DEPENDANT, files[name].path, through=way)
        for name, way in parents(references, dict.fromkeys(names, follows_text)).items()
        if name not in names and in_scope(name)
    ]
    prompts = sorted((*own, *dependants), key=lambda prompt: (prompt.name, prompt.kind))
    return ChangedPrompts(wanted, commit, tuple(prompts))


def changed_evaluations(project: Project, since: ChangedPrompts) -> tuple[EvaluationFile, ...]:
    """Return the evaluation files that differ from that state, they or their files of rows."""
    history = project.history
    if history is None:
        return ()
    then = history.files(since.commit, history.prefix + FOLDER) if since.commit is not None else {}

    def is_same(path: str) -> bool:
        data = (project.root / path).read_bytes()
        # git may have converted the line ends.
        blobs = {history.blob_of(text) for text in (data, data.replace(b"\r\n", b"\n"))}
        return then.get(history.prefix + path) in blobs

    return tuple(file for file in project.evaluations if not all(map(is_same, file.paths)))


def _steps(project: Project, item: Item) -> Sequence[Step]:
    local, remote = item.file.prompt if item.file is not None else None, None
    if item.listed is not None:
        read = item.history.remote.get(item.listed.version) if item.history is not None else None
        if read is None:
            number = item.listed.version
            read = project.registry.prompts.get(item.listed.template_id, item.name, version=number)
        remote = item.content_of(read)
    version = f"v{item.version}" if item.version is not None else "nothing"
    here = item.path or "no file"
    base = item.base_prompt if item.state is State.DIVERGED and local is not None else None
    if base is not None and item.base is not None:
        at = f"v{item.base.version}" if item.base.version is not None else "the common version"
        return [step(f"{at} -> {here}", base, local), step(f"{at} -> {version}", base, remote)]
    if item.state in (State.BEHIND, State.REMOTE_ONLY):
        return [step(f"{here} -> {version}", local, remote)]
    return [step(f"{version} -> {here}", remote, local)]


def _side(
    project: Project,
    file: PromptFile | None,
    listing: Mapping[str, Version],
    target: PromptAt,
    *,
    is_sent: bool,
) -> tuple[str, Prompt | None]:
    """Return the title of a state and its prompt, ``None`` if the prompt does not exist in it.

    Without a version it is the file. A version that does not exist is an error only if the prompt was named.
    """
    if not target.at:
        return (file.path, file.prompt) if file is not None else ("no file", None)
    if not target.is_exact and target.name not in listing:
        return "nothing", None
    # Some registries match names in their own ways, so only the whole list shows that one is missing.
    if target.name not in listing and target.name not in list(listing):
        raise no_such_prompt(project, target.name, listing)
    try:
        version = find_version(project, listing[target.name], target.at)[0]
    except NoSuchVersion:
        if target.is_exact:
            raise
        return "nothing", None
    if file is not None and is_sent:
        prompt = read_content(project, version, file.prompt)
    else:
        prompt = without_notes(version.prompt, file.prompt if file is not None else None)
    return f"v{version.version}{f' ({target.at.label})' if target.at.label else ''}", prompt


def _differing(
    history: Repository, worktree: Worktree, commit: str | None
) -> tuple[dict[str, Prompt | None], dict[str, PromptFile]]:
    """Return what may differ by name: the prompts of a commit, or of the empty state, and the files now.

    A prompt is ``None`` if its file cannot be read, or if the commit has several of its name.
    """
    tree = tree_at(history, commit, worktree.prompts) if commit is not None else {}
    paths = {file.path.removeprefix(f"{worktree.prompts}/"): file for file in worktree.files.values()}
    blobs = {
        path: history.blob_of(file.text.encode("utf-8", "surrogatepass")) for path, file in paths.items()
    }
    old = {path: blob for path, blob in tree.items() if blobs.get(path) != blob}
    contents = history.blobs(old.values())
    before: dict[str, Prompt | None] = {}
    for path, blob in old.items():
        data = contents.get(blob, b"")
        name = name_in(data) or name_for(path)
        try:
            before[name] = parse(data, path, name).prompt if name not in before else None
        except InvalidFile:
            before[name] = None
    after = {file.prompt.name: file for path, file in paths.items() if blobs[path] != tree.get(path)}
    return before, after | {name: worktree.files[name] for name in before if name in worktree.files}


def _changes(before: Mapping[str, Prompt | None], after: Mapping[str, PromptFile]) -> Iterator[ChangedPrompt]:
    for name, file in after.items():
        then = before.get(name)
        if name not in before:
            yield ChangedPrompt(name, ChangeKind.ADDED, file.path)
        elif then is None or digest(then) != digest(file.prompt) or tag_set(then) != tag_set(file.prompt):
            yield ChangedPrompt(name, ChangeKind.CHANGED, file.path, then)
    for name in before.keys() - after.keys():
        yield ChangedPrompt(name, ChangeKind.DELETED, None, before[name])
