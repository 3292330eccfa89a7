"""Which versions of the registry a pull takes, and what they say of themselves. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from promptsync.core.prompt import RemoteVersion
from promptsync.parallel import mapped
from promptsync.remote.errors import NotFound
from promptsync.sync.project import Project
from promptsync.sync.pullplan import PullPlan
from promptsync.sync.pullwrites import Write

_MOST = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """The versions that come into one file, oldest first, and how many ``older`` ones came with them."""

    versions: tuple[RemoteVersion, ...]
    older: int = 0


def read_taken(project: Project, plan: PullPlan) -> dict[str, Taken]:
    """Return the versions that each write of a plan takes, the newest ones of many, by name.

    Most were read already, to find out who changed what. Versions that are gone are left out.
    """
    numbers = {write.name: _numbers(write) for write in plan.writes}
    ids = {write.name: write.entry.template_id for write in plan.writes}
    wanted = [(name, number) for name, found in numbers.items() for number in found[-_MOST:]]

    def read(key: tuple[str, int]) -> RemoteVersion | None:
        name, number = key
        try:
            return project.registry.get(ids[name], name, version=number)
        except NotFound:
            return None

    read_all = dict(zip(wanted, mapped(read, wanted), strict=True))
    return {
        name: Taken(
            tuple(one for number in found[-_MOST:] if (one := read_all[name, number]) is not None),
            max(len(found) - _MOST, 0),
        )
        for name, found in numbers.items()
    }


def _numbers(write: Write) -> range:
    """Return the versions that a file did not include before; the last one where nobody knows."""
    since = write.since if write.old is not None and write.since is not None else write.version - 1
    return range(since + 1, write.version + 1)
