"""The state of every file of a delivery, as CSV.

It is for auditors. Read with ``pandas.read_csv(path, dtype=str, keep_default_na=False)`` it gives every
text as it was; only the few that a spreadsheet would calculate differ, by a ``'``
(`upload_client.core.text.from_csv_cell` takes it away).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from upload_client.atomic import replacing
from upload_client.core.text import for_csv_cell
from upload_client.core.times import timestamp

if TYPE_CHECKING:
    from upload_client.core.files import ClientFile

__all__ = ["COLUMNS", "dump_name", "is_dump", "is_page", "page_name", "write_dump"]

COLUMNS = (
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
)
"""Of the state dump, in order."""

# With what is left of one whose writing was interrupted.
_DUMP = re.compile(r"upload-client_.+_[0-9]{8}T[0-9]{9}Z\.csv|\.upload-client_.+\.csv\..+\.tmp", re.DOTALL)
_PAGE = re.compile(r"upload-client_.+_report\.html|\.upload-client_.+_report\.html\..+\.tmp", re.DOTALL)
# One in 64 begins with "+", and none of them is a formula: they stay comparable with the index.
_CRC32 = re.compile(r"[A-Za-z0-9+/]{6}==")


def dump_name(dataset: str, delivery_id: str, wall: float) -> str:
    """Name of a state dump: ``upload-client_{dataset}_{delivery_id}_{UTC}.csv``, to the millisecond.

    Args:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        wall: seconds since the Unix epoch.
    """
    return f"upload-client_{dataset}_{delivery_id}_{re.sub('[-:.]', '', timestamp(wall))}.csv"


def is_dump(name: str) -> bool:
    """Whether a file has the name of a state dump: no part of a delivery, though it may lie in its folder."""
    return _DUMP.fullmatch(name) is not None


def page_name(dataset: str, delivery_id: str) -> str:
    """Name of the HTML report of a delivery, where nobody names another."""
    return f"upload-client_{dataset}_{delivery_id}_report.html"


def is_page(name: str) -> bool:
    """Whether a file has the name of such a report: no part of a delivery either."""
    return _PAGE.fullmatch(name) is not None


def write_dump(
    files: Iterable[ClientFile], *, dataset: str, delivery_id: str, wall: float, directory: Path
) -> Path:
    """Write the state of all files as CSV (RFC 4180, UTF-8), whole or not at all.

    Args:
        files: any number of them; held in memory one by one.
        dataset: for the name.
        delivery_id: for the name.
        wall: the time of the dump, seconds since the Unix epoch; for the name.
        directory: where to write it.

    Returns:
        Its path.

    Raises:
        OSError: it cannot be written there.
    """
    path = directory / dump_name(dataset, delivery_id, wall)
    with replacing(path) as file:
        file.write(",".join(COLUMNS) + "\r\n")
        file.writelines(map(_row, files))
    return path


def _row(file: ClientFile) -> str:
    # By hand, three times as fast as csv.writer: only four columns are text that could need quotes.
    message, checksum, size, etag = file.message, file.checksum, file.size, file.etag
    if checksum and not _CRC32.fullmatch(checksum):
        checksum = _quoted(checksum)
    if etag and not etag.isalnum():
        etag = _quoted(etag)
    return (
        f"{_quoted(file.relpath)},{_quoted(file.abspath)},{file.state},{file.retries},{file.max_retries},"
        f"{_quoted(message) if message else ''},{checksum or ''},{'' if size is None else size},"
        f"{etag or ''},{file.transferred_at or ''},{file.judged_at or ''}\r\n"
    )


def _quoted(text: str) -> str:
    return f'''"{for_csv_cell(text).replace('"', '""')}"'''
