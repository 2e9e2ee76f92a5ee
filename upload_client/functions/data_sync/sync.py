"""One sync, from a source to a destination: both are listed and compared, and what differs is sent.

The destination is held in memory, some 250 bytes a file; the source passes by. A file is sent by the data
plane (`upload_client.transfer`), which checks every byte and names in each request what it expects to be
there. Nothing is removed, at either side, before all that was to be sent is confirmed. A sync that was killed
is run again: it finds what is there.
"""

# ruff: noqa: PTH112

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from upload_client.core.data_sync import Facts, Tree
from upload_client.functions.data_sync.local import SyncFailed, hold_lock, local_path
from upload_client.functions.data_sync.models import DataSyncRequest
from upload_client.functions.data_sync.overlap import may_be_one, refuse_nesting, refuse_one_place
from upload_client.functions.data_sync.paths import LocalPlace, Place, S3Place
from upload_client.functions.data_sync.plan import (
    SKEW,
    decided,
    extra_of,
    in_the_way,
    refuse_names,
    still_extra,
)
from upload_client.functions.data_sync.removal import remove_extra, remove_left, remove_source
from upload_client.functions.data_sync.run import Counts, Plan, SyncRun
from upload_client.functions.data_sync.sides import FACTS, facts_of, files_of, find_source, packed, there_at
from upload_client.functions.data_sync.to_local import copy_files, fetch, freshen
from upload_client.functions.data_sync.to_s3 import send_to_s3
from upload_client.support import failpoints

__all__ = ["Counts", "Listed", "SelectedFiles", "SyncFailed", "listed", "run_sync"]

_log = logging.getLogger(__name__)


_NO_FACTS: Final = Facts(0, 0.0)  # of what nobody asks after, in place of some bytes a file


def run_sync(request: DataSyncRequest, warn: Callable[[str], object] = _log.warning) -> Counts:
    """Carry out a sync.

    Args:
        request: what; see there.
        warn: called with each warning, one line.

    Raises:
        FileNotFoundError: the source is not there, and `fail_if_missing`; so it is, too, of a move that was
            made before: what lies at its destination does not prove that.
        ValueError: filters keep nothing of it; or it is empty, and all would be removed at the destination
            (`allow_empty_source`); or the request makes no sense (`UsageError`).
        SyncFailed: files could not be sent. Nothing was removed.
        StoreError: S3 refuses.
        OSError: the disk is full, or cannot be read or written.
    """
    run = SyncRun(request, warn)
    found = find_source(run)
    if found is None:
        return run.counts
    source, target, is_file = found
    refuse_nesting(source, target, warn, delete=request.delete)
    with contextlib.ExitStack() as held:
        if isinstance(target, LocalPlace) and request.require_lock:
            held.enter_context(hold_lock(target, warn))
        plan = Plan()
        files = files_of(run, source, plan, is_file=is_file)
        _carry_out(
            run, source, target, plan, files, lambda: there_at(run, target, is_file=is_file), is_file=is_file
        )
    return run.counts


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
    run = SyncRun(request.model_copy(update={"fail_if_missing": False}), _nobody)
    found = find_source(run)
    if found is None:
        source, target = _as_folder(request.source_path), _as_folder(request.destination_path)
        return Listed(Tree([]), source, target, is_file=False, n_seen=0)
    place, goal, is_file = found
    plan = Plan()
    tree = Tree(
        (path, facts.size, facts.modified) for path, facts in files_of(run, place, plan, is_file=is_file)
    )
    source, target = place.uri, goal.uri
    if not is_file:
        source, target = _as_folder(source), _as_folder(target)
    return Listed(tree, source, target, is_file, plan.n_seen)


def _as_folder(path: str) -> str:
    return path if path.endswith("/") else path + "/"


def _nobody(_: str) -> None:
    """Hear nothing: the syncs themselves will warn."""


def _carry_out(
    run: SyncRun,
    source: Place,
    target: Place,
    plan: Plan,
    files: Iterable[tuple[str, Facts]],
    list_target: Callable[[], dict[str, bytes]],
    *,
    is_file: bool,
    tidy: bool = True,
) -> None:
    """Compare both sides, and do what there is to do.

    Args:
        run: the sync.
        source: the very place of what is sent.
        target: the very place where it goes.
        plan: gets what is to be done.
        files: of the source; its listing has begun.
        list_target: lists the destination.
        is_file: the source is one file.
        tidy: remove folders of the source that a move has emptied.
    """
    request = run.request
    moves = run.moves
    if not request.retain_source_data and not moves:
        run.warn(f"{source.uri} stays: objects are not deleted when they are fetched into files")
    there = list_target()  # both sides are listed at once
    # A source is deleted only where its content is known to be at the destination.
    size_only = request.size_only and not moves
    decisions = decided(run, source, target, there, files, size_only=size_only)
    wanted = isinstance(target, LocalPlace) or moves
    deletes_where_one = (moves or request.delete) and may_be_one(source, target)
    seem_one = False
    for item, send in decisions:
        # Of one place, both listings say the same of each file, but for those that came or changed meanwhile.
        seem_one = seem_one or (deletes_where_one and item.there == item.source)
        if isinstance(target, LocalPlace):
            plan.paths.append(item.path)
        if send:
            plan.send.append(item)
        else:
            plan.n_kept += 1
            if wanted:
                plan.keep.append((item.path, item.source if moves else _NO_FACTS))
    if not plan.send and not plan.n_kept and plan.n_seen:
        run.missing(
            f"the filters keep none of the {plan.n_seen:,} files of {source.uri}: they are regular"
            f" expressions, matched with all of a path relative to {request.filter_root or source.uri}",
            ValueError,
            "Correct include and exclude, or say with fail_if_missing=false that they may keep nothing.",
        )
        return
    extra = extra_of(there) if request.delete and not is_file else []
    is_empty = not plan.n_seen and isinstance(source, LocalPlace)
    if is_empty and extra and not moves and not request.allow_empty_source:
        run.missing(
            f"{source.uri} has no files, and all {len(extra):,} of {target.uri} would be removed"
            " with `delete`; nothing was done",
            ValueError,
            "See whether the disk of the source is mounted; if it is to be empty, say so with"
            " allow_empty_source=true.",
        )
        return
    if seem_one:
        refuse_one_place(run, source, target)
    refuse_names(source, target, plan, is_file=is_file)
    young = {path for path in extra if FACTS.unpack_from(there[path])[1] >= run.began - SKEW}
    run.counts.kept = plan.n_kept
    if isinstance(target, LocalPlace) and extra:
        first = in_the_way(plan.send, extra)
        remove_extra(run, source, target, sorted(first))
        extra = [path for path in extra if path not in first]
    if moves and extra:
        # A move that was ended half way has deleted sources: what it brought looks like what is too much.
        run.warn(
            f"{len(extra):,} files that the source has not stay at {target.uri}: a move removes none there"
        )
        extra = []
    if isinstance(target, S3Place):
        confirmed = send_to_s3(run, source, target, plan)
    elif isinstance(source, S3Place):
        confirmed = fetch(run, source, target, plan)
    else:
        confirmed = copy_files(run, source, target, plan, moves=moves)
    failpoints.reach("between:sync:sent")
    if isinstance(target, LocalPlace):
        freshen(run, target, plan)
    remove_extra(run, source, target, still_extra(run, source, target, extra, young))
    if moves:
        remove_source(run, source, target, plan, confirmed, tidy=tidy)
    remove_left(run)


class SelectedFiles:
    """A sync of files that are named, from one folder into another, as if each were a sync of its own.

    Args:
        request: its paths are folders.
        paths: of the files, relative to both.
        warn: called with each warning, one line.

    Attributes:
        counts: what was done, also where an error has ended it.
        others: paths that are no files at the source, that filters keep out, or that are folders at the
            destination: nothing is done with these.
    """

    def __init__(
        self, request: DataSyncRequest, paths: Sequence[str], warn: Callable[[str], object] = _log.warning
    ) -> None:
        self._run = SyncRun(request.model_copy(update={"delete": False}), warn)
        self._paths = paths
        self._found: dict[str, Facts] = {}
        self.counts = self._run.counts
        self.others: list[str] = []

    def run(self) -> Counts:
        """Carry it out; raises as `run_sync`."""
        run, source, target = self._run, self._run.source, self._run.target
        refuse_nesting(source, target, run.warn, delete=False)
        sees = run.sees(source)
        found = facts_of(source, self._paths)
        for path in self._paths:
            facts = found.get(path)
            into = isinstance(target, LocalPlace) and os.path.isdir(local_path(target.path, path))
            if facts is None or into or not run.filters.keep(sees(path)):
                self.others.append(path)
            else:
                self._found[path] = facts
        if self._found:
            # Of none of their folders is known that it was to be moved.
            _carry_out(
                run, source, target, Plan(n_seen=len(self._found)), self._found.items(), self._there,
                is_file=False, tidy=False,
            )  # fmt: skip
        return self.counts

    def _there(self) -> dict[str, bytes]:
        return packed(facts_of(self._run.target, self._found).items())
