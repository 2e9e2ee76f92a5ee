"""`SampleSummary`: what the files of a sample have in common, by format, and the rules that follow.

Nothing here decides how a sample is shared out among types: that is `upload_client.expectations.infer`'s.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

from upload_client.expectations import strict_json
from upload_client.expectations.findings import Undecided, shown
from upload_client.expectations.lines import flow, noted, scalar, text_of
from upload_client.expectations.packaging import part_of

_MAX_LISTED = 5
_MAX_KEYS = 100
_MAX_NODES = 300
_MAX_DEPTH = 8
_MAX_COLUMNS = 1000
"""Columns of a table that get a rule; with more of them, the document would be too large."""
_ALIKE = 0.5
"""The share of the names of two groups' columns that must be common for them to be one type."""


def _size_of(file: BinaryIO) -> int:
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    return size


class SampleSummary:
    """The common properties of the files of one format so far."""

    def __init__(self, kind: str, *, packed: bool) -> None:
        self.kind = kind
        self.packed = packed
        self.n_files = 0

    def read(self, file: BinaryIO) -> None:
        """Learn from one more file."""
        self.n_files += 1
        self._read(file)

    def _read(self, file: BinaryIO) -> None:
        raise NotImplementedError

    def is_like(self, _other: SampleSummary) -> bool:
        """Whether both should be one type."""
        return True

    def merge(self, other: Any) -> None:  # noqa: ANN401 — of the same class
        """Take over what the other has seen."""
        raise NotImplementedError

    def lines(self) -> list[str]:
        """The rules, as lines of YAML under ``content:``."""
        head = [f"format: {self.kind}"] + ["compression: gzip"] * self.packed
        return [*head, *self._rules()]

    def _rules(self) -> list[str]:
        raise NotImplementedError


class _Values:
    """Values of one place: of what types, between which, whether some are missing."""

    def __init__(self) -> None:
        self.types: set[str] = set()
        self.n_files = 0
        self.nulls = False
        self.low: Any = None
        self.high: Any = None
        self.is_mixed = False
        self.different: set[str] | None = set()
        self.shapes: set[tuple[int, ...]] = set()
        self.units: set[str] = set()
        self.n = 0

    def feed(self, values: Any, missing: Any) -> None:  # noqa: ANN401 — numpy's
        """Take values and where they are missing."""
        import numpy as np  # noqa: PLC0415 — not for --help

        kind = values.dtype.kind
        gone = np.zeros(len(values), bool) if missing is None else np.asarray(missing)
        if kind in "fcmM":
            gone = gone | (np.isnat(values) if kind in "mM" else np.isnan(values))
        self.nulls |= bool(gone.any())
        there = values[~gone]
        self.n += len(there)
        if not len(there):
            return
        if kind in "iufM":
            low, high = there.min(), there.max()
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)
            self.different = None
        elif self.different is not None and kind not in "bc":
            self.different.update(
                one.decode("ascii", "backslashreplace") if isinstance(one, bytes) else str(one)
                for one in there.tolist()
            )
            if len(self.different) > _MAX_LISTED:
                self.different = None

    def take(self, value: object) -> None:
        """Take a single value."""
        if value is None:
            self.nulls = True
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self.low = value if self.low is None else min(self.low, value)
            self.high = value if self.high is None else max(self.high, value)
        elif isinstance(value, str) and self.different is not None:
            self.different.add(value)
            if len(self.different) > _MAX_LISTED:
                self.different = None

    def merge(self, other: _Values) -> None:
        """Take over what another has seen."""
        self.types |= other.types
        self.n_files += other.n_files
        self.nulls |= other.nulls
        self.n += other.n
        self._merge_limits(other)
        both = None if None in (self.different, other.different) else self.different | other.different  # type: ignore[operator]
        self.different = both if both is not None and len(both) <= _MAX_LISTED else None
        self.shapes |= other.shapes
        self.units |= other.units

    def _merge_limits(self, other: _Values) -> None:
        """Take over limits; there are none where one file has numbers and another moments: for ever."""
        if other.low is None and not other.is_mixed:
            return
        try:
            self.is_mixed |= other.is_mixed
            if not self.is_mixed and self.low is not None:
                self.low, self.high = min(self.low, other.low), max(self.high, other.high)
                return
        except TypeError:
            self.is_mixed = True
        self.low, self.high = (None, None) if self.is_mixed else (other.low, other.high)

    @property
    def type(self) -> str:
        """The one type that all of them are of."""
        if len(self.types) == 1:
            return next(iter(self.types))
        kinds = {_group(one) for one in self.types}
        if kinds == {"integer"}:
            return "integer"
        return "number" if kinds and kinds <= {"integer", "number"} else "any"

    def comment(self) -> str:
        """The rules that hold for the sample alone."""
        if self.low is not None:
            low, high = _short(self.low), _short(self.high)
            return f"{low} to {high} in the sample" if low != high else f"{low} in the sample"
        if self.different:
            return f"{', '.join(shown(one) for one in sorted(self.different))} in the sample"
        return ""


def _group(name: str) -> str:
    if name == "integer" or name.startswith(("int", "uint")):
        return "integer"
    return "number" if name == "number" or name.startswith(("float", "decimal")) else name


def _short(value: Any) -> str:  # noqa: ANN401 — a number or a moment
    value = value.item() if hasattr(value, "item") else value
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class _TableSummary(SampleSummary):
    def __init__(self, kind: str, *, packed: bool) -> None:
        super().__init__(kind, packed=packed)
        self.columns: dict[str, _Values] = {}
        self.rows: list[int] = []
        self.delimiters: set[str] = set()

    def is_like(self, other: SampleSummary) -> bool:
        assert isinstance(other, _TableSummary)
        if self.delimiters != other.delimiters:
            return False
        fewer = min(len(self.columns), len(other.columns))
        return len(self.columns.keys() & other.columns.keys()) >= _ALIKE * fewer

    def merge(self, other: Any) -> None:  # noqa: ANN401 — of the same class
        self.n_files += other.n_files
        self.rows += other.rows
        for name, values in other.columns.items():
            self.columns.setdefault(name, _Values()).merge(values)

    def _rules(self) -> list[str]:
        head = []
        if self.delimiters and (self.delimiters != {"," if self.kind == "csv" else "\t"}):
            head.append(f"delimiter: {json.dumps(next(iter(self.delimiters)))}")
        return [*head, *_rows_comment(self.rows), *_column_lines(self.columns, self.n_files)]


def _rows_comment(rows: Sequence[int]) -> list[str]:
    return [f"# rows: {{min: {min(rows)}, max: {max(rows)}}}  # in the sample"] if rows else []


def _column_lines(columns: Mapping[str, _Values], n_files: int) -> list[str]:
    if not columns:
        return []
    lines = ["# order: true  # the columns stand in this order"]
    if len(columns) > _MAX_COLUMNS:
        lines.append(
            f"others: allow  # {len(columns) - _MAX_COLUMNS:,} more columns, which are not named here"
        )
    else:
        lines.append("# others: allow  # columns that are not named")
    lines.append("columns:")
    for name, values in islice(columns.items(), _MAX_COLUMNS):
        rule: dict[str, Any] = {"name": name, "type": values.type}
        if rule["type"] == "any":
            del rule["type"]
        if values.n_files < n_files:
            rule["required"] = False
        if values.n and not values.nulls:
            rule["nulls"] = False
        if len(values.units) == 1 and (unit := next(iter(values.units))):
            rule["unit"] = unit
        if len(values.shapes) == 1 and (shape := next(iter(values.shapes))):
            rule["shape"] = list(shape)
        lines.append(noted(f"  - {flow(rule)}", values.comment()))
    return lines


class _CsvSummary(_TableSummary):
    def __init__(self, kind: str, *, packed: bool) -> None:
        super().__init__(kind, packed=packed)
        self._texts: dict[str, Any] = {}

    def _read(self, file: BinaryIO) -> None:
        from upload_client.expectations.formats import tables, text_values  # noqa: PLC0415 — an extra

        delimiter = "\t" if self.kind == "tsv" else tables.csv_delimiter(file)
        if self.delimiters and self.delimiters != {delimiter}:
            raise ValueError("its fields stand apart by another character than those of the files before it")
        self.delimiters.add(delimiter)

        def take(name: str, values: Any, missing: Any) -> None:  # noqa: ANN401 — numpy's
            if values is None:
                self.columns.setdefault(name, _Values()).nulls = True
            else:
                self.columns.setdefault(name, _Values()).feed(values, missing)

        def text(name: str) -> Any:  # noqa: ANN401 — an extra's
            return self._texts.setdefault(name, text_values.TextColumn())

        names, n_rows = tables.learn_csv(file, delimiter, text, take, tsv=self.kind == "tsv")
        self.rows.append(n_rows)
        for name in names:
            column = self.columns.setdefault(name, _Values())
            column.n_files += 1
            column.types = {text(name).type}

    def merge(self, other: Any) -> None:  # noqa: ANN401 — of the same class
        types = {
            name: values.types | self.columns[name].types if name in self.columns else values.types
            for name, values in other.columns.items()
        }
        super().merge(other)
        for name, kinds in types.items():
            kinds = kinds - {""}  # noqa: PLW2901 — of columns with nothing in them
            alike = len(kinds) <= 1 or kinds == {"integer", "number"}
            self.columns[name].types = (kinds if len(kinds) <= 1 else {"number"}) if alike else {"string"}

    def _rules(self) -> list[str]:
        for values in self.columns.values():
            values.types -= {""}
            if values.types == {"string"}:
                values.low = values.high = None
        return super()._rules()


class _ParquetSummary(_TableSummary):
    def _read(self, file: BinaryIO) -> None:
        from upload_client.expectations.formats import parquet  # noqa: PLC0415 — an extra

        met: set[str] = set()

        def take(name: str, plain: str, values: Any, missing: Any) -> None:  # noqa: ANN401 — numpy's
            column = self.columns.setdefault(name, _Values())
            if name not in met:
                met.add(name)
                column.n_files += 1
                column.types.add(plain)
            if values is not None:
                column.feed(values, missing)

        self.rows.append(parquet.learn_parquet(file, take))


_STRUCTURE = frozenset(
    {
        *(
            "SIMPLE",
            "BITPIX",
            "NAXIS",
            "EXTEND",
            "PCOUNT",
            "GCOUNT",
            "TFIELDS",
            "XTENSION",
            "EXTNAME",
            "EXTVER",
        ),
        *("GROUPS", "BSCALE", "BZERO", "BLANK", "THEAP", "COMMENT", "HISTORY", "DATE", "CHECKSUM", "DATASUM"),
        *("CONTINUE", "END", "ZIMAGE", "ZTENSION", "ZBITPIX", "ZNAXIS", "ZCMPTYPE"),
    }
)
_NUMBERED = (
    "NAXIS",
    "TTYPE",
    "TFORM",
    "TUNIT",
    "TSCAL",
    "TZERO",
    "TNULL",
    "TDISP",
    "TDIM",
    "TBCOL",
    "ZNAXIS",
)


class _Unit:
    """An HDU, in all files together."""

    def __init__(self) -> None:
        self.n_files = 0
        self.kinds: set[str] = set()
        self.image = _Values()
        self.cards: dict[str, _Values] = {}
        self.columns: dict[str, _Values] = {}
        self.rows: list[int] = []


class _FitsSummary(SampleSummary):
    def __init__(self, kind: str, *, packed: bool) -> None:
        super().__init__(kind, packed=packed)
        self._units: dict[str | int, _Unit] = {}

    def _read(self, file: BinaryIO) -> None:
        from upload_client.expectations.formats import fits  # noqa: PLC0415 — an extra

        size = _size_of(file)
        with fits.open_units(file, size) as units:
            met: set[str | int] = set()
            for number, unit in enumerate(units):
                name: str | int = fits.unit_name(unit).upper() or number
                seen = self._units.setdefault(name, _Unit())
                first = name not in met
                met.add(name)
                seen.n_files += first
                kind = "table" if fits.is_table(unit) else "image"
                seen.kinds.add(kind)
                self._cards(seen, fits.cards_of(unit), first=first)
                if kind == "table":
                    seen.rows.append(int(unit.header["NAXIS2"]))
                    for column in fits.columns_of(unit):
                        values = seen.columns.setdefault(column.name, _Values())
                        values.n_files += 1
                        values.types.add(column.type)
                        values.shapes.add(column.shape)
                        values.units.add(column.unit)
                    self._values(fits, unit, file, seen.columns)
                elif unit.shape:
                    seen.image.n_files += 1
                    seen.image.types.add(fits.image_type(unit))
                    seen.image.shapes.add(tuple(unit.shape))
                    self._values(fits, unit, file, {"": seen.image})

    @staticmethod
    def _values(fits: Any, unit: Any, file: BinaryIO, places: Mapping[str, _Values]) -> None:  # noqa: ANN401
        # What cannot be judged is not learned from either.
        with contextlib.suppress(Undecided):
            fits.learn_values(unit, file, lambda name, values, gone: places[name].feed(values, gone))

    @staticmethod
    def _cards(seen: _Unit, cards: Mapping[str, object], *, first: bool) -> None:
        from upload_client.expectations.formats.scalars import kind_of  # noqa: PLC0415 — imports pydantic

        for card, value in cards.items():
            if card in _STRUCTURE or not card or card.rstrip("0123456789") in _NUMBERED:
                continue
            values = seen.cards.setdefault(card, _Values())
            values.n_files += first
            if value is not None:
                values.types.add(kind_of(value))
            values.take(value)

    def _rules(self) -> list[str]:
        lines = ["# others: refuse  # HDUs that are not named", "hdus:"]
        for name, unit in self._units.items():
            lines.append(f"  - name: {scalar(name)}")
            if unit.n_files < self.n_files:
                lines.append("    required: false")
            body = []
            if len(unit.kinds) == 1:
                body.append(f"type: {next(iter(unit.kinds))}")
            cards = [(card, values) for card, values in unit.cards.items() if values.n_files == unit.n_files]
            if cards and len(unit.rows) in (0, unit.n_files):
                body.append("header:")
            for card, values in cards if len(unit.rows) in (0, unit.n_files) else ():
                rule: dict[str, Any] = {"card": card}
                if values.type in ("string", "integer", "number", "bool"):
                    rule["type"] = values.type
                body.append(noted(f"  - {flow(rule)}", values.comment()))
            if unit.kinds == {"image"} and unit.image.types and unit.image.n_files == unit.n_files:
                body += _array_lines(unit.image)
            if unit.kinds == {"table"}:
                body += _rows_comment(unit.rows) + _column_lines(unit.columns, len(unit.rows))
            lines += [f"    {line}" for line in body]
        return lines


def _array_lines(values: _Values) -> list[str]:
    lines = [noted(f"dtype: {values.type}", values.comment())] if values.type != "any" else []
    if len({len(shape) for shape in values.shapes}) == 1:
        shape = next(iter(values.shapes))
        sizes = " by ".join(map(str, shape))
        note = f"{sizes} in the sample" if len(values.shapes) == 1 else "not all alike in the sample"
        lines.append(noted(f"shape: {flow([None] * len(shape))}", note if shape else ""))
    return lines


_SCALARS = frozenset({"mapping", "list", "string", "integer", "number", "bool"})
"""Kinds of places in a tree that a rule can name; of others there are those of ASDF's extensions."""


class _AsdfSummary(SampleSummary):
    def __init__(self, kind: str, *, packed: bool) -> None:
        super().__init__(kind, packed=packed)
        self._nodes: dict[str, _Values] = {}

    def _read(self, file: BinaryIO) -> None:
        from upload_client.expectations.formats import asdf  # noqa: PLC0415 — an extra

        with asdf.open_tree(file, _size_of(file)) as tree:
            for path, kind, value in asdf.leaves(tree):
                if path not in self._nodes and len(self._nodes) >= _MAX_NODES:
                    continue
                values = self._nodes.setdefault(path, _Values())
                values.n_files += 1
                values.types.add(kind)
                if kind == "array":
                    values.units.add(asdf.array_type(value))
                    values.shapes.add(tuple(int(n) for n in value.shape))
                    if value.dtype.kind in "iuf" and value.size * value.dtype.itemsize <= asdf.MAX_ARRAY:
                        values.feed(asdf.values_of(value), None)
                else:
                    values.take(value)

    def _rules(self) -> list[str]:
        if not self._nodes:
            return []
        lines = ["tree:"]
        for path, values in self._nodes.items():
            rule: dict[str, Any] = {"path": path}
            if values.n_files < self.n_files:
                rule["required"] = False
            note = values.comment()
            if values.types == {"array"}:
                rule["type"] = "array"
                dtypes = _Values()
                dtypes.types = values.units
                if dtypes.type not in ("any", "structured"):
                    rule["dtype"] = dtypes.type
                if len({len(shape) for shape in values.shapes}) == 1:
                    shape = next(iter(values.shapes))
                    rule["shape"] = [None] * len(shape)
                    if len(values.shapes) == 1 and shape:
                        note = f"{' by '.join(map(str, shape))}{', ' * bool(note)}{note or ' in the sample'}"
            elif values.type in _SCALARS:
                rule["type"] = values.type
            lines.append(noted(f"  - {flow(rule)}", note))
        return lines


class _JsonSummary(SampleSummary):
    def __init__(self, kind: str, *, packed: bool) -> None:
        super().__init__(kind, packed=packed)
        self._shape = _JsonShape()

    def _read(self, file: BinaryIO) -> None:
        if self.kind == "json":
            self._shape.take(strict_json.loads(file.read()))
            return
        for number, line in enumerate(file):
            if not line.isspace():
                self._shape.take(strict_json.loads(line, "utf-8-sig" if number == 0 else "utf-8"))

    def _rules(self) -> list[str]:
        schema = self._shape.schema()
        if not schema:
            return ["schema: {}"]
        return ["schema:", *(f"  {line}" for line in text_of(schema, width=100).splitlines())]


class _JsonShape:
    """The common form of JSON values at one place."""

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._types: set[str] = set()
        self._n_objects = 0
        self._keys: dict[str, tuple[_JsonShape, list[int]]] | None = {}
        self._items: _JsonShape | None = None

    def take(self, value: Any) -> None:  # noqa: ANN401 — anything in JSON
        """Take one more value."""
        self._types.add(_json_type(value))
        if self._depth >= _MAX_DEPTH:
            return
        if isinstance(value, dict):
            self._n_objects += 1
            for key, inner in value.items():
                if self._keys is None:
                    break
                if key not in self._keys and len(self._keys) >= _MAX_KEYS:
                    self._keys = None  # they are values rather than names
                    break
                shape, n = self._keys.setdefault(key, (_JsonShape(self._depth + 1), [0]))
                shape.take(inner)
                n[0] += 1
        elif isinstance(value, list):
            for inner in value:
                self._items = self._items or _JsonShape(self._depth + 1)
                self._items.take(inner)

    def schema(self) -> dict[str, Any]:
        """A JSON Schema that all of them satisfy."""
        types = sorted(self._types - ({"integer"} if "number" in self._types else set()))
        made: dict[str, Any] = {"type": types[0] if len(types) == 1 else types} if types else {}
        if self._keys:
            made["properties"] = {key: shape.schema() for key, (shape, _) in self._keys.items()}
            required = [key for key, (_, (n,)) in self._keys.items() if n == self._n_objects]
            if required:
                made["required"] = required
        if self._items is not None and (items := self._items.schema()):
            made["items"] = items
        return made


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
    )
    return next((name for cls, name in kinds if isinstance(value, cls)), "object")


class _ImageSummary(SampleSummary):
    def __init__(self, kind: str, *, packed: bool) -> None:
        super().__init__(kind, packed=packed)
        self._formats: set[str] = set()
        self._modes: set[str] = set()
        self._all_have_modes = True
        self._sizes: list[tuple[int, int]] = []

    def _read(self, file: BinaryIO) -> None:
        from upload_client.expectations.formats import image  # noqa: PLC0415 — an extra

        form, mode, size = image.learn_image(file)
        self._formats.add(form)
        if mode is None:
            self._all_have_modes = False
        else:
            self._modes.add(mode)
        self._sizes.append(size)

    def _rules(self) -> list[str]:
        lines = [f"formats: {flow(sorted(self._formats))}"]
        if self._all_have_modes:
            lines.append(f"modes: {flow(sorted(self._modes))}")
        for side, sizes in zip(("width", "height"), zip(*self._sizes, strict=True), strict=True):
            lines.append(f"# {side}: {{min: {min(sizes)}, max: {max(sizes)}}}  # pixels, in the sample")
        return lines


class _NumpySummary(SampleSummary):
    def __init__(self, kind: str, *, packed: bool) -> None:
        super().__init__(kind, packed=packed)
        self._arrays: dict[str, _Values] = {}

    def _read(self, file: BinaryIO) -> None:
        from upload_client.expectations.formats import arrays  # noqa: PLC0415 — not for --help

        for name, plain, shape in arrays.headers(file, packed=self.kind == "npz"):
            values = self._arrays.setdefault(name, _Values())
            values.n_files += 1
            values.types.add(plain)
            values.shapes.add(shape)

    def _rules(self) -> list[str]:
        if self.kind == "npy":
            return _array_lines(next(iter(self._arrays.values())))
        lines = ["# others: refuse  # arrays that are not named", "arrays:"]
        for name, values in self._arrays.items():
            lines.append(f"  - name: {scalar(name)}")
            lines += ["    required: false"] * (values.n_files < self.n_files)
            lines += [f"    {line}" for line in _array_lines(values)]
        return lines if self._arrays else []


class ZarrSummary:
    """The arrays of folders of Zarr so far, by their metadata."""

    def __init__(self) -> None:
        self._folders: set[str] = set()
        self._arrays: dict[str, _Values] = {}
        self._missing: dict[str, list[Any]] = {}

    def read(self, path: str, data: bytes) -> None:
        """Learn from one more file with metadata.

        Args:
            path: of it.
            data: its content.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is none.
        """
        from upload_client.expectations.formats.zarr_rules import type_of  # noqa: PLC0415 — not for --help

        part = part_of(path)
        assert part is not None
        content = json.loads(data)
        self._folders.add(path.partition(".zarr/")[0])
        if part.key == ".zattrs" or content.get("node_type") == "array":
            attributes = content if part.key == ".zattrs" else content.get("attributes") or {}
            gap = attributes.get("_FillValue", attributes.get("missing_value"))
            if isinstance(gap, (int, float)) and not isinstance(gap, bool) and math.isfinite(gap):
                gaps = self._missing.setdefault(part.array, [])
                gaps += [gap] * (gap not in gaps)
        if part.key == ".zarray" or content.get("node_type") == "array":
            values = self._arrays.setdefault(part.array, _Values())
            values.n_files += 1
            values.types.add(type_of(content).name)
            values.shapes.add(tuple(content["shape"]))

    def lines(self) -> list[str] | None:
        """The rules, as lines of YAML under ``content:``; None: there are none, or too many."""
        if not 0 < len(self._arrays) <= _MAX_COLUMNS:
            return None
        lines = [
            "format: zarr",
            "# others: refuse  # arrays that are not named, files of no array",
            "arrays:",
        ]
        for name, values in sorted(self._arrays.items()):
            lines.append(f"  - name: {scalar(name or '/')}")
            lines += ["    required: false"] * (values.n_files < len(self._folders))
            lines += [f"    {line}" for line in _array_lines(values)]
            if name in self._missing:
                lines.append(f"    missing: {flow(self._missing[name])}")
            lines.append("    # complete: true  # each chunk has to be there; else it is the fill value")
        return lines


SEEN: dict[str, Callable[..., SampleSummary]] = {
    "csv": _CsvSummary,
    "tsv": _CsvSummary,
    "parquet": _ParquetSummary,
    "fits": _FitsSummary,
    "asdf": _AsdfSummary,
    "json": _JsonSummary,
    "jsonl": _JsonSummary,
    "image": _ImageSummary,
    "npy": _NumpySummary,
    "npz": _NumpySummary,
}
