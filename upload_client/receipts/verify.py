"""Compares a receipt with a folder, and with the buckets that it names.

What counts as a difference is decided by `upload_client.core.receipt_differences`. The receipt is read from
its file as often as needed, and never held in memory as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from upload_client.control.delivery_buckets import DeliveryBuckets
from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.digests import parse
from upload_client.core.layout import segment_key
from upload_client.core.own_files import is_ours
from upload_client.core.receipt import Delivered, LogTail, ReceiptHead
from upload_client.core.receipt_differences import (
    Difference,
    compare_content,
    compare_listing,
    compare_receipts,
    compare_size,
)
from upload_client.errors import UsageError
from upload_client.index import Choice, LeftOut, read_files
from upload_client.index.folder import Folder
from upload_client.index.reading import blocks, in_order
from upload_client.receipts.heads import named_receipt
from upload_client.receipts.store import content, open_receipt, sha256_of
from upload_client.s3.bucket import Bucket, NotFound, StoreError, repeat_while_lost
from upload_client.support.atomic import ends_of, naming
from upload_client.support.local_file import FileRefused
from upload_client.transfer.dataroot import DataRoot

Report = Callable[[Difference], None]
Progress = Callable[[int, int], None]

_EVERYTHING = Choice()
_LOOKS = 16  # objects asked for at once
_KINDS = 1000  # ways of being judged that are distinguished: as many as a client keeps


class Checked(NamedTuple):
    """A receipt that was read and is consistent.

    Attributes:
        head: what it says as a whole.
        sha256: its SHA-256, hex.
        n_sha256: files of which it names the SHA-256.
        opened: files by how they were judged, see `upload_client.core.opened`.
    """

    head: ReceiptHead
    sha256: str
    n_sha256: int = 0
    opened: Mapping[str, int] = MappingProxyType({})


def read_receipt(path: Path) -> Checked:
    """Read and check all of a receipt.

    Raises:
        UsageError: it is none.
    """
    n_sha256, opened = 0, Counter[str]()
    with open_receipt(path) as reader:
        for each in reader:
            n_sha256 += each.sha256 is not None
            if each.opened is not None and (each.opened in opened or len(opened) < _KINDS):
                opened[each.opened] += 1
        return Checked(reader.head, reader.sha256, n_sha256, opened)


def compare_with(path: Path, other: Path, report: Report) -> None:
    """Compare a receipt with a later one, or with an index.

    Args:
        path: the receipt.
        other: the later receipt; or a list of files, as `upload_client.index.read_index` takes it.
        report: called with each difference.

    Raises:
        UsageError: one of them cannot be read.
    """
    with open_receipt(path) as files:
        if is_receipt(other):
            with open_receipt(other) as others:
                for each in compare_receipts(
                    files, ((one.path, one.size, one.crc32, one.sha256) for one in others)
                ):
                    report(each)
            return
        index = read_files(other)
        nothing: Sequence[None] = [None] * len(index)
        rows = zip(
            index.paths or (),
            index.sizes or nothing,
            index.checksums or nothing,
            (_sha256(other, text) for text in index.others.get("sha256", nothing)),
            strict=True,
        )
        for each in compare_receipts(files, sorted(rows, key=lambda row: row[0])):
            report(each)


def _sha256(other: Path, text: str | None) -> str | None:
    """A cell of the column ``sha256`` in hexadecimal."""
    try:
        return parse("sha256", text).hex() if text else None
    except ValueError as error:
        raise UsageError(f"{other}: {text!r} is no SHA-256: {error}") from None


def is_receipt(path: Path) -> bool:
    """Whether a file begins as a receipt does.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return is_ours("receipt", *ends_of(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


# ----------------------------------------------------------------------------------------------- a folder


def check_folder(
    path: Path,
    source: Path,
    report: Report,
    *,
    choice: Choice = _EVERYTHING,
    on_progress: Progress | None = None,
) -> None:
    """Compare a folder with what was delivered. Reads every file.

    Not looked for is what no delivery takes by itself, see `upload_client.index.scan`.

    Args:
        path: the receipt.
        source: the folder.
        report: called with each difference.
        choice: which files were wanted.
        on_progress: called now and then with the numbers of files and of bytes done.

    Raises:
        UsageError: the receipt or the folder cannot be read.
    """
    folder = Folder(source, choice)
    extra = dict(folder.walk(LeftOut()))
    root = DataRoot(Path(folder.root), follow=choice.symlinks == "follow")
    n_threads = os.cpu_count() or 1
    for each in _compared(path, partial(_compare, root), n_threads, report, on_progress):
        extra.pop(each.path, None)
    for relpath in sorted(extra):
        why = extra[relpath]
        unreadable = why is not None and why.code is FileCode.UNREADABLE
        report(Difference("unreadable" if unreadable else "extra", relpath, why.text if why else ""))


def _compare(root: DataRoot, each: Delivered) -> Difference | None:
    try:
        with root.open(each.path) as file:
            size = file.fingerprint.size
            if size != each.size:
                return compare_size(each, size)
            crc, digest = 0, None if each.sha256 is None else hashlib.sha256()
            for block in blocks(file):
                crc = checksums.crc32(block, crc)
                if digest is not None:
                    digest.update(block)
    except FileRefused as error:
        kind = str(error)
        return Difference("missing", each.path) if kind == "is not there" else _unreadable(each, kind)
    except (OSError, ValueError) as error:
        return _unreadable(each, getattr(error, "strerror", None) or str(error))
    return compare_content(each, checksums.encode(crc), None if digest is None else digest.hexdigest())


def _unreadable(each: Delivered, why: str) -> Difference:
    return Difference("unreadable", each.path, why)


# -------------------------------------------------------------------------------------------- the buckets


def check_buckets(
    path: Path,
    receipt: Checked,
    buckets: DeliveryBuckets,
    report: Report,
    *,
    download: bool = False,
    on_progress: Progress | None = None,
) -> bool:
    """Check that the buckets still hold what was delivered, and its records.

    One LIST tells size and ETag of every object, and which the receipt does not name. Where an ETag is
    another one, a HEAD tells whether the content is the same. Looked at are these records, too: the receipt,
    the file index, and the last segment of each log, by whose hash the whole log is known; and which receipt
    the client says at its end that it has written.

    Args:
        path: the receipt.
        receipt: what was found in it.
        buckets: of the delivery.
        report: called with each difference.
        download: read every object, too, and compare its CRC32, and its SHA-256 where the receipt has it.
        on_progress: called now and then with the numbers of files and of bytes done.

    Returns:
        Whether the client's log names this very receipt.

    Raises:
        UsageError: the settings lead to other places than the receipt.
        StoreError: a bucket could not be read.
    """
    head, layout, control, landing = receipt.head, buckets.layout, buckets.control, buckets.landing
    for what, stated, bucket in (("landing", head.landing, landing), ("control", head.control, control)):
        if str(bucket) != stated:
            raise UsageError(
                f"the receipt's {what} place is {stated}, and the settings lead to {bucket}",
                hint="Use the profile of that receiver.",
            )
    key = layout.receipt(head.epoch)
    _check_record(control, key, receipt.sha256, report)
    _check_record(control, head.index.key, head.index.sha256, report)
    _check_tail(control, layout.client_log(), head.client_log, report)
    for tail in head.validator_logs:
        _check_tail(control, layout.validator_log(tail.shard), tail, report)

    named = named_receipt(head, control, layout)
    if named not in (None, receipt.sha256):
        report(Difference("record changed", key, f"has not the SHA-256 that the client's log names, {named}"))

    n_files = n_bytes = 0

    def seen(files: Iterable[Delivered]) -> Iterator[Delivered]:
        nonlocal n_files, n_bytes
        for each in files:
            n_files += 1
            n_bytes += each.size
            if on_progress and n_files % 1000 == 0:
                on_progress(n_files, n_bytes)
            yield each

    reported: set[str] = set()

    def report_once(difference: Difference) -> None:
        if download:
            reported.add(difference.path)
        report(difference)

    listed = _by_key((entry.key, entry.size, entry.etag) for entry in landing.list())
    with open_receipt(path) as files, ThreadPoolExecutor(_LOOKS, "verify") as pool:
        doubtful: list[Delivered] = []
        try:
            for each, difference in compare_listing(seen(files), listed):
                if difference is not None and difference.kind != "gone":
                    report_once(difference)
                    continue
                assert each is not None
                doubtful.append(each)
                if len(doubtful) == 1000:
                    _look_closer(pool, landing, doubtful, report_once)
                    doubtful = []
        except ValueError as error:
            raise StoreError(str(error)) from None
        _look_closer(pool, landing, doubtful, report_once)
    if download:
        _read_all(path, landing, lambda each: None if each.path in reported else report(each), on_progress)
    return named == receipt.sha256


def _read_all(path: Path, landing: Bucket, report: Report, on_progress: Progress | None) -> None:
    """Read every object. A store may list what it does not give, so each is held against the receipt anew."""
    for _ in _compared(path, partial(_compare_object, landing), _LOOKS, report, on_progress):
        pass


def _compared(
    path: Path,
    compare: Callable[[Delivered], Difference | None],
    n_threads: int,
    report: Report,
    on_progress: Progress | None,
) -> Iterator[Delivered]:
    """Compare each file of a receipt, several at the same time, and yield it, in the receipt's order."""
    n_files = n_bytes = 0
    with open_receipt(path) as files, ThreadPoolExecutor(n_threads, "verify") as pool:
        try:
            for each, difference in in_order(pool, compare, files, ahead=4 * n_threads):
                yield each
                if difference is not None:
                    report(difference)
                n_files += 1
                n_bytes += 0 if difference is not None and difference.kind in _NOT_READ else each.size
                if on_progress:
                    on_progress(n_files, n_bytes)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C: do not read on to the end
            raise


_NOT_READ: Final = frozenset({"missing", "size", "unreadable", "gone"})  # as differences are called


def _compare_object(landing: Bucket, each: Delivered) -> Difference | None:
    def read() -> tuple[int, str, str | None]:
        size, crc, digest = 0, 0, None if each.sha256 is None else hashlib.sha256()
        for block in content(landing, each.path):
            size, crc = size + len(block), checksums.crc32(block, crc)
            if size > each.size:
                break
            if digest is not None:
                digest.update(block)
        return size, checksums.encode(crc), None if digest is None else digest.hexdigest()

    try:
        size, crc32, sha256 = repeat_while_lost(read)
    except NotFound:
        return Difference("gone", each.path)
    if size > each.size:
        return Difference("replaced", each.path, f"gives more than {each.size} bytes, which were delivered")
    found = compare_size(each, size) or compare_content(each, crc32, sha256)
    return None if found is None else Difference("replaced", each.path, found.message)


def _by_key(listed: Iterable[tuple[str, int, str]]) -> Iterator[tuple[str, int, str]]:
    """The same in the order of their keys' bytes, whatever the order in which the store lists.

    They are written to a temporary file first; where they are in order, as at AWS, no more than one of them
    is in memory.
    """
    before, in_order = "", True
    with tempfile.TemporaryFile("w+", encoding="ascii") as spool:
        for entry in listed:
            in_order, before = in_order and before <= entry[0], entry[0]
            with naming(tempfile.gettempdir()):
                spool.write(json.dumps(entry) + "\n")
        with naming(tempfile.gettempdir()):
            spool.seek(0)
        rows = (tuple(json.loads(line)) for line in spool)
        yield from rows if in_order else sorted(rows)


def _look_closer(
    pool: ThreadPoolExecutor, landing: Bucket, doubtful: list[Delivered], report: Report
) -> None:
    for each, found in zip(
        doubtful,
        pool.map(lambda each: repeat_while_lost(lambda: landing.head(each.path)), doubtful),
        strict=True,
    ):
        if found is None:
            report(Difference("gone", each.path))
        elif (found.size, found.etag) == (each.size, each.etag):
            continue  # a listing had left it out
        elif found.size != each.size or found.crc32 is None:
            why = "has another ETag, and the store has no checksum of it" if found.crc32 is None else ""
            report(Difference("replaced", each.path, why or f"has {found.size} bytes"))
        elif found.crc32 != each.crc32:
            report(Difference("replaced", each.path, f"has CRC32 {found.crc32}; delivered was {each.crc32}"))


def _check_record(control: Bucket, key: str, sha256: str, report: Report) -> None:
    try:
        found = sha256_of(control, key)
    except NotFound:
        report(Difference("record missing", key))
        return
    if found != sha256:
        report(Difference("record changed", key, f"has SHA-256 {found}; it should be {sha256}"))


def _check_tail(control: Bucket, log: str, tail: LogTail, report: Report) -> None:
    _check_record(control, segment_key(log, tail.seq), tail.sha256, report)
