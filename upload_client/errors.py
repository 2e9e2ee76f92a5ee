"""All exceptions, each with the exit code of the process and a hint for the person.

``str(error)`` says what happened and where; ``error.hint`` is one sentence that says what to do. Both may
quote names and texts from outside: escape them for the medium (`upload_client.core.text`).

The one that is also botocore's, `upload_client.UploadClientError`, is in `upload_client.s3.errors`: botocore
is slow to import.
"""

# ruff: noqa: N818 - an error is named for what happened; the given names keep their suffix

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from upload_client.core.exits import ExitCode
from upload_client.core.text import counted

__all__ = [
    "DeliveryClosed",
    "DeliveryError",
    "HolderAlive",
    "Interrupted",
    "InvalidIndex",
    "InvalidState",
    "LockLost",
    "Locked",
    "LogBroken",
    "LoginRefused",
    "NoProgress",
    "NotComplete",
    "NotReachable",
    "NothingToDoError",
    "PipelineBusy",
    "PipelineRefused",
    "SettingsError",
    "StoreUnsafe",
    "Superseded",
    "TooManyInvalid",
    "UsageError",
    "ValidatorSilent",
]


class DeliveryError(Exception):
    """The base class of all errors that end a delivery or a command.

    Attributes:
        exit_code: the exit code of the process.
        hint: one sentence for the person: what to do about it. A hint that was passed in is also a note (PEP
            678), which Python shows below the message.
        code: a stable code for programs. By default the name of the class: ``LockLost`` is ``lock_lost``.
    """

    code: str = "unexpected"
    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED
    hint: str = "Run the same command again to resume; with --debug it prints more."

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint
            self.add_note(hint)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()

    def __reduce__(self) -> tuple[Any, ...]:
        # The way of BaseException calls the class with `args`, which keyword-only arguments defeat.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[DeliveryError], args: tuple[Any, ...], attributes: dict[str, Any]) -> DeliveryError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class NothingToDoError(DeliveryError, ValueError):
    """All files are in place and valid already."""

    exit_code = ExitCode.OK
    hint = "Nothing needs to be done; to send a file again, change it or its checksum in the index."

    def __init__(self, message: str = "nothing to do: all files are delivered and valid") -> None:
        super().__init__(message)


class DeliveryClosed(NothingToDoError):
    """The receiver has closed the delivery, or handed its files over to an archive: nothing is sent."""

    hint = "Nothing needs to be done; for more files, agree with the receiver on another delivery id."


class UsageError(DeliveryError, ValueError):
    """A wrong argument, setting or input."""

    exit_code = ExitCode.USAGE
    hint = "Correct this and run the command again; nothing was changed anywhere."


class SettingsError(UsageError):
    """A setting is missing, unknown or wrong."""


class InvalidIndex(UsageError):
    """The file index cannot be delivered as it is.

    Attributes:
        where: the index: a file, or the folder that was scanned.
        problems: what is wrong, one sentence for each row, in row order; the first ones if there are many.
        n_problems: how many there are in all.
    """

    hint = "Correct these rows, or write a new index with `upload-client index`; nothing was sent."

    def __init__(self, where: str, problems: Sequence[str], n_problems: int | None = None) -> None:
        self.where = where
        self.problems = tuple(problems)
        self.n_problems = len(self.problems) if n_problems is None else n_problems
        lines = [f"{counted(self.n_problems, 'problem')} in {where}", *self.problems]
        if more := self.n_problems - len(self.problems):
            lines.append(f"and {more:,} more")
        super().__init__("\n  ".join(lines))


class InvalidState(DeliveryError, RuntimeError):
    """A call is not valid in this state of the client, such as sending before connecting."""

    hint = "Call connect() first; a client that has crashed or quit cannot be used again: make a new one."


class NotComplete(DeliveryError):
    """The delivery is not complete yet, and what was asked for exists only at its end."""

    exit_code = ExitCode.NOT_COMPLETE
    hint = "See with `upload-client status` where it stands; nothing was written."


class LoginRefused(DeliveryError):
    """The login was refused, or the refresh of its credentials was."""

    exit_code = ExitCode.LOGIN_REFUSED
    hint = "Check user name, password and profile, then run the same command again: it goes on where it was."


class NotReachable(DeliveryError):
    """A service does not answer, or asks to be called later; the delivery itself is not at fault.

    The request was retried for as long as the setting ``patience`` says.
    """

    exit_code = ExitCode.NOT_REACHABLE
    hint = (
        "Check the network (proxy, firewall), region and endpoint_url; then run the same command again: what"
        " was confirmed is not sent again."
    )


class Locked(DeliveryError):
    """Another agent holds the lock of the delivery.

    Attributes:
        agent_id: the holder; empty where the lock cannot be read.
        host: the holder's machine.
        user: the holder's user.
        since: when the holder took the lock, as UTC text; from the holder, so only for people.
        until: when the lock may be taken if the holder does not come back, as UTC text.
        transfer_type: `staging` or `sample`, where the holder says which it delivers: both share one lock.
    """

    exit_code = ExitCode.LOCKED

    def __init__(
        self,
        delivery: str,
        *,
        agent_id: str = "",
        host: str = "",
        user: str = "",
        since: str = "",
        until: str = "",
        transfer_type: str = "",
        why: str = "",
    ) -> None:
        self.delivery, self.agent_id, self.host, self.user = delivery, agent_id, host, user
        self.since, self.until, self.why, self.transfer_type = since, until, why, transfer_type
        holder = f"agent {agent_id} ({user or 'unknown user'} on {host or 'unknown host'})"
        message = f"{delivery} is locked{_for(transfer_type)} by "
        message += holder if agent_id else "somebody whose lock cannot be read"
        message += f" since {since}" * bool(since) + f", until {until} at least" * bool(until)
        super().__init__(f"{message}: {why}" if why else message)
        of = " --sample" if transfer_type == "sample" else ""
        self.hint = f"Wait until that run has ended (`upload-client status{of}` says how far it is)" + (
            f", or until {until} if it has died" if until else ""
        )
        if agent_id:
            self.hint += f"; if you know it is dead: `upload-client unlock --steal {agent_id}`"
        self.hint += "."


def _for(transfer_type: str) -> str:
    if not transfer_type:
        return ""
    from upload_client.core.files import TYPE_NAMES  # noqa: PLC0415 # not for --help

    return f" for {TYPE_NAMES[transfer_type]}"


class HolderAlive(Locked):
    """The holder of a lock that is to be stolen has written something a moment ago."""

    def __init__(self, delivery: str, **details: str) -> None:
        super().__init__(delivery, **details)
        self.hint = (
            "Stop that run where it runs (Ctrl-C), or wait: one that is dead is silent for a minute. If it"
            f" is to lose the lock all the same: `upload-client unlock --steal {self.agent_id} --yes`."
        )


class LockLost(DeliveryError):
    """The lock is held by another agent: what this run would write now could corrupt its delivery."""

    exit_code = ExitCode.LOCK_LOST
    hint = (
        "See who delivers this now: `upload-client status`; if nobody does, run the same command again: "
        "what was confirmed is not sent again."
    )


class Superseded(LockLost):
    """A newer owner has written to the log: this run may append nothing more, not even its end."""


class LogBroken(DeliveryError):
    """A log of the delivery has a gap or was tampered with.

    Attributes:
        segment: key of the segment where it shows.
    """

    hint = "Only the receiver can repair this: tell them the name of the segment, and send nothing before."

    def __init__(self, segment: str, why: str) -> None:
        self.segment, self.why = segment, why
        super().__init__(f"the log is broken at {segment}: {why}")


class EpochRefused(DeliveryError):
    """A key in the control bucket claims an epoch that no run can have had, so the lock cannot be taken.

    Attributes:
        key: which.
        epoch: what it claims.
    """

    hint = (
        "Only the receiver can fix this: tell them the key."
        " `upload-client receiver repair` shows what is wrong, and sets it aside."
    )

    def __init__(self, key: str, epoch: int) -> None:
        self.key, self.epoch = key, epoch
        super().__init__(f"{key} claims epoch {epoch}, the highest there can be: no run can have written it")


class PipelineRefused(DeliveryError):
    """The receiver's pipeline did not start, or has judged that this is not the delivery that was agreed on.

    Attributes:
        errors: what it said, each with ``code`` and ``message``.
    """

    exit_code = ExitCode.PIPELINE_REFUSED
    hint = "Tell the receiver what their pipeline said; when it is fixed, run the same command again."

    def __init__(
        self, errors: Iterable[Mapping[str, str]] = (), *, hint: str | None = None, late: bool = False
    ) -> None:
        self.errors = tuple({str(key): str(value) for key, value in error.items()} for error in errors)
        reasons = "; ".join(f"{e.get('message', '')} ({e.get('code', 'no code')})" for e in self.errors)
        what = "the receiver does not take this delivery" if late else "the pipeline refused to start"
        super().__init__(f"{what}: {reasons or 'no reason given'}", hint=hint)


class PipelineBusy(PipelineRefused):
    """An old validator is still shutting down; a later start may succeed."""

    hint = "A validator of an earlier run is still leaving: run the same command again in a few minutes."


class TooManyInvalid(DeliveryError):
    """More files were judged invalid than the setting ``max_invalid`` allows: sending stops.

    Its code ends the client's log: the validator judges no more.
    """

    exit_code = ExitCode.STOPPED_EARLY
    hint = (
        "See in the state dump what is wrong, and fix it (`upload-client check --content` says whether "
        "files open, without sending them); then run the same command again."
    )

    def __init__(self, n_invalid: int = 0) -> None:
        # Not above: slow to import, and the client that raises this has done so.
        from upload_client.core.records import STOPPED_EARLY  # noqa: PLC0415

        were = "file was" if n_invalid == 1 else "files were"
        super().__init__(f"{STOPPED_EARLY}: {n_invalid:,} {were} judged invalid in this run")


class ValidatorSilent(DeliveryError):
    """Files are delivered and not judged: the validator was silent, and again after it was restarted."""

    exit_code = ExitCode.NOT_JUDGED
    hint = "Your files are safe in S3: run the same command again later, and they are judged, not sent again."


class NoProgress(DeliveryError):
    """The run has made no progress for too long, for no known reason."""

    exit_code = ExitCode.NOT_JUDGED
    hint = (
        "What is in S3 is safe: run the same command again, and it is judged, not sent again; if that does"
        " not help, show this to the receiver. How long to wait: the setting `standstill`."
    )


class StoreUnsafe(DeliveryError):
    """The store does not honour conditional writes, so two runs could own one delivery."""

    exit_code = ExitCode.STORE_UNSAFE
    hint = (
        "Tell the receiver that their store has to honour If-Match and If-None-Match on PutObject, as Amazon "
        "S3 does; a proxy in between may also be what takes them away."
    )


class Interrupted(DeliveryError):
    """The run was interrupted by the person."""

    exit_code = ExitCode.INTERRUPTED
    hint = "Run the same command again to go on: what was confirmed is not sent again."

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__(message)
