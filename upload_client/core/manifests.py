"""Lists of files that people have already: how to tell which kind one is, and how BagIt spells a line."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal, TypeAlias, get_args

from upload_client.core.lists import DELIMITERS, columns_of, looks_like_paths, looks_like_sums

Format: TypeAlias = Literal["csv", "tsv", "parquet", "bagit", "s3", "sums", "paths"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
"""``csv``, ``tsv``, ``parquet``: tables with a column ``path``. ``bagit``: a payload manifest. ``s3``: of S3
Batch or S3 Inventory, a CSV without a header whose first columns are bucket and key. ``sums``: of md5sum,
sha256sum and the like. ``paths``: one path a line, or with a NUL after each."""
WRITTEN: Final[tuple[Format, ...]] = ("csv", "tsv", "parquet", "bagit", "s3")
"""Formats that are written as well."""

_EXTENSIONS: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PARQUET: Final = b"PAR1"  # Apache Parquet, "File Format"
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")  # also of the time before 2018
_LOOKED_AT: Final = 10  # lines


def named_format(name: str) -> Format | None:
    """The format that the name of a file promises; None where it promises none.

    A BagIt payload manifest is always called ``manifest-<algorithm>.txt`` (RFC 8493, section 2.1.3).
    """
    if bagit_digest(name) is not None:
        return "bagit"
    dot = name.rfind(".")
    return None if dot < 0 else _EXTENSIONS.get(name[dot:].lower())


def text_coding(start: bytes) -> str:
    """The encoding of a text file: UTF-8, or the UTF-16 of some editors of Windows, by its byte order mark.

    Args:
        start: its first bytes.
    """
    return "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def detect(name: str, start: bytes, is_there: Callable[[str], bool] = lambda _: False) -> Format | None:
    """The format of a file.

    Args:
        name: of the file, without its folders.
        start: what it begins with: a few thousand bytes, or all of it.
        is_there: whether something is the path of a file in the source.

    Returns:
        None where it cannot be determined. That a table has no column ``path`` is for its reader to say.
    """
    if start.startswith(_PARQUET):
        return "parquet"
    named = named_format(name)
    if named == "bagit":
        return named
    coding = text_coding(start)
    if coding != "utf-16" and b"\0" in start:
        ended = start.decode("utf-8", "surrogateescape").split("\0")
        return "paths" if looks_like_paths(ended[:-1][:_LOOKED_AT], is_there) else named
    lines = start.decode(coding, "replace" if coding == "utf-16" else "surrogateescape").splitlines()
    lines = lines[:_LOOKED_AT]
    for delimiter in DELIMITERS:
        if "path" in _known(lines, delimiter):
            return "tsv" if delimiter == "\t" else "csv"
    # The last line that was looked at may be cut off.
    whole = [line for line in (lines if len(lines) < 2 or start.endswith(b"\n") else lines[:-1]) if line]
    if looks_like_sums(whole):
        return "sums"
    # One line alone could as well be a wrong header.
    rows = [_cells(line, ",") for line in lines]
    buckets = {row[0] for row in rows if len(row) > 1}
    if len(rows) > 1 and len(buckets) == 1 and all(map(_BUCKET.fullmatch, buckets)) and rows[0][1:]:
        return "s3"
    return "paths" if looks_like_paths(whole, is_there) else named


def _known(lines: Sequence[str], delimiter: str) -> Collection[str]:
    """The columns that are known in the first line of a table."""
    below = iter(lines[1:] if lines and is_directive(lines[0]) else lines)
    header = _cells(header_of(next((line for line in below if not is_above_header(line)), "")), delimiter)
    try:
        return columns_of(header).places
    except ValueError:  # for the reader to say, if that is what it is
        return ("path",) if "path" in header else ()


def is_directive(line: str) -> bool:
    """Whether the first line of a table is for Excel alone: ``sep=;``."""
    return line.rstrip("\r\n")[:-1].casefold() == "sep=" and line.rstrip("\r\n")[-1:] in DELIMITERS


def is_above_header(line: str) -> bool:
    """Whether a line may stand above the header of a table: it is empty, or a comment after a ``#``."""
    bare = line.strip().strip("".join(DELIMITERS)).strip()
    return not bare or (bare.startswith("#") and header_of(line) == line)


def header_of(line: str) -> str:
    """A header without the ``#`` that some programs put before it."""
    bare = line.lstrip("# ")
    for delimiter in DELIMITERS if line.startswith("#") else ():
        with contextlib.suppress(ValueError):
            columns_of(_cells(bare, delimiter))
            return bare
    return line


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


# -------------------------------------------------------------------------------------------------- BagIt

PAYLOAD: Final = "data/"
"""The folder of all files of a bag (RFC 8493, section 2.1.2)."""
DIGESTS: Final[Mapping[str, int]] = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
"""Algorithms of manifests (RFC 8493, section 2.4), as `hashlib` names them, and the bytes of a digest."""

_MANIFEST = re.compile(r"manifest-([a-z0-9]+)\.txt")
_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(?:\./)?(.+)", re.DOTALL)
_ENCODED = re.compile(r"%(0[AaDd]|25)")
_TO_ENCODE = re.compile(r"[%\r\n]")


def bagit_digest(name: str) -> str | None:
    """The algorithm in the name of a payload manifest; None where the name is not of one that is known."""
    found = _MANIFEST.fullmatch(name)
    return found[1] if found is not None and found[1] in DIGESTS else None


def bagit_line(path: str, digest: str) -> str:
    """A line of a payload manifest, with its end.

    Of a path, line feeds, carriage returns and percent signs are percent-encoded, and nothing else (RFC 8493,
    section 2.1.3).
    """
    return f"{digest}  {_TO_ENCODE.sub(lambda found: f'%{ord(found[0]):02X}', path)}\n"


def bagit_path(written: str) -> str:
    """The path that is written so in a manifest.

    Any other percent-encoding than that of line feed, carriage return and percent sign stays as it is.
    """
    return _ENCODED.sub(lambda code: chr(int(code[1], 16)), written)


def parse_bagit_line(line: str, algorithm: str) -> tuple[str, str]:
    """Path and digest (hex, small letters) in a line of a payload manifest, without its end.

    Raises:
        ValueError: it is no such line; the text is for people.
    """
    written, digest = split_bagit_line(line, algorithm)
    return bagit_path(written), digest


def split_bagit_line(line: str, algorithm: str) -> tuple[str, str]:
    """Path, as it is written, and digest (hex, small letters) in a line of a payload manifest.

    A ``*`` or ``./`` before the path, which tools such as md5sum write, is no part of it.

    Raises:
        ValueError: it is no such line; the text is for people.
    """
    found = _LINE.fullmatch(line)
    if found is None or len(found[1]) != 2 * DIGESTS[algorithm]:
        digits = 2 * DIGESTS[algorithm]
        raise ValueError(f"is no line of a BagIt manifest: {digits} digits of {algorithm}, blanks, a path")
    if not found[2].startswith(PAYLOAD):
        raise ValueError("is not below data/, where the files of a bag are (RFC 8493, section 2.1.2)")
    return found[2], found[1].lower()
