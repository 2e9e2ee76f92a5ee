"""The file index by column, as the program works with it.

No pandas: to load it takes longer than a small delivery.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from upload_client.core.digests import ALGORITHMS

if TYPE_CHECKING:
    import pandas as pd

MAX_FILES = 5_000_000
"""Files of one delivery."""
TOO_MANY = f"split what has more than {MAX_FILES:,} files into several deliveries"

COLUMNS = ("path", "checksum", "size")
OTHER_CHECKSUMS = ("crc32", *ALGORITHMS)
"""Columns that an index may have besides: a checksum each, in hexadecimal or base64."""
READ_FROM = "upload_client.read_from"
"""Attribute of an index that was read from a file: how to name that file."""
ROWS = "upload_client.rows"
"""Attribute of such an index: the number of each row in that file, a sequence of integers."""

RECENT = "upload_client.recent"
"""Attribute of an index: which of its files had been modified within the last seconds, see
`upload_client.index.accidents.Recent`."""
LEFT_OUT = "upload_client.left_out"
"""Attribute of an index: what was left out of it, a `upload_client.index.choosing.LeftOut`."""
SIZES_SEEN = "upload_client.sizes_seen"
"""Attribute of an index whose sizes are what somebody has seen in passing: no file has to have them."""

FileIndex: TypeAlias = Any
"""Anything that is taken for an index: a `pandas.DataFrame`, of any dtypes; whatever comes as Arrow
(``__arrow_c_stream__``: polars, `pyarrow.Table`, DuckDB) or by ``__dataframe__``; a mapping of columns; a
sequence of such rows or of paths; a `Files`; the path of a list; None, for all files of the source."""

_KNOWN: Final = (*COLUMNS, *OTHER_CHECKSUMS)


class Files:
    """An index by column.

    Args:
        paths: one for each row; None: there is no such column, which `check_index` refuses.
        checksums: likewise, CRC32 in base64 or None; None: there are none.
        sizes: likewise, in bytes, None where it is not known; None: no size is known.
        others: likewise, checksums of other kinds by the names of their columns (`OTHER_CHECKSUMS`).
        attrs: what is known of it besides, by the names above; as `pandas.DataFrame.attrs`.

    Before `check_index` the cells may be anything that somebody has put there.
    """

    __slots__ = ("attrs", "checksums", "others", "paths", "sizes")

    def __init__(
        self,
        paths: Sequence[Any] | None,
        checksums: Sequence[Any] | None = None,
        sizes: Sequence[Any] | None = None,
        others: Mapping[str, Sequence[Any]] | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        self.paths = paths
        self.checksums = checksums
        self.sizes = sizes
        self.others = dict(others or {})
        self.attrs = dict(attrs or {})

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.paths or ())

    def keep(self, rows: Sequence[int]) -> Files:
        """An index of these rows alone, and with the same attributes, `ROWS` cut likewise."""

        def kept(column: Sequence[Any] | None) -> list[Any] | None:
            return None if column is None else [column[row] for row in rows]

        others = {name: [column[row] for row in rows] for name, column in self.others.items()}
        attrs = dict(self.attrs)
        at: Sequence[int] = attrs.get(ROWS, ())
        if len(at) == len(self):
            attrs[ROWS] = [at[row] for row in rows]
        return Files(kept(self.paths), kept(self.checksums), kept(self.sizes), others, attrs)

    def frame(self) -> pd.DataFrame:
        """The same as a DataFrame, as the head of `upload_client.index` says."""
        from upload_client.index.frames import frame_of  # noqa: PLC0415 - imports pandas

        return frame_of(self)


class CheckedIndex(NamedTuple):
    """An index that can be delivered.

    Attributes:
        paths: relative to the source, one for each row.
        checksums: likewise, CRC32 in base64 or None.
        sizes: likewise, in bytes, None where it is not known.
        others: likewise, checksums of other kinds in base64 or None, by their algorithm.
        warnings: a sentence each, safe to show in a terminal.
    """

    paths: Sequence[str]
    checksums: Sequence[str | None]
    sizes: Sequence[int | None]
    others: Mapping[str, Sequence[str | None]]
    warnings: tuple[str, ...]

    @property
    def files(self) -> Files:
        """The same as an index."""
        return Files(self.paths, self.checksums, self.sizes, self.others)

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a DataFrame: the columns at the head of `upload_client.index`, rows from 0."""
        return self.files.frame()


def files_of(index: pd.DataFrame | Files) -> Files:
    """A table as an index by column."""
    if isinstance(index, Files):
        return index

    def column(name: str) -> list[Any] | None:
        if name not in index.columns:
            return None
        values = index[name].astype(object)
        return values.mask(values.isna(), None).tolist()

    found = {name: values for name in _KNOWN if (values := column(name)) is not None}
    paths: list[Any] | None = index["path"].tolist() if "path" in found else None
    others = {name: found[name] for name in OTHER_CHECKSUMS if name in found}
    attrs = {str(name): value for name, value in index.attrs.items()}
    return Files(paths, found.get("checksum"), found.get("size"), others, attrs)


def sizes_known(sizes: Iterable[int], unknown: bytearray) -> Sequence[int | None]:
    """Sizes with None where a byte says that it is not known."""
    if not any(unknown):
        return sizes if isinstance(sizes, array) else array("q", sizes)
    return [None if no_size else size for size, no_size in zip(sizes, unknown, strict=True)]
