"""When workflows start: bursts, failures of the API, and the end of the process."""

from __future__ import annotations

import logging
import re
import socket
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from registry_server import running
from relaying import APPROVAL, SECRET, TOKEN, Api, Clock, Site, api, event, relaying
from scripted_registry import Reply

from promptsync.errors import UsageError
from promptsync.relay import create_app, start_of

APPROVED = event(APPROVAL, prompt_template_label="prod")


def edit(number: int = 0) -> dict[str, object]:
    return {**event(), "user_id": number}


# -- requests -----------------------------------------------------------------------------------------------


def test_a_host_gets_a_request_without_anything_from_the_event(site: Site, github: Api) -> None:
    with relaying(github.url, gitlab=True) as other:
        for relay, payload in ((site, edit()), (other, APPROVED)):
            relay.send(payload)
            relay.pass_time(10)
    dispatch, trigger = github.requests
    assert dispatch.path == "/repos/team/prompts/dispatches"
    assert dispatch.headers["Authorization"] == f"Bearer {TOKEN}"
    assert dispatch.body == {"event_type": "promptsync-drift"}
    assert trigger.path == "/projects/team%2Fprompts/trigger/pipeline"
    form = {"token": [TOKEN], "ref": ["trunk"], "variables[PROMPTSYNC_EVENT]": ["approved"]}
    assert parse_qs(trigger.body) == form


def test_the_branch_is_the_first_one_in_the_configuration(tmp_path: Path, github: Api) -> None:
    # A mounted secret may end with a newline.
    options = {"secret": f"{SECRET}\n", "token": f"{TOKEN}\r\n", "gitlab": "a/b", "api_url": github.url}
    for config, branch in (("prompts: x", "main"), ("labels: {trunk: prod, release: stage}", "trunk")):
        (tmp_path / "promptsync.yaml").write_text(f"{config}\n")
        relay = create_app(**options, directory=str(tmp_path))
        with running(relay) as url:
            assert Site(url, relay, Clock()).send(edit()).status_code == 202
        assert relay.dispatcher.close()
        form = parse_qs(github.requests.pop().body)
        assert (form["ref"], form["token"]) == ([branch], [TOKEN])


def url_of(github: str, gitlab: str, api_url: str = "") -> str:
    start = start_of(github, gitlab, token=TOKEN, api_url=api_url, branch="main")
    return str(start("drift")["url"])


def test_the_api_may_be_one_of_your_own_servers() -> None:
    assert url_of("a/b", "") == "https://api.github.com/repos/a/b/dispatches"
    assert url_of("", "a/b/c") == "https://gitlab.com/api/v4/projects/a%2Fb%2Fc/trigger/pipeline"
    assert url_of("", "17") == "https://gitlab.com/api/v4/projects/17/trigger/pipeline"
    assert url_of("a/b", "", "https://git.x:8443/api/v3/") == "https://git.x:8443/api/v3/repos/a/b/dispatches"
    assert url_of("a/b", "", "http://localhost:9") == "http://localhost:9/repos/a/b/dispatches"


NO_REPOSITORIES = (("", ""), ("a/b", "a/b"), ("repo", ""), ("https://github.com/a/b", ""), ("", "a b/c"))
NO_HOSTS = ("http://git.example.com/api/v3", "http://localhost.example.com", "http://localhost@x.y")


def test_wrong_repositories_and_urls_are_usage_errors() -> None:
    for github, gitlab in NO_REPOSITORIES:
        with pytest.raises(UsageError, match="pass --github OWNER/REPO or --gitlab GROUP/PROJECT"):
            url_of(github, gitlab)
    for host in (*NO_HOSTS, "https://me:pw@example.com", "git.example.com"):
        with pytest.raises(UsageError, match="is not an https URL"):
            url_of("a/b", "", host)


# -- bursts -------------------------------------------------------------------------------------------------


def test_a_burst_starts_one_workflow_after_ten_seconds(
    site: Site, github: Api, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(200):
        assert site.send(edit(number)).status_code == 202
    site.pass_time(9.9)
    assert github.requests == []
    site.pass_time(0.1)
    site.pass_time(60)
    assert len(github.requests) == 1
    lines = [record.getMessage().split(":")[0] for record in caplog.records]
    assert (lines.count("received"), lines.count("merged")) == (1, 199)
    # Each kind has a burst of its own.
    for payload in (edit(300), APPROVED, edit(301)):
        site.send(payload)
    site.pass_time(10)
    kinds = [request.body["event_type"] for request in github.requests[1:]]
    assert sorted(kinds) == ["promptsync-approved", "promptsync-drift"]


def test_the_last_event_always_starts_a_workflow_and_never_two_within_ten_seconds(
    site: Site, github: Api
) -> None:
    starts = []
    for number in range(300):  # one event in each tenth of a second
        site.send(edit(number))
        before = len(github.requests)
        site.pass_time(0.1)
        starts += [site.clock.now] * (len(github.requests) - before)
    last = site.clock.now
    site.pass_time(10)
    assert len(github.requests) == len(starts) + 1
    assert all(b - a >= 9.9 for a, b in pairwise(starts))
    assert len(starts) in (2, 3) and starts[-1] < last


def test_an_event_while_the_request_is_under_way_starts_another_workflow(site: Site, github: Api) -> None:
    dispatcher = site.relay.dispatcher
    sent = dispatcher._start

    def start(name: str) -> dict[str, object]:
        dispatcher.add(name)
        dispatcher._start = sent
        return sent(name)

    site.send(edit())
    dispatcher._start = start
    for seconds, count in ((10, 1), (10, 2), (100, 2)):
        site.pass_time(seconds)
        assert len(github.requests) == count


def test_the_thread_starts_what_is_due(github: Api) -> None:
    with relaying(github.url, has_thread=True) as site:
        site.send(edit())
        site.clock.now += 10
        site.send(APPROVED)  # wakes the thread
        assert github.accepted.get(timeout=60).body == {"event_type": "promptsync-drift"}
        site.relay.dispatcher.close()
        assert github.accepted.get(timeout=60).body == {"event_type": "promptsync-approved"}
        site.relay.dispatcher.close()
    assert len(github.requests) == 2


# -- failures -----------------------------------------------------------------------------------------------


def test_after_failures_the_workflow_is_started_once(
    site: Site, github: Api, caplog: pytest.LogCaptureFixture
) -> None:
    github.replies = [Reply(b"down", status) for status in (500, 502, 503, 504, 408, 429, 500, 599)]
    site.send(edit())
    site.pass_time(10)
    for attempt in range(1, 9):
        assert len(github.requests) == attempt and site.health() == (200, "retrying")
        site.send(edit(attempt))  # waits together with the first one
        site.pass_time(29.99)
        assert len(github.requests) == attempt
        site.pass_time(0.02)
    assert site.health() == (200, "ok")
    site.pass_time(1000)
    assert len(github.requests) == 9
    assert "promptsync-drift was not started: 500 'down'; trying again in 30 s" in caplog.text


WAITS = [(429, "30", 30), (403, "60", 60), (503, "999999", 3600), (503, "9" * 5000, 3600)]
WAITS += [(503, header, 30) for header in ("Wed, 21 Oct 2099 07:28:00 GMT", "-5", "nan", "²")]


def test_the_api_says_how_long_to_wait(site: Site, github: Api) -> None:
    """What is no number means the usual time."""
    for number, (status, header, seconds) in enumerate(WAITS):
        github.replies = [Reply(b"", status, {"Retry-After": header.encode().decode("latin-1")})]
        site.send(edit(number))
        site.pass_time(10)
        site.pass_time(seconds - 1)
        assert (len(github.requests), github.accepted.qsize()) == (2 * number + 1, number), header
        site.pass_time(1)
        assert github.accepted.qsize() == number + 1, header


def test_nothing_listens_and_later_it_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with relaying(f"http://127.0.0.1:{port}") as site:
        site.send(edit())
        for _ in range(5):
            site.pass_time(30)
        assert site.health() == (200, "retrying")
        with api(port) as github:
            # A server that hangs is given up.
            dispatcher = site.relay.dispatcher
            patient, dispatcher._client = dispatcher._client, httpx.Client(timeout=0.2)
            github.hangs = True
            site.pass_time(30)
            assert site.health() == (200, "retrying") and github.accepted.qsize() == 0
            github.hangs, dispatcher._client = False, patient
            site.pass_time(30)
            site.pass_time(1000)
            assert github.accepted.qsize() == 1 and len(github.requests) == 2
        assert site.health() == (200, "ok")


def test_what_is_rejected_is_loud_and_repeated_until_it_is_fixed(
    site: Site, github: Api, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = (301, 400, 401, 403, 404, 422)
    message = f"Bad credentials {TOKEN} \x1b[31m".encode()
    headers = {"Location": f"{github.url}/elsewhere"}
    github.replies = [Reply(message, status, headers) for status in statuses]
    github.replies.insert(1, Reply(b"x" * 5_000_000, 403))  # of which only the beginning is read
    site.send(edit())
    site.pass_time(10)
    for attempt in range(1, 8):
        assert len(github.requests) == attempt and site.health() == (503, "rejected")
        site.pass_time(299)
        assert len(github.requests) == attempt
        site.pass_time(1)
    assert len(github.requests) == 8 and site.health() == (200, "ok")
    site.pass_time(10_000)
    assert len(github.requests) == 8
    first, _, *others = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    for status, line in zip(statuses, (first, *others), strict=True):
        said = rf"promptsync-drift was not started: {status} 'Bad credentials \*\*\* \\x1b\[31m'; "
        hint = r"check the token, its permissions and the repository; trying again in \d+ s"
        assert re.fullmatch(said + hint, line)
