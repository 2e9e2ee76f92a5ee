"""Explains errors that a wrong clock of this machine causes: refused requests, expired credentials.

A signature holds for some minutes around its time (15 at S3, 5 elsewhere), by AWS' clock.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from upload_client.core.preflight import CLOCK_OFF, duration_text
from upload_client.core.times import from_http
from upload_client.errors import LoginRefused

ASK_RECEIVER = "Run the same command again. If it says this again, show it to the receiver."
SET_CLOCK = "Set this machine's clock (have it set by NTP), and run the same command again."


def clock_and_hint(date: str, now: float | None = None) -> tuple[str, str]:
    """Explain a moment that does not fit by this machine's clock, and say what to do about it.

    Args:
        date: the answer's ``Date`` (RFC 9110, section 6.6.1); where it is none, no figure is given.
        now: the machine's time, Unix seconds; None: as it is now.

    Returns:
        A clause that calls the clock wrong only where the two differ by a minute or more, or where the answer
        says no time; and a hint.
    """
    try:
        seconds = (time.time() if now is None else now) - from_http(date)
    except ValueError:
        return "this machine's clock is wrong", SET_CLOCK
    if abs(seconds) < CLOCK_OFF:
        return "this machine's clock agrees with the service's, so it is not to blame", ASK_RECEIVER
    off = f"{duration_text(abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"
    return f"this machine's clock is wrong: it is {off}", SET_CLOCK


def explain_expiry(credentials: Any) -> None:  # noqa: ANN401 - whatever botocore has found
    """Have credentials that have just been renewed, and are over all the same, say what that means.

    Botocore raises a bare `RuntimeError`, out of any request; now it is a `LoginRefused`.
    """
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - who has them has loaded it

    if not isinstance(credentials, RefreshableCredentials) or "get_frozen_credentials" in vars(credentials):
        return
    frozen: Callable[[], Any] = credentials.get_frozen_credentials

    def explained() -> Any:  # noqa: ANN401 - botocore's
        try:
            return frozen()
        except RuntimeError as error:
            if "still expired" not in str(error):
                raise
            raise LoginRefused(
                "the credentials were renewed, and by this machine's clock they have ended already: it is"
                " ahead, or whoever gives them is",
                hint=SET_CLOCK,
            ) from error

    vars(credentials)["get_frozen_credentials"] = explained
