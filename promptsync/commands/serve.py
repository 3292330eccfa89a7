"""``promptsync serve``: the embedded registry over HTTP."""

from __future__ import annotations

import gc
import shlex
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import listen_options, read_bundle
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.config import find, load
from promptsync.files.disk import private_directory
from promptsync.registry.address import LOCAL, NO_KEY, is_key
from promptsync.server.app import Application, check_installed, create_app
from promptsync.server.bundle import Sidecar
from promptsync.server.guard import is_loopback
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

PORT = 8470
DATABASE = "registry.db"


@verb("serve")
@listen_options(PORT)
@option(
    "--bundle",
    "FILE",
    "Serve the prompts of a bundle, read-only, instead of a registry; see promptsync bundle.",
    type=click.Path(path_type=Path),
)
@option(
    "--db database",
    "PATH",
    "Database file (default: that of the local: remote, or registry.db without a configuration).",
    type=click.Path(path_type=Path),
)
@option(
    "--allow-host allowed",
    "NAME",
    "Also accept requests sent to this host name, for example that of a container. Repeatable.",
    multiple=True,
)
@option(
    "--api-key",
    "KEY",
    "Accept only this key. Without it, any key is accepted, but only on loopback addresses.",
)
@option(
    "--fixtures",
    "FILE",
    "File with agents, tools and models (default: that of the local: remote).",
    type=click.Path(path_type=Path),
)
@option(
    "--keep-requests logged_requests",
    "N",
    "Keep the newest N logged requests, also after a restart (initially 100,000).",
    type=click.IntRange(1, 1_000_000_000),
)
@option(
    "--keep-days days",
    "DAYS",
    "Delete logged requests after DAYS, also after a restart; 0 keeps them (initially 0).",
    type=click.IntRange(0, 36_500),
)
@flag("--print-env", "Print the export lines for PromptLayer's SDK and exit, without starting a server.")
def command(
    session: Session,
    host: str,
    port: int,
    bundle: Path | None,
    database: Path | None,
    allowed: tuple[str, ...],
    api_key: str | None,
    fixtures: Path | None,
    print_env: bool,
    **limits: int | None,
) -> Outcome:
    """Serve the registry of this working copy until Ctrl-C; its URL is the first line on stdout.

    \b
    promptsync serve
    promptsync serve --port 0 --db /tmp/trial.db
    promptsync serve --bundle prompts.json
    promptsync serve & eval "$(promptsync serve --print-env)"
    PROMPTSYNC_MODEL_URL=http://127.0.0.1:11434/v1 promptsync serve
    """
    from promptsync.server.serve import base_url, bind, resolve, run_server

    _check_options(api_key, allowed)
    if bundle is not None and {database, fixtures, *limits.values()} != {None}:
        raise UsageError("--bundle cannot be combined with --db, --fixtures, --keep-requests and --keep-days")
    if print_env:
        resolve(host, port, loopback_only=api_key is None)
        return _variables(base_url(host, port), api_key or "local")
    check_installed("serve")
    with bind(host, port, loopback_only=api_key is None) as bound, ExitStack() as stack:
        app: Application | Sidecar
        if bundle is not None:
            kind, path = "bundle", session.directory / bundle
            app, notes = _sidecar(session, bundle, api_key)
        else:
            kind, (path, fixtures) = "database", _places(session, database, fixtures)
            registry, notes = _registry(session, path, api_key, fixtures=fixtures, **limits)
            app = stack.enter_context(registry)

        def announce(port: int) -> None:
            url = base_url(host, port)
            body = {"url": url, kind: str(path)}
            click.echo(output.document(body, remote=None) if session.json else url)
            sys.stdout.flush()
            for note in notes:
                session.say(note)

        # A supervisor stops the server with SIGTERM, which must close the database as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        run_server(app, bound, announce, allowed if is_loopback(host) else (host, *allowed))
    if session.json:  # the document was printed once the registry was ready
        click.get_current_context().exit(0)
    return Outcome()


def _sidecar(session: Session, bundle: Path, api_key: str | None) -> tuple[Sidecar, list[str]]:
    """Return the application over a bundle, and what to say about it."""
    path = session.directory / bundle
    read_bundle(session, str(bundle))  # so that a file that is none is a usage error
    app = Sidecar(path, api_key)
    gc.set_threshold(1_000, 10, 10)  # garbage of requests would otherwise take megabytes
    threading.Thread(target=app.watch, daemon=True).start()
    keys = "needs no API key" if api_key is None else "accepts only the API key that was passed"
    prompts = output.count(len(app.release.prompts), "prompt")
    return app, [f"{prompts} from {output.name(str(path))}, read-only; {keys}; Ctrl-C stops it"]


def _registry(
    session: Session, path: Path, api_key: str | None, **options: Any
) -> tuple[Application, list[str]]:
    """Return the embedded registry with options of ``create_app``, and what to say about it."""
    model, keys = session.model(), session.model_keys
    app = create_app(path, api_key=api_key, model=model, model_keys=keys, **options)
    accepted = "any API key" if api_key is None else "only the API key that was passed"
    notes = [f"embedded registry in {output.name(str(path))} accepts {accepted}; Ctrl-C stops it"]
    if model is not None:
        notes.append(f"evaluations and agents use {output.name(model.name)}")
    return app, notes


def _variables(url: str, api_key: str) -> Outcome:
    """Return the environment in which PromptLayer's SDK uses the server."""
    if url.endswith(":0"):
        raise UsageError("--print-env needs a fixed port, and --port 0 picks one at the start")
    variables = {"PROMPTLAYER_BASE_URL": url, "PROMPTLAYER_API_KEY": api_key}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return Outcome(lines, {"environment": variables})


def _check_options(api_key: str | None, allowed: tuple[str, ...]) -> None:
    if api_key is not None and not (api_key and is_key(api_key)):
        raise UsageError(f"--api-key is empty, or {NO_KEY}", hint="pass another key, or remove the option")
    for name in allowed:
        if not name or set(name) & set("/:*@, "):
            hint = "pass the name alone, without http:// and without a port"
            raise UsageError(f"--allow-host {output.name(name)} is not a host name", hint=hint)


def _places(session: Session, database: Path | None, fixtures: Path | None) -> tuple[Path, Path | None]:
    """Return the database and the fixtures that were passed, by default those of the local remote.

    Raises ``UsageError`` if the directory of the database or the fixtures do not exist.
    """
    place = session.directory / (database or DATABASE)
    fixtures = session.directory / fixtures if fixtures is not None else None
    if database is None and (configuration := find(session.directory)) is not None:
        config = load(configuration)
        remotes = [remote for remote in config.remotes.values() if remote.url.startswith(LOCAL)]
        remotes.sort(key=lambda remote: (remote.name != config.default_remote, remote.name != "local"))
        url = remotes[0].url.removeprefix(LOCAL) if remotes else ""
        place = config.root / url if url else private_directory(config.root) / DATABASE
        if fixtures is None and remotes and remotes[0].fixtures:
            fixtures = config.root / remotes[0].fixtures
    if not place.parent.is_dir():
        message = f"the directory of the database does not exist: {place.parent}"
        raise UsageError(message, hint=f"mkdir -p {shlex.quote(str(place.parent))}")
    if fixtures is not None and not fixtures.is_file():
        message = f"the fixtures file does not exist: {fixtures}"
        raise UsageError(message, hint="correct the path, or remove it")
    return place, fixtures
