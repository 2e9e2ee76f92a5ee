"""JSON and JSON lines, by the standard library and jsonschema-rs. Nothing outside a schema is ever fetched.

Patterns are matched in a time that grows with the text alone, so look-around and back references are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import jsonschema_rs

from upload_client.core.text import counted
from upload_client.expectations import strict_json
from upload_client.expectations.findings import Findings, Undecided
from upload_client.expectations.model import Json

MAX_JSON = 64 * 1024 * 1024
"""Bytes of the largest JSON file that is judged by a schema: it is held in memory."""
MAX_LINE = MAX_JSON
"""Bytes of a line of JSON lines."""
_MAX_ERRORS = 10
_MAX_MESSAGE = 160
_ALL_ERRORS = 1024 * 1024
"""Bytes of a JSON text up to which all that is wrong is looked for; in larger ones the first is enough."""


def _validator(schema: dict[str, Any]) -> Any:  # noqa: ANN401 — a class for each draft
    return jsonschema_rs.validator_for(
        schema,
        offline=True,
        validate_formats=False,
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def schema_problem(schema: dict[str, Any]) -> str | None:
    """Why it is no JSON Schema that can be used; None if it is one."""
    try:
        _validator(schema)
    except jsonschema_rs.ValidationError as error:
        return f"{_place(error.instance_path)}: {error.message}"[:_MAX_MESSAGE]
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return str(error)[:_MAX_MESSAGE]
    return None


def _place(path: Sequence[str | int]) -> str:
    """A place in a JSON value as JSONPath (RFC 9535) has it: ``$.a[0]``."""
    return "$" + "".join(
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]" for step in path
    )


def judge_json(content: Json, file: BinaryIO, size: int, findings: Findings) -> None:
    """Judge a JSON file, or each line of JSON lines, by a schema."""
    reason = schema_problem(content.json_schema)
    if reason is not None:  # where the document was read, nobody could tell
        raise Undecided(f"it is no JSON Schema: {reason}")
    validator = _validator(content.json_schema) if content.json_schema else None
    if content.format == "json":
        if size > MAX_JSON:
            raise Undecided(f"JSON of more than {MAX_JSON:,} bytes cannot be judged by a schema")
        data = file.read(MAX_JSON + 1)
        if len(data) > MAX_JSON:
            raise Undecided(f"JSON of more than {MAX_JSON:,} bytes cannot be judged by a schema")
        _judge(validator, data, "", findings)
        return
    n = 0
    for number, line in enumerate(_lines(file)):
        if line.isspace():
            continue
        n += 1
        if len(line) > MAX_LINE:
            raise Undecided(f"line {number + 1:,} has more than {MAX_LINE:,} bytes")
        _judge(validator, line, f"line {number + 1:,}", findings)
        if findings.n >= _MAX_ERRORS:
            return
    reason = content.rows.range.refusal(n, lambda k: counted(k, "line"))
    if reason is not None:
        findings.add("", f"it has {reason}")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 1):
        yield line


def _judge(validator: Any, data: bytes, where: str, findings: Findings) -> None:  # noqa: ANN401 — as above
    try:
        value = strict_json.loads(data)
        errors = (
            () if validator is None or validator.is_valid(value) else _errors(validator, value, len(data))
        )
    except json.JSONDecodeError as error:
        findings.add(where, f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})")
    except UnicodeDecodeError as error:
        findings.add(where, f"not UTF-8 (byte {error.start})")
    except UnicodeEncodeError:
        findings.add(where, "a text in it holds half a surrogate pair")
    except ValueError as error:  # a number of thousands of digits; nested deeper than it is judged
        findings.add(where, f"not JSON that can be read: {error}")
    except RecursionError:
        findings.add(where, "nested too deeply")
    else:
        for wrong in errors:
            place = _place(wrong.instance_path)
            findings.add(", ".join(filter(None, (where, place))), wrong.message[:_MAX_MESSAGE])


def _errors(validator: Any, value: object, size: int) -> Sequence[Any]:  # noqa: ANN401 — as above
    if size <= _ALL_ERRORS:
        return list(validator.iter_errors(value))[:_MAX_ERRORS]
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []
