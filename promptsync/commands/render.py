"""``promptsync render``: what the model receives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from promptsync.commands.shared.options import variable_option, variables, variables_option, version_options
from promptsync.commands.shared.rendering import Rendering, RenderOptions, render_prompts
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import AnswerIsNo, UsageError
from promptsync.project.target import At
from promptsync.prompt.prompt import is_text_block, mappings
from promptsync.show.outcome import Outcome, body
from promptsync.terminal import output


@verb("render", is_long=True)
@click.argument("names", nargs=-1, required=True, metavar="NAME[@N|:LABEL]...")
@variable_option
@variables_option
@click.option(
    "--example",
    metavar="N",
    type=int,
    help="Use the variables of the file's Nth example, from 1; --var and --vars take precedence.",
)
@click.option("--offline", is_flag=True, help="Use the files for pinned snippets, too; send no request.")
@click.option("--from-registry", is_flag=True, help="Let the registry render the prompt, not the file.")
@version_options
@click.option("--provider", metavar="PROVIDER", help="With --from-registry: render for this provider.")
@click.option("--model", metavar="MODEL", help="With --provider: render for this model.")
@click.option(
    "--llm-kwargs", is_flag=True, help="With --from-registry: print the arguments for the provider as JSON."
)
def command(
    session: Session,
    names: tuple[str, ...],
    assignments: tuple[str, ...],
    source: str | None,
    example: int | None,
    offline: bool,
    from_registry: bool,
    at: At,
    provider: str | None,
    model: str | None,
    llm_kwargs: bool,
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
    options = RenderOptions(
        values=variables(session, assignments, source),
        named=tuple(variables(session, assignments)),
        example=example,
        at=at,
        from_registry=from_registry,
        offline=offline,
        provider=provider,
        model=model,
    )
    if model is not None and provider is None:
        raise UsageError("--model requires --provider", hint="add --provider PROVIDER")
    with session.project() as project:
        renderings = render_prompts(project, names, options)
    registry_only = "--llm-kwargs" if llm_kwargs else "--provider" if provider else None
    if registry_only is not None and any(rendering.path is not None for rendering in renderings):
        raise UsageError(f"{registry_only} requires the registry to render", hint="add --from-registry")
    lines: list[str] = []
    for rendering in renderings:
        _say_warnings(session, rendering)
        lines += [f"=== {rendering.name} ==="] if len(renderings) > 1 and not llm_kwargs else []
        lines += _arguments(rendering) if llm_kwargs else _template_lines(rendering.template)
    bodies = [_body(rendering) for rendering in renderings]
    return Outcome(
        [output.safe(line) for line in lines], bodies[0] if len(bodies) == 1 else {"prompts": bodies}
    )


def _say_warnings(session: Session, rendering: Rendering) -> None:
    for warning in rendering.warnings:
        session.say(f"{output.style('warning:', 'warn')} {output.safe(warning)}")
    if rendering.warnings and rendering.has_unused_examples:
        session.say(f"{output.style('hint:', 'remote')} {output.safe(session.command('--example', '1'))}")


def _arguments(rendering: Rendering) -> list[str]:
    if rendering.arguments is None:
        raise AnswerIsNo(
            f"{rendering.name} has no llm_kwargs, because the registry has no model for it",
            hint="add --provider PROVIDER, or model: to the prompt file",
        )
    return json.dumps(rendering.arguments, ensure_ascii=False, indent=2).split("\n")


def _body(rendering: Rendering) -> dict[str, Any]:
    known = body(rendering, "name path version model warnings")
    if rendering.arguments is not None:
        known["llm_kwargs"] = rendering.arguments
    return {**known, **rendering.template, **known}


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
