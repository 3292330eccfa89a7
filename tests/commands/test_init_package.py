"""What ``init --github --pre-commit`` writes as the thing to install, and when it refuses to guess."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

import promptsync
from promptsync.cli import run

DEPLOY = ".github/workflows/deploy.yml"
HOOKS = ".pre-commit-config.yaml"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository to add workflows to."""
    root = tmp_path / "prompts"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", root], check=True)
    return root


@pytest.fixture
def info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of an installation from an index, which Python finds first."""
    place = tmp_path / "site" / f"promptsync-{promptsync.__version__}.dist-info"
    place.mkdir(parents=True)
    text = f"Metadata-Version: 2.4\nName: promptsync\nVersion: {promptsync.__version__}\n"
    (place / "METADATA").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(place.parent))
    return place


def written(top: Path, *options: str) -> str:
    """What the workflows and the hooks install."""
    assert run(["-C", str(top), "-q", "init", "--github", "--pre-commit", *options], {}) == 0
    (repository,) = yaml.safe_load((top / HOOKS).read_text("utf-8"))["repos"]
    workflows = [yaml.safe_load(path.read_text("utf-8")) for path in top.glob(".github/*/*")]
    used = {workflow["env"]["PROMPTSYNC_PACKAGE"] for workflow in workflows}
    used |= {package for hook in repository["hooks"] for package in hook["additional_dependencies"]}
    (package,) = used
    return str(package)


def test_a_release_from_an_index_pins_its_version(top: Path, info: Path) -> None:
    assert written(top) == f"promptsync=={promptsync.__version__}"


def test_what_was_installed_from_elsewhere_needs_the_option_in_one_sentence(
    top: Path, info: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (info / "direct_url.json").write_text(
        json.dumps({"url": "https://example.com/x", "vcs_info": {}}), "utf-8"
    )
    assert run(["-C", str(top), "init", "--pre-commit"], {}) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert "not installed from PyPI" in err and "nothing was written" in err
    hint = f"promptsync -C {top} init --pre-commit --package git+https://HOST/OWNER/REPO@COMMIT"
    assert err.endswith(f"hint: {hint}")
    assert [path.name for path in top.iterdir()] == [".git"]


@pytest.mark.parametrize(
    "spec",
    [
        "promptsync==1.2.3",
        "promptsync[serve] >= 1.2, < 2",
        "git+https://github.com/acme/promptsync@v1.2.3",
        "git+ssh://git@github.com/acme/promptsync@v1.2.3",
        "promptsync @ https://example.com/promptsync.whl",
        'it\'s $(here) `and` "there"',
    ],
)
def test_what_is_passed_is_written_as_it_is(top: Path, spec: str) -> None:
    assert written(top, "--package", spec) == spec


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "is not something that pip can install"),
        ("-r requirements.txt", "is not something that pip can install"),
        ("promptsync\nrun: x", "is not something that pip can install"),
        ("git+https://HOST/OWNER/REPO@COMMIT", "is not something that pip can install"),
        ("${{ secrets.PROMPTLAYER_API_KEY }}", "is not something that pip can install"),
        ("git+https://x:secret@github.com/acme/promptsync", "must not contain a password or token"),
        ("git+https://secret@github.com/acme/promptsync", "must not contain a password or token"),
    ],
)
def test_anything_else_is_refused_before_anything_is_written(
    top: Path, capsys: pytest.CaptureFixture[str], spec: str, why: str
) -> None:
    assert run(["-C", str(top), "init", "--github", "--package", spec], {}) == 2
    err = capsys.readouterr().err
    assert why in err and "nothing was written" in err
    assert "secret@" not in err
    assert [path.name for path in top.iterdir()] == [".git"]


def test_it_needs_something_to_write(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(top), "init", "--package", "promptsync==1.0.0"], {}) == 2
    assert "--package needs --github, --gitlab or --pre-commit" in capsys.readouterr().err
    assert [path.name for path in top.iterdir()] == [".git"]
