"""`RetryingActivity`: an activity that is tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from upload_client.activities.activity import Activity
from upload_client.activities.errors import missing_extra
from upload_client.core.text import for_log
from upload_client.errors import Interrupted, UsageError
from upload_client.support.arguments import can, number, whole

_log = logging.getLogger(__name__)

Hook = Callable[[int, BaseException, float], object]


class RetryingActivity(Activity):
    """Starts an activity again until it succeeds, or until it has been tried often enough.

    Each retry is logged, and the last exception is raised as it was. An activity that was stopped is not
    tried again.

    Args:
        activity: what is tried.
        metadata: None: those of `activity`.
        tries: how often it is started at the most.
        delay: seconds before the second try.
        backoff: by what the delay grows from try to try.
        exceptions: those after which it is tried again.
        hook: is called before each retry with how many tries remain, the exception, and the seconds until
            then.
        helps: whether another try may help, where not every one of `exceptions` says so.
        sleep: waits that many seconds; None: until then or until it is stopped.
    """

    def __init__(
        self,
        activity: Activity,
        metadata: Mapping[str, Any] | None = None,
        *,
        tries: int = 3,
        delay: float = 1.0,
        backoff: float = 2.0,
        exceptions: tuple[type[BaseException], ...] = (Exception,),
        hook: Hook | None = None,
        helps: Callable[[BaseException], bool] | None = None,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        super().__init__(metadata)
        can("activity", activity, ("start", "stop"), "an Activity")
        tries = whole("tries", tries, 1)
        delay, backoff = number("delay", delay), number("backoff", backoff)
        kinds = exceptions if isinstance(exceptions, tuple) else (exceptions,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
            raise UsageError("exceptions are no classes of exceptions: it is a tuple of these")
        for name, given in (("hook", hook), ("helps", helps), ("sleep", sleep)):
            if given is not None:
                can(name, given, (), "a function")
        self.activity = activity
        self._own_metadata = metadata is not None
        self._tries, self._delay, self._backoff = tries, delay, backoff
        self._exceptions = kinds
        self._hook = hook
        self._helps = helps or (lambda _: True)
        self._sleep: Callable[[float], Any] = sleep or self._stopping.wait

    @property
    def metadata(self) -> dict[str, Any]:
        """Its own, or those of what is tried."""
        return self._metadata if self._own_metadata else self.activity.metadata

    def start(self) -> None:
        """Try it, and raise what the last try raised."""
        try:
            import tenacity  # noqa: PLC0415 - an extra
        except ImportError:
            raise missing_extra("trying again", "activities") from None

        tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._tries),
            wait=tenacity.wait_exponential(multiplier=self._delay, exp_base=self._backoff),
            retry=tenacity.retry_if_exception(self._is_tried_again),
            sleep=self._sleep,
            before_sleep=self._notify,
            reraise=True,
        )(self._try)

    def stop(self) -> None:
        """Have what is tried end soon, or do not try it again."""
        super().stop()
        self.activity.stop()

    def _try(self) -> None:
        self.check_stopped()
        self.activity.start()

    def _is_tried_again(self, error: BaseException) -> bool:
        return (
            isinstance(error, self._exceptions) and not isinstance(error, Interrupted) and self._helps(error)
        )

    def _notify(self, state: Any) -> None:  # noqa: ANN401 - tenacity's RetryCallState
        error, delay = state.outcome.exception(), float(state.next_action.sleep)
        remaining = self._tries - state.attempt_number
        _log.warning(
            "try %d of %d failed, the next in %g s: %s",
            state.attempt_number,
            self._tries,
            delay,
            for_log(str(error) or type(error).__name__),
        )
        if self._hook is not None:
            try:
                self._hook(remaining, error, delay)
            except Exception:  # noqa: BLE001 - its own trouble
                _log.exception("the hook of a retry has failed; it is tried again all the same")
