"""The state of every file of a delivery, as CSV.

It is for auditors. Read with ``pandas.read_csv(path, dtype=str, keep_default_na=False)`` it gives every
text as it was; only the few that a spreadsheet would calculate differ, by a ``'``
(`upload_client.core.text.from_csv_cell` takes it away).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from upload_client.core.files import ClientFile, FileLedger
from upload_client.core.own_files import STATE_COLUMNS
from upload_client.core.text import for_csv_cell
from upload_client.core.times import timestamp
from upload_client.support.atomic import keep_others, replacing

COLUMNS = STATE_COLUMNS

_FIELDS = attrgetter(*(field.name for field in fields(ClientFile)))
# Lines that are cells as they stand, inside of quotes or without: that can be seen of thousands at once. One
# checksum in 64 begins with "+", and none of them is a formula: they stay comparable with the index.
_Plain: TypeAlias = Callable[[str], re.Match[str] | None]
_PATHS: _Plain = re.compile(r"(?:[A-Za-z0-9/._][ !#-:<-~]*+\n)*+").fullmatch
_CRC32S: _Plain = re.compile(r"(?:(?:[A-Za-z0-9+/]{6}==)?+\n)*+").fullmatch
_ETAGS: _Plain = re.compile(r"(?:[A-Za-z0-9]*+\n)*+").fullmatch


def dump_name(dataset: str, delivery_id: str, wall: float) -> str:
    """Name of a state dump: ``upload-client_{dataset}_{delivery_id}_{UTC}.csv``, to the millisecond.

    Args:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        wall: seconds since the Unix epoch.
    """
    return f"upload-client_{dataset}_{delivery_id}_{re.sub('[-:.]', '', timestamp(wall))}.csv"


def page_name(dataset: str, delivery_id: str) -> str:
    """Name of the HTML report of a delivery, where nobody names another."""
    return f"upload-client_{dataset}_{delivery_id}_report.html"


def write_dump(
    files: FileLedger | Iterable[ClientFile], *, dataset: str, delivery_id: str, wall: float, directory: Path
) -> Path:
    """Write the state of all files as CSV (RFC 4180, UTF-8), whole or not at all.

    Args:
        files: any number of them; not held in memory all at once.
        dataset: for the name.
        delivery_id: for the name.
        wall: the time of the dump, seconds since the Unix epoch; for the name.
        directory: where to write it.

    Returns:
        Its path.

    Raises:
        OSError: it cannot be written there, or another file has that name.
    """
    path = directory / dump_name(dataset, delivery_id, wall)
    columns = files.columns() if isinstance(files, FileLedger) else (zip(_FIELDS(file)) for file in files)
    with replacing(path, keep_others("state")) as file:
        file.write(",".join(COLUMNS) + "\r\n")
        file.writelines(map(_lines, columns))
    return path


def _lines(columns: Iterable[Sequence[Any]]) -> str:
    """The lines of some files, of which these are the fields of `ClientFile`, a column each."""
    # By hand, and a column at a time: five times as fast as csv.writer.
    (
        abspaths, relpaths, states, retries, max_retries, messages,
        checksums, sizes, etags, transferred_at, judged_at, codes, opened,
    ) = columns  # fmt: skip
    texts = {one: _cell(one) if one else "" for one in set(opened)}
    cells = zip(
        _cells(relpaths, _PATHS, quoted=True),
        _cells(abspaths, _PATHS, quoted=True),
        states,
        map(str, retries),
        map(str, max_retries),
        [_cell(message) if message else "" for message in messages],
        _cells(checksums, _CRC32S),
        ["" if size is None else str(size) for size in sizes],
        _cells(etags, _ETAGS),
        [at or "" for at in transferred_at],
        [at or "" for at in judged_at],
        [code or "" for code in codes],
        [texts[one] for one in opened],
        strict=True,
    )
    return "\r\n".join((*map(",".join, cells), ""))


def _cells(texts: Sequence[str | None], plain: _Plain, *, quoted: bool = False) -> list[str]:
    """A column as cells, with quotes around all of them or where they are needed."""
    known = [text or "" for text in texts]
    lines = "\n".join((*known, ""))
    if not plain(lines) or lines.count("\n") != len(known):
        return [
            text if not quoted and plain(f"{text}\n") and "\n" not in text else _cell(text) for text in known
        ]
    return [f'"{text}"' for text in known] if quoted else known


def _cell(text: str) -> str:
    return f'''"{for_csv_cell(text).replace('"', '""')}"'''
