"""The validator's two Lambda functions: `start`, which clients invoke, and `work`, which `start` invokes.

Both read `upload_client.validator.ValidatorSettings` from the environment. Where things are is the
receiver's to say: of an event only the names of the delivery are used, and those are checked.

`start` may be repeated under its idempotency key: the worker's name is derived from it, and of two workers
of one name only one gets the validator's lock.
"""

from __future__ import annotations

import hashlib
import json
import string
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Literal, Protocol, cast

import boto3

from upload_client.aws import clients
from upload_client.aws.bucket import (
    AnswerLost,
    Bucket,
    Fetched,
    NotFound,
    ObjectTooLarge,
    StoreError,
    store_errors,
)
from upload_client.aws.identity import current_process, is_running
from upload_client.clock import SYSTEM, Clock
from upload_client.core.files import TransferType
from upload_client.core.layout import InvalidName, Layout, check_name, segment_key, segment_seq
from upload_client.core.lease import GRACE, MAX_BODY, LockBody, Take, may_take
from upload_client.core.records import (
    MAX_SEGMENT,
    VERSION,
    MalformedSegment,
    Shutdown,
    ValidatorInit,
    decode_segment,
)
from upload_client.core.text import for_log
from upload_client.errors import Locked
from upload_client.validator.expected import InvalidExpectations, MalformedIndex, delivery_problems
from upload_client.validator.serving import serve
from upload_client.validator.settings import ValidatorSettings
from upload_client.validator.telemetry import count_failed_start

__all__ = ["Context", "start", "work"]

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

_LOOK_SECONDS = 0.25
_MARGIN_SECONDS = 5.0
_MAX_KEY = 200
_MAX_MESSAGE = 500
_MAX_MESSAGES = 10


class Context(Protocol):
    """What is used of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is ended."""


class _Refused(Exception):  # noqa: N818 — it never leaves this module
    """A validator is not started; the answer says why."""

    def __init__(self, code: ErrorCode, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.code = code
        self.messages = messages[:_MAX_MESSAGES]


def start(event: Any, context: Context) -> dict[str, Any]:  # noqa: ANN401 — anything may come
    """Start a validator for the client that owns the delivery, and wait for its first word.

    Args:
        event: ``{protocol, dataset, delivery_id, transfer_type, agent_id, epoch, idempotency_key}``.
        context: Lambda's.

    Returns:
        ``{"status": "success", "validator_id": …}`` or
        ``{"status": "failure", "errors": [{"code": …, "message": …}]}`` with an `ErrorCode`.
    """
    try:
        try:
            settings = ValidatorSettings.from_environment()
        except ValueError:
            traceback.print_exc()  # for the receiver; a client gets to know less
            raise _Refused(
                "misconfigured", "the receiver's settings are wrong, as its own log says"
            ) from None
        return {"status": "success", "validator_id": _Starter(event, context, settings).start()}
    except _Refused as refusal:
        code, messages = refusal.code, refusal.messages
    except StoreError as error:
        traceback.print_exc()
        code, messages = "store_error", (str(error),)
    if code in _OUR_FAULT:
        count_failed_start(code, for_log("; ".join(messages), _MAX_MESSAGE))
    errors = [{"code": code, "message": for_log(message, _MAX_MESSAGE)} for message in messages]
    return {"status": "failure", "errors": errors}


def work(event: Any, context: Context) -> dict[str, Any]:  # noqa: ANN401 — `start` made it
    """Be the validator, until it is time to leave.

    Args:
        event: made by `start`.
        context: Lambda's.

    Returns:
        ``{"outcome": …}``, for the receiver's eyes; the client looks into the log.
    """
    settings = ValidatorSettings.from_environment()
    layout = _layout(event, settings)
    try:
        outcome = serve(
            settings,
            layout,
            validator_id=event["validator_id"],
            client_epoch=event["epoch"],
            seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
        )
    except Locked as error:
        # Another one serves, or is still leaving: of two that were started, one is right.
        sys.stderr.write(f"{for_log(str(error))}\n")
        return {"outcome": "locked"}
    return {"outcome": outcome}


def _layout(event: Mapping[str, Any], settings: ValidatorSettings) -> Layout:
    layout = Layout(
        event.get("dataset", ""),
        event.get("delivery_id", ""),
        cast("TransferType", event.get("transfer_type", "")),
        settings.control_prefix,
        settings.landing_prefix,
    )
    layout.check_places(settings.control_bucket, settings.landing_bucket)
    return layout


class _Starter:
    """One request to start a validator.

    Raises:
        _Refused: it is no sound request.
    """

    def __init__(
        self, event: object, context: Context, settings: ValidatorSettings, clock: Clock = SYSTEM
    ) -> None:
        self._settings = settings
        self._clock = clock
        if not isinstance(event, dict):
            raise _Refused("invalid_request", "the event is no JSON object")
        if event.get("protocol") != VERSION:
            raise _Refused("unsupported_protocol", f"this receiver speaks protocol {VERSION}")
        try:
            self._layout = _layout(event, settings)
            self._agent_id = check_name(event.get("agent_id", ""), "agent id")
        except InvalidName as error:
            raise _Refused("invalid_request", str(error)) from None
        self._epoch, key = event.get("epoch"), event.get("idempotency_key")
        if type(self._epoch) is not int or self._epoch < 1:
            raise _Refused("invalid_request", "epoch is no number above 0")
        if not isinstance(key, str) or not 0 < len(key) <= _MAX_KEY:
            raise _Refused("invalid_request", f"idempotency_key is no text of 1 to {_MAX_KEY} characters")
        self._validator_id = _worker_name(f"{self._layout.root}{self._layout.transfer_type} {key}")
        self._session = boto3.Session()
        self._control = Bucket(
            self._layout.fill(settings.control_bucket),
            prefix=self._layout.root,
            client=clients.s3_client(self._session, settings),
        )
        left = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
        self._deadline = clock.monotonic() + min(settings.start_seconds, left)

    def start(self) -> str:
        """Start the worker unless that has been done; return its name once it is at work."""
        self._check_owner()
        if self._settings.worker_function is None:
            self._check_expected()
            return self._await_process()
        log_end = self._log_end()
        last = self._make_room()
        if last is not None and last.agent_id == self._validator_id:
            # This very start was carried out before, and its answer was lost.
            if last.state == "held":
                self._await_first_word(-1)
            return self._validator_id
        self._check_expected()
        self._invoke()
        self._await_first_word(log_end)
        return self._validator_id

    def _check_owner(self) -> None:
        found = self._read(self._layout.owned)
        owner = None if found is None else LockBody.decode(found.body)
        if found is None or owner is None:
            raise _Refused("not_the_owner", "nobody holds the lock of this delivery")
        if (owner.agent_id, owner.epoch, owner.state) != (self._agent_id, self._epoch, "held"):
            raise _Refused("not_the_owner", f"agent {self._agent_id} does not hold the lock of this delivery")
        if found.date - found.last_modified > owner.lease_seconds + GRACE:
            raise _Refused("not_the_owner", f"the lease of agent {self._agent_id} has ended")

    def _check_expected(self) -> None:
        """Refuse what as a whole is not the delivery that was agreed on, before a file of it is sent."""
        assert self._epoch is not None  # or it would be refused already
        try:
            problems = delivery_problems(
                self._control,
                self._layout,
                self._epoch,
                required=self._settings.require_expectations,
            )
        except InvalidExpectations as error:
            raise _Refused("misconfigured", str(error)) from None
        except MalformedIndex as error:
            raise _Refused("invalid_request", f"the index of the delivery: {error}") from None
        if problems:
            raise _Refused("not_expected", *problems)

    def _make_room(self) -> LockBody | None:
        """Wait a little for an old validator to leave; give what its lock says then."""
        patience = min(self._deadline, self._clock.monotonic() + self._settings.busy_seconds)
        while True:
            found = self._read(self._layout.validator_lock())
            if found is None:
                return None
            lock = LockBody.decode(found.body)
            if lock is not None and lock.agent_id == self._validator_id:
                return lock
            age = found.date - found.last_modified
            decision = may_take(lock, age=age, identity=current_process(), is_running=is_running)
            if isinstance(decision, Take):
                return lock
            if self._clock.monotonic() >= patience:
                who = (
                    "a validator whose lock cannot be read" if lock is None else f"validator {lock.agent_id}"
                )
                raise _Refused("validator_busy", f"{who} is there for {decision.seconds_left:.0f} s at most")
            self._clock.sleep(_LOOK_SECONDS)

    def _read(self, lock: str) -> Fetched | None:
        try:
            return self._control.get(lock, limit=MAX_BODY)
        except NotFound:
            return None
        except ObjectTooLarge as error:
            return error.found  # its body is empty, as good as one that cannot be read

    def _log_end(self) -> int:
        log = self._layout.validator_log()
        seqs = [segment_seq(log, info.key) for info in self._control.list(log)]
        return max((seq for seq in seqs if seq is not None), default=-1)

    def _invoke(self) -> None:
        """Start the worker: one asynchronous invoke, never repeated."""
        lambdas = clients.client(
            self._session, "lambda", self._settings, retries={"mode": "standard", "total_max_attempts": 1}
        )
        event = {
            "dataset": self._layout.dataset,
            "delivery_id": self._layout.delivery_id,
            "transfer_type": self._layout.transfer_type,
            "epoch": self._epoch,
            "validator_id": self._validator_id,
        }
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
            raise _Refused("validator_not_started", str(error)) from None

    def _await_first_word(self, behind: int) -> None:
        """Wait for the worker's `init` in the validator's log behind segment `behind`."""
        log = self._layout.validator_log()
        while True:
            for info in self._control.list(log, None if behind < 0 else f"{log}{behind:010d}.jsonl"):
                seq = segment_seq(log, info.key)
                if seq is None:
                    continue
                if self._is_first_word(info.key):
                    return
                behind = seq
            if self._clock.monotonic() >= self._deadline:
                raise _Refused("validator_not_started", "the validator was started, and says nothing")
            self._clock.sleep(_LOOK_SECONDS)

    def _await_process(self) -> str:
        """Wait until a validator that nobody starts from here serves this client; return its name."""
        while True:
            found = self._read(self._layout.validator_lock())
            lock = None if found is None else LockBody.decode(found.body)
            if lock is not None and lock.state == "held" and self._serves(lock.agent_id):
                return lock.agent_id
            if self._clock.monotonic() >= self._deadline:
                raise _Refused("validator_not_started", "no process has begun to validate this delivery")
            self._clock.sleep(_LOOK_SECONDS)

    def _serves(self, validator_id: str) -> bool:
        """Whether the last to write in the validator's log is this validator, for this client."""
        try:
            last = self._control.get(
                segment_key(self._layout.validator_log(), self._log_end()), limit=MAX_SEGMENT
            )
            header = decode_segment(last.body, writer="validator").header
        except (NotFound, ObjectTooLarge, MalformedSegment):
            return False
        return (header.agent_id, header.client_epoch) == (validator_id, self._epoch)

    def _is_first_word(self, key: str) -> bool:
        try:
            segment = decode_segment(self._control.get(key, limit=MAX_SEGMENT).body, writer="validator")
        except (NotFound, ObjectTooLarge, MalformedSegment):
            return False  # who reads the log as a chain will say so
        if segment.header.agent_id != self._validator_id:
            return False
        for record in segment.records:
            if isinstance(record, ValidatorInit):
                return True
            if isinstance(record, Shutdown):
                raise _Refused("validator_not_started", f"the validator left at once: {record.message}")
        return False


def _worker_name(key: str) -> str:
    """Eleven lowercase letters, as every agent's name, that follow from `key`."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    letters = []
    for _ in range(11):
        number, letter = divmod(number, 26)
        letters.append(string.ascii_lowercase[letter])
    return "".join(letters)
