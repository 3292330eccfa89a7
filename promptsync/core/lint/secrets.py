"""The rule that no secret key stands in a file that goes to git and to the registry."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from promptsync.core.lint.subject import Subject
from promptsync.core.prompt import Problem

_ISSUERS = {
    "pl_": "PromptLayer",
    "sk-ant-": "Anthropic",
    "sk-": "OpenAI",
    "AIza": "Google",
    "AKIA": "AWS",
    "ghp_": "GitHub",
    "gho_": "GitHub",
    "ghu_": "GitHub",
    "ghs_": "GitHub",
    "ghr_": "GitHub",
    "github_pat_": "GitHub",
    "xox": "Slack",
    "hf_": "Hugging Face",
}
_KEY = re.compile(
    r"(?<![A-Za-z0-9_])(?:pl_[0-9A-Za-z]{24,}|sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{35}|AKIA[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|xox[abprs]-[A-Za-z0-9-]{20,}"
    r"|hf_[A-Za-z0-9]{30,})(?![A-Za-z0-9])"
)
_PLACEHOLDER = re.compile(
    r"example|x{4}|your|placeholder|redacted|123456789|abcdefgh|(.)\1{5}", re.IGNORECASE
)
_RUN = re.compile(r"[A-Za-z0-9]+")
_SHORTEST_RUN = 16
_LEAST_ENTROPY = 3.0
"""Bits a character; hexadecimal keys have almost 4, words with digits about 3."""


def check(subject: Subject) -> Iterator[Problem]:
    """Search the whole source, comments too, for keys."""
    source = subject.file.text
    if not any(prefix in source for prefix in _ISSUERS):
        return
    for found in _KEY.finditer(source):
        key = found[0]
        if not _is_random(key):
            continue
        issuer = next(name for prefix, name in _ISSUERS.items() if key.startswith(prefix))
        line = source.count("\n", 0, found.start()) + 1
        column = found.start() - source.rfind("\n", 0, found.start())
        message = f"This looks like a secret key of {issuer} ({key[:6]}…)."
        hint = "Remove it, and revoke it: it may be in git's history already."
        yield subject.problem_at("api-key", line, column, message, hint=hint)


def _is_random(key: str) -> bool:
    """Whether a match is a key rather than prose, a module name or a placeholder."""
    if _PLACEHOLDER.search(key):
        return False
    body = max(_RUN.findall(key), key=len)
    if len(body) < _SHORTEST_RUN or not any(map(str.isdigit, body)) or not any(map(str.isalpha, body)):
        return False
    shares = [count / len(body) for count in Counter(body).values()]
    return -sum(share * math.log2(share) for share in shares) >= _LEAST_ENTROPY
