"""The end of a run: final check and receipt if it is complete; always log, lock, state dump, outcome."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

from upload_client.aws.auth import login_name
from upload_client.control.log import LogWriter
from upload_client.core import records
from upload_client.core.codes import MessageCode
from upload_client.core.exits import ExitCode
from upload_client.core.layout import number
from upload_client.core.opened import not_opened
from upload_client.core.receipt import (
    DeliveredBy,
    LogTail,
    ReceiptHead,
    encode_columns,
    ended_at,
    hashed_name,
)
from upload_client.core.segments import LogChain
from upload_client.core.states import STATES, State
from upload_client.core.text import counted
from upload_client.delivery import progress
from upload_client.delivery.final_check import abort_unfinished, not_in_place
from upload_client.delivery.loop import CLOSE_TIMEOUT, receive_outcomes, save_checkpoint
from upload_client.delivery.outcome import Outcome, cut_short, exit_code_of, headline, hint_of, reason_of
from upload_client.delivery.run import ConnectedRun, Run, versions
from upload_client.errors import (
    DeliveryError,
    Interrupted,
    LockLost,
    LogBroken,
    LoginRefused,
    NothingToDoError,
    Superseded,
    UsageError,
)
from upload_client.events import Phase, Summary
from upload_client.receipts.heads import (
    problem_of_content,
    problem_of_place,
    problem_of_runs,
    problem_of_tails,
)
from upload_client.receipts.store import NoReceipt, bring_receipt, deliveries, local_copy, put_receipt, runs
from upload_client.s3.bucket import AnswerLost, StoreError
from upload_client.s3.write_guard import checking

_log = logging.getLogger(__name__)

# Schedulers kill a task some seconds after they asked it to end (Airflow: five); the end is more than this.
_GRACE = 1.5  # seconds for what is in flight, once the client has been told to stop
_LOOK = 0.02  # seconds between two looks whether the trials of the store are over
_HURRIED_CLOSE = 1.0  # seconds for the last records then
_HURRIED_RELEASE = 1.5  # seconds for giving the lock back then
_CHECKPOINT_AT_END = 16  # segments of all logs that are quicker read than a checkpoint is written


def complete(connected: ConnectedRun) -> None:
    """All files are judged or given up: make the final check, and write a receipt if all are valid.

    Of a million files that takes minutes, and the validators leave a client from whom they receive nothing.
    """

    def look() -> None:
        connected.run.check_stop()
        connected.append_keepalive()

    connected.run.notify(Phase("finishing"))
    with checking(look):
        _check_listing(connected)
        abort_unfinished_uploads(connected)
        # Nothing final is said by somebody who is the owner no more.
        connected.patiently(connected.lock.refresh)
        if connected.ledger.all_valid:
            write_receipt(connected)


def _check_listing(connected: ConnectedRun) -> None:
    """A file is valid only while a LIST of the landing prefix shows it with the ETag that was judged."""
    ledger, at = connected.ledger, connected.run.now()
    if not ledger.counts()["valid"]:
        return
    for row, why, code in connected.patiently(lambda: not_in_place(ledger, connected.buckets.landing)):
        ledger.judge(row, "invalid", why, at, code=code)
        connected.notify_file(row)


def abort_unfinished_uploads(connected: ConnectedRun) -> None:
    """Abort unfinished uploads that no run will complete."""
    run = connected.run
    try:
        connected.patiently(
            lambda: abort_unfinished(connected.ledger, connected.buckets.landing, run.may_write)
        )
    except StoreError as error:
        why = f"unfinished uploads may be left in the landing bucket: {error}"
        run.message(why, "warning", MessageCode.UNFINISHED_UPLOADS)


def write_receipt(connected: ConnectedRun) -> None:
    """Write the receipt, to the control bucket and to a file."""
    assert connected.index is not None
    ledger, buckets, arguments = connected.ledger, connected.buckets, connected.run.arguments
    _finish_log(connected)
    clients, validators = runs(connected.history)
    head = ReceiptHead(
        dataset=arguments.dataset,
        delivery_id=arguments.delivery_id,
        transfer_type=arguments.transfer_type,
        epoch=connected.lock.epoch,
        agent_id=arguments.agent_id,
        finished_at=ended_at(
            connected.run.now(), connected.history.transferred_at.latest, connected.history.judged_at.latest
        ),
        n_files=len(ledger),
        n_bytes=ledger.n_bytes_uploaded,
        landing=str(buckets.landing),
        control=str(buckets.control),
        index=connected.index,
        client_log=_tail(connected.chain),
        validator_logs=tuple(
            _tail(chain, shard)
            for shard, chain in sorted(connected.validation.chains.items())
            if chain.next_seq
        ),
        clients=clients,
        validators=validators,
        versions=versions(),
        delivered_by=_delivered_by(connected.run),
        store=None if connected.run.store is None else connected.run.store.in_a_line,
    )
    key = buckets.layout.receipt(head.epoch)
    lines = encode_columns(head, deliveries(ledger, connected.history))
    with local_copy(head, connected.run.output_dir) as copy:
        connected.receipt_sha256 = put_receipt(buckets.control, key, copy.of(lines), connected.writing)
    connected.receipt, connected.receipt_file = key, copy.path
    if copy.error is not None:
        _warn_of_no_file(connected, key, copy.error)


def _finish_log(connected: ConnectedRun) -> None:
    """Flush the log up to what the receipt's head says of it, however long the store takes."""
    writer, lock = connected.writer, connected.lock

    def flush() -> None:
        if writer.flush():
            return
        if writer.error is None and not lock.may_write:
            lock.refresh()  # not confirmed in time is not lost
        raise writer.error or writer.trouble or AnswerLost("the store takes long to append to the log")

    with checking(connected.run.check_stop):  # what is written now is a sign of life
        connected.run.patience_while(connected.check_ownership)(flush)


def _delivered_by(run: Run) -> DeliveredBy:
    """The deliverer, as far as the provider's settings allow to name them."""
    assert run.session is not None
    wanted = run.settings.receipt_identity
    if wanted == "none":
        return DeliveredBy()
    login, host = login_name(run.session), socket.gethostname() or None
    if wanted == "full":
        return DeliveredBy(login, host)
    hashed = partial(hashed_name, dataset=run.arguments.dataset, delivery_id=run.arguments.delivery_id)
    return DeliveredBy(login and hashed(login), host and hashed(host), hashed=True)


def fetch_receipt(connected: ConnectedRun, key: str) -> bool:
    """Fetch the receipt of an earlier run: the copy may be lost, or on another machine.

    False: the stored one is damaged, was changed, or is not of this delivery.
    """
    run, buckets = connected.run, connected.buckets
    control, layout = buckets.control, buckets.layout

    def problem_of(head: ReceiptHead, sha256: str) -> str | None:
        return (
            problem_of_place(head, control, buckets.landing, layout, number(key) or 0)
            or problem_of_runs(head, connected.history)
            or problem_of_content(head, sha256, connected.history)
            or problem_of_tails(head, control, layout)
        )

    try:
        connected.receipt_file, connected.receipt_sha256 = bring_receipt(
            control, key, run.output_dir, problem_of=problem_of
        )
    except OSError as error:
        _warn_of_no_file(connected, key, error)
    except NoReceipt as error:
        _log.info("%s", error)
        return False
    except (StoreError, UsageError) as error:
        why = f"the receipt could not be fetched from the control bucket: {error}"
        run.message(why, "warning", MessageCode.RECEIPT_NOT_HERE)
    return True


def _warn_of_no_file(connected: ConnectedRun, key: str, error: OSError) -> None:
    connected.run.message(
        f"the receipt could not be written to {connected.run.output_dir}: {error.strerror}; it is in the"
        f" control bucket, {key}",
        "warning",
        MessageCode.RECEIPT_NOT_HERE,
    )


def _tail(chain: LogChain, shard: int = 0) -> LogTail:
    assert chain.tail_sha is not None  # something was written to it
    return LogTail(chain.next_seq - 1, chain.tail_sha, shard)


def end(run: Run, error: BaseException | None, *, crashed: bool, complete: bool = False) -> None:
    """End the run; a second call does nothing.

    Args:
        run: this one, connected or not.
        error: what ends it.
        crashed: whether the error was unexpected.
        complete: whether every file is judged or given up, and the lock was checked after that.
    """
    if run.outcome is not None or run.ending:
        return
    run.ending = True
    if (connected := run.connected) is not None:
        error, complete = _disconnect(connected, error, crashed=crashed, complete=complete)
    elif run.ahead is not None:
        _try_to(run, "close the log", lambda: _call_off(run, error, crashed=crashed))
    _await_trials(run)
    in_time = _HURRIED_RELEASE if isinstance(error, Interrupted) else math.inf
    _try_to(
        run, "give the lock back (it is free when its lease ends)", lambda: _within(in_time, run.release_lock)
    )
    if run.lock is not None:
        run.lock.stop()
    if complete:
        run.move("all_judged")
    run.move("crash" if crashed else "quit")
    _notify_outcome(run, error)
    with contextlib.suppress(OSError):
        run.reporter.close()


def crash(run: Run, error: BaseException) -> None:
    """End the run because of an error that was not to be expected."""
    if run.state.terminal:
        return
    if run.debug or not isinstance(error, DeliveryError):  # else the outcome says the same
        run.message(run.describe(error), "error", None)
    end(run, error, crashed=True)


@contextlib.contextmanager
def ending_on_error(run: Run) -> Iterator[None]:
    """End the run with whatever is raised inside, and let it through."""
    try:
        with checking(run.check_stop):
            yield
    except NothingToDoError as error:
        end(run, error, crashed=False, complete=True)
        raise
    except (LogBroken, StoreError) as error:
        crash(run, error)
        raise
    except DeliveryError as error:
        end(run, error, crashed=False)
        raise
    except Exception as error:
        if run.stop_asked:  # some schedulers stop a task and raise something of their own as well
            end(run, cut_short(error), crashed=False)
        else:
            crash(run, error)
        raise
    except BaseException as error:
        end(run, cut_short(error), crashed=False)
        raise


def _call_off(run: Run, error: BaseException | None, *, crashed: bool) -> None:
    """Write to the log that no files follow, for a validator that was started ahead."""
    writer = run.writer
    assert writer is not None  # it was asked for behind the fence
    if run.may_write() and writer.error is None:
        _close_writer(writer, _last_record(run, error, crashed=crashed), _timeout(error))


def _close_writer(writer: LogWriter, last: records.Record, timeout: float) -> bool:
    """Write the last record; whether it is in the log. In a hurry no request is waited for."""
    closed: list[bool] = []
    with contextlib.suppress(TimeoutError):
        _within(
            timeout if timeout <= _HURRIED_CLOSE else math.inf,
            lambda: closed.append(writer.close([last], timeout=timeout)),
        )
    return any(closed)


def _await_trials(run: Run) -> None:
    """Wait a moment for the tests of the store to remove what they have written."""
    trials, until = run.trials, run.clock.monotonic() + _GRACE
    while trials is not None and not trials.done() and run.clock.monotonic() < until:
        run.clock.sleep(_LOOK)


def _disconnect(
    connected: ConnectedRun, error: BaseException | None, *, crashed: bool, complete: bool
) -> tuple[BaseException | None, bool]:
    """Stop the parts of the run, in their order; what ends it, as is known then, and if it is complete."""
    run = connected.run
    if not complete:
        run.notify(Phase("finishing"))
    _try_to(run, "take back what was being sent", lambda: _stop_sending(connected))
    at_once = crashed or isinstance(error, Interrupted | LoginRefused)
    if not at_once and not complete and (gone := _lock_lost(connected)) is not None:
        error = gone
    if not at_once:
        _try_to(run, "write a checkpoint", lambda: save_checkpoint(connected, _CHECKPOINT_AT_END))
    for algorithm, n in connected.unproven.items():
        run.message(
            f"the {algorithm} in the index was not compared for {counted(n, 'object')}:"
            " the source's store does not say it",
            "warning",
            MessageCode.NOT_COMPARED,
        )
    last = _last_record(run, error, crashed=crashed, complete=complete)
    _try_to(run, "close the log", lambda: _close_log(connected, last, _timeout(error)))
    if isinstance(connected.writer.error, Superseded):  # somebody was faster than the last records
        return connected.writer.error, False
    return error, complete


def _last_record(
    run: Run, error: BaseException | None, *, crashed: bool, complete: bool = False
) -> records.Record:
    """The last record of this run in its log."""
    why = reason_of(error) if error is not None else "complete" if complete else run.state
    code = error.code if isinstance(error, DeliveryError) else None
    if crashed:
        return records.Crash(run.now(), why, code)
    sha256 = None
    if (connected := run.connected) is not None:
        own = connected.buckets.layout.receipt(connected.lock.epoch)
        sha256 = connected.receipt_sha256 if connected.receipt == own else None
    return records.Stop(run.now(), why, code, sha256)


def _timeout(error: BaseException | None) -> float:
    """Seconds in which it must have reached the log."""
    if isinstance(error, LoginRefused):
        return 0.0
    return _HURRIED_CLOSE if isinstance(error, Interrupted) else CLOSE_TIMEOUT


def _notify_outcome(run: Run, error: BaseException | None) -> None:
    """Write the state dump; make and report the outcome."""
    connected = run.connected
    counts: dict[State, int] = dict.fromkeys(STATES, 0) if connected is None else connected.ledger.counts()
    code, sentence = exit_code_of(error, counts), headline(counts, error)
    _log.info("agent %s ends, exit code %d", run.arguments.agent_id, code)
    for kind, n in run.strange.rest():
        run.message(f"and {n:,} more {kind}", "warning", MessageCode.REPEATED)
    path = run.dump_state()
    if connected is not None:
        connected.notify_progress()
    engine = None if connected is None else connected.engine
    run.outcome = outcome = Outcome(
        exit_code=code,
        headline=sentence,
        counts=counts,
        bytes_sent=0 if engine is None else engine.bytes_sent,
        files_sent=0 if connected is None else connected.files_sent,
        seconds=run.seconds,
        state_csv=path,
        receipt=None if connected is None else connected.receipt,
        receipt_file=None if connected is None else connected.receipt_file,
        receipt_sha256=None if connected is None else connected.receipt_sha256,
        error=None if isinstance(error, NothingToDoError) else error,
        not_opened={} if connected is None else not_opened(connected.ledger.opened_counts()),
    )
    run.notify(
        Summary(
            exit_code=code,
            counts=counts,
            bytes_sent=outcome.bytes_sent,
            files_sent=outcome.files_sent,
            seconds=outcome.seconds,
            state_csv=path,
            headline=sentence,
            hint=hint_of(error),
            code=error.code if isinstance(error, DeliveryError) else ExitCode(code).name.lower(),
            problems=() if connected is None else progress.problems(connected.ledger),
            receipt=outcome.receipt,
            receipt_file=outcome.receipt_file,
            receipt_sha256=outcome.receipt_sha256,
            left_out=run.source.left_out.counts,
            requests=_found_out(run),
            not_opened=outcome.not_opened,
        )
    )


def _found_out(run: Run) -> int:
    """Requests at once that the run has settled on; 0 where the number was given, or nothing was sent."""
    connected = run.connected
    if connected is None or connected.engine is None or run.n_threads != "auto" or not connected.files_sent:
        return 0
    return connected.engine.requests


def _try_to(run: Run, what: str, step: Callable[[], object]) -> None:
    """Run one step of the end; an error is logged, and the next step runs all the same."""
    try:
        step()
    except BaseException as trouble:  # noqa: BLE001 - whatever it is
        run.message(f"could not {what}: {run.describe(trouble)}", "warning", MessageCode.NOT_ENDED)


def _within(seconds: float, step: Callable[[], object]) -> None:
    """Run a step of the end, and wait for it for a limited time; it continues in the background.

    A request that a store leaves without an answer takes as long as its time-out, and botocore makes another.

    Raises:
        TimeoutError: it has not returned.
    """
    if seconds == math.inf:
        step()
        return
    ended = threading.Event()
    trouble: list[BaseException] = []

    def take() -> None:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            trouble.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=take, name="ending", daemon=True).start()
    except RuntimeError:  # the system gives none
        take()
    if not ended.wait(seconds):
        raise TimeoutError(f"there was no answer within {seconds} s")
    for error in trouble:
        raise error


def _stop_sending(connected: ConnectedRun) -> None:
    """Take back what has not begun, wait a moment for requests in flight, and record their results."""
    engine, ledger = connected.engine, connected.ledger
    if engine is None:
        return
    unfinished = engine.stop(_GRACE if connected.lock.may_write else 0.0)
    engine.close()
    with contextlib.suppress(LoginRefused):
        receive_outcomes(connected)
    for row in unfinished:
        ledger.abandon(row)


def _close_log(connected: ConnectedRun, last: records.Record, timeout: float) -> None:
    """Write why the run ends, unless the log is another's by now."""
    connected.validation.stop()
    if not connected.lock.may_write or connected.writer.error is not None:
        connected.writer.stop()
        return
    if not _close_writer(connected.writer, last, timeout):
        connected.run.message(
            "the last records did not reach the log; the next run makes up for that",
            "warning",
            MessageCode.LOG_NOT_CLOSED,
        )


def _lock_lost(connected: ConnectedRun) -> LockLost | None:
    """Check the lock; the error, if it is lost. Where the store does not answer, it is not known."""
    try:
        connected.lock.refresh()
    except LockLost as error:
        return error
    except StoreError:
        pass
    return None
