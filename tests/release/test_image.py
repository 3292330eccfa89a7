"""The Containerfile, and ``make image``: what it checks with an engine, and which steps run without one."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci/image.py"


spec = importlib.util.spec_from_file_location("image", SCRIPT)
assert spec and spec.loader
image: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(image)
STEPS = image.steps_of((ROOT / "Containerfile").read_text("utf-8"))


def words(word: str) -> list[str]:
    return [step.rest for step in STEPS if step.word == word]


def test_what_is_copied_exists_and_nothing_else_is_sent_to_the_engine() -> None:
    copied = [name for rest in words("COPY") if not rest.startswith("--") for name in rest.split()[:-1]]
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert lines[1] == "*"
    assert sorted(f"!{name}" for name in copied) == sorted(line for line in lines if line.startswith("!"))
    assert [name for name in copied if not (ROOT / name).exists()] == []


ENGINE = """\
#!/bin/sh
echo "$*" >> "$LOG"
case "$1 $2" in
  "info "*) exit "$INFO" ;;
  "image inspect") echo "$INSPECT" ;;
  "run "*) echo ok ;;
esac
"""


def with_engine(tmp_path: Path, *, info: int = 0, user: str = "1000:1000", size: int = 100_000_000) -> str:
    """What ``ENGINE=docker make image`` prints with an engine that reports this image."""
    (tmp_path / "docker").write_text(ENGINE, "utf-8")
    (tmp_path / "docker").chmod(0o755)
    inspect = json.dumps([{"Config": {"User": user}, "Size": size}])
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    answers = {"LOG": str(tmp_path / "log"), "INFO": str(info), "INSPECT": inspect}
    environ = {**os.environ, **answers, "PATH": path, "ENGINE": "docker"}
    command = [sys.executable, SCRIPT, ROOT]
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == (1 if result.stderr else 0)
    return result.stderr or result.stdout


def test_a_built_image_is_tried_as_another_user_and_as_the_caller(tmp_path: Path) -> None:
    assert with_engine(tmp_path).endswith("100 MB, user 1000:1000, built with docker and tried\n")
    tried = [line for line in (tmp_path / "log").read_text("utf-8").splitlines() if line.startswith("run ")]
    version, another, caller = tried
    assert version.endswith("promptsync:try --version")
    assert "--user 4711:4711" in another and "promptsync status" in another
    assert f"--user {os.getuid()}:{os.getgid()} " in caller and caller.endswith("push --yes")


def test_what_is_wrong_with_an_image_or_its_engine_is_an_error(tmp_path: Path) -> None:
    large = with_engine(tmp_path, size=150_000_001)
    assert large == "error: the image has 150,000,001 bytes; the limit is 150,000,000\n"
    for root in ("", "0:0"):
        assert with_engine(tmp_path, user=root) == "error: the image runs as root\n"
    failing = with_engine(tmp_path, info=1)
    assert failing == f"error: docker does not work, or cannot fetch {image.base_of(STEPS)}\n"
