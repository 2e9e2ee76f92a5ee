"""The secrets of this process, to be redacted from all output.

Passwords, tokens and keys are registered when they are obtained (`remember`); secrets in the environment,
such as the password in a proxy's URL, are looked up when a text is redacted.
"""

from __future__ import annotations

import os
import re
import threading
import urllib.parse

from upload_client.core.redaction import hide, sanitized, secrets_of_url

_SECRET_VARIABLE = re.compile(r"(PASSWORD|PASSWD|SECRET|SESSION_TOKEN|ACCESS_KEY$|API_KEY)", re.IGNORECASE)
_PROXY_VARIABLE = re.compile(r"_proxy$", re.IGNORECASE)

_lock = threading.Lock()
_known: dict[str, None] = {}
_MOST = 1000  # of which the oldest are forgotten: a refresh every hour brings three


def remember(*secrets: str | None) -> None:
    """Register secrets. From any thread."""
    with _lock:
        for secret in secrets:
            if secret:
                _known.pop(secret, None)
                _known[secret] = None
        while len(_known) > _MOST:
            del _known[next(iter(_known))]


def hidden(text: str) -> str:
    """A text of any length, all lines kept, with its secrets redacted."""
    return hide(text, _all())


def without_secrets(text: str) -> str:
    """One line of a foreign text, without secrets; see `upload_client.core.redaction.sanitized`."""
    return sanitized(text, _all())


def _all() -> set[str]:
    with _lock:
        found = set(_known)
    for name, text in os.environ.items():
        if _PROXY_VARIABLE.search(name):
            for secret in secrets_of_url(text):
                found |= {secret, urllib.parse.unquote(secret)}
        elif _SECRET_VARIABLE.search(name):
            found.add(text)
    return found
