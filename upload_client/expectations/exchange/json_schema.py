"""JSON Schema, 2020-12: of a JSON file as it is, of a table for each row as an object."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from upload_client.expectations.exchange.common import LIMITS, RE2_ALONE, Unsupported, bounded

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES: dict[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "timestamp": {"type": "string", "format": "date-time"},
    "duration": {"type": "string", "format": "duration"},
    "null": {"type": "null"},
    "any": {},
}
_RULES = {
    **LIMITS,
    "min_length": "minLength",
    "max_length": "maxLength",
    "values": "enum",
    "pattern": "pattern",
}
_WRAPPED = re.compile(r"\^\(\?:(.*)\)\$", re.DOTALL)
_FLAGS = re.compile(r"\(\?[^:]")
_KNOWN = {"$schema", "$id", "title", "description", "type", "properties", "required", "additionalProperties"}
_OF_COLUMNS = {"type", "format", "title", "description", *_RULES.values(), "examples"}


def is_schema(content: Any) -> bool:  # noqa: ANN401 — whatever a file holds
    """Whether it is meant as a JSON Schema."""
    return isinstance(content, dict) and bool(
        content.keys()
        & {"$schema", "properties", "type", "$defs", "items", "anyOf", "allOf", "oneOf", "$ref"}
    )


def write(content: dict[str, Any], unsupported: Unsupported) -> dict[str, Any]:
    """The JSON Schema of a type's content: its own, or that of a row.

    Args:
        content: of the type, with what is not as it is by itself.
        unsupported: receives the rules that it cannot express.
    """
    if content["format"] in ("json", "jsonl"):
        for name in content.keys() - {"format", "schema"}:
            unsupported.add(name, "it is no part of a JSON Schema")
        return {"$schema": _DIALECT, **content.get("schema", {})}
    columns = content.get("columns", ())
    made: dict[str, Any] = {"$schema": _DIALECT, "type": "object"}
    made["properties"] = {one["name"]: _property(one, unsupported) for one in columns}
    made["required"] = [one["name"] for one in columns if one.get("required", True)]
    if columns:
        made["additionalProperties"] = content.get("others", "refuse") == "allow"
    for name in content.keys() - {"format", "columns", "others"}:
        unsupported.add(name, "it is no part of a JSON Schema")
    return made


def _property(column: dict[str, Any], unsupported: Unsupported) -> dict[str, Any]:
    where = f"column {column['name']!r}"
    rules = {key: value for key, value in column.items() if key not in ("name", "required", "format")}
    kind = rules.pop("type", "any")
    widened = bounded(kind, rules)
    if widened is not None:
        rules, stated = widened, "integer"
    else:
        stated = "number" if kind in ("float16", "float32", "float64") else kind
    if stated not in _TYPES:
        unsupported.add(where, f"the type {kind!r}")
        stated = "any"
    elif stated != kind:
        unsupported.add(where, f"that it is {kind}; that it is {stated} is said")
    made = dict(_TYPES[stated])
    nulls = rules.pop("nulls", True)
    if nulls and "type" in made and stated != "null":
        made["type"] = [made["type"], "null"]
    elif not nulls and "type" not in made:
        made["not"] = {"type": "null"}
    for name in ("title", "description"):
        if name in rules:
            made[name] = rules.pop(name)
    for ours, theirs in _RULES.items():
        if ours not in rules:
            continue
        value = rules.pop(ours)
        if isinstance(value, dt.date) or (ours in LIMITS and "format" in made):
            unsupported.add(where, f"{ours}, a date")
        elif ours == "values":
            plain = [one.isoformat() if isinstance(one, dt.date) else one for one in value]
            made["enum"] = [*plain, None] if nulls else plain
        elif ours == "pattern":
            if RE2_ALONE.search(value) or _FLAGS.search(value):
                unsupported.add(where, "its pattern, which ECMA-262 does not know")
            else:
                made[theirs] = f"^(?:{value})$"
        else:
            made[theirs] = value
    for name in rules:
        if name not in ("example", "rdfType"):
            unsupported.add(where, name)
    return made


def read(
    given: dict[str, Any], kind: str | None, files: list[str], unsupported: Unsupported
) -> list[dict[str, Any]]:
    """The type that a JSON Schema describes: JSON, or of a schema of rows a table.

    Args:
        given: the schema.
        kind: the format of the files; None: JSON.
        files: globs of the files; empty: all of that format.
        unsupported: receives the rules that it cannot express.
    """
    kind = kind or "json"
    made: dict[str, Any] = {"format": kind}
    if kind in ("json", "jsonl"):
        made["schema"] = given
    else:
        columns = [_column(name, one, unsupported) for name, one in dict(given.get("properties", {})).items()]
        required = set(given.get("required", ()))
        for column in columns:
            if column["name"] not in required:
                column["required"] = False
        columns += [{"name": name} for name in sorted(required - {column["name"] for column in columns})]
        made["columns"] = columns
        others = given.get("additionalProperties", True)
        if not isinstance(others, bool):
            unsupported.add("additionalProperties", "a schema for other columns")
        made["others"] = "refuse" if others is False else "allow"
        for key in given.keys() - _KNOWN:
            unsupported.add(key, "it is not judged of a row")
    return [
        {"name": str(given.get("title") or "table")[:100], "files": files or [f"*.{kind}"], "content": made}
    ]


def _column(name: str, given: Any, unsupported: Unsupported) -> dict[str, Any]:  # noqa: ANN401 — a schema, or true
    where = f"column {name!r}"
    column: dict[str, Any] = {"name": name}
    if not isinstance(given, dict):
        if given is not True:
            unsupported.add(where, "that it may not be there")
        return column
    kinds = given.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    nulls = not kinds or "null" in kinds
    if given.get("not") == {"type": "null"}:
        nulls = False
    elif "not" in given:
        unsupported.add(where, "not")
    column["nulls"] = nulls
    kinds = [one for one in kinds if one != "null"] or ["null"] * bool(kinds)
    if len(kinds) > 1:
        unsupported.add(where, "several types")
    elif kinds:
        formats = {one["format"]: ours for ours, one in _TYPES.items() if "format" in one}
        plain = {one["type"]: ours for ours, one in _TYPES.items() if "type" in one and "format" not in one}
        if kinds[0] == "string" and given.get("format") in formats:
            column["type"] = formats[given["format"]]
        elif kinds[0] in plain:
            column["type"] = plain[kinds[0]]
            if "format" in given:
                unsupported.add(where, f"the format {given['format']!r}")
        else:
            unsupported.add(where, f"the type {kinds[0]!r}")
    for ours, theirs in _RULES.items():
        if theirs not in given:
            continue
        value = given[theirs]
        if ours == "values":
            if None not in value:
                column["nulls"] = False
            value = [one for one in value if one is not None]
            if not all(isinstance(one, (bool, int, float, str)) for one in value) or not value:
                unsupported.add(where, "enum of what is no single value")
                continue
        elif ours == "pattern":
            match = _WRAPPED.fullmatch(value)
            value = match[1] if match else f"(?s:.*)(?:{value})(?s:.*)"
        column[ours] = value
    if "const" in given and isinstance(given["const"], (bool, int, float, str)):
        column |= {"values": [given["const"]], "nulls": False}
    for name_of in ("title", "description"):
        if name_of in given:
            column[name_of] = given[name_of]
    for key in given.keys() - _OF_COLUMNS - {"not", "const"}:
        unsupported.add(where, key)
    return column
