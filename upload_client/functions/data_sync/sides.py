"""Both sides of a sync: where they are, and what is there."""

# ruff: noqa: PTH110, PTH112, PTH113, PTH114, PTH116, PTH118

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from upload_client.core.data_sync import Facts, is_marker
from upload_client.core.paths import check_relpath
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.functions.data_sync.comparing import begun_early
from upload_client.functions.data_sync.local import local_path
from upload_client.functions.data_sync.paths import LocalPlace, Place, S3Place, head_s3, list_s3, walk_local
from upload_client.functions.data_sync.run import FEW, Plan, SyncRun, name_of
from upload_client.s3.bucket import Bucket, repeat_while_lost
from upload_client.transfer.bulk_requests import head_each

FACTS: Final = struct.Struct("<qd")


def find_source(run: SyncRun) -> tuple[Place, Place, bool] | None:
    """Source and destination, and whether the source is one file; None: it is missing."""
    source = run.source
    is_file = False
    if isinstance(source, LocalPlace):
        if os.path.isdir(source.path):
            pass
        elif os.path.isfile(source.path) and not source.is_folder:
            is_file = True
        elif os.path.islink(source.path) and not os.path.exists(source.path):
            # It is there, and so was not moved; what it led to may have been.
            error = FileNotFoundError(f"{source.uri} is a link that leads to nothing")
            error.add_note("Remove the link, or bring back what it led to; then run it again.")
            raise error
        else:
            _source_missing(run, f"{source.uri} does not exist")
            return None
    else:
        is_file = head_s3(source) is not None
        if not is_file:
            source = source.folder()
            if repeat_while_lost(source.open().is_empty):
                _source_missing(run, f"{source.uri} does not exist, neither as an object nor as a folder")
                return None
    return source, _goal(run, source, is_file=is_file), is_file


def _source_missing(run: SyncRun, text: str) -> None:
    hint = "Correct source_path, or say with fail_if_missing=false that nothing may be there."
    if run.moves:
        text += "; where a move may have been made before, say so with fail_if_missing=false"
        hint = "Correct source_path, unless it was moved before."
    run.missing(text, FileNotFoundError, hint)


def _goal(run: SyncRun, source: Place, *, is_file: bool) -> Place:
    """The very place where the source goes."""
    target = run.target
    below = _below(run, source, is_file=is_file)
    if isinstance(target, S3Place):
        if is_file and target.is_folder:
            below = below or name_of(source)
        if not is_file:
            target = target.folder()
        target = target._replace(key=target.key + below)
    else:
        if is_file and target.is_folder:
            below = below or name_of(source)
        if below:
            if problem := check_relpath(below.rstrip("/")):
                raise UsageError(f"{below!r} {problem}")
            path = os.path.join(target.path, *below.rstrip("/").split("/"))
            target = LocalPlace(path, f"{target.given.rstrip('/')}/{below}")
    return target


def _below(run: SyncRun, source: Place, *, is_file: bool) -> str:
    """Where below the destination the source goes: behind the prefix that is cut off its name."""
    prefix = run.request.source_path_prefix
    if not prefix:
        return ""
    name = source.key if isinstance(source, S3Place) else source.path
    if not name.startswith(prefix):
        raise UsageError(
            f"the source {source.uri} does not begin with the prefix {prefix!r}",
            hint="Give as source_path_prefix the beginning of the source's key, without the bucket.",
        )
    below = name[len(prefix) :].lstrip("/")
    return below if is_file or not below else below.rstrip("/") + "/"


def bucket_of(place: Place) -> Bucket | None:
    """The bucket of a place; None: it is local."""
    return place.open() if isinstance(place, S3Place) else None


def files_of(run: SyncRun, source: Place, plan: Plan, *, is_file: bool) -> Iterator[tuple[str, Facts]]:
    """The files of the source that filters keep; a single one has an empty path.

    They are listed from now on, whenever they are asked for.
    """
    odd: list[str] = []
    found: Iterable[tuple[str, Facts]]
    if isinstance(source, S3Place):
        if is_file:
            facts = head_s3(source)
            found = [] if facts is None else [("", facts)]
        else:
            found = begun_early(list_s3(source.open()))
    elif is_file:
        status = os.stat(source.path)
        found = [("", Facts(status.st_size, status.st_mtime))]
    else:
        found = begun_early(walk_local(source.path, odd))
    return _kept(run, source, found, odd, plan, is_file=is_file)


def _kept(
    run: SyncRun,
    source: Place,
    found: Iterable[tuple[str, Facts]],
    odd: list[str],
    plan: Plan,
    *,
    is_file: bool,
) -> Iterator[tuple[str, Facts]]:
    sees, filters = run.sees(source), run.filters
    to_disk = isinstance(run.target, LocalPlace)
    for path, facts in found:
        if (not is_file and isinstance(source, S3Place) and path.endswith("/")) or (not path and not is_file):
            if is_marker(path, facts.size):
                if to_disk or not path:
                    continue
            elif to_disk:
                raise UsageError(
                    f"{source.uri}{path} is an object with content whose name is that of a folder:"
                    " it cannot become a file",
                    hint="Rename it, or exclude it with a filter.",
                )
        plan.n_seen += 1
        if not filters or filters.keep(sees(path)):
            yield path, facts
    if odd:
        named = ", ".join(for_terminal(each) for each in odd[:FEW])
        run.warn(f"passed over, as no files and no folders: {len(odd):,} ({named}{', …' * (len(odd) > FEW)})")


def there_at(run: SyncRun, target: Place, *, is_file: bool) -> dict[str, bytes]:
    """Everything at the destination: path and packed facts. The run gets to know what is left there."""
    found: Iterable[tuple[str, Facts]]
    if isinstance(target, S3Place):
        if is_file:
            facts = head_s3(target)
            found = [] if facts is None else [("", facts)]
        else:
            found = list_s3(target.open())
    elif is_file:
        try:
            status = os.stat(target.path)
        except OSError:
            return {}
        if os.path.isdir(target.path):
            raise IsADirectoryError(
                errno.EISDIR, "a folder is there; with '/' at its end the file goes into it", target.path
            )
        found = [("", Facts(status.st_size, status.st_mtime))]
    else:
        found = walk_local(target.path, left=run.left)
    return packed(found)


def unpacked(few: bytes) -> Facts:
    """The facts that `packed` has put into few bytes."""
    size, modified = FACTS.unpack_from(few)
    return Facts(size, modified, few[FACTS.size :].decode())


def packed(found: Iterable[tuple[str, Facts]]) -> dict[str, bytes]:
    """Facts by path, in few bytes."""
    return {path: FACTS.pack(each.size, each.modified) + each.etag.encode() for path, each in found}


def facts_of(place: Place, paths: Iterable[str]) -> dict[str, Facts]:
    """The files among these paths below a folder."""
    found: dict[str, Facts] = {}
    if isinstance(place, S3Place):
        bucket = place.open()
        for path, info in head_each(paths, bucket):
            if info is not None and not info.last_modified:  # said in a form that botocore may know
                facts = head_s3(place._replace(key=place.key + path))
            else:
                facts = None if info is None else Facts(info.size, info.last_modified, info.etag)
            if facts is not None:
                found[path] = facts
        return found
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.stat(local_path(place.path, path))
            if stat.S_ISREG(status.st_mode):
                found[path] = Facts(status.st_size, status.st_mtime)
    return found
