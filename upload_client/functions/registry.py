"""A registry of container images, spoken to as its specification says; ECR is one.

A layer goes from one registry to the other as it comes, in blocks: however large it is, it takes no memory
and no disk. Its digest is computed on the way, and the registry that takes it compares once more. Neither of
them holds anybody for ever: a request has two minutes as a whole, and with a layer what a slow line takes.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import boto3
import urllib3
from urllib3.exceptions import HTTPError

from upload_client.core.images import (
    MANIFEST_TYPES,
    MAX_MANIFEST,
    Blob,
    Challenge,
    challenge_of,
    ecr_place,
)
from upload_client.core.text import for_log
from upload_client.core.trust import is_loopback
from upload_client.errors import DeliveryError
from upload_client.functions.base import aws
from upload_client.s3 import network
from upload_client.s3.trouble import trouble_of
from upload_client.support.deadline import within
from upload_client.support.secrets import remember, without_secrets

T = TypeVar("T")

BLOCK = 1024 * 1024
_TIMEOUT = urllib3.Timeout(connect=10, read=60)
_WHOLE = 120.0
"""Seconds for a request and its whole answer, however many bytes of it come meanwhile."""
_SLOWEST = 64 * 1024
"""Bytes a second below which a layer is waited for no longer."""
_ATTEMPTS = 4
_MOST_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_TOKEN_SECONDS = 60.0
"""Seconds for which a token is good where nobody says how many, and at least, by its specification."""
_LONGEST_TOKEN = 3600.0
_MAX_TOKEN = 64 * 1024


class RegistryError(DeliveryError):
    """A registry has refused something, or does not answer.

    Attributes:
        status: of HTTP; 0 where no answer came.
    """

    hint = "See what the registry says; the permissions that are needed: `upload-client docs functions`."

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class DigestMismatch(RegistryError):  # noqa: N818 - as in `upload_client.errors`
    """Content of a registry is not what its digest says."""

    hint = "The image is damaged at its source: build or push it again."


class TooSlow(RegistryError):  # noqa: N818 - as in `upload_client.errors`
    """A registry answers so slowly that it is waited for no longer."""

    hint = "See whether the registry, and the line to it, are what they should be; then run it again."


class LoginWanted(RegistryError):  # noqa: N818 - as in `upload_client.errors`
    """A registry lets nobody in without a login, and there is none for it."""

    hint = (
        "See that the image is public and its name right, or copy it first to a registry of ECR: no other"
        " logins are known here."
    )


class Registry:
    """The repositories of one registry.

    Args:
        host: of the registry, with its port. ECR's gets credentials from AWS, others none. Where it wants a
            token that everybody gets, as those of public images do, it is asked for.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self._is_here = is_loopback(host.partition(":")[0])
        scheme = "http" if self._is_here else "https"
        self._base = f"{scheme}://{host}"
        self._http = _pool(self._base)
        self._login: dict[str, str] | None = None
        self._tokens: dict[tuple[str, bool], tuple[str, float, float]] = {}

    def manifest(self, repository: str, reference: str) -> tuple[bytes, str]:
        """The manifest under a tag or a digest, and its media type. Its digest has been compared.

        Raises:
            DigestMismatch: it is not what the digest says.
            RegistryError: there is none, or the registry refuses.
        """
        where = f"/v2/{repository}/manifests/{reference}"

        def get() -> tuple[bytes, str]:
            with self._open("GET", where, {"Accept": ", ".join(MANIFEST_TYPES)}) as answer:
                content = answer.read(MAX_MANIFEST + 1)
                return content, answer.headers.get("Content-Type", "").partition(";")[0].strip()

        content, kind = self._within(_WHOLE, get)
        if len(content) > MAX_MANIFEST:
            raise RegistryError(f"{self.host}: a manifest of more than {MAX_MANIFEST:,} bytes")
        if reference.startswith("sha256:") and digest_of(content) != reference:
            raise DigestMismatch(f"{self.host}: the manifest {reference} has another digest")
        return content, kind

    def has_manifest(self, repository: str, reference: str, digest: str) -> bool:
        """Whether this manifest is there already, under a tag or its digest."""
        accept = {"Accept": ", ".join(MANIFEST_TYPES)}
        answer = self._ask("HEAD", f"/v2/{repository}/manifests/{reference}", accept, missing=True)
        return answer is not None and answer.headers.get("Docker-Content-Digest") == digest

    def put_manifest(self, repository: str, reference: str, content: bytes, kind: str) -> None:
        """Write a manifest under a tag or its digest; all that it names has to be there."""
        answer = self._ask(
            "PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": kind}, body=content
        )
        assert answer is not None  # what is missing is an error here
        digest = answer.headers.get("Docker-Content-Digest", "")
        if digest and digest != digest_of(content):
            raise DigestMismatch(f"{self.host} has taken the manifest for another: {for_log(digest, 100)}")

    def has_blob(self, repository: str, blob: Blob) -> bool:
        """Whether a layer is there already."""
        answer = self._ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}", missing=True)
        return answer is not None

    def copy_blob(self, source: Registry, source_repository: str, repository: str, blob: Blob) -> int:
        """Copy a layer from a registry to this one; give the bytes that were sent.

        Raises:
            DigestMismatch: the source has sent something else than the digest says.
            RegistryError: one of the registries refuses, or does not answer.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._copy_once(source, source_repository, repository, blob)
            except (DigestMismatch, TooSlow):
                raise
            except RegistryError as error:
                if attempt == _ATTEMPTS or not (error.status == 0 or _may_pass(error.status)):
                    raise
                time.sleep(2 ** (attempt - 2))
        raise AssertionError

    def _copy_once(self, source: Registry, source_repository: str, repository: str, blob: Blob) -> int:
        query = ""
        if source.host == self.host:  # perhaps nothing has to be sent
            query = "?" + urlencode({"mount": blob.digest, "from": source_repository})
        begun = self._ask("POST", f"/v2/{repository}/blobs/uploads/{query}", {"Content-Length": "0"})
        assert begun is not None  # as above
        if begun.status == 201:
            return 0
        upload = self._upload(begun)
        try:
            seconds = _WHOLE + blob.size / _SLOWEST
            until = time.monotonic() + seconds

            def send() -> urllib3.BaseHTTPResponse:
                with (
                    source._open("GET", f"/v2/{source_repository}/blobs/{blob.digest}") as answer,
                    self._open(
                        "PATCH",
                        upload,
                        {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)},
                        body=_checked(answer, blob, source.host, until),
                    ) as sent,
                ):
                    sent.read(BLOCK)
                    return sent

            sent = self._within(seconds, send, f"{source.host} or {self.host}")
            upload = self._upload(sent)
            ending = f"{'&' if '?' in upload else '?'}{urlencode({'digest': blob.digest})}"
            self._ask("PUT", upload + ending, {"Content-Length": "0"})
        except BaseException:
            self._give_up(upload)
            raise
        return blob.size

    def _upload(self, answer: urllib3.BaseHTTPResponse) -> str:
        """Where an upload goes on, as the registry says; credentials go to no other host."""
        where = urljoin(self._base, answer.headers.get("Location", ""))
        if urlsplit(where)[:2] != urlsplit(self._base)[:2]:
            raise RegistryError(f"{self.host} sends uploads to another host, which is not followed")
        return where

    def _give_up(self, upload: str) -> None:
        try:
            self._ask("DELETE", upload, missing=True)
        except (RegistryError, aws.ServiceError):
            return  # registries clean up what nobody goes on with

    def _ask(
        self,
        method: str,
        where: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        missing: bool = False,
    ) -> urllib3.BaseHTTPResponse | None:
        """Ask for what has no content; None where it is `missing`, and may be."""

        def get() -> urllib3.BaseHTTPResponse:
            with self._open(method, where, headers, body=body) as answer:
                answer.read(BLOCK)
                return answer

        try:
            return self._within(_WHOLE, get)
        except RegistryError as error:
            if missing and error.status == 404:
                return None
            raise

    def _within(self, seconds: float, ask: Callable[[], T], host: str = "") -> T:
        """Ask, and wait for so long at most: a registry may send a byte now and then, and go on for ever."""
        try:
            return within(seconds, ask)
        except TimeoutError:
            raise TooSlow(
                f"{host or self.host}: answers so slowly that it is not done within {seconds:,.0f} seconds"
            ) from None

    @contextmanager
    def _open(
        self,
        method: str,
        where: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | Iterator[bytes] | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Ask, follow where an answer leads, and refuse what is no success."""
        login, is_for = self._authorization(), _place_of_token(method, where)
        url = urljoin(self._base, where)
        again = 0 if isinstance(body, Iterator) else _ATTEMPTS - 1
        sent = {**(login or self._token(is_for, renewed=bool(again))), **(headers or {})}
        answer = self._request(method, url, sent, body, again)
        if answer.status == 401 and not login and again:
            challenge = challenge_of(answer.headers.get("WWW-Authenticate", ""))
            if challenge is not None:
                answer.close()
                sent |= self._new_token(is_for, challenge)
                answer = self._request(method, url, sent, body, again)
        for n in range(_MOST_REDIRECTS + 1):
            if n:
                answer = self._request(method, url, sent, body, again)
            with closing(answer):
                if answer.status not in _REDIRECTS or method != "GET":
                    self._check(answer, f"{method} {urlsplit(where).path}")
                    try:
                        yield answer
                    except (HTTPError, OSError) as error:
                        raise RegistryError(_reason(error, self.host)) from None
                    return
            url = urljoin(url, answer.headers.get("Location", ""))
            self._check_leads(url)
            # Layers lie in a bucket, whose URL is signed: our credentials are none of its business.
            sent = dict(headers or {})
        raise RegistryError(f"{self.host} leads from one place to another")

    def _check_leads(self, url: str) -> None:
        """Follow a registry only to places with TLS, unless both it and they are on this machine."""
        there = urlsplit(url)
        if there.scheme != "https" and not (
            self._is_here and there.scheme == "http" and is_loopback(there.hostname or "")
        ):
            raise RegistryError(f"{self.host} leads to a place without TLS, which is not followed")

    def _token(self, is_for: tuple[str, bool], *, renewed: bool) -> dict[str, str]:
        """The header with the token for a repository, where there is one that is good still.

        Args:
            is_for: see `_place_of_token`.
            renewed: whether the request can be made again with a new one: then it is renewed in time.
        """
        token, old, until = self._tokens.get(is_for, ("", 0.0, 0.0))
        return {"Authorization": f"Bearer {token}"} if time.monotonic() < (old if renewed else until) else {}

    def _new_token(self, is_for: tuple[str, bool], challenge: Challenge) -> dict[str, str]:
        """Ask for a token as anybody may, without any credentials; the header with it.

        Raises:
            LoginWanted: nobody gets one without a login.
            RegistryError: there is no place to ask, or its answer is none.
        """
        self._check_leads(challenge.realm)
        asked = {"service": challenge.service, "scope": challenge.scope}
        query = urlencode([(name, value) for name, value in asked.items() if value])
        url = challenge.realm + ("&" if "?" in challenge.realm else "?") * bool(query) + query
        began = time.monotonic()
        host = urlsplit(url).netloc.rpartition("@")[2]
        answer = self._request("GET", url, {}, None, _ATTEMPTS - 1, host)
        with closing(answer):
            if answer.status in (401, 403):
                raise LoginWanted(f"{self.host}: {host} gives nobody a token without a login", answer.status)
            self._check(answer, f"a token of {host}")
            try:
                token_answer = json.loads(answer.read(_MAX_TOKEN))
                token = token_answer.get("token") or token_answer["access_token"]
                seconds = max(_TOKEN_SECONDS, min(float(token_answer.get("expires_in") or 0), _LONGEST_TOKEN))
                is_one = isinstance(token, str) and token.isascii() and token.isprintable()
            except (ValueError, LookupError, TypeError, AttributeError, HTTPError, OSError):
                is_one = False
            if not is_one:
                raise RegistryError(f"{self.host}: {host} gives tokens, and has answered with none")
        remember(token)
        self._tokens[is_for] = token, began + seconds / 2, began + seconds
        return {"Authorization": f"Bearer {token}"}

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any,  # noqa: ANN401 - what urllib3 takes
        again: int,
        host: str = "",
    ) -> urllib3.BaseHTTPResponse:
        attempt = 0
        while True:
            try:
                answer = self._http.request(
                    method,
                    url,
                    body=body,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    timeout=_TIMEOUT,
                )
            except (DigestMismatch, TooSlow):
                raise
            except (HTTPError, OSError) as error:
                if attempt >= again:
                    raise RegistryError(_reason(error, host or self.host)) from None
            else:
                if attempt >= again or not _may_pass(answer.status):
                    return answer
                answer.close()
            time.sleep(0.25 * 2**attempt)
            attempt += 1

    def _check(self, answer: urllib3.BaseHTTPResponse, action: str) -> None:
        if answer.status < 300:
            return
        try:
            first = json.loads(answer.read(64 * 1024))["errors"][0]
            reason = f"{first.get('code', '')} {first.get('message', '')}".strip()
        except (ValueError, LookupError, TypeError, AttributeError, HTTPError):
            reason = answer.reason or ""
        kind = LoginWanted if answer.status == 401 and not self._login else RegistryError
        raise kind(
            f"{self.host}: {action}: {answer.status} {for_log(without_secrets(reason), 300)}".rstrip(),
            answer.status,
        )

    def _authorization(self) -> dict[str, str]:
        if self._login is None:
            place = ecr_place(self.host)
            self._login = {} if place is None else {"Authorization": f"Basic {_ecr_token(place[1])}"}
        return self._login


def _place_of_token(method: str, where: str) -> tuple[str, bool]:
    """The repository that a request is about, and whether it writes there: tokens are for one such thing."""
    path = urlsplit(where).path
    for part in ("/manifests/", "/blobs/"):
        path = path.partition(part)[0]
    return path, method not in ("GET", "HEAD")


def digest_of(content: bytes) -> str:
    """The digest of a content, as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _checked(
    answer: urllib3.BaseHTTPResponse, blob: Blob, host: str, until: float = math.inf
) -> Iterator[bytes]:
    """The blocks of a layer; what is not as the digest says is an error before the last of them is sent.

    Args:
        answer: has the layer.
        blob: what it has to be.
        host: where it comes from.
        until: from then on nobody waits for it; `time.monotonic`.
    """
    digest, left = hashlib.sha256(), blob.size
    held = b""
    while block := answer.read(min(BLOCK, left + 1)):
        if time.monotonic() > until:
            raise TooSlow(f"{host}: the layer {blob.digest} comes too slowly")
        digest.update(block)
        left -= len(block)
        if left < 0:
            raise DigestMismatch(f"{host}: the layer {blob.digest} has more bytes than its manifest says")
        if held:
            yield held
        held = block
    if left:
        raise RegistryError(f"{host}: the layer {blob.digest} has ended {left:,} bytes too early")
    if f"sha256:{digest.hexdigest()}" != blob.digest:
        raise DigestMismatch(f"{host}: the layer {blob.digest} has another digest")
    if held:
        yield held


def _may_pass(status: int) -> bool:
    return status in (408, 429) or status >= 500


def _reason(error: Exception, host: str) -> str:
    """Why there was no answer, in words that begin with the host."""
    trouble = trouble_of(error, host)
    return for_log(trouble.message if trouble else f"{host}: {without_secrets(str(error))}", 300)


def _ecr_token(region: str) -> str:
    """The credentials for registries of ECR in a region, for twelve hours."""
    with aws.service_errors("ECR"):
        token: str = aws.client("ecr", region).get_authorization_token()["authorizationData"][0][
            "authorizationToken"
        ]
    remember(token)
    return token


def _pool(url: str) -> urllib3.PoolManager:
    """Connections to a registry: with the proxy and the certificates that everything else uses."""
    trusted = network.ca_bundle(boto3.Session())
    options: dict[str, Any] = {"ca_certs": trusted} if trusted else {}
    proxy = network.proxies_for(url).get(urlsplit(url).scheme)
    if proxy:
        named = urlsplit(proxy)
        login = f"{named.username}:{named.password or ''}" if named.username else None
        headers = urllib3.make_headers(proxy_basic_auth=login) if login else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, maxsize=8, **options)
    return urllib3.PoolManager(maxsize=8, **options)
