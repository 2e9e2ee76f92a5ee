"""The expectations document: YAML, read within limits and with errors that name line and key.

A document has at most 256 KiB, 50,000 values in 40 levels, and takes 10 seconds at the most to be understood.
Aliases (``*name``) are allowed, but what they expand to counts: see `support.yaml_document`. Whatever is
wrong with it, `load` says that it is the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.expectations.content import is_installed
from upload_client.expectations.model import Expectations, Json
from upload_client.support import yaml_document
from upload_client.support.inputs import read_once
from upload_client.support.yaml_document import Budget, InvalidDocument, InvalidYaml, Limits, place

if TYPE_CHECKING:
    import yaml

__all__ = ["MAX_BYTES", "MAX_SECONDS", "InvalidExpectations", "load", "load_file"]

MAX_BYTES = 256 * 1024
MAX_SECONDS = 10.0
"""Seconds that a document may take: a small one takes milliseconds, one of this size some seconds."""
_MAX_VALUES = 50_000
_MAX_TEXT = 200


class InvalidExpectations(InvalidDocument):
    """The expectations document is not one.

    Attributes:
        where: the document.
        problems: what is wrong, each with line and key; of many the first ones.
    """

    kind = "expectations"
    hint = "Correct the document: docs/expectations.md says what may stand in it."


def load_file(path: Path) -> Expectations:
    """Read a document.

    Raises:
        InvalidExpectations: it is not one.
        UsageError: it cannot be read.
    """
    try:
        data = read_once(path, "the document", limit=MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"the expectations {for_terminal(str(path))} cannot be read: {reason}") from error
    return load(data, str(path))


def load(data: bytes, where: str) -> Expectations:
    """Understand a document.

    Args:
        data: its bytes.
        where: it lies, for messages.

    Raises:
        InvalidExpectations: it is not one.
    """
    budget = Budget(MAX_SECONDS)
    try:
        root, content = yaml_document.read(data, Limits(MAX_BYTES, _MAX_VALUES, MAX_SECONDS), budget)
        if not isinstance(content, dict):
            raise InvalidExpectations(where, ["it is no mapping that begins with 'version: 1'"])
        try:
            expectations = Expectations.model_validate(content, context=budget)
        except ValidationError as error:
            raise InvalidExpectations(where, list(_problems(error, root)), error.error_count()) from None
        problems = list(_schema_problems(expectations, root, budget))
    except InvalidYaml as error:
        raise InvalidExpectations(where, [str(error)]) from None
    except RecursionError:
        raise InvalidExpectations(where, ["it is nested too deeply"]) from None
    if problems:
        raise InvalidExpectations(where, problems)
    return expectations


def _problems(error: ValidationError, root: yaml.Node) -> Iterator[str]:
    for problem in error.errors(include_url=False)[: yaml_document.SHOWN]:
        yield f"{place(root, problem['loc'])}: {_says(problem)}"[:_MAX_TEXT]


def _schema_problems(expectations: Expectations, root: yaml.Node, budget: Budget) -> Iterator[str]:
    """The faults of JSON Schemas, where the library that can tell is installed."""
    if not is_installed("jsonschema_rs"):
        return
    for number, one in enumerate(expectations.types):
        budget.check_time()
        if isinstance(one.content, Json) and one.content.json_schema:
            from upload_client.expectations.formats.json import schema_problem  # noqa: PLC0415 — an extra

            reason = schema_problem(one.content.json_schema)
            if reason is not None:
                where = place(root, ("types", number, "content", "schema"))
                yield f"{where}: it is no JSON Schema: {reason}"[:_MAX_TEXT]


def _says(problem: Any) -> str:  # noqa: ANN401 — pydantic's own mapping
    kind = problem["type"]
    if kind == "union_tag_not_found":
        return "'format' is missing"
    if kind == "union_tag_invalid":
        expected = problem["ctx"]["expected_tags"].replace("'", "")
        return f"there is no format {problem['ctx']['tag']!r}; there are {expected}"
    said = yaml_document.says(problem, _KEYS)
    if kind in {"extra_forbidden", "missing"}:
        return said
    given = problem.get("input")
    shown = f" (it is {str(given)[:40]!r})" if isinstance(given, (str, int, float, bool)) else ""
    return said + (shown if not kind.startswith("value_error") else "")


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for cls in model.__subclasses__():
        yield from (field.alias or name for name, field in cls.model_fields.items())
        yield from _keys(cls)


_KEYS = sorted(set(_keys(Expectations.__mro__[1])))
