"""Checks of prompt files that need no network: what the registry would refuse, and what surprises people."""

from __future__ import annotations

from promptsync.core.lint.check import check
from promptsync.core.lint.rules import RULES, Rule
from promptsync.core.lint.subject import Known, Located

__all__ = ["RULES", "Known", "Located", "Rule", "check"]
