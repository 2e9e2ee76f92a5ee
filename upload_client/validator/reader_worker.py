"""The reader worker: opens files for the validator, in a process that may be killed.

Libraries in C that read untrusted files may need any memory and any time. So they run here, without
credentials: standard input and output lead to the validator, which hands in the bytes that are asked for
(`upload_client.validator.readers` is the other end). No socket is opened by anything here, and no file but
what the libraries are made of: `upload_client.validator.confinement` sees to it, where it can.

The arguments: bytes of memory, seconds of CPU time for each file, bytes that a compressed file may unpack to,
then the files and folders that a check of the receiver's own may read besides.

From the validator, one JSON line for each file: ``{"kind": "fits", "size": bytes, "seconds": at most}`` to
see whether it opens, of a chunk of Zarr with ``"metadata"`` of its array, in base64; or ``{"expected": rules,
"size": bytes}`` to judge it by the content rules of an expectations document: a class of
`upload_client.expectations.model`, pickled, in base64. Of a folder of Zarr with ``"part": [array, key]`` and
``"metadata"``, as `upload_client.expectations.packaging.Part` has them.
(Nothing is unpickled that comes from here.)
To it, first ``{"can": [attempt, …], "missing": {measure: why}, "scarce": whether}``: what could be done here
that should not, the measures against it that could not be taken, and whether there is less memory here than a
file may take: then none is to blame that takes too much. Then, for each file, any number of
``{"read": [offset, n]}``, each answered with exactly n bytes; then one of

- ``{"opens": true}``, with ``"not_opened": why`` where it, or a part of it, was not looked into, and
  ``"lacks_library": true`` where that is for a library that is not installed;
- ``{"opens": false, "why": text}``, with ``"spent": true`` where memory has run out: end this process;
- ``{"undecided": text}``: it cannot be judged here; the same with ``"spent"``.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, BinaryIO, cast

from upload_client.expectations.findings import LibraryMissing, NotOpened, Undecided, reason_of
from upload_client.expectations.packed import Budget
from upload_client.validator.confinement import confine, has_less, try_out
from upload_client.validator.opening import open_as

_BLOCK = 256 * 1024
_AHEAD = 4 * 1024 * 1024
"""Bytes that are fetched at once at the most, while a file is read from its start to its end."""
_SHARE = 0.8
"""The part of the time a file may take after which its opening ends with what it has come to."""
_MAX_WHY = 300
_MAX_FINDINGS = 2000


class _Remote(io.RawIOBase):
    """The file as the libraries see it: each read is a question to the validator."""

    name = "the file"
    mode = "rb"

    def __init__(
        self, size: int, questions: BinaryIO, answers: BinaryIO, spend: Callable[[], None] = lambda: None
    ) -> None:
        self._size = size
        self._spend = spend
        self._questions = questions
        self._answers = answers
        self._position = 0
        self._fetched = b""
        self._fetched_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        self._spend()
        n = max(0, min(len(buffer), self._size - self._position))
        done = 0
        while done < n:  # all of it: some libraries take less for the end of the file
            skip = self._position - self._fetched_at
            if not 0 <= skip < len(self._fetched):
                self._fetch(n - done, goes_on=skip == len(self._fetched) > 0)
                skip = 0
            piece = memoryview(self._fetched)[skip : skip + n - done]
            buffer[done : done + len(piece)] = piece
            self._position += len(piece)
            done += len(piece)
        return n

    def _fetch(self, n: int, *, goes_on: bool) -> None:
        """Ask for what is at the position; for more and more while one block follows the other."""
        if goes_on:
            n = max(n, min(2 * len(self._fetched), _AHEAD))
        n = min(n, self._size - self._position, 8 * _AHEAD)
        self._questions.write(b'{"read": [%d, %d]}\n' % (self._position, n))
        self._questions.flush()
        self._fetched = b""  # before the next: not both at once
        self._fetched = self._answers.read(n)
        self._fetched_at = self._position
        if len(self._fetched) < n:
            raise SystemExit(1)  # the validator is gone


def _limit_time(cpu_seconds: int) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 — POSIX only

        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + cpu_seconds + 1
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


@lru_cache(maxsize=64)
def _content(pickled: str) -> Any:  # noqa: ANN401 — one of many classes
    return pickle.loads(base64.b64decode(pickled))  # noqa: S301 — made by the validator, which this one serves


def _judged(order: dict[str, Any], file: BinaryIO, max_unpacked: int) -> dict[str, Any]:
    from upload_client.expectations.content import judge  # noqa: PLC0415 — after the memory is limited
    from upload_client.expectations.packaging import Part  # noqa: PLC0415 — as above

    part = None
    if "part" in order:
        array, key = order["part"]
        part = Part(array, key, base64.b64decode(order["metadata"]))
    content = _content(order["expected"])
    findings = judge(content, file, order["size"], max_unpacked=max_unpacked, part=part)
    return {"opens": False, "why": str(findings)[:_MAX_FINDINGS]} if findings.n else {"opens": True}


class _Spending:
    """Watches the time that the opening of a file takes, so that it ends before it is ended.

    Attributes:
        spent: why it has ended; empty: it has not. Libraries make other errors of what is raised in a read.
    """

    def __init__(self, cpu_seconds: float, wall_seconds: float) -> None:
        self._cpu = cpu_seconds, time.process_time() + cpu_seconds * _SHARE
        self._wall = wall_seconds, time.monotonic() + wall_seconds * _SHARE
        self.spent = ""

    def __call__(self) -> None:
        if time.monotonic() > self._wall[1]:
            self.spent = f"reading it takes nearly {self._wall[0]:g} seconds or more"
        elif time.process_time() > self._cpu[1]:
            self.spent = f"reading it takes nearly {self._cpu[0]:g} seconds of computing or more"
        if self.spent:
            raise NotOpened(self.spent)


def _outcome(
    order: dict[str, Any], file: BinaryIO, max_unpacked: int, spending: _Spending | None = None
) -> dict[str, Any]:
    try:
        if "expected" in order:
            return _judged(order, file, max_unpacked)
        budget = Budget(max_unpacked, spending or (lambda: None))
        metadata = base64.b64decode(order.get("metadata", ""))
        open_as(order["kind"], file, order["size"], budget, metadata=metadata)
    except NotOpened as error:
        lacks = {"lacks_library": True} if isinstance(error, LibraryMissing) else {}
        return {"opens": True, "not_opened": str(error)[:_MAX_WHY], **lacks}
    except Undecided as error:
        return {"undecided": str(error)[:_MAX_WHY]}
    except ImportError as error:  # a library that is broken, or that of a compression
        if "expected" not in order:
            why = f"what is needed is not installed here: {error}"
            return {"opens": True, "not_opened": why[:_MAX_WHY], "lacks_library": True}
        return {"undecided": f"what is needed is not installed here: {error}"[:_MAX_WHY]}
    except MemoryError:
        return {"opens": False, "why": "it takes too much memory", "spent": True}
    except Exception as error:  # noqa: BLE001 — whatever a library raises means that it does not open
        if "MemoryError" in type(error).__name__:  # numpy and pyarrow have their own
            return {"opens": False, "why": "it takes too much memory", "spent": True}
        if spending is not None and spending.spent:
            return {"opens": True, "not_opened": spending.spent}
        if "expected" in order:
            return {"undecided": f"its reader failed: {type(error).__name__}: {error}"[:_MAX_WHY]}
        return {
            "opens": False,
            "why": f"it does not open as {order.get('kind')}: {reason_of(error)}"[:_MAX_WHY],
        }
    return {"opens": True}


def main() -> None:
    """Read files until standard input ends."""
    memory, cpu_seconds, max_unpacked = map(int, sys.argv[1:4])
    missing = {name: why for name, why in confine(memory, sys.argv[4:]).items() if why}
    answers = os.fdopen(os.dup(0), "rb", _BLOCK)
    questions = os.fdopen(os.dup(1), "wb")
    # What the libraries print must not be taken for an answer.
    os.dup2(2, 1)
    scarce = has_less(memory)
    _answer(questions, {"can": try_out(), "missing": missing, "scarce": scarce})
    while line := answers.readline():
        order = json.loads(line)
        _limit_time(cpu_seconds)
        spending = _Spending(cpu_seconds, order["seconds"]) if "seconds" in order else None
        remote = _Remote(order["size"], questions, answers, spending or (lambda: None))
        file = cast("BinaryIO", io.BufferedReader(remote, _BLOCK))
        outcome = _outcome(order, file, max_unpacked, spending)
        if scarce and "spent" in outcome:
            outcome = {"undecided": f"{outcome['why']}, and here is less than a file may take", "spent": True}
        _answer(questions, outcome)


def _answer(questions: BinaryIO, fields: dict[str, Any]) -> None:
    questions.write(json.dumps(fields).encode() + b"\n")
    questions.flush()


if __name__ == "__main__":
    main()
