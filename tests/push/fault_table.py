"""What may go wrong on the way to a registry, and the exit code it ends in: data for tests and the manual.

``python tests/compare/situation_docs.py`` writes the manual anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worlds import DROPPED, Fault, Reply, Seen, asking, failing, fault, publishing

HTML = Reply("<!DOCTYPE html><title>Sign in</title>", headers={"Content-Type": "text/html"})
LISTING = asking("GET", "/prompt-templates?")
VERSION = asking("GET", "resolve_snippets=false")

READ_CODE = 4
"""What every verb exits with when something cannot be read."""

PUBLISHED = "published, one version"
FAILED = "not published, named in `failed`; the others are published"
UNKNOWN = "unknown, named in `failed`; the next run finds out"


@dataclass(frozen=True)
class Fate:
    """What happens to the publish of one prompt among others: how often it is ``sent``, what is ``told``."""

    fault: Fault
    code: int
    sent: int
    told: str = PUBLISHED


def _cut(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    return Reply(forward(seen).body, 201, cut=20)


def _dropped_after_the_second(seen: Seen, forward: Callable[[Seen], Reply], count: list[int] = [0]) -> Reply:  # noqa: B006
    count[0] += 1
    if count[0] == 2:
        forward(seen)
    return DROPPED


FATES: dict[str, Fate] = {
    "connection dropped before the registry stored it": Fate(fault(publishing("b"), DROPPED, times=1), 0, 2),
    "connection dropped after the registry stored it": Fate(
        fault(publishing("b"), DROPPED, times=1, after=True), 0, 1
    ),
    "dropped before storing, twice": Fate(fault(publishing("b"), DROPPED, times=2), 5, 2, UNKNOWN),
    "dropped before storing, then after storing": Fate(
        fault(publishing("b"), _dropped_after_the_second), 0, 2
    ),
    "502 before the registry stored it": Fate(fault(publishing("b"), failing(502), times=1), 0, 2),
    "502 after the registry stored it": Fate(fault(publishing("b"), failing(502), times=1, after=True), 0, 1),
    "500 every time": Fate(fault(publishing("b"), failing(500)), 5, 2, UNKNOWN),
    "503 once": Fate(fault(publishing("b"), failing(503), times=1), 0, 2),
    "truncated JSON": Fate(fault(publishing("b"), _cut, times=1), 0, 1),
    "an HTML page with status 200": Fate(fault(publishing("b"), HTML, times=1, after=True), 0, 1),
    "429 with `Retry-After`": Fate(
        fault(publishing("b"), failing(429, **{"Retry-After": "0.01"}), times=1), 0, 2
    ),
    "429 without `Retry-After`": Fate(fault(publishing("b"), failing(429), times=2), 0, 3),
    "422: the registry rejects this prompt": Fate(
        fault(publishing("b"), failing(422, "no such model")), 5, 1, FAILED
    ),
}

READS: dict[str, Fault] = {
    "500 every time": fault(LISTING, failing(500)),
    "503 every time": fault(LISTING, failing(503)),
    "524: a proxy timed out": fault(LISTING, failing(524)),
    "an HTML page with status 200": fault(LISTING, HTML),
    "truncated JSON": fault(LISTING, lambda seen, forward: Reply(forward(seen).body, cut=30)),
    "connection dropped": fault(LISTING, DROPPED),
    "a list with incomplete objects": fault(LISTING, Reply({"items": [{"id": 1}], "total": 1})),
    "a redirect": fault(LISTING, Reply("", 302, {"Location": "https://example.org/"})),
    "a wrong key": fault(LISTING, failing(401, "Invalid API key")),
    "no permission": fault(LISTING, failing(403, "no")),
    "429 every time": fault(LISTING, failing(429)),
    "one version that fails": fault(VERSION, failing(500)),
    "one version that is an HTML page": fault(VERSION, HTML),
}
"""No verb writes anything, anywhere, when it meets one of these."""

# what happens, exit code, what is told, the tests that prove it
OTHERS: tuple[tuple[str, int, str, tuple[str, ...]], ...] = (
    (
        "a publish times out and was not stored",
        5,
        UNKNOWN,
        ("test_a_time_out_is_read_back_and_never_repeated",),
    ),
    (
        "a publish times out but was stored",
        0,
        PUBLISHED,
        ("test_a_publish_that_was_slow_to_answer_is_found",),
    ),
    (
        "the response is lost and cannot be read back",
        5,
        UNKNOWN,
        ("test_a_lost_answer_that_cannot_be_read_back_is_unknown",),
    ),
    (
        "somebody publishes between the plan and the push",
        3,
        "nothing is published; the prompts that moved are named",
        ("test_a_registry_that_moved_while_the_plan_was_shown_is_refused",),
    ),
    (
        "two people publish the same prompt at once",
        3,
        "both versions are stored, `raced` lists them, and no label moves to them",
        ("test_a_race_is_noticed_and_told", "test_nothing_is_repeated_over_what_somebody_else_published"),
    ),
    (
        "the registry drops a key, or ignores tags",
        5,
        "published; `altered` lists the fields; the state is `altered`, and it is not pushed again by itself",
        ("test_what_a_registry_drops_is_named_and_not_pushed_for_ever",),
    ),
    (
        "the registry expands a tool reference",
        0,
        "published and in sync; the reference stays in the file",
        ("test_a_tool_that_the_registry_expands_is_in_sync_and_the_reference_stays",),
    ),
    (
        "the list cannot be read afterwards",
        5,
        "published, but `unverified`",
        ("test_an_unconfirmed_publish_counts_as_published_and_unverified",),
    ),
    (
        "the registry confirms a label move but does not move it",
        3,
        "published; `labels` lists the label as not moved",
        ("test_a_label_that_stays_although_the_registry_said_yes_is_reported_and_pushed_again",),
    ),
    (
        "a label cannot be moved",
        5,
        "published; `labels` lists the label with the reason",
        ("test_a_label_that_fails_to_move_leaves_a_partial_push",),
    ),
    ("one page of a long list fails", 4, "nothing", ("test_a_failed_page_of_a_long_list_is_a_failed_list",)),
    (
        "a burst of 500 while reading",
        0,
        "it waits and tries again",
        ("test_a_burst_of_failures_is_waited_out",),
    ),
    (
        "a closed port, or no key",
        4,
        "nothing",
        ("test_a_closed_port_and_a_missing_key_exit_4_and_write_nothing",),
    ),
    (
        "a key that may only read",
        4,
        "nothing is published; `failed` lists all",
        ("test_a_key_that_may_only_read_publishes_nothing_and_exits_4",),
    ),
    (
        "another promptsync is writing in this working copy",
        3,
        "nothing",
        ("test_a_second_run_in_the_same_working_copy_is_locked_out",),
    ),
    (
        "the disk is full, or a directory read-only, while pulling",
        5,
        "files written so far are complete, the others untouched (exit 2 if the first one fails)",
        (
            "test_a_disk_that_refuses_leaves_old_files_whole_and_tells_what_was_written",
            "test_a_file_that_cannot_be_replaced_fails_whole_when_it_is_the_first",
            "test_a_full_disk_leaves_the_old_file",
        ),
    ),
    (
        "Ctrl-C, or SIGTERM",
        130,
        "what was done until then; reading stops immediately",
        (
            "test_ctrl_c_tells_what_was_done_in_one_document",
            "test_ctrl_c_while_the_registry_is_read_ends_at_once",
            "test_ctrl_c_while_labels_move_together_moves_back_what_moved",
            "test_a_push_that_is_terminated_tells_what_was_done",
            "test_ctrl_c_between_files_tells_which_were_written",
        ),
    ),
    (
        "`kill -9`, 50 times in a push of 60 and 50 times in a pull of 60",
        137,
        "nothing; every file is complete, no version is published twice, the next run finishes the job",
        (
            "test_a_push_that_is_killed_anywhere_is_finished_by_the_next",
            "test_a_pull_that_is_killed_anywhere_leaves_whole_files_and_is_finished_by_the_next",
        ),
    ),
)
