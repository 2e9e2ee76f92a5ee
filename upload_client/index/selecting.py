"""Leaves out of a list the files that are not to be delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from upload_client.core.paths import check_relpaths
from upload_client.index.choosing import Choice, Chooser, FolderPatterns, LeftOut
from upload_client.index.files import LEFT_OUT, ROWS, Files
from upload_client.index.folder import Folder

if TYPE_CHECKING:
    import pandas as pd


def left_out_of(index: pd.DataFrame | Files) -> LeftOut:
    """The files left out of an index when it was made or read."""
    found = index.attrs.get(LEFT_OUT)
    return found if isinstance(found, LeftOut) else LeftOut()


def select(files: Files, choice: Choice, source: Path | None, read: Callable[[str], bytes | None]) -> Files:
    """Leave out of a list what the patterns say, those in the source's ``.uploadignore`` too.

    A path that cannot be delivered stays, for `upload_client.index.check_index` to say so with its row.

    Args:
        files: the list.
        choice: which files are wanted.
        source: where the files are, if that is a directory.
        read: the content of a folder's ``.uploadignore``, see `Chooser`.

    Returns:
        The same list, or one with fewer rows; what was left out is noted in it (`left_out_of`).
    """
    texts = [path if isinstance(path, str) else "" for path in files.paths or ()]
    illegal = {row for row, _ in check_relpaths(texts)}
    left = LeftOut()
    left.update(left_out_of(files))
    before = left.n
    chooser = Chooser(choice, read, left)
    out = set(_left_out(texts, illegal, chooser))
    if choice.symlinks == "skip" and source is not None:
        folder = Folder(source, choice)
        for row, text in enumerate(texts):
            if row not in out and row not in illegal and folder.is_linked(text):
                left.add(text, "symlink")
                out.add(row)
    if left.n == before:
        return files
    kept = [row for row in range(len(texts)) if row not in out]
    selected = files.keep(kept)
    if not {LEFT_OUT, ROWS} & files.attrs.keys():  # somebody's table, whose rows are told as they count them
        selected.attrs[ROWS] = kept
    selected.attrs[LEFT_OUT] = left
    return selected


def _left_out(texts: Sequence[str], illegal: set[int], chooser: Chooser) -> list[int]:
    """Rows that are left out. Names are looked at one by one only where that can make a difference."""
    patterns = bool(chooser.choice.include or chooser.choice.exclude)
    plain: dict[str, bool] = {}
    out = []
    for row, text in enumerate(texts):
        folder = text[: text.rfind("/") + 1]
        try:
            easy = plain[folder]
        except KeyError:
            easy = plain[folder] = (
                not patterns and row not in illegal and chooser.folder(folder) == FolderPatterns()
            )
        if easy and ".upload" not in text:
            continue
        if row not in illegal and chooser.leaves_out(text):
            out.append(row)
    return out
