"""The files of a delivery as its client's index lists them, for manifests that promise some of them.

Of each file 32 bytes are in memory: the hash of its path, its size, and their order. The index is read when
the first manifest is judged. It has no checksum that a manifest speaks of: those are compared where the files
are.
"""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from upload_client.expectations.packaging import IN_VAIN, Listed, NoIndex, payloads
from upload_client.s3.bucket import Bucket, NotFound
from upload_client.validator.rows import MalformedIndex, index_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["IndexListing"]

_UNKNOWN = -1


class IndexListing:
    """The files of an index. Safe to share between threads.

    Args:
        control: the control bucket, at the delivery's root.
        key: of the index.
        complete: whether it lists a whole delivery.
    """

    def __init__(self, control: Bucket, key: str, *, complete: bool) -> None:
        self.complete = complete
        self.in_vain = IN_VAIN
        self._control = control
        self._key = key
        self._lock = threading.Lock()
        self._columns: _Columns | None = None
        self._below: dict[str, tuple[int, int | None]] | None = None
        self._is_counted = False
        self._unusable = ""

    def find(self, path: str) -> Listed | None:
        """A file; None: it is none of the delivery.

        Raises:
            NoIndex: there is none.
            StoreError: the store cannot be asked.
        """
        return self._read().find(path)

    def below(self, folder: str) -> tuple[int, int | None] | None:
        """The number of files in the payload folder of a bag, and their bytes; None: nobody knows.

        The first time the index is read for it, once for all bags.
        """
        columns = self._read()
        with self._lock:
            if not self._is_counted:
                self._below = payloads(self._rows(), lambda path: columns.find(path) is not None)
                self._is_counted = True
            return None if self._below is None else self._below.get(folder, (0, 0))

    def digests(self, _path: str, _algorithms: tuple[str, ...]) -> Mapping[str, bytes]:
        """Nothing: no content is read again for a manifest."""
        return {}

    def _read(self) -> _Columns:
        with self._lock:
            if self._unusable:
                raise NoIndex(self._unusable)
            if self._columns is None:
                columns = _Columns()
                for path, size in self._rows():
                    columns.add(path, size)
                columns.sort()
                self._columns = columns
            return self._columns

    def _rows(self) -> Iterator[tuple[str, int | None]]:
        try:
            yield from index_rows(self._control, self._key)
        except NotFound:
            raise NoIndex("there is no index") from None
        except MalformedIndex as error:
            self._unusable = f"the index is none: {error}"
            raise NoIndex(self._unusable) from None


class _Columns:
    """Hashes and sizes, ordered by the hashes once all are there."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._sizes = array("q")
        self._sorted: npt.NDArray[np.uint64] | None = None
        self._order: npt.NDArray[np.intp] | None = None

    def add(self, path: str, size: int | None) -> None:
        """Take in a row."""
        self._hashes.append(_hash(path))
        self._sizes.append(_UNKNOWN if size is None else size)

    def sort(self) -> None:
        """Be ready to be asked."""
        import numpy as np  # noqa: PLC0415 — only where there are manifests

        hashes = np.frombuffer(self._hashes, np.uint64) if self._hashes else np.empty(0, np.uint64)
        self._order = np.argsort(hashes)
        self._sorted = hashes[self._order]

    def find(self, path: str) -> Listed | None:
        """The size and checksums of a file."""
        assert self._sorted is not None
        assert self._order is not None
        wanted = _hash(path)
        at = int(self._sorted.searchsorted(self._sorted.dtype.type(wanted)))
        if at >= len(self._sorted) or int(self._sorted[at]) != wanted:
            return None
        size = self._sizes[int(self._order[at])]
        return Listed(None if size == _UNKNOWN else size)


def _hash(path: str) -> int:
    data = path.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
