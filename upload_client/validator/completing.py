"""Signs, time-stamps and retains the receipt of a complete delivery.

The message about a complete delivery names the result of each: done, failed, or refused because the logs do
not prove the receipt. A transient error is retried here for some seconds; a failed step may be tried again at
any time, as nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import boto3

from upload_client.core.layout import Layout
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, LogBroken, NotReachable
from upload_client.receipts.dating import date_stored
from upload_client.receipts.retention import retain
from upload_client.receipts.signing import open_key
from upload_client.s3.bucket import Bucket, StoreError
from upload_client.support.clock import Clock
from upload_client.validator.countersigning import NotSigned, countersign, is_signed
from upload_client.validator.settings import ValidatorSettings
from upload_client.validator.telemetry import Telemetry

_PAUSES = (1.0, 4.0, 15.0)
"""Seconds after which what is passing is tried again, while there is time."""
_MARGIN = 30.0
"""Seconds that must be left after such a pause."""
_DAY = 86_400  # seconds


@dataclass(frozen=True)
class Completing:
    """The receipt of one run of a delivery, and whoever signs it, dates it and keeps it.

    Attributes:
        settings: the receiver's.
        session: for services of AWS.
        layout: where the delivery is.
        control: the control bucket, at the delivery's root.
        landing: the landing bucket, at its prefix.
        epoch: of the run.
        telemetry: logs what was done, and what was not.
        clock: the validator's.
        seconds_left: how long this may still take.
        again: whether it was tried before: what is signed by then was proven, and no log is read for it.
    """

    settings: ValidatorSettings
    session: boto3.Session
    layout: Layout
    control: Bucket
    landing: Bucket
    epoch: int
    telemetry: Telemetry
    clock: Clock
    seconds_left: Callable[[], float]
    again: bool = False

    def begin(self, *, is_complete: bool) -> dict[str, object]:
        """The fields of the message about it before anything is done (docs/receiver.md, Notifications)."""
        settings = self.settings
        asked = {
            "signed": settings.signing_key is not None,
            "dated": settings.tsa_url is not None,
            "retained": settings.retain_days is not None,
        }
        fields = {name: "failed" if is_complete and is_asked else None for name, is_asked in asked.items()}
        return fields | {"receipt_problems": []}

    def complete(self) -> dict[str, object]:
        """Sign, date and keep the receipt, as the settings say; the fields of the message about it."""
        fields, problems = self.begin(is_complete=True), list[str]()
        for name, do, metric in (
            ("signed", self._sign, "ReceiptsNotSigned"),
            ("dated", self._date, "ReceiptsNotDated"),
            ("retained", self._retain, "ReceiptsNotRetained"),
        ):
            if fields[name] is None:
                continue
            try:
                self._patiently(do)
            except (NotSigned, LogBroken) as error:
                fields[name], why = "refused", for_log(str(error), 500)
            except (DeliveryError, StoreError, OSError) as error:
                fields[name], why = "failed", for_log(str(error), 500)
            else:
                fields[name] = "yes"
                continue
            problems.append(f"not {name}: {why}")
            self.telemetry.count(metric)
            self.telemetry.info(f"the receipt is not {name}", why=why)
        return fields | {"receipt_problems": problems}

    def _patiently(self, do: Callable[[], None]) -> None:
        for pause in _PAUSES:
            try:
                return do()
            except NotReachable:
                if self.seconds_left() < pause + _MARGIN:
                    raise
                self.clock.sleep(pause)
        return do()

    def _sign(self) -> None:
        assert self.settings.signing_key is not None
        key = open_key(self.settings.signing_key, self.session, self.settings)
        if self.again and is_signed(self.control, self.layout, key.public, self.epoch):
            return
        statement = countersign(self.control, self.landing, self.layout, key, self.epoch, clock=self.clock)
        self.telemetry.count("ReceiptsSigned")
        self.telemetry.info("the receipt is signed", sha256=statement.sha256, key=key.public.key_id)

    def _date(self) -> None:
        assert self.settings.tsa_url is not None
        key = date_stored(self.control, self.layout, self.epoch, self.settings.tsa_url)
        self.telemetry.info("the receipt is dated by a third party", key=key)

    def _retain(self) -> None:
        """Let nobody delete the receipt, its signature and its time-stamp.

        Each is kept for so long from when it was written: however often that is tried, no longer.
        """
        days, mode, layout = self.settings.retain_days, self.settings.retain_mode, self.layout
        assert days is not None
        for key in (layout.receipt(self.epoch), layout.signature(self.epoch), layout.time_stamp(self.epoch)):
            there = self.control.head(key, checksum=False)
            if there is None or there.last_modified + days * _DAY <= self.clock.wall():
                continue  # or the time for which it is kept is over
            kept = retain(self.control, key, days=days, mode=mode, now=there.last_modified)
            if kept is not None:
                self.telemetry.info(
                    "an object is kept by Object Lock", key=key, mode=kept.mode, until=kept.until
                )
