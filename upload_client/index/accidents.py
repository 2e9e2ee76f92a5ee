"""Files of a source that look like an accident; see `upload_client.core.accidents`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from upload_client.core.accidents import (
    POINTER_BYTES,
    Accident,
    accidents,
    is_pointer,
    is_script,
    still_growing,
)
from upload_client.index.files import RECENT, Files
from upload_client.index.own_files import near_folders
from upload_client.support.file_names import on_disk

_MANY = 1000  # scripts that are looked into
_MANY_POINTERS = 10_000  # small files that are looked into
_REPOSITORY = (".git", ".gitattributes", ".datalad")
_MAX_SCRIPT = 256 * 1024  # bytes
_CALLS = (b"upload-client", b"upload_client")


class Recent(NamedTuple):
    """Files that were modified within the last seconds when they were looked at: how many, and the first."""

    n: int = 0
    named: tuple[str, ...] = ()


def notice(index: Files, source: Path | None) -> list[Accident]:
    """The files of an index that look like an accident.

    Args:
        index: its paths are text.
        source: where the files are, if that is a directory.
    """
    paths: Sequence[str] = index.paths or ()
    found = accidents(paths)
    if source is not None and (scripts := _scripts(paths, source)):
        found.append(Accident("scripts that call upload-client", len(scripts), tuple(scripts[:3])))
    if source is not None and (pointers := _pointers(index, source)):
        what = (
            "pointers of Git LFS or git-annex in the place of files (fetch these: git lfs pull, datalad get)"
        )
        found.append(Accident(what, len(pointers), tuple(pointers[:3])))
    return found


def growing(index: Files) -> str:
    """The sentence about files that may be being written still, as `scan` has seen them; or nothing."""
    seen: Recent = index.attrs.get(RECENT, Recent())
    return still_growing(seen.n, seen.named)


def _pointers(index: Files, source: Path) -> list[str]:
    """Files that stand for others, looked for where there is a repository, or was one."""
    root = os.path.realpath(source)
    if not any(os.path.lexists(os.path.join(root, name)) for name in _REPOSITORY):  # noqa: PTH118
        return []
    found = []
    paths = index.paths or ()
    sizes: Sequence[object] = index.sizes or [None] * len(paths)
    few = (path for path, size in zip(paths, sizes, strict=True) if size is None or _is_small(size))
    for path in islice(few, _MANY_POINTERS):
        try:
            with open(os.path.join(root, on_disk(path)), "rb") as file:  # noqa: PTH118, PTH123
                if is_pointer(file.read(POINTER_BYTES)):
                    found.append(path)
        except OSError:
            continue  # sending it will show
    return found


def _is_small(size: object) -> bool:
    return isinstance(size, int) and 0 < size <= POINTER_BYTES


def _scripts(paths: Sequence[str], source: Path) -> list[str]:
    root = os.path.realpath(source)
    near = near_folders(root)
    found = []
    candidates = [path for path in paths if is_script(path) and path.rpartition("/")[0] in near]
    for path in candidates[:_MANY]:
        try:
            with open(os.path.join(root, on_disk(path)), "rb") as file:  # noqa: PTH118, PTH123
                content = file.read(_MAX_SCRIPT)
        except OSError:
            continue  # sending it will show
        if any(call in content for call in _CALLS):
            found.append(path)
    return found
