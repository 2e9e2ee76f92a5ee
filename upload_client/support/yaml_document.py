"""YAML that people write, read as untrusted text: within limits, and with mistakes that name line and key.

Aliases (``*name``) are allowed, but what they expand to counts: a document that is small and means a billion
things is refused. Whatever is wrong with it, `InvalidYaml` says so.
"""

from __future__ import annotations

import datetime as dt
import difflib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from upload_client.core.text import counted, for_terminal
from upload_client.errors import UsageError

SHOWN = 20
"""Problems of a document that are told; of more the number."""

_MAX_DEPTH = 40
_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TEXT = "tag:yaml.org,2002:str"
_MAX_TEXT = 200
_MAX_NUMBER = 100
"""Characters of a scalar that is no text."""


class InvalidDocument(UsageError):  # noqa: N818 - named for what it is
    """A document is not what it should be.

    Attributes:
        kind: of document, for the message.
        where: the document.
        problems: what is wrong, each with line and key; of many the first ones.
    """

    kind = "document"

    def __init__(self, where: str, problems: Sequence[str], n: int | None = None) -> None:
        self.where = where
        self.problems = tuple(problems)
        shown = [for_terminal(problem) for problem in self.problems[:SHOWN]]
        n = len(self.problems) if n is None else n
        if more := n - len(shown):
            shown.append(f"and {more} more")
        lead = f"{counted(n, 'problem')} in the {self.kind} {for_terminal(where)}"
        super().__init__("\n  ".join([lead, *shown]))


class InvalidYaml(Exception):  # noqa: N818 - it becomes an `InvalidDocument` of its kind
    """Something is no YAML that is read here; the message says what, and in which line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a document.

    Attributes:
        size: bytes.
        values: keys and values, each as often as it is meant.
        seconds: until it is understood.
    """

    size: int
    values: int
    seconds: float


class _Bad(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, message: str, mark: yaml.Mark) -> None:
        super().__init__(f"line {mark.line + 1}: {message}")


class Budget:
    """The time of computing that a document may take, on the thread that begins it now.

    What a busy machine gives to others does not count: no document becomes worse by it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.thread_time() + seconds

    def check_time(self) -> None:
        """Go on only if there is time.

        Raises:
            InvalidYaml: it is over.
        """
        if time.thread_time() > self._until:
            raise InvalidYaml(f"it takes longer than {self._seconds:g} seconds of computing to understand")


def read(data: bytes, limits: Limits, budget: Budget) -> tuple[yaml.Node, Any]:
    """Make plain values of a document.

    Args:
        data: its bytes, UTF-8.
        limits: what it may need.
        budget: the time for it.

    Returns:
        Its nodes, of which `place` finds lines; and its content, of dicts with keys that are texts, lists,
        texts, numbers, dates, True, False and None.

    Raises:
        InvalidYaml: it is none, or beyond the limits.
    """
    if len(data) > limits.size:
        raise InvalidYaml(f"it has more than {limits.size:,} bytes")
    try:
        loader = _Loader(data.decode("utf-8-sig"), limits, budget)
        try:
            root = loader.get_single_node()
            if root is None:
                raise InvalidYaml("it is empty")
            return root, _Builder(loader, limits, budget).build(root, 0)
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise InvalidYaml(f"it is not UTF-8 (byte {error.start})") from None
    except _Bad as error:
        raise InvalidYaml(str(error)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise InvalidYaml(f"{line}it is no YAML: {str(error.problem or error.context)[:_MAX_TEXT]}") from None
    except yaml.YAMLError as error:
        raise InvalidYaml(f"it is no YAML: {str(error)[:_MAX_TEXT]}") from None
    except RecursionError:
        raise InvalidYaml("it is nested too deeply") from None


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML has no types
    """Composes nodes until there are too many, or too deep, or it takes too long."""

    def __init__(self, text: str, limits: Limits, budget: Budget) -> None:
        super().__init__(text)
        self._limits = limits
        self._budget = budget
        self._n_nodes = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        """Compose the node that begins here."""
        self._budget.check_time()
        mark = self.peek_event().start_mark
        self._n_nodes += 1
        if self._n_nodes > self._limits.values:
            raise _Bad(f"it has more than {self._limits.values:,} things", mark)
        if self._depth > _MAX_DEPTH:
            raise _Bad(f"nested deeper than {_MAX_DEPTH}", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Makes plain values of nodes. PyYAML's own takes the last of two keys, and follows aliases anywhere."""

    def __init__(self, loader: yaml.SafeLoader, limits: Limits, budget: Budget) -> None:
        self._loader = loader
        self._limits = limits
        self._budget = budget
        self._n = 0
        self._n_characters = 0

    def build(self, node: yaml.Node, depth: int) -> Any:  # noqa: ANN401 - anything a document holds
        self._budget.check_time()
        self._n += 1
        if self._n > self._limits.values:
            raise _Bad(
                f"it has more than {self._limits.values:,} things (aliases count with what they stand for)",
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
        if self._n_characters > self._limits.size:
            raise _Bad(
                f"its texts have more than {self._limits.size:,} characters"
                " (aliases count with what they stand for)",
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
        except Exception as error:  # noqa: BLE001 - of a tag's own code: no such date, no number, no such word
            problem = str(error) if type(error) is ValueError else "it is not what its tag says"
            raise _Bad(f"{node.value[:_MAX_TEXT]!r}: {problem}"[:_MAX_TEXT], node.start_mark) from None
        if type(value) is int and not -(2**63) <= value < 2**64:
            raise _Bad("a whole number of more than 64 bits", node.start_mark)
        return value


def place(root: yaml.Node, loc: Sequence[str | int]) -> str:
    """Line and key of a problem that pydantic has found.

    Args:
        root: the nodes of the document.
        loc: the problem's. In it there are also names of alternatives, which no document spells.
    """
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
    return f"line {line + 1}" + (f", {key}" if key else "")


def problem_text(problem: Any, keys: Iterable[str]) -> str:  # noqa: ANN401 - pydantic's own mapping
    """A problem that pydantic has found, in words.

    Args:
        problem: one of its errors.
        keys: all that are known in such a document.
    """
    kind, last = problem["type"], problem["loc"][-1] if problem["loc"] else ""
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(last)[:_MAX_TEXT], [key for key in keys if key != last], n=1)
        return "there is no such key here" + (f"; did you mean {close[0]!r}?" if close else "")
    if kind == "missing":
        return f"{str(last)!r} is missing"
    message: str = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    message = message.partition(", unable to ")[0]
    return message[:1].lower() + message[1:]
