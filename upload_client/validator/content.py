"""Does a text file open as what its suffix says: CSV, TSV, JSON, JSON lines.

Each check reads a stream once, from its start to its end, in bounded memory, and trusts nothing in it.
What does not open raises `Unreadable` with one sentence for a person; that sentence quotes nothing of
the file. What the stream itself raises passes through.

Each check has two ways. The quick one looks at a whole block with a few operations in C, and says no more
than that all in it is sound. Where it does not, the careful one looks at the same bytes, and finds them
sound all the same or says what is wrong and where: what passes is decided by the careful one alone.
"""

from __future__ import annotations

from typing import BinaryIO

from upload_client.validator.json_text import check_json, check_jsonl
from upload_client.validator.tables import check_csv, check_tsv
from upload_client.validator.unreadable import MAX_NESTING, MAX_TEXT, Unreadable

__all__ = ["MAX_NESTING", "MAX_TEXT", "TEXT_FORMATS", "Unreadable", "check_text"]

TEXT_FORMATS = frozenset({"csv", "tsv", "json", "jsonl"})

_CHECKS = {"csv": check_csv, "tsv": check_tsv, "json": check_json, "jsonl": check_jsonl}


def check_text(kind: str, stream: BinaryIO) -> None:
    """Read `stream` to its end as `kind`, one of `TEXT_FORMATS`.

    Raises:
        Unreadable: it is not.
        NotOpened: it has a text that is longer than is looked into.
    """
    try:
        _CHECKS[kind](stream)
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: {error.reason}") from None
