"""Lists of files that people have already: how to tell which kind one is, and how BagIt spells a line."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

__all__ = [
    "DIGESTS",
    "FORMATS",
    "PAYLOAD",
    "Format",
    "bagit_digest",
    "bagit_line",
    "detect",
    "named_format",
    "parse_bagit_line",
]

Format: TypeAlias = Literal["csv", "tsv", "parquet", "bagit", "s3"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
"""``csv``, ``tsv``, ``parquet``: tables with a column ``path``. ``bagit``: a payload manifest. ``s3``: of S3
Batch or S3 Inventory, a CSV without a header whose first columns are bucket and key."""

_COLUMNS: Final = {"path", "checksum", "size", "will_transfer"}
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


def detect(name: str, start: bytes) -> Format | None:
    """The format of a file.

    Args:
        name: of the file, without its folders.
        start: what it begins with: a few thousand bytes, or all of it.

    Returns:
        None where it cannot be told. That a table has no column ``path`` is for its reader to say.
    """
    if start.startswith(_PARQUET):
        return "parquet"
    named = named_format(name)
    if named == "bagit":
        return named
    lines = start.decode("utf-8-sig", "replace").splitlines()[:_LOOKED_AT]
    for delimiter, found in ((",", "csv"), ("\t", "tsv")):
        if _COLUMNS & set(_cells(lines[0] if lines else "", delimiter)):
            return "csv" if found == "csv" else "tsv"
    # The last line that was looked at may be cut off. One line alone could as well be a wrong header.
    rows = [_cells(line, ",") for line in lines]
    buckets = {row[0] for row in rows if len(row) > 1}
    if len(rows) > 1 and len(buckets) == 1 and all(map(_BUCKET.fullmatch, buckets)) and rows[0][1:]:
        return "s3"
    return named


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


def parse_bagit_line(line: str, algorithm: str) -> tuple[str, str]:
    """Path and digest (hex, small letters) in a line of a payload manifest, without its end.

    A ``*`` or ``./`` before the path, which tools such as md5sum write, is no part of it. Any other
    percent-encoding than that of line feed, carriage return and percent sign stays as it is.

    Raises:
        ValueError: it is no such line; the text is for people.
    """
    found = _LINE.fullmatch(line)
    if found is None or len(found[1]) != 2 * DIGESTS[algorithm]:
        digits = 2 * DIGESTS[algorithm]
        raise ValueError(f"is no line of a BagIt manifest: {digits} digits of {algorithm}, blanks, a path")
    if not found[2].startswith(PAYLOAD):
        raise ValueError("is not below data/, where the files of a bag are (RFC 8493, section 2.1.2)")
    return _ENCODED.sub(lambda code: chr(int(code[1], 16)), found[2]), found[1].lower()
