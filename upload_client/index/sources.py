"""The meaning of a SOURCE: a folder or a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upload_client.errors import UsageError

if TYPE_CHECKING:
    import boto3

    from upload_client.s3.bucket import Bucket
    from upload_client.settings import Settings

__all__ = ["INDEX", "bucket_of", "is_bucket"]

INDEX = "index.csv"
"""The index that is taken when none is named: where there is one at the top of the source."""

_SCHEME = "s3://"


def is_bucket(source: str) -> bool:
    """Whether it is ``s3://bucket/prefix`` and not a directory."""
    return source.startswith(_SCHEME)


def bucket_of(source: str, session: boto3.Session, settings: Settings) -> Bucket:
    """The bucket of ``s3://bucket/prefix``; a prefix means a folder, whether it ends in ``/`` or not.

    Raises:
        UsageError: No bucket is named.
    """
    from upload_client.s3.bucket import Bucket  # noqa: PLC0415 - imports boto3, which a folder does not need
    from upload_client.s3.clients import s3_client  # noqa: PLC0415 - likewise

    name, _, prefix = source.removeprefix(_SCHEME).partition("/")
    if not name:
        raise UsageError(f"{source} names no bucket", hint="Write s3://bucket or s3://bucket/prefix.")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    return Bucket(name, session, prefix=prefix, client=s3_client(session, settings))
