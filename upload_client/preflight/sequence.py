"""All checks before a delivery, in their order.

Each permission is tried by a request that would be refused even to whoever has it (see
`upload_client.core.preflight.access`), so that nothing is written. Three things are, and are taken away
again: one small object below ``probe/`` in the control bucket, twice, and, in the landing bucket, parts of an
upload that is abandoned, by which the rate is measured. They are begun only where they may be taken away. (A
control bucket with versions keeps those of the object: some hundred bytes.)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upload_client.aws.auth import SET_CLOCK, CognitoLogin, ParameterDenied, open_session
from upload_client.control.delivery_buckets import complete_settings, open_buckets
from upload_client.core import preflight as rules
from upload_client.core.answers import Meaning
from upload_client.core.preflight import CHECKS, Finding
from upload_client.errors import DeliveryError, UsageError
from upload_client.preflight.control import look_at_control, try_promises
from upload_client.preflight.files import look_at_content, look_at_files
from upload_client.preflight.landing import look_at_landing, look_at_source
from upload_client.preflight.run import (
    TIMEOUT,
    CheckRequest,
    Data,
    Run,
    Steps,
    asked,
    may_pass,
    n_threads,
    ok,
)
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket
from upload_client.settings import Settings, foreign_hosts
from upload_client.support import figures
from upload_client.support.clock import SYSTEM, Clock

if TYPE_CHECKING:
    import boto3


def preflight(
    request: CheckRequest, *, report: Callable[[str], None] = lambda _: None, clock: Clock = SYSTEM
) -> Iterator[Finding]:
    """Look at everything. What fails does not keep the rest from being looked at, where that is possible.

    Args:
        request: what is to be delivered.
        report: called with what is being done now, for people.
        clock: time.

    Yields:
        One finding for each of `upload_client.core.preflight.CHECKS` that concerns this delivery.
    """
    run = Run(request, report, clock)
    for finding in _steps(run):
        run.seen.add(finding.check)
        yield finding
    for check in CHECKS:
        if check.name not in run.seen and (check.place != "source" or run.from_bucket):
            yield Finding(check.name, "skipped", run.why_not or "not tried")


def _steps(run: Run) -> Iterator[Finding]:
    """All there is, in an order that lets later checks use what earlier ones found."""
    request = run.request
    source = request.open_source(None)
    run.from_bucket = source is None
    if source is not None:
        yield from run.contained("index", look_at_files(run, source))
    session = yield from run.contained("login", _login(run))
    if session is None:
        yield _settings(run, request.settings)
        run.why_not = "not tried: there is no login"
    else:
        yield from run.contained("settings", _with_session(run, session))
    folder = source if isinstance(source, Path) else None
    yield from run.contained("content", look_at_content(run, folder, run.buckets))
    yield from run.contained("disk", _disk(run))
    yield from run.contained("time", _time(run))


def _with_session(run: Run, session: boto3.Session) -> Steps[None]:
    request = run.request
    if request.settings.needs_parameter:
        run.report("reading the receiver's settings")
    try:
        settings = complete_settings(session, request.settings)
    except DeliveryError as error:
        yield _settings(run, request.settings)
        yield _parameter_refused(run, error)
        if error.hint == SET_CLOCK:
            yield Finding("clock", "problem", str(error), error.hint)
        run.why_not = "not tried: the receiver's settings are not known"
        return
    try:
        buckets = open_buckets(
            session,
            settings,
            dataset=request.dataset,
            delivery_id=request.delivery_id,
            transfer_type=request.transfer_type,
            pool=n_threads(settings) + 4,
        )
    except UsageError as error:
        yield Finding("settings", "problem", str(error), error.hint)
        run.why_not = "not tried: the settings are wrong"
        return
    run.buckets = buckets
    yield _settings(run, settings)
    found = "not needed: the settings are complete"
    if request.settings.needs_parameter:
        found = f"ssm:GetParameter allowed for {settings.settings_parameter}"
    yield Finding("parameter", "ok", found)
    yield from run.contained("start-function", _start_function(run, session, settings))
    source = request.open_source(session) if run.from_bucket else None
    if isinstance(source, Bucket):
        yield from run.contained("source-list", look_at_source(run, source))
        yield from run.contained("index", look_at_files(run, source))
    safe = yield from run.contained("control-list", look_at_control(run, buckets))
    yield from run.contained("landing-list", look_at_landing(run, buckets, settings, source, safe=bool(safe)))
    if safe and not run.why_not:
        yield from run.contained("promises", try_promises(run, buckets))


def _settings(run: Run, settings: Settings) -> Finding:
    sources = dict(run.request.sources)
    known = {name for names in sources.values() for name in names}
    if more := sorted(settings.model_fields_set - known):
        sources[f"SSM parameter {settings.settings_parameter}"] = more
    details = tuple(f"{where}: {', '.join(names)}" for where, names in sources.items() if names)
    buckets = [where for where in sources if where not in ("environment", "command line")]
    found = f"from {buckets[0]}" if buckets else "from the environment alone"
    return Finding("settings", "ok", found, details=details)


def _parameter_refused(run: Run, error: DeliveryError) -> Finding:
    settings = run.request.settings
    if not settings.needs_parameter:
        return Finding("settings", "problem", str(error), error.hint)
    if not isinstance(error, ParameterDenied):
        return Finding("parameter", "problem", str(error), error.hint, passing=may_pass(error))
    arn = f"arn:aws:ssm:{settings.region or '*'}:*:parameter{settings.settings_parameter}"
    return run.denial("parameter", [("ssm:GetParameter", arn)], str(error))


def _login(run: Run) -> Steps[boto3.Session]:
    settings = run.request.settings
    run.report("logging in")
    if settings.auth == "cognito":
        login = CognitoLogin(settings, prompt=run.request.prompt, clock=run.clock)
        session = login.session()
        where = f"at {settings.user_pool_id}{_not_aws(settings)}"
        yield Finding("login", "ok", f"by user name and password, {where}")
        yield from run.contained("renewal", _cognito_renewal(run, login))
        return session
    session = open_session(settings, prompt=run.request.prompt, clock=run.clock)
    credentials: Any = session.get_credentials()
    if settings.auth == "oidc":
        yield Finding("login", "ok", f"by OpenID Connect, at {settings.oidc_issuer}{_not_aws(settings)}")
        yield _aws_renewal(credentials)
        return session
    how = f"with the AWS credentials that boto3 finds ({credentials.method}){_not_aws(settings)}"
    yield Finding("login", "ok", how)
    yield _aws_renewal(credentials)
    return session


def _not_aws(settings: Settings) -> str:
    hosts = foreign_hosts(settings)
    return f"; services are at {', '.join(hosts)}, which is not AWS" if hosts else ""


def _cognito_renewal(run: Run, login: CognitoLogin) -> Steps[None]:
    ends = datetime.fromisoformat(login.refresh()["expiry_time"]).timestamp()
    left = rules.duration_text(ends - run.clock.wall())
    yield Finding("renewal", "ok", f"credentials last {left} and were just renewed, as a delivery does")


def _aws_renewal(credentials: Any) -> Finding:  # noqa: ANN401 - of botocore, untyped
    renewed = hasattr(credentials, "refresh_needed")
    if renewed or not credentials.token:
        return Finding("renewal", "ok", "renewed by boto3" if renewed else "keys that do not end")
    return Finding(
        "renewal",
        "warning",
        "temporary keys that are not renewed; their expiry is not known",
        "Make sure that they last as long as the delivery; after their end, log in and run it again.",
    )


def _start_function(run: Run, session: boto3.Session, settings: Settings) -> Steps[None]:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, DryRun."""
    run.report("asking whether the validator may be started")
    function = settings.start_function
    if settings.start == "watched":
        yield Finding(
            "start-function",
            "ok",
            "not needed: the receiver's validator sees by itself that there is a client",
        )
        return
    client = clients.client(session, "lambda", settings, read_timeout=TIMEOUT)
    answer = asked(
        f"Invoke {function}",
        lambda: client.invoke(FunctionName=function, InvocationType="DryRun", Payload=b"{}"),
    )
    name = "start-function"
    if answer.means is Meaning.MISSING:
        yield Finding(
            name,
            "problem",
            f"there is no function {function}",
            "Check region and start_function; else tell the receiver.",
        )
    elif answer.means is Meaning.DENIED:
        yield run.denial(name, [("lambda:InvokeFunction", f"the function {function}")], answer.message)
    elif ok(answer):
        yield Finding(
            name, "ok", f"lambda:InvokeFunction allowed for {function} (in a dry run: nothing was started)"
        )
    else:
        yield Finding(
            name, "problem", answer.message, rules.advice(answer.means), passing=answer.means.passing
        )


def _disk(run: Run) -> Steps[None]:
    where = run.request.output_dir
    data = run.data or Data()
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


def _time(run: Run) -> Steps[None]:
    data, measured = run.data, run.measured
    if run.from_bucket:
        yield Finding(
            "time",
            "skipped",
            "not estimated: S3 copies within itself, and no byte passes through this machine",
        )
        return
    if data is None or measured is None or measured.rate is None:
        yield Finding("time", "skipped", "not estimated: no rate could be measured")
        return
    rate, how = measured.rate, measured.how
    cap = run.request.settings.max_rate
    if cap is not None and cap < rate:
        rate, how = float(cap), "as fast as --max-rate allows"
    n_files, n_bytes = len(data.paths), sum(data.sizes)
    at_once = measured.n_threads * run.request.settings.small_for_one  # of those whose number decides
    estimate = rules.estimate(n_files, n_bytes, rate=rate, latency=measured.latency, n_threads=at_once)
    limit = f"at {figures.size(rate)}/s" if estimate.by == "bytes" else "by the number of files"
    what = f"{figures.files(n_files)}, {figures.size(n_bytes)}"
    yield Finding(
        "time",
        "ok",
        f"{'about ' * (estimate.seconds >= 1)}{rules.duration_text(estimate.seconds)} to send {what},"
        f" {limit}",
        details=(f"Measured: {how}; {measured.latency * 1000:.0f} ms for a small request.",),
    )
