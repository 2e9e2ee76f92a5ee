"""Columns of text, as a CSV has them, read as values: numbers, moments, flags, keys to compare them by."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from upload_client.expectations.findings import Undecided, shown
from upload_client.expectations.formats.arrow_arrays import EXACT_DIGITS, as_numpy, objects
from upload_client.expectations.model import Column
from upload_client.expectations.values import (
    DIGEST,
    UNROUNDED,
    TableJudge,
    digests,
    limits_of,
    no_fault_of_theirs,
    row_place,
)

_INTEGERS: dict[str, pa.DataType] = {
    name: getattr(pa, name)()
    for name in (f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
}
_MOMENTS = tuple(pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in (None, "UTC"))
_TARGETS: dict[str, tuple[pa.DataType, ...]] = {
    **{name: (arrow,) for name, arrow in _INTEGERS.items()},
    "integer": (pa.int64(), pa.uint64()),
    "number": (pa.float64(),),
    "float64": (pa.float64(),),
    "float32": (pa.float32(),),
    "float16": (pa.float32(),),  # pyarrow reads no text as one
    "bool": (pa.bool_(),),
    "date": (pa.date32(),),
    "timestamp": _MOMENTS,
    "decimal": (pa.float64(),),
    "null": (pa.null(),),
    **dict.fromkeys(("any", "string", "binary"), (pa.string(),)),
}
_INTEGER = r"^[+-]?[0-9]{1,76}$"
_ZONED = r"[T ].*(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_TIME = r"^[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?$"
_DURATION = (  # of ISO 8601, as in XML Schema: https://www.w3.org/TR/xmlschema11-2/#duration
    r"^-?P(?:[0-9]+W|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
    r"(?:T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?)$"
)
_DURATION_ENDS = r"[0-9][WYMDHS]$"


def feed_text(table: TableJudge, column: Column, texts: pa.Array) -> None:
    """Read one piece of a column of text as the document has it, and judge what was read."""
    kind = _kind(column)
    if kind not in _TARGETS and kind not in ("time", "duration"):
        raise Undecided(f"column {column.name!r}: whether a text is a {kind} cannot be judged")
    with no_fault_of_theirs(f"column {column.name!r}"):
        values = _read(texts, kind)
        if values is None:
            at = _first_not(texts, kind)
            value = shown(texts[at].as_py())
            table.note(column.name, f"{value} in {row_place(table.n_rows + at)} is no {kind}")
        elif kind in ("decimal", "number") and column.judges_values:
            keys = _keys_of_texts(texts, as_numpy(values)[0]) if column.unique else None
            table.feed(column.name, *_exactly(texts, values, column), keys)
        else:
            table.feed(column.name, *as_numpy(values, exact=True))


def _kind(column: Column) -> str:
    """The type of a column of text: where only limits are named, that of the limits."""
    limit = next((limit for limit, *_ in limits_of(column)), None)
    if column.type != "any" or limit is None:
        return column.type
    return "timestamp" if isinstance(limit, dt.date) else "number"


def _exactly(
    texts: pa.Array, numbers: pa.Array, column: Column
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Numbers; as decimals where it matters that their texts have more digits than floating-point numbers."""
    values, missing = as_numpy(numbers)
    lengths, _ = as_numpy(pc.utf8_length(texts))
    if not (lengths > EXACT_DIGITS).any():
        return values, missing
    if column.pattern is None:
        # A number that is rounded passes none that is not: only one that becomes a limit may lie beyond.
        given = (*(limit for limit, *_ in limits_of(column)), *(column.values or ()))
        rounded = [float(one) for one in given if isinstance(one, (int, float))]
        if not np.isin(values, rounded).any():
            return values, missing
    missing = np.isnan(values)  # NaN, too, which no decimal can be compared with
    nothing = decimal.Decimal(0)
    return (
        objects(
            nothing if gone else decimal.Decimal(text).normalize(UNROUNDED)
            for text, gone in zip(texts.to_pylist(), missing.tolist(), strict=True)
        ),
        missing,
    )


_CHUNK = 18
"""Digits that a number of 64 bits has room for."""
_MAX_DIGITS = 4 * _CHUNK
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit of a product is lost
_NO_DIGITS = "+-0aAfFiInNtTyY"  # signs, zeros, and what NaN and Infinity are made of


def _keys_of_texts(texts: pa.Array, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Sixteen bytes for each text, the same for all texts of one number, and for no two numbers.

    They are the floating-point number, and its digits without zeros at either end: of two numbers with the
    same digits one is ten times the other or more, so they are not rounded to the same one. Of up to 18
    digits it is these, of more a hash.
    """
    digits = texts
    if any(pc.match_substring(texts, letter).true_count for letter in "eE"):
        digits = pc.replace_substring_regex(texts, pattern="[eE].*$", replacement="")
    digits = pc.ascii_trim(pc.replace_substring(digits, pattern=".", replacement=""), characters=_NO_DIGITS)
    lengths, _ = as_numpy(pc.utf8_length(digits))
    # Beyond what such numbers can be, or too long to be looked at beside others.
    slow = np.isinf(values) | ((values == 0) & (lengths > 0)) | (lengths > _MAX_DIGITS)
    most = int(np.where(slow, 0, lengths).max(initial=1))
    padded = pc.ascii_rpad(digits, width=-(-most // _CHUNK) * _CHUNK, padding="0")
    hashed = np.zeros(len(texts), np.uint64)
    for start in range(0, _MAX_DIGITS, _CHUNK):
        hashed *= _FACTOR
        if start < most:
            chunk = pc.utf8_slice_codeunits(padded, start=start, stop=start + _CHUNK)
            hashed += as_numpy(chunk.cast(pa.uint64()))[0]
    keys = np.column_stack(((values + 0.0).view(np.uint64), hashed)).view(DIGEST).ravel()
    for at in np.flatnonzero(slow).tolist():
        keys[at : at + 1] = digests(objects([decimal.Decimal(texts[at].as_py())]))
    return keys


def keys_of_decimals(array: pa.Array) -> np.ndarray[Any, Any]:
    """The decimals of one type as they stand in memory."""
    width = array.type.bit_width // 8
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), f"S{width}")
    return np.frombuffer(data, f"S{width}", array.offset + len(array))[array.offset :]


def _read(texts: pa.Array, kind: str) -> pa.Array | None:
    """Texts as values of a kind; None: not all of them can be."""
    values = _cast(texts, _TARGETS.get(kind, ()))
    if values is not None:
        return values
    if kind == "integer" and _all_match(texts, _INTEGER):
        return texts.cast(pa.decimal256(76, 0))
    if kind == "timestamp":
        return _mixed_moments(texts)
    if kind == "time" and _all_match(texts, _TIME):
        days = pc.binary_join_element_wise("1970-01-01 ", texts, "")
        return None if _cast(days, (pa.timestamp("ns"),)) is None else texts
    if kind == "duration" and _all_match(texts, _DURATION) and _all_match(texts, _DURATION_ENDS):
        return texts
    return None


def _all_match(texts: pa.Array, pattern: str) -> bool:
    matches = pc.match_substring_regex(texts, pattern)
    return bool(matches.true_count + matches.null_count == len(texts))


def _mixed_moments(texts: pa.Array) -> pa.Array | None:
    """Moments of which some name a zone and some do not: these are in UTC."""
    zoned = pc.match_substring_regex(texts, _ZONED)
    nothing = pa.nulls(len(texts), pa.string())
    of_zone = _cast(pc.if_else(zoned, texts, nothing), (pa.timestamp("us", "UTC"),))
    of_none = _cast(pc.if_else(zoned, nothing, texts), (pa.timestamp("us"),))
    if of_zone is None or of_none is None:
        return None
    return pc.coalesce(of_zone.cast(pa.timestamp("us")), of_none)


def _cast(texts: pa.Array, targets: Sequence[pa.DataType]) -> pa.Array | None:
    for target in targets:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            if not pa.types.is_null(target):
                return texts.cast(target)
            if texts.null_count == len(texts):
                return pa.nulls(len(texts))
    return None


def _first_not(texts: pa.Array, kind: str) -> int:
    """The first of them that cannot be read as such; there is one."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        if _read(texts.slice(low, middle - low), kind) is None:
            high = middle
        else:
            low = middle
    return low


class TextColumn:
    """Learns what the texts of a column are, of many files.

    Attributes:
        type: ``integer``, ``number``, ``bool``, ``date``, ``timestamp``, ``string``; empty: nothing so far.
    """

    _NEXT: Final[dict[str, tuple[str, ...]]] = {
        "": ("integer", "number", "bool", "date", "timestamp", "string"),
        "integer": ("integer", "number", "string"),
    }

    def __init__(self) -> None:
        self.type = ""

    def learn(self, texts: pa.Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None] | None:
        """Take a batch; give its values, or None where nothing is there."""
        if texts.null_count == len(texts):
            return None
        for kind in self._NEXT.get(self.type, (self.type, "string")):
            targets = _TARGETS.get(kind, (pa.string(),))
            values = _cast(texts, targets[:1] if kind == "integer" else targets)
            if values is not None:
                self.type = kind
                return as_numpy(values)
        raise AssertionError("every text is a text")
