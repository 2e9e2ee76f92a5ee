"""JSON as RFC 8259 has it: what Python reads beside that, a schema could not speak of."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["loads"]


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
