"""One sync, from a source to a destination: both are listed and compared, and what differs is sent.

The destination is held in memory, some 250 bytes a file; the source passes by. A file is sent by the data
plane (`upload_client.transfer`), which checks every byte and names in each request what it expects to be
there. Nothing is removed, at either side, before all that was to be sent is confirmed. A sync that was killed
is run again: it finds what is there.
"""

# ruff: noqa: PTH100, PTH103, PTH105, PTH108, PTH112, PTH113, PTH114, PTH116, PTH118
# ruff: noqa: PTH120 - once a file, where Path costs ten times as much

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import stat
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from upload_client.core import checksums
from upload_client.core.data_sync import (
    Decision,
    Facts,
    Filters,
    Tree,
    decide,
    is_marker,
    local_problems,
    md5_of,
    relative_to,
)
from upload_client.core.paths import MAX_KEY, check_relpath, collisions
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.functions.data_sync.access import Access
from upload_client.functions.data_sync.comparing import Comparing, Item, abreast, begun_early
from upload_client.functions.data_sync.local import (
    Confirmed,
    SyncFailed,
    bring_names_to_disk,
    check_room,
    copy_file,
    device_of,
    folds_case,
    hold_lock,
    local_path,
    remove_empty,
    top_of_file_system,
)
from upload_client.functions.data_sync.models import DataSyncRequest, S3Access
from upload_client.functions.data_sync.paths import (
    LocalPlace,
    Place,
    S3Place,
    head_s3,
    list_s3,
    place_of,
    walk_local,
)
from upload_client.s3.bucket import (
    AccessDenied,
    Bucket,
    NotFound,
    ObjectInfo,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
    store_errors,
)
from upload_client.s3.unfinished import unfinished_uploads
from upload_client.support import failpoints
from upload_client.support.file_names import on_disk
from upload_client.transfer import DataRoot, TransferTask, send_files
from upload_client.transfer.download import FetchTask, fetch_files
from upload_client.transfer.engine import DEFAULT_THRESHOLD
from upload_client.transfer.looking import look_at, remove_each

__all__ = [
    "Counts",
    "Listed",
    "SelectedFiles",
    "SyncFailed",
    "are_one_place",
    "delete_objects",
    "delete_on",
    "filters_of",
    "listed",
    "run_sync",
    "several",
]

_log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_FEW: Final = 5
_SKEW: Final = 15 * 60  # seconds; a clock that is further off has every request refused
_COMPARED: Final = 4096
_TRIES: Final = 3
_WAVE_FILES: Final = 2000
_WAVE_BYTES: Final = 256 * 1024 * 1024
_ASKED: Final = 16
_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws")
_BLOCK: Final = 1024 * 1024
_NO_FACTS: Final = Facts(0, 0.0)  # of what nobody asks after, in place of some bytes a file
_FACTS: Final = struct.Struct("<qd")


@dataclass
class Counts:
    """The deeds of a sync, counted.

    Attributes:
        bytes_transferred: bytes of the files that were sent.
        files_transferred: files that were sent.
        kept: files that were at the destination already.
        removed: files removed at the destination.
        moved: files removed at the source, after they were confirmed at the destination.
    """

    bytes_transferred: int = 0
    files_transferred: int = 0
    kept: int = 0
    removed: int = 0
    moved: int = 0


@dataclass
class _Plan:
    """The plan of a sync."""

    send: list[Item] = field(default_factory=list)
    keep: list[tuple[str, Facts]] = field(default_factory=list)  # only where somebody wants to know them
    n_kept: int = 0
    n_seen: int = 0
    paths: list[str] = field(default_factory=list)  # only for a local destination


def filters_of(request: DataSyncRequest) -> Filters:
    """The filters of a request.

    Raises:
        ValueError: an expression is none.
    """
    config = request.filter_config
    return Filters() if config is None else Filters(several(config.include), several(config.exclude))


def several(patterns: str | list[str] | None) -> list[str]:
    """The expressions of a filter, of which there may be one or none."""
    return [] if not patterns else [patterns] if isinstance(patterns, str) else patterns


def _same_store(source: S3Place, target: S3Place) -> bool:
    """Whether two buckets may be reached through one endpoint."""
    return _store_of(source) == _store_of(target)


def _store_of(place: S3Place) -> str:
    """The store in which a bucket is: a partition of AWS, whose regions copy from each other, or an endpoint.

    Partitions have accounts and bucket names of their own, and no request reaches from one into another.
    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    """
    meta = place.client().meta
    host = urlsplit(meta.endpoint_url).hostname or ""
    return meta.partition if host.endswith(_AWS) else meta.endpoint_url


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


def _access_of(given: S3Access | None) -> Access:
    return Access() if given is None else Access(**dict(given))


def run_sync(request: DataSyncRequest, warn: Callable[[str], object] = _log.warning) -> Counts:
    """Carry out a sync.

    Args:
        request: what; see there.
        warn: hears warnings, one line each.

    Raises:
        FileNotFoundError: the source is not there, and `fail_if_missing`; so it is, too, of a move that was
            made before: what lies at its destination does not prove that.
        ValueError: filters keep nothing of it, or the request makes no sense (`UsageError`).
        SyncFailed: files could not be sent. Nothing was removed.
        StoreError: S3 refuses.
        OSError: the disk is full, or cannot be read or written.
    """
    return _Sync(request, warn).run()


class Listed(NamedTuple):
    """The source of a request, listed.

    Attributes:
        tree: its files, as far as filters keep them; of a single file, one with an empty path.
        source: its path; ends in ``/`` where it is a folder.
        target: where it goes; ends in ``/`` where it is a folder.
        is_file: it is one file.
        n_seen: files, filtered or not.
    """

    tree: Tree
    source: str
    target: str
    is_file: bool
    n_seen: int


def listed(request: DataSyncRequest) -> Listed:
    """List the source of a request. One that is not there has no files, and is taken for a folder."""
    sync = _Sync(request.model_copy(update={"fail_if_missing": False}), _nobody)
    found = sync.find_source()
    if found is None:
        source, target = _as_folder(request.source_path), _as_folder(request.destination_path)
        return Listed(Tree([]), source, target, is_file=False, n_seen=0)
    place, goal, is_file = found
    plan = _Plan()
    tree = Tree(
        (path, facts.size, facts.modified) for path, facts in sync.files(place, plan, is_file=is_file)
    )
    source, target = place.uri, goal.uri
    if not is_file:
        source, target = _as_folder(source), _as_folder(target)
    return Listed(tree, source, target, is_file, plan.n_seen)


def _as_folder(path: str) -> str:
    return path if path.endswith("/") else path + "/"


def _nobody(_: str) -> None:
    """Hear nothing: the syncs themselves will warn."""


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


class _Sync:
    """One sync; see the module."""

    def __init__(self, request: DataSyncRequest, warn: Callable[[str], object]) -> None:
        self.request = request
        self._warn = warn
        self.filters = filters_of(request)
        self.counts = Counts()
        self.began = time.time()
        self.source = place_of(request.source_path, access=_access_of(request.source_access))
        self.target = place_of(request.destination_path, access=_access_of(request.destination_access))

    def run(self) -> Counts:
        request = self.request
        found = self.find_source()
        if found is None:
            return self.counts
        source, target, is_file = found
        _refuse_nesting(source, target, self._warn, delete=request.delete)
        if isinstance(target, LocalPlace) and request.require_lock:
            with hold_lock(target, self._warn):
                self._sync(source, target, is_file=is_file)
        else:
            self._sync(source, target, is_file=is_file)
        return self.counts

    # What there is

    def _missing(self, text: str, kind: type[Exception]) -> None:
        if self.request.fail_if_missing:
            raise kind(text)
        self._warn(for_terminal(text))

    def find_source(self) -> tuple[Place, Place, bool] | None:
        """Source and destination, and whether the source is one file; None: it is missing."""
        source = self.source
        is_file = False
        if isinstance(source, LocalPlace):
            if os.path.isdir(source.path):
                pass
            elif os.path.isfile(source.path) and not source.is_folder:
                is_file = True
            else:
                self._source_missing(f"{source.uri} does not exist")
                return None
        else:
            bucket = source.open()
            is_file = head_s3(source, bucket) is not None
            if not is_file:
                source = source.folder()
                if repeat_while_lost(source.open().is_empty):
                    self._source_missing(f"{source.uri} does not exist, neither as an object nor as a folder")
                    return None
        return source, self._goal(source, is_file=is_file), is_file

    def _source_missing(self, text: str) -> None:
        if self._moves:
            text += "; where a move may have been made before, say so with fail_if_missing=false"
        self._missing(text, FileNotFoundError)

    @property
    def _moves(self) -> bool:
        """Whether the source is deleted once its copy is confirmed; objects that are fetched never are."""
        fetches = isinstance(self.source, S3Place) and isinstance(self.target, LocalPlace)
        return not self.request.retain_source_data and not fetches

    def _goal(self, source: Place, *, is_file: bool) -> Place:
        """The very place where the source goes."""
        target = self.target
        below = self._below(source, is_file=is_file)
        if isinstance(target, S3Place):
            if is_file and target.is_folder:
                below = below or _name(source)
            if not is_file:
                target = target.folder()
            target = target._replace(key=target.key + below)
        else:
            if is_file and target.is_folder:
                below = below or _name(source)
            if below:
                if problem := check_relpath(below.rstrip("/")):
                    raise UsageError(f"{below!r} {problem}")
                path = os.path.join(target.path, *below.rstrip("/").split("/"))
                target = LocalPlace(path, f"{target.given.rstrip('/')}/{below}")
        return target

    def _below(self, source: Place, *, is_file: bool) -> str:
        """Where below the destination the source goes: behind the prefix that is cut off its name."""
        prefix = self.request.source_path_prefix
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

    def _bucket_of(self, place: Place) -> Bucket | None:
        return place.open() if isinstance(place, S3Place) else None

    def _sees(self, source: Place) -> Callable[[str], str]:
        """How filters see a path below the source."""
        root = self.request.filter_root or self.source.uri
        if isinstance(source, LocalPlace) and not source.given.startswith("efs://"):
            here = source.path
            if not root.startswith(("s3://", "efs://")):
                root = os.path.abspath(on_disk(root))
        else:
            here = source.uri
        here = here.rstrip("/")
        above = relative_to(f"{here}/x", root)[:-1]
        name = relative_to(here, root)
        return lambda path: above + path if path else name

    def files(self, source: Place, plan: _Plan, *, is_file: bool) -> Iterator[tuple[str, Facts]]:
        """The files of the source that filters keep; a single one has an empty path.

        They are listed from now on, whenever they are asked for.
        """
        odd: list[str] = []
        found: Iterable[tuple[str, Facts]]
        if isinstance(source, S3Place):
            bucket = source.open()
            if is_file:
                facts = head_s3(source, bucket)
                found = [] if facts is None else [("", facts)]
            else:
                found = begun_early(list_s3(bucket))
        elif is_file:
            status = os.stat(source.path)
            found = [("", Facts(status.st_size, status.st_mtime))]
        else:
            found = begun_early(walk_local(source.path, odd))
        return self._kept(source, found, odd, plan, is_file=is_file)

    def _kept(
        self,
        source: Place,
        found: Iterable[tuple[str, Facts]],
        odd: list[str],
        plan: _Plan,
        *,
        is_file: bool,
    ) -> Iterator[tuple[str, Facts]]:
        sees, filters = self._sees(source), self.filters
        to_disk = isinstance(self.target, LocalPlace)
        for path, facts in found:
            if (not is_file and isinstance(source, S3Place) and path.endswith("/")) or (
                not path and not is_file
            ):
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
            named = ", ".join(for_terminal(each) for each in odd[:_FEW])
            self._warn(
                f"passed over, as no files and no folders: {len(odd):,} ({named}{', …' * (len(odd) > _FEW)})"
            )

    def _there(self, target: Place, *, is_file: bool) -> dict[str, bytes]:
        """Everything at the destination: path and packed facts."""
        packed: dict[str, bytes] = {}
        found: Iterable[tuple[str, Facts]]
        if isinstance(target, S3Place):
            bucket = target.open()
            if is_file:
                facts = head_s3(target, bucket)
                found = [] if facts is None else [("", facts)]
            else:
                found = list_s3(bucket)
        elif is_file:
            try:
                status = os.stat(target.path)
            except OSError:
                return packed
            if os.path.isdir(target.path):
                raise IsADirectoryError(
                    errno.EISDIR, "a folder is there; with '/' at its end the file goes into it", target.path
                )
            found = [("", Facts(status.st_size, status.st_mtime))]
        else:
            found = walk_local(target.path)
        for path, facts in found:
            packed[path] = _FACTS.pack(facts.size, facts.modified) + facts.etag.encode()
        return packed

    # What is to be done

    def _sync(self, source: Place, target: Place, *, is_file: bool) -> None:
        request = self.request
        moves = self._moves
        if not request.retain_source_data and not moves:
            self._warn(f"{source.uri} stays: objects are not deleted when they are fetched into files")
        plan = _Plan()
        files = self.files(source, plan, is_file=is_file)  # both sides are listed at once
        there = self._there(target, is_file=is_file)
        # A source is deleted only where its content is known to be at the destination.
        size_only = request.size_only and not moves
        decided = self._decided(source, target, there, files, size_only=size_only)
        wanted = isinstance(target, LocalPlace) or moves
        apart = not (moves or request.delete) or not _may_be_one(source, target)
        for item, send in decided:
            # Of one place, both listings would say the same of each file.
            apart = apart or item.there is None or item.there != item.source
            if isinstance(target, LocalPlace):
                plan.paths.append(item.path)
            if send:
                plan.send.append(item)
            else:
                plan.n_kept += 1
                if wanted:
                    plan.keep.append((item.path, item.source if moves else _NO_FACTS))
        if not plan.send and not plan.n_kept and plan.n_seen:
            self._missing(
                f"the filters keep none of the {plan.n_seen:,} files of {source.uri}: they are regular"
                f" expressions, matched with all of a path relative to {request.filter_root or source.uri}",
                ValueError,
            )
            return
        if not apart:
            self._refuse_one_place(source, target)
        self._refuse_names(source, target, plan, is_file=is_file)
        extra = self._extra(there) if request.delete and not is_file else []
        young = {path for path in extra if _FACTS.unpack_from(there[path])[1] >= self.began - _SKEW}
        self.counts.kept = plan.n_kept
        if isinstance(target, LocalPlace) and extra:
            in_the_way = _in_the_way(plan.send, extra)
            self._remove_extra(source, target, sorted(in_the_way))
            extra = [path for path in extra if path not in in_the_way]
        if moves and extra:
            # A move that was ended half way has deleted sources: what it brought looks like what is too much.
            self._warn(
                f"{len(extra):,} files that the source has not stay at {target.uri}:"
                " a move removes none there"
            )
            extra = []
        if isinstance(target, S3Place):
            confirmed = self._to_s3(source, target, plan)
        elif isinstance(source, S3Place):
            confirmed = self._fetch(source, target, plan)
        else:
            confirmed = self._copy_files(source, target, plan, moves=moves)
        failpoints.reach("between:sync:sent")
        if isinstance(target, LocalPlace):
            self._freshen(target, plan)
        self._remove_extra(source, target, self._still_extra(source, target, extra, young))
        if moves:
            self._remove_source(source, target, plan, confirmed)

    def _refuse_one_place(self, source: Place, target: Place) -> None:
        """Refuse to delete where two names may be those of one bucket (an access point's alias)."""
        assert isinstance(source, S3Place)
        assert isinstance(target, S3Place)
        if are_one_place(source.open(), target.open(), self._warn):
            raise UsageError(
                f"{source.uri} and {target.uri} may be one place under two names, and what is deleted at one"
                " would be gone at the other; nothing was done",
                hint="Name two places that are apart, each bucket by its own name.",
            )

    def _still_extra(self, source: Place, target: Place, extra: list[str], young: set[str]) -> list[str]:
        """All that the source does not have, either, now: another sync may have brought it since the listing.

        Args:
            source: where it is looked for.
            target: where it is.
            extra: what the listing of the source did not have.
            young: those that may have been written since this sync has begun.
        """
        if isinstance(target, LocalPlace):
            young = {path for path in extra if _changed_since(local_path(target.path, path), self.began)}
        if not young:
            return extra
        sees = self._sees(source)
        come = {path for path in _facts_of(source, sorted(young)) if self.filters.keep(sees(path))}
        if come:
            self._warn(
                f"{len(come):,} files have come to {source.uri} and {target.uri} meanwhile, and stay there"
            )
        return [path for path in extra if path not in come]

    def _extra(self, there: dict[str, bytes]) -> list[str]:
        """Everything that only the destination has; what stands for an empty folder stays."""
        return [path for path, packed in there.items() if not is_marker(path, _FACTS.unpack_from(packed)[0])]

    def _decided(
        self,
        source: Place,
        target: Place,
        there: dict[str, bytes],
        files: Iterable[tuple[str, Facts]],
        *,
        size_only: bool,
    ) -> Iterator[tuple[Item, bool]]:
        """Each file of the source, and whether it is to be sent. Takes what it has from `there`."""
        force = self.request.force
        with Comparing(source, target, (self._bucket_of(source), self._bucket_of(target))) as comparing:
            batch: list[Item] = []
            for path, facts in files:
                packed = there.pop(path, None)
                known = None
                if packed is not None:
                    known = _unpacked(packed)
                item = Item(path, facts, known)
                decision = decide(facts, known, force=force, size_only=size_only)
                if decision is Decision.COMPARE:
                    batch.append(item)
                    if len(batch) >= _COMPARED:
                        yield from comparing.differ(batch)
                        batch = []
                else:
                    yield item, decision is Decision.SEND
            yield from comparing.differ(batch)

    def _refuse_names(self, source: Place, target: Place, plan: _Plan, *, is_file: bool) -> None:
        """Refuse, before anything is sent, names that the destination cannot have."""
        if is_file:
            return
        problems: list[tuple[str, str]] = []
        if isinstance(target, LocalPlace):
            plan.paths.sort()
            folds = bool(collisions(plan.paths)) and folds_case(target.path)
            # A name that a file has already is one that a file can have.
            as_they_are = isinstance(source, LocalPlace)
            problems = list(local_problems(plan.paths, folds_case=folds, as_they_are=as_they_are))
            problems += _through_links(target.path, plan.paths)
        elif isinstance(source, LocalPlace):
            problems = [
                (item.path, problem)
                for item in plan.send
                if (problem := check_relpath(item.path, target.key)) is not None
            ]
        else:
            problems = [
                (item.path, f"makes a key of more than {MAX_KEY} bytes")
                for item in plan.send
                if len((target.key + item.path).encode()) > MAX_KEY
            ]
        plan.paths.clear()
        if problems:
            raise UsageError(
                f"{len(problems):,} names of {source.uri} cannot be names at {target.uri}; nothing was sent: "
                + "; ".join(f"{for_terminal(path)} {why}" for path, why in problems[:_FEW])
                + "; …" * (len(problems) > _FEW),
                hint="Rename them at the source, or exclude them with a filter.",
            )

    # Sending

    def _failed(self, failures: list[tuple[str, str]], n: int) -> SyncFailed:
        named = "; ".join(f"{for_terminal(path or 'it')}: {why}" for path, why in failures[:_FEW])
        failed = SyncFailed(
            f"{len(failures):,} of {n:,} files were not sent from {self.source.uri} to {self.target.uri}:"
            f" {named}{'; …' * (len(failures) > _FEW)}"
        )
        failed.paths = tuple(path for path, _ in failures)
        return failed

    def _no_room(self, path: str, why: str | None, n: int) -> SyncFailed:
        """Say that there is no room for a file; the others would find none, either, and are not tried."""
        return SyncFailed(
            f"no room is left for {for_terminal(path or 'it')} at {self.target.uri}: {why};"
            f" {self.counts.files_transferred:,} of {n:,} files were brought there, and no more were tried",
            hint="Make room there, and run it again: it goes on with what is not there.",
        )

    def _sent(self, n_bytes: int) -> None:
        self.counts.files_transferred += 1
        self.counts.bytes_transferred += n_bytes

    def _to_s3(self, source: Place, target: S3Place, plan: _Plan) -> dict[str, Confirmed]:
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
            self._sent(0)
        left = [item for item in plan.send if item.path not in confirmed]
        if not isinstance(source, S3Place):
            is_dir = os.path.isdir(source.path)
            root = DataRoot(Path(source.path if is_dir else os.path.dirname(source.path)), follow=True)
            failures = self._send(
                [_Sending(item, local_path(source.path, item.path)) for item in left],
                *(root, destination, _name(source), confirmed),
            )
        elif left and not self._is_copied_there(source, target, left[0]):
            failures = self._send_through(source, destination, left, confirmed)
            failures += self._unlike(source.open(), left, confirmed)
        else:
            root = DataRoot(source.open())
            failures = self._send(
                [_Sending(item, item.path) for item in left], root, destination, _name(source), confirmed
            )
            failures += self._unlike(root.bucket, plan.send, confirmed)
        if failures:
            raise self._failed(failures, len(plan.send))
        return confirmed

    def _send(
        self,
        left: list[_Sending],
        root: DataRoot,
        destination: Bucket,
        name: str,
        confirmed: dict[str, Confirmed],
    ) -> list[tuple[str, str]]:
        """Upload files, or have S3 copy objects; those that could not be sent, and why.

        Args:
            left: what to send.
            root: where it is read, or copied from.
            destination: where it goes.
            name: of a single one, for messages.
            confirmed: receives what a move may delete.
        """
        failures: list[tuple[str, str]] = []
        keeps = not self.request.retain_source_data
        for attempt in range(_TRIES):
            unfinished = self._unfinished(destination, [each.item for each in left])
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
                n_threads=self.request.max_concurrency,
                md5_proves=not keeps,
                unsigned_payload=isinstance(self.target, S3Place)
                and bool(self.target.access.unsigned_payload),
            )
            for outcome in sent:
                item = left[outcome.row].item
                if outcome.ok:
                    self._sent(outcome.size)
                    if keeps or isinstance(self.source, S3Place):
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

    def _is_copied_there(self, source: S3Place, target: S3Place, item: Item) -> bool:
        """Whether the destination's store can copy: who writes there may read the source through it."""
        if source.access.who == target.access.who:
            return True
        if not _same_store(source, target):
            return False
        seen = Bucket(source.bucket, prefix=source.key, client=target.client())
        try:
            info = repeat_while_lost(lambda: seen.head(item.path, checksum=False))
        except StoreError:
            return False
        return info is not None and info.etag == item.source.etag

    def _send_through(
        self, source: S3Place, destination: Bucket, left: list[Item], confirmed: dict[str, Confirmed]
    ) -> list[tuple[str, str]]:
        """Fetch objects and send them on, some at a time: no credentials reach both sides.

        They pass through a temporary folder. What is sent has to have the CRC32 of what was fetched, which
        was held against what the source's store says.
        """
        self._warn(
            f"no credentials reach both {source.uri} and {self.target.uri}: objects go through this machine,"
            " without their metadata and tags"
        )
        failures: list[tuple[str, str]] = []
        n_threads = self.request.max_concurrency
        with tempfile.TemporaryDirectory(prefix="upload-client-sync-") as folder:
            for wave in _waves(left):
                check_room(folder, sum(item.source.size for item in wave))
                tasks = (
                    FetchTask(
                        row, item.path, item.source.size, item.source.etag, os.path.join(folder, str(row))
                    )
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
                        raise self._no_room(item.path, f"{outcome.error}, in {folder}", len(left))
                    else:
                        failures.append((item.path, outcome.error or "it was not fetched"))
                root = DataRoot(Path(folder))
                failures += self._send(fetched, root, destination, _name(source), confirmed)
                for each in fetched:
                    os.unlink(each.path)
        return failures

    def _unfinished(self, destination: Bucket, items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
        """Uploads that a killed sync has left, to go on with."""
        found: dict[str, tuple[str, ...]] = {}
        if any(item.source.size >= DEFAULT_THRESHOLD for item in items):
            with contextlib.suppress(StoreError):  # not every role may ask; then all parts are sent anew
                for one in unfinished_uploads(destination):
                    found[one.key] = (*found.get(one.key, ()), one.upload_id)
        return found

    def _unlike(
        self, source: Bucket | None, items: Sequence[Item], confirmed: dict[str, Confirmed]
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
        for path, info in look_at(asked, source):
            item, copy = asked[path], confirmed[path]
            if info is None or info.etag != item.source.etag:
                unlike.append((item.path, "it was replaced while it was copied"))
            elif info.crc32 is not None and copy.crc32 and info.crc32 != copy.crc32:
                unlike.append((item.path, f"its copy has CRC32 {copy.crc32}, and not {info.crc32}"))
            elif info.crc32 is None and not self.request.retain_source_data:
                read = _crc32_of_object(source, item)
                if read != copy.crc32:
                    unlike.append((item.path, f"its copy has CRC32 {copy.crc32}, and not {read}"))
        for path, _ in unlike:
            del confirmed[path]
        return unlike

    def _fetch(self, source: S3Place, target: LocalPlace, plan: _Plan) -> dict[str, Confirmed]:
        """Fetch objects into files."""
        if not plan.send:
            return {}
        check_room(target.path, sum(item.source.size for item in plan.send))
        config = self.request.remote_to_local_config
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
        fetching = fetch_files(
            tasks, source.open(), n_threads=self.request.max_concurrency, not_before=self.began
        )
        for outcome in fetching:
            if outcome.ok:
                self._sent(outcome.size)
            elif outcome.disk_full:
                fetching.close()
                raise self._no_room(plan.send[outcome.row].path, outcome.error, len(plan.send))
            else:
                failures.append((plan.send[outcome.row].path, outcome.error or "it was not fetched"))
        if failures:
            raise self._failed(failures, len(plan.send))
        return {}

    def _copy_files(
        self, source: LocalPlace, target: LocalPlace, plan: _Plan, *, moves: bool
    ) -> dict[str, Confirmed]:
        """Copy files, or move them where both sides are on one file system."""
        if not plan.send:
            return {}
        one_system = moves and device_of(source.path) == device_of(target.path)
        if not one_system:
            check_room(target.path, sum(item.source.size for item in plan.send))
        began_ns = int(self.began * 1e9)
        full: list[tuple[str, str]] = []  # the files for which there was no room, and why

        def copy(item: Item) -> tuple[Item, Confirmed | str]:
            if full:
                return item, "not tried"
            here, there = local_path(source.path, item.path), local_path(target.path, item.path)
            try:
                os.makedirs(os.path.dirname(there), exist_ok=True)
                if one_system and not os.path.islink(here):
                    os.replace(here, there)
                    return item, Confirmed("", "", None)
                return item, copy_file(here, there, began_ns)
            except (OSError, UnicodeEncodeError) as error:
                why = f"{getattr(error, 'strerror', None) or error}"
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    full.append((item.path, why))
                return item, why

        confirmed: dict[str, Confirmed] = {}
        failures: list[tuple[str, str]] = []
        for item, came in abreast(copy, plan.send, 8):
            if isinstance(came, str):
                failures.append((item.path, came))
            else:
                self._sent(item.source.size)
                confirmed[item.path] = came
        if full:
            raise self._no_room(*full[0], len(plan.send))
        if failures:
            raise self._failed(failures, len(plan.send))
        return confirmed

    # Afterwards

    def _freshen(self, target: LocalPlace, plan: _Plan) -> None:
        """Let no file be of before the sync: whoever looks for what is stale takes it for used."""
        for path, _ in plan.keep:
            self._touch(local_path(target.path, path))
        if isinstance(self.source, LocalPlace):
            for item in plan.send:
                self._touch(local_path(target.path, item.path))

    def _touch(self, path: str) -> None:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if status.st_mtime < self.began:
                os.utime(path, (status.st_atime, self.began))

    def _remove_extra(self, source: Place, target: Place, extra: list[str]) -> None:
        if not extra:
            return
        if self.filters:
            sees = self._sees(source)
            n = sum(not self.filters.keep(sees(path)) for path in extra)
            if n:
                self._warn(
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
        self.counts.removed += len(extra)

    def _remove_source(
        self, source: Place, target: Place, plan: _Plan, confirmed: dict[str, Confirmed]
    ) -> None:
        """Delete what is confirmed at the destination: what was sent, and what was found equal there."""
        sure = [(item.path, item.source) for item in plan.send if item.path in confirmed] + plan.keep
        if isinstance(source, S3Place):
            bucket = source.open()

            named = ((path, facts.etag) for path, facts in sure)
            gone = [done for _, done in remove_each(named, bucket, partial(delete_on, bucket))]
            if not all(gone):
                self._warn(f"{gone.count(False):,} objects of {source.uri} were replaced meanwhile, and stay")
            self.counts.moved = gone.count(True)
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
                self.counts.moved += 1
                folders.add(os.path.dirname(whole))
                continue
            if isinstance(target, LocalPlace) and _leads_into(local_path(target.path, path), source.path):
                self._warn(
                    f"{for_terminal(whole)} stays: the destination has nothing but a link to the source"
                )
                continue
            same = status.st_size == facts.size and status.st_mtime == facts.modified
            if known is not None and known.mtime_ns is not None:
                same = same and status.st_mtime_ns == known.mtime_ns
            if not same:
                self._warn(f"{for_terminal(whole)} was changed meanwhile, and stays")
                continue
            os.unlink(whole)
            self.counts.moved += 1
            folders.add(os.path.dirname(whole))
        if os.path.isdir(source.path):
            self._tidy(folders, source)

    def _tidy(self, folders: set[str], source: LocalPlace) -> None:
        remove_empty(folders, os.path.dirname(source.path))


class SelectedFiles(_Sync):
    """A sync of files that are named, from one folder into another, as if each were a sync of its own.

    Args:
        request: its paths are folders.
        paths: of the files, relative to both.
        warn: hears warnings, one line each.

    Attributes:
        counts: what was done, also where an error has ended it.
        others: paths that are no files at the source, that filters keep out, or that are folders at the
            destination: nothing is done with these.
    """

    def __init__(
        self, request: DataSyncRequest, paths: Sequence[str], warn: Callable[[str], object] = _log.warning
    ) -> None:
        super().__init__(request.model_copy(update={"delete": False}), warn)
        self._paths = paths
        self._found: dict[str, Facts] = {}
        self.others: list[str] = []

    def run(self) -> Counts:
        """Carry it out; raises as `run_sync`."""
        source, target = self.source, self.target
        _refuse_nesting(source, target, self._warn, delete=False)
        sees = self._sees(source)
        found = _facts_of(source, self._paths)
        for path in self._paths:
            facts = found.get(path)
            into = isinstance(target, LocalPlace) and os.path.isdir(local_path(target.path, path))
            if facts is None or into or not self.filters.keep(sees(path)):
                self.others.append(path)
            else:
                self._found[path] = facts
        if self._found:
            self._sync(source, target, is_file=False)
        return self.counts

    def files(self, source: Place, plan: _Plan, *, is_file: bool) -> Iterator[tuple[str, Facts]]:  # noqa: ARG002
        """The named files."""
        plan.n_seen = len(self._found)
        yield from self._found.items()

    def _there(self, target: Place, *, is_file: bool) -> dict[str, bytes]:  # noqa: ARG002
        found = _facts_of(target, self._found)
        if not self.request.force:
            _dated(self.source, self._found, found)
            _dated(target, found, found)
        return {
            path: _FACTS.pack(facts.size, facts.modified) + facts.etag.encode()
            for path, facts in found.items()
        }

    def _tidy(self, folders: set[str], source: LocalPlace) -> None:
        """Leave the folders: of none of them is known that it was to be moved."""


def _facts_of(place: Place, paths: Iterable[str]) -> dict[str, Facts]:
    """The files among these paths below a folder; of objects it is not said when they were modified."""
    if isinstance(place, S3Place):
        looked = look_at(paths, place.open())
        return {path: Facts(info.size, 0.0, info.etag) for path, info in looked if info is not None}
    found: dict[str, Facts] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.stat(local_path(place.path, path))
            if stat.S_ISREG(status.st_mode):
                found[path] = Facts(status.st_size, status.st_mtime)
    return found


def _dated(place: Place, facts: dict[str, Facts], paths: Iterable[str]) -> None:
    """Find out when objects were modified: of these paths."""
    if not isinstance(place, S3Place):
        return
    bucket = place.open()

    def look(path: str) -> tuple[str, ObjectInfo | None]:
        return path, repeat_while_lost(lambda: bucket.head(path, checksum=False))

    for path, info in abreast(look, list(paths)):
        if info is not None:
            facts[path] = Facts(info.size, info.last_modified, info.etag)


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


def _crc32_of_object(bucket: Bucket, item: Item) -> str:
    client: Any = bucket.client
    crc = 0
    with store_errors(f"GET {item.path}"):
        said = client.get_object(
            Bucket=bucket.name, Key=bucket.prefix + item.path, IfMatch=f'"{item.source.etag}"'
        )
        for block in said["Body"].iter_chunks(_BLOCK):
            crc = checksums.crc32(block, crc)
    return checksums.encode(crc)


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


def _through_links(root: str, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Folders that are symbolic links at a destination: what is written below one lies elsewhere."""
    looked: set[str] = set()
    for path in paths:
        for folder in _folders_of(path):
            if folder in looked:
                break
            looked.add(folder)
            if os.path.islink(local_path(root, folder)):
                yield f"{folder}/", "is a symbolic link at the destination, and leads out of it"


def _leads_into(path: str, root: str) -> bool:
    """Whether a path is a symbolic link to a file, or to what is below a folder."""
    return os.path.islink(path) and f"{os.path.realpath(path)}{os.sep}".startswith(
        f"{os.path.realpath(root)}{os.sep}"
    )


def _in_the_way(items: Sequence[Item], extra: Sequence[str]) -> set[str]:
    """Files that are to be removed where a folder is to be, or from a folder where a file is to be."""
    files = {item.path for item in items}
    folders = {folder for path in files for folder in _folders_of(path)}
    return {path for path in extra if path in folders or any(folder in files for folder in _folders_of(path))}


def _folders_of(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _unpacked(packed: bytes) -> Facts:
    size, modified = _FACTS.unpack_from(packed)
    return Facts(size, modified, packed[_FACTS.size :].decode())


def _changed_since(path: str, moment: float) -> bool:
    """Whether a file was written or renamed since then."""
    try:
        return os.lstat(path).st_ctime >= moment - 1  # the clocks of file systems tick in steps
    except OSError:
        return False


def are_one_place(here: Bucket, there: Bucket, warn: Callable[[str], object]) -> bool:
    """Whether two names may be those of one place: what is put there is seen here, or nobody may look.

    Args:
        here: where it is looked for.
        there: where it is put, and deleted again.
        warn: hears of one that stays.

    Raises:
        StoreError: a bucket refuses.
    """
    name = f".upload-client-{secrets.token_hex(8)}.probe"
    repeat_while_lost(partial(there.put, name, b""))
    try:
        return repeat_while_lost(lambda: here.head(name, checksum=False)) is not None
    except AccessDenied:
        return True  # for all that is known
    finally:
        try:
            repeat_while_lost(partial(there.rm, name))
        except StoreError as error:
            warn(f"{for_terminal(f'{there}{name}')} was written to look, and stays: {error}")


def _name(place: Place) -> str:
    whole = place.key if isinstance(place, S3Place) else place.path
    return whole.rstrip("/").rpartition("/")[2]


def _may_be_one(source: Place, target: Place) -> bool:
    """Whether two places could be the same if their buckets were: two names may lead to one."""
    return (
        isinstance(source, S3Place)
        and isinstance(target, S3Place)
        and source.bucket != target.bucket
        and source.key == target.key
    )


def _is_alias(bucket: str) -> bool:
    """Whether a name is not that of a bucket, but of an access point to one, which the name does not tell.

    See https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """
    return bucket.startswith("arn:") or bucket.endswith(("-s3alias", "--ol-s3", ".mrap"))


def _refuse_nesting(source: Place, target: Place, warn: Callable[[str], object], *, delete: bool) -> None:
    """Refuse to sync a folder into itself, or to where it lies if what is not in it is removed there."""
    if isinstance(source, S3Place) and isinstance(target, S3Place):
        if source.bucket != target.bucket and (
            source.key == target.key or not (_is_alias(source.bucket) or _is_alias(target.bucket))
        ):
            return  # of the same key in two, it is found out (`_refuse_one_place`)
        here, there = f"/{source.key}", f"/{target.key}"
    elif isinstance(source, LocalPlace) and isinstance(target, LocalPlace):
        here, there = (
            os.path.realpath(each.path) + os.sep * os.path.isdir(each.path) for each in (source, target)
        )
    else:
        return
    into_itself = here.endswith("/") and there.startswith(here)
    where_it_lies = there.endswith("/") and here.endswith("/") and here.startswith(there)
    if here == there or into_itself or (delete and where_it_lies):
        if isinstance(source, S3Place) and isinstance(target, S3Place) and not _same_store(source, target):
            # Buckets of one name in two stores, unless these are one under two addresses.
            seen = Bucket(source.bucket, prefix=target.key, client=source.client())
            if not are_one_place(seen, target.open(), warn):
                return
        raise UsageError(
            f"{source.uri} and {target.uri} lie in each other", hint="Name two places that are apart."
        )
