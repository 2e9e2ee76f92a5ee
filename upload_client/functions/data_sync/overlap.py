"""Two places that must be apart: neither in the other, nor one under two names."""

# ruff: noqa: PTH112

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from upload_client.core.partitions import is_below_aws
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.functions.data_sync.paths import LocalPlace, Place, S3Place
from upload_client.functions.data_sync.run import SyncRun
from upload_client.s3.bucket import AccessDenied, Bucket, StoreError, repeat_while_lost


def same_store(source: S3Place, target: S3Place) -> bool:
    """Whether two buckets may be reached through one endpoint."""
    return _store_of(source) == _store_of(target)


def _store_of(place: S3Place) -> str:
    """The store in which a bucket is: a partition of AWS, whose regions copy from each other, or an endpoint.

    Partitions have accounts and bucket names of their own, and no request reaches from one into another.
    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    """
    meta = place.client().meta
    host = urlsplit(meta.endpoint_url).hostname or ""
    return meta.partition if is_below_aws(host) else meta.endpoint_url


def refuse_one_place(run: SyncRun, source: Place, target: Place) -> None:
    """Refuse to delete where two names may be those of one bucket (an access point's alias)."""
    assert isinstance(source, S3Place)
    assert isinstance(target, S3Place)
    if are_one_place(source.open(), target.open(), run.warn):
        raise UsageError(
            f"{source.uri} and {target.uri} may be one place under two names, and what is deleted at one"
            " would be gone at the other; nothing was done",
            hint="Name two places that are apart, each bucket by its own name.",
        )


def are_one_place(here: Bucket, there: Bucket, warn: Callable[[str], object]) -> bool:
    """Whether two names may be those of one place: what is put there is seen here, or nobody may look.

    Args:
        here: where it is looked for.
        there: where it is put, and deleted again.
        warn: called with one that stays.

    Raises:
        StoreError: a bucket refuses the request.
    """
    name = f".upload-client-{secrets.token_hex(8)}.probe"
    repeat_while_lost(partial(there.put, name, b""))
    try:
        return repeat_while_lost(lambda: here.head(name, checksum=False)) is not None
    except AccessDenied:
        return True  # for all that is known
    finally:
        try:
            repeat_while_lost(partial(there.rm, name))
        except StoreError as error:
            warn(f"{for_terminal(f'{there}{name}')} was written to look, and stays: {error}")


def may_be_one(source: Place, target: Place) -> bool:
    """Whether two places could be the same if their buckets were: two names may lead to one."""
    return (
        isinstance(source, S3Place)
        and isinstance(target, S3Place)
        and source.bucket != target.bucket
        and source.key == target.key
    )


def _is_alias(bucket: str) -> bool:
    """Whether a name is not that of a bucket, but of an access point to one, which the name does not tell.

    See https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """
    return bucket.startswith("arn:") or bucket.endswith(("-s3alias", "--ol-s3", ".mrap"))


def refuse_nesting(source: Place, target: Place, warn: Callable[[str], object], *, delete: bool) -> None:
    """Refuse to sync a folder into itself, or to where it lies if what is not in it is removed there."""
    if isinstance(source, S3Place) and isinstance(target, S3Place):
        if source.bucket != target.bucket and (
            source.key == target.key or not (_is_alias(source.bucket) or _is_alias(target.bucket))
        ):
            return  # of the same key in two, it is found out (`refuse_one_place`)
        here, there = f"/{source.key}", f"/{target.key}"
    elif isinstance(source, LocalPlace) and isinstance(target, LocalPlace):
        here, there = (
            os.path.realpath(each.path) + os.sep * os.path.isdir(each.path) for each in (source, target)
        )
    else:
        return
    into_itself = here.endswith("/") and there.startswith(here)
    where_it_lies = there.endswith("/") and here.endswith("/") and here.startswith(there)
    if here == there or into_itself or (delete and where_it_lies):
        if isinstance(source, S3Place) and isinstance(target, S3Place) and not same_store(source, target):
            # Buckets of one name in two stores, unless these are one under two addresses.
            seen = Bucket(source.bucket, prefix=target.key, client=source.client())
            if not are_one_place(seen, target.open(), warn):
                return
        raise UsageError(
            f"{source.uri} and {target.uri} overlap: one lies in the other",
            hint="Name two places that are apart.",
        )
