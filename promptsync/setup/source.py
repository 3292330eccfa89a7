"""Which promptsync workflows and hooks install: a git repository and a ref of it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import promptsync
from promptsync.errors import UsageError

GITHUB: Final = "github.com"

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORTENED: Final = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{7,39}")
_RELEASE: Final = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?")
_TAG: Final = re.compile(r"v?\d+\.\d+\.\d+([.+-]?[0-9A-Za-z]+)*")
_REF: Final = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{|/\.))[\w./+@=-]+(?<![/.])(?<!\.lock)", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}$)[\w.-]{1,100}", re.ASCII)
_SCP: Final = re.compile(r"(?P<user>[\w.-]+@)?(?P<host>[\w.-]+):(?!//)(?P<path>[^?#]+)", re.ASCII)
_LABELS: Final = ("source", "source code", "repository")
"""How a package names the address of its source, in lower case."""


@dataclass(frozen=True, slots=True)
class Source:
    """A git repository and a ref of it. ``release`` is the tag of that commit, if it is known to have one."""

    url: str
    ref: str
    release: str | None = None

    @property
    def spec(self) -> str:
        """The source as pip and ``--package`` take it."""
        return f"git+{self.url}@{self.ref}"

    @property
    def is_moving(self) -> bool:
        """Whether the ref is neither a commit nor the tag of a version."""
        return not (_COMMIT.fullmatch(self.ref) or _TAG.fullmatch(self.ref))

    def action(self, origin: str | None) -> str:
        """Return what a workflow names in ``uses:``, in a repository with this URL of ``origin``.

        Raises ``UsageError`` for a repository that is not on GitHub, or not on the same server.
        """
        host, path = _located(self.url) or ("", "")
        path = path.removesuffix(".git")
        servers = {GITHUB, (_located(origin or "") or ("", ""))[0]}
        if host not in servers or not _NAME.fullmatch(path):
            raise UsageError(
                f"{self.url} is not a repository on {' or '.join(sorted(servers - {''}))}, "
                "so workflows cannot use it; nothing was written",
                hint="promptsync init --github --package OWNER/REPO@REF",
                code="package",
            )
        return f"{path}@{self.ref}"


def parse_source(spec: str, command: str = "promptsync init --github") -> Source:
    """Return the source that ``--package`` names; ``command`` is the command line without it.

    Raises ``UsageError``.
    """
    text = spec.strip().removeprefix("git+")
    if "://" in text:
        scheme, _, rest = text.partition("://")
        host, slash, rest = rest.partition("/")
        path, _, ref = rest.partition("@")
        url = f"{scheme}://{host}{slash}{path.removesuffix('/')}"
        problem = _url_problem(url)
    else:
        path, _, ref = text.partition("@")
        url = f"https://{GITHUB}/{path.removesuffix('.git')}"
        problem = None if _NAME.fullmatch(path) else f"{path!r} is not OWNER/REPO"
    if problem is None and (path.endswith("OWNER/REPO") or ref in ("REF", "COMMIT")):
        problem = "replace the capital letters with the repository and its commit or tag"
    if problem is None:
        problem = _ref_problem(ref) if ref else "it names no ref; add @ and a commit or a tag"
    if problem is not None:
        shown = _without_password(spec)
        forms = ("OWNER/REPO@REF", "git+https://HOST/OWNER/REPO@REF")
        hint = "\n".join(f"{command} --package {form}" for form in forms)
        raise UsageError(f"--package {shown}: {problem}; nothing was written", hint=hint, code="package")
    return Source(url, ref)


def _url_problem(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "ssh"):
        return f"{parts.scheme}:// is not supported, only https:// and ssh://"
    if parts.password or (parts.scheme == "https" and parts.username):
        return "a file in git must not contain a password or token"
    if _located(url) is None or not re.fullmatch(r"/[\w./~-]+", parts.path, re.ASCII):
        return "it is not the URL of a git repository"
    return None


def _ref_problem(ref: str) -> str | None:
    if not _REF.fullmatch(ref):
        return f"{ref!r} is not a commit, tag or branch"
    if _SHORTENED.fullmatch(ref):
        return f"{ref} looks like a shortened commit, which GitHub does not accept; give all 40 digits"
    return None


def _located(url: str) -> tuple[str, str] | None:
    """Return host and path of a git URL that others can use too."""
    scp = _SCP.fullmatch(url)
    if scp and len(scp["host"]) > 1:  # one letter is a drive of Windows
        return scp["host"].lower(), scp["path"].strip("/")
    parts = urlsplit(url)
    path = parts.path.strip("/")
    return (parts.hostname, path) if parts.scheme in ("https", "ssh") and parts.hostname and path else None


def _without_password(url: str) -> str:
    """Return a URL without its password, and for https without a user, which may be a token."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    user = "" if parts.scheme == "https" else f"{user.partition(':')[0]}@"
    return parts._replace(netloc=f"{user}{host}").geturl()


# -- where this program came from ----------------------------------------------------------------------------


class _Unknown(Exception):
    """Why it is unknown where this program came from. ``fix`` is a command that would help."""

    def __init__(self, why: str, *, fix: str | None = None) -> None:
        super().__init__(why)
        self.fix = fix


def installed_source(command: str) -> Source:
    """Return where this program came from. ``command`` is the command line for the hint.

    Raises ``UsageError`` when neither pip's record (PEP 610), nor the checkout that it was installed from,
    nor the metadata of a release tells.
    """
    try:
        package = distribution("promptsync")
        recorded = package.read_text("direct_url.json")
        return _released(package) if recorded is None else _recorded(json.loads(recorded))
    except (PackageNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        problem = _Unknown("there is no record of how it was installed")
    except _Unknown as unknown:
        problem = unknown
    hints = [problem.fix] if problem.fix else []
    what = "which promptsync the workflows and hooks should install"
    raise UsageError(
        f"cannot tell {what}: {problem}; nothing was written",
        hint="\n".join([*hints, f"{command} --package OWNER/REPO@REF"]),
        code="no-source",
    ) from None


def _recorded(noted: Mapping[str, Any]) -> Source:
    """Read ``direct_url.json``."""
    url = str(noted["url"])
    if noted.get("subdirectory"):
        raise _Unknown(f"it was installed from a subdirectory of {url}")
    if "vcs_info" in noted:
        commit, wanted = noted["vcs_info"]["commit_id"], noted["vcs_info"].get("requested_revision")
        url = _without_password(url)
        if not _COMMIT.fullmatch(commit) or _located(url) is None:
            raise _Unknown(f"it was installed from {url}, which exists on this machine only")
        return Source(url, commit, wanted if wanted and _TAG.fullmatch(wanted) else None)
    if "dir_info" in noted:
        from urllib.request import url2pathname

        return _checkout(Path(url2pathname(urlsplit(url).path)))
    raise _Unknown(f"it was installed from the file {url}")


def _checkout(root: Path) -> Source:
    """Return the source of a program that was installed from a directory: its commit, if that was pushed."""
    from promptsync.files.git.history import GitHistory

    history = GitHistory.find(root, promptsync.__name__)
    if history is None or history.prefix or history.head_commit is None:
        raise _Unknown(f"it was installed from {root}, which is not a clone of its repository")
    commit = history.head_commit
    here = Path(promptsync.__file__).parents[1]
    for entry in history.entries(commit, promptsync.__name__):
        if history.blob_of(_contents(here / entry.path)) != entry.object:
            raise _Unknown(
                f"it was installed from {root}, where {entry.path} differs from commit {commit[:7]}",
                fix=shlex.join(["git", "-C", str(root), "status"]),
            )
    listed = history.line("for-each-ref", "--contains", commit, "--format=%(refname)", "refs/remotes")
    refs = (listed or "").split()
    remotes = (history.line("remote") or "").split()
    for remote in sorted(remotes, key=lambda name: (name != "origin", name)):
        url = _without_password(history.line("config", "--get", f"remote.{remote}.url") or "")
        if _located(url) and any(ref.startswith(f"refs/remotes/{remote}/") for ref in refs):
            tag = f"v{promptsync.__version__}"
            tags = (history.line("tag", "--points-at", commit) or "").split()
            return Source(url, commit, tag if tag in tags else None)
    raise _Unknown(
        f"it was installed from commit {commit[:7]} of {root}, which was not pushed to a server",
        fix=shlex.join(["git", "-C", str(root), "push"]),
    )


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes().replace(b"\r\n", b"\n")
    except OSError:
        return b""


def _released(package: Distribution) -> Source:
    """Return the source of a released version, which an index served: the tag in the repository it names."""
    version = package.version
    for line in package.metadata.get_all("Project-URL") or ():
        label, _, url = str(line).partition(",")
        url = url.strip()
        if label.strip().lower() in _LABELS and _url_problem(url) is None and _RELEASE.fullmatch(version):
            tag = f"v{version}"
            return Source(url.removesuffix("/"), tag, tag)
    raise _Unknown(f"version {version} does not name the repository of its source")
