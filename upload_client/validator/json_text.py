"""JSON, and JSON on each line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple, NoReturn, Protocol

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.strict_json import begins_as_lines
from upload_client.validator.unreadable import BLOCK, BOM, MAX_NESTING, MAX_TEXT, Unreadable, is_utf8

_MOST_PASSES = 64
_MOST_COMMAS = 32


class _Readable(Protocol):
    def read(self, n: int, /) -> bytes: ...


def check_json(stream: BinaryIO) -> None:
    """One JSON value (RFC 8259); ``NaN`` and ``Infinity``, which many programs write, pass too.

    Some programs (Spark, DuckDB, Delta Lake) call files so that have an object or array on each line: these
    are read as JSON lines.
    """
    block = stream.read(BLOCK + 1)
    if begins_as_lines(block):
        check_jsonl(_Ahead(block, stream))
        return
    if len(block) <= BLOCK:
        if not _is_json(block):
            _loads(block, "")
        return
    walk = _JsonWalk("")
    data = block.removeprefix(BOM)
    while block:
        end = _after_last_comma(data)
        if end and walk.pass_over(data[:end]):
            data = data[end:]
        else:
            end = end or len(data)
            data = walk.feed_bytes(data[:end]) + data[end:]
        block = stream.read(BLOCK)
        data += block
    if not walk.pass_over(data, to_the_end=True):
        walk.feed(data.decode())
        walk.close()


class _Ahead:
    """A stream of which the first block was read before."""

    def __init__(self, block: bytes, stream: BinaryIO) -> None:
        self._block, self._stream = block, stream

    def read(self, n: int) -> bytes:
        block, self._block = self._block, b""
        return block or self._stream.read(n)


def check_jsonl(stream: _Readable) -> None:
    """One JSON value on each line that is not empty (https://jsonlines.org)."""
    n_lines = 0
    data = b""
    while block := stream.read(BLOCK):
        data += block
        end = data.rfind(b"\n") + 1
        if end:
            lines, data = data[:end], data[end:]
            n_new = lines.count(b"\n")
            if not _are_json(lines, n_new):
                for number, line in enumerate(lines.split(b"\n")[:-1], n_lines + 1):
                    _check_line(line, number)
            n_lines += n_new
        if len(data) > BLOCK:
            n_lines += 1
            data = _walk_line(data, stream, n_lines)
    _check_line(data, n_lines + 1)


# The quick way. It says yes to what the careful one would say yes to, and not to all of that.


def _engine() -> tuple[Callable[[bytes], object], Callable[[bytes], Sequence[object]]]:
    """The functions that read UTF-8 as JSON, and as a JSON array; both raise if it is none."""
    try:
        import msgspec  # noqa: PLC0415 — a Lambda function has it if its receiver has added it
    except ImportError:
        return (lambda text: json.loads(text.decode())), (lambda text: json.loads(text.decode()))
    # It passes over a text and builds nothing: ten times as fast as the standard library.
    return msgspec.json.Decoder(msgspec.Raw).decode, msgspec.json.Decoder(list[msgspec.Raw]).decode


_scan, _scan_array = _engine()
_OPENERS, _CLOSERS = b"[{", b"]}"
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
_NO_BRACKETS_OR_ENDS = bytes(set(range(256)) - set(b'[]{}"\n'))


def _is_json(text: bytes) -> bool:
    try:
        _scan(text)
    except Exception:  # noqa: BLE001 — whatever it says: the careful way decides
        return False
    return is_utf8(text)


def _are_json(lines: bytes, n_lines: int) -> bool:
    """Whether each of these lines, which all have an end, is seen to be one value."""
    found = _brackets(lines, _NO_BRACKETS_OR_ENDS)
    # Where none is open at the end of a line, no value goes on in the next; as many values as lines, and no
    # line without one (which would leave a comma too many), are one value on each.
    if found is None or found.left != b"\n" * n_lines or not is_utf8(lines):
        return False
    try:
        return len(_scan_array(b"[" + lines[:-1].replace(b"\n", b",") + b"]")) == n_lines
    except Exception:  # noqa: BLE001 — as above
        return False


class _Brackets(NamedTuple):
    """The brackets of a text, without those that are in strings, and without those that make pairs.

    Attributes:
        depth: how many of the pairs are within each other, at the most.
        left: the others.
    """

    depth: int
    left: bytes


def _brackets(text: bytes, others: bytes) -> _Brackets | None:
    """The brackets of a text that begins outside of strings; None where that takes a closer look.

    Args:
        text: some JSON.
        others: all characters but brackets, quotes, and what else is to be kept.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    kept = text.translate(None, others)
    if b'"' in kept:
        kept = b"".join(kept.split(b'"')[::2])
    for n_passes in range(_MOST_PASSES):
        left = kept.replace(b"[]", b"").replace(b"{}", b"")
        if len(left) == len(kept):
            return _Brackets(2 * n_passes, left)  # each pass may have seen two levels
        kept = left
    return None


def _after_last_comma(data: bytes) -> int:
    """The end of what can be looked at alone: behind the last comma that is not in a string. 0: nowhere."""
    escapes = b"\\" in data
    end = len(data)
    for _ in range(_MOST_COMMAS):
        comma = data.rfind(b",", 0, end)
        if comma < 0:
            return 0
        before = data[:comma]
        n_quotes = before.count(b'"')
        if escapes:
            n_quotes -= before.replace(b"\\\\", b"").count(b'\\"')
        if n_quotes % 2 == 0:
            return comma + 1
        end = data.rfind(b'"', 0, comma)  # the string may begin there
    return 0


# The careful way.

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


def _check_line(line: bytes, number: int) -> None:
    if len(line) > BLOCK:
        _walk_line(line, None, number)
    elif line and not line.isspace():
        _loads(line, f"line {number}: ")


def _walk_line(data: bytes, stream: _Readable | None, number: int) -> bytes:
    """Check a long line, of which `data` is the beginning; give what was read behind its end."""
    walk = _JsonWalk(f"line {number}: ")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if number == 1 else "utf-8")()
    while True:
        line, end, rest = data.partition(b"\n")
        for start in range(0, len(line), BLOCK):
            walk.feed(decoder.decode(line[start : start + BLOCK]))
        if end or stream is None or not (data := stream.read(BLOCK)):
            walk.feed(decoder.decode(b"", final=True))
            walk.close()
            return rest


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


# What may stand before a text that goes on in an array or object, by what is expected there.
_BEFORE = {
    ("[", "value]"): b"[",
    ("[", "value"): b"[0,",
    ("[", ","): b"[0",
    ("{", "key}"): b"{",
    ("{", "key"): b'{"":0,',
    ("{", ":"): b'{""',
    ("{", "value"): b'{"":',
    ("{", ","): b'{"":0',
}
# And behind one that ends with a comma in it.
_BEHIND = {"[": b"0]", "{": b'"":0}'}


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
        if len(self._text) > MAX_TEXT + BLOCK:
            raise NotOpened(f"{self._where}a text in it has more than {MAX_TEXT:,} characters")

    def feed_bytes(self, piece: bytes) -> bytes:
        """Take the next piece, and give back the beginning of a lexeme at its end: it belongs to the next."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        self.feed(decoder.decode(piece))
        text, self._text = self._text, ""
        return text.encode() + decoder.getstate()[0]

    def pass_over(self, piece: bytes, *, to_the_end: bool = False) -> bool:
        """Take the next piece where it is seen to be sound, the quick way; else nothing is changed.

        With what may stand before it, and what may follow, it has to be a JSON text of its own.

        Args:
            piece: it begins where a lexeme does, and ends with a comma.
            to_the_end: or it ends where the text does.
        """
        found = _brackets(piece, _NO_BRACKETS)
        if found is None:
            return False
        opened = found.left.lstrip(_CLOSERS).decode("latin-1")
        n_closed = len(found.left) - len(opened)
        after = [*self._open[: len(self._open) - n_closed], *opened]
        if n_closed > len(self._open) or len(self._open) + found.depth + len(opened) > MAX_NESTING:
            return False
        before = b"" if self._expect == "value" else b"0"
        if self._open:
            before = b"".join(b"[" if one == "[" else b'{"":' for one in self._open[:-1])
            before += _BEFORE[self._open[-1], self._expect]
        behind = b""
        if not to_the_end:
            if not after or "]" in after or "}" in after:
                return False
            behind = _BEHIND[after[-1]] + b"".join(b"]" if one == "[" else b"}" for one in after[-2::-1])
        if not _is_json(before + piece + behind):
            return False
        self._passed += len(piece) if piece.isascii() else len(piece.decode())
        self._open = after
        if after:
            self._expect = "value" if after[-1] == "[" else "key"
        return True

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
