"""Functions that a receiver runs around a delivery: in AWS Lambda, in a container, on the command line.

The base on which they stand is public: subclass `LambdaHandler` with two models and write ``handle``. The
ready-made ones are in the families below this package. The extra ``upload-client[functions]`` brings what
they stand on; the public names are loaded when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upload_client.functions.base.api import ApiLambdaHandler
    from upload_client.functions.base.handler import LambdaHandler
    from upload_client.functions.base.resolver import ApiResolverBuilder
    from upload_client.functions.base.routing import handle

__all__ = ["ApiLambdaHandler", "ApiResolverBuilder", "LambdaHandler", "handle"]

_HOMES = {
    "ApiLambdaHandler": "api",
    "ApiResolverBuilder": "resolver",
    "LambdaHandler": "handler",
    "handle": "routing",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.base.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
