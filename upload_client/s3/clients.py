"""The one place that makes boto3 clients: endpoints, pools, time-outs and retries.

A client made here

* speaks to ``settings.endpoints[service]``, else ``settings.endpoint_url``, else to what botocore finds by
  itself (``AWS_ENDPOINT_URL``, the AWS profile, the region). Botocore addresses a custom S3 endpoint by path;
* retries a little and quickly (`RETRIES`): who can wait longer knows better what a lost answer means to it;
* asks before each of these attempts whether it may still write, where somebody said so (`leave`);
* adds no checksum of its own to S3 requests: this program sends and compares its own CRC32;
* never sends ``Expect: 100-continue`` to S3. Botocore adds it to each body that is a file, which costs a
  round trip for each, and a whole second where the store does not answer it;
* says what it means when credentials have ended as soon as they are renewed (`explain_expiry`);
* has each attempt logged (`request_log`);
* goes through no proxy to a service on this machine, such as a sandbox: a proxy would look on its own;
* never signs through awscrt, which takes a plain-HTTP body in 4 KiB steps (`upload_client.aws` sees to it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import boto3
import botocore.config
import botocore.handlers

from upload_client.s3 import listing, request_log, write_guard
from upload_client.s3.skew import explain_expiry
from upload_client.support import failpoints

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

__all__ = ["RETRIES", "Endpoints", "client", "s3_client"]

RETRIES = {"mode": "standard", "total_max_attempts": 3}
"""Botocore's standard mode: at most two repeats, some 3 s apart at most, none when an outage lasts."""

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0


class Endpoints(Protocol):
    """The part of the settings that says where services are."""

    @property
    def endpoint_url(self) -> str | None:
        """One URL for every service, or None."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """URLs of single services (``{"s3": "http://…"}``); they go before `endpoint_url`."""


def client(
    session: boto3.Session | None,
    service: str,
    settings: Endpoints | None = None,
    **config: Any,  # noqa: ANN401 - botocore's to check
) -> Any:  # noqa: ANN401 - each service has a client class of its own, made at run time
    """Make a boto3 client of a service. It is safe to share between threads.

    Args:
        session: Where credentials and region come from; None: boto3's own chain.
        service: Boto3's name of the service, for example ``"s3"``.
        settings: Where the service is; None: where botocore finds it.
        **config: Arguments of `botocore.config.Config`; they go before the ones chosen here.

    Returns:
        The client. (Typed callers take `s3_client`, or annotate the name they bind.)
    """
    if session is None:
        session = boto3.Session()
    explain_expiry(session.get_credentials())
    options: dict[str, Any] = {
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": _READ_TIMEOUT,
        "retries": RETRIES,
        "tcp_keepalive": True,
    }
    if service == "s3":
        options |= {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    url = None
    if settings is not None:
        url = settings.endpoints.get(service) or settings.endpoint_url
    if url is not None and urlsplit(url).hostname in _THIS_MACHINE:
        options["proxies"] = {}
    made: Any = session.client(  # type: ignore[call-overload] # overloaded by literal service names only
        service, endpoint_url=url, config=botocore.config.Config(**(options | config))
    )
    if service == "s3":
        made.meta.events.unregister("before-call.s3", botocore.handlers.add_expect_header)
        listing.watch(made)
        write_guard.watch(made)
    request_log.watch(made)
    failpoints.watch(made)
    return made


def s3_client(
    session: boto3.Session | None = None,
    settings: Endpoints | None = None,
    *,
    pool: int = 10,
    **config: Any,  # noqa: ANN401 - botocore's to check
) -> S3Client:
    """Make an S3 client that keeps up to `pool` connections open; see `client` for the rest."""
    made: S3Client = client(session, "s3", settings, max_pool_connections=pool, **config)
    return made
