"""`Expectations`: what belongs in a delivery, as its document says it.

Each class is one mapping of the document, and its fields are the keys; a key that is not among them is an
error. What they mean for a reader is in ``docs/expectations.md``.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from upload_client.core.expectations import FileType as FileTypeRule
from upload_client.core.expectations import Range, Rules, glob_problem
from upload_client.expectations.patterns import matcher, pattern_problem, patterns_work

Scalar = bool | int | float | str | dt.datetime | dt.date
Limit = int | float | dt.datetime | dt.date
Policy = Literal["refuse", "allow"]

PLAIN_TYPES = frozenset(
    {
        *("any", "bool", "integer", "number", "string", "binary", "decimal"),
        *("date", "time", "timestamp", "duration"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
        *("null", "bits", "variable"),
    }
)
"""Names of types that a document may have for values of any format."""
_ARROW_TYPE = re.compile(
    r"(?:list|large_list|fixed_size_list|struct|map|dictionary|decimal128|decimal256|timestamp|time32|time64"
    r"|duration|date32|date64|fixed_size_binary|extension|list_view|large_list_view|run_end_encoded|dense_union"
    r"|sparse_union|month_day_nano_interval|string_view|binary_view|large_string|large_binary|halffloat)\b.*"
)
_MAX_GLOB = 1024
"""Characters of a glob; a key of S3 has 1,024 bytes."""
MAX_GLOBS = 1000
"""In a document; each is compared with the path of each file."""
_MAX_SIZE = 40
_SAME_TYPE = {"boolean": "bool", "datetime": "timestamp"}
"""Frictionless' names of types that have another one here."""


def _type(name: str) -> str:
    name = _SAME_TYPE.get(name, name)
    if name not in PLAIN_TYPES and _ARROW_TYPE.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no type; the plain ones are {', '.join(sorted(PLAIN_TYPES))}")
    return name


def _glob(glob: str) -> str:
    if len(glob) > _MAX_GLOB:
        raise ValueError(f"a glob of more than {_MAX_GLOB:,} characters")
    reason = glob_problem(glob)
    if reason is not None:
        raise ValueError(f"the glob {glob!r} {reason}")
    return glob


def _pattern(pattern: str, info: ValidationInfo) -> str:
    if info.context is not None:
        info.context.check_time()
    reason = pattern_problem(pattern)
    if reason is not None:
        raise ValueError(reason)
    return pattern


def _size(size: object) -> object:
    if isinstance(size, str) and len(size) > _MAX_SIZE:
        raise ValueError(f"a size of more than {_MAX_SIZE} characters")
    return size


def _twice(names: Iterable[str]) -> str | None:
    """The first name that is there more than once."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def as_moment(day_or_moment: dt.date) -> dt.datetime:
    """A moment in UTC: of a day its beginning; one that names no zone is in UTC.

    Raises:
        ValueError: at the ends of the calendar there is no such moment.
    """
    if not isinstance(day_or_moment, dt.datetime):
        return dt.datetime(day_or_moment.year, day_or_moment.month, day_or_moment.day, tzinfo=dt.UTC)
    if day_or_moment.tzinfo is None:
        return day_or_moment.replace(tzinfo=dt.UTC)
    try:
        return day_or_moment.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"there is no moment {day_or_moment.isoformat()} in UTC") from None


def _plain_name(name: object) -> object:
    return _SAME_TYPE.get(name, name) if isinstance(name, str) else name


def _as_list(one_or_more: object) -> object:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


TypeName = Annotated[str, AfterValidator(_type)]
ScalarType = Annotated[Literal["any", "string", "integer", "number", "bool"], BeforeValidator(_plain_name)]
Glob = Annotated[str, AfterValidator(_glob)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Size = Annotated[ByteSize, BeforeValidator(_size)]
Shape = tuple[Annotated[int, Field(ge=0)] | None, ...]
"""Lengths of the axes, the slowest first as numpy has them; None: any."""


class _Mapping(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False, defer_build=True)


class Bounds(_Mapping):
    """From ``min`` to ``max``, both included."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self

    @property
    def range(self) -> Range:
        """The rule."""
        return Range(self.min, self.max)


class Sizes(Bounds):
    """The same of bytes, which may be written as ``2 GB`` or ``64 MiB``."""

    min: Size | None = Field(default=None, ge=0)
    max: Size | None = Field(default=None, ge=0)


Length = Annotated[int, Field(ge=0)]
Allowed = Annotated[tuple[Scalar, ...], Field(min_length=1)]


class Constraints(_Mapping):
    """The same rules in the words of Frictionless' Table Schema (https://datapackage.org/standard/table-schema).

    They are ours once a document is understood: nothing else knows them.
    """

    required: bool = False
    unique: bool = False
    minimum: Limit | None = None
    maximum: Limit | None = None
    above: Limit | None = Field(default=None, alias="exclusiveMinimum")
    below: Limit | None = Field(default=None, alias="exclusiveMaximum")
    min_length: Length | None = Field(default=None, alias="minLength")
    max_length: Length | None = Field(default=None, alias="maxLength")
    enum: Allowed | None = None
    pattern: Pattern | None = None

    def rules(self) -> dict[str, Any]:
        """The rules, by our names."""
        given = {
            "nulls": False if self.required else None,
            "unique": self.unique or None,
            "min": self.minimum,
            "max": self.maximum,
            "above": self.above,
            "below": self.below,
            "min_length": self.min_length,
            "max_length": self.max_length,
            "values": self.enum,
            "pattern": self.pattern,
        }
        return {name: rule for name, rule in given.items() if rule is not None}


class Values(_Mapping):
    """The rules for values. A missing value (null, NaN, blank) is judged by ``nulls`` alone."""

    nulls: bool = True
    min: Limit | None = None
    max: Limit | None = None
    above: Limit | None = None
    """As `min`, but not included; `below` so of `max`."""
    below: Limit | None = None
    min_length: Length | None = None
    """Characters of a text, or bytes."""
    max_length: Length | None = None
    values: Allowed | None = None
    pattern: Pattern | None = None
    constraints: Constraints | None = None

    @model_validator(mode="after")
    def _take_constraints(self) -> Self:
        if self.constraints is None:
            return self
        rules = self.constraints.rules()
        known = type(self).model_fields
        for name in rules:
            if name not in known:
                raise ValueError(f"{name!r} is a rule for columns")
            if name in self.model_fields_set:
                raise ValueError(f"{name!r} is given twice: by itself and among the constraints")
        return self.model_copy(update={**rules, "constraints": None})

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Self:
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            raise ValueError(f"min_length ({self.min_length}) is above max_length ({self.max_length})")
        return self

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if any(isinstance(one, float) and math.isnan(one) for one in (self.above, self.below)):
            raise ValueError("a limit is no number (NaN)")
        if any(isinstance(limit, float) and math.isnan(limit) for limit in (self.min, self.max)):
            raise ValueError("a limit is no number (NaN)")
        if self.min is not None and self.max is not None:
            low, high = (as_moment(one) if isinstance(one, dt.date) else one for one in (self.min, self.max))
            try:
                wrong = low > high  # type: ignore[operator] # what cannot be compared raises
            except TypeError:
                raise ValueError("min and max are not of one kind") from None
            if wrong:
                raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self

    @property
    def judges_values(self) -> bool:
        """Whether single values have to be looked at."""
        return not self.nulls or self.compares_values

    @property
    def compares_values(self) -> bool:
        """Whether it matters what single values are, and not only whether they are there, or there twice."""
        rules = (self.min, self.max, self.above, self.below, self.min_length, self.max_length)
        return any(rule is not None for rule in (*rules, self.values, self.pattern))


class Column(Values):
    """A column of a table."""

    name: str
    type: TypeName = "any"
    required: bool = True
    unique: bool = False
    unit: str | None = None
    """FITS: TUNIT."""
    shape: Shape | None = None
    """FITS: of one cell."""
    title: str | None = None
    """This and the next three are for people; Frictionless has them."""
    description: str | None = None
    example: Any = None
    rdf_type: str | None = Field(default=None, alias="rdfType")
    format: Literal["default"] | None = None
    """Frictionless: how a value is written. Another one than the usual is not judged here."""

    @property
    def judges_values(self) -> bool:
        """Whether single values have to be looked at."""
        return self.unique or super().judges_values


class TableSchema(_Mapping):
    """A Table Schema of Frictionless' as it is: https://datapackage.org/standard/table-schema.

    ``fieldsMatch`` (version 2) is ``exact`` where it is not said, so the columns have to stand in this order.
    """

    profile: Annotated[str | None, Field(alias="$schema")] = None
    name: str | None = None
    title: str | None = None
    description: str | None = None
    fields: tuple[Column, ...] = ()
    match: Literal["exact", "equal", "subset", "superset"] = Field(default="exact", alias="fieldsMatch")
    missing: tuple[str, ...] | None = Field(default=None, alias="missingValues")
    key: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field(default=(), alias="primaryKey")

    @model_validator(mode="after")
    def _key_is_a_column(self) -> Self:
        if len(self.key) > 1:
            raise ValueError("a primary key of several columns is not judged here")
        if not {*self.key} <= {field.name for field in self.fields}:
            raise ValueError(f"the primary key {self.key[0]!r} is none of the fields")
        return self

    def rules(self) -> dict[str, Any]:
        """The rules, by our names."""
        fewer = {"required": False} if self.match == "superset" else {}
        made: dict[str, Any] = {
            "columns": tuple(
                field.model_copy(
                    update=fewer | ({"unique": True, "nulls": False} if field.name in self.key else {})
                )
                for field in self.fields
            ),
            "order": self.match == "exact",
            "others": "allow" if self.match == "subset" else "refuse",
        }
        return made if self.missing is None else made | {"missing": self.missing}


def _one_name(given: object, *names: str) -> None:
    if isinstance(given, dict) and all(name in given for name in names):
        raise ValueError(f"{' and '.join(map(repr, names))} are two names of one thing")


class _Table(_Mapping):
    rows: Bounds = Bounds()
    columns: tuple[Column, ...] = Field(default=(), validation_alias=AliasChoices("columns", "fields"))
    others: Policy = "refuse"
    """Columns that are not named."""
    order: bool = False
    """Whether the columns stand in this order."""
    table_schema: TableSchema | None = Field(default=None, alias="schema")

    @model_validator(mode="before")
    @classmethod
    def _no_two_names(cls, given: object) -> object:
        _one_name(given, "columns", "fields")
        _one_name(given, "missing", "missingValues")
        return given

    @model_validator(mode="after")
    def _take_schema(self) -> Self:
        if self.table_schema is None:
            return self
        rules = self.table_schema.rules()
        for name in rules:
            if name not in type(self).model_fields:
                raise ValueError("texts that mean no value are for CSV and TSV")
            if name in self.model_fields_set:
                raise ValueError(f"{name!r} is given twice: by itself and by the schema")
        return self.model_copy(update={**rules, "table_schema": None})

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        twice = _twice(column.name for column in self.columns)
        if twice is not None:
            raise ValueError(f"the column {twice!r} stands there twice")
        return self


class _Content(_Mapping):
    compression: Literal["gzip"] | None = None
    """The compression of the whole file."""


class Csv(_Content, _Table):
    """CSV (RFC 4180) or TSV, in UTF-8, with a header."""

    format: Literal["csv", "tsv"]
    delimiter: str = Field(default="", max_length=1)
    """Between fields; by default a comma, and a tab in TSV."""
    missing: tuple[str, ...] = Field(default=("",), validation_alias=AliasChoices("missing", "missingValues"))
    """The texts that stand for a missing value."""


class Entry(Values):
    """A key and a value that whoever wrote the file has put into it."""

    key: str = Field(min_length=1, max_length=200)
    required: bool = True
    type: ScalarType = "any"


class Parquet(_Table):
    """Apache Parquet."""

    format: Literal["parquet"]
    metadata: tuple[Entry, ...] = ()
    """Entries of the footer. All values are texts there; one with a `type` is read as that."""


class Card(Values):
    """A card of a FITS header."""

    card: str = Field(min_length=1, max_length=68)
    required: bool = True
    type: ScalarType = "any"


class Hdu(Values, _Table):
    """An HDU of a FITS file. Rules about columns are for tables, about values and shape for images."""

    name: str | Annotated[int, Field(ge=0)]
    """EXTNAME; ``PRIMARY`` or 0 for the first one; a number for what has no name."""
    type: Literal["any", "image", "table"] = "any"
    required: bool = True
    header: tuple[Card, ...] = ()
    dtype: TypeName = "any"
    shape: Shape | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        of_tables = bool(self.columns) or self.rows != Bounds()
        of_images = self.dtype != "any" or self.shape is not None or self.judges_values
        if of_tables and (of_images or self.type == "image"):
            raise ValueError("rules for tables (rows, columns) and for images do not go together")
        if of_images and self.type == "table":
            raise ValueError("dtype, shape and values are rules for images, and this is a table")
        return self


class Fits(_Content):
    """FITS."""

    format: Literal["fits"]
    hdus: tuple[Hdu, ...] = ()
    others: Policy = "allow"
    """HDUs that are not named."""


class Node(Values):
    """A place in an ASDF tree: names with dots between, ``[0]`` or ``[name=a]`` for elements of a list."""

    path: str = Field(min_length=1)
    required: bool = True
    type: Annotated[
        Literal["any", "array", "mapping", "list", "string", "integer", "number", "bool", "null"],
        BeforeValidator(_plain_name),
    ] = "any"
    dtype: TypeName = "any"
    shape: Shape | None = None

    @model_validator(mode="after")
    def _path_is_one(self) -> Self:
        parse_tree_path(self.path)
        return self


class Asdf(_Content):
    """ASDF."""

    format: Literal["asdf"]
    tree: tuple[Node, ...] = ()


class Json(_Content):
    """JSON, or one JSON value on each line, by JSON Schema."""

    format: Literal["json", "jsonl"]
    json_schema: Annotated[dict[str, Any], Field(alias="schema")] = Field(default_factory=dict)
    rows: Bounds = Bounds()
    """JSON lines: how many."""


class Image(_Mapping):
    """An image that Pillow reads."""

    format: Literal["image"]
    formats: tuple[Literal["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"], ...] = (
        "PNG",
        "JPEG",
        "TIFF",
        "GIF",
        "WEBP",
        "BMP",
    )
    width: Bounds = Bounds()
    height: Bounds = Bounds()
    modes: tuple[str, ...] | None = None
    """Modes of pixels, as Pillow calls them: L, RGB, RGBA, I;16 …"""


class _Array(Values):
    dtype: TypeName = "any"
    shape: Shape | None = None


class Npy(_Array):
    """One array of numpy."""

    format: Literal["npy"]


class Array(_Array):
    """An array in an NPZ file."""

    name: str
    required: bool = True


class Npz(_Mapping):
    """Arrays of numpy."""

    format: Literal["npz"]
    arrays: tuple[Array, ...] = ()
    others: Policy = "allow"


class ZarrArray(_Array):
    """An array in a folder of Zarr."""

    name: str
    """Its path from the folder; ``/`` where the folder is the array itself."""
    required: bool = True
    complete: bool = False
    """Whether each of its chunks has to be there; a chunk that is not is the fill value."""
    missing: Allowed | None = None
    """Values that stand for a missing one, beside NaN and NaT."""
    scale_factor: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """By which a stored number is multiplied before rules are applied; ``missing`` are stored ones."""
    add_offset: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The number that is added to it then."""
    attributes: tuple[Entry, ...] = ()

    @property
    def all_attributes(self) -> tuple[Entry, ...]:
        """Those expected, and those that have to say how the numbers are scaled."""
        scales = (("scale_factor", self.scale_factor), ("add_offset", self.add_offset))
        stated = (Entry(key=key, type="number", values=(one,)) for key, one in scales if one is not None)
        return (*self.attributes, *stated)

    @field_validator("name")
    @classmethod
    def _without_slashes(cls, name: str) -> str:
        return name.strip("/")


class Zarr(_Mapping):
    """A folder of Zarr 2 or 3, all files of which are of the type."""

    format: Literal["zarr"]
    arrays: tuple[ZarrArray, ...] = ()
    others: Policy = "allow"
    """Arrays that are not named, and files that belong to none."""
    attributes: tuple[Entry, ...] = ()
    """Those of the folder itself."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        twice = _twice(array.name for array in self.arrays)
        if twice is not None:
            raise ValueError(f"the array {twice!r} stands there twice")
        return self

    def array(self, name: str) -> ZarrArray | None:
        """The rules for an array."""
        return next((array for array in self.arrays if array.name == name), None)


class Opaque(_Mapping):
    """Anything: it is not looked at."""

    format: Literal["opaque"]


class Custom(_Content):
    """Rules that a check of the receiver's own applies (entry points ``upload_client.checks``)."""

    format: Literal["custom"]
    check: str = Field(min_length=1, max_length=100)
    options: dict[str, Any] = Field(default_factory=dict)


Content = Annotated[
    Csv | Parquet | Fits | Asdf | Json | Image | Npy | Npz | Zarr | Opaque | Custom,
    Field(discriminator="format"),
]


class FileType(_Mapping):
    """One type of files."""

    name: str = Field(min_length=1, max_length=100)
    files: Annotated[tuple[Glob, ...], BeforeValidator(_as_list)] = ()
    paths: Annotated[tuple[Pattern, ...], BeforeValidator(_as_list)] = ()
    """The same as regular expressions of whole paths."""
    not_paths: Annotated[tuple[Pattern, ...], BeforeValidator(_as_list)] = ()
    """Files matched by one of these are not of this type."""
    count: Bounds = Bounds()
    bytes: Sizes = Sizes()
    """Bytes of each file."""
    total_bytes: Sizes = Sizes()
    content: Content | None = None
    """None: it opens as what its suffix says, as without a document."""

    @model_validator(mode="after")
    def _means_some_files(self) -> Self:
        if not self.files and not self.paths:
            raise ValueError("it names neither files (globs) nor paths (patterns)")
        if (self.paths or self.not_paths) and not patterns_work():
            raise ValueError("patterns of paths need google-re2: pip install 'upload-client[formats]'")
        return self

    @property
    def rule(self) -> FileTypeRule:
        """The rule about names, numbers and sizes."""
        return FileTypeRule(
            self.name,
            self.files,
            self.count.range,
            self.bytes.range,
            self.total_bytes.range,
            tuple(matcher(pattern) for pattern in self.paths),
            tuple(matcher(pattern) for pattern in self.not_paths),
        )


class Delivery(_Mapping):
    """The delivery as a whole."""

    files: Bounds = Bounds()
    bytes: Sizes = Sizes()
    required: Annotated[tuple[Glob, ...], BeforeValidator(_as_list)] = ()
    forbidden: Annotated[tuple[Glob, ...], BeforeValidator(_as_list)] = ()
    others: Policy = "refuse"
    """Files that no type matches."""


class Expectations(_Mapping):
    """The whole document."""

    version: Literal[1]
    delivery: Delivery = Delivery()
    types: tuple[FileType, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        twice = _twice(file_type.name for file_type in self.types)
        if twice is not None:
            raise ValueError(f"two types are called {twice!r}")
        return self

    @model_validator(mode="after")
    def _few_globs(self) -> Self:
        of_types = sum(len(one.files) + len(one.paths) + len(one.not_paths) for one in self.types)
        if of_types + len(self.delivery.required) + len(self.delivery.forbidden) > MAX_GLOBS:
            raise ValueError(f"more than {MAX_GLOBS:,} globs and patterns of paths in all")
        return self

    @property
    def rules(self) -> Rules:
        """The rules about names, numbers and sizes."""
        delivery = self.delivery
        return Rules(
            (one.rule for one in self.types),
            number=delivery.files.range,
            total=delivery.bytes.range,
            required=delivery.required,
            forbidden=delivery.forbidden,
            others=delivery.others == "allow",
        )


_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[([^\[\]=]+)=([^\[\]]*)\]")

Step = str | int | tuple[str, str]
ANYWHERE = "**"
"""The first step of a path whose next one may be anywhere in the tree."""


def parse_tree_path(path: str) -> tuple[Step, ...]:
    """The steps of a path in a tree: a key, a number, or the name and value by which an element is chosen.

    Raises:
        ValueError: it is no path.
    """
    steps: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (match.start(1) > at) != (at > 0 and match[1] is not None):
            raise ValueError(
                f"{path!r} is no path in a tree, such as data.tables[0].x or columns[name=a].data"
            )
        key, number, name, wanted = match.groups()
        steps.append(key if key is not None else int(number) if number is not None else (name, wanted))
        at = match.end()
    if ANYWHERE in steps[1:] or (steps[0] == ANYWHERE and not (steps[1:] and isinstance(steps[1], str))):
        raise ValueError(f"in {path!r} '**' does not stand before the key that may be anywhere")
    return tuple(steps)
