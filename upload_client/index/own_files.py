"""Files of this program among a person's data: recognised by content, where they are to be expected."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from upload_client.core.own_files import Kind, is_time_stamp, whose
from upload_client.support.atomic import ends_of
from upload_client.support.file_names import from_disk

MARK = "upload-client"
"""In the names that this program chooses by itself."""
_SUFFIXES = (
    ".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".html", ".htm", ".log", ".txt", ".parquet", ".pq",
    ".zip",
)  # fmt: skip
_MANY: Final = 1000
"""Files that are looked into for their suffix alone: in a folder with more of them, they are the data."""
_DESCRIPTIONS: Final[dict[Kind | str, str]] = {
    "index": "a file index",
    "state": "a state dump",
    "receipt": "a receipt",
    "signature": "a receipt's signature",
    "custody": "records of what became of a delivery",
    "report": "a report",
    "differences": "what `verify` has found",
    "events": "the output of --json",
    "log": "the log of a run",
    "sandbox": "a profile",
    "invitation": "a profile",
    "profile": "a profile",
    "package": "the validator's package",
}


class Recogniser:
    """Recognises files that this program has written.

    To open every file would cost too much. Looked into are those with ``upload-client`` in their name, TOML
    files, and, where people work (at the top of the source, in the working directory, and beside what this
    run uses: logs of other nights), those that could be of one of our kinds by their suffix; logs anywhere.

    Args:
        root: the source.
        used: folders of files that this run uses, as they really are.
    """

    def __init__(self, root: str, used: Iterable[str] = ()) -> None:
        self._near = near_folders(root)
        self._with_used = frozenset(_inside(root, used)) - self._near
        self._n = [0, 0]  # files looked into for their suffix alone: elsewhere, and where people work

    def __call__(self, relpath: str, path: str) -> str | None:
        """The kind of file, in a few words; None: none of ours, as far as is known.

        Args:
            relpath: relative to the source.
            path: where it is.
        """
        folder, _, name = relpath.rpartition("/")
        lower = name.lower()
        near = folder in self._near
        if MARK not in lower and not lower.endswith(".toml"):
            here = near or folder in self._with_used
            if not lower.endswith(_SUFFIXES if here else ".log") or self._n[here] >= _MANY:
                return None
            self._n[here] += 1
        try:
            start, end = ends_of(path)
            return "a receipt's time-stamp" if is_time_stamp(name, start) else named(start, end, near=near)
        except OSError:
            return None  # sending it, or the check, will show


def named(start: bytes, end: bytes = b"", *, near: bool = True) -> str | None:
    """The kind of a file of this program, in a few words; None: it is none.

    Args:
        start: its first bytes.
        end: its last ones.
        near: it lies where people work: a list of the files below another folder may well be data.
    """
    kind = whose(start, end)
    return None if kind is None or (kind == "index" and not near) else _DESCRIPTIONS[kind]


def near_folders(root: str) -> frozenset[str]:
    """Where people work: the source itself, and the working directory, relative to it, if it is inside."""
    return frozenset(("", *_inside(root, [os.path.realpath(".")])))


def _inside(root: str, folders: Iterable[str]) -> Iterable[str]:
    before = root.rstrip("/" + os.sep) + os.sep
    return [
        from_disk(folder[len(before) :]).replace(os.sep, "/")
        for folder in folders
        if folder.startswith(before)
    ]
