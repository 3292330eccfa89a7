"""``promptsync bundle``: all prompts of a release, or none; the same bytes for the same release."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import jsonschema_rs
from scripted_registry import Reply, Seen
from worlds import World, asking, changed, failing, fault, once, template

from promptsync.files.schema import schema
from promptsync.prompt.bundle import Bundle, decode

TOOL = {"type": "registry", "tool_registry_id": 7}
MODEL = {"provider": "openai", "name": "gpt-4o-mini", "parameters": {"temperature": 0.2}}
WRITE, CHECK = ("bundle", "-o", "prompts.json"), ("bundle", "--check", "prompts.json")


@template
def here(world: World) -> None:
    """Four prompts under prod, one of them at its older version, and one that has no label."""
    world.configure("labels: {main: prod}")
    world.write("tone", content="Be kind. @@@sign-off@@@")
    world.write("sign-off", content="Sign as {team}.")
    world.write("refund", "@@@tone@@@ Answer {text}", model=MODEL)
    world.write("greet", "{% if name %}Hello {{ name }}{% endif %}", template_format="jinja2")
    world.write("draft", "Not yet {released}", commit="Add prompts")
    world.git("tag", "begin")
    world.ok("push")
    for name in ("tone", "sign-off", "refund", "greet"):
        world.point(name, prod=1)
    world.publish("refund", "Version 2, which is not released")


def written(world: World, *arguments: str, file: str = "prompts.json") -> Bundle:
    world.ok("bundle", *arguments, "-o", file)
    content = (world.root / file).read_bytes()
    jsonschema_rs.validator_for(schema("bundle")).validate(json.loads(content))
    return decode(content)


def texts(bundle: Bundle) -> str:
    return json.dumps({name: prompt.response for name, prompt in bundle.prompts.items()})


# -- from a label --------------------------------------------------------------------------------------------


def test_it_has_what_the_label_means_with_snippets_in_place(here: World) -> None:
    bundle = written(here)
    assert [*bundle.prompts] == ["greet", "refund", "sign-off", "tone"]
    assert (bundle.label, bundle.commit) == ("prod", None)
    refund = bundle.prompts["refund"]
    assert (refund.version, refund.variables, refund.renders) == (1, ("team", "text"), "anywhere")
    text = "Be kind. Sign as {team}. Answer {text}"
    assert refund.response["prompt_template"]["messages"][0]["content"][0]["text"] == text
    assert refund.response["llm_kwargs"]["messages"][0]["content"][0]["text"] == text
    assert refund.response["llm_kwargs"]["temperature"] == 0.2
    assert refund.commit == here.git("rev-parse", "--short=7", "HEAD").strip()
    assert "{{ name }}" in texts(bundle)
    assert "draft" not in texts(bundle) and "not released" not in texts(bundle)
    # It is what an application gets that renders by itself.
    body = {"label": "prod", "skip_input_variable_rendering": True}
    for name, prompt in bundle.prompts.items():
        answer = here.call("POST", f"/prompt-templates/{name}", body).body
        assert prompt.response == {key: value for key, value in answer.items() if key != "request_id"}


def test_the_same_release_is_the_same_bytes(here: World) -> None:
    first = here.ok("bundle").out.encode()
    here.publish("draft", "Again")  # what is not released makes no difference

    def backwards(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if seen.path != "/prompt-templates":
            return None
        body = json.loads(forward(seen).body)
        return Reply({**body, "items": body["items"][::-1]})

    here.faults.append(backwards)
    written(here, "--label", "prod")
    assert (here.root / "prompts.json").read_bytes() == first
    assert b"request_id" not in first and b"created_at" not in first


def test_it_costs_one_request_for_each_prompt_and_one_for_each_list(here: World) -> None:
    before = here.files()
    here.forget()
    assert here.run("bundle", PROMPTSYNC_READ_ONLY="1").code == 0
    assert here.files() == before
    sent = [f"{seen.method} {seen.path.rpartition('/')[0]}" for seen in here.seen]
    assert sorted(sent) == [*["GET "] * 2, *["GET /prompt-templates"] * 2, *["POST /prompt-templates"] * 4]
    here.configure('include: ["re*"]')  # only prompts in scope are in it
    bundle = written(here)
    assert [*bundle.prompts] == ["refund"] and "Be kind" in texts(bundle)


def test_a_placeholder_is_for_the_registry_and_the_command_says_so(here: World) -> None:
    template = {"type": "chat", "messages": [{"role": "placeholder", "name": "turns"}]}
    here.publish("history", prompt_template=template, release_labels=["prod"])
    run = here.run("bundle", "-o", "prompts.json")
    assert "note: only serve renders history; the SDKs cannot do it locally" in run.out
    prompts = {prompt["name"]: prompt for prompt in here.run("bundle", "--json").document["prompts"]}
    assert (prompts["history"]["renders"], prompts["refund"]["renders"]) == ("registry", "anywhere")


def test_a_release_that_changes_in_the_meantime_is_noticed_and_nothing_is_written(here: World) -> None:
    for change in (lambda: here.publish("tone", content="Be short."), lambda: here.point("refund", prod=2)):
        here.faults[:] = [once(asking("POST", "/prompt-templates/"), change)]
        here.says(3, "prod moved, or a snippet changed, while the prompts were read", *WRITE)
        assert not (here.root / "prompts.json").exists()


def test_what_the_registry_fails_to_render_leaves_the_old_bundle_as_it_is(here: World) -> None:
    written(here)
    before = (here.root / "prompts.json").read_bytes()
    here.write("refund", "Send {text} back", model=MODEL)
    here.ok("push", "refund", "--force", "--label", "prod", "--skip-checks", "-y")
    filling = changed(lambda body: body.pop("skip_input_variable_rendering"))
    for path, reply, said in (
        (f"/{here.read('refund')['id']}", failing(500), "500"),
        ("/prompt-templates/", filling, "only with its variables filled in"),
    ):
        here.faults[:] = [fault(asking("POST", path), reply)]
        here.says(4, said, *WRITE)
        assert (here.root / "prompts.json").read_bytes() == before


ODD: list[tuple[dict[str, Any], int]] = [
    ({"commit_message": 7, "llm_kwargs": [], "snippets": "tone", "tags": None}, 0),
    ({"metadata": {"needs": 3, "model": "x"}, "custom_provider": "x"}, 0),
    ({"unknown": {"a": [None, 1.5]}}, 0),
    ({"version": 2}, 4),
    ({"prompt_name": "tone"}, 4),
    ({"prompt_template": {"type": "chat", "messages": [7]}}, 4),
    ({"metadata": []}, 4),
]


def test_an_odd_response_makes_a_bundle_that_can_be_read_or_none(here: World) -> None:
    file = here.root / "prompts.json"
    for odd, code in ODD:

        def answer(seen: Seen, forward: Callable[[Seen], Reply], odd: Any = odd) -> Reply:
            return Reply({**json.loads(forward(seen).body), **odd})

        here.faults[:] = [fault(asking("POST", "/prompt-templates/"), answer)]
        here.exits(code, *WRITE)
        if code == 0:
            assert len(decode(file.read_bytes()).prompts) == 4
            file.unlink()
        assert not file.exists()


# -- from a commit -------------------------------------------------------------------------------------------


def test_a_commit_has_the_content_of_its_release_without_any_request(here: World) -> None:
    label = written(here)
    here.edit("refund", "Answer", "Uncommitted")
    here.forget()
    bundle = written(here, "--from", "HEAD", file="commit.json")
    assert here.seen == []
    assert bundle.commit == here.git("rev-parse", "HEAD").strip() and bundle.label is None
    digests = {name: prompt.digest for name, prompt in bundle.prompts.items()}
    assert digests.pop("draft") and digests == {name: each.digest for name, each in label.prompts.items()}
    response = bundle.prompts["refund"].response
    assert [response[key] for key in ("id", "version", "workspace_id", "commit_message")] == [None] * 4
    assert here.ok("bundle", "--from", "HEAD").out.encode() == (here.root / "commit.json").read_bytes()


def test_a_commit_has_its_own_files_and_a_pinned_snippet_is_as_in_them(here: World) -> None:
    here.write("pinned", "@@@tone@version_number:3@@@ {text}", commit="Pin")
    assert "Be kind. Sign as {team}. {text}" in texts(written(here, "--from", "HEAD"))
    here.edit("refund", "Answer", "Reply to", commit="Reply")
    assert "Reply to" in texts(written(here, "--from", "HEAD"))
    assert "Reply to" not in texts(written(here, "--from", "HEAD~1"))
    here.git("clone", "-q", "--depth", "1", here.root.as_uri(), str(here.root.parent / "shallow"))
    here.root = here.root.parent / "shallow"
    written(here, "--from", "HEAD")
    assert "git fetch --unshallow" in here.exits(3, "bundle", "--from", "HEAD~1").err


Prepare = Callable[[World], object]


LACKING: list[tuple[Prepare, str, int, str]] = [
    (
        lambda world: world.write("a", "@@@elsewhere@@@"),
        "HEAD",
        3,
        "'a' renders 'elsewhere', which has no file there",
    ),
    (lambda world: world.write("a", tools=[TOOL]), "HEAD", 3, "'a' has a tool of the registry"),
    (lambda world: world.write("a", content="@@@a@@@"), "HEAD", 1, "Snippet cycle"),
    (
        lambda world: world.put("prompts/b.yaml", "name: tone\ncontent: x\n"),
        "HEAD",
        3,
        "two files of HEAD contain the same prompt",
    ),
    (lambda world: world.configure('include: ["other/*"]'), "HEAD", 2, "HEAD has no prompt in scope"),
    (lambda world: world.put("prompts/greet.yaml", "name: ["), "HEAD", 1, "error: prompts/greet.yaml:"),
    (lambda world: None, "HEAD~9", 2, "this clone has no commit HEAD~9"),
    (lambda world: None, "0" * 40, 2, "no commit"),
]


def test_what_a_commit_lacks_is_said(here: World) -> None:
    for prepare, revision, code, why in LACKING:
        prepare(here)
        here.git("add", "-A")
        here.git("commit", "-qm", "Break", "--allow-empty")
        here.says(code, why, *WRITE, "--from", revision)
        assert not (here.root / "prompts.json").exists()
        here.git("reset", "-q", "--hard", "begin")
    shutil.rmtree(here.root / ".git")
    here.says(2, "git", *WRITE, "--from", "HEAD")


# -- is it up to date? ---------------------------------------------------------------------------------------


CHECKS: list[tuple[Prepare, list[list[Any]]]] = [
    (lambda world: world.publish("draft", "Another draft"), []),
    (
        lambda world: world.publish("sign-off", content="Sign as {team}, please."),
        [["refund", "changed", 1, 1], ["tone", "changed", 1, 1]],
    ),
    (lambda world: world.point("refund", prod=2), [["refund", "changed", 1, 2]]),
    (lambda world: world.point("draft", prod=1), [["draft", "added", None, 1]]),
    (lambda world: world.remove_label("greet", "prod"), [["greet", "removed", 1, None]]),
]
"""What happens one after the other, and what a check says of it."""


def test_a_check_says_what_moved_and_writes_nothing(here: World) -> None:
    written(here)
    for change, expected in CHECKS:
        before = here.files()
        change(here)
        run = here.run("bundle", "--check", "prompts.json", "--json")
        found = [[each[key] for key in ("name", "what", "old", "new")] for each in run.document["changes"]]
        assert (run.code, found) == (3 if expected else 0, expected)
        assert here.files() == before
        if expected:
            here.says(3, "hint: promptsync bundle --label prod -o prompts.json", *CHECK)
            here.ok(*WRITE, "--label", "prod")
        assert "up to date" in here.ok(*CHECK).out


def test_the_bundle_of_a_commit_is_checked_against_a_commit(here: World) -> None:
    written(here, "--from", "HEAD")
    here.write("unrelated", "A new prompt of {x}", commit="Add one")
    run = here.exits(3, *CHECK)
    assert run.lines[0] == ["added", "unrelated"]
    assert "hint: promptsync bundle --from HEAD -o prompts.json" in run.err


NO_BUNDLE: list[tuple[bytes | None, str]] = [
    (None, "prompts.json cannot be read: No such file"),
    (b'{"format": "promptsync-bundle/2", "prom', "prompts.json is not a bundle: it is not JSON"),
    (b'{"format": "promptsync-bundle/2"}', "prompts.json is not a valid bundle: "),
]


def test_what_cannot_be_checked_is_a_usage_error(here: World) -> None:
    for content, why in NO_BUNDLE:
        if content is not None:
            here.put("prompts.json", content)
        run = here.says(2, why, *CHECK)
        assert "hint: promptsync bundle" in run.err or "hint: promptsync help bundle" in run.err
    # No hint overwrites a file that is not a bundle.
    run = here.exits(2, "bundle", "--check", "promptsync.yaml")
    assert "-o" not in run.err and "hint: promptsync help bundle\n" in run.err


def test_what_was_edited_is_refused_until_it_is_written_again(here: World) -> None:
    for source, command in (("--label", "bundle --label prod"), ("--from", "bundle --from HEAD")):
        written(here, source, command.split()[-1])
        file = here.root / "prompts.json"
        for old, new, why in (
            (
                b"Be kind.",
                b"Be rude.",
                "was edited: 'refund' does not match its checksum",
            ),
            (
                b"promptsync-bundle/2",
                b"promptsync-bundle/1",
                "has the format 'promptsync-bundle/1'",
            ),
        ):
            file.write_bytes(file.read_bytes().replace(old, new))
            types = ("types", "--lang", "python", "--bundle", "prompts.json")
            for reader in (CHECK, ("serve", "--bundle", "prompts.json", "--port", "0"), types):
                run = here.says(3, f"error: prompts.json {why}", *reader)
                assert f"hint: promptsync {command} -o prompts.json\n" in run.err
            here.ok(*command.split(), "-o", "prompts.json")
            assert "up to date" in here.ok(*CHECK).out


# -- the command ---------------------------------------------------------------------------------------------


WRONG: list[tuple[str, str]] = [
    ("--label prod --from HEAD", "--label and --from HEAD cannot be combined"),
    ("--label prod --check b.json", "--label and --check cannot be combined"),
    ("--from HEAD --check b.json", "--from and --check cannot be combined"),
    ("-o a.json --check b.json", "-o and --check cannot be combined"),
    ("--label nothing", "no prompt in scope has the label 'nothing'"),
    ("-o prompts", "cannot write prompts"),
    ("-o promptsync.yaml", "it is a YAML file that would be replaced; nothing was run"),
]


def test_options_that_make_no_sense_are_usage_errors(here: World) -> None:
    for options, why in WRONG:
        assert why.partition(" HEAD")[0] in here.exits(2, "bundle", *options.split()).err
    here.configure("", instead="labels: {main: prod}\n")
    assert "hint: promptsync bundle --label LABEL" in here.exits(2, "bundle").err


def test_what_it_prints_is_quiet_and_safe_on_a_terminal(here: World) -> None:
    here.publish("odd", "Hidden \u202e{text}", release_labels=["prod"])
    quiet = here.run("bundle", "-q", "-o", "out/prompts.json")
    assert (quiet.out, quiet.err) == ("out/prompts.json: 5 prompts under prod\n", "")
    assert "\u202e" in here.run("bundle").out
    assert "\u202e" not in here.screen("bundle")
