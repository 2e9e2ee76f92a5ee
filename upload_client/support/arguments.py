"""Arguments that scripts give, held against what can be meant, before anything is done with them.

Python enforces no types: what is given in the place of something else fails where it is first used, perhaps
hours later, in words that name no argument.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from upload_client.errors import UsageError

_YES_OR_NO = "it is True or False"


def whole(name: str, given: object, least: int) -> int:
    """A whole number of at least so many, whatever kind it is of: NumPy has others.

    Raises:
        UsageError: it is none; as of all that follow.
    """
    try:
        found = None if isinstance(given, bool) else operator.index(given)  # type: ignore[arg-type] # it is asked
    except TypeError:
        found = None
    if found is None:
        raise UsageError(f"{name} is {_shown(given)}: it is a whole number, {least} or more")
    if found < least:
        raise UsageError(f"{name} is {found}: it is {least} or more")
    return found


def number(name: str, given: object) -> float:
    """A finite number that is not negative, of any kind."""
    try:
        found = math.nan if isinstance(given, bool | str) else float(given)  # type: ignore[arg-type] # likewise
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not 0 <= found < math.inf:
        raise UsageError(f"{name} is {_shown(given)}: it is a number, 0 or more")
    return found


def boolean(name: str, given: object) -> bool:
    """True or False, of any kind. A text is none: each would be true, "no" as well."""
    if isinstance(given, bool) or getattr(getattr(given, "dtype", None), "kind", None) == "b":
        return bool(given)
    raise UsageError(f"{name} is {_shown(given)}: {_YES_OR_NO}")


def text(name: str, given: object, what: str) -> str:
    """A text.

    Args:
        name: of the argument.
        given: for it.
        what: it is.
    """
    if isinstance(given, str):
        return given
    raise UsageError(f"{name} is {_shown(given)}: it is {what}")


def texts(name: str, given: object) -> tuple[str, ...]:
    """Several texts, or one by itself."""
    if isinstance(given, str):
        return (given,)
    if isinstance(given, Iterable) and not isinstance(given, bytes | bytearray | Mapping):
        found = tuple(given)
        for each in found:
            text(f"one of {name}", each, "text")
        return found
    raise UsageError(f"{name} is {_shown(given)}: it is text, or a sequence of texts")


def path(name: str, given: object, what: str = "the path of a folder") -> Path:
    """A path, as text or as an object of `pathlib`."""
    if isinstance(given, str | os.PathLike) and isinstance(found := os.fspath(given), str):
        return Path(found)
    raise UsageError(f"{name} is {_shown(given)}: it is {what}")


def can(name: str, given: object, methods: tuple[str, ...], what: str) -> None:
    """An object that has these methods; with none, one that can be called.

    Args:
        name: of the argument.
        given: for it.
        methods: of the object.
        what: it is, such as "a boto3 session".
    """
    is_class = isinstance(given, type)  # its methods want an object of it
    if is_class or not (
        all(callable(getattr(given, method, None)) for method in methods) if methods else callable(given)
    ):
        raise UsageError(f"{name} is {_shown(given)}: it is {what}")


def _shown(given: object) -> str:
    """An argument, where it says something that can be shown; else its type: it may hold a secret."""
    if given is None or isinstance(given, bool | int | float):
        return repr(given)
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return f"of the type {type(given).__name__}"
