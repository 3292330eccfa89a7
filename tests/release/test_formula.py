"""The Homebrew formula has the built sdist, and each package that promptsync needs."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci/formula.py"
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PIN = re.compile(r"(?m)^([\w.-]+)==(\S+).*\\\n((?:    --hash=.*\n)+)((?:    #.*\n)+)?")
RESOURCE = re.compile(r'  resource "(.*)" do\n    url "(.*)"\n    sha256 "(.*)"\n  end\n')


def run(*arguments: Path, sent: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, input=sent, capture_output=True, text=True, check=False)


def needed_to_run() -> dict[str, tuple[str, str]]:
    """The version and hashes of each locked package that promptsync or one of its dependencies needs."""
    pins = {name: (version, hashes) for name, version, hashes, _ in PIN.findall(LOCK)}
    users = {name: re.findall(r"(?m)^    # +(?:via )?(\S+)", via) for name, _, _, via in PIN.findall(LOCK)}
    needed = {"promptsync"}
    while more := {name for name in users if needed & set(users[name])} - needed:
        needed |= more
    return {name: pins[name] for name in needed - {"promptsync"}}


def test_it_has_the_built_sdist_and_each_locked_package_or_homebrew_has_it(tmp_path: Path) -> None:
    sdist = tmp_path / "promptsync-0.1.0.tar.gz"
    sdist.write_bytes(b"sources")
    text, needed = run(sdist).stdout, needed_to_run()
    assert f'/packages/source/p/promptsync/{sdist.name}"\n' in text
    assert f'\n  sha256 "{hashlib.sha256(b"sources").hexdigest()}"\n' in text
    assert {"click", "httpx", "jsonschema-rs"} <= set(needed) and "hatchling" not in needed
    resources = {name: (url, digest) for name, url, digest in RESOURCE.findall(text)}
    assert list(resources) == sorted(resources) and text.count("resource ") == len(resources)
    brewed = {name for name in set(needed) - set(resources) if f'depends_on "{name}"' in text}
    assert set(needed) - brewed == set(resources), "Run: make lock"
    for name, (url, digest) in resources.items():
        version, hashes = needed[name]
        assert url.startswith("https://files.pythonhosted.org/packages/")
        assert url.endswith(f"-{version}.tar.gz"), f"{name}: run make lock"
        assert f"sha256:{digest}" in hashes, f"{name}: run make lock"


def test_a_package_without_an_sdist_is_an_error_unless_homebrew_has_it() -> None:
    wheel_only = '[[packages]]\nname = "{}"\nversion = "2.0"\n'
    assert run(sent=wheel_only.format("certifi")).stdout == "\n"
    result = run(sent=wheel_only.format("closed"))
    assert result.returncode == 1
    assert result.stderr == "error: PyPI has no sdist of closed 2.0, so Homebrew cannot build it\n"
