"""The base of every function: models found from type arguments, events read, answers written, what failed."""

from importlib.util import find_spec

from upload_client.functions.errors import HandlerNotAllowed, InvalidRequest, MissingExtra

if find_spec("aws_lambda_powertools") is None:
    raise MissingExtra("functions need aws-lambda-powertools, which is not installed")

from upload_client.functions.base.handler import LambdaHandler

__all__ = ["HandlerNotAllowed", "InvalidRequest", "LambdaHandler"]
