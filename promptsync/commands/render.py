"""``promptsync render``: what the model receives, from a prompt's file or by the registry."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import click
import msgspec

from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import variable_options, variables, version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.conflict import check_resolved
from promptsync.errors import AnswerIsNo, RemoteError, UsageError
from promptsync.files.prompt_file import PromptFile, Worktree, load_paths, scan
from promptsync.files.yaml.load import InvalidFile
from promptsync.lint.rules import Subject
from promptsync.project.project import Project
from promptsync.project.target import (
    At,
    NoSuchPrompt,
    PromptAt,
    close_name,
    may_have_version,
    resolve,
    unknown,
)
from promptsync.project.versions import Catalog, no_such_version, read_labels
from promptsync.prompt.prompt import JINJA2, as_mapping, is_text_block, mappings, texts_of
from promptsync.prompt.snippets import Reference, SnippetError, Template, expand
from promptsync.prompt.template import Filling, Rendered, Values, read, template_variables
from promptsync.registry.errors import NotFound
from promptsync.registry.protocol import number
from promptsync.rendering import Engine
from promptsync.show.outcome import Outcome, body
from promptsync.terminal import output


@verb("render", is_long=True)
@click.argument("names", nargs=-1, required=True, metavar="NAME[@N|:LABEL]...")
@variable_options
@option(
    "--example",
    "N",
    "Use the variables of the file's Nth example, from 1; --var and --vars take precedence.",
    type=int,
)
@flag("--offline", "Use the files for pinned snippets, too; send no request.")
@flag("--from-registry", "Let the registry render the prompt, not the file.")
@version_options
@option("--provider", "PROVIDER", "With --from-registry: render for this provider.")
@option("--model", "MODEL", "With --provider: render for this model.")
@flag("--llm-kwargs", "With --from-registry: print the arguments for the provider as JSON.")
def command(
    session: Session,
    names: tuple[str, ...],
    assignments: tuple[str, ...],
    source: str | None,
    at: At,
    from_registry: bool,
    llm_kwargs: bool,
    **options: Any,
) -> Outcome:
    """Preview what the model receives: a prompt with its snippets inserted and its variables filled in.

    NAME is a name, a pattern, a file or a directory. A version, as in NAME@N or NAME:LABEL, is rendered by
    the registry. A variable without a value is left empty, with a warning.

    \b
    promptsync render support/refund --example 1
    promptsync render support/refund --var question="Where is my money?" --var days:=30
    promptsync render support/refund:prod --llm-kwargs
    promptsync render support/refund:prod --llm-kwargs --provider anthropic --model claude-sonnet-4
    """
    if options["model"] is not None and options["provider"] is None:
        raise UsageError("--model requires --provider", hint="add --provider PROVIDER")
    values, named = variables(session, assignments, source), (*variables(session, assignments),)
    with session.project() as project:
        worktree = scan(project.root, project.config.prompts)
        renderer = _Renderer(project, worktree, values, named, **options)
        renderings = renderer.render(names, at, from_registry=from_registry)
    registry_only = "--llm-kwargs" if llm_kwargs else "--provider" if options["provider"] else None
    if registry_only is not None and any(rendering.path is not None for rendering in renderings):
        raise UsageError(f"{registry_only} requires the registry to render", hint="add --from-registry")
    lines, bodies = list[str](), list[dict[str, Any]]()
    for rendering in renderings:
        for warning in rendering.warnings:
            session.say(f"{output.style('warning:', 'warn')} {output.safe(warning)}")
        if rendering.warnings and rendering.has_unused_examples:
            example_hint = output.safe(session.command("--example", "1"))
            session.say(f"{output.style('hint:', 'remote')} {example_hint}")
        lines += [f"=== {rendering.name} ==="] if len(renderings) > 1 and not llm_kwargs else []
        lines += _arguments(rendering) if llm_kwargs else _template_lines(rendering.template)
        known = body(rendering, "name path version model warnings")
        if rendering.arguments is not None:
            known["llm_kwargs"] = rendering.arguments
        bodies.append({**known, **rendering.template, **known})
    whole = bodies[0] if len(bodies) == 1 else {"prompts": bodies}
    return Outcome([output.safe(line) for line in lines], whole)


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


class _Renderer(msgspec.Struct, frozen=True):
    """Renders prompts with ``values``, of which those that are ``named`` were passed one by one.

    ``example`` is the number of an example in the file, from 1, whose values are the defaults. ``provider``
    and ``model`` replace those of the prompt. ``offline`` renders pinned snippets from the files.
    """

    project: Project
    worktree: Worktree
    values: Values
    named: tuple[str, ...]
    example: int | None
    offline: bool
    provider: str | None
    model: str | None

    def render(self, arguments: Iterable[str], at: At, *, from_registry: bool) -> list[Rendering]:
        """Return the prompts that arguments mean, rendered, each once; see ``resolve``.

        The registry renders them with ``from_registry``, and where a version is specified. Raises
        ``NoSuchPrompt``, ``NoSuchVersion``, ``InvalidFile`` for a file that cannot be read, ``AnswerIsNo``
        for a jinja2 text that fails, ``SnippetError`` for a snippet that does not exist, and ``RemoteError``.
        """
        catalog, work = Catalog(self.project), dict[object, Callable[[], Rendering]]()
        for argument in arguments:
            files = None if from_registry or at else self._files(argument)
            for file in files or ():
                work.setdefault(file.path, partial(self._file, file))
            for target in resolve(self.project, [argument], catalog, at=at) if files is None else ():
                work.setdefault((target.name, target.at), partial(self._version, catalog, target))
        return [render() for render in work.values()]

    def _files(self, argument: str) -> Collection[PromptFile] | None:
        """Return the files that an argument means, ``None`` if it may mean a version of a prompt.

        The path of a draft outside the prompts directory is an argument, too.
        """
        project, worktree = self.project, self.worktree
        draft = (project.given_directory or project.root) / argument
        if argument not in worktree.files and draft.is_file():
            read = load_paths(worktree.root, worktree.prompts, [draft])
            if read.problems:
                raise InvalidFile(read.problems)
            return read.files.values()
        broken = [problem for problem in worktree.problems if worktree.broken.get(problem.path) == argument]
        if argument not in worktree.files and broken:
            raise InvalidFile(broken)
        try:
            missing = partial(unknown, prompts=project.config.prompts, where=f"{worktree.prompts}/")
            targets = resolve(project, [argument], worktree.files, missing=missing)
        except NoSuchPrompt:
            if may_have_version(argument):
                return None
            raise
        return None if targets[0].at else [worktree.files[target.name] for target in targets]

    def _file(self, file: PromptFile) -> Rendering:
        """Return a file's prompt rendered, its snippets taken from the files first."""
        check_resolved(file, "nothing was rendered")
        warnings: dict[str, None] = {}

        def snippet(reference: Reference) -> Template:
            template, warning = self._snippet(file, reference)
            if template.get("type") != "completion":
                what = f"{reference} refers to a chat prompt; only completion prompts can be snippets."
                hint = "move the text to a completion prompt: content: instead of messages:"
                raise SnippetError(what, hint=hint)
            warnings.update({warning: None} if warning else {})
            return template

        template = expand(file.prompt.template, snippet)
        engine = Engine()

        def rendered_or_refused(text: str, template_format: str, values: Values) -> Rendered:
            rendered = engine(text, template_format, values)
            # The registry returns an f-string that fails as it is. A text that needs too much is refused.
            if rendered.error and (template_format == JINJA2 or rendered.hint):
                raise _unrenderable(file, template, text, rendered)
            return rendered

        filling = Filling({**self._example(file), **self.values}, rendered_or_refused, warnings)
        filled = filling.template(template)
        used = template_variables(template)
        for name in self.named:
            if name not in used:
                close = close_name(name, used)
                meant = f" Did you mean {close!r}?" if close else ""
                warnings[f"The prompt does not use the variable {name!r}.{meant}"] = None
        return Rendering(
            file.prompt.name,
            filled,
            file.prompt.metadata.get("model"),
            tuple(warnings),
            path=file.path,
            has_unused_examples=bool(file.local.examples) and not filling.values,
        )

    def _example(self, file: PromptFile) -> Mapping[str, Any]:
        if self.example is None:
            return {}
        examples = file.local.examples
        if not 1 <= self.example <= len(examples):
            has = f"{file.path} has {output.count(len(examples), 'example')}"
            hint = "add one under examples: in the file" if not examples else "--example 1"
            raise UsageError(f"{has}, so there is no example {self.example}", hint=hint)
        return examples[self.example - 1]

    def _version(self, catalog: Catalog, target: PromptAt) -> Rendering:
        """Return one version of a prompt as the registry renders it. Raises ``NoSuchVersion``."""
        name, at, listed = target.name, target.at, catalog[target.name]
        file = self.worktree.files.get(name)
        if self.example is not None and file is None:
            raise UsageError(f"{name} has no file with examples", hint=f"promptsync pull {shlex.quote(name)}")
        try:
            response = self.project.registry.prompts.render(
                name,
                version=at.number,
                label=at.label,
                provider=self.provider,
                model=self.model,
                variables={**(self._example(file) if file is not None else {}), **self.values},
            )
        except NotFound:
            if not at:
                raise
            labels = read_labels(self.project, listed) if at.label is not None else None
            raise no_such_version(listed, at, list(labels or ())) from None
        warning, arguments = response.get("warning"), response.get("llm_kwargs")
        return Rendering(
            name,
            response["prompt_template"],
            as_mapping(response.get("metadata")).get("model"),
            (warning,) if isinstance(warning, str) else (),
            version=number(response, "version"),
            arguments=arguments if isinstance(arguments, Mapping) else None,
        )

    def _snippet(self, parent: PromptFile, reference: Reference) -> tuple[Template, str]:
        """Return the template of a snippet, and a warning if its file replaces the version that it names.

        Pinned ones, and those without a file, are read from the registry unless ``offline``.
        """
        file, remote = self.worktree.files.get(reference.name), self.project.remote
        if file is None and self.offline:
            raise SnippetError(f"{reference} in {parent.path} has no file.")
        if file is not None and (self.offline or not reference.pinned):
            pinned = f"{reference} is rendered from {file.path}, not from the pinned version."
            warning = pinned if reference.pinned else ""
        else:
            try:
                get = self.project.registry.prompts.get
                version = get(None, reference.name, version=reference.version, label=reference.label)
                return version.prompt.template, ""
            except NotFound:
                if file is None:
                    close = close_name(reference.name, self.worktree.files)
                    what = f"{reference} in {parent.path} exists neither in your files nor in {remote}."
                    hint = f"did you mean {close!r}?" if close else "promptsync ls-remote"
                    raise SnippetError(what, hint=hint) from None
                warning = f"{reference} is not in {remote} yet, so it is rendered from {file.path}."
            except RemoteError as error:
                command = f"promptsync render {shlex.quote(parent.prompt.name)} --offline"
                raise error.replaced(hint="\n".join(filter(None, (error.hint, command)))) from None
        check_resolved(file, "nothing was rendered")
        return file.prompt.template, warning


def _unrenderable(file: PromptFile, expanded: Template, text: str, failed: Rendered) -> AnswerIsNo:
    part = next(part for part in texts_of(expanded) if part.text == text)
    path, written = part.path, part.template_format
    subject = Subject(file)
    (row, column), reason = subject.position(path), failed.error.rstrip(".")
    if written == JINJA2 and not failed.hint and (problem := read(text, JINJA2).error):
        reason = problem[0].rstrip(".")
        # After a snippet is inserted, the lines of the text are no longer those of the file.
        if any(part.text == text for part in subject.texts):
            row, column = subject.place(path, problem[1:])
    return AnswerIsNo(
        f"{file.path}:{row}:{column}: {written}: {reason}.",
        hint=failed.hint
        or "fix it: the registry cannot render it either, so the model would receive the template itself",
        code="unrenderable",
    )


def _arguments(rendering: Rendering) -> list[str]:
    if rendering.arguments is None:
        what = f"{rendering.name} has no llm_kwargs, because the registry has no model for it"
        raise AnswerIsNo(what, hint="add --provider PROVIDER, or model: to the prompt file")
    return json.dumps(rendering.arguments, ensure_ascii=False, indent=2).split("\n")


def _template_lines(template: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a template as a model would read it."""
    if template.get("type") == "completion":
        yield from _content(template.get("content")).split("\n")
        return
    for message in mappings(template.get("messages")):
        name = f" ({message['name']})" if message.get("name") else ""
        yield f"--- {message.get('role')}{name} ---"
        if message.get("content"):
            yield from _content(message["content"]).split("\n")
        for call in mappings(message.get("tool_calls")):
            yield f"[tool call {json.dumps(call.get('function', call), ensure_ascii=False)}]"
        yield ""
    tools = [*mappings(template.get("tools")), *mappings(template.get("functions"))]
    if tools:
        yield "--- tools ---"
    for tool in tools:
        function = tool.get("function", tool)
        called = function.get("name") or tool.get("type")
        description = function.get("description")
        yield from (f"{called}: {description}" if description else str(called)).split("\n")


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    lines = []
    for block in mappings(content):
        fields = {key: value for key, value in block.items() if key != "type" and value is not None}
        other = f"[{block.get('type')} {json.dumps(fields, ensure_ascii=False)}]"
        lines.append(str(block["text"]) if is_text_block(block) else other)
    return "\n".join(lines)
