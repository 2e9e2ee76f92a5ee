"""JSON and JSON lines, by the standard library and jsonschema. Nothing outside a schema is ever fetched."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import jsonschema
import referencing
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable

from upload_client.expectations.findings import Findings, Undecided
from upload_client.expectations.model import Json

__all__ = ["MAX_JSON", "judge_json", "schema_problem"]

MAX_JSON = 64 * 1024 * 1024
"""Bytes of the largest JSON file that is judged by a schema: it is held in memory."""
MAX_LINE = 4 * 1024 * 1024
"""Bytes of a line of JSON lines."""
_MAX_ERRORS = 10
_MAX_MESSAGE = 160


def _validator(schema: dict[str, Any]) -> Any:  # noqa: ANN401 — jsonschema's protocol
    cls = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    registry: Any = referencing.Registry()  # with it, nothing is retrieved
    return cls(schema, registry=registry)


def schema_problem(schema: dict[str, Any]) -> str | None:
    """Why it is no JSON Schema; None if it is one."""
    try:
        jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(
            schema
        )
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"[:_MAX_MESSAGE]
    except RecursionError:
        return "it is nested too deeply"
    return None


def judge_json(content: Json, file: BinaryIO, size: int, findings: Findings) -> None:
    """Judge a JSON file, or each line of JSON lines, by a schema."""
    validator = _validator(content.json_schema)
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
            findings.add(f"line {number + 1:,}", f"it has more than {MAX_LINE:,} bytes")
            return
        _judge(validator, line, f"line {number + 1:,}", findings)
        if findings.n >= _MAX_ERRORS:
            return
    reason = content.rows.range.refusal(n, lambda k: f"{k:,} line{'s' * (k != 1)}")
    if reason is not None:
        findings.add("", f"it has {reason}")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 1):
        yield line


def _judge(validator: Any, data: bytes, where: str, findings: Findings) -> None:  # noqa: ANN401 — as above
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        findings.add(where, f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})")
        return
    except UnicodeDecodeError as error:
        findings.add(where, f"not UTF-8 (byte {error.start})")
        return
    except ValueError as error:  # a number of thousands of digits
        findings.add(where, f"not JSON that can be read: {error}")
        return
    except RecursionError:
        findings.add(where, "nested too deeply")
        return
    try:
        errors: list[ValidationError] = list(itertools.islice(validator.iter_errors(value), _MAX_ERRORS))
    except Unresolvable as error:
        raise Undecided(f"the schema refers to what is not in it: {error}"[:_MAX_MESSAGE]) from None
    except RecursionError:
        findings.add(where, "nested too deeply")
        return
    for wrong in errors:
        findings.add(", ".join(filter(None, (where, wrong.json_path))), wrong.message[:_MAX_MESSAGE])
