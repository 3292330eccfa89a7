"""What a pull does with one file: its complete new content, merged if both sides changed. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from promptsync.compare.conflict import edit
from promptsync.compare.content import has_text, read_content
from promptsync.compare.git_state import needs_backup
from promptsync.compare.snapshot import Item, PassedOverVersions, State
from promptsync.errors import Refused
from promptsync.files.cache import Entry
from promptsync.files.prompt_file import PromptFile, render_edit, render_new
from promptsync.history.graph import Revision
from promptsync.history.mark import identity, make_key
from promptsync.project.plan import PlannedFile
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.prompt.merge import FieldConflict, merge
from promptsync.prompt.prompt import Local, Prompt, Version, tag_set


class PullOptions(Struct, frozen=True):
    """What was requested. Empty ``names`` mean every prompt in scope.

    ``theirs`` and ``ours`` are about all the ``names``. ``passed_over`` says whether versions that were
    passed over are brought in or left out for good, ``None`` if neither. ``partial`` writes what can be
    written and skips the rest. ``command`` is what was typed.
    """

    names: tuple[str, ...] = ()
    theirs: bool = False
    ours: bool = False
    prune: bool = False
    merge: bool = False
    markers: bool = False
    passed_over: bool | None = None
    partial: bool = False
    command: str = "promptsync pull"


class Write(PlannedFile, frozen=True, kw_only=True):
    """One file to write from a ``source``; ``prompt`` is its new content, ``entry`` what is recorded.

    ``word`` says what happened to the file. ``since`` is the version that it included before, ``None`` if it
    is unknown. ``passed_over`` are the passed-over versions that it includes now, with or without their
    changes. ``unmerged`` is set if it has conflict markers.
    """

    source: Version
    old_prompt: Prompt | None
    prompt: Prompt
    entry: Entry
    word: str = "updated"
    since: int | None = None
    passed_over: tuple[Version, ...] = ()
    unmerged: Unmerged | None = None

    @property
    def version(self) -> int:
        return self.source.version


def deletes_of(
    project: Project, items: Sequence[Item], named: set[str], *, theirs: bool
) -> list[PlannedFile]:
    """Return the deletions of files whose prompts are archived in the registry.

    A file that is not committed, or that differs from the archived version, may be an edit that was never
    published; it goes only with ``theirs``. Raises ``Refused`` for such a file of a ``named`` prompt.
    """
    deletes = []
    for item in items:
        file, version = item.file, item.archived
        if item.state is not State.DELETED_REMOTELY or file is None:
            continue
        if theirs or (item.is_committed and has_text(project, version, file.prompt)):
            backup = needs_backup(project, file.path, file.text, None)
            deletes.append(
                PlannedFile(name=item.name, path=file.path, old=file.text, new=None, backup=backup)
            )
        elif item.name in named:
            name = shlex.quote(item.name)
            hint = f"promptsync push {name} --restore\npromptsync pull {name} --prune --theirs"
            raise Refused(f"{item.name!r} is {why_kept(item)}", hint=hint, code="kept")
    return deletes


def why_kept(item: Item) -> str:
    """Why ``--prune`` keeps the file of an archived prompt."""
    because = "it differs from the archived version" if item.is_committed else "no commit has its content"
    return f"archived in the registry; its file is kept because {because}"


def read_all(project: Project, versions: Sequence[Version]) -> dict[str, Version]:
    """Read versions raw, several at a time, by name."""

    def read(version: Version) -> Version:
        return project.registry.prompts.get(version.template_id, version.name, version=version.version)

    return {version.name: version for version in project.mapped("Reading versions", read, versions)}


def restore(project: Project, item: Item, version: Version, revision: Revision, path: str) -> Write:
    """Return the write that restores a deleted file at ``path``, in its last layout.

    No registry stores its comments.
    """
    last: PromptFile = structs.replace(revision.file, path=revision.path)
    prompt = read_content(project, version, last.prompt)
    if item.history is not None:
        item.history.set(version, prompt)  # it was read without a file beside it
    # ``synced:`` in the old file is about its old content, so it is reused only if that is the same.
    is_same = digest(prompt) == digest(last.prompt) and tag_set(prompt) == tag_set(last.prompt)
    # The new path may stand for another name.
    name = item.name if path == last.path else last.own_name
    last = structs.replace(last, prompt=structs.replace(last.prompt, name=name))
    local = last.local if is_same else None
    write = write_of(project, item, version, prompt, path=path, layout=last, local=local)
    return structs.replace(write, word="restored")


def edited(
    project: Project,
    item: Item,
    version: Version,
    passed_over: PassedOverVersions | None,
    options: PullOptions,
    *,
    pulls: bool,
) -> Write | Unmerged:
    """Return the write of an existing file: its own or the registry's content, with all versions to merge.

    With ``markers``, the first version that does not merge gets them, and the next pull goes on from there.
    """
    file = item.file
    assert file is not None
    steps: Sequence[MergeStep] = ()
    if not pulls and not options.ours and item.state is State.DIVERGED:
        steps = [MergeStep(version.version, item.base_prompt, item.content_of(version))]
    if passed_over is not None and options.passed_over:
        steps = [*steps, *_passed_over_steps(passed_over)]
    text = item.content_of(version) if pulls else file.prompt
    text, steps, unmerged = merge_steps(text, file.path, steps)
    if unmerged is not None and not (options.markers and unmerged.is_markable):
        return unmerged
    if passed_over is not None:
        # Where a step does not merge, what comes after it is not included.
        merged = {step.version for step in steps}
        heads = [head for head in passed_over.heads if head.version in merged or not options.passed_over]
        passed_over = PassedOverVersions(tuple(heads), passed_over.history) if heads else None
    # Where git could not merge ``synced:``, the file already has the keys of both sides.
    is_same = not pulls and not steps and passed_over is None and not options.ours
    write = write_of(
        project,
        structs.replace(item, history=passed_over.history) if passed_over is not None else item,
        version,
        text,
        local=file.local if is_same else None,
        heads=passed_over.included if passed_over is not None else None,
        backup=pulls and options.theirs,
    )
    word = "kept yours" if options.ours else "took theirs" if options.theirs else "updated"
    if steps or file.conflicted is not None:
        word = "merged" if unmerged is None else "conflict"
    read = passed_over.read if passed_over is not None else ()
    return structs.replace(write, word=word, passed_over=read, unmerged=unmerged)


def _passed_over_steps(passed_over: PassedOverVersions) -> Iterator[MergeStep]:
    history = passed_over.history
    for head in passed_over.heads:
        sides = history.contents.get(head.base or ""), history.content(head.version)
        # Tags belong to the prompt, not to its versions.
        base, theirs = (side and structs.replace(side, tags=()) for side in sides)
        yield MergeStep(head.version, base, theirs, is_passed_over=True)


def write_of(
    project: Project,
    item: Item,
    version: Version,
    prompt: Prompt | None = None,
    *,
    path: str | None = None,
    layout: PromptFile | None = None,
    local: Local | None = None,
    heads: Sequence[int] | None = None,
    backup: bool = False,
) -> Write:
    """Return the write of ``prompt``, by default that of ``version``, to a file or to a new one at ``path``.

    Comments and layout are those of ``layout``, by default of the file itself. ``heads`` are the versions
    that the text includes, by default those of a pull, and ``local`` is the rest of the file if it says so
    already. ``backup`` copies the old file even if git has it.
    """
    file = item.file
    layout = layout or file
    theirs = item.content_of(version)
    prompt, content = prompt or theirs, digest(theirs)
    decision = item.history.decision if item.history is not None else None
    if local is None:
        workspace_id = project.registry.workspace_id
        heads = heads or (decision.pull if decision is not None else ())
        keys = item.history.keys(heads, workspace_id) if item.history is not None else ()
        # Without a history there is only this version, so it is all that the file includes.
        known = make_key(identity(workspace_id, version.template_id), version.version, content)
        local = project.with_keys(layout.local if layout is not None else Local(), keys or (known,))
    # Where the file includes the tracked version, nothing new comes in with it.
    since = item.version if decision is None or decision.is_included else max(decision.force, default=None)
    new = render_edit(layout, prompt, local, named=True) if layout is not None else render_new(prompt, local)
    return Write(
        name=item.name,
        path=file.path if file is not None else path or "",
        source=version,
        old=(file.conflicted or file.text) if file is not None else None,
        new=new,
        old_prompt=file.prompt if file is not None else None,
        prompt=prompt,
        entry=Entry(version.template_id, version.version, content, tag_set(version.prompt)),
        backup=file is not None and (backup or needs_backup(project, file.path, file.text, new)),
        word="updated" if file is not None else "new",
        since=since if file is not None else None,
    )


class MergeStep(Struct, frozen=True):
    """A version to merge, and the version that it was made from, ``None`` without one.

    ``theirs`` is ``None`` if the registry no longer has the version. ``is_passed_over`` says that a later
    version passed it over.
    """

    version: int
    base: Prompt | None
    theirs: Prompt | None
    is_passed_over: bool = False


class Unmerged(Struct, frozen=True):
    """A prompt that does not merge with the ``version`` of the registry, field by field."""

    name: str
    path: str
    version: int
    conflicts: tuple[FieldConflict, ...]
    is_passed_over: bool = False

    @property
    def is_markable(self) -> bool:
        """Whether conflict markers in its texts show every conflict."""
        return all(conflict.markable for conflict in self.conflicts)


class MergeConflict(Refused):
    """Prompts that do not merge; ``unmerged`` has their fields."""

    code = "merge-conflict"

    def __init__(self, unmerged: Sequence[Unmerged], *, marked: bool) -> None:
        self.unmerged = tuple(unmerged)
        fields = sum(len(prompt.conflicts) for prompt in unmerged)
        places = f"{fields} place" if fields == 1 else f"{fields} places"
        self.reason = f"both sides changed the same text in {places}"
        """Why these prompts do not merge."""
        if all(prompt.is_passed_over for prompt in unmerged):
            number, several = f"passed-over v{unmerged[0].version} does", "passed-over versions do"
            self.reason = f"{number if len(unmerged) == 1 else several} not merge in {places}"
        names = ", ".join(repr(prompt.name) for prompt in unmerged[:3])
        more = f" and {len(unmerged) - 3} more" if len(unmerged) > 3 else ""
        result = "the files have conflict markers" if marked else "nothing was written"
        hint = edit(unmerged[0].path) if marked else _ways_out(unmerged)
        super().__init__(f"{names}{more}: {self.reason}; {result}", hint=hint)


def _ways_out(unmerged: Sequence[Unmerged]) -> str:
    is_passed_over = unmerged[0].is_passed_over
    alike = [prompt for prompt in unmerged if prompt.is_passed_over == is_passed_over]
    names = shlex.join(prompt.name for prompt in alike)
    is_markable = all(prompt.is_markable for prompt in alike)
    if is_passed_over:
        first = f"pull {names} --passed-over --markers" if is_markable else f"diff {names}"
        return f"promptsync {first}\npromptsync pull {names} --no-passed-over"
    ways = [f"promptsync pull {names} {way}" for way in ("--merge --markers", "--theirs", "--ours")]
    return "\n".join(ways[:2] if is_markable else ways[1:])


def merge_steps(
    text: Prompt, path: str, steps: Sequence[MergeStep]
) -> tuple[Prompt, Sequence[MergeStep], Unmerged | None]:
    """Merge steps into the text of the file at ``path``, up to the first that does not merge.

    Returns the text, the steps that it includes, and what does not merge: then the last step has conflict
    markers, as far as these can show its conflicts.
    """
    for place, step in enumerate(steps, 1):
        if step.theirs is None:
            continue
        side = f"v{step.version}" if step.is_passed_over else f"registry v{step.version}"
        result = merge(step.base, text, step.theirs, names=("yours", side))
        text = result.prompt
        if result.conflicts:
            unmerged = Unmerged(text.name, path, step.version, result.conflicts, step.is_passed_over)
            return text, steps[:place], unmerged
    return text, steps, None
