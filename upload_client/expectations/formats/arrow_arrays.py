"""Arrow's arrays as numpy's, with what is missing in them."""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa


def as_numpy(
    array: pa.Array, *, exact: bool = False
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """The values and where they are missing.

    Moments are of their own unit. Decimals are floating-point numbers; where they are to be exact, those of
    more digits than such have are Python's. Arrow's own way to numpy, and whatever makes an array or a scalar
    of Python's values, loads pandas, which takes longer than all else in a small file: it is left for what
    is rare.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    arrow, kinds = array.type, pa.types
    missing = _flags(array.is_null()) if array.null_count else None
    if kinds.is_date(arrow) or kinds.is_timestamp(arrow):
        return _moments(array), missing
    if kinds.is_time(arrow):
        return _times(array), missing
    if kinds.is_decimal(arrow):
        if exact and arrow.precision > EXACT_DIGITS:
            nothing = decimal.Decimal(0)
            return objects(nothing if one is None else one for one in array.to_pylist()), missing
        array = array.cast(pa.float64())
    elif kinds.is_boolean(arrow):
        return _flags(array), missing
    elif any(is_it(arrow) for is_it in _TEXTS):
        return objects(array.to_pylist()), missing
    elif not (kinds.is_integer(arrow) or kinds.is_floating(arrow)):
        return array.to_numpy(zero_copy_only=False), missing
    values = _numbers(array)
    if missing is not None:
        values = np.where(missing, values.dtype.type("nan" if values.dtype.kind == "f" else 0), values)
    return values, missing


_TEXTS = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_null),
)


def objects(values: Iterable[object]) -> np.ndarray[Any, Any]:
    """An array of Python objects."""
    return np.array([*values, None], object)[:-1]  # else numpy looks into them


def _numbers(array: pa.Array) -> np.ndarray[Any, Any]:
    """Numbers as they stand in memory; where one is missing there may be any."""
    data = array.buffers()[1]
    dtype = np.dtype(array.type.to_pandas_dtype())
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, array.offset + len(array))[array.offset :]


def _flags(array: pa.Array) -> np.ndarray[Any, Any]:
    """Booleans; what is missing is false."""
    flags = _numbers(array.cast(pa.uint8())).astype(bool)
    return flags & ~_flags(array.is_null()) if array.null_count else flags


EXACT_DIGITS = 15
"""Digits of a decimal of which no two become one floating-point number of 64 bits."""


def _moments(array: pa.Array) -> np.ndarray[Any, Any]:
    """Moments as numpy's, of the unit they have: converted, those of far years became others."""
    if pa.types.is_date32(array.type):
        unit, array = "D", array.cast(pa.int32())
    else:
        unit = "ms" if pa.types.is_date64(array.type) else array.type.unit
    numbers = _numbers(array.cast(pa.int64()))
    if array.null_count:
        numbers = np.where(_flags(array.is_null()), np.iinfo(np.int64).min, numbers)  # NaT
    return numbers.view(f"M8[{unit}]")


def _times(array: pa.Array) -> np.ndarray[Any, Any]:
    """Times of a day, as texts: Python's have no nanoseconds."""
    numbers = array.cast(pa.time64("ns")).cast(pa.int64()).to_pylist()
    return objects(map(_time_of, numbers))


def _time_of(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, 10**9)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if not rest:
        return text
    return f"{text}.{rest:09}" if rest % 1000 else f"{text}.{rest // 1000:06}"
