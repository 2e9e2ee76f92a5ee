"""`ActivityRunner`: runs an activity and reports its outcome, once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from upload_client.activities.activity import Activity
from upload_client.core.exits import ExitCode
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, Interrupted
from upload_client.support.arguments import can

_log = logging.getLogger(__name__)


class SuccessHandler(Protocol):
    """Notified when an activity has succeeded."""

    def handle_success(self, metadata: Mapping[str, Any]) -> None:
        """Send the notification."""
        ...


class FailureHandler(Protocol):
    """Notified when an activity has failed, after all retries."""

    def handle_failure(self, exception: BaseException, metadata: Mapping[str, Any]) -> None:
        """Send the notification."""
        ...


class LoggingSuccessHandler:
    """Logs a success, to ``upload_client.activities``."""

    def handle_success(self, metadata: Mapping[str, Any]) -> None:
        """Log it."""
        _log.info("succeeded: %s", for_log(_name(metadata)))


class LoggingFailureHandler:
    """Logs a failure, to ``upload_client.activities``."""

    def handle_failure(self, exception: BaseException, metadata: Mapping[str, Any]) -> None:
        """Log it."""
        _log.error("failed: %s: %s", for_log(_name(metadata)), for_log(describe(exception)))


class ActivityRunner:
    """Runs an activity and calls one of two handlers, once.

    Args:
        activity: what is run; of a `RetryingActivity` the outcome of all tries is reported.
        success_handler: notified of success; None: success is logged.
        failure_handler: notified of failure; None: failure is logged.
    """

    def __init__(
        self,
        activity: Activity,
        success_handler: SuccessHandler | None = None,
        failure_handler: FailureHandler | None = None,
    ) -> None:
        can("activity", activity, ("start",), "an Activity")
        for name, given in (("success_handler", success_handler), ("failure_handler", failure_handler)):
            if given is not None:
                method = f"handle_{name.partition('_')[0]}"
                can(name, given, (method,), f"an object with a method `{method}`")
        self.activity = activity
        self._success_handler = success_handler or LoggingSuccessHandler()
        self._failure_handler = failure_handler or LoggingFailureHandler()
        self.exception: Exception | None = None
        self.is_notified = True
        """Whether its outcome was reported; if not, no server took the mail, and `notify_again` may help."""

    def run(self) -> int:
        """Run it, and report its outcome. A handler that fails itself is logged, and changes nothing.

        Returns:
            The exit code that says how it ended; 0: it succeeded. `exception` has what it failed with.

        Raises:
            Interrupted: it was stopped before its end; no handler is called.
        """
        self.exception = None
        try:
            self.activity.start()
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self.exception = error
        return self._notify()

    def fail(self, exception: Exception) -> int:
        """Report a failure without running it.

        Returns:
            Its exit code.
        """
        self.exception = exception
        return self._notify()

    def notify_again(self) -> bool:
        """Report its outcome once more.

        Returns:
            `is_notified`.
        """
        self._notify()
        return self.is_notified

    def _notify(self) -> int:
        metadata = dict(self.activity.metadata)
        try:
            if self.exception is None:
                self._success_handler.handle_success(metadata)
            else:
                self._failure_handler.handle_failure(self.exception, metadata)
        except Exception as error:  # noqa: BLE001 - what came of the activity is as it was
            _log.error("its outcome could not be reported: %s", for_log(describe(error)))
        handler = self._success_handler if self.exception is None else self._failure_handler
        self.is_notified = not getattr(handler, "is_unsent", False)
        return 0 if self.exception is None else int(exit_code_of(self.exception))


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code of a failure."""
    return ExitCode(error.exit_code) if isinstance(error, DeliveryError) else ExitCode.UNEXPECTED


def describe(error: BaseException) -> str:
    """A failure in a sentence. It is not yet safe for a terminal."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return (
        text if isinstance(error, DeliveryError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
    )


def _name(metadata: Mapping[str, Any]) -> str:
    """The name of an activity; not all its metadata, since a link in it grants access."""
    named = [str(metadata[name]) for name in ("title", "bucket", "key", "filename") if metadata.get(name)]
    return " ".join(named) or "an activity without a name"
