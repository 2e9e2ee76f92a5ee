"""The state of one sync: what is asked for, what is to be done, what was done."""

# ruff: noqa: PTH100

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from upload_client.core.data_sync import Facts, Filters, relative_to
from upload_client.core.text import for_terminal
from upload_client.functions.data_sync.comparing import Item
from upload_client.functions.data_sync.local import SyncFailed
from upload_client.functions.data_sync.models import AT_ONCE, DataSyncRequest
from upload_client.functions.data_sync.paths import LocalPlace, Place, S3Place, place_of
from upload_client.support.file_names import on_disk

FEW: Final = 5
"""Files that are named in a message; the others are counted."""

_SMALL_FOR_ONE: Final = 4


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
class Plan:
    """The plan of a sync.

    Attributes:
        send: files that are sent.
        keep: files that are there already, where somebody wants to know them.
        n_kept: how many are there already.
        n_seen: files of the source, filtered or not.
        paths: of all files, where the destination is local.
    """

    send: list[Item] = field(default_factory=list)
    keep: list[tuple[str, Facts]] = field(default_factory=list)
    n_kept: int = 0
    n_seen: int = 0
    paths: list[str] = field(default_factory=list)


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


def name_of(place: Place) -> str:
    """The last name of a path."""
    whole = place.key if isinstance(place, S3Place) else place.path
    return whole.rstrip("/").rpartition("/")[2]


class SyncRun:
    """One sync: what is asked for, and what has been done.

    Args:
        request: what is asked for.
        warn: called with each warning, one line.

    Attributes:
        counts: what was done so far.
        began: when it began, Unix seconds, by this machine's clock.
        source: where it comes from, as the request has it.
        target: where it goes.
        left: files at a local destination that were not whole when it was listed.
    """

    def __init__(self, request: DataSyncRequest, warn: Callable[[str], object]) -> None:
        self.request = request
        self.warn = warn
        self.filters = filters_of(request)
        self.counts = Counts()
        self.began = time.time()
        self.left: list[str] = []
        self.source = place_of(request.source_path, access=request.source_access)
        self.target = place_of(request.destination_path, access=request.destination_access)

    def missing(self, text: str, kind: type[Exception], hint: str) -> None:
        """Raise that there is nothing to sync, or warn, as the request has it.

        State machines know both kinds by their names, so that they are Python's own, and the hint is a note.
        """
        if self.request.fail_if_missing:
            error = kind(text)
            error.add_note(hint)
            raise error
        self.warn(for_terminal(text))

    @property
    def small_for_one(self) -> int:
        """Small files that may be under way in place of each request, if no other number was asked for."""
        return _SMALL_FOR_ONE if self.request.max_concurrency == AT_ONCE else 1

    @property
    def moves(self) -> bool:
        """Whether the source is deleted once its copy is confirmed; objects that are fetched never are."""
        fetches = isinstance(self.source, S3Place) and isinstance(self.target, LocalPlace)
        return not self.request.retain_source_data and not fetches

    def sees(self, source: Place) -> Callable[[str], str]:
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

    def failed(self, failures: list[tuple[str, str]], n: int) -> SyncFailed:
        """Say of so many files which were not sent, and why."""
        named = "; ".join(f"{for_terminal(path or 'it')}: {why}" for path, why in failures[:FEW])
        failed = SyncFailed(
            f"{len(failures):,} of {n:,} files were not sent from {self.source.uri} to {self.target.uri}:"
            f" {named}{'; …' * (len(failures) > FEW)}"
        )
        failed.paths = tuple(path for path, _ in failures)
        return failed

    def no_room(self, path: str, why: str | None, n: int) -> SyncFailed:
        """Say that there is no room for a file; the others would find none, either, and are not tried."""
        return SyncFailed(
            f"no room is left for {for_terminal(path or 'it')} at {self.target.uri}: {why};"
            f" {self.counts.files_transferred:,} of {n:,} files were brought there, and no more were tried",
            hint="Make room there, and run it again: it goes on with what is not there.",
        )

    def sent(self, n_bytes: int) -> None:
        """Count a file that was sent."""
        self.counts.files_transferred += 1
        self.counts.bytes_transferred += n_bytes
