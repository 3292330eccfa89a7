"""What may go wrong on the way to a registry, and the exit code it ends in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worlds import DROPPED, Fault, Reply, Seen, asking, failing, fault, publishing

HTML = Reply("<!DOCTYPE html><title>Sign in</title>", headers={"Content-Type": "text/html"})
LISTING = asking("GET", "/prompt-templates?")
VERSION = asking("GET", "resolve_snippets=false")


@dataclass(frozen=True)
class Fate:
    """What happens to the publish of ``b`` among others, the exit code, and how often it is ``sent``."""

    reply: Reply | Fault
    code: int
    sent: int
    times: int = 1
    after: bool = False
    """The registry stored it."""

    @property
    def fault(self) -> Fault:
        return fault(publishing("b"), self.reply, times=self.times, after=self.after)


def _cut(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    return Reply(forward(seen).body, 201, cut=20)


def _dropped_after_the_second(seen: Seen, forward: Callable[[Seen], Reply], count: list[int] = [0]) -> Reply:  # noqa: B006
    count[0] += 1
    if count[0] == 2:
        forward(seen)
    return DROPPED


FATES: dict[str, Fate] = {
    "connection dropped before the registry stored it": Fate(DROPPED, 0, 2),
    "connection dropped after the registry stored it": Fate(DROPPED, 0, 1, after=True),
    "dropped before storing, twice": Fate(DROPPED, 5, 2, times=2),
    "dropped before storing, then after storing": Fate(_dropped_after_the_second, 0, 2, times=9),
    "502 before the registry stored it": Fate(failing(502), 0, 2),
    "502 after the registry stored it": Fate(failing(502), 0, 1, after=True),
    "500 every time": Fate(failing(500), 5, 2, times=9),
    "truncated JSON": Fate(_cut, 0, 1),
    "an HTML page with status 200": Fate(HTML, 0, 1, after=True),
    "429 with `Retry-After`": Fate(failing(429, **{"Retry-After": "0.01"}), 0, 2),
    "429 without `Retry-After`": Fate(failing(429), 0, 3, times=2),
    "422: the registry rejects this prompt": Fate(failing(422, "no such model"), 5, 1, times=9),
}

READS: dict[str, Fault] = {
    "500 every time": fault(LISTING, failing(500)),
    "503 every time": fault(LISTING, failing(503)),
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
