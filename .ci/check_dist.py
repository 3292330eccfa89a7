"""Checks a built sdist and wheel: what is in them, and their metadata. Arguments: DIST FILES.

FILES has the names of the committed files, each followed by a zero byte.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.metadata import Metadata
from trove_classifiers import classifiers

GENERATED = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
"""What a wheel has beside the package."""

# The address of the source is not among them: check_release.py compares it with the repository that releases.
REQUIRED = (
    "summary",
    "description",
    "keywords",
    "author",
    "license_expression",
    "classifiers",
    "requires_python",
)


RELATIVE = re.compile(r"""\]\((?!https?:|#)([^)]*)\)|(?:href|src)=["'](?!https?:|#)([^"']*)""")
"""A link or picture in the description that PyPI does not have."""


def difference(place: str, found: Iterable[str], expected: Iterable[str]) -> Iterator[str]:
    there, wanted = set(found), set(expected)
    yield from (f"{place} lacks {name}" for name in sorted(wanted - there))
    yield from (f"{place} has {name}, which does not belong there" for name in sorted(there - wanted))


def sdist_problems(sdist: Path, committed: Iterable[str]) -> Iterator[str]:
    """An sdist has exactly the committed files, and the metadata."""
    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        names = [member.name.removeprefix(f"{top}/") for member in archive if not member.isdir()]
    yield from difference(sdist.name, names, {*committed, "PKG-INFO"})


def wheel_problems(wheel: Path, committed: Iterable[str]) -> Iterator[str]:
    """A wheel has exactly the committed files of the package, and what every wheel has."""
    name, version, *_ = wheel.name.split("-")
    generated = {f"{name}-{version}.dist-info/{one}" for one in GENERATED}
    package = {one for one in committed if one.startswith("promptsync/")}
    with zipfile.ZipFile(wheel) as archive:
        yield from difference(wheel.name, archive.namelist(), package | generated)


def metadata_problems(text: bytes) -> Iterator[str]:
    try:
        metadata = Metadata.from_email(text)
    except ExceptionGroup as group:
        yield from (f"metadata: {error}" for error in group.exceptions)
        return
    yield from (f"metadata: {key} is missing" for key in REQUIRED if not getattr(metadata, key))
    unknown = sorted(set(metadata.classifiers or ()) - classifiers)
    yield from (f"metadata: {one!r} is not a classifier of PyPI" for one in unknown)
    if metadata.description_content_type != "text/markdown":
        yield f"metadata: the description is {metadata.description_content_type}, not text/markdown"
    for link in RELATIVE.finditer(metadata.description or ""):
        yield f"metadata: the description links {link[1] or link[2]}, which is not on PyPI"


def problems(dist: Path, committed: list[str]) -> Iterator[str]:
    found = sorted(path.name for path in dist.iterdir())
    sdists, wheels = sorted(dist.glob("*.tar.gz")), sorted(dist.glob("*-py3-none-any.whl"))
    if len(sdists) != 1 or len(wheels) != 1 or len(found) != 2:
        yield f"expected one sdist and one wheel for every system, not {found}"
        return
    (sdist,), (wheel,) = sdists, wheels
    yield from sdist_problems(sdist, committed)
    yield from wheel_problems(wheel, committed)
    name, version, *_ = wheel.name.split("-")
    if sdist.name != f"{name}-{version}.tar.gz":
        yield f"{sdist.name} and {wheel.name} have different versions"
    with zipfile.ZipFile(wheel) as archive:
        yield from metadata_problems(archive.read(f"{name}-{version}.dist-info/METADATA"))


def main() -> None:
    dist, files = map(Path, sys.argv[1:])
    found = list(problems(dist, files.read_text("utf-8").rstrip("\0").split("\0")))
    sys.exit("\n".join(found) or None)


if __name__ == "__main__":
    main()
