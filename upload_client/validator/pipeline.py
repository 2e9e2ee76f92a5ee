"""`Validator`: follows a client's log and judges what it announces, for as long as it may.

The synchronous `Validator.step` does one round of everything that is due; `Validator.run` calls it again
and again. Judgements are made elsewhere (`judging`); `backlog` has what waits for one, `polling` says when
the client's log is looked at. That log is hostile input: records come bounded and typed out of
`upload_client.core.segments`, and what they say is checked where it is used.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from upload_client.control.checkpoints import fold_validators
from upload_client.control.lock import Lock
from upload_client.control.log import LogReader, LogWriter, last_epoch
from upload_client.core.history import DeliveryHistory, PathHistory
from upload_client.core.layout import Layout, shard_of
from upload_client.core.lease import DEFAULT_LEASE, MAX_BODY, LockBody
from upload_client.core.records import (
    KEEPALIVE_SECONDS,
    TOO_MANY_INVALID,
    Cursor,
    Found,
    IndexJudged,
    Init,
    Keepalive,
    PassedOver,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    ValidatorRecord,
    Verdict,
)
from upload_client.core.segments import LogChain, Segment
from upload_client.core.text import for_log
from upload_client.core.times import timestamp
from upload_client.errors import Locked, LockLost, LogBroken, NothingToDoError
from upload_client.s3.bucket import AnswerLost, Bucket, NotFound, ObjectTooLarge, StoreError
from upload_client.support.clock import SYSTEM, Clock
from upload_client.validator.backlog import Backlog, Judges
from upload_client.validator.polling import Polling
from upload_client.validator.tally import Tally, tally_of

MAX_UNJUDGED = 10_000
"""Announced uploads that wait for a verdict; with more, the client's log is not read on."""

Outcome = Literal["stop", "time", "superseded", "error", "lock lost"]
"""Why a validator left. After `lock lost` it could not say so."""

_CURSOR_SECONDS = 1.0
_FLUSH_SECONDS = 10.0
_MAX_PAUSE = 1.0
_WIND_UP_SECONDS = 5.0
"""For what is being judged when the time runs out; what is not done by then is for the next validator."""


class Validator:
    """One run of the validator: it takes its lock, serves one client, and leaves.

    Args:
        control: the control bucket, at the delivery's root.
        layout: where everything is.
        judges: judges uploads.
        validator_id: this run's name.
        client_epoch: the client that it serves.
        shard: which share of the files it judges (`shard_of`), from 0.
        shards: how many validators share them.
        seconds_left: how long this run may still take.
        leave_seconds: it leaves when no more than these are left.
        width: how many uploads are handed out at once to be judged.
        lease_seconds: of its lock.
        poll_seconds: between two looks at the client's log while something comes.
        poll_longest_seconds: the same after a long silence.
        versions: of what it is made of, for the log and the receipt.
        expectations_sha256: of the document by which it judges, hex.
        judge_index: holds the client's index against the delivery that was agreed on: why it is another one,
            and a code for that; asked once that index is there. None: nobody does.
        clock: the machine's.
    """

    def __init__(
        self,
        control: Bucket,
        layout: Layout,
        judges: Judges,
        *,
        validator_id: str,
        client_epoch: int,
        shard: int = 0,
        shards: int = 1,
        seconds_left: Callable[[], float] = lambda: math.inf,
        leave_seconds: float = 30.0,
        width: int = 32,
        lease_seconds: int = 120,
        poll_seconds: float = 1.0,
        poll_longest_seconds: float = 10.0,
        versions: Mapping[str, str] | None = None,
        expectations_sha256: str | None = None,
        judge_index: Callable[[], tuple[tuple[str, ...], str | None]] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._versions, self._expectations_sha256 = versions or {}, expectations_sha256
        self._judge_index = judge_index
        self._index_waits = False  # to be judged: it is there, and nothing was said of it
        self._control = control
        self._layout = layout
        self._judges = judges
        self._validator_id = validator_id
        self._client_epoch = client_epoch
        self._shard = shard
        self._shards = shards
        self._seconds_left = seconds_left
        self._leave_seconds = leave_seconds
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._lock = Lock(
            control,
            layout.validator_lock(shard),
            agent_id=validator_id,
            lease_seconds=lease_seconds,
            clock=clock,
        )
        self._history = DeliveryHistory()
        self._reader = LogReader(control, layout.client_log(), writer="client", clock=clock)
        self._validator_logs: dict[int, LogReader] = {}  # by shard
        self._writer: LogWriter | None = None
        self._wake = threading.Event()
        self._backlog = Backlog(judges, width, self._wake.set)
        self._polling = Polling(poll_seconds, poll_longest_seconds)
        self._n_files = 0  # in the client's index
        self._client_lease = float(DEFAULT_LEASE)
        self._appended_at = -math.inf
        self._cursor_at = -math.inf
        self._cursor = -1
        self._superseded = False
        self._leaving: _Leaving | None = None
        self.outcome: Outcome | None = None

    def run(self) -> Outcome:
        """Serve the client until it is time to leave.

        Raises:
            Locked: another validator is there; nothing was done.
            StoreError: the store does not answer.
        """
        self._lock.start()
        try:
            self.begin()
            while (wait := self.step()) < math.inf:  # for ever: it has left
                self._wake.wait(min(wait, _MAX_PAUSE))
                # Before the next step looks, not after: what is done from now on wakes it again.
                self._wake.clear()
        except Locked:
            raise
        except Exception as error:  # it is said in the log, where the client and the receiver look
            self._leave("error", f"{type(error).__name__}: {error}")
            self._finish()
            if self._writer is None:
                raise
        finally:
            self._judges.stop()
            self._lock.stop()
        assert self.outcome is not None  # whatever happened, it has left
        return self.outcome

    def begin(self) -> None:
        """Take the lock, fence the log, read both logs, and say that this validator is there.

        Raises:
            Locked: another validator is there.
            DeliveryError: a log is broken, a newer validator has come, or the store does not answer.
        """
        log = self._layout.validator_log(self._shard)
        self._lock.acquire(last_epoch(self._control, log, writer="validator"))
        writer = self._writer = LogWriter(
            self._control,
            log,
            agent_id=self._validator_id,
            epoch=self._lock.epoch,
            chain=LogChain("validator"),
            client_epoch=self._client_epoch,
            clock=self._clock,
            may_write=lambda: self._lock.may_write,
        )
        writer.fence()
        lock = self._client_lock()
        self._client_lease = float(DEFAULT_LEASE if lock is None else lock.lease_seconds)
        # The announcements first, so that each verdict finds its upload.
        illegible: list[Segment] = []
        for segment in self._reader.read_all():
            self._history.add_client(segment)
            self._notice_index(segment)
            illegible += [segment] * bool(segment.n_ignored)
        self._receive_from_validators()
        writer.check_owner(self._history.last_validator(self._shard))
        # Which segment announced them is not known any more, only that it lies beyond the cursor.
        waiting = (path for path, _ in self._history.unjudged() if self._is_mine(path))
        self._backlog.read(self._cursor + 1, self._clock.monotonic(), waiting)
        self._append(
            ValidatorInit(
                self._now(),
                self._validator_id,
                self._client_epoch,
                self._shards,
                self._versions,
                self._expectations_sha256,
                self._judge_index is not None,
            )
        )
        for segment in illegible:
            self._append_passed_over(segment)
        writer.flush(timeout=_FLUSH_SECONDS)  # its first word waits for no look at a large index
        self._judge_the_index()

    def step(self) -> float:
        """Do once what is due: keep the lock, look at the log, judge, say what came out, or leave.

        Returns:
            Seconds until there is something to do again, if no judgement ends before.
        """
        writer = self._writer
        if self.outcome is not None or writer is None:
            return math.inf
        waits = [self._lock.step()]
        if self._lock.lost is not None or writer.error is not None:
            self._leave("lock lost")
        else:
            self._harvest()
            if self._leaving is None:
                self._poll()
                self._consider_leaving()
        if self._leaving is not None:
            now = self._clock.monotonic()
            if not self._backlog.is_judging or self._leaving.outcome == "lock lost":
                self._finish()
                return math.inf
            if now >= self._leaving.by:
                self._judges.stop()
            else:
                waits.append(self._leaving.by - now)
        else:
            if self._judge_the_index():  # before any verdict: whoever hears them all has heard that, too
                self._feed()
            now = self._clock.monotonic()
            waits += [
                self._polling.next_at - now,
                self._seconds_left() - self._leave_seconds,
            ]
        self._append_progress(now)
        if not self._backlog and writer.unflushed:
            writer.flush(timeout=1.0)  # nothing follows that could share a segment with it
        waits += [writer.step(), self._appended_at + KEEPALIVE_SECONDS - now]
        return max(0.0, min(waits))

    @property
    def silence(self) -> float:
        """Seconds since this validator last said something in its log; 0 once it has left."""
        return self._clock.monotonic() - self._appended_at if self.outcome is None else 0.0

    @property
    def backlog(self) -> int:
        """Uploads that have been read of and not judged."""
        return len(self._backlog)

    @property
    def lag(self) -> float:
        """Seconds since the oldest announcement that is not judged was read; 0 where all is judged."""
        return self._backlog.lag(self._clock.monotonic())

    def await_others(self, patience: float = 120.0) -> None:
        """Once this one has left: wait for the other shards' validators, and take in what they said.

        Args:
            patience: seconds for which none of them says anything, after which they are not waited for.
        """
        seen_at = self._clock.monotonic()
        while True:
            with contextlib.suppress(StoreError, LogBroken):  # the operator is told all the same
                if self._receive_from_validators():
                    seen_at = self._clock.monotonic()
            serving = self._history.validators_of(self._client_epoch)
            # One whose time was up may be followed by another.
            left = {life.shard for life in serving if life.ended is not None and life.reason != "time"}
            silent = self._clock.monotonic() - seen_at
            if (
                left.issuperset(range(self._shards))
                or silent >= patience
                or self._seconds_left() <= self._leave_seconds / 2
            ):
                return
            self._clock.sleep(self._poll_seconds)

    @property
    def client_found_nothing_to_do(self) -> bool:
        """Whether its client has ended since all files are delivered, and a receipt names them."""
        client = self._history.clients.get(self._client_epoch)
        return client is not None and client.code == NothingToDoError.code

    def tally(
        self, paths: Iterable[str] | None = None, see: Callable[[str, int], object] = lambda *_: None
    ) -> Tally:
        """Count the files of the delivery by state, see `tally_of`."""
        return tally_of(self._history, self._client_epoch, paths, see)

    def _is_mine(self, path: str) -> bool:
        return shard_of(path, self._shards) == self._shard

    def _receive_from_validators(self) -> int:
        """Take in what is new in the logs of all shards: once, there may have been more or fewer of them.

        Returns:
            How many segments that was.
        """
        n_segments = 0
        for shard, segment in fold_validators(
            self._control, self._layout, self._history, self._reader, self._validator_logs, self._clock
        ):
            n_segments += 1
            if shard == self._shard and not segment.superseded:
                for record in segment.records.others:
                    if isinstance(record, Cursor):
                        self._cursor = max(self._cursor, record.seq)
        return n_segments

    def _poll(self) -> None:
        """Look for news of the client, if it is time to."""
        now = self._clock.monotonic()
        if now < self._polling.next_at:
            return
        n_segments, n_known, could = 0, len(self._history), True
        try:
            if len(self._backlog) >= MAX_UNJUDGED:
                lock = self._client_lock()
                self._superseded = lock is not None and lock.epoch > self._client_epoch
            else:
                for segment in self._reader.read_all():
                    self._take(segment)
                    n_segments += 1
        except StoreError:
            could = False
        # As many as have come may come next.
        ends = 0 < self._n_files - len(self._history) <= len(self._history) - n_known
        self._polling.polled(now, n_segments, could=could, ends=ends)

    def _take(self, segment: Segment) -> None:
        self._history.add_client(segment)
        if segment.superseded:
            return
        self._backlog.read(segment.header.seq, self._clock.monotonic())
        self._append_passed_over(segment)
        self._notice_index(segment)
        for record in segment.records:
            if type(record) is Transferred and self._is_mine(record.path):
                upload = record.upload
                if self._history.asked(record.path) == (upload.epoch, upload.n, record.ask):
                    self._backlog.add(record.path, segment.header.seq)

    def _notice_index(self, segment: Segment) -> None:
        """Note that the client has written its index, and of how many files: its first record says so."""
        if segment.superseded or segment.header.epoch != self._client_epoch:
            return
        for record in segment.records.others:
            if isinstance(record, Init):
                self._n_files = record.n_files
                self._index_waits = self._judge_index is not None

    def _judge_the_index(self) -> bool:
        """Say whether the client's index is the delivery that was agreed on, if that is to be said.

        Returns:
            Whether nothing of it is left to be said now.
        """
        if self._index_waits and self._judge_index is not None:
            try:
                problems, code = self._judge_index()
            except AnswerLost:
                return False  # it is asked again
            except StoreError as error:
                problems, code = (f"the index cannot be looked at: {error}",), "misconfigured"
            self._append(IndexJudged(self._now(), problems, code))
            self._index_waits = False
        return True

    def _feed(self) -> None:
        """Hand out what waits."""
        for path, seq in self._backlog.take():
            entry = self._history.latest(path)
            assert entry is not None  # it was announced
            if entry.verdict in ("ok", "failure"):
                self._repeat_verdict(path, entry)
            else:
                self._backlog.judge(path, seq, entry.upload)

    def _harvest(self) -> None:
        """Say what came out of the judgements that have ended."""
        was_idle = not self._backlog
        for path, upload, came_out in self._backlog.judged():
            asked = self._history.asked(path)
            if asked is None or asked[:2] != (upload.epoch, upload.n):
                continue  # a later upload has taken its place, and waits
            # It answers whatever has been asked about this upload by now.
            self._backlog.withdraw(path)
            self._append_verdict(
                Verdict(
                    self._now(),
                    path,
                    upload.id,
                    asked[2],
                    came_out.status,
                    came_out.message,
                    came_out.found,
                    came_out.checks,
                    came_out.code,
                )
            )
        if not self._backlog and not was_idle:
            self._polling.bring_forward(self._clock.monotonic())

    def _repeat_verdict(self, path: str, entry: PathHistory) -> None:
        """Repeat the verdict that the log has: no upload is judged twice."""
        assert entry.verdict is not None
        upload = entry.upload
        found = Found(upload.size, upload.crc32, upload.etag) if entry.verdict == "ok" else None
        self._append_verdict(
            Verdict(
                self._now(),
                path,
                upload.id,
                entry.ask,
                entry.verdict,
                entry.message or "",
                found,
                code=entry.code,
            )
        )

    def _append_verdict(self, verdict: Verdict) -> None:
        self._history.add_verdict(verdict)
        self._append(verdict)

    def _append_passed_over(self, segment: Segment) -> None:
        """Tell the client of lines that are no records: it would wait for their verdicts for ever."""
        if segment.n_ignored and segment.header.epoch == self._client_epoch and not segment.superseded:
            self._append(PassedOver(self._now(), segment.header.seq, segment.n_ignored, segment.problems))

    def _append_progress(self, now: float) -> None:
        """Tell how far all is judged; or at least that there is still somebody here."""
        if not self._backlog or now - self._cursor_at >= _CURSOR_SECONDS:
            self._advance_cursor()
            self._cursor_at = now
        if now - self._appended_at >= KEEPALIVE_SECONDS:
            self._append(Keepalive(self._now()))

    def _advance_cursor(self) -> None:
        cursor = self._backlog.all_judged(self._reader.chain.next_seq)
        if cursor > self._cursor:
            self._cursor = cursor
            self._append(Cursor(self._now(), cursor))

    def _consider_leaving(self) -> None:
        client = self._history.clients.get(self._client_epoch)
        if self._superseded or self._reader.chain.highest_epoch > self._client_epoch:
            self._leave("superseded")
        elif self._seconds_left() <= self._leave_seconds:
            self._leave("time")
        elif client is not None and client.ended is not None:
            if not self._backlog or (client.ended == "stop" and client.code == TOO_MANY_INVALID):
                self._leave("stop")
        elif not self._backlog and self._polling.silence > self._client_lease:
            self._leave("error", "the client has been silent for longer than its lease")

    def _leave(self, outcome: Outcome, message: str = "") -> None:
        """Begin nothing new; finish what is under way, if that does not take long."""
        now = self._clock.monotonic()
        patience = min(_WIND_UP_SECONDS, self._leave_seconds / 2)
        self._leaving = _Leaving(outcome, message, now + patience)
        if outcome not in ("time", "superseded"):
            self._judges.stop()

    def _finish(self) -> None:
        """Say goodbye, and give the lock back."""
        assert self._leaving is not None
        outcome, message, _ = self._leaving
        if outcome != "lock lost" and self._writer is not None:
            self._advance_cursor()
            t = self._now()
            farewell = (
                Stop(t, "all is judged") if outcome == "stop" else Shutdown(t, outcome, for_log(message))
            )
            self._writer.close((farewell,), timeout=_FLUSH_SECONDS)
        with contextlib.suppress(LockLost, StoreError):
            self._lock.release()
        self.outcome = outcome

    def _append(self, record: ValidatorRecord) -> None:
        assert self._writer is not None  # nothing is said before the log is fenced
        self._writer.append(record)
        self._appended_at = self._clock.monotonic()

    def _client_lock(self) -> LockBody | None:
        try:
            return LockBody.decode(self._control.get(self._layout.owned, limit=MAX_BODY).body)
        except (NotFound, ObjectTooLarge):
            return None

    def _now(self) -> str:
        return timestamp(self._clock.written())


class _Leaving(NamedTuple):
    """Why a validator leaves, and until when, by the monotonic clock, it waits for what is under way."""

    outcome: Outcome
    message: str
    by: float
