"""Files and objects on their way into a bucket: uploaded, copied by S3, or carried through this machine."""

# ruff: noqa: PTH108, PTH112, PTH118
# ruff: noqa: PTH120 - once a file, where Path costs ten times as much

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from upload_client.core import checksums
from upload_client.core.data_sync import is_marker, md5_of
from upload_client.functions.data_sync.access import who
from upload_client.functions.data_sync.comparing import Item
from upload_client.functions.data_sync.local import Confirmed, SyncFailed, check_room, local_path
from upload_client.functions.data_sync.overlap import same_store
from upload_client.functions.data_sync.paths import Place, S3Place
from upload_client.functions.data_sync.run import Plan, SyncRun, name_of
from upload_client.s3.bucket import Bucket, StoreError, repeat_while_lost, store_errors
from upload_client.s3.unfinished import unfinished_uploads
from upload_client.transfer import DataRoot, TransferTask, send_files
from upload_client.transfer.bulk_requests import head_each
from upload_client.transfer.download import fetch_files
from upload_client.transfer.engine import DEFAULT_THRESHOLD
from upload_client.transfer.fetch_task import FetchTask

_TRIES: Final = 3
_WAVE_FILES: Final = 2000
_WAVE_BYTES: Final = 256 * 1024 * 1024
_BLOCK: Final = 1024 * 1024


class _Sending(NamedTuple):
    """A file that is to be sent.

    Attributes:
        item: which.
        path: where it is read: a local path, or a key relative to the source.
        crc32: that it has to have, base64; None: any.
    """

    item: Item
    path: str
    crc32: str | None = None


def send_to_s3(run: SyncRun, source: Place, target: S3Place, plan: Plan) -> dict[str, Confirmed]:
    """Upload, or have S3 copy. What is confirmed, by path."""
    confirmed: dict[str, Confirmed] = {}
    if not plan.send:
        return confirmed
    destination = target.open()
    markers = [item for item in plan.send if is_marker(item.path, item.source.size) and item.path]
    for item in markers if isinstance(source, S3Place) else ():
        # What stands for a folder is made anew: not every store copies it.
        stored = repeat_while_lost(partial(destination.put, item.path, b""))
        confirmed[item.path] = Confirmed(stored.etag, checksums.encode(0), None)
        run.sent(0)
    left = [item for item in plan.send if item.path not in confirmed]
    if not isinstance(source, S3Place):
        is_dir = os.path.isdir(source.path)
        root = DataRoot(Path(source.path if is_dir else os.path.dirname(source.path)), follow=True)
        failures = _send(
            run,
            [_Sending(item, local_path(source.path, item.path)) for item in left],
            *(root, destination, name_of(source), confirmed),
        )
    elif left and not _is_copied_there(source, target, left[0]):
        failures = _send_through(run, source, destination, left, confirmed)
        failures += _unlike(run, source.open(), left, confirmed)
    else:
        root = DataRoot(source.open())
        failures = _send(
            run, [_Sending(item, item.path) for item in left], root, destination, name_of(source), confirmed
        )
        failures += _unlike(run, root.bucket, plan.send, confirmed)
    if failures:
        raise run.failed(failures, len(plan.send))
    return confirmed


def _send(
    run: SyncRun,
    left: list[_Sending],
    root: DataRoot,
    destination: Bucket,
    name: str,
    confirmed: dict[str, Confirmed],
) -> list[tuple[str, str]]:
    """Upload files, or have S3 copy objects; those that could not be sent, and why.

    Args:
        run: the sync.
        left: what to send.
        root: where it is read, or copied from.
        destination: where it goes.
        name: of a single one, for messages.
        confirmed: receives what a move may delete.
    """
    failures: list[tuple[str, str]] = []
    keeps = not run.request.retain_source_data
    for attempt in range(_TRIES):
        unfinished = _unfinished(destination, [each.item for each in left])
        tasks = (
            TransferTask(
                row,
                item.path or name,
                path,
                item.path,
                size=item.source.size,
                checksum=crc32,
                expect_etag=None if item.there is None else item.there.etag,
                source_etag=item.source.etag or None,
                unfinished=unfinished.get(item.path, ()),
            )
            for row, (item, path, crc32) in enumerate(left)
        )
        again: list[_Sending] = []
        failures = []
        sent = send_files(
            tasks,
            root,
            destination,
            n_threads=run.request.max_concurrency,
            small_for_one=run.small_for_one,
            md5_proves=not keeps,
            unsigned_payload=isinstance(run.target, S3Place)
            and run.target.access is not None
            and bool(run.target.access.unsigned_payload),
        )
        for outcome in sent:
            item = left[outcome.row].item
            if outcome.ok:
                run.sent(outcome.size)
                if keeps or isinstance(run.source, S3Place):
                    confirmed[item.path] = Confirmed(outcome.etag, outcome.crc32, outcome.mtime_ns)
            elif outcome.credentials:
                raise SyncFailed(outcome.error or "the credentials were refused")
            else:
                failures.append((item.path, outcome.error or "it was not sent"))
                if outcome.again:
                    again.append(left[outcome.row])
        if len(again) < len(failures) or not again:
            break
        left = again
        if attempt < _TRIES - 1:
            time.sleep(2.0**attempt)
    return failures


def _is_copied_there(source: S3Place, target: S3Place, item: Item) -> bool:
    """Whether the destination's store can copy: who writes there may read the source through it."""
    if who(source.access) == who(target.access):
        return True
    if not same_store(source, target):
        return False
    seen = Bucket(source.bucket, prefix=source.key, client=target.client())
    try:
        info = repeat_while_lost(lambda: seen.head(item.path, checksum=False))
    except StoreError:
        return False
    return info is not None and info.etag == item.source.etag


def _send_through(
    run: SyncRun, source: S3Place, destination: Bucket, left: list[Item], confirmed: dict[str, Confirmed]
) -> list[tuple[str, str]]:
    """Fetch objects and send them on, some at a time: no credentials reach both sides.

    They pass through a temporary folder. What is sent has to have the CRC32 of what was fetched, which
    was held against what the source's store says.
    """
    run.warn(
        f"no credentials reach both {source.uri} and {run.target.uri}: objects go through this machine,"
        " without their metadata and tags"
    )
    failures: list[tuple[str, str]] = []
    n_threads = run.request.max_concurrency * run.small_for_one
    with tempfile.TemporaryDirectory(prefix="upload-client-sync-") as folder:
        for wave in _waves(left):
            check_room(folder, sum(item.source.size for item in wave))
            tasks = (
                FetchTask(row, item.path, item.source.size, item.source.etag, os.path.join(folder, str(row)))
                for row, item in enumerate(wave)
            )
            fetched: list[_Sending] = []
            fetching = fetch_files(tasks, source.open(), n_threads=n_threads)
            for outcome in fetching:
                item, path = wave[outcome.row], os.path.join(folder, str(outcome.row))
                if outcome.ok:
                    fetched.append(_Sending(item, path, outcome.crc32))
                elif outcome.disk_full:
                    fetching.close()
                    raise run.no_room(item.path, f"{outcome.error}, in {folder}", len(left))
                else:
                    failures.append((item.path, outcome.error or "it was not fetched"))
            root = DataRoot(Path(folder))
            failures += _send(run, fetched, root, destination, name_of(source), confirmed)
            for each in fetched:
                os.unlink(each.path)
    return failures


def _waves(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Items some at a time, as much as passes through a temporary folder at once."""
    wave: list[Item] = []
    n_bytes = 0
    for item in items:
        if wave and (len(wave) >= _WAVE_FILES or n_bytes + item.source.size > _WAVE_BYTES):
            yield wave
            wave, n_bytes = [], 0
        wave.append(item)
        n_bytes += item.source.size
    if wave:
        yield wave


def _unfinished(destination: Bucket, items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    """Uploads that a killed sync has left, to go on with."""
    found: dict[str, tuple[str, ...]] = {}
    if any(item.source.size > DEFAULT_THRESHOLD for item in items):
        with contextlib.suppress(StoreError):  # not every role may ask; then all parts are sent anew
            for one in unfinished_uploads(destination):
                found[one.key] = (*found.get(one.key, ()), one.upload_id)
    return found


def _unlike(
    run: SyncRun, source: Bucket | None, items: Sequence[Item], confirmed: dict[str, Confirmed]
) -> list[tuple[str, str]]:
    """Copies that are not what they were copied from, by the MD5 of the ETags or by CRC32."""
    assert source is not None

    asked = {
        item.path: item
        for item in items
        if item.path in confirmed
        and not is_marker(item.path, item.source.size)
        and not (md5_of(item.source.etag) and confirmed[item.path].etag == item.source.etag)
    }
    unlike: list[tuple[str, str]] = []
    for path, info in head_each(asked, source):
        item, copy = asked[path], confirmed[path]
        if info is None or info.etag != item.source.etag:
            unlike.append((item.path, "it was replaced while it was copied"))
        elif info.crc32 is not None and copy.crc32 and info.crc32 != copy.crc32:
            unlike.append((item.path, f"its copy has CRC32 {copy.crc32}, and not {info.crc32}"))
        elif info.crc32 is None and not run.request.retain_source_data:
            read = _crc32_of_object(source, item)
            if read != copy.crc32:
                unlike.append((item.path, f"its copy has CRC32 {copy.crc32}, and not {read}"))
    for path, _ in unlike:
        del confirmed[path]
    return unlike


def _crc32_of_object(bucket: Bucket, item: Item) -> str:
    client: Any = bucket.client
    crc = 0
    with store_errors(f"GET {item.path}"):
        answer = client.get_object(
            Bucket=bucket.name, Key=bucket.prefix + item.path, IfMatch=f'"{item.source.etag}"'
        )
        for block in answer["Body"].iter_chunks(_BLOCK):
            crc = checksums.crc32(block, crc)
    return checksums.encode(crc)
