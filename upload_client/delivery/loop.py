"""The loop of a run: queues files, enters outcomes into ledger and log, and verdicts into the ledger.

All of it runs on the caller's thread. Each step processes what is there and does not block; only `wait` does.
"""

from __future__ import annotations

import contextlib
import random

from upload_client.control.checkpoints import write_checkpoint
from upload_client.core import records, verdicts
from upload_client.core.checkpoint import Checkpoint
from upload_client.core.client_states import ClientState, too_many_invalid
from upload_client.core.codes import FileCode, MessageCode
from upload_client.core.sending_order import retry_delay
from upload_client.core.standstill import why_still
from upload_client.core.text import counted
from upload_client.core.uploads import Upload
from upload_client.delivery.run import ConnectedRun
from upload_client.errors import LoginRefused, NoProgress, PipelineRefused, TooManyInvalid, ValidatorSilent
from upload_client.events import FileChanged, Phase
from upload_client.s3.bucket import AnswerLost, StoreError
from upload_client.s3.write_guard import guarded_by
from upload_client.transfer.task import TransferOutcome, TransferTask

_QUEUED = 2048
"""Files given to the engine ahead of time: enough that no worker waits, few enough to take back at once."""
_PAUSE = 0.01  # seconds between two looks at workers that have enough to do
_PROGRESS_EVERY = 0.25  # seconds between two events of progress
_CHECKPOINT_EVERY = 1000  # segments of all logs
_WORTH_A_SEGMENT = 64  # records that are not kept for more to come, where not many more will
_NOT_AGREED = (
    "Deliver what is missing as well, or leave out what is not expected; where you do not know, ask the"
    " receiver. Then run the same command again."
)
CLOSE_TIMEOUT = 10.0
"""Seconds in which the last records must have reached the log."""


def queue(connected: ConnectedRun, row: int) -> None:
    """Queue a file for the workers."""
    ledger, plan, source = connected.ledger, connected.plan, connected.run.source
    ledger.queue(row)
    relpath = ledger.relpath(row)
    assert connected.engine is not None
    connected.engine.submit(
        TransferTask(
            row,
            relpath,
            relpath,
            relpath,
            size=plan.sizes[row],
            checksum=ledger.checksum(row),
            expect_etag=plan.replaces.get(row),
            source_etag=None if source.entries is None else source.entries[relpath][1],
            unfinished=plan.unfinished.get(relpath, ()),
            size_to_be=source.size_to_be(row),
            digests=source.digests(row),
            sha256=connected.buckets.settings.digest == "sha256",
        )
    )


def feed(connected: ConnectedRun) -> None:
    """Queue files for the workers, as far as there is room."""
    if connected.outage:
        if connected.validation.trouble is not None:
            return
        connected.outage = False
    engine, ledger = connected.engine, connected.ledger
    assert engine is not None
    now = connected.run.clock.monotonic()
    room = records.MAX_UNFLUSHED - connected.writer.unflushed - engine.in_flight
    if connected.run.arguments.executor is None:
        room = min(room, _QUEUED - engine.in_flight)
    for _ in range(room):
        row = ledger.order.next_row(now)
        if row is None:
            break
        queue(connected, row)


def wait(connected: ConnectedRun, timeout: float) -> None:
    """Wait for a result of the workers, or for the time-out."""
    engine, clock = connected.engine, connected.run.clock
    assert engine is not None
    if engine.in_flight > _QUEUED // 4:
        clock.sleep(_PAUSE)  # the workers have enough to do: let what they did pile up
    elif engine.in_flight:
        receive_outcomes(connected, timeout)
    else:
        connected.validation.wait(timeout)


def update(connected: ConnectedRun) -> bool:
    """Process all news once; whether every file is judged or given up.

    Raises:
        DeliveryError: what ends the run.
        StoreError: the same.
    """
    connected.check_ownership()
    receive_outcomes(connected)
    receive_verdicts(connected)
    _check_verdict_on_index(connected)
    _announce_again(connected)
    _notice_what_is_passed_over(connected)
    run, ledger = connected.run, connected.ledger
    now = run.clock.monotonic()
    if now - connected.progress_at >= _PROGRESS_EVERY:
        connected.progress_at = now
        connected.notify_progress()
        run.notice_clock()
        _notice_standstill(connected, now)
    if too_many_invalid(ledger.n_invalid_this_run, connected.buckets.settings.max_invalid):
        raise TooManyInvalid(ledger.n_invalid_this_run)
    if ledger.validation_complete and not connected.validation.awaits_judgement_of_index(
        must=connected.index_was_refused, asked=connected.asks_of_index
    ):
        return True
    if run.state is ClientState.RUNNING and ledger.transfer_complete:
        run.move("all_sent")
        connected.writer.send_now()
        connected.validation.poll_now()
        run.notify(Phase("judging"))
    try:
        connected.validation.keep()
    except ValidatorSilent:
        # Whoever has taken the lock has taken the validator, too: that comes first.
        with contextlib.suppress(StoreError):
            connected.lock.refresh()
        raise
    save_checkpoint(connected, _CHECKPOINT_EVERY)
    connected.append_keepalive()
    return False


def receive_outcomes(connected: ConnectedRun, timeout: float = 0.0) -> None:
    """Enter the workers' outcomes into ledger and log; waits for one if there is none."""
    run = connected.run
    engine, ledger, epoch = connected.engine, connected.ledger, connected.lock.epoch
    assert engine is not None
    started, outcomes = engine.poll(timeout)
    for row in started:
        ledger.start(row)
        connected.notify_file(row)
    if not outcomes:
        return
    at, now = run.now(), run.clock.monotonic()
    lines: list[records.Record] = []
    refused: TransferOutcome | None = None
    for outcome in outcomes:
        row, again = outcome.row, False
        if outcome.ok:
            connected.n_uploads += 1
            upload = Upload(
                epoch,
                connected.n_uploads,
                outcome.size,
                outcome.crc32,
                outcome.etag,
                outcome.version_id,
                outcome.mtime_ns,
                outcome.source_etag,
                outcome.source_version,
                outcome.sha256,
            )
            connected.files_sent += 1
            if outcome.unproven:
                connected.unproven.update(outcome.unproven)
            if ledger.transferred(row, upload, at):
                lines.append(records.Transferred(at, outcome.relpath, upload, 0))
        elif outcome.again and isinstance(connected.validation.trouble, AnswerLost):
            # The validator's log cannot be read either: the network is at fault, and the file none the
            # worse. The lock's lease bounds how long that can go on.
            connected.outage = True
            ledger.abandon(row)
        else:
            retries = ledger.order.retries[row]
            error = outcome.error or "it failed"
            again = ledger.fail(
                row,
                error,
                now=now,
                again=outcome.again,
                delay=retry_delay(retries, random.random()),  # noqa: S311 - no secret
                code=outcome.code,
            )
            if not again:
                lines.append(records.Failed(at, outcome.relpath, error, retries, outcome.code))
            if outcome.credentials:
                refused = outcome
        connected.notify_file(row, again=again)
    connected.append(lines)
    waiting = connected.writer.unflushed
    if waiting >= _WORTH_A_SEGMENT and waiting >= ledger.n_to_transfer:
        connected.writer.send_now()  # else the validator would have them all to judge once the last is sent
    if refused is not None:
        raise LoginRefused(f"S3 no longer accepts the credentials: {refused.error}")


def receive_verdicts(connected: ConnectedRun) -> None:
    """Enter the validator's verdicts into the ledger."""
    run = connected.run
    ledger, epoch = connected.ledger, connected.lock.epoch
    now = run.clock.monotonic()
    for shard, segment in connected.validation.listen():
        connected.history.add_validator(segment, shard)
        if not verdicts.is_for(segment, epoch):
            continue
        if segment.n_ignored and run.strange.admits("segments of the validator's log with such lines"):
            run.message(
                f"{counted(segment.n_ignored, 'line')} of the validator's log could not be read"
                f" (segment {segment.header.seq}: {'; '.join(segment.problems)})",
                "warning",
                MessageCode.LOG_UNREADABLE,
            )
        for row, path, ruling in verdicts.apply_all(ledger, segment.records, epoch=epoch, now=now):
            if row is None:
                if run.strange.admits("verdicts for files that are not in the index"):
                    run.message(f"{ruling.message}: {path}", "warning", MessageCode.UNKNOWN_FILE)
            elif ruling.action == "valid":  # as nearly all are: told of without another look
                run.notify(FileChanged(path, "valid", None, ledger.order.retries[row]))
            elif ruling.action != "ignore":
                connected.notify_file(row)


def _check_verdict_on_index(connected: ConnectedRun) -> None:
    """Raise `PipelineRefused` where the files together are not the delivery that was agreed on."""
    if (refused := connected.validation.index_refused) is not None:
        code = refused.code or "not_expected"
        raise PipelineRefused(
            [{"code": code, "message": problem} for problem in refused.problems],
            hint=_NOT_AGREED if code == "not_expected" else None,
            late=True,
        )


def _announce_again(connected: ConnectedRun) -> None:
    """Announce uploads that earlier runs left unjudged, and those to be judged once more."""
    run, ledger = connected.run, connected.ledger
    room = records.MAX_UNFLUSHED - connected.writer.unflushed
    rows = [connected.announce.popleft() for _ in range(min(room, len(connected.announce)))]
    now = run.clock.monotonic()
    while len(rows) < room and (row := ledger.asks.next(now)) is not None:
        rows.append(row)
    at = run.now()
    lines = []
    for row in rows:
        upload = ledger.upload(row)
        assert upload is not None
        lines.append(records.Transferred(at, ledger.relpath(row), upload, ledger.asks[row]))
    connected.append(lines)


def _notice_what_is_passed_over(connected: ConnectedRun) -> None:
    """Give up waiting for verdicts on announcements that the validators have passed over."""
    run, validation, ledger = connected.run, connected.validation, connected.ledger
    n_lines, problem = validation.passed_over
    if n_lines > connected.passed_over:
        connected.passed_over = n_lines
        if run.strange.admits("times that the validator could not read lines of this run's log"):
            run.message(
                f"the validator could not read {counted(n_lines, 'line')} of this run's log, and judges"
                f" none of their files ({problem})",
                "warning",
                MessageCode.LOG_UNREADABLE,
            )
    if connected.announced_in is None and not connected.announce and not connected.writer.unflushed:
        connected.announced_in = connected.writer.seq - 1
    judged = connected.announced_in is not None and validation.cursor >= connected.announced_in
    if not judged or ledger.counts()["done"] == ledger.asks.n_unjudged or ledger.asks.are_waiting:
        return
    for row in list(ledger.asks.unanswered()):
        ledger.give_up_judging(row, verdicts.PASSED_OVER, FileCode.NOT_JUDGED)
        connected.notify_file(row)


def _notice_standstill(connected: ConnectedRun, now: float) -> None:
    """Raise `NoProgress` where the run has made no progress for too long."""
    ledger, engine = connected.ledger, connected.engine
    stuck = connected.standstill.see(
        now,
        ledger.n_complete + ledger.asks.n_unjudged,
        connected.files_sent,
        0 if engine is None else engine.progress(0)[0],
        connected.validation.cursor,
    )
    if stuck:
        trouble = connected.lock.trouble or connected.writer.trouble or connected.validation.trouble
        raise NoProgress(
            why_still(
                ledger.counts(),
                connected.standstill.seconds,
                passed_over=connected.passed_over,
                trouble=None if trouble is None else str(trouble),
            )
        )


def save_checkpoint(connected: ConnectedRun, after: int) -> None:
    """Write a checkpoint, where the logs have that many new segments.

    Where that is not possible, the next run reads them.
    """
    run, writer, buckets = connected.run, connected.writer, connected.buckets
    n_segments = writer.seq + connected.validation.n_segments
    if n_segments - connected.checkpoint_at < after:
        return
    connected.checkpoint_at = n_segments
    # What is in the history must be in the log.
    if not run.may_write() or not writer.flush(timeout=CLOSE_TIMEOUT):
        return
    checkpoint = Checkpoint(connected.history, connected.chain, connected.validation.chains)
    with contextlib.suppress(StoreError, ValueError), guarded_by(run.may_write):
        connected.append([write_checkpoint(buckets.control, buckets.layout, checkpoint, run.now())])
