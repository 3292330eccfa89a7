"""Seeds of random tests: the same few on each run, and many fresh ones in ``make fuzz``.

Parameters are numbers, not seeds, because all processes of a parallel run must collect the same tests.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

FUZZ = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"
EXAMPLES = 25


def numbers(quick: int, count: int, fuzz: int) -> Sequence[Any]:
    """``quick`` numbers for ``make quick``, ``count`` for ``make test`` and ``fuzz`` for ``make fuzz``."""
    slow = range(quick, fuzz if FUZZ else count)
    return [*range(quick), *(pytest.param(number, marks=pytest.mark.slow) for number in slow)]


def seed_of(number: int) -> int:
    """The seed of the run with this number. It is printed, so a failure shows how to repeat it."""
    seed = Random().randrange(1 << 40) if FUZZ else number
    print(f"seed {seed}")  # noqa: T201
    return seed


def examples(fuzz: int) -> int:
    """The number of examples of a property: ``fuzz`` in ``make fuzz``, and a few on each run."""
    return fuzz if FUZZ else min(fuzz, 10 if QUICK else EXAMPLES)
