"""Working copies, registries and git histories to measure in."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from promptsync.files.prompt_file import render_new
from promptsync.prompt.prompt import Local, Prompt
from promptsync.registry.open import open_registry

_PHRASES = (
    "You answer questions about refunds",
    "and stay polite",
    "while the customer explains what went wrong",
    "with the order of last week",
    "which arrived late or not at all",
)
_GIT = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com", "-c", "core.fsync=none")


def prompts(count: int, edition: int = 1) -> list[Prompt]:
    """Chat prompts of about two kilobytes; another edition of one has another text."""
    return [_prompt(number, edition) for number in range(count)]


def name_of(number: int) -> str:
    return f"team-{number % 40}/prompt-{number}"


def path_of(number: int) -> str:
    return f"prompts/{name_of(number)}.yaml"


def _prompt(number: int, edition: int) -> Prompt:
    draw = random.Random(number)
    lines = [" ".join(draw.choices(_PHRASES, k=3)) + "." for _ in range(17)]
    jinja = number % 2 == 0
    variable = "{{ question }}" if jinja else "{question}"
    system = "\n".join([f"Edition {edition} of prompt {number}.", *lines])
    messages = [
        {"role": "system", "content": [{"type": "text", "text": system}]},
        {"role": "user", "content": [{"type": "text", "text": f"Answer this: {variable}"}]},
    ]
    template = {"type": "chat", "messages": messages}
    if jinja:
        messages = [{**message, "template_format": "jinja2"} for message in messages]
        template = {"type": "chat", "messages": messages}
    model = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}
    return Prompt(name_of(number), template, {"model": model, "owner": "support"}, ("billing",))


def text_of(prompt: Prompt) -> str:
    """The text of the file of a prompt."""
    return render_new(prompt, Local())


def working_copy(root: Path, url: str, files: Iterable[Prompt] = ()) -> Path:
    """Make a working copy of the registry at ``url``."""
    root.mkdir(parents=True)
    configure(root, url)
    (root / ".gitignore").write_text(".promptsync/\n", "utf-8")
    write_files(root, files)
    return root


def configure(root: Path, url: str) -> None:
    (root / "promptsync.yaml").write_text(f'remote: it\nremotes: {{it: {{url: "{url}"}}}}\n', "utf-8")


def write_files(root: Path, files: Iterable[Prompt]) -> None:
    for prompt in files:
        path = root / "prompts" / f"{prompt.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(prompt), "utf-8")


def publish(database: Path, given: Iterable[Prompt], message: str) -> None:
    """Fill a database without a network."""
    with open_registry(f"local:{database}", None) as registry:
        for prompt in given:
            registry.prompts.publish(prompt, message=message)


def git(root: Path, *arguments: str, data: bytes | None = None) -> str:
    command = ["git", *_GIT, *arguments]
    return subprocess.run(command, cwd=root, input=data, check=True, capture_output=True).stdout.decode()


def commit_all(root: Path, message: str) -> None:
    if not (root / ".git").exists():
        git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def history(root: Path, files: Sequence[Prompt], commits: int) -> str:
    """Give a working copy a history that ends in its files: one commit with all, then many with one each.

    Returns the abbreviated id of the last commit.
    """
    git(root, "init", "-q", "-b", "main")
    git(root, "fast-import", "--quiet", data=b"".join(_stream(files, commits)))
    git(root, "reset", "-q", "--mixed", "main")
    return git(root, "rev-parse", "--short=7", "main").strip()


def _stream(files: Sequence[Prompt], commits: int) -> Iterator[bytes]:
    texts = [text_of(prompt).encode() for prompt in files]
    touched = [number % len(files) for number in range(commits - 1)]
    last = {number: index for index, number in enumerate(touched)}
    yield _commit(0, "Import")
    for number, text in enumerate(texts):
        yield _file(number, text if number not in last else text + b"# first\n")
    for index, number in enumerate(touched):
        yield _commit(index + 1, f"Touch {number}")
        yield _file(number, texts[number] + (b"" if last[number] == index else b"# %d\n" % index))


def _commit(index: int, message: str) -> bytes:
    data = message.encode()
    when = 1_700_000_000 + index * 60
    return b"commit refs/heads/main\ncommitter Bench <bench@example.com> %d +0000\ndata %d\n%s\n" % (
        when,
        len(data),
        data,
    )


def _file(number: int, text: bytes) -> bytes:
    return b"M 100644 inline %s\ndata %d\n%s\n" % (path_of(number).encode(), len(text), text)
