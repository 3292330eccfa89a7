"""Why there is no connection: what the network says becomes what to do, at once."""

from __future__ import annotations

import pytest
from scripted_registry import EMPTY_LIST, KEY, serving

from promptsync.registry.address import address
from promptsync.registry.errors import NotSent
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.connection import explained

HERE, THERE = "http://127.0.0.1:8470", "https://registry.example"

SAID = [
    (THERE, "[Errno -2] Name or service not known", "the host registry.example was not found", "network"),
    (THERE, "[Errno 8] nodename nor servname provided, or not known", "was not found", "network"),
    (THERE, "[Errno 11001] getaddrinfo failed", "was not found", "network"),
    (THERE, "[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak https", "the remote's url"),
    (
        HERE,
        "_ssl.c:989: The handshake operation timed out",
        "does not speak https",
        "use http://127.0.0.1:8470",
    ),
    (THERE, "certificate verify failed: certificate has expired", "expired", "url"),
    (THERE, "certificate verify failed: Hostname mismatch, certificate is not valid for 'x'", "'x'", "url"),
    (THERE, "CERTIFICATE_VERIFY_FAILED: self-signed certificate in chain", "self-signed", "SSL_CERT_FILE"),
    (THERE, "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate", "issuer", "SSL_CERT_FILE"),
    (HERE, "[Errno 111] Connection refused", "refused", "promptsync serve --port 8470"),
    (THERE, "[Errno 111] Connection refused", "refused", "any proxy"),
]


@pytest.mark.parametrize(("url", "said", "reason", "hint"), SAID, ids=[row[1][:40] for row in SAID])
def test_network_errors_have_a_reason_and_a_fix(url, said, reason, hint):
    told, advice = explained(address(url), said)
    assert reason in told and hint in advice


def test_https_to_a_server_that_speaks_http_is_recognized():
    with serving(lambda seen: EMPTY_LIST) as url:
        https = url.replace("http:", "https:")
        with (
            PromptLayer(https, KEY) as registry,
            pytest.raises(NotSent, match="does not speak https") as raised,
        ):
            registry.prompts.list()
        assert f"use {url} if" in raised.value.hint
        assert registry.requests == 1
