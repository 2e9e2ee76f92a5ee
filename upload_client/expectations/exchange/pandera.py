"""A DataFrameSchema of pandera as it writes it (YAML or JSON): https://pandera.readthedocs.io."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from upload_client.expectations.exchange.common import Unsupported, of_python, to_python
from upload_client.expectations.model import as_moment

_CHECKS = {
    "min": "greater_than_or_equal_to",
    "max": "less_than_or_equal_to",
    "above": "greater_than",
    "below": "less_than",
}
_SHORT = {"ge": "min", "le": "max", "gt": "above", "lt": "below"}
_NUMBERS = re.compile(r"u?int(?:8|16|32|64)|float(?:16|32|64)|complex(?:64|128)")
_NULLABLE = re.compile(r"(U?)(Int|Float)(8|16|32|64)")
_MOMENT = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]")
_THEIR_MOMENT = re.compile(r"datetime64\[(s|ms|us|ns)(?:, (.+))?\]")
_TEXTS = ("str", "string", "string[pyarrow]", "string[python]")
_OF_COLUMNS = {"title", "description", "dtype", "nullable", "required", "unique", "checks"}
_DUPLICATES = "unique with missing values: to pandera two of them are duplicates, here they are none"
_NO_RULES = {
    "coerce": False,
    "regex": False,
    "default": None,
    "metadata": None,
    "parsers": None,
    "report_duplicates": "all",
}
_KNOWN = {
    "schema_type",
    "api",
    "version",
    "columns",
    "strict",
    "ordered",
    "unique",
    "name",
    "title",
    "description",
}
_NO_RULES_OF_TABLES = {
    **_NO_RULES,
    "checks": None,
    "index": None,
    "dtype": None,
    "add_missing_columns": False,
    "drop_invalid_rows": False,
    "unique_column_names": False,
}


def is_schema(content: Any) -> bool:  # noqa: ANN401 — whatever a file holds
    """Whether it is meant as a schema of pandera."""
    return isinstance(content, dict) and content.get("schema_type") == "dataframe"


def write(content: dict[str, Any], unsupported: Unsupported) -> dict[str, Any]:
    """The schema of a type's content.

    Args:
        content: of the type, with what is not as it is by itself.
        unsupported: receives the rules that it cannot express.
    """
    columns = content.get("columns", ())
    made: dict[str, Any] = {
        "schema_type": "dataframe",
        "columns": {one["name"]: _written(one, unsupported) for one in columns},
        "strict": bool(columns) and content.get("others", "refuse") == "refuse",
        "ordered": content.get("order", False),
    }
    for name in content.keys() - {"format", "columns", "others", "order"}:
        unsupported.add(name, "it is no part of a schema of pandera")
    return made


def _written(column: dict[str, Any], unsupported: Unsupported) -> dict[str, Any]:
    where = f"column {column['name']!r}"
    rules = {key: value for key, value in column.items() if key not in ("name", "format")}
    made: dict[str, Any] = {}
    nulls = rules.pop("nulls", True)
    dtype = _dtype_of(rules.pop("type", "any"), where, unsupported, nulls=nulls)
    if dtype is not None:
        made["dtype"] = dtype
    made["nullable"] = nulls
    for name in ("required", "unique", "title", "description"):
        if name in rules:
            made[name] = rules.pop(name)
    if nulls and made.get("unique"):
        unsupported.add(where, _DUPLICATES)
    checks: dict[str, Any] = {}
    for ours, theirs in _CHECKS.items():
        if ours in rules:
            value = rules.pop(ours)
            if isinstance(value, dt.date) and dtype is None:
                unsupported.add(where, f"{ours}, for its type")
                continue
            checks[theirs] = _plain(value)
    if "values" in rules:
        checks["isin"] = [_plain(one) for one in rules.pop("values")]
    if "pattern" in rules:
        pattern = to_python(rules.pop("pattern"))
        if pattern is None:
            unsupported.add(where, "its pattern, which only RE2 knows")
        else:
            checks["str_matches"] = pattern
    lengths = {f"{end}_value": rules.pop(f"{end}_length", None) for end in ("min", "max")}
    if any(one is not None for one in lengths.values()):
        checks["str_length"] = lengths
    if checks:
        made["checks"] = checks
    for name in rules:
        if name not in ("example", "rdfType"):
            unsupported.add(where, name)
    return made


def _plain(value: Any) -> Any:  # noqa: ANN401 — a limit
    if not isinstance(value, dt.date):
        return value
    return as_moment(value).replace(tzinfo=None).isoformat(" ")


def _dtype_of(kind: str, where: str, unsupported: Unsupported, *, nulls: bool) -> str | None:
    if _NUMBERS.fullmatch(kind):
        if "int" in kind and nulls:  # as pandas has integers of which some are missing
            return ("UInt" if kind[0] == "u" else "Int") + kind.rpartition("int")[2]
        return kind
    moment = _MOMENT.fullmatch(kind)
    if moment is not None:
        return f"datetime64[{moment[1]}" + (f", {moment[2]}]" if moment[2] else "]")
    if kind == "string":
        return "str"
    if kind == "bool":
        return "boolean" if nulls else "bool"
    if kind != "any":
        unsupported.add(where, f"the type {kind!r}")
    return None


def read(
    given: dict[str, Any], kind: str | None, files: list[str], unsupported: Unsupported
) -> list[dict[str, Any]]:
    """The type that a schema describes.

    Args:
        given: the schema.
        kind: the format of the files; None: Parquet.
        files: globs of the files; empty: all of that format.
        unsupported: receives the rules that it cannot express.
    """
    kind = kind or "parquet"
    columns = [
        _column(str(name), one or {}, unsupported) for name, one in dict(given.get("columns") or {}).items()
    ]
    columns = [one for one in columns if one]
    strict = given.get("strict", False)
    if strict == "filter":
        unsupported.add("strict", "that other columns are left out: they may be there")
    made: dict[str, Any] = {"format": kind, "columns": columns, "order": bool(given.get("ordered", False))}
    made["others"] = "refuse" if strict is True else "allow"
    together = given.get("unique") or []
    together = [together] if isinstance(together, str) else list(together)
    if len(together) > 1:
        unsupported.add("unique", "of several columns together")
    for column in columns:
        if together == [column["name"]]:
            column["unique"] = True
        if column["nulls"] and column.get("unique"):
            where = f"column {column['name']!r}"
            unsupported.add(where, _DUPLICATES)
    for key, value in given.items():
        if key not in _KNOWN and not (
            key in _NO_RULES_OF_TABLES and value in (_NO_RULES_OF_TABLES[key], None)
        ):
            unsupported.add(key, "it is not judged here")
    name = str(given.get("name") or "table")[:100]
    return [{"name": name, "files": files or [f"*.{kind}"], "content": made}]


def _column(name: str, given: dict[str, Any], unsupported: Unsupported) -> dict[str, Any]:
    where = f"column {name!r}"
    if given.get("regex"):
        unsupported.add(where, "a pattern of columns' names")
        return {}
    column: dict[str, Any] = {"name": name}
    dtype = given.get("dtype")
    if dtype is not None:
        ours = _type_of(str(dtype))
        if ours is None:
            unsupported.add(where, f"the type {str(dtype)!r}")
        else:
            column["type"] = ours
    column["nulls"] = bool(given.get("nullable", False))
    for key in ("required", "unique", "title", "description"):
        if given.get(key) is not None:
            column[key] = given[key]
    checks = {key: value for key, value in given.items() if key not in _OF_COLUMNS and key not in _NO_RULES}
    checks |= _named(given.get("checks"), where, unsupported)
    for check, described in checks.items():
        _take(column, check, described, where, unsupported)
    for key, usual in _NO_RULES.items():
        if given.get(key, usual) not in (usual, None):
            unsupported.add(where, key)
    return column


def _named(checks: Any, where: str, unsupported: Unsupported) -> dict[str, Any]:  # noqa: ANN401 — as pandera has written it
    """Checks by their names: a mapping, or a list whose elements name theirs among their options."""
    if isinstance(checks, dict):
        return checks
    made = {}
    for one in checks or ():
        name = one.get("options", {}).get("check_name") if isinstance(one, dict) else None
        if name is None:
            unsupported.add(where, "a check without a name")
        else:
            made[name] = one.get("value", one)
    return made


def _value(given: Any) -> Any:  # noqa: ANN401 — as pandera has written it
    """The value of a check, which may have options beside it."""
    if isinstance(given, dict) and "value" in given and given.keys() <= {"value", "options"}:
        return given["value"]
    return given


def _take(column: dict[str, Any], check: str, entry: Any, where: str, unsupported: Unsupported) -> None:  # noqa: ANN401
    """Make a rule of a check."""
    if isinstance(entry, dict) and entry.get("options", {}).get("raise_warning"):
        unsupported.add(where, f"{check}, which only warns")
        return
    value = _value(entry)
    limits = {theirs: ours for ours, theirs in _CHECKS.items()} | _SHORT
    moment = str(column.get("type", "")).startswith("timestamp")
    if check in limits:
        column[limits[check]] = _moment(value) if moment else value
    elif check == "in_range":
        for end, limit in (("min", "above"), ("max", "below")):
            bound = value[f"{end}_value"]
            column[end if value.get(f"include_{end}", True) else limit] = _moment(bound) if moment else bound
    elif check in ("isin", "eq", "equal_to"):
        given = value.get("allowed_values", value) if isinstance(value, dict) else value
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        column["values"] = [_moment(one) for one in given] if moment else given
    elif check == "str_matches":
        column["pattern"] = of_python(value.get("pattern", "") if isinstance(value, dict) else value)
    elif check == "str_length":
        lengths = value if isinstance(value, dict) else {"exact_value": value}
        exact = lengths.get("exact_value")
        for end in ("min", "max"):
            length = exact if exact is not None else lengths.get(f"{end}_value")
            if length is not None:
                column[f"{end}_length"] = length
    else:
        unsupported.add(where, f"the check {check!r}")


def _moment(value: Any) -> Any:  # noqa: ANN401 — a limit
    return dt.datetime.fromisoformat(value) if isinstance(value, str) else value


def _type_of(dtype: str) -> str | None:
    if _NUMBERS.fullmatch(dtype):
        return dtype
    nullable = _NULLABLE.fullmatch(dtype)
    if nullable is not None:
        return f"{nullable[1]}{nullable[2]}{nullable[3]}".lower()
    moment = _THEIR_MOMENT.fullmatch(dtype)
    if moment is not None:
        return f"timestamp[{moment[1]}" + (f", tz={moment[2]}]" if moment[2] else "]")
    if dtype in _TEXTS:
        return "string"
    return "bool" if dtype in ("bool", "boolean") else None
