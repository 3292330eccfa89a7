"""What may go wrong on the way to a registry, and the exit code it ends in."""

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
