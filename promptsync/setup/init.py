"""The files of a new working copy and of a new prompt, and their first commit. Existing files are kept."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from promptsync.errors import Incomplete, PromptsyncError, Refused, UsageError
from promptsync.files import config as configuration
from promptsync.files.config import FILE_NAME, Config, is_below, load
from promptsync.files.disk import DIRECTORY, explained, real_path, write
from promptsync.files.git.repository import GitProgram, is_in_repository
from promptsync.files.prompt_file import Worktree, parse, paths_for_new, scan
from promptsync.files.yaml.layout import inline
from promptsync.files.yaml.load import InvalidFile
from promptsync.lint.check import check
from promptsync.lint.rules import KnownPrompts
from promptsync.prompt.names import look, path_for
from promptsync.registry.address import LOCAL, address

EXAMPLE: Final = "hello.yaml"
VENDOR: Final = "https://api.promptlayer.com"

_CONFIG: Final = """\
# `promptsync schema config` prints everything that this file may contain.

# Directory of the prompt files, relative to this file.
prompts: {prompts}

# The default registry; --remote NAME chooses another one for a single command.
remote: {remote}

remotes:
  # Embedded: a database in .promptsync/ on this machine. It needs no account and no network.
  local: {{url: "local:"}}
  # Its key comes from the environment variable PROMPTLAYER_API_KEY, never from a file.
  {production}

# The prompts that belong to this repository, by name; * also matches /. Default: all of them.
{include}
"""
_INCLUDE: Final = '# include: ["support/*"]'


class ConfigDraft(Struct, frozen=True):
    """A configuration, and the text that its new file will get: ``None`` where there is a file."""

    config: Config
    text: str | None


def draft(
    root: Path, *, prompts: str | None = None, url: str | None = None, include: Sequence[str] = ()
) -> ConfigDraft:
    """Return the configuration that a directory has or will get. Writes nothing.

    ``prompts`` and ``url``, the registry to use instead of the embedded one, are for a new configuration.
    Raises ``UsageError`` for an invalid argument or configuration, and for an existing one that includes
    other prompts than ``include``.
    """
    path = root / FILE_NAME
    if not (path.exists() or path.is_symlink()):
        prompts, base = prompts or "prompts", real_path(root)
        # git has nothing behind a link, so the configuration names its target.
        if (root / prompts).is_symlink() and (target := real_path(root / prompts)).is_relative_to(base):
            prompts = target.relative_to(base).as_posix()
        text = _configuration(prompts, url, include)
        return ConfigDraft(configuration.parse(path, text.encode()), text)
    config = load(path)
    if not include or set(include) == set(config.include):
        return ConfigDraft(config, None)
    other = f"includes other prompts: {', '.join(config.include)}" if config.include else "has no include:"
    raise UsageError(f"{path} exists and {other}", hint=f"write in {FILE_NAME}: {_include(include)}")


def start(root: Path, drafted: ConfigDraft, *, example: bool = True) -> dict[str, str]:
    """Make a directory a working copy; doing so again changes nothing.

    Returns ``created``, ``changed`` or ``kept`` for each path below ``root``.

    With ``example`` a new working copy of the embedded registry without prompts gets a first one. Raises
    ``UsageError`` for a directory of prompts that cannot be used, and writes no configuration then.
    """
    config = drafted.config
    is_new = drafted.text is not None
    has_prompts = bool(scan(root, config.prompts).paths)
    ignored = _ignore(root)
    outcomes = {FILE_NAME: "created" if is_new else "kept"}
    if drafted.text is not None:
        write(root, FILE_NAME, drafted.text)
    needs_example = example and is_new and config.remotes[config.default_remote].url == LOCAL
    needs_example = needs_example and not has_prompts
    outcomes[f"{config.prompts}/"] = "kept" if config.prompts_path.is_dir() else "created"
    with explained("create", config.prompts_path):
        config.prompts_path.mkdir(parents=True, exist_ok=True)
    if needs_example:
        target = f"{config.prompts}/{EXAMPLE}"
        outcomes[target] = "created"
        write(root, target, new_text(PurePosixPath(EXAMPLE).stem), within=config.prompts)
    outcomes[".gitignore"] = ignored
    return outcomes


def _configuration(prompts: str, url: str | None, include: Sequence[str]) -> str:
    if not is_below(prompts):
        raise UsageError(
            f"--prompts {prompts} is not below this directory", hint="pass a relative path, such as prompts"
        )
    production = f"# production: {{url: {VENDOR}}}"
    is_local = url in (None, LOCAL)
    if url is not None and not is_local:
        checked = url if url.startswith(LOCAL) else address(url).base
        production = f"production: {{url: {json.dumps(checked, ensure_ascii=False)}}}"
    return _CONFIG.format(
        prompts=inline(PurePosixPath(prompts).as_posix()),
        remote="local" if is_local else "production",
        production=production,
        include=_include(include) if include else _INCLUDE,
    )


def _include(patterns: Sequence[str]) -> str:
    # JSON is YAML too, so that no pattern needs quoting rules of its own.
    return f"include: {json.dumps(list(patterns), ensure_ascii=False)}"


def _ignore(root: Path) -> str:
    """Make git ignore the private directory; returns ``created``, ``changed`` or ``kept``."""
    path = root / ".gitignore"
    line = f"{DIRECTORY}/"
    try:
        present = path.read_bytes().decode()  # not as text, because its line ends must stay
    except FileNotFoundError:
        write(root, path.name, f"{line}\n")
        return "created"
    except (OSError, UnicodeDecodeError):
        return "kept"
    if {line, DIRECTORY, f"/{line}", f"/{DIRECTORY}"} & {entry.strip() for entry in present.splitlines()}:
        return "kept"
    separator = "" if not present or present.endswith("\n") else "\n"
    write(root, path.name, f"{present}{separator}{line}\n")
    return "changed"


MODEL: Final = "openai/gpt-4o-mini"

_PROMPT: Final = """\
name: {name}
template_format: jinja2
model:
  provider: {provider}
  name: {model}
messages:
  - role: system
    content: |
      You answer customers of {{ company }}. Be brief and friendly, and say so when you do not know.
  - role: user
    content: "{{ question }}"
# Sample values for the variables. They stay in this file and are never published.
examples:
  - company: Fernweh Outdoor
    question: Do you repair boots?
"""
_SNIPPET: Final = """\
# A snippet: other prompts insert it by its name between two @@@.
name: {name}
content: |
  Be brief and friendly, and say so when you do not know.
"""


def new_text(name: str, model: str | None = None, *, is_snippet: bool = False) -> str:
    """Return the text of a first prompt. Raises ``UsageError`` unless ``model`` is ``PROVIDER/MODEL``."""
    provider, _, model_name = (model or MODEL).partition("/")
    if not provider or not model_name:
        raise UsageError(f"--model {model} is not of the form PROVIDER/MODEL", hint=f"--model {MODEL}")
    values = {"name": name, "provider": provider, "model": model_name}
    text = _SNIPPET if is_snippet else _PROMPT
    return re.sub(r"(?<!\{)\{(\w+)\}", lambda place: inline(values[place[1]]), text)


def write_new(config: Config, worktree: Worktree, name: str, text: str, *, is_copy: bool) -> str:
    """Write the file of a new prompt and return its path.

    Raises ``Refused`` if the name, also in another case, or its path is taken or ``include`` does not match
    it, and ``UsageError`` if lint has a problem with the name or, unless it ``is_copy``, anything else in the
    text. Then nothing was written.
    """
    places = {look(other): path for path, other in worktree.broken.items()}
    places |= {look(other): file.path for other, file in worktree.files.items()}
    path, usual = paths_for_new(worktree, [name])[name], f"{config.prompts}/{path_for(name)}"
    place = config.root / path
    if look(name) in places or path != usual or place.exists() or place.is_symlink():
        what = f"{places.get(look(name), usual)} already exists; nothing was written"
        raise Refused(what, hint="choose another name", code="exists")
    try:
        file = parse(text.encode("utf-8", "surrogateescape"), path, name)
    except InvalidFile as error:
        raise UsageError(f"{error.problems[0].message} Nothing was written.") from None
    known = KnownPrompts({other: file.prompt.template for other, file in worktree.files.items()})
    for problem in check([file], known):
        if not is_copy or problem.rule.startswith("name-"):
            raise UsageError(f"{problem.message} Nothing was written.", hint=problem.hint)
    if not config.in_scope(name):
        raise Refused(
            f"include: does not match {name!r}, so the prompt would never be published; nothing was written",
            hint=f"choose another name, or add it to include: in {FILE_NAME}",
            code="not-included",
        )
    write(config.root, path, text, within=config.prompts)
    return path


_IDENTITY: Final = (
    "git config --global user.name 'Your Name'\ngit config --global user.email you@example.com\n"
)


def edited(root: Path, paths: Iterable[str]) -> set[str]:
    """Return those of some files that have changes which are not committed."""
    if not is_in_repository(root):
        return set()
    git = GitProgram(root)
    return {path for path in paths if git.line("status", "--porcelain", "--", f":(literal){path}")}


def new_to_git(root: Path, config: Config, paths: Iterable[str]) -> list[str]:
    """Return those of init's ``paths`` that no commit has, such as those of an earlier run.

    While no commit has the configuration, prompts belong to them; later, new ones are drafts of the user.
    """
    listed = ("ls-tree", "-r", "-z", "--name-only", "HEAD", ".", *paths)
    committed = GitProgram(root).line(*listed) if is_in_repository(root) else ""
    old = {*(committed or "").split("\0")}
    files = [*paths, *([] if FILE_NAME in old else sorted(scan(root, config.prompts).paths))]
    return [path for path in dict.fromkeys(files) if path not in old and (root / path).is_file()]


def commit_command(root: Path, paths: Iterable[str], message: str, prompts: str, directory: str = "") -> str:
    """Return the command that commits paths, with the directory of the prompts for the files in it.

    ``directory`` is where ``root`` is for the user, ``""`` for the current directory.
    """
    git = shlex.join(["git", *(["-C", directory] if directory else [])])
    places = (prompts if PurePosixPath(path).is_relative_to(prompts) else path for path in paths)
    named = shlex.join(dict.fromkeys(places))
    new = "" if is_in_repository(root) else f"{git} init && "
    # git refuses to commit a directory in which there is no file, as where the registry has no prompt yet.
    is_empty = (root / prompts).is_dir() and not any((root / prompts).iterdir())
    only = "" if is_empty else f" -- {named}"
    return f"{new}{git} add {named} && {git} commit -m {shlex.quote(message)}{only}"


def commit_files(root: Path, paths: Sequence[str], message: str, command: str) -> None:
    """Commit these files, in a new repository if there is none. All other changes stay as they are.

    Hooks run. Raises ``Incomplete`` with git's reason, and the ``command`` that does the same as a hint.
    """
    git = GitProgram(root)
    # A command line has room for a few hundred paths only, at least on Windows.
    from_input = ("--pathspec-from-file=-", "--pathspec-file-nul")
    sent = "\0".join(f":(literal){path}" for path in paths).encode("utf-8", "surrogateescape")
    try:
        if not is_in_repository(root):
            git.run("init", "--quiet")
        git.run("add", *from_input, sent=sent)
        git.run("commit", "--quiet", "-m", message, *from_input, sent=sent)
    except PromptsyncError as error:
        reason, hint = error.message.strip(), command
        if error.code == "no-program":
            hint = f"{error.hint}\npromptsync -C {shlex.quote(str(root))} init"
        if "Please tell me who you are" in reason:
            reason, hint = "git does not know your name and email", f"{_IDENTITY}{command}"
        message = f"the files were written, but not committed: {reason}"
        raise Incomplete(message, hint=hint, code="not-committed") from None
