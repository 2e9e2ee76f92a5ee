"""`Route`: where and how requests go to a bucket, learned from botocore.

Botocore is asked to make one request of each kind; just before it would send it, it is taken from it, and
nothing is sent. Whatever it has worked out is in them: host and path (endpoint, region, addressing style,
dual-stack, FIPS, acceleration, access points), the headers of the options (encryption,
storage class, tags, who pays, who owns), and the region and the credentials they are signed with. So what
botocore reaches is reached here too; what is signed in another way than with S3's Signature Version 4 is
left to botocore (`NoRoute`).

For a `DirectBucket` botocore is not asked: its requests have no headers but those named here.
"""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import botocore.exceptions

from upload_client.core.static_access import BucketHost, StaticAccess
from upload_client.s3 import etag_form, request_log
from upload_client.s3.network import ConnectionSettings, connection_settings_of, trusting_as_botocore
from upload_client.s3.sigv4 import Form, Keys, Signer, quote_key, quote_value
from upload_client.s3.wire import (
    CopyObject,
    DeleteObject,
    GetObject,
    GetRange,
    HeadObject,
    ListObjectsV2,
    PutObject,
    UploadPart,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from upload_client.s3.bucket import Bucket

# Botocore's bookkeeping of its own retries, and what each request says for itself.
_DROPPED = frozenset(
    {
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "connection",
        "content-length",
        "date",
        "expect",
        "transfer-encoding",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-sdk-checksum-algorithm",
    }
)
_UNSIGNED = frozenset({"user-agent", "x-amzn-trace-id"})

_GAPS = ("x-amz-content-sha256", "x-amz-date")
_CONTENT: dict[str, object] = {"Body": b"", "ChecksumCRC32": "AAAAAA=="}
_COPIED = ("x-amz-copy-source", "x-amz-copy-source-if-match")

_USER_AGENT: Final = {"user-agent": "upload-client"}
_CHECKSUM_MODE: Final = {"x-amz-checksum-mode": "ENABLED"}
_TRACE_SAFE: Final = "-=;:+&[]{}\"',"
_OPENING, _SILENCE = 10.0, 60.0  # seconds, as `upload_client.s3.clients` has them

Asked = PutObject | UploadPart | GetObject | GetRange | HeadObject | CopyObject | DeleteObject | ListObjectsV2
"""Requests whose way is known."""


class NoRoute(Exception):  # noqa: N818 - reads as what it says
    """Botocore would send this in a way that is not known here."""


class Address(NamedTuple):
    """The address of connections.

    Attributes:
        host: Of the store; what TLS verifies.
        port: Of the store.
        tls: How to verify it; None: plain HTTP.
        proxy: Host and port to connect to instead; None: directly.
        proxy_headers: Headers for the proxy.
        opening: Seconds to wait for a connection.
        silence: Seconds to wait for progress after that.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    proxy: tuple[str, int] | None
    proxy_headers: Mapping[str, str]
    opening: float
    silence: float


class _CapturedRequest(NamedTuple):
    """A request as botocore would have sent it, and how it was signed."""

    url: str
    headers: dict[str, str]
    auth: Any


class Route:
    """The way to a bucket. Safe to share between threads.

    Args:
        destination: The bucket.
        options: As for `BotoWire`.
        source: Where copies come from; None: none are made.
        deletes: Whether objects are to be deleted.
        unsigned_payload: Over plain HTTP too, sign the headers only. The CRC32 among them still protects the
            content from accidents, but no longer from an attacker on the way. Over TLS it is always so.

    Raises:
        NoRoute: Botocore is to be used.
        botocore.exceptions.BotoCoreError: Botocore cannot make a request either: no credentials, no region.
    """

    def __init__(
        self,
        destination: Bucket,
        options: Mapping[str, str] | None = None,
        *,
        source: Bucket | None = None,
        deletes: bool = False,
        unsigned_payload: bool = False,
    ) -> None:
        self._bucket = destination
        self._source = source
        self._deletes = deletes
        self._options = dict(options or {})
        self._unsigned = unsigned_payload
        self._learning = threading.Lock()
        self._root: str | None = None
        way = _plain_way_to(destination)
        place = None if way is None else way.place_of(destination.name)
        others = source is not None and _plain_way_to(source) != way
        if way is None or place is None or self._options or others:
            self.learn()
        else:
            self._take(way, place)

    def learn(self) -> None:
        """Ask botocore anew, for example after S3 said that the bucket is elsewhere."""
        with self._learning:
            prefix = self._bucket.prefix
            put = self._see("PutObject", prefix + "k", IfNoneMatch="*", **_CONTENT)
            part = self._see("UploadPart", prefix + "k", UploadId="u", PartNumber=1, **_CONTENT)
            get = self._see("GetObject", prefix + "k", IfMatch='"e"', ChecksumMode="ENABLED")
            look = self._see("HeadObject", prefix + "k", ChecksumMode="ENABLED")
            copy = put if self._source is None else self._see_copy(prefix + "k", self._source)
            delete = self._see("DeleteObject", prefix + "k", IfMatch='"e"') if self._deletes else look
            url = urlsplit(put.url)
            if (
                url.query
                or any(urlsplit(other.url).path != url.path for other in (part, get, look, copy, delete))
                or urlsplit(get.url).query
                or urlsplit(look.url).query
                or urlsplit(delete.url).query
                or not url.path.endswith(quote_key(prefix) + "k")
            ):
                raise NoRoute(f"the path of {put.url!r} is not understood")
            if url.scheme not in ("http", "https") or not url.hostname:
                raise NoRoute(f"{put.url!r} is not understood")
            config: Any = self._bucket.client.meta.config
            secure = url.scheme == "https"
            port = url.port or (443 if secure else 80)
            way = connection_settings_of(self._bucket.client, put.url)
            if way is None:
                raise NoRoute("how botocore reaches it is not known")
            self.address = _address(url.hostname, port, way)
            self._root = None
            self.sign_payload = not secure and not self._unsigned
            if secure and (config.s3 or {}).get("payload_signing_enabled"):
                self.sign_payload = True
            self._host = _host(url.hostname, None if port == (443 if secure else 80) else port)
            self._path = url.path[:-1]
            self._headers = put.headers, part.headers, get.headers, look.headers, copy.headers, delete.headers
            self._auth: _Auth | _PlainAuth = put.auth
            self._use(put.auth.keys())

    def _take(self, way: StaticAccess, place: BucketHost) -> None:
        """Use static access."""
        secure = place.scheme == "https"
        tls = trusting_as_botocore() if secure else None
        usual = 443 if secure else 80
        port = place.port or usual
        self.address = Address(place.host, port, tls, None, {}, _OPENING, _SILENCE)
        self.sign_payload = not secure and not self._unsigned
        self._host = _host(place.host, None if port == usual else port)
        self._root = place.path
        self._path = f"{place.path}/{quote_key(self._bucket.prefix)}"
        trace = {} if way.trace_id is None else {"x-amzn-trace-id": quote(way.trace_id, safe=_TRACE_SAFE)}
        plain = _USER_AGENT | trace
        look, copy = plain | _CHECKSUM_MODE, plain | {"x-amz-checksum-algorithm": "CRC32"}
        self._headers = plain, plain, look, look, copy, plain
        self._auth = _PlainAuth(way)
        self._use(self._auth.keys())

    def renew(self) -> bool:
        """Take refreshed credentials, where botocore has them; says whether they are new. May wait."""
        with self._learning:
            keys = self._auth.keys()
            if keys == self.signer.keys:
                return False
            self._use(keys)
            return True

    def _use(self, keys: Keys) -> None:
        """Make the forms anew: the token of temporary credentials is a header."""
        always = {"host": self._host}
        if keys.token:
            always["x-amz-security-token"] = keys.token

        def form(method: str, headers: dict[str, str], *gaps: str) -> Form:
            signed = {
                name: value
                for name, value in headers.items()
                if name not in _UNSIGNED and name not in ("x-amz-security-token", "if-none-match", "if-match")
            }
            unsigned = {name: value for name, value in headers.items() if name in _UNSIGNED}
            origin = ""
            if self.address.proxy is not None and self.address.tls is None:
                # Without a tunnel, the proxy itself reads the request, and is told the whole URL.
                origin = f"http://{self._host}"
                unsigned |= self.address.proxy_headers
            return Form(method, {**signed, **always}, sorted((*gaps, *_GAPS)), unsigned, origin)

        signer = Signer(keys, self._auth.region_name, self._auth.service_name)
        put, part, get, look, copy, delete = self._headers
        self._forms = (
            signer,
            {
                (condition, with_md5): form(
                    "PUT", put, *(["content-md5"] if with_md5 else []), condition, "x-amz-checksum-crc32"
                )
                for condition in ("if-none-match", "if-match")
                for with_md5 in (False, True)
            },
            form("PUT", part, "x-amz-checksum-crc32"),
            form("GET", get, "if-match"),
            form("HEAD", look),
            form(
                "GET", {k: v for k, v in get.items() if k != "x-amz-checksum-mode"}, "if-match", "range"
            ),  # of a range no store says a checksum, and some refuse to be asked for one
            {
                condition: form("PUT", copy, condition, *_COPIED)
                for condition in ("if-none-match", "if-match")
            },
            form("DELETE", delete, "if-match"),
            form("GET", put),
        )
        self.signer = signer

    def head(self, request: Asked, payload: str) -> bytes:
        """The head of a request, signed.

        Args:
            request: What is to be sent.
            payload: SHA-256 of its body in hexadecimal, or `UNSIGNED_PAYLOAD`.
        """
        signer, put, part, get, look, get_range, copy, delete, pages = self._forms
        stamp = signer.stamp()
        path = self._path + quote_key(request.key)
        if isinstance(request, PutObject):
            md5 = request.md5
            if request.expect is None:
                form, condition = put["if-none-match", md5 is not None], "*"
            else:
                form = put["if-match", md5 is not None]
                made = vars(self._bucket).get("client")  # where there is none, nobody has found out otherwise
                condition = etag_form.condition(made, request.expect)
            values: tuple[str, ...] = (condition, request.crc32, payload, stamp.time)
            if md5 is not None:
                values = md5, *values
            query = ""
        elif isinstance(request, GetObject):
            values = f'"{request.etag}"', payload, stamp.time
            return get.fill(signer, stamp, path, "", payload, None, values)
        elif isinstance(request, ListObjectsV2):
            assert self._root is not None, "botocore lists there"
            path, query = self._root or "/", _query_of(request)
            return pages.fill(signer, stamp, path, query, payload, None, (payload, stamp.time))
        elif isinstance(request, HeadObject):
            return look.fill(signer, stamp, path, "", payload, None, (payload, stamp.time))
        elif isinstance(request, DeleteObject):
            assert self._deletes, "its way was not asked for"
            values = f'"{request.etag}"', payload, stamp.time
            return delete.fill(signer, stamp, path, "", payload, None, values)
        elif isinstance(request, GetRange):
            last = request.offset + request.size - 1
            values = f'"{request.etag}"', f"bytes={request.offset}-{last}", payload, stamp.time
            return get_range.fill(signer, stamp, path, "", payload, None, values)
        elif isinstance(request, CopyObject):
            assert self._source is not None, "a copy needs a source bucket"
            if request.expect is None:
                form, condition = copy["if-none-match"], "*"
            else:
                form, condition = copy["if-match"], f'"{request.expect}"'
            source = quote_key(f"{self._source.name}/{self._source.prefix}{request.source_key}")
            values = condition, payload, source, f'"{request.source_etag}"', stamp.time
            query = ""
        else:
            form = part
            values = (request.crc32, payload, stamp.time)
            query = f"partNumber={request.number}&uploadId={quote_value(request.upload_id)}"
        return form.fill(signer, stamp, path, query, payload, len(request.body), values)

    def url(self, request: Asked) -> str:
        """The target of a request, for the log."""
        scheme = "http" if self.address.tls is None else "https"
        if isinstance(request, ListObjectsV2):
            return f"{scheme}://{self._host}{self._root or '/'}?{_query_of(request)}"
        query = f"?partNumber={request.number}" if isinstance(request, UploadPart) else ""
        return f"{scheme}://{self._host}{self._path}{quote_key(request.key)}{query}"

    def _see_copy(self, key: str, source: Bucket) -> _CapturedRequest:
        """Have botocore make a copy, and make sure that it names the source as it is named here."""
        name = f"{source.name}/{source.prefix}k"
        seen = self._see(
            "CopyObject",
            key,
            CopySource={"Bucket": source.name, "Key": f"{source.prefix}k"},
            CopySourceIfMatch='"e"',
            ChecksumAlgorithm="CRC32",
            IfNoneMatch="*",
        )
        if seen.headers.pop(_COPIED[0], "") != quote_key(name) or seen.headers.pop(_COPIED[1], "") != '"e"':
            raise NoRoute("how botocore names the source of a copy is not understood")
        return seen

    def _see(self, operation: str, key: str, **arguments: object) -> _CapturedRequest:
        """Have botocore make a request, and take it before it is sent."""
        from botocore import xform_name  # noqa: PLC0415 - who has a client has loaded it
        from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - likewise

        client: Any = self._bucket.client
        shape = client.meta.service_model.operation_model(operation).input_shape
        arguments |= {name: value for name, value in self._options.items() if name in shape.members}
        me = threading.get_ident()  # the client is shared: requests of other threads pass untouched
        seen: dict[str, Any] = {}

        def signing(**event: object) -> None:
            if threading.get_ident() == me:
                seen.update(event)

        def sending(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
            if threading.get_ident() != me:
                return None
            seen["sent"] = request
            headers: Any = {"ETag": '"e"'}
            return AWSResponse(request.url, 200, headers, _NoBody())

        events = client.meta.events
        events.register_first(f"before-sign.s3.{operation}", signing)
        events.register_first(f"before-send.s3.{operation}", sending)
        try:
            call = getattr(client, xform_name(operation))
            with request_log.not_sent():
                call(Bucket=self._bucket.name, Key=key, **arguments)
        finally:
            events.unregister(f"before-sign.s3.{operation}", signing)
            events.unregister(f"before-send.s3.{operation}", sending)
        headers = {
            name.lower(): value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in seen["sent"].headers.items()
        }
        if not headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ") or not str(
            seen["signature_version"]
        ).startswith("s3v4"):
            raise NoRoute(f"requests are signed as {seen['signature_version']!r}")
        auth = _Auth(
            seen["request_signer"], seen["signing_name"], seen["region_name"], seen["signature_version"]
        )
        if auth.scope not in headers["authorization"]:
            raise NoRoute(f"requests are not signed for {auth.scope}")
        kept = {name: value for name, value in headers.items() if name not in _DROPPED}
        kept.pop("x-amz-checksum-crc32", None)
        if not all(name in _UNSIGNED or _plain(value) for name, value in kept.items()):
            raise NoRoute("a header holds characters that are not plain text")
        return _CapturedRequest(seen["sent"].url, kept, auth)


class _Auth(NamedTuple):
    """Botocore's way of signing, and its credentials as they are now."""

    signer: Any
    service_name: str
    region_name: str
    version: str

    @property
    def scope(self) -> str:
        return f"/{self.region_name}/{self.service_name}/aws4_request"

    def keys(self) -> Keys:
        """The credentials as they are now. Botocore refreshes them first, where they are about to expire."""
        made = self.signer.get_auth_instance(self.service_name, self.region_name, self.version)
        found = made.credentials
        if found is None:
            raise botocore.exceptions.NoCredentialsError
        return Keys(found.access_key, found.secret_key, found.token)


class _PlainAuth:
    """Signing with the keys of static access, which do not change."""

    def __init__(self, way: StaticAccess) -> None:
        self._keys = Keys(way.access_key, way.secret_key, way.token)
        self.service_name = "s3"
        self.region_name = way.region

    def keys(self) -> Keys:
        return self._keys


class _NoBody:
    """The body of an answer that never came."""

    def stream(self, **_: object) -> Iterator[bytes]:
        return iter(())


def _plain_way_to(bucket: Bucket) -> StaticAccess | None:
    """The static access of a `DirectBucket`."""
    way: StaticAccess | None = getattr(bucket, "way", None)
    return way


def _query_of(request: ListObjectsV2) -> str:
    """The query of a listing; S3 signs it sorted by names."""
    asked = {"encoding-type": "url", "list-type": "2", "prefix": request.prefix, **dict(request.following)}
    return "&".join(f"{name}={quote_value(asked[name])}" for name in sorted(asked))


def _host(name: str, port: int | None) -> str:
    """The Host header, as botocore signs it: the port only where it is not the usual one."""
    text = f"[{name}]" if ":" in name else name
    return text if port is None else f"{text}:{port}"


def _plain(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _address(host: str, port: int, way: ConnectionSettings) -> Address:
    proxy = way.proxy
    if proxy is None:
        return Address(host, port, way.tls, None, {}, way.connecting, way.silence)
    if proxy.scheme != "http":
        raise NoRoute("the proxy is not one of plain HTTP")
    headers = {}
    if proxy.user and proxy.password:
        login = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        headers["proxy-authorization"] = f"Basic {login}"
    where = (proxy.host, proxy.port)
    return Address(host, port, way.tls, where, headers, way.connecting, way.silence)
