"""`UploadClient`: drives one delivery, from the login to the receipt.

It holds no rule (they are in `upload_client.core`) and makes no AWS call of its own. One thread, the
caller's, owns the ledger and everything in this module. The workers, the refresher of the lock, the writer
and the reader of the logs have threads of their own, and are spoken to through their objects alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import platform
import random
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import pandas as pd

from upload_client.aws import pipeline
from upload_client.aws.auth import Prompt, open_session
from upload_client.control.checkpoints import Folded, read_logs, validator_reader, write_checkpoint
from upload_client.control.fence import fence_logs
from upload_client.control.identity import new_agent_id
from upload_client.control.lock import Lock, epoch_floor
from upload_client.control.log import LogReader, LogWriter
from upload_client.control.places import Places, complete_settings, open_places, usage_errors
from upload_client.control.probe import probe_store
from upload_client.core import records, verdicts
from upload_client.core.checkpoint import Checkpoint
from upload_client.core.codes import FileCode
from upload_client.core.delivery import (
    ClientEvent,
    ClientState,
    Standstill,
    ValidatorWatch,
    next_client_state,
    too_many_invalid,
    why_still,
)
from upload_client.core.exits import ExitCode, exit_code
from upload_client.core.few import Few
from upload_client.core.files import (
    STATES,
    TRANSFER_TYPES,
    ClientFile,
    FileLedger,
    State,
    TransferType,
    Upload,
    retry_delay,
)
from upload_client.core.history import DeliveryHistory
from upload_client.core.layout import Layout, check_name
from upload_client.core.receipt import IndexNamed, LogTail, ReceiptHead, encode_receipt
from upload_client.core.records import LogChain
from upload_client.core.text import for_terminal
from upload_client.core.times import timestamp
from upload_client.delivery import progress
from upload_client.delivery.final_check import lost, sweep
from upload_client.delivery.plan import Plan, make_plan
from upload_client.delivery.source import Source
from upload_client.delivery.validation import BUSY_RETRY, Request, Validation
from upload_client.errors import (
    DeliveryError,
    Interrupted,
    InvalidState,
    LockLost,
    LogBroken,
    LoginRefused,
    NoProgress,
    NothingToDoError,
    Superseded,
    TooManyInvalid,
    UsageError,
    ValidatorSilent,
)
from upload_client.events import (
    Connected,
    Event,
    FileChanged,
    Message,
    MessageType,
    Phase,
    Planned,
    Reporter,
    Summary,
)
from upload_client.index import Choice, LeftOut, encode_index
from upload_client.index.choosing import Symlinks
from upload_client.receipts.store import (
    bring_receipt,
    deliveries,
    put_receipt,
    runs,
    save_receipt,
    standing_receipt,
)
from upload_client.reports.state_csv import write_dump
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
)
from upload_client.s3.write_guard import checking, guarded_by
from upload_client.settings import Settings, foreign_hosts, load_settings
from upload_client.support.clock import SYSTEM, Clock, StoppableClock
from upload_client.support.in_use import files_in_use
from upload_client.support.patience import Patience
from upload_client.support.secrets import hidden, without_secrets
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.engine import TransferEngine, TransferOutcome, TransferTask
from upload_client.transfer.executor import ExecutorEngine, LockSeen, Place
from upload_client.ui import Calling
from upload_client.ui.plain import PlainReporter

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lambda.client import LambdaClient

__all__ = ["Outcome", "UploadClient"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_QUEUED = 2048
"""Files given to the engine ahead of time: enough that no worker waits, few enough to take back at once."""
_PAUSE = 0.01  # seconds between two looks at workers that have enough to do
_TICK = 0.1  # seconds: the longest wait of `run` between two looks at everything
_CONNECTIONS = 64  # of boto3, where the number of requests at once is found out
_LOOKS = 16  # checksums asked for at once, likewise
_PROGRESS_EVERY = 0.25  # seconds between two events of progress
_GRACE = 3.5  # seconds for what is in flight, once the client has been told to stop
_CLOSE_TIMEOUT = 10.0  # seconds for the last records
_CHECKPOINT_EVERY = 1000  # segments of both logs
_CHECKPOINT_AT_END = 16  # segments of both logs that are quicker read than a checkpoint is written


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a delivery, or of this run of it.

    Attributes:
        exit_code: what the command line exits with; 0: every file is delivered and valid.
        headline: the same in one sentence.
        counts: files in each state.
        bytes_sent: bytes of content that this run sent.
        files_sent: files that this run brought into the landing bucket.
        seconds: how long the run took.
        state_csv: the state dump; None if it could not be written.
        receipt: key of the receipt in the control bucket; None unless all is delivered.
        receipt_file: the same receipt as a file; None where this run has not written it, or not there.
        receipt_sha256: of the receipt, hex; None where this run has not written it.
        error: what ended the run, if something did.
    """

    exit_code: int
    headline: str
    counts: Mapping[State, int]
    bytes_sent: int
    files_sent: int
    seconds: float
    state_csv: Path | None
    receipt: str | None
    receipt_file: Path | None = None
    receipt_sha256: str | None = None
    error: BaseException | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Places:
    """The places of the delivery, known after the login."""

    settings: Settings
    layout: Layout
    control: Bucket
    landing: Bucket
    root: DataRoot
    n_threads: int | Literal["auto"]


@dataclass(frozen=True, slots=True)
class _Survey:
    """The state that logs and buckets show before a run."""

    logs: Folded
    ledger: FileLedger
    plan: Plan


@dataclass(slots=True)
class _Delivery:
    """The parts of a connected client.

    Attributes:
        announce: rows that are done and await a verdict of which nobody has been asked in this run.
        said_at: when the log was last written to, by the monotonic clock.
        told_at: when progress was last told, the same.
        bytes_before: bytes of the files that were in place before this run.
        index: the index of this run.
        chain: the client's log, as the writer has it.
        history: all logs, as far as they were read and written, for the next checkpoint.
        header: under which this run's own records are folded into it.
        checkpoint_at: segments in all logs together that the last checkpoint covers.
        unproven: objects copied whose checksum of that kind the source's store does not say.
        outage: nothing is sent until the validator's log can be read again.
        announced_in: number of a segment of the client's log behind which it announces nothing; None while
            that is not known.
        passed_over: lines of that log that the validators could not read, as far as the person knows.
    """

    places: _Places
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
    said_at: float
    standstill: Standstill
    told_at: float = -math.inf
    bytes_before: int = 0
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


def _versions() -> dict[str, str]:
    return {
        "upload-client": version("upload-client"),
        "python": platform.python_version(),
        "boto3": version("boto3"),
    }


def _cut_short(error: BaseException) -> Interrupted:
    """The end of a run that something has cut short which is no error of a delivery."""
    return Interrupted(f"cut short by {type(error).__name__}")


def _tail(chain: LogChain, shard: int = 0) -> LogTail:
    assert chain.tail_sha is not None  # something was written to it
    return LogTail(chain.next_seq - 1, chain.tail_sha, shard)


def _exit_code(error: BaseException | None, counts: Mapping[State, int]) -> ExitCode:
    if error is None:
        return exit_code(counts)
    return ExitCode(error.exit_code) if isinstance(error, DeliveryError) else ExitCode.UNEXPECTED


def _in_words(error: BaseException) -> str:
    """What an error says; the words of others without secrets."""
    return str(error) if isinstance(error, DeliveryError) else without_secrets(str(error))


def _headline(counts: Mapping[State, int], error: BaseException | None) -> str:
    """The outcome in one sentence."""
    n = sum(counts.values())
    judged = f"{counts['valid']:,} of {n:,} files valid"
    if isinstance(error, NothingToDoError):
        return f"nothing to do: {judged}"
    if error is not None:
        said = _in_words(error)
        return f"{judged}; {said}" if n else said
    rest = {
        "invalid": counts["invalid"],
        "not judged": counts["done"],
        "not transferred": n - counts["valid"] - counts["invalid"] - counts["done"],
    }
    return "; ".join([judged, *(f"{number:,} {what}" for what, number in rest.items() if number)])


class UploadClient:
    """One delivery, by one run. Construction checks its arguments and does no network I/O.

    ```python
    with UploadClient(dataset="survey7", delivery_id="2026-11", file_index=df,
                      transfer_type="staging", source="/data/survey7", n_threads=8) as client:
        outcome = client.run()
    ```

    Step by step, the same is `connect`, `write_index`, `initiate_transfer`, a loop of `transfer_next_file`
    and `update`, and `quit`. All methods are called from one thread.

    Args:
        dataset: name of the data set: 1 to 63 letters, digits, ``.``, ``_``, ``-``.
        delivery_id: name of the delivery, the same.
        file_index: one row a file: ``path`` (str, relative, ``/``-separated), perhaps ``checksum`` (str,
            CRC32 as base64 of 4 big-endian bytes), ``size`` (integer, bytes) and checksums of other kinds
            (``md5``, ``sha256``, …: str in hexadecimal or base64, or bytes). Or the path of a list of any
            kind that the command line takes; None: ``index.csv`` in the source where that is such a list,
            else all files there.
        transfer_type: ``staging``, the whole delivery, or ``sample``.
        source: a directory, a `Bucket`, or ``s3://bucket/prefix``.
        lambda_client_config: arguments of `botocore.config.Config` for the Lambda client.
        own_agent_id: name of this run; by default 11 random lowercase letters.
        n_threads: requests under way at once; ``auto``: as many as bring more; None: as the
            settings say.
        debug: put tracebacks into messages.
        max_retries: second and later tries for each file; None: as the settings say.
        settings: see `upload_client.settings`; None: from the environment and the default profile.
        session: a boto3 session to use in place of a login.
        reporter: is told what happens; None: log lines on stderr.
        output_dir: where the state dump goes; None: the working directory.
        include: patterns, as in a .gitignore; where there are any, other files are left out.
        exclude: patterns of files that are left out, besides those that the settings and an
            ``.uploadignore`` in the source leave out.
        symlinks: ``refuse``, ``follow`` or ``skip``, see `upload_client.index.scan`; None: as the settings
            say.
        resend_invalid: send files again that were judged invalid and have not changed since.
        steal: take the lock from the agent of this name although it is held.
        prompt: asks the person for what a login needs; None: nobody is asked.
        executor: sends the files, in batches, on workers that see the source at the same path; None: this
            process does. It stays the caller's, to shut down too.
        n_batches: batches that may be out at once; two for each worker of the executor are enough.
        clock: time.

    Raises:
        UsageError: an argument cannot be used (`InvalidIndex`: the index, with every row that is wrong).
    """

    def __init__(
        self,
        *,
        dataset: str,
        delivery_id: str,
        file_index: pd.DataFrame | str | Path | None = None,
        transfer_type: TransferType,
        source: str | Path | Bucket,
        lambda_client_config: dict[str, Any] | None = None,
        own_agent_id: str | None = None,
        n_threads: int | Literal["auto"] | None = 1,
        debug: bool = False,
        max_retries: int | None = 2,
        settings: Settings | None = None,
        session: boto3.Session | None = None,
        reporter: Reporter | None = None,
        output_dir: str | Path | None = None,
        include: Sequence[str] | str = (),
        exclude: Sequence[str] | str = (),
        symlinks: Symlinks | None = None,
        resend_invalid: bool = False,
        steal: str | None = None,
        prompt: Prompt | None = None,
        executor: Executor | None = None,
        n_batches: int = 16,
        clock: Clock = SYSTEM,
    ) -> None:
        if lambda_client_config is not None and not isinstance(lambda_client_config, dict):
            raise UsageError("lambda_client_config is not a dict of botocore's Config arguments")
        try:
            Layout(dataset, delivery_id, transfer_type)
            if own_agent_id is not None:
                check_name(own_agent_id, "own_agent_id")
        except ValueError as error:
            raise UsageError(str(error)) from None
        if isinstance(n_threads, int) and n_threads < 1:
            raise UsageError(f"n_threads is {n_threads}: at least 1 is needed")
        if max_retries is not None and max_retries < 0:
            raise UsageError(f"max_retries is {max_retries}: it cannot be negative")
        self.dataset = dataset
        self.delivery_id = delivery_id
        self.transfer_type: TransferType = transfer_type
        self.agent_id = own_agent_id or new_agent_id()
        self.debug = debug
        self.output_dir = Path(output_dir or ".")
        self.state = ClientState.INITIALIZING

        self._lambda_config = lambda_client_config
        self._lambda: LambdaClient | None = None
        self._n_threads = n_threads
        self._max_retries = max_retries
        self._given_settings = settings
        self._session = session
        self._reporter: Reporter = reporter or PlainReporter()
        self._resend_invalid = resend_invalid
        self._steal = steal
        self._prompt = prompt
        self._executor = executor
        self._n_batches = n_batches
        self._clock = clock
        base = self._base_settings()
        choice = Choice.of(
            include,
            (*base.exclude, *((exclude,) if isinstance(exclude, str) else exclude)),
            symlinks=symlinks or base.symlinks,
            in_use=files_in_use(),
        )
        self._source = Source(source, Path(file_index) if isinstance(file_index, str) else file_index, choice)

        self._began = clock.monotonic()
        self._places: _Places | None = None
        self._lock: Lock | None = None
        self._delivery: _Delivery | None = None
        self._ending = False
        # Not an event, whose lock could be held by the very code that a signal handler interrupts.
        self._stop_asked = False
        self._running_in: int | None = None  # the thread that is in `run`
        self._waits = StoppableClock(clock, self._check_stop, _TICK)
        self._outcome: Outcome | None = None
        self._strange = Few()
        self._move("built")

    # --- what a caller may ask ---

    @property
    def done(self) -> bool:
        """Whether it has ended, or is in a state it cannot leave, early or not."""
        return self.state.terminal

    @property
    def n_complete(self) -> int:
        """Files judged, plus files that used up their retries."""
        return self._delivery.ledger.n_complete if self._delivery else 0

    @property
    def next_file(self) -> ClientFile | None:
        """The file to send next; None where nothing is to be sent now."""
        if self._delivery is None or self.done:
            return None
        row = self._delivery.ledger.next_row(self._clock.monotonic())
        return None if row is None else self._delivery.ledger.file(row)

    @property
    def transfer_complete(self) -> bool:
        """Whether nothing is left to send and nothing is in flight. Verdicts may be missing."""
        return self._delivery is not None and self._delivery.ledger.transfer_complete

    @property
    def validation_complete(self) -> bool:
        """Whether every file is judged or given up."""
        return self._delivery is not None and self._delivery.ledger.validation_complete

    @property
    def files(self) -> Iterator[ClientFile]:
        """All files as they stand now, in the order of the index; none before `connect`."""
        return iter(self._delivery.ledger) if self._delivery else iter(())

    @property
    def frame(self) -> pd.DataFrame:
        """All files as they stand now; for columns and types see `upload_client.delivery.progress.frame`."""
        return progress.frame(self._delivery.ledger if self._delivery else None)

    @property
    def counts(self) -> dict[State, int]:
        """Files in each state."""
        return self._delivery.ledger.counts() if self._delivery else dict.fromkeys(STATES, 0)

    @property
    def left_out(self) -> LeftOut:
        """What lies in the source, or stands in the index, and is no part of the delivery."""
        return self._source.left_out

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the files and no error, such as names that look like an accident."""
        return self._source.warnings

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the run; None while it has not ended."""
        return self._outcome

    @property
    def places(self) -> Places | None:
        """The delivery's keys and buckets; None before the login."""
        own = self._places
        return None if own is None else Places(own.layout, own.control, own.landing)

    @property
    def reader(self) -> LogReader:
        """Follows the validator's log; where several share the files, that of the first shard."""
        return self._connected().validation.reader

    # --- the way of a delivery ---

    def run(self, *, reporter: Reporter | Callable[[Event], object] | None = None) -> Outcome:
        """Deliver: everything from `connect` to `quit`.

        Args:
            reporter: is told what happens, in place of the one given before; a function is called with each
                event.

        Returns:
            How it ended. What can come of a delivery that has begun (files invalid, not transferred, not
            judged, lock lost, interrupted, …) is returned, not raised.

        Raises:
            DeliveryError: it did not begin: login refused, locked, pipeline refused, bad input, …; its
                ``exit_code`` says which.
        """
        if reporter is not None:
            self._reporter = Calling(reporter) if callable(reporter) else reporter
        self._running_in = threading.get_ident()
        try:
            self.connect()
            self.write_index()
            self.initiate_transfer()
            while not self.done:
                self._turn(_TICK)
        except NothingToDoError:
            pass  # `connect` has ended the run already
        except KeyboardInterrupt:
            self._end(Interrupted(), crashed=False)
        except Interrupted:
            if self._outcome is None:  # somebody else's
                raise
        except BaseException as cut:  # whatever a program ends its threads with, the lock is given back
            self._end(_cut_short(cut), crashed=False)
            raise
        finally:
            self._running_in = None
        assert self._outcome is not None
        error = self._outcome.error
        if error is not None and not isinstance(error, DeliveryError):
            raise error
        return self._outcome

    def plan(self) -> Plan:
        """Find out what a run would do now, and change nothing anywhere.

        Raises:
            DeliveryError: that could not be found out.
        """
        if self.state is not ClientState.UNCONNECTED:
            raise InvalidState(f"a plan is made before connecting; the client is {self.state}")
        places = self._open()
        return self._survey(places, epoch=0).plan

    def connect(self) -> None:
        """Log in, read the settings, take the lock, fence and read the logs, and plan.

        Raises:
            NothingToDoError: all files are delivered and valid already. The client has ended.
            DeliveryError: it cannot be delivered now; the client has ended, and the lock is not held.
        """
        if self.state is not ClientState.UNCONNECTED:
            raise InvalidState(f"a client connects once; this one is {self.state}")
        with self._ending_on_error():
            self._check_stop()
            self._notify(Phase("connecting"))
            self._connect()

    def write_index(self) -> None:
        """Put the index, with the column ``will_transfer``, into the control bucket; tell the log."""
        delivery = self._connected(ClientState.READY)
        with self._ending_on_error():
            self._write_index(delivery)

    def _write_index(self, delivery: _Delivery) -> None:
        ledger = delivery.ledger
        will = [state == "ready" for state in ledger.states()]
        body = encode_index(self._source.index, will)
        key = delivery.places.layout.index(delivery.lock.epoch)
        delivery.index = IndexNamed(key, hashlib.sha256(body).hexdigest())
        self._create(key, body, "text/csv")
        _log.info("index %s written: %d files", key, len(ledger))
        n_bytes = sum(size for size in ledger.sizes() if size > 0)
        self._append(
            [
                records.Init(
                    self._now(),
                    delivery.lock.epoch,
                    key,
                    delivery.index.sha256,
                    len(ledger),
                    n_bytes,
                    _versions(),
                )
            ]
        )

    def initiate_transfer(self) -> None:
        """Start the validation pipeline; files may be sent from here on.

        Where nothing is to be sent and nothing to be judged, no pipeline is started and the client ends.

        Raises:
            PipelineRefused: it did not start; the client has ended.
        """
        delivery = self._connected(ClientState.READY)
        if delivery.index is None:
            self.write_index()
        with self._ending_on_error():
            delivery.validation.follow()
            if delivery.ledger.next_row(math.inf) is None and not delivery.announce:
                self._finish()
                return
            self._notify(Phase("starting"))
            while not delivery.validation.start(lambda: self._waits.sleep(_TICK / 5)):
                self._waits.sleep(BUSY_RETRY)
                delivery.lock.check_held()
            self._move("started")
            self._notify(Phase("sending"))

    def transfer_next_file(self) -> ClientFile | None:
        """Queue the next file.

        Returns:
            The file as it is now; None, with a warning, where none is left to send at this moment.

        Raises:
            InvalidState: not connected, no pipeline started, or at an end.
        """
        if self.state not in (ClientState.RUNNING, ClientState.PENDING_VALIDATION):
            error = InvalidState(f"no file can be sent: the client is {self.state}")
            self.cmessage(str(error), "error")
            raise error
        delivery = self._connected()
        row = delivery.ledger.next_row(self._clock.monotonic())
        if row is None:
            self.cmessage("no file is left to send now", "warning")
            return None
        self._queue(delivery, row)
        return delivery.ledger.file(row)

    def update(self) -> bool:
        """Look at everything once: what the workers did, what the validator says, whether the lock holds.

        Returns:
            Whether there is nothing more to do: the client has ended, by this update or before.
        """
        if self.state not in (ClientState.RUNNING, ClientState.PENDING_VALIDATION):
            self.cmessage(f"there is nothing to update: the client is {self.state}", "warning")
            return self.done
        self._turn(0.0)
        return self.done

    def crash(self, exception: BaseException) -> None:
        """End because of an error: log it to S3 if possible, tell the person, quit."""
        if self.done:
            return
        self.cmessage(self.excformat(exception), "error")
        self._end(exception, crashed=True)

    def stop(self) -> None:
        """Have the run end soon, in order, as Ctrl-C has: from any thread, and from a signal handler.

        Returns at once. `run` then returns an outcome with exit code 130; step by step, the next call of the
        client ends it. What is in flight is finished or abandoned, the lock is given back, the state is
        written: within 5 seconds, or as soon as the request or the program answers that a login, say, waits
        for. Before `run` it keeps that from beginning; after the end it does nothing.
        """
        self._stop_asked = True

    def quit(self, _exception: BaseException | None = None) -> None:
        """End, finished or not: log it to S3 if possible, release the lock, dump the state.

        A second call does nothing. While `run` is under way, in whatever thread, it is the same as `stop`.
        """
        if self._running_in is not None:
            self.stop()
            return
        self._end(_exception, crashed=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, DeliveryError):
            self.crash(error)
        if isinstance(error, KeyboardInterrupt):
            error = Interrupted()
        elif error is not None and not isinstance(error, Exception):
            error = _cut_short(error)
        self.quit(error)

    # --- login and lock ---

    def cognito_authenticate(self) -> None:
        """Log in as the settings say; `connect` does it unless a session was given.

        Raises:
            LoginRefused: no credentials.
            NotReachable: the login server was out of reach for as long as ``patience`` says.
        """
        with usage_errors():
            settings = self._base_settings()
            if hosts := foreign_hosts(settings):
                self.cmessage(f"logging in at {', '.join(hosts)}, which is not AWS", "info")
            self._session = open_session(
                settings, prompt=self._prompt, clock=self._waits, patience=self._patience
            )

    def acquire_lock(self, *, refresh: bool = False) -> bool:
        """Take the lock, which then refreshes itself until it is released.

        Args:
            refresh: write it even though this client holds it already.

        Returns:
            True.

        Raises:
            Locked: somebody else has it.
            LockLost: it was ours and is not any more.
        """
        places = self._open()
        if self._lock is None:
            self._lock = Lock(
                places.control,
                places.layout.owned,
                agent_id=self.agent_id,
                lease_seconds=places.settings.lease_seconds,
                clock=self._clock,
            )
        if self._lock.state == "held" and refresh:
            self._lock.refresh()
        elif self._lock.state != "held":
            lock = self._lock
            floor = self._patience(lambda: epoch_floor(places.control, places.layout))
            self._patience(lambda: lock.acquire(floor, steal=self._steal))
            self._lock.start()
        return True

    def release_lock(self) -> None:
        """Give the lock back, if it is held; normally only `quit` does."""
        if self._lock is not None:
            self._lock.release()  # also where only the answer was lost that said that it is ours

    # --- telling ---

    def dump_state(self) -> Path | None:
        """Write the state of all files as CSV into the output directory.

        Returns:
            Its path; None where there is no state yet, or it could not be written (the person is told).
        """
        if self._delivery is None:
            return None
        try:
            return write_dump(
                self._delivery.ledger,
                dataset=self.dataset,
                delivery_id=self.delivery_id,
                wall=self._clock.wall(),
                directory=self.output_dir,
            )
        except OSError as error:
            self.cmessage(f"the state could not be written to {self.output_dir}: {error.strerror}", "error")
            return None

    def cmessage(self, text: str, mtype: MessageType) -> None:
        """Tell the person a sentence, in the colour of its category."""
        self._notify(Message(text, mtype))

    def cprint(self, renderable: Any, *, padded: bool = True) -> None:  # noqa: ANN401 - whatever rich can print
        """Print something rich can print to the person's console, stderr."""
        from rich.console import Console  # noqa: PLC0415 - slow, and rarely asked for
        from rich.padding import Padding  # noqa: PLC0415

        Console(stderr=True).print(Padding(renderable, (0, 1)) if padded else renderable)

    def excformat(self, exc: BaseException) -> str:
        """An exception for print or log, safe for a terminal; with its traceback in `debug`."""
        text = str(exc)
        if not isinstance(exc, DeliveryError):
            text = f"{type(exc).__name__}: {without_secrets(text)}"
        if self.debug:
            text = hidden("".join(traceback.format_exception(exc)))
        return for_terminal(text, lines=True)

    # --- connecting ---

    @property
    def _patience(self) -> Patience:
        """Waits for services at the start, when nothing is under way that could be spoilt meanwhile."""
        lock = self._lock
        return self._make_patience(lambda: lock.check_held() if lock is not None and lock.lost else None)

    def _make_patience(self, meanwhile: Callable[[], object]) -> Patience:
        seconds = self._base_settings().patience
        return Patience(
            seconds, self._waits, tell=lambda text: self.cmessage(text, "warning"), meanwhile=meanwhile
        )

    def _base_settings(self) -> Settings:
        if self._given_settings is None:
            with usage_errors():
                self._given_settings = load_settings()
        return self._given_settings

    def _open(self) -> _Places:
        """Log in and find out where everything is."""
        if self._places is not None:
            return self._places
        if self._session is None:
            self.cognito_authenticate()
        session = self._session
        assert session is not None
        settings = complete_settings(session, self._base_settings(), self._patience)
        n_threads = settings.threads if self._n_threads is None else self._n_threads
        places = open_places(
            session,
            settings,
            dataset=self.dataset,
            delivery_id=self.delivery_id,
            transfer_type=self.transfer_type,
            pool=_CONNECTIONS if n_threads == "auto" else n_threads + 4,
        )
        root = self._source.open(places.landing.client)
        self._places = _Places(settings, places.layout, places.control, places.landing, root, n_threads)
        return self._places

    def _connect(self) -> None:
        about = f"{self.dataset}/{self.delivery_id} ({self.transfer_type})"
        versions = ", ".join(f"{name} {number}" for name, number in _versions().items())
        _log.info("agent %s begins %s; %s", self.agent_id, about, versions)
        places = self._open()
        settings, layout, control = places.settings, places.layout, places.control
        # Each attempt has an object of its own: what became of that of an earlier one is not known.
        names = deque([self.agent_id])
        self._patience(
            lambda: probe_store(control, layout, names.pop() if names else new_agent_id(), clock=self._waits)
        )
        self.acquire_lock()
        lock = self._lock
        assert lock is not None
        chain = LogChain("client")
        writer = LogWriter(
            control,
            layout.client_log(),
            agent_id=self.agent_id,
            epoch=lock.epoch,
            chain=chain,
            clock=self._clock,
            may_write=lambda: lock.may_write,
        )
        self._patience(writer.fence)
        # Whoever has taken the lock since then found no log to end, if this is its first segment.
        self._patience(lock.refresh)
        if lock.stolen:
            others = [of for of in TRANSFER_TYPES if of != self.transfer_type]
            reason = f"agent {self.agent_id} took the lock, to deliver the {self.transfer_type}"
            self._patience(
                lambda: fence_logs(
                    control,
                    layout,
                    lock,
                    reason,
                    agent_id=self.agent_id,
                    transfer_types=others,
                    clock=self._clock,
                )
            )
        self._notify(Phase("planning"))
        survey = self._survey(places, lock.epoch)
        writer.check_owner(survey.logs.history.last_client)
        history = survey.logs.history
        validation = Validation(
            survey.logs.validators,
            lambda shard: validator_reader(control, layout, shard, self._clock),
            lambda: ValidatorWatch(
                lock.epoch, silence=settings.validator_silence, busy=settings.lease_seconds + BUSY_RETRY
            ),
            self._ask_for_validator,
            self._clock,
        )
        self._delivery = delivery = _Delivery(
            places=places,
            lock=lock,
            writer=writer,
            chain=chain,
            validation=validation,
            history=history,
            header=chain.header(agent_id=self.agent_id, epoch=lock.epoch),
            checkpoint_at=chain.next_seq + validation.n_segments - survey.logs.n_segments,
            ledger=survey.ledger,
            plan=survey.plan,
            announce=deque(survey.plan.announced),
            n_uploads=survey.plan.n_found,
            said_at=self._clock.monotonic(),
            # The workers of an executor tell of nothing but whole batches.
            standstill=Standstill(settings.standstill * (1 if self._executor is None else 6)),
        )
        for note in self._source.notes:
            self.cmessage(note, "info")
        for warning in self._source.warnings:
            self.cmessage(warning, "warning")
        self._notify(
            Connected(
                dataset=self.dataset,
                delivery_id=self.delivery_id,
                transfer_type=self.transfer_type,
                agent_id=self.agent_id,
                epoch=lock.epoch,
                source=self._source.name,
                landing=str(places.landing),
                resumed=len(history) > 0,
            )
        )
        plan = delivery.plan
        delivery.bytes_before = progress.bytes_before(plan)
        self._notify(
            Planned(
                counts={reason.value: n for reason, n in plan.reasons.items()},
                n_files=plan.n_to_send,
                n_bytes=plan.n_bytes,
                left_out=self.left_out.counts,
            )
        )
        if delivery.ledger.all_valid:
            files = deliveries(delivery.ledger, history)
            delivery.receipt = self._patience(lambda: standing_receipt(control, layout, files))
            if delivery.receipt is None:  # an earlier run got as far as the last verdict
                self._write_index(delivery)
                self._sweep(delivery)
                self._patience(lock.refresh)
                self._write_receipt(delivery)
            else:
                self._bring_receipt(delivery, delivery.receipt)
            raise NothingToDoError
        writer.start()
        delivery.engine = self._make_engine(delivery)
        self._move("connected")

    def _survey(self, places: _Places, epoch: int) -> _Survey:
        """Read both logs, list what has landed, and find out where each file starts."""
        self._patience(lambda: self._source.look(places.root, places.layout.landing))
        max_retries = places.settings.max_retries if self._max_retries is None else self._max_retries
        rows = self._source.ledger(max_retries).rows
        folded = self._patience(lambda: read_logs(places.control, places.layout, rows, self._waits))

        def survey() -> _Survey:
            ledger = self._source.ledger(max_retries)  # a new one for each attempt: planning moves its files
            plan = make_plan(
                ledger,
                folded.history,
                epoch=epoch,
                root=places.root,
                sources=self._source.entries,
                landing=places.landing,
                resend_invalid=self._resend_invalid,
                n_threads=_LOOKS if places.n_threads == "auto" else places.n_threads,
                digests=self._source.digests,
                check=self._check_stop,
            )
            return _Survey(folded, ledger, plan)

        return self._patience(survey)

    def _make_engine(self, delivery: _Delivery) -> TransferEngine | ExecutorEngine:
        places, lock = delivery.places, delivery.lock
        settings = places.settings
        options: dict[str, Any] = {
            "n_threads": places.n_threads,
            "engine": settings.engine,
            "unsigned_payload": settings.unsigned_payload,
            "options": settings.object_options,
            "multipart_threshold": int(settings.multipart_threshold),
            "part_size": None if settings.part_size is None else int(settings.part_size),
            # Each batch has its share of the cap, since none knows of the others.
            "max_rate": settings.max_rate and settings.max_rate / (self._n_batches if self._executor else 1),
        }
        if self._executor is None:
            may_write = lambda: lock.may_write  # noqa: E731 - asked for each request: no attribute of self
            return TransferEngine(
                places.root, places.landing, may_write=may_write, clock=self._clock, **options
            )
        seen = LockSeen(Place.of(places.control), places.layout.owned, self.agent_id, lock.epoch)
        return ExecutorEngine(
            self._executor,
            places.root,
            places.landing,
            session=self._session,
            lock=seen,
            n_batches=self._n_batches,
            **options,
        )

    def _ask_for_validator(self, wanted: Request) -> pipeline.Started:
        """Ask the starter once."""
        delivery = self._connected()
        settings = delivery.places.settings
        request = {
            "protocol": records.VERSION,
            "dataset": self.dataset,
            "delivery_id": self.delivery_id,
            "transfer_type": self.transfer_type,
            "agent_id": self.agent_id,
            "epoch": delivery.lock.epoch,
            "idempotency_key": f"{self.agent_id}-{delivery.lock.epoch}-{wanted.attempt}",
        }
        if wanted.shards is not None:
            request |= {"shard": wanted.shard, "shards": wanted.shards}
        # Once, and first in the caller's thread: a session is not for several threads at once.
        if self._lambda is None:
            self._lambda = pipeline.lambda_client(self._session, settings, self._lambda_config)
        return pipeline.start(self._lambda, settings.start_function or "", request)

    # --- sending ---

    def _queue(self, delivery: _Delivery, row: int) -> None:
        ledger, plan, sources = delivery.ledger, delivery.plan, self._source.entries
        ledger.queue(row)
        relpath = ledger.relpath(row)
        assert delivery.engine is not None
        delivery.engine.submit(
            TransferTask(
                row,
                relpath,
                relpath,
                relpath,
                size=plan.sizes[row],
                checksum=ledger.checksum(row),
                expect_etag=plan.landed.get(row),
                source_etag=None if sources is None else sources[relpath][1],
                unfinished=plan.unfinished.get(relpath, ()),
                size_to_be=self._source.size_to_be(row),
                digests=self._source.digests(row),
            )
        )

    def _feed(self, delivery: _Delivery) -> None:
        """Give the workers files, as far as there is room."""
        if delivery.outage:
            if delivery.validation.trouble is not None:
                return
            delivery.outage = False
        engine, ledger = delivery.engine, delivery.ledger
        assert engine is not None
        now = self._clock.monotonic()
        room = records.MAX_UNFLUSHED - delivery.writer.unflushed - engine.in_flight
        if self._executor is None:
            room = min(room, _QUEUED - engine.in_flight)
        for _ in range(room):
            row = ledger.next_row(now)
            if row is None:
                break
            self._queue(delivery, row)

    def _turn(self, timeout: float) -> None:
        """Look at everything once; with a time-out, send as well, and wait until there is something to see.

        What goes wrong ends the run, and is in its outcome.
        """
        try:
            with self._ending_on_error():
                delivery = self._connected()
                self._check_stop()
                if timeout:
                    self._feed(delivery)
                    self._wait(delivery, timeout)
                self._update(delivery)
        except Exception:
            if self._outcome is None:
                raise

    def _wait(self, delivery: _Delivery, timeout: float) -> None:
        engine = delivery.engine
        assert engine is not None
        if engine.in_flight > _QUEUED // 4:
            self._clock.sleep(_PAUSE)  # the workers have enough to do: let what they did pile up
        elif engine.in_flight:
            self._receive_outcomes(delivery, timeout)
        else:
            self._clock.sleep(timeout)

    def _update(self, delivery: _Delivery) -> None:
        self._check_ownership(delivery)
        self._receive_outcomes(delivery)
        self._receive_verdicts(delivery)
        self._announce_again(delivery)
        self._notice_what_is_passed_over(delivery)
        ledger, now = delivery.ledger, self._clock.monotonic()
        if now - delivery.told_at >= _PROGRESS_EVERY:
            delivery.told_at = now
            self._notify_progress(delivery)
            self._notice_standstill(delivery, now)
        if too_many_invalid(ledger.n_invalid_this_run, delivery.places.settings.max_invalid):
            raise TooManyInvalid(ledger.n_invalid_this_run)
        if ledger.validation_complete:
            self._finish()
            return
        if self.state is ClientState.RUNNING and ledger.transfer_complete:
            self._move("all_sent")
            delivery.writer.hurry()
            delivery.validation.hurry()
            self._notify(Phase("judging"))
        try:
            delivery.validation.keep()
        except ValidatorSilent:
            # Whoever has taken the lock has taken the validator, too: that comes first.
            with contextlib.suppress(StoreError):
                delivery.lock.refresh()
            raise
        self._write_checkpoint(delivery, _CHECKPOINT_EVERY)
        if now - delivery.said_at >= records.KEEPALIVE_SECONDS:
            self._append([records.Keepalive(self._now())])

    def _check_ownership(self, delivery: _Delivery) -> None:
        if delivery.writer.error is not None:
            raise delivery.writer.error
        delivery.lock.check_held()
        for part in (delivery.writer, delivery.lock, delivery.validation):
            if isinstance(part.trouble, LoginRefused):
                raise part.trouble

    def _receive_outcomes(self, delivery: _Delivery, timeout: float = 0.0) -> None:
        """Enter into ledger and log what the workers did, waiting for something if there is nothing."""
        engine, ledger, epoch = delivery.engine, delivery.ledger, delivery.lock.epoch
        assert engine is not None
        started, outcomes = engine.poll(timeout)
        for row in started:
            ledger.start(row)
            self._notify_file(ledger, row)
        if not outcomes:
            return
        at, now = self._now(), self._clock.monotonic()
        lines: list[records.Record] = []
        refused: TransferOutcome | None = None
        for outcome in outcomes:
            row, again = outcome.row, False
            if outcome.ok:
                delivery.n_uploads += 1
                upload = Upload(
                    epoch,
                    delivery.n_uploads,
                    outcome.size,
                    outcome.crc32,
                    outcome.etag,
                    outcome.version_id,
                    outcome.mtime_ns,
                    outcome.source_etag,
                    outcome.source_version,
                )
                delivery.files_sent += 1
                if outcome.unproven:
                    delivery.unproven.update(outcome.unproven)
                if ledger.transferred(row, upload, at):
                    lines.append(records.Transferred.of(at, outcome.relpath, upload, 0))
            elif outcome.again and isinstance(delivery.validation.trouble, AnswerLost):
                # The validator's log cannot be read either: the network is at fault, and the file none the
                # worse. The lock's lease bounds how long that can go on.
                delivery.outage = True
                ledger.abandon(row)
            else:
                retries = ledger.retries(row)
                error = outcome.error or "it failed"
                again = ledger.fail(
                    row,
                    error,
                    now=now,
                    again=outcome.again,
                    delay=retry_delay(retries, random.random()),  # noqa: S311 - no secret
                    code=outcome.code,
                )
                if not again:
                    lines.append(records.Failed(at, outcome.relpath, error, retries, outcome.code))
                if outcome.credentials:
                    refused = outcome
            self._notify_file(ledger, row, again=again)
        self._append(lines)
        if refused is not None:
            raise LoginRefused(f"S3 no longer accepts the credentials: {refused.error}")

    def _receive_verdicts(self, delivery: _Delivery) -> None:
        """Enter into the ledger what the validator said."""
        ledger, epoch = delivery.ledger, delivery.lock.epoch
        now = self._clock.monotonic()
        for shard, segment in delivery.validation.listen():
            delivery.history.add_validator(segment, shard)
            if not verdicts.heard(segment, epoch):
                continue
            if segment.n_ignored and self._strange.admits("segments of the validator's log with such lines"):
                self.cmessage(
                    f"{segment.n_ignored} lines of the validator's log could not be read"
                    f" (segment {segment.header.seq}: {'; '.join(segment.problems)})",
                    "warning",
                )
            for row, path, ruling in verdicts.apply_all(ledger, segment.records, epoch=epoch, now=now):
                if row is None:
                    if self._strange.admits("verdicts for files that are not in the index"):
                        self.cmessage(f"{ruling.message}: {path}", "warning")
                elif ruling.action == "valid":  # as nearly all are: told of without another look
                    self._notify(FileChanged(path, "valid", None, ledger.retries(row)))
                elif ruling.action != "ignore":
                    self._notify_file(ledger, row)

    def _announce_again(self, delivery: _Delivery) -> None:
        """Announce what earlier runs left unjudged, and what the validator could not judge at first."""
        ledger = delivery.ledger
        room = records.MAX_UNFLUSHED - delivery.writer.unflushed
        rows = [delivery.announce.popleft() for _ in range(min(room, len(delivery.announce)))]
        now = self._clock.monotonic()
        while len(rows) < room and (row := ledger.next_ask(now)) is not None:
            rows.append(row)
        at = self._now()
        lines = []
        for row in rows:
            upload = ledger.upload(row)
            assert upload is not None
            lines.append(records.Transferred.of(at, ledger.relpath(row), upload, ledger.ask(row)))
        self._append(lines)

    def _notice_what_is_passed_over(self, delivery: _Delivery) -> None:
        """Wait for no verdict where the validators say that all is judged that was announced."""
        validation, ledger = delivery.validation, delivery.ledger
        n_lines, problem = validation.passed_over
        if n_lines > delivery.passed_over:
            delivery.passed_over = n_lines
            if self._strange.admits("times that the validator could not read lines of this run's log"):
                self.cmessage(
                    f"the validator could not read {n_lines} lines of this run's log, and judges none of"
                    f" their files ({problem})",
                    "warning",
                )
        if delivery.announced_in is None and not delivery.announce and not delivery.writer.unflushed:
            delivery.announced_in = delivery.writer.seq - 1
        judged = delivery.announced_in is not None and validation.cursor >= delivery.announced_in
        if not judged or ledger.counts()["done"] == ledger.n_unjudged or ledger.asks_wait:
            return
        for row in list(ledger.unanswered()):
            ledger.give_up_judging(row, verdicts.PASSED_OVER, FileCode.NOT_JUDGED)
            self._notify_file(ledger, row)

    def _notice_standstill(self, delivery: _Delivery, now: float) -> None:
        """Raise `NoProgress` where nothing moves for so long that nothing will."""
        ledger, engine = delivery.ledger, delivery.engine
        stuck = delivery.standstill.see(
            now,
            ledger.n_complete + ledger.n_unjudged,
            delivery.files_sent,
            0 if engine is None else engine.progress(0)[0],
            delivery.validation.cursor,
        )
        if stuck:
            trouble = delivery.lock.trouble or delivery.writer.trouble or delivery.validation.trouble
            raise NoProgress(
                why_still(
                    ledger.counts(),
                    delivery.standstill.seconds,
                    passed_over=delivery.passed_over,
                    trouble=None if trouble is None else str(trouble),
                )
            )

    # --- the end ---

    def _finish(self) -> None:
        """Everything is judged or given up: check it against the bucket, leave a receipt, end."""
        delivery = self._connected()
        self._notify(Phase("finishing"))
        self._verify(delivery)
        self._sweep(delivery)
        self._patiently(delivery.lock.refresh)  # nothing final is said by somebody who is the owner no more
        if delivery.ledger.all_valid:
            self._write_receipt(delivery)
        self._end(None, crashed=False, complete=True)

    def _verify(self, delivery: _Delivery) -> None:
        """A file is valid only while a LIST of the landing prefix shows it with the ETag that was judged."""
        ledger, at = delivery.ledger, self._now()
        if not ledger.counts()["valid"]:
            return
        for row, why, code in self._patiently(lambda: lost(ledger, delivery.places.landing)):
            ledger.judge(row, "invalid", why, at, code=code)
            self._notify_file(ledger, row)

    def _sweep(self, delivery: _Delivery) -> None:
        """Throw away what was begun in parts and will not be ended."""
        try:
            self._patiently(lambda: sweep(delivery.ledger, delivery.places.landing, self._may_write))
        except StoreError as error:
            self.cmessage(f"unfinished uploads may be left in the landing bucket: {error}", "warning")

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask the store until it answers, for as long as an outage may last that the lock survives."""
        patience = self._make_patience(lambda: self._check_ownership(self._connected()))
        return patience(lambda: repeat_while_lost(ask, self._waits))

    def _may_write(self) -> bool:
        return self._lock is not None and self._lock.may_write

    def _write_receipt(self, delivery: _Delivery) -> None:
        """Say, in the control bucket, that the delivery is finished."""
        assert delivery.index is not None
        writer, ledger, places = delivery.writer, delivery.ledger, delivery.places
        if not writer.flush():
            raise (
                writer.error or writer.trouble or LockLost("the lock was lost before the receipt was written")
            )
        clients, validators = runs(delivery.history)
        head = ReceiptHead(
            dataset=self.dataset,
            delivery_id=self.delivery_id,
            transfer_type=self.transfer_type,
            epoch=delivery.lock.epoch,
            agent_id=self.agent_id,
            finished_at=self._now(),
            n_files=len(ledger),
            n_bytes=sum(upload.size for row in range(len(ledger)) if (upload := ledger.upload(row))),
            landing=str(places.landing),
            control=str(places.control),
            index=delivery.index,
            client_log=_tail(delivery.chain),
            validator_logs=tuple(
                _tail(chain, shard)
                for shard, chain in sorted(delivery.validation.chains.items())
                if chain.next_seq
            ),
            clients=clients,
            validators=validators,
            versions=_versions(),
        )
        key = places.layout.receipt(head.epoch)
        lines = encode_receipt(head, deliveries(ledger, delivery.history))
        delivery.receipt_sha256 = put_receipt(places.control, key, lines, self._writing)
        delivery.receipt = key
        files = deliveries(ledger, delivery.history)
        try:
            delivery.receipt_file, _ = save_receipt(head, files, self.output_dir)
        except OSError as error:
            where = f"the receipt could not be written to {self.output_dir}"
            self.cmessage(f"{where}: {error.strerror}; it is in the control bucket, {key}", "warning")

    def _bring_receipt(self, delivery: _Delivery, key: str) -> None:
        """Have the receipt of an earlier run here, too: it may have been lost, or written elsewhere."""
        try:
            delivery.receipt_file, delivery.receipt_sha256 = bring_receipt(
                delivery.places.control, key, self.output_dir
            )
        except OSError as error:
            where = f"the receipt could not be written to {self.output_dir}"
            self.cmessage(f"{where}: {error.strerror}; it is in the control bucket, {key}", "warning")
        except (StoreError, UsageError) as error:
            self.cmessage(f"the receipt could not be fetched from the control bucket: {error}", "warning")

    def _create(self, key: str, body: bytes, content_type: str) -> None:
        """Write a control object that must not be there yet; the same one, by a lost answer, may."""
        control = self._connected().places.control

        def create() -> None:
            try:
                control.put(key, body, if_none_match=True, content_type=content_type)
            except PreconditionFailed:  # perhaps by an attempt the answer to which was lost
                if control.read(key, limit=len(body)) != body:
                    raise

        self._writing(create)

    def _writing(self, write: Callable[[], object]) -> None:
        """Write something, while the lock is ours, until the store answers."""
        lock = self._connected().lock

        def careful() -> None:
            if not lock.may_write:
                lock.refresh()
            with guarded_by(self._may_write):
                write()

        self._patiently(careful)

    def _check_stop(self) -> None:
        """Raise `Interrupted` where `stop` was called, and the run is not at its end anyway."""
        if self._stop_asked and not self._ending:
            raise Interrupted("stopped by the program that runs it")

    @contextlib.contextmanager
    def _ending_on_error(self) -> Iterator[None]:
        """End the run with whatever is raised inside, and let it through."""
        try:
            with checking(self._check_stop):
                yield
        except NothingToDoError as error:
            self._end(error, crashed=False, complete=True)
            raise
        except KeyboardInterrupt:
            self._end(Interrupted(), crashed=False)
            raise
        except (LogBroken, StoreError) as error:
            self.crash(error)
            raise
        except DeliveryError as error:
            self._end(error, crashed=False)
            raise
        except Exception as error:
            if self._stop_asked:  # some schedulers stop a task and raise something of their own as well
                self._end(_cut_short(error), crashed=False)
            else:
                self.crash(error)
            raise
        except BaseException as error:
            self._end(_cut_short(error), crashed=False)
            raise

    def _end(self, error: BaseException | None, *, crashed: bool, complete: bool = False) -> None:
        """End the run.

        Args:
            error: what ends it.
            crashed: whether that was not to be expected.
            complete: whether every file is judged or given up, and the lock was looked at since then.
        """
        if self._outcome is not None or self._ending:
            return
        self._ending = True
        delivery = self._delivery
        if delivery is not None and not complete:
            self._notify(Phase("finishing"))
        if delivery is not None:
            self._try_to("take back what was being sent", lambda: self._stop_sending(delivery))
            in_a_hurry = crashed or isinstance(error, Interrupted | LoginRefused)
            if not in_a_hurry and not complete and (lost := self._lock_lost(delivery)) is not None:
                error = lost
            if not in_a_hurry:
                self._try_to(
                    "write a checkpoint", lambda: self._write_checkpoint(delivery, _CHECKPOINT_AT_END)
                )
            for algorithm, n in delivery.unproven.items():
                self.cmessage(
                    f"the {algorithm} in the index was not compared for {n:,} objects:"
                    " the source's store does not say it",
                    "warning",
                )
            why = _in_words(error) if error is not None else "complete" if complete else self.state
            self._try_to(
                "close the log",
                lambda: self._close_log(
                    delivery,
                    why,
                    error.code if isinstance(error, DeliveryError) else None,
                    crashed=crashed,
                    now=isinstance(error, LoginRefused),
                ),
            )
            if isinstance(delivery.writer.error, Superseded):  # somebody was faster than the last records
                error, complete = delivery.writer.error, False
        self._try_to("give the lock back (it is free when its lease ends)", self.release_lock)
        if self._lock is not None:
            self._lock.stop()
        if complete:
            self._move("all_judged")
        self._move("crash" if crashed else "quit")
        counts = self.counts
        code = _exit_code(error, counts)
        headline = _headline(counts, error)
        _log.info("agent %s ends, exit code %d", self.agent_id, code)
        for kind, n in self._strange.rest():
            self.cmessage(f"and {n:,} more {kind}", "warning")
        path = self.dump_state()
        if delivery is not None:
            self._notify_progress(delivery)
        seconds = self._clock.monotonic() - self._began
        sent = delivery.engine.bytes_sent if delivery is not None and delivery.engine is not None else 0
        files_sent = delivery.files_sent if delivery is not None else 0
        self._outcome = Outcome(
            exit_code=code,
            headline=headline,
            counts=counts,
            bytes_sent=sent,
            files_sent=files_sent,
            seconds=seconds,
            state_csv=path,
            receipt=delivery.receipt if delivery is not None else None,
            receipt_file=delivery.receipt_file if delivery is not None else None,
            receipt_sha256=delivery.receipt_sha256 if delivery is not None else None,
            error=None if isinstance(error, NothingToDoError) else error,
        )
        self._notify(
            Summary(
                exit_code=code,
                counts=counts,
                bytes_sent=sent,
                files_sent=files_sent,
                seconds=seconds,
                state_csv=path,
                headline=headline,
                hint=error.hint if isinstance(error, DeliveryError) else "",
                code=error.code if isinstance(error, DeliveryError) else ExitCode(code).name.lower(),
                problems=progress.problems(delivery.ledger) if delivery is not None else (),
                receipt=self._outcome.receipt,
                receipt_file=self._outcome.receipt_file,
                receipt_sha256=self._outcome.receipt_sha256,
                left_out=self.left_out.counts,
            )
        )
        with contextlib.suppress(OSError):
            self._reporter.close()

    def _try_to(self, what: str, step: Callable[[], object]) -> None:
        """One step of the end. None of them may keep the next from being taken."""
        try:
            step()
        except BaseException as trouble:  # noqa: BLE001 - whatever it is
            self.cmessage(f"could not {what}: {self.excformat(trouble)}", "warning")

    def _write_checkpoint(self, delivery: _Delivery, after: int) -> None:
        """Save the next run the reading of both logs, where that many segments are new in them.

        Where that is not possible, the next run reads them.
        """
        writer = delivery.writer
        n_segments = writer.seq + delivery.validation.n_segments
        if n_segments - delivery.checkpoint_at < after:
            return
        delivery.checkpoint_at = n_segments
        if not self._may_write() or not writer.flush(
            timeout=_CLOSE_TIMEOUT
        ):  # what is in the history must be in the log
            return
        checkpoint = Checkpoint(delivery.history, delivery.chain, delivery.validation.chains)
        places = delivery.places
        with contextlib.suppress(StoreError, ValueError), guarded_by(self._may_write):
            self._append([write_checkpoint(places.control, places.layout, checkpoint, self._now())])

    def _stop_sending(self, delivery: _Delivery) -> None:
        """Take back what has not begun, give what is in flight a moment, and note what came of it."""
        engine, ledger = delivery.engine, delivery.ledger
        if engine is None:
            return
        unfinished = engine.stop(_GRACE if delivery.lock.may_write else 0.0)
        engine.close()
        with contextlib.suppress(LoginRefused):
            self._receive_outcomes(delivery)
        for row in unfinished:
            ledger.abandon(row)

    def _close_log(
        self, delivery: _Delivery, why: str, code: str | None, *, crashed: bool, now: bool
    ) -> None:
        """Say why it ends, if anybody is still to read what this client writes; `now`: or not at all."""
        delivery.validation.stop()
        if not delivery.lock.may_write or delivery.writer.error is not None:
            delivery.writer.stop()
            return
        at = self._now()
        last = records.Crash(at, why, code) if crashed else records.Stop(at, why, code)
        if not delivery.writer.close([last], timeout=0.0 if now else _CLOSE_TIMEOUT):
            self.cmessage("the last records did not reach the log; the next run makes up for that", "warning")

    def _lock_lost(self, delivery: _Delivery) -> LockLost | None:
        """Look at the lock; the error, if it is no longer ours. Where nobody answers, nobody knows."""
        try:
            delivery.lock.refresh()
        except LockLost as error:
            return error
        except StoreError:
            pass
        return None

    # --- small things ---

    def _connected(self, *states: ClientState) -> _Delivery:
        """The parts of this connected client; with `states`, only in one of these."""
        if self._delivery is None or (states and self.state not in states):
            raise InvalidState(f"that cannot be done now: the client is {self.state}")
        return self._delivery

    def _append(self, lines: Sequence[records.Record]) -> None:
        if lines:
            delivery = self._connected()
            delivery.writer.append_many(lines)
            if any(type(line) is records.Transferred for line in lines):
                delivery.announced_in = None
            delivery.history.add_client(records.Segment(delivery.header, records.Records(lines), ""))
            delivery.said_at = self._clock.monotonic()

    def _now(self) -> str:
        return timestamp(self._clock.wall())

    def _move(self, event: ClientEvent) -> None:
        self.state = next_client_state(self.state, event)

    def _notify(self, event: Event) -> None:
        # A closed pipe or a full disk at the reporter's end is no reason to stop a delivery.
        try:  # noqa: SIM105 - what is told of a million files is told without making an object more
            self._reporter.handle(event)
        except OSError:
            pass

    def _notify_file(self, ledger: FileLedger, row: int, *, again: bool = False) -> None:
        path, state, message, retries = (
            ledger.relpath(row),
            ledger.state(row),
            ledger.message(row),
            ledger.retries(row),
        )
        self._notify(FileChanged(path, state, message, retries, again, ledger.code(row)))

    def _notify_progress(self, delivery: _Delivery) -> None:
        seconds = self._clock.monotonic() - self._began
        self._notify(
            progress.progress(
                delivery.ledger,
                delivery.plan,
                delivery.engine,
                before=delivery.bytes_before,
                files_sent=delivery.files_sent,
                seconds=seconds,
            )
        )
        self._notify(
            progress.health(
                delivery.lock,
                delivery.writer,
                delivery.validation,
                silence=delivery.places.settings.validator_silence,
                seconds=seconds,
            )
        )
