"""Names and messages from outside, made safe for a terminal, a CSV and a log.

A file name may hold nearly anything, and a message comes from another party's machine. Each function
here makes text safe for one medium, and for that medium only.
"""

from __future__ import annotations

import re
import string

MAX_LOGGED = 4000
"""Characters a text in a log may have. Each takes at most 12 bytes of ASCII JSON: a record stays small."""


def counted(n: int, noun: str, nouns: str = "") -> str:
    """So many of something: ``1 file``, ``2,000 files``; `nouns` where more than one have no mere ``s``."""
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def for_terminal(text: str, *, lines: bool = False) -> str:
    r"""Text that shows what it holds and cannot move the cursor, change colours or reorder its line.

    Whatever is not printable in Unicode's terms becomes visible, as ``\x1b``, ``\u202e`` or ``\n``: control
    characters, bidirectional and other invisible marks, odd spaces, lone surrogates, unassigned characters.

    Args:
        text: anything.
        lines: keep line feeds, for text of several lines.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or (lines and one == "\n") else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


# The first character that counts makes a spreadsheet calculate; some are full-width forms of others.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# What may stand before it without being counted: quotes, spaces, and what cannot be seen.
_SKIPPED = "'\"\x00-\x08\x0b\x0c\x0e-\x20\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"  # noqa: E501
# Where a cell begins: also after a separator of another country's spreadsheet, to which our quotes, which do
# not stand at the beginning of *its* cell, mean nothing.
_CELL = "(\\A|[;\t\r\n])"
_CALCULATES = re.compile(f"{_CELL}(?=[{_SKIPPED}]*[{_FORMULA}])")
_DEFUSED = re.compile(f"{_CELL}'(?=[{_SKIPPED}]*[{_FORMULA}])")
_PLAIN_START = frozenset(["", "/", ".", "_", *string.ascii_letters, *string.digits])  # of nearly every text
_HALF = re.compile("[\ud800-\udfff]")
_NOT_IN_CELLS = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")


def for_csv_cell(text: str) -> str:
    r"""Text for a cell of a CSV in UTF-8 that no spreadsheet takes for a formula.

    Nearly every text is its own cell. One that begins like a formula gets a ``'`` before it, as does what
    follows a ``;``, tab or line break inside it (OWASP, "CSV injection"). A lone surrogate, which UTF-8
    cannot hold, becomes U+001A and four hexadecimal digits; so do U+001A and NUL, after which pandas before
    3.1 reads no more of a cell. Quoting is the CSV writer's business; it must quote ``\r`` too.
    """
    if text.isprintable() and ";" not in text and text[:1] in _PLAIN_START:
        return text
    text = _NOT_IN_CELLS.sub(lambda found: f"\x1a{ord(found.group()):04x}", text)
    return _CALCULATES.sub(r"\1'", text)


def from_csv_cell(cell: str) -> str:
    """The text of which `for_csv_cell` made this cell."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), _DEFUSED.sub(r"\1", cell))


def is_whole(text: str) -> bool:
    """Whether a text has no half of a character in it (a lone surrogate), which UTF-8 cannot hold.

    JSON can spell one, and a name of a file has some that is not UTF-8 (PEP 383).
    """
    return text.isascii() or _HALF.search(text) is None


def for_log(text: str, limit: int = MAX_LOGGED) -> str:
    r"""Text that somebody else said, or that is said to others: one line, its middle left out if it is long.

    Whoever could put a line feed into it could write lines of their own into a mail, a log or a terminal.

    Args:
        text: anything; a traceback becomes one line, with ``\n`` where its lines ended.
        limit: characters it may have in the end.
    """
    if len(text) <= limit and text.isprintable():
        return text
    return _cut(for_terminal(_cut(text, limit)), limit)


def _cut(text: str, limit: int) -> str:
    mark = " […] "
    if len(text) <= limit:
        return text
    tail = (limit - len(mark)) // 2
    return text[: limit - len(mark) - tail] + mark + text[-tail:]
