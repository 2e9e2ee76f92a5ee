"""The plan of a sync: what is sent, what stays, what is removed, and names that cannot be."""

# ruff: noqa: PTH114

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from upload_client.core.data_sync import Decision, Facts, decide, is_marker, local_problems
from upload_client.core.paths import MAX_KEY, check_relpath, collisions
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.functions.data_sync.comparing import Comparing, Item
from upload_client.functions.data_sync.local import folds_case, local_path
from upload_client.functions.data_sync.paths import LocalPlace, Place
from upload_client.functions.data_sync.run import FEW, Plan, SyncRun
from upload_client.functions.data_sync.sides import FACTS, bucket_of, facts_of, unpacked

_COMPARED: Final = 4096

SKEW: Final = 15 * 60  # seconds between clocks; one that is further off has every request of S3 refused


def decided(
    run: SyncRun,
    source: Place,
    target: Place,
    there: dict[str, bytes],
    files: Iterable[tuple[str, Facts]],
    *,
    size_only: bool,
) -> Iterator[tuple[Item, bool]]:
    """Each file of the source, and whether it is to be sent. Takes what it has from `there`."""
    force = run.request.force
    with Comparing(source, target, (bucket_of(source), bucket_of(target))) as comparing:
        batch: list[Item] = []
        for path, facts in files:
            packed = there.pop(path, None)
            known = None
            if packed is not None:
                known = unpacked(packed)
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


def refuse_names(source: Place, target: Place, plan: Plan, *, is_file: bool) -> None:
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
            + "; ".join(f"{for_terminal(path)} {why}" for path, why in problems[:FEW])
            + "; …" * (len(problems) > FEW),
            hint="Rename them at the source, or exclude them with a filter.",
        )


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


def extra_of(there: dict[str, bytes]) -> list[str]:
    """Everything that only the destination has; what stands for an empty folder stays."""
    return [path for path, packed in there.items() if not is_marker(path, FACTS.unpack_from(packed)[0])]


def still_extra(run: SyncRun, source: Place, target: Place, extra: list[str], young: set[str]) -> list[str]:
    """All that the source does not have, either, now: another sync may have brought it since the listing.

    Args:
        run: the sync.
        source: where it is looked for.
        target: where it is.
        extra: what the listing of the source did not have.
        young: those that may have been written since this sync has begun.
    """
    if isinstance(target, LocalPlace):
        # The clock may be that of another machine, which has the file system.
        moment = run.began - SKEW
        young = {path for path in extra if _changed_since(local_path(target.path, path), moment)}
    if not young:
        return extra
    sees = run.sees(source)
    come = {path for path in facts_of(source, sorted(young)) if run.filters.keep(sees(path))}
    if come:
        run.warn(f"{len(come):,} files have come to {source.uri} and {target.uri} meanwhile, and stay there")
    return [path for path in extra if path not in come]


def _changed_since(path: str, moment: float) -> bool:
    """Whether a file was written or renamed since then."""
    try:
        return os.lstat(path).st_ctime >= moment
    except OSError:
        return False


def in_the_way(items: Sequence[Item], extra: Sequence[str]) -> set[str]:
    """Files that are to be removed where a folder is to be, or from a folder where a file is to be."""
    files = {item.path for item in items}
    folders = {folder for path in files for folder in _folders_of(path)}
    return {path for path in extra if path in folders or any(folder in files for folder in _folders_of(path))}


def _folders_of(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
