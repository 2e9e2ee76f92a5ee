"""The codes of files and messages: stable words for programs, beside sentences for people.

A code stands in events, in the state CSV, in JSON and in the logs; advice follows from it alone. Sentences
may change from one version to the next, codes do not: one that is here stays, and means what it meant. A
validator of another make may write codes of its own; they are kept, and have the advice that fits every file
of that state.
"""

from __future__ import annotations

import errno
import re
from enum import StrEnum
from typing import Final, Literal, Self

is_code: Final = re.compile(r"[a-z][a-z0-9_]{0,39}").fullmatch
"""Whether a text has the form of a code."""


class FileCode(StrEnum):
    """Why a file failed, is invalid or could not be judged.

    Attributes:
        state: which of the three: ``failed``, ``invalid``, or ``done`` (in S3, not judged).
        todo: what a person does about it, a sentence.
    """

    state: Literal["failed", "invalid", "done"]
    todo: str

    def __new__(cls, code: str, state: Literal["failed", "invalid", "done"], todo: str) -> Self:
        """A code with its advice."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.state = state
        member.todo = todo
        return member

    UNREADABLE = "unreadable", "failed", "Make it readable for you, then run the command again."
    MISSING = (
        "missing",
        "failed",
        "Put it back, or take it out of your list (--index), then run the command again.",
    )
    CHANGED = "changed", "failed", "Run the command again when nothing writes to it any more."
    NOT_AS_INDEXED = (
        "not_as_indexed",
        "failed",
        "Fix the file, or bring the index or manifest up to date; then run the command again.",
    )
    CHANGED_SINCE_INDEXED = (
        "changed_since_indexed",
        "failed",
        "Run the command again; where --index has its checksum, write that list anew first.",
    )
    NOT_A_FILE = (
        "not_a_file",
        "failed",
        "Put the file itself there, or take it out of your list (--index), then run the command again.",
    )
    OUTSIDE_SOURCE = (
        "outside_source",
        "failed",
        "Put the file itself there, or take it out of your list (--index), then run the command again.",
    )
    TOO_LARGE = "too_large", "failed", "Cut it into smaller files, then run the command again."
    READ_ERROR = "read_error", "failed", "Check the disk, then run the command again."
    OUT_OF_RESOURCES = (
        "out_of_resources",
        "failed",
        "Give it more memory, disk or open files, or use fewer threads; then run the command again.",
    )
    NO_ANSWER = "no_answer", "failed", "Check the network, then run the command again."
    CLOCK_WRONG = "clock_wrong", "failed", "Set this machine's clock, then run the command again."
    CREDENTIALS = "credentials", "failed", "Run the command again: it logs in again."
    ACCESS_DENIED = "access_denied", "failed", "Ask the receiver for the permission to write there."
    REFUSED_BY_STORE = (
        "refused_by_store",
        "failed",
        "Run the command again; if that does not help, show the message to the receiver.",
    )
    UNEXPECTED = (
        "unexpected",
        "failed",
        "Run the command again; if that does not help, show the message to the receiver.",
    )

    VERDICT_BEFORE_TRANSFER = (
        "verdict_before_transfer",
        "invalid",
        "The receiver's validator contradicts itself: tell them, then send it with --resend-invalid.",
    )
    JUDGED_SOMETHING_ELSE = (
        "judged_something_else",
        "invalid",
        "The receiver's validator contradicts itself: tell them, then send it with --resend-invalid.",
    )
    CONTRADICTORY_VERDICTS = (
        "contradictory_verdicts",
        "invalid",
        "The receiver's validator contradicts itself: tell them, then send it with --resend-invalid.",
    )
    OBJECT_GONE = (
        "object_gone",
        "invalid",
        (
            "Tell the receiver: somebody removed it, or their validator looks elsewhere (landing_prefix)."
            " Then send it with --resend-invalid."
        ),
    )
    OBJECT_CHANGED = (
        "object_changed",
        "invalid",
        "Somebody else has changed the bucket: tell the receiver, then send it with --resend-invalid.",
    )
    DAMAGED = "damaged", "invalid", "Send it with --resend-invalid; if that does not help, tell the receiver."
    ILLEGAL_PATH = "illegal_path", "invalid", "Give it another name, then run the command again."
    NOT_EXPECTED = (
        "not_expected",
        "invalid",
        "Take it out of the delivery or give it the name that is expected, then run the command again.",
    )
    NOT_OPENED = (
        "not_opened",
        "invalid",
        "Ask the receiver: their validator takes only what it can look into, and cannot look into this.",
    )
    CONTENT = "content", "invalid", "Fix the file, then run the command again: it is sent and judged anew."

    NOT_AS_PROMISED = (
        "not_as_promised",
        "invalid",
        "Fix it or the files that it goes with, then run the command again: it is sent and judged anew.",
    )

    NOT_JUDGED = (
        "not_judged",
        "done",
        "Nothing to fix: run the command again later, and it is judged; it is not sent again.",
    )

    UNABLE = (
        "unable",
        "done",
        "Nothing to fix: tell the receiver what their validator lacks; then run the command again.",
    )


_BY_ERRNO: Final = {
    errno.ENOENT: FileCode.MISSING,
    errno.EIO: FileCode.READ_ERROR,
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), FileCode.UNREADABLE),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST), FileCode.NOT_A_FILE),
    **dict.fromkeys(
        (
            *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
            *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS),
        ),
        FileCode.OUT_OF_RESOURCES,
    ),
}


def code_of_errno(number: int | None) -> FileCode:
    """The code of an error of the system, by the number of an `OSError`."""
    return _BY_ERRNO.get(number or 0, FileCode.UNEXPECTED)


class MessageCode(StrEnum):
    """The subject of a message to the person.

    Attributes:
        meaning: what such a message says.
    """

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """A code with its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    ACCIDENT = "accident", "files that may lie among the data by accident"
    CLOCK_SKEW = "clock_skew", "this machine's clock is off by more than a minute"
    DISPLAY_FAILED = "display_failed", "a reporter has failed; lines of a log take its place"
    EXPECTATIONS_CHANGED = (
        "expectations_changed",
        "files were judged by another document than the receiver's is now",
    )
    FOREIGN_LOGIN = "foreign_login", "the login goes to a server that is not AWS"
    GROWING = "growing", "files were modified a moment ago, and may be being written still"
    INDEX_READ = "index_read", "which list of files was taken, and what in it is not used"
    KEYS_IN_FILE = "keys_in_file", "keys lie in a file in plain text"
    LEFT_OUT = "left_out", "with `-v`: a file or folder that is no part of the delivery, and why"
    LISTING = "listing", "how many objects the landing bucket has listed so far, where that takes long"
    LOG_NOT_CLOSED = "log_not_closed", "the last records did not reach this run's log"
    LOG_UNREADABLE = "log_unreadable", "one side could not read lines of the other's log"
    NAMES_ALIKE = "names_alike", "names that some file systems take for one"
    NOT_COMPARED = "not_compared", "checksums of the index that the source's store does not say"
    NOT_ENDED = "not_ended", "a step at the end of the run has failed; the next run makes up for it"
    NOT_REACHABLE = "not_reachable", "a service does not answer, and is asked again"
    RECEIPT_NOT_HERE = "receipt_not_here", "the receipt lies in the control bucket, and not on this machine"
    REPEATED = "repeated", "how many more messages of one kind there were"
    SANDBOX = "sandbox", "a sandbox is being started"
    STATE_NOT_WRITTEN = "state_not_written", "the state CSV could not be written"
    STORE_LIMITED = "store_limited", "the store does not do all that AWS's does"
    STORE_UNVERIFIED = "store_unverified", "the store verifies no checksum"
    UNFINISHED_UPLOADS = "unfinished_uploads", "unfinished uploads may be left in the landing bucket"
    UNKNOWN_FILE = "unknown_file", "a verdict for a file that is not in the index"


_OTHERWISE: Final = {
    "failed": FileCode.UNEXPECTED.todo,
    "invalid": FileCode.CONTENT.todo,
    "done": FileCode.NOT_JUDGED.todo,
}


def todo(state: str, code: str | None, *, again: bool = False) -> str:
    """The advice to a person about a file that went wrong, in a sentence.

    Args:
        state: the file's.
        code: why, a `FileCode` or a code that a validator of another make has written; None: nobody said.
        again: whether it will be tried again in this run.
    """
    if again:
        return "Nothing yet: it is tried again by itself."
    known = FileCode.__members__.get((code or "").upper())
    return known.todo if known is not None and known.state == state else _OTHERWISE[state]
