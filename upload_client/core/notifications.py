"""Notifications: what a mail or a message of SNS may hold, and whom a target means.

Subjects and addresses end in the headers of mails: whoever could put a line break into one could write
headers of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from upload_client.core.text import for_terminal

MAX_SNS_SUBJECT: Final = 100
"""Characters. https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
MAX_SNS_MESSAGE: Final = 256 * 1024
"""Bytes in UTF-8, of the same page."""
MAX_SES_SUBJECT: Final = 300
"""Characters; a line of a mail's header has 998 bytes at most (RFC 5322, 2.1.1)."""

_RECIPIENTS: Final = ("recipients", "recipient", "addresses", "address")
_TOPIC: Final = "topic"
_ADDRESS = re.compile(
    r"[^\s@<>()\[\],;:\"\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+"
)
_MAX_ADDRESS: Final = 254
_ARN = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


class TargetError(ValueError):
    """A target cannot be notified."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A target that gets mails, by SES: each recipient one of their own."""

    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A target that is a topic of SNS.

    Attributes:
        arn: of the topic.
        region: where it is, as the ARN says.
        is_fifo: it keeps an order, and wants groups.
    """

    arn: str
    region: str
    is_fifo: bool


def target_of(target: object) -> Mail | Topic:
    """Whom a target means, which follows from its keys.

    Args:
        target: ``{"topic": arn}``, or ``recipients``, ``recipient``, ``addresses`` or ``address`` with one
            address or several. One that is named twice is told once.

    Raises:
        TargetError: it means nobody, or both.
    """
    if not isinstance(target, Mapping):
        raise TargetError("it is no object")
    named = [key for key in _RECIPIENTS if target.get(key) is not None]
    has_topic = target.get(_TOPIC) is not None
    if has_topic == bool(named):
        both = "both a topic and recipients" if has_topic else "neither a topic nor recipients"
        raise TargetError(f"it has {both}")
    if has_topic:
        return _topic(target[_TOPIC])
    recipients: dict[str, None] = {}
    for key in named:
        given = target[key]
        for address in [given] if isinstance(given, str) else given if isinstance(given, list) else [None]:
            if not isinstance(address, str) or not is_address(address):
                raise TargetError(f"{key} has something that is not a mail address")
            recipients[address] = None
    if not recipients:
        raise TargetError("it has no recipient")
    return Mail(tuple(recipients))


def _topic(arn: object) -> Topic:
    found = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    if found is None:
        raise TargetError("its topic is no ARN of SNS")
    return Topic(found[0], found[1], found[2] is not None)


def is_address(text: str) -> bool:
    """Whether a text is an address of mail, and nothing besides: no name, no second one, no line break."""
    return len(text) <= _MAX_ADDRESS and text.isprintable() and _ADDRESS.fullmatch(text) is not None


def subject_line(subject: str, limit: int) -> str:
    """A subject as one line without control characters, cut to a number of characters."""
    line = for_terminal(" ".join(subject.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
