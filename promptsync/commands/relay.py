"""``promptsync relay``: starts workflows when PromptLayer sends an event."""

from __future__ import annotations

import logging
import signal

from promptsync.commands.shared.groups import option
from promptsync.commands.shared.options import listen_options
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import Incomplete
from promptsync.relay import create_app
from promptsync.server.app import check_installed
from promptsync.show.outcome import Outcome


@verb("relay")
@option("--github", "OWNER/REPO", "Repository on GitHub.", default="")
@option("--gitlab", "PROJECT", "Project on GitLab, by its path or number.", default="")
@option("--api-url", "URL", "API of your own GitHub or GitLab server.", default="")
@listen_options(8471)
def command(session: Session, github: str, gitlab: str, api_url: str, host: str, port: int) -> Outcome:
    """Receive PromptLayer's webhooks and start the workflows that pull edits or continue a deploy.

    PROMPTLAYER_WEBHOOK_SECRET is the secret of the webhook. PROMPTSYNC_RELAY_TOKEN may start workflows.

    \b
    promptsync relay --github OWNER/REPO
    promptsync relay --gitlab GROUP/PROJECT --api-url https://gitlab.example.com/api/v4
    """
    from promptsync.server.serve import base_url, bind, run_server

    relay = create_app(
        secret=session.variable("PROMPTLAYER_WEBHOOK_SECRET") or "",
        token=session.variable("PROMPTSYNC_RELAY_TOKEN") or "",
        github=github,
        gitlab=gitlab,
        api_url=api_url,
        directory=str(session.config().root),
    )
    check_installed("relay")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("promptsync.relay").setLevel(logging.WARNING if session.quiet else logging.INFO)

    # A supervisor stops it with SIGTERM, after which what waits is started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    text = f"starts workflows in {github or gitlab}; Ctrl-C stops it"
    run_server(relay, bind(host, port), lambda port: session.say(f"{base_url(host, port)} {text}"))
    return Outcome(exit_code=0 if relay.dispatcher.close() else Incomplete.exit_code)
