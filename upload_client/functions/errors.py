"""The errors of invocations."""

# ruff: noqa: N818 - as in `upload_client.errors`

from __future__ import annotations

import errno
import os
import re
from typing import Final

from pydantic import ValidationError

from upload_client.core.codes import FileCode, code_of_errno
from upload_client.core.hints import install
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, UsageError
from upload_client.support.own_limits import advice
from upload_client.support.secrets import without_secrets

_MOST_CLAUSES = 5
_OF_PYDANTIC = re.compile(
    r"(?:list|dict|tuple|set|function-[a-z]+|constrained-[a-z]+)\[.*\]|str|int|float|bool"
)

_HINTS: Final = {
    errno.ENOENT: "Correct the path, or make the folder that it names; then run it again.",
    errno.EACCES: "Allow this user to read and write there, or name another place; then run it again.",
    errno.EPERM: "Allow this user to read and write there, or name another place; then run it again.",
    errno.ENOTDIR: "Name another place, or take away the file that is where a folder has to be.",
    errno.EISDIR: "Name a file, or end the destination with '/', so that the file goes into the folder.",
    errno.EEXIST: "Name another place, or take away what is there.",
    errno.ENAMETOOLONG: "Name another place: each name in a path may have 255 bytes on most file systems.",
}
"""The advice about an error of the system where functions are run; `own_limits.advice` has more."""


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

    hint = install("functions")


def mistakes_of(error: ValidationError) -> str:
    """The mistakes that pydantic has found, a clause each, without the values: one may be a secret."""
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)
    clauses = []
    for mistake in mistakes[:_MOST_CLAUSES]:
        parts = (str(part) for part in mistake["loc"])
        # Of a field that may be one of several things, pydantic names these as well.
        where = for_log(".".join(part for part in parts if not _OF_PYDANTIC.fullmatch(part)), 100)
        message = mistake["msg"].removeprefix("Value error, ")
        clauses.append(f"{where}: {message}" if where else message)
    if more := len(mistakes) - len(clauses):
        clauses.append(f"and {more:,} more")
    return for_log(without_secrets("; ".join(clauses)), 1000)


def sentence_of(error: BaseException) -> str:
    """The failure in one line: file and reason of an error of the system, else its text.

    The class of an exception is named where its text alone says too little.
    """
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    own = isinstance(error, DeliveryError | OSError) or type(error) is ValueError
    if not text or not own:
        text = type(error).__name__ + (f": {text}" if text else "")
    return for_log(without_secrets(text), 1000)


def code_of(error: BaseException) -> str:
    """The code of what has failed, for programs; docs/codes.md has them."""
    if isinstance(error, DeliveryError):
        return error.code
    if isinstance(error, MemoryError):
        return FileCode.OUT_OF_RESOURCES.value
    if isinstance(error, OSError):
        return (
            FileCode.MISSING.value
            if isinstance(error, FileNotFoundError)
            else code_of_errno(error.errno).value
        )
    return UsageError.code if type(error) is ValueError else DeliveryError.code


def hint_of(error: BaseException) -> str | None:
    """Advice about it, in one sentence: its own hint or notes (PEP 678), else by what it is."""
    if isinstance(error, DeliveryError):
        return error.hint
    if notes := getattr(error, "__notes__", None):
        return for_log(without_secrets(" ".join(map(str, notes))), 1000)
    return advice(error) or (_HINTS.get(error.errno or 0) if isinstance(error, OSError) else None)
