"""Files of a source that look like an accident; see `upload_client.core.accidents`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from upload_client.core.accidents import Accident, accidents, is_script, still_growing
from upload_client.index.files import RECENT, Files
from upload_client.index.recognising import near_folders
from upload_client.support.file_names import on_disk

__all__ = ["Recent", "growing", "notice"]

_MANY = 1000  # scripts that are looked into
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
    return found


def growing(index: Files) -> str:
    """The sentence about files that may be being written still, as `scan` has seen them; or nothing."""
    seen: Recent = index.attrs.get(RECENT, Recent())
    return still_growing(seen.n, seen.named)


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
            continue  # sending it will tell
        if any(word in content for word in _CALLS):
            found.append(path)
    return found
