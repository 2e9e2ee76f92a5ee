"""The one place that makes boto3 clients: endpoints, pools, time-outs and retries.

A client made here

* speaks to ``settings.endpoints[service]``, else ``settings.endpoint_url``, else to what botocore finds by
  itself (``AWS_ENDPOINT_URL``, the AWS profile, the region). Botocore addresses a custom S3 endpoint by path;
* retries a little and quickly (`RETRIES`): who can wait longer knows better what a lost answer means to it;
* asks before each of these attempts whether it may still write, where somebody said so (`may_write`);
* adds no checksum of its own to S3 requests: this program sends and compares its own CRC32;
* never sends ``Expect: 100-continue`` to S3. Botocore adds it to each body that is a file, which costs a
  round trip for each, and a whole second where the store does not answer it;
* says what it means when credentials have ended as soon as they are renewed (`explain_expiry`);
* goes the way that `upload_client.s3.network` finds: proxies, trusted certificates, a certificate of our own;
* takes no web page for an answer (`upload_client.s3.trouble.refuse_pages`);
* reads no answer without end, into memory or at all (`answer_size`);
* has each attempt logged (`request_log`);
* never signs through awscrt, which takes a plain-HTTP body in 4 KiB steps (`upload_client.aws` sees to it).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import boto3
import botocore.config
import botocore.handlers
import botocore.session
from botocore.loaders import Loader, create_loader

from upload_client.errors import UsageError
from upload_client.s3 import answer_size, listing, network, request_log, write_guard
from upload_client.s3.descriptions import Descriptions
from upload_client.s3.skew import explain_expiry
from upload_client.s3.trouble import refuse_pages
from upload_client.support import failpoints
from upload_client.support.secrets import without_secrets

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_ATTEMPTS = 3
RETRIES = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
"""Botocore's standard mode: at most two repeats, some 3 s apart at most, none when an outage lasts."""

OLDEST_BOTO3 = (1, 36)
"""The oldest version that works, as `pyproject.toml` says; botocore's has the same number."""

_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0
_SHORTEST_SILENCE = 5.0
_WHOLE_SECONDS = 30.0
"""For a whole answer, after the time that its first bytes may take, and no longer than that; not of S3,
whose pages are long."""


def time_outs(patience: float) -> dict[str, float]:
    """Time-outs for a service that may be silent for `patience` seconds, in all attempts together.

    An attempt has 5 at the least, in which a login over a bad line is answered.

    Returns:
        Arguments for `client`.
    """
    seconds = max(_SHORTEST_SILENCE, patience / _ATTEMPTS)
    return {
        "connect_timeout": min(_CONNECT_TIMEOUT, seconds),
        "read_timeout": min(_READ_TIMEOUT, seconds),
    }


class Endpoints(Protocol):
    """The part of the settings that says where services are."""

    @property
    def endpoint_url(self) -> str | None:
        """One URL for every service, or None."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """URLs of single services (``{"s3": "http://…"}``); they go before `endpoint_url`."""


class S3Endpoint(NamedTuple):
    """The URL of S3, in place of whole settings; None: where boto3 finds it."""

    endpoint_url: str | None
    endpoints: Mapping[str, str] = MappingProxyType({})


_FILES = ("ca_bundle", "client_cert", "client_key")
"""More of the settings, where there are any: PEM files."""


class _Every(list[str]):
    """Every name, as far as nobody asks which."""

    def __contains__(self, _: object) -> bool:
        return True


def quickened(session: boto3.Session) -> boto3.Session:
    """Have a session that nobody else has make its clients with less computing, and give it back."""
    core: Any = session._session  # noqa: SLF001 - boto3 has no other way to it
    _quicken(core.get_component("data_loader"))
    return session


def _quicken(loader: Loader) -> Loader:
    """Have a loader of ours look for the description of a service without a look for those of all others.

    There are 400, and it looks twice, which takes a tenth of what a short command computes. A service that is
    not there is missed a little later.
    """
    changed: Any = loader
    changed.list_available_services = lambda _: _Every()
    changed.file_loader = Descriptions()
    return loader


_LOADER = _quicken(create_loader(os.environ.get("AWS_DATA_PATH")))
_LOADER_LOCK = threading.Lock()


def one_of_many(
    made: botocore.session.Session | None = None, region_name: str | None = None
) -> boto3.Session:
    """Make a session of which there may be many at once.

    The descriptions of the services, some 11 MB, are read once for all of them. Credentials and clients are
    its own.

    Args:
        made: what it is made of; None: botocore's own chain.
        region_name: None: as botocore finds it.
    """
    made = made or botocore.session.get_session()
    made.register_component("data_loader", _LOADER)
    with _LOADER_LOCK:
        session = boto3.Session(botocore_session=made, region_name=region_name)
        _LOADER.search_paths[:] = dict.fromkeys(_LOADER.search_paths)  # boto3 adds its own each time
    return session


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

    Raises:
        SettingsError: A proxy or a file of certificates that is named cannot be used.
        UsageError: The boto3 that is installed is too old.
    """
    _refuse_old_boto3()
    if session is None:
        session = quickened(boto3.Session())
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
    files = {name: getattr(settings, name, None) for name in _FILES}
    if certificate := network.own_certificate(files):
        options["client_cert"] = certificate
    trusted = network.ca_bundle(session, files["ca_bundle"])

    def make(**more: Any) -> Any:  # noqa: ANN401 - as above
        try:
            return session.client(  # type: ignore[call-overload] # overloaded by literal service names only
                service,
                endpoint_url=url,
                verify=trusted,
                config=botocore.config.Config(**(options | more | config)),
            )
        except ValueError as error:  # a region or a number that is none
            raise _unusable(service, error) from error

    made = make(proxies={})
    if network.any_proxy() and "proxies" not in config and (found := network.proxies_for(_url_of(made))):
        made = make(
            proxies=found
        )  # which proxy depends on where the service is, and only botocore knows that
    if service == "s3":
        made.meta.events.unregister("before-call.s3", botocore.handlers.add_expect_header)
        made.meta.events.register_first("needs-retry.s3.HeadBucket", _end_the_search)
        made.meta.events.register("before-parameter-build.s3.CopyObject", _keep_conditions)
        made.meta.events.register("before-call.s3.CopyObject", _add_conditions)
        listing.watch(made)
        write_guard.watch(made)
    made.meta.events.register("before-parse", refuse_pages)
    first = made.meta.config.read_timeout
    whole = None if service == "s3" else first + min(_WHOLE_SECONDS, first)
    answer_size.watch(made, whole)
    request_log.watch(made)
    failpoints.watch(made)
    return made


def _unusable(service: str, error: ValueError) -> UsageError:
    """Say which variable it may be: one that is set to nothing counts as set, for some of them."""
    empty = [name for name in sorted(os.environ) if name.startswith("AWS_") and not os.environ[name]]
    return UsageError(
        f"no client of {service} can be made: {without_secrets(str(error))}",
        hint=f"Unset {', '.join(empty)}, or set it to a value: set to nothing it counts, too."
        if empty
        else "See the region, and what else variables and files of the AWS tools set.",
    )


def _refuse_old_boto3() -> None:
    """Say which version is there: a runtime of Lambda brings its own, whatever a package asks for."""
    there = tuple(map(int, re.findall(r"\d+", botocore.__version__)[:2]))
    if there < OLDEST_BOTO3:
        raise UsageError(
            f"the boto3 here is {boto3.__version__}, and too old: it takes no checksums as this program sends"
            f" them; needed is {'.'.join(map(str, OLDEST_BOTO3))} or newer",
            hint="pip install --upgrade boto3; in Lambda take a newer runtime, or a layer with boto3.",
        )


def _end_the_search(
    request_dict: dict[str, Any], response: tuple[Any, Mapping[str, Any]] | None, **_: object
) -> None:
    """Botocore's event: a HeadBucket was answered. Where the answer names no region, it is not searched on.

    Botocore asks HeadBucket where a redirected bucket is, and, redirected again, it asks HeadBucket: until
    Python's stack is full, where a store or a portal redirects everything.
    """
    headers = {} if response is None else response[1].get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if "x-amz-bucket-region" not in headers:
        request_dict["context"].setdefault("s3_redirect", {})["redirected"] = True


_CONDITIONS = {"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match"}


def _keep_conditions(
    params: dict[str, Any],
    model: Any,  # noqa: ANN401 - botocore's
    context: dict[str, Any],
    **_: object,
) -> None:
    """Botocore's event: CopyObject is about to be built. Older versions know no condition on its target.

    S3 knows them: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    unknown = [name for name in _CONDITIONS if name in params and name not in model.input_shape.members]
    context["upload_client_conditions"] = {_CONDITIONS[name]: params.pop(name) for name in unknown}


def _add_conditions(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    """Botocore's event: it is built, and not signed."""
    params["headers"].update(context.get("upload_client_conditions", {}))


def _url_of(made: Any) -> str:  # noqa: ANN401 - any boto3 client
    url: str = made.meta.endpoint_url
    return url


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
