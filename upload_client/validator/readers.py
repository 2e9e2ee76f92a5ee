"""Is the content of a file as it should be, by the libraries of its format, where these are installed.

The libraries run in processes of their own (`upload_client.validator.reader_worker`), which are killed when
they take too long, and get the file's bytes from here, block by block. A process that dies takes only the
verdict about its file along: whatever killed it is said, and the next file gets another process. What else
than reading a process can do is in `upload_client.validator.confinement`; each says at its start what it is.
A process reads files of one delivery alone: what has taken it over meets no file of anybody else.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from upload_client.core.text import for_log
from upload_client.expectations.findings import LibraryMissing, NotOpened, Unable, Undecided
from upload_client.expectations.packaging import Part
from upload_client.validator.confinement import ATTEMPTS, environment, forbid_dumps
from upload_client.validator.content import Unreadable
from upload_client.validator.fair_semaphore import FairSemaphore

__all__ = ["Confinement", "Limits", "ReaderWorkers", "Undecided"]

_MAX_LINE = 64 * 1024
_MAX_BLOCK = 64 * 1024 * 1024
_MAX_WHY = 2000
_START_SECONDS = 60.0
_END_SECONDS = 10.0


@dataclass(frozen=True)
class Limits:
    """Limits for one file.

    Attributes:
        memory: bytes of a process, the libraries included, where the system can see to it (Linux).
        cpu_seconds: where the system can see to it (not on Windows).
        wall_seconds: the reading of the bytes included.
        unpacked: bytes that a compressed file may unpack to.
        files: files and folders that may be read besides, where the system can see to it (Linux).
    """

    memory: int = 2 * 1024**3
    cpu_seconds: int = 60
    wall_seconds: float = 300.0
    unpacked: int = 4 * 1024**3
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Confinement:
    """The things that a reader worker could still do if a file took it over, as tried on this machine.

    Attributes:
        can: of the `upload_client.validator.confinement.ATTEMPTS`, those that succeeded; best none.
        missing: measures that the system did not let it take, and why.
    """

    can: tuple[str, ...]
    missing: Mapping[str, str]

    def __str__(self) -> str:
        cannot = [attempt for attempt in ATTEMPTS if attempt not in self.can]
        text = f"cannot {', '.join(cannot)}" if cannot else "can do all that this program can"
        if cannot and self.can:
            text += f"; CAN {', '.join(self.can)}"
        without = ", ".join(f"{name} ({why})" for name, why in self.missing.items())
        return f"{text}; without {without}" if without else text


class ReaderWorkers:
    """Up to `n` processes that read files.

    They are started when they are needed, and kept. Safe to share between threads. Several deliveries share
    the places (`for_another`), and no process.

    Args:
        n: how many.
        limits: of each.
        on_first: called with what the first of them has found that it can do, from any thread.
    """

    def __init__(
        self,
        n: int,
        limits: Limits | None = None,
        *,
        on_first: Callable[[Confinement], None] = lambda _: None,
    ) -> None:
        self._limits = limits or Limits()
        self._pool = _Pool(n, on_first)
        self._of: ReaderWorkers | None = None

    def for_another(self) -> ReaderWorkers:
        """Reader workers for one delivery: it shares the `n` slots fairly, and has processes of its own."""
        made = ReaderWorkers(0, self._limits)
        made._pool, made._of = self._pool, self
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(
        self, kind: str, size: int, read: Callable[[int, int], bytes], metadata: bytes = b""
    ) -> NotOpened | None:
        """Open a file.

        Args:
            kind: as `upload_client.validator.opening.format_of` tells it; its library must be installed.
            size: of the file, in bytes.
            read: gives n bytes from an offset; what it raises passes through.
            metadata: of the array that a chunk of Zarr is of.

        Returns:
            Why it, or a part of it, was not looked into, though nothing speaks against the rest; None where
            it was.

        Raises:
            Unreadable: it does not open, or takes more time or memory than a file may.
            Undecided: the process was killed, and not for the file's sake.
        """
        order = {"kind": kind, "size": size, "seconds": self._limits.wall_seconds}
        if metadata:
            order["metadata"] = base64.b64encode(metadata).decode("ascii")
        return _why_not_opened(self._have(order, f"opening it as {kind}", read))

    def judge(
        self,
        content: Any,  # noqa: ANN401 — one of many classes
        name: str,
        size: int,
        read: Callable[[int, int], bytes],
        part: Part | None = None,
    ) -> NotOpened | None:
        """Judge a file by an expectations document.

        Args:
            content: one of the classes of `upload_client.expectations.model.Content`.
            name: of the format, for sentences.
            size: of the file, in bytes.
            read: gives n bytes from an offset; what it raises passes through.
            part: the part of a folder of Zarr that it is.

        Returns:
            Why a chunk of Zarr was not looked into, where no rule wants that; None else.

        Raises:
            Unreadable: it is not as expected, or takes more time or memory than a file may.
            Undecided: it cannot be judged here: a library is missing, or the process was killed, and not for
                the file's sake.
        """
        expected = base64.b64encode(pickle.dumps(content)).decode("ascii")
        # A JSON Schema may ask for work without end: that is no fault of the file.
        schema = bool(getattr(content, "json_schema", None))
        order = {"expected": expected, "size": size}
        if part is not None:
            order["part"] = [part.array, part.key]
            order["metadata"] = base64.b64encode(part.metadata).decode("ascii")
        by = "the document's JSON Schema" if schema else ""
        return _why_not_opened(self._have(order, f"reading it as {name}", read, by=by))

    def _have(
        self, order: dict[str, Any], action: str, read: Callable[[int, int], bytes], *, by: str = ""
    ) -> dict[str, Any]:
        with self._pool.slots.acquire(self):
            process = self._take()
            too_late = threading.Event()

            def give_up() -> None:
                too_late.set()
                process.kill()

            timer = threading.Timer(self._limits.wall_seconds, give_up)
            timer.daemon = True
            timer.start()
            try:
                outcome = _converse(process, order, read)
            except _Died:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
                code = process.returncode
                _end(process)
                raise _why_it_died(
                    code, action, self._limits, by, too_late=too_late.is_set(), scarce=process.scarce
                ) from None
            except BaseException:
                _end(process)
                raise
            finally:
                timer.cancel()
            if outcome.get("spent") is True:
                _end(process)
            else:
                self._pool.keep(self, process)
        if "undecided" in outcome:
            raise Unable(for_log(str(outcome["undecided"]), _MAX_WHY))
        if outcome.get("opens") is not True:
            raise Unreadable(for_log(str(outcome.get("why")), _MAX_WHY))
        return outcome

    def confinement(self) -> Confinement:
        """Start a reader worker, and have it try what it can do.

        Raises:
            Undecided: none can be started here.
        """
        with self._pool.slots.acquire(self):
            process = self._take()
            self._pool.keep(self, process)
            return process.confinement

    def close(self) -> None:
        """End all that are idle: its own, or all where others share its slots."""
        self._pool.close(None if self._of is None else self)

    def _take(self) -> _Reader:
        process = self._pool.kept(self)
        if process is not None:
            return process
        reader = _Reader(self._limits)
        self._pool.notify_of(reader)
        return reader


def _why_not_opened(outcome: dict[str, Any]) -> NotOpened | None:
    why = for_log(str(outcome.get("not_opened", "")), _MAX_WHY)
    if not why:
        return None
    return LibraryMissing(why) if outcome.get("lacks_library") is True else NotOpened(why)


class _Pool:
    """The slots, and the idle processes: no more than twice as many as slots.

    Each is of the `ReaderWorkers` that has started it.
    """

    def __init__(self, n: int, on_first: Callable[[Confinement], None]) -> None:
        self.slots = FairSemaphore(n)
        self._most = 2 * n
        self._lock = threading.Lock()
        self._idle: list[tuple[ReaderWorkers, _Reader]] = []
        self._on_first: Callable[[Confinement], None] | None = on_first

    def kept(self, whose: ReaderWorkers) -> _Reader | None:
        """The process that has become idle last, of those that read for somebody; None: there is none."""
        with self._lock:
            while (at := self._last(whose)) is not None:
                _, process = self._idle.pop(at)
                if process.poll() is None:
                    return process
                _end(process)
        return None

    def keep(self, whose: ReaderWorkers, process: _Reader) -> None:
        """Keep a process; of too many, the one is ended that has been idle for longest."""
        with self._lock:
            self._idle.append((whose, process))
            ended = self._idle[: -self._most]
            del self._idle[: -self._most]
        for _, each in ended:
            _end(each)

    def close(self, whose: ReaderWorkers | None) -> None:
        """End the idle processes of somebody, who does not come back; None: all."""
        with self._lock:
            ended = [each for each in self._idle if whose in (None, each[0])]
            self._idle = [each for each in self._idle if each not in ended]
        for _, process in ended:
            _end(process)
        self.slots.forget(whose)

    def notify_of(self, reader: _Reader) -> None:
        """Tell what the first of all has found that it can do."""
        with self._lock:
            on_first, self._on_first = self._on_first, None
        if on_first is not None:
            on_first(reader.confinement)

    def _last(self, whose: ReaderWorkers) -> int | None:
        return next((at for at in reversed(range(len(self._idle))) if self._idle[at][0] is whose), None)


class _Reader(subprocess.Popen[bytes]):
    """A process that reads files, and what it has found out that it can do."""

    def __init__(self, limits: Limits) -> None:
        forbid_dumps()
        numbers = [str(n) for n in (limits.memory, limits.cpu_seconds, limits.unpacked)]
        try:
            super().__init__(
                # Nothing is imported from wherever this program was started: that may be anybody's folder.
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "upload_client.validator.reader_worker",
                    *numbers,
                    *limits.files,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what libraries say of a file has no end
                # Ctrl-C is for the validator, which ends in order; and a terminal is nothing for a reader.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                cwd=Path(os.sep).absolute(),
                # Lambda's runtime finds its modules through sys.path only.
                env={
                    **environment(),
                    "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path),
                    "OMP_NUM_THREADS": "1",
                },
            )
        except OSError as error:  # no memory, too many processes
            raise Undecided(f"no reader worker can be started here: {error.strerror}") from None
        too_late = threading.Timer(_START_SECONDS, self.kill)
        too_late.start()
        try:
            assert self.stdout is not None
            answer = _understood(self.stdout.readline(_MAX_LINE))
            self.confinement = Confinement(tuple(map(str, answer["can"])), dict(answer["missing"]))
            self.scarce = answer["scarce"] is True
        except (_Died, KeyError, TypeError, ValueError):
            _end(self)
            raise Undecided(
                f"no reader worker can be started here (it ends with {self.returncode})"
            ) from None
        finally:
            too_late.cancel()


class _Died(Exception):  # noqa: N818 — it never leaves this module
    """The process has ended, or says what it never would."""


def _converse(
    process: subprocess.Popen[bytes], order: dict[str, Any], read: Callable[[int, int], bytes]
) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    size = order["size"]
    try:
        _write(process, json.dumps(order).encode() + b"\n")
        while line := process.stdout.readline(_MAX_LINE):
            answer = _understood(line)
            if "read" not in answer:
                return answer
            offset, n = answer["read"]
            if not (0 <= offset <= offset + n <= size and n <= _MAX_BLOCK):
                raise _Died
            # What reading raises is no word of the process, so it stands outside what is taken for one.
            _write(process, read(offset, n))
    except BrokenPipeError:
        raise _Died from None
    raise _Died


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.flush()
    except OSError:  # Windows says more than BrokenPipeError
        raise _Died from None


def _understood(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise _Died
        if "read" in answer:
            offset, n = answer["read"]
            if type(offset) is not int or type(n) is not int:
                raise _Died
    except (ValueError, TypeError, RecursionError):
        raise _Died from None
    return answer


def _why_it_died(
    code: int | None, action: str, limits: Limits, by: str, *, too_late: bool, scarce: bool
) -> Unreadable | Undecided:
    """The fault of a file whose reader has died; what kills others on this machine is not its fault.

    Args:
        code: how the process ended.
        action: what it was doing.
        limits: its limits.
        by: what else than the file may be why it took so long; empty: nothing.
        too_late: it was killed because it took too long.
        scarce: it had less memory than a file may take.
    """
    slow = ""
    if too_late:
        slow = f"{action} takes longer than {limits.wall_seconds:g} seconds"
    elif code == -getattr(signal, "SIGXCPU", 0) != 0:
        slow = f"{action} takes more than {limits.cpu_seconds} seconds of computing"
    if slow:
        return Undecided(f"{slow}: {by} asks for too much") if by else Unreadable(slow)
    if code == -getattr(signal, "SIGKILL", 0) != 0:
        return Undecided(
            f"{action}: the process was killed; is there too little memory on the receiver's machine?"
        )
    if scarce:
        return Undecided(
            f"{action} makes its reader break down, and here is less memory than a file may take"
        )
    return Unreadable(f"{action} makes its reader break down")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was left to be written has nobody to read it
                pipe.close()
