"""Markdown for pull requests and step summaries: limited in size, and nothing in it can break out or ping."""

from __future__ import annotations

from promptsync.markdown.deploys import deploy_markdown, deploy_plan_markdown
from promptsync.markdown.differences import differences_markdown
from promptsync.markdown.errors import error_markdown
from promptsync.markdown.page import MOST, Page, code
from promptsync.markdown.plans import plan_markdown, pushed_markdown
from promptsync.markdown.statuses import status_markdown

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
