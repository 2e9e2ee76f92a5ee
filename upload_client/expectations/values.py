"""Are values as they should be: columns of tables, images, arrays, in pieces of bounded size.

What is collected is counted: the same trouble in a million rows is one sentence, with its first place.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import hashlib
import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from upload_client.core.text import counted, for_log
from upload_client.expectations.findings import Findings, Undecided, shown
from upload_client.expectations.model import Column, Limit, Values, as_moment
from upload_client.expectations.patterns import matcher

MAX_UNIQUE = 20_000_000
"""Values of which it can be told whether they differ: they are kept in memory, 16 bytes each."""

Array = npt.NDArray[Any]

_MISSING = "is missing, where none may be"
_GROUPS = {
    "integer": re.compile(r"u?int\d+"),
    "number": re.compile(r"u?int\d+|float\d+|decimal.*"),
    "timestamp": re.compile(r"timestamp\b.*"),
    "duration": re.compile(r"duration\b.*"),
    "decimal": re.compile(r"decimal\b.*|decimal\d+.*"),
    "variable": re.compile(r"string|binary|(?:large_|fixed_size_)?list\b.*|struct\b.*|map\b.*"),
}


def is_of_type(expected: str, name: str, exact: str = "") -> bool:
    """Whether a type is the one expected, or of its group.

    Args:
        expected: as a document says it.
        name: the type by its plain name, such as ``float64``.
        exact: the same as its format spells it, such as ``double``.
    """
    if expected in ("any", name, exact):
        return True
    group = _GROUPS.get(expected)
    return group is not None and group.fullmatch(name) is not None


def check_shape(findings: Findings, where: str, shape: Sequence[int], expected: Sequence[int | None]) -> None:
    """Compare a shape with the one expected, None for any length."""
    fits = len(shape) == len(expected) and all(
        want in (None, n) for n, want in zip(shape, expected, strict=True)
    )
    if not fits:
        wanted = " by ".join("any" if n is None else str(n) for n in expected) or "a single value"
        found = " by ".join(map(str, shape)) or "a single value"
        findings.add(where, f"shape {found} where {wanted} is expected")


def row_place(row: int) -> str:
    """Rows as people count them; a header is none."""
    return f"row {row + 1:,}"


def index_place(shape: Sequence[int], *, fortran: bool = False) -> Callable[[int], str]:
    """Names the place of an element of an array by its index, as numpy writes it.

    Args:
        shape: of the array.
        fortran: whether the elements come with the first axis the fastest.
    """

    def place(number: int) -> str:
        index = np.unravel_index(number, tuple(shape), order="F" if fortran else "C")
        return f"element [{', '.join(str(int(one)) for one in index)}]"

    return place


def limits_of(rules: Values) -> Iterator[tuple[Limit, Callable[[Any, Any], Any], str]]:
    """Each limit of values: itself, what compares a value with it and finds it beyond, and that in words."""
    for limit, broken, what in (
        (rules.min, operator.lt, "is below"),
        (rules.max, operator.gt, "is above"),
        (rules.above, operator.le, "is not above"),
        (rules.below, operator.ge, "is not below"),
    ):
        if limit is not None:
            yield limit, broken, what


def lengths_of(rules: Values) -> Iterator[tuple[int, Callable[[Any, Any], Any], str]]:
    """The same of lengths."""
    if rules.min_length is not None:
        yield rules.min_length, operator.lt, f"is shorter than {counted(rules.min_length, 'character')}"
    if rules.max_length is not None:
        yield rules.max_length, operator.gt, f"is longer than {counted(rules.max_length, 'character')}"


@contextlib.contextmanager
def no_fault_of_theirs(where: str) -> Iterator[None]:
    """Have what fails while values that were read are looked at be undecided: it is no fault of the file."""
    try:
        yield
    except (Undecided, MemoryError):
        raise
    except Exception as error:
        raise Undecided(
            for_log(f"{where}: its values cannot be judged here: {type(error).__name__}: {error}", 300)
        ) from error


class _Hits:
    """The number of times a rule was broken, and the first place."""

    def __init__(self) -> None:
        self.n = 0
        self.place = ""
        self.value = ""


class ValueJudge:
    """Judges values that come in pieces.

    Args:
        rules: what they may be.
        where: they are, for sentences.
        place: names a place by its number.
        unique: whether no value may be there twice.
    """

    def __init__(
        self,
        rules: Values,
        where: str,
        place: Callable[[int], str] = row_place,
        *,
        unique: bool = False,
    ) -> None:
        self._rules = rules
        self._where = where
        self._place = place
        self._hits: dict[str, _Hits] = {}
        self._seen: _UniqueValues | None = _UniqueValues() if unique else None
        self._allowed: dict[str, Any] = {}
        self._pattern = None if rules.pattern is None else matcher(rules.pattern)

    def feed(
        self,
        values: Array,
        missing: npt.NDArray[np.bool_] | None,
        first: int,
        keys: Array | None = None,
    ) -> None:
        """Take a piece.

        Args:
            values: one-dimensional.
            missing: where values are missing beside NaN and NaT; None: nowhere.
            first: number of the first of them.
            keys: bytes, as many for each value, by which it is told whether one is there twice: where to
                compare the values themselves takes long. Then each piece has them, of one length.

        Raises:
            Undecided: a rule cannot be applied to them here, which is no fault of theirs.
        """
        with no_fault_of_theirs(self._where):
            self._feed(values, missing, first, keys)

    def _feed(
        self, values: Array, missing: npt.NDArray[np.bool_] | None, first: int, keys: Array | None
    ) -> None:
        gone = _missing(values, missing)
        some_gone = gone is not None and bool(gone.any())
        rules = self._rules
        if some_gone and not rules.nulls:
            assert gone is not None
            self._note(_MISSING, gone, values, first)
        there = ~gone if some_gone and gone is not None else None
        kind = _kind(values)
        compared = _as_compared(values) if kind == "M" else values
        for limit, broken, what in limits_of(rules):
            every = np.ones(len(values), bool) if there is None else there
            if kind not in "biufMD":
                self._note("is no number", every, values, first)
                break
            bound = _comparable(limit, kind, compared.dtype)
            if bound is None:
                self._note(f"is not of the kind of {limit}", every, values, first)
                continue
            with np.errstate(invalid="ignore"):
                beyond = broken(compared, bound).astype(bool)  # decimals are objects to numpy
                self._note(f"{what} {shown(limit)}", beyond & every, values, first)
        for n, too, what in lengths_of(rules):
            every = np.ones(len(values), bool) if there is None else there
            if kind not in "USO":
                self._note("is no text", every, values, first)
                break
            lengths = np.fromiter((len(value) for value in map(_sized, values.tolist())), int, len(values))
            self._note(what, too(lengths, n) & every, values, first)
        if rules.values is not None:
            wrong = self._not_allowed(compared, kind)
            listed = ", ".join(shown(value) for value in rules.values[:5])
            listed += ", …" if len(rules.values) > 5 else ""
            self._note(f"is none of {listed}", wrong if there is None else wrong & there, values, first)
        if self._pattern is not None:
            matches = self._pattern
            wrong = np.fromiter((not matches(_text(value)) for value in values.tolist()), bool, len(values))
            what = f"does not match {shown(rules.pattern)}"
            self._note(what, wrong if there is None else wrong & there, values, first)
        if self._seen is not None:
            self._seen.add(values if keys is None else keys, there, first, are_keys=keys is not None)

    def close(self, findings: Findings) -> None:
        """Tell what was wrong."""
        for what, hits in self._hits.items():
            n = f" ({hits.n:,} such values)" if hits.n > 1 else ""
            gone = what == _MISSING
            lead = "a value" if gone else hits.value
            findings.add(self._where, f"{lead} in {hits.place} {what}{n}")
        with no_fault_of_theirs(self._where):
            twice = None if self._seen is None else self._seen.twice()
        if twice is not None:
            value, one, other, n_twice = twice
            more = f" ({n_twice:,} such values)" if n_twice > 1 else ""
            findings.add(
                self._where, f"{value} in {self._place(other)} is in {self._place(one)} already{more}"
            )

    def _note(self, what: str, wrong: npt.NDArray[np.bool_], values: Array, first: int) -> None:
        n = int(np.count_nonzero(wrong))
        if not n:
            return
        hits = self._hits.setdefault(what, _Hits())
        if not hits.n:
            at = int(np.argmax(wrong))
            hits.place = self._place(first + at)
            hits.value = _shown(values[at])
        hits.n += n

    def _not_allowed(self, values: Array, kind: str) -> npt.NDArray[np.bool_]:
        assert self._rules.values is not None
        key = f"{kind} {values.dtype}"
        if key not in self._allowed:
            self._allowed[key] = _allowed(self._rules.values, kind, values.dtype)
        allowed = self._allowed[key]
        if isinstance(allowed, set):
            same = (lambda value: value) if kind == "D" else _text
            return np.fromiter((same(value) not in allowed for value in values.tolist()), bool, len(values))
        if not len(allowed):
            return np.ones(len(values), bool)
        return ~np.isin(values, allowed)


def _allowed(given: Sequence[object], kind: str, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 — a set or an array
    """The values of a rule as those of an array are: what these cannot be is none of them."""
    if kind == "M":
        moments = [_moment_of(value) for value in given]
        bounds = [_comparable(one, "M", dtype) for one in moments if one is not None]
        return np.array(bounds, dtype)
    if kind == "D":
        return {_as_decimal(value) for value in given if isinstance(value, (int, float))}
    if kind not in "biufc":
        return {str(value) for value in given}
    numbers = [value for value in given if isinstance(value, (int, float))]
    if kind in "iu":  # not as floating-point numbers, of which large ones are equal
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        whole = [int(one) for one in numbers if isinstance(one, int) or one.is_integer()]
        return np.array([one for one in whole if low <= one <= high], dtype)
    if kind == "f":  # 0.1 is another number in 32 bits than in 64
        with np.errstate(over="ignore"):
            return np.array(numbers, np.float64).astype(dtype)
    return np.array(numbers)


def are_among(moments: Array, given: Sequence[object]) -> npt.NDArray[np.bool_]:
    """Whether moments are one of those that a document names, days or texts."""
    compared = _as_compared(moments)
    return np.isin(compared, _allowed(given, "M", compared.dtype))


def _moment_of(value: object) -> dt.date | None:
    """A moment, or a text that is one: JSON has no other way to write it."""
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    return value if isinstance(value, dt.date) else None


class _UniqueValues:
    """All values so far: as numbers or moments while all of them are of one type, else by hashes of 128 bits.

    Pieces of one column may be of several types: whole numbers as small as they are, say. As numpy puts
    these together, large ones became one. Or they come with keys, which are kept in their place.
    """

    def __init__(self) -> None:
        self._pieces: list[Array] = []
        self._rows: list[npt.NDArray[np.int64]] = []
        self._n = 0

    def add(self, values: Array, there: npt.NDArray[np.bool_] | None, first: int, *, are_keys: bool) -> None:
        rows = np.arange(first, first + len(values), dtype=np.int64)
        if there is not None:
            values, rows = values[there], rows[there]
        if not len(values):
            return
        self._n += len(values)
        if self._n > MAX_UNIQUE:
            raise Undecided(f"whether more than {MAX_UNIQUE:,} values are unique cannot be told")
        if values.dtype.kind not in "biufM" and not are_keys:
            values = digests(values)
        if self._pieces and self._pieces[0].dtype != values.dtype:
            # Either all are of one type, or all are hashes.
            self._pieces = [digests(piece) for piece in self._pieces]
            values = digests(values)
        self._pieces.append(values)
        self._rows.append(rows)

    def twice(self) -> tuple[str, int, int, int] | None:
        """A value that is there twice: itself, two rows; and how many such there are."""
        if not self._n:
            return None
        values, rows = np.concatenate(self._pieces), np.concatenate(self._rows)
        # Most often all differ, and in a part of them already: to put that in order is the quickest.
        some = np.sort(_as_uint64s(values)[:, 0] if _is_of_uint64s(values) else values)
        if not (some[1:] == some[:-1]).any():
            return None
        del some
        order = _order(values)
        ordered = values[order]
        same = ordered[1:] == ordered[:-1]
        n = int(np.count_nonzero(same))
        if not n:
            return None
        later = rows[order[1:][same]]
        at = int(np.argmin(later))
        one, other = order[:-1][same][at], order[1:][same][at]
        value = "the value" if values.dtype.kind == "S" else _shown(values[other])
        return value, int(rows[one]), int(rows[other]), n


def _order(values: Array) -> npt.NDArray[np.intp]:
    """The order in which the same values stand beside each other, the earlier first."""
    return np.lexsort(_as_uint64s(values).T) if _is_of_uint64s(values) else np.argsort(values, kind="stable")


def _is_of_uint64s(values: Array) -> bool:
    return values.dtype.kind == "S" and values.dtype.itemsize % 8 == 0


def _as_uint64s(values: Array) -> npt.NDArray[np.uint64]:
    """Bytes as numbers of 64 bits, which are compared in a quarter of the time."""
    width = values.dtype.itemsize // 8
    return np.ascontiguousarray(values).view(np.uint64).reshape(-1, width)


DIGEST = np.dtype("S16")
"""The type of hashes of values, and of keys that stand for them; texts are never kept as they are."""
_NANOSECONDS = {"D": 86_400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""The units of moments of which one column may have several."""
UNROUNDED = decimal.Context(prec=decimal.MAX_PREC, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
"""Takes decimals as they are."""


def digests(values: Array) -> Array:
    """Hashes of values, of 128 bits: of such that are one, of whatever types, the same."""
    if values.dtype == DIGEST:
        return values
    texts: Iterator[str]
    if values.dtype.kind == "M":
        unit, n = np.datetime_data(values.dtype)
        length = n * _NANOSECONDS[unit]
        texts = (str(one * length) for one in values.astype(np.int64).tolist())
    else:
        texts = map(_as_one_text, values.tolist())
    made = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16) for text in texts)
    return np.frombuffer(b"".join(one.digest() for one in made), DIGEST)


def _as_one_text(value: object) -> str:
    """A value as a text that all have which are the same number, whole, decimal or floating-point."""
    if isinstance(value, (int, float, decimal.Decimal)):
        number = value if isinstance(value, decimal.Decimal) else decimal.Decimal(str(value + 0))
        return str(number.normalize(UNROUNDED)) if number else "0"
    return _text(value)


def _missing(values: Array, missing: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
    if values.dtype.kind in "fcmM":
        nan: npt.NDArray[np.bool_] = np.isnat(values) if values.dtype.kind in "mM" else np.isnan(values)
        return nan if missing is None else nan | missing
    return missing


_FINER = {"ns": 10**3, "ps": 10**6, "fs": 10**9, "as": 10**12}
_LAST = 2**63 - 1


def _kind(values: Array) -> str:
    """The kind of values as numpy calls it; ``D``: decimals, which are objects to it."""
    if values.dtype.kind == "O" and len(values) and isinstance(values[0], decimal.Decimal):
        return "D"
    return values.dtype.kind


def _as_compared(moments: Array) -> Array:
    """Moments of a unit that limits can have, too: microseconds, or what is finer.

    Those beyond the years that microseconds reach become the last that these can be, and none of another
    century, as numpy makes of them.
    """
    unit, n = np.datetime_data(moments.dtype)
    if n == 1 and unit in ("us", *_FINER):
        return moments
    if unit == "generic" or (unit in _FINER and n > 1):
        return moments.astype("M8[us]")
    last = int(np.datetime64(_LAST, "us").astype(moments.dtype).astype(np.int64))
    first, last_of_all = np.array([-last, last]).view(moments.dtype)
    return np.clip(moments, first, last_of_all).astype("M8[us]")


def _comparable(limit: object, kind: str, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 — a number or a numpy moment
    """A limit as numpy compares it with values of a kind; None where it cannot be compared."""
    if kind == "M":
        if not isinstance(limit, dt.date):
            return None
        moment = np.datetime64(as_moment(limit).replace(tzinfo=None), "us")
        unit, _ = np.datetime_data(dtype)
        if unit not in _FINER:
            return moment
        exact = int(moment.astype(np.int64)) * _FINER[unit]
        return np.array([max(-_LAST, min(exact, _LAST))]).view(dtype)[0]
    if kind == "D":
        return _as_decimal(limit) if isinstance(limit, (int, float)) else None
    if not isinstance(limit, (int, float)):
        return None
    if kind == "f":
        with np.errstate(over="ignore", under="ignore"):
            rounded = dtype.type(limit)
        if (limit and not rounded) or (np.isinf(rounded) and not math.isinf(limit)):
            return np.float64(limit)  # beyond what values of this type can be: not rounded to one of them
    return limit


def _as_decimal(number: float) -> decimal.Decimal:
    return decimal.Decimal(str(number + 0))  # True is 1


def _shown(value: Any) -> str:  # noqa: ANN401 — of any array
    """A value of an array as it stands in a sentence."""
    if isinstance(value, np.datetime64):
        moment = _as_compared(np.array([value])).astype("M8[us]")[0]
        plain = moment.item() if moment.astype(value.dtype) == value else None
        return str(plain if isinstance(plain, dt.date) else value).replace("T", " ")
    return shown(value.item() if hasattr(value, "item") else value)


def _sized(value: object) -> str | bytes:
    return value if isinstance(value, bytes) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, str) else str(value)


class TableJudge:
    """Judges a table that comes in pieces of rows.

    Args:
        spec: has ``rows``, ``columns``, ``others``, ``order`` as `upload_client.expectations.model` says.
        findings: get what is wrong.
        where: the table is within the file; empty: it is the file.
    """

    def __init__(self, spec: Any, findings: Findings, where: str = "") -> None:  # noqa: ANN401 — Csv, Parquet, Hdu
        self._spec = spec
        self._findings = findings
        self._lead = f"{where}, " if where else ""
        self._where = where
        self._judges: dict[str, ValueJudge] = {}
        self._per_row: dict[str, int] = {}
        self.n_rows = 0

    def take_schema(self, found: Sequence[tuple[str, str | None, str]]) -> list[Column]:
        """Compare the columns that are there, as name, plain type (None: text, which is typed later), type.

        Returns:
            Those whose values have to be fed.
        """
        spec, findings = self._spec, self._findings
        types = {name: (plain, exact) for name, plain, exact in found}
        named = {column.name for column in spec.columns}
        if len(types) < len(found):
            names = [name for name, *_ in found]
            twice = next((name for name in names if name in named and names.count(name) > 1), None)
            if twice is not None:  # of others it matters to nobody
                findings.add(self._column(twice), "it is there twice")
        for column in spec.columns:
            if column.name not in types:
                if column.required:
                    findings.add(self._column(column.name), "it is missing")
                continue
            plain, exact = types[column.name]
            if plain is not None and not is_of_type(column.type, plain, exact):
                findings.add(self._column(column.name), f"{plain} where {column.type} is expected")
        if spec.others == "refuse" and spec.columns:
            for name in types:
                if name not in named:
                    findings.add(self._column(name), "no such column is expected")
        if spec.order:
            there = [name for name, *_ in found if name in named]
            wanted = [column.name for column in spec.columns if column.name in types]
            for one, other in zip(there, wanted, strict=False):
                if one != other:
                    findings.add(self._column(one), f"it stands where {shown(other)} is expected")
                    break
        return [column for column in spec.columns if column.name in types]

    def watch(self, column: Column, *, per_row: int = 1) -> None:
        """Values of this column will be fed, so many of each row."""
        self._per_row[column.name] = per_row
        self._judges[column.name] = ValueJudge(
            column,
            self._column(column.name),
            lambda number: row_place(number // per_row),
            unique=column.unique,
        )

    def feed(
        self,
        name: str,
        values: Array,
        missing: npt.NDArray[np.bool_] | None,
        keys: Array | None = None,
    ) -> None:
        """Take the next values of a watched column; `rows` follows once all of them are in."""
        self._judges[name].feed(values, missing, self.n_rows * self._per_row[name], keys)

    def note(self, name: str, what: str) -> None:
        """Something else is wrong with a column, which is then not watched any more."""
        self._findings.add(self._column(name), what)
        self._judges.pop(name, None)

    def watches(self, name: str) -> bool:
        """Whether a column is still watched."""
        return name in self._judges

    def rows(self, n: int) -> None:
        """All values of so many rows have been fed."""
        self.n_rows += n

    def close(self, n_rows: int | None = None) -> None:
        """Tell what was wrong with the values, and with the number of rows."""
        for judge in self._judges.values():
            judge.close(self._findings)
        self.check_rows(self.n_rows if n_rows is None else n_rows)

    def check_rows(self, n: int) -> bool:
        """Whether so many rows are in order."""
        reason = self._spec.rows.range.refusal(n, _rows)
        if reason is not None:
            self._findings.add(self._where, f"it has {reason}")
        return reason is None

    def _column(self, name: str) -> str:
        return f"{self._lead}column {shown(name)}"


def _rows(n: int) -> str:
    return counted(n, "row")
