"""The expectations document: YAML, read within limits and with errors that name line and key.

A document has at most 256 KiB, 50,000 values in 40 levels, and takes 10 seconds at the most to be understood.
Aliases (``*name``) are allowed, but what they expand to counts: see `support.yaml_document`. Whatever is
wrong with it, `load` says that it is the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.expectations.content import is_installed
from upload_client.expectations.fast_label import Label, is_label, translate
from upload_client.expectations.model import Expectations, Json
from upload_client.expectations.patterns import pattern_problem
from upload_client.support import yaml_document
from upload_client.support.inputs import read_once
from upload_client.support.yaml_document import Budget, InvalidDocument, InvalidYaml, Limits, place

if TYPE_CHECKING:
    import yaml

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
    hint = "Correct the document: `upload-client docs expectations` says what may stand in it."


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
        if is_label(content):
            content, lost = _translated(content, root, where, budget)
            if lost:
                raise InvalidExpectations(where, lost)
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


def read_label(data: bytes, where: str) -> tuple[dict[str, Any], list[str]]:
    """A FAST label as a document of ours.

    Returns:
        The document, as plain values; and what the label asks for that no document can, with line and key.

    Raises:
        InvalidExpectations: it is no label.
    """
    budget = Budget(MAX_SECONDS)
    try:
        root, content = yaml_document.read(data, Limits(MAX_BYTES, _MAX_VALUES, MAX_SECONDS), budget)
    except InvalidYaml as error:
        raise InvalidExpectations(where, [str(error)]) from None
    if not isinstance(content, dict) or not is_label(content):
        raise InvalidExpectations(
            where, ["it is no FAST label: it has neither 'filetypes' nor 'delivery_meta'"]
        )
    return _translated(content, root, where, budget)


def _translated(
    content: dict[str, Any], root: yaml.Node, where: str, budget: Budget
) -> tuple[dict[str, Any], list[str]]:
    try:
        label = Label.model_validate(content, context=budget)
    except ValidationError as error:
        problems = list(_problems(error, root, _LABEL_KEYS))
        raise InvalidExpectations(where, problems, error.error_count()) from None
    translated, lost = translate(label)
    for name, one in zip(label.filetypes, translated["types"], strict=True):
        at = place(root, ("filetypes", name, "filename"))
        patterns = [*one["paths"], *one.get("not_paths", ())]
        wrong = [f"{at}: {reason}" for each in patterns if (reason := pattern_problem(each)) is not None]
        if not one["paths"]:
            wrong.append(f"{at}: it has no pattern that files match")
        if wrong:
            raise InvalidExpectations(where, wrong)
    return translated, [f"{place(root, at)}: {what} cannot be judged here"[:_MAX_TEXT] for at, what in lost]


def _problems(error: ValidationError, root: yaml.Node, keys: Iterable[str] | None = None) -> Iterator[str]:
    for problem in error.errors(include_url=False)[: yaml_document.SHOWN]:
        yield f"{place(root, problem['loc'])}: {_mistake(problem, _KEYS if keys is None else keys)}"[
            :_MAX_TEXT
        ]


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


def _mistake(problem: Any, keys: Iterable[str]) -> str:  # noqa: ANN401 — pydantic's own mapping
    kind = problem["type"]
    if kind == "union_tag_not_found":
        return "'format' is missing"
    if kind == "union_tag_invalid":
        expected = problem["ctx"]["expected_tags"].replace("'", "")
        return f"there is no format {problem['ctx']['tag']!r}; there are {expected}"
    text = yaml_document.problem_text(problem, keys)
    if kind in {"extra_forbidden", "missing"}:
        return text
    given = problem.get("input")
    shown = f" (it is {str(given)[:40]!r})" if isinstance(given, (str, int, float, bool)) else ""
    return text + (shown if not kind.startswith("value_error") else "")


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for cls in model.__subclasses__():
        yield from (field.alias or name for name, field in cls.model_fields.items())
        yield from _keys(cls)


_KEYS = sorted(set(_keys(Expectations.__mro__[1])))
_LABEL_KEYS = sorted(set(_keys(Label.__mro__[1])))
