"""The final check: the landing bucket is listed before a delivery is called complete."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from upload_client.core.codes import FileCode
from upload_client.core.columns import in_one_piece
from upload_client.core.files import FileLedger
from upload_client.s3.bucket import Bucket, pages_of
from upload_client.s3.unfinished import abort, unfinished_uploads
from upload_client.s3.write_guard import guarded_by
from upload_client.support.background import map_in_threads

_log = logging.getLogger(__name__)

_LOOKS = 16  # objects asked for at once


def not_in_place(ledger: FileLedger, landing: Bucket) -> list[tuple[int, str, FileCode]]:
    """Valid files that are not there with the ETag that was judged: row, what is wrong, and its code.

    A LIST tells of nearly all. A file that it leaves out is asked for by itself before anybody is blamed:
    there are stores that lose keys in their listings.

    Raises:
        StoreError: the bucket could not be listed, or asked.
    """
    found = bytearray(len(ledger))  # 0: nothing is listed, 1: something else is, 2: what was judged is
    for keys, _, etags in pages_of(landing):
        places = ledger.rows.many(keys)
        listed = [row for row in places if row is not None]
        if len(listed) < len(places):
            etags = [etag for etag, row in zip(etags, places, strict=True) if row is not None]  # noqa: PLW2901
        for row, is_there in zip(listed, ledger.are_in_place(in_one_piece(listed), etags), strict=True):
            found[row] = 2 if is_there else 1
    unlisted = [row for row, what in enumerate(found) if not what and ledger.state(row) == "valid"]
    if unlisted:
        _log.warning(
            "%d files are not in the listing of the landing bucket: each is asked for", len(unlisted)
        )
        heads = map_in_threads(
            lambda row: landing.head(ledger.relpath(row), checksum=False), unlisted, _LOOKS, "final check"
        )
        with contextlib.closing(heads):
            for row, head in zip(unlisted, heads, strict=True):
                if head is not None:
                    found[row] = 2 if ledger.are_in_place([row], [head.etag])[0] else 1
    return [
        (row, *_WRONG[what]) for row, what in enumerate(found) if what < 2 and ledger.state(row) == "valid"
    ]


_WRONG = (
    ("is no longer in the bucket after it was judged", FileCode.OBJECT_GONE),
    ("was replaced in the bucket after it was judged", FileCode.OBJECT_CHANGED),
)


def abort_unfinished(ledger: FileLedger, landing: Bucket, may_write: Callable[[], bool]) -> None:
    """Abort unfinished uploads that no run will complete: the answer that named one was lost, say.

    All unfinished uploads below the landing prefix are this delivery's, and while the lock is held nobody
    else is at work on it. A file that could not be sent keeps its parts for the next run.

    Raises:
        StoreError: that could not be done.
    """
    for upload in list(unfinished_uploads(landing)):
        row = ledger.row(upload.key)
        if (row is None or ledger.state(row) in ("valid", "invalid", "done")) and may_write():
            with guarded_by(may_write):
                abort(landing, upload)
