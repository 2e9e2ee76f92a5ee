"""A receiver's FAST label as a document: YAML that says which files a delivery has, and what is in them.

Label schema 0.1, https://github.com/MillionConcepts/fast-upload/blob/main/docs/label_schema.md. `translate`
makes of a label what a document of ours would say, and names each rule that no document here can say.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_EXCLUDED = "(?!)"
"""Begins a pattern of files that are not of a type."""
_PLAIN = {
    **{f"i{n}": f"int{8 * n}" for n in (1, 2, 4, 8)},
    **{f"u{n}": f"uint{8 * n}" for n in (1, 2, 4, 8)},
    **{f"f{n}": f"float{8 * n}" for n in (2, 4, 8)},
    "c8": "complex64",
    "c16": "complex128",
    "b1": "bool",
}
_MOMENT = re.compile(r"(M|m)8\[(s|ms|us|ns|D)\]")
_FIXED = re.compile(r"V([1-9]\d*)")
_ARRAYS = {"ndarray", "numpy.ndarray", "ndarraytype", "asdf.tags.core.ndarray.ndarraytype"}
_TABLES = {"table", "qtable", "astropy.table.table.table", "astropy.table.table.qtable"}
_KINDS = {
    "dict": "mapping",
    "list": "list",
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "bool",
    "nonetype": "null",
}
_KEY = re.compile(r"[^.\[\]]+")


class _Mapping(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False, defer_build=True)


def _listed(one_or_more: object) -> object:
    return [one_or_more] if isinstance(one_or_more, (str, int)) else one_or_more


Simple = bool | int | float | str | dt.datetime | dt.date | None


class _Metadata(_Mapping):
    value: Simple = None
    value_regex: bool = False
    index: int | None = None


class _Column(_Mapping):
    name: str
    dtype: str
    name_regex: bool = False
    repeated: bool = False
    ndim: int = Field(default=0, ge=0, le=100)


class _Object(_Mapping):
    objtype: str | None = None
    name: Annotated[tuple[str | int | bool, ...], BeforeValidator(_listed)] = ()
    name_regex: bool = False
    repeated: bool = False
    optional: bool = False
    dtype: str | None = None
    ndim: int | None = Field(default=None, ge=0, le=100)
    value: Any = None
    value_regex: bool = False
    metadata: dict[str, _Metadata] = Field(default_factory=dict)
    columns: Annotated[tuple[_Column, ...], Field(alias="schema")] = ()


class _Options(_Mapping):
    skip: tuple[str, ...] = ()
    object_check_hook: str | None = None


class _Filetype(_Mapping):
    filename: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
    standard: str = ""
    ignore: bool = False
    objects: tuple[_Object, ...] = ()
    validation_options: _Options = _Options()


class _Global(_Mapping):
    skip: tuple[str, ...] = ()
    missing_filetypes_ok: bool = False
    no_assigned_filetype_ok: bool = False


class _Meta(_Mapping):
    schema_version: Annotated[str, Field(pattern=r"^0\.1(\.|$)")]
    global_validation_options: _Global = _Global()


class _Time(_Mapping):
    delivery_start_date: dt.date | str
    observation_start_date: dt.date | str | None = None
    observation_end_date: dt.date | str | None = None


class Label(_Mapping):
    """A label, as its schema has it."""

    dataset: str
    delivery_id: str | int
    time: _Time
    contacts: dict[Literal["provider", "archive"], tuple[str, ...]] = Field(default_factory=dict)
    filetypes: dict[str, _Filetype] = Field(default_factory=dict)
    delivery_meta: _Meta
    custom_metadata: dict[str, Any] = Field(default_factory=dict)


def is_label(content: Mapping[str, Any]) -> bool:
    """Whether a YAML document is meant as a label."""
    return "version" not in content and ("delivery_meta" in content or "filetypes" in content)


def translate(label: Label) -> tuple[dict[str, Any], list[tuple[tuple[str | int, ...], str]]]:
    """The same as a document of ours.

    Returns:
        The document as plain values; and each rule that it does not have: its place in the label, and what
        cannot be said of it.
    """
    lost: list[tuple[tuple[str | int, ...], str]] = []
    options = label.delivery_meta.global_validation_options
    types = []
    for name, filetype in label.filetypes.items():
        at = _Place(lost, ("filetypes", name))
        skip = {*options.skip, *filetype.validation_options.skip}
        made: dict[str, Any] = {"name": name[:100]}
        made["paths"] = [one for one in filetype.filename if not one.startswith(_EXCLUDED)]
        other = [one.removeprefix(_EXCLUDED) for one in filetype.filename if one.startswith(_EXCLUDED)]
        if other:
            made["not_paths"] = other
        if filetype.validation_options.object_check_hook is not None:
            at.lose("a check of its own", "validation_options", "object_check_hook")
        if filetype.ignore:
            at.lose("files that are not uploaded are the provider's to choose (--exclude)", "ignore")
        elif not options.missing_filetypes_ok:
            made["count"] = {"min": 1}
        if filetype.ignore or "all" in skip:
            made["content"] = {"format": "opaque"}
        else:
            content = _content(filetype, skip, at)
            if content is not None:
                made["content"] = content
        types.append(made)
    others = "allow" if options.no_assigned_filetype_ok or not types else "refuse"
    return {"version": 1, "delivery": {"others": others}, "types": types}, lost


class _Place:
    """A place in the label, and what is lost there."""

    def __init__(self, lost: list[tuple[tuple[str | int, ...], str]], at: tuple[str | int, ...]) -> None:
        self._lost = lost
        self._at = at

    def lose(self, what: str, *within: str | int) -> None:
        self._lost.append(((*self._at, *within), what))

    def __truediv__(self, within: str | int) -> _Place:
        return _Place(self._lost, (*self._at, within))


def _content(filetype: _Filetype, skip: set[str], at: _Place) -> dict[str, Any] | None:
    standard = filetype.standard.strip().lower()
    makers = {"fits": _fits, "asdf": _asdf, "parquet": _parquet}
    if standard not in makers:
        if filetype.objects:
            at.lose(f"of {standard or 'no standard'} nothing but the suffix is known here", "objects")
        return None
    return {"format": standard, **makers[standard](filetype.objects, skip, at / "objects")}


def _parquet(objects: tuple[_Object, ...], skip: set[str], at: _Place) -> dict[str, Any]:
    if not objects:
        return {}
    if len(objects) > 1:
        at.lose("a Parquet file has one table", 1)
    made: dict[str, Any] = {}
    table = objects[0]
    if table.columns and "schema" not in skip:
        made |= _columns(table.columns, at / 0 / "schema", arrow=True)
    if table.metadata and "metadata" not in skip:
        made["metadata"] = [
            {"key": key, **_metadata(rule, (at / 0 / "metadata") / key)}
            for key, rule in table.metadata.items()
        ]
    return made


def _columns(columns: tuple[_Column, ...], at: _Place, *, arrow: bool) -> dict[str, Any]:
    made = []
    for number, column in enumerate(columns):
        here = at / number
        if column.name_regex or column.repeated:
            here.lose("a pattern of columns' names", "name")
            return {}
        rule: dict[str, Any] = {"name": column.name}
        dtype = _dtype(column.dtype, here, arrow=arrow)
        if dtype is not None:
            rule["type"] = dtype
        if not arrow:
            rule["shape"] = [None] * column.ndim
        elif column.ndim:
            here.lose("a shape of cells of Parquet", "ndim")
        made.append(rule)
    return {"columns": made, "order": True}


def _dtype(dtype: str, at: _Place, *, arrow: bool) -> str | None:
    if dtype in _PLAIN:
        return _PLAIN[dtype]
    if dtype == "O":
        return "variable"
    moment, fixed = _MOMENT.fullmatch(dtype), _FIXED.fullmatch(dtype)
    if arrow and moment is not None:
        kind, unit = moment.groups()
        if (kind, unit) == ("M", "D"):
            return "date"
        if unit != "D":
            return f"{'timestamp' if kind == 'M' else 'duration'}[{unit}]"
    if fixed is not None:
        if arrow:
            return f"fixed_size_binary[{fixed[1]}]"
        at.lose("the width of a text; that it is one is judged", "dtype")
        return "string"
    at.lose(f"the type {dtype!r}", "dtype")
    return None


def _metadata(rule: _Metadata, at: _Place) -> dict[str, Any]:
    if rule.index is not None:
        at.lose("one of several cards of a keyword", "index")
    if rule.value is None:
        return {}
    if rule.value_regex:
        # From its beginning on, and not to its end.
        return {"type": "string", "pattern": f"(?:{rule.value}).*"}
    value = rule.value
    if isinstance(value, dt.date):
        value = value.isoformat()
    kind = (
        "bool"
        if isinstance(value, bool)
        else "integer"
        if isinstance(value, int)
        else "number"
        if isinstance(value, float)
        else "string"
    )
    return {"type": kind, "values": [value]}


def _fits(objects: tuple[_Object, ...], skip: set[str], at: _Place) -> dict[str, Any]:
    if not objects:
        return {}
    made = []
    by_number = True
    for number, unit in enumerate(objects):
        here = at / number
        name = str(unit.name[0]) if unit.name else ""
        if unit.optional or unit.repeated:
            by_number = False
            here.lose("where HDUs stand, from one on that may be left out or repeated", "name")
        if unit.name_regex and (unit.repeated or not by_number) and re.escape(name) != name:
            here.lose("a pattern of HDUs' names", "name")
            continue
        if not by_number and not name:
            here.lose("an HDU without a name behind one that may be left out or repeated", "name")
            continue
        rule: dict[str, Any] = {"name": number if by_number else name}
        if unit.optional:
            rule["required"] = False
        header = []
        if by_number and number and name and "name" not in skip:
            pattern = name if unit.name_regex else re.escape(name)
            header.append({"card": "EXTNAME", "pattern": f"(?i:{pattern})"})
        if unit.metadata and "metadata" not in skip:
            header += [
                {"card": key, **_metadata(one, (here / "metadata") / key)}
                for key, one in unit.metadata.items()
            ]
        if header:
            rule["header"] = header
        rule |= _unit(unit, skip, here)
        made.append(rule)
    return {"hdus": made, "others": "refuse"}


def _unit(unit: _Object, skip: set[str], at: _Place) -> dict[str, Any]:
    """The kind of an HDU, and the rules for its data."""
    made: dict[str, Any] = {}
    kind = (unit.objtype or "").lower()
    if kind and "objtype" not in skip:
        kinds = {"primary": "image", "image": "image", "compimage": "image", "bintable": "table"}
        if kind in kinds:
            made["type"] = kinds[kind]
        else:
            at.lose(f"the kind of HDU {kind!r}", "objtype")
    if unit.columns and "schema" not in skip:
        return made | _columns(unit.columns, at / "schema", arrow=False)
    if "array_props" not in skip:
        made |= _array(unit, at)
    return made


def _array(one: _Object, at: _Place) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if one.dtype is not None:
        dtype = _dtype(one.dtype, at, arrow=False)
        if dtype is not None:
            made["dtype"] = dtype
    if one.ndim is not None:
        made["shape"] = [None] * one.ndim
    return made


def _asdf(objects: tuple[_Object, ...], skip: set[str], at: _Place) -> dict[str, Any]:
    made = [rule for number, one in enumerate(objects) for rule in _places(one, skip, at / number)]
    return {"tree": made} if made else {}


def _places(one: _Object, skip: set[str], at: _Place) -> Iterator[dict[str, Any]]:
    """The rules for one place in a tree, and for those below it."""
    path = "" if len(one.name) != 1 or isinstance(one.name[0], int) else "**"
    for key in one.name:
        if isinstance(key, bool) or (isinstance(key, str) and not _KEY.fullmatch(key)) or one.name_regex:
            at.lose("a name that is a pattern, or no plain text", "name")
            return
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
    if one.repeated or not one.name:
        at.lose("several places by one rule", "repeated")
        return
    rule: dict[str, Any] = {"path": path}
    if one.optional:
        rule["required"] = False
    kind = (one.objtype or "").lower()
    if kind and "objtype" not in skip:
        known = {**dict.fromkeys(_ARRAYS, "array"), **dict.fromkeys(_TABLES, "mapping"), **_KINDS}
        if kind in known:
            rule["type"] = known[kind]
        else:
            at.lose(f"the Python type {one.objtype!r}", "objtype")
    if "array_props" not in skip:
        rule |= _array(one, at)
    if one.value is not None and "value" not in skip:
        if one.value_regex:
            rule["pattern"] = f"(?:{one.value}).*"
        elif isinstance(one.value, (bool, int, float, str)):
            rule["values"] = [one.value]
        else:
            at.lose("a value of several", "value")
    yield rule
    if one.columns and "schema" not in skip:
        if kind not in _TABLES:
            at.lose(f"the fields of {one.objtype or 'what is no table'}", "schema")
            return
        yield from _table(path, one, at / "schema")


def _table(path: str, one: _Object, at: _Place) -> Iterator[dict[str, Any]]:
    """The rules for a table of astropy's, as it is in the tree."""
    made = _columns(one.columns, at, arrow=False)
    if not made:
        return
    left_out = {"required": False} if one.optional else {}
    yield {"path": f"{path}.columns", "type": "list", "shape": [len(made["columns"])], **left_out}
    for number, column in enumerate(made["columns"]):
        here = f"{path}.columns[{number}]"
        yield {"path": f"{here}.name", "values": [column["name"]], **left_out}
        rule: dict[str, Any] = {"path": f"{here}.data", "type": "array", **left_out}
        if "type" in column:
            rule["dtype"] = column["type"]
        yield rule | {"shape": [None, *column["shape"]]}
