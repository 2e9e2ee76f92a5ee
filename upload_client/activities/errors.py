"""Errors that keep an activity from its end, and words about them that hold no secret."""

# ruff: noqa: N818 - an error is named for what happened

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import quote

from upload_client.core.exits import ExitCode
from upload_client.core.hints import install
from upload_client.core.text import for_terminal
from upload_client.errors import DeliveryError, UsageError

_MAX_REASON = 500


class NotDelivered(DeliveryError):
    """Something could not be read or written. Nothing incomplete is left at the destination."""

    exit_code = ExitCode.NOT_TRANSFERRED
    hint = "Run it again: it goes on where the other side supports that, and else begins anew."


def missing_extra(what: str, extra: str) -> UsageError:
    """The error for something that needs an extra which is not installed."""
    return UsageError(f"{what} needs a library that is not installed", hint=install(extra))


def without_secrets(text: object, secrets: Iterable[str | None]) -> str:
    """A message of a server or library, with every secret redacted, in each form in which it is sent.

    Args:
        text: the words, or the exception that has them.
        secrets: passwords and keys; None and empty ones are passed over.
    """
    cleaned = str(text) or type(text).__name__
    for secret in secrets:
        if secret:
            encoded = base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode()
            for form in (secret, quote(secret, safe=""), encoded, encoded.rstrip("=")):
                cleaned = cleaned.replace(form, "…")
    return for_terminal(cleaned)[:_MAX_REASON]
