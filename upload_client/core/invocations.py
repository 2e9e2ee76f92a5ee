"""The rules of functions: which names may be run, how parameters become one request, what a log may hold.

An invocation comes from outside: whoever may call a function chooses the event. So a name is looked at before
anything is imported, parameters that contradict each other are refused, and of a body that is logged what
looks like a secret is left out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from upload_client.core.redaction import HIDDEN
from upload_client.core.text import for_log

DEFAULT_FUNCTIONS: Final = "upload_client.functions.*"
"""The names that may be run where the receiver has said nothing."""

MAX_ANSWER: Final = 6 * 1024**2
"""Bytes that AWS Lambda takes as the answer to an invocation.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)
_MAX_NAME: Final = 200
_SECRET_FIELD = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|cookie|(?:api|private|access)[_-]?key|signature"
    r"|(?:^|[_-])(?:pwd|auth)(?:$|[_-])",
    re.IGNORECASE,
)
_DEEPEST: Final = 40
_BODIES: Final = ("body", "Body", "rawQueryString")
"""Fields of events of AWS that others fill: of HTTP requests, of messages."""


def patterns_of(text: str | None) -> tuple[str, ...]:
    """The patterns that a setting names, which commas or spaces separate; the default where it says nothing.

    Args:
        text: of the variable ``UPLOAD_CLIENT_FUNCTIONS``; ``*`` in a pattern is any text, dots included.
    """
    return tuple(re.split(r"[,\s]+", text.strip())) if text and text.strip() else (DEFAULT_FUNCTIONS,)


def split_name(name: object) -> tuple[str, str] | None:
    """Module and attribute of a qualified name ``package.module.Name``; None where it is none.

    A colon before the last part is understood too. Names that begin with an underscore are nobody's to run.
    """
    if not isinstance(name, str) or len(name) > _MAX_NAME:
        return None
    name = name.replace(":", ".", 1)
    if not _NAME.fullmatch(name) or any(part.startswith("_") for part in name.split(".")):
        return None
    module, _, attribute = name.rpartition(".")
    return module, attribute


def may_run(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns allows this qualified name; upper and lower case are different."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class Contradiction(ValueError):  # noqa: N818 - as in `upload_client.errors`
    """A parameter has one value in one place and another in another."""

    def __init__(self, name: str, places: Sequence[str]) -> None:
        self.name, self.places = name, tuple(places)
        super().__init__(f"{name} has one value in the {places[0]} and another in the {places[1]}")


def merged(
    route: Mapping[str, Any], query: Mapping[str, Any], body: Mapping[str, Any] | None
) -> dict[str, Any]:
    """One request of all that an HTTP request says.

    What stands in a route or a query is text, what stands in a body has types: ``5`` in one and ``"5"`` in
    the other are one value, and the body's form of it is kept.

    Args:
        route: parameters in the path.
        query: parameters behind the ``?``; of one that is repeated, the list of its values.
        body: the JSON object, None without one.

    Raises:
        Contradiction: the same name has different values.
    """
    found: dict[str, Any] = {}
    place: dict[str, str] = {}
    for where, parameters in (("route", route), ("query", query), ("body", body or {})):
        for name, value in parameters.items():
            if name in found and _text(found[name]) != _text(value):
                raise Contradiction(name, (place[name], where))
            found[name], place[name] = value, where
    return found


def _text(value: object) -> object:
    """A form in which a value and the text of it are the same."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return str(value)
        case list():
            return [_text(one) for one in value]
    return value


def unanswerable(answer: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Why AWS Lambda cannot give an answer to whoever asked; None if it can."""
    text = json.dumps(answer, ensure_ascii=False)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        odd = for_log(text[max(error.start - 40, 0) : error.end + 20], 100)
        return f"the answer holds a name that is not UTF-8, which no JSON can: …{odd}…"
    if size > MAX_ANSWER:
        return f"the answer has {size:,} bytes, and AWS Lambda takes {MAX_ANSWER:,}"
    return None


def log_level(text: str | None) -> str | None:
    """The level that a header asks for, None where it names none."""
    level = (text or "").strip().upper()
    return level if level in LOG_LEVELS else None


def without_secret_fields(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON
    """JSON as a log may hold it: a mark in the place of what a field with such a name holds.

    A text that is JSON itself, as bodies of messages and of HTTP requests are, is looked into as well. Of a
    body that is no JSON, a form or a file, only the length is told: nobody knows what it holds.
    """
    if depth > _DEEPEST:
        return "…"
    match value:
        case str() if value.lstrip()[:1] in ("{", "["):
            try:
                inner = json.loads(value)
            except (ValueError, RecursionError):
                return value
            return json.dumps(without_secret_fields(inner, depth + 1), ensure_ascii=False)
        case dict():
            named = value.get("name", value.get("Name"))  # as AWS spells variables: {name, value}
            hides = isinstance(named, str) and _SECRET_FIELD.search(named) is not None
            is_base64 = value.get("isBase64Encoded") is True
            return {
                name: HIDDEN
                if _SECRET_FIELD.search(str(name)) or (hides and name in ("value", "Value"))
                else _body(inner, depth, is_base64=is_base64)
                if name in _BODIES and isinstance(inner, str)
                else without_secret_fields(inner, depth + 1)
                for name, inner in value.items()
            }
        case list():
            return [without_secret_fields(one, depth + 1) for one in value]
    return value


def _body(text: str, depth: int, *, is_base64: bool) -> str:
    """A body as a log may hold it, decoded: JSON without its secrets, or how long it is."""
    length = f"({len(text):,} characters, and no JSON)"
    if is_base64:
        try:
            text = base64.b64decode(text, validate=True).decode()
        except ValueError:
            return length
    if text.lstrip()[:1] not in ("{", "["):
        return length
    shown: str = without_secret_fields(text, depth + 1)
    return length if shown == text and not _is_json(text) else shown


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
