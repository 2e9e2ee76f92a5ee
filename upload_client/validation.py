"""The validator of a delivery, as the client sees it: asked for, listened to, asked for again.

The rules are `upload_client.core.delivery.ValidatorWatch`'s.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future

from upload_client.aws.bucket import AnswerLost, StoreError
from upload_client.aws.log import LogReader
from upload_client.clock import Clock
from upload_client.core.delivery import ValidatorWatch, Watch
from upload_client.core.records import Segment
from upload_client.errors import PipelineBusy, PipelineRefused, ValidatorSilent

__all__ = ["BUSY_RETRY", "Validation"]

BUSY_RETRY = 5.0
"""Seconds between attempts to start a validator while an old one is leaving."""


class Validation:
    """Keeps a validator at work for one client.

    Args:
        reader: of the validator's log.
        watch: the rules.
        ask: ask the starter for a validator, under the number of this attempt. Raises `PipelineRefused`, or
            what else becomes of a request.
        clock: time.
    """

    def __init__(
        self, reader: LogReader, watch: ValidatorWatch, ask: Callable[[int], object], clock: Clock
    ) -> None:
        self.reader = reader
        self.watch = watch
        self._ask = ask
        self._clock = clock
        self._start_at = -math.inf  # before this moment of the monotonic clock none is started again
        self._starting: Future[Exception | None] | None = None

    def start(self) -> bool:
        """Ask for a validator, and wait for the answer.

        Returns:
            Whether one runs; False if an old one is still leaving: ask again, `BUSY_RETRY` seconds later.

        Raises:
            PipelineRefused: none will.
        """
        return self._answered(self._invoke())

    def listen(self) -> list[Segment]:
        """What the validator has written since the last time."""
        reader, watch = self.reader, self.watch
        if reader.trouble is not None:
            watch.poll_failed()
        elif reader.polls_ok_at is not None:
            watch.polled(reader.polls_ok_at)
        segments = reader.update()
        for segment in segments:
            watch.hear(segment)
        return segments

    def keep(self) -> None:
        """Start the validator again where that is right, without waiting for the answer.

        Raises:
            ValidatorSilent: it is gone for good.
        """
        if self._starting is not None:
            if not self._starting.done():
                return
            refusal, self._starting = self._starting.result(), None
            try:
                if not self._answered(refusal):
                    self._start_at = self._clock.monotonic() + BUSY_RETRY
            except PipelineRefused as error:
                raise ValidatorSilent(
                    f"the validator has left and cannot be started again: {error}"
                ) from error
        advice = self.watch.advice()
        if advice is Watch.START_AGAIN:
            if self._clock.monotonic() >= self._start_at:
                self._starting = _in_background(self._invoke)
        elif advice is Watch.SILENT:
            raise ValidatorSilent(
                f"no sign of life from the validator for {self.watch.silent_for:.0f} seconds,"
                " though it was started twice"
            )
        elif advice is Watch.LEFT:
            raise ValidatorSilent(f"the validator has left before all was judged: {self.watch.gone}")

    def _invoke(self) -> Exception | None:
        try:
            self._ask(self.watch.starting())
        except (PipelineRefused, StoreError) as error:
            return error
        return None

    def _answered(self, refusal: Exception | None) -> bool:
        """What the starter's answer means: whether a validator runs. Raises the refusal if it is final."""
        if refusal is None or isinstance(refusal, AnswerLost):
            self.watch.started()  # where the answer was lost, the validator's log tells
            return True
        if isinstance(refusal, PipelineBusy) and self.watch.busy(self._clock.monotonic()):
            return False
        raise refusal


def _in_background(call: Callable[[], Exception | None]) -> Future[Exception | None]:
    future: Future[Exception | None] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name="start validator", daemon=True).start()
    return future
