"""The state of one run: `Run` from its construction, `ConnectedRun` once the lock is held.

Both belong to the caller's thread. `startup` makes a `ConnectedRun` of a `Run`, `loop` carries it through the
sending and the judging, `finish` ends it; `client.UploadClient` calls them in this order.
"""

from __future__ import annotations

import logging
import math
import platform
import traceback
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from upload_client.core import records, segments
from upload_client.core.client_states import ClientEvent, ClientState, next_client_state
from upload_client.core.codes import MessageCode
from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory
from upload_client.core.notice_limit import NoticeLimit
from upload_client.core.receipt import IndexNamed
from upload_client.core.segments import LogChain
from upload_client.core.standstill import Standstill
from upload_client.core.store_profile import StoreProfile
from upload_client.core.text import for_terminal
from upload_client.core.times import timestamp
from upload_client.delivery import progress
from upload_client.delivery.run_arguments import RunArguments
from upload_client.errors import DeliveryError, Interrupted, LoginRefused
from upload_client.events import Event, FileChanged, Message, MessageType, Reporter
from upload_client.reports.state_csv import write_dump
from upload_client.s3.bucket import PreconditionFailed, repeat_while_lost
from upload_client.s3.store_clock import StoreClock
from upload_client.s3.write_guard import guarded_by
from upload_client.support.clock import StoppableClock
from upload_client.support.patience import Patience
from upload_client.support.secrets import hidden, without_secrets

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

    from upload_client.aws.pipeline import Started
    from upload_client.control.delivery_buckets import DeliveryBuckets
    from upload_client.control.lock import Lock
    from upload_client.control.log import LogWriter
    from upload_client.delivery.outcome import Outcome
    from upload_client.delivery.plan import Plan
    from upload_client.delivery.source import Source
    from upload_client.delivery.validation import Validation
    from upload_client.settings import Settings
    from upload_client.transfer.dataroot import DataRoot
    from upload_client.transfer.engine import TransferEngine
    from upload_client.transfer.executor import ExecutorEngine

_log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_EVERY = 0.1
"""Seconds: the longest wait of a run between two looks at everything."""


def versions() -> dict[str, str]:
    """The versions of what a run is made of, as its log and its receipt name them."""
    return {
        "upload-client": version("upload-client"),
        "python": platform.python_version(),
        "boto3": version("boto3"),
    }


class Run:
    """One run, from its construction to its outcome.

    Args:
        arguments: what is wanted.
        source: the files.
        settings: as far as they are known before the login.
        reporter: receives the events.

    Attributes:
        state: where the run is.
        waits: the clock, with waits that end when the run is to stop.
        buckets: the delivery's keys and buckets; None before the login, as is `root`.
        root: where files are read.
        lock: the delivery's; None before it was asked for.
        store: what was seen of the store; None before that is known.
        trials: the store is being tried; None where that has not begun, or is over.
        is_new: nothing was there of this delivery when the lock was taken, nor anything that the receiver
            expects of it.
        writer: of the client's log, from the fence on.
        ahead: a validator is asked for before the index is there; None where none is, or its answer is taken.
        in_one_go: nobody does anything between the plan and the first file that is sent.
        connected: what there is once the lock is held and all is planned.
        outcome: how it ended.
        ending: it is on the way to its outcome.
        stop_asked: somebody wants it to end. No event, whose own lock could be held by the very code that a
            signal handler interrupts.
        n_looks: how often its thread has looked whether it is to end.
        strange: what the other side says by the million is told of a few times, and counted.
    """

    def __init__(
        self,
        arguments: RunArguments,
        source: Source,
        settings: Settings,
        reporter: Reporter,
    ) -> None:
        clock = arguments.clock
        self.arguments = arguments
        self.output_dir = arguments.output_dir  # where state dump and receipt go
        self.source = source
        self.settings = settings
        self.session = arguments.session
        self.reporter = reporter
        self.prompt = arguments.prompt
        self.clock = StoreClock(clock)
        self.debug = arguments.debug
        self.waits = StoppableClock(clock, self.check_stop, LOOK_EVERY)
        self.began = clock.monotonic()
        self.state = ClientState.INITIALIZING
        self.buckets: DeliveryBuckets | None = None
        self.root: DataRoot | None = None
        self.lock: Lock | None = None
        self.store: StoreProfile | None = None
        self.trials: Future[StoreProfile] | None = None
        self.is_new = False
        self.writer: LogWriter | None = None
        self.ahead: Future[Started] | None = None
        self.in_one_go = False
        self.lambda_client: LambdaClient | None = None
        self.connected: ConnectedRun | None = None
        self.outcome: Outcome | None = None
        self.ending = False
        self.stop_asked = False
        self.n_looks = 0
        self.strange = NoticeLimit()
        self.move("built")

    @property
    def n_threads(self) -> int | Literal["auto"]:
        """Requests under way at once."""
        return self.settings.threads if self.arguments.n_threads is None else self.arguments.n_threads

    @property
    def small_for_one(self) -> int:
        """Small files under way in place of each of these."""
        return self.settings.small_for_one if self.arguments.n_threads is None else 1

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return self.clock.monotonic() - self.began

    @property
    def patience(self) -> Patience:
        """Waits for services at the start, when nothing is under way that could be spoilt meanwhile."""
        lock = self.lock
        return self.patience_while(lambda: lock.check_held() if lock is not None and lock.lost else None)

    def patience_while(self, look: Callable[[], object]) -> Patience:
        """Waits for services, and takes such a look meanwhile."""
        return Patience(
            self.settings.patience,
            self.waits,
            notify=lambda text: self.message(text, "warning", MessageCode.NOT_REACHABLE),
            meanwhile=look,
        )

    def check_stop(self) -> None:
        """Raise `Interrupted` where the run is to stop, and is not at its end anyway."""
        self.n_looks += 1
        if self.stop_asked and not self.ending:
            raise Interrupted("stopped by the program that runs it")

    def may_write(self) -> bool:
        """Whether the lock allows a write that begins now."""
        return self.lock is not None and self.lock.may_write

    def release_lock(self) -> None:
        """Give the lock back, if it is held or may be: the answer was lost, say, that said so."""
        if self.lock is not None:
            self.lock.release()

    def now(self) -> str:
        """This moment, as records spell it."""
        return timestamp(self.clock.written())

    def move(self, event: ClientEvent) -> None:
        """Enter the state that the event leads to."""
        self.state = next_client_state(self.state, event)

    # --- messages ---

    def notify(self, event: Event) -> None:
        """Tell the reporter. That nobody can read it is no reason to stop a delivery."""
        try:  # noqa: SIM105 - what is told of a million files is told without making an object more
            self.reporter.handle(event)
        except OSError:
            pass

    def message(self, text: str, mtype: MessageType, code: MessageCode | None) -> None:
        """Show the person a sentence; without a code where the text is not from this program."""
        self.notify(Message(text, mtype, code))

    def notice_clock(self) -> None:
        """Notify the person, once, that this machine's clock is wrong."""
        if notice := self.clock.notice():
            self.message(notice, "warning", MessageCode.CLOCK_SKEW)

    def describe(self, error: BaseException) -> str:
        """An exception, safe for a terminal; with its traceback where that is wanted."""
        text = str(error)
        if not isinstance(error, DeliveryError):
            text = f"{type(error).__name__}: {without_secrets(text)}"
        if self.debug:
            text = hidden("".join(traceback.format_exception(error)))
        return for_terminal(text, lines=True)

    def dump_state(self) -> Path | None:
        """Write the state of all files as CSV; its path, or None where that could not be."""
        if self.connected is None:
            return None
        arguments = self.arguments
        try:
            return write_dump(
                self.connected.ledger,
                dataset=arguments.dataset,
                delivery_id=arguments.delivery_id,
                wall=self.clock.written(),
                directory=self.output_dir,
            )
        except OSError as error:
            why = (
                f"the state could not be written to {self.output_dir}: {error.strerror}; fix that, or name"
                " another folder, and run it again: then it is written"
            )
            self.message(why, "error", MessageCode.STATE_NOT_WRITTEN)
            return None


@dataclass(slots=True, eq=False)
class ConnectedRun:
    """A run that holds the lock, with its plan.

    Attributes:
        chain: the client's log, as the writer has it.
        history: all logs, as far as they were read and written, for the next checkpoint.
        header: under which this run's own records are folded into it.
        checkpoint_at: segments in all logs together that the last checkpoint covers.
        announce: rows that are done and await a verdict of which nobody has been asked in this run.
        appended_at: when the log was last written to, by the monotonic clock.
        progress_at: when progress was last reported, the same.
        bytes_before: bytes of the files that were in place before this run.
        index_was_refused: whether the last index that was judged as a whole, an earlier run's, was not the
            delivery that was agreed on; then this run's has to be.
        asks_of_index: whether a validator is asked of this run's index alone: all files are valid.
        index: the index of this run.
        unproven: objects copied whose checksum of that kind the source's store does not say.
        outage: nothing is sent until the validator's log can be read again.
        announced_in: number of a segment of the client's log behind which it announces nothing; None while
            that is not known.
        passed_over: lines of that log that the validators could not read, as far as the person knows.
    """

    run: Run
    buckets: DeliveryBuckets
    root: DataRoot
    lock: Lock
    writer: LogWriter
    chain: LogChain
    validation: Validation
    history: DeliveryHistory
    header: records.SegmentHeader
    checkpoint_at: int
    ledger: FileLedger
    plan: Plan
    announce: deque[int]
    appended_at: float
    standstill: Standstill
    bytes_before: int
    index_was_refused: bool = False
    asks_of_index: bool = False
    progress_at: float = -math.inf
    engine: TransferEngine | ExecutorEngine | None = None
    index: IndexNamed | None = None
    receipt: str | None = None
    receipt_file: Path | None = None
    receipt_sha256: str | None = None
    n_uploads: int = 0
    files_sent: int = 0
    unproven: Counter[str] = field(default_factory=Counter)
    outage: bool = False
    announced_in: int | None = None
    passed_over: int = 0

    def check_ownership(self) -> None:
        """Raise what takes the delivery from this run: lock or log are another's, or no login holds."""
        if self.writer.error is not None:
            raise self.writer.error
        self.lock.check_held()
        for part in (self.writer, self.lock, self.validation):
            if isinstance(part.trouble, LoginRefused):
                raise part.trouble

    def append(self, lines: Sequence[records.Record]) -> None:
        """Write to the log, as soon as it takes more."""
        if lines:
            self.writer.append_many(lines)
            if any(type(line) is records.Transferred for line in lines):
                self.announced_in = None
            self.history.add_client(segments.Segment(self.header, segments.Records(lines), ""))
            self.appended_at = self.run.clock.monotonic()

    def append_keepalive(self) -> None:
        """Tell the log that this run is at work, where nothing was written to it for so long."""
        if self.run.clock.monotonic() - self.appended_at >= records.KEEPALIVE_SECONDS:
            self.append([records.Keepalive(self.run.now())])

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask the store until it answers, for as long as an outage may last that the lock survives."""
        patience = self.run.patience_while(self.check_ownership)
        return patience(lambda: repeat_while_lost(ask, self.run.waits))

    def writing(self, write: Callable[[], object]) -> None:
        """Write something, while the lock is ours, until the store answers."""

        def careful() -> None:
            if not self.lock.may_write:
                self.lock.refresh()
            with guarded_by(self.run.may_write):
                write()

        self.patiently(careful)

    def create(self, key: str, body: bytes, content_type: str) -> None:
        """Write a control object that must not be there yet; the same one, by a lost answer, may."""
        control = self.buckets.control

        def put() -> None:
            try:
                control.put(key, body, if_none_match=True, content_type=content_type)
            except PreconditionFailed:  # perhaps by an attempt the answer to which was lost
                if control.read(key, limit=len(body)) != body:
                    raise

        self.writing(put)

    def notify_file(self, row: int, *, again: bool = False) -> None:
        """Tell the reporter what has become of a file."""
        ledger = self.ledger
        path, state, message, retries = (
            ledger.relpath(row),
            ledger.state(row),
            ledger.message(row),
            ledger.order.retries[row],
        )
        self.run.notify(FileChanged(path, state, message, retries, again, ledger.code(row)))

    def notify_progress(self) -> None:
        """Tell the reporter how far the run is, and how lock, logs and validator are."""
        seconds = self.run.seconds
        self.run.notify(
            progress.progress(
                self.ledger,
                self.plan,
                self.engine,
                before=self.bytes_before,
                files_sent=self.files_sent,
                seconds=seconds,
            )
        )
        self.run.notify(
            progress.health(
                self.lock,
                self.writer,
                self.validation,
                silence=self.buckets.settings.validator_silence,
                seconds=seconds,
            )
        )
