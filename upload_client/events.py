"""The events of a delivery, which reporters show: on a terminal, in a log, as JSON, in a notebook.

Events carry raw data. Paths and messages may hold any character; each reporter escapes them for its own
medium (`upload_client.core.text`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from upload_client.core.problems import Problem
from upload_client.core.states import State
from upload_client.core.values import value

__all__ = [
    "Connected",
    "Event",
    "FileChanged",
    "Health",
    "InFlight",
    "Message",
    "MessageType",
    "Phase",
    "PhaseName",
    "Planned",
    "Problem",
    "Progress",
    "Reporter",
    "Summary",
    "ValidatorState",
]

MessageType: TypeAlias = Literal["warning", "error", "info", "complete", "success"]

PhaseName: TypeAlias = Literal["connecting", "planning", "starting", "sending", "judging", "finishing"]
"""Where a run is: logging in and taking the lock; finding out what is there; waiting for the validator to be
started; sending (and hearing verdicts); waiting for the last verdicts; checking the bucket and ending."""

ValidatorState: TypeAlias = Literal["starting", "working", "silent", "left"]
"""Asked for and not heard yet; heard lately; not heard for longer than half of its patience; gone."""


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for the person.

    Attributes:
        text: the sentence.
        mtype: its category.
        code: the same for programs, a `upload_client.core.codes.MessageCode`; None: the words are not this
            program's (`UploadClient.cmessage`).
    """

    text: str
    mtype: MessageType
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """The run has come to its next phase."""

    phase: PhaseName


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The run is connected: logged in, lock taken, logs read.

    Attributes:
        source: where files come from, a directory or ``s3://bucket/prefix``.
        landing: where they go, ``s3://bucket/prefix``.
        resumed: whether an earlier run is resumed.
    """

    dataset: str
    delivery_id: str
    transfer_type: str
    agent_id: str
    epoch: int
    source: str
    landing: str
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan of this run.

    Attributes:
        counts: files for each reason, by the code of a `upload_client.core.resume.Reason` (``new``,
            ``valid``, …), in the order to show them.
        n_files: files that will be sent.
        n_bytes: bytes that will be sent, as far as sizes are known.
        left_out: files, and folders with all that is in them, that are no part of the delivery, for each
            reason, by its code (`upload_client.core.left_out`).
    """

    counts: Mapping[str, int]
    n_files: int
    n_bytes: int
    left_out: Mapping[str, int] = field(default_factory=dict)


@value  # one for each of a million files: four times as quick to make as a frozen dataclass
class FileChanged:
    """The state of a file has changed.

    Attributes:
        relpath: its name.
        state: the state.
        message: why it failed or is invalid.
        retries: second and later tries made.
        again: whether it has failed and will be retried.
        code: why, for programs: a `upload_client.core.codes.FileCode`, or a validator's own; None: no reason.
    """

    relpath: str
    state: str
    message: str | None = None
    retries: int = 0
    again: bool = False
    code: str | None = None


class InFlight(NamedTuple):
    """A file that is being transferred.

    Attributes:
        relpath: its name.
        bytes_done: bytes of it that are at the destination or on the way there.
        size: its bytes.
        parts_done: parts of it that are at the destination.
        parts: number of parts; 0: it is sent whole.
    """

    relpath: str
    bytes_done: int
    size: int
    parts_done: int = 0
    parts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a run, several times a second.

    Attributes:
        counts: files in each state.
        bytes_sent: bytes of content that this run has sent and S3 has acknowledged; 0 for copies from S3.
        bytes_total: bytes that this run has to transfer.
        bytes_done: of these, the bytes at the destination or on the way there; decreases when a file is sent
            again.
        bytes_kept: of these, the bytes in parts of earlier tries, which were not sent again.
        bytes_before: bytes of files that were in place before this run.
        files_sent: files that this run has transferred.
        files_total: files that this run has to transfer.
        seconds: time since the run began.
        in_flight: some of the files being transferred, the largest first.
        requests: how many requests may be under way at once now; 0: an executor sends, or nothing is sent.
    """

    counts: Mapping[State, int]
    bytes_sent: int
    bytes_total: int
    bytes_done: int = 0
    bytes_kept: int = 0
    bytes_before: int = 0
    files_sent: int
    files_total: int = 0
    seconds: float
    in_flight: tuple[InFlight, ...] = ()
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of lock and validator, with each `Progress`.

    Attributes:
        lease_left: seconds until the lease ends if it is not refreshed; None: the lock is not held.
        validator: the state of the validator.
        validator_heard: seconds since its last sign of life; None: there was none in this run.
        trouble: why lock or logs cannot be read or written at this moment; None: they can.
        seconds: time since the run began.
        trouble_code: `trouble` for programs: the code of an exception; None: nothing.
    """

    lease_left: float | None
    validator: ValidatorState
    validator_heard: float | None
    trouble: str | None
    seconds: float
    trouble_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The outcome of the run: the last event.

    Attributes:
        exit_code: the exit code of the process.
        counts: files in each state.
        bytes_sent: bytes of content that this run has sent.
        files_sent: files that this run has transferred.
        seconds: duration of the run.
        state_csv: the state dump; None if it could not be written.
        headline: the outcome in one sentence.
        hint: what to do about it, if an error has ended the run; else empty.
        problems: files that failed, are invalid or could not be judged, by reason.
        receipt: key of the receipt in the control bucket; None unless all is delivered.
        receipt_file: path of the receipt's copy, if this run has written one.
        receipt_sha256: of that receipt, hex.
        code: the outcome for programs: the code of the error that ended the run, or the exit code's name.
        left_out: as in `Planned`.
        requests: with ``--threads auto``, how many requests at once the run has settled on; else 0.
        not_opened: valid files that the validator has not opened: how many, by reason.
    """

    exit_code: int
    counts: Mapping[State, int]
    bytes_sent: int
    files_sent: int
    seconds: float
    state_csv: Path | None
    headline: str
    hint: str = ""
    problems: tuple[Problem, ...] = ()
    receipt: str | None = None
    receipt_file: Path | None = None
    receipt_sha256: str | None = None
    code: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    not_opened: Mapping[str, int] = field(default_factory=dict)


Event: TypeAlias = Message | Phase | Connected | Planned | FileChanged | Progress | Health | Summary


class Reporter(Protocol):
    """Shows events. Called from one thread.

    An exception that it raises ends the run in order and is raised to the caller: so a scheduler can stop its
    task.
    """

    def handle(self, event: Event) -> None:
        """Show this event, or ignore it."""
        ...

    def close(self) -> None:
        """No more events follow: restore the terminal."""
        ...
