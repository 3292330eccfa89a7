"""``promptsync types``: what is written, what ``--check`` says, and where the prompts come from."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import jsonschema
import pytest
from worlds import World

from promptsync.files.schema import schema

EXAMPLES = Path(__file__).parents[2] / "example-repo"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES, tmp_path / "repository"))


@pytest.fixture
def offline(repository: Path) -> World:
    """The example repository without git, a registry or a key; a request would fail."""

    def no_request(*_: object, **__: object) -> None:
        raise AssertionError("there is no registry")

    return World(repository, no_request)  # type: ignore[arg-type]


@pytest.mark.parametrize(("language", "file"), [("python", "a/types.py"), ("typescript", "a/types.ts")])
def test_a_file_is_written_once_and_is_then_up_to_date(offline: World, language: str, file: str) -> None:
    command = ("types", "--lang", language, "-o", file)
    missing = offline.run(*command, "--check")
    assert (missing.code, f"error: {file} is out of date" in missing.err) == (1, True)
    assert not (offline.root / file).exists()
    assert offline.ok(*command).out == f"written  {file}\n"
    before = (offline.root / file).stat()
    assert offline.ok(*command).out == f"{file} is up to date\n"
    assert offline.ok(*command, "--check").out == f"{file} is up to date\n"
    after = (offline.root / file).stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    printed = offline.ok("types", "--lang", language).out
    assert f"types --lang {language} -o {file}" in (offline.root / file).read_text("utf-8")
    assert printed.split("\n")[3:] == (offline.root / file).read_text("utf-8").split("\n")[3:]


def test_what_differs_is_shown_and_the_hint_fixes_it(offline: World) -> None:
    offline.ok("types", "--lang", "python", "-o", "types.py")
    path = offline.root / "prompts/support/triage.yaml"
    path.write_text(
        path.read_text("utf-8").replace("enum: [low, normal, high]", "enum: [low, high]"), "utf-8"
    )
    stale = (offline.root / "types.py").read_bytes()
    done = offline.run("types", "--lang", "python", "-o", "types.py", "--check")
    assert done.code == 1
    assert (
        '-    urgency: Literal["low", "normal", "high"]\n+    urgency: Literal["low", "high"]\n' in done.out
    )
    assert (offline.root / "types.py").read_bytes() == stale
    (hint,) = (line.removeprefix("hint: ") for line in done.err.splitlines() if line.startswith("hint: "))
    offline.ok(*shlex.split(hint)[1:])
    offline.ok("types", "--lang", "python", "-o", "types.py", "--check")


def test_a_long_difference_is_cut(offline: World) -> None:
    (offline.root / "types.py").write_text("x = 1\n" * 100, "utf-8")
    done = offline.run("types", "--lang", "python", "-o", "types.py", "--check")
    assert (done.code, len(done.out.splitlines())) == (1, 20)


def test_a_checkout_with_other_line_ends_is_up_to_date(offline: World) -> None:
    offline.ok("types", "--lang", "python", "-o", "types.py")
    text = (offline.root / "types.py").read_bytes()
    (offline.root / "types.py").write_bytes(text.replace(b"\n", b"\r\n"))
    offline.ok("types", "--lang", "python", "-o", "types.py", "--check")


def test_the_file_is_the_same_from_every_directory(offline: World) -> None:
    offline.ok("types", "--lang", "python", "-o", "app/types.py")
    inside = World(offline.root / "app", offline.call)
    assert inside.run("types", "--lang", "typescript", "-o", "types.py", "--check").err.endswith(
        f"hint: promptsync -C {inside.root} types --lang typescript -o types.py\n"
    )
    inside.ok("types", "--lang", "python", "-o", "types.py", "--check")
    inside.ok("types", "--lang", "python", "-o", str(offline.root / "app/types.py"), "--check")


def test_a_file_outside_of_the_working_copy_can_be_written(offline: World) -> None:
    offline.ok("types", "--lang", "python", "-o", "../elsewhere/types.py")
    offline.ok("types", "--lang", "python", "-o", "../elsewhere/types.py", "--check")
    assert (offline.root.parent / "elsewhere/types.py").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("support/triage",), ["support/triage"]),
        (("support/tri*", "support/refund", "support/triage"), ["support/refund", "support/triage"]),
        (("*order*",), ["support/order-status"]),
    ],
)
def test_names_and_patterns_select(offline: World, names: tuple[str, ...], expected: list[str]) -> None:
    document = offline.run("types", "--lang", "python", "--json", *names).document
    assert document["prompts"] == expected
    assert ("SupportRefundVariables" in document["types"]) == ("support/refund" in expected)
    jsonschema.validate(document, {**schema("output"), **schema("output")["$defs"]["types"]})


def test_a_bundle_has_the_same_types_as_the_files_that_it_is_made_of(offline: World, world: World) -> None:
    for path in (EXAMPLES / "prompts/support").glob("*.yaml"):
        world.path(f"support/{path.stem}").parent.mkdir(exist_ok=True)
        text = "".join(line for line in path.read_text("utf-8").splitlines(True) if not line.startswith("#"))
        world.path(f"support/{path.stem}").write_text(text, "utf-8")
    world.commit()
    world.ok("bundle", "--from", "HEAD", "-o", "prompts.json")
    shutil.copy(world.root / "prompts.json", offline.root.parent)
    for language in ("python", "typescript"):
        elsewhere = World(offline.root.parent, offline.call)  # without a promptsync.yaml
        bundled = elsewhere.ok("types", "--lang", language, "--bundle", "prompts.json").out
        files = world.ok("types", "--lang", language).out
        assert bundled.replace(" --bundle prompts.json", "") == files


MISUSE = [
    (("--lang", "python", "--check"), 2, "--check requires the file"),
    (("--lang", "python", "--check", "-o", ""), 2, "--check requires the file"),
    ((), 2, "--lang"),
    (("--lang", "cobol"), 2, "cobol"),
    (("--lang", "python", "support/refnd"), 2, "did you mean 'support/refund'?"),
    (("--lang", "python", "nothing*"), 2, "no prompt matches 'nothing*'"),
    (("--lang", "python", "--bundle", "nowhere.json"), 2, "nowhere.json cannot be read"),
    (("--lang", "python", "--bundle", "promptsync.yaml"), 2, "promptsync.yaml is not a bundle"),
    (("--lang", "python", "-o", "prompts"), 2, "prompts"),
    (("--lang", "python", "-o", "promptsync.yaml/types.py"), 2, "promptsync.yaml"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), MISUSE, ids=[" ".join(case[0]) for case in MISUSE])
def test_misuse_is_explained(offline: World, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = offline.run("types", *arguments)
    assert (done.code, message in done.err) == (code, True), str(done)


BROKEN = [
    ("support/refund", "messages: [", 1, "prompts/support/refund.yaml:"),
    ("support/refund", "content: '@@@support/house-tone@@@ @@@nowhere@@@'\n", 1, "@@@nowhere@@@ has no file"),
    ("support/house-tone", "content: '@@@support/house-tone@@@'\n", 1, "Snippet cycle"),
    (
        "support/refund",
        "content: |\n  <<<<<<< yours\n  a\n  =======\n  b\n  >>>>>>> theirs\n",
        3,
        "conflict markers",
    ),
]


@pytest.mark.parametrize(("name", "text", "code", "message"), BROKEN, ids=[case[3] for case in BROKEN])
def test_nothing_is_written_of_files_that_cannot_be_read(
    offline: World, name: str, text: str, code: int, message: str
) -> None:
    offline.path(name).write_text(text, "utf-8")
    done = offline.run("types", "--lang", "python", "-o", "types.py")
    assert (done.code, message in done.err) == (code, True), str(done)
    assert not (offline.root / "types.py").exists()


def test_nothing_is_written_through_a_link(offline: World, tmp_path: Path) -> None:
    (tmp_path / "target.py").write_text("x = 1\n", "utf-8")
    (offline.root / "types.py").symlink_to(tmp_path / "target.py")
    assert offline.run("types", "--lang", "python", "-o", "types.py").code == 3
    assert (tmp_path / "target.py").read_text("utf-8") == "x = 1\n"


def test_a_comment_describes_a_prompt_unless_its_metadata_does(offline: World) -> None:
    offline.path("a").write_text("# First.\n# Second.\n#\n# Third.\nname: a\ncontent: x\n", "utf-8")
    offline.path("b").write_text(
        "# yaml-language-server: $schema=x\n# First.\nmetadata: {description: In metadata}\ncontent: x\n",
        "utf-8",
    )
    printed = offline.ok("types", "--lang", "python", "a", "b").out
    assert "#: Variables of a.\n#: First.\n#: Second.\nclass" in printed
    assert "#: Variables of b.\n#: In metadata\nclass" in printed
