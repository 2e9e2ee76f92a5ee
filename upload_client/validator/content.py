"""Does a text file open as what its suffix says: CSV, TSV, JSON, JSON lines.

Each check reads a stream once, from its start to its end, in bounded memory, and trusts nothing in it.
What does not open raises `Unreadable` with one sentence for a person; that sentence quotes nothing of
the file. What the stream itself raises passes through.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Any, BinaryIO, NoReturn

__all__ = ["MAX_NESTING", "MAX_TEXT", "TEXT_FORMATS", "Unreadable", "check_text"]

MAX_TEXT = 4 * 1024 * 1024
"""Characters of the longest field or JSON string that is taken, bytes of the longest line of a table."""
MAX_NESTING = 500
"""JSON arrays and objects within each other."""
TEXT_FORMATS = frozenset({"csv", "tsv", "json", "jsonl"})

_BLOCK = 256 * 1024
"""Bytes read at once, and the longest JSON text that is built in memory rather than walked through."""

# It is one number for the whole process, and nothing else here reads CSV.
csv.field_size_limit(MAX_TEXT)


class Unreadable(Exception):  # noqa: N818 — it reads as what it says
    """A file does not open as what its suffix says."""


def check_text(kind: str, stream: BinaryIO) -> None:
    """Read `stream` to its end as `kind`, one of `TEXT_FORMATS`.

    Raises:
        Unreadable: it is not.
    """
    try:
        _CHECKS[kind](stream)
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: {error.reason}") from None


def _check_csv(stream: BinaryIO) -> None:
    """RFC 4180: quoted as it says, and as many fields in each row as in the first.

    Names in a first line without commas and quotes may stand apart by semicolons, tabs or bars.
    """
    lines = _lines(stream)
    first = lines.readline()
    # Of those that are there as often, the first: the comma, where there is none.
    delimiter = "," if "," in first or '"' in first else max(",;\t|", key=first.count)
    _same_width(csv.reader(chain((first,), lines), delimiter=delimiter, strict=True))


def _check_tsv(stream: BinaryIO) -> None:
    """As many fields in each row as in the first: read with quotes, as spreadsheets write them, or without.

    Without: https://www.iana.org/assignments/media-types/text/tab-separated-values
    """
    widths = set()

    def counted(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if not line.isspace():
                widths.add(line.count("\t"))
            yield line

    lines = counted(_lines(stream))
    try:
        _same_width(csv.reader(lines, delimiter="\t", strict=True))
    except _Ragged:
        for _ in lines:
            pass  # for the count
        if len(widths) > 1:
            raise


class _Ragged(Unreadable):
    """The rows do not have the same number of fields, or quotes are not as they should be."""


def _same_width(rows: Any) -> None:  # noqa: ANN401 — csv has no name for its readers
    width = 0
    try:
        for row in rows:
            if len(row) != width and row:  # an empty line is no row
                if width:
                    raise _Ragged(f"line {rows.line_num}: {len(row)} fields, where the first row has {width}")
                width = len(row)
    except csv.Error as error:
        raise _Ragged(f"line {rows.line_num}: {error}") from None


def _lines(stream: BinaryIO) -> IO[str]:
    """The lines of a stream of UTF-8, none of them too long."""
    guarded = io.BufferedReader(_Guard(stream), _BLOCK)
    return io.TextIOWrapper(guarded, encoding="utf-8-sig", errors="strict", newline="")


class _Guard(io.RawIOBase):
    """A stream that ends with `Unreadable` where a line is too long or holds a NUL character.

    It looks at whole blocks, so that the lines themselves may be taken apart by C code.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._since_end = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        block = self._stream.read(len(buffer))
        end = block.rfind(b"\n")
        if end < 0:
            end = block.rfind(b"\r")
        self._since_end = len(block) - 1 - end if end >= 0 else self._since_end + len(block)
        if self._since_end > MAX_TEXT:
            raise Unreadable(f"a line of more than {MAX_TEXT:,} bytes")
        if b"\0" in block:
            raise Unreadable("it contains a NUL character")
        buffer[: len(block)] = block
        return len(block)


def _check_json(stream: BinaryIO) -> None:
    """One JSON value (RFC 8259); ``NaN`` and ``Infinity``, which many programs write, pass too."""
    head = stream.read(_BLOCK + 1)
    if len(head) <= _BLOCK:
        _loads(head, "")
        return
    walk = _JsonWalk("")
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    while head:
        walk.feed(decoder.decode(head))
        head = stream.read(_BLOCK)
    walk.feed(decoder.decode(b"", final=True))
    walk.close()


def _check_jsonl(stream: BinaryIO) -> None:
    """One JSON value on each line that is not empty (https://jsonlines.org)."""
    number = 0
    while line := stream.readline(_BLOCK):
        number += 1
        where = f"line {number}: "
        if line.endswith(b"\n") or len(line) < _BLOCK:
            if not line.isspace():
                _loads(line, where)
            continue
        walk = _JsonWalk(where)
        decoder = codecs.getincrementaldecoder("utf-8-sig" if number == 1 else "utf-8")()
        while True:
            walk.feed(decoder.decode(line))
            if line.endswith(b"\n"):
                break
            line = stream.readline(_BLOCK)
            if not line:
                break
        walk.feed(decoder.decode(b"", final=True))
        walk.close()


# Numbers are not needed, and a long integer would take time in the square of its length.
_JSON = json.JSONDecoder(parse_int=float)


def _loads(data: bytes, where: str) -> None:
    try:
        _JSON.decode(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, " if not where and error.lineno > 1 else ""
        raise Unreadable(f"{where}not JSON: {error.msg} ({position}column {error.colno})") from None
    except RecursionError:
        raise Unreadable(f"{where}nested too deeply") from None


_SPACE = r"[ \t\n\r]*+"
_STRING = r'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+"'
_SCALAR = (
    rf"(?:{_STRING}|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
    r"|true|false|null|NaN|-?Infinity)"
)
_TOKEN = re.compile(rf"{_SPACE}(?:([\[\]{{}},:])|({_STRING})|({_SCALAR})(?=[ \t\n\r,:\]}}]))").match
_BLANK = re.compile(_SPACE).fullmatch
# Of a token that the next piece may complete.
_BEGINNING = re.compile(
    rf"{_SPACE}(?:{_STRING[:-1]}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?|{_SCALAR}|-?[0-9][0-9.eE+-]*|-?(?:I[nfity]*)?|N|Na"
    r"|t[rue]*|f[alse]*|n[ul]*)?"
).fullmatch
# Most of a large file is such runs: they are passed over at the speed of the regular expression.
_RUN = {
    "[": re.compile(rf"(?:{_SPACE}{_SCALAR}{_SPACE},)*+").match,
    "{": re.compile(rf"(?:{_SPACE}{_STRING}{_SPACE}:{_SPACE}{_SCALAR}{_SPACE},)*+").match,
}


_RUN_MAY_START = {"[": ("value", "value]"), "{": ("key", "key}")}


class _JsonWalk:
    """Checks a JSON text that comes in pieces, without building what it says."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._text = ""
        self._passed = 0
        self._open: list[str] = []
        self._expect = "value"
        """``value``, ``value]`` (or the end of an array), ``key``, ``key}``, ``:``, or ``,`` (or an end)."""

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._text += piece
        self._walk(final=False)
        if len(self._text) > MAX_TEXT + _BLOCK:
            self._fail(f"a text of more than {MAX_TEXT:,} characters")

    def close(self) -> None:
        """The text ends here."""
        self._text += " "  # a number is known to end by what follows it
        self._walk(final=True)
        if self._open or self._expect != ",":
            self._fail("it ends too early")

    def _fail(self, why: str) -> NoReturn:
        raise Unreadable(f"{self._where}not JSON: {why} (after {self._passed:,} characters)")

    def _walk(self, *, final: bool) -> None:
        text, position = self._text, 0
        while True:
            if self._open and self._expect in _RUN_MAY_START[self._open[-1]]:
                run = _RUN[self._open[-1]](text, position)
                assert run is not None  # it matches nothing, too
                if run.end() > position:
                    # It ends with a comma: another value or pair has to follow.
                    self._passed += run.end() - position
                    position = run.end()
                    self._expect = "value" if self._open[-1] == "[" else "key"
            match = _TOKEN(text, position)
            if match is None:
                break
            self._take(match[1] or ("string" if match[2] else "scalar"))
            self._passed += match.end() - position
            position = match.end()
        self._text = text[position:]
        if (_BLANK if final else _BEGINNING)(self._text) is None:
            self._fail("it ends too early" if final else "unexpected character")

    def _take(self, lexeme: str) -> None:
        expect = self._expect
        if lexeme in "[{" and expect.startswith("value"):
            if len(self._open) == MAX_NESTING:
                self._fail(f"nested deeper than {MAX_NESTING}")
            self._open.append(lexeme)
            self._expect = "value]" if lexeme == "[" else "key}"
        elif lexeme in "]}":
            if not self._open or self._open[-1] != ("[" if lexeme == "]" else "{"):
                self._fail(f"{lexeme} closes nothing")
            if expect not in (",", "value]", "key}"):
                self._fail(f"unexpected {lexeme}")
            self._open.pop()
            self._expect = ","
        elif lexeme == "," and expect == "," and self._open:
            self._expect = "value" if self._open[-1] == "[" else "key"
        elif lexeme == ":" and expect == ":":
            self._expect = "value"
        elif lexeme == "string" and expect.startswith("key"):
            self._expect = ":"
        elif lexeme in ("string", "scalar") and expect.startswith("value"):
            self._expect = ","
        else:
            self._fail(f"unexpected {'value' if lexeme in ('string', 'scalar') else lexeme}")


_CHECKS = {"csv": _check_csv, "tsv": _check_tsv, "json": _check_json, "jsonl": _check_jsonl}
