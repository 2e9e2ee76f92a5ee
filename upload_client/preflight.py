"""Everything that can be found out before a delivery, without leaving a trace: `preflight`.

Each permission is tried by a request that would be refused even to whoever has it (see
`upload_client.core.preflight.access`), so that nothing is written. Three things are, and are taken away
again: one small object below ``probe/`` in the control bucket, twice, and, in the landing bucket, parts of an
upload that is abandoned, by which the rate is measured. They are begun only where they may be taken away. (A
control bucket with versions keeps those of the object: some hundred bytes.)
"""

from __future__ import annotations

import email.utils
import secrets
import shutil
import statistics
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError

from upload_client.aws import clients
from upload_client.aws.auth import SET_CLOCK, CognitoLogin, Prompt, open_session
from upload_client.aws.bucket import AccessDenied, Bucket, NotFound, ObjectTooLarge, StoreError, store_errors
from upload_client.aws.identity import current_process, is_running, new_agent_id
from upload_client.aws.leftover import Leftover, leftovers
from upload_client.aws.probe import probe_store
from upload_client.clock import SYSTEM, Clock
from upload_client.content import check_contents, unopened
from upload_client.core import checksums
from upload_client.core import preflight as rules
from upload_client.core.files import TransferType
from upload_client.core.lease import MAX_BODY, LockBody, Take, WhyRefused, WhyTaken, may_take
from upload_client.core.parts import MAX_OBJECT
from upload_client.core.paths import check_relpaths, collisions
from upload_client.core.preflight import BY_NAME, CHECKS, Access, Finding, access, actions_of
from upload_client.core.text import for_terminal
from upload_client.core.times import timestamp
from upload_client.errors import DeliveryError, InvalidIndex, StoreUnsafe, UsageError
from upload_client.index import check_index, known_sizes
from upload_client.places import Places, complete_settings, open_places
from upload_client.settings import Settings
from upload_client.transfer.dataroot import DataRoot, FileRefused
from upload_client.transfer.lean import LeanWire
from upload_client.transfer.route import NoRoute
from upload_client.transfer.wire import (
    AbortUpload,
    Answer,
    BotoWire,
    CopyObject,
    CreateUpload,
    HeadObject,
    ListParts,
    PutObject,
    SourceObject,
    UploadPart,
    Wire,
)
from upload_client.ui import figures

if TYPE_CHECKING:
    import boto3
    import pandas as pd

__all__ = ["Order", "preflight"]

T = TypeVar("T")
Steps = Generator[Finding, None, T]

_NETWORK = "Check the network (proxy, firewall), region and endpoint_url; then run this again."
_SHOWN = 5
_NO_ETAG = "0" * 32
_TIMEOUT = 20.0  # seconds
_LOOKS = 512  # files looked at before progress is told
_AUTO_THREADS = 8
_LATENCIES = 5
_MOST_LEFTOVERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be delivered, and how.

    Attributes:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: ``staging`` or ``sample``.
        settings: known before the login.
        sources: which of them come from where, see `upload_client.settings.where_from`.
        open_source: gives the source; a bucket needs the session, which is None before a login.
        read_files: gives the index of a source.
        output_dir: where the state dump will go.
        content: open the files as the validator will.
        prompt: asks the person for what a login needs.
    """

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    settings: Settings
    sources: Mapping[str, Sequence[str]]
    open_source: Callable[[boto3.Session | None], Path | Bucket | None]
    read_files: Callable[[Path | Bucket], pd.DataFrame]
    output_dir: Path
    content: bool = False
    prompt: Prompt | None = None


def preflight(
    order: Order, *, tell: Callable[[str], None] = lambda _: None, clock: Clock = SYSTEM
) -> Iterator[Finding]:
    """Look at everything. What fails does not keep the rest from being looked at, where that is possible.

    Args:
        order: what is to be delivered.
        tell: is told what is being done now, for people.
        clock: time.

    Yields:
        One finding for each of `upload_client.core.preflight.CHECKS` that concerns this delivery.
    """
    run = _Preflight(order, tell, clock)
    for finding in run.steps():
        run.seen.add(finding.check)
        yield finding
    for check in CHECKS:
        if check.name not in run.seen and (check.place != "source" or run.from_bucket):
            yield Finding(check.name, "skipped", run.why_not or "not tried")


@dataclass(slots=True)
class _Measured:
    """What the store can do.

    Attributes:
        rate: bytes a second, all connections together; None: not measured.
        latency: seconds from a small request to its answer.
        how: how the rate was measured, for people.
        n_threads: connections used.
    """

    latency: float
    n_threads: int
    rate: float | None = None
    how: str = ""


@dataclass(slots=True)
class _Data:
    """The files of a delivery that can be read."""

    paths: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


class _Preflight:
    """One look at everything.

    Attributes:
        why_not: why what has no finding was not tried.
        from_bucket: whether the source is a bucket.
        seen: checks that have a finding.
    """

    def __init__(self, order: Order, tell: Callable[[str], None], clock: Clock) -> None:
        self._order = order
        self._tell = tell
        self._clock = clock
        self.why_not = ""
        self.from_bucket = False
        self.seen: set[str] = set()
        self._denied: set[str] = set()
        self._data: _Data | None = None
        self._a_source_key: str | None = None
        self._measured: _Measured | None = None

    def steps(self) -> Iterator[Finding]:
        """All there is, in an order that lets later checks use what earlier ones found."""
        order = self._order
        source = order.open_source(None)
        self.from_bucket = source is None
        if source is not None:
            yield from self._contained("index", self._files(source))
        session = yield from self._contained("login", self._login())
        if session is None:
            yield self._settings(order.settings)
            self.why_not = "not tried: there is no login"
        else:
            yield from self._contained("settings", self._with_session(session))
        yield from self._contained("disk", self._disk())
        yield from self._contained("time", self._time())

    def _with_session(self, session: boto3.Session) -> Steps[None]:
        order = self._order
        if order.settings.needs_parameter:
            self._tell("reading the receiver's settings")
        try:
            settings = complete_settings(session, order.settings)
        except (DeliveryError, BotoCoreError) as error:
            yield self._settings(order.settings)
            if isinstance(error, BotoCoreError):
                yield Finding("parameter", "problem", f"no answer: {error}", _NETWORK)
            else:
                yield self._parameter_refused(error)
                if error.hint == SET_CLOCK:
                    yield Finding("clock", "problem", str(error), error.hint)
            self.why_not = "not tried: the receiver's settings are not known"
            return
        try:
            places = open_places(
                session,
                settings,
                dataset=order.dataset,
                delivery_id=order.delivery_id,
                transfer_type=order.transfer_type,
                pool=self._n_threads(settings) + 4,
            )
        except UsageError as error:
            yield Finding("settings", "problem", str(error), error.hint)
            self.why_not = "not tried: the settings are wrong"
            return
        yield self._settings(settings)
        found = "read" if order.settings.needs_parameter else "not needed: the settings say everything"
        yield Finding("parameter", "ok", f"{settings.settings_parameter}: {found}")
        yield from self._contained("start-function", self._start_function(session, settings))
        source = order.open_source(session) if self.from_bucket else None
        if isinstance(source, Bucket):
            yield from self._contained("source-list", self._source(source))
            yield from self._contained("index", self._files(source))
        safe = yield from self._contained("control-list", self._control(places))
        yield from self._contained("landing-list", self._landing(places, settings, source, safe=bool(safe)))

    def _contained(self, name: str, steps: Steps[T]) -> Steps[T | None]:
        """Go on with the rest, whatever happens in these steps, of which `name` is the first check."""
        try:
            return (yield from steps)
        except DeliveryError as error:
            found, todo = str(error), error.hint
        except BotoCoreError as error:
            found, todo = f"no answer: {error}", _NETWORK
        except Exception as error:  # noqa: BLE001 - a check must not keep the others from being made
            found = f"unexpected: {type(error).__name__}: {error}"
            todo = "This is a fault of upload-client: report it."
        names = [check.name for check in CHECKS]
        left = (one for one in names[names.index(name) :] if one not in self.seen)
        yield Finding(next(left, name), "problem", found, todo)
        return None

    # --- settings and login ---

    def _settings(self, settings: Settings) -> Finding:
        sources = dict(self._order.sources)
        told = {name for names in sources.values() for name in names}
        if more := sorted(settings.model_fields_set - told):
            sources[f"SSM parameter {settings.settings_parameter}"] = more
        details = tuple(f"{where}: {', '.join(names)}" for where, names in sources.items() if names)
        places = [where for where in sources if where not in ("environment", "command line")]
        found = f"from {places[0]}" if places else "from the environment alone"
        return Finding("settings", "ok", found, details=details)

    def _parameter_refused(self, error: DeliveryError) -> Finding:
        settings = self._order.settings
        if not settings.needs_parameter:
            return Finding("settings", "problem", str(error), error.hint)
        if "AccessDenied" not in str(error):
            return Finding("parameter", "problem", str(error), error.hint)
        arn = f"arn:aws:ssm:{settings.region or '*'}:*:parameter{settings.settings_parameter}"
        return self._denial("parameter", [("ssm:GetParameter", arn)])

    def _login(self) -> Steps[boto3.Session]:
        settings = self._order.settings
        self._tell("logging in")
        if settings.auth == "cognito":
            login = CognitoLogin(settings, prompt=self._order.prompt, clock=self._clock)
            session = login.session()
            yield Finding("login", "ok", f"by user name and password, at {settings.user_pool_id}")
            yield from self._contained("renewal", self._cognito_renewal(login))
            return session
        session = open_session(settings, prompt=self._order.prompt, clock=self._clock)
        credentials: Any = session.get_credentials()
        yield Finding("login", "ok", f"with the AWS credentials that boto3 finds ({credentials.method})")
        yield self._aws_renewal(credentials)
        return session

    def _cognito_renewal(self, login: CognitoLogin) -> Steps[None]:
        ends = datetime.fromisoformat(login.refresh()["expiry_time"]).timestamp()
        left = rules.in_words(ends - self._clock.wall())
        yield Finding("renewal", "ok", f"credentials last {left} and were just renewed, as a delivery does")

    def _aws_renewal(self, credentials: Any) -> Finding:  # noqa: ANN401 - of botocore, untyped
        renewed = hasattr(credentials, "refresh_needed")
        if renewed or not credentials.token:
            return Finding("renewal", "ok", "renewed by boto3" if renewed else "keys that do not end")
        return Finding(
            "renewal",
            "warning",
            "temporary keys that nobody renews; when they end is not known",
            "Make sure that they last as long as the delivery; after their end, log in and run it again.",
        )

    # --- permissions ---

    def _answer(
        self,
        name: str,
        status: int,
        code: str,
        message: str,
        where: tuple[str, str],
        options: Sequence[str] = (),
        *,
        found: str = "allowed",
    ) -> Finding:
        """What the answer to the trial of a check means.

        Args:
            name: of the check.
            status: HTTP status, 0 for no answer.
            code: the store's error code.
            message: what it said.
            where: bucket and prefix.
            options: names of the settings' object options.
            found: to be said where it is allowed.
        """
        bucket, prefix = where
        said = access(status, code)
        if said is Access.ALLOWED:
            return Finding(name, "ok", found)
        if said is Access.DENIED:
            actions = actions_of(BY_NAME[name], options)
            return self._denial(name, [(one, rules.resource(one, bucket, prefix)) for one in actions])
        found = f"{said.value}: {message}"
        if said is Access.NO_BUCKET:
            found = f"there is no bucket {bucket}"
        return Finding(name, "problem", found, rules.advice(status, code))

    def _denial(self, name: str, missing: Sequence[tuple[str, str]]) -> Finding:
        check = BY_NAME[name]
        self._denied.add(name)
        actions = tuple(action for action, _ in missing)
        asked = "; ".join(f"{action} on {arn}" for action, arn in missing)
        return Finding(
            name,
            "problem" if check.needed else "warning",
            f"{' or '.join(actions)} is not allowed: a delivery could not {check.without}",
            f"If dataset and delivery are spelled right, ask the receiver to allow {asked}.",
            actions=actions,
        )

    def _read_answer(
        self, name: str, answer: tuple[int, str, str], where: tuple[str, str], *, exists: bool
    ) -> Finding:
        """What the answer to a look at an object says.

        Of an object that is not there S3 says 404 only to whoever may list the bucket, and 403 to others.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        listing = f"{name.partition('-')[0]}-list"
        if access(*answer[:2]) is Access.DENIED and listing in self._denied and not exists:
            return Finding(name, "skipped", "cannot be told while s3:ListBucket is missing")
        return self._answer(name, *answer, where)

    def _start_function(self, session: boto3.Session, settings: Settings) -> Steps[None]:
        """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, DryRun."""
        self._tell("asking whether the validator may be started")
        function = settings.start_function
        client = clients.client(session, "lambda", settings, read_timeout=_TIMEOUT)
        status, code, message = _asked(
            f"Invoke {function}",
            lambda: client.invoke(FunctionName=function, InvocationType="DryRun", Payload=b"{}"),
        )
        name = "start-function"
        if code == "ResourceNotFoundException":
            yield Finding(
                name,
                "problem",
                f"there is no function {function}",
                "Check region and start_function; else tell the receiver.",
            )
        elif access(status, code) is Access.DENIED:
            yield self._denial(name, [("lambda:InvokeFunction", f"the function {function}")])
        elif access(status, code) is Access.ALLOWED:
            yield Finding(name, "ok", f"{function} may be called (a dry run: nothing was started)")
        else:
            yield Finding(name, "problem", message, _NETWORK)

    def _source(self, source: Bucket) -> Steps[None]:
        where = (source.name, source.prefix)
        self._tell(f"looking at {source}")
        listed: dict[str, Any] = {}
        answer = _asked(f"LIST {source}", lambda: listed.update(_list_one(source)))
        self._a_source_key = next(
            (entry["Key"].removeprefix(source.prefix) for entry in listed.get("Contents", ())), None
        )
        yield self._answer("source-list", *answer, where, found=f"allowed in {source}")

    # --- the control bucket ---

    def _control(self, places: Places) -> Steps[bool]:
        """Returns whether the store honours conditional writes, as far as that could be tried."""
        control, layout = places.control, places.layout
        where = (control.name, control.prefix)
        self._tell(f"trying out {control}")
        before = self._clock.wall()
        listed: dict[str, Any] = {}
        answer = _asked(f"LIST {control}", lambda: listed.update(_list_one(control)), date=listed)
        if "Date" in listed:
            yield _clock_finding(listed["Date"], (before + self._clock.wall()) / 2)
        finding = self._answer("control-list", *answer, where, found=f"allowed in {control}")
        yield finding
        if access(*answer[:2]) not in {Access.ALLOWED, Access.DENIED}:
            self.why_not = "not tried: the bucket cannot be used"
            return False
        yield from self._contained("delivery", self._delivery(places, begun=bool(listed.get("Contents"))))
        yield from self._contained("lock", self._lock(places))

        probe = layout.probe(new_agent_id())
        answer = _asked(f"DELETE {probe}", lambda: control.rm(probe))
        yield self._answer("control-delete", *answer, where)
        if not _ok(answer):
            # What cannot be taken away again is not written.
            answer = _asked(f"PUT {probe}", lambda: control.put(probe, b"", if_match=_NO_ETAG))
            yield self._answer("control-write", *answer, where)
            answer = _asked(f"GET {probe}", lambda: control.get(probe, limit=1024))
            yield self._read_answer("control-read", answer, where, exists=False)
            yield Finding("conditional-writes", "skipped", "not tried: the trial object could not be removed")
            return False
        with ExitStack() as exit_stack:
            exit_stack.callback(_asked, f"DELETE {probe}", lambda: control.rm(probe))
            wrote = _asked(f"PUT {probe}", lambda: control.put(probe, b"trial\n", if_none_match=True))
            yield self._answer("control-write", *wrote, where)
            read = _asked(f"GET {probe}", lambda: control.get(probe, limit=1024))
            yield self._read_answer("control-read", read, where, exists=_ok(wrote))
        if not (_ok(wrote) and _ok(read)):
            yield Finding("conditional-writes", "skipped", "not tried: that needs reading and writing")
            return False
        name = "conditional-writes"
        try:
            probe_store(control, layout, new_agent_id(), clock=self._clock)
        except StoreUnsafe as error:
            yield Finding(name, "problem", str(error), error.hint)
            return False
        yield Finding(name, "ok", "the store honours If-None-Match and If-Match")
        return True

    def _delivery(self, places: Places, *, begun: bool) -> Steps[None]:
        """Is this a new delivery, one to go on with, or a misspelt one."""
        layout, order = places.layout, self._order
        name = f"{order.dataset}/{order.delivery_id} ({order.transfer_type})"
        if begun:
            yield Finding("delivery", "ok", f"{name} was begun before and goes on")
            return
        for prefix, given, what in (
            (layout.fill(layout.control_prefix), order.dataset, "dataset"),
            (layout.fill(layout.control_prefix) + order.dataset + "/", order.delivery_id, "delivery id"),
        ):
            if other := rules.close_name(
                given, _folders(Bucket(places.control.name, client=places.control.client), prefix)
            ):
                yield Finding(
                    "delivery",
                    "warning",
                    f"{name} is new, and there is a {what} {other!r}: is {given!r} misspelt?",
                    f"If so, write {other!r}; else there is nothing to do.",
                )
                return
        yield Finding("delivery", "ok", f"{name} is new")

    def _lock(self, places: Places) -> Steps[None]:
        try:
            fetched = places.control.get(places.layout.owned, limit=MAX_BODY)
            body = LockBody.decode(fetched.body)
        except NotFound:
            yield Finding("lock", "ok", "free: nobody has ever held it")
            return
        except ObjectTooLarge as error:
            fetched, body = error.found, None
        except AccessDenied:
            yield Finding("lock", "skipped", "it may not be read")
            return
        decision = may_take(
            body, age=fetched.date - fetched.last_modified, identity=current_process(), is_running=is_running
        )
        holder = "somebody whose lock cannot be read"
        if body is not None:
            who = f"{body.user or 'unknown user'} on {body.host or 'unknown host'}"
            holder = f"agent {body.agent_id} ({who}, since {body.acquired_at})"
        if isinstance(decision, Take):
            found = "free" if decision.why is WhyTaken.RELEASED else f"left by {holder}, whose run has died"
            yield Finding("lock", "ok", found)
            return
        todo = "Wait until that run has ended."
        if decision.why is WhyRefused.NEWER:
            todo = "Install the newer version of upload-client that holds it."
        elif body is not None:
            todo += f" If you know that it is dead: `upload-client unlock --steal {body.agent_id}`."
        yield Finding("lock", "problem", f"held by {holder}", todo)

    # --- the landing bucket ---

    def _landing(
        self, places: Places, settings: Settings, source: Path | Bucket | None, *, safe: bool
    ) -> Steps[None]:
        landing = places.landing
        where = (landing.name, landing.prefix)
        options = list(settings.object_options)
        from_bucket = source if isinstance(source, Bucket) else None
        wire = BotoWire(landing, from_bucket, settings.object_options)
        key = f"upload-client-probe-{new_agent_id()}"
        self._tell(f"trying out {landing}")
        listed: dict[str, Any] = {}
        answer = _asked(f"LIST {landing}", lambda: listed.update(_list_one(landing)))
        finding = self._answer("landing-list", *answer, where, found=f"allowed in {landing}")
        yield finding
        if access(*answer[:2]) not in {Access.ALLOWED, Access.DENIED}:
            self.why_not = "not tried: the bucket cannot be used"
            return

        there = next((entry["Key"] for entry in listed.get("Contents", ())), None)
        seen = there.removeprefix(landing.prefix) if there else key
        began = self._clock.monotonic()
        head = wire.perform(HeadObject(seen))
        latencies = [self._clock.monotonic() - began]
        reads = self._read_answer("landing-read", _parts(head), where, exists=there is not None)
        yield reads
        for _ in range(_LATENCIES - 1):
            began = self._clock.monotonic()
            wire.perform(HeadObject(seen))
            latencies.append(self._clock.monotonic() - began)
        self._measured = _Measured(statistics.median(latencies), self._n_threads(settings))

        upload_id = secrets.token_hex(16)  # nobody's
        aborted = wire.perform(AbortUpload(key, upload_id))
        yield self._answer("landing-abort", *_parts(aborted), where)
        yield self._answer("landing-parts", *_parts(wire.perform(ListParts(key, upload_id))), where)

        writes: Finding | None = None
        if safe:
            writes = self._try_write(wire, key, landing, options, reads=reads.status == "ok")
        began_upload: Answer | None = None
        if _ok(_parts(aborted)):
            began_upload = wire.perform(CreateUpload(key))
            if writes is None:
                writes = self._answer("landing-write", *_parts(began_upload), where, options)
            yield self._answer("landing-multipart", *_parts(began_upload), where, options)
            if began_upload.ok:
                self._measure(landing, settings, wire, key, began_upload.upload_id)
        else:
            yield Finding("landing-multipart", "skipped", "not tried: it could not be taken back")
        yield writes or Finding("landing-write", "skipped", "not tried: nothing may be written that stays")
        if from_bucket is not None:
            yield from self._copies(from_bucket, wire, key, landing, options)
        own = began_upload.upload_id if began_upload else ""
        yield from self._contained("leftovers", self._leftovers(landing, own))

    def _try_write(
        self, wire: Wire, key: str, landing: Bucket, options: Sequence[str], *, reads: bool
    ) -> Finding | None:
        """Write on a condition that cannot hold. None: what it says may be due to another permission.

        ``If-Match`` needs s3:GetObject as well.
        """
        answer = wire.perform(PutObject(key, b"", checksums.encode(0), _NO_ETAG))
        if answer.ok:
            landing.rm(key)
            return Finding(
                "landing-write",
                "problem",
                f"{landing} ignores If-Match: a write on a wrong ETag passed (and was removed)",
                StoreUnsafe.hint,
            )
        denied = access(answer.status, answer.code) is Access.DENIED
        if denied and not reads:
            return None
        return self._answer("landing-write", *_parts(answer), (landing.name, landing.prefix), options)

    def _measure(self, landing: Bucket, settings: Settings, wire: BotoWire, key: str, upload_id: str) -> None:
        """Send parts of an upload that is then abandoned, for a second or so; see `rules.next_probe`."""
        assert self._measured is not None
        with ExitStack() as exit_stack:
            exit_stack.callback(self._abandon, wire, key, upload_id)
            carrier: Wire = wire
            if settings.engine != "boto3":
                try:
                    carrier = LeanWire(
                        landing, settings.object_options, unsigned_payload=settings.unsigned_payload
                    )
                except NoRoute:
                    carrier = wire
                else:
                    exit_stack.callback(carrier.close)
            self._tell("measuring the rate")
            n = self._measured.n_threads
            most = rules.LARGEST_PROBE
            if settings.max_rate:
                most = min(most, int(settings.max_rate))
            content = secrets.token_bytes(most // n + 1)  # so that nothing on the way can compress it
            size: int | None = min(rules.FIRST_PROBE * n, most)
            sent = seconds = 0.0
            with ThreadPoolExecutor(n, "rate") as pool:
                number = 1
                while size:
                    body = content[: max(size // n, 1)]
                    crc32 = checksums.encode(checksums.crc32(body))
                    parts = [UploadPart(key, upload_id, number + i, body, crc32) for i in range(n)]
                    number += n
                    began = self._clock.monotonic()
                    if not all(answer.ok for answer in pool.map(carrier.perform, parts)):
                        return  # then nothing is known
                    seconds = self._clock.monotonic() - began
                    sent = float(n * len(body))
                    size = rules.next_probe(int(sent), seconds, most=most)
            self._measured.rate = sent / max(seconds, 0.001)
            self._measured.how = (
                f"{n} connections sent {figures.size(sent)} in {seconds:.1f} s, as parts of an upload that"
                " was abandoned"
            )

    def _abandon(self, wire: Wire, key: str, upload_id: str) -> None:
        for _ in range(3):
            answer = wire.perform(AbortUpload(key, upload_id))
            if _ok(_parts(answer)):
                return
            self._clock.sleep(1.0)

    def _copies(
        self, source: Bucket, wire: Wire, key: str, landing: Bucket, options: Sequence[str]
    ) -> Steps[None]:
        """Copy on two conditions that cannot hold, so that nothing is copied."""
        where = (source.name, source.prefix)
        some = self._data.paths[0] if self._data and self._data.paths else self._a_source_key
        if some is None:
            yield Finding("source-read", "skipped", "not tried: no file is there")
            yield Finding("source-copy", "skipped", "not tried: no file is there")
            return
        yield self._read_answer("source-read", _parts(wire.perform(SourceObject(some))), where, exists=True)
        answer = wire.perform(CopyObject(some, _NO_ETAG, key, _NO_ETAG))
        if answer.ok:
            landing.rm(key)
            yield Finding(
                "source-copy",
                "problem",
                f"{landing} ignores the conditions of a copy (which was removed)",
                StoreUnsafe.hint,
            )
            return
        yield self._answer("source-copy", *_parts(answer), where, options)

    def _leftovers(self, landing: Bucket, own: str) -> Steps[None]:
        where = (landing.name, landing.prefix)
        found: list[Leftover] = []

        def ask() -> None:
            found.extend(islice(leftovers(landing), _MOST_LEFTOVERS))

        answer = _asked(f"list unfinished uploads to {landing}", ask)
        yield self._answer("landing-uploads", *answer, where)
        if not _ok(answer):
            return
        if any(one.upload_id == own for one in found):
            yield Finding(
                "leftovers",
                "problem",
                "the upload by which the rate was measured could not be abandoned",
                "Throw it away: `upload-client check --clean`.",
            )
            return
        if not found:
            yield Finding("leftovers", "ok", "none")
            return
        shown = [f"{one.key}  begun {timestamp(one.initiated)}" for one in found[:_SHOWN]]
        n = f"{figures.count(len(found))}{' or more' * (len(found) == _MOST_LEFTOVERS)}"
        yield Finding(
            "leftovers",
            "ok",
            f"{n} large file{'s' * (len(found) != 1)} sent in part by earlier runs; the next goes on there",
            "If nobody goes on with this delivery: `upload-client check --clean`.",
            details=(*shown, *_more(len(found))),
        )

    # --- the files ---

    def _files(self, source: Path | Bucket) -> Steps[None]:
        self._tell("reading the index")
        try:
            frame = self._order.read_files(source)
        except InvalidIndex as error:
            yield Finding(
                "index",
                "problem",
                f"{error.n_problems} problem{'s' * (error.n_problems != 1)} in {error.where}",
                error.hint,
                details=(*error.problems[:_SHOWN], *_more(error.n_problems)),
            )
            self._no_files()
            return
        except UsageError as error:
            yield Finding("index", "problem", str(error), error.hint)
            self._no_files()
            return
        if "path" not in frame.columns:
            yield Finding("index", "problem", "it has no column 'path'", InvalidIndex.hint)
            self._no_files()
            return
        paths: list[str] = frame["path"].astype(str).tolist()
        first_row = 2 if frame.attrs else 0  # rows as a spreadsheet counts them, where there was a file
        unsafe = dict(check_relpaths(paths))
        checked = yield from self._index(frame, paths, unsafe)
        yield self._names(paths, unsafe, first_row)
        known = checked and "size" in frame.columns
        expected = known_sizes(frame) if known else [None] * len(paths)
        yield from self._look(source, paths, unsafe, expected)

    def _no_files(self) -> None:
        self.why_not = self.why_not or "not tried: the index cannot be read"

    def _index(self, frame: pd.DataFrame, paths: Sequence[str], unsafe: Mapping[int, str]) -> Steps[bool]:
        """Is each row of the index as it should be, whatever its file is like."""
        mark = secrets.token_hex(8)
        # Names have a finding of their own. What replaces them keeps the number of each row.
        stand_ins = [f"{mark}/{row}" if row in unsafe else path for row, path in enumerate(paths)]
        table = frame.drop(columns="size", errors="ignore").assign(path=stand_ins)
        table.attrs = frame.attrs
        try:
            check_index(table, dict.fromkeys(stand_ins, 0))
        except InvalidIndex as error:
            yield Finding(
                "index",
                "problem",
                f"{error.n_problems} of {figures.count(len(paths))} rows cannot be delivered",
                error.hint,
                details=(*error.problems[:_SHOWN], *_more(error.n_problems)),
            )
            return False
        given = frame["checksum"].notna().sum() if "checksum" in frame.columns else 0
        how = (
            "with checksums"
            if given == len(paths)
            else "without checksums"
            if not given
            else f"{given} with checksums"
        )
        yield Finding("index", "ok", f"{figures.files(len(paths))}, {how}")
        return True

    def _names(self, paths: Sequence[str], unsafe: Mapping[int, str], first_row: int) -> Finding:
        if unsafe:
            shown = [
                f"row {first_row + row}: {_quoted(paths[row])} {reason}"
                for row, reason in islice(unsafe.items(), _SHOWN)
            ]
            return Finding(
                "names",
                "problem",
                f"{figures.files(len(unsafe))} with a name that cannot be delivered",
                "Rename these files, and write the index anew: `upload-client index DIR`.",
                details=(*shown, *_more(len(unsafe))),
            )
        pairs = collisions(paths)
        if pairs:
            shown = [f"{_quoted(paths[other])} and {_quoted(paths[row])}" for row, other, _ in pairs[:_SHOWN]]
            return Finding(
                "names",
                "warning",
                f"{figures.count(len(pairs))} differ from another only in case or Unicode form:"
                " some file systems take both for one",
                "Ask the receiver whether theirs does, or rename them.",
                details=(*shown, *_more(len(pairs))),
            )
        return Finding("names", "ok", "all can be delivered, none can be taken for another")

    def _look(
        self,
        source: Path | Bucket,
        paths: Sequence[str],
        unsafe: Mapping[int, str],
        expected: Sequence[int | None],
    ) -> Steps[None]:
        look = _local(source) if isinstance(source, Path) else _listed(source)
        self._data = data = _Data()
        wrong: list[tuple[str, str]] = []
        rows = [row for row in range(len(paths)) if row not in unsafe]
        batches = [rows[start : start + _LOOKS] for start in range(0, len(rows), _LOOKS)]
        with ThreadPoolExecutor(8, "look") as pool:
            n = 0
            for batch, found in zip(
                batches, pool.map(lambda batch: [look(paths[row]) for row in batch], batches), strict=True
            ):
                for row, size in zip(batch, found, strict=True):
                    path = paths[row]
                    if isinstance(size, str):
                        wrong.append((path, size))
                        continue
                    if size > MAX_OBJECT:
                        wrong.append((path, f"is larger than S3 can hold ({figures.size(MAX_OBJECT)})"))
                    elif expected[row] not in (None, size):
                        wrong.append((path, f"has {size} bytes, and the index says {expected[row]}"))
                    data.paths.append(path)
                    data.sizes.append(size)
                n += len(batch)
                self._tell(f"{figures.files(n)} of {figures.count(len(rows))} looked at")
        yield self._of_files(
            "files",
            wrong,
            len(rows),
            "cannot be sent",
            f"{figures.files(len(data.paths))}, {figures.size(sum(data.sizes))}, all there and readable",
            "Mend these files, or take them out of the index: `upload-client index DIR` writes a new one.",
        )
        empty = [path for path, size in zip(data.paths, data.sizes, strict=True) if size == 0]
        if empty:
            shown = map(_quoted, empty[:_SHOWN])
            yield Finding(
                "empty",
                "warning",
                f"{figures.files(len(empty))}",
                "Make sure that they are meant to be empty; they are delivered as they are.",
                details=(*shown, *_more(len(empty))),
            )
        else:
            yield Finding("empty", "ok", "none")
        yield from self._contained("content", self._content(source, data))

    def _of_files(
        self, name: str, wrong: Sequence[tuple[str, str]], n: int, what: str, right: str, todo: str
    ) -> Finding:
        if not wrong:
            return Finding(name, "ok", right)
        shown = [f"{_quoted(path)} {reason}" for path, reason in sorted(wrong)[:_SHOWN]]
        return Finding(
            name,
            "problem",
            f"{figures.count(len(wrong))} of {figures.files(n)} {what}",
            todo,
            details=(*shown, *_more(len(wrong))),
        )

    def _content(self, source: Path | Bucket, data: _Data) -> Steps[None]:
        if not self._order.content:
            yield Finding(
                "content", "skipped", "not looked at: --content opens each file as the validator will"
            )
            return
        if not isinstance(source, Path):
            yield Finding(
                "content", "skipped", "not looked at: the bytes of a bucket do not pass through this machine"
            )
            return
        why = {path: unopened(path, size) for path, size in zip(data.paths, data.sizes, strict=True)}
        files = [(path, size) for path, size in zip(data.paths, data.sizes, strict=True) if why[path] is None]
        done = 0

        def told(n: int) -> None:
            nonlocal done
            done += n
            self._tell(f"{figures.files(done)} of {figures.count(len(files))} opened")

        told(0)
        wrong = list(check_contents(source, files, on_progress=told))
        left = sorted({reason for reason in why.values() if reason})
        tail = f"; {figures.files(len(why) - len(files))} not opened ({', '.join(left)})" if left else ""
        yield self._of_files(
            "content",
            wrong,
            len(files),
            "do not open as what their names say" + tail,
            f"{figures.files(len(files))} open as what their names say{tail}",
            "Mend them: the receiver's validator would judge them invalid.",
        )

    # --- this machine ---

    def _disk(self) -> Steps[None]:
        where = self._order.output_dir
        data = self._data or _Data()
        needed = rules.dump_bytes(
            len(data.paths), sum(map(len, data.paths)), len(str(Path.cwd())) + len(str(where))
        )
        free = shutil.disk_usage(where).free
        if needed * 2 > free:
            yield Finding(
                "disk",
                "problem",
                f"{figures.size(free)} free in {where}; the state of the files needs {figures.size(needed)}",
                "Make room, or name another folder with --output-dir.",
            )
            return
        yield Finding(
            "disk", "ok", f"{figures.size(free)} free; the state of the files needs {figures.size(needed)}"
        )

    def _time(self) -> Steps[None]:
        data, measured = self._data, self._measured
        if self.from_bucket:
            yield Finding("time", "skipped", "not told: S3 copies within itself, and no byte passes here")
            return
        if data is None or measured is None or measured.rate is None:
            yield Finding("time", "skipped", "not told: no rate could be measured")
            return
        rate, how = measured.rate, measured.how
        cap = self._order.settings.max_rate
        if cap is not None and cap < rate:
            rate, how = float(cap), "as fast as --max-rate allows"
        n_files, n_bytes = len(data.paths), sum(data.sizes)
        told = rules.estimate(
            n_files, n_bytes, rate=rate, latency=measured.latency, n_threads=measured.n_threads
        )
        limit = f"at {figures.size(rate)}/s" if told.by == "bytes" else "by the number of files"
        what = f"{figures.files(n_files)}, {figures.size(n_bytes)}"
        yield Finding(
            "time",
            "ok",
            f"about {rules.in_words(told.seconds)} to send {what}, {limit}",
            details=(f"Measured: {how}; {measured.latency * 1000:.0f} ms for a small request.",),
        )

    @staticmethod
    def _n_threads(settings: Settings) -> int:
        return _AUTO_THREADS if settings.threads == "auto" else settings.threads


def _asked(
    doing: str, ask: Callable[[], object], *, date: dict[str, Any] | None = None
) -> tuple[int, str, str]:
    """Make a request: its HTTP status (0: no answer), error code and message.

    Args:
        doing: what it is, for the message.
        ask: makes it.
        date: gets the answer's ``Date`` where it is a refusal.
    """
    try:
        with store_errors(doing):
            ask()
    except StoreError as error:
        response = getattr(error.__cause__, "response", {})
        if date is not None and (said := _date(response)):
            date["Date"] = said
        code = error.code or ("NoCredentials" if isinstance(error, AccessDenied) else "")
        return error.status, code, str(error)
    return 200, "", ""


def _parts(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.code, f"{answer.code} {answer.message}".strip()


def _ok(answer: tuple[int, str, str]) -> bool:
    return access(*answer[:2]) is Access.ALLOWED


def _date(answer: Mapping[str, Any]) -> str:
    date: str = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    return date


def _list_one(bucket: Bucket) -> dict[str, Any]:
    """One key below the bucket's prefix, and the ``Date`` of the answer."""
    answer: Any = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefix, MaxKeys=1)
    return {**answer, "Date": _date(answer)}


def _folders(bucket: Bucket, prefix: str) -> list[str]:
    """Names of the first folders below a prefix; none where they may not be listed."""
    found: dict[str, Any] = {}
    _asked(
        f"LIST {prefix}",
        lambda: found.update(bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix, Delimiter="/")),
    )
    return [entry["Prefix"][len(prefix) : -1] for entry in found.get("CommonPrefixes", ())]


def _clock_finding(date: str, wall: float) -> Finding:
    """How far this machine's clock is off, by an answer's ``Date``, which is cut to whole seconds."""
    try:
        off = wall - (email.utils.parsedate_to_datetime(date).timestamp() + 0.5)
    except (TypeError, ValueError):
        return Finding("clock", "skipped", "the store does not say what time it is")
    status = rules.clock_status(off)
    found = "as the store's, to a second"
    if abs(off) > 1.5:
        found = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the store's"
    return Finding("clock", status, found, "" if status == "ok" else SET_CLOCK)


def _local(folder: Path) -> Callable[[str], int | str]:
    """Opens files: the only way to know that they can be read."""
    root = DataRoot(folder)

    def look(path: str) -> int | str:
        try:
            with root.open(path) as file:
                return file.fingerprint.size
        except FileRefused as error:
            return str(error)
        except OSError as error:
            return f"cannot be opened: {error.strerror or error}"

    return look


def _listed(bucket: Bucket) -> Callable[[str], int | str]:
    sizes = {entry.key: entry.size for entry in bucket.list()}
    return lambda path: sizes.get(path, "is not there")


def _quoted(path: str) -> str:
    text = path if len(path) <= 100 else f"{path[:60]}…{path[-35:]}"
    return f"'{for_terminal(text)}'"


def _more(n: int) -> tuple[str, ...]:
    return (f"and {figures.count(n - _SHOWN)} more",) if n > _SHOWN else ()
