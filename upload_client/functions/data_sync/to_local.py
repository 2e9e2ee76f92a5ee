"""Objects and files on their way into a folder of this machine: fetched, copied, or moved."""

# ruff: noqa: PTH103, PTH105, PTH114, PTH116, PTH118
# ruff: noqa: PTH120 - once a file, where Path costs ten times as much

from __future__ import annotations

import contextlib
import errno
import os

from upload_client.errors import UsageError
from upload_client.functions.data_sync.comparing import Item, in_parallel
from upload_client.functions.data_sync.local import (
    Confirmed,
    check_room,
    copy_file,
    device_of,
    local_path,
    top_of_file_system,
)
from upload_client.functions.data_sync.paths import LocalPlace, S3Place, place_of
from upload_client.functions.data_sync.run import Plan, SyncRun
from upload_client.support.atomic import in_folder
from upload_client.transfer.download import fetch_files
from upload_client.transfer.fetch_task import FetchTask


def fetch(run: SyncRun, source: S3Place, target: LocalPlace, plan: Plan) -> dict[str, Confirmed]:
    """Fetch objects into files."""
    if not plan.send:
        return {}
    check_room(target.path, sum(item.source.size for item in plan.send))
    config = run.request.remote_to_local_config
    folder = None
    if config.use_custom_tmp_dir:
        if config.custom_tmp_dir is None:
            folder = top_of_file_system(target.path)
        else:
            place = place_of(config.custom_tmp_dir)
            if isinstance(place, S3Place):
                raise UsageError("custom_tmp_dir is a folder of this machine")
            folder = place.path
    root = os.path.join(target.path, "")
    tasks = (
        FetchTask(
            row,
            item.path,
            item.source.size,
            item.source.etag,
            root + item.path if item.path else target.path,
            folder,
        )
        for row, item in enumerate(plan.send)
    )
    failures: list[tuple[str, str]] = []
    n_threads = run.request.max_concurrency * run.small_for_one  # larger ones are fewer in any case
    fetching = fetch_files(tasks, source.open(), n_threads=n_threads, not_before=run.began)
    for outcome in fetching:
        if outcome.ok:
            run.sent(outcome.size)
        elif outcome.disk_full:
            fetching.close()
            raise run.no_room(plan.send[outcome.row].path, outcome.error, len(plan.send))
        else:
            failures.append((plan.send[outcome.row].path, outcome.error or "it was not fetched"))
    if failures:
        raise run.failed(failures, len(plan.send))
    return {}


def copy_files(
    run: SyncRun, source: LocalPlace, target: LocalPlace, plan: Plan, *, moves: bool
) -> dict[str, Confirmed]:
    """Copy files, or move them where both sides are on one file system."""
    if not plan.send:
        return {}
    one_system = moves and device_of(source.path) == device_of(target.path)
    if not one_system:
        check_room(target.path, sum(item.source.size for item in plan.send))
    # Links are copied, and first: what they lead to may be renamed here as well.
    links = [item for item in plan.send if one_system and os.path.islink(local_path(source.path, item.path))]
    is_link = {item.path for item in links}
    began_ns = int(run.began * 1e9)
    full: list[tuple[str, str]] = []  # the files for which there was no room, and why

    def copy(item: Item) -> tuple[Item, Confirmed | str]:
        if full:
            return item, "not tried"
        here, there = local_path(source.path, item.path), local_path(target.path, item.path)

        def bring(there: str) -> Confirmed:
            if one_system and item.path not in is_link:
                os.replace(here, there)
                return Confirmed("", "", None)
            return copy_file(here, there, began_ns)

        try:
            os.makedirs(os.path.dirname(there), exist_ok=True)
            return item, in_folder(bring, there)
        except (OSError, UnicodeEncodeError) as error:
            why = f"{getattr(error, 'strerror', None) or error}"
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                full.append((item.path, why))
            return item, why

    confirmed: dict[str, Confirmed] = {}
    failures: list[tuple[str, str]] = []
    for items in (links, [item for item in plan.send if item.path not in is_link]):
        for item, came in in_parallel(copy, items, 8):
            if isinstance(came, str):
                failures.append((item.path, came))
            else:
                run.sent(item.source.size)
                confirmed[item.path] = came
        if full:
            raise run.no_room(*full[0], len(plan.send))
        if failures:
            raise run.failed(failures, len(plan.send))
    return confirmed


def freshen(run: SyncRun, target: LocalPlace, plan: Plan) -> None:
    """Let no file be of before the sync: whoever looks for what is stale takes it for used."""
    for path, _ in plan.keep:
        _touch(run, local_path(target.path, path))
    if isinstance(run.source, LocalPlace):
        for item in plan.send:
            _touch(run, local_path(target.path, item.path))


def _touch(run: SyncRun, path: str) -> None:
    with contextlib.suppress(OSError):
        status = os.stat(path)
        if status.st_mtime < run.began:
            os.utime(path, (status.st_atime, run.began))
