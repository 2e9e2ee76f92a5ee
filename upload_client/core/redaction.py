"""Redaction: messages of libraries, proxies and services, before they reach a person or a log.

Such a text may be a web page, may be very long, and may repeat its input, such as the URL of a proxy with a
password. `sanitized` makes one short line of it without secrets. Escaping for a terminal is
`upload_client.core.text`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = "***"
"""The mark in the place of a secret."""

MAX_CHARACTERS: Final = 300
"""Characters of a foreign text that are told."""

_SHORTEST: Final = 4  # characters; less is found in any text, and is no secret
_PAGE = re.compile(
    r"\s*(?:b['\"])?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|"
    r"h[1-6]|p|div|span|center|font|table|script|style|br|hr|a|b|pre)\b",
    re.IGNORECASE | re.DOTALL,
)
_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"<>]*@")
_SPLITS = re.compile(r"[#/?@:]")


def is_page(text: str) -> bool:
    """Whether a text is an HTML page."""
    return _PAGE.match(text[:10_000]) is not None


def sanitized(text: str, secrets: Iterable[str] = ()) -> str:
    """One line of a text from outside, of `MAX_CHARACTERS` at most, without secrets.

    Args:
        text: anything. Of an HTML page, only the title is kept.
        secrets: texts to redact; see `hide`.
    """
    cut = text[:100_000]
    if is_page(cut):
        title = _TITLE.search(cut)
        heading = " ".join(title[1].split()) if title else ""
        cut = f"an HTML page ({heading})" if heading else "an HTML page"
    cut = " ".join(hide(cut, secrets).split())
    return cut if len(cut) <= MAX_CHARACTERS else f"{cut[: MAX_CHARACTERS - 2]} …"


def hide(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with `HIDDEN` for each secret, and for whatever stands before the ``@`` of a URL.

    Args:
        text: anything.
        secrets: texts to hide; those of fewer than four characters are not.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST and secret in text:
            text = text.replace(secret, HIDDEN)
    return _USER.sub(rf"\1{HIDDEN}@", text)


def secrets_of_url(url: str) -> frozenset[str]:
    """The secret parts of a URL: a password, however badly it is escaped.

    What stands before the last ``@`` is taken for user and password. Where the password holds characters that
    end this part of a URL (``#``, ``/``, ``?``, ``@``), libraries take pieces of it for a host or a path and
    tell those: the pieces are secrets, too.
    """
    _, _, rest = url.rpartition("://")
    login, at, _ = rest.rpartition("@")
    if not at:
        return frozenset()
    _, _, password = login.partition(":")
    pieces = [login, password, *_SPLITS.split(password)] if password else [login]
    return frozenset(piece for piece in pieces if len(piece) >= _SHORTEST)


_REFERENCE: Final = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(lt|gt|quot|apos|amp));")
_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)
_PREDEFINED: Final = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}


def xml_text(text: str) -> str:
    """The text that stands in an element of XML, with its references as characters: ``&lt;``, ``&#39;``.

    Python's own module for that loads HTTP and mail besides, and knows no numbers. A number that no character
    has, such as half of one (a surrogate, ``&#xD800;``), stays the reference that it is.

    https://www.w3.org/TR/xml/#sec-references
    """
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return _PREDEFINED[name]
    number = int(decimal) if decimal else int(hexadecimal, 16)
    is_one = number <= _LAST_CHARACTER and number not in _SURROGATES
    return chr(number) if is_one else found[0]
