"""The names of all test functions, for tables that say which test proves what."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def named_tests() -> dict[str, str]:
    """Every test function of the suite, with the file that it is in."""
    here = Path(__file__).parent
    found: dict[str, str] = {}
    for path in sorted(here.rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        names = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        found |= {name: path.relative_to(here).as_posix() for name in names if name.startswith("test_")}
    return found
