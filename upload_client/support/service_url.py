"""The URLs of services, as settings name them."""

from __future__ import annotations

from urllib.parse import urlsplit


def service_url(url: str) -> str:
    """The URL of a service, without a slash at its end.

    Raises:
        ValueError: it is none, or holds more than a host and a path; the text is for people.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or any(one.isspace() for one in url):
        raise ValueError("names no host: https://HOST or https://HOST:PORT")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must hold a host alone: no user, no password, no '?', no '#'")
    return url.rstrip("/")
