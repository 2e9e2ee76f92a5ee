"""Receipts that nobody can delete for a time: S3 Object Lock, where the control bucket has it.

Whoever may write retention does it: the receiver's validator, once a delivery is complete. A provider needs
no right to it. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from upload_client.core.times import timestamp
from upload_client.s3.bucket import AccessDenied, Bucket, NotFound, StoreError, store_errors

Mode = Literal["GOVERNANCE", "COMPLIANCE"]
"""With the first, an operator with a right of its own may shorten it; with the second, nobody."""


class Retention(NamedTuple):
    """The mode in which an object is kept, and until when, UTC with milliseconds."""

    mode: str
    until: str


def retain(control: Bucket, key: str, *, days: int, mode: Mode, now: float) -> Retention | None:
    """Keep an object's current version for some days; None where there is no such object.

    Nothing is kept for less, or less strictly, than before.

    Args:
        control: the bucket, at the delivery's root.
        key: of the object.
        days: from now; what is kept for longer stays so.
        mode: how strictly; what is kept in COMPLIANCE stays so, and what is in GOVERNANCE is raised to it.
        now: seconds since 1970.

    Raises:
        StoreError: the bucket has no Object Lock, or one may not do that. Where the mode alone may not be
            raised, the object is kept for so long all the same.
    """
    until = datetime.fromtimestamp(now, UTC) + timedelta(days=days)
    _require_object_lock(control)
    before = retained(control, key)
    if before is not None:
        mode = "COMPLIANCE" if "COMPLIANCE" in (mode, before.mode) else mode
        until = max(until, datetime.fromisoformat(before.until))
        if (before.mode, before.until) == (mode, timestamp(until.timestamp())):
            return before
    raises = before is not None and before.mode != mode

    def put(mode: Mode, *, bypass: bool = False) -> None:
        more: Any = {"BypassGovernanceRetention": True} if bypass else {}
        with store_errors(f"retention of {control.prefix}{key} in {mode}"):
            control.client.put_object_retention(
                Bucket=control.name,
                Key=control.prefix + key,
                Retention={"Mode": mode, "RetainUntilDate": until},
                **more,
            )

    try:
        try:
            put(mode)
        except AccessDenied:
            if not raises:
                raise
            # There are stores that let nobody change the mode without this right, not even raise it,
            # or not at all: then it is kept for as long as it should be, and less strictly.
            try:
                put(mode, bypass=True)
            except AccessDenied:
                put("GOVERNANCE")
                raise
    except NotFound:
        return None
    return Retention(mode, timestamp(until.timestamp()))


def _require_object_lock(control: Bucket) -> None:
    """Refuse a bucket that does not say it has Object Lock.

    A store that does not know retention may pass over the query of the request, and carry out what is left of
    it: a PutObject, with the retention as the content of the receipt. Seen in OpenStack Swift 2.38.
    """
    action = f"Object Lock of {control.name}"
    try:
        with store_errors(action):
            answer = control.client.get_object_lock_configuration(Bucket=control.name)
    except AccessDenied:
        return  # it knows the question
    if answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
        raise StoreError(f"{action}: the store does not say that the bucket has it")


def retained(control: Bucket, key: str) -> Retention | None:
    """The retention of an object; None where it has none, is not there, or nobody may ask."""
    try:
        with store_errors(f"HEAD {control.prefix}{key}"):
            found = control.client.head_object(Bucket=control.name, Key=control.prefix + key)
    except StoreError:
        return None
    mode, until = found.get("ObjectLockMode"), found.get("ObjectLockRetainUntilDate")
    return None if mode is None or until is None else Retention(mode, timestamp(until.timestamp()))
