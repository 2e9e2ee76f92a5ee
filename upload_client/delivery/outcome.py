"""`Outcome`: how a run ended, in figures, in one sentence and as an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upload_client.core.exits import ExitCode, exit_code
from upload_client.core.states import State
from upload_client.core.text import counted
from upload_client.errors import DeliveryClosed, DeliveryError, Interrupted, NothingToDoError
from upload_client.support.own_limits import advice, lack
from upload_client.support.secrets import without_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        exit_code: what the command line exits with; 0: every file is delivered and valid.
        headline: the outcome in one sentence.
        counts: files in each state.
        bytes_sent: bytes of content that this run sent.
        files_sent: files that this run brought into the landing bucket.
        seconds: how long the run took.
        state_csv: the state dump; None if it could not be written.
        receipt: key of the receipt in the control bucket; None unless all is delivered.
        receipt_file: the same receipt as a file; None where this run has not written it, or not there.
        receipt_sha256: of the receipt, hex; None where this run has not written it.
        error: what ended the run, if something did.
        not_opened: valid files that the validator has not opened: how many, by reason.
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
    not_opened: Mapping[str, int] = field(default_factory=dict)


def cut_short(error: BaseException) -> Interrupted:
    """The end of a run that something has cut short which is no error of a delivery."""
    if isinstance(error, KeyboardInterrupt):
        return Interrupted()
    return Interrupted(f"cut short by {type(error).__name__}")


def exit_code_of(error: BaseException | None, counts: Mapping[State, int]) -> ExitCode:
    """The exit code of a run that ends with this error, or with none, and with its files in these states."""
    if error is None:
        return exit_code(counts)
    return ExitCode(error.exit_code) if isinstance(error, DeliveryError) else ExitCode.UNEXPECTED


def reason_of(error: BaseException) -> str:
    """The sentence of an error; the words of others without secrets."""
    return str(error) if isinstance(error, DeliveryError) else lack(error) or without_secrets(str(error))


def hint_of(error: BaseException | None) -> str:
    """The advice for an error; empty: none is known."""
    if isinstance(error, DeliveryError):
        return error.hint
    return "" if error is None else advice(error) or ""


def headline(counts: Mapping[State, int], error: BaseException | None) -> str:
    """The outcome in one sentence."""
    n = sum(counts.values())
    judged = f"{counts['valid']:,} of {counted(n, 'file')} valid"
    if isinstance(error, DeliveryClosed):
        return f"nothing was sent: {error}"
    if isinstance(error, NothingToDoError):
        return f"nothing to do: {judged}"
    if error is not None:
        reason = reason_of(error)
        return f"{judged}; {reason}" if n else reason
    rest = {
        "invalid": counts["invalid"],
        "not judged": counts["done"],
        "not transferred": n - counts["valid"] - counts["invalid"] - counts["done"],
    }
    return "; ".join([judged, *(f"{number:,} {what}" for what, number in rest.items() if number)])
