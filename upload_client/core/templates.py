"""Texts with places in braces: ``dumps/{run:%Y-%m-%d}.csv``, ``{title} is there``.

A template stands in somebody's own file, what is put in comes from anywhere. So a name in braces is looked up
and nothing more: no attribute, no index, no conversion, and what is put in is never read as a template again.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping
from datetime import datetime

RUN_FORMAT = "%Y-%m-%dT%H%M%S"
"""Form of a moment where the template gives none: fit for a file name and for a delivery's id."""


def check_template(text: str, names: Collection[str] | None) -> str | None:
    """Why this is no template over these names; None if it is one.

    Args:
        text: the template.
        names: what may stand in braces; None: any name.
    """
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        return f"is not a template ({error}); a brace that is meant is written twice"
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if not _is_name(name) or conversion or "{" in (spec or ""):
            return (
                f"{{{name}}} is no name: only a name may stand in braces, perhaps with a format of its time"
            )
        if names is not None and name not in names:
            return f"knows no {{{name}}}; there are {', '.join(f'{{{one}}}' for one in sorted(names))}"
    return None


def fill(text: str, values: Mapping[str, object], missing: str | None = None) -> str:
    """The text, with what the names stand for.

    Args:
        text: a template that `check_template` lets pass.
        values: what each name stands for. A moment is written as the format after the colon says
            (``strftime``); for anything else a format means nothing.
        missing: what a name stands for that is none of these; None: that is an error.

    Raises:
        ValueError: it is no template, or a name stands for nothing.
    """
    if reason := check_template(text, values.keys() if missing is None else None):
        raise ValueError(f"{text!r} {reason}")
    made = []
    for literal, name, spec, _ in string.Formatter().parse(text):
        made.append(literal)
        if name is not None:
            value = values.get(name, missing)
            made.append(value.strftime(spec or RUN_FORMAT) if isinstance(value, datetime) else str(value))
    return "".join(made)


def _is_name(name: str) -> bool:
    # A dash too: the names of metadata have it.
    return bool(name) and name.replace("-", "_").isidentifier()
