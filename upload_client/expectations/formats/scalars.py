"""Single values: cards of a FITS header, leaves of an ASDF tree."""

from __future__ import annotations

import datetime as dt
from typing import Any

from upload_client.expectations.findings import Findings, shown
from upload_client.expectations.model import Limit, Values, as_moment
from upload_client.expectations.patterns import matcher
from upload_client.expectations.values import lengths_of, limits_of

_KINDS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("bool", bool),
    ("integer", int),
    ("number", float),
    ("string", str),
    ("mapping", dict),
    ("list", (list, tuple)),
    ("timestamp", dt.date),
)


def kind_of(value: object) -> str:
    """The kind of a value, as a document calls it."""
    if value is None:
        return "null"
    return next((kind for kind, cls in _KINDS if isinstance(value, cls)), type(value).__name__)


def check_scalar(findings: Findings, where: str, value: object, rules: Values, expected: str) -> None:
    """Judge one value.

    Args:
        findings: get what is wrong.
        where: it is.
        value: None where it is missing.
        rules: what it may be.
        expected: its kind; ``any`` for any.
    """
    kind = kind_of(value)
    if value is None and expected not in ("any", "null"):
        if not rules.nulls:
            findings.add(where, "it has no value")
        return
    if expected not in ("any", kind) and (kind, expected) != ("integer", "number"):
        findings.add(where, f"{kind} {shown(value)} where a {expected} is expected")
        return
    for limit, broken, what in limits_of(rules):
        sides = _comparable(value, limit)
        if sides is None:
            findings.add(where, f"{shown(value)} cannot be compared with {limit}")
            return
        if broken(*sides):
            findings.add(where, f"{shown(value)} {what} {limit}")
    for n, too, what in lengths_of(rules):
        if not isinstance(value, str):
            findings.add(where, f"{shown(value)} is no text")
            return
        if too(len(value), n):
            findings.add(where, f"{shown(value)} {what}")
    if rules.values is not None and not any(
        type(value) is type(one) and value == one
        if isinstance(value, (bool, str)) or isinstance(one, (bool, str))
        else value == one
        for one in rules.values
    ):
        findings.add(where, f"{shown(value)} is none of {', '.join(shown(one) for one in rules.values[:5])}")
    if rules.pattern is not None and not matcher(rules.pattern)(str(value)):
        findings.add(where, f"{shown(value)} does not match {shown(rules.pattern)}")


def _comparable(value: object, limit: Limit) -> tuple[Any, Any] | None:
    """A value and a limit, as they can be compared; None where they cannot."""
    if isinstance(limit, dt.date):
        moment, bound = _moment(value), _moment(limit)
        return None if moment is None or bound is None else (moment, bound)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value, limit


def _moment(value: object) -> dt.datetime | None:
    """A moment or a text that names one, in UTC."""
    try:
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value.strip())
        return as_moment(value) if isinstance(value, dt.date) else None
    except ValueError:
        return None
