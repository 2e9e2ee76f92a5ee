"""`Multiplexer`: sends or fetches hundreds of small files at once, on one thread.

For small files the time goes into waiting for answers and into the interpreter, and threads that take turns
at the interpreter lock are slower than one that keeps it. So one thread reads and sends them all, each
over a connection of its own. It does the usual case only: a file that needs more than its one PutObject or
CopyObject (something else was there, no answer came, S3 is too busy), whose GetObject or HeadObject finds
nothing, or whose DeleteObject is not carried out, is handed over to a worker as it stands. (A write that has
succeeded may have its object looked at.)

Files go through the steps abreast: some are read, then all of these are signed and sent, then some answers
are taken. A processor that does one thing many times over has it in its cache: a third of the time is saved.

It has no lock. Its thread alone touches connections, the selector, and the lists of what has begun and
ended. Other threads may call `wake`, `stop` and `some`, and read `flying`, `memory`, `asleep` and
`disk_is_slow`: each a whole value, perhaps a moment old. `asleep` is set before the queue is looked at:
whoever queues something after that look sees it, and calls `wake`, which writes a byte to a socket that
the selector watches. What `Jobs` does is called from this thread: it may take a lock, and must not wait
for anything slow.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from upload_client.s3.connection import READ, Connection
from upload_client.s3.direct import DirectWire, is_unusual
from upload_client.s3.wire import Answer, CopyObject, DeleteObject, GetObject, HeadObject, PutObject

if TYPE_CHECKING:
    from upload_client.s3.connection import Waits
    from upload_client.s3.responses import DirectRequest

_TICK = 1.0
_NOTIFY_SECONDS = 0.01
_IDLE_LASTS = 15.0
_CROWD = 32
_AT_ONCE = 16  # files that go through each step together
_READS_COMPARED = 32
_SLOW_READ = 250e-6  # seconds to open and read a small file; from memory it is a tenth of that


class Job:
    """One job: its rules, the request that is next, and who receives the result, with its subject.

    `memory` is the bytes of content it holds meanwhile.
    """

    __slots__ = ("about", "done", "memory", "request", "steps")

    def __init__(
        self,
        steps: Generator[Any, Answer, Any],
        done: Callable[[Any, object], None],
        about: Any,  # noqa: ANN401 - whatever `done` is to be told
        memory: int = 0,
    ) -> None:
        self.steps = steps
        self.done = done
        self.about = about
        self.memory = memory
        self.request: Any = None


class Jobs(Protocol):
    """The source and sink of a multiplexer's jobs. Its calls are rare, and work in batches."""

    def room(self) -> int:
        """Number of further small files that may be on their way."""
        ...

    def take_small(self, most: int) -> list[Job]:
        """The next small files: as many as are there, up to `most`."""
        ...

    def report(self, begun: list[Job], ended: list[tuple[Job, object]]) -> None:
        """Jobs have begun, and ended: each with a result, or with the exception it raised."""
        ...

    def hand_over(self, job: Job, answer: Answer | None = None) -> None:
        """Hand a job to a worker, which may block, beginning with its request; `answer` is why."""
        ...

    def may_write(self) -> bool:
        """Whether a request that changes something may begin."""
        ...

    def failed(self, error: BaseException) -> None:
        """The multiplexer ends by this; what it had to do is not done."""
        ...

    def notify_caller(self, *, now: float) -> bool:
        """Notify the caller of what has happened, if it is due; False: it is not due yet."""
        ...


class _Slot:
    """One connection, and the job it is on."""

    __slots__ = ("connection", "deadline", "interest", "job", "steps", "watched")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.job: Job | None = None
        self.steps: Waits[Answer] | None = None
        self.watched: socket.socket | None = None
        self.interest = 0
        self.deadline = 0.0


class Multiplexer:
    """The thread that sends small files, or fetches them.

    Args:
        wire: Whose connections and signatures to use.
        jobs: Where to get them.
    """

    def __init__(self, wire: DirectWire, jobs: Jobs) -> None:
        self._wire = wire
        self._jobs = jobs
        self._selector = selectors.DefaultSelector()
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)  # noqa: FBT003 - takes no keyword
        self._selector.register(self._here, READ, None)
        self._idle: list[_Slot] = []
        self._busy: set[_Slot] = set()
        self._stopped = False
        self._next: deque[Job] = deque()
        self._begun: list[Job] = []
        self._ended: list[tuple[Job, object]] = []
        self.flying = 0
        """Small files on their way here."""
        self.memory = 0
        """Bytes they hold."""
        self._reads = 0
        self._quickest = float("inf")
        self.asleep = False
        self.disk_is_slow = False
        """Whether even the quickest of the last reads took long: a network disk, that several should read."""
        self.thread = threading.Thread(target=self._run, name="transfer-multiplexer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def wake(self) -> None:
        """Wake the thread: there may be something to do. From any thread."""
        self.asleep = False
        with contextlib.suppress(OSError):
            self._there.send(b"\0")

    def stop(self) -> None:
        """End the thread, at once. From any thread."""
        self._stopped = True
        self.wake()

    def some(self, most: int) -> list[Any]:
        """The subjects of up to so many of the files on their way. From any thread."""
        jobs = (slot.job for slot in list(self._busy)[:most])
        return [job.about for job in jobs if job is not None]

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - whoever waits for these files is told
            self.flying = self.memory = 0
            with contextlib.suppress(Exception):
                self._report()
            self._jobs.failed(error)
        finally:
            for slot in (*self._busy, *self._idle):
                if slot.steps is not None:
                    slot.steps.close()
                slot.connection.close()
            self._selector.close()
            self._here.close()
            self._there.close()

    def _loop(self) -> None:
        clock = time.perf_counter
        tick = clock() + _TICK
        while not self._stopped:
            self.asleep = True  # said before looking: who puts something there afterwards wakes it up
            while self._fill(_AT_ONCE):
                pass
            self._report()
            is_notified = self._jobs.notify_caller(now=clock())
            events = self._selector.select(_TICK if is_notified else _NOTIFY_SECONDS)
            self.asleep = False
            for start in range(0, len(events), _AT_ONCE):
                self._receive(events[start : start + _AT_ONCE])
                self._fill(_AT_ONCE)
            if (now := clock()) >= tick:
                tick = now + _TICK
                self._expire(now)

    def _receive(self, events: list[tuple[selectors.SelectorKey, int]]) -> None:
        """Go on with the connections on which something has happened."""
        answered: list[tuple[_Slot, Answer]] = []
        for key, happened in events:
            slot: _Slot | None = key.data
            if slot is None:
                self._here.recv(4096)
            elif slot.steps is not None:
                if (answer := self._step(slot, happened)) is not None:
                    answered.append((slot, answer))
            else:  # S3 has closed a connection that nobody uses
                self._idle.remove(slot)
                self._drop(slot)
        for slot, answer in answered:
            self._answered(slot, answer)

    def _fill(self, most: int) -> int:
        """Begin up to so many files: have all of them read, then all of them sent. How many were begun."""
        begun: list[_Slot] = []
        n = 0
        while n < most and (job := self._following()) is not None:
            n += 1
            request = self._begin(job)
            if request is not None:
                slot = self._idle.pop() if self._idle else _Slot(self._wire.connection())
                slot.job = job
                slot.steps = slot.connection.exchange(request)
                self._busy.add(slot)
                begun.append(slot)
        for slot in begun:
            answer = self._step(slot, None)
            if answer is not None:
                self._answered(slot, answer)
        return n

    def _following(self) -> Job | None:
        """The next small file to send, if there is one and it may be sent now."""
        if self._jobs.room() <= 0:
            return None
        if not self._next:
            self._report()
            self._next.extend(self._jobs.take_small(_CROWD))
            if not self._next:
                return None
        job = self._next.popleft()
        self.flying += 1
        self.memory += job.memory
        self._begun.append(job)
        return job

    def _left(self, job: Job) -> None:
        """A job is no longer this multiplexer's."""
        self.flying -= 1
        self.memory -= job.memory

    def _end(self, job: Job, result: object) -> None:
        self._left(job)
        self._ended.append((job, result))

    def _hand_over(self, job: Job, answer: Answer | None = None) -> None:
        self._left(job)
        self._report()  # that it has begun is to be known before it can end
        self._jobs.hand_over(job, answer)

    def _report(self) -> None:
        if self._begun or self._ended:
            self._jobs.report(self._begun, self._ended)
            self._begun, self._ended = [], []

    def _begin(self, job: Job) -> DirectRequest | None:
        """Have a file read; what is to be asked, if it is for this thread to ask it now."""
        began = time.perf_counter()
        try:
            request = next(job.steps)
        except StopIteration as end:
            self._end(job, end.value)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome of this file only
            self._end(job, error)
            return None
        self._quickest = min(self._quickest, time.perf_counter() - began)
        self._reads += 1
        if self._reads == _READS_COMPARED:
            self.disk_is_slow = self._quickest > _SLOW_READ
            self._reads, self._quickest = 0, float("inf")
        job.request = request
        if isinstance(request, GetObject | HeadObject):
            return request
        copies = isinstance(request, CopyObject) and request.source_etag is not None
        if (copies or isinstance(request, PutObject | DeleteObject)) and self._jobs.may_write():
            return request  # type: ignore[no-any-return]
        self._hand_over(job)
        return None

    def _step(self, slot: _Slot, happened: int | None) -> Answer | None:
        """Go on with a connection; its answer, when it is there."""
        connection, steps = slot.connection, slot.steps
        assert steps is not None
        answer: Answer | None = None
        try:
            interest = steps.send(happened)  # type: ignore[arg-type] # a generator begins with None
        except StopIteration as end:
            answer, interest, slot.steps = end.value, READ, None
        if connection.sock is not slot.watched or interest != slot.interest:
            self._watch(slot, interest)
        slot.deadline = time.perf_counter() + connection.patience
        return answer

    def _answered(self, slot: _Slot, answer: Answer) -> None:
        """Take an answer to its job."""
        job, slot.job = slot.job, None
        assert job is not None
        self._busy.discard(slot)
        self._rest(slot)
        reads = isinstance(
            job.request, GetObject | HeadObject | DeleteObject
        )  # or is done with its one answer
        if is_unusual(answer) or (reads and not answer.ok):
            self._hand_over(job, answer if reads else None)
            return
        try:
            job.request = job.steps.send(answer)
        except StopIteration as end:
            self._end(job, end.value)
        except Exception as error:  # noqa: BLE001 - as above
            self._end(job, error)
        else:
            if answer.ok and not reads and isinstance(job.request, HeadObject):
                self._ask(job, job.request)
            else:
                self._hand_over(job, None if reads else answer)

    def _ask(self, job: Job, request: HeadObject) -> None:
        """Go on with a job that has one more question."""
        slot = self._idle.pop() if self._idle else _Slot(self._wire.connection())
        slot.job = job
        slot.steps = slot.connection.exchange(request)
        self._busy.add(slot)
        answer = self._step(slot, None)
        if answer is not None:
            self._answered(slot, answer)

    def _watch(self, slot: _Slot, interest: int) -> None:
        """Have the selector watch the connection's socket, which may be another one than before."""
        sock = slot.connection.sock
        if sock is not slot.watched:
            if slot.watched is not None:
                self._selector.unregister(slot.watched)  # closed or not
            if sock is not None:
                self._selector.register(sock, interest, slot)
                slot.interest = interest
            slot.watched = sock
        elif sock is not None and interest != slot.interest:
            self._selector.modify(sock, interest, slot)
            slot.interest = interest

    def _rest(self, slot: _Slot) -> None:
        """Keep a connection for later."""
        if slot.connection.sock is None:
            self._drop(slot)
        else:
            slot.deadline = time.perf_counter() + _IDLE_LASTS
            self._idle.append(slot)

    def _drop(self, slot: _Slot) -> None:
        slot.connection.close()
        self._watch(slot, 0)

    def _expire(self, now: float) -> None:
        for slot in [slot for slot in self._busy if slot.deadline < now]:
            answer = self._step(slot, 0)
            if answer is not None:
                self._answered(slot, answer)
        for slot in [slot for slot in self._idle if slot.deadline < now]:
            self._idle.remove(slot)
            self._drop(slot)
