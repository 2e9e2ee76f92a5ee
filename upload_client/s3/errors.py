"""The one exception that is also botocore's."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from upload_client.errors import DeliveryError

if TYPE_CHECKING:
    from botocore.exceptions import _ClientErrorResponseTypeDef


class UploadClientError(DeliveryError, ClientError):
    """A botocore `ClientError` that can be raised with any arguments.

    With botocore's own arguments, an error response and the name of an operation, it is what botocore would
    raise. With others, ``response["Error"]`` holds the code "UploadClientError" and the text.

    Attributes:
        args: the positional arguments as they were given; for botocore's own, its text.
        response: the error response, a dict with ``Error``: ``Code`` and ``Message``.
        operation_name: for example "PutObject"; empty where there was none.
    """

    hint = "Run the same command again; if it fails again, tell the receiver what it says."
    _text = ""

    def __init__(self, *args: object, hint: str | None = None, **details: object) -> None:
        response = details.pop("error_response", args[0] if args else None)
        operation = details.pop("operation_name", args[1] if len(args) == 2 else None)
        if isinstance(response, dict) and isinstance(operation, str):
            ClientError.__init__(self, cast("_ClientErrorResponseTypeDef", response), operation)
            text = Exception.__str__(self)
        else:
            text = ", ".join([*map(str, args), *(f"{name}={value}" for name, value in details.items())])
            Exception.__init__(self, *args)
            self.response = {"Error": {"Code": type(self).__name__, "Message": text}}
            self.operation_name = ""
        self._text = text
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        return self._text
