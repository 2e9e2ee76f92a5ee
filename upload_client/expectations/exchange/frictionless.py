"""Table Schema and data package of Frictionless: https://datapackage.org/standard."""

from __future__ import annotations

import datetime as dt
from typing import Any

from upload_client.expectations.exchange.common import LIMITS, MOMENTS, Unsupported, bounded, limit_of
from upload_client.expectations.model import as_moment

_PROFILE = "https://datapackage.org/profiles/2.0/tableschema.json"
_TYPES = {
    "integer": "integer",
    "number": "number",
    "string": "string",
    "bool": "boolean",
    "date": "date",
    "time": "time",
    "timestamp": "datetime",
    "duration": "duration",
    "any": "any",
}
_BACK = {theirs: ours for ours, theirs in _TYPES.items()} | {"year": "integer"}
_CONSTRAINTS = {
    **LIMITS,
    "min_length": "minLength",
    "max_length": "maxLength",
    "values": "enum",
    "pattern": "pattern",
}
_FOR_PEOPLE = {"title": "title", "description": "description", "example": "example", "rdfType": "rdfType"}
_MATCH: dict[tuple[bool, str], str] = {
    (True, "refuse"): "exact",
    (False, "refuse"): "equal",
    (False, "allow"): "subset",
}
_TABLES = {"csv": "csv", "tsv": "tsv", "parquet": "parquet"}


def is_schema(content: Any) -> bool:  # noqa: ANN401 — whatever a file holds
    """Whether it is meant as a Table Schema or a data package."""
    return isinstance(content, dict) and ("fields" in content or "resources" in content)


def write(content: dict[str, Any], unsupported: Unsupported) -> dict[str, Any]:
    """A Table Schema of the content of a type.

    Args:
        content: of the type, with what is not as it is by itself.
        unsupported: receives the rules that it cannot express.
    """
    columns = content.get("columns", ())
    stored = content["format"] not in ("csv", "tsv")
    made: dict[str, Any] = {
        "$schema": _PROFILE,
        "fields": [_field(one, unsupported, stored=stored) for one in columns],
    }
    order, others = content.get("order", False), content.get("others", "refuse")
    optional = [not one.get("required", True) for one in columns]
    if columns and all(optional) and others == "refuse":
        made["fieldsMatch"] = "superset"
        if order:
            unsupported.add("order", "where columns may be missing, their order is not said")
    else:
        for one in columns:
            if not one.get("required", True):
                unsupported.add(f"column {one['name']!r}", "that it may be missing")
        if order and others == "allow":
            unsupported.add("order", "where there may be other columns, their order is not said")
            order = False
        made["fieldsMatch"] = _MATCH[order, others] if columns else "subset"
    if not stored:
        made["missingValues"] = list(content.get("missing", ("",)))
    for name in content.keys() - {"format", "columns", "order", "others", "missing"}:
        unsupported.add(name, "it is no part of a Table Schema")
    return made


def _field(column: dict[str, Any], unsupported: Unsupported, *, stored: bool) -> dict[str, Any]:
    where = f"column {column['name']!r}"
    rules = dict(column)
    kind = rules.pop("type", "any")
    field: dict[str, Any] = {"name": rules.pop("name")}
    widened = bounded(kind, rules)
    if widened is not None:
        rules, stated = widened, "integer"
    elif kind in ("float64", "float32"):
        stated = "number"
    elif kind in _TYPES:
        stated = kind
    else:
        unsupported.add(where, f"the type {kind!r}")
        stated = "any"
    if stated != kind and (stored or kind == "float32") and stated != "any":
        unsupported.add(where, f"that it is {kind}; that it is {stated} is said")
    field["type"] = _TYPES[stated]
    for ours, theirs in _FOR_PEOPLE.items():
        if ours in rules:
            field[theirs] = rules.pop(ours)
    constraints: dict[str, Any] = {}
    rules.pop("required", None)
    rules.pop("format", None)
    if rules.pop("nulls", True) is False:
        constraints["required"] = True
    if rules.pop("unique", False):
        constraints["unique"] = True
    for ours, theirs in _CONSTRAINTS.items():
        if ours in rules:
            constraints[theirs] = _plain(rules.pop(ours), moment=stated == "timestamp")
    if stated == "any" and constraints.keys() & {*LIMITS.values(), "minLength", "maxLength"}:
        # A limit of a column of any type has no meaning there.
        for name in constraints.keys() & {*LIMITS.values(), "minLength", "maxLength"}:
            unsupported.add(where, f"{name} of a column whose type is not said")
            del constraints[name]
    for name in rules:
        unsupported.add(where, name)
    if constraints:
        field["constraints"] = constraints
    return field


def _plain(value: Any, *, moment: bool) -> Any:  # noqa: ANN401 — a limit, a list, a pattern
    if isinstance(value, (tuple, list)):
        return [_plain(one, moment=moment) for one in value]
    if moment and isinstance(value, dt.date):
        value = as_moment(value)
        return value.replace(tzinfo=None).isoformat()
    return value.isoformat() if isinstance(value, dt.date) else value


def read(
    given: dict[str, Any], kind: str | None, files: list[str], unsupported: Unsupported
) -> list[dict[str, Any]]:
    """The types that a Table Schema or a data package describes, as a document has them.

    Args:
        given: the schema or package.
        kind: the format of the files; None: CSV, or what the package says.
        files: globs of the files; empty: what the package says, or all of that format.
        unsupported: receives the rules that it cannot express.
    """
    if "resources" not in given:
        table = _table(given, kind or "csv", unsupported)
        return [
            {
                "name": str(given.get("name") or "table"),
                "files": files or [f"*.{kind or 'csv'}"],
                "content": table,
            }
        ]
    types = []
    for number, resource in enumerate(given["resources"]):
        name = str(resource.get("name") or f"resource {number + 1}")
        where = f"resource {name!r}"
        paths = resource.get("path", [])
        paths = [paths] if isinstance(paths, str) else list(paths)
        if not paths:
            unsupported.add(where, "its data lies in the package itself")
            continue
        made: dict[str, Any] = {"name": name, "files": paths}
        if "bytes" in resource and len(paths) == 1:
            made["bytes"] = {"min": resource["bytes"], "max": resource["bytes"]}
        suffix = paths[0].rpartition(".")[2].lower()
        form = str(resource.get("format") or suffix).lower()
        if "schema" in resource and form in _TABLES:
            if isinstance(resource["schema"], dict):
                made["content"] = _table(resource["schema"], form, unsupported)
            else:
                unsupported.add(where, "its schema lies in another file")
        dialect = resource.get("dialect") or {}
        if "content" in made and isinstance(dialect, dict):
            if "delimiter" in dialect:
                made["content"]["delimiter"] = dialect["delimiter"]
            for key in dialect.keys() - {"delimiter", "$schema"}:
                unsupported.add(where, f"{key} of its dialect")
        for key in ("hash", "encoding", "compression"):
            if resource.get(key) not in (None, "utf-8", "utf8"):
                unsupported.add(where, f"{key}, which no document says")
        types.append(made)
    return types


def _table(schema: dict[str, Any], kind: str, unsupported: Unsupported) -> dict[str, Any]:
    made: dict[str, Any] = {"format": kind}
    match = schema.get("fieldsMatch", "exact")
    match = match[0] if isinstance(match, list) and match else match
    if match not in ("exact", "equal", "subset", "superset"):
        unsupported.add("fieldsMatch", f"{match!r}; no column has to be there")
        match = "partial"
    columns = [_column(one, unsupported) for one in schema.get("fields", ())]
    key = schema.get("primaryKey") or []
    key = [key] if isinstance(key, str) else list(key)
    if len(key) > 1:
        unsupported.add("primaryKey", "of several columns")
    for column in columns:
        if key == [column["name"]]:
            column |= {"unique": True, "nulls": False}
        if match in ("superset", "partial"):
            column["required"] = False
    if columns:
        made |= {"columns": columns, "order": match == "exact"}
        made["others"] = "allow" if match in ("subset", "partial") else "refuse"
    if "missingValues" in schema and kind in ("csv", "tsv"):
        made["missing"] = [one["value"] if isinstance(one, dict) else one for one in schema["missingValues"]]
    for name in ("foreignKeys", "uniqueKeys"):
        if schema.get(name):
            unsupported.add(name, "it is not judged here")
    return made


def _column(field: dict[str, Any], unsupported: Unsupported) -> dict[str, Any]:
    field = dict(field)
    name = str(field.pop("name", ""))
    where = f"column {name!r}"
    column: dict[str, Any] = {"name": name}
    kind = str(field.pop("type", "any"))
    if kind in _BACK:
        column["type"] = _BACK[kind]
    else:
        unsupported.add(where, f"the type {kind!r}")
    constraints = dict(field.pop("constraints", {}))
    if field.pop("format", "default") != "default":
        unsupported.add(where, "its format")
        if kind in ("date", "datetime", "time"):
            column.pop("type", None)
            for theirs in LIMITS.values():
                if constraints.pop(theirs, None) is not None:
                    unsupported.add(where, f"{theirs}, for its format")
    if constraints.pop("required", False):
        column["nulls"] = False
    if constraints.pop("unique", False):
        column["unique"] = True
    for ours, theirs in _CONSTRAINTS.items():
        if theirs in constraints:
            value = constraints.pop(theirs)
            if column.get("type") in MOMENTS and ours not in ("pattern", "min_length", "max_length"):
                given = value if isinstance(value, list) else [value]
                read = [limit_of(one, column["type"]) for one in given]
                value = read if isinstance(value, list) else read[0]
            column[ours] = value
    for key in constraints:
        unsupported.add(where, f"the constraint {key!r}")
    for ours, theirs in _FOR_PEOPLE.items():
        if theirs in field:
            column[ours] = field.pop(theirs)
    if kind == "number":
        usual = {"decimalChar": ".", "groupChar": "", "bareNumber": True}
        field = {key: value for key, value in field.items() if usual.get(key, ...) != value}
    for key in field:
        unsupported.add(where, key)
    return column
