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
    environ = {
        **os.environ,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_REF_NAME": tag,
    }
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


def test_a_tag_of_the_version_passes(checkout: Path) -> None:
    assert checked(checkout) == []


def test_this_repository_lacks_nothing_but_perhaps_its_own_address() -> None:
    assert [one for one in checked(ROOT) if REPOSITORY not in one] == []


def test_without_an_address_of_the_source_the_step_of_the_checklist_is_named(checkout: Path) -> None:
    replace(checkout / "pyproject.toml", r"^Source = .*$", "")
    assert checked(checkout) == [
        f'pyproject.toml does not say where the source is: add [project.urls] with Source = "{SOURCE}", '
        "as step 1 of RELEASING.md says"
    ]


def test_another_repository_cannot_release(checkout: Path) -> None:
    replace(checkout / "pyproject.toml", r"^Source = .*$", 'Source = "https://github.com/other/tools"')
    assert checked(checkout) == [
        f"pyproject.toml says that the source is https://github.com/other/tools, but {SOURCE} releases it"
    ]


def test_links_on_pypi_must_lead_to_the_repository_that_releases(checkout: Path) -> None:
    replace(checkout / "pyproject.toml", f"/{REPOSITORY}/blob/", "/other/tools/blob/")
    assert checked(checkout) == [
        "pyproject.toml says that links of README.md lead to "
        f"https://github.com/other/tools/blob/v$HFPR_VERSION/, but {REPOSITORY} releases it"
    ]


@pytest.mark.parametrize("tag", ["v9.9.9", promptsync.__version__, "v"])
def test_a_tag_of_another_version_is_refused(checkout: Path, tag: str) -> None:
    assert checked(checkout, tag) == [
        f"the tag is {tag!r}, but the version in promptsync/__init__.py is {promptsync.__version__}"
    ]


@pytest.mark.parametrize("heading", ["## {} - unreleased", "## {}", "## {} - 2026-13-01"])
def test_a_section_without_a_date_is_refused(checkout: Path, heading: str) -> None:
    replace(checkout / "CHANGELOG.md", r"^## .*$", heading.format(promptsync.__version__))
    (error,) = checked(checkout)
    assert error.startswith(f"the section of {promptsync.__version__} in CHANGELOG.md has no date")


def test_a_version_without_a_section_is_refused(checkout: Path) -> None:
    replace(checkout / "promptsync/__init__.py", r"^__version__ = .*$", '__version__ = "9.9.9"')
    assert checked(checkout, "v9.9.9") == [
        f"the newest section is about {promptsync.__version__} in CHANGELOG.md; the version is 9.9.9"
    ]


@pytest.mark.parametrize("version", ["0.2", "0.2.0.dev1"])
def test_a_version_that_is_not_for_users_is_refused(checkout: Path, version: str) -> None:
    replace(checkout / "promptsync/__init__.py", r"^__version__ = .*$", f'__version__ = "{version}"')
    replace(checkout / "CHANGELOG.md", r"^## .*$", f"## {version} - 2026-11-26")
    assert checked(checkout, f"v{version}") == [
        f"{version} is not a version to release; expected MAJOR.MINOR.PATCH"
    ]
