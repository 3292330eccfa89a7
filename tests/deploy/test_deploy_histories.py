"""Random histories of edits, deploys, rollbacks and hands in the registry: what a label may come to."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from deploying import dead_after
from seeds import numbers, seed_of
from worlds import DROPPED, Reply, Run, Seen, World, failing, is_write

NAMES = ("a", "b", "c", "tone")
REFERENCES = ("@@@tone@label:prod@@@", "@@@tone@@@", "@@@tone@version_number:1@@@", "")
WORDS = ("hello", "welcome", "good day", "hi", "greetings")


@dataclass
class History:
    """``proven`` are the versions that passed an evaluation."""

    world: World
    choose: random.Random
    steps: list[str] = field(default_factory=list)
    proven: set[tuple[str, int]] = field(default_factory=set)
    branch: str = "main"

    def labels(self) -> dict[str, int]:
        return {name: at for name in (*NAMES, "d") if (at := self.world.label(name, "prod")) is not None}

    def versions(self) -> Counter[str]:
        return Counter({name: self.world.version(name) for name in (*NAMES, "d")})

    def texts(self) -> dict[str, str]:
        """What HEAD says."""
        paths = {name: self.world.path(name) for name in (*NAMES, "d")}
        files = {name: yaml.safe_load(path.read_text()) for name, path in paths.items() if path.exists()}
        return {
            name: body["content"] if "content" in body else body["messages"][0]["content"]
            for name, body in files.items()
        }

    def play(self, count: int) -> None:
        moves = [*[self.edit] * 5, *[self.deploy] * 7, self.revert, self.switch, self.push]
        moves += [self.rollback, self.edit_there, self.move_there]
        for _ in range(count):
            self.choose.choice(moves)()

    def edit(self) -> None:
        name = self.choose.choice((*NAMES, "a", "tone", "tone"))
        polite = self.choose.choice(("polite", "polite", "polite", "rude"))
        text = f"A {polite} {self.choose.choice(WORDS)} {len(self.steps)}"
        if name == "tone":
            self.world.write("tone", content=f"{text}.")
        else:
            reference = self.choose.choice(REFERENCES) if name == "a" else ""
            self.world.write(name, f"{text} {reference} {{name}}".replace("  ", " "), tags=["greeting"])
        self.steps.append(f"edit {name}: {self.world.path(name).read_text()!r}")
        self.world.commit(f"Change {name}")

    def revert(self) -> None:
        self.steps.append("revert")
        with contextlib.suppress(Exception):
            self.world.git("revert", "--no-edit", "HEAD")
            return
        self.world.git("revert", "--abort")

    def switch(self) -> None:
        self.branch = "topic" if self.branch == "main" else "main"
        self.steps.append(f"switch to {self.branch}")
        known = self.world.git("branch", "--list", self.branch).strip()
        self.world.git("checkout", "-q", *(() if known else ("-b",)), self.branch)

    def push(self) -> None:
        self.told(self.world.run("push"), 0, 1, 3)

    def rollback(self) -> None:
        name = self.choose.choice(NAMES)
        self.told(self.world.run("rollback", name, "--label", "prod", "-y"), 0, 1, 2, 3)

    def edit_there(self) -> None:
        name = self.choose.choice("abc")
        labels = {"release_labels": ["prod"]} if self.choose.random() < 0.3 else {}
        text = f"A polite draft {len(self.steps)} {{name}}"
        version = self.world.publish(name, text, tags=["greeting"], **labels)
        self.steps.append(f"edit {name} v{version} there {labels}")

    def move_there(self) -> None:
        name = self.choose.choice(NAMES)
        if name in self.labels():
            version = self.choose.randint(1, self.world.version(name))
            self.steps.append(f"move {name} to v{version} there")
            self.world.point(name, prod=version)

    def told(self, done: Run, *codes: int) -> None:
        self.steps.append(str(done))
        assert done.code in codes

    # -- deploys ----------------------------------------------------------------------------------------

    def deploy(self) -> None:
        names = self.choose.choice(([], [], ["tone"])) if self.world.path("tone").exists() else []
        how = self.choose.choice(("clean", "clean", "clean", "dead", "failing", "lost"))
        self.disturb(how, self.choose.randrange(1, 14))
        done = self.checked(names, is_clean=how == "clean")
        if how == "clean":
            versions = self.versions()
            again = self.checked(names, is_clean=True)
            assert done.code != 0 or (again.code, again.document["members"]) == (0, [])
            assert self.versions() == versions, "published twice"

    def disturb(self, how: str, count: int) -> None:
        """Do something to the next write but ``count``: from there on nothing answers, or that one fails."""
        left = iter(range(count))

        def answer(seen: Seen, forward: Any) -> Reply | None:
            if not is_write(seen) or next(left, None) is not None:
                return None
            self.world.faults.clear()
            if how == "lost":
                forward(seen)
            return DROPPED if how == "lost" else failing(self.choose.choice((403, 409, 422)))

        if how == "dead":
            dead_after(self.world, count)
        elif how != "clean":
            self.world.faults.append(answer)

    def checked(self, names: list[str], *, is_clean: bool) -> Run:
        """Deploy, and check what became of the labels."""
        before, versions, texts = self.labels(), self.versions(), self.texts()
        done = self.world.run("deploy", "--label", "prod", "--json", *names)
        self.world.faults.clear()
        self.told(done, *((0, 1, 3) if is_clean else (0, 1, 3, 4, 5)))
        document, after = done.document, self.labels()
        runs = [*document["eval"]["runs"], *document["agents"]["runs"]]
        for run in document["eval"]["runs"]:
            if run["passed"]:
                self.proven |= {(name, run["version"]) for name in run["prompts"]}
        if is_clean and done.code == 1:
            assert after == before, "a check failed, and a label moved"
        labels = {label["name"]: label for label in document["labels"]}
        for name, version in after.items():
            if before.get(name) == version:
                continue
            if name in "abc":
                assert (name, version) in self.proven, f"{name} v{version} was not proven"
            elif name in before and name not in document["unchecked"]:
                assert runs and all(run["passed"] for run in runs), f"nothing says that {name} is unchecked"
            label = labels.get(name, {"moved": False})
            if not is_clean and not label["moved"]:
                continue  # nobody could look at what became of it; the next deploy will
            assert label["moved"] and label["to"] == version, (name, document["labels"])
            assert version > before.get(name, 0), f"{name} went down"
            if name in before:
                was = self.world.read(name, before[name])["commit_message"]
                assert was != "by hand", f"v{before[name]} was live, and nobody has it in git"
            assert self.world.text(name, version) == texts[name], f"{name} does not say what HEAD says"
        if is_clean:
            for name, label in labels.items():
                if label["from"] != label["to"]:
                    assert label["moved"] == (after.get(name) == label["to"]), (label, after)
            published = Counter(version["name"] for version in document["push"]["published"])
            assert self.versions() - versions == published
        if done.code == 0:
            skipped = {prompt["name"] for prompt in (*document["on_hold"], *document["skipped"])}
            for name in {*(names or texts)} - skipped:
                assert name in after and self.world.text(name, after[name]) == texts[name], (name, after)
        return done


@pytest.mark.parametrize("number", numbers(count=4, fuzz=130))
def test_a_label_never_says_what_git_does_not_say_or_what_was_not_proven(world: World, number: int) -> None:
    seed = seed_of(number)
    world.write("tone", content="A polite text.")
    world.write("a", f"A polite hello {REFERENCES[seed % 3]} {{name}}", tags=["greeting"])
    world.commit("Add a tone")
    history = History(world, random.Random(seed))
    if seed % 2:
        world.ok("deploy", "tone")
        world.ok("deploy")
        history.proven |= {("a", 1), ("b", 1), ("c", 1)}
    try:
        history.play(8)
    except Exception as error:
        error.add_note("\n".join(history.steps))
        raise
