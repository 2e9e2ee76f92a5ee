"""The meaning of a SOURCE: a folder or a bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from upload_client.core.answers import Meaning
from upload_client.errors import DeliveryError, UsageError

if TYPE_CHECKING:
    import boto3

    from upload_client.s3.bucket import Bucket
    from upload_client.settings import Settings

INDEX = "index.csv"
"""The index that is taken when none is named: where there is one at the top of the source."""

_SCHEME = "s3://"


def is_bucket(source: str) -> bool:
    """Whether it is ``s3://bucket/prefix`` and not a directory."""
    return source.startswith(_SCHEME)


_ADVICE = {
    Meaning.NO_BUCKET: "Look at --source: is the name of the bucket right, and is it at the same endpoint?",
    Meaning.DENIED: "Your login may not read the source: it needs s3:ListBucket and s3:GetObject there"
    " (`upload-client docs s3-to-s3`).",
}


@contextlib.contextmanager
def naming_the_source() -> Iterator[None]:
    """Have the advice about an error inside be about the bucket that a person named, not the receiver's."""
    try:
        yield
    except DeliveryError as error:
        if (advice := _ADVICE.get(getattr(error, "meaning", Meaning.REFUSED))) is not None:
            error.hint = advice
        raise


def advice_about(source: str, *, is_there: bool) -> str:
    """The advice about a SOURCE that is no directory.

    Args:
        source: as it was typed.
        is_there: whether something else than a directory is there.
    """
    if is_there:
        return "Name the folder it is in; --include chooses files in it."
    if source.lower().startswith(("s3:", "arn:", "http:", "https:")):
        return "A bucket is named in this form: s3://BUCKET/PREFIX."
    if source.startswith("~"):
        return "Write ~ without quotes and after a space, not after =: only then it is your home folder."
    return "Check the path: a source is a directory, or s3://bucket/prefix."


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
