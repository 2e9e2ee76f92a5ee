"""The class that functions are made of: two models and ``handle``.

```python
class Greeting(BaseModel):
    name: str

class Answer(BaseModel):
    text: str

class Greeter(LambdaHandler[Greeting, Answer]):
    def handle(self, request: Greeting) -> Answer:
        return Answer(text=f"Hello, {request.name}")

handler = Greeter.get_handler()
```

Each invocation has an instance of its own, so that nothing of one is seen by the next.
"""

# ruff: noqa: SLF001 - instances that a class method of theirs has made

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from aws_lambda_powertools import Logger
from pydantic import BaseModel, TypeAdapter, ValidationError

from upload_client.core.invocations import unanswerable, without_secret_fields
from upload_client.errors import DeliveryError
from upload_client.functions.base.context import LocalContext
from upload_client.functions.base.payloads import json_of, read_event
from upload_client.functions.base.telemetry import FunctionMetrics, function_logger, naming
from upload_client.functions.base.typing_arguments import type_arguments
from upload_client.functions.errors import (
    InvalidRequest,
    Unanswerable,
    code_of,
    hint_of,
    mistakes_of,
    sentence_of,
)

if TYPE_CHECKING:  # a tenth of a second, which only functions that read batches need
    from aws_lambda_powertools.utilities.batch.base import BasePartialBatchProcessor
    from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

REQUEST = TypeVar("REQUEST")
RESPONSE = TypeVar("RESPONSE")

LambdaFunction = Callable[..., Any]
"""A function as AWS Lambda calls it: ``(event, context) -> JSON``."""

MADE_BY = "__made_by_handler__"
"""The attribute of such a function that names the class it was made by."""


class LambdaHandler(Generic[REQUEST, RESPONSE]):
    """A typed function: subclass it with the models of request and response, and write `handle`.

    The models are pydantic's, or whatever else pydantic can check (dataclasses, ``dict[str, int]``).
    """

    _context: Any = None
    _logger: Logger | None = None
    _metrics: FunctionMetrics | None = None

    # What a subclass writes.

    def handle(self, request: REQUEST) -> RESPONSE | None:
        """Do what the function is for.

        Args:
            request: checked against its model.

        Returns:
            The response; None is a valid one.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no handle()")

    @classmethod
    def should_process_sqs_record(cls, record: SQSRecord) -> bool:  # noqa: ARG003 - a hook
        """Whether a message is for this function; one that is not counts as done."""
        return True

    @classmethod
    def deserialize_sqs_record(cls, record: SQSRecord) -> REQUEST:
        """Make a request of a message. By default its body is JSON."""
        try:
            body = json_of(record.body.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            raise InvalidRequest("the body of the message is no JSON") from None
        return cls.deserialize_request(body)

    @classmethod
    def should_process_dynamodb_record(cls, record: DynamoDBRecord) -> bool:  # noqa: ARG003 - a hook
        """Whether a change in a table is for this function; one that is not counts as done."""
        return True

    @classmethod
    def deserialize_dynamodb_record(cls, record: DynamoDBRecord) -> REQUEST:
        """Make a request of a change in a table; every function has to say how."""
        raise NotImplementedError(f"{cls.__qualname__} has no deserialize_dynamodb_record()")

    @classmethod
    def deserialize_eventbridge_event(cls, event: EventBridgeEvent) -> REQUEST:
        """Make a request of an event. By default its ``detail`` is it."""
        return cls.deserialize_request(event.detail)

    # What it is.

    @classmethod
    def get_request_cls(cls) -> Any:  # noqa: ANN401 - a class, or what pydantic takes for one
        """The model of requests, from the type arguments."""
        return type_arguments(cls, LambdaHandler)[0]

    @classmethod
    def get_response_cls(cls) -> Any:  # noqa: ANN401 - as above
        """The model of responses, from the type arguments."""
        return type_arguments(cls, LambdaHandler)[1]

    @classmethod
    def handler_name(cls) -> str:
        """The name of this function: the class's."""
        return cls.__name__

    @classmethod
    def service_name(cls) -> str:
        """The name under which it logs and counts: the class's."""
        return cls.__name__

    @property
    def context(self) -> Any:  # noqa: ANN401 - AWS Lambda's, which is no class of a library
        """The context of the invocation, AWS Lambda's or a `LocalContext`."""
        if self._context is None:
            self._context = LocalContext()
        return self._context

    @context.setter
    def context(self, context: Any) -> None:  # noqa: ANN401 - as above
        self._context = context

    @property
    def logger(self) -> Logger:
        """The logger of this function, of aws-lambda-powertools."""
        if self._logger is None:
            self._logger = self.get_logger()
        return self._logger

    @logger.setter
    def logger(self, logger: Logger) -> None:
        self._logger = logger

    @property
    def log(self) -> Logger:
        """Another name of `logger`."""
        return self.logger

    @log.setter
    def log(self, logger: Logger) -> None:
        self._logger = logger

    @property
    def metrics(self) -> FunctionMetrics:
        """The metrics of this invocation."""
        if self._metrics is None:
            self._metrics = self.get_metrics()
        return self._metrics

    @metrics.setter
    def metrics(self, metrics: FunctionMetrics) -> None:
        self._metrics = metrics

    @classmethod
    def get_logger(cls, service: str | None = None) -> Logger:
        """The logger of a service, by default of this function."""
        return function_logger(service or cls.service_name())

    @classmethod
    def get_metrics(cls, service: str | None = None, **dimensions: str) -> FunctionMetrics:
        """New metrics of a service, by default of this function."""
        return FunctionMetrics.of(service or cls.service_name(), **dimensions)

    def add_count_metric(self, name: str, value: float = 1) -> None:
        """Count something."""
        self.metrics.add_count_metric(name, value)

    def add_duration_metric(
        self, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        """Add ``{name}Duration``, in milliseconds, between two times (``end`` None: until now)."""
        self.metrics.add_duration_metric(start, end, name)

    def add_success_metric(self, name: str = "") -> None:
        """Add ``{name}Success`` 1 and ``{name}Failure`` 0."""
        self.metrics.add_success_metric(name)

    def add_failure_metric(self, name: str = "") -> None:
        """Add ``{name}Success`` 0 and ``{name}Failure`` 1."""
        self.metrics.add_failure_metric(name)

    # JSON to models, and back.

    _adapters: ClassVar[dict[Any, TypeAdapter[Any]]] = {}

    @classmethod
    def _adapter(cls, model: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - as above
        try:
            return LambdaHandler._adapters[model]
        except KeyError:
            return LambdaHandler._adapters.setdefault(model, TypeAdapter(model))
        except TypeError:  # a type that has no hash
            return TypeAdapter(model)

    @classmethod
    def deserialize_request(cls, event: Any) -> REQUEST:  # noqa: ANN401 - any JSON
        """The request that an event is.

        Raises:
            InvalidRequest: it does not fit the model; which fields, never which values.
        """
        model = cls.get_request_cls()
        try:
            request: REQUEST = cls._adapter(model).validate_python(event)
        except ValidationError as error:
            name = getattr(model, "__name__", str(model))
            raise InvalidRequest(f"the event is no {name}: {mistakes_of(error)}") from None
        return request

    @classmethod
    def serialize_response(cls, response: RESPONSE) -> Any:  # noqa: ANN401 - any JSON
        """The JSON of a response; fields that are None are left out."""
        if isinstance(response, BaseModel):
            return response.model_dump(mode="json", by_alias=True, exclude_none=True)
        return cls._adapter(cls.get_response_cls()).dump_python(
            response, mode="json", by_alias=True, exclude_none=True
        )

    # The functions that AWS Lambda calls.

    @classmethod
    def get_handler(cls, *args: Any, **kwargs: Any) -> LambdaFunction:  # noqa: ANN401 - the constructor's
        """The function for AWS Lambda: ``(event, context) -> JSON | None``.

        The event may be JSON, a JSON text, the path of a JSON file or an ``s3://`` URI of one.

        Args:
            *args: for the constructor of the class, at each invocation.
            **kwargs: likewise.
        """

        @functools.wraps(cls.handle)
        def function(event: Any, context: Any = None) -> Any:  # noqa: ANN401 - any JSON
            with cls._invocation(context, args, kwargs) as handler:
                event = read_event(event)
                handler._log_event(event)
                return handler._answer_to_lambda(cls.deserialize_request(event))

        return cls._made(function)

    @classmethod
    def get_eventbridge_handler(cls, *args: Any, **kwargs: Any) -> LambdaFunction:  # noqa: ANN401 - as above
        """The function for events of EventBridge; see `get_handler`."""
        from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent  # noqa: PLC0415 - see above

        @functools.wraps(cls.handle)
        def function(event: Any, context: Any = None) -> Any:  # noqa: ANN401 - any JSON
            with cls._invocation(context, args, kwargs) as handler:
                event = read_event(event)
                if not isinstance(event, dict) or "detail" not in event:
                    raise InvalidRequest("the event is none of EventBridge's: it has no detail")
                handler._log_event(event)
                return handler._answer_to_lambda(cls.deserialize_eventbridge_event(EventBridgeEvent(event)))

        return cls._made(function)

    @classmethod
    def get_sqs_batch_handler(
        cls,
        *args: Any,  # noqa: ANN401 - as above
        queue_type: Literal["standard", "fifo"] = "standard",
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> LambdaFunction:
        """The function for messages of a queue: those that failed come again, the others do not.

        It answers ``{"batchItemFailures": [{"itemIdentifier": …}]}``, so the event source has to have
        ``ReportBatchItemFailures``. Where all have failed it raises.

        Args:
            *args: for the constructor of the class, for each message.
            queue_type: of a FIFO queue, nothing is done after the first failure: order is kept.
            **kwargs: as `args`.

        Raises:
            ValueError: there is no such type of queue.
        """
        if queue_type not in ("standard", "fifo"):
            raise ValueError(f"queue_type is {queue_type!r}, neither 'standard' nor 'fifo'")

        from aws_lambda_powertools.utilities.batch import (  # noqa: PLC0415 - see above
            BatchProcessor,
            EventType,
            SqsFifoPartialProcessor,
        )

        def processor() -> BasePartialBatchProcessor:
            is_fifo = queue_type == "fifo"
            return SqsFifoPartialProcessor() if is_fifo else BatchProcessor(event_type=EventType.SQS)

        return cls._batch_function(
            processor, cls.should_process_sqs_record, cls.deserialize_sqs_record, args, kwargs
        )

    @classmethod
    def get_dynamodb_stream_handler(cls, *args: Any, **kwargs: Any) -> LambdaFunction:  # noqa: ANN401 - as above
        """The function for changes in a table of DynamoDB; see `get_sqs_batch_handler`."""
        from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType  # noqa: PLC0415 - see above

        def processor() -> BasePartialBatchProcessor:
            return BatchProcessor(event_type=EventType.DynamoDBStreams)

        return cls._batch_function(
            processor, cls.should_process_dynamodb_record, cls.deserialize_dynamodb_record, args, kwargs
        )

    @classmethod
    def _batch_function(
        cls,
        new_processor: Callable[[], BasePartialBatchProcessor],
        should_process: Callable[[Any], bool],
        deserialize: Callable[[Any], REQUEST],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> LambdaFunction:
        from aws_lambda_powertools.utilities.batch import process_partial_response  # noqa: PLC0415 - see above
        from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError  # noqa: PLC0415

        @functools.wraps(cls.handle)
        def function(event: Any, context: Any = None) -> Any:  # noqa: ANN401 - any JSON
            event = read_event(event)
            if not isinstance(event, dict) or not isinstance(event.get("Records"), list):
                raise InvalidRequest("the event holds no Records")
            if not event["Records"]:  # of which powertools would say that all have failed
                return {"batchItemFailures": []}

            def one(record: Any) -> None:  # noqa: ANN401 - a record of either kind
                with cls._invocation(context, args, kwargs) as handler:
                    handler._log_event(record.raw_event)
                    if should_process(record):
                        handler._answer(deserialize(record))
                    else:
                        handler.logger.debug("the record is not for this function")

            processor = new_processor()
            try:
                return process_partial_response(
                    event=event, record_handler=one, processor=processor, context=context
                )
            except BatchProcessingError:
                # Its own text has the traceback of each, whatever stands in it; ours is told to whoever asks.
                first = processor.exceptions[0][1]
                why = f"; the first: {sentence_of(first)}" if isinstance(first, DeliveryError) else ""
                failed = BatchProcessingError(f"all {len(processor.fail_messages)} records failed{why}", [])
                if first is not None and (hint := hint_of(first)):
                    failed.add_note(hint)
                raise failed from None

        return cls._made(function)

    @classmethod
    def _made(cls, function: LambdaFunction) -> LambdaFunction:
        function.__dict__.pop("__wrapped__", None)  # else its signature would be that of `handle`
        function.__name__ = function.__qualname__ = f"{cls.__name__}_handler"
        function.__module__ = cls.__module__
        setattr(function, MADE_BY, cls)
        return function

    @classmethod
    @contextlib.contextmanager
    def _invocation(
        cls,
        context: Any,  # noqa: ANN401 - AWS Lambda's
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Iterator[LambdaHandler[REQUEST, RESPONSE]]:
        """A new instance, with the invocation's context; its metrics are written when the block ends."""
        handler = cls(*args, **kwargs)
        if context is not None:
            handler.context = context
        with naming(handler.logger, handler.context):
            try:
                yield handler
            except Exception as error:
                # In AWS nobody but the log is told where; elsewhere who calls has the exception itself.
                log = (
                    handler.logger.debug
                    if isinstance(handler.context, LocalContext)
                    else handler.logger.error
                )
                about = {"error_type": type(error).__name__, "code": code_of(error), "hint": hint_of(error)}
                log("the function failed", exc_info=True, extra=about)
                raise
            finally:
                if handler._metrics is not None:
                    handler._metrics.write()

    def _log_event(self, event: Any) -> None:  # noqa: ANN401 - any JSON
        self.logger.debug("event", extra={"event": without_secret_fields(event)})

    def _answer(self, request: REQUEST) -> Any:  # noqa: ANN401 - any JSON
        response = self.handle(request)
        return None if response is None else self.serialize_response(response)

    def _answer_to_lambda(self, request: REQUEST) -> Any:  # noqa: ANN401 - any JSON
        """An answer that AWS Lambda can give; its runtime would end, or keep it to itself.

        Raises:
            Unanswerable: it cannot.
        """
        answer = self._answer(request)
        if not isinstance(self.context, LocalContext) and (why := unanswerable(answer)) is not None:
            raise Unanswerable(why)
        return answer

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
