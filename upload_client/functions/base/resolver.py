"""An HTTP API made of all functions that a package holds."""

from __future__ import annotations

import importlib
import json
import pkgutil
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any, cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from upload_client.core.invocations import log_level, without_secret_fields
from upload_client.core.text import for_log
from upload_client.functions.base.api import ApiLambdaHandler
from upload_client.functions.base.context import LocalContext
from upload_client.functions.base.handler import LambdaFunction
from upload_client.functions.base.payloads import read_event
from upload_client.functions.base.telemetry import FunctionMetrics, function_logger, naming
from upload_client.functions.errors import InvalidRequest, code_of, sentence_of
from upload_client.support.secrets import hidden, without_secrets

_JSON = "application/json"
_LEVEL_HEADER = "x-log-level"
_MAX_ERROR = 500


class ApiResolverBuilder:
    """Builds the function of a whole API: routes, checks before them, answers to what goes wrong.

    ```python
    builder = ApiResolverBuilder()
    builder.add_handlers(my_package, prefix="/v1")
    handler = builder.get_lambda_handler()
    ```

    Override `validate_event`, `handle_exception` or `handle_not_found` for other checks and answers.

    Args:
        app: powertools' application to add to; None: a new one.
        debug: answers to errors have a stack trace. That tells outsiders more than they should know.

    Attributes:
        app: powertools' application.
    """

    def __init__(self, app: APIGatewayRestResolver | None = None, *, debug: bool = False) -> None:
        self.app = app or APIGatewayRestResolver()
        self.debug = debug
        self.logger = function_logger(self.service_name())
        self.app.use(middlewares=[self._check])
        self.app.exception_handler(Exception)(self.handle_exception)
        self.app.not_found(self.handle_not_found)

    @classmethod
    def service_name(cls) -> str:
        """The name under which it logs and counts: the class's."""
        return cls.__name__

    def validate_event(self, event: APIGatewayProxyEvent) -> None:
        """Raise where a request is not to be answered at all: the caller gets 401, and no function runs."""

    def handle_exception(self, error: Exception) -> Response[str]:
        """Answer to a function that has failed: 400, or the status of powertools' own errors.

        Args:
            error: what was raised. Its text is told without secrets, in one line.
        """
        about = {"error_type": type(error).__name__, "code": code_of(error)}
        self.logger.warning("a request failed", extra=about)
        status = error.status_code if isinstance(error, ServiceError) else 400
        message = error.msg if isinstance(error, ServiceError) else sentence_of(error)
        trace = "".join(traceback.format_exception(error)) if self.debug else None
        return self._answer(status, str(message), trace)

    def handle_not_found(self, error: NotFoundError) -> Response[str]:  # noqa: ARG002 - for who overrides it
        """Answer where no function has this route: 404."""
        event = self.app.current_event
        return self._answer(404, f"there is no {event.http_method} {event.path}")

    def add_handlers(
        self, module: ModuleType, router: Router | None = None, prefix: str | None = None
    ) -> list[type[ApiLambdaHandler[Any, Any]]]:
        """Add every `ApiLambdaHandler` that a module, or a package with all its modules, defines.

        Args:
            module: where they are.
            router: to add them to; None: a new one.
            prefix: before each path.

        Returns:
            The functions that were added, by name.
        """
        router = router or Router()  # type: ignore[no-untyped-call]
        found = sorted(_handlers(module), key=lambda one: (one.__module__, one.__qualname__))
        for handler in found:
            handler.add_to_router(router, logger=self.logger)
        self.app.include_router(router, prefix=prefix)
        return found

    def get_lambda_handler(self) -> LambdaFunction:
        """The function for AWS Lambda, of events that API Gateway's REST API sends."""

        def function(event: Any, context: Any = None) -> Any:  # noqa: ANN401 - any JSON
            event = read_event(event)
            if not isinstance(event, dict) or not {"httpMethod", "path"} <= event.keys():
                raise InvalidRequest("the event is none of API Gateway's REST API: no httpMethod and path")
            level = self.logger.log_level
            metrics = FunctionMetrics.of(self.service_name())
            try:
                with naming(self.logger, context):
                    answer = self.app.resolve(event, cast("Any", context or LocalContext()))
                succeeded = answer["statusCode"] < 500
            except Exception:
                metrics.add_failure_metric("Api")
                raise
            else:
                (metrics.add_success_metric if succeeded else metrics.add_failure_metric)("Api")
                return answer
            finally:
                metrics.add_duration_metric(name="Api")
                metrics.write()
                self.logger.setLevel(level)  # a header speaks for its own request

        return function

    def _check(self, app: APIGatewayRestResolver, following: Any) -> Any:  # noqa: ANN401 - powertools'
        """Look at a request before any function does."""
        event = app.current_event
        try:
            self.validate_event(APIGatewayProxyEvent(event.raw_event))
        except Exception as error:  # noqa: BLE001 - whatever says no
            self.logger.warning("a request was refused", extra={"error_type": type(error).__name__})
            return self._answer(401, str(error) or "not allowed")
        if level := log_level(event.headers.get(_LEVEL_HEADER)):
            self.logger.setLevel(level)
        self.logger.debug("request", extra={"request": without_secret_fields(event.raw_event)})
        return following(app)

    def _answer(self, status: int, error: str, trace: str | None = None) -> Response[str]:
        request = getattr(self.app.lambda_context, "aws_request_id", None)
        body = {"request": request, "error": for_log(without_secrets(error), _MAX_ERROR)}
        if trace is not None:
            body["stacktrace"] = hidden(trace)
        return Response(status_code=status, content_type=_JSON, body=json.dumps(body))


def _handlers(module: ModuleType) -> set[type[ApiLambdaHandler[Any, Any]]]:
    """The functions with a route that the module defines, or a module below it."""
    names = {module.__name__, *(one.__name__ for one in _below(module))}
    return {
        handler
        for handler in _subclasses(ApiLambdaHandler)
        if handler.__module__ in names
        and handler.route_rule.__func__ is not ApiLambdaHandler.route_rule.__func__  # type: ignore[attr-defined]
        and handler.handle is not ApiLambdaHandler.handle
    }


def _below(module: ModuleType) -> Iterator[ModuleType]:
    if path := getattr(module, "__path__", None):
        for found in pkgutil.walk_packages(path, f"{module.__name__}."):
            yield importlib.import_module(found.name)


def _subclasses(cls: type) -> Iterator[type[ApiLambdaHandler[Any, Any]]]:
    one: type[ApiLambdaHandler[Any, Any]]
    for one in cls.__subclasses__():
        yield one
        yield from _subclasses(one)
