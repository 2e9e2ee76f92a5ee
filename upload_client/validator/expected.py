"""The receiver's expectations document: read from the control bucket, compared with the index."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import entry_points, version
from typing import Literal

from upload_client.core.expectations import Tally
from upload_client.core.layout import Layout
from upload_client.expectations.content import CHECKS
from upload_client.expectations.document import MAX_BYTES, InvalidExpectations, load
from upload_client.expectations.expected import Expected
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge
from upload_client.validator.checks import Checker
from upload_client.validator.listing import IndexListing
from upload_client.validator.readers import Limits, ReaderWorkers
from upload_client.validator.rows import MalformedIndex, index_rows
from upload_client.validator.settings import ValidatorSettings

__all__ = [
    "InvalidExpectations",
    "MalformedIndex",
    "delivery_problems",
    "index_rows",
    "judge_index",
    "limits",
    "made_of",
    "make_checker",
    "read_expected",
]

NO_DOCUMENT = "there is none, and this receiver takes no delivery without"

_MIB = 1024 * 1024
_OWN = 320 * _MIB
"""Bytes of memory that the validator takes itself, with files of some MiB for each of its threads."""
_LEAST = 256 * _MIB
"""With less, a reader cannot even load its libraries."""


def read_expected(control: Bucket, layout: Layout) -> Expected | None:
    """Read the delivery's document; None where there is no document.

    Raises:
        InvalidExpectations: there is one, and it cannot be used.
        StoreError: the store does not answer.
    """
    try:
        data = control.get(layout.expectations, limit=MAX_BYTES).body
    except NotFound:
        return None
    except ObjectTooLarge:
        raise InvalidExpectations(layout.expectations, [f"it has more than {MAX_BYTES:,} bytes"]) from None
    return Expected(load(data, layout.expectations), hashlib.sha256(data).hexdigest())


def made_of() -> dict[str, str]:
    """The versions of a validator: of the program, and of each check of the receiver's own.

    Of a check it is the package, its version, and the SHA-256 of its list of files, which has a hash of each.
    """
    found = {"upload-client": version("upload-client"), "python": platform.python_version()}
    for each in sorted(entry_points(group=CHECKS), key=lambda each: each.name):
        if each.dist is not None:
            record = each.dist.read_text("RECORD")
            digest = "" if record is None else f" sha256:{hashlib.sha256(record.encode()).hexdigest()}"
            found[f"check {each.name}"] = f"{each.dist.name} {each.dist.version}{digest}"
    return found


def make_checker(
    settings: ValidatorSettings,
    layout: Layout,
    control: Bucket,
    landing: Bucket,
    reader_workers: ReaderWorkers,
    epoch: int | None = None,
    *,
    others_judge: bool = False,
) -> Checker:
    """Make the checker of a delivery's files, by the delivery's document where there is one.

    Manifests are held against the index of the client of this epoch; None: against nothing. Where others
    judge files of the delivery, or have, the checksums in manifests that they judged are compared, too.

    A document that cannot be used makes every verdict an `error`: nothing is judged as if there were none.
    """
    expected, unusable = None, ""
    try:
        expected = read_expected(control, layout)
        if expected is None and settings.require_expectations:
            unusable = NO_DOCUMENT
    except InvalidExpectations as error:
        unusable = str(error)
    return Checker(
        landing,
        reader_workers,
        max_read=settings.max_read,
        expected=expected,
        unusable=unusable,
        refuse_unopened=settings.refuse_unopened,
        listing=None
        if epoch is None
        else IndexListing(
            control,
            layout.index(epoch),
            complete=layout.transfer_type == "staging",
            landing=landing,
            others_judge=others_judge,
        ),
    )


def limits(settings: ValidatorSettings, environ: Mapping[str, str] = os.environ) -> Limits:
    """Limits for the process that reads one file.

    Of a Lambda function's memory the readers together may take what the validator leaves: a function that
    needs more is ended, with all that is under way.
    """
    memory = settings.reader_memory
    function_mib = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if function_mib.isdecimal():
        memory = min(memory, (int(function_mib) * _MIB - _OWN) // settings.reader_workers)
    return Limits(
        memory=max(memory, _LEAST),
        cpu_seconds=settings.reader_cpu_seconds,
        wall_seconds=settings.reader_seconds,
        unpacked=settings.max_unpacked,
        files=settings.reader_files,
    )


def delivery_problems(control: Bucket, layout: Layout, epoch: int, *, required: bool) -> list[str]:
    """The faults of a delivery as a whole, before a file of it is sent.

    Args:
        control: the control bucket, at the delivery's root.
        layout: where things are.
        epoch: of the client, whose index is looked at.
        required: whether there must be a document.

    Raises:
        InvalidExpectations: the document cannot be used.
        MalformedIndex: the index is none.
        StoreError: the store does not answer.
    """
    expected = read_expected(control, layout)
    if expected is None:
        if required:
            raise InvalidExpectations(layout.expectations, [NO_DOCUMENT])
        return []
    return index_problems(control, layout.index(epoch), expected, complete=layout.transfer_type == "staging")


def judge_index(
    control: Bucket, layout: Layout, epoch: int, *, required: bool
) -> tuple[tuple[str, ...], Literal["misconfigured", "invalid_request", "not_expected"] | None]:
    """Hold the index of a client against the delivery that was agreed on.

    Args:
        control: the control bucket, at the delivery's root.
        layout: where things are.
        epoch: of the client.
        required: whether there must be a document.

    Returns:
        Why it is not that delivery, and a code for it; nothing and None where it is.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        problems = delivery_problems(control, layout, epoch, required=required)
    except InvalidExpectations as error:
        return (str(error),), "misconfigured"
    except MalformedIndex as error:
        return (f"the index of the delivery: {error}",), "invalid_request"
    except NotFound:
        return (f"there is no index {layout.index(epoch)}",), "invalid_request"
    return tuple(problems), "not_expected" if problems else None


def index_problems(control: Bucket, key: str, expected: Expected, *, complete: bool) -> list[str]:
    """The faults of a delivery as a whole, by its index.

    Args:
        control: the control bucket, at the delivery's root.
        key: of the index.
        expected: what belongs in the delivery.
        complete: False: the index lists a part of it, so nothing is missing.

    Raises:
        MalformedIndex: it is no index.
        StoreError: the store does not answer, or there is none.
    """
    tally = Tally(expected.rules)
    for path, size in index_rows(control, key):
        tally.add(path, size)
    return tally.problems(complete=complete)
