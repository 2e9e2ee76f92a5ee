"""Tables in memory (pandas, polars, pyarrow, mappings), read as an index."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from upload_client.core.hints import install
from upload_client.core.lists import boolean, columns_of, plain_path
from upload_client.errors import InvalidIndex, UsageError
from upload_client.index.choosing import LeftOut
from upload_client.index.files import LEFT_OUT, OTHER_CHECKSUMS, READ_FROM, ROWS, FileIndex
from upload_client.index.problems import Problems, shown
from upload_client.index.tables import plain_paths

_WILL_TRANSFER = "will_transfer"


def _anything(_: str) -> bool:
    return True


def as_frame(
    given: FileIndex,
    plain: Callable[[str], str] = plain_path,
    is_there: Callable[[str], bool] = _anything,
) -> pd.DataFrame:
    """A DataFrame with the columns of an index, from a table of another library.

    Args:
        given: see `FileIndex`; no path, and not None.
        plain: makes a path of the source of what stands there, see `upload_client.core.lists.plain_path`.
        is_there: whether a path is that of a file in the source. One that is not, of a `pathlib.Path`, is
            taken as Python would open it, if that leads into the source.

    Returns:
        The same frame where it is one as it should be. What was not to be transferred is left out of it, and
        noted (`upload_client.index.left_out_of`).

    Raises:
        InvalidIndex: it has no column of paths.
        UsageError: it is nothing that is taken.
    """
    frame = given if isinstance(given, pd.DataFrame) else _frame_of(given)
    if "path" in frame.index.names and "path" not in frame.columns:
        frame = frame.reset_index("path")
    names = list(map(str, frame.columns))
    try:
        places, _ = columns_of(names, OTHER_CHECKSUMS)
    except ValueError as error:
        raise InvalidIndex("the file index", [str(error)]) from None
    meant = {names[place]: name for name, place in places.items()}
    if any(spelled != name for spelled, name in meant.items()) or names != list(frame.columns):
        frame = frame.iloc[:, list(places.values())].set_axis(list(places), axis="columns")
    paths = frame["path"].tolist()
    texts = [_text(path, plain, is_there) if isinstance(path, PurePath) else path for path in paths]
    if all(isinstance(text, str) for text in texts):  # else the check tells which are none
        texts = list(plain_paths(texts, plain))
    if texts != paths:
        frame = frame.assign(path=pd.Series(texts, dtype=object, index=frame.index))
    return _without_those_to_stay(frame) if _WILL_TRANSFER in frame.columns else frame


def _text(path: PurePath, plain: Callable[[str], str], is_there: Callable[[str], bool]) -> str:
    text = path.as_posix()
    if isinstance(path, Path) and not path.is_absolute() and not is_there(text):
        whole = plain(path.absolute().as_posix())
        return text if PurePath(whole).is_absolute() else whole
    return text


def _without_those_to_stay(frame: pd.DataFrame) -> pd.DataFrame:
    problems = Problems(frame.attrs.get(READ_FROM, "the file index"))
    left = LeftOut()
    numbers: Sequence[int] = frame.attrs.get(ROWS, ())
    if len(numbers) != len(frame):  # those of a table that this was made from
        numbers = range(len(frame))
    kept = []
    for row, (path, cell) in enumerate(
        zip(frame["path"].tolist(), frame[_WILL_TRANSFER].tolist(), strict=True)
    ):
        try:
            if boolean("" if cell is None or cell is pd.NA else str(cell)):
                kept.append(row)
            else:
                left.add(str(path), "not_to_transfer")
        except ValueError as error:
            problems.add(numbers[row], str(path), str(error))
    problems.raise_them()
    if not left.n:
        return frame
    found = frame.iloc[kept].reset_index(drop=True)
    found.attrs = {**frame.attrs, LEFT_OUT: left, ROWS: [numbers[row] for row in kept]}
    return found


def _frame_of(given: FileIndex) -> pd.DataFrame:
    if isinstance(given, pd.Series | pd.Index):
        return pd.DataFrame({"path": pd.Series(given.tolist(), dtype=object)})
    if hasattr(given, "collect") and hasattr(given, "collect_schema"):  # lazy, of polars
        given = given.collect()
    if hasattr(given, "__arrow_c_stream__"):
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
        except ImportError:
            pass
        else:
            try:
                batches = pa.RecordBatchReader.from_stream(given)
            except pa.ArrowInvalid:  # one column alone
                return pd.DataFrame({"path": pd.Series(pa.chunked_array(given).to_pylist(), dtype=object)})
            return _from_batches(batches)
    if callable(getattr(given, "to_dict", None)) and hasattr(given, "get_columns"):  # polars, without pyarrow
        return _of_columns(given.to_dict(as_series=False))
    if hasattr(given, "__dataframe__"):
        return _by_protocol(given)
    if isinstance(given, Mapping):
        for name, values in given.items():
            if isinstance(values, str | bytes) or not isinstance(values, Iterable):
                raise UsageError(
                    f"the column {str(name)!r} of the file index is of the type {type(values).__name__}",
                    hint="Give a sequence for each column, with an entry for each file.",
                )
        return _of_columns({str(name): list(values) for name, values in given.items()})
    if hasattr(given, "to_pylist"):  # an array of pyarrow
        given = given.to_pylist()
    fields = getattr(getattr(given, "dtype", None), "names", None)
    if fields:  # a structured array of numpy
        return _of_columns({name: given[name].tolist() for name in fields})
    if (
        isinstance(given, Iterable)
        and not isinstance(given, bytes | bytearray)
        and not hasattr(given, "read")
    ):
        rows = list(given)
        if rows and all(isinstance(row, Mapping) for row in rows):
            names = dict.fromkeys(name for row in rows for name in row)
            return _of_columns({str(name): [row.get(name) for row in rows] for name in names})
        return pd.DataFrame({"path": pd.Series(rows, dtype=object)})
    raise UsageError(
        f"a file index cannot be of the type {type(given).__name__}",
        hint="Give a DataFrame (pandas, polars, …), a pyarrow.Table, a mapping of columns, a sequence of"
        " paths, the path of a list, or None for all files.",
    )


def _of_columns(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    try:
        return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    except ValueError as error:
        raise UsageError(f"the file index is no table: {error}") from None


def _by_protocol(given: FileIndex) -> pd.DataFrame:
    """By the dataframe interchange protocol."""
    try:
        from pandas.api.interchange import from_dataframe  # noqa: PLC0415 - rarely needed, and going out of use
    except ImportError:
        raise UsageError(
            f"to take a {type(given).__name__} as a file index needs pyarrow, which is not installed",
            hint=f"{install('formats')} Or make a pandas.DataFrame of it.",
        ) from None
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # that it is going out of use is not a person's business
            return from_dataframe(given)
    except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
        raise UsageError(
            f"a {type(given).__name__} cannot be read as a table: {str(error)[:200]}",
            hint="Make a pandas.DataFrame of it.",
        ) from None


def _from_batches(batches: Any) -> pd.DataFrame:  # noqa: ANN401 - of pyarrow, which has no types
    """A frame of the columns that are known in record batches."""
    names = batches.schema.names
    try:
        places, _ = columns_of(names, OTHER_CHECKSUMS)
    except ValueError as error:
        raise InvalidIndex("the file index", [str(error)]) from None
    columns: dict[str, list[object]] = {names[place]: [] for place in places.values()}
    for batch in batches:
        for place in places.values():
            columns[names[place]] += batch.column(place).to_pylist()
    return _of_columns(columns)


def from_arrow(
    names: Sequence[str],
    batches: Callable[..., Iterable[Any]],
    where: str,
    plain: Callable[[str], str] = plain_path,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """An index, and notes on its reading, from a file of Arrow's kind.

    Args:
        names: of its columns.
        batches: gives its record batches, with the columns that are named to it.
        where: how to name the file.
        plain: makes a path of the source of what stands there.

    Raises:
        InvalidIndex: it has no column of paths.
    """
    try:
        places, ignored = columns_of(names, OTHER_CHECKSUMS)
    except ValueError as error:
        raise InvalidIndex(where, [f"{error}, but {shown(', '.join(names))}"]) from None
    taken = [names[place] for place in places.values()]
    columns: dict[str, list[Any]] = {name: [] for name in taken}
    for batch in batches(columns=taken):
        for name in taken:
            columns[name] += batch.column(name).to_pylist()
    columns[names[places["path"]]] = [
        plain(path) if isinstance(path, str) else path for path in columns[names[places["path"]]]
    ]
    frame = _of_columns({name: columns[names[place]] for name, place in places.items()})
    frame.attrs |= {READ_FROM: where, ROWS: range(1, len(frame) + 1)}
    if _WILL_TRANSFER in frame.columns:
        frame = _without_those_to_stay(frame)
    notes = (f"not used of {where}: {', '.join(map(shown, ignored))}",) if ignored else ()
    return frame, notes
