"""Why a request to a service failed: translates every exception of botocore and of the network.

`trouble_of` is the one place where such an exception becomes something this program decides by (a status, a
code: `upload_client.core.answers` says what they mean) and something a person may read. Nothing that an
exception says is passed on as it is: it may repeat the password of a proxy, or be a web page.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions

from upload_client.core.answers import Meaning, is_code, meaning
from upload_client.core.redaction import is_page
from upload_client.errors import NotReachable
from upload_client.s3.write_guard import WriteNotAllowed
from upload_client.support.secrets import without_secrets


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reason why a request did not succeed.

    Attributes:
        status: HTTP status; 0: no answer came, or none that is the service's.
        code: the service's error code, or the name of what was in the way.
        message: for people, without secrets, in one line.
        date: the service's clock, as it stands in the answer; empty where none is.
        request_id: under which the service's own logs have the request; empty where none was given.
        host_id: the same, of S3's host.
    """

    status: int
    code: str
    message: str
    date: str = ""
    request_id: str = ""
    host_id: str = ""

    @property
    def meaning(self) -> Meaning:
        """The meaning for the caller."""
        return meaning(self.status, self.code, self.message)


class NotTheService(botocore.exceptions.BotoCoreError):
    """Something else than the service has answered: a portal, a proxy or a firewall."""

    fmt = "{reason}"


_REDIRECTS = (301, 302, 303, 307, 308)
_OTHER_REGION_STATUSES = (301, 307)
"""Those by which a store says that a bucket is elsewhere:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html"""


def refuse_pages(
    response_dict: MutableMapping[str, Any],
    operation_model: Any = None,  # noqa: ANN401 - botocore's
    **_: object,
) -> None:
    """Botocore's event: an answer is about to be parsed. A web page is nobody's answer to a request.

    Botocore would take it for an empty success, or for a refusal with a page as its message; and a redirect
    to a portal's login for a refusal. What a gateway says with 5xx is left to botocore, which asks again.
    """
    headers: Mapping[str, str] = response_dict["headers"]
    status = response_dict["status_code"]
    names = {name.lower(): value for name, value in headers.items()}
    if status >= 500 or any(name.startswith("x-amz") for name in names):
        return
    body = response_dict.get("body")
    text = body[:4096].decode("utf-8", "replace") if isinstance(body, bytes) else ""
    if status == 407:
        raise NotTheService(reason="the proxy wants a login (407)")
    if "text/html" in names.get("content-type", "") or is_page(text):
        what = without_secrets(text) if is_page(text) else "an HTML page"
        raise NotTheService(
            reason=f"what answered ({status}) is not the service but {what}: a portal or proxy?"
        )
    # An answer to HEAD has no body, in which a store would say its code.
    unexplained = (
        status in _OTHER_REGION_STATUSES and getattr(operation_model, "http", {}).get("method") == "HEAD"
    )
    if status in _REDIRECTS and "location" in names and "<Code>" not in text and not unexplained:
        raise NotTheService(
            reason=f"what answered ({status}) is not the service: it leads elsewhere: a portal or proxy?"
        )


_CREDENTIALS = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
    botocore.exceptions.CredentialRetrievalError,
    botocore.exceptions.TokenRetrievalError,
    botocore.exceptions.NoAuthTokenError,
    botocore.exceptions.SSOError,
)
_LOST = (
    botocore.exceptions.FlexibleChecksumError,
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.ConnectionError,
    botocore.exceptions.IncompleteReadError,
    NotTheService,
    WriteNotAllowed,
    OSError,
)
_GARBLED = (
    KeyError,  # what must be in an answer is not
    ValueError,  # from botocore's parser, of a header that was cut: ``Content-Length: ``
    RecursionError,  # from the same, of an answer that is nested without end
)


def _is(error: BaseException, module: str, name: str) -> bool:
    """Whether an exception is of a class of that module; unless that is loaded, it has raised nothing."""
    found = sys.modules.get(module)
    return found is not None and isinstance(error, getattr(found, name, ()))


def trouble_of(error: BaseException, host: str = "") -> Trouble | None:
    """Translate an exception; None: it is none of a service or of the network.

    Args:
        error: the exception.
        host: of the service, where the exception does not know it.
    """
    if isinstance(error, NotReachable):  # of a renewal of the credentials
        return Trouble(0, type(error).__name__, str(error))
    if isinstance(error, botocore.exceptions.ClientError):
        return _refusal(error)
    if isinstance(error, _CREDENTIALS):
        return Trouble(0, "NoCredentials", without_secrets(str(error)))
    if isinstance(error, botocore.exceptions.ParamValidationError):
        return Trouble(400, type(error).__name__, without_secrets(str(error)))
    if isinstance(error, _LOST) or _is(error, "urllib3.exceptions", "HTTPError"):
        return _unreached(error, host)
    if isinstance(error, botocore.exceptions.BotoCoreError):  # it was never sent: no region, a wrong endpoint
        return Trouble(400, type(error).__name__, without_secrets(str(error)))
    if isinstance(error, _GARBLED) or _is(error, "botocore.parsers", "ResponseParserError"):
        return Trouble(0, "MalformedAnswer", "the answer cannot be understood")
    return None


def date_of(answer: Mapping[str, Any]) -> str:
    """The ``Date`` of an answer of botocore; empty where it has none."""
    date: str = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    return date


def _refusal(error: botocore.exceptions.ClientError) -> Trouble:
    answer: Mapping[str, Any] = error.response
    fields: Mapping[str, Any] = answer.get("Error", {})
    code, message = str(fields.get("Code", "")), str(fields.get("Message", ""))
    meta: Mapping[str, Any] = answer.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    if is_page(message):
        return Trouble(0, "NotTheService", f"what answered is not the service but {without_secrets(message)}")
    if not is_code(code):
        code = str(status) if code.isdigit() else "UnknownCode" if code else ""
    message = without_secrets(message)
    if name := fields.get("BucketName"):
        message = f"{message} ({without_secrets(str(name))})"
    ids = meta.get("RequestId") or "", meta.get("HostId") or ""
    return Trouble(status, code, message, date_of(answer), *ids)


def _unreached(error: BaseException, known: str) -> Trouble:
    """No answer, for a reason that the chain of causes tells better than the text of the last one."""
    if isinstance(error, WriteNotAllowed | NotTheService):
        return Trouble(0, type(error).__name__, str(error))
    details: Mapping[str, Any] = getattr(error, "kwargs", {})
    url = str(details.get("endpoint_url") or details.get("proxy_url") or "")
    host = _host(url) or known
    causes = list(_causes(error))
    proxied = isinstance(error, botocore.exceptions.ProxyConnectionError)
    whom = f"the proxy {host}".rstrip() if proxied else host or "the service"
    code = type(error).__name__
    if isinstance(error, TimeoutError) and not error.errno:
        return Trouble(0, code, str(error))  # of a connection of our own, in our own words
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"{whom} shows a certificate that is not trusted ({cause.verify_message.rstrip('.')})"
            return Trouble(0, "CertificateRefused", reason)
    tunnel = next((str(cause) for cause in causes if "Tunnel connection failed" in str(cause)), "")
    if tunnel:
        status = "".join(filter(str.isdigit, tunnel.partition("failed:")[2][:8]))
        reason = (
            "wants a login (407)" if status == "407" else f"does not let us through ({status or 'no reason'})"
        )
        return Trouble(0, "ProxyLogin" if status == "407" else code, f"{whom} {reason}")
    if isinstance(error, botocore.exceptions.ReadTimeoutError):
        return Trouble(0, code, f"{whom} was silent for too long")
    if isinstance(error, botocore.exceptions.ConnectTimeoutError):
        return Trouble(0, code, f"{whom} cannot be connected to: it does not answer")
    for cause in causes:
        if isinstance(cause, socket.gaierror) or _is(cause, "urllib3.exceptions", "NameResolutionError"):
            return Trouble(0, code, f"{whom}: this name is not known (DNS)")
        if isinstance(cause, ssl.SSLError):
            return Trouble(0, code, f"{whom} speaks no TLS that can be used ({cause.reason or 'no reason'})")
        if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, ssl.SSLError):
            return Trouble(
                0, os_code(cause) or code, f"{_of_file(cause) or whom}: {os.strerror(cause.errno)}"
            )
    if isinstance(error, botocore.exceptions.ConnectionClosedError | ConnectionError):
        return Trouble(0, code, f"{whom} closed the connection")
    return Trouble(0, code, f"{whom}: {without_secrets(str(error))}")


_OWN_LIMITS = {
    errno.EMFILE: "TooManyOpenFiles",
    errno.ENFILE: "TooManyOpenFiles",
    errno.ENOMEM: "NoMemory",
    errno.ENOBUFS: "NoMemory",
    errno.EADDRNOTAVAIL: "NoFreePort",
}


def os_code(error: OSError) -> str:
    """The name of a limit of this machine that an error of the system is due to; empty: of none."""
    return _OWN_LIMITS.get(error.errno or 0, "")


def _of_file(error: OSError) -> str:
    return str(error.filename) if isinstance(error.filename, str) else ""


def _host(url: str) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return f"{host}:{port}" if port else host


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was made of: causes, contexts, and what others keep in themselves."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen or len(seen) > 20:
            continue
        seen.add(id(one))
        yield one
        inner = [getattr(one, "reason", None), getattr(one, "original_error", None)]
        inner += [getattr(one, "kwargs", {}).get("error"), *one.args]
        waiting += [each for each in inner if isinstance(each, BaseException)]
        waiting += [one.__cause__, one.__context__]
