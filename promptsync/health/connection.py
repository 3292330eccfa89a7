"""The way to the registry: which one it is, the key, proxies and certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from promptsync.errors import UsageError
from promptsync.files.config import Config
from promptsync.health.finding import Finding, Place, error, failed, ok, warning
from promptsync.remote.address import Address, address
from promptsync.remote.errors import MissingKey
from promptsync.sync.project import LOCAL, Project, open_project

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
"""Variables that name a proxy for https, the first that is set counts."""

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that name the certificates to trust."""

VARIABLES = (*PROXIES, *CERTIFICATES, "NO_PROXY", "no_proxy")

_KEY_NAME = "PROMPTLAYER_API_KEY"
_VENDOR = "promptlayer.com"
_PREFIX = "pl_"


def look_at_remote(config: Config, place: Place) -> tuple[Project | None, Finding]:
    """Return the working copy with its remote; it is not connected yet."""
    try:
        project = open_project(config, remote=place.remote, api_key=place.api_key, base_url=place.base_url)
        if not project.url.startswith(LOCAL):
            address(project.url)
    except UsageError as problem:
        return None, failed("remote", problem)
    named = project.url if project.remote == project.url else f"{project.remote}, {project.url}"
    why = " (PROMPTLAYER_BASE_URL)" if place.base_url and not place.remote else ""
    return project, ok("remote", f"{named}{why}")


def look_at_way(project: Project, place: Place) -> Iterator[Finding]:
    """Look at what a connection needs beside the registry."""
    if project.url.startswith(LOCAL):
        return
    where = address(project.url)
    yield _key(place.api_key, where)
    if where.scheme == "https":
        yield from _proxy(place.variables, where)
        yield from _certificates(place.variables)


def _key(key: str | None, where: Address) -> Finding:
    from promptsync.remote.session import checked_key

    try:
        sent = checked_key(key, where.base)
    except MissingKey as problem:
        return failed("key", problem)
    if where.host.endswith(_VENDOR) and not sent.startswith(_PREFIX):
        fix = f"copy the key of the workspace from PromptLayer's settings into {_KEY_NAME}"
        return warning("key", f"{_KEY_NAME} is set, but PromptLayer's keys begin with {_PREFIX}", fix)
    return ok("key", f"{_KEY_NAME} is set")


def _proxy(variables: Mapping[str, str], where: Address) -> Iterator[Finding]:
    name = next((one for one in PROXIES if variables.get(one)), None)
    if name is None:
        return
    proxy = re.sub(r"//[^/@]*@", "//…@", variables[name])
    if _is_excluded(variables.get("NO_PROXY") or variables.get("no_proxy") or "", where.host):
        yield ok("proxy", f"{name} names {proxy}; NO_PROXY takes {where.host} out")
    else:
        yield ok("proxy", f"requests go through {proxy} ({name}); NO_PROXY={where.host} would avoid it")


def _is_excluded(listed: str, host: str) -> bool:
    for one in (part.strip().lower().lstrip(".") for part in listed.split(",")):
        if one == "*" or (one and (host == one or host.endswith(f".{one}"))):
            return True
    return False


def _certificates(variables: Mapping[str, str]) -> Iterator[Finding]:
    named = {name: variables[name] for name in CERTIFICATES if variables.get(name)}
    missing = [name for name, path in named.items() if not Path(path).exists()]
    if missing:
        message = f"{missing[0]} names {named[missing[0]]}, which is not there"
        yield error("certificates", message, f"correct or unset {missing[0]}")
    elif named:
        told = ", ".join(f"{path} ({name})" for name, path in named.items())
        yield ok("certificates", f"those in {told} are trusted")
