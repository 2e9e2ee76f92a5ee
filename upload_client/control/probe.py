"""Proves that a store honours the conditional writes on which lock and logs are built."""

from __future__ import annotations

import logging
import secrets

from upload_client.core.layout import Layout
from upload_client.errors import StoreUnsafe
from upload_client.s3 import etag_form
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    ConditionalConflict,
    Fetched,
    NotFound,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
)
from upload_client.support.clock import SYSTEM, Clock

_log = logging.getLogger(__name__)

_NO_ETAG = "0" * 32


def probe_store(bucket: Bucket, layout: Layout, name: str, *, clock: Clock = SYSTEM) -> None:
    """Prove that `bucket` honours ``If-None-Match`` and ``If-Match`` on PutObject.

    A create passes, a second create is refused; a PUT on a wrong ETag is refused, one on the right ETag
    passes. It writes one object, and deletes it if it may.

    Args:
        bucket: The control bucket, at the delivery's root.
        layout: Says where the object lies.
        name: Of this attempt, a new one in the form of an agent's.
        clock: Waits between attempts.

    Raises:
        StoreUnsafe: It does not honour them.
        StoreError: The store did not answer.
    """
    prove_conditions(bucket, layout.probe(name), clock=clock)


def prove_conditions(bucket: Bucket, key: str, *, clock: Clock = SYSTEM) -> None:
    """The same with an object under any key; see `probe_store`."""
    probe = _Probe(bucket, key, clock)
    try:
        first = probe.write("create", if_none_match=True)
        if first is None:
            raise StoreUnsafe(f"{bucket} refuses to create an object where there is none")
        if probe.write("create again", if_none_match=True) is not None:
            raise StoreUnsafe(f"{bucket} ignores If-None-Match: a second create replaced the first")
        if probe.write("replace another", if_match=_NO_ETAG) is not None:
            raise StoreUnsafe(f"{bucket} ignores If-Match: a write on a wrong ETag passed")
        if probe.write("replace", if_match=first) is None:
            _prove_bare_etags(bucket, probe, first)
        _log.info("%s honours conditional writes", bucket)
    finally:
        probe.clean()


def _prove_bare_etags(bucket: Bucket, probe: _Probe, first: str) -> None:
    """Prove that it honours ``If-Match`` where the ETag has no quotes, as Ceph's gateway wants it."""
    etag_form.use_bare(bucket.client)
    if probe.write("replace another, without quotes", if_match=_NO_ETAG) is not None:
        problem = "ignores If-Match where the ETag has no quotes, and refuses the right one in quotes"
    elif probe.write("replace, without quotes", if_match=first) is None:
        problem = "refuses a write on the right ETag"
    else:
        return
    etag_form.use_quoted(bucket.client)
    raise StoreUnsafe(f"{bucket} {problem}")


class _Probe:
    """One object, and conditional writes to it whose outcome is certain."""

    def __init__(self, bucket: Bucket, key: str, clock: Clock) -> None:
        self._bucket = bucket
        self._key = key
        self._clock = clock

    def write(self, what: str, *, if_none_match: bool = False, if_match: str | None = None) -> str | None:
        """Write; give the new ETag, or None where the write was refused.

        Content tells whether a write that seems refused was carried out by an earlier attempt, the answer to
        which was lost (on the way, and botocore asked again by itself).
        """
        body = f"{what} {secrets.token_hex(16)}\n".encode()

        def attempt() -> str | None:
            try:
                return self._bucket.put(self._key, body, if_none_match=if_none_match, if_match=if_match).etag
            except (PreconditionFailed, ConditionalConflict, NotFound, AnswerLost) as error:
                found = self._read()
                if found is not None and found.body == body:
                    return found.etag
                if isinstance(error, PreconditionFailed | NotFound) and error.s3_code != "NoSuchBucket":
                    return None
                raise
            except StoreError as error:
                if error.status == 501:  # RFC 9110 section 15.6.2: the store knows no such requests
                    raise StoreUnsafe(f"{self._bucket} does not know conditional writes: {error}") from error
                raise

        return repeat_while_lost(attempt, self._clock)

    def _read(self) -> Fetched | None:
        try:
            return self._bucket.get(self._key, limit=1024)
        except NotFound:
            return None

    def clean(self) -> None:
        """Delete the object; that a provider may not delete is fine."""
        try:
            self._bucket.rm(self._key)
        except StoreError:
            return
