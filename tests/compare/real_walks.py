"""Random walks in real git and the embedded registry, judged by an oracle that knows nothing of the rule.

The prompt is a text of many separate sentences. Three clones, CI and a dashboard editor add and remove them.
The oracle records each decision with what its author had seen by then. That knowledge travels with the texts:
with working files, commits, stashes and versions. After each verb no sentence may be gone from a working file
or from the newest version unless somebody who had seen it removed it, or it is listed as passed over.

``PYTHONPATH=tests python tests/compare/real_walks.py 0 100`` walks, and prints what was counted.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import yaml
from gitcopy import GITCONFIG, git
from oracle import Oracle, Seen, Text

from promptsync.cli import run as run_verb
from promptsync.files.config import load
from promptsync.project.project import Project, open_project
from promptsync.prompt.prompt import Prompt
from promptsync.push.actions import PushPlan
from promptsync.push.apply import check_unmoved

Document = Mapping[str, Any]
Between = Callable[[], object]
"""What happens between the plan and the publish of a push."""

NAME = "support/refund"
PATH = f"prompts/{NAME}.yaml"
HERE, SECOND = "here", "second"
CONFIG = """prompts: prompts
remote: here
remotes:
  here: {url: 'local:../registry.db'}
  second: {url: 'local:../second.db'}
"""
PLACES = 64
"""How many sentences a walk can add. Each has a place of its own between lines that never change."""

# -- texts ------------------------------------------------------------------------------------------------

_SENTENCE = re.compile(r"^ *Sentence (\d+) is here\.$", re.MULTILINE)


def body(text: Text) -> str:
    """Return the prompt with the sentences of ``text``."""
    lines = []
    for place in range(PLACES):
        lines.append(f"Rule {place} begins.")
        lines += [f"Sentence {place} is here."] if place in text else []
        lines += [f"Rule {place} ends.", f"Between {place} and {place + 1}."]
    return "\n".join([*lines, ""])


def sentences(text: str) -> Text:
    return frozenset(map(int, _SENTENCE.findall(text)))


def new_file(text: Text, name: str = NAME) -> str:
    indented = "".join(f"      {line}\n" for line in body(text).splitlines())
    return f"# the refund prompt\nname: {name}\nmessages:\n  - role: user\n    content: |\n{indented}"


def rewritten(content: str, text: Text) -> str:
    """Return a prompt file with other sentences, edited as a person would: line by line."""
    lines = []
    for line in content.splitlines():
        if _SENTENCE.match(line):
            continue
        lines.append(line)
        place = re.fullmatch(r"( *)Rule (\d+) begins\.", line)
        if place and int(place[2]) in text:
            lines.append(f"{place[1]}Sentence {place[2]} is here.")
    return "\n".join([*lines, ""])


# -- the key in the file, for conflicts in git ------------------------------------------------------------

_CONFLICT = re.compile(r"^<{7} .*?\n(.*?)^={7}\n(.*?)^>{7} .*?\n", re.MULTILINE | re.DOTALL)
_KEY_LINE = re.compile(r"^synced:.*(?:\n[ -].*)*\n?", re.MULTILINE)


def keys_in(content: str) -> dict[str, list[str]]:
    """Return the keys that a file, or a part of one, spells, by remote."""
    line = _KEY_LINE.search(content)
    found = yaml.safe_load(line[0])["synced"] if line else {}
    by_remote = found if isinstance(found, dict) else {HERE: found}
    return {remote: [keys] if isinstance(keys, str) else [*keys] for remote, keys in by_remote.items()}


def both_keys(ours: str, theirs: str) -> str:
    """Return the line that keeps the keys of both sides."""
    one, other = keys_in(ours), keys_in(theirs)
    merged = {
        remote: [*dict.fromkeys([*one.get(remote, []), *other.get(remote, [])])]
        for remote in {**one, **other}
    }
    return yaml.safe_dump({"synced": merged}, default_flow_style=None, sort_keys=False, width=200)


def resolved(content: str, rng: Random) -> str:
    """Resolve the conflict markers in a file: only its key can clash."""

    def choose(found: re.Match[str]) -> str:
        ours, theirs = found[1], found[2]
        assert not sentences(ours + theirs) and "Rule" not in ours + theirs, content
        return rng.choice((ours, theirs, both_keys(ours, theirs)))

    return _CONFLICT.sub(choose, content)


# -- what is counted --------------------------------------------------------------------------------------

GONE_PULL = "a sentence is gone from a working file after pull"
GONE_MERGE = "a sentence is gone from a working file after pull --merge"
GONE_BROUGHT = "a sentence is gone from a working file after pull --passed-over"
GONE_ASKED = "text that nobody else holds is gone without a backup"
NOT_LISTED = "a sentence of a version is missing in the newest one and not listed"
NOT_FOUND = "the receipt listed a version that nobody at main can find"
SAID_YES = "exit 0 although something was refused"
EQUAL = "equal texts are not in sync, or different ones are"
FORGOT = "deleting .promptsync changed the state"
TWICE = "the same verb did something the second time"
UNSETTLED = "after exit 0 the state asks for the same verb again"
FOREIGN = "a copied file is not new"
MANGLED = "a verb changed more than sentences"
BROKEN = "a verb broke"
RETURNED = "a removed sentence came back"
ASKED = "diverged although one side alone changed"
REFUSED = "a pull refused although nothing would have been lost"
LISTED = "passed over and listed"

CHERRY_PICKED = "cherry-picked a commit that changed synced:"
FORCED_OLD = "forced the text of an older commit or version"
TYPED_BACK = "typed back by hand to the text of a version"


@dataclass(frozen=True)
class Loss:
    """Something that must not be. ``limits`` are those of the page that the walk had met before."""

    kind: str
    detail: str
    limits: tuple[str, ...] = ()

    def __str__(self) -> str:
        excuse = f" [limits met before: {', '.join(self.limits)}]" if self.limits else ""
        return f"{self.kind}: {self.detail}{excuse}"


class Broken(Exception):
    """A verb ended as none should, and the walk with it."""


# -- the world --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """A version as the oracle knows it."""

    number: int
    text: Text
    message: str | None
    seen: Seen


@dataclass(frozen=True)
class Stash:
    """A text that was put aside, and the one that it was made from."""

    text: Text
    seen: Seen
    base: Text
    base_seen: Seen


@dataclass
class Clone:
    """A clone. ``seen`` is what the author of its working file has seen.

    ``detached`` says that an old commit is checked out.
    """

    name: str
    root: Path
    branch: str
    seen: Seen
    detached: bool = False
    stash: Stash | None = None

    @property
    def file(self) -> Path:
        return self.root / PATH

    @property
    def content(self) -> str:
        return self.file.read_text()

    @property
    def text(self) -> Text:
        return sentences(self.content)


Step = tuple[str, int, int]
"""The name of an operation, the clone that does it, and the seed of its choices."""


class RealWalk:
    """One prompt in real git and two registries. Each verb is judged as it is run.

    ``log`` tells what happened, ``losses`` what should not have, ``tally`` counts the rest.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory
        self.oracle = Oracle()
        self.commits: dict[str, Seen] = {}
        self.versions: dict[str, list[Version]] = {HERE: [], SECOND: []}
        self.log: list[str] = []
        self.losses: list[Loss] = []
        self.tally: Counter[str] = Counter()
        self.limits: list[str] = []
        self.foreign = ""
        self._clock = self._sentences = self._made = 0
        self._receipts: dict[int, set[int]] = {}
        self._begin()

    def _begin(self) -> None:
        (self.root / "dashboard").mkdir(parents=True)
        (self.root / "dashboard" / "promptsync.yaml").write_text(CONFIG)
        self.git(self.root, "init", "-q", "--bare", "-b", "main", "origin.git")
        first = Clone("A", self.root / "A", "main", 0)
        self.git(self.root, "clone", "-q", "origin.git", "A")
        first.file.parent.mkdir(parents=True)
        (first.root / "promptsync.yaml").write_text(CONFIG)
        (first.root / ".gitignore").write_text(".promptsync/\n")
        first.file.write_text(new_file(frozenset(self.sentence() for _ in range(3))))
        first.seen = self.oracle.settle(first.text, 0)
        self.git(first.root, "add", "-A")
        self.git(first.root, "commit", "-qm", "Begin")
        self.commits[self.head(first)] = first.seen
        self.git(first.root, "push", "-q", "origin", "HEAD:main", "HEAD:w")
        self.clones = [first, self.clone("B", "main"), self.clone("W", "w")]
        self.deploy()

    def play(self, steps: Iterable[Step]) -> RealWalk:
        """Play steps to the end, or until a verb breaks."""
        with contextlib.suppress(Broken):
            for name, who, seed in steps:
                clone = self.clones[who]
                self.say(f"{clone.name}: {name}")
                OPERATIONS[name][0](self, clone, Random(seed))
                self.look(clone)
            self.say("the end")
            self._judge_newest(HERE, set(), at_end=True)
        return self

    def say(self, line: str) -> None:
        self.log.append(line)

    def lose(self, kind: str, detail: str) -> None:
        loss = Loss(kind, detail, tuple(dict.fromkeys(self.limits)))
        self.losses.append(loss)
        self.say(f"    !! {loss}")

    def count(self, kind: str, detail: str) -> None:
        self.tally[kind] += 1
        self.say(f"    ?? {kind}: {detail}")

    def meet(self, limit: str) -> None:
        self.limits.append(limit)
        self.say(f"    (a limit of the page: {limit})")

    @property
    def failures(self) -> list[Loss]:
        """What no limit of the page explains."""
        return [loss for loss in self.losses if not loss.limits]

    def sentence(self) -> int:
        self._sentences += 1
        assert self._sentences <= PLACES, "the walk is too long for the text"
        return self._sentences - 1

    def latest(self, remote: str = HERE) -> Version | None:
        return self.versions[remote][-1] if self.versions[remote] else None

    # -- git

    def git(self, where: Path, *arguments: str, check: bool = True) -> str:
        self._clock += 1
        when = f"{1_700_000_000 + 60 * self._clock} +0000"
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        return git(where, *arguments, check=check, **dates).strip()

    def head(self, clone: Clone) -> str:
        return self.git(clone.root, "rev-parse", "HEAD")

    def shown(self, clone: Clone, commit: str = "HEAD") -> str:
        """Return the file as a commit has it."""
        return self.git(clone.root, "show", f"{commit}:{PATH}") + "\n"

    def is_clean(self, clone: Clone) -> bool:
        return not self.git(clone.root, "status", "--porcelain")

    def clone(self, name: str, branch: str = "main") -> Clone:
        self.git(self.root, "clone", "-q", "-b", branch, "origin.git", name)
        made = Clone(name, self.root / name, branch, 0)
        made.seen = self.commits[self.head(made)]
        return made

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Clone]:
        """A clone of main, as CI makes one."""
        self._made += 1
        made = self.clone(f"ci-{self._made}")
        try:
            yield made
        finally:
            shutil.rmtree(made.root)

    def commit(self, clone: Clone, subject: str, seen: Seen, *options: str, is_merge: bool = False) -> None:
        """Commit the file with a subject that no other commit has."""
        self._made += 1
        self.git(clone.root, "add", "-A")
        self.git(clone.root, "commit", "-qm", f"{subject} {self._made}", *options)
        seen = self.oracle.settle(clone.text, seen, is_merge=is_merge)
        clone.seen = self.commits[self.head(clone)] = seen
        short = self.git(clone.root, "rev-parse", "--short", "HEAD")
        self.say(f"    {clone.name} commits {short} {self.told(clone)}")

    def told(self, clone: Clone) -> str:
        """Return what a file says, for the log."""
        keys = keys_in(clone.content)
        return f"{sorted(clone.text)}{f' synced {keys}' if keys else ''}"

    def moved(self, clone: Clone) -> None:
        """Take note that git put the text of ``HEAD`` into the file."""
        clone.seen = self.commits[self.head(clone)]
        short = self.git(clone.root, "rev-parse", "--short", "HEAD")
        self.say(f"    {clone.name} is at {short} {self.told(clone)}")

    def tidy(self, clone: Clone) -> None:
        """Leave an old commit, and commit the file, before git is asked for more."""
        if clone.detached:
            self.git(clone.root, "checkout", "-qf", clone.branch)
            clone.detached = False
            self.moved(clone)
        if not self.is_clean(clone):
            self.commit(clone, "Tidy", clone.seen | self.commits[self.head(clone)])

    def resolve(self, clone: Clone, rng: Random) -> bool:
        """Resolve the conflict on the key, and say so; ``False`` when there is none."""
        if not _CONFLICT.search(clone.content):
            return False
        clone.file.write_text(resolved(clone.content, rng))
        self.say(f"    conflict on synced: resolved to {keys_in(clone.content)}")
        self.git(clone.root, "add", "-A")
        return True

    # -- promptsync

    def run(self, clone: Clone, *arguments: str) -> tuple[int, Document]:
        """Run a verb, and check that it did not break and left alone all but sentences."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_verb(
                ["-C", str(clone.root), "--json", *arguments], {"HOME": str(self.root), "CI": "1"}
            )
        self.tally["verbs run"] += 1
        document: Document = json.loads(out.getvalue() or "{}")
        if arguments[0] != "status":
            self.say(f"    {clone.name}$ promptsync {' '.join(arguments)}: {_summary(code, document)}")
        if code not in (0, 3) or (code == 3) != ("error" in document):
            self.lose(BROKEN, f"{arguments} exits {code}: {document.get('error')} {err.getvalue()}")
            raise Broken
        content = yaml.safe_load(clone.content)["messages"][0]["content"]
        if content != body(clone.text):
            self.lose(MANGLED, f"{arguments}: {content}")
            clone.file.write_text(new_file(clone.text))
        return code, document

    def state(self, clone: Clone, remote: str = HERE) -> str:
        _, document = self.run(clone, "status", "--remote", remote, NAME)
        (one,) = document["prompts"]
        return str(one["state"])

    def look(self, clone: Clone) -> None:
        """Compare what status says with what the oracle knows."""
        latest, state = self.latest(), self.state(clone)
        assert latest is not None
        text = clone.text
        if (text == latest.text) != (state == "in-sync"):
            self.lose(
                EQUAL, f"{clone.name} {sorted(text)} is {state}, v{latest.number} {sorted(latest.text)}"
            )
        ours, theirs, unclear = self.oracle.changed(text, latest.text, clone.seen | latest.seen)
        self.tally["states"] += 1
        if state == "diverged" and not unclear and ours != theirs:
            self.count(ASKED, f"{clone.name} {sorted(text)} and v{latest.number} {sorted(latest.text)}")

    def learn(self, remote: str, seen: Seen) -> list[Version]:
        """Take note of the versions that the registry has and the oracle does not know of yet."""
        known = self.versions[remote]
        found = [
            Version(number, text, message, seen)
            for number, text, message in read_versions(self.root / f"{_DATABASES[remote]}.db")
            if number > len(known)
        ]
        known += found
        for one in found:
            name = "" if remote == HERE else f"{remote} "
            self.say(f"    = {name}v{one.number} {sorted(one.text)} {one.message or '(no message)'}")
        return found

    # -- verbs that publish

    def push(
        self, clone: Clone, *, force: bool = False, remote: str = HERE, between: Between | None = None
    ) -> int:
        text, seen, before = clone.text, clone.seen, self.latest(remote)
        if force:
            seen = self.oracle.settle(text, seen)
        elif before is not None:
            seen = self._with_agreed(text, seen, before)
        options = (NAME, "--force", "-y") if force else (NAME, "-y")
        with happening(between):
            code, document = self.run(clone, "push", "--remote", remote, *options)
        published = self.learn(remote, seen)
        if clone.text != text:
            self.lose(GONE_PULL, f"push changed the file to {sorted(clone.text)}")
        if published:
            clone.seen |= seen
            self._judge_newest(remote, _receipt(document))
        refused = [one for one in document["skipped"] if one["state"] == "diverged"]
        if code == 0 and (wrong := refused or document["failed"] or document["raced"]):
            self.lose(SAID_YES, f"push: {wrong}")
        return code

    def deploy(self, between: Between | None = None) -> int:
        """Let CI deploy the tip of main."""
        with self.fresh() as clone:
            text, seen = clone.text, clone.seen
            for before in (self.latest(), self.released()):
                seen = self._with_agreed(text, seen, before) if before is not None else seen
            with happening(between):
                code, document = self.run(clone, "deploy", "--label", "prod", "-y")
            if self.learn(HERE, seen):
                self._judge_newest(HERE, _receipt(document))
        released = self.released()
        is_refused = code != 0 or document["skipped"] or document["on_hold"]
        if released is not None and released.text != text and not is_refused:
            self.lose(SAID_YES, f"deploy: prod is at v{released.number} {sorted(released.text)}")
        return code

    def released(self) -> Version | None:
        """Return the version under the label."""
        number = read_label(self.root / f"{_DATABASES[HERE]}.db", "prod")
        return self.versions[HERE][number - 1] if number is not None else None

    def save(self, number: int, text: Text, message: str | None, *, seen: Seen | None = None) -> None:
        """Save a page in the dashboard that was opened on a version."""
        if seen is None:
            seen = self.versions[HERE][number - 1].seen
        template = {"type": "chat", "messages": [_message(text)]}
        with open_project(load(self.root / "dashboard" / "promptsync.yaml")) as project:
            project.registry.prompts.publish(Prompt(NAME, template), message=message)  # type: ignore[arg-type]
        self.learn(HERE, self.oracle.settle(text, seen))
        self._judge_newest(HERE, set())

    def _with_agreed(self, text: Text, seen: Seen, version: Version) -> Seen:
        """Return what an author has seen whose text replaces a version that it does not contradict."""
        both = seen | version.seen
        lacks = self.oracle.missing(text, both) & version.text
        has = self.oracle.returned(text, both) - version.text
        return seen if lacks or has else both

    def _judge_newest(self, remote: str, receipt: Collection[int], *, at_end: bool = False) -> None:
        """Find what the newest version lacks or has although nobody wanted that, and nothing lists it."""
        versions, newest = self.versions[remote], self.versions[remote][-1]
        everything = functools.reduce(lambda seen, one: seen | one.seen, versions, self._seen_at_main())
        missing = [(one, True) for one in self.oracle.missing(newest.text, everything)]
        returned = [(one, False) for one in self.oracle.returned(newest.text, everything)]
        wrong = {
            one: holders for one in sorted(missing + returned) if (holders := self._holders(versions, *one))
        }
        if not wrong:
            return
        listed, text = self.listed(remote)
        for (sentence, is_missing), holders in wrong.items():
            how = ("lacks", "had") if is_missing else ("has", "had removed")
            told = f"v{newest.number} {how[0]} {sentence}, which {_named(holders)} {how[1]}"
            if holders & listed or (sentence in text) == is_missing:
                self.tally[LISTED] += 1
            elif holders & {*receipt}:
                self.count(NOT_FOUND, told)
            elif not is_missing:
                self.count(RETURNED, told)
            else:
                self.lose(NOT_FOUND if at_end and self._was_listed(holders) else NOT_LISTED, told)
        self._receipts[newest.number] = {*receipt}

    def _seen_at_main(self) -> Seen:
        return self.commits[self.git(self.root / "origin.git", "rev-parse", "main")]

    def _was_listed(self, holders: set[int]) -> bool:
        return any(holders & listed for listed in self._receipts.values())

    def _holders(self, versions: Sequence[Version], sentence: int, is_in: bool) -> set[int]:
        """Return the versions before the newest one whose authors decided about a sentence in this way."""
        return {
            one.number
            for one in versions[:-1]
            if (sentence in one.text) == is_in
            and (self.oracle.added if is_in else self.oracle.removed)[sentence] & one.seen
        }

    def listed(self, remote: str = HERE) -> tuple[set[int], Text]:
        """Return the versions that a colleague at main can find, and what the file says with them."""
        with self.fresh() as clone:
            _, status = self.run(clone, "status", "--remote", remote, NAME)
            found = {number for one in status["prompts"] for number in one["passed_over"]}
            self.pull(clone, "--merge", "--passed-over", "--partial", remote=remote, found=found)
            return found, clone.text

    # -- verbs that write files

    def pull(self, clone: Clone, *options: str, remote: str = HERE, found: set[int] | None = None) -> int:
        """Pull, and judge what became of the file. ``found`` gets the versions that were passed over."""
        latest = self.latest(remote)
        if latest is None:
            return 0
        before, content = clone.text, clone.content
        code, document = self.run(clone, "pull", "--remote", remote, *options, NAME)
        brought = {number for one in document.get("passed_over", ()) for number in one["versions"]}
        brought |= {one["version"] for one in document["conflicts"]} if found is not None else set()
        if found is not None:
            found |= brought
        seen = clone.seen | latest.seen
        for number in brought:
            seen |= self.versions[remote][number - 1].seen
        if clone.content != content:
            self._judge_file(clone, options, before, seen, document)
            clone.seen = self.oracle.settle(clone.text, seen)
            self.say(f"    {clone.name} has {self.told(clone)}")
        if code == 3 and "--merge" in options:
            *_, unclear = self.oracle.changed(before, latest.text, clone.seen | latest.seen)
            if not unclear:  # sentences have places of their own, so they never clash
                self.count(REFUSED, document["error"]["message"])
        if code == 0:
            self._judge_pull(clone, options, document, remote)
        elif clone.content != content and "--partial" not in options:
            self.lose(BROKEN, f"pull {options} exits {code} and wrote the file")
        return code

    def _judge_file(
        self, clone: Clone, options: Sequence[str], before: Text, seen: Seen, document: Document
    ) -> None:
        backup = self._backup(clone, document)
        if "--theirs" in options or "--ours" in options or "--no-passed-over" in options:
            self._judge_backup(clone, before, backup)
            return
        gone = self.oracle.missing(clone.text, seen)
        kind = (
            GONE_BROUGHT if "--passed-over" in options else GONE_MERGE if "--merge" in options else GONE_PULL
        )
        told = f"{clone.name} had {sorted(before)} and has {sorted(clone.text)}, without {sorted(gone)}"
        if not gone <= backup:
            self.lose(kind, told)

    def _backup(self, clone: Clone, document: Document) -> Text:
        path = document.get("backups", {}).get(NAME)
        return sentences(Path(path).read_text()) if path else frozenset()

    def _judge_backup(self, clone: Clone, before: Text, backup: Text) -> None:
        """Look for text that was replaced because the user said so, and that nobody else holds."""
        gone = before - clone.text - self._held(clone) - backup
        if gone:
            self.lose(GONE_ASKED, f"{clone.name} had {sorted(gone)}")

    def _held(self, clone: Clone) -> Text:
        """Return the sentences that git or a registry holds."""
        held = self.oracle.about(self.commits[self.head(clone)])
        return held.union(*(one.text for one in self.versions[HERE] + self.versions[SECOND]))

    def _judge_pull(self, clone: Clone, options: Sequence[str], document: Document, remote: str) -> None:
        if document["conflicts"] or document["left"]:
            self.lose(SAID_YES, f"pull: {document['conflicts']} {document['left']}")
        state = self.state(clone, remote)
        if state not in ("in-sync", "ahead"):
            self.lose(UNSETTLED, f"{clone.name} is {state} after pull {' '.join(options)}")

    def pull_version(self, clone: Clone, number: int) -> None:
        """Put a version into the file: an old one to look at, a newer one to go on with."""
        version, before, content = self.versions[HERE][number - 1], clone.text, clone.content
        code, document = self.run(clone, "pull", NAME, "--version", str(number))
        if code == 3 and not before - version.text - self._held(clone):
            self.count(REFUSED, document["error"]["message"])
        if clone.content == content:
            return
        if clone.text != version.text:
            self.lose(MANGLED, f"pull --version {number} wrote {sorted(clone.text)}")
        self._judge_backup(clone, before, self._backup(clone, document))
        head = self.commits[self.head(clone)]
        is_old = version.seen | head == head
        clone.seen = version.seen if is_old else self.oracle.settle(clone.text, version.seen | head)

    # -- operations of git

    def fetch(self, clone: Clone) -> None:
        self.git(clone.root, "fetch", "-q", "origin")

    def merge(self, clone: Clone, other: str, rng: Random, *, squash: bool = False) -> None:
        """Merge a commit; ``squash`` makes one with a single parent. Sometimes a conflict ends it."""
        other = self.git(clone.root, "rev-parse", other)
        ours, before = self.commits[self.head(clone)], self.head(clone)
        options = ("--squash",) if squash else ("--no-commit",)
        self.git(clone.root, "merge", "-q", *options, other, check=False)
        if _CONFLICT.search(clone.content) and rng.random() < 0.2:
            self.say("    conflict on synced: aborted")
            self.git(clone.root, "reset", "-q", "--hard")
            return
        self.resolve(clone, rng)
        is_merging = (clone.root / ".git" / "MERGE_HEAD").exists()
        if is_merging or (squash and not self.is_clean(clone)):
            seen = ours | self.commits[other]
            self.commit(clone, "Squash" if squash else "Merge", seen, is_merge=True)
        elif self.head(clone) != before:
            self.moved(clone)

    def rebase(self, clone: Clone, onto: str, rng: Random) -> None:
        """Rebase, and let each new commit have seen what the old one with its subject had."""
        onto = self.git(clone.root, "rev-parse", onto)
        old = {subject: self.commits[commit] for commit, subject in self._subjects(clone, f"{onto}..HEAD")}
        self.git(clone.root, "rebase", "-q", onto, check=False)
        if self._is_rebasing(clone) and rng.random() < 0.2:
            self.say("    conflict on synced: aborted")
            self.git(clone.root, "rebase", "--abort")
            return
        while self._is_rebasing(clone):
            going_on = "--continue" if self.resolve(clone, rng) else "--skip"
            self.git(clone.root, "rebase", going_on, check=False)
        seen = self.commits[onto]
        for commit, subject in self._subjects(clone, f"{onto}..HEAD"):
            text = sentences(self.shown(clone, commit))
            seen = self.oracle.settle(text, seen | old[subject], is_merge=True)
            self.commits[commit] = seen
        self.moved(clone)

    def _is_rebasing(self, clone: Clone) -> bool:
        return (clone.root / ".git" / "rebase-merge").exists()

    def _subjects(self, clone: Clone, commits: str) -> list[tuple[str, str]]:
        found = self.git(clone.root, "log", "--reverse", "--topo-order", "--format=%H %s", commits)
        return [(line[:40], line[41:]) for line in found.splitlines()]

    def git_pull(self, clone: Clone, rng: Random) -> None:
        self.tidy(clone)
        self.fetch(clone)
        (self.rebase if rng.random() < 0.5 else self.merge)(clone, "origin/main", rng)

    def git_push(self, clone: Clone, rng: Random) -> None:
        self.tidy(clone)
        if clone.branch == "main":
            self.git_pull(clone, rng)
        options = () if clone.branch == "main" else ("--force",)
        self.git(clone.root, "push", "-q", *options, "origin", f"HEAD:{clone.branch}", check=False)

    def apply(self, clone: Clone, rng: Random, subject: str, seen: Seen, *command: str) -> None:
        """Let git apply the difference of a commit, and commit that. Sometimes a conflict ends it."""
        self.git(clone.root, *command, check=False)
        if _CONFLICT.search(clone.content) and rng.random() < 0.2:
            self.say("    conflict on synced: aborted")
            self.git(clone.root, "reset", "-q", "--hard")
            return
        self.resolve(clone, rng)
        if not self.is_clean(clone):
            self.commit(clone, subject, seen)


@contextlib.contextmanager
def happening(between: Between | None) -> Iterator[None]:
    """Let something happen once, after the next push looked at the registry and before it publishes."""
    waiting = [between] if between is not None else []

    def check_and_wait(project: Project, plan: PushPlan) -> None:
        check_unmoved(project, plan)
        if waiting:  # what happens may be a push as well
            waiting.pop()()

    with patch("promptsync.push.apply.check_unmoved", check_and_wait):
        yield


# -- parts ------------------------------------------------------------------------------------------------

_DATABASES = {HERE: "registry", SECOND: "second"}
_VERSIONS = """SELECT number, body, message FROM versions
WHERE item_id = (SELECT id FROM items WHERE name = ?) ORDER BY number"""
_LABEL = """SELECT number FROM labels JOIN versions ON versions.id = version_id
WHERE labels.name = ? AND labels.item_id = (SELECT id FROM items WHERE name = ?)"""


def read_versions(database: Path) -> list[tuple[int, Text, str | None]]:
    """Return number, text and message of all versions, without asking promptsync."""
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database)) as found:
        rows = found.execute(_VERSIONS, (NAME,)).fetchall()
    return [
        (number, sentences(_text_of(json.loads(body)["prompt_template"])), message)
        for number, body, message in rows
    ]


def read_label(database: Path, label: str) -> int | None:
    if not database.exists():
        return None
    with contextlib.closing(sqlite3.connect(database)) as found:
        row = found.execute(_LABEL, (label, NAME)).fetchone()
    return int(row[0]) if row else None


def _text_of(template: Document) -> str:
    (message,) = template["messages"]
    (block,) = message["content"]
    return str(block["text"])


def _message(text: Text) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": body(text)}]}


def _named(numbers: Iterable[int]) -> str:
    return ", ".join(f"v{number}" for number in sorted(numbers))


def _receipt(document: Document) -> set[int]:
    """Return the versions that the receipt of a push or a deploy lists as passed over."""
    pushed = document.get("push", document)["published"]
    found = {number for one in pushed for number in one["passed_over"]}
    return found | {number for one in document.get("passed_over", ()) for number in one["versions"]}


def _summary(code: int, document: Document) -> str:
    """Return what a verb answered, for the log."""
    published = document.get("push", document).get("published", ())
    parts = [f"exit {code}"]
    parts += [f"published v{one['version']}, passed over {one['passed_over']}" for one in published]
    parts += [f"wrote v{one['version']}" for one in document.get("written", ())]
    parts += [f"passed over: {one}" for one in document.get("passed_over", ())]
    return ", ".join([*parts, document.get("error", {}).get("message", "")])


# -- the operations ---------------------------------------------------------------------------------------

Operation = Callable[[RealWalk, Clone, Random], object]
OPERATIONS: dict[str, tuple[Operation, int]] = {}


def operation(weight: int, name: str = "") -> Callable[[Operation], Operation]:
    def register(function: Operation) -> Operation:
        OPERATIONS[name or function.__name__.replace("_", " ")] = function, weight
        return function

    return register


def edit(walk: RealWalk, clone: Clone, text: Text) -> None:
    walk.say(f"    {clone.name} {sorted(clone.text)} -> {sorted(text)}")
    clone.file.write_text(rewritten(clone.content, text))
    clone.seen = walk.oracle.settle(text, clone.seen)
    keys = {int(key.partition("-")[0]) for key in keys_in(clone.content).get(HERE, ())}
    if any(one.text == text for one in walk.versions[HERE] if one.number in keys):
        walk.meet(TYPED_BACK)


@operation(8)
def add_a_sentence(walk: RealWalk, clone: Clone, rng: Random) -> None:
    edit(walk, clone, clone.text | {walk.sentence()})


@operation(5)
def remove_a_sentence(walk: RealWalk, clone: Clone, rng: Random) -> None:
    if len(clone.text) > 1:
        edit(walk, clone, clone.text - {rng.choice(sorted(clone.text))})


operation(4, "commit")(lambda walk, clone, rng: walk.tidy(clone))


@operation(7)
def edit_and_commit(walk: RealWalk, clone: Clone, rng: Random) -> None:
    walk.tidy(clone)
    add_a_sentence(walk, clone, rng)
    walk.tidy(clone)


@operation(3)
def amend(walk: RealWalk, clone: Clone, rng: Random) -> None:
    parents = walk.git(clone.root, "log", "-1", "--format=%P").split()
    if clone.detached or len(parents) != 1:
        return
    if rng.random() < 0.5:
        add_a_sentence(walk, clone, rng)
    walk.commit(clone, "Amend", clone.seen | walk.commits[parents[0]], "--amend", "--allow-empty")


operation(9, "push")(lambda walk, clone, rng: walk.push(clone))


@operation(9)
def edit_and_push(walk: RealWalk, clone: Clone, rng: Random) -> None:
    add_a_sentence(walk, clone, rng)
    walk.push(clone)


@operation(6)
def edit_commit_and_push(walk: RealWalk, clone: Clone, rng: Random) -> None:
    edit_and_commit(walk, clone, rng)
    walk.push(clone)


@operation(6)
def edit_main_and_deploy(walk: RealWalk, clone: Clone, rng: Random) -> None:
    on_main = walk.clones[0] if clone.branch == "w" else clone
    edit_and_commit(walk, on_main, rng)
    walk.git_push(on_main, rng)
    walk.deploy()


@operation(2)
def push_force(walk: RealWalk, clone: Clone, rng: Random) -> None:
    is_put_back = walk.commits[walk.head(clone)] & ~clone.seen
    if clone.detached or is_put_back:
        walk.meet(FORCED_OLD)
    walk.push(clone, force=True)


@operation(2)
def push_twice(walk: RealWalk, clone: Clone, rng: Random) -> None:
    if walk.push(clone) == 0:
        before = len(walk.versions[HERE])
        walk.push(clone)
        if len(walk.versions[HERE]) != before:
            walk.lose(TWICE, f"{clone.name}: push")


operation(8, "pull")(lambda walk, clone, rng: walk.pull(clone))


@operation(2)
def pull_twice(walk: RealWalk, clone: Clone, rng: Random) -> None:
    how = rng.choice(((), ("--merge",), ("--merge", "--passed-over")))
    if walk.pull(clone, *how) == 0:
        content = clone.content
        walk.pull(clone, *how)
        if clone.content != content:
            walk.lose(TWICE, f"{clone.name}: pull {' '.join(how)}")


operation(7, "pull merge")(lambda walk, clone, rng: walk.pull(clone, "--merge"))
operation(2, "pull theirs")(lambda walk, clone, rng: walk.pull(clone, "--theirs"))
operation(2, "pull ours")(lambda walk, clone, rng: walk.pull(clone, "--ours"))


@operation(2)
def pull_version(walk: RealWalk, clone: Clone, rng: Random) -> None:
    walk.pull_version(clone, rng.randint(1, len(walk.versions[HERE])))


@operation(2)
def look_at_a_version(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Put an old version into a file that nobody edits, let a push leave it, and come back."""
    if walk.is_clean(clone):
        pull_version(walk, clone, rng)
        walk.push(clone)
        walk.pull(clone)


operation(4, "pull passed over")(lambda walk, clone, rng: walk.pull(clone, "--merge", "--passed-over"))
operation(1, "pull no passed over")(lambda walk, clone, rng: walk.pull(clone, "--merge", "--no-passed-over"))
operation(5, "git pull")(lambda walk, clone, rng: walk.git_pull(clone, rng))
operation(9, "git push")(lambda walk, clone, rng: walk.git_push(clone, rng))
operation(3, "squash branch")(lambda walk, clone, rng: merge_branch(walk, clone, rng, squash=True))
operation(2, "merge branch")(lambda walk, clone, rng: merge_branch(walk, clone, rng, squash=False))


def merge_branch(walk: RealWalk, clone: Clone, rng: Random, *, squash: bool) -> None:
    branch, into = walk.clones[2], walk.clones[0] if clone.branch == "w" else clone
    walk.git_push(branch, rng)
    walk.git_pull(into, rng)
    walk.merge(into, "origin/w", rng, squash=squash)
    walk.git_push(into, rng)
    if rng.random() < 0.3:
        new_branch(walk, branch, rng)


@operation(1)
def new_branch(walk: RealWalk, clone: Clone, rng: Random) -> None:
    branch = walk.clones[2]
    walk.fetch(branch)
    walk.git(branch.root, "checkout", "-qfB", "w", "origin/main")
    branch.detached = False
    walk.moved(branch)


@operation(2)
def cherry_pick(walk: RealWalk, clone: Clone, rng: Random) -> None:
    walk.tidy(clone)
    walk.fetch(clone)
    found = walk.git(clone.root, "rev-list", "--no-merges", "--remotes", "^HEAD").split()
    if not found:
        return
    one = rng.choice(found)
    before, after = walk.shown(clone, f"{one}^"), walk.shown(clone, one)
    if keys_in(before) != keys_in(after):
        walk.meet(CHERRY_PICKED)
    parent = walk.git(clone.root, "rev-parse", f"{one}^")
    picked = walk.commits[one] & ~walk.commits[parent]
    seen = clone.seen | walk.oracle.only(picked, sentences(before) ^ sentences(after))
    walk.apply(clone, rng, "Pick", seen, "cherry-pick", "--no-commit", one)


@operation(3)
def revert(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Revert a commit, often the newest: twice in a row is a revert of a revert."""
    walk.tidy(clone)
    found = walk.git(clone.root, "rev-list", "--no-merges", "--min-parents=1", "HEAD", "--", PATH).split()
    if found:
        one = found[0] if rng.random() < 0.6 else rng.choice(found)
        walk.apply(clone, rng, "Revert", clone.seen, "revert", "--no-commit", one)


@operation(1)
def revert_and_revert_that(walk: RealWalk, clone: Clone, rng: Random) -> None:
    revert(walk, clone, Random(1))
    if rng.random() < 0.5:
        walk.push(clone)
    revert(walk, clone, Random(1))


@operation(3)
def stash(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Stash what is not committed; the second time bring it back."""
    if clone.stash is not None:
        _stash_pop(walk, clone, rng)
    elif not walk.is_clean(clone):
        head = sentences(walk.shown(clone))
        clone.stash = Stash(clone.text, clone.seen, head, walk.commits[walk.head(clone)])
        walk.git(clone.root, "stash", "push", "-q")
        walk.moved(clone)


def _stash_pop(walk: RealWalk, clone: Clone, rng: Random) -> None:
    if clone.detached or not walk.is_clean(clone):
        return
    assert clone.stash is not None
    stashed, clone.stash = clone.stash, None
    walk.git(clone.root, "stash", "pop", "-q", check=False)
    if walk.resolve(clone, rng):
        walk.git(clone.root, "stash", "drop", "-q")
    walk.git(clone.root, "reset", "-q")
    mine = walk.oracle.only(stashed.seen & ~stashed.base_seen, stashed.text ^ stashed.base)
    clone.seen = walk.oracle.settle(clone.text, clone.seen | mine)
    walk.say(f"    {clone.name} has {walk.told(clone)}")


@operation(3)
def checkout_an_old_commit(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Look at an old commit; the second time come back."""
    if not walk.is_clean(clone):
        return
    if clone.detached:
        walk.tidy(clone)
        return
    commits = walk.git(clone.root, "rev-list", "HEAD").split()
    walk.git(clone.root, "checkout", "-q", "--detach", rng.choice(commits))
    clone.detached = True
    walk.moved(clone)


@operation(1)
def restore_the_file_from_git(walk: RealWalk, clone: Clone, rng: Random) -> None:
    walk.git(clone.root, "checkout", "-q", "HEAD", "--", "prompts")
    walk.moved(clone)


@operation(3)
def forget(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Delete ``.promptsync``: nothing there decides."""
    _, before = walk.run(clone, "status", NAME)
    shutil.rmtree(clone.root / ".promptsync", ignore_errors=True)
    _, after = walk.run(clone, "status", NAME)
    if _facts(before) != _facts(after):
        walk.lose(FORGOT, f"{before['prompts']} and then {after['prompts']}")


def _facts(status: Document) -> list[Document]:
    """Return what status says, but for the base of what is in sync, which only a record knows."""
    return [
        {key: value for key, value in one.items() if key != "base" or one["state"] != "in-sync"}
        for one in status["prompts"]
    ]


@operation(1)
def copy_to_another_name(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Copy the file under another name, where its key is void, and remember the key of what was pushed."""
    walk._made += 1
    name = f"support/copy-{walk._made}"
    path = clone.root / f"prompts/{name}.yaml"
    path.write_text(clone.content.replace(f"name: {NAME}", f"name: {name}"))
    _, document = walk.run(clone, "status", name)
    states = {one["name"]: one["state"] for one in document["prompts"]}
    if states != {name: "new"}:
        walk.lose(FOREIGN, f"{states}")
    if rng.random() < 0.7:
        code, document = walk.run(clone, "push", name, "-y")
        if code != 0 or [one["version"] for one in document["published"]] != [1]:
            walk.lose(FOREIGN, f"push exits {code}: {document['published']}")
        walk.foreign = next(iter(keys_in(path.read_text()).get(HERE, ())), "")
    path.unlink()


@operation(1)
def take_the_key_of_another_prompt(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Copy a similar file over this one: its key is void here, whatever its number is."""
    number = rng.randint(1, len(walk.versions[HERE]))
    key = walk.foreign or "1-abcdef0"
    key = f"{number}-{key.partition('-')[2]}"
    edit(walk, clone, clone.text | {walk.sentence()})
    clone.file.write_text(_KEY_LINE.sub("", clone.content) + f"synced: {key}\n")


@operation(2)
def use_a_second_registry(walk: RealWalk, clone: Clone, rng: Random) -> None:
    if rng.random() < 0.6:
        walk.push(clone, remote=SECOND)
    else:
        walk.pull(clone, "--merge", remote=SECOND)


@operation(6)
def dashboard_edit(walk: RealWalk, clone: Clone, rng: Random) -> None:
    number = len(walk.versions[HERE])
    walk.save(number, _edited(walk, number, rng), rng.choice((None, "By hand")))


@operation(2)
def dashboard_restore(walk: RealWalk, clone: Clone, rng: Random) -> None:
    latest, old = walk.versions[HERE][-1], rng.choice(walk.versions[HERE])
    message = rng.choice((None, "By hand", old.message))
    walk.save(old.number, old.text, message, seen=old.seen | latest.seen)


@operation(1)
def dashboard_page_that_was_open_for_long(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Save a page that covers another save, of which nobody can tell: a limit that is not counted."""
    latest, old = walk.versions[HERE][-1], walk.versions[HERE][-2:][0]
    text = _edited(walk, old.number, rng)
    walk.save(old.number, text, rng.choice((None, "By hand")), seen=old.seen | latest.seen)


def _edited(walk: RealWalk, number: int, rng: Random) -> Text:
    text = walk.versions[HERE][number - 1].text
    if len(text) < 2 or rng.random() < 0.7:
        return text | {walk.sentence()}
    return text - {rng.choice(sorted(text))}


operation(7, "deploy")(lambda walk, clone, rng: walk.deploy())


@operation(3)
def drift(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Let the workflow bring back to main what was edited or passed over in the registry."""
    with walk.fresh() as ci:
        walk.pull(ci, "--merge", "--passed-over", "--partial")
        if not walk.is_clean(ci):
            walk.commit(ci, "Drift", ci.seen)
            walk.git(ci.root, "push", "-q", "origin", "HEAD:main")


@operation(6)
def race(walk: RealWalk, clone: Clone, rng: Random) -> None:
    """Let somebody else publish between somebody's plan and publish."""
    other = rng.choice([one for one in walk.clones if one is not clone])
    for one in (clone, other):
        if rng.random() < 0.5:
            add_a_sentence(walk, one, rng)
    what = rng.choice(("push", "push", "deploy", "dashboard edit", "dashboard restore"))

    def between() -> None:
        walk.say(f"    meanwhile {other.name}: {what}")
        OPERATIONS[what][0](walk, other, rng)

    walk.deploy(between) if rng.random() < 0.3 else walk.push(clone, between=between)


# -- walks ------------------------------------------------------------------------------------------------


def random_steps(seed: int, number: int) -> list[Step]:
    rng = Random(seed)
    names = rng.choices([*OPERATIONS], [weight for _, weight in OPERATIONS.values()], k=number)
    return [(name, rng.randrange(3), rng.randrange(1 << 30)) for name in names]


def main(first: int, last: int) -> None:
    os.environ |= {"GIT_CONFIG_GLOBAL": GITCONFIG, "GIT_CONFIG_NOSYSTEM": "1"}
    total = Counter[str]()
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as directory:
            walk = RealWalk(Path(directory) / "walk").play(random_steps(seed, 16))
        total.update(walk.tally)
        total.update(f"{loss.kind}{' (limit)' * bool(loss.limits)}" for loss in walk.losses)
        if walk.losses:
            print(f"## seed {seed}: {walk.losses[0]}", *walk.log, "", sep="\n")  # noqa: T201
    print(*(f"{number:7}  {kind}" for kind, number in sorted(total.items())), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
