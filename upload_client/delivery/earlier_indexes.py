"""The indexes of earlier runs: which checksums each file was held against when it was sent.

No record has the checksums of other kinds that an index names (sha256, md5, …; protocol.md, "Integrity"). The
index of the run that sent a file has them, and the log has that index's SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice

from upload_client.control.delivery_buckets import DeliveryBuckets
from upload_client.core.columns import PathRows
from upload_client.core.history import DeliveryHistory
from upload_client.core.index_csv import lines_of, rows_of
from upload_client.core.records import Init
from upload_client.index.files import CheckedIndex
from upload_client.s3.bucket import NotFound, ObjectTooLarge

_MAX_INDEX = 2 * 1024**3
_AT_ONCE = 1000


def compared_rows(
    index: CheckedIndex, rows: PathRows, history: DeliveryHistory, buckets: DeliveryBuckets
) -> bytearray | None:
    """Find the files whose checksums of other kinds are those that their last upload was held against.

    An index that is not there, or not what the log says, has compared nothing.

    Args:
        index: of this run.
        rows: the row of each file in it.
        history: both logs, folded; its rows are the index's.
        buckets: where the earlier indexes are.

    Returns:
        Of each row 1 where they are, or where none is named, or nothing was sent; None: so it is of all.

    Raises:
        StoreError: an index could not be read.
    """
    if not index.others or not len(history):
        return None
    epochs = history.uploads.epochs(len(index.paths))
    named = map(any, zip(*index.others.values(), strict=True))
    found = bytearray(epoch < 0 or not is_named for epoch, is_named in zip(epochs, named, strict=True))
    for epoch in {epoch for epoch, known in zip(epochs, found, strict=True) if not known}:
        for some, checksums in _checksums(history, epoch, buckets, tuple(index.others)):
            for row, earlier in zip(rows.many(some), checksums, strict=True):
                if row is not None and epochs[row] == epoch and not found[row]:
                    now = [column[row] or "" for column in index.others.values()]
                    found[row] = now == earlier
    return None if all(found) else found


def _checksums(
    history: DeliveryHistory, epoch: int, buckets: DeliveryBuckets, kinds: Sequence[str]
) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Paths, and for each its checksums of these kinds, as the index of a run had them; some at a time."""
    life = history.clients.get(epoch)
    init = None if life is None else life.init
    if not isinstance(init, Init) or not init.index.startswith(buckets.layout.index_prefix):
        return
    try:
        data = buckets.control.read(init.index, _MAX_INDEX)
    except (NotFound, ObjectTooLarge):
        return
    if hashlib.sha256(data).hexdigest() != init.index_sha256:
        return
    lines = rows_of(lines_of(data))
    with contextlib.suppress(ValueError, KeyError):  # of a form that no version of ours has written
        header = next(lines, [])
        while some := list(islice(lines, _AT_ONCE)):
            columns = dict(zip(header, zip(*some, strict=True), strict=True))
            empty = ("",) * len(some)
            of_kinds = [columns.get(kind, empty) for kind in kinds]
            yield list(columns["path"]), [list(cells) for cells in zip(*of_kinds, strict=True)]
