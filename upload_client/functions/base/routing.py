"""One function for all: the event says which one is meant, the receiver says which ones may be."""

from __future__ import annotations

import importlib
import inspect
import os
from types import ModuleType
from typing import Any, cast

from upload_client.core.invocations import may_run, patterns_of, split_name
from upload_client.core.text import for_log
from upload_client.functions.base.handler import MADE_BY, LambdaFunction, LambdaHandler
from upload_client.functions.base.payloads import read_event
from upload_client.functions.errors import HandlerNotAllowed, InvalidRequest

FUNCTIONS_VARIABLE = "UPLOAD_CLIENT_FUNCTIONS"
ROUTER = "upload_client.functions.handle"
"""The name of the function for all, as AWS Lambda is told it."""
_OWN = "upload_client."
_NAMED = 5
"""Functions of a module that are named where another one was asked for."""
_HOW = (
    "Name it package.module.Class; its module has to be one that Python finds, here or in the current folder."
)


def handle(event: Any, context: Any = None) -> Any:  # noqa: ANN401 - any JSON
    """Run the function that the event names: ``{"handler": "package.module.Class", "event": {…}}``.

    A class is one of `LambdaHandler`'s, a function takes an event and a context. Nothing is imported that the
    patterns in ``UPLOAD_CLIENT_FUNCTIONS`` (with commas between them) do not allow; without it, the functions
    of this package are.

    Raises:
        InvalidRequest: the event has not that form.
        HandlerNotAllowed: the name is not allowed, or means no function.
    """
    event = read_event(event)
    if not isinstance(event, dict) or not isinstance(event.get("handler"), str) or "event" not in event:
        raise InvalidRequest('the event is not {"handler": "package.module.Class", "event": {…}}')
    name = event["handler"]
    found = split_name(name)
    if found is None or not may_run(".".join(found), patterns_of(os.environ.get(FUNCTIONS_VARIABLE))):
        raise HandlerNotAllowed(f"{for_log(name, 200)} may not be run here")
    return find_function(name)(event["event"], context)


def find_function(name: str) -> LambdaFunction:
    """Import what a qualified name means: ``package.module.Class`` or ``package.module.function``.

    A function has to be defined in that module, or made by a `LambdaHandler`: what a module merely has
    imported is nobody's function. Of this package, only what a `LambdaHandler` made is one.

    Raises:
        HandlerNotAllowed: there is no such function.
    """
    shown = for_log(name, 200)
    found = split_name(name)
    if found is None:
        raise HandlerNotAllowed(f"{shown} is no package.module.Class", hint=_HOW)
    module_name, attribute = found
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != module_name and not module_name.startswith(f"{missing}."):
            raise  # it is there, and something that it needs is not
        raise HandlerNotAllowed(
            f"{shown}: there is no module {for_log(module_name, 200)}", hint=_HOW
        ) from None
    if (function := _function(module, attribute)) is not None:
        return function
    there = [name for name in vars(module) if name[0] != "_" and _function(module, name) is not None]
    named = ", ".join(for_log(f"{module_name}.{name}", 200) for name in there[:_NAMED])
    raise HandlerNotAllowed(
        f"{shown} is no LambdaHandler, and no function of that module",
        hint=f"There {'is' if len(there) == 1 else 'are'} {named}." if there else _HOW,
    )


def _function(module: ModuleType, name: str) -> LambdaFunction | None:
    """Find the function that a name of a module means; None: it may not be run."""
    value = getattr(module, name, None)
    if (
        inspect.isclass(value)
        and issubclass(value, LambdaHandler)
        and value.handle is not LambdaHandler.handle
    ):
        return value.get_handler()
    if callable(value) and (
        hasattr(value, MADE_BY)
        or (
            inspect.isfunction(value)
            and value.__module__ == module.__name__
            and not module.__name__.startswith(_OWN)
        )
    ):
        return cast("LambdaFunction", value)
    return None
