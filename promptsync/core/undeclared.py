"""What a parsed jinja2 template asks for, in one walk over its tree.

jinja2's own ``meta.find_undeclared_variables`` generates the code of the whole template for the answer, which
takes longer than parsing it. Most prompts assign nothing, so that names need only the scopes of their loops.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

_SPECIAL: Final = frozenset({"loop", "self"})
_LEAVES: Final = frozenset({"Const", "TemplateData"})
_PLAIN: Final = frozenset(
    [
        *("Template", "Output", "If", "CondExpr", "Filter", "Test", "Getattr", "Getitem", "Slice", "Call"),
        *("Keyword", "List", "Tuple", "Dict", "Pair", "Compare", "Operand", "And", "Or", "Not", "Concat"),
        *("Neg", "Pos", "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"),
    ]
)


@dataclass(slots=True)
class Walk:
    """One walk. ``filters`` and ``tests`` are the known names.

    Afterwards ``names`` are the variables that come from outside, ``unknown`` the first unknown filter or
    test with its kind, name and line. ``is_plain`` says whether ``names`` can be trusted: it is false for a
    template with assignments, macros, blocks or anything else that is not known here.
    """

    filters: Collection[str]
    tests: Collection[str]
    names: set[str] = field(default_factory=set)
    unknown: tuple[str, str, int] | None = None
    is_plain: bool = True

    def visit(self, node: Any, bound: frozenset[str] = frozenset()) -> None:
        """Walk a tree; ``bound`` are the names that loops around it have given a value."""
        kind = type(node).__name__
        if kind in _LEAVES:
            return
        if kind == "Name":
            self._name(node, bound)
        elif kind == "For":
            self._loop(node, bound)
        else:
            if kind == "Filter" or kind == "Test":
                self._check(kind.lower(), node, self.filters if kind == "Filter" else self.tests)
            elif kind not in _PLAIN:
                self.is_plain = False
            for name in node.fields:
                self._visit_field(getattr(node, name, None), bound)

    def _visit_field(self, value: Any, bound: frozenset[str]) -> None:
        for item in value if isinstance(value, list | tuple) else (value,):
            if hasattr(item, "fields"):
                self.visit(item, bound)

    def _name(self, node: Any, bound: frozenset[str]) -> None:
        if node.ctx != "load":
            self.is_plain = False
        elif node.name not in bound:
            self.names.add(node.name)

    def _check(self, kind: str, node: Any, known: Collection[str]) -> None:
        if node.name not in known and self.unknown is None:
            self.unknown = (kind, node.name, node.lineno)

    def _loop(self, node: Any, bound: frozenset[str]) -> None:
        targets = node.target.items if type(node.target).__name__ == "Tuple" else [node.target]
        given = {getattr(target, "name", "loop") for target in targets}
        # In these places jinja2 has rules of its own about its special names.
        if node.recursive or node.test is not None or given & _SPECIAL:
            self.is_plain = False
        inner = bound | given | {"loop"}
        self.visit(node.iter, bound)
        self._visit_field(node.body, inner)
        self._visit_field(node.else_, bound)
        self._visit_field(node.test, inner)
