"""The check of ``make dist``: a file too many or too few, and metadata that PyPI would refuse, are named."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / ".ci/check_dist.py"
CHECK_YML = "promptsync/starter/workflows/check.yml"
COMMITTED = ["pyproject.toml", "promptsync/__init__.py", CHECK_YML, "tests/test_a.py"]
METADATA = """\
Metadata-Version: 2.4
Name: promptsync
Version: 0.1.0
Summary: Keep prompts aligned.
Author: The promptsync authors
Keywords: git
License-Expression: MIT
Classifier: Environment :: Console
Requires-Python: >=3.11
Description-Content-Type: text/markdown

# promptsync

[Install](#install), [history](https://example.com/log)
"""
INFO = "promptsync-0.1.0.dist-info"
WHEEL = [
    *COMMITTED[1:3],
    *(f"{INFO}/{name}" for name in ("WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")),
]


def built(
    dist: Path,
    *,
    sdist: Iterable[str] = (),
    wheel: Iterable[str] = WHEEL,
    metadata: str = METADATA,
    version: str = "0.1.0",
) -> None:
    dist.mkdir()
    with tarfile.open(dist / f"promptsync-{version}.tar.gz", "w:gz") as archive:
        for name in sdist or [*COMMITTED, "PKG-INFO"]:
            archive.addfile(tarfile.TarInfo(f"promptsync-{version}/{name}"), io.BytesIO())
    with zipfile.ZipFile(dist / "promptsync-0.1.0-py3-none-any.whl", "w") as archive:
        for name in wheel:
            archive.writestr(name, "")
        archive.writestr(f"{INFO}/METADATA", metadata)


def checked(dist: Path) -> list[str]:
    files = dist.parent / "files"
    files.write_bytes(b"".join(name.encode() + b"\0" for name in COMMITTED))
    done = subprocess.run([sys.executable, CHECK, dist, files], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if done.stderr else 0)
    return done.stderr.splitlines()


SDIST, BUILT = "promptsync-0.1.0.tar.gz", "promptsync-0.1.0-py3-none-any.whl"


def replaced(old: str, new: str) -> dict[str, object]:
    assert old in METADATA
    return {"metadata": METADATA.replace(old, new)}


WRONG: list[tuple[dict[str, object], str]] = [
    ({"sdist": [*COMMITTED[1:], "PKG-INFO"]}, f"{SDIST} lacks pyproject.toml"),
    ({"wheel": [name for name in WHEEL if name != CHECK_YML]}, f"{BUILT} lacks {CHECK_YML}"),
    ({"wheel": [*WHEEL, "tests/test_a.py"]}, f"{BUILT} has tests/test_a.py, which does not belong there"),
    (
        replaced("Environment :: Console", "Environment :: Nowhere"),
        "metadata: 'Environment :: Nowhere' is not a classifier of PyPI",
    ),
    (replaced("markdown", "x-rst"), "metadata: the description is text/x-rst, not text/markdown"),
    (replaced("Version: 0.1.0", "Version: new"), "metadata: 'new' is invalid for 'version'"),
    (
        {"metadata": f'{METADATA}<img src="docs/status.svg">\n'},
        "metadata: the description links docs/status.svg, which is not on PyPI",
    ),
    ({"version": "0.2.0"}, f"promptsync-0.2.0.tar.gz and {BUILT} have different versions"),
]


def test_a_wheel_and_an_sdist_of_the_committed_files_pass(tmp_path: Path) -> None:
    built(tmp_path / "dist")
    assert checked(tmp_path / "dist") == []
    (tmp_path / "dist/promptsync-0.0.9.tar.gz").write_bytes(b"")  # of another build
    (problem,) = checked(tmp_path / "dist")
    assert problem.startswith("expected one sdist and one wheel for every system, not [")


@pytest.mark.parametrize(("changes", "named"), WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    built(tmp_path / "dist", **changes)  # type: ignore[arg-type]
    assert checked(tmp_path / "dist") == [named]
