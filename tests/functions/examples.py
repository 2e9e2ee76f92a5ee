"""Functions as somebody else would write them."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel

from upload_client.functions import ApiLambdaHandler, LambdaHandler

T = TypeVar("T")
U = TypeVar("U")


class Count(BaseModel):
    words: list[str]
    fail: bool = False
    password: str | None = None


class Counted(BaseModel):
    n: int
    longest: str | None = None


class Counter(LambdaHandler[Count, Counted]):
    def __init__(self, at_least: int = 0) -> None:
        self.at_least = at_least

    def handle(self, request: Count) -> Counted | None:
        self.add_count_metric("Words", len(request.words))
        if request.fail:
            raise RuntimeError(f"cannot count with {request.password}")
        if not request.words:
            return None
        return Counted(n=max(self.at_least, len(request.words)))

    @classmethod
    def should_process_sqs_record(cls, record):
        return "skip" not in record.body

    @classmethod
    def deserialize_dynamodb_record(cls, record):
        return Count(words=record.dynamodb.new_image["words"].split())


class Page(BaseModel, Generic[T]):
    rows: list[T]


class Between(LambdaHandler[Page[T], U], Generic[T, U]):
    """What stands between."""


class Turned(Between[U, T], Generic[T, U]):
    """Gives its arguments on in another order."""


class Sums(Turned[dict[str, int], int]):
    def handle(self, request: Page[int]) -> dict[str, int]:
        return {"sum": sum(request.rows)}


class Named(BaseModel):
    name: str
    tags: list[str] = []
    size: int = 0


class GetNamed(ApiLambdaHandler[Named, Named]):
    @classmethod
    def route_rule(cls):
        return "/things/<name>"

    @classmethod
    def route_method(cls):
        return "POST"

    @classmethod
    def validate_headers(cls, headers):
        if headers.get("x-old"):
            raise ValueError("too old")

    def handle(self, request: Named) -> Named | None:
        self.logger.info(self.api_gateway_caller)
        if request.name == "broken":
            raise KeyError("inner detail")
        return request


class Abstract(ApiLambdaHandler[Named, Named]):
    """It has no route."""


counter = Counter.get_handler(at_least=7)


def plain(event, context):
    return {"said": event, "left": context.get_remaining_time_in_millis() > 0}
