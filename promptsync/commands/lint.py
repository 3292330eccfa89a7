"""``promptsync lint``: check prompt files offline."""

from __future__ import annotations

from pathlib import Path

import click

from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.inspect.lint import check_all, check_files
from promptsync.show.lint import show_lint, show_rules
from promptsync.show.outcome import Outcome


@verb("lint", short_help="Check prompt files offline.", blank={"problems": []})
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@format_option("github", "sarif")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@click.option("--rules", is_flag=True, help="List the rules instead.")
def command(
    session: Session, files: tuple[Path, ...], form: str | None, strict: bool, rules: bool
) -> Outcome:
    """Check FILEs, or everything in the prompts directory. Needs no network, no git and no key.

    Exits with 1 when there are errors.

    \b
    promptsync lint
    promptsync lint prompts/support/refund.yaml --strict
    promptsync lint --format github
    """
    form = choose_format(session, form)
    if rules:
        return show_rules()
    found = check_files(session.directory, files) if files else check_all(session.directory)
    return show_lint(
        found,
        form,
        directory=session.directory,
        checkout=_checkout(session),
        strict=strict,
        quiet=session.quiet,
    )


def _checkout(session: Session) -> Path | None:
    """Return the directory that GitHub takes paths to be relative to, in a workflow."""
    workspace = session.environment.variables.get("GITHUB_WORKSPACE")
    return Path(workspace) if workspace and session.directory.is_relative_to(workspace) else None
