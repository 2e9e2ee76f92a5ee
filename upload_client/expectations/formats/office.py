"""Compound files, in which office programs before 2007, and some instruments, keep what they have.

[MS-CFB]: https://learn.microsoft.com/openspecs/windows_protocols/ms-cfb.
"""

from __future__ import annotations

from typing import BinaryIO

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.packed import Budget

_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
_FREE, _LAST_REGULAR = 0xFFFFFFFF, 0xFFFFFFFA
_OF_TABLE = (0xFFFFFFFC, 0xFFFFFFFD)  # marks of sectors that the table itself lies in
_ENTRY = 128
_MOST_SECTORS = 1_000_000  # of the table


def open_compound(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a compound file (XLS, DOC, PPT, MSG, …): whether each sector that is in use is there."""
    file.seek(0)
    head = file.read(512)
    if head[:8] != _MAGIC:
        if head[:64].strip(b"\0"):  # texts, tables in HTML, newer workbooks: Excel opens all by this name
            raise NotOpened("it is no compound file: other programs use its name, too")
        raise ValueError("it does not begin as a compound file does")
    shift = int.from_bytes(head[30:32], "little")
    if len(head) < 512 or shift not in (9, 12):
        raise ValueError("its header is cut or damaged")
    sectors = _Sectors(file, size, 1 << shift, budget)
    table = sectors.table(head)
    # Outlook's tables mark sectors of their own behind the end, where they do not lie any more.
    used = [number for number, entry in enumerate(table) if entry != _FREE and entry not in _OF_TABLE]
    if not used:
        raise ValueError("it is damaged: none of its sectors is in use")
    last = used[-1]
    due = sectors.place(last + 1) - sectors.unused(table, int.from_bytes(head[48:52], "little"), last)
    if due > size:
        raise ValueError(f"it is cut: {due - size:,} bytes of its sectors are missing")


class _Sectors:
    def __init__(self, file: BinaryIO, size: int, length: int, budget: Budget) -> None:
        self._file, self._size, self._length, self._budget = file, size, length, budget

    def place(self, number: int) -> int:
        return (number + 1) * self._length

    def _read(self, number: int) -> bytes:
        self._budget.spend()
        if self.place(number + 1) > self._size + self._length - 1:
            raise ValueError(f"it is cut: its sector {number:,} is missing")
        self._file.seek(self.place(number))
        return self._file.read(self._length)

    def _numbers(self, data: bytes) -> list[int]:
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data) - 3, 4)]

    def table(self, head: bytes) -> list[int]:
        """The sectors that follow each other, by the first of two."""
        places = self._numbers(head[76:512])
        following = int.from_bytes(head[68:72], "little")
        while following <= _LAST_REGULAR:
            more = self._numbers(self._read(following))
            if len(places) > _MOST_SECTORS or not more:
                raise ValueError("it is damaged: its table has no end")
            following = more.pop()
            places += more
        table: list[int] = []
        n = int.from_bytes(head[44:48], "little")
        for number in [one for one in places if one <= _LAST_REGULAR][:n]:
            if len(table) > _MOST_SECTORS * 128:
                raise NotOpened("it has more sectors than are looked at")
            table += self._numbers(self._read(number))
        return table

    def unused(self, table: list[int], directory: int, last: int) -> int:
        """Bytes that the last sector may lack: those behind the end of the stream that it is of."""
        seen: set[int] = set()
        while directory <= _LAST_REGULAR and directory < len(table) and directory not in seen:
            seen.add(directory)
            data = self._read(directory)
            for at in range(0, len(data) - _ENTRY + 1, _ENTRY):
                kind, start = data[at + 66], int.from_bytes(data[at + 116 : at + 120], "little")
                n = int.from_bytes(data[at + 120 : at + 124], "little")
                if kind in (2, 5) and n and self._ends_with(table, start, last):
                    return -n % self._length
            directory = table[directory]
        return 0

    def _ends_with(self, table: list[int], start: int, last: int) -> bool:
        for _ in range(len(table)):
            if start >= len(table):
                return False
            if start == last:
                return table[start] > _LAST_REGULAR
            start = table[start]
        return False
