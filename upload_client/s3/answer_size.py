"""Limits the size of answers: botocore reads whatever a server sends into memory.

No answer of a service is longer than a page of a listing, a thousand keys with all that is told of each: some
megabytes. Bodies of objects are no such answers: botocore hands them on as a stream, and who reads one says
how much of it (`Bucket.get`). What refuses a request is read by botocore whole even then.

Nor is an answer waited for without end: a server that sends a byte now and then keeps to any limit for the
next bytes. S3's requests are too many for a thread each; there the run's watchdog ends what does not move.

One question is answered with the object itself by stores that do not know it (`?attributes`, Ceph RGW
16.2): its answer, of up to a thousand parts, is held to less.

Botocore has no event between the head of an answer and its body, so the sending itself is wrapped.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from upload_client.s3.trouble import NotTheService
from upload_client.support.deadline import within

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of the longest answer that is taken for one."""
_SHORTER: Final = {"attributes": 1024 * 1024}
"""The same by the question, as the query of the URL has it."""


def watch(client: Any, seconds: float | None = None) -> None:  # noqa: ANN401 - any boto3 client
    """Have this client read no answer beyond `MAX_ANSWER`: `NotTheService` is raised then.

    Args:
        client: any boto3 client, as in `upload_client.s3.clients`.
        seconds: in which a whole answer is there, or it is botocore's `ReadTimeoutError`; None: any.
    """
    import urllib3.exceptions  # noqa: PLC0415 - who has a client has loaded it

    session = client._endpoint.http_session  # noqa: SLF001 - see above
    send = session.send

    def send_and_read(request: Any) -> Any:  # noqa: ANN401 - botocore's own classes
        streamed, request.stream_output = request.stream_output, True
        try:
            response = send(request)
        finally:
            request.stream_output = streamed
        if response.status_code >= 300:  # botocore would wrap what refuses, too, and cannot read it then
            for name in [name for name in response.headers if name.lower().startswith("x-amz-checksum-")]:
                del response.headers[name]
        if not streamed or response.status_code >= 300:
            try:
                response._content = _read(response.raw, _longest(request.url))  # noqa: SLF001 - where botocore itself keeps it
            # As botocore's own reading has them, so that it sends again what it would have sent again.
            except urllib3.exceptions.ReadTimeoutError as error:
                raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
            except urllib3.exceptions.HTTPError as error:
                raise ConnectionClosedError(endpoint_url=request.url, request=request, error=error) from error
        return response

    def send_in_time(request: Any) -> Any:  # noqa: ANN401 - as above
        assert seconds is not None
        try:
            return within(seconds, lambda: send_and_read(request))
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error

    session.send = send_and_read if seconds is None else send_in_time


def _longest(url: str) -> int:
    return _SHORTER.get(urlsplit(url).query.partition("&")[0].rstrip("="), MAX_ANSWER)


def _read(body: Any, longest: int) -> bytes:  # noqa: ANN401 - urllib3's response
    pieces, n_bytes = [], 0
    for piece in body.stream():
        n_bytes += len(piece)
        if n_bytes > longest:
            body.close()
            raise NotTheService(
                reason=f"the answer has more than {longest // 2**20} MiB, more than any service sends"
            )
        pieces.append(piece)
    return b"".join(pieces)
