"""requirements.lock pins what promptsync needs to run and to be built, with hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
NEEDED = [
    *PROJECT["dependencies"],
    *PROJECT["optional-dependencies"]["serve"],
    *PYPROJECT["build-system"]["requires"],
]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
PIN = re.compile(r"(?m)^([\w.-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=.+\n)+)")


def pins() -> dict[str, tuple[str, str | None]]:
    """The version and the marker of each name."""
    found = PIN.findall(LOCK)
    return {canonicalize_name(name): (version, marker or None) for name, version, marker, _ in found}


def test_the_lock_has_a_version_that_pyproject_accepts() -> None:
    for requirement in map(Requirement, NEEDED):
        assert canonicalize_name(requirement.name) in pins(), f"{requirement}. Run: make lock"
        version, marker = pins()[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}. Run: make lock"
        assert marker is None, "it is needed on every system and for every Python"


def test_each_line_of_the_lock_belongs_to_a_pin_with_hashes_of_a_package_that_is_named_once() -> None:
    rest = PIN.sub("", LOCK)
    assert [line for line in rest.splitlines() if line.strip() and not line.lstrip().startswith("#")] == []
    for *_, hashes in PIN.findall(LOCK):
        assert all(HASH.fullmatch(line) for line in hashes.splitlines())
    assert len(pins()) == len(PIN.findall(LOCK))
