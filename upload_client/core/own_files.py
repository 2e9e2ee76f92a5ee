"""The files that this program writes into the folders of people, and how they are known again: by content.

A name proves nothing: a person's own table may be called ``index.csv``, and a state dump may have been
renamed.
"""

from __future__ import annotations

import base64
import csv
import re
import tomllib
from typing import Final, Literal, TypeAlias, get_args

from upload_client.core.checksums import decode

Kind: TypeAlias = Literal[
    "index",
    "state",
    "receipt",
    "signature",
    "custody",
    "report",
    "differences",
    "events",
    "log",
    "sandbox",
    "invitation",
    "package",
]
"""``index``: a list of files as CSV, TSV or Parquet. ``state``: the state of every file. ``signature``: the
receiver's, of a receipt. ``custody``: its records of what came afterwards. ``report``: the page.
``differences``: what ``verify -o`` writes. ``events``: the lines of ``--json``. ``sandbox``, ``invitation``:
profiles. ``package``: the zip for Lambda."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

LOOKED_AT: Final = 16 * 1024
"""Bytes at the beginning of a file, and as many at its end, by which its kind is known."""

STATE_COLUMNS: Final = (
    "relpath",
    "abspath",
    "state",
    "retries",
    "max_retries",
    "message",
    "checksum",
    "size",
    "etag",
    "transferred_at",
    "judged_at",
    "code",
    "opened",
)
"""Columns of the state dump, in order."""
PAGE_MARK: Final = '<meta name="generator" content="upload-client">\n'
"""In the head of a report."""
PARQUET_MARK: Final = "upload_client.index"
"""Key in the metadata of an index in Parquet."""

_SIGNED: Final = b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"upload-client_'
_OF_A_RECEIPT: Final = base64.b64encode(_SIGNED[: len(_SIGNED) // 3 * 3])

_STARTS: Final[dict[Kind, bytes]] = {
    "state": ",".join(STATE_COLUMNS[:11]).encode(),  # those there have been from the beginning
    "receipt": b'{"kind":"receipt","schema_version":',
    "signature": b'{\n "payloadType": "application/vnd.in-toto+json",\n "payload": "' + _OF_A_RECEIPT,
    "custody": b'{"payloadType":"application/vnd.in-toto+json","payload":"' + _OF_A_RECEIPT,
    "differences": b"difference,path,message\r\n",
    "events": b'{"schema_version": 1, "kind": "',
    "sandbox": b"# Written by `upload-client sandbox`",
    "invitation": b"# Your login for delivering ",
}
_PARQUET: Final = b"PAR1"
_ZIP: Final = b"PK\x03\x04"
_IN_PACKAGE: Final = b"upload_client/__init__.py"
_LOG: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z [A-Z]+ upload_client")
_LINES: Final = re.compile(
    rb"(?:nohup: [^\n]*\n\n?)?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z "
    rb"(?:connecting to the receiver|Starting a sandbox on this machine)"
)
"""The first line of what a delivery says without a terminal, as `> FILE`, `tee` and `nohup` keep it."""
_SIZE: Final = re.compile("[0-9]*")
_PROFILE: Final = frozenset(
    {
        "user_pool_id",
        "identity_pool_id",
        "user_pool_client_id",
        "settings_parameter",
        "control_bucket",
        "landing_bucket",
        "password_command",
        "start_function",
    }
)
"""Settings one of which is in every profile, and in hardly any other file."""

LEFT_OVER: Final = ".upload-client_{}.tmp"
"""Name of a file that is being written, with 16 hexadecimal digits; a kill may leave it."""
LOCK: Final = ".upload-client_{}.lock"
"""Name of a file that is locked by whoever writes beside it, with 16 hexadecimal digits; it stays, empty."""
_LEFT_OVER = re.compile(r"\.upload-client_[0-9a-f]{16}\.(?:tmp|lock)")


def is_left_over(name: str) -> bool:
    """Whether a file is left of one that was being written, or of a lock. It may be empty: its name tells."""
    return name.startswith(".") and _LEFT_OVER.fullmatch(name) is not None


_TIME_STAMP: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\x30.\x02\x01[\x00\x01]"  # granted, perhaps with changes
    rb".{0,600}?\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"  # signed data
    rb".{0,600}?\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04",  # about a time-stamp
    re.DOTALL,
)
_STAMP_SUFFIX: Final = ".receipt.tsr"


def is_time_stamp(name: str, start: bytes) -> bool:
    """Whether a file is the time-stamp of a receipt, as an authority has given it (RFC 3161, 2.4.2).

    Nothing of ours stands in it, and a person may have others among the data: so its name has to say it, too.

    Args:
        name: of the file.
        start: its first bytes.
    """
    ours = name.startswith("upload-client_") and name.endswith(_STAMP_SUFFIX)
    return ours and _TIME_STAMP.match(start) is not None


def is_ours(kind: Kind, start: bytes, end: bytes = b"") -> bool:
    """Whether a file is one of that kind which this program has written.

    Args:
        kind: what it would be.
        start: its first `LOOKED_AT` bytes, or all of it.
        end: its last ones.
    """
    match kind:
        case "index":
            return _is_index(start) or (start.startswith(_PARQUET) and PARQUET_MARK.encode() in end)
        case "report":
            return start.startswith(b"<!doctype html>") and PAGE_MARK.encode() in start
        case "package":
            return start.startswith(_ZIP) and start[30:].startswith(_IN_PACKAGE)
        case "log":
            return not start or (_LOG.match(start) or _LINES.match(start)) is not None
    return start.startswith(_STARTS[kind])


def whose(start: bytes, end: bytes = b"") -> Kind | Literal["profile"] | None:
    """Which kind of file of ours one is; None: it is none, as far as is known.

    ``profile`` is one that a person may have written: a TOML file that sets nothing but our settings.

    Args:
        start: its first `LOOKED_AT` bytes, or all of it.
        end: its last ones.
    """
    if not start:
        return None  # whoever's it is
    for kind in KINDS:
        if is_ours(kind, start, end):
            return kind
    return "profile" if len(start) < LOOKED_AT and _is_profile(start) else None


def _is_index(start: bytes) -> bool:
    for delimiter in (",", "\t"):
        if start.startswith(delimiter.join(("path", "checksum", "size")).encode() + b"\n"):
            break
    else:
        return False
    lines = start.decode("utf-8", "replace").splitlines(keepends=True)
    if len(start) >= LOOKED_AT:
        lines.pop()  # it may be cut off
    # Of a path with a line break in it, the last part may be cut off too: then there are fewer cells.
    rows = list(csv.reader(lines, delimiter=delimiter))[1:]
    whole = rows[:-1] if rows and len(rows[-1]) < 3 and len(start) >= LOOKED_AT else rows
    return all(len(row) == 3 and _is_crc32(row[1]) and _SIZE.fullmatch(row[2]) for row in whole)


def _is_crc32(text: str) -> bool:
    try:
        return not text or decode(text) >= 0
    except ValueError:
        return False


def _is_profile(content: bytes) -> bool:
    try:
        return bool(_PROFILE & tomllib.loads(content.decode()).keys())
    except (ValueError, RecursionError):
        return False
