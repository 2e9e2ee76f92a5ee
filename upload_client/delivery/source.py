"""The source of a delivery: the index, and the place of its files."""

from __future__ import annotations

import binascii
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upload_client.core.accidents import WARNING, sentence
from upload_client.core.codes import MessageCode
from upload_client.core.columns import PathRows
from upload_client.core.files import FileLedger
from upload_client.core.paths import check_relpaths
from upload_client.core.uploads import Logged
from upload_client.errors import UsageError
from upload_client.expectations.packaging import packaging_of
from upload_client.index import CheckedIndex, Choice, Files, LeftOut, check_index, left_out_of
from upload_client.index.accidents import growing, notice
from upload_client.index.files import SIZES_SEEN, FileIndex, files_of
from upload_client.index.loading import select_from, take
from upload_client.index.promised import with_promised
from upload_client.index.sources import naming_the_source
from upload_client.index.tables import spelling
from upload_client.s3.bucket import Bucket
from upload_client.support.file_names import from_disk
from upload_client.transfer.dataroot import DataRoot

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_EVERYTHING = Choice()


class _S3Place(NamedTuple):
    """A source that is named by its URL; the bucket is opened after the login."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


class Source:
    """The files of a delivery, as the provider has them.

    Args:
        place: a directory, a `Bucket`, or ``s3://bucket/prefix``.
        index: one row a file, as `UploadClient` takes it; None: all files that are there.
        choice: which of them are wanted.

    Attributes:
        name: the place, as its owner named it.
        index: the index, checked as far as it can be by now. Of a bucket it is there after `look`.
        notes: what a person should know about the reading of the index, a sentence each.
        warnings: what is odd about it and no error, each with the code of a message.
        entries: size (bytes) and ETag of each object, by path, where the source is a bucket that has been
            listed; None otherwise.

    Raises:
        InvalidIndex: the index cannot be used; it names every row that is wrong.
        UsageError: the place is none, or the index cannot be read.
    """

    def __init__(self, place: str | Path | Bucket, index: FileIndex, choice: Choice = _EVERYTHING) -> None:
        self.name = from_disk(str(place)) if isinstance(place, Path) else str(place)
        self._place = place if isinstance(place, Bucket) else _place(place)
        self._choice = choice
        self._given = index
        self._unchecked: Files
        self.index: CheckedIndex
        self.notes: list[str] = []
        self.warnings: list[tuple[MessageCode, str]] = []
        self.entries: dict[str, tuple[int, str]] | None = None
        self._sizes: Sequence[int | None] = ()
        self._sizes_seen = False
        self.left_out = LeftOut()
        if isinstance(self._place, Path):
            self._take(self._place)
            self._check(self._place)

    def open(self, client: S3Client) -> DataRoot:
        """The root to read files from, or to copy them from by the credentials of `client`."""
        place = self._place
        if isinstance(place, _S3Place):
            place = Bucket(place.bucket, prefix=place.prefix, client=client)
        return DataRoot(place, follow=self._choice.symlinks == "follow")

    def look(self, root: DataRoot, landing_prefix: str) -> None:
        """List a bucket, and check what could not be checked before it was known where files go.

        Raises:
            InvalidIndex: the index cannot be used for that place.
            StoreError: the bucket could not be listed.
        """
        if root.bucket is not None:
            with naming_the_source():
                self.entries = {entry.key: (entry.size, entry.etag) for entry in root.bucket.list()}
            listing = {key: size for key, (size, _) in self.entries.items()}
            self._take(root.bucket, listing)
            self._check(listing, landing_prefix)
        elif any(check_relpaths(self.index.paths, landing_prefix)):
            assert isinstance(self._place, Path)
            self._check(self._place, landing_prefix)  # it names the keys that are too long

    @property
    def is_known(self) -> bool:
        """Whether the index is there, which then has a file at least."""
        return hasattr(self, "index")

    def rows(self) -> PathRows:
        """The row of each file in the index."""
        return PathRows(self.index.paths)

    def ledger(self, max_retries: int, rows: PathRows, past: Logged | None) -> FileLedger:
        """The files of the index, none of which has moved yet.

        Args:
            max_retries: second and later tries allowed for each file.
            rows: as `rows` gives them.
            past: the logs' facts about the files, by the same rows.
        """
        self._sizes = self.index.sizes
        ledger = FileLedger(
            self.index.paths,
            abspaths=self._before_paths(),
            checksums=self.index.checksums,
            sizes=self._sizes,
            max_retries=max_retries,
            rows=rows,
            past=past,
        )
        # A validator judges other files by what is in these: by the time those come, they should be there.
        ledger.order.put_ahead(
            row for row, path in enumerate(self.index.paths) if packaging_of(path) is not None
        )
        return ledger

    def size_to_be(self, row: int) -> int | None:
        """Bytes that a local file must have, since the index says so; None: as many as are found."""
        return None if self._sizes_seen or self.entries is not None else self._sizes[row]

    def digests(self, row: int) -> tuple[tuple[str, bytes], ...]:
        """Checksums of other kinds that a file must have, as the index says: algorithm and bytes of each."""
        return tuple(
            (name, binascii.a2b_base64(value))
            for name, column in self.index.others.items()
            if (value := column[row]) is not None
        )

    def _take(self, place: Path | Bucket, listing: Mapping[str, int] | None = None) -> None:
        """Read the index, and leave out what is not wanted."""
        self.notes.clear()
        given = self._given
        if given is None or isinstance(given, str | Path):
            path = None if given is None else Path(given)
            index = take(place, path, self._choice, notify=self.notes.append, listing=listing)
        else:
            if not isinstance(given, Files):
                from upload_client.index.memory_tables import as_frame  # noqa: PLC0415 - imports pandas

                # What gives itself once is not asked again.
                given = self._given = as_frame(given, *spelling(place))
            index = select_from(files_of(given), self._choice, place, listing)
        self._unchecked = index
        self.left_out = left_out_of(index)
        self._sizes_seen = bool(index.attrs.get(SIZES_SEEN))

    def _check(self, source: Path | Mapping[str, int], prefix: str = "") -> None:
        self.index = check_index(self._unchecked, source, prefix=prefix, choice=self._choice)
        self.warnings = [(MessageCode.NAMES_ALIKE, warning) for warning in self.index.warnings]
        folder = source if isinstance(source, Path) else None
        if folder is not None:
            self.index = with_promised(self.index, folder, follow=self._choice.symlinks == "follow")
        if warning := sentence(notice(self._unchecked, folder)):
            self.warnings.append((MessageCode.ACCIDENT, WARNING + warning))
        if warning := growing(self._unchecked):
            self.warnings.append((MessageCode.GROWING, warning))

    def _before_paths(self) -> str:
        """The prefix that makes a relative path the path a person would use."""
        if isinstance(self._place, Path):
            return from_disk(str(self._place.absolute())).rstrip("/\\") + os.sep
        return str(self._place)


def _place(source: str | Path) -> Path | _S3Place:
    if isinstance(source, Path):
        return source
    if not isinstance(source, str):
        raise UsageError(
            f"a source is a directory, a Bucket or s3://bucket/prefix, not {type(source).__name__}"
        )
    if not source.startswith("s3://"):
        return Path(source)
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not bucket:
        raise UsageError(f"the source {source!r} names no bucket: s3://bucket/prefix")
    return _S3Place(bucket, prefix if not prefix or prefix.endswith("/") else prefix + "/")
