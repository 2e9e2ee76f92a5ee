"""The start of a run: login, settings, store profile, lock, fence, logs, plan, index, validators."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upload_client.aws import pipeline
from upload_client.aws.auth import open_session
from upload_client.control.checkpoints import Folded, read_logs, validator_reader
from upload_client.control.delivery_buckets import (
    DeliveryBuckets,
    complete_settings,
    open_buckets,
    usage_errors,
)
from upload_client.control.fence import fence_logs
from upload_client.control.identity import new_agent_id
from upload_client.control.lock import Lock, epoch_floor
from upload_client.control.log import LogWriter
from upload_client.control.probe import probe_store
from upload_client.control.store_probe import known_profile, probe_profile, save_profile
from upload_client.control.waiting import find_validator
from upload_client.core import records
from upload_client.core.codes import MessageCode
from upload_client.core.files import TRANSFER_TYPES, FileLedger
from upload_client.core.receipt import IndexNamed
from upload_client.core.segments import LogChain
from upload_client.core.standstill import Standstill
from upload_client.core.store_profile import StoreProfile
from upload_client.core.text import counted, for_log
from upload_client.core.validator_watch import ValidatorWatch
from upload_client.delivery import finish, progress
from upload_client.delivery.earlier_indexes import compared_rows
from upload_client.delivery.plan import Plan, make_plan
from upload_client.delivery.run import LOOK_EVERY, ConnectedRun, Run, versions
from upload_client.delivery.validation import BUSY_RETRY, Request, Validation
from upload_client.errors import (
    DeliveryClosed,
    NothingToDoError,
    NotReachable,
    PipelineRefused,
    StoreUnsafe,
)
from upload_client.events import Connected, Phase, Planned
from upload_client.index import encode_index
from upload_client.receipts.hand_overs import closing, last_hand_over
from upload_client.receipts.store import current_receipt, deliveries, sha256_of
from upload_client.s3 import etag_form
from upload_client.s3.bucket import NotFound, StoreError
from upload_client.s3.write_guard import checking
from upload_client.settings import foreign_hosts
from upload_client.support.background import call_in_thread
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.engine import TransferEngine
from upload_client.transfer.executor import BucketAddress, CoordinatorLock, ExecutorEngine
from upload_client.transfer.task import TransferOptions

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_log = logging.getLogger(__name__)

_CONNECTIONS = 64  # of boto3, where the number of requests at once is found out
_UNASKED = 5.0
"""Seconds to wait for a validator that is not asked to come, before it is told that there is none yet."""
_LISTING_NOTICE_SECONDS = 15.0  # seconds between two sentences that a long listing goes on
_LOOKS = 16  # checksums asked for at once, likewise
_BATCHES_SLOWER = (
    6  # times as long as usual nothing may be heard of an executor: it tells of whole batches only
)


@dataclass(frozen=True, slots=True)
class Survey:
    """The state of logs and buckets before a run."""

    logs: Folded
    ledger: FileLedger
    plan: Plan


def log_in(run: Run) -> None:
    """Log in, as the settings say.

    Raises:
        LoginRefused: no credentials.
        NotReachable: the login server was out of reach for as long as ``patience`` says.
    """
    with usage_errors():
        if hosts := foreign_hosts(run.settings):
            run.message(
                f"logging in at {', '.join(hosts)}, which is not AWS", "info", MessageCode.FOREIGN_LOGIN
            )
        run.session = open_session(run.settings, prompt=run.prompt, clock=run.waits, patience=run.patience)


def locate(run: Run) -> tuple[DeliveryBuckets, DataRoot]:
    """Log in if necessary, and open the delivery's buckets."""
    if run.buckets is not None and run.root is not None:
        return run.buckets, run.root
    if run.session is None:
        log_in(run)
    session, arguments = run.session, run.arguments
    assert session is not None
    run.settings = complete_settings(session, run.settings, run.patience)
    buckets = open_buckets(
        session,
        run.settings,
        dataset=arguments.dataset,
        delivery_id=arguments.delivery_id,
        transfer_type=arguments.transfer_type,
        pool=_CONNECTIONS if run.n_threads == "auto" else run.n_threads + 4,
    )
    run.clock.watch(buckets.control.client)
    run.buckets, run.root = buckets, run.source.open(buckets.landing.client)
    return run.buckets, run.root


def take_lock(run: Run, *, refresh: bool = False) -> Lock:
    """Take the lock, which then refreshes itself; with `refresh`, write it although it is held already.

    Raises:
        Locked: somebody else has it.
        LockLost: it was ours and is not any more.
    """
    buckets, _ = locate(run)
    if run.lock is None:
        run.lock = Lock(
            buckets.control,
            buckets.layout.owned,
            agent_id=run.arguments.agent_id,
            lease_seconds=buckets.settings.lease_seconds,
            clock=run.clock,
            transfer_type=buckets.layout.transfer_type,
        )
    lock = run.lock
    if lock.state == "held" and refresh:
        lock.refresh()
    elif lock.state != "held":
        there = run.patience(lambda: buckets.control.ls(recursive=False))
        floor = run.patience(lambda: epoch_floor(buckets.control, buckets.layout, there))
        run.is_new = not {f"{buckets.layout.transfer_type}/", buckets.layout.expectations} & set(there)
        run.patience(lambda: lock.acquire(floor, steal=run.arguments.steal))
        lock.start()
    return lock


def survey(run: Run, epoch: int, check: Callable[[], None] | None = None) -> Survey:
    """Read the logs, list what has landed, and find out where each file starts. Changes nothing.

    Args:
        run: as far as it has come.
        epoch: of the run.
        check: called for each file and each block that is read, in any thread; None: whether to stop.
    """
    buckets, root = locate(run)
    source, arguments = run.source, run.arguments
    run.patience(lambda: source.look(root, buckets.layout.landing))
    max_retries = buckets.settings.max_retries if arguments.max_retries is None else arguments.max_retries
    rows = source.rows()
    folded = run.patience(lambda: read_logs(buckets.control, buckets.layout, rows, run.waits))

    compared = run.patience(lambda: compared_rows(source.index, rows, folded.history, buckets))
    noticed_at = run.clock.monotonic()

    def listed(n: int) -> None:
        nonlocal noticed_at
        now = run.clock.monotonic()
        if now - noticed_at >= _LISTING_NOTICE_SECONDS:
            noticed_at = now
            so_far = f"listing the landing bucket: {counted(n, 'object')} so far"
            run.message(so_far, "info", MessageCode.LISTING)

    def look() -> Survey:
        # A new one for each attempt: planning moves its files.
        ledger = source.ledger(max_retries, rows, folded.history.logged())
        plan = make_plan(
            ledger,
            folded.history,
            epoch=epoch,
            root=root,
            sources=source.entries,
            landing=buckets.landing,
            resend_invalid=arguments.resend_invalid,
            n_threads=_LOOKS if run.n_threads == "auto" else run.n_threads,
            digests=source.digests,
            size_to_be=source.size_to_be,
            compared=compared,
            sha256=buckets.settings.digest == "sha256",
            trusts_store_crc32=lambda: _verifies_checksums(run),
            check=check or run.check_stop,
            listed=listed,
        )
        return Survey(folded, ledger, plan)

    return run.patience(look)


def _verifies_checksums(run: Run) -> bool:
    """Whether a CRC32 that the store says of an object is one that it has computed itself."""
    settle_store(run)
    return run.store is None or run.store.verification != "read-back"


def connect(run: Run) -> None:
    """Do everything up to the plan; afterwards the run is connected.

    Raises:
        NothingToDoError: all files are delivered and valid already, and the receipt is there.
        DeliveryClosed: the receiver has taken the delivery over.
        DeliveryError: it cannot be delivered now.
    """
    arguments = run.arguments
    about = f"{arguments.dataset}/{arguments.delivery_id} ({arguments.transfer_type})"
    made_of = ", ".join(f"{name} {number}" for name, number in versions().items())
    _log.info("agent %s begins %s; %s", arguments.agent_id, about, made_of)
    buckets, root = locate(run)
    check_open(run)
    # Each attempt has an object of its own: what became of that of an earlier one is not known, nor whether
    # somebody else has this run's name.
    run.patience(lambda: probe_store(buckets.control, buckets.layout, new_agent_id(), clock=run.waits))
    copies = root.bucket is not None
    run.trials = call_in_thread(lambda: _profile_of_store(run, buckets, copies=copies), "try store")
    if etag_form.is_bare(buckets.control.client):
        settle_store(run)  # whoever validates reads there how conditions are spelled
    lock = take_lock(run)
    check_open(run)  # again: whoever removes files from landing says so, and then looks for this lock
    writer, chain = _fence(run, buckets, lock)
    _ask_ahead(run, buckets, lock.epoch)
    run.notice_clock()
    run.notify(Phase("planning"))
    with _keeping_alive(run, writer) as look:
        found = survey(run, lock.epoch, look)
        writer.check_owner(found.logs.history.last_client)
        run.connected = connected = _connected(run, lock, writer, chain, found)
        _notify_start(connected)
        if connected.ledger.all_valid:
            settle_store(run)  # the receipt says it
            _see_to_the_receipt(connected)
    writer.start()
    if not run.in_one_go:
        _make_ready(connected)
    run.move("connected")


@contextlib.contextmanager
def _keeping_alive(run: Run, writer: LogWriter) -> Iterator[Callable[[], None]]:
    """Write keepalives to the log while this block runs; yields a function that writes one if it is due.

    To read files whose times have changed can take hours, and validators that come by themselves are there
    since the fence: they leave a client from whom they receive nothing, and tell the receiver so.
    """
    appended_at = run.clock.monotonic()

    def look() -> None:
        nonlocal appended_at
        run.check_stop()
        now = run.clock.monotonic()
        if now - appended_at >= records.KEEPALIVE_SECONDS:
            appended_at = now
            writer.append(records.Keepalive(run.now()))
            writer.start()

    try:
        with checking(look):
            yield look
    except BaseException:
        writer.stop()
        raise


def settle_store(run: Run) -> None:
    """Load or make the store profile, and refuse a store that is not safe.

    It is tried beside everything that is asked before a file is sent.

    Raises:
        StoreUnsafe: it is refused.
        StoreError: it could not be tried.
    """
    if run.trials is None:
        return
    buckets, root = locate(run)
    copies = root.bucket is not None

    def tried() -> StoreProfile:
        trials = run.trials
        if trials is None:  # that one has failed
            return _profile_of_store(run, buckets, copies=copies)
        while not trials.done():  # a run that is stopped meanwhile has yet to let them clear up
            run.waits.sleep(LOOK_EVERY / 20)
        run.trials = None
        return trials.result()

    run.store = run.patience(tried)
    _check_store(run, buckets, run.store, copies=copies)


def _make_ready(connected: ConnectedRun) -> None:
    """Have all there is to be before a file is sent, but for the validator."""
    if connected.engine is None:
        settle_store(connected.run)
        connected.engine = _engine(connected)


def check_open(run: Run) -> None:
    """Refuse to send again what the receiver has taken over.

    Raises:
        DeliveryClosed: they have closed the delivery, or handed its files over and remove them from landing.
    """
    buckets, _ = locate(run)
    control, layout = buckets.control, buckets.layout
    if (closed := run.patience(lambda: closing(control, layout))) is not None:
        raise DeliveryClosed(str(closed))
    record = run.patience(lambda: last_hand_over(control, layout))
    if record is not None and record.leaves_landing:
        done = record.removed_at is not None
        raise DeliveryClosed(
            f"the receiver has handed this delivery over on {record.proven_at}:"
            f" {counted(record.n_files, 'file')} of receipt {record.epoch}"
            + ("" if done else ", which are being removed from the landing bucket")
        )


def _profile_of_store(run: Run, buckets: DeliveryBuckets, *, copies: bool) -> StoreProfile:
    """The promises that the store keeps: as written down for this delivery; else tried, and written down."""
    known, etag = known_profile(buckets.control, buckets.layout)
    if known is not None and known.covers(copies=copies):
        return known
    key = buckets.layout.probe(new_agent_id())
    profile = probe_profile(buckets.control, buckets.landing, key, copies=copies, clock=run.waits)
    save_profile(buckets.control, buckets.layout, profile, etag)
    return profile


def _check_store(run: Run, buckets: DeliveryBuckets, profile: StoreProfile, *, copies: bool) -> None:
    """Refuse a store that does not keep to what a delivery is built on, before anything is sent."""
    accepted = run.settings.accept_unverified_store
    reasons = profile.refused(copies=copies, accept_unverified=accepted)
    if reasons:
        curable = not profile.refused(copies=copies, accept_unverified=True)
        hint = "Tell the receiver; `upload-client check --store` shows all that was tried."
        if curable:
            hint = (
                "Tell the receiver; or deliver with --accept-unverified-store: the receipt then says that the"
                " store has verified nothing."
            )
        raise StoreUnsafe(f"the store of {buckets.landing} is not safe: {reasons[0]}", hint=hint)
    if profile.verification == "none":
        why = f"the store verifies no checksum: {profile.in_a_line}"
        run.message(why, "warning", MessageCode.STORE_UNVERIFIED)
    elif profile.verification != "crc32" or profile.no_parts:
        why = f"the store does not do all that AWS's does: {profile.no_parts or profile.in_a_line}"
        run.message(why, "info", MessageCode.STORE_LIMITED)


def _fence(run: Run, buckets: DeliveryBuckets, lock: Lock) -> tuple[LogWriter, LogChain]:
    """Keep every earlier holder of the lock from the logs: the writer of this run's, and its chain."""
    chain = LogChain("client")
    writer = LogWriter(
        buckets.control,
        buckets.layout.client_log(),
        agent_id=run.arguments.agent_id,
        epoch=lock.epoch,
        chain=chain,
        clock=run.clock,
        may_write=lambda: lock.may_write,
    )
    run.patience(writer.fence)
    run.writer = writer
    # Whoever has taken the lock since then found no log to end, if this is its first segment.
    run.patience(lock.refresh)
    if lock.stolen:
        others = [of for of in TRANSFER_TYPES if of != run.arguments.transfer_type]
        reason = f"agent {run.arguments.agent_id} took the lock, to deliver the {run.arguments.transfer_type}"
        run.patience(
            lambda: fence_logs(
                buckets.control,
                buckets.layout,
                lock,
                reason,
                agent_id=run.arguments.agent_id,
                transfer_types=others,
                clock=run.clock,
            )
        )
    return writer, chain


def _connected(run: Run, lock: Lock, writer: LogWriter, chain: LogChain, found: Survey) -> ConnectedRun:
    buckets, root = locate(run)
    settings = buckets.settings

    def known(shard: int) -> int:
        """Number of the first segment of its log in which one that comes now can be."""
        return validation.chains[shard].next_seq if shard in validation.chains else 0

    validation = Validation(
        found.logs.validators,
        lambda shard: validator_reader(buckets.control, buckets.layout, shard, run.clock),
        lambda: ValidatorWatch(
            lock.epoch, silence=settings.validator_silence, busy=settings.lease_seconds + BUSY_RETRY
        ),
        lambda wanted: (
            _wait_for_validator(run, buckets, lock.epoch, wanted.shard, known(wanted.shard))
            if settings.start == "watched"
            else _ask_for_validator(run, buckets, lock.epoch, wanted)
        ),
        run.clock,
    )
    slower = 1 if run.arguments.executor is None else _BATCHES_SLOWER
    return ConnectedRun(
        run=run,
        buckets=buckets,
        root=root,
        lock=lock,
        writer=writer,
        chain=chain,
        validation=validation,
        history=found.logs.history,
        header=chain.header(agent_id=run.arguments.agent_id, epoch=lock.epoch),
        checkpoint_at=chain.next_seq + validation.n_segments - found.logs.n_segments,
        ledger=found.ledger,
        plan=found.plan,
        announce=deque(found.plan.announced),
        n_uploads=found.plan.n_found,
        appended_at=run.clock.monotonic(),
        standstill=Standstill(settings.standstill * slower),
        bytes_before=progress.bytes_before(found.plan),
        index_was_refused=found.logs.history.index_refused,
    )


def _notify_start(connected: ConnectedRun) -> None:
    run, plan, source = connected.run, connected.plan, connected.run.source
    for note in source.notes:
        run.message(note, "info", MessageCode.INDEX_READ)
    for code, warning in source.warnings:
        run.message(warning, "warning", code)
    run.notify(
        Connected(
            dataset=run.arguments.dataset,
            delivery_id=run.arguments.delivery_id,
            transfer_type=run.arguments.transfer_type,
            agent_id=run.arguments.agent_id,
            epoch=connected.lock.epoch,
            source=source.name,
            landing=str(connected.buckets.landing),
            resumed=len(connected.history) > 0,
        )
    )
    _warn_of_other_expectations(connected)
    run.notify(
        Planned(
            counts={reason.value: n for reason, n in plan.reasons.items()},
            n_files=plan.n_to_send,
            n_bytes=plan.n_bytes,
            left_out=source.left_out.counts,
        )
    )


def _warn_of_other_expectations(connected: ConnectedRun) -> None:
    """Say where files were judged by another document than the receiver's is now: their verdicts stand."""
    run, buckets, history = connected.run, connected.buckets, connected.history
    are_ok = bytes(map(history.is_ok, range(len(connected.ledger))))
    judges = [life.init for life in history.judges(are_ok)]
    judged_by = {
        init.expectations_sha256
        for init in judges
        if isinstance(init, records.ValidatorInit) and init.versions  # those of before named no document
    }
    if not judged_by:
        return
    now: str | None = None
    try:
        now = sha256_of(buckets.control, buckets.layout.expectations)
    except NotFound:
        pass
    except StoreError as error:  # not everybody may read it, and nothing depends on it
        _log.info("whether the receiver's expectations have changed is not known: %s", error)
        return
    if judged_by != {now}:
        run.message(
            "what the receiver expects has changed since files of this delivery were judged: their verdicts"
            " stand, and they are not judged again; `upload-client check --content` shows what the verdicts"
            " would be now",
            "warning",
            MessageCode.EXPECTATIONS_CHANGED,
        )


def _see_to_the_receipt(connected: ConnectedRun) -> None:
    """Where nothing is left to do: fetch the receipt, or write the one that an earlier run did not get to.

    Of files that are valid, and that were not the delivery that was agreed on, a validator is asked again;
    and where the receiver expects something of a delivery, of those that no receipt names together.

    Raises:
        NothingToDoError: that is done.
    """
    run, buckets = connected.run, connected.buckets
    if connected.index_was_refused:
        connected.asks_of_index = True
        return
    files = deliveries(connected.ledger, connected.history)
    current = run.patience(lambda: current_receipt(buckets.control, buckets.layout, files))
    if current is not None and finish.fetch_receipt(connected, current):
        connected.receipt = current
        raise NothingToDoError
    if connected.history.is_expected:
        connected.asks_of_index = True
        return
    write_index(connected)
    finish.abort_unfinished_uploads(connected)
    run.patience(connected.lock.refresh)
    finish.write_receipt(connected)
    raise NothingToDoError


def _engine(connected: ConnectedRun) -> TransferEngine | ExecutorEngine:
    """The engine that carries the content of files."""
    run, buckets, lock = connected.run, connected.buckets, connected.lock
    settings, arguments = buckets.settings, run.arguments
    rate = settings.max_rate
    options = TransferOptions(
        n_threads=run.n_threads,
        engine=settings.engine,
        unsigned_payload=settings.unsigned_payload,
        options=settings.object_options,
        multipart_threshold=int(settings.multipart_threshold),
        part_size=None if settings.part_size is None else int(settings.part_size),
        # Each batch has its share of the cap, since none knows of the others.
        max_rate=rate and rate / (1 if arguments.executor is None else arguments.n_batches),
        no_parts="" if run.store is None else run.store.no_parts,
        md5=run.store is not None and run.store.verification == "md5",
        read_back=run.store is not None and run.store.verification == "read-back",
        bare_etags=run.store is not None and run.store.bare_etags,
    )
    if arguments.executor is None:
        may_write = lambda: lock.may_write  # noqa: E731 - asked for each request: no attribute of `connected`
        options["small_for_one"] = run.small_for_one  # else each of many machines would have as many
        return TransferEngine(
            connected.root, buckets.landing, may_write=may_write, clock=run.clock, **options
        )
    return ExecutorEngine(
        arguments.executor,
        connected.root,
        buckets.landing,
        session=run.session,
        lock=CoordinatorLock(
            BucketAddress.of(buckets.control), buckets.layout.owned, arguments.agent_id, lock.epoch
        ),
        n_batches=arguments.n_batches,
        **options,
    )


def _ask_ahead(run: Run, buckets: DeliveryBuckets, epoch: int) -> None:
    """Ask for a validator beside the plan and the index, where neither can be a reason to have none.

    That is a delivery that is new, whose index is known, and of which the receiver expects nothing as a
    whole. Who connects and then looks at the plan may not want one.
    """
    if run.is_new and run.in_one_go and run.source.is_known and buckets.settings.start != "watched":
        _open_lambda(run, buckets)
        run.ahead = call_in_thread(
            lambda: _request_validator(run, buckets, epoch, Request(1, 0, None)), "start validator"
        )


def _ask_for_validator(run: Run, buckets: DeliveryBuckets, epoch: int, wanted: Request) -> pipeline.Started:
    """Ask the starter once; or take its answer, where it was asked ahead.

    A refusal then was one without the index, and does not count.
    """
    ahead, run.ahead = run.ahead, None
    if ahead is not None:
        try:
            return ahead.result()
        except (PipelineRefused, NotReachable, StoreError) as error:
            _log.info("asked before there was an index, the starter has refused: %s", error)
    return _request_validator(run, buckets, epoch, wanted)


def _request_validator(run: Run, buckets: DeliveryBuckets, epoch: int, wanted: Request) -> pipeline.Started:
    arguments, settings = run.arguments, buckets.settings
    request = {
        "protocol": records.VERSION,
        "dataset": arguments.dataset,
        "delivery_id": arguments.delivery_id,
        "transfer_type": arguments.transfer_type,
        "agent_id": arguments.agent_id,
        "epoch": epoch,
        "idempotency_key": f"{arguments.agent_id}-{epoch}-{wanted.attempt}",
    }
    if wanted.shards is not None:
        request |= {"shard": wanted.shard, "shards": wanted.shards}
    return pipeline.start(_open_lambda(run, buckets), settings.start_function or "", request)


def _open_lambda(run: Run, buckets: DeliveryBuckets) -> LambdaClient:
    """The client that reaches the starter. It is made once: a session is not for several threads at once."""
    if run.lambda_client is None:
        run.lambda_client = pipeline.lambda_client(run.session, buckets.settings, run.arguments.lambda_config)
    return run.lambda_client


def _wait_for_validator(
    run: Run, buckets: DeliveryBuckets, epoch: int, shard: int, known: int
) -> pipeline.Started:
    """Wait a little for a validator that comes by itself."""
    until = run.clock.monotonic() + _UNASKED
    while True:
        found = find_validator(buckets.control, buckets.layout, shard=shard, epoch=epoch, known=known)
        if found is not None:
            return pipeline.Started(for_log(found.validator_id), found.shards)
        if run.clock.monotonic() >= until:
            raise NotReachable(
                "no validator has come to this delivery yet",
                hint="The receiver's process that watches (upload-client receiver serve) may not be"
                " running: tell them, or run the same command again later. What was sent is kept.",
            )
        run.clock.sleep(LOOK_EVERY)


def write_index(connected: ConnectedRun) -> None:
    """Write the index, with the column ``will_transfer``, to the control bucket, and log it."""
    ledger = connected.ledger
    body = encode_index(connected.run.source.index.files, [state == "ready" for state in ledger.states()])
    key = connected.buckets.layout.index(connected.lock.epoch)
    connected.index = IndexNamed(key, hashlib.sha256(body).hexdigest())
    connected.create(key, body, "text/csv")
    _log.info("index %s written: %d files", key, len(ledger))
    n_bytes = sum(size for size in ledger.sizes() if size > 0)
    connected.append(
        [
            records.Init(
                connected.run.now(),
                connected.lock.epoch,
                key,
                connected.index.sha256,
                len(ledger),
                n_bytes,
                versions(),
            )
        ]
    )


def start_validation(connected: ConnectedRun) -> bool:
    """Start the validators; False where nothing is to be sent or judged.

    Raises:
        PipelineRefused: none was started.
        NotReachable: the starter was out of reach for as long as ``patience`` says.
    """
    run, validation = connected.run, connected.validation
    validation.follow()
    is_idle = connected.ledger.order.next_row(math.inf) is None and not connected.announce
    if is_idle and not connected.asks_of_index:
        _make_ready(connected)
        return False
    if run.trials is not None and run.trials.done():
        settle_store(run)  # a store that is refused needs no validator
    run.notify(Phase("starting"))

    def wait() -> None:
        _make_ready(connected)  # while the starter is at work
        run.waits.sleep(LOOK_EVERY / 10)

    while run.ahead is not None and not run.ahead.done():
        wait()
    while not run.patience(lambda: validation.start(wait)):
        run.waits.sleep(BUSY_RETRY)
        connected.lock.check_held()
    _make_ready(connected)
    run.move("started")
    run.notify(Phase("sending"))
    return True
