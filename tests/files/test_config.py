from __future__ import annotations

from pathlib import Path

import pytest

from promptsync.errors import UsageError
from promptsync.files.config import Config, RemoteConfig, find, load

FULL = """\
prompts: src/prompts/
remote: local
remotes:
  local: {url: "local:", fixtures: registry.yaml}
  production: {url: https://api.promptlayer.com}
include: ["support/*", exact]
labels: {main: prod}
checks:
  - {match: "support/*", evaluation: refund quality, min_score: 80}
  - {match: "*", evaluation: tone, min_score: 2.5}
  - {match: "*", agent: bot}
  - {match: "*", table: Tone, sheet: Cases, min_score: 70, max_drop: 5, runs: 3}
limits: {changes: 0.25, cells: 100}
evaluations: {reuse: 0.5, keep: 3, on_noise: warn}
deploy: {dashboard_edits: refuse}
"""

NO_LIMIT = (
    "has a limit that it cannot have: max_drop: needs table:, and min_score: needs table: or evaluation:."
)


def write(root: Path, text: str) -> Path:
    path = root / "promptsync.yaml"
    path.write_text(text)
    return path


def problems(root: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(write(root, text))
    assert caught.value.exit_code == 2
    return list(caught.value.details)


def test_everything_in_a_configuration_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    assert load(path) == Config(
        root=tmp_path,
        path=path,
        prompts="src/prompts",
        default_remote="local",
        remotes={
            "local": RemoteConfig("local", "local:", "registry.yaml"),
            "production": RemoteConfig("production", "https://api.promptlayer.com"),
        },
        include=("support/*", "exact"),
        labels={"main": "prod"},
        checks=(
            {"match": "support/*", "evaluation": "refund quality", "min_score": 80},
            {"match": "*", "evaluation": "tone", "min_score": 2.5},
            {"match": "*", "agent": "bot"},
            {"match": "*", "table": "Tone", "sheet": "Cases", "min_score": 70, "max_drop": 5, "runs": 3},
        ),
        limits_changes=0.25,
        limits_cells=100,
        evaluations_reuse=0.5,
        evaluations_keep=3,
        fails_on_noise=False,
        refuses_dashboard_edits=True,
    )


def test_include_says_what_belongs_here(tmp_path: Path) -> None:
    names = ["support/a/b", "Support/a", "support", "x"]
    for include, expected in (("[]", names), ("['support/*']", names[:1]), ("['support/*', x]", names[::3])):
        config = load(write(tmp_path, f"include: {include}"))
        assert [name for name in names if config.in_scope(name)] == expected


def test_the_file_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "a/promptsync.yaml").mkdir(parents=True)
    path = write(tmp_path, "")
    assert find(tmp_path / "a") == path


REFUSED = {
    "promts: x\nlimit: {}\n": (
        "1:1: Unknown key promts. Did you mean prompts?\n2:1: Unknown key limit. Did you mean limits?"
    ),
    "remotes: {p: {url: ftp://x}}\n": (
        "1:15: remotes.p.url must be local:, local:PATH, or an http or https URL."
    ),
    "remote: prod\nremotes: {production: {url: 'local:'}}\n": (
        "1:1: remote: prod is not one of the remotes: production."
    ),
    "remote: lokal\n": "1:1: remote: lokal is not one of the remotes: local. Did you mean local?",
    "labels: {on: prod}\n": (
        '1:10: YAML reads the key on as a boolean, but a key must be text. Quote it: "on".'
    ),
    "deploy: {dashboard_edits: ask}\n": (
        '1:10: deploy.dashboard_edits: "ask" is not one of "pass-over" or "refuse".'
    ),
    "limits: {changes: 50}\n": "1:10: limits.changes: 50 is greater than the maximum of 1.",
    "checks: [{match: x, table: t, agent: a}]\n": (
        "1:10: checks[0] needs one of table:, evaluation: and agent:."
    ),
    "checks: [{match: x, agent: a, cases: c}]\n": "1:31: Unknown key checks[0].cases.",
    "checks: [{match: x, evaluation: e, sheet: s}]\n": "1:10: checks[0] lacks the key table.",
    "checks: [{match: x, agent: bot, max_drop: 5}, {match: x, evaluation: e, max_drop: 5}]\n": (
        f"1:10: checks[0] {NO_LIMIT}\n1:47: checks[1] {NO_LIMIT}"
    ),
    'prompts: "a\\0b"\n': "1:1: prompts is not a path that a file system allows.",
    f"remotes: {{p: {{url: 'local:', fixtures: {'a' * 300}}}}}\n": (
        "1:30: remotes.p.fixtures is not a path that a file system allows."
    ),
}


@pytest.mark.parametrize(("text", "found"), REFUSED.items())
def test_an_invalid_configuration_is_refused_with_every_reason(tmp_path: Path, text: str, found: str) -> None:
    assert problems(tmp_path, text) == [f"promptsync.yaml:{line}" for line in found.splitlines()]


def test_the_prompts_are_below_the_configuration(tmp_path: Path) -> None:
    for prompts in ("a/../../b", "/abs", "C:/x", "a\\b", "."):
        (line,) = problems(tmp_path, f"prompts: '{prompts}'\n")
        assert "is not below the directory" in line


def test_a_key_in_the_configuration_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    for text in (
        "# key: pl_0123456789abcdef0123456789abcdef\n",
        "remotes: {p: {url: 'https://user:secret@api.example'}}\n",
    ):
        found = problems(tmp_path, text)
        assert any("PROMPTLAYER_API_KEY" in line for line in found)
        assert not any("0123456789" in line or "secret@" in line for line in found)


def test_a_configuration_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be used") as caught:
        load(tmp_path / "promptsync.yaml")
    assert "cannot be read: No such file" in caught.value.details[0]
    assert problems(tmp_path, "a: [\n")[0].startswith("promptsync.yaml:2:1: This is not valid YAML")


def test_labels_that_deploy_moves_are_governed(tmp_path: Path) -> None:
    checks = "checks: [{match: x, evaluation: e}]\n"
    for text, governed in (
        ("labels: {main: prod, next: staging}\n", ["prod", "staging"]),
        (f"labels: {{main: prod}}\n{checks}", ["prod"]),
        (checks, ["prod", "staging", "anything"]),
        ("remote: local\n", []),
    ):
        config = load(write(tmp_path, text))
        assert [label for label in ("prod", "staging", "anything") if config.governs(label)] == governed
