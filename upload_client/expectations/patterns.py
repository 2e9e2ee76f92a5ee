"""Regular expressions of a document, on an engine whose time grows with the text alone: RE2.

A pattern and the texts it meets come from two parties, and neither may keep a reader busy for ever. So there
is no engine here that backtracks, and patterns that need one (look-around, back references) are refused.
The syntax: https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from upload_client.expectations.findings import Undecided

MAX_PATTERN = 1000
"""Characters of a pattern."""
_MAX_MEMORY = 1024 * 1024
"""Bytes that a pattern may take once it is compiled."""


def pattern_problem(pattern: str) -> str | None:
    """Why it cannot be used as a pattern; None if it can, or if RE2 is not installed here to tell."""
    if len(pattern) > MAX_PATTERN:
        return f"a pattern of more than {MAX_PATTERN} characters"
    engine = _engine()
    if engine is None:
        return None
    try:
        _compiled(engine, pattern)
    except engine.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else ""
        return f"{pattern!r} is no regular expression without look-around and back references: {reason}"
    except UnicodeEncodeError:
        return f"{pattern!r} is no text"
    return None


def patterns_work() -> bool:
    """Whether the engine is installed here."""
    return _engine() is not None


def matcher(pattern: str) -> Callable[[str], bool]:
    """A matcher of whole texts.

    Raises:
        Undecided: RE2 is not installed here, or it does not take the pattern, which only it can tell.
    """
    engine = _engine()
    if engine is None:
        raise Undecided(
            "judging by a pattern needs google-re2, which is not installed here:"
            " pip install 'upload-client[formats]'"
        )
    reason = pattern_problem(pattern)
    if reason is not None:
        raise Undecided(reason)
    fullmatch = _compiled(engine, pattern).fullmatch
    return lambda text: fullmatch(text.encode("utf-8", "backslashreplace")) is not None


@cache
def _engine() -> Any:  # noqa: ANN401 — it has no types
    try:
        import re2  # noqa: PLC0415 — an extra
    except ImportError:
        return None
    return re2


def _compiled(engine: Any, pattern: str) -> Any:  # noqa: ANN401 — as above
    options = engine.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    return engine.compile(pattern, options)
