"""What users of other tools complained about, and the tests that prove that it does not happen here.

The numbers are those of a list of public issue threads about tools that sync files with a service.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from named_tests import named_tests
from worlds import Reply, Seen, World, failing, published_name

from promptsync.cli import run

# number, the complaint in our words, the tests
COMPLAINTS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (
        11,
        "a deploy writes over what somebody changed on the server",
        (
            "test_one_diverged_prompt_among_many_stops_the_push_and_shows_both_changes",
            "test_behind_prompts_are_left_and_named",
            "test_nothing_is_lost_on_a_random_walk",
        ),
    ),
    (
        12,
        "a forced pull damages the baseline, and local edits count as in sync",
        (
            "test_edits_that_were_not_pushed_are_ahead_after_any_pull",
            "test_theirs_takes_the_registrys_text_and_keeps_ours",
        ),
    ),
    (
        13,
        "in sync although it is not; no way to take theirs; deleted files stay away",
        (
            "test_every_verb_does_what_the_table_of_histories_says",
            "test_theirs_takes_the_registrys_text_and_keeps_ours",
            "test_a_deleted_file_comes_back",
        ),
    ),
    (
        14,
        "a conflict that does not say in which fields",
        (
            "test_what_does_not_merge_leaves_every_file_as_it_was",
            "test_a_conflict_names_its_field",
        ),
    ),
    (
        15,
        "a conflict that offers two sides and shows neither",
        (
            "test_one_diverged_prompt_among_many_stops_the_push_and_shows_both_changes",
            "test_the_refusal_names_the_merge_first",
        ),
    ),
    (
        16,
        "a pull that overwrites where git would refuse or merge",
        (
            "test_nothing_is_written_while_one_prompt_diverged",
            "test_edits_in_two_messages_merge_and_the_rest_of_the_file_stays",
            "test_lines_of_one_text_and_inserted_messages_merge",
        ),
    ),
    (
        17,
        "the text of who loses a race is thrown away",
        (
            "test_nothing_is_repeated_over_what_somebody_else_published",
            "test_a_race_is_noticed_and_told",
            "test_a_file_that_changed_meanwhile_is_refused_before_any_write",
        ),
    ),
    (
        18,
        "drift shows only to those who begin a push",
        (
            "test_what_a_push_or_a_pull_would_change_is_shown",
            "test_exit_code_is_1_when_anything_differs",
            "test_only_what_happened_in_the_registry_is_drift",
        ),
    ),
    (
        19,
        "a directory that could not be read was deleted on the server",
        (
            "test_files_that_are_gone_or_cannot_be_read_are_no_deletion",
            "test_one_unreadable_file_blocks_every_write",
            "test_a_sparse_checkout_hides_and_does_not_delete",
        ),
    ),
    (
        20,
        "nothing was found here, so everything there was deleted",
        (
            "test_files_that_are_gone_or_cannot_be_read_are_no_deletion",
            "test_everything_deleted_in_a_commit_meets_the_limit_which_names_the_flag",
            "test_a_prompts_directory_that_never_was_is_no_deletion",
        ),
    ),
    (
        21,
        "pruning took what was not part of the run",
        ("test_prune_leaves_names_alone_that_are_not_included",),
    ),
    (
        22,
        "what a file does not mention is deleted",
        (
            "test_only_a_committed_deletion_is_archived_and_only_with_prune",
            "test_many_foreign_prompts_are_counted_and_listed_when_asked",
        ),
    ),
    (
        23,
        "one deletion that is out of date stops everything else",
        (
            "test_a_deletion_that_the_registry_made_too_stops_nothing",
            "test_a_deletion_that_is_in_doubt_does_not_stop_the_others_when_that_is_said",
        ),
    ),
    (
        24,
        "a safety limit that does not say how to go on",
        (
            "test_a_push_of_more_than_half_of_many_prompts_needs_to_be_allowed",
            "test_everything_deleted_in_a_commit_meets_the_limit_which_names_the_flag",
        ),
    ),
    (
        30,
        "exit code 0 whatever happens, even without a configuration",
        ("test_without_a_configuration_no_verb_succeeds", "test_what_cannot_be_read_writes_nothing"),
    ),
    (
        31,
        "what could not be fetched is a warning, and the job green",
        (
            "test_what_cannot_be_read_writes_nothing",
            "test_a_failed_page_of_a_long_list_is_a_failed_list",
            "test_a_disk_that_refuses_leaves_old_files_whole_and_tells_what_was_written",
        ),
    ),
    (
        32,
        "nothing to do is a failure in one version and a success in another",
        ("test_a_push_with_nothing_to_do_is_done", "test_nothing_to_do_is_a_success_of_every_verb"),
    ),
    (
        33,
        "success is reported although every item failed",
        (
            "test_a_key_that_may_only_read_publishes_nothing_and_exits_4",
            "test_a_publish_is_reported_as_it_happened_and_never_made_twice",
        ),
    ),
    (
        34,
        "no exit code for drift alone",
        ("test_only_what_happened_in_the_registry_is_drift", "test_differences_are_no_failure_unless_asked"),
    ),
    (
        35,
        "a proxy's error is a warning with exit code 0",
        ("test_what_cannot_be_read_writes_nothing",),
    ),
    (
        36,
        "exit codes that nobody expects",
        ("test_a_score_under_the_minimum_is_exit_1", "test_a_receipt_has_the_worst_of_its_exit_codes"),
    ),
    (
        37,
        "failed evaluations end in exit code 0",
        (
            "test_a_score_under_the_minimum_is_exit_1",
            "test_failed_cells_are_exit_1_with_row_and_reason",
            "test_without_a_score_it_is_exit_1_unless_that_is_allowed",
        ),
    ),
    (
        38,
        "a deploy that changes nothing fails, so that it cannot be repeated",
        ("test_a_push_with_nothing_to_do_is_done", "test_nothing_to_do_is_a_success_of_every_verb"),
    ),
    (
        39,
        "comments and order die when a file is rewritten",
        (
            "test_what_is_behind_is_written_and_comments_and_layout_stay",
            "test_an_edit_touches_the_lines_that_changed",
            "test_any_file_can_become_any_other",
        ),
    ),
    (
        40,
        "a pull drops a field and makes up another",
        (
            "test_what_was_pulled_is_in_sync_and_pushes_nothing",
            "test_a_file_leaves_out_what_the_registry_fills_in",
        ),
    ),
    (
        41,
        "what was exported cannot be imported unchanged",
        (
            "test_what_was_pulled_is_in_sync_and_pushes_nothing",
            "test_what_was_pushed_is_in_sync_and_comes_back_as_it_was",
            "test_after_a_pull_there_is_nothing_to_do",
        ),
    ),
    (
        42,
        "a blank at the end of a line turns a block of text into a quoted one",
        ("test_texts_are_written_in_the_house_style", "test_no_character_of_a_text_is_lost"),
    ),
    (
        43,
        "blocks of text become escaped lines",
        (
            "test_most_texts_of_several_lines_are_literal_blocks",
            "test_real_prompts_keep_every_byte_and_their_lines",
        ),
    ),
    (
        44,
        "blank lines are lost",
        (
            "test_an_edit_touches_the_lines_that_changed",
            "test_one_changed_text_leaves_the_other_lines_alone",
        ),
    ),
    (
        45,
        "each run rewrites files that say the same",
        (
            "test_a_file_that_says_the_same_is_returned_as_it_is",
            "test_nothing_to_do_is_a_success_of_every_verb",
        ),
    ),
    (
        46,
        "line ends of Windows break texts",
        (
            "test_files_with_the_line_ends_of_windows_are_pulled_into",
            "test_crlf_files_stay_crlf",
            "test_line_ends_that_git_converts_are_no_difference",
        ),
    ),
    (
        47,
        "an export replaces what people wrote into their files on purpose",
        (
            "test_defaults_that_the_file_states_and_its_own_ways_to_say_things_stay",
            "test_local_keys_and_comments_stay",
        ),
    ),
    (
        48,
        "it stops half-way and does not say what was done",
        (
            "test_a_publish_is_reported_as_it_happened_and_never_made_twice",
            "test_ctrl_c_tells_what_was_done_in_one_document",
            "test_a_disk_that_refuses_leaves_old_files_whole_and_tells_what_was_written",
        ),
    ),
    (
        49,
        "three of four are made, success is reported, and a second run makes the rest",
        (
            "test_a_publish_is_reported_as_it_happened_and_never_made_twice",
            "test_an_unconfirmed_publish_counts_as_published_and_unverified",
        ),
    ),
    (
        50,
        "a new name is created before the old one is gone, and clashes with it",
        (
            "test_both_at_once_takes_prune_and_a_commit",
            "test_status_diff_and_the_plan_call_it_a_rename",
        ),
    ),
    (
        51,
        "many items meet the rate limit",
        (
            "test_a_rate_limit_reduces_the_requests_at_once_and_nothing_fails",
            "test_all_threads_respect_a_retry_after",
            "test_what_is_published_at_a_rate_limit_is_published_once",
        ),
    ),
)


def test_every_thread_of_the_two_ranges_is_answered() -> None:
    assert [number for number, _, _ in COMPLAINTS] == [*range(11, 25), *range(30, 52)]


@pytest.mark.parametrize(("number", "what", "tests"), COMPLAINTS, ids=[str(one[0]) for one in COMPLAINTS])
def test_the_tests_that_prove_it_exist(number: int, what: str, tests: tuple[str, ...]) -> None:
    assert tests
    assert [name for name in tests if name not in named_tests()] == []


@pytest.mark.parametrize("verb", ["status", "diff", "push", "pull", "ls-remote", "log x", "lint", "deploy"])
def test_without_a_configuration_no_verb_succeeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert run(["-C", str(tmp_path), *verb.split()], {"PROMPTLAYER_API_KEY": "pl_test"}) == 2
    assert "promptsync init" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "verb", ["status --exit-code", "diff --exit-code", "push", "pull", "push --prune -y"]
)
def test_nothing_to_do_is_a_success_of_every_verb(world: World, verb: str) -> None:
    world.write("a")
    world.commit()
    world.ok("push")
    world.forget()
    before = world.files()
    for _ in range(2):
        world.ok(*verb.split())
    assert world.files() == before
    assert world.writes == []


def test_what_is_published_at_a_rate_limit_is_published_once(world: World) -> None:
    asked: Counter[str] = Counter()

    def the_first_time(seen: Seen, forward: object) -> Reply | None:
        name = published_name(seen)
        with world.lock:
            asked[name] += 1
            return failing(429) if name and asked[name] == 1 else None

    names = [f"p{number:02}" for number in range(40)]
    for name in names:
        world.write(name)
    world.commit()
    world.faults.append(the_first_time)
    world.ok("push")
    assert [world.version(name) for name in names] == [1] * len(names)
