"""Markdown for pull requests and step summaries: limited in size, and nothing in it can break out or ping."""

from __future__ import annotations

from promptsync.showing.markdown.deploys import deploy_markdown, deploy_plan_markdown
from promptsync.showing.markdown.differences import differences_markdown
from promptsync.showing.markdown.errors import error_markdown
from promptsync.showing.markdown.page import MOST, Page, code
from promptsync.showing.markdown.plans import plan_markdown, pushed_markdown
from promptsync.showing.markdown.statuses import status_markdown

__all__ = [
    "MOST",
    "Page",
    "code",
    "deploy_markdown",
    "deploy_plan_markdown",
    "differences_markdown",
    "error_markdown",
    "plan_markdown",
    "pushed_markdown",
    "status_markdown",
]
