"""Connection settings for a service: proxy, trusted certificates, client certificate, time-outs.

Every boto3 client gets these settings explicitly; direct connections take them from the client
(`connection_settings_of`). So both connect in the same way.

Settings and variables are checked here before they are used. Libraries would fail later, with messages that
repeat a password or name no file.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import botocore

from upload_client.errors import SettingsError
from upload_client.support.inputs import kept

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_PROXY = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://)?(?:(.*)@)?(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?#\s]+)(?::([0-9]{1,5}))?/?"
)
_LONGEST = 60.0  # seconds for an answer to content that was sent


def is_this_machine(host: str | None) -> bool:
    """Whether a host name is that of the machine itself."""
    return host is not None and (host in _THIS_MACHINE or host.startswith("127."))


class Proxy(NamedTuple):
    """A proxy: its scheme, host, port, and who is to log in there with which password (empty: nobody)."""

    scheme: str
    host: str
    port: int
    user: str
    password: str

    @property
    def url(self) -> str:
        """It as a URL that every library understands, with the password in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"{self.scheme}://{login}{host}:{self.port}"


def proxy_of(url: str, named_by: str) -> Proxy:
    """Read a proxy's URL. A password in it may hold what ends that part of a URL: ``#``, ``/``, ``@``.

    Args:
        url: as a person has written it.
        named_by: the variable or setting that it stands in, for the message. The value is never repeated.

    Raises:
        SettingsError: it is none, or of a kind that cannot be used.
    """
    found = _PROXY.fullmatch(url.strip())
    if found is None or not 0 < int(found[4] or 1) < 65536:
        raise SettingsError(
            f"{named_by}: is not the URL of a proxy",
            hint="Write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT (with %25 for %).",
        )
    scheme = (found[1] or "http").lower()
    if scheme not in ("http", "https"):
        raise SettingsError(
            f"{named_by}: a proxy of kind {scheme!r} cannot be used, only http:// and https://",
            hint="Name an HTTP proxy, or unset it.",
        )
    user, _, password = (found[2] or "").partition(":")
    user, password = unquote(user), unquote(password)
    if not (user + password).isascii():
        raise SettingsError(
            f"{named_by}: user and password of a proxy may hold ASCII alone",
            hint="Have another one given to you.",
        )
    port = int(found[4]) if found[4] else 443 if scheme == "https" else 80
    return Proxy(scheme, found[3].strip("[]"), port, user, password)


def proxies_for(url: str) -> dict[str, str]:
    """The proxies to a service, by the scheme of what is asked for, as `botocore.config.Config` takes them.

    They come from the environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``, in small letters too) or,
    on macOS and Windows, from the system. None to this machine: a proxy would look on its own.

    Args:
        url: of the service. Whether a proxy is passed by is decided by its host.

    Raises:
        SettingsError: a proxy that would be used cannot be.
    """
    import urllib.request  # noqa: PLC0415 - loads much, and few need it

    import botocore.utils  # noqa: PLC0415 - who has a client has loaded it

    given = {
        scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme in ("http", "https")
    }
    if not given or is_this_machine(urlsplit(url).hostname) or botocore.utils.should_bypass_proxies(url):
        return {}
    scheme = urlsplit(url).scheme
    return {scheme: proxy_of(given[scheme], _named_by(scheme)).url} if given.get(scheme) else {}


def any_proxy() -> bool:
    """Whether there is any proxy at all."""
    import urllib.request  # noqa: PLC0415 - see above

    return bool(urllib.request.getproxies())


def _named_by(scheme: str) -> str:
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
        if os.environ.get(name):
            return f"environment: {name}"
    return "the system's proxy settings"


def ca_bundle(session: Any, given: str | None = None) -> str | None:  # noqa: ANN401 - a boto3 session
    """The file of certificates that are trusted; None: those that botocore brings.

    Args:
        session: whose AWS configuration may name one (``ca_bundle``).
        given: the setting ``ca_bundle``.

    Raises:
        SettingsError: it cannot be read, or holds no certificate.
    """
    named = [
        ("ca_bundle", given),
        ("environment: AWS_CA_BUNDLE", os.environ.get("AWS_CA_BUNDLE")),
        ("ca_bundle in the AWS configuration", session._session.get_config_variable("ca_bundle")),  # noqa: SLF001
        ("environment: REQUESTS_CA_BUNDLE", os.environ.get("REQUESTS_CA_BUNDLE")),
    ]
    for name, text in named:
        if text:
            return str(_certificates(text, name))
    return None


def _certificates(text: str, name: str) -> Path:
    path = readable = Path(text).expanduser()
    try:
        readable = kept(path, "certificates to trust")
        status = readable.stat()
        _trusting(str(readable), status.st_mtime_ns)
    except (OSError, ValueError) as error:
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        raise SettingsError(
            f"{name}: {path}: {why or 'cannot be read'}",
            hint="Name a PEM file with the certificates to trust, or unset it.",
        ) from None
    return readable


@functools.lru_cache(maxsize=4)
def _trusting(path: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 - a file that has changed is read again
    return ssl.create_default_context(cafile=path)


def trusting_as_botocore(verify: str | bool = True) -> ssl.SSLContext:
    """Trust the certificates in a file, or, where none is named, those that botocore brings."""
    if verify is True:
        try:
            from certifi import where  # noqa: PLC0415 - only for TLS; botocore takes it where it is there
        except ImportError:
            verify = str(Path(botocore.__file__).with_name("cacert.pem"))
        else:
            verify = where()
    tls = ssl.create_default_context(cafile=str(verify))
    tls.set_alpn_protocols(["http/1.1"])
    return tls


class ConnectionSettings(NamedTuple):
    """How botocore reaches a service: proxy, TLS and time-outs, for direct connections.

    Attributes:
        proxy: what to connect to instead; None: directly.
        tls: how to verify the service, and who we are to it; None: plain HTTP.
        connecting: seconds to wait for a connection.
        silence: seconds to wait for progress after that.
    """

    proxy: Proxy | None
    tls: ssl.SSLContext | None
    connecting: float
    silence: float


def connection_settings_of(client: Any, url: str) -> ConnectionSettings | None:  # noqa: ANN401 - any boto3 client
    """The settings with which a client reaches a URL, taken from botocore; None where they are not known.

    It is asked of what botocore has made, not of what it was told: so this is the same way for clients that
    somebody else has made, too.
    """
    http: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
    if type(http).__name__ != "URLLib3Session":
        return None  # somebody else's: for example one that records
    try:
        verify, chosen = http._verify, http._proxy_config.proxy_url_for(url)  # noqa: SLF001 - only it knows
    except AttributeError:
        return None
    config = client.meta.config
    if verify is False:
        return None
    tls = None
    if urlsplit(url).scheme == "https":
        tls = trusting_as_botocore(verify)
        if config.client_cert is not None:
            _identify(tls, config.client_cert)
    return ConnectionSettings(
        proxy_of(chosen, "the proxy") if chosen else None,
        tls,
        _seconds(config.connect_timeout, _LONGEST),
        min(_seconds(config.read_timeout, _LONGEST), _LONGEST),
    )


def _identify(tls: ssl.SSLContext, files: str | Sequence[str]) -> None:
    certificate, key = (files, None) if isinstance(files, str) else (files[0], files[-1])
    tls.load_cert_chain(certificate, key, password=lambda: "")  # without one, OpenSSL asks at the terminal


def _seconds(given: float | None, otherwise: float) -> float:
    return otherwise if given is None else float(given)


def own_certificate(files: Mapping[str, str | None]) -> tuple[str, str] | str | None:
    """The files that ``client_cert`` and ``client_key`` name, as `botocore.config.Config` takes it.

    Raises:
        SettingsError: they cannot be used.
    """
    certificate, key = files.get("client_cert"), files.get("client_key")
    if certificate is None:
        if key is not None:
            raise SettingsError("client_key: a key without client_cert, the certificate that it belongs to")
        return None
    given = [Path(path).expanduser() for path in (certificate, key) if path is not None]
    try:
        paths = [str(kept(path, "your own certificate")) for path in given]
        _identify(ssl.create_default_context(), paths)
    except (OSError, ValueError) as error:
        why = "is not a certificate with its key" if isinstance(error, ssl.SSLError) else None
        why = why or getattr(error, "strerror", None) or "cannot be read"
        raise SettingsError(
            f"client_cert: {' and '.join(map(str, given))}: {why}",
            hint="Name PEM files: the certificate, and in client_key its key, if that is in another file.",
        ) from None
    return paths[0] if len(paths) == 1 else (paths[0], paths[1])
