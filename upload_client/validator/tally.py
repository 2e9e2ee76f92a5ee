"""The files of a delivery, counted by state, as the logs of both sides say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from upload_client.core.history import DeliveryHistory
from upload_client.core.values import value

_EXAMPLES = 10


@value
class Tally:
    """The files of a delivery, counted by state.

    Attributes:
        valid: files whose latest upload was judged good.
        invalid: files whose latest upload was judged bad.
        not_judged: files that were uploaded, and neither.
        not_delivered: files that were not uploaded.
        n_bytes_valid: bytes of the valid files.
        invalid_first: paths of the first invalid files, and why.
        client_ended: how the client's run has ended; None where it has not said.
        client_reason: and why.
        client_code: the same for programs, where there is one.
    """

    valid: int
    invalid: int
    not_judged: int
    not_delivered: int
    n_bytes_valid: int
    invalid_first: tuple[tuple[str, str], ...]
    client_ended: str | None
    client_reason: str
    client_code: str | None = None


def tally_of(
    history: DeliveryHistory,
    client_epoch: int,
    paths: Iterable[str] | None = None,
    see: Callable[[str, int], object] = lambda *_: None,
) -> Tally:
    """Count the files of a delivery by state.

    Args:
        history: both logs, as far as they have been read.
        client_epoch: the client that was served.
        paths: the files that belong to it; all that were ever announced, where nobody knows.
        see: called with each that is valid, and its bytes.
    """
    counts: Counter[str | None] = Counter()
    n_bytes = 0
    examples: list[tuple[str, str]] = []
    for path in history.paths() if paths is None else paths:
        row = history.row(path)
        epoch, size, _, status, _ = (-1, 0, None, None, None) if row is None else history.glance(row)
        counts[status if epoch >= 0 else "not delivered"] += 1
        if status == "ok":
            n_bytes += size
            see(path, size)
        elif status == "failure" and row is not None and len(examples) < _EXAMPLES:
            examples.append((path, history.message(row) or ""))
    client = history.clients.get(client_epoch)
    return Tally(
        valid=counts["ok"],
        invalid=counts["failure"],
        not_judged=counts["error"] + counts[None],
        not_delivered=counts["not delivered"],
        n_bytes_valid=n_bytes,
        invalid_first=tuple(examples),
        client_ended=None if client is None else client.ended,
        client_reason="" if client is None else client.reason,
        client_code=None if client is None else client.code,
    )
