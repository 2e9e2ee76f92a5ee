"""JSON as RFC 8259 has it: what Python reads beside that, a schema could not speak of. And JSON by lines."""

from __future__ import annotations

import codecs
import json
from typing import Any, NoReturn

_OPENERS = (b"{", b"[")
_JSON = json.JSONDecoder(parse_int=float)


def loads(data: bytes, encoding: str = "utf-8-sig") -> Any:  # noqa: ANN401 — any JSON
    """The value of a JSON text.

    Raises:
        ValueError: it is none (`json.JSONDecodeError`), not in this encoding (`UnicodeDecodeError`), or has a
            number of thousands of digits, NaN or Infinity.
        RecursionError: it is nested too deeply.
    """
    return json.loads(data.decode(encoding), parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name}, which JSON does not know (RFC 8259)")


def begins_as_lines(block: bytes) -> bool:
    """Whether the first line is an object or array by itself, and another one begins behind it.

    So are files that some programs (Spark, DuckDB, Delta Lake) call ``.json``.

    Args:
        block: the beginning of a file.
    """
    first, _, rest = block.removeprefix(codecs.BOM_UTF8).partition(b"\n")
    if first[:1] not in _OPENERS or rest.lstrip()[:1] not in _OPENERS:
        return False
    if first.rstrip()[-1:] not in (b"}", b"]"):
        return False
    try:
        _JSON.decode(first.decode())
    except (ValueError, RecursionError):
        return False
    return True
