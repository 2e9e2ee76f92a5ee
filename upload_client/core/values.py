"""Values: small objects that do not change once they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make `cls` a dataclass with slots, compared and hashed by its fields, whose fields no one assigns.

    The type checker refuses an assignment; at run time nothing does, because `frozen=True` makes objects four
    times as slow to create, and a delivery creates some for each of a million files.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
