"""Which version of the registry says what a file says: the one that a run of checks can be a proof of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptsync.core.prompt import Listed
from promptsync.files.promptfile import PromptFile
from promptsync.parallel import mapped
from promptsync.remote.errors import NotFound, NotReadableRaw, RenamedRemotely
from promptsync.sync.gather import list_all
from promptsync.sync.project import Project
from promptsync.sync.proof import Proof, digest_beside


def published_versions(
    project: Project, files: Mapping[str, PromptFile], names: Iterable[str]
) -> dict[str, int]:
    """Return the latest version of each prompt whose latest version is what its file says.

    One that is left out is not published yet, or was edited in the registry: what runs there is not what the
    file says. Raises ``RemoteError``.
    """
    listed = list_all(project)
    proof = Proof(project, listed, whole=True)
    listing = {item.name: item for item in listed}
    pairs = [(files[name], listing[name]) for name in names if name in files and name in listing]
    proven = {item.name: item.version for file, item in pairs if proof.equal(file, item)}
    open_pairs = [pair for pair in pairs if pair[1].name not in proven]
    equal = mapped(lambda pair: _says(project, pair[1], pair[0], proof.digest(pair[0])), open_pairs)
    read = {item.name: item.version for (_, item), says in zip(open_pairs, equal, strict=True) if says}
    return proven | read


def _says(project: Project, item: Listed, file: PromptFile, digest: str) -> bool:
    try:
        remote = project.registry.get(item.template_id, item.name, version=item.version)
    except (NotFound, NotReadableRaw, RenamedRemotely):
        return False
    return digest_beside(file.prompt, remote.prompt) == digest
