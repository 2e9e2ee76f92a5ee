"""The secrets that this process knows, so that none of them is told by whoever happens to repeat it.

Passwords, tokens and keys are noted when they are learned (`remember`); what stands in the environment, such
as the password in a proxy's URL, is looked up when something is to be told.
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
    """These are not to be told. From any thread."""
    with _lock:
        for secret in secrets:
            if secret:
                _known.pop(secret, None)
                _known[secret] = None
        while len(_known) > _MOST:
            del _known[next(iter(_known))]


def hidden(text: str) -> str:
    """A text of any length, with all its lines, in which no secret is left."""
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
