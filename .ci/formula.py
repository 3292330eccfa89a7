"""Prints the Homebrew formula of a built sdist. Argument: SDIST.

make lock runs it without an argument: it reads a pylock.toml and prints .ci/sdists.txt, what Homebrew builds.
"""

from __future__ import annotations

import hashlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
FROM_HOMEBREW = {"certifi"}
"""Packages that the formula takes from Homebrew. PyPI may have no sdist of them."""

RESOURCE = """\
  resource "{name}" do
    url "{url}"
    sha256 "{digest}"
  end
"""

FORMULA = """\
# For the directory Formula of a tap. make dist writes it.
class Promptsync < Formula
  include Language::Python::Virtualenv

  desc "{description}"
  homepage "https://pypi.org/project/promptsync/"
  url "https://files.pythonhosted.org/packages/source/p/promptsync/{sdist}"
  sha256 "{digest}"
  license "MIT"

  depends_on "rust" => :build # for cachebox and jsonschema-rs
  depends_on "certifi" => :no_linkage
  depends_on "libyaml"
  depends_on "python@3.14"

{resources}
  def install
    virtualenv_install_with_resources
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/promptsync --version")
    system "git", "init"
    # Through a pipe it cannot ask anything.
    assert_match "prompts/hello.yaml", pipe_output("#{{bin}}/promptsync init", "", 0)
    assert_match "1 new", shell_output("#{{bin}}/promptsync status")
  end
end
"""


def sdists(pylock: str) -> Iterator[str]:
    """A line for each package: its name, and the address and SHA-256 of its sdist."""
    for package in tomllib.loads(pylock)["packages"]:
        name = package["name"]
        if name in FROM_HOMEBREW:
            continue
        if "sdist" not in package:
            sys.exit(f"error: PyPI has no sdist of {name} {package['version']}, so Homebrew cannot build it")
        yield f"{name} {package['sdist']['url']} {package['sdist']['hashes']['sha256']}"


def formula(sdist: Path) -> str:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    rows = [line.split() for line in (HERE / "sdists.txt").read_text("utf-8").splitlines()]
    return FORMULA.format(
        description=project["description"].removesuffix("."),
        sdist=sdist.name,
        digest=hashlib.sha256(sdist.read_bytes()).hexdigest(),
        resources="\n".join(RESOURCE.format(name=name, url=url, digest=digest) for name, url, digest in rows),
    )


def main() -> None:
    if len(sys.argv) == 1:
        print(*sdists(sys.stdin.read()), sep="\n")
    else:
        print(formula(Path(sys.argv[1])), end="")


if __name__ == "__main__":
    main()
