"""The files that ``make quick`` skips, and those that ``make test`` leaves to ``make lane``.

Elsewhere, single tests have the marks ``slow`` and ``lane``.
"""

from __future__ import annotations

LANE_FILES = frozenset(
    [
        "demo/test_demo.py",
        "fidelity/test_compatibility.py",
        "hostile/test_fuzzed_verbs.py",
        "test_pre_commit.py",
        "test_screens.py",
        "workflows/test_action_installs.py",
    ]
)
"""They install packages, call every method of the SDKs, or run the demo and all verbs for long."""

SLOW_FILES = frozenset(
    [
        "commands/test_agent_changed.py",
        "commands/test_bump.py",
        "commands/test_diff_verb.py",
        "commands/test_doctor.py",
        "commands/test_documents.py",
        "commands/test_eval_changed.py",
        "commands/test_init_from_remote.py",
        "commands/test_label_verbs.py",
        "commands/test_names_given.py",
        "commands/test_odd_places.py",
        "commands/test_serve.py",
        "commands/test_unchecked_moves.py",
        "compare/test_changed_places.py",
        "compare/test_included.py",
        "compare/test_odd_registries.py",
        "compare/test_real_walks.py",
        "compare/test_renamed_here.py",
        "compare/test_request_counts.py",
        "compare/test_roundtrip.py",
        "compare/test_situation_table.py",
        "compare/test_situations.py",
        "compare/test_stopped_reading.py",
        "deploy/test_deploy.py",
        "deploy/test_deploys_interrupted.py",
        "deploy/test_drift_round_trip.py",
        "deploy/test_equal_deploys.py",
        "deploy/test_following_hints.py",
        "deploy/test_guarded_labels.py",
        "deploy/test_max_drop.py",
        "deploy/test_snippets_in_a_deploy.py",
        "deploy/test_taken_back.py",
        "deploy/test_ways_out_of_a_deploy.py",
        "dialects/test_every_verb.py",
        "labels/test_rollback_to_commit.py",
        "pull/test_passed_over.py",
        "pull/test_pull.py",
        "push/test_faults.py",
        "push/test_killed.py",
        "push/test_killed_at_each_write.py",
        "push/test_push_interrupted.py",
        "sdk/test_run_with_providers.py",
        "server/test_fuzzed_routes.py",
        "server/test_official_sdk.py",
        "server/test_vendor_spec.py",
        "show/test_junit.py",
        "show/test_markdown.py",
        "show/test_results_and_deploys.py",
        "test_docs.py",
        "test_real_prompts.py",
        "test_walkthroughs.py",
        "workflows/test_action.py",
        "workflows/test_check_workflow.py",
        "workflows/test_deploy_workflow.py",
        "workflows/test_drift_workflow.py",
        "workflows/test_in_a_subdirectory.py",
        "workflows/test_secrets.py",
        "workflows/test_with_serve.py",
    ]
)
"""They play whole stories with git, registries and processes."""
