"""Tables with fields in quotes, looked at by whole blocks, as bits: 64 bytes a word.

What stands within quotes is what an odd number of quotes stands before: the exclusive or of the bits of all
quotes so far. G. Langdale and D. Lemire, "Parsing Gigabytes of JSON per Second" (2019), do so with strings of
JSON. A quote within a field is two of them (RFC 4180), which leave that as it was.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

_Words = npt.NDArray[np.uint64]
_ONE, _LAST = np.uint64(1), np.uint64(63)
_WORD = 64
_PIECE = 1024  # words, so that what is made of them stays near the processor


class _Room(threading.local):
    """Memory that a thread uses again and again: to get it anew takes longer than what is done in it."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.bool_)

    def of(self, n: int) -> npt.NDArray[np.bool_]:
        """So many bytes."""
        if n > len(self._bytes):
            self._bytes = np.empty(n, np.bool_)
        return self._bytes[:n]


_room = _Room()


def rows_at_beginning(data: bytes, delimiter: str, width: int, *, whole: bool) -> tuple[int, int] | None:
    """Read rows as Python's csv module does in its strict way.

    Args:
        data: a text that begins where a row does, in any encoding that spells ASCII as ASCII does.
        delimiter: between fields, one character of ASCII.
        width: fields in each row.
        whole: nothing follows, so that the last row may have no end of line.

    Returns:
        Bytes of the rows that are all there, and ends of lines in them, also within quotes. None, which takes
        a closer look: there are no rows, or one has another number of fields, or is empty, or has a quote
        that is neither around its field nor doubled within, or a carriage return that no line feed follows.
    """
    characters = np.frombuffer(data, np.uint8)
    is_one = _room.of(-(-len(data) // _WORD) * _WORD)
    is_one[len(data) :] = False

    def bits(one: str) -> _Words:
        """A bit for each byte that is this character, the first the lowest."""
        np.equal(characters, ord(one), out=is_one[: len(data)])
        return np.packbits(is_one, bitorder="little").view(np.dtype("<u8"))

    quotes, line_ends = bits('"'), bits("\n")
    ends = bits(delimiter) | line_ends
    within = _odd_so_far(quotes)  # from a quote that opens to the byte before the one that closes
    end = len(data) if whole else _last(line_ends & ~within) + 1
    word, bit = divmod(end - 1, _WORD)
    last = _ONE << np.uint64(bit)
    if not end or within[word] & last:
        return None
    rows = _bits_up_to(end, len(quotes))
    quotes &= rows
    ends &= rows
    ends_or_quotes = ends | quotes
    if b"\r" in data:
        returns = bits("\r") & rows
        if (returns & ~_moved_back(line_ends)).any():
            return None
        ends_or_quotes |= returns
    opens, closes = quotes & within, quotes & ~within
    before = _moved_on(ends_or_quotes)
    before[0] |= _ONE
    behind = _moved_back(ends_or_quotes)
    behind[word] |= last
    if (opens & ~before).any() or (closes & ~behind).any():
        return None
    separators = ends & ~within
    n_rows = _n(separators & line_ends)
    n_lines = n_rows + (_n(line_ends & rows & within) if (line_ends & rows & within).any() else 0)
    cut = data[end - 1] != ord("\n")  # the last row has no end
    n_separators = _n_of_rows(characters, separators, width)
    return (end, n_lines) if n_separators == width * (n_rows + cut) - cut else None


def _n_of_rows(characters: npt.NDArray[np.uint8], separators: _Words, width: int) -> int:
    """Count the ends of fields and lines; -1: one that would end a row of this width is no end of a line."""
    n = 0
    for first in range(0, len(separators), _PIECE):
        piece = separators[first : first + _PIECE].view(np.uint8)
        places = np.flatnonzero(np.unpackbits(piece, bitorder="little").view(np.bool_))
        last_of_rows = characters[first * _WORD :][places[width - 1 - n % width :: width]]
        if (last_of_rows != ord("\n")).any():
            return -1
        n += len(places)
    return n


def _odd_so_far(bits: _Words) -> _Words:
    """A bit for each place up to which, that included, an odd number is set."""
    odd = bits.copy()
    for n in (1, 2, 4, 8, 16, 32):
        odd ^= odd << np.uint64(n)
    odd[1:] ^= -np.bitwise_xor.accumulate(odd >> _LAST)[:-1]
    return odd


def _moved_on(bits: _Words) -> _Words:
    """Each bit at the place of the next byte."""
    moved = bits << _ONE
    moved[1:] |= bits[:-1] >> _LAST
    return moved


def _moved_back(bits: _Words) -> _Words:
    """Each bit at the place of the byte before."""
    moved = bits >> _ONE
    moved[:-1] |= bits[1:] << _LAST
    return moved


def _last(bits: _Words) -> int:
    """The place of the last bit that is set; -1: none is."""
    words = np.flatnonzero(bits)
    return -1 if not len(words) else int(words[-1]) * _WORD + int(bits[words[-1]]).bit_length() - 1


def _bits_up_to(end: int, n_words: int) -> _Words:
    """All bits before this place."""
    bits = np.zeros(n_words, np.uint64)
    word, bit = divmod(end, _WORD)
    bits[:word] = ~np.uint64(0)
    if bit:
        bits[word] = (_ONE << np.uint64(bit)) - _ONE
    return bits


def _n(bits: _Words) -> int:
    """The number of bits that are set."""
    return int.from_bytes(bits.tobytes(), "little").bit_count()
