"""A team with the example repository on GitHub: a developer's clone, a registry, and what they do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actions import REPOSITORY, ROOT, Done, Event, GitHub
from evaluation_files import declared_by
from host import BOT, GITHUB, Host, serving
from markdown_reader import active
from worlds import KEY, World, made

from promptsync.cli import run as promptsync

EXAMPLE = ROOT / "example-repo"
NUMBER = 7
SPEC = "promptsync==1.2.3"
"""What the workflows of the team install."""
SOFTER = ("You answer refund questions", "You answer questions about refunds")
SETTLE = ("You answer refund questions", "You settle refunds")
"""What is replaced in ``support/refund``, and by what."""
SCRIPTED = """
models:
  - name: scripted
    answers:
      - contains: Answer with a JSON object
        answer: '"category" "urgency" "language" "order_number": A-8, A-17, A-31 "reason"'
      - {contains: "", answer: I do not know.}
"""
"""A model that answers ``support/triage`` as its evaluation wants it, because the prompt says so."""
MARKER = "<!-- promptsync check -->"
LINK = "[Report with differences and outputs](https://"
DRIFT = "promptsync-drift-main"
"""The branch on which dashboard edits come back."""
_REPOSITORY = {"full_name": REPOSITORY, "default_branch": "main"}


@dataclass
class Developer:
    """``world`` is the clone and the registry."""

    world: World
    host: Host

    # -- in the clone ----------------------------------------------------------------------------------

    def edit(self, name: str, old: str, new: str, message: str = "Change a prompt") -> None:
        self.world.edit(name, old, new, commit=message)

    def worsen(self) -> None:
        """Drop the line of ``support/triage`` without which it fails its table."""
        text = self.world.path("support/triage").read_text("utf-8")
        (line,) = [line for line in text.splitlines() if "Answer with a JSON object" in line]
        self.edit("support/triage", f"{line}\n", "")

    def branch(self, name: str = "topic") -> None:
        self.world.git("switch", "-q", "-C", name, "main")

    def write(self, path: str, text: str, message: str = "Write") -> None:
        """Commit any file."""
        self.world.put(path, text)
        self.world.commit(message)

    # -- what is there on the host ----------------------------------------------------------------------

    @property
    def comments(self) -> list[str]:
        """What the jobs wrote on the pull request."""
        return [comment["body"] for comment in self.host.comments if comment["author"]["id"] == BOT]

    @property
    def requests(self) -> list[tuple[str, ...]]:
        """Branch, target, title and body of each pull request."""
        api = self.host.api
        return [
            tuple(request[key] for key in (api.head, api.base, "title", api.text))
            for request in self.host.requests
        ]

    @property
    def comment(self) -> str:
        """The one comment, which must be safe: no text of others is more than code in it."""
        (comment,) = self.comments
        self._check_lines(comment)
        marker, heading, *lines = comment.split("\n")
        assert marker == MARKER and re.fullmatch(r"### Prompts at [0-9a-f]{40}", heading)
        assert active([line for line in lines if not line.startswith(LINK)]) == []
        assert len(comment) < 65_536
        return comment

    @property
    def request(self) -> str:
        """The body of the one pull request, which must be safe as well."""
        ((branch, target, title, body),) = self.requests
        assert (branch, target, title) == (DRIFT, "main", "Pull dashboard edits")
        self._check_lines(body)
        assert active(body.split("\n")) == [] and len(body) < 65_536
        return body

    def _check_lines(self, text: str) -> None:
        """On GitLab, a line that begins with a slash may be a quick action."""
        assert self.host.api is GITHUB or not re.search("(?m)^/", text)

    @property
    def pulled(self) -> list[str]:
        """The files that the pull request changes."""
        return self.host.git("diff", "--name-only", f"main..{DRIFT}").splitlines()

    # -- somebody in the registry's own pages -----------------------------------------------------------

    def edit_in_registry(self, name: str, old: str, new: str) -> int:
        """Publish a version with another text, as somebody who has no git; return its number."""
        latest = self.world.read(name)
        template = json.dumps(latest["prompt_template"])
        assert old in template
        changed = json.loads(template.replace(old, new))
        return self.world.publish(name, prompt_template=changed, metadata=latest["metadata"])


@dataclass
class Team(Developer):
    """``hub`` is GitHub."""

    hub: GitHub

    @property
    def settings(self) -> dict[str, str]:
        return self.hub.variables

    def take_key(self) -> None:
        """Let the jobs have no key."""
        self.hub.secrets.clear()

    # -- what the developer sends there -----------------------------------------------------------------

    def push(self) -> Event:
        """Push main, and return the event of it."""
        before = self.host.git("rev-parse", "--verify", "--quiet", "main")
        self.world.git("push", "-q", "origin", "main")
        after = self.host.git("rev-parse", "main")
        payload = {"ref": "refs/heads/main", "before": before, "after": after, "repository": _REPOSITORY}
        return Event("push", payload, "refs/heads/main", "main")

    def merge(self, branch: str = "topic") -> Event:
        """Merge a branch as GitHub's button does, and return the event of the push."""
        self.world.git("fetch", "-q", "origin")
        self.world.git("switch", "-q", "main")
        self.world.git("merge", "-q", "--no-ff", "-m", f"Merge pull request #{NUMBER} from {branch}", branch)
        return self.push()

    def pull_request(self, branch: str = "topic", *, fork: bool = False, labels: Sequence[str] = ()) -> Event:
        """Push a branch, let GitHub try the merge of it, and return the event of the pull request."""
        git = self.world.git
        if not fork:
            git("push", "-q", "--force", "origin", branch)
        base, head = (git("rev-parse", one).strip() for one in ("origin/main", branch))
        git("switch", "-q", "--detach", "origin/main")
        git("merge", "-q", "--no-ff", "-m", "Merge", branch)
        git("push", "-q", "--force", "origin", f"HEAD:refs/pull/{NUMBER}/merge")
        git("switch", "-q", branch)
        theirs = {"full_name": "somebody/prompts" if fork else REPOSITORY}
        pull = {
            "number": NUMBER,
            "base": {"ref": "main", "sha": base, "repo": _REPOSITORY},
            "head": {"ref": branch, "sha": head, "repo": theirs},
            "labels": [{"name": label} for label in labels],
        }
        payload = {"action": "synchronize", "number": NUMBER, "pull_request": pull, "repository": _REPOSITORY}
        ref = f"refs/pull/{NUMBER}/merge"
        return Event("pull_request", payload, ref, f"{NUMBER}/merge", "main", branch)

    def merge_group(self, branch: str = "topic") -> Event:
        """Let the queue put a branch on top of main, and return the event that asks for its checks."""
        git = self.world.git
        base = git("rev-parse", "origin/main").strip()
        name = f"gh-readonly-queue/main/pr-{NUMBER}-{base}"
        git("switch", "-q", "--detach", "origin/main")
        git("merge", "-q", "--no-ff", "-m", f"Merge pull request #{NUMBER}", branch)
        git("push", "-q", "origin", f"HEAD:refs/heads/{name}")
        group = {
            "head_sha": git("rev-parse", "HEAD").strip(),
            "head_ref": f"refs/heads/{name}",
            "base_sha": base,
            "base_ref": "refs/heads/main",
        }
        git("switch", "-q", branch)
        payload = {"action": "checks_requested", "merge_group": group, "repository": _REPOSITORY}
        return Event("merge_group", payload, f"refs/heads/{name}", name)

    # -- what runs --------------------------------------------------------------------------------------

    def check(self, *, fork: bool = False, labels: Sequence[str] = ()) -> Done:
        return self.hub.run("check.yml", self.pull_request(fork=fork, labels=labels), fork=fork)

    def deploy(self, event: Event | None = None) -> Done:
        return self.hub.run("deploy.yml", event or self.push())

    def dispatched(self, kind: str) -> Done:
        """Run what a request to dispatch starts, which anybody with the token may send."""
        payload = {"action": kind, "client_payload": {"by": "$(exit 1)"}, "repository": _REPOSITORY}
        event = Event("repository_dispatch", payload, "refs/heads/main", "main")
        return self.hub.run("drift.yml" if kind.endswith("drift") else "deploy.yml", event)

    def drift(self) -> Done:
        payload = {"schedule": "17 3 * * *", "repository": _REPOSITORY}
        return self.hub.run("drift.yml", Event("schedule", payload, "refs/heads/main", "main"))


def example(root: Path, source: Path = EXAMPLE) -> None:
    """Copy the example into a git repository, and let ``init`` say what its workflows install."""
    private = shutil.ignore_patterns(".promptsync", "registry.db")
    shutil.copytree(source, root, dirs_exist_ok=True, ignore=private)
    assert promptsync(["-C", str(root), "-q", "init", "--github", "--package", SPEC], {}) == 0


def build(place: Path, source: Path = EXAMPLE) -> None:
    """Make what every test starts with: the example, pushed, deployed to ``prod``."""
    with made(place, fixtures=declared_by(source)) as world:
        example(world.root, source)
        world.commit("Start with the example")
        world.ok("deploy", PROMPTSYNC_REMOTE=world.url)


@contextmanager
def copied(template: Path, place: Path, files: Mapping[str, str]) -> Iterator[World]:
    """A copy of the template in a place of its own, with its registry on a socket."""
    place.mkdir()
    for file in template.glob("registry.db*"):
        shutil.copy(file, place)
    with made(place, git=False, fixtures=files) as world:
        shutil.rmtree(world.root)
        shutil.copytree(template / "copy", world.root)
        yield world


@contextmanager
def opened(template: Path, place: Path, models: str = SCRIPTED) -> Iterator[Team]:
    """A copy of the template, with a repository on GitHub; ``models`` are added to ``registry.yaml``."""
    files = declared_by(EXAMPLE)
    files["registry.yaml"] += models
    with copied(template, place, files) as world, serving(GITHUB, place / "origin.git") as host:
        hub = GitHub(place / "github", host)
        hub.variables["PROMPTSYNC_REMOTE"] = world.url
        hub.secrets["PROMPTLAYER_API_KEY"] = KEY
        world.git("remote", "add", "origin", str(host.origin))
        world.git("push", "-q", "origin", "main")
        yield Team(world, host, hub)
