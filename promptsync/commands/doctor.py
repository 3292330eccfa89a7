"""``promptsync doctor``: what is wrong with a setup, and the commands that fix it.

It looks at the configuration, the prompt files, git, then the registry. No prompt changes. An embedded
registry is opened as by ``status``, which takes in what its fixtures declare.
"""

from __future__ import annotations

import platform
import re
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from promptsync import __version__
from promptsync.checks.assignment import limits_in, select_checks
from promptsync.checks.catalog import list_evaluations, list_tables
from promptsync.commands.shared.groups import flag
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.conflict import conflict_of
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.disk import DIRECTORY, present_text
from promptsync.files.git.repository import Repository
from promptsync.files.prompt_file import scan
from promptsync.files.yaml.load import InvalidFile, text_of
from promptsync.project.project import Project, connect
from promptsync.registry.address import LOCAL, address, checked_key
from promptsync.registry.protocol import Capabilities, Registry, Timeouts
from promptsync.setup.scaffold import JOBS
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_MEANINGS: Final = {"ok": "good", "warning": "warn", "error": "bad"}
_KEY_NAME = "PROMPTLAYER_API_KEY"
_PREFIX = "pl_"


class Finding(Struct, frozen=True):
    """``name`` is a stable word; ``fix`` is the command or change that fixes it, ``""`` if none is needed.

    The status is fine, worth attention, or serious enough to stop all work.
    """

    name: str
    status: Literal["ok", "warning", "error"]
    message: str
    fix: str = ""
    details: tuple[str, ...] = ()


@verb("doctor")
@flag("--offline", "Send no requests to the registry.")
def command(session: Session, offline: bool) -> Outcome:
    """Check configuration, prompt files, git, key and registry, and print the commands that fix problems.

    Your files and prompts stay as they are, and no key is printed. Exits with 1 when there are errors;
    warnings alone exit with 0.

    \b
    promptsync doctor
    promptsync doctor --offline
    promptsync doctor --remote production --json
    """
    findings = [Finding("versions", "ok", f"promptsync {__version__}, Python {platform.python_version()}")]
    if session.read_only:
        findings.append(Finding("read-only", "ok", "PROMPTSYNC_READ_ONLY is set"))
    findings += _examined(session, offline)
    shown = [finding for finding in findings if not (session.quiet and finding.status == "ok")]
    wide = max(len(finding.name) for finding in findings)
    lines = [line for finding in shown for line in _lines(finding, wide)]
    counts = Counter(finding.status for finding in findings)
    problems = [output.count(counts[status], status) for status in ("error", "warning") if counts[status]]
    summary = ", ".join(problems) or output.style("no problems found", "good")
    checks = [{**asdict(finding), "fix": finding.fix or None} for finding in findings]
    return Outcome([*lines, "", output.aside(summary)], {"checks": checks}, int(counts["error"] > 0))


def _examined(session: Session, offline: bool) -> Iterator[Finding]:
    """Yield what is found, local things first; checks that depend on something broken are skipped."""
    config = None
    if (path := find(directory := session.directory.resolve())) is None:
        message = f"there is no {FILE_NAME} in {directory} or any directory above it"
        yield Finding("config", "error", message, "promptsync init")
    else:
        try:
            config = load(path)
        except UsageError as problem:
            yield _failed("config", problem)
    if config is not None:
        yield Finding("config", "ok", f"{path}, default remote {config.default_remote}")
        yield _files(config)
        yield from _git(config)
    try:
        project = session.project(needs_config=False)
        if not project.url.startswith(LOCAL):
            address(project.url)
    except Refused as problem:
        yield _failed("private", problem)
    except PromptsyncError as problem:
        if config is not None:
            yield _failed("remote", problem)
    else:
        with project:
            yield from _registry(project, offline)


def _failed(name: str, problem: PromptsyncError) -> Finding:
    return Finding(name, "error", problem.message, problem.hint, problem.details)


def _files(config: Config) -> Finding:
    try:
        worktree = scan(config.root, config.prompts)
    except PromptsyncError as problem:
        return _failed("prompts", problem)
    files, where = worktree.files.values(), f"{config.prompts}/"
    details = [text_of(problem) for problem in worktree.problems]
    details += [text_of(conflict) for file in files if (conflict := conflict_of(file))]
    if details:
        number = output.count(len(details), "problem")
        message = f"{number} in the prompt files of {where}, so a push would be refused"
        return Finding("prompts", "error", message, "promptsync lint", tuple(details))
    if not files:
        return Finding("prompts", "warning", f"there are no prompt files in {where}", "promptsync pull")
    return Finding("prompts", "ok", f"{output.count(len(files), 'prompt file')} in {where}")


def _git(config: Config) -> Iterator[Finding]:
    """Check the repository, and what it tracks."""
    try:
        history = Repository.find(config.root, config.prompts)
        if history is None:
            message = (
                "this is not a git repository, so versions name no commit and less is known about changes"
            )
            yield Finding("git", "warning", message, "git init && git add --all && git commit")
            return
        history.check_index()
        if history.born:
            history.run("log", "-1", "--format=%H")  # fails if a parent is missing
            where = f"branch {history.branch}" if history.branch else "no branch checked out"
            head = f"HEAD {(history.head_commit or '')[:7]}"
            yield Finding("git", "ok", f"{where}, {head}, {history.line('version')}")
        else:
            yield Finding("git", "warning", "the repository has no commit yet", "git add --all && git commit")
        if history.shallow:
            message = "the clone is shallow, so promptsync cannot always tell who changed a prompt"
            fix = "git fetch --unshallow\nin GitHub Actions, set fetch-depth: 0, in GitLab GIT_DEPTH: 0"
            yield Finding("git-history", "warning", f"{message}; such prompts are refused", fix)
        if history.listed(DIRECTORY):
            message = f"git tracks {DIRECTORY}/, which is private to a working copy"
            fix = f"git rm -r --cached {DIRECTORY} && echo {DIRECTORY}/ >> .gitignore"
            yield Finding("git-ignored", "error", message, fix)
        if history.ignores(f"{config.prompts}/prompt.yaml"):
            fix = f"git check-ignore -v {shlex.quote(f'{config.prompts}/prompt.yaml')}"
            yield Finding("git-tracked", "warning", f"git ignores prompt files in {config.prompts}/", fix)
        yield from _workflows(config, history.prefix) if config.labels else ()
    except PromptsyncError as problem:
        yield _failed("git", problem)


def _workflows(config: Config, prefix: str) -> Iterator[Finding]:
    """Compare the branches of labels: with those that the workflows of ``init`` deploy, if it wrote them."""
    github = [f".github/workflows/{name}.yml" for name in ("deploy", "check")]
    for option, paths, pattern in (
        ("--github", github, r" branches: \[([^]*]*)\]"),
        ("--gitlab", [JOBS], r'CI_COMMIT_BRANCH == "(.*)"$'),
    ):
        shown = ["../" * prefix.count("/") + path for path in paths]
        text = (present_text(config.root, shown[0]) or "").replace("\r", "")
        triggers = [*re.finditer(pattern, text, re.MULTILINE)]
        branches = {branch for trigger in triggers for branch in re.findall(r"[^\s,'\"]+", trigger[1])}
        directories = re.findall(r"""(?m)PROMPTSYNC_DIRECTORY: .*?([^'" ]+)['" }]*$""", text)
        if branches in (set(), {*config.labels}) or (prefix.rstrip("/") or ".") not in directories:
            continue
        stale = min(triggers, key=lambda trigger: trigger[1] in config.labels)
        where = f"{shown[0]}:{len(text[: stale.end()].splitlines())}"
        message = f"{where} runs for {', '.join(sorted(branches))}; labels: has {', '.join(config.labels)}"
        package = [f"--package={spec}" for spec in re.findall('PROMPTSYNC_PACKAGE: "(.+)"', text)]
        again = shlex.join(["promptsync", "init", option, *package])
        # Without a package, init may not know what the new workflows should install.
        fix = f"rm -f {shlex.join(shown)} && {again}" if package else f"edit {where}"
        yield Finding(option[2:], "warning", message, fix)


def _registry(project: Project, offline: bool) -> Iterator[Finding]:
    is_local = project.url.startswith(LOCAL)
    named = project.url if project.remote == project.url else f"{project.remote}, {project.url}"
    yield Finding("remote", "ok", named)
    key = None if is_local else _key(project)
    if key is not None:
        yield key
    if offline or (key is not None and key.status == "error"):
        return
    if is_local and project.fixtures is not None and not project.fixtures.is_file():
        message = f"the fixtures file {project.fixtures} does not exist"
        yield Finding("registry", "error", message, f"fix or remove fixtures: in {FILE_NAME}")
        return
    if is_local and not project.database.exists():
        yield Finding("registry", "ok", f"there is none yet; the first push creates {project.database}")
        return
    try:
        timeouts = (project.timeouts or Timeouts()).shortened()
        with connect(project, memory=None, timeouts=timeouts) as registry:
            began = time.monotonic()
            prompts = registry.prompts.list()
            seconds = time.monotonic() - began
            if project.api_key and not is_local:
                yield Finding("key-accepted", "ok", "the registry accepts the key")
            seen = registry.workspace_seen
            workspace = f", workspace {seen}" if seen is not None else ""
            listed = f"it listed {output.count(len(prompts), 'prompt')} in {seconds:.2f} s{workspace}"
            yield Finding("registry", "ok", listed)
            yield _dialect(registry.capabilities(prompts[0]) if prompts else None)
            yield from _checks(project, registry)
    except PromptsyncError as problem:
        is_key = problem.code in ("unauthorized", "forbidden")
        waited = "; promptsync waited once and gave up" if problem.code == "rate-limited" else ""
        name = "key-accepted" if is_key else "checks" if isinstance(problem, InvalidFile) else "registry"
        yield Finding(name, "error", problem.message + waited, problem.hint, problem.details)


def _checks(project: Project, registry: Registry) -> Iterator[Finding]:
    """Check that the registry has the evaluations and tables that files and ``checks:`` name."""
    files = scan(project.root, project.config.prompts).files
    assigned = select_checks(files, files, project.config, project.evaluations).of("table", "evaluation")
    named = {(check.kind, check.name) for check in (*assigned, *limits_in(project.config))}
    named -= {("table", file.name) for file in project.evaluations}
    if not named:
        return
    known = {("evaluation", key) for item in list_evaluations(registry) for key in (item.name, str(item.id))}
    known |= {("table", key) for table in list_tables(registry) for key in table.values()}
    if missing := [f"{kind} {name!r}" for kind, name in sorted(named - known)]:
        message = f"the registry lacks {output.count(len(missing), 'check')} named in files or checks:"
        yield Finding("checks", "error", message, "promptsync eval list", tuple(missing))


def _key(project: Project) -> Finding:
    where = address(project.url)
    try:
        sent = checked_key(project.api_key, where.base)
    except PromptsyncError as problem:
        return _failed("key", problem)
    if where.host.endswith("promptlayer.com") and not sent.startswith(_PREFIX):
        message = f"{_KEY_NAME} is set, but PromptLayer's keys begin with {_PREFIX}"
        fix = f"export {_KEY_NAME}={_PREFIX}…"
        return Finding("key", "warning", f"{message}; see the workspace's settings", fix)
    return Finding("key", "ok", f"{_KEY_NAME} is set")


def _dialect(capabilities: Capabilities | None) -> Finding:
    if capabilities is None:
        return Finding("dialect", "ok", "unknown until it has a prompt")
    if not capabilities.raw:
        message = "only the basic API, without raw prompts, so prompts with snippets cannot be read"
        fix = "leave such prompts out with include:, or use a registry with GET /prompt-templates/{id}"
    elif not capabilities.lists_all_labels and not capabilities.changes_labels:
        message = "its labels cannot be read, so they can only be set while publishing"
        fix = "promptsync push --label LABEL"
    elif not capabilities.changes_labels:
        message = "its labels can be read, but promptsync cannot change them"
        fix = "move labels in the dashboard of this registry"
    else:
        lists = "with" if capabilities.lists_all_labels else "without"
        return Finding("dialect", "ok", f"the current PromptLayer API, {lists} a list of all labels")
    return Finding("dialect", "warning", message, fix)


def _lines(finding: Finding, wide: int) -> Iterator[str]:
    word = output.padded(output.style(finding.status, _MEANINGS[finding.status]), len("warning"))
    start = f"{word}  {finding.name:{wide}}  "
    yield output.Line(start + output.name(finding.message), output.width(start))
    indent = " " * output.width(start)
    for detail in finding.details:
        yield output.Line(f"{indent}{output.name(detail)}", len(indent) + 2)
    for fix in finding.fix.splitlines():
        label = output.style("fix:", "remote")
        yield output.Line(f"{indent}{label} {output.name(fix)}", len(indent) + 5)
