"""A function behind an HTTP API: the same class, with a route."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, get_args, get_origin

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent
from pydantic import BaseModel

from upload_client.core.invocations import Contradiction, merged
from upload_client.core.text import for_log
from upload_client.functions.base.handler import LambdaHandler
from upload_client.functions.base.telemetry import FunctionMetrics
from upload_client.functions.errors import InvalidRequest

REQUEST = TypeVar("REQUEST")
RESPONSE = TypeVar("RESPONSE")


class ApiLambdaHandler(LambdaHandler[REQUEST, RESPONSE], Generic[REQUEST, RESPONSE]):
    """A typed function with a route of an HTTP API (API Gateway's REST API).

    Its request is made of the parameters in the path, those of the query and the JSON object of the body
    together. The same name twice with different values is refused.
    """

    _current_event: BaseProxyEvent | None = None

    @classmethod
    def route_rule(cls) -> str:
        """The path, with parameters in angle brackets: ``/deliveries/<delivery_id>``."""
        raise NotImplementedError(f"{cls.__qualname__} has no route_rule()")

    @classmethod
    def route_method(cls) -> str:
        """The method of HTTP, such as ``POST``."""
        raise NotImplementedError(f"{cls.__qualname__} has no route_method()")

    @classmethod
    def validate_headers(cls, headers: Mapping[str, str]) -> None:
        """Raise where the headers of a request are not as they have to be."""

    @property
    def current_event(self) -> BaseProxyEvent:
        """The HTTP request, as API Gateway gives it.

        Raises:
            ValueError: there is none: the function was not called through a route.
        """
        if self._current_event is None:
            raise ValueError(
                f"{type(self).__name__} was not called through its route: there is no HTTP request"
            )
        return self._current_event

    @current_event.setter
    def current_event(self, event: BaseProxyEvent) -> None:
        self._current_event = event

    @property
    def api_gateway_caller(self) -> str:
        """The identity of the caller as API Gateway has checked it; ``Unknown`` where it checks none."""
        identity = APIGatewayProxyEvent(self.current_event.raw_event).request_context.identity
        return identity.caller or identity.user or "Unknown"

    @classmethod
    def add_to_router(
        cls,
        router: BaseRouter,
        *args: Any,  # noqa: ANN401 - the constructor's
        logger: Logger | None = None,
        metrics: FunctionMetrics | None = None,
        **kwargs: Any,  # noqa: ANN401 - likewise
    ) -> Callable[..., Any]:
        """Add the route of this function to a router or an application of powertools.

        Args:
            router: to which.
            *args: for the constructor of the class, at each request.
            logger: in place of the function's own.
            metrics: in place of the function's own; who gives them writes them.
            **kwargs: as `args`.

        Returns:
            What the router calls.
        """

        def answer(**route: Any) -> Any:  # noqa: ANN401 - any JSON
            started = datetime.now(UTC)
            event = router.current_event
            with cls._invocation(router.lambda_context, args, kwargs) as handler:
                handler._current_event = event  # type: ignore[attr-defined] # noqa: SLF001 - it is of this class
                if logger is not None:
                    handler.logger = logger
                counts = metrics or handler.get_metrics(route=cls.route_rule())
                handler.metrics = counts
                try:
                    cls.validate_headers(event.headers)
                    parameters = cls._parameters(event, route)
                    handler._log_event(parameters)  # noqa: SLF001 - an instance of this class
                    answer = handler._answer(cls.deserialize_request(parameters))  # noqa: SLF001 - likewise
                except Exception:
                    counts.add_failure_metric()
                    raise
                else:
                    counts.add_success_metric()
                    return answer
                finally:
                    counts.add_duration_metric(started)

        answer.__name__ = answer.__qualname__ = cls.__name__
        router.route(rule=cls.route_rule(), method=cls.route_method())(answer)
        return answer

    @classmethod
    def _parameters(cls, event: BaseProxyEvent, route: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """All that the parts of an HTTP request say together."""
        query = {
            name: values if len(values) > 1 or cls._takes_several(name) else values[0]
            for name, values in (event.resolved_query_string_parameters or {}).items()
            if values
        }
        try:
            body = json.loads(event.decoded_body or "null") if event.body else None
        except (ValueError, RecursionError):
            raise InvalidRequest("the body is no JSON") from None
        if body is not None and not isinstance(body, dict):
            if not route and not query:
                return body  # of a model that is no object
            raise InvalidRequest("the body is no JSON object, and there are parameters besides")
        try:
            return merged(route, query, body)
        except Contradiction as error:
            raise InvalidRequest(for_log(str(error), 300)) from None

    @classmethod
    def _takes_several(cls, name: str) -> bool:
        """Whether the model has a list under this name: one value is a list of one then."""
        model = cls.get_request_cls()
        if not isinstance(model, type) or not issubclass(model, BaseModel):
            return False
        kinds = [field.annotation for key, field in model.model_fields.items() if name in (key, field.alias)]
        kinds += [one for kind in kinds for one in get_args(kind)]
        return any((get_origin(kind) or kind) in (list, tuple, set, frozenset) for kind in kinds)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.route_method()} {self.route_rule()})"
