"""Problems: files with the same fault together, and what a person does about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from upload_client.core.codes import todo
from upload_client.core.states import State
from upload_client.core.values import value

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
        code: why, a `upload_client.core.codes.FileCode` or a validator's own; None where nobody said.
    """

    state: State
    reason: str
    todo: str
    n: int
    relpaths: tuple[str, ...]
    code: str | None = None


def group(files: Iterable[tuple[str, State, str | None, str | None]]) -> tuple[Problem, ...]:
    """Put files with the same trouble together, the most frequent first.

    Args:
        files: path, state, message and code of each; held in memory only as far as it is named.
    """
    found: dict[tuple[State, str | None, str], tuple[str, list[str], list[int]]] = {}
    for relpath, state, message, reason_code in files:
        code, reason = reason_code, message or "no reason was given"
        kind = _PARTICULAR.sub("#", reason)
        if (state, code, kind) not in found and len(found) >= _MAX_KINDS:
            code, kind, reason = None, _OTHER, _OTHER
        _, named, n = found.setdefault((state, code, kind), (reason, [], [0]))
        n[0] += 1
        if len(named) < MAX_NAMED:
            named.append(relpath)
    problems = [
        Problem(state, reason, todo(state, code), n[0], tuple(named), code)
        for (state, code, _), (reason, named, n) in found.items()
    ]
    problems.sort(key=lambda problem: -problem.n)
    return tuple(problems)
