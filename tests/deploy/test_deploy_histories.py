"""Random histories of edits, deploys, rollbacks and hands in the registry: what a label may come to."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from seeds import numbers, seed_of
from worlds import DROPPED, Reply, Run, Seen, World, failing, fault, is_write

NAMES = ("a", "b", "c", "tone")
REFERENCES = ("@@@tone@label:prod@@@", "@@@tone@@@", "@@@tone@version_number:1@@@", "")
WORDS = ("hello", "welcome", "good day", "hi", "greetings")


@dataclass
class History:
    """``live`` are all versions that ``prod`` was ever seen at; ``was`` is where the labels are now."""

    world: World
    choose: random.Random
    steps: list[str] = field(default_factory=list)
    was: dict[str, int] = field(default_factory=dict)
    live: dict[str, set[int]] = field(default_factory=dict)
    proven: set[tuple[str, int]] = field(default_factory=set)
    branch: str = "main"

    # -- what the registry says -------------------------------------------------------------------------

    def labels(self, label: str = "prod") -> dict[str, int]:
        found = self.world.call("GET", "/prompt-templates/labels").body["release_labels"]
        return {
            one["prompt_name"]: one["prompt_version_number"] for one in found if one["release_label"] == label
        }

    def versions(self) -> Counter[str]:
        database = self.world.root.parent / "registry.db"
        with contextlib.closing(sqlite3.connect(database)) as opened:
            rows = opened.execute(
                "SELECT t.name, count(*) FROM templates t JOIN versions v ON v.template_id = t.id"
                " GROUP BY t.name"
            )
            return Counter(dict(rows))

    def note(self) -> None:
        self.was = self.labels()
        for name, version in self.was.items():
            self.live.setdefault(name, set()).add(version)

    # -- steps ------------------------------------------------------------------------------------------

    def play(self, count: int) -> None:
        moves = [
            *[self.edit] * 5,
            *[self.deploy] * 7,
            self.revert,
            self.switch,
            self.push,
            self.rollback,
            self.edit_there,
            self.move_there,
        ]
        for _ in range(count):
            self.choose.choice(moves)()
            self.note()

    def edit(self) -> None:
        name = self.choose.choice((*NAMES, "a", "tone", "tone"))
        polite = self.choose.choice(("polite", "polite", "polite", "rude"))
        text = f"A {polite} {self.choose.choice(WORDS)} {len(self.steps)}"
        if name == "tone":
            self.world.write("tone", content=f"{text}.")
        else:
            reference = self.choose.choice(REFERENCES) if name == "a" else ""
            self.world.write(name, f"{text} {reference} {{name}}".replace("  ", " "), tags=["greeting"])
        self.told(f"edit {name}: {self.world.path(name).read_text()!r}")
        self.world.commit(f"Change {name}")

    def revert(self) -> None:
        self.told("revert")
        with contextlib.suppress(Exception):
            self.world.git("revert", "--no-edit", "HEAD")
            return
        self.world.git("revert", "--abort")

    def switch(self) -> None:
        self.branch = "topic" if self.branch == "main" else "main"
        self.told(f"switch to {self.branch}")
        known = self.world.git("branch", "--list", self.branch).strip()
        self.world.git("checkout", "-q", *(() if known else ("-b",)), self.branch)

    def push(self) -> None:
        done = self.world.run("push")
        self.told(f"push {done.code}")
        assert done.code in (0, 1, 3), str(done)

    def rollback(self) -> None:
        name = self.choose.choice(NAMES)
        done = self.world.run("rollback", name, "--label", "prod", "-y")
        self.told(f"rollback {name} {done.code}")
        assert done.code in (0, 1, 2, 3), str(done)

    def edit_there(self) -> None:
        name = self.choose.choice("abc")
        labels = {"release_labels": ["prod"]} if self.choose.random() < 0.3 else {}
        text = f"A polite draft {len(self.steps)} {{name}}"
        version = self.world.publish(name, text, tags=["greeting"], **labels)
        self.told(f"edit {name} v{version} there {labels}")

    def move_there(self) -> None:
        name = self.choose.choice(NAMES)
        found = self.world.call("GET", "/prompt-templates/labels").body["release_labels"]
        one = next((o for o in found if (o["prompt_name"], o["release_label"]) == (name, "prod")), None)
        if one is None:
            return
        version = self.choose.randint(1, self.world.version(name))
        self.told(f"move {name} to v{version} there")
        body = {"prompt_version_number": version}
        assert self.world.call("PATCH", f"/prompt-labels/{one['release_label_id']}", body).status == 200

    # -- deploys ----------------------------------------------------------------------------------------

    def deploy(self) -> None:
        options = self.choose.choice(([], [], ["tone"])) if self.world.path("tone").exists() else []
        how = self.choose.choice(("clean", "clean", "clean", "dead", "failing", "lost"))
        before, versions, texts = self.labels(), self.versions(), self.texts()
        self.world.forget()
        self.disturb(how, self.choose.randrange(1, 14))
        done = self.world.run("deploy", "--label", "prod", "--json", *options)
        self.world.faults.clear()
        self.told(f"deploy {how} {' '.join(options)} {done.code} {done.document.get('error', '')}")
        self.check(done, before, versions, texts, named=options, is_clean=how == "clean")
        if how != "clean":
            return
        before, versions = self.labels(), self.versions()
        again = self.world.run("deploy", "--label", "prod", "--json", *options)
        self.told(f"  again {again.code} {again.document.get('error', '')}")
        self.check(again, before, versions, texts, named=options, is_clean=True)
        if done.code == 0:
            assert again.code == 0 and again.document["members"] == [], str(again)
        assert self.versions() == versions, "published twice"

    def disturb(self, how: str, count: int) -> None:
        """Do something to the next write but ``count``: from there on nothing answers, or that one fails."""
        left = iter(range(count))

        def answer(seen: Seen, forward: Any) -> Reply | None:
            if not is_write(seen) or next(left, None) is not None or how == "clean":
                return None
            if how == "dead":
                self.world.faults[:] = [fault(lambda seen: True, DROPPED)]
                return DROPPED
            self.world.faults.clear()
            if how == "lost":
                forward(seen)
                return DROPPED
            return failing(self.choose.choice((403, 409, 422)))

        self.world.faults.append(answer)

    def check(
        self,
        done: Run,
        before: dict[str, int],
        versions: Counter[str],
        texts: dict[str, str],
        *,
        named: list[str],
        is_clean: bool,
    ) -> None:
        found, after = done.document, self.labels()
        assert done.code in ((0, 1, 3) if is_clean else (0, 1, 3, 4, 5)), str(done)
        runs = [*found["eval"]["runs"], *found["agents"]["runs"]]
        for run in found["eval"]["runs"]:
            if run["passed"]:
                self.proven |= {(name, run["version"]) for name in run["prompts"]}
        if is_clean and done.code == 1:
            assert after == before, "a gate failed, and a label moved"
        released = {one["name"]: one for one in found["labels"]}
        for name, version in after.items():
            if before.get(name) == version:
                continue
            if name in "abc":
                assert (name, version) in self.proven, f"{name} v{version} was not proven"
            elif name in before and not self.may_be_unchecked(found, name, runs):
                raise AssertionError(f"{name} v{version} is unchecked, and nothing says so")
            one = released.get(name)
            if not is_clean and (one is None or not one["moved"]):
                continue  # nobody could look at what became of it; the next deploy will
            assert one is not None and one["moved"] and one["to"] == version, (name, found["labels"])
            assert version > before.get(name, 0), f"{name} went down"
            if name in before:
                was = self.world.read(name, before[name])["commit_message"]
                assert was != "by hand", f"v{before[name]} was live, and nobody has it in git"
            assert self.text(name, version) == texts[name], f"{name} does not say what HEAD says"
        for name, one in released.items():
            if is_clean and one["from"] != one["to"]:
                assert one["moved"] == (after.get(name) == one["to"]), (one, after)
        published = Counter(one["name"] for one in found["push"]["published"])
        if is_clean:
            made = self.versions() - versions
            assert made == published, (made, published)
        if done.code == 0:
            self.check_all(found, after, texts, named)

    @staticmethod
    def may_be_unchecked(found: dict[str, Any], name: str, runs: list[dict[str, Any]]) -> bool:
        return name in found["unchecked"] or bool(runs and all(run["passed"] for run in runs))

    def check_all(
        self, found: dict[str, Any], after: dict[str, int], texts: dict[str, str], named: list[str]
    ) -> None:
        left = {one["name"] for one in (*found["on_hold"], *found["skipped"])}
        for name, text in texts.items():
            if name not in left and (not named or name in named):
                assert name in after and self.text(name, after[name]) == text, (name, after)

    def texts(self) -> dict[str, str]:
        """What HEAD says."""
        import yaml

        found = {}
        for name in (*NAMES, "d"):
            if self.world.path(name).exists():
                body = yaml.safe_load(self.world.path(name).read_text())
                found[name] = body["content"] if "content" in body else body["messages"][0]["content"]
        return found

    def text(self, name: str, version: int) -> str:
        return self.world.text(name, version)

    def told(self, step: str) -> None:
        self.steps.append(step)


@pytest.mark.parametrize("number", numbers(count=12, fuzz=130))
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
