"""The common part of all schema formats: columns as plain values, and rules that cannot be expressed."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

LIMITS = {"min": "minimum", "max": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"}
"""Our names of limits, and those of Frictionless and JSON Schema."""
MOMENTS = ("date", "timestamp")
_WIDTH = re.compile(r"(u?)int(8|16|32|64)")
RE2_ALONE = re.compile(r"\[\[:|\\[pPzCQE]|\(\?[a-zA-Z]*U")
"""Parts of patterns that no other engine understands so."""
_WRAPPED = re.compile(r"\^\(\?s:(.*)\)\$", re.DOTALL)


class Unsupported:
    """Collects the rules that a schema format cannot express, each with its place."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def add(self, where: str, what: str) -> None:
        """Note a rule that the other format cannot express."""
        self.sentences.append(f"{where}: {what}" if where else what)


def bounded(kind: str, rules: dict[str, Any]) -> dict[str, Any] | None:
    """The rules of a column of integers of some width, as limits; None: it is no such type."""
    match = _WIDTH.fullmatch(kind)
    if match is None:
        return None
    bits = int(match[2])
    low, high = (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    made = dict(rules)
    if made.get("above", low - 1) < low and made.get("min", low) <= low:
        made["min"] = low
    if made.get("below", high + 1) > high and made.get("max", high) >= high:
        made["max"] = high
    return made


def limit_of(value: object, kind: str) -> object:
    """A limit that stands there as a text, as what it means in a column of dates or moments.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str):
        return dt.date.fromisoformat(value) if kind == "date" else dt.datetime.fromisoformat(value)
    return value


def to_python(pattern: str) -> str | None:
    r"""A pattern of RE2's for the whole text as one for Python's `re.match`; None: there is none.

    Pandas asks Python or, of texts in Arrow's memory, RE2: what is made here is understood by both. To
    Python ``\d`` and ``\w`` are those of all scripts.
    """
    if RE2_ALONE.search(pattern):
        return None
    made = f"^(?s:{pattern})$"
    try:
        re.compile(made)
    except re.error:
        return None
    return made


def of_python(pattern: str) -> str:
    """A pattern that Python's `re.match` is asked for, as one for the whole text."""
    match = _WRAPPED.fullmatch(pattern)
    return match[1] if match else f"(?:{pattern})(?s:.*)"
