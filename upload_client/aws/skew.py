"""Requests that AWS refuses because this machine's clock is wrong, and how wrong it is.

A signature holds for some minutes around its time (15 at S3, 5 elsewhere), by AWS' clock.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html
"""

from __future__ import annotations

import email.utils
import time

__all__ = ["is_skew", "wrong_clock"]

_CODES = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})


def is_skew(code: str, message: str) -> bool:
    """Whether a refusal, by its code and message, is about the time of the request.

    Services other than S3 have one code for everything that is wrong with a signature.
    """
    return code in _CODES or (
        code in ("InvalidSignatureException", "SignatureDoesNotMatch")
        and message.startswith(("Signature expired", "Signature not yet current"))
    )


def wrong_clock(date: str) -> str:
    """What is the matter, for people: how far this machine's clock is from the one in an answer.

    Args:
        date: the answer's ``Date`` (RFC 9110, section 6.6.1); where it is none, no figure is given.
    """
    text = "this machine's clock is wrong"
    try:
        seconds = time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return text
    return f"{text}: it is {abs(seconds) / 60:.0f} minutes {'ahead' if seconds > 0 else 'behind'}"
