"""The validator's two Lambda functions: `start`, which clients invoke, and `work`, which `start` invokes.

`work` is imported (`upload_client.validator.worker`) when it is asked for: what judges files is long in
loading, and `start`, for which a client waits, judges none.

Both read `upload_client.validator.ValidatorSettings` from the environment. Where things are is the
receiver's to say: of an event only the names of the delivery are used, and those are checked.

A delivery has one validator, or several that share its files, each a shard of them with a lock and a log of
its own. `start` sees to all of them at a client's first start, and later to the one that is asked for.

`start` may be repeated under its idempotency key: the workers' names are derived from it, and of two workers
of one shard only one gets the lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import string
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from upload_client.control.checkpoints import find_shards
from upload_client.control.identity import current_process, is_running
from upload_client.control.lock import Lock
from upload_client.control.store_probe import adopt_profile
from upload_client.core.files import TransferType
from upload_client.core.layout import (
    MAX_SHARDS,
    InvalidName,
    Layout,
    check_name,
    segment_key,
    segment_seq,
)
from upload_client.core.lease import GRACE, MAX_BODY, MAX_LEASE, MIN_LEASE, LockBody, Take, may_take
from upload_client.core.object_options import for_control
from upload_client.core.records import (
    KEEPALIVE_SECONDS,
    MAX_SEGMENT,
    VERSION,
    MalformedSegment,
    Shutdown,
    Stop,
    ValidatorInit,
)
from upload_client.core.segments import Segment, decode_segment
from upload_client.core.text import for_log
from upload_client.errors import Locked, LockLost, UsageError
from upload_client.s3 import clients
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    Fetched,
    NotFound,
    ObjectTooLarge,
    StoreError,
    store_errors,
)
from upload_client.s3.store_clock import StoreClock
from upload_client.support.clock import SYSTEM, Clock
from upload_client.validator.settings import ValidatorSettings
from upload_client.validator.telemetry import count_failed_start

if TYPE_CHECKING:
    from upload_client.validator.worker import work

__all__ = ["Context", "layout_of", "start", "work"]

ErrorCode = Literal[
    "invalid_request",
    "unsupported_protocol",
    "not_the_owner",
    "validator_busy",
    "validator_not_started",
    "store_error",
    "misconfigured",
    "not_expected",
]
"""Why a validator was not started. Only after `validator_busy` is it worth asking again soon."""

_OUR_FAULT = ("validator_not_started", "store_error", "misconfigured")

_LOOK_FIRST, _LOOK_LAST = 0.01, 0.5
"""Seconds between two looks at what a worker does: at first, and after a while."""
_MARGIN_SECONDS = 5.0
_MAX_KEY = 200
_MAX_MESSAGE = 500
_MAX_MESSAGES = 10
_ALIVE_SECONDS = 3 * KEEPALIVE_SECONDS
"""A validator that has written in its log since then is at work."""
_NAME_LENGTH = 60
_NEVER_REPEATED = {"mode": "standard", "total_max_attempts": 1}
"""The SDK's retries where a second request could start a second worker."""


class Context(Protocol):
    """The part of Lambda's context object that is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is ended."""


class _StartRefused(Exception):  # noqa: N818 — it never leaves this module
    """A validator is not started; the answer says why."""

    def __init__(self, code: ErrorCode, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.code = code
        self.messages = messages[:_MAX_MESSAGES]


def start(event: Any, context: Context) -> dict[str, Any]:  # noqa: ANN401 — anything may come
    """Start the validators for the client that owns the delivery, and wait for their first words.

    Args:
        event: ``{protocol, dataset, delivery_id, transfer_type, agent_id, epoch, idempotency_key}``; where
            one of several is to be started again, also ``shards``, as this function has answered before,
            and ``shard``, from 0.
        context: Lambda's.

    Returns:
        ``{"status": "success", "validator_id": …, "shards": …}`` with the name of the one that was asked
        for, else of the first; or ``{"status": "failure", "errors": [{"code": …, "message": …}]}`` with an
        `ErrorCode`.
    """
    try:
        try:
            settings = ValidatorSettings.from_environment()
        except ValueError:
            traceback.print_exc()  # for the receiver; a client gets to know less
            raise _StartRefused(
                "misconfigured", "the receiver's settings are wrong; its own log says why"
            ) from None
        starter = _Starter(event, context, settings)
        return {"status": "success", "validator_id": starter.start(), "shards": starter.shards}
    except _StartRefused as refusal:
        code, messages = refusal.code, refusal.messages
    except StoreError as error:
        traceback.print_exc()
        code, messages = "store_error", (str(error),)
    except UsageError as error:  # such as a boto3 that is too old
        traceback.print_exc()
        code, messages = "misconfigured", (str(error),)
    if code in _OUR_FAULT:
        count_failed_start(code, for_log("; ".join(messages), _MAX_MESSAGE))
    errors = [{"code": code, "message": for_log(message, _MAX_MESSAGE)} for message in messages]
    return {"status": "failure", "errors": errors}


def layout_of(event: Mapping[str, Any], settings: ValidatorSettings) -> Layout:
    """Where the delivery is that an event names.

    Raises:
        InvalidName: it names none.
    """
    transfer_type = cast("TransferType", event.get("transfer_type", ""))
    layout = settings.layout(event.get("dataset", ""), event.get("delivery_id", ""), transfer_type)
    layout.check_places(settings.control_bucket, settings.landing_bucket)
    return layout


@dataclass
class _Shard:
    """One of the validators that are to be at work.

    Attributes:
        number: which.
        worker: the name of the worker that this request would start.
        lock: key of its lock.
        log: what the segments of its log begin with.
        log_end: number of the last segment before anything was started.
        read: number of the last segment that was looked into for its first word.
        started: its worker was started before, by this very request.
        validator_id: who is at work; None as long as nobody is known to be.
    """

    number: int
    worker: str
    lock: str
    log: str
    log_end: int = -1
    read: int = -1
    started: bool = False
    validator_id: str | None = None


class _Starter:
    """One request to start validators.

    Attributes:
        shards: how many share the files.

    Raises:
        _StartRefused: it is no sound request.
    """

    def __init__(
        self, event: object, context: Context, settings: ValidatorSettings, clock: Clock = SYSTEM
    ) -> None:
        self._settings = settings
        self._clock = StoreClock(clock)
        if not isinstance(event, dict):
            raise _StartRefused("invalid_request", "the event is no JSON object")
        if event.get("protocol") != VERSION:
            raise _StartRefused("unsupported_protocol", f"this receiver speaks protocol {VERSION}")
        try:
            self._layout = layout = layout_of(event, settings)
            self._agent_id = check_name(event.get("agent_id", ""), "agent id")
        except InvalidName as error:
            raise _StartRefused("invalid_request", str(error)) from None
        self._epoch, key = event.get("epoch"), event.get("idempotency_key")
        if type(self._epoch) is not int or self._epoch < 1:
            raise _StartRefused("invalid_request", "epoch is no number above 0")
        if not isinstance(key, str) or not 0 < len(key) <= _MAX_KEY:
            raise _StartRefused(
                "invalid_request", f"idempotency_key is no text of 1 to {_MAX_KEY} characters"
            )
        stated = _number(event, "shards", 1, MAX_SHARDS)
        self.shards = stated or settings.shards
        shard = _number(event, "shard", 0, self.shards - 1)
        if (shard is None) is not (stated is None):
            raise _StartRefused("invalid_request", "shard and shards are only valid together")
        key = f"{layout.root}{layout.transfer_type} {key}"
        self._is_first = shard is None
        self._asked = [
            self._shard(number, _worker_name(f"{number} of {key}" if number else key))
            for number in (range(self.shards) if shard is None else [shard])
        ]
        # A process that has answered waits for the next request, and has read what services are like.
        self._session = clients.one_of_many()
        self._control = Bucket(
            layout.fill(settings.control_bucket),
            prefix=layout.root,
            client=clients.s3_client(self._session, settings),
            options=for_control(settings.object_options),
        )
        self._clock.watch(self._control.client)
        left = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
        self._deadline = clock.monotonic() + min(settings.start_seconds, left)

    def _shard(self, number: int, worker: str) -> _Shard:
        return _Shard(number, worker, self._layout.validator_lock(number), self._layout.validator_log(number))

    def start(self) -> str:
        """Start what has not been started; give the name of the first that was asked for, once all work."""
        self._check_owner()
        self._check_shards()
        with self._one_at_a_time():
            if self._settings.worker_function is None:
                self._check_expected()
                self._await(self._process, "no process has begun to validate this delivery")
            else:
                for shard in self._asked:
                    shard.log_end = self._log_end(shard)
                if missing := self._make_room():
                    self._check_expected()
                    self._start_workers(missing)
                self._await(self._first_answer, "the validator was started, and is silent")
        first = self._asked[0].validator_id
        assert first is not None  # it was waited for
        return first

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Let a delivery have one start that waits: who asks a thousand times takes nobody's place."""
        settings = self._settings
        adopt_profile(self._control, self._layout)
        lock = Lock(
            self._control,
            self._layout.starting,
            agent_id=self._asked[0].worker,
            lease_seconds=min(MAX_LEASE, MIN_LEASE + int(settings.start_seconds + settings.busy_seconds)),
            clock=self._clock,
        )
        try:
            lock.acquire(0)
        except Locked:
            raise _StartRefused("validator_busy", "another start for this delivery is under way") from None
        try:
            yield
        finally:
            with contextlib.suppress(LockLost, StoreError):  # else it is free when its lease is over
                lock.release()

    def _check_owner(self) -> None:
        """Refuse who does not hold the lock, in one sentence: nobody learns whether others deliver this."""
        found = self._read(self._layout.owned)
        owner = None if found is None else LockBody.decode(found.body)
        if (
            found is None
            or owner is None
            or (owner.agent_id, owner.epoch, owner.state) != (self._agent_id, self._epoch, "held")
            or found.date - found.last_modified > owner.lease_seconds + GRACE
        ):
            raise _StartRefused(
                "not_the_owner", f"agent {self._agent_id} does not hold the lock of this delivery"
            )

    def _check_shards(self) -> None:
        """Refuse another number than the receiver's, unless this client was given it before that was changed.

        How many workers run is the receiver's to say. Its own validators have written down what was said.
        """
        if self.shards == self._settings.shards:
            return
        for log in {self._layout.validator_log(), self._asked[0].log}:
            for info in reversed(list(self._control.list(log))):
                segment = self._segment(info.key)
                if segment is not None and segment.header.client_epoch == self._epoch:
                    for record in segment.records.others:
                        if isinstance(record, ValidatorInit) and record.shards == self.shards:
                            return
        raise _StartRefused(
            "invalid_request",
            f"{self._settings.shards} validators share the files of this client, not {self.shards}",
        )

    def _check_expected(self) -> None:
        """Refuse what as a whole is not the delivery that was agreed on, before a file of it is sent."""
        assert self._epoch is not None  # or it would be refused already
        required = self._settings.require_expectations
        if not required and self._control.head(self._layout.expectations, checksum=False) is None:
            return
        from upload_client.validator.expected import judge_index  # noqa: PLC0415 - slow, and rarely needed

        problems, code = judge_index(self._control, self._layout, self._epoch, required=required)
        if code is not None:
            raise _StartRefused(code, *problems)

    def _make_room(self) -> list[_Shard]:
        """Wait a little for old validators to leave; give the shards for which one is to be started."""
        patience = min(self._deadline, self._clock.monotonic() + self._settings.busy_seconds)
        waiting = self._asked
        if self._is_first:
            # Where there were more before, each of them has files that another one is to judge now.
            numbers = find_shards(self._control, self._layout, self._clock)
            waiting = [*waiting, *(self._shard(number, "") for number in numbers if number >= self.shards)]
        while True:
            found = [(shard, self._in_the_way(shard)) for shard in waiting]
            busy = [(shard, who) for shard, who in found if who is not None]
            if not busy:
                return [shard for shard in self._asked if not shard.started and shard.validator_id is None]
            waiting = [shard for shard, _ in busy]
            if self._clock.monotonic() >= patience:
                raise _StartRefused("validator_busy", f"{busy[0][1]}{self._which(waiting)}")
            self._clock.sleep(_LOOK_LAST / 2)

    def _in_the_way(self, shard: _Shard) -> str | None:
        """Look at a shard's lock: who has to leave first, None where nobody has; note who is at work."""
        found = self._read(shard.lock)
        if found is None:
            return None
        lock = LockBody.decode(found.body)
        if lock is not None and lock.agent_id == shard.worker:
            # This very start was carried out before, and its answer was lost.
            shard.started = True
            if lock.state == "released":
                shard.validator_id = shard.worker
            return None
        age = found.date - found.last_modified
        decision = may_take(lock, age=age, identity=current_process(), is_running=is_running)
        if isinstance(decision, Take):
            return None
        if lock is not None and self._serves(shard, lock.agent_id):
            # An earlier start got so far, or the state machine has run it again.
            shard.validator_id = lock.agent_id
            return None
        who = "a validator whose lock cannot be read" if lock is None else f"validator {lock.agent_id}"
        return f"{who} is there for {decision.seconds_left:.0f} s at most"

    def _read(self, lock: str) -> Fetched | None:
        try:
            return self._control.get(lock, limit=MAX_BODY)
        except NotFound:
            return None
        except ObjectTooLarge as error:
            return error.found  # its body is empty, as good as one that cannot be read

    def _log_end(self, shard: _Shard) -> int:
        seqs = [segment_seq(shard.log, info.key) for info in self._control.list(shard.log)]
        return max((seq for seq in seqs if seq is not None), default=-1)

    def _start_workers(self, missing: Sequence[_Shard]) -> None:
        """Start a worker for each: by one execution of the state machine, or by itself."""
        for shard in missing:
            shard.read = shard.log_end
        events = [
            {
                "dataset": self._layout.dataset,
                "delivery_id": self._layout.delivery_id,
                "transfer_type": self._layout.transfer_type,
                "epoch": self._epoch,
                "validator_id": shard.worker,
                "shard": shard.number,
                "shards": self.shards,
            }
            for shard in missing
        ]
        if self._settings.state_machine is None:
            self._invoke(events)
        else:
            self._execute(events)

    def _invoke(self, events: Sequence[Mapping[str, object]]) -> None:
        """Start the workers: one asynchronous invoke for each, never repeated."""
        lambdas = clients.client(self._session, "lambda", self._settings, retries=_NEVER_REPEATED)
        for event in events:
            try:
                with store_errors("starting the worker"):
                    lambdas.invoke(
                        FunctionName=self._settings.worker_function,
                        InvocationType="Event",
                        Payload=json.dumps(event).encode(),
                    )
            except AnswerLost:
                pass  # it may have been started all the same: its first word tells
            except StoreError as error:
                traceback.print_exc()
                raise _StartRefused("validator_not_started", str(error)) from None

    def _execute(self, events: Sequence[Mapping[str, object]]) -> None:
        """Start the workers: one execution, whose name follows from the idempotency key.

        So one that is started again is the same:
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        """
        machines = clients.client(self._session, "stepfunctions", self._settings, retries=_NEVER_REPEATED)
        readable = f"{self._layout.dataset}-{self._layout.delivery_id}".replace(".", "_")
        try:
            with store_errors("starting the workers"):
                machines.start_execution(
                    stateMachineArn=self._settings.state_machine,
                    name=f"{readable[:_NAME_LENGTH]}-{self._asked[0].worker}",
                    input=json.dumps({"workers": events}),
                )
        except AnswerLost:
            pass  # as above
        except StoreError as error:
            if error.s3_code == "ExecutionAlreadyExists":
                return
            traceback.print_exc()
            raise _StartRefused("validator_not_started", str(error)) from None

    def _await(self, look: Callable[[_Shard], str | None], silence: str) -> None:
        """Wait until each shard has somebody at work, as `look` says; else it is as `silence` says."""
        pause = _LOOK_FIRST
        while True:
            for shard in self._asked:
                shard.validator_id = shard.validator_id or look(shard)
            missing = [shard for shard in self._asked if shard.validator_id is None]
            if not missing:
                return
            if self._clock.monotonic() >= self._deadline:
                raise _StartRefused("validator_not_started", f"{silence}{self._which(missing)}")
            self._clock.sleep(pause)
            pause = min(1.3 * pause, _LOOK_LAST)

    def _which(self, shards: Sequence[_Shard]) -> str:
        """Which of several validators something is said about."""
        numbers = [str(shard.number) for shard in shards if shard.number < self.shards]
        if self.shards == 1 or not numbers:
            return ""
        return f" (shard {', '.join(numbers)} of {self.shards}, from 0)"

    def _first_answer(self, shard: _Shard) -> str | None:
        """The validator that has written its `init`: the worker, or one that was started beside it."""
        after = None if shard.read < 0 else segment_key(shard.log, shard.read)
        for info in self._control.list(shard.log, after):
            seq = segment_seq(shard.log, info.key)
            if seq is None:
                continue
            segment = self._segment(info.key)
            if segment is not None:
                header = segment.header
                ours = header.agent_id == shard.worker
                if ours or seq > shard.log_end:
                    for record in segment.records.others:
                        if isinstance(record, ValidatorInit):
                            if header.client_epoch != self._epoch:
                                # It has the lock, so that the worker of this client has left.
                                raise _StartRefused(
                                    "validator_busy",
                                    f"validator {header.agent_id}, of another client, was quicker"
                                    f"{self._which([shard])}",
                                )
                            return header.agent_id
                        if isinstance(record, Shutdown) and ours:
                            raise _StartRefused(
                                "validator_not_started", f"the validator left at once: {record.message}"
                            )
            shard.read = seq
        return None

    def _segment(self, key: str) -> Segment | None:
        try:
            return decode_segment(self._control.get(key, limit=MAX_SEGMENT).body, writer="validator")
        except (NotFound, ObjectTooLarge, MalformedSegment):
            return None  # who reads the log as a chain will say so

    def _process(self, shard: _Shard) -> str | None:
        """Which validator that nobody starts from here serves this client."""
        found = self._read(shard.lock)
        lock = None if found is None else LockBody.decode(found.body)
        if lock is not None and lock.state == "held" and self._serves(shard, lock.agent_id):
            return lock.agent_id
        return None

    def _serves(self, shard: _Shard, validator_id: str) -> bool:
        """Whether the last to write in the log is this validator, for this client, lately, and no goodbye."""
        try:
            last = self._control.get(segment_key(shard.log, self._log_end(shard)), limit=MAX_SEGMENT)
            segment = decode_segment(last.body, writer="validator")
        except (NotFound, ObjectTooLarge, MalformedSegment):
            return False
        return (
            (segment.header.agent_id, segment.header.client_epoch) == (validator_id, self._epoch)
            and last.date - last.last_modified <= _ALIVE_SECONDS
            and not any(isinstance(record, Shutdown | Stop) for record in segment.records.others)
        )


def _number(event: Mapping[str, object], name: str, least: int, most: int) -> int | None:
    """A whole number of the event, None where it holds none under this name."""
    given = event.get(name)
    if given is None:
        return None
    if type(given) is not int or not least <= given <= most:
        raise _StartRefused("invalid_request", f"{name} is no number from {least} to {most}")
    return given


def _worker_name(key: str) -> str:
    """Eleven lowercase letters, as every agent's name, that follow from `key`."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    letters = []
    for _ in range(11):
        number, letter = divmod(number, 26)
        letters.append(string.ascii_lowercase[letter])
    return "".join(letters)


def __getattr__(name: str) -> object:
    """Import `work` when it is asked for (PEP 562)."""
    if name != "work":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from upload_client.validator.worker import work  # noqa: PLC0415

    return work
