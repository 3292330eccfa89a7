"""``promptsync render``: what the model would see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from promptsync.commands.shared.options import variable_option, variables, variables_option
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import AnswerIsNo, UsageError
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import scan
from promptsync.inspect.render import Rendering, find_file, render_file, render_remote
from promptsync.prompt.fill import mappings
from promptsync.prompt.snippets import is_text_block
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("render", short_help="Show what the model would see.")
@click.argument("name")
@variable_option
@variables_option
@click.option(
    "--example", metavar="N", type=int, help="Values of the file's Nth example, from 1; the others beat it."
)
@click.option("--offline", is_flag=True, help="Take pinned snippets from the files, too: ask no registry.")
@click.option("--from-registry", is_flag=True, help="Let the registry render, instead of the file.")
@click.option("--label", metavar="LABEL", help="With --from-registry: the version under LABEL.")
@click.option("--version", metavar="N", type=click.IntRange(1), help="With --from-registry: version N.")
@click.option(
    "--provider",
    metavar="PROVIDER",
    help="With --from-registry: for this provider when the prompt has no model.",
)
@click.option(
    "--llm-kwargs", is_flag=True, help="With --from-registry: print the provider's arguments as JSON."
)
def command(
    session: Session,
    name: str,
    given: tuple[str, ...],
    source: str | None,
    example: int | None,
    offline: bool,
    from_registry: bool,
    label: str | None,
    version: int | None,
    provider: str | None,
    llm_kwargs: bool,
) -> Outcome:
    """Show the prompt NAME as a model would see it: snippets put in, variables filled in.

    NAME may be the path of a prompt file. A variable without a value becomes empty, with a warning.

    \b
    promptsync render support/refund --example 1
    promptsync render support/refund --var question="Where is my money?" --var days:=30
    promptsync render support/refund --from-registry --label prod --llm-kwargs
    """
    if not from_registry:
        _refuse({"--label": label, "--version": version, "--provider": provider, "--llm-kwargs": llm_kwargs})
    if label is not None and version is not None:
        raise UsageError("--label and --version exclude each other", hint="leave one of them out")
    values = variables(session, given, source)
    with session.project() as project:
        if from_registry and example is None:
            found = render_remote(project, name, values, version=version, label=label, provider=provider)
            return _outcome(session, found, llm_kwargs)
        worktree = scan(project.root, project.config.prompts)
        file = find_file(worktree, name, session.directory)
        values = {**_example(file, example), **values}
        if from_registry:
            name = file.prompt.name
            found = render_remote(project, name, values, version=version, label=label, provider=provider)
        else:
            named = variables(session, given)
            found = render_file(project, worktree, file, values, named=named, offline=offline)
        outcome = _outcome(session, found, llm_kwargs)
        if found.warnings and not values and file.local.examples:
            hint = output.style("hint:", "remote")
            session.say(f"{hint} --example 1 takes the values of an example in the file")
        return outcome


def _refuse(options: Mapping[str, object]) -> None:
    for option, value in options.items():
        if value:
            raise UsageError(
                f"{option} asks the registry", hint=f"add --from-registry, or leave {option} out"
            )


# -- values --------------------------------------------------------------------------------------------


def _example(file: PromptFile, number: int | None) -> Mapping[str, Any]:
    if number is None:
        return {}
    examples = file.local.examples
    if not 1 <= number <= len(examples):
        raise UsageError(
            f"{file.path} has {output.count(len(examples), 'example')}, and none has the number {number}",
            hint="examples are counted from 1; add one under examples: in the file",
        )
    return examples[number - 1]


# -- output --------------------------------------------------------------------------------------------


def _outcome(session: Session, found: Rendering, only_arguments: bool) -> Outcome:
    for warning in found.warnings:
        session.say(f"{output.style('warning:', 'warn')} {output.safe(warning)}")
    if only_arguments and found.arguments is None:
        raise AnswerIsNo(
            f"{found.name} has no llm_kwargs: the registry knows no model for it",
            hint="give --provider, or a model: in the prompt file",
        )
    if only_arguments:
        lines = json.dumps(found.arguments, ensure_ascii=False, indent=2).split("\n")
    else:
        lines = [line for block in _blocks(found.template) for line in block.split("\n")]
    return Outcome([output.safe(line) for line in lines], _body(found))


def _body(found: Rendering) -> dict[str, Any]:
    body = {
        "name": found.name,
        "path": found.path,
        "version": found.version,
        "model": found.model,
        "warnings": list(found.warnings),
    }
    if found.arguments is not None:
        body["llm_kwargs"] = found.arguments
    return {**body, **{key: value for key, value in found.template.items() if key not in body}}


def _blocks(template: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a person reads: each message under its role; a completion is its text and nothing else."""
    if template.get("type") == "completion":
        yield _content(template.get("content"))
        return
    for message in mappings(template.get("messages")):
        name = f" ({message['name']})" if message.get("name") else ""
        yield _heading(f"{message.get('role')}{name}")
        if message.get("content"):
            yield _content(message["content"])
        for call in mappings(message.get("tool_calls")):
            yield f"[tool call {json.dumps(call.get('function', call), ensure_ascii=False)}]"
        yield ""
    tools = [*mappings(template.get("tools")), *mappings(template.get("functions"))]
    if tools:
        yield _heading("tools")
        yield from map(_tool, tools)


def _heading(text: str) -> str:
    return f"--- {text} ---"


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(map(_block, mappings(content)))


def _block(block: Mapping[str, Any]) -> str:
    if is_text_block(block):
        return str(block["text"])
    kind = block.get("type")
    rest = {key: value for key, value in block.items() if key != "type" and value is not None}
    return f"[{kind} {json.dumps(rest, ensure_ascii=False)}]"


def _tool(tool: Mapping[str, Any]) -> str:
    function = tool.get("function", tool)
    name = function.get("name") or tool.get("type")
    description = function.get("description")
    return f"{name}: {description}" if description else str(name)
