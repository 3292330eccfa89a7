"""The same interleavings in real git and the real embedded registry: the model and reality must agree."""

from __future__ import annotations

import copy
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from interleaving_model import OPERATIONS, Commit, File, Step, World
from registry_server import chat

from promptsync.core.compare import State
from promptsync.core.prompt import Prompt
from promptsync.files.config import load
from promptsync.sync.gather import gather
from promptsync.sync.materialise import plan_materialise
from promptsync.sync.planning import PushOptions, plan_push
from promptsync.sync.project import Project, open_project
from promptsync.sync.pull import PullOptions, PullPlan, plan_pull, pull
from promptsync.sync.push import push

NAME = "greeting"
STEPS = 12
LEFT_OUT = ("leave_git", "edit_tags", "registry_tags")  # the model has them; they need no git
# Lines between what changes, so that git merges it apart.
FILE = """# a prompt
messages:
- {{role: user, content: {text}}}
# one
# two
# three
{pulled}"""


@dataclass
class Reality:
    """Two worktrees of one repository and one registry, moved in step with a model."""

    root: Path
    model: World = field(default_factory=World)
    commits: dict[str, str] = field(default_factory=dict)
    copies: list[Path] = field(default_factory=list)
    made: int = 0

    def begin(self) -> None:
        main = self.root / "main"
        main.mkdir()
        self.git(main, "init", "-q", "-b", "main")
        config = (
            f"prompts: prompts\nremote: here\nremotes:\n  here: {{url: 'local:{self.root}/registry.db'}}\n"
        )
        (main / "promptsync.yaml").write_text(config)
        (main / ".gitignore").write_text(".promptsync/\n")
        self.copies = [main]
        self.write(main, self.model.copies[0].file)
        self.git(main, "add", "-A")
        self.git(main, "commit", "-qm", "Begin")
        self.git(main, "checkout", "-q", "--detach")
        self.know(main, self.model.commits[0])
        self.copies.append(self.worktree(self.model.commits[0]))

    # -- git --------------------------------------------------------------------------------------------

    def git(self, where: Path, *arguments: str, check: bool = True) -> str:
        when = f"{1_700_000_000 + 60 * self.model.clock} +0000"
        environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@example.org",
            "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.org",
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_DATE": when,
            "GIT_EDITOR": "true",
        }
        done = subprocess.run(
            ["git", *arguments], cwd=where, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, (arguments, done.stdout, done.stderr)
        return done.stdout.strip()

    def know(self, where: Path, commit: Commit | None) -> None:
        """Remember which real commit stands for a model's."""
        assert commit is not None
        self.commits[commit.id] = self.git(where, "rev-parse", "HEAD")

    def worktree(self, commit: Commit) -> Path:
        self.made += 1
        path = self.root / f"copy-{self.made}"
        self.git(self.copies[0], "worktree", "add", "-q", "--detach", str(path), self.commits[commit.id])
        return path

    def write(self, where: Path, file: File) -> None:
        path = where / "prompts" / f"{NAME}.yaml"
        if file.text.value is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(exist_ok=True)
        pulled = f"pulled: {file.pulled}\n" if file.pulled is not None else ""
        path.write_text(FILE.format(text=file.text.value, pulled=pulled))

    def committed(self, where: Path, who: int, *options: str, by_hand: bool) -> None:
        """Commit the model's text, with ``git commit`` or as other commands do."""
        mine = self.model.copies[who]
        assert mine.head is not None
        self.write(where, mine.file)
        self.git(where, "add", "-A")
        if by_hand:
            self.git(where, "commit", "-qm", "Change", *options)
        else:
            tree = self.git(where, "write-tree")
            parents = [word for one in mine.head.parents for word in ("-p", self.commits[one.id])]
            commit = self.git(where, "commit-tree", tree, *parents, "-m", "Change")
            self.git(where, "reset", "-q", "--hard", commit)
        self.know(where, mine.head)

    # -- steps ------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Do one step in both; what would need a conflict to be resolved is left out."""
        trial = copy.deepcopy(self.model)
        trial.do(step)
        if trial.conflicts:
            return
        name, who, first, _ = step
        where, before = self.copies[who], self.model.copies[who]
        head, file, target = before.head, before.file, self.model._any(first)
        self.model.do(step)
        after = self.model.copies[who]
        if name.startswith("registry_"):
            self.publish(where)
        elif name in ("pull", "pull_theirs", "pull_ours", "materialise", "push", "force"):
            self.talk(name, where, first)
            if after.file is not file:
                self.write(where, after.file)
        elif name in ("edit", "delete"):
            self.write(where, after.file)
        elif name == "lose_record":
            (where / ".promptsync" / "record.json").unlink(missing_ok=True)
        elif name == "clone" and target is not None:
            self.copies[who] = self.worktree(target)
        elif name == "discard":
            self.git(where, "checkout", "-qf", "HEAD", "--", "prompts", check=False)
            self.write(where, after.file)
        elif name == "stash_push" and after.file is not file:
            self.git(where, "stash", "push", "-qu", "--", "prompts")
        elif name == "stash_pop" and after.file is not file:
            self.git(where, "stash", "pop", "-q", check=False)
            self.write(where, after.file)
            self.git(where, "reset", "-q")
        elif after.head is not head and after.head is not None:
            self.moved(name, where, who, head, target)

    def moved(self, name: str, where: Path, who: int, head: Commit | None, target: Commit | None) -> None:
        after = self.model.copies[who].head
        assert after is not None
        known = self.commits.get(after.id)
        if name == "commit":
            self.committed(where, who, by_hand=True)
        elif name == "amend":
            self.committed(where, who, "--amend", "--allow-empty", by_hand=True)
        elif known is not None:
            self.git(where, *(("merge", "-q", "--ff-only") if name == "merge" else ("checkout", "-q")), known)
        elif name == "merge":
            assert target is not None
            self.git(where, "merge", "-q", "--no-ff", "--no-commit", self.commits[target.id], check=False)
            self.committed(where, who, by_hand=True)
        elif name == "squash":
            assert target is not None
            self.git(where, "merge", "-q", "--squash", self.commits[target.id], check=False)
            self.committed(where, who, by_hand=True)
        elif name == "rebase":
            self.rebased(where, who, after, target)
        else:
            self.committed(where, who, by_hand=name == "restore_commit")

    def rebased(self, where: Path, who: int, after: Commit, target: Commit | None) -> None:
        """Let git rebase; where it makes other commits than the model, make the model's."""
        assert target is not None
        onto = self.commits[target.id]
        picks: list[Commit] = []
        one = after
        while one.id not in self.commits:
            picks.insert(0, one)
            one = one.parents[0]
        self.git(where, "rebase", "-q", onto, check=False)
        real = self.git(where, "rev-list", "--reverse", f"{onto}..HEAD").split()
        if self.git(where, "status", "--porcelain=2", "--branch").count("rebase") or len(real) != len(picks):
            self.git(where, "rebase", "--abort", check=False)
            self.git(where, "reset", "-q", "--hard", onto)
            mine = self.model.copies[who]
            kept = mine.head, mine.file
            for pick in picks:
                mine.head, mine.file = pick, pick.file
                self.committed(where, who, by_hand=False)
            mine.head, mine.file = kept
            return
        self.commits |= {pick.id: commit for pick, commit in zip(picks, real, strict=True)}

    # -- the registry -----------------------------------------------------------------------------------

    def project(self, where: Path) -> Project:
        return open_project(load(where / "promptsync.yaml"))

    def publish(self, where: Path) -> None:
        """Publish what the model's registry has and the real one lacks; a copied message is copied."""
        with self.project(where) as project:
            listed = {item.name: item for item in project.registry.list()}
            there = listed[NAME].version if NAME in listed else 0
            for text, message in self.model.versions[there:]:
                copied = [
                    number for number, (_, old) in enumerate(self.model.versions[:there], 1) if old == message
                ]
                if message is not None and copied:
                    old = project.registry.get(listed[NAME].template_id, NAME, version=copied[0])
                    message = old.message
                project.registry.publish(Prompt(NAME, chat(text.value)), message=message or "")

    def talk(self, name: str, where: Path, first: int) -> None:
        """Push or pull as the library does. The model has done the same where that was possible."""
        with self.project(where) as project:
            snapshot = gather(project)
            item = snapshot.get(NAME)
            state = item.state if item is not None else None
            plan: PullPlan | None = None
            if name == "push" and state in (State.AHEAD, State.NEW):
                push(project, snapshot, plan_push(project, snapshot, PushOptions()))
            elif name == "force" and state in (State.BEHIND, State.DIVERGED) and item and item.file:
                push(project, snapshot, plan_push(project, snapshot, PushOptions(force=(NAME,))))
            elif name == "pull" and state in (State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY):
                plan = plan_pull(project, snapshot, PullOptions())
            elif name == "pull_theirs" and state is State.DIVERGED:
                plan = plan_pull(project, snapshot, PullOptions(theirs=(NAME,)))
            elif name == "pull_ours" and state is State.DIVERGED and item and item.file:
                plan = plan_pull(project, snapshot, PullOptions(ours=(NAME,)))
            elif name == "materialise" and item and item.file and item.listed:
                safe = state in (State.IN_SYNC, State.BEHIND) or not item.origin.dirty
                if safe:
                    number = first % item.listed.version + 1
                    plan = plan_materialise(project, [NAME], label=None, version=number)
            if plan is not None:
                pull(project, plan)

    def state(self, where: Path) -> State | None:
        with self.project(where) as project:
            item = gather(project).get(NAME)
            return item.state if item is not None else None


def steps(seed: int) -> list[Step]:
    source = random.Random(seed)
    weights = {name: weight for name, weight in OPERATIONS.items() if name not in LEFT_OUT}
    names = source.choices(list(weights), list(weights.values()), k=STEPS)
    return [(name, source.randrange(2), source.choice((0, 0, 1, 1, 2, 3)), 0) for name in ["push", *names]]


def replay(root: Path, seed: int) -> None:
    reality = Reality(root)
    reality.begin()
    done: list[Step] = []
    for step in steps(seed):
        done.append(step)
        reality.do(step)
        who = step[1]
        told, expected = reality.state(reality.copies[who]), reality.model.judged(reality.model.copies[who])
        assert told == expected, f"seed {seed}: {told}, and the model says {expected}\n" + "\n".join(
            map(str, done)
        )


@pytest.mark.parametrize("seed", range(10))
def test_git_and_the_registry_do_as_the_model_does(tmp_path: Path, seed: int) -> None:
    replay(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 60))
def test_git_and_the_registry_do_as_the_model_does_at_length(tmp_path: Path, seed: int) -> None:
    replay(tmp_path, seed)
