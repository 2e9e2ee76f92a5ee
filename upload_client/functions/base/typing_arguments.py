"""The models of a function, found in the type arguments of its class."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import Any, ForwardRef, TypeVar, get_args, get_origin


def type_arguments(cls: type, base: type) -> tuple[Any, ...]:
    """The arguments that a class gives to a generic class above it, through whatever stands between them.

    Args:
        cls: a subclass of `base`.
        base: a generic class.

    Raises:
        TypeError: nobody has given them.
    """
    found = _arguments(cls, base)
    if found is None or any(isinstance(argument, TypeVar) for argument in found):
        raise TypeError(
            f"{cls.__qualname__} does not say what it takes and answers: "
            f"class {cls.__name__}({base.__name__}[Request, Response])"
        )
    return found


def _arguments(cls: type, base: type) -> tuple[Any, ...] | None:
    for parent in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = get_origin(parent) or parent
        if not isinstance(origin, type) or not issubclass(origin, base):
            continue
        given = tuple(_meant(argument, cls) for argument in get_args(parent))
        if origin is base:
            return given or None
        inner = _arguments(origin, base)
        if inner is not None:
            # What the class between them has left open, this one may have given.
            filled = dict(zip(getattr(origin, "__parameters__", ()), given, strict=False))
            return tuple(_filled(argument, filled) for argument in inner)
    return None


def _filled(argument: Any, filled: dict[Any, Any]) -> Any:  # noqa: ANN401 - any type
    """A type with its open parameters filled: ``Page[T]`` becomes ``Page[int]``."""
    if isinstance(argument, TypeVar):
        return filled.get(argument, argument)
    parameters = getattr(argument, "__parameters__", ())
    if get_origin(argument) is not None and parameters:
        return argument[tuple(filled.get(one, one) for one in parameters)]
    metadata = getattr(argument, "__pydantic_generic_metadata__", None)
    if metadata and metadata["parameters"]:
        return argument[tuple(filled.get(one, one) for one in metadata["parameters"])]
    return argument


def _meant(argument: Any, cls: type) -> Any:  # noqa: ANN401 - any type
    """A type that was written as a text, looked up in the module of the class."""
    if isinstance(argument, ForwardRef):
        return attrgetter(argument.__forward_arg__)(sys.modules[cls.__module__])
    return argument
