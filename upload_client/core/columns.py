"""Facts about a million files in columns: tens of bytes a row, where objects would take hundreds.

A column grows by `extend` and is then read and written by row. All of them give back exactly what was put in,
but for long texts where there are many: see `TextColumn`.
"""

from __future__ import annotations

import json
from array import array
from binascii import a2b_base64, b2a_base64
from collections import Counter
from collections.abc import Iterable, MutableSequence, Sequence
from operator import itemgetter
from typing import Final, TypeVar

from upload_client.core.text import for_log
from upload_client.core.times import EARLIEST, LATEST, from_milliseconds, milliseconds

T = TypeVar("T")


def in_one_piece(rows: Sequence[int]) -> Sequence[int]:
    """The rows, as a range where they follow each other, as most do."""
    if isinstance(rows, range) or not rows or rows[-1] - rows[0] != len(rows) - 1:
        return rows
    piece = range(rows[0], rows[-1] + 1)
    return piece if list(rows) == list(piece) else rows


def taken(column: Sequence[T], rows: Sequence[int]) -> Sequence[T]:
    """Some rows of a column."""
    some = in_one_piece(rows)
    if not isinstance(some, range):
        return itemgetter(*some)(column) if some else ()  # of more than one row it gives as many values
    return column[some.start : some.stop]


def put(column: MutableSequence[int], rows: Sequence[int], values: bytes | array[int]) -> None:
    """Set rows of a column, each to its value: at once, where they are a range."""
    if isinstance(rows, range):
        column[rows.start : rows.stop] = values
        return
    for row, value in zip(rows, values, strict=True):
        column[row] = value


class ChecksumColumn:
    """CRC32s, as base64 of 4 bytes, or None: 5 bytes a row."""

    __slots__ = ("_bytes", "_known")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._known = bytearray()

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._bytes.extend(bytes(4 * n_rows))
        self._known.extend(bytes(n_rows))

    def fill(self, values: Sequence[str | None]) -> None:
        """Set all rows, of which there are as many."""
        n = len(self._known)
        try:
            joined = "".join(values)  # type: ignore[arg-type] # a None is what the exception is for
        except TypeError:
            joined = ""
        # As base64 writes 4 bytes: 6 digits and "==". With two digits in their place it is 6 bytes in a row.
        if len(joined) == 8 * n == 8 * len(values) and joined[6::8] == joined[7::8] == "=" * n:
            six = a2b_base64(joined.replace("==", "AA"))
            if len(six) == 6 * n:
                for each in range(4):
                    self._bytes[each::4] = six[each::6]
                self._known[:] = b"\1" * n
                return
        for row, value in zip(range(n), values, strict=True):
            self[row] = value

    def values(self, start: int, stop: int) -> list[str | None]:
        """The rows from one to before another."""
        n = stop - start
        six = bytearray(6 * n)  # as above: 6 bytes make 8 digits, of which the last two are for the padding
        for each in range(4):
            six[each::6] = self._bytes[4 * start + each : 4 * stop : 4]
        text = b2a_base64(six, newline=False).decode("ascii")
        known = self._known[start:stop]
        return [f"{text[8 * i : 8 * i + 6]}==" if known[i] else None for i in range(n)]

    def __getitem__(self, row: int) -> str | None:
        if not self._known[row]:
            return None
        return b2a_base64(self._bytes[4 * row : 4 * row + 4], newline=False).decode("ascii")

    def __setitem__(self, row: int, value: str | None) -> None:
        if value is None:
            self._known[row] = 0
            return
        packed = a2b_base64(value)
        if len(packed) != 4:  # a slice of another length would shift all rows that follow
            raise ValueError(f"not a CRC32 in base64: {value!r}")
        self._bytes[4 * row : 4 * row + 4] = packed
        self._known[row] = 1


MAX_WHOLE = 10_000
"""Texts of a column that are kept whole: others write them, and a million long ones fill a machine."""
MAX_CUT = 200
"""Characters of each further one."""


class TextColumn:
    """Texts, or None, where most rows have none: nothing a row that has none.

    Where more than `MAX_WHOLE` rows have one, what is put in is cut to `MAX_CUT` characters.
    """

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""

    def values(self, start: int, stop: int) -> list[str | None]:
        """The rows from one to before another."""
        texts = self._texts
        return [texts.get(row) for row in range(start, stop)] if texts else [None] * (stop - start)

    def taken(self, rows: Sequence[int]) -> list[str | None]:
        """The values of some rows."""
        return list(map(self._texts.get, rows)) if self._texts else [None] * len(rows)

    def clear(self, rows: Iterable[int]) -> None:
        """Set rows to None."""
        for row in rows if self._texts else ():
            self._texts.pop(row, None)

    def __getitem__(self, row: int) -> str | None:
        return self._texts.get(row)

    def __setitem__(self, row: int, value: str | None) -> None:
        if value is not None:
            if len(value) > MAX_CUT and len(self._texts) >= MAX_WHOLE:
                value = f"{value[: MAX_CUT - 1]}…"
            self._texts[row] = value
        elif self._texts:
            self._texts.pop(row, None)

    def packed(self) -> bytes:
        """All texts as ASCII JSON: rows in their order, and the text of each."""
        rows = sorted(self._texts)
        return json.dumps([rows, [self._texts[row] for row in rows]]).encode("ascii")

    def unpack(self, n_rows: int, data: bytes) -> None:
        """Become what `packed` gave, of so many rows.

        Raises:
            ValueError: that is no such column.
        """
        try:
            rows, texts = json.loads(data)
            pairs = list(zip(rows, texts, strict=True))
        except (TypeError, RecursionError) as error:
            raise ValueError(f"not rows and texts: {error}") from None
        if not all(type(row) is int and 0 <= row < n_rows for row in rows) or not all(
            type(text) is str for text in texts
        ):
            raise ValueError("not rows and texts")
        for row, text in pairs:
            self[row] = text


class DigestColumn:
    """SHA-256, in hexadecimal, or None: nothing while no row has one, 33 bytes a row from then on."""

    SIZE: Final = 32
    __slots__ = ("_bytes", "_known")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._known = bytearray()

    def __getitem__(self, row: int) -> str | None:
        if row >= len(self._known) or not self._known[row]:
            return None
        return self._bytes[self.SIZE * row : self.SIZE * (row + 1)].hex()

    def __setitem__(self, row: int, value: str | None) -> None:
        if value is None:
            if row < len(self._known):
                self._known[row] = 0
            return
        packed = bytes.fromhex(value)
        if len(packed) != self.SIZE:  # a slice of another length would shift all rows that follow
            raise ValueError(f"not a SHA-256 in hexadecimal: {value!r}")
        missing = row + 1 - len(self._known)
        if missing > 0:
            self._known.extend(bytes(missing))
            self._bytes.extend(bytes(self.SIZE * missing))
        self._bytes[self.SIZE * row : self.SIZE * (row + 1)] = packed
        self._known[row] = 1

    def taken(self, rows: Sequence[int]) -> list[str | None]:
        """The values of some rows."""
        return list(map(self.__getitem__, rows)) if self._known else [None] * len(rows)

    def packed(self) -> bytes:
        """All rows up to the last one that was ever set: whether it is known, then its bytes."""
        return bytes(self._known + self._bytes) if any(self._known) else b""

    def unpack(self, n_rows: int, data: bytes) -> None:
        """Become what `packed` gave.

        Raises:
            ValueError: that is no such column.
        """
        n, rest = divmod(len(data), 1 + self.SIZE)
        if rest or n > n_rows or set(data[:n]) - {0, 1}:
            raise ValueError("no column of SHA-256")
        self._known, self._bytes = bytearray(data[:n]), bytearray(data[n:])


class WordColumn:
    """Texts of which there are few, or None: 2 bytes a row. Further ones than `MAX_WORDS` become `OTHER`."""

    MAX_WORDS: Final = 1000
    OTHER: Final = "not opened: for reasons of many kinds"
    __slots__ = ("_known", "_numbers", "_words")

    def __init__(self, n_rows: int = 0) -> None:
        self._words: list[str | None] = [None]
        self._known: dict[str | None, int] = {None: 0}
        self._numbers = array("H")
        self.extend(n_rows)

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._numbers.extend(array("H", (0,)) * n_rows)

    def values(self, start: int, stop: int) -> list[str | None]:
        """The rows from one to before another."""
        words = self._words
        return [words[number] for number in self._numbers[start:stop]]

    def taken(self, rows: Sequence[int]) -> list[str | None]:
        """The values of some rows."""
        words = self._words
        return [words[number] for number in taken(self._numbers, rows)]

    def put(self, rows: Iterable[int], values: Sequence[str | None]) -> None:
        """Set rows, each to its value."""
        numbers = {value: self._number(value) for value in dict.fromkeys(values)}
        column = self._numbers
        for row, value in zip(rows, values, strict=True):
            column[row] = numbers[value]

    def counts(self, flags: bytes | bytearray, flag: int) -> dict[str, int]:
        """Number of rows with each text, of those whose flag is this one."""
        found = Counter(number for number, one in zip(self._numbers, flags, strict=True) if one == flag)
        return {word: n for number, n in found.items() if (word := self._words[number]) is not None}

    def copy(self, row: int, other: WordColumn, other_row: int) -> None:
        """Set a row to that of another column."""
        self[row] = other[other_row]

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: int) -> str | None:
        return self._words[self._numbers[row]]

    def __setitem__(self, row: int, value: str | None) -> None:
        self._numbers[row] = self._number(value)

    def _number(self, value: str | None) -> int:
        number = self._known.get(value)
        if number is None:
            if len(self._words) > self.MAX_WORDS:
                return self._number(self.OTHER) if self.OTHER in self._known else self._add(self.OTHER)
            number = self._add(value)
        return number

    def _add(self, value: str | None) -> int:
        self._words.append(value)
        self._known[value] = len(self._words) - 1
        return len(self._words) - 1

    def packed(self, n_rows: int) -> bytes:
        """The first rows: a line of ASCII JSON with the texts, then numbers in native byte order."""
        return json.dumps(self._words[1:]).encode("ascii") + b"\n" + self._numbers[:n_rows].tobytes()

    def unpack(self, data: bytes) -> None:
        """Become what `packed` gave.

        Raises:
            ValueError: that is no such column.
        """
        line, _, numbers = data.partition(b"\n")
        words = json.loads(line)
        if type(words) is not list or not all(type(word) is str for word in words):
            raise ValueError("no texts")
        self._words = [None, *(for_log(word, MAX_CUT) for word in words[: self.MAX_WORDS + 1])]
        self._known = {word: number for number, word in enumerate(self._words)}
        self._numbers = array("H")
        self._numbers.frombytes(numbers)
        if max(self._numbers, default=0) >= len(self._words):
            raise ValueError("a number of no text")


class NumberColumn:
    """Integers of 64 bits, or None: 8 bytes a row."""

    __slots__ = ("_numbers",)

    _NONE = -(2**63)  # no record holds that number: they are symmetric around 0

    def __init__(self) -> None:
        self._numbers = array("q")

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._numbers.extend(array("q", (self._NONE,)) * n_rows)

    def fill(self, values: Sequence[int | None]) -> None:
        """Set all rows, of which there are as many."""
        none = self._NONE
        numbers = (
            values
            if isinstance(values, array)
            else array("q", (none if value is None else value for value in values))
        )
        if len(numbers) != len(self._numbers):
            raise ValueError("a column is shorter or longer than the others")
        self._numbers[:] = numbers

    def numbers(self, none: int) -> array[int]:
        """All rows, with `none` for None."""
        numbers = self._numbers[:]
        if self._NONE in numbers:
            for row, number in enumerate(numbers):
                if number == self._NONE:
                    numbers[row] = none
        return numbers

    def values(self, start: int, stop: int) -> list[int | None]:
        """The rows from one to before another."""
        none = self._NONE
        return [None if number == none else number for number in self._numbers[start:stop]]

    def __getitem__(self, row: int) -> int | None:
        number = self._numbers[row]
        return None if number == self._NONE else number

    def __setitem__(self, row: int, value: int | None) -> None:
        self._numbers[row] = self._NONE if value is None else value


class TimeColumn:
    """Moments as `core.times` writes them, or None: 8 bytes a row."""

    __slots__ = ("_ms",)

    _NONE = -(2**63)

    def __init__(self) -> None:
        self._ms = array("q")

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._ms.extend(array("q", (self._NONE,)) * n_rows)

    def values(self, start: int, stop: int) -> list[str | None]:
        """The rows from one to before another."""
        return self._texts(self._ms[start:stop])

    def taken(self, rows: Sequence[int]) -> list[str | None]:
        """The values of some rows."""
        return self._texts(taken(self._ms, rows))

    def _texts(self, moments: Sequence[int]) -> list[str | None]:
        texts = {ms: None if ms == self._NONE else from_milliseconds(ms) for ms in set(moments)}
        return [texts[ms] for ms in moments]

    def put(self, rows: Sequence[int], values: Sequence[str]) -> None:
        """Set rows, each to its value."""
        moments = {text: milliseconds(text) for text in set(values)}
        put(self._ms, rows, array("q", [moments[text] for text in values]))

    def __getitem__(self, row: int) -> str | None:
        ms = self._ms[row]
        return None if ms == self._NONE else from_milliseconds(ms)

    def __setitem__(self, row: int, value: str | None) -> None:
        self._ms[row] = self._NONE if value is None else milliseconds(value)

    def ms(self, row: int) -> int | None:
        """The moment in milliseconds since 1970."""
        ms = self._ms[row]
        return None if ms == self._NONE else ms

    @property
    def latest(self) -> str | None:
        """The last of them; None where there is none."""
        ms = max(self._ms, default=self._NONE)
        return None if ms == self._NONE else from_milliseconds(ms)

    def __len__(self) -> int:
        return len(self._ms)

    def packed(self, n_rows: int) -> bytes:
        """The first rows as bytes, in native byte order."""
        return self._ms[:n_rows].tobytes()

    def unpack(self, data: bytes) -> None:
        """Become what `packed` gave.

        Raises:
            ValueError: that is no such column.
        """
        self._ms = array("q")
        self._ms.frombytes(data)
        known = [ms for ms in self._ms if ms != self._NONE] if self._NONE in self._ms else self._ms
        if known and not EARLIEST <= min(known) <= max(known) <= LATEST:
            raise ValueError("a moment that has no name")

    def copy(self, row: int, other: TimeColumn, other_row: int) -> None:
        """Set a row to what another column holds."""
        self._ms[row] = other._ms[other_row]
