"""Renders what a model receives: a prompt from its file, or by the registry."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from promptsync.compare.conflict import check_resolved
from promptsync.errors import AnswerIsNo, RemoteError, UsageError
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree, load_paths, scan
from promptsync.files.yaml.load import InvalidFile
from promptsync.lint.rules import Subject
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At, NoSuchPrompt, may_have_version, resolve, unknown
from promptsync.project.versions import Catalog, no_such_version, read_labels
from promptsync.prompt.prompt import JINJA2, Version, texts_of
from promptsync.prompt.snippets import FENCE, Reference, SnippetError, expand
from promptsync.prompt.template import Filling, Rendered, Values, syntax_error, template_variables
from promptsync.registry.errors import NotFound
from promptsync.registry.protocol import number
from promptsync.rendering import Engine
from promptsync.terminal.output import count

Template = Mapping[str, Any]


class RenderOptions(msgspec.Struct, frozen=True):
    """How to render. ``values`` are the variables; ``named`` are those of them that were passed one by one.

    ``example`` is the number of an example in the file, from 1, whose values are the defaults. The registry
    renders with ``from_registry``, or if ``at`` specifies a version; ``provider`` and
    ``model`` replace those of the prompt. ``offline`` renders pinned snippets from the files.
    """

    values: Values = {}
    named: tuple[str, ...] = ()
    example: int | None = None
    at: At = LATEST
    from_registry: bool = False
    offline: bool = False
    provider: str | None = None
    model: str | None = None


class Rendering(msgspec.Struct, frozen=True):
    """A rendered prompt: ``path`` is its file, or ``version`` the version that the registry rendered.

    ``arguments`` are for the provider's client (``llm_kwargs``); only a registry makes them.
    ``has_unused_examples`` says that no variable was passed, although the file has examples.
    """

    name: str
    template: Template
    model: Any = None
    warnings: tuple[str, ...] = ()
    path: str | None = None
    version: int | None = None
    arguments: Template | None = None
    has_unused_examples: bool = False


def render_prompts(project: Project, arguments: Iterable[str], options: RenderOptions) -> list[Rendering]:
    """Return the prompts that arguments mean, rendered; see ``resolve``.

    The path of a draft outside the prompts directory is an argument, too. Raises ``NoSuchPrompt``,
    ``NoSuchVersion``, ``InvalidFile`` for a file that cannot be read, ``AnswerIsNo`` for a jinja2 text that
    fails, ``SnippetError`` for a snippet that does not exist, and ``RemoteError``.
    """
    worktree = scan(project.root, project.config.prompts)
    renderings: list[Rendering] = []
    for argument in arguments:
        files = None
        if not options.from_registry and not options.at:
            files = _files(project, worktree, argument)
        if files is not None:
            renderings += [_render_file(project, worktree, file, options) for file in files]
            continue
        catalog = Catalog(project)
        for target in resolve(project, [argument], catalog, at=options.at):
            file = worktree.files.get(target.name)
            renderings.append(_render_version(project, catalog[target.name], target.at, file, options))
    return renderings


def _files(project: Project, worktree: Worktree, argument: str) -> Collection[PromptFile] | None:
    """Return the files that an argument means, ``None`` if it may mean a version of a prompt.

    The path of a draft outside the prompts directory is an argument, too.
    """
    draft = (project.given_directory or project.root) / argument
    if argument not in worktree.files and draft.is_file():
        read = load_paths(worktree.root, worktree.prompts, [draft])
        if read.problems:
            raise InvalidFile(read.problems)
        return read.files.values()
    where = f"{worktree.prompts}/"
    broken = [problem for problem in worktree.problems if worktree.broken.get(problem.path) == argument]
    if argument not in worktree.files and broken:
        raise InvalidFile(broken)
    try:
        missing = partial(unknown, prompts=project.config.prompts, where=where)
        targets = resolve(project, [argument], worktree.files, missing=missing)
    except NoSuchPrompt:
        if may_have_version(argument):
            return None
        raise
    return None if targets[0].at else [worktree.files[target.name] for target in targets]


def _render_file(project: Project, worktree: Worktree, file: PromptFile, options: RenderOptions) -> Rendering:
    """Return a file's prompt rendered, its snippets taken from the files first.

    Pinned versions and labels, and snippets without a file, are read from the registry unless ``offline``.
    """
    check_resolved(file, "nothing was rendered")
    warnings: list[str] = []

    def read(reference: Reference) -> Template:
        snippet, warning = _snippet(project, worktree, file, reference, offline=options.offline)
        if snippet.get("type") != "completion":
            raise SnippetError(
                f"{reference} refers to a chat prompt; only completion prompts can be snippets.",
                hint="move the text to a completion prompt: content: instead of messages:",
            )
        warnings.extend([warning] if warning else [])
        return snippet

    template = expand(file.prompt.template, read)
    values = {**_example(file, options.example), **options.values}
    engine = Engine()

    def rendered_or_refused(text: str, template_format: str, values: Values) -> Rendered:
        rendered = engine(text, template_format, values)
        # The registry returns an f-string that fails as it is. A text that needs too much is always refused.
        if rendered.error and (template_format == JINJA2 or rendered.hint):
            raise _unrenderable(file, template, text, rendered)
        return rendered

    filling = Filling(values, rendered_or_refused)
    filled = filling.template(template)
    used = template_variables(template)
    unused = [_unused(name, used) for name in options.named if name not in used]
    return Rendering(
        file.prompt.name,
        filled,
        file.prompt.metadata.get("model"),
        (*dict.fromkeys(warnings), *filling.warnings, *unused),
        path=file.path,
        has_unused_examples=bool(file.local.examples) and not values,
    )


def _example(file: PromptFile, number: int | None) -> Mapping[str, Any]:
    if number is None:
        return {}
    examples = file.local.examples
    if not 1 <= number <= len(examples):
        raise UsageError(
            f"{file.path} has {count(len(examples), 'example')}, so there is no example {number}",
            hint="add one under examples: in the file" if not examples else "--example 1",
        )
    return examples[number - 1]


def _unused(name: str, used: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, used, 1)
    return f"The prompt does not use the variable {name!r}.{f' Did you mean {close[0]!r}?' if close else ''}"


def _render_version(
    project: Project, listed: Version, at: At, file: PromptFile | None, options: RenderOptions
) -> Rendering:
    """Return one version of a prompt as the registry renders it. Raises ``NoSuchVersion``."""
    name = listed.name
    if options.example is not None and file is None:
        raise UsageError(f"{name} has no file with examples", hint=f"promptsync pull {shlex.quote(name)}")
    example = _example(file, options.example) if file is not None else {}
    try:
        response = project.registry.prompts.render(
            name,
            version=at.number,
            label=at.label,
            provider=options.provider,
            model=options.model,
            variables={**example, **options.values},
        )
    except NotFound:
        if not at:
            raise
        labels = read_labels(project, listed) if at.label is not None else None
        raise no_such_version(listed, at, list(labels or ())) from None
    metadata, warning = response.get("metadata"), response.get("warning")
    arguments = response.get("llm_kwargs")
    return Rendering(
        name,
        response["prompt_template"],
        metadata.get("model") if isinstance(metadata, Mapping) else None,
        (warning,) if isinstance(warning, str) else (),
        version=number(response, "version"),
        arguments=arguments if isinstance(arguments, Mapping) else None,
    )


def _snippet(
    project: Project, worktree: Worktree, parent: PromptFile, reference: Reference, *, offline: bool
) -> tuple[Template, str | None]:
    """Return the template of a snippet, and a warning if its file replaces the version that it names."""
    file = worktree.files.get(reference.name)
    if file is not None and (offline or not reference.pinned):
        check_resolved(file, "nothing was rendered")
        pinned = f"{reference} is rendered from {file.path}, not from the pinned version."
        return file.prompt.template, pinned if reference.pinned else None
    if offline:
        raise SnippetError(f"{reference} in {parent.path} has no file.")
    try:
        get = project.registry.prompts.get
        snippet = get(None, reference.name, version=reference.version, label=reference.label)
        return snippet.prompt.template, None
    except NotFound:
        if file is not None:
            check_resolved(file, "nothing was rendered")
            warning = f"{reference} is not in {project.remote} yet, so it is rendered from {file.path}."
            return file.prompt.template, warning
        close = difflib.get_close_matches(reference.name, worktree.files, 1)
        raise SnippetError(
            f"{reference} in {parent.path} exists neither in your files nor in {project.remote}.",
            hint=f"did you mean {close[0]!r}?" if close else "promptsync ls-remote",
        ) from None
    except RemoteError as error:
        command = f"promptsync render {shlex.quote(parent.prompt.name)} --offline"
        raise error.replaced(hint="\n".join(filter(None, (error.hint, command)))) from None


def _unrenderable(file: PromptFile, expanded: Template, text: str, failed: Rendered) -> AnswerIsNo:
    path, written = next(
        (part.path, part.template_format) for part in texts_of(expanded) if part.text == text
    )
    subject = Subject(file)
    row, column = subject.position(path)
    where, reason = "", failed.error
    problem = syntax_error(text, JINJA2) if written == JINJA2 and not failed.hint else None
    if problem is not None:
        reason, line, _ = problem
        if any(part.path == path and FENCE in part.text for part in subject.texts):
            # After a snippet is inserted, the lines of the text are no longer those of the file.
            where = f" (line {line} of the text with its snippets)"
        else:
            row, column = subject.place(path, (line, None))
    return AnswerIsNo(
        f"{file.path}:{row}:{column}: {written}: {reason.rstrip('.')}{where}.",
        hint=failed.hint
        or "fix it: the registry cannot render it either, so the model would receive the template itself",
        code="unrenderable",
    )
