"""What went wrong, in plain words: files with the same trouble together, and what a person does about it.

The texts are those that this package and its reference validator write; another validator's are shown as they
are, with the advice that fits every invalid file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from upload_client.core.files import State
from upload_client.core.values import value

__all__ = ["MAX_NAMED", "Problem", "group", "what_to_do"]

MAX_NAMED: Final = 10
"""Files that a problem names; all are in the state CSV."""

_MAX_KINDS = 1000
_OTHER = "other reasons"
# What differs from file to file in messages about the same trouble.
_PARTICULAR = re.compile(
    r"""\(request\ id\ [^)]*\)
    | '[^']*' | "[^"]*"
    | [A-Za-z0-9+/]{6}== | [0-9a-f]{32}(?:-\d+)?  # checksums
    | \d[\d,.]*""",
    re.VERBOSE,
)


@value
class Problem:
    """Files that have the same trouble.

    Attributes:
        state: theirs: ``failed``, ``invalid``, or ``done`` where they could not be judged.
        reason: what is wrong, in the words of the first of them.
        todo: what to do about it, a sentence.
        n: how many they are.
        relpaths: the first of them, up to `MAX_NAMED`.
    """

    state: State
    reason: str
    todo: str
    n: int
    relpaths: tuple[str, ...]


def group(files: Iterable[tuple[str, State, str | None]]) -> tuple[Problem, ...]:
    """Put files with the same trouble together, the most frequent first.

    Args:
        files: path, state and message of each; held in memory only as far as it is named.
    """
    found: dict[tuple[State, str], tuple[str, list[str], list[int]]] = {}
    for relpath, state, message in files:
        reason = message or "no reason was given"
        kind = _PARTICULAR.sub("#", reason)
        if (state, kind) not in found and len(found) >= _MAX_KINDS:
            kind = reason = _OTHER
        _, named, n = found.setdefault((state, kind), (reason, [], [0]))
        n[0] += 1
        if len(named) < MAX_NAMED:
            named.append(relpath)
    problems = [
        Problem(state, reason, what_to_do(state, reason), n[0], tuple(named))
        for (state, _), (reason, named, n) in found.items()
    ]
    problems.sort(key=lambda problem: -problem.n)
    return tuple(problems)


def what_to_do(state: State, message: str | None, *, again: bool = False) -> str:
    """What a person does about a file that went wrong, in a sentence.

    Args:
        state: the file's.
        message: why.
        again: whether it will be tried again in this run.
    """
    if again:
        return "Nothing yet: it is tried again by itself."
    if state == "done":
        return "Nothing to mend: run the command again later, and it is judged; it is not sent again."
    table, otherwise = (_FAILED, _FAILED_OTHERWISE) if state == "failed" else (_INVALID, _INVALID_OTHERWISE)
    return next((todo for pattern, todo in table if re.search(pattern, message or "")), otherwise)


_FAILED: Final = (
    (r"permission denied", "Make it readable for you, then run the command again."),
    (r"is not there|vanished", "Put it back or take it out of the index, then run the command again."),
    (r"changed while", "Run the command again when nothing writes to it any more."),
    (r"(?:checksum|size) in the index", "Mend the file or write the index anew, then run the command again."),
    (r"since it was indexed", "Write the index anew, then run the command again."),
    (
        r"^lies outside|^is (?:a|not a) ",
        "Put the file itself in its place or take it out of the index, then run the command again.",
    ),
    (r"is too large", "Cut it into smaller files, then run the command again."),
    (r"^no answer from S3", "Look after the network, then run the command again."),
    (r"S3 refuses the request because", "Set this machine's clock, then run the command again."),
    (r"credentials|ExpiredToken", "Log in anew: run the command again."),
    (r"AccessDenied|: 403", "Ask the receiver for the permission to write there."),
    (r"[Ii]nput/output error", "See whether the disk is sound, then run the command again."),
)
_FAILED_OTHERWISE: Final = "Run the command again; if that does not help, show the message to the receiver."
_INVALID: Final = (
    (
        r"^(?:verdict before transfer|judged something else|contradictory verdicts)$",
        "The receiver's validator contradicts itself: tell them, then send it with --resend-invalid.",
    ),
    (
        r"in the bucket after it was judged|^it is (?:gone|not there|not what was announced)|taken its place",
        "Somebody else has changed the bucket: tell the receiver, then send it with --resend-invalid.",
    ),
)
_INVALID_OTHERWISE: Final = "Mend the file, then run the command again: it is sent and judged anew."
