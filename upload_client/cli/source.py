"""The meaning of a SOURCE on the command line, and its files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from upload_client.core.manifests import Format
from upload_client.errors import InvalidIndex, UsageError
from upload_client.index import read_index, scan, scan_listing
from upload_client.index.manifests import Progress, read_manifest
from upload_client.s3.bucket import Bucket
from upload_client.s3.clients import s3_client
from upload_client.settings import Settings

if TYPE_CHECKING:
    import boto3
    import pandas as pd

__all__ = ["INDEX", "bucket_of", "is_bucket", "list_bucket", "read_files"]

INDEX = "index.csv"
"""The index that is taken when none is named."""

_SCHEME = "s3://"


def is_bucket(source: str) -> bool:
    """Whether it is ``s3://bucket/prefix`` and not a directory."""
    return source.startswith(_SCHEME)


def bucket_of(source: str, session: boto3.Session, settings: Settings) -> Bucket:
    """The bucket of ``s3://bucket/prefix``; a prefix means a folder, whether it ends in ``/`` or not.

    Raises:
        UsageError: No bucket is named.
    """
    name, _, prefix = source.removeprefix(_SCHEME).partition("/")
    if not name:
        raise UsageError(f"{source} names no bucket", hint="Write s3://bucket or s3://bucket/prefix.")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    return Bucket(name, session, prefix=prefix, client=s3_client(session, settings))


def list_bucket(source: Bucket, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> pd.DataFrame:
    """The files of a bucket with their sizes; see `upload_client.index.scan_listing`."""
    listing = {found.key: found.size for found in source.list()}
    return scan_listing(listing, include=include, exclude=exclude)


def read_files(
    source: Path | Bucket,
    index: Path | None,
    *,
    as_format: Format | None = None,
    tell: Callable[[str], object] = lambda _: None,
    on_progress: Progress | None = None,
) -> pd.DataFrame:
    """The index to deliver: the one named, else the source's own ``index.csv``, else what is found there.

    Args:
        source: Where the files are.
        index: A list of any kind that `upload_client.index.manifests` reads.
        as_format: Its kind; None: that is found out.
        tell: Is told what a person should know about its reading.
        on_progress: Of a list that has to be held against the files.

    Raises:
        UsageError: The index or the source cannot be read (`InvalidIndex`: with what is wrong).
    """
    if index is not None:
        frame, notes = read_manifest(index, source, as_format=as_format, on_progress=on_progress)
        for note in notes:
            tell(note)
        return frame
    if isinstance(source, Path):
        own = source / INDEX
        # Checksums are computed while the files are sent, in the same read.
        return read_index(own) if own.is_file() else scan(source, checksums=False)
    if source.head(INDEX, checksum=False) is None:
        return list_bucket(source)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / INDEX
        copy.write_bytes(source.read(INDEX))
        try:
            return read_index(copy)
        except InvalidIndex as error:
            raise InvalidIndex(f"{source}{INDEX}", error.problems, error.n_problems) from None
