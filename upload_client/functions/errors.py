"""The errors of invocations."""

# ruff: noqa: N818 - as in `upload_client.errors`

from __future__ import annotations

import re

from pydantic import ValidationError

from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, UsageError
from upload_client.support.secrets import without_secrets

__all__ = ["HandlerNotAllowed", "InvalidRequest", "MissingExtra", "Unanswerable", "told"]

_MOST_TOLD = 5
_OF_PYDANTIC = re.compile(
    r"(?:list|dict|tuple|set|function-[a-z]+|constrained-[a-z]+)\[.*\]|str|int|float|bool"
)


class InvalidRequest(UsageError):
    """An event is not what the function takes: no JSON, or not the fields of its request."""

    hint = "Correct the event; `upload-client docs functions` says which fields each function takes."


class HandlerNotAllowed(UsageError):
    """A function was named that may not be run here, or that there is not."""

    hint = "The receiver allows names by patterns in the variable UPLOAD_CLIENT_FUNCTIONS."


class Unanswerable(DeliveryError):
    """A function has done its work, and AWS Lambda cannot give its answer to whoever asked."""

    hint = "Ask for less at once, or run it with handle-lambda-request, which takes any answer."


class MissingExtra(UsageError):
    """A library that functions stand on is not installed."""

    hint = "Install it: pip install 'upload-client[functions]'."


def told(error: ValidationError) -> str:
    """The mistakes that pydantic has found, a clause each, without the values: one may be a secret."""
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)
    clauses = []
    for mistake in mistakes[:_MOST_TOLD]:
        parts = (str(part) for part in mistake["loc"])
        # Of a field that may be one of several things, pydantic names these as well.
        where = for_log(".".join(part for part in parts if not _OF_PYDANTIC.fullmatch(part)), 100)
        said = mistake["msg"].removeprefix("Value error, ")
        clauses.append(f"{where}: {said}" if where else said)
    if more := len(mistakes) - len(clauses):
        clauses.append(f"and {more} more")
    return for_log(without_secrets("; ".join(clauses)), 1000)
