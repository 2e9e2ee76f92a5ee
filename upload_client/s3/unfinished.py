"""Multipart uploads that were begun and not ended: their parts cost money, and no listing shows them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from upload_client.s3.bucket import Bucket, NotFound, store_errors

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """One unfinished upload.

    Attributes:
        key: of the object it would become, relative to the bucket's prefix.
        upload_id: S3's name for it.
        initiated: when it was begun, Unix seconds by the store's clock.
    """

    key: str
    upload_id: str
    initiated: float


def unfinished_uploads(bucket: Bucket) -> Iterator[UnfinishedUpload]:
    """Find all unfinished uploads below the bucket's prefix.

    A store that has more, and does not say where they begin (SeaweedFS), gives the first page alone; the log
    says so. Once those are aborted the next listing has others.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html

    Raises:
        StoreError: they could not be listed.
    """
    with store_errors(f"list unfinished uploads to {bucket}"):
        pages = bucket.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket.name, Prefix=bucket.prefix
        )
        for page in pages:
            if page.get("IsTruncated") and not page.get("NextKeyMarker"):
                _log.warning(
                    "%s has more unfinished uploads, and does not say where they begin: its first are seen",
                    bucket,
                )
            for upload in page.get("Uploads", ()):
                if upload["Key"].startswith(bucket.prefix):
                    key = upload["Key"].removeprefix(bucket.prefix)
                    yield UnfinishedUpload(key, upload["UploadId"], upload["Initiated"].timestamp())


def abort(bucket: Bucket, unfinished: UnfinishedUpload) -> None:
    """Throw an unfinished upload and its parts away; that it is gone already is no error.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html

    Raises:
        StoreError: it could not be done.
    """
    action = f"abort the unfinished upload of {unfinished.key}"
    with contextlib.suppress(NotFound), store_errors(action):
        bucket.client.abort_multipart_upload(
            Bucket=bucket.name, Key=bucket.prefix + unfinished.key, UploadId=unfinished.upload_id
        )
