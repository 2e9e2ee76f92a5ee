"""The removals of a sync, once all that was to be sent is confirmed: at the destination, at the source."""

# ruff: noqa: PTH108, PTH112, PTH114, PTH116
# ruff: noqa: PTH120 - once a file, where Path costs ten times as much

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from upload_client.core.own_files import LEFT_OVER
from upload_client.core.text import for_terminal
from upload_client.core.uploads import settled_mtime
from upload_client.functions.data_sync.comparing import Comparing, Item
from upload_client.functions.data_sync.local import (
    Confirmed,
    SyncFailed,
    bring_names_to_disk,
    crc32_of,
    local_path,
    remove_empty,
)
from upload_client.functions.data_sync.paths import LocalPlace, Place, S3Place
from upload_client.functions.data_sync.run import Plan, SyncRun
from upload_client.functions.data_sync.sides import bucket_of, facts_of
from upload_client.s3.bucket import (
    Bucket,
    NotFound,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
    store_errors,
)
from upload_client.support.atomic import claim
from upload_client.transfer.bulk_requests import remove_each

_BEGUN: Final = os.path.splitext(LEFT_OVER)[1]  # noqa: PTH122 - of a name
_LONG: Final = 24 * 3600  # seconds


def remove_extra(run: SyncRun, source: Place, target: Place, extra: list[str]) -> None:
    """Remove at the destination what the source does not have."""
    if not extra:
        return
    if run.filters:
        sees = run.sees(source)
        n = sum(not run.filters.keep(sees(path)) for path in extra)
        if n:
            run.warn(
                f"{n:,} of the files that are removed at {target.uri} are kept out by the filters;"
                " with delete=false they would stay"
            )
    if isinstance(target, S3Place):
        delete_objects(target.open(), extra)
    else:
        folders: set[str] = set()
        for path in extra:
            whole = local_path(target.path, path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(whole)
            folders.add(os.path.dirname(whole))
        remove_empty(folders, target.path)
    run.counts.removed += len(extra)


def remove_left(run: SyncRun) -> None:
    """Remove what syncs that were killed have left at the destination, and this one had no use for.

    A file that is begun has a name by what it was to become. Where that has changed since, nobody asks for
    the old one again. Another sync may be writing it, or be about to go on with it: what was written within
    a day stays, and what another process has claimed. So does what is locked, and stays by design.
    """
    for path in run.left:
        with contextlib.suppress(OSError):
            if not path.endswith(_BEGUN) or os.lstat(path).st_mtime > run.began - _LONG:
                continue
            fd = claim(path)
            try:
                if os.name == "posix":  # as long as it is claimed: who claims it next finds another one
                    os.unlink(path)
            finally:
                os.close(fd)
            if os.name != "posix":
                os.unlink(path)


def remove_source(
    run: SyncRun, source: Place, target: Place, plan: Plan, confirmed: dict[str, Confirmed], *, tidy: bool
) -> None:
    """Delete what is confirmed at the destination: what was sent, and what was found equal there."""
    sure = [(item.path, item.source) for item in plan.send if item.path in confirmed] + plan.keep
    if isinstance(source, S3Place):
        bucket = source.open()

        named = ((path, facts.etag) for path, facts in sure)
        gone = [done for _, done in remove_each(named, bucket, partial(delete_on, bucket))]
        if not all(gone):
            run.warn(f"{gone.count(False):,} objects of {source.uri} were replaced meanwhile, and stay")
        run.counts.moved = gone.count(True)
        return
    folders: set[str] = set()
    if isinstance(target, LocalPlace):
        bring_names_to_disk((local_path(target.path, path) for path, _ in sure), target.path)
    for path, facts in sure:
        whole = local_path(source.path, path)
        known = confirmed.get(path)
        try:
            status = os.stat(whole)
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):
                if os.path.islink(whole):  # to what was moved before it; its content is at the destination
                    os.unlink(whole)
            run.counts.moved += 1
            folders.add(os.path.dirname(whole))
            continue
        if isinstance(target, LocalPlace) and _leads_into(local_path(target.path, path), source.path):
            run.warn(f"{for_terminal(whole)} stays: the destination has nothing but a link to the source")
            continue
        same = status.st_size == facts.size and status.st_mtime == facts.modified
        # It may have been written so shortly before it was sent or compared that its time does not tell; nor
        # does it where the inode was touched since: the time may have been set back.
        began_ns = int(run.began * 1e9)
        is_touched = settled_mtime(status.st_ctime_ns, began_ns) is None
        if known is None:
            if same and (is_touched or settled_mtime(status.st_mtime_ns, began_ns) is None):
                same = _is_there(source, target, Item(path, facts, facts_of(target, [path]).get(path)))
        elif known.mtime_ns is not None and not is_touched:
            same = same and status.st_mtime_ns == known.mtime_ns
        else:  # without a CRC32 it was renamed: this one has come since then
            same = same and bool(known.crc32) and crc32_of(whole) == known.crc32
        if not same:
            run.warn(f"{for_terminal(whole)} was changed meanwhile, and stays")
            continue
        os.unlink(whole)
        run.counts.moved += 1
        folders.add(os.path.dirname(whole))
    if tidy and os.path.isdir(source.path):
        remove_empty(folders, os.path.dirname(source.path))


def _is_there(source: Place, target: Place, item: Item) -> bool:
    """Whether the destination has the content of a file that was kept there."""
    if item.there is None or item.there.size != item.source.size:
        return False
    with Comparing(source, target, (bucket_of(source), bucket_of(target))) as comparing:
        return not any(differs for _, differs in comparing.differ([item]))


def _leads_into(path: str, root: str) -> bool:
    """Whether a path is a symbolic link to a file, or to what is below a folder."""
    return os.path.islink(path) and f"{os.path.realpath(path)}{os.sep}".startswith(
        f"{os.path.realpath(root)}{os.sep}"
    )


def delete_objects(bucket: Bucket, keys: Sequence[str]) -> None:
    """Delete objects, a thousand with each request.

    Args:
        bucket: at a prefix.
        keys: relative to it.

    Raises:
        SyncFailed: some could not be deleted.
        StoreError: S3 refuses.
    """
    client: Any = bucket.client
    for start in range(0, len(keys), 1000):
        named = [{"Key": bucket.prefix + key} for key in keys[start : start + 1000]]

        def delete(named: list[dict[str, str]] = named) -> Any:  # noqa: ANN401 - botocore's answer
            with store_errors(f"DELETE below {bucket}"):
                return client.delete_objects(
                    Bucket=bucket.name, Delete={"Objects": named, "Quiet": True}, ChecksumAlgorithm="CRC32"
                )

        answer = repeat_while_lost(delete)
        if errors := answer.get("Errors"):
            first = errors[0]
            raise SyncFailed(
                f"{len(errors):,} objects could not be removed at {bucket}:"
                f" {for_terminal(str(first.get('Key')))}: {for_terminal(str(first.get('Code')))}"
            )


def delete_on(bucket: Bucket, key: str, etag: str) -> bool:
    """Delete an object if it still is the one with this ETag; False: it is another."""
    try:
        repeat_while_lost(lambda: bucket.rm(key, if_match=etag))
    except NotFound:
        return True
    except PreconditionFailed:
        # Some answer so where nothing is: an earlier request may have done it whose answer was lost.
        return repeat_while_lost(lambda: bucket.head(key, checksum=False)) is None
    except StoreError as error:
        if error.status not in (400, 501):
            raise
        # A store that knows no such condition: look, then delete.
        info = repeat_while_lost(lambda: bucket.head(key, checksum=False))
        if info is not None and info.etag != etag:
            return False
        repeat_while_lost(lambda: bucket.rm(key))
    return True
