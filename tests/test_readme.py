"""What the README claims is proved by tests that exist, and its numbers are those of today.

Its commands run in ``tests/test_walkthroughs.py``, its links are followed in ``tests/test_docs.py``, and its
pictures are taken again in ``tests/test_screens.py``.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptsync.cli import run

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
README = (ROOT / "README.md").read_text("utf-8")
MARKED = re.compile(
    r"\d|\b(never|always|only|no|not|nothing|none|every|all|each|exactly|any)\b", re.IGNORECASE
)
"""What makes a claim of a sentence. Bullets and rows of tables are claims anyway."""
WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven"]

CLAIMS: dict[str, list[str]] = {
    "moves the release label that your application loads only after your checks pass": [
        "deploy/test_tables_in_a_deploy.py::test_tables_run_before_anything_is_published",
        "deploy/test_tables_in_a_deploy.py::test_other_checks_run_once_the_tables_passed",
        "workflows/test_both_hosts.py::test_a_check_that_fails_leaves_the_label_and_fails_the_run",
    ],
    "promptsync deploy scores it 87.5 where the live version has 100": [
        "test_screens.py::test_the_screens_are_not_stale",
    ],
    "sets up a repository; needs no account": [
        "commands/test_init.py::test_an_empty_directory_becomes_one_that_lints_renders_and_can_be_pushed",
    ],
    "says who changed what: you, the dashboard, or both": [
        "commands/test_status_verb.py::test_every_prompt_is_listed_with_who_changed_it",
    ],
    "publishes new versions, with your commit messages": [
        "push/test_push.py::test_messages_carry_the_commit_and_a_sign_for_what_is_not_committed",
    ],
    "runs your edit beside the live version, before you publish it": [
        "commands/test_eval_tables.py::test_a_worse_text_fails_and_says_which_rows_and_nothing_is_published",
    ],
    "runs the checks, publishes, and moves `prod`": [
        "deploy/test_deploy.py::test_a_first_deploy_releases_everything_with_few_requests",
        "deploy/test_deploy.py::test_only_what_changed_is_published_checked_and_moved",
    ],
    "see who changed a prompt, and why": [
        "commands/test_diff_verb.py::test_the_log_names_the_author_that_git_or_the_registry_knows",
        "commands/test_diff_verb.py::test_the_log_shows_what_each_version_changed",
        "push/test_push.py::test_messages_carry_the_commit_and_a_sign_for_what_is_not_committed",
    ],
    "`push` refuses; `pull --merge` merges both, field by field": [
        "push/test_push.py::test_one_diverged_prompt_among_many_stops_the_push_and_shows_both_changes",
        "pull/test_pulled_style.py::test_a_merge_changes_the_lines_of_the_words_that_changed",
    ],
    "scores and the rows that got worse, in the pull request": [
        "workflows/test_github_workflows.py::test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated",
    ],
    "take back a release": [
        "commands/test_label_verbs.py::test_a_rollback_undoes_the_last_release_once_or_goes_to_the_version_it_is_given",
    ],
    "your files keep their comments": [
        "pull/test_pull.py::test_what_is_behind_is_written_and_comments_and_layout_stay",
        "pull/test_pulled_style.py::test_a_pull_changes_the_lines_of_the_words_that_changed",
    ],
    "an embedded registry, which speaks PromptLayer's API on your machine": [
        "sdk/test_sdk_as_client.py::test_what_the_sdk_publishes_promptsync_reads",
        "sdk/test_sdk_as_client.py::test_what_promptsync_publishes_the_sdk_reads",
        "commands/test_init.py::test_an_empty_directory_becomes_one_that_lints_renders_and_can_be_pushed",
    ],
    "plays a whole release, with a pull request that fails its check": [
        "demo/test_demo.py::test_the_demo_waits_for_enter_after_each_step_in_a_terminal",
    ],
    "writes a prompt that passes `lint`": [
        "commands/test_init.py::test_a_new_prompt_passes_lint_and_each_command_that_follows",
    ],
    "`promptsync init --github` or `init --gitlab` writes three jobs; any other CI needs five commands": [
        "commands/test_init_scaffold.py::test_a_repository_gets_what_it_lacks_and_is_reported_what_is_left_to_do",
        "workflows/test_gitlab_jobs.py::test_a_merge_request_gets_a_note_with_tables_and_plan_and_reports",
        "workflows/test_both_hosts.py::test_what_was_merged_is_checked_published_and_released_once",
        "workflows/test_both_hosts.py::test_edits_come_back_as_one_pull_request_that_the_next_nights_update",
    ],
    "one prompt scores 87.5, the live version 100": [
        "test_screens.py::test_the_screens_are_not_stale",
    ],
    "makes tables; publishes nothing": [
        "commands/test_eval_tables.py::test_a_worse_text_fails_and_says_which_rows_and_nothing_is_published",
        "workflows/test_github_workflows.py::test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated",
    ],
    "uses the verdicts of the pull request if nothing that was tested has changed": [
        "workflows/test_github_workflows.py::test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated",
        "deploy/test_tables_in_a_deploy.py::test_a_verdict_does_not_count_once_a_row_was_edited",
    ],
    "brings dashboard edits into one pull request every night": [
        "workflows/test_both_hosts.py::test_edits_come_back_as_one_pull_request_that_the_next_nights_update",
    ],
    "publishes nothing that failed on a table; the label stays": [
        "deploy/test_tables_in_a_deploy.py::test_a_failed_deploy_publishes_nothing_and_says_so",
        "workflows/test_both_hosts.py::test_a_check_that_fails_leaves_the_label_and_fails_the_run",
    ],
    "`deploy` releases what is committed and names the edit it left out": [
        "push/test_present_state.py::test_what_somebody_does_before_the_publish_refuses_it",
        "deploy/test_dashboard_edits.py::test_the_plan_names_who_saved_it_and_the_command_that_brings_it_in",
        "deploy/test_dashboard_edits.py::test_the_receipt_and_the_step_summary_say_it",
    ],
    "reads back what arrived": [
        "push/test_faults.py::test_a_publish_is_reported_as_it_happened_and_never_made_twice",
        "push/test_faults.py::test_a_time_out_is_read_back_and_never_repeated",
        "deploy/test_deploy.py::test_a_request_that_fails_leaves_the_labels_and_advises_to_deploy_again",
    ],
    "labels move last; the next run finishes. After Ctrl-C or an error, labels that moved go back": [
        "push/test_killed_at_each_write.py::test_the_next_run_finishes_what_a_kill_at_any_write_left",
        "push/test_killed_at_each_write.py::test_a_kill_at_any_write_leaves_nothing_live_that_must_not_be",
        "deploy/test_label_history.py::test_a_killed_first_deploy_is_finished_by_the_next",
        "deploy/test_deploys_interrupted.py::test_ctrl_c_while_labels_move_moves_them_back_and_says_so",
        "labels/test_labels.py::test_together_all_move_or_none",
    ],
    "The jobs pass the key only to the commands that contact the registry": [
        "workflows/test_github_workflows.py::test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated",
        "workflows/test_gitlab_jobs.py::test_a_merge_request_gets_a_note_with_tables_and_plan_and_reports",
    ],
    "Forks get no key": [
        "workflows/test_both_hosts.py::test_a_fork_gets_lint_and_the_difference_from_the_base_and_is_told_what_is_missing",
    ],
    "`PROMPTSYNC_READ_ONLY=1`": [
        "commands/test_what_changes.py::test_a_command_that_changes_the_registry_is_refused",
        "commands/test_what_changes.py::test_no_command_that_changes_the_registry_is_left_out",
    ],
    "returns the bundled version, and says so": [
        "runtime/test_loader.py::test_a_wrong_answer_leads_to_the_bundle",
        "runtime/test_loader.py::test_a_registry_that_does_not_answer",
        "runtime/test_loader.py::test_the_bundle_gives_what_the_registry_gives",
    ],
    "the SDK reads a sidecar": [
        "sdk/test_sdk_as_client.py::test_templates_get",
        "sdk/test_sdk_as_client.py::test_templates_all",
        "server/test_bundle.py::test_a_get_is_answered_as_by_the_registry",
    ],
    "writes the release to one file": [
        "bundle/test_bundle.py::test_it_has_what_the_label_means_with_snippets_in_place",
        "bundle/test_bundle.py::test_the_same_release_is_the_same_bytes",
    ],
    "`deploy` stops a version that would break your application": [
        "deploy/test_contract.py::test_a_break_stops_the_deploy_before_anything_is_published",
        "prompt/test_contract.py::test_prompts",
    ],
    "writes the types of variables and responses": [
        "declarations/test_schema_types.py::test_mypy_accepts_the_module_and_the_values",
        "declarations/test_schema_types.py::test_typescript_accepts_the_module_and_the_values",
    ],
    "starts the drift job ten seconds after a dashboard edit, by webhook": [
        "relay/test_dispatch.py::test_a_burst_starts_one_workflow_after_ten_seconds",
        "workflows/test_both_hosts.py::test_edits_come_back_as_one_pull_request_that_the_next_nights_update",
    ],
    # The cells about others come from their sources and their documentation.
    "a dashboard edit in between | refused or named, mergeable": [
        "push/test_push.py::test_one_diverged_prompt_among_many_stops_the_push_and_shows_both_changes",
        "deploy/test_dashboard_edits.py::test_the_plan_names_who_saved_it_and_the_command_that_brings_it_in",
    ],
    "evaluates before the merge | yes, beside the live version": [
        "workflows/test_github_workflows.py::test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated",
    ],
    "releases exactly what was evaluated | yes, with tables": [
        "workflows/test_github_workflows.py::test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated",
        "deploy/test_tables_in_a_deploy.py::test_a_colleague_who_publishes_while_tables_run_stops_the_deploy",
    ],
    "a rejected write | exit code 4 or 5": [
        "push/test_faults.py::test_a_publish_is_reported_as_it_happened_and_never_made_twice",
        "push/test_faults.py::test_a_key_that_may_only_read_publishes_nothing_and_exits_4",
    ],
    "without an account | yes, embedded registry": [
        "commands/test_init.py::test_an_empty_directory_becomes_one_that_lints_renders_and_can_be_pushed",
    ],
    "Tests compare it with PromptLayer's official SDKs and recordings of its API": [
        "fidelity/test_compatibility.py::test_the_data_say_what_each_method_of_the_installed_sdk_does",
        "fidelity/test_compatibility.py::test_the_recorded_answers_differ_only_as_known",
    ],
}
NO_CLAIM = [
    "You need git and Python",  # see test_numbers_are_current
    "promptsync is not on PyPI yet",
    "in 2026, OpenAI announced the end of its prompt objects",  # the source is linked
    "know whether an edit is better",
    "a UI of its own",
    "ran against the real service",
    "describe every key",  # tests/test_docs.py
    "Use something else if",
]


def plain(text: str) -> str:
    """Text without links, emphasis and line breaks."""
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(text.replace("**", "").split())


TEXT = plain(README)


def blocks() -> Iterator[str]:
    """The paragraphs, lists and tables, without headings and code."""
    for block in re.split(r"\n\s*\n", re.sub(r"(?ms)^```.*?^```$", "", README)):
        if block.strip() and not block.startswith("#"):
            yield block.strip()


def units() -> Iterator[str]:
    """What claims something: bullets, rows of tables, sentences with a number or a word such as *only*."""
    for block in blocks():
        if block.startswith("|"):
            for row in block.splitlines()[2:]:
                yield " | ".join(plain(cell) for cell in row.strip("| ").split(" | "))
            continue
        for part in re.split(r"(?m)^\* ", block):
            if block.startswith("* ") and part:
                yield plain(part)
            for sentence in re.split(r"(?<=[.:;]) (?=[A-Z`(]|promptsync )", plain(part)):
                if MARKED.search(sentence):
                    yield sentence


UNITS = list(dict.fromkeys(units()))


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_is_in_the_readme_and_its_tests_exist(claim: str) -> None:
    assert any(claim in unit for unit in [TEXT, *UNITS])
    for test in CLAIMS[claim]:
        path, _, name = test.partition("::")
        assert f"\ndef {name}(" in (TESTS / path).read_text("utf-8"), test


def test_what_claims_something_has_a_test_or_is_no_claim_that_the_readme_has_still() -> None:
    # Bullets that say where to read on have a colon behind their first words.
    links = re.findall(r"(?m)^\* \*\*([A-Z][a-z ]+)\*\*: \[", README)
    known = [*CLAIMS, *NO_CLAIM, *(f"{words}: " for words in links)]
    assert [unit for unit in UNITS if not any(phrase in unit for phrase in known)] == []
    assert [phrase for phrase in NO_CLAIM if not any(phrase in unit for unit in UNITS)] == []


def test_numbers_are_current() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"Python {project['requires-python'].removeprefix('>=')} or later" in TEXT
    assert f"Licence. {project['license']}" in TEXT
    (status,) = [line for line in project["classifiers"] if line.startswith("Development Status")]
    assert f"Status. {status.rpartition(' ')[2]}" in TEXT
    starter = ROOT / "promptsync/starter"
    pipeline = (starter / "gitlab/promptsync.gitlab-ci.yml").read_text("utf-8")
    jobs = re.findall(r"(?m)^prompts-(\w+):$", pipeline)
    assert sorted(path.stem for path in (starter / "workflows").iterdir()) == sorted(jobs)
    assert f"{WORDS[len(jobs)]} jobs" in TEXT
    commands = re.findall(r"(?m)^\| `promptsync ", (ROOT / "docs/other-ci.md").read_text("utf-8"))
    assert f"any other CI needs {WORDS[len(commands)]} commands" in TEXT


@pytest.mark.parametrize(("text", "path"), re.findall(r"!\[([^]]+)\]\(([^)]+)\)", README))
def test_what_is_said_of_a_picture_is_to_be_seen_in_it(text: str, path: str) -> None:
    shown = re.sub(r"<style.*?</style>", "", (ROOT / path).read_text("utf-8"), flags=re.DOTALL)
    lines = re.sub(r"<[^>]+>", " ", shown)
    numbers = re.findall(r"\d+(?:\.\d+)?", text)
    assert numbers and all(re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.])", lines) for number in numbers)


def test_the_prompt_and_its_check_work_in_the_repository_of_the_five_minutes(tmp_path: Path) -> None:
    at = ["-C", str(tmp_path)]
    assert run([*at, "init"], {}) == 0
    files = re.findall(r"(?ms)^```yaml\n(# (\S+)\n.*?)^```$", README)
    assert [path for _, path in files] == ["prompts/support/refund.yaml", "evaluations/refund-quality.yaml"]
    for text, path in files:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    for line in ("lint", "eval run 'refund quality'", "deploy --label prod"):
        assert run([*at, *shlex.split(line)], {"CI": "true"}) == 0, line
        assert line == "lint" or f"`promptsync {line}`" in README
