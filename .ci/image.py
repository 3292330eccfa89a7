"""Builds the image of the Containerfile and tries it. Argument: the directory with the sources.

ENGINE is docker or podman; without it, the first one that works is used. If none works, or with ENGINE=none,
the steps of the Containerfile run in a clean directory instead, without the base image and its packages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

MOST_BYTES = 150_000_000
IMAGE = "promptsync:try"
ANOTHER_USER = "4711:4711"
WHEEL_PLATFORMS = ("musllinux_1_2_x86_64", "musllinux_1_2_aarch64")


class Step(NamedTuple):
    """An instruction of a Containerfile."""

    word: str
    rest: str


def steps_of(containerfile: str) -> list[Step]:
    """The instructions, with the default values of ``ARG`` filled in."""
    lines = [line for line in containerfile.splitlines() if not line.lstrip().startswith("#")]
    values: dict[str, str] = {}
    steps = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = " ".join(line.split()).partition(" ")
        if word == "ARG":
            name, _, values[name] = rest.partition("=")
        elif word:
            steps.append(Step(word, re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], rest)))
    return steps


def base_of(steps: list[Step]) -> str:
    return next(step.rest.split()[0] for step in steps if step.word == "FROM")


def fail(message: str) -> NoReturn:
    sys.exit(f"error: {message}")


def run(
    *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, code: int = 0
) -> str:
    """Run a command that must end with this code, and return what it printed."""
    result = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode != code:
        print(result.stdout, file=sys.stderr, end="")
        fail(f"exit code {result.returncode} instead of {code}: {' '.join(map(str, command))}")
    return result.stdout


def example_repository(context: Path, target: Path) -> Path:
    shutil.copytree(context / "example-repo", target)
    run("git", "-C", target, "init", "--quiet")
    run("git", "-C", target, "add", ".")
    author = ("-c", "user.name=Try", "-c", "user.email=try@example.com")
    run("git", "-C", target, *author, "commit", "--quiet", "--message", "Add prompts")
    return target


def is_root(user: str) -> bool:
    return user.partition(":")[0] in ("", "0", "root")


def engine_works(engine: str, base: str) -> bool:
    """Whether the engine runs, and has the base image or can fetch it."""

    def succeeds(*command: str) -> bool:
        return subprocess.run([engine, *command], capture_output=True, check=False).returncode == 0

    return (
        shutil.which(engine) is not None
        and succeeds("info")
        and (succeeds("image", "inspect", base) or succeeds("pull", "--quiet", base))
    )


def build_image(engine: str, context: Path, work: Path) -> None:
    print(f"Building with {engine}", flush=True)
    command = [engine, "build", "--tag", IMAGE, "--file", context / "Containerfile", context]
    if subprocess.run(command, check=False).returncode:
        fail("the image was not built")
    (image,) = json.loads(run(engine, "image", "inspect", IMAGE))
    user, size = image["Config"]["User"], image["Size"]
    if is_root(user):
        fail("the image runs as root")
    started = (engine, "run", "--rm")
    print(run(*started, IMAGE, "--version"), end="")
    repository = example_repository(context, work / "repo")
    run("chmod", "-R", "a+rwX", repository)
    mounted = (*started, "--volume", f"{repository}:/repo")
    script = "git log -1 --format=%s && promptsync status && rm -r .promptsync"
    print(run(*mounted, "--user", ANOTHER_USER, "--entrypoint", "sh", IMAGE, "-c", script), end="")
    # Otherwise a rootless podman maps the caller to root.
    mapping = ("--userns", "keep-id") if engine == "podman" and os.getuid() else ()
    caller = ("--user", f"{os.getuid()}:{os.getgid()}", *mapping)
    print(run(*mounted, *caller, IMAGE, "push", "--yes"), end="")
    for path in repository.rglob("*"):
        if path.lstat().st_uid != os.getuid():
            fail(f"{path} does not belong to the caller")
    print(f"{size / 1e6:.0f} MB, user {user}, built with {engine} and tried")
    if size > MOST_BYTES:
        fail(f"the image has {size:,} bytes; the limit is {MOST_BYTES:,}")


APK = """\
#!/bin/sh
# The programs of this machine are used instead.
git --version
"""


class CleanDirectory:
    """Runs steps in a directory in place of the image, with the Python of a new virtual environment."""

    def __init__(self, context: Path, work: Path) -> None:
        self.context = context
        self.work = work
        self.root = work / "root"  # the same for each stage, because scripts name their Python
        self.stages: dict[str, Path] = {}
        self.stage = ""
        self.directory = self.root
        self.environment: dict[str, str] = {}
        self.user = ""
        self.entrypoint: list[str] = []
        programs = work / "programs"
        programs.mkdir()
        (programs / "apk").write_text(APK, "utf-8")
        (programs / "apk").chmod(0o755)

    def run(self, steps: list[Step]) -> None:
        for step in steps:
            print(f"  {step.word} {step.rest}", flush=True)
            getattr(self, f"_{step.word.lower()}", self._unknown)(step.rest)

    def place(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.directory / path

    def _unknown(self, rest: str) -> NoReturn:
        fail("this instruction cannot run without an engine")

    def _from(self, rest: str) -> None:
        if self.stage:
            self.stages[self.stage] = self.root.rename(self.work / f"stage-{self.stage}")
        self.stage = rest.split()[-1]
        self.user, self.directory = "", self.root
        run(sys.executable, "-m", "venv", self.root / "usr/local")
        (self.root / "etc").mkdir()
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_CERT_"))}
        path = f"{self.work / 'programs'}:{self.root / 'usr/local/bin'}:{os.environ['PATH']}"
        system = str(self.root / "etc/gitconfig")
        self.environment = {**kept, "PATH": path, "GIT_CONFIG_SYSTEM": system, "HOME": str(self.work)}

    def _workdir(self, rest: str) -> None:
        self.directory = self.place(rest)
        self.directory.mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        *sources, target = [word for word in rest.split() if not word.startswith("--")]
        stage = re.match(r"--from=(\S+)", rest)
        allowed = (self.context / ".dockerignore").read_text("utf-8").splitlines()
        for source in sources:
            if stage:
                path = self.stages[stage[1]] / source.lstrip("/")
            else:
                path = self.context / source
                if f"!{source}" not in allowed:
                    fail(f".dockerignore leaves out {source}")
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__") if not stage else None
                shutil.copytree(path, self.place(target), symlinks=True, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy2(path, self.place(target))

    def _run(self, rest: str) -> None:
        if re.search(r"(?<![\w.])/\w", rest):
            fail("this step names a path of the image, so it cannot run without an engine")
        run("sh", "-euc", rest, cwd=self.directory, env=self.environment)

    def _env(self, rest: str) -> None:
        name, _, self.environment[name] = rest.partition("=")

    def _user(self, rest: str) -> None:
        self.user = rest

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = json.loads(rest)


def wheel_bytes(directory: CleanDirectory, python: str, platform: str) -> int:
    """The unpacked size of all locked packages as wheels for this platform. There must be a wheel of each."""
    target = directory.work / platform
    options = ("--quiet", "--require-hashes", "--only-binary", ":all:", "--no-deps", "--dest", target)
    where = ("--platform", platform, "--python-version", python, "--implementation", "cp")
    pip = directory.root / "usr/local/bin/pip"
    run(pip, "download", *options, *where, "--requirement", directory.context / "requirements.lock")
    return sum(member.file_size for path in target.iterdir() for member in zipfile.ZipFile(path).infolist())


def try_steps(steps: list[Step], context: Path, work: Path) -> None:
    directory = CleanDirectory(context, work)
    directory.run(steps)
    if is_root(directory.user):
        fail("the image runs as root")
    promptsync = (directory.root / "usr/local/bin" / directory.entrypoint[0], *directory.entrypoint[1:])
    repository = example_repository(context, work / "repo")
    # git then takes the repository for that of another owner.
    environment = {**directory.environment, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    print(run(*promptsync, "--version", cwd=repository, env=environment), end="")
    print(run(*promptsync, "status", cwd=repository, env=environment), end="")
    foreign = {**environment, "GIT_CONFIG_SYSTEM": os.devnull}
    if "dubious ownership" not in run(*promptsync, "status", cwd=repository, env=foreign, code=2):
        fail("git would read the repository of another owner without safe.directory, too")
    ours = directory.stages["build"] / "build/image"
    size = sum(path.stat().st_size for path in ours.rglob("*") if path.is_file())
    (python,) = re.findall(r"python:(3\.\d+)-alpine", base_of(steps))
    for platform in WHEEL_PLATFORMS:
        unpacked = wheel_bytes(directory, python, platform)
        print(f"{platform}: each locked package has a wheel for Python {python}; {unpacked / 1e6:.0f} MB")
    print(f"{size / 1e6:.0f} MB for promptsync and its dependencies, with bytecode; no size of base and git")
    print("No image was built: the steps of the Containerfile ran in a clean directory.")


def main() -> None:
    context = Path(sys.argv[1]).resolve()
    steps = steps_of((context / "Containerfile").read_text("utf-8"))
    wanted = os.environ.get("ENGINE", "")
    candidates = (wanted,) if wanted else ("docker", "podman")
    engine = next((engine for engine in candidates if engine_works(engine, base_of(steps))), "")
    if not engine and wanted not in ("", "none"):
        fail(f"{wanted} does not work, or cannot fetch {base_of(steps)}")
    with tempfile.TemporaryDirectory(prefix="promptsync-image.") as temporary:
        work = Path(temporary).resolve()
        if engine:
            build_image(engine, context, work)
        else:
            try_steps(steps, context, work)


if __name__ == "__main__":
    main()
