"""The metadata of arrays of Zarr, by which chunks are opened: found in the index, fetched from landing."""

from __future__ import annotations

import threading
from collections import OrderedDict

from upload_client.core.text import for_log
from upload_client.expectations.findings import NotOpened, Undecided
from upload_client.expectations.packaging import MAX_METADATA, Listing, NoIndex, metadata_places
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge

_KEPT = 64
"""Arrays whose metadata is kept: their chunks mostly come one after the other."""


class NoArray(NotOpened):
    """A file is called as a chunk is, and no metadata of an array is above it in the delivery."""


class ArrayMetadata:
    """Metadata of the arrays of a delivery. Safe to share between threads.

    Args:
        landing: the landing bucket, its prefix that of the delivery.
        listing: the files of the delivery; None: nobody knows them.
    """

    def __init__(self, landing: Bucket, listing: Listing | None) -> None:
        self._landing = landing
        self._listing = listing
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def of(self, chunk: str, *, refetch: bool = False) -> tuple[str, bytes, bool]:
        """The metadata of the array of which a file is a chunk: where it is, itself, whether it was kept.

        Args:
            chunk: the path of the file.
            refetch: it is fetched though it was before: it may have been sent again.

        Raises:
            NoArray: there is none.
            NotOpened: it is too large, or nobody knows the files of the delivery.
            Undecided: it has not arrived yet.
            StoreError: the store does not answer.
        """
        place = self._place(chunk)
        with self._lock:
            if place in self._kept and not refetch:
                self._kept.move_to_end(place)
                return place, self._kept[place], True
        try:
            data = self._landing.get(place, limit=MAX_METADATA).body
        except NotFound:
            raise Undecided(f"the metadata of its array, {for_log(place)}, has not arrived") from None
        except ObjectTooLarge:
            raise NotOpened(f"the metadata of its array has more than {MAX_METADATA:,} bytes") from None
        with self._lock:
            self._kept[place] = data
            self._kept.move_to_end(place)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return place, data, False

    def _place(self, chunk: str) -> str:
        try:
            for place in metadata_places(chunk):
                if self._listing is None:
                    raise NotOpened("the files of the delivery are not known")
                if self._listing.find(place) is not None:
                    return place
        except NoIndex as error:
            raise NotOpened(str(error)) from None
        raise NoArray("no metadata of an array is above it")
