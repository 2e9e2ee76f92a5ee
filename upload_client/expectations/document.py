"""The expectations document: YAML, read as untrusted text and with errors that name line and key.

A document is at most 256 KiB. Aliases (``*name``) are allowed, but what they expand to counts: a document
that is small and means a billion things is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.expectations.content import is_installed
from upload_client.expectations.model import Expectations, Json

__all__ = ["MAX_BYTES", "InvalidExpectations", "dump", "load", "load_file"]

MAX_BYTES = 256 * 1024
_MAX_NODES = 50_000
_MAX_DEPTH = 40
_SHOWN = 20
_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_MAX_TEXT = 200


class InvalidExpectations(UsageError):  # noqa: N818 — as the errors of `upload_client.errors`
    """The expectations document is not one.

    Attributes:
        where: the document.
        problems: what is wrong, each with line and key.
    """

    hint = "Correct the document: docs/expectations.md says what may stand in it."

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = tuple(problems)
        shown = [for_terminal(problem) for problem in self.problems[:_SHOWN]]
        if more := len(self.problems) - len(shown):
            shown.append(f"and {more} more")
        n = len(self.problems)
        lead = f"{n} problem{'s' * (n != 1)} in the expectations {for_terminal(where)}"
        super().__init__("\n  ".join([lead, *shown]))


class _Bad(Exception):  # noqa: N818 — it never leaves this module
    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(f"line {node.start_mark.line + 1}: {message}")


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
    try:
        root, content = _read(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidExpectations(where, [f"it is not UTF-8 (byte {error.start})"]) from None
    except _Bad as error:
        raise InvalidExpectations(where, [str(error)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise InvalidExpectations(where, [f"{line}it is no YAML: {error.problem or error.context}"]) from None
    except yaml.YAMLError as error:
        raise InvalidExpectations(where, [f"it is no YAML: {str(error)[:_MAX_TEXT]}"]) from None
    except RecursionError:
        raise InvalidExpectations(where, ["it is nested too deeply"]) from None
    if not isinstance(content, dict):
        raise InvalidExpectations(where, ["it is no mapping that begins with 'version: 1'"])
    try:
        expectations = Expectations.model_validate(content)
    except ValidationError as error:
        raise InvalidExpectations(where, list(_problems(error, root))) from None
    problems = list(_schema_problems(expectations, root))
    if problems:
        raise InvalidExpectations(where, problems)
    return expectations


def dump(expectations: Expectations) -> str:
    """A document of which `load` makes the same expectations."""
    # All in ASCII: some characters PyYAML writes as they are, and reads as a line's end.
    text: str = yaml.safe_dump(_plain(expectations.as_data()), sort_keys=False, width=110)
    return text


def _plain(data: Any) -> Any:  # noqa: ANN401 — anything a document holds
    if isinstance(data, dict):
        return {key: _plain(inner) for key, inner in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(inner) for inner in data]
    return int(data) if type(data) is not bool and isinstance(data, int) else data


def _read(text: str) -> tuple[yaml.Node, Any]:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise yaml.YAMLError("it is empty")
        return root, _Builder(loader).build(root, 0)
    finally:
        loader.dispose()


class _Builder:
    """Makes plain values of nodes. PyYAML's own takes the last of two keys, and follows aliases anywhere."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._n = 0

    def build(self, node: yaml.Node, depth: int) -> Any:  # noqa: ANN401 — anything a document holds
        self._n += 1
        if self._n > _MAX_NODES:
            raise _Bad(
                f"it means more than {_MAX_NODES:,} things (aliases count with what they stand for)", node
            )
        if depth > _MAX_DEPTH:
            raise _Bad(f"nested deeper than {_MAX_DEPTH}", node)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _TAGS:
            raise _Bad(f"the tag {str(node.tag)[:_MAX_TEXT]!r} means nothing here", node)
        if isinstance(node, yaml.MappingNode):
            made: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = self.build(key_node, depth + 1)
                if not isinstance(key, str):
                    raise _Bad(f"the key {str(key)[:_MAX_TEXT]!r} is no text; write it in quotes", key_node)
                if key in made:
                    raise _Bad(f"the key {key[:_MAX_TEXT]!r} stands there twice", key_node)
                made[key] = self.build(value_node, depth + 1)
            return made
        if isinstance(node, yaml.SequenceNode):
            return [self.build(inner, depth + 1) for inner in node.value]
        try:
            return self._loader.construct_object(node)
        except ValueError as error:  # such as a date that there is not
            raise _Bad(f"{str(node.value)[:_MAX_TEXT]!r}: {error}", node) from None


def _problems(error: ValidationError, root: yaml.Node) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        line, key = _place(root, problem["loc"])
        where = f"line {line}" + (f", {key}" if key else "")
        yield f"{where}: {_says(problem)}"[:_MAX_TEXT]


def _schema_problems(expectations: Expectations, root: yaml.Node) -> Iterator[str]:
    """What is wrong with JSON Schemas, where somebody is there who can tell."""
    if not is_installed("jsonschema"):
        return
    for number, one in enumerate(expectations.types):
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
        close = difflib.get_close_matches(str(last), _KEYS, n=1)
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
