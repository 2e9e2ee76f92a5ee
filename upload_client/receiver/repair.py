"""`Repair`: finds what no run can have written in a delivery's control keys, and sets it aside.

A provider may write keys that nobody can go on from: an index of the last epoch that there is, a segment far
beyond the end of the log. What they bear is refused by everybody who comes; here it is shown and fixed. The
rules are `upload_client.core.soundness`'. Nothing is deleted: what is set aside is below ``aside/``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from upload_client.control.checkpoints import find_shards
from upload_client.control.lock import numbered
from upload_client.control.log import MAX_STRANGE, LogReader
from upload_client.core.files import TRANSFER_TYPES
from upload_client.core.layout import Layout, segment_key, segment_seq
from upload_client.core.lease import GRACE, MAX_BODY, LockBody
from upload_client.core.records import Writer
from upload_client.core.soundness import MAX_LEAP, Fault, backed, first_leap, unbacked
from upload_client.core.times import timestamp
from upload_client.errors import LogBroken, UsageError
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge, repeat_while_lost
from upload_client.support.clock import SYSTEM, Clock

_MAX_KEYS = 100_000
"""Keys that one fault names: more of them are found at the next look."""


class Repair:
    """Looks at a delivery, and fixes it.

    Args:
        control: the control bucket, at the delivery's root.
        layout: of the delivery; its transfer type does not matter.
        clock: the machine's.
    """

    def __init__(self, control: Bucket, layout: Layout, clock: Clock = SYSTEM) -> None:
        self._control = control
        self._layouts = [replace(layout, transfer_type=transfer_type) for transfer_type in TRANSFER_TYPES]
        self._clock = clock

    def look(self) -> list[Fault]:
        """Find what is wrong. Every segment of every log is read.

        Raises:
            StoreError: the store does not answer.
        """
        faults: list[Fault] = []
        client_logs = []
        for layout in self._layouts:
            epochs, wrong = self._log(layout.client_log(), "client")
            client_logs.append(epochs)
            faults += wrong
            for shard in find_shards(self._control, layout, self._clock):
                faults += self._log(layout.validator_log(shard), "validator")[1]
        lock = self._lock()[0]
        highest = backed(client_logs, None if lock is None else lock.epoch)
        for layout in self._layouts:
            for prefix, key_of in (
                (layout.index_prefix, layout.index),
                (layout.receipt_prefix, layout.receipt),
            ):
                for epoch, key in unbacked(numbered(self._control, prefix, key_of), highest):
                    faults.append(
                        Fault(f"{key} claims epoch {epoch}, and no run has come beyond {highest}", (key,))
                    )
        if lock is not None and lock.epoch > highest + MAX_LEAP:
            owned = self._layouts[0].owned
            what = f"the lock {owned} claims epoch {lock.epoch}, and no run has come beyond {highest}"
            faults.append(Fault(what, epoch=highest))
        return faults

    def fix(self, faults: list[Fault]) -> Iterator[str]:
        """Set aside what is wrong.

        Args:
            faults: what `look` has found.

        Yields:
            A sentence for each thing that was done.

        Raises:
            UsageError: somebody delivers at this moment.
            StoreError: the store refused, or cannot be asked; what was done until then is done.
        """
        lock, etag, age = self._lock()
        if lock is not None and lock.state == "held" and age <= lock.lease_seconds + GRACE:
            raise UsageError(
                f"agent {lock.agent_id} holds the lock of this delivery and may be at work",
                hint=f"Wait until that run has ended, or {lock.lease_seconds} seconds after it died.",
            )
        at = timestamp(self._clock.written()).replace(":", "").replace("-", "").replace(".", "")
        for fault in faults:
            for key in fault.keys:
                aside = self._layouts[0].aside(at, key)
                self._control.cp(key, self._control, aside)
                self._control.rm(key)
                yield f"{key} is set aside as {aside}"
            if fault.epoch is not None and lock is not None:
                assert etag is not None  # it was read
                released = replace(
                    lock, epoch=max(fault.epoch, 1), state="released", nonce=secrets.token_hex(16)
                )
                self._control.put(self._layouts[0].owned, released.encode(), if_match=etag)
                yield f"the lock is given back, at epoch {released.epoch}"

    def _log(self, prefix: str, writer: Writer) -> tuple[list[int], list[Fault]]:
        """The epochs of a log's segments as far as it is sound, and what is wrong with the rest."""
        strange = [info.key for info in self._control.list(prefix) if segment_seq(prefix, info.key) is None]
        if len(strange) > MAX_STRANGE:  # before the rest can be looked at
            what = f"{len(strange):,} objects below {prefix} are no segments"
            return [], [Fault(what, tuple(strange[:_MAX_KEYS]))]
        epochs: list[int] = []
        why = ""
        reader = LogReader(self._control, prefix, writer=writer, clock=self._clock)
        try:
            for segment in reader.read_all():
                epochs.append(segment.header.epoch)  # noqa: PERF401 — those before the end of what is sound are kept
        except LogBroken as error:
            why = f"{error.segment}: {error.why}"
        leap = first_leap(epochs)
        if leap is not None:
            why = f"{segment_key(prefix, leap)} claims epoch {epochs[leap]}, far beyond all before it"
        if not why:
            return epochs, []
        sound = len(epochs) if leap is None else leap
        rest = self._control.list(prefix, segment_key(prefix, sound - 1) if sound else None)
        keys = [info.key for info in islice(rest, _MAX_KEYS) if segment_seq(prefix, info.key) is not None]
        return epochs, [Fault(f"{why} ({sound} segments before it are sound)", tuple(keys))]

    def _lock(self) -> tuple[LockBody | None, str | None, float]:
        """The clients' lock, its ETag, and the seconds since it was written."""
        try:
            found = repeat_while_lost(
                lambda: self._control.get(self._layouts[0].owned, limit=MAX_BODY), self._clock
            )
        except (NotFound, ObjectTooLarge):
            return None, None, 0.0
        return LockBody.decode(found.body), found.etag, found.date - found.last_modified
