"""Template text in both formats: its variables, its syntax errors, and what it renders to.

The one module that imports jinja2, and only when a jinja2 template is met. Rendering follows what the
official SDK says mirrors the server: a missing variable becomes the empty string, and a text that cannot
be rendered stays as it is. Templates are not trusted: they cannot reach into Python, and what they may ask
for is bounded.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from promptsync.prompt import fstring, jinja
from promptsync.prompt.fill import (
    F_STRING,
    Filling,
    Rendered,
    Values,
    format_of,
    mappings,
    other_names,
    texts,
)
from promptsync.prompt.jinja import Walk

if TYPE_CHECKING:
    from jinja2 import ChainableUndefined
    from jinja2 import Template as CompiledTemplate
    from jinja2.compiler import CodeGenerator
    from jinja2.sandbox import SandboxedEnvironment

JINJA2 = "jinja2"
FORMATS = (F_STRING, JINJA2)


def variables(text: str, template_format: str) -> set[str]:
    """The input variables that ``text`` names; empty when its syntax is broken.

    In f-strings a name is the whole field, as in the registry: ``{ x }`` is `` x ``, ``{a.b}`` is ``a.b``.
    """
    if template_format == JINJA2:
        return set(_jinja_variables(text))
    try:
        return fstring.names(text)
    except ValueError:
        return set()


def message_variables(message: Mapping[str, Any], template_format: str = F_STRING) -> set[str]:
    """The variables of one message, or of a completion template, in text, image and media blocks.

    ``template_format`` counts where the message names none. A placeholder contributes its name.
    """
    return other_names(message).union(*(variables(*text) for text in texts(message, template_format)))


def template_variables(template: Mapping[str, Any]) -> set[str]:
    """The variables of a whole template, chat or completion, including tool variables."""
    written = format_of(template)
    found = message_variables(template, written)
    for message in mappings(template.get("messages")):
        found |= message_variables(message, written)
    tools = mappings(template.get("tools"))
    return found | {tool["name"] for tool in tools if _is_tool_variable(tool)}


def _is_tool_variable(tool: Mapping[str, Any]) -> bool:
    return tool.get("type") == "variable" and isinstance(tool.get("name"), str)


def syntax_error(text: str, template_format: str) -> tuple[str, int, int | None] | None:
    """Why ``text`` cannot be rendered, with line and column (from 1), or ``None``.

    The column of a jinja2 error is unknown. Covers what is wrong whatever the values are: unbalanced
    braces, positional, dotted and indexed f-string fields, jinja2 syntax, unknown filters and tests.
    """
    return _jinja_error(text) if template_format == JINJA2 else fstring.error(text)


def render_text(text: str, template_format: str, values: Values) -> tuple[str, set[str]]:
    """The rendered text and the variables that it needed and did not get.

    A text that cannot be rendered comes back unchanged, as from the registry.
    """
    rendered = render(text, template_format, values)
    return rendered.text, set(rendered.missing)


def render(text: str, template_format: str, values: Values) -> Rendered:
    """Like ``render_text``, with the reason when the text had to stay unrendered."""
    try:
        if template_format == JINJA2:
            return _render_jinja(text, values)
        rendered, missing = fstring.render(text, values)
        return Rendered(rendered, frozenset(missing))
    except RecursionError:
        return Rendered(text, error="it nests too deeply")
    except Exception as error:  # whatever a template does wrong, the registry leaves its text alone
        return Rendered(text, error=str(error) or type(error).__name__)


def render_template(template: Mapping[str, Any], values: Values) -> tuple[dict[str, Any], list[str]]:
    """The template as a model would see it, and warnings in plain words.

    Text blocks are rendered, placeholder messages replaced by the messages in their variable, image and
    media variables by their URLs. What has no value becomes empty text, or no message, with a warning.
    """
    filling = Filling(values, render)
    return filling.template(template), list(filling.warnings)


# -- jinja2 --------------------------------------------------------------------------------------------

_loading = threading.Lock()


def _load() -> None:
    """Import jinja2 whole, once: its modules import each other, which two threads at a time would break."""
    with _loading:
        import jinja2.meta
        import jinja2.sandbox  # noqa: F401


_MARKUP = re.compile(r"\{[{%#]")


def _jinja_variables(text: str) -> frozenset[str]:
    return _examined(text)[0] if _MARKUP.search(text) else frozenset()


def _jinja_error(text: str) -> tuple[str, int, int | None] | None:
    return _examined(text)[1] if _MARKUP.search(text) else None


@functools.lru_cache(maxsize=1024)
def _examined(text: str) -> tuple[frozenset[str], tuple[str, int, int | None] | None]:
    """The variables of a text and what is wrong with it; a broken text has no variables."""
    from jinja2 import TemplateSyntaxError, meta

    environment = _environment()
    walk = Walk(environment.filters, environment.tests)
    try:
        tree = environment.parse(text)
        walk.visit(tree)
    except TemplateSyntaxError as error:
        return frozenset(), (error.message or "syntax error", error.lineno, None)
    except (RecursionError, MemoryError):
        return frozenset(), ("it nests too deeply", 1, None)
    except (ValueError, OverflowError) as error:
        return frozenset(), (str(error), 1, None)
    if walk.is_plain and walk.unknown is None:
        return frozenset(walk.names - environment.globals.keys() - {"self"}), None
    unknown = walk.unknown and (f"no {walk.unknown[0]} named {walk.unknown[1]!r}", walk.unknown[2], None)
    try:
        return frozenset(meta.find_undeclared_variables(tree)), unknown
    except Exception:  # such as an unknown filter, which only sometimes stops the text from being rendered
        return frozenset(), unknown


def _render_jinja(text: str, values: Values) -> Rendered:
    if not _MARKUP.search(text):
        # What the engine does to any text: one kind of line end, and the last one dropped.
        return Rendered(re.sub(r"\r\n|\r", "\n", text).removesuffix("\n"))
    run = jinja.Run()
    token = jinja.current.set(run)
    try:
        return Rendered(jinja.join(_compile(text).generate(values)), frozenset(run.missing))
    finally:
        jinja.current.reset(token)


@functools.lru_cache(maxsize=512)
def _compile(text: str) -> CompiledTemplate:
    return _environment().from_string(text)


@functools.lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    _load()
    from jinja2.sandbox import SandboxedEnvironment

    class Sandbox(SandboxedEnvironment):
        intercepted_binops = frozenset(("*", "**", "+", "%"))
        code_generator_class = _code_generator()
        concat = staticmethod(jinja.join)
        step = staticmethod(jinja.step)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            jinja.check_binary(operator, left, right)
            return super().call_binop(context, operator, left, right)

        # The odd names keep a template's own keyword arguments apart, as in the base class.
        def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
            jinja.check_call(__obj, (*args, *kwargs.values()))
            return super().call(__context, __obj, *args, **kwargs)

        def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
            wrapped = super().wrap_str_format(value)
            if wrapped is None:
                return None

            def call(*args: Any, **kwargs: Any) -> str:
                jinja.check_format(value.__self__, (*args, *kwargs.values()))
                return wrapped(*args, **kwargs)

            return call

    environment = Sandbox(undefined=_undefined())
    environment.filters = {
        name: jinja.bounded_filter(name, function) for name, function in environment.filters.items()
    }
    del environment.globals["lipsum"]  # random, and long without bound
    return environment


def _code_generator() -> type[CodeGenerator]:
    from jinja2.compiler import CodeGenerator

    class Bounded(CodeGenerator):
        def blockvisit(self, nodes: Any, frame: Any) -> None:
            self.writeline("environment.step()")
            super().blockvisit(nodes, frame)

        def visit_Concat(self, node: Any, frame: Any) -> None:
            self.write("environment.concat((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

    return Bounded


def _undefined() -> type[ChainableUndefined]:
    from jinja2 import ChainableUndefined
    from jinja2.utils import missing

    class Recorded(ChainableUndefined):
        """A missing variable counts when it is used as text or looped over, not when it is tested."""

        __slots__ = ()

        def _record(self) -> None:
            if self._undefined_obj is missing and self._undefined_name is not None:
                jinja.current.get().missing.add(self._undefined_name)

        def __str__(self) -> str:
            self._record()
            return super().__str__()

        def __iter__(self) -> Any:
            self._record()
            return super().__iter__()

    return Recorded
