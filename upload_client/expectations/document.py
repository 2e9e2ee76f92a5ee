"""The expectations document: YAML, read as untrusted text and with errors that name line and key.

A document has at most 256 KiB, 50,000 values in 40 levels, and takes 10 seconds at the most to be understood.
Aliases (``*name``) are allowed, but what they expand to counts: a document that is small and means a billion
things is refused. Whatever is wrong with it, `load` says that it is the document.
"""

from __future__ import annotations

import datetime as dt
import difflib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.expectations.content import is_installed
from upload_client.expectations.model import Expectations, Json

__all__ = ["MAX_BYTES", "MAX_SECONDS", "InvalidExpectations", "load", "load_file"]

MAX_BYTES = 256 * 1024
MAX_SECONDS = 10.0
"""Seconds that a document may take: a small one takes milliseconds, one of this size some seconds."""
_MAX_NODES = 50_000
_MAX_DEPTH = 40
_SHOWN = 20
_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TEXT = "tag:yaml.org,2002:str"
_MAX_TEXT = 200
_MAX_NUMBER = 100
"""Characters of a scalar that is no text."""


class InvalidExpectations(UsageError):  # noqa: N818 — as the errors of `upload_client.errors`
    """The expectations document is not one.

    Attributes:
        where: the document.
        problems: what is wrong, each with line and key; of many the first ones.
    """

    hint = "Correct the document: docs/expectations.md says what may stand in it."

    def __init__(self, where: str, problems: Sequence[str], n: int | None = None) -> None:
        self.where = where
        self.problems = tuple(problems)
        shown = [for_terminal(problem) for problem in self.problems[:_SHOWN]]
        n = len(self.problems) if n is None else n
        if more := n - len(shown):
            shown.append(f"and {more} more")
        lead = f"{n} problem{'s' * (n != 1)} in the expectations {for_terminal(where)}"
        super().__init__("\n  ".join([lead, *shown]))


class _Bad(Exception):  # noqa: N818 — it never leaves this module
    def __init__(self, message: str, mark: yaml.Mark) -> None:
        super().__init__(f"line {mark.line + 1}: {message}")


class _TooLong(Exception):  # noqa: N818 — it never leaves this module
    """The time for a document is over."""


class _Budget:
    """The time that a document may take."""

    def __init__(self) -> None:
        self._until = time.monotonic() + MAX_SECONDS

    def check_time(self) -> None:
        """Raise `_TooLong` if it is over."""
        if time.monotonic() > self._until:
            raise _TooLong


def load_file(path: Path) -> Expectations:
    """Read a document.

    Raises:
        InvalidExpectations: it is not one.
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
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
    if len(data) > MAX_BYTES:
        raise InvalidExpectations(where, [f"it has more than {MAX_BYTES:,} bytes"])
    budget = _Budget()
    try:
        root, content = _read(data.decode("utf-8-sig"), budget)
        if not isinstance(content, dict):
            raise InvalidExpectations(where, ["it is no mapping that begins with 'version: 1'"])
        try:
            expectations = Expectations.model_validate(content, context=budget)
        except ValidationError as error:
            raise InvalidExpectations(where, list(_problems(error, root)), error.error_count()) from None
        problems = list(_schema_problems(expectations, root, budget))
    except UnicodeDecodeError as error:
        raise InvalidExpectations(where, [f"it is not UTF-8 (byte {error.start})"]) from None
    except _Bad as error:
        raise InvalidExpectations(where, [str(error)]) from None
    except _TooLong:
        raise InvalidExpectations(
            where, [f"it takes longer than {MAX_SECONDS:g} seconds to understand"]
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        said = str(error.problem or error.context)[:_MAX_TEXT]
        raise InvalidExpectations(where, [f"{line}it is no YAML: {said}"]) from None
    except yaml.YAMLError as error:
        raise InvalidExpectations(where, [f"it is no YAML: {str(error)[:_MAX_TEXT]}"]) from None
    except RecursionError:
        raise InvalidExpectations(where, ["it is nested too deeply"]) from None
    if problems:
        raise InvalidExpectations(where, problems)
    return expectations


def _read(text: str, budget: _Budget) -> tuple[yaml.Node, Any]:
    loader = _Loader(text, budget)
    try:
        root = loader.get_single_node()
        if root is None:
            raise yaml.YAMLError("it is empty")
        return root, _Builder(loader, budget).build(root, 0)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML has no types
    """Composes nodes until there are too many, or too deep, or it takes too long."""

    def __init__(self, text: str, budget: _Budget) -> None:
        super().__init__(text)
        self._budget = budget
        self._n_nodes = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        """Compose the node that begins here."""
        self._budget.check_time()
        mark = self.peek_event().start_mark
        self._n_nodes += 1
        if self._n_nodes > _MAX_NODES:
            raise _Bad(f"it means more than {_MAX_NODES:,} things", mark)
        if self._depth > _MAX_DEPTH:
            raise _Bad(f"nested deeper than {_MAX_DEPTH}", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Makes plain values of nodes. PyYAML's own takes the last of two keys, and follows aliases anywhere."""

    def __init__(self, loader: yaml.SafeLoader, budget: _Budget) -> None:
        self._loader = loader
        self._budget = budget
        self._n = 0
        self._n_characters = 0

    def build(self, node: yaml.Node, depth: int) -> Any:  # noqa: ANN401 — anything a document holds
        self._budget.check_time()
        self._n += 1
        if self._n > _MAX_NODES:
            raise _Bad(
                f"it means more than {_MAX_NODES:,} things (aliases count with what they stand for)",
                node.start_mark,
            )
        if depth > _MAX_DEPTH:
            raise _Bad(f"nested deeper than {_MAX_DEPTH}", node.start_mark)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _TAGS:
            raise _Bad(f"the tag {str(node.tag)[:_MAX_TEXT]!r} means nothing here", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            made: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = self.build(key_node, depth + 1)
                if not isinstance(key, str):
                    raise _Bad(
                        f"the key {str(key)[:_MAX_TEXT]!r} is no text; write it in quotes",
                        key_node.start_mark,
                    )
                if key in made:
                    raise _Bad(f"the key {key[:_MAX_TEXT]!r} stands there twice", key_node.start_mark)
                made[key] = self.build(value_node, depth + 1)
            return made
        if isinstance(node, yaml.SequenceNode):
            return [self.build(inner, depth + 1) for inner in node.value]
        return self._scalar(node)

    def _scalar(self, node: yaml.ScalarNode) -> object:
        self._n_characters += len(node.value)
        if self._n_characters > MAX_BYTES:
            raise _Bad(
                f"its texts have more than {MAX_BYTES:,} characters (aliases count with what they stand for)",
                node.start_mark,
            )
        # Of what is no text the time to read it may grow with the square of its length.
        if node.tag != _TEXT and len(node.value) > _MAX_NUMBER:
            raise _Bad(f"a value of more than {_MAX_NUMBER} characters that is no text", node.start_mark)
        try:
            value = self._loader.construct_object(node)
            if isinstance(value, dt.datetime) and value.tzinfo is not None:
                value.astimezone(dt.UTC)  # at the ends of the calendar there is no such moment
        except yaml.YAMLError:
            raise
        except Exception as error:  # noqa: BLE001 — of a tag's own code: no such date, no number, no such word
            said = str(error) if type(error) is ValueError else "it is not what its tag says"
            raise _Bad(f"{node.value[:_MAX_TEXT]!r}: {said}"[:_MAX_TEXT], node.start_mark) from None
        if type(value) is int and not -(2**63) <= value < 2**64:
            raise _Bad("a whole number of more than 64 bits", node.start_mark)
        return value


def _problems(error: ValidationError, root: yaml.Node) -> Iterator[str]:
    for problem in error.errors(include_url=False)[:_SHOWN]:
        line, key = _place(root, problem["loc"])
        where = f"line {line}" + (f", {key}" if key else "")
        yield f"{where}: {_says(problem)}"[:_MAX_TEXT]


def _schema_problems(expectations: Expectations, root: yaml.Node, budget: _Budget) -> Iterator[str]:
    """The faults of JSON Schemas, where the library that can tell is installed."""
    if not is_installed("jsonschema_rs"):
        return
    for number, one in enumerate(expectations.types):
        budget.check_time()
        if isinstance(one.content, Json) and one.content.json_schema:
            from upload_client.expectations.formats.json import schema_problem  # noqa: PLC0415 — an extra

            reason = schema_problem(one.content.json_schema)
            if reason is not None:
                line, key = _place(root, ("types", number, "content", "schema"))
                yield f"line {line}, {key}: it is no JSON Schema: {reason}"[:_MAX_TEXT]


def _place(root: yaml.Node, loc: Sequence[str | int]) -> tuple[int, str]:
    """Line and key of a problem; in `loc` there are also names of alternatives, which no document spells."""
    node, key = root, ""
    line = root.start_mark.line
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == str(part):
                    node, line = value_node, key_node.start_mark.line
                    key += f".{part}" if key else str(part)
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
            key += f"[{part}]"
    return line + 1, key


def _says(problem: Any) -> str:  # noqa: ANN401 — pydantic's own mapping
    kind, last = problem["type"], problem["loc"][-1] if problem["loc"] else ""
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(last)[:_MAX_TEXT], _KEYS, n=1)
        return "there is no such key here" + (f"; did you mean {close[0]!r}?" if close else "")
    if kind == "missing":
        return f"{str(last)!r} is missing"
    if kind == "union_tag_not_found":
        return "'format' is missing"
    message: str = problem["msg"].removeprefix("Value error, ")
    if kind == "union_tag_invalid":
        expected = problem["ctx"]["expected_tags"].replace("'", "")
        return f"there is no format {problem['ctx']['tag']!r}; there are {expected}"
    given = problem.get("input")
    shown = f" (it is {str(given)[:40]!r})" if isinstance(given, (str, int, float, bool)) else ""
    return message[:1].lower() + message[1:] + (shown if not kind.startswith("value_error") else "")


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for cls in model.__subclasses__():
        yield from (field.alias or name for name, field in cls.model_fields.items())
        yield from _keys(cls)


_KEYS = sorted(set(_keys(Expectations.__mro__[1])))
