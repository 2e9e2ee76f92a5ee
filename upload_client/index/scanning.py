"""Making an index of what is there."""

from __future__ import annotations

import os
import re
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from upload_client.core import checksums as crc
from upload_client.core.receipt import is_receipt
from upload_client.errors import UsageError
from upload_client.index.folder import Folder
from upload_client.index.frames import SIZES_SEEN, make_frame
from upload_client.index.problems import Problems, shown
from upload_client.reports.state_csv import is_dump, is_page

__all__ = ["scan", "scan_listing", "unwanted"]

_BLOCK = 1024 * 1024
_BATCH = 64


def scan(
    source: str | Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    checksums: bool = True,
    n_threads: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Make an index of all files below a directory, sorted by path.

    Left out are state dumps and receipts of this program, and ``index.csv`` at the top.

    Patterns: ``*`` and ``?`` stand for characters of one name, ``[a-z]`` for one of them, ``**`` for any
    number of folders. One without ``/`` means names anywhere, one with it the path from the top; one that
    means a folder means all in it.

    Args:
        source: the directory.
        include: patterns; where there are any, other files are left out.
        exclude: patterns of what is left out, even if it is included.
        checksums: whether to read all files for their CRC32.
        n_threads: files looked at at the same time.
        on_progress: called now and then with the numbers of files and of bytes done.

    Returns:
        A DataFrame as the head of `upload_client.index` says.

    Raises:
        InvalidIndex: something in it cannot be delivered; with all there is.
        UsageError: the source is no directory, or a pattern no pattern.
    """
    folder = Folder(source)
    problems = Problems(shown(source))
    wants, leaves_out = _wanted(include), unwanted(exclude)
    paths = []
    for path, reason in folder.walk(wants, leaves_out):
        if reason is None:
            paths.append(path)
        else:
            problems.add(None, path, reason)
    paths.sort()
    measure = _crc32_and_size if checksums else _size
    sizes, crcs, n_bytes = array("q"), array("L"), 0

    def measured(batch: Sequence[str]) -> list[tuple[int, int] | str]:
        return [measure(folder.path(path)) for path in batch]

    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(n_threads, "scan") as pool:
        try:
            for batch, results in zip(batches, pool.map(measured, batches), strict=True):
                for path, result in zip(batch, results, strict=True):
                    if isinstance(result, str):
                        problems.add(None, path, result)
                        continue
                    sizes.append(result[0])
                    crcs.append(result[1])
                    n_bytes += result[0]
                if on_progress:
                    on_progress(len(sizes), n_bytes)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C: do not read on to the end
            raise
    problems.raise_them()
    texts: list[str | None] = [crc.encode(value) for value in crcs] if checksums else []
    frame = make_frame(paths, texts, sizes, bytearray(len(sizes)))
    if not checksums:  # as with their content: it is what is found when they are sent
        frame.attrs[SIZES_SEEN] = True
    return frame


def scan_listing(
    listing: Mapping[str, int], *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> pd.DataFrame:
    """Make an index of a listing, such as that of a bucket, as `scan` does of a directory.

    Args:
        listing: size in bytes of each file, by its path. Empty ones that end in ``/`` stand for folders.
        include: as in `scan`.
        exclude: as in `scan`.
    """
    wants, leaves_out = _wanted(include), unwanted(exclude)
    paths = sorted(
        path
        for path, size in listing.items()
        if not (path.endswith("/") and size == 0) and wants(path) and not leaves_out(path)
    )
    sizes = array("q", (listing[path] for path in paths))
    return make_frame(paths, [], sizes, bytearray(len(paths)))


_buffers = threading.local()


def _crc32_and_size(path: str) -> tuple[int, int] | str:
    """Size and CRC32 of a file, or why there is none. Reads into one buffer a thread."""
    try:
        buffer: memoryview = _buffers.view
    except AttributeError:
        buffer = _buffers.view = memoryview(bytearray(_BLOCK))
    size = value = 0
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - once per file
            while n := file.readinto(buffer):
                value = crc.crc32(buffer[:n], value)
                size += n
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return size, value


def _size(path: str) -> tuple[int, int] | str:
    try:
        return os.stat(path).st_size, 0  # noqa: PTH116
    except OSError as error:
        return f"cannot be looked at: {error.strerror or error}"


def _wanted(include: Sequence[str]) -> Callable[[str], bool]:
    if not include:
        return lambda _: True
    matches = _patterns(include).fullmatch
    return lambda path: matches(path) is not None


def unwanted(exclude: Sequence[str]) -> Callable[[str], bool]:
    """Says of a path whether it is left out: by these patterns, or because this program has put it there."""
    matches = _patterns([*exclude, "/index.csv"]).fullmatch

    def leaves_out(path: str) -> bool:
        name = path.rpartition("/")[2]
        return matches(path) is not None or is_dump(name) or is_page(name) or is_receipt(name)

    return leaves_out


_TOKEN = re.compile(
    r"(?P<folders>\*\*/)|(?P<all>\*\*)|(?P<some>\*)|(?P<one>\?)|\[(?P<class>!?\]?[^\]]*)\]|.", re.DOTALL
)


def _patterns(globs: Iterable[str]) -> re.Pattern[str]:
    try:
        return re.compile("|".join(map(_regex, globs)), re.DOTALL)
    except re.error as error:
        raise UsageError(f"a pattern of files to include or exclude is wrong: {error}") from error


def _regex(glob: str) -> str:
    names = glob.strip("/")
    start = "" if "/" in glob.rstrip("/") else "(?:.*/)?"
    return start + _TOKEN.sub(_translated, names) + ("/.*" if glob.endswith("/") else "(?:/.*)?")


def _translated(token: re.Match[str]) -> str:
    match token.lastgroup:
        case "folders":
            return "(?:.*/)?"
        case "all":
            return ".*"
        case "some":
            return "[^/]*"
        case "one":
            return "[^/]"
        case "class":
            body = token["class"]
            negated = body.startswith("!")
            names = re.sub(r"([^A-Za-z0-9-])", r"\\\1", body[negated:])
            return f"[{'^/' * negated}{names}]"
        case _:
            return re.escape(token.group())
