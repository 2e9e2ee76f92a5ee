"""The file index as a DataFrame."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from upload_client.core.digests import ALGORITHMS

__all__ = [
    "COLUMNS",
    "MAX_FILES",
    "OTHER_CHECKSUMS",
    "READ_FROM",
    "ROWS",
    "TOO_MANY",
    "CheckedIndex",
    "known_sizes",
    "make_frame",
    "sizes_of",
]

MAX_FILES = 5_000_000
"""Files of one delivery."""
TOO_MANY = f"split what has more than {MAX_FILES:,} files into several deliveries"

COLUMNS = ("path", "checksum", "size")
OTHER_CHECKSUMS = ("crc32", *ALGORITHMS)
"""Columns that an index may have besides: a checksum each, in hexadecimal or base64."""
READ_FROM = "upload_client.read_from"
"""Attribute of a frame that was read from a file: how to name that file."""
ROWS = "upload_client.rows"
"""Attribute of such a frame: the number of each row in that file, a sequence of integers."""

RECENT = "upload_client.recent"
"""Attribute of a frame: which of its files had been modified within the last seconds, see
`upload_client.index.noticing.Recent`."""
LEFT_OUT = "upload_client.left_out"
"""Attribute of a frame: what was left out of it, a `upload_client.index.choosing.LeftOut`."""
SIZES_SEEN = "upload_client.sizes_seen"
"""Attribute of a frame whose sizes are what somebody has seen in passing: no file has to have them."""


class CheckedIndex(NamedTuple):
    """An index that can be delivered.

    Attributes:
        frame: the columns at the head of `upload_client.index`, rows from 0.
        warnings: a sentence each, safe to show in a terminal.
    """

    frame: pd.DataFrame
    warnings: tuple[str, ...]


def make_frame(
    paths: Sequence[str],
    checksums: Sequence[str | None],
    sizes: array[int],
    unknown: bytearray,
    others: Mapping[str, Sequence[object]] | None = None,
) -> pd.DataFrame:
    """An index of these columns.

    Args:
        paths: one for each row.
        checksums: likewise, or none at all.
        sizes: likewise.
        unknown: likewise, 1 where the size is not known.
        others: likewise, checksums of other kinds, by the names of their columns.
    """
    n = len(paths)
    numbers = pd.arrays.IntegerArray(
        np.frombuffer(sizes, dtype=np.int64).copy(), np.frombuffer(unknown, dtype=np.bool_).copy()
    )
    return pd.DataFrame(
        {
            "path": pd.Series(paths, dtype=object, index=range(n)),
            "checksum": pd.Series(list(checksums) or [None] * n, dtype=object, index=range(n)),
            "size": pd.Series(numbers, index=range(n)),
            **{
                name: pd.Series(list(values), dtype=object, index=range(n))
                for name, values in (others or {}).items()
            },
        }
    )


def sizes_of(column: pd.Series[int]) -> tuple[list[int], list[bool]]:
    """The column ``size``, and for each row whether it is not known."""
    unknown = column.isna().to_numpy(dtype=np.bool_)
    return column.fillna(0).to_numpy(dtype=np.int64).tolist(), unknown.tolist()


def known_sizes(frame: pd.DataFrame) -> Sequence[int | None]:
    """The column ``size`` of a checked index; None where it is not known."""
    sizes, unknown = sizes_of(frame["size"])
    if not any(unknown):
        return array("q", sizes)
    return [None if no_size else size for size, no_size in zip(sizes, unknown, strict=True)]
