"""``promptsync doctor``: what is found in set-ups that are broken in every way; that it writes nothing."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation_files import contains, declared, evaluation, put
from scripted_registry import EMPTY_LIST, HTML, Reply, serving
from worlds import KEY, World, asking, failing, fault, template

SECRET = "pl_" + "0123456789abcdef0123456789"


def looked(world: World, *arguments: str, code: int = 0, **environ: str) -> dict[str, dict[str, Any]]:
    """The findings by name."""
    done = world.run("doctor", "--json", *arguments, **environ)
    assert done.code == code, str(done)
    assert (KEY in done.out, SECRET in done.out, done.err) == (False, False, "")
    return {one["name"]: one for one in done.document["checks"]}


def everything(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with the moment of its last change."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


@template
def healthy(world: World) -> None:
    world.write("a")
    world.write("b")
    world.configure("labels: {main: prod}")
    world.commit()
    world.ok("deploy")


def test_a_healthy_setup_has_no_problems(healthy: World) -> None:
    found = looked(healthy)
    assert {one["status"] for one in found.values()} == {"ok"}
    assert {one["fix"] for one in found.values()} == {None}
    names = "versions config prompts git remote key key-accepted registry dialect"
    assert [*found] == names.split()
    messages = {
        "prompts": "2 prompt files",
        "git": "branch main",
        "registry": "listed 2 prompts",
        "dialect": "with a list of all labels",
    }
    assert [name for name, text in messages.items() if text not in found[name]["message"]] == []
    out = healthy.ok("doctor").out
    assert out.startswith("ok") and out.endswith("\n\nno problems found\n")

    # Nothing is written anywhere.
    healthy.write("new")
    healthy.forget()
    before = everything(healthy.root.parent)
    assert "registry" not in looked(healthy, "--offline")
    assert healthy.seen == []
    for arguments in ([], ["--remote", "local:"], ["--remote", "http://127.0.0.1:9"]):
        healthy.run("doctor", *arguments)
    assert everything(healthy.root.parent) == before


def test_checks_that_the_registry_lacks_are_named(healthy: World) -> None:
    healthy.put("evaluations/own.yaml", "rows: [{name: Ada}]\n")
    entries = ("evaluation: gone", "table: own", "table: nowhere", "table: there")
    healthy.call("POST", "/api/public/v2/tables", {"title": "there"})
    healthy.configure(f"checks: [{', '.join(f'{{match: x, {entry}}}' for entry in entries)}]")
    healthy.put("prompts/a.yaml", "evaluations: [missing, own]\nmessages: [{role: user, content: Hi}]\n")
    finding = looked(healthy, code=1)["checks"]
    assert finding["details"] == ["evaluation 'gone'", "evaluation 'missing'", "table 'nowhere'"]
    assert finding["fix"] == "promptsync eval list"


# -- the configuration --------------------------------------------------------------------------------------


def test_without_a_configuration_the_rest_is_looked_at_as_far_as_it_goes(healthy: World) -> None:
    config = (healthy.root / "promptsync.yaml").read_text()
    for text in ("remotes: [", "remote: nowhere\n", f"# {SECRET}\n"):
        healthy.put("promptsync.yaml", text)
        found = looked(healthy, code=1)
        assert (found["config"]["status"], found["config"]["fix"]) == ("error", "promptsync schema config")
        assert set(found) == {"versions", "config"}
    (healthy.root / "promptsync.yaml").unlink()
    before = everything(healthy.root)
    assert looked(healthy, code=1)["config"]["fix"] == "promptsync init"
    asked = looked(healthy, "--remote", healthy.url, code=1)
    assert (asked["registry"]["status"], asked["key-accepted"]["status"]) == ("ok", "ok")
    assert everything(healthy.root) == before

    # Problems in files are counted, with the command that shows them.
    healthy.put("promptsync.yaml", config)
    healthy.path("broken").write_text("messages: [", "utf-8")
    healthy.write("a", "<<<<<<< yours\nHello\n=======\nHi\n>>>>>>> registry v2\n")
    found = looked(healthy, code=1)["prompts"]
    assert (found["status"], found["fix"]) == ("error", "promptsync lint")
    assert "2 problems in the prompt files" in found["message"]
    assert "prompts/broken.yaml:2:1" in found["details"][0]


# -- git ----------------------------------------------------------------------------------------------------


# What is done to a sound setup, one after the other, and what is found then.
TROUBLE: list[tuple[Callable[[World], object], tuple[str, str, str]]] = [
    (
        lambda world: world.git("add", "-f", ".promptsync/record.json"),
        ("git-ignored", "error", "git rm -r --cached .promptsync"),
    ),
    (
        lambda world: world.put(".gitignore", "prompts/\n"),
        ("git-tracked", "warning", "git check-ignore -v prompts/prompt.yaml"),
    ),
    (lambda world: shutil.rmtree(world.root / ".git"), ("git", "warning", "git init && git add --all")),
    (lambda world: world.git("init", "-q"), ("git", "warning", "git add --all && git commit")),
    (lambda world: world.put(".git/HEAD", "nonsense"), ("git", "error", "")),
    (lambda world: world.put("promptsync.yaml", "prompts: x\n"), ("prompts", "warning", "promptsync pull")),
]


def test_what_is_wrong_with_files_and_git_is_reported_with_its_fix(healthy: World, tmp_path: Path) -> None:
    healthy.edit("a", "Hello", "Ciao", commit="Change prompts")
    healthy.git("clone", "-q", "--depth", "1", f"file://{healthy.root}", str(tmp_path / "clone"))
    found = looked(replace(healthy, root=tmp_path / "clone"))["git-history"]
    assert (found["status"], found["fix"][:22]) == ("warning", "git fetch --unshallow\n")
    assert "fetch-depth: 0" in found["fix"]
    for spoil, (name, status, fix) in TROUBLE:
        spoil(healthy)
        done = healthy.run("doctor", "--json")
        found = {one["name"]: one for one in done.document["checks"]}
        assert (found[name]["status"], (found[name]["fix"] or "").startswith(fix)) == (status, True), done
        assert done.code == int(any(one["status"] == "error" for one in found.values()))


DEPLOY, JOBS = ".github/workflows/deploy.yml", ".gitlab/promptsync.gitlab-ci.yml"
INITS = [f"init --{kind} --package 'promptsync[serve] >= 1, < 2'" for kind in ("github", "gitlab")]
LABELS: list[tuple[str, str, str]] = [
    ("main: prod, rel/1: stable", "branches: [main]", '"main"'),
    ("rel/1: prod", "branches: [main, rel/1]", '"main"'),
]
"""What labels: has one after the other, and the stale line of each kind then."""


def test_a_workflow_with_other_branches_than_labels_is_named_and_written_again(healthy: World) -> None:
    for init in INITS:
        healthy.ok(*shlex.split(init))
    before = "main: prod"
    for labels, *stale in LABELS:
        assert not {"github", "gitlab"} & {*looked(healthy)}
        healthy.configure(f"{{{labels}}}", instead=f"{{{before}}}")
        before, found = labels, looked(healthy)
        for kind, path, text, init in zip(("github", "gitlab"), (DEPLOY, JOBS), stale, INITS, strict=True):
            place, number = found[kind]["message"].split()[0].split(":")
            assert (place, found[kind]["status"]) == (path, "warning")
            assert (healthy.root / path).read_text().splitlines()[int(number) - 1].strip().endswith(text)
            remove, again = found[kind]["fix"].split(" && ")
            assert shlex.split(again)[:3] == ["promptsync", *shlex.split(init)[:2]]
            for name in shlex.split(remove)[2:]:
                (healthy.root / name).unlink()
            healthy.ok(*shlex.split(again)[1:])
    assert not {"github", "gitlab"} & {*looked(healthy)}


OTHERS = [
    ("branches: [main]", "branches: ['main', rel/1]"),
    ("branches: [main]", 'branches: ["**"]'),
    ("branches: [main]", "branches:\n      - other"),
    ("|| '.' }}", "|| 'services/bot' }}"),
    ("PROMPTSYNC_DIRECTORY", "DIRECTORY"),
]


def test_a_workflow_that_init_did_not_write_for_this_directory_is_not_judged(healthy: World) -> None:
    healthy.ok(*shlex.split(INITS[0]))
    text = (healthy.root / DEPLOY).read_text()
    healthy.configure("{rel/1: stable, main: prod}", instead="{main: prod}")
    assert "github" in looked(healthy)
    for old, new in OTHERS:
        assert old in text
        healthy.put(DEPLOY, text.replace(old, new))
        assert "github" not in looked(healthy), new


# -- the registry -------------------------------------------------------------------------------------------


FAULTS = [
    (failing(401, "bad key"), "key-accepted", "PROMPTLAYER_API_KEY"),
    (failing(403, "not yours"), "key-accepted", "administrator"),
    (failing(500), "registry", "try again"),
    (HTML, "registry", "check the remote's url, and"),
    (Reply("", 302, {"Location": "https://x.example"}), "registry", "the remote's url if you trust it"),
]


def test_a_registry_that_fails_is_reported_with_its_fix(healthy: World) -> None:
    for reply, name, fix in FAULTS:
        healthy.faults[:] = [fault(asking("GET", "/prompt-templates?"), reply)]
        healthy.forget()
        found = looked(healthy, code=1)
        assert (found[name]["status"], fix in found[name]["fix"]) == ("error", True)
        assert len(healthy.seen) < 8  # nothing is tried again and again
    healthy.faults.clear()
    found = looked(healthy, "--remote", "http://127.0.0.1:9", code=1)
    assert found["registry"]["fix"] == "promptsync serve --port 9"
    assert "unknown" in looked(healthy, "--remote", "unknown", code=1)["remote"]["message"]
    with serving(lambda seen: EMPTY_LIST if "?" in seen.target else Reply({}, 404)) as url:
        found = looked(healthy, "--remote", url)
    assert (found["dialect"]["status"], "listed 0 prompts" in found["registry"]["message"]) == ("ok", True)


def test_a_key_that_cannot_be_one_is_reported_before_it_is_sent(healthy: World) -> None:
    for key, message in (("", "there is no API key"), ("pl_quoted too", "invalid characters")):
        found = looked(healthy, code=1, PROMPTLAYER_API_KEY=key)
        assert (found["key"]["status"], message in found["key"]["message"]) == ("error", True)
        assert found["key"]["fix"] and "pl_" not in str(found)
    assert healthy.seen == []
    vendor = ("--remote", "https://api.promptlayer.com", "--offline")
    assert looked(healthy, *vendor, PROMPTLAYER_API_KEY="sk-other")["key"]["status"] == "warning"


def test_an_embedded_registry_is_not_written_and_an_older_one_is_named_with_the_command_that_deletes_it(
    local: World,
) -> None:
    local.put(
        "promptsync.yaml",
        'remotes: {local: {url: "local:", fixtures: registry.yaml}}\nchecks: [{match: "*", evaluation: e}]\n',
    )
    local.write("a")
    assert "does not exist" in looked(local, code=1)["registry"]["message"]
    put(local.root, declared("", evaluation("e", "a", [{"q": "x"}], contains("Hello"))))
    assert "the first push creates" in looked(local)["registry"]["message"]
    assert not (local.root / ".promptsync").exists()
    local.ok("push")
    before = everything(local.root)
    assert "it listed 1 prompt" in looked(local)["registry"]["message"]
    assert everything(local.root) == before
    database = str(local.root / ".promptsync/registry.db")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 1")
    quoted = shlex.quote(database)
    for verb in ("doctor", "status"):
        shown = str(local.run(verb))
        assert f"Cannot open the registry {database}: it was made by another" in shown
        assert "labels, logged requests and runs" in shown
        assert f"rm -f {quoted} {quoted}-wal {quoted}-shm\n" in shown
