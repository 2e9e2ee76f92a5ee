"""Records of hand-overs, where they lie: beside the receipts, in the control bucket."""

from __future__ import annotations

from upload_client.core.closing import MAX_CLOSED, Closed
from upload_client.core.hand_over import MAX_RECORD, BadRecord, HandOver
from upload_client.core.layout import Layout, number
from upload_client.s3.bucket import AccessDenied, Bucket, NotFound, ObjectTooLarge, repeat_while_lost


def closing(control: Bucket, layout: Layout) -> Closed | None:
    """The receiver's note that the delivery is closed; None while it is open, or where none may be read.

    Raises:
        StoreError: that could not be found out.
    """
    try:
        return Closed.decode(control.get(layout.closed, limit=MAX_CLOSED).body)
    except (NotFound, AccessDenied):
        return None
    except ObjectTooLarge:
        return Closed("")


def last_hand_over(control: Bucket, layout: Layout) -> HandOver | None:
    """The record of the last hand-over; None where there is none that can be read.

    Raises:
        StoreError: that could not be found out.
    """
    found = max(
        (
            (epoch, info.key)
            for info in repeat_while_lost(lambda: list(control.list(layout.hand_over_prefix)))
            if (epoch := number(info.key)) is not None and layout.hand_over(epoch) == info.key
        ),
        default=None,
    )
    if found is None:
        return None
    try:
        return read_record(control, found[1])[0]
    except (BadRecord, NotFound, ObjectTooLarge):
        return None


def read_record(control: Bucket, key: str) -> tuple[HandOver, str]:
    """A record, and its ETag.

    Raises:
        BadRecord: it is none.
        NotFound: there is none.
        StoreError: it could not be read.
    """
    found = repeat_while_lost(lambda: control.get(key, limit=MAX_RECORD))
    return HandOver.decode(found.body), found.etag
