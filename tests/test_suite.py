"""What the suite itself promises: the same examples on each run."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def test_examples_do_not_depend_on_the_modules_that_were_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples: list[list[int]] = []

    @settings(max_examples=60, derandomize=True, database=None)
    @given(st.lists(st.integers(), min_size=9))
    def collect(numbers: list[int]) -> None:
        examples.append(numbers)

    collect()
    before = examples.copy()
    examples.clear()
    (tmp_path / "constants_of_a_module.py").write_text(f"NUMBERS = {list(range(7_000, 7_900))}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "constants_of_a_module", raising=False)
    importlib.import_module("constants_of_a_module")
    collect()
    assert examples == before
