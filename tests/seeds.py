"""Seeds of random tests: the same few on each run, and many fresh ones in ``make fuzz``.

Parameters are numbers, not seeds, because all processes of a parallel run must collect the same tests.
"""

from __future__ import annotations

import os
from random import Random

FUZZ = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
EXAMPLES = 25


def numbers(count: int, fuzz: int) -> range:
    """``count`` numbers for ``make test`` and ``fuzz`` for ``make fuzz``."""
    return range(fuzz if FUZZ else count)


def seed_of(number: int) -> int:
    """The seed of the run with this number. It is printed, so a failure shows how to repeat it."""
    seed = Random().randrange(1 << 40) if FUZZ else number
    print(f"seed {seed}")  # noqa: T201
    return seed


def examples(fuzz: int) -> int:
    """The number of examples of a property: ``fuzz`` in ``make fuzz``, and a few on each run."""
    return fuzz if FUZZ else min(fuzz, EXAMPLES)
