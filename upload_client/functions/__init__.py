"""Functions that a receiver runs around a delivery: in AWS Lambda, in a container, on the command line.

The base on which they stand is public: subclass `LambdaHandler` with two models and write ``handle``. The
ready-made ones are in the families below this package. The extra ``upload-client[functions]`` brings what
they stand on; the public names are loaded when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upload_client.support.late_names import late_names

if TYPE_CHECKING:
    from upload_client.functions.base.api import ApiLambdaHandler
    from upload_client.functions.base.handler import LambdaHandler
    from upload_client.functions.base.resolver import ApiResolverBuilder
    from upload_client.functions.base.routing import handle

__all__ = ["ApiLambdaHandler", "ApiResolverBuilder", "LambdaHandler", "handle"]

_HOMES = {
    "ApiLambdaHandler": "base.api",
    "ApiResolverBuilder": "base.resolver",
    "LambdaHandler": "base.handler",
    "handle": "base.routing",
}

__getattr__, __dir__ = late_names(__name__, _HOMES)
