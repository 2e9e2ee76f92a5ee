"""The rules of `receiver serve`: polling intervals, retries of outcomes, and their text."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from upload_client.core.text import for_log

_OFTEN = 600.0
"""For so many seconds after something was new in a delivery it is looked at each time."""
_QUIET_INTERVAL = 45.0
"""Seconds between two looks at one where nothing has been new for long: less than a client's patience."""

OLDEST_OUTCOME = 24 * 3600.0
"""Seconds for which an outcome is told again where nobody took it."""

_LISTED_AT_ONCE = 4
"""Quiet data sets that are listed at each look, as long as each has its turn within `_QUIET_INTERVAL`."""

_NOT_VALID = ("invalid", "not_judged", "not_delivered")

MOST_OUTCOMES = 10_000
"""Outcomes that wait to be told on one way, and as many that were given up: beyond that the oldest go."""
_FIRST_RETRY, _LAST_RETRY = 1.0, 300.0
_FIRST_RECEIPT, _LAST_RECEIPT = 10.0, 3600.0
_RECEIPT = {
    "signed": "its receipt not signed",
    "dated": "its receipt not dated by others",
    "retained": "its receipt not kept by Object Lock",
}
"""Fields of the message about a complete delivery: "yes", "failed", "refused", or None where nobody asked."""


def lock_poll_interval(quiet: float, every: float) -> float:
    """Seconds until a delivery's lock is checked again.

    Args:
        quiet: seconds since it was new.
        every: seconds between two looks at those where something happens.
    """
    return every if quiet < _OFTEN else max(every, _QUIET_INTERVAL)


def list_poll_interval(quiet: float, every: float, n_datasets: int) -> float:
    """Seconds until the deliveries of a data set are listed again.

    Args:
        quiet: seconds since something was new in one of them.
        every: seconds between two looks at those where something happens.
        n_datasets: of the receiver: the quiet ones take turns, some at each look.
    """
    turns = every * max(1.0, n_datasets / _LISTED_AT_ONCE)
    return every if quiet < _OFTEN else min(turns, max(every, _QUIET_INTERVAL))


def in_short(outcome: Mapping[str, object]) -> str:
    """How a run has ended, and why it is not complete: files by kind, the client's last word."""
    if outcome["complete"]:
        return ", ".join(("complete", *receipt_lacks(outcome)))
    counts = [f"{outcome[kind]:,} {kind.replace('_', ' ')}" for kind in _NOT_VALID if outcome[kind]]
    if outcome.get("not_agreed"):
        counts.append("not as agreed")
    client = for_log(str(outcome["client"]))
    if client != "complete":  # it has gone through all files
        counts.append(f"the client: {client}")
    return ": ".join(("not complete", *filter(None, [", ".join(counts)])))


def outcome_mail(outcome: Mapping[str, object]) -> tuple[str, str]:
    """The message about a run that has ended (docs/receiver.md), for people: subject and lines.

    What others have said in it, such as a file's name, makes no line of its own.
    """
    how = "complete" if outcome["complete"] else "not complete"
    lacks = receipt_lacks(outcome)
    name = f"{outcome['dataset']}/{outcome['delivery_id']}"
    lines = [
        f"The delivery {name} ({outcome['transfer_type']}) is {how}.",
        "",
        f"valid          {outcome['valid']} of {outcome['n_files']} ({outcome['n_bytes_valid']} bytes)",
        f"invalid        {outcome['invalid']}",
        f"not judged     {outcome['not_judged']}",
        f"not delivered  {outcome['not_delivered']}",
        f"the client     {for_log(str(outcome['client']))}",
    ]
    invalid = outcome["invalid_first"]
    assert isinstance(invalid, list)
    lines += [f"  {for_log(file['path'])}: {for_log(file['why'])}" for file in invalid]
    if not_agreed := outcome.get("not_agreed"):
        assert isinstance(not_agreed, list)
        lines += ["", "It is not the delivery that was agreed on:", *map(_indented, not_agreed)]
    if lacks:
        problems = outcome["receipt_problems"]
        assert isinstance(problems, list)
        lines += ["", f"The delivery is complete, {' and '.join(lacks)}:", *map(_indented, problems)]
    return f"{', '.join((how, *lacks))}: {name}", "\n".join(lines)


def _indented(text: object) -> str:
    return f"  {for_log(str(text))}"


def receipt_lacks(outcome: Mapping[str, object]) -> tuple[str, ...]:
    """The lacks of the receipt of a complete delivery, as clauses."""
    return tuple(text for name, text in _RECEIPT.items() if outcome.get(name) in ("failed", "refused"))


def receipt_again(outcome: Mapping[str, object]) -> bool:
    """Whether something that the receipt lacks is worth another try; what the logs do not prove is not."""
    return any(outcome.get(name) == "failed" for name in _RECEIPT)


def receipt_again_after(n_tries: int) -> float:
    """Seconds until a missing step of a receipt is tried again, after so many tries."""
    return min(_FIRST_RECEIPT * 2.0 ** min(n_tries - 1, 30), _LAST_RECEIPT)


def retry_after(n_tries: int) -> float:
    """Seconds until an outcome that was not accepted is sent again, after so many tries."""
    return min(_FIRST_RETRY * 2.0 ** min(n_tries - 1, 30), _LAST_RETRY)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The signature of a message: HMAC-SHA256 of ``timestamp.body``, in hexadecimal, after ``sha256=``.

    With the moment in it, a message that somebody has overheard is of no use for long.
    """
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
