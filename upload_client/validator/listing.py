"""The files of a delivery as its client's index lists them, for manifests that promise some of them.

Of each file 32 bytes are in memory: the hash of its path, its size, and their order. The index is read when
the first manifest is judged. It has no checksum that a manifest speaks of: these are kept until the files
come, and compared with those whose content is read for their own verdicts. Manifests that another validator
has judged, beside this one or before it, are read for their checksums alone.
"""

from __future__ import annotations

import hashlib
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from upload_client.core.text import for_log
from upload_client.expectations.findings import Undecided
from upload_client.expectations.packaging import (
    IN_VAIN,
    MAX_MANIFEST,
    Listed,
    NoIndex,
    TooLarge,
    checksums_of,
    names_checksums,
    payloads,
)
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge
from upload_client.validator.rows import MalformedIndex, index_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_UNKNOWN = -1
_START = 16
"""Bytes of a checksum that are kept."""
_MAX_MANIFESTS = 5_000
"""Manifests that are read for their checksums, as a client does."""
_AGAIN = 15.0  # seconds until one that had not arrived is looked for once more
_ALGORITHMS = ("sha256", "md5", "sha1", "sha512")


class IndexListing:
    """The files of an index. Safe to share between threads.

    Args:
        control: the control bucket, at the delivery's root.
        key: of the index.
        complete: whether it lists a whole delivery.
        landing: where its files arrive; None: none can be looked at.
        others_judge: manifests may be judged elsewhere, or have been: by one of several validators, or by one
            that was there before.
    """

    def __init__(
        self,
        control: Bucket,
        key: str,
        *,
        complete: bool,
        landing: Bucket | None = None,
        others_judge: bool = False,
    ) -> None:
        self.complete = complete
        self.in_vain = IN_VAIN
        self._control = control
        self._landing = landing
        self._key = key
        self._lock = threading.Lock()
        self._columns: _Columns | None = None
        self._below: dict[str, tuple[int, int | None]] | None = None
        self._is_counted = False
        self._promised: _PromisedChecksums | None = None
        self._unusable = ""
        self._taking = threading.Lock()
        self._awaited: set[str] | None = None if others_judge and landing is not None else set()
        self._bags: frozenset[str] = frozenset()
        self._next_look = 0.0

    @property
    def awaits_manifests(self) -> bool:
        """Whether `take_manifests` has something to look for, now."""
        return self._awaited is None or (bool(self._awaited) and time.monotonic() >= self._next_look)

    def take_manifests(self, go_on: Callable[[], object]) -> None:
        """Read the manifests that were not judged here, as far as they have arrived, for their checksums.

        Args:
            go_on: called before each; what it raises ends the reading.

        Raises:
            StoreError: the store does not answer.
        """
        with self._taking:
            if not self.awaits_manifests:
                return
            assert self._landing is not None
            try:
                if self._awaited is None:
                    named = [path for path, _ in self._rows() if names_checksums(path)]
                    self._bags = frozenset(path for path in named if path.rpartition("/")[2] == "bagit.txt")
                    self._awaited = set(named[:_MAX_MANIFESTS])
                for path in sorted(self._awaited):
                    go_on()
                    try:
                        data = self._landing.get(path, limit=MAX_MANIFEST).body
                    except NotFound:
                        continue
                    except ObjectTooLarge:
                        data = b""
                    for file, sums in checksums_of(path, data, self._bags):
                        self.remember(file, sums, path)
                    self._awaited.discard(path)
            except NoIndex:
                self._awaited = set()
            self._next_look = time.monotonic() + _AGAIN

    def find(self, path: str) -> Listed | None:
        """A file; None: it is none of the delivery.

        Raises:
            NoIndex: there is none.
            StoreError: the store does not answer.
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

    def content(self, path: str, most: int) -> bytes | None:
        """The content of a file, where it has arrived.

        Raises:
            Undecided: it has not.
            TooLarge: it has more bytes than `most`.
            StoreError: the store does not answer.
        """
        if self._landing is None:
            return None
        try:
            return self._landing.get(path, limit=most).body
        except NotFound:
            raise Undecided(f"{for_log(path)}, which says more of it, has not arrived") from None
        except ObjectTooLarge:
            raise TooLarge(f"{for_log(path)} has more than {most:,} bytes") from None

    def digests(self, _path: str, _algorithms: tuple[str, ...]) -> Mapping[str, bytes]:
        """Nothing: no content is read again for a manifest."""
        return {}

    def remember(self, path: str, sums: tuple[tuple[str, bytes], ...], manifest: str) -> None:
        """Keep a checksum that a manifest says, until the file comes: the first one, whichever says it."""
        columns = self._read()
        with self._lock:
            if self._promised is None:
                self._promised = _PromisedChecksums(len(columns))
            self._promised.add(columns.row(path), sums, manifest)

    def promised(self, path: str) -> PromisedChecksum | None:
        """The checksum that a manifest says of a file; None: none that was judged here says any."""
        promised, columns = self._promised, self._columns
        if promised is None or columns is None:
            return None
        return promised.find(columns.row(path))

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
            self._unusable = f"the index is not valid: {error}"
            raise NoIndex(self._unusable) from None


class PromisedChecksum(NamedTuple):
    """A checksum that a manifest says of a file.

    Attributes:
        algorithm: of it, as `hashlib` names it.
        start: its first 16 bytes.
        manifest: the path of whatever says so.
    """

    algorithm: str
    start: bytes
    manifest: str


class _PromisedChecksums:
    """Checksums by the rows of the index: 21 bytes each, made when a manifest first says one."""

    def __init__(self, n_rows: int) -> None:
        self._starts = bytearray(_START * n_rows)
        self._algorithms = bytearray(n_rows)
        self._stated_by = array("I", (0,)) * n_rows
        self._manifests: list[str] = []

    def add(self, row: int | None, sums: tuple[tuple[str, bytes], ...], manifest: str) -> None:
        """Keep the first of these that can be computed, where none is kept yet."""
        if row is None or self._algorithms[row]:
            return
        for algorithm, digest in sums:
            if algorithm in _ALGORITHMS:
                self._algorithms[row] = _ALGORITHMS.index(algorithm) + 1
                self._starts[row * _START : (row + 1) * _START] = digest[:_START]
                if not self._manifests or self._manifests[-1] != manifest:  # they are judged one by one
                    self._manifests.append(manifest)
                self._stated_by[row] = len(self._manifests) - 1
                return

    def find(self, row: int | None) -> PromisedChecksum | None:
        """The checksum of a row."""
        if row is None or not self._algorithms[row]:
            return None
        start = bytes(self._starts[row * _START : (row + 1) * _START])
        return PromisedChecksum(
            _ALGORITHMS[self._algorithms[row] - 1], start, self._manifests[self._stated_by[row]]
        )


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

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, path: str) -> Listed | None:
        """The size of a file."""
        row = self.row(path)
        if row is None:
            return None
        size = self._sizes[row]
        return Listed(None if size == _UNKNOWN else size)

    def row(self, path: str) -> int | None:
        """The row of a file in the index."""
        assert self._sorted is not None
        assert self._order is not None
        wanted = _hash(path)
        at = int(self._sorted.searchsorted(self._sorted.dtype.type(wanted)))
        if at >= len(self._sorted) or int(self._sorted[at]) != wanted:
            return None
        return int(self._order[at])


def _hash(path: str) -> int:
    data = path.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
