"""The exit codes, and which one a run ends with."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upload_client.core.states import State


class ExitCode(IntEnum):
    """The exit codes of the process."""

    OK = 0
    """All valid, or nothing left to do."""
    UNEXPECTED = 1
    USAGE = 2
    """Usage or bad input."""
    INVALID = 3
    """Some files are invalid."""
    NOT_TRANSFERRED = 4
    """Some files were not transferred."""
    NOT_JUDGED = 5
    """Transferred, but not all judged: the validator is silent or has left."""
    STOPPED_EARLY = 6
    """Too many files are invalid."""
    NOT_REACHABLE = 7
    """A service does not answer: try again later."""
    NOT_COMPLETE = 8
    """For `status` and `receipt`: the delivery is not complete yet."""
    LOGIN_REFUSED = 10
    LOCKED = 11
    """Someone else delivers this."""
    LOCK_LOST = 12
    PIPELINE_REFUSED = 13
    STORE_UNSAFE = 14
    """The store does not honour conditional writes."""
    INTERRUPTED = 130


def exit_code(counts: Mapping[State, int]) -> ExitCode:
    """The exit code of a run that no error has ended. Where several apply: the first of 5, 4, 3.

    Args:
        counts: files in each state.
    """
    if counts["done"]:
        return ExitCode.NOT_JUDGED
    if counts["ready"] or counts["pending"] or counts["transferring"] or counts["failed"]:
        return ExitCode.NOT_TRANSFERRED
    if counts["invalid"]:
        return ExitCode.INVALID
    return ExitCode.OK
