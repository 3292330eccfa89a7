"""The first step of the release workflow: a tag that should not be released stops there, with the reason."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import promptsync

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
FILES = (".ci/check_release.py", "pyproject.toml", "CHANGELOG.md", "promptsync/__init__.py")
REPOSITORY = "acme/prompt-tools"
SOURCE = f"https://github.com/{REPOSITORY}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that the check reads, with an address of the source."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    text = (tmp_path / "pyproject.toml").read_text("utf-8")
    text = re.sub(r"(?ms)^\[project\.urls\]\n.*?(?=^\[)", "", text)
    text = re.sub(r"(?m)^(replacement = '\\1https://[^/]+)/[^/]+/[^/]+/", rf"\1/{REPOSITORY}/", text)
    (tmp_path / "pyproject.toml").write_text(f'{text}\n[project.urls]\nSource = "{SOURCE}"\n', "utf-8")
    return tmp_path


def checked(checkout: Path, tag: str = f"v{promptsync.__version__}") -> list[str]:
    """Run the step of the workflow, and return its errors."""
    (script,) = (step["run"] for step in WORKFLOW["jobs"]["check"]["steps"] if "run" in step)
    program, *arguments = script.split()
    assert program == "python"
    github = {"SERVER_URL": "https://github.com", "REPOSITORY": REPOSITORY, "REF_NAME": tag}
    environ = {**os.environ, **{f"GITHUB_{name}": value for name, value in github.items()}}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=environ, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    errors = [line.removeprefix("::error::") for line in done.stdout.splitlines()]
    assert done.returncode == (1 if errors else 0)
    return errors


def replace(file: Path, pattern: str, text: str) -> None:
    before = file.read_text("utf-8")
    after = re.sub(pattern, text, before, count=1, flags=re.MULTILINE)
    assert after != before
    file.write_text(after, "utf-8")


def test_this_repository_lacks_nothing_but_perhaps_its_own_address() -> None:
    assert [one for one in checked(ROOT) if REPOSITORY not in one] == []


VERSION, VERSION_LINE, HEADING = promptsync.__version__, r"^__version__ = .*$", r"^## .*$"
SOURCE_LINE, OTHER = r"^Source = .*$", "https://github.com/other/tools"
UNDATED = f"the section of {VERSION} in CHANGELOG.md has no date"
WRONG = [
    # a file, what is replaced in it and by what -> the beginning of the error
    (
        ("pyproject.toml", SOURCE_LINE, ""),
        f'pyproject.toml does not say where the source is: add [project.urls] with Source = "{SOURCE}", '
        "as step 1 of RELEASING.md says",
    ),
    (
        ("pyproject.toml", SOURCE_LINE, f'Source = "{OTHER}"'),
        f"pyproject.toml says that the source is {OTHER}, but {SOURCE} releases it",
    ),
    (
        ("pyproject.toml", f"/{REPOSITORY}/blob/", "/other/tools/blob/"),
        f"pyproject.toml says that links of README.md lead to {OTHER}/blob/v$HFPR_VERSION/, "
        f"but {REPOSITORY} releases it",
    ),
    (("CHANGELOG.md", HEADING, f"## {VERSION} - unreleased"), UNDATED),
    (("CHANGELOG.md", HEADING, f"## {VERSION} - 2026-13-01"), UNDATED),
]


@pytest.mark.parametrize(("change", "error"), WRONG)
def test_what_is_wrong_in_a_file_is_named(checkout: Path, change: tuple[str, str, str], error: str) -> None:
    assert checked(checkout) == []
    file, pattern, text = change
    replace(checkout / file, pattern, text)
    (named,) = checked(checkout)
    assert named.startswith(error)


@pytest.mark.parametrize("tag", ["v9.9.9", VERSION, "v"])
def test_a_tag_of_another_version_is_refused(checkout: Path, tag: str) -> None:
    (error,) = checked(checkout, tag)
    assert error == f"the tag is {tag!r}, but the version in promptsync/__init__.py is {VERSION}"


def test_a_version_needs_a_section_and_must_be_one_for_users(checkout: Path) -> None:
    replace(checkout / "promptsync/__init__.py", VERSION_LINE, '__version__ = "9.9.9"')
    (error,) = checked(checkout, "v9.9.9")
    assert error == f"the newest section is about {VERSION} in CHANGELOG.md; the version is 9.9.9"
    for version in ("0.2", "0.2.0.dev1"):
        replace(checkout / "promptsync/__init__.py", VERSION_LINE, f'__version__ = "{version}"')
        replace(checkout / "CHANGELOG.md", HEADING, f"## {version} - 2026-11-26")
        (error,) = checked(checkout, f"v{version}")
        assert error == f"{version} is not a version to release; expected MAJOR.MINOR.PATCH"
