"""Lists of other formats, read as an index; and an index written in one of them.

`upload_client.core.manifests` has the formats, and recognises them. The rules for an index are
`upload_client.index`'s: a fault in a list is reported by file and row, whatever its format.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple
from urllib.parse import quote, unquote_plus

from upload_client.core import checksums
from upload_client.core.hints import install
from upload_client.core.lists import parse_sum
from upload_client.core.manifests import (
    FORMATS,
    PAYLOAD,
    Format,
    bagit_digest,
    bagit_line,
    detect,
    parse_bagit_line,
    text_coding,
)
from upload_client.core.own_files import PARQUET_MARK
from upload_client.core.text import counted, for_log
from upload_client.errors import UsageError
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.packed import Budget, Unpacked
from upload_client.index.checking import check_index
from upload_client.index.choosing import Choice
from upload_client.index.files import (
    LEFT_OUT,
    MAX_FILES,
    READ_FROM,
    ROWS,
    TOO_MANY,
    Files,
    files_of,
    sizes_known,
)
from upload_client.index.folder import Folder
from upload_client.index.problems import Problems, shown, unreadable
from upload_client.index.reading import blocks, in_order
from upload_client.index.selecting import select
from upload_client.index.tables import read_table, spelling, write_index
from upload_client.s3.bucket import Bucket
from upload_client.support.atomic import replacing
from upload_client.support.inputs import STDIN, opened
from upload_client.support.local_file import FileRefused
from upload_client.transfer.dataroot import DataRoot

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "Manifest", "read_manifest", "write_manifest"]

_EVERYTHING = Choice()
Progress = Callable[[int, int], None]
_Check = Callable[[Path], object]

_START = 64 * 1024  # bytes that tell the format
_COMPRESSED = (
    (b"\x1f\x8b", ".gz", "gzip"),
    (b"BZh", ".bz2", "bzip2"),
    (b"\xfd7zXZ\x00", ".xz", "xz"),
)
_MARK = "bagit.txt"  # what makes a folder a bag (RFC 8493, section 2.1.1)


class Manifest(NamedTuple):
    """An index that was read from a file.

    Attributes:
        files: the index.
        notes: what a person should know about the reading, a sentence each; safe for a terminal.
    """

    files: Files
    notes: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------ reading


def read_manifest(
    path: Path,
    source: Path | Bucket,
    *,
    as_format: Format | None = None,
    choice: Choice = _EVERYTHING,
    on_progress: Progress | None = None,
) -> Manifest:
    """Read a list of files of any kind as an index. What it says about files is for `check_index`.

    A BagIt manifest holds no CRC32. Of a local source its digests are compared with the files here and now,
    in one read that also computes their CRC32.

    Args:
        path: the file; a pipe or ``-`` (standard input) is copied to a file first.
        source: where its files are. Keys of S3 are relative to it, if it is a bucket.
        as_format: what kind of list it is; None: that is found out.
        choice: which files are wanted: others are not held against a list (BagIt).
        on_progress: called now and then with the numbers of files and of bytes read.

    Raises:
        InvalidIndex: it is not such a list, or (BagIt) a file is not what it says; with row and reason.
        UsageError: it cannot be read, or its kind cannot be determined.
    """
    where = "standard input" if str(path) == STDIN else shown(path)
    plain, is_there = spelling(source)
    try:
        with opened(path, "the list of files") as given:
            file, name = _uncompressed(given, path.name)
            start = file.read(_START)
            if not start:
                raise UsageError(
                    f"the index {where} is empty",
                    hint="See whether the program that writes it has failed; nothing was sent.",
                )
            found = as_format or detect(name, start, is_there)
            file.seek(0)
            match found:
                case "csv" | "tsv":
                    return Manifest(*read_table(file, where, plain=plain))
                case "parquet":
                    return _read_parquet(file, where, plain)
                case "bagit":
                    return _read_bagit(file, where, name, source, choice, on_progress)
                case "s3":
                    return _read_s3(file, where, source)
                case "sums":
                    return _read_sums(file, where, plain)
                case "paths":
                    return _read_paths(file, where, plain)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the index {where} is neither UTF-8 nor UTF-16: {error.reason}", hint="Save it as UTF-8."
        ) from None
    except EOFError as error:
        raise UsageError(f"the index {where} cannot be uncompressed: {error}") from error
    except OSError as error:
        raise unreadable(where, error) from error
    raise UsageError(
        f"the kind of list in {where} is not recognised",
        hint=f"Say it with --index-format, one of {', '.join(FORMATS)}; a table needs the column 'path', in"
        " its first line.",
    )


class _Unpacked(Unpacked):
    """A compressed list, read to its end.

    Python's own readers end at the first stream that something else follows, be it the padding that .xz
    allows, and say nothing: the files of the streams behind it would not be delivered, and nobody would know.
    """

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        """Unpack the next bytes."""
        with _as_end_of_file():
            return super().readinto(buffer)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere."""
        with _as_end_of_file():
            return super().seek(offset, whence)


@contextmanager
def _as_end_of_file() -> Iterator[None]:
    """No reader of a list takes an EOFError for its own."""
    try:
        yield
    except (ValueError, NotOpened) as error:
        raise EOFError(str(error)) from None


def _uncompressed(file: BinaryIO, name: str) -> tuple[BinaryIO, str]:
    """The content of a compressed file, and its name."""
    first = file.read(6)
    file.seek(0)
    for magic, suffix, packing in _COMPRESSED:
        if first.startswith(magic):
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            unpacked = _Unpacked(packing, file, size, Budget(sys.maxsize))
            return io.BufferedReader(unpacked, _START), name.removesuffix(suffix)
    return file, name


def _lines(file: BinaryIO) -> Iterator[str]:
    """The lines of a text without their ends; or what stands before each NUL, where there is any."""
    start = file.read(_START)
    file.seek(0)
    coding = text_coding(start)
    if coding != "utf-16" and b"\0" in start:
        rest = b""
        while block := file.read(_START):
            *whole, rest = (rest + block).split(b"\0")
            yield from (line.decode("utf-8", "surrogateescape") for line in whole)
        if rest.strip():
            yield rest.decode("utf-8", "surrogateescape")
        return
    errors = "strict" if coding == "utf-16" else "surrogateescape"
    text = io.TextIOWrapper(file, encoding=coding, errors=errors, newline="")
    try:
        for line in text:
            yield line.removesuffix("\n").removesuffix("\r")
    finally:
        text.detach()


def _listed(
    where: str,
    rows: Sequence[int],
    paths: Sequence[str],
    sizes: Sequence[int | None] | None = None,
    checksums: Sequence[str | None] | None = None,
    others: Mapping[str, Sequence[str | None]] | None = None,
) -> Files:
    return Files(paths, checksums, sizes, others, {READ_FROM: where, ROWS: rows})


# --- one path a line, with a digest or without


def _read_sums(file: BinaryIO, where: str, plain: Callable[[str], str]) -> Manifest:
    """Read what md5sum, sha256sum and the like have written; the digests are compared when files are sent."""
    problems = Problems(where)
    paths: list[str] = []
    rows = array("L")
    columns: dict[str, dict[int, str]] = {}
    for number, line in enumerate(_lines(file), 1):
        if not line:
            continue
        try:
            path, algorithm, digest = parse_sum(line)
        except ValueError as error:
            problems.add(number, None, str(error))
            continue
        columns.setdefault(algorithm, {})[len(paths)] = digest
        paths.append(plain(path))
        rows.append(number)
        if _too_many(paths, problems):
            break
    problems.raise_them()
    others = {name: [column.get(row) for row in range(len(paths))] for name, column in columns.items()}
    return Manifest(_listed(where, rows, paths, others=others))


def _read_paths(file: BinaryIO, where: str, plain: Callable[[str], str]) -> Manifest:
    """Read one path a line, or one before each NUL."""
    problems = Problems(where)
    paths: list[str] = []
    rows = array("L")
    for number, line in enumerate(_lines(file), 1):
        if line:
            paths.append(plain(line))
            rows.append(number)
        if _too_many(paths, problems):
            break
    problems.raise_them()
    return Manifest(_listed(where, rows, paths))


def _too_many(paths: Sequence[str], problems: Problems) -> bool:
    if len(paths) > MAX_FILES:
        problems.add(None, None, f"it has too many files: {TOO_MANY}")
    return len(paths) > MAX_FILES


# --- tables


def _without_pyarrow(todo: str, error: ImportError) -> UsageError:
    """Say that it is not there; or that it is, and cannot be loaded, as with too little memory."""
    if isinstance(error, ModuleNotFoundError):
        return UsageError(f"{todo} needs pyarrow, which is not installed", hint=install("formats"))
    return UsageError(
        f"{todo} needs pyarrow, which cannot be loaded here: {for_log(str(error))}",
        hint="Allow this process more memory (`ulimit -v`), or install pyarrow again; then run it again.",
    )


def _read_parquet(file: BinaryIO, where: str, plain: Callable[[str], str]) -> Manifest:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise _without_pyarrow(f"to read {where}", error) from None
    from upload_client.index.memory_tables import from_arrow  # noqa: PLC0415 - imports pandas

    problems = Problems(where)
    try:
        with pq.ParquetFile(file) as table:
            if table.metadata.num_rows > MAX_FILES:
                problems.add(None, None, f"it has too many files: {TOO_MANY}")
                problems.raise_them()
            frame, notes = from_arrow(table.schema_arrow.names, table.iter_batches, where, plain)
            return Manifest(files_of(frame), notes)
    except (pa.ArrowException, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"the index {where} is no sound Parquet file: {str(error)[:200]}") from None


# --- BagIt


def _read_bagit(
    file: BinaryIO,
    where: str,
    name: str,
    source: Path | Bucket,
    choice: Choice,
    on_progress: Progress | None,
) -> Manifest:
    algorithm = bagit_digest(name)
    if algorithm is None:
        raise UsageError(
            f"the name of {where} does not contain its algorithm",
            hint="A BagIt manifest is called manifest-md5.txt, manifest-sha256.txt and so on.",
        )
    problems = Problems(where)
    paths: list[str] = []
    digests: list[str] = []
    # Lines end in LF, CR or CR LF (RFC 8493, section 2.1.3), which is what Python makes of them.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape")
    for number, line in enumerate(text, 1):
        try:
            relpath, digest = parse_bagit_line(line.removesuffix("\n"), algorithm)
        except ValueError as error:
            problems.add(number, None, str(error))
            relpath, digest = "", ""
        paths.append(relpath)
        digests.append(digest)
        if _too_many(paths, problems):
            break
    text.detach()
    problems.raise_them()
    if isinstance(source, Path) and not _is_bag(source):
        paths = [relpath.removeprefix(PAYLOAD) for relpath in paths]
    n = len(paths)
    lines = range(1, n + 1)
    listed = _listed(where, lines, paths)
    if not isinstance(source, Path):
        note = f"the digests in {where} are not compared: that would mean to read the bucket"
        return Manifest(listed, (note,))
    if source.is_dir():  # else the check says so
        listed = select(listed, choice, source, Folder(source, choice).patterns)
    kept: Sequence[int] = listed.attrs[ROWS]
    paths = list(check_index(listed, source, choice=choice).paths)  # nothing is opened that lies outside
    sizes, crcs = array("q"), array("L")
    found = _digests(source, paths, algorithm, on_progress, follow=choice.symlinks == "follow")
    for relpath, number, read in zip(paths, kept, found, strict=True):
        if isinstance(read, str):
            problems.add(number, relpath, read)
            continue
        if read.digest != digests[number - 1]:
            problems.add(number, relpath, f"has changed: its {algorithm} is not what the manifest says")
        sizes.append(read.size)
        crcs.append(read.crc32)
    problems.raise_them(
        hint="Restore these files from a good copy, or write a new manifest of them; nothing was sent."
    )
    texts: list[str | None] = [checksums.encode(crc) for crc in crcs]
    proven = _listed(where, kept, paths, sizes, texts)
    if LEFT_OUT in listed.attrs:
        proven.attrs[LEFT_OUT] = listed.attrs[LEFT_OUT]
    have = f"{counted(len(paths), 'file')} {'has' if len(paths) == 1 else 'have'}"
    return Manifest(proven, (f"{have} the {algorithm} that {where} says",))


def _is_bag(folder: Path) -> bool:
    return (folder / _MARK).is_file()


class _Read(NamedTuple):
    size: int
    crc32: int
    digest: str


def _digests(
    source: Path,
    paths: Sequence[str],
    algorithm: str,
    on_progress: Progress | None,
    *,
    follow: bool = False,
) -> Iterator[_Read | str]:
    """Yield the result of reading each file, or the reason why it cannot be read."""
    root = DataRoot(source, follow=follow)

    def read(relpath: str) -> _Read | str:
        try:
            with root.open(relpath) as file:
                crc, digest = 0, hashlib.new(algorithm, usedforsecurity=False)
                for block in blocks(file):
                    crc = checksums.crc32(block, crc)
                    digest.update(block)
                return _Read(file.fingerprint.size, crc, digest.hexdigest())
        except FileRefused as error:
            return str(error)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"

    n_bytes = 0
    n_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(n_threads, "digests") as pool:
        try:
            for n_files, (_, found) in enumerate(in_order(pool, read, paths, ahead=4 * n_threads), 1):
                n_bytes += 0 if isinstance(found, str) else found.size
                if on_progress:
                    on_progress(n_files, n_bytes)
                yield found
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C: do not read on to the end
            raise


# --- S3 Inventory, S3 Batch


def _read_s3(file: BinaryIO, where: str, source: Path | Bucket) -> Manifest:
    """Read bucket and key, and sizes where they can be told from versions.

    Of S3 Batch the columns are bucket, key and perhaps a version; of S3 Inventory bucket, key and, where it
    lists all versions, version, "is latest", "is delete marker"; then whatever was asked for, usually first
    the size (S3 user guide, "Amazon S3 Inventory list" and "Specifying a manifest"). Keys are URL-encoded, as
    in a form: a blank may be a plus sign.
    """
    problems = Problems(where)
    paths: list[str] = []
    rows = array("L")
    sizes, unknown = array("q"), bytearray()
    versions = False
    number = 0
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            for number, row in enumerate(reader, 1):
                if not row:
                    continue
                if len(row) < 2:
                    problems.add(number, row[0], "has a bucket and no key")
                    continue
                flags = row[3:5]
                if len(flags) == 2 and set(flags) <= {"true", "false"}:
                    if flags != ["true", "false"]:
                        continue  # a version of the past, or one that says that the object is gone
                    size = row[5] if len(row) > 5 else ""
                else:
                    size = row[2] if len(row) > 2 else ""
                    versions = versions or (bool(size) and not _is_size(size))
                known = _is_size(size)
                key = unquote_plus(row[1], errors="surrogateescape")
                if key.endswith("/") and known and int(size) == 0:
                    continue  # it stands for a folder
                paths.append(_relative(row[0], key, source, number, problems))
                rows.append(number)
                sizes.append(int(size) if known else 0)
                unknown.append(not known)
                if len(paths) > MAX_FILES:
                    problems.add(None, None, f"it has too many files: {TOO_MANY}")
                    break
        except csv.Error as error:
            problems.add(None, None, f"line {reader.line_num} cannot be read: {error}")
    problems.raise_them()
    files = _listed(where, rows, paths, sizes_known(sizes, unknown))
    note = f"{where} names versions of objects: the objects are sent as they are now, not these versions"
    return Manifest(files, (note,) if versions else ())


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _relative(bucket: str, key: str, source: Path | Bucket, number: int, problems: Problems) -> str:
    if isinstance(source, Path):
        return key
    if bucket != source.name:
        problems.add(number, key, f"is in the bucket {shown(bucket)}, and the source is {source}")
    elif not key.startswith(source.prefix):
        problems.add(number, key, f"is not below the source {source}")
    return key.removeprefix(source.prefix)


# ------------------------------------------------------------------------------------------------ writing


def write_manifest(
    index: pd.DataFrame | Files,
    path: Path,
    source: Path | Bucket,
    *,
    as_format: Format,
    on_progress: Progress | None = None,
    check: Callable[[Path], object] = lambda _: None,
) -> int:
    """Write an index as a list of another kind, whole or not at all.

    Args:
        index: as `upload_client.index.scan` gives it.
        path: where; of a BagIt manifest its name tells the algorithm.
        source: where the files are.
        as_format: what kind of list. ``bagit`` reads all files for their digests; ``s3`` needs a bucket.
        on_progress: called now and then with the numbers of files and of bytes read.
        check: see `upload_client.support.atomic.replacing`.

    Returns:
        How many files it names: of a bag, only those below ``data/``.

    Raises:
        UsageError: the source has no such list.
        OSError: it cannot be written there.
    """
    files = files_of(index)
    match as_format:
        case "csv":
            write_index(files, path, check=check)
        case "tsv":
            write_index(files, path, delimiter="\t", check=check)
        case "parquet":
            _write_parquet(files, path, check)
        case "bagit":
            return _write_bagit(files, path, source, on_progress, check)
        case "s3":
            _write_s3(files, path, source, check)
    return len(files)


def _write_parquet(files: Files, path: Path, check: _Check) -> None:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise _without_pyarrow(f"to write {shown(path)}", error) from None
    schema = pa.schema([("path", pa.string()), ("checksum", pa.string()), ("size", pa.int64())])
    nothing: Sequence[None] = [None] * len(files)
    columns = {
        "path": files.paths or (),
        "checksum": files.checksums or nothing,
        "size": files.sizes or nothing,
    }
    table = pa.table(
        columns, schema=schema
    )  # not by way of pandas, which would write down what it knows besides
    with replacing(path, check) as file:
        pq.write_table(table.replace_schema_metadata({PARQUET_MARK: "1"}), file.buffer)


def _write_bagit(
    files: Files,
    path: Path,
    source: Path | Bucket,
    on_progress: Progress | None,
    check: _Check,
) -> int:
    """Write a payload manifest (RFC 8493, section 2.1.3).

    A folder with a ``bagit.txt`` is a bag, whose payload lies in its folder ``data``; any other is a payload,
    and its files are named as they will be called in the bag.
    """
    algorithm = bagit_digest(path.name)
    if algorithm is None:
        raise UsageError(
            f"a BagIt manifest cannot be called {shown(path.name)}",
            hint="Name it by its algorithm: -o manifest-sha256.txt, or md5, sha1, sha512.",
        )
    if not isinstance(source, Path):
        raise UsageError("a BagIt manifest is made of a directory: it needs the content of all files")
    paths: list[str] = list(files.paths or ())
    before = PAYLOAD
    if _is_bag(source):
        paths = [relpath for relpath in paths if relpath.startswith(PAYLOAD)]
        before = ""
    problems = Problems(shown(source))
    with replacing(path, check) as file:
        for relpath, read in zip(paths, _digests(source, paths, algorithm, on_progress), strict=True):
            if isinstance(read, str):
                problems.add(None, relpath, read)
            else:
                file.write(bagit_line(before + relpath, read.digest))
        problems.raise_them()
    return len(paths)


def _write_s3(files: Files, path: Path, source: Path | Bucket, check: _Check) -> None:
    """Write a manifest for S3 Batch: bucket and key, URL-encoded (S3 user guide, "Specifying a manifest")."""
    if isinstance(source, Path):
        raise UsageError(
            "a manifest of S3 names objects of a bucket, and the source is a directory",
            hint="Give s3://bucket/prefix as SOURCE.",
        )
    keys = (quote(source.prefix + relpath, safe="/") for relpath in files.paths or ())
    with replacing(path, check) as file:
        file.writelines(f"{source.name},{key}\n" for key in keys)
