"""The tests that need POSIX, by reason. Elsewhere, which means on Windows, they are skipped.

``tests/test_posix_tests.py`` checks that the list is complete.
"""

from __future__ import annotations

import os

HAS_POSIX = hasattr(os, "fork")

# Without tests, the whole file is skipped and not even imported.
_BY_REASON: dict[str, dict[str, list[str]]] = {
    "runs scripts with sh, bash or make": {
        "files/test_git_program.py": [
            "test_a_repository_of_somebody_else_has_a_hint_of_its_own",
            "test_git_gets_the_environment_and_what_its_messages_and_paths_depend_on",
        ],
        "demo/test_demo.py": [],
        "release/test_image.py": [
            "test_a_built_image_is_tried_as_another_user_and_as_the_caller",
            "test_what_is_wrong_with_an_image_or_its_engine_is_an_error",
        ],
        "server/test_connections.py": [
            "test_idle_clients_are_served_where_the_system_allows_few_open_files",
        ],
        "test_walkthroughs.py": [],
        "workflows/test_both_hosts.py": [],
        "workflows/test_github_workflows.py": [],
        "workflows/test_gitlab_jobs.py": [],
    },
    "sends signals to a process": {
        "commands/test_relay.py": [
            "test_a_signal_starts_what_waits_and_ends_it_cleanly",
            "test_a_stop_while_the_api_fails_is_bounded_and_said",
        ],
        "commands/test_serve.py": [],
        "compare/test_stopped_reading.py": [],
        "deploy/test_deploys_interrupted.py": [],
        "labels/test_rollback_to_commit.py": [
            "test_ctrl_c_twice_says_what_is_unknown_and_the_command_that_ends_the_work",
        ],
        "pull/test_pull.py": ["test_ctrl_c_between_files_tells_which_were_written"],
        "live/test_verify.py": [
            "test_ctrl_c_during_a_write_removes_what_it_made",
            "test_one_interruption_while_cleaning_up_names_what_may_be_left",
        ],
        "push/test_push_interrupted.py": [],
        "server/test_connections.py": ["test_a_killed_server_keeps_everything_that_it_confirmed"],
        "server/test_runs.py": ["test_a_run_whose_process_was_killed_goes_on_when_it_is_polled"],
    },
    "opens a pseudo-terminal": {
        "commands/test_look.py": ["test_a_tab_in_bash_completes_the_line"],
        "commands/test_pager.py": [],
    },
    "creates symbolic links, for which Windows requires a privilege": {
        "commands/test_bad_input.py": [
            "test_a_bad_file_is_reported_with_its_place_and_nothing_is_published",
            "test_other_files_have_the_same_limits",
        ],
        "commands/test_damaged_files.py": ["test_a_link_in_the_private_directory_is_refused"],
        "commands/test_init.py": [
            "test_what_cannot_be_used_is_reported_and_nothing_is_written",
        ],
        "commands/test_init_scaffold.py": [
            "test_the_section_is_added_once_and_everything_else_is_kept",
            "test_beside_a_file_that_cannot_be_read_or_a_link_nothing_is_written",
            "test_files_that_are_there_are_kept",
        ],
        "commands/test_render.py": ["test_nothing_is_written_of_files_that_cannot_be_read_or_through_a_link"],
        "commands/test_registry_verbs.py": [
            "test_a_file_that_cannot_be_read_is_an_error_and_no_link_out_is_followed"
        ],
        "compare/test_no_deletion.py": ["test_files_that_are_gone_or_cannot_be_read_are_no_deletion"],
        "files/test_disk.py": [
            "test_only_a_link_to_a_file_inside_is_followed",
            "test_the_cache_is_never_written_through_a_link",
        ],
        "server/test_bundle.py": ["test_a_link_that_moves_to_another_directory_is_followed"],
        "deploy/test_branches.py": ["test_prompts_of_a_submodule_are_refused"],
        "files/test_evaluation.py": ["test_links_are_refused"],
        "files/test_worktree.py": [
            "test_links_and_what_is_no_regular_file_are_refused",
            "test_a_prompts_directory_behind_a_link_is_refused",
        ],
    },
    "sets the mode of a file": {
        "files/test_disk.py": [
            "test_a_replaced_file_keeps_its_mode_and_a_new_one_follows_the_umask",
        ],
        "files/test_worktree.py": ["test_an_unreadable_file_is_a_problem"],
        "server/test_store.py": ["test_a_read_only_file_is_refused"],
    },
    "uses a device, a pipe, a fork, a shell or a limit of POSIX": {
        "runtime/test_in_processes.py": ["test_a_fork_is_independent_of_the_threads_of_its_parent"],
        "test_benchmarks.py": [],
        "registry/test_bounds.py": ["test_a_bomb_takes_no_more_memory_than_a_few_of_the_largest_responses"],
        "push/test_killed_at_each_write.py": [],
        "hostile/test_fuzzed_verbs.py": [],
        "commands/test_init.py": ["test_more_paths_than_a_command_line_holds_are_committed"],
        "commands/test_odd_places.py": [
            "test_the_exit_code_stands_on_a_full_device_and_when_nobody_reads_on",
            "test_what_the_caller_closed_is_not_taken_for_a_file",
        ],
        "files/test_disk.py": [
            "test_a_write_that_fails_leaves_the_old_file_and_nothing_else",
            "test_a_full_disk_leaves_the_old_file",
        ],
        "pull/test_pull.py": ["test_a_disk_that_refuses_leaves_old_files_whole_and_tells_what_was_written"],
        "rendering/test_engine.py": [
            "test_reading_a_template_computes_nothing",
            "test_the_memory_of_both_processes_stays_within_the_limit",
        ],
    },
}

POSIX_TESTS: dict[str, str] = {
    f"{file}::{test}" if test else file: reason
    for reason, files in _BY_REASON.items()
    for file, tests in files.items()
    for test in tests or [""]
}
"""Each name, which is ``FILE`` or ``FILE::TEST``, with the reason."""
