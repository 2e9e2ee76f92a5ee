"""Checks texts against a pattern; the error describes the expected form, not a regular expression."""

from __future__ import annotations

import re
from collections.abc import Callable

REGION, REGION_PROBLEM = r"RegionOne|(?!-)[a-z0-9-]{1,63}(?<!-)", "is no AWS region, such as eu-central-1"
"""Botocore takes capitals, too. AWS has none in a region's name; OpenStack has, in that of its first one."""


def of_form(pattern: str, otherwise: str) -> Callable[[str], str]:
    """A function that gives a text back as it is, for settings and documents.

    Args:
        pattern: regular expression of all of the text.
        otherwise: the predicate of a sentence, with an example; it is the text of the ``ValueError``.
    """
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(otherwise)
        return text

    return check
