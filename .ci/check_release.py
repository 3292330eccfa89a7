"""Checks that a tag may be released: the address of the source, the version, and the changelog.

The release workflow runs it before anything else. It reads the variables that GitHub sets.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

SECTION = re.compile(r"(?m)^## (\S+)(?: - (.*))?$")
RELEASABLE = re.compile(r"\d+\.\d+\.\d+")


def version_of(root: Path) -> str:
    text = (root / "promptsync/__init__.py").read_text("utf-8")
    (found,) = re.findall(r'(?m)^__version__ = "(.*)"$', text)
    return str(found)


def source_problems(root: Path, repository: str) -> Iterator[str]:
    """``repository`` is the address of the one that releases."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    source = project.get("urls", {}).get("Source")
    if source is None:
        yield (
            "pyproject.toml does not say where the source is: "
            f'add [project.urls] with Source = "{repository}", as step 1 of RELEASING.md says'
        )
    elif source.removesuffix("/").lower() != repository.lower():
        yield f"pyproject.toml says that the source is {source}, but {repository} releases it"


def readme_problems(root: Path, name: str) -> Iterator[str]:
    """On PyPI, links and pictures of README.md must lead to the repository of this name."""
    hatch = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]
    for substitution in hatch["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        address = substitution["replacement"].removeprefix(r"\1")
        if f"/{name.lower()}/" not in address.lower():
            yield f"pyproject.toml says that links of README.md lead to {address}, but {name} releases it"


def changelog_problems(root: Path) -> Iterator[str]:
    """The newest section must be about the version of the package, and must have a date."""
    version, sections = version_of(root), SECTION.findall((root / "CHANGELOG.md").read_text("utf-8"))
    if not RELEASABLE.fullmatch(version):
        yield f"{version} is not a version to release; expected MAJOR.MINOR.PATCH"
    if not sections or sections[0][0] != version:
        newest = f"section is about {sections[0][0]}" if sections else "section is missing"
        yield f"the newest {newest} in CHANGELOG.md; the version is {version}"
        return
    try:
        date.fromisoformat(sections[0][1])
    except ValueError:
        yield f"the section of {version} in CHANGELOG.md has no date: write ## {version} - YYYY-MM-DD"


def tag_problems(root: Path, tag: str) -> Iterator[str]:
    if tag != f"v{version_of(root)}":
        yield f"the tag is {tag!r}, but the version in promptsync/__init__.py is {version_of(root)}"


def problems(root: Path, environ: Mapping[str, str]) -> list[str]:
    repository = f"{environ['GITHUB_SERVER_URL']}/{environ['GITHUB_REPOSITORY']}"
    return [
        *source_problems(root, repository),
        *readme_problems(root, environ["GITHUB_REPOSITORY"]),
        *changelog_problems(root),
        *tag_problems(root, environ["GITHUB_REF_NAME"]),
    ]


def main() -> None:
    found = problems(Path(__file__).parents[1], os.environ)
    for problem in found:
        print(f"::error::{problem}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
