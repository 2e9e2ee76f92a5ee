"""Unfinished uploads are found below a bucket's prefix only, and thrown away once or twice."""

from __future__ import annotations

import logging
import time

from upload_client.s3.unfinished import abort, unfinished_uploads


def test_what_was_begun_below_the_prefix_is_found_and_thrown_away(bucket, s3) -> None:
    for key in (bucket.prefix + "b.bin", bucket.prefix + "a/ü.bin", "control/toy/d2/other.bin"):
        s3.create_multipart_upload(Bucket=bucket.name, Key=key)
    found = sorted(unfinished_uploads(bucket), key=lambda one: one.key)
    assert [one.key for one in found] == ["a/ü.bin", "b.bin"]
    # moto begins all uploads on one day of 2010
    assert all(1_200_000_000 < one.initiated < time.time() + 60 for one in found)
    for one in found:
        abort(bucket, one)
    abort(bucket, found[0])
    assert list(unfinished_uploads(bucket)) == []
    left = s3.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    assert [one["Key"] for one in left] == ["control/toy/d2/other.bin"]
    s3.abort_multipart_upload(Bucket=bucket.name, Key=left[0]["Key"], UploadId=left[0]["UploadId"])


def test_a_store_that_does_not_say_where_further_ones_begin_is_named_in_the_log(bucket, s3, caplog) -> None:
    s3.create_multipart_upload(Bucket=bucket.name, Key=bucket.prefix + "b.bin")

    def cut(parsed, **_):
        parsed["IsTruncated"] = True
        parsed.pop("NextKeyMarker", None)
        parsed.pop("NextUploadIdMarker", None)

    bucket.client.meta.events.register("after-call.s3.ListMultipartUploads", cut)
    try:
        with caplog.at_level(logging.WARNING):
            (found,) = unfinished_uploads(bucket)
    finally:
        bucket.client.meta.events.unregister("after-call.s3.ListMultipartUploads", cut)
    assert "does not say where they begin" in caplog.text
    abort(bucket, found)
