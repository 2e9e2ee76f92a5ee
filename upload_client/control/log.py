"""`LogWriter` and `LogReader`: logs as chains of small objects, appended to by compare-and-append.

What a segment is, and how the chain is checked, is `upload_client.core.segments`'s. Here it meets the store:
one append in flight, repeated with identical bytes until its fate is known; readers that poll by one LIST.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from upload_client.core.history import Life
from upload_client.core.layout import segment_key, segment_seq
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    FLUSH_SECONDS,
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    MAX_SEGMENT,
    MalformedSegment,
    Record,
    SegmentHeader,
    Writer,
)
from upload_client.core.segments import LogBroken as ChainBroken
from upload_client.core.segments import LogChain, Segment, decode_segment, encode_segment
from upload_client.errors import DeliveryError, LockLost, LogBroken, Superseded
from upload_client.s3.bucket import (
    Bucket,
    ConditionalConflict,
    NotFound,
    ObjectInfo,
    ObjectTooLarge,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
)
from upload_client.s3.write_guard import guarded_by
from upload_client.support.background import Background, map_in_threads
from upload_client.support.clock import SYSTEM, Clock

_log = logging.getLogger(__name__)

READ_BUDGET = 16 * 1024 * 1024
"""Bytes that a reader takes in one poll at most."""
_READ_AT_ONCE = READ_BUDGET // 4  # where all is read: taken apart, they take four times as many
MAX_STRANGE = 1000
"""Objects in a log that are no segments; more of them would make each poll a long one."""
_TOO_STRANGE = f"more than {MAX_STRANGE} objects lie there that are no segments"
_PAGE = MAX_STRANGE + 1  # objects among which there is a segment, if one follows
_MAX_SEQ = 10**10 - 1  # has all the digits of a key

AT_ONCE_SECONDS = 1.0
"""Seconds for which a reader in a hurry looks very often: the last verdicts of a delivery come so soon."""

_POLL_FIRST, _POLL_LAST = 1.0, 10.0  # seconds between polls: while something comes, and after a long silence
_POLL_EAGER = 0.125  # the first of them, where nobody has anything to do but wait for what comes
_POLL_AT_ONCE = 0.04  # each of them for the first `AT_ONCE_SECONDS` then
_RETRY_FIRST, _RETRY_LAST = 0.5, 10.0  # seconds between attempts of an append
_STEPS_ASIDE = 16  # dead owners' segments to chain to in one go; there is hardly ever one
_SEQUENTIAL = 2  # segments that are not worth the threads
_MAX_FETCHED = 1000  # segments in one poll
_MAX_WAITING = 1000  # segments that nobody has taken yet; with more, polling waits,
_MAX_WAITING_RECORDS = 100_000  # as with more records in them


@dataclass(frozen=True, slots=True)
class _Append:
    """A segment on its way. Until its fate is known the same bytes are sent again."""

    header: SegmentHeader
    data: bytes
    lines: tuple[bytes, ...]


class _MayNotWrite(Exception):  # noqa: N818 - never leaves this module
    """The lease is not confirmed at this moment."""


class LogWriter:
    """Appends records to one log, in order and exactly once, until a newer owner writes to it.

    `append` may be called from any thread and never waits for the store; `step` sends what is due.

    Args:
        bucket: The control bucket, at the delivery's root.
        prefix: Of the log's keys, relative to the root (`Layout.client_log`, `Layout.validator_log`).
        agent_id: Who writes.
        epoch: The writer's fencing number.
        chain: What is known of the log; that may be nothing. It grows with what is appended.
        client_epoch: The client a validator serves; None in a client's log.
        clock: The machine's.
        may_write: Asked before each append; where it says no, nothing is sent and everything is kept.

    Attributes:
        error: Why nothing will be appended any more (`Superseded`, `LogBroken`), once that is so.
        trouble: Why the last append found no answer; None once one is confirmed. It is tried again.
        folded: Segments of dead owners that lay, after the fence, where this writer wanted to append.
    """

    def __init__(
        self,
        bucket: Bucket,
        prefix: str,
        *,
        agent_id: str,
        epoch: int,
        chain: LogChain,
        client_epoch: int | None = None,
        clock: Clock = SYSTEM,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._agent_id = agent_id
        self._epoch = epoch
        self._chain = chain
        self._client_epoch = client_epoch
        self._clock = clock
        self._may_write = may_write
        # One append in flight: whoever has this lock may send, and may move the chain.
        self._sending = threading.Lock()
        self._next_try = -math.inf  # by the monotonic clock, as all times here
        self._pause = _RETRY_FIRST
        # Guards the queue and what is in flight; never held while waiting for the store.
        self._queueing = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._n_bytes = 0
        self._oldest = math.inf  # when the first of the lines came
        self._in_flight: _Append | None = None
        self._background = Background(self.step, f"log {prefix}", longest=1.0)
        self.error: DeliveryError | None = None
        self.trouble: Exception | None = None
        self.folded: list[Segment] = []

    @property
    def seq(self) -> int:
        """Number of the segment that comes next."""
        return self._chain.next_seq

    @property
    def unflushed(self) -> int:
        """Records that are not known to be in the log yet."""
        with self._queueing:
            return len(self._lines) + (len(self._in_flight.lines) if self._in_flight else 0)

    @property
    def superseded(self) -> bool:
        """Whether a newer owner writes to this log."""
        return isinstance(self.error, Superseded)

    def fence(self) -> None:
        """Append a segment without records: from here on no older owner can append unnoticed.

        It looks for the log's end by itself: the log is read only afterwards.

        Raises:
            Superseded: A newer owner was here.
            LogBroken: The last segment cannot be read.
            LockLost: `may_write` forbids it.
            StoreError: The store did not answer.
        """
        with self._sending:
            if self.error is not None:
                raise self.error
            try:
                if self._in_flight is not None:
                    repeat_while_lost(self._send, self._clock)
                repeat_while_lost(self._find_tail, self._clock)
                self._check_allowed()
                self._in_flight = self._made(())
                repeat_while_lost(self._send, self._clock)
            except (Superseded, LogBroken) as error:
                self.error = error
                raise
            except _MayNotWrite:
                raise LockLost("the lock was not confirmed in time to append to the log") from None
            self.folded.clear()
            _log.info("log %s%s goes on at segment %d", self._bucket.prefix, self._prefix, self.seq)

    def check_owner(self, newest: Life | None) -> None:
        """Stop if the whole log, read after the fence, knows of an owner that this one does not come after.

        An epoch is chosen by the last segments alone. Where a dead owner's late one is the last and the lock
        is deleted at that very moment, it may be one that was given before; readers would pass over all that
        is appended under it.

        Args:
            newest: Whoever has the highest epoch in the log, first of all who have it.

        Raises:
            Superseded: That is not this writer.
        """
        if newest is None or (newest.epoch, newest.agent_id) == (self._epoch, self._agent_id):
            return
        self.error = Superseded(
            f"agent {newest.agent_id} has written to the log {self._bucket.prefix}{self._prefix} under epoch"
            f" {newest.epoch}, and agent {self._agent_id} was given epoch {self._epoch}: the lock was deleted"
            " or damaged"
        )
        raise self.error

    def send_now(self) -> None:
        """Send what waits now: nothing comes soon that could share a segment with it. From any thread."""
        with self._queueing:
            if self._lines:
                self._oldest = -math.inf
        self._background.wake()

    def append(self, record: Record) -> None:
        """Queue a record; see `append_many`."""
        self.append_many((record,))

    def append_many(self, records: Iterable[Record]) -> None:
        """Queue records. After an `error` they are dropped: they would never be in the log.

        Raises:
            ValueError: A record cannot be written (a path with a lone surrogate).
        """
        lines = [encode(record) for record in records]
        if self.error is not None or not lines:
            return
        with self._queueing:
            first = not self._lines
            if first:
                self._oldest = self._clock.monotonic()
            self._lines.extend(lines)
            self._n_bytes += sum(map(len, lines))
            wake = first or self._full
        if wake:
            self._background.wake()

    def step(self) -> float:
        """Send one segment if one is due. This is what the thread does again and again; it raises nothing.

        Returns:
            Seconds until there is something to do again; infinite where nothing waits.
        """
        with self._sending:
            return self._step(now_or_never=False)

    def flush(self, *, timeout: float = 30.0) -> bool:
        """Send everything that waits, and try again where no answer comes.

        Args:
            timeout: Seconds after which no further attempt is made.

        Returns:
            Whether everything is in the log. If not, `error` or `trouble` says why, or it was `may_write`,
            for which it does not wait.
        """
        deadline = self._clock.monotonic() + timeout
        while self.unflushed and self.error is None:
            left = deadline - self._clock.monotonic()
            if left <= 0 or not self._sending.acquire(timeout=left):
                break
            try:
                wait = self._step(now_or_never=True)
            finally:
                self._sending.release()
            if wait > 0 and self.unflushed and self.error is None:
                if not self._may_write():
                    break
                self._clock.sleep(min(wait, max(0.0, deadline - self._clock.monotonic())))
        return not self.unflushed

    def start(self) -> None:
        """Start a daemon thread that calls `step` whenever it is due."""
        self._background.start()

    def stop(self) -> None:
        """Stop the thread; it ends at the latest with the request it is waiting for."""
        self._background.stop()

    def close(self, final_records: Iterable[Record] = (), *, timeout: float = 30.0) -> bool:
        """Append the last records, stop the thread and send everything; see `flush`."""
        self.append_many(final_records)
        self.stop()
        return self.flush(timeout=timeout)

    @property
    def _full(self) -> bool:
        return len(self._lines) >= MAX_BATCH_RECORDS or self._n_bytes >= MAX_BATCH_BYTES

    def _step(self, *, now_or_never: bool) -> float:
        now = self._clock.monotonic()
        with self._queueing:
            if self.error is not None or not (self._lines or self._in_flight):
                return math.inf
            if not (self._in_flight or self._full or now_or_never):
                wait = self._oldest + FLUSH_SECONDS - now
                if wait > 0:
                    return wait
        if now < self._next_try:
            return self._next_try - now
        try:
            if self._in_flight is None:
                self._check_allowed()
                self._take_batch()
            self._send()
        except (Superseded, LogBroken) as error:
            self.error = error
            _log.warning("%s", error)
            return math.inf
        except _MayNotWrite:
            return FLUSH_SECONDS
        except Exception as error:  # noqa: BLE001 - whatever it is, the records are kept and tried again
            self.trouble = error
            _log.info("log %s%s not appended to: %s", self._bucket.prefix, self._prefix, error)
            pause, self._pause = self._pause, min(2 * self._pause, _RETRY_LAST)
            self._next_try = self._clock.monotonic() + pause
            return pause
        return 0.0

    def _take_batch(self) -> None:
        """Move what fits into one segment from the queue to what is in flight."""
        with self._queueing:
            batch: list[bytes] = []
            n_bytes = 0
            while self._lines and len(batch) < MAX_BATCH_RECORDS:
                if batch and n_bytes + len(self._lines[0]) > MAX_BATCH_BYTES:
                    break
                batch.append(self._lines.popleft())
                n_bytes += len(batch[-1])
            self._n_bytes -= n_bytes
            self._oldest = self._clock.monotonic() if self._lines else math.inf
            self._in_flight = self._made(tuple(batch))

    def _made(self, lines: tuple[bytes, ...]) -> _Append:
        header = self._chain.header(
            agent_id=self._agent_id, epoch=self._epoch, client_epoch=self._client_epoch
        )
        return _Append(header, encode_segment(header, lines), lines)

    def _send(self) -> None:
        """Append what is in flight.

        Raises:
            Superseded, LogBroken: It will never be in the log.
            StoreError: It may be, or not.
        """
        for _ in range(_STEPS_ASIDE):
            append = self._in_flight
            assert append is not None
            self._check_allowed()
            key = segment_key(self._prefix, append.header.seq)
            try:
                with guarded_by(self._may_write):
                    self._bucket.put(
                        key, append.data, if_none_match=True, content_type="application/x-ndjson"
                    )
            except PreconditionFailed:
                occupant = self._read(append.header.seq)
                if occupant != append.data:  # equal: an earlier attempt, the answer to which was lost
                    self._step_aside(append, occupant)
                    continue
            with self._queueing:
                self._chain.appended(append.header, append.data)
                self._in_flight = None
            self.trouble = None
            self._pause, self._next_try = _RETRY_FIRST, -math.inf
            return
        raise ConditionalConflict(f"{self._bucket.prefix}{self._prefix}: others append again and again")

    def _step_aside(self, append: _Append, occupant: bytes) -> None:
        """Chain to somebody else's segment, which lies where ours should, and make ours follow it.

        Raises:
            Superseded, LogBroken: That must not be.
        """
        seq = append.header.seq
        with _naming(self._bucket, self._prefix, seq):
            self._check_rank(decode_segment(occupant, writer=self._chain.writer).header)
            self.folded.append(self._chain.accept(seq, occupant))
        with self._queueing:
            self._in_flight = self._made(append.lines)

    def _check_allowed(self) -> None:
        if not self._may_write():
            raise _MayNotWrite

    def _check_rank(self, header: SegmentHeader) -> None:
        if header.outranks(self._epoch, self._agent_id):
            raise Superseded(
                f"agent {header.agent_id}, epoch {header.epoch}, has taken over the log"
                f" {self._bucket.prefix}{self._prefix} from agent {self._agent_id}, epoch {self._epoch}"
            )

    def _read(self, seq: int) -> bytes:
        key = segment_key(self._prefix, seq)
        try:
            return self._bucket.get(key, limit=MAX_SEGMENT).body
        except ObjectTooLarge as error:
            raise _named(self._bucket, self._prefix, ChainBroken(seq, str(error))) from None
        except NotFound:
            raise ConditionalConflict(f"{self._bucket.prefix}{key} was there, and is gone") from None

    def _find_tail(self) -> None:
        """Let the chain end with the log's last segment, whatever lies before it."""
        seq = last_seq(self._bucket, self._prefix, self._chain.next_seq)
        if seq is None:
            return
        data = self._read(seq)
        with _naming(self._bucket, self._prefix, seq):
            header = decode_segment(data, writer=self._chain.writer).header
            self._check_rank(header)
            self._chain.next_seq, self._chain.tail_sha = seq, header.prev
            self._chain.accept(seq, data)


class LogReader:
    """Follows one log: finds new segments, checks that they form a chain, and yields them in order.

    Args:
        bucket: The control bucket, at the delivery's root.
        prefix: Of the log's keys, relative to the root.
        writer: Whose log it is.
        clock: The machine's.
        chain: What is known of the log, to go on from there; None: nothing.
        fetchers: How many segments are read at once when many have come.

    Attributes:
        chain: The chain so far.
        error: `LogBroken`, once the log is; nothing is read any more.
        trouble: Why the last poll failed; None after one that succeeded.
        polls_ok_at: When the last poll succeeded, by the monotonic clock; None before the first.
    """

    def __init__(
        self,
        bucket: Bucket,
        prefix: str,
        *,
        writer: Writer,
        clock: Clock = SYSTEM,
        chain: LogChain | None = None,
        fetchers: int = 8,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self._fetchers = fetchers
        self._polling = threading.Lock()  # one poll at a time: whoever has it may move the chain
        self._next_poll = -math.inf  # by the monotonic clock
        self._first = _POLL_FIRST
        self._pause = _POLL_FIRST
        self._at_once_until = -math.inf
        self._found: deque[Segment] = deque()
        self._listing: Iterator[ObjectInfo] | None = None  # what the last poll left of a listing
        self._background = Background(self.step, f"reader {prefix}", longest=_POLL_LAST)
        self.chain = LogChain(writer) if chain is None else chain
        self.error: LogBroken | None = None
        self.trouble: Exception | None = None
        self.polls_ok_at: float | None = None

    def update(self) -> list[Segment]:
        """Take the segments that were found since the last call, in order. Does not wait for the store.

        Those whose records must not count are marked `superseded`.

        Raises:
            LogBroken: The log ends in something that is no chain, and all before it was given out.
        """
        segments: list[Segment] = []
        with contextlib.suppress(IndexError):
            while True:
                segments.append(self._found.popleft())
        if not segments and self.error is not None:
            raise self.error
        return segments

    def read_all(self) -> Iterator[Segment]:
        """Read, now, from where the reader stands to the end of the log.

        Yields:
            The segments in order; not those that `update` has given or will give.

        Raises:
            LogBroken: The log is no chain; all segments before were given.
            StoreError: The store did not answer. Called again, it goes on behind the last one given.
        """
        more = self.error is None
        while more:
            with self._polling:
                found, more, self.error = repeat_while_lost(lambda: self._poll(_READ_AT_ONCE), self._clock)
            segments = deque(found)
            del found
            while segments:
                yield segments.popleft()
        if self.error is not None:
            raise self.error

    def check_end(self) -> None:
        """Look whether the last segment of the chain is in the log, as it was: whoever appends, links to it.

        Raises:
            LogBroken: It is missing, or another one. Somebody has deleted it.
            StoreError: The store did not answer.
        """
        seq = self.chain.next_seq - 1
        if seq < 0:
            return
        try:
            data = repeat_while_lost(lambda: self._fetch((seq, None)), self._clock)
        except ChainBroken:
            data = b""
        if hashlib.sha256(data).hexdigest() != self.chain.tail_sha:
            broken = ChainBroken(seq, "it was there, and is missing or another one now")
            raise _named(self._bucket, self._prefix, broken)

    def step(self) -> float:
        """Poll if it is time to. This is what the thread does again and again; it raises nothing.

        Returns:
            Seconds until the next poll; infinite once the log is broken.
        """
        with self._polling:
            now = self._clock.monotonic()
            if self.error is not None:
                return math.inf
            waiting = self._found.copy()  # another thread takes from it
            if (
                len(waiting) >= _MAX_WAITING
                or sum(len(segment.records) for segment in waiting) >= _MAX_WAITING_RECORDS
            ):
                return _POLL_FIRST
            if now < self._next_poll:
                return self._next_poll - now
            more = False
            try:
                segments, more, broken = self._poll()
            except Exception as error:  # noqa: BLE001 - whatever it is: tried again, and shown as `trouble`
                self.trouble = error
            else:
                self._found.extend(segments)
                self.error = broken  # only now: `update` gives out what was found before it raises this
                if segments:
                    self._pause = self._first
            if self.error is not None:
                return math.inf
            now = self._clock.monotonic()
            if now < self._at_once_until:
                wait = min(_POLL_AT_ONCE, self._pause)
            else:
                wait, self._pause = self._pause, min(1.5 * self._pause, _POLL_LAST)
            if more:
                wait = 0.0
            self._next_poll = now + wait
            return wait

    def poll_now(self) -> None:
        """Poll soon, and more often from now on: nothing else is left to do. From any thread.

        For a second it looks very often: of a delivery whose validator keeps up, the last verdicts come then.
        """
        now = self._clock.monotonic()
        self._first = self._pause = min(_POLL_EAGER, _POLL_FIRST)
        self._at_once_until = now + AT_ONCE_SECONDS
        self._next_poll = min(self._next_poll, now + _POLL_AT_ONCE)
        self._background.wake()

    @property
    def has_found(self) -> bool:
        """Whether `update` has something to give, or to raise."""
        return bool(self._found) or self.error is not None

    def start(self) -> None:
        """Start a daemon thread that calls `step` whenever it is due."""
        self._background.start()

    def stop(self) -> None:
        """Stop the thread; it ends at the latest with the request it is waiting for."""
        self._background.stop()

    def _poll(self, budget: int | None = None) -> tuple[list[Segment], bool, LogBroken | None]:
        """Find and link in what has come, as many bytes as the budget allows, and one segment at least.

        Returns:
            The segments, whether there may be more right now, and how the log is broken behind them.
        """
        segments: list[Segment] = []
        broken = None
        try:
            entries, more = self._behind(READ_BUDGET if budget is None else budget)
            with contextlib.closing(self._contents(entries)) as contents:
                for (seq, _), data in zip(entries, contents, strict=True):
                    segments.append(self.chain.accept(seq, data))
        except ChainBroken as error:
            broken = _named(self._bucket, self._prefix, error)
            more = False
        except StoreError:
            self._listing = None
            if not segments:
                raise
            more = True  # what is linked in must be given out; the next poll meets the error again
        self.trouble = None
        self.polls_ok_at = self._clock.monotonic()
        return segments, more, broken

    def _behind(self, budget: int) -> tuple[list[tuple[int, ObjectInfo | None]], bool]:
        """List the segments to read next, in order and without a gap; and whether there are more."""
        entries: list[tuple[int, ObjectInfo | None]] = []
        expected = self.chain.next_seq
        n_strange = 0
        listing, self._listing = self._listing or _listed(self._bucket, self._prefix, expected), None
        for info in listing:
            seq = segment_seq(self._prefix, info.key)
            if seq is None:
                n_strange += 1
                if n_strange > MAX_STRANGE:
                    raise ChainBroken(expected, _TOO_STRANGE)
                continue
            if seq != expected:
                # A listing is not said to be of one moment: a gap is one only if a GET says so too.
                entries.append((expected, None))
                return entries, True
            budget -= info.size
            if entries and (budget < 0 or len(entries) == _MAX_FETCHED):
                # Segments stay where they are: the rest of this listing is as good as a new one.
                self._listing = itertools.chain((info,), listing)
                return entries, True
            entries.append((seq, info))
            expected += 1
        return entries, False

    def _contents(self, entries: list[tuple[int, ObjectInfo | None]]) -> Generator[bytes]:
        """Read segments: in order for whoever takes them, several at once where there are many."""
        if len(entries) <= _SEQUENTIAL or self._fetchers == 1:
            yield from map(self._fetch, entries)
        else:
            yield from map_in_threads(self._fetch, entries, self._fetchers, "fetch log")

    def _fetch(self, entry: tuple[int, ObjectInfo | None]) -> bytes:
        seq, info = entry
        if info is not None and info.size > MAX_SEGMENT:
            raise ChainBroken(seq, f"{info.size} bytes, more than {MAX_SEGMENT}")
        try:
            return self._bucket.get(segment_key(self._prefix, seq), limit=MAX_SEGMENT).body
        except NotFound:
            raise ChainBroken(seq, "it is missing, and later ones are there") from None
        except ObjectTooLarge as error:
            raise ChainBroken(seq, str(error)) from None


def last_epoch(bucket: Bucket, prefix: str, *, writer: Writer) -> int:
    """Tell the epoch of a log's last segment; 0 if there is none, or none that can be read.

    Args:
        bucket: The control bucket, at the delivery's root.
        prefix: Of the log's keys, relative to the root.
        writer: Whose log it is.
    """
    try:
        seq = last_seq(bucket, prefix)
        if seq is None:
            return 0
        data = bucket.get(segment_key(prefix, seq), limit=MAX_SEGMENT).body
        return decode_segment(data, writer=writer).header.epoch
    except (ObjectTooLarge, MalformedSegment, LogBroken):
        return 0


def _listed(bucket: Bucket, prefix: str, from_seq: int) -> Iterator[ObjectInfo]:
    return bucket.list(prefix, segment_key(prefix, from_seq - 1) if from_seq else None)


def last_seq(bucket: Bucket, prefix: str, from_seq: int = 0) -> int | None:
    """Find the number of a log's last segment; None if there is none.

    Of a long log a few dozen pages of its listing are asked for: whoever fills one keeps nobody waiting who
    looks at many.

    Args:
        bucket: The control bucket, at the delivery's root.
        prefix: Of the log's keys, relative to the root.
        from_seq: From which on.

    Raises:
        LogBroken: Objects without end lie there that are no segments.
        StoreError: The store did not answer.
    """
    last, is_more = _last_on_page(bucket, prefix, from_seq)
    step, beyond = _PAGE, _MAX_SEQ + 1  # beyond: no segment has this number, or a higher one
    while is_more and last is not None and last + 1 < beyond:
        if beyond - last <= _PAGE:
            at = last + 1
        elif beyond > _MAX_SEQ:
            at, step = min(last + step, _MAX_SEQ), 2 * step
        else:
            at = (last + beyond) // 2
        found, is_there_more = _last_on_page(bucket, prefix, at)
        if found is None:
            beyond = at
        else:
            last, is_more = found, is_there_more
    return last


def _last_on_page(bucket: Bucket, prefix: str, from_seq: int) -> tuple[int | None, bool]:
    """The last segment among the first objects from a number on, and whether there may be more of them."""
    page = list(itertools.islice(_listed(bucket, prefix, from_seq), _PAGE))
    seqs = [seq for info in page if (seq := segment_seq(prefix, info.key)) is not None]
    if not seqs and len(page) == _PAGE:
        raise _named(bucket, prefix, ChainBroken(from_seq, _TOO_STRANGE))
    return max(seqs, default=None), len(page) == _PAGE


@contextlib.contextmanager
def _naming(bucket: Bucket, prefix: str, seq: int) -> Iterator[None]:
    """Raise what the chain says of a segment by number as something a person can look up, by its key."""
    try:
        yield
    except MalformedSegment as error:
        raise _named(bucket, prefix, ChainBroken(seq, str(error))) from None
    except ChainBroken as error:
        raise _named(bucket, prefix, error) from None


def _named(bucket: Bucket, prefix: str, broken: ChainBroken) -> LogBroken:
    return LogBroken(f"{bucket.prefix}{segment_key(prefix, broken.seq)}", broken.why)
