"""Columns of values for a million files: tens of bytes a row, where objects would take hundreds.

A column grows by `extend` and is then read and written by row. All of them give back exactly what was put in,
but for long texts where there are many: see `TextColumn`.
"""

from __future__ import annotations

import json
import re
from array import array
from binascii import a2b_base64, b2a_base64
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from copy import copy
from itertools import islice, repeat
from operator import itemgetter, lt
from typing import ClassVar, Final, Self, TypeVar, overload

from upload_client.core.forms import CRC32
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


class PathRows(Mapping[str, int]):
    """The row of each path: nothing beside the list of the paths, where these stand in their order.

    In most lists they do. For any other a table is made, of some 65 bytes a path.

    Args:
        paths: one for each row. They are kept, not copied.

    Raises:
        ValueError: a path stands twice.
    """

    __slots__ = ("_paths", "_table")

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._table: dict[str, int] | None = None
        if not all(map(lt, paths, islice(paths, 1, None))):
            self._table = {path: row for row, path in enumerate(paths)}
            if len(self._table) != len(paths):
                raise ValueError("a path stands twice in the index")

    @property
    def in_order(self) -> bool:
        """Whether the paths stand in their order, which is that of the code points."""
        return self._table is None

    def many(self, paths: Sequence[str]) -> Sequence[int | None]:
        """The row of each of some paths, None where it has none."""
        if self._table is not None:
            return list(map(self._table.get, paths))
        if not paths:
            return []
        known = self._paths
        start = bisect_left(known, paths[0])
        if list(known[start : start + len(paths)]) == list(paths):  # as logs and listings mostly have them
            return range(start, start + len(paths))
        # They lie near each other: look for all between the first and the last of them.
        low, high = bisect_left(known, min(paths)), bisect_right(known, max(paths))
        places = list(map(bisect_left, repeat(known), paths, repeat(low), repeat(high)))
        here = known[low : high + 1]
        return [
            at if at - low < len(here) and here[at - low] == path else None
            for at, path in zip(places, paths, strict=True)
        ]

    def get(self, path: str, default: T | None = None) -> int | T | None:  # type: ignore[override]
        """The row of a path."""
        if self._table is not None:
            return self._table.get(path, default)
        row = bisect_left(self._paths, path)
        return row if row < len(self._paths) and self._paths[row] == path else default

    def __getitem__(self, path: str) -> int:
        row = self.get(path)
        if row is None:
            raise KeyError(path)
        return row

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.get(path) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def rows_of(rows: Mapping[str, int], paths: Sequence[str]) -> Sequence[int | None]:
    """The row of each of some paths, None where it has none."""
    return rows.many(paths) if isinstance(rows, PathRows) else list(map(rows.get, paths))


class Shared:
    """Columns that may hold what others hold, in the same memory, until one of them is changed."""

    __slots__ = ("_sharers",)
    _HELD: ClassVar[tuple[str, ...]]
    _sharers: list[int]  # how many hold it: one list, which all of them have

    def share(self) -> Self:
        """The same once more. Changes of either do not show in the other."""
        other = object.__new__(type(self))
        for name in self._HELD:
            setattr(other, name, getattr(self, name))
        self._sharers[0] += 1
        other._sharers = self._sharers
        return other

    @property
    def _is_shared(self) -> bool:
        return self._sharers[0] > 1

    def _own(self) -> None:
        """Hold it alone: before each change."""
        if self._sharers[0] > 1:
            self._sharers[0] -= 1
            self._sharers = [1]
            for name in self._HELD:
                setattr(self, name, copy(getattr(self, name)))


class ChecksumColumn(Sequence[str | None]):
    """CRC32s, as base64 of 4 bytes, or None: 5 bytes a row."""

    __slots__ = ("_bytes", "_known")

    def __init__(self, values: Sequence[str | None] = ()) -> None:
        self._bytes = bytearray()
        self._known = bytearray()
        self.extend(len(values))
        self.fill(values)

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

    def add(self, values: Sequence[str | None]) -> None:
        """Add rows that hold these.

        Raises:
            ValueError: one is no CRC32 in base64; nothing was added.
        """
        texts = [value for value in values if value is not None]
        joined = "".join(texts)
        if texts and not (_CRC32S(joined) and set(map(len, texts)) == {8}):
            raise ValueError("not all of them are CRC32s in base64")
        more = ChecksumColumn(values)
        self._bytes += more._bytes
        self._known += more._known

    def agree(self, rows: Sequence[int], packed: Sequence[bytes]) -> bool:
        """Whether each of the rows, as far as it has one, has the CRC32 at its place.

        Args:
            rows: the rows.
            packed: the CRC32s: the first bytes of all, the second, the third, the fourth.
        """
        rows = in_one_piece(rows)
        known = bytes(taken(self._known, rows))
        if not any(known):
            return True
        if isinstance(rows, range):
            own = [self._bytes[4 * rows.start + each : 4 * rows.stop : 4] for each in range(4)]
        else:
            own = [bytearray(self._bytes[4 * row + each] for row in rows) for each in range(4)]
        if own == list(packed):
            return True
        return all(
            mine == theirs or not is_known
            for mine, theirs, is_known in zip(
                zip(*own, strict=True), zip(*packed, strict=True), known, strict=True
            )
        )

    def values(self, start: int, stop: int) -> list[str | None]:
        """The rows from one to before another."""
        n = stop - start
        six = bytearray(6 * n)  # as above: 6 bytes make 8 digits, of which the last two are for the padding
        for each in range(4):
            six[each::6] = self._bytes[4 * start + each : 4 * stop : 4]
        text = b2a_base64(six, newline=False).decode("ascii")
        known = self._known[start:stop]
        return [f"{text[8 * i : 8 * i + 6]}==" if known[i] else None for i in range(n)]

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[str | None]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self.values(start, min(start + _AT_ONCE, len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # as a list's

    @overload
    def __getitem__(self, row: int) -> str | None: ...
    @overload
    def __getitem__(self, row: slice) -> list[str | None]: ...
    def __getitem__(self, row: int | slice) -> str | list[str | None] | None:
        if isinstance(row, slice):
            return list(map(self.__getitem__, range(*row.indices(len(self)))))
        if not self._known[row]:
            return None
        row %= len(self._known)
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


_AT_ONCE: Final = 4096  # rows that are worked out together
_CRC32S: Final = re.compile(f"(?:{CRC32})+").fullmatch
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

    def __copy__(self) -> TextColumn:
        other = TextColumn()
        other._texts = self._texts.copy()
        return other

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

    def __copy__(self) -> DigestColumn:
        other = DigestColumn()
        other._known, other._bytes = self._known[:], self._bytes[:]
        return other

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


class CategoryColumn(Shared):
    """Texts of which there are few, or None: 2 bytes a row. Further ones than `MAX_TEXTS` become `OTHER`."""

    MAX_TEXTS: Final = 1000
    OTHER: Final = "not opened: for reasons of many kinds"
    __slots__ = _HELD = ("_known", "_numbers", "_texts")

    def __init__(self, n_rows: int = 0) -> None:
        self._sharers = [1]
        self._texts: list[str | None] = [None]
        self._known: dict[str | None, int] = {None: 0}
        self._numbers = array("H")
        self.extend(n_rows)

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._own()
        self._numbers.extend(array("H", (0,)) * n_rows)

    def values(self, start: int, stop: int) -> list[str | None]:
        """The rows from one to before another."""
        texts = self._texts
        return [texts[number] for number in self._numbers[start:stop]]

    def taken(self, rows: Sequence[int]) -> list[str | None]:
        """The values of some rows."""
        texts = self._texts
        return [texts[number] for number in taken(self._numbers, rows)]

    def put(self, rows: Iterable[int], values: Sequence[str | None]) -> None:
        """Set rows, each to its value."""
        if not values:
            return
        self._own()
        numbers = {value: self._number(value) for value in dict.fromkeys(values)}
        column = self._numbers
        for row, value in zip(rows, values, strict=True):
            column[row] = numbers[value]

    def counts(self, flags: bytes | bytearray, flag: int) -> dict[str, int]:
        """Number of rows with each text, of those whose flag is this one; further rows have no flags."""
        found = Counter(number for number, one in zip(self._numbers, flags, strict=False) if one == flag)
        return {text: n for number, n in found.items() if (text := self._texts[number]) is not None}

    def copy(self, row: int, other: CategoryColumn, other_row: int) -> None:
        """Set a row to that of another column."""
        self[row] = other[other_row]

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: int) -> str | None:
        return self._texts[self._numbers[row]]

    def __setitem__(self, row: int, value: str | None) -> None:
        if self._is_shared:
            if self[row] == value:
                return
            self._own()
        self._numbers[row] = self._number(value)

    def _number(self, value: str | None) -> int:
        number = self._known.get(value)
        if number is None:
            if len(self._texts) > self.MAX_TEXTS:
                return self._number(self.OTHER) if self.OTHER in self._known else self._add(self.OTHER)
            number = self._add(value)
        return number

    def _add(self, value: str | None) -> int:
        self._texts.append(value)
        self._known[value] = len(self._texts) - 1
        return len(self._texts) - 1

    def packed(self, n_rows: int) -> bytes:
        """The first rows: a line of ASCII JSON with the texts, then numbers in native byte order."""
        return json.dumps(self._texts[1:]).encode("ascii") + b"\n" + self._numbers[:n_rows].tobytes()

    def unpack(self, data: bytes) -> None:
        """Become what `packed` gave.

        Raises:
            ValueError: that is no such column.
        """
        line, _, numbers = data.partition(b"\n")
        texts = json.loads(line)
        self._own()
        if type(texts) is not list or not all(type(text) is str for text in texts):
            raise ValueError("no texts")
        self._texts = [None, *(for_log(text, MAX_CUT) for text in texts[: self.MAX_TEXTS + 1])]
        self._known = {text: number for number, text in enumerate(self._texts)}
        self._numbers = array("H")
        self._numbers.frombytes(numbers)
        if max(self._numbers, default=0) >= len(self._texts):
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


class TimeColumn(Shared):
    """Moments as `core.times` writes them, or None: 8 bytes a row."""

    __slots__ = _HELD = ("_ms",)

    _NONE = -(2**63)

    def __init__(self, n_rows: int = 0) -> None:
        self._sharers = [1]
        self._ms = array("q", (self._NONE,)) * n_rows

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._own()
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
        if not values:
            return
        self._own()
        moments = {text: milliseconds(text) for text in set(values)}
        put(self._ms, rows, array("q", [moments[text] for text in values]))

    def __getitem__(self, row: int) -> str | None:
        ms = self._ms[row]
        return None if ms == self._NONE else from_milliseconds(ms)

    def __setitem__(self, row: int, value: str | None) -> None:
        ms = self._NONE if value is None else milliseconds(value)
        if self._is_shared:
            if self._ms[row] == ms:
                return
            self._own()
        self._ms[row] = ms

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
        self._own()
        self._ms = array("q")
        self._ms.frombytes(data)
        known = [ms for ms in self._ms if ms != self._NONE] if self._NONE in self._ms else self._ms
        if known and not EARLIEST <= min(known) <= max(known) <= LATEST:
            raise ValueError("a moment that has no name")

    def copy(self, row: int, other: TimeColumn, other_row: int) -> None:
        """Set a row to what another column holds."""
        self._own()
        self._ms[row] = other._ms[other_row]
