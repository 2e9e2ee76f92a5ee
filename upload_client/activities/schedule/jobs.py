"""An activity of a job: what its words in the file mean, for one run."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from upload_client.activities.activity import Activity, DeliveryActivity, Writer
from upload_client.activities.mail import EmailFailureHandler, EmailSuccessHandler, Smtp
from upload_client.activities.retry import Hook, RetryingActivity
from upload_client.activities.runner import (
    ActivityRunner,
    FailureHandler,
    SuccessHandler,
    exit_code_of,
)
from upload_client.activities.source import DataSource, find_callable
from upload_client.core.schedule import may_help
from upload_client.core.templates import fill
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, UsageError
from upload_client.support.password_command import check_password_command, password_from_command

if TYPE_CHECKING:
    from upload_client.activities.schedule.document import (
        Command,
        Deliver,
        Job,
        Loaded,
        Read,
        Schedule,
        Write,
    )

_log = logging.getLogger(__name__)


def find_modules_in_folder(loaded: Loaded) -> None:
    """Have Python look for modules beside the schedule's file as well, after all other places."""
    folder = str(loaded.folder)
    if folder not in sys.path:
        sys.path.append(folder)


_LOADED_FOR = {
    "deliver": ("upload_client.activities.client", "upload_client.index.loading", "upload_client.aws.auth"),
    "url": ("requests",),
    "s3": ("upload_client.activities.s3",),
    "sftp": ("paramiko",),
}


def load_ahead(loaded: Loaded) -> None:
    """Import what the jobs need before there are threads: two that do so at once may see half a module.

    What cannot be imported is the fault of the job that needs it, and told when that runs.
    """
    for job in loaded.schedule.jobs.values():
        read, write = job.read, job.write
        wanted = {
            "deliver": job.deliver is not None,
            "url": read is not None and read.url is not None,
            "s3": write is not None and write.s3 is not None,
            "sftp": write is not None and write.sftp is not None,
        }
        for kind, is_wanted in wanted.items():
            for module in _LOADED_FOR[kind] if is_wanted else ():
                with contextlib.suppress(ImportError, DeliveryError):
                    import_module(module)


def title_of(loaded: Loaded, name: str, run: datetime) -> str:
    """The name of a run, for people."""
    template = loaded.schedule.jobs[name].title
    return fill(template or "{job}, {run:%Y-%m-%d %H:%M}", {"job": name, "run": run})


def runner_of(loaded: Loaded, name: str, run: datetime, hook: Hook) -> ActivityRunner:
    """The runner of a job, with its retries and notifications.

    Args:
        loaded: the schedule.
        name: of the job.
        run: the moment for which it runs, in the schedule's zone.
        hook: is called before each retry.
    """
    job = loaded.schedule.jobs[name]
    values = {"job": name, "run": run}
    metadata: dict[str, Any] = {
        "title": title_of(loaded, name, run),
        "job": name,
        "run": run.isoformat(timespec="seconds"),
        **{key: fill(template, values) for key, template in job.metadata.items()},
    }
    activity = RetryingActivity(
        _WhenStarted(lambda metadata: _activity_of(loaded, name, values, metadata), metadata),
        tries=job.retry.tries,
        delay=job.retry.delay.total_seconds(),
        backoff=job.retry.backoff,
        helps=lambda error: may_help(exit_code_of(error)),
        hook=hook,
    )
    success, failure = _handlers(loaded, name, run)
    return ActivityRunner(activity, success_handler=success, failure_handler=failure)


class _WhenStarted(Activity):
    """An activity that is made when it is first started: that may fail, and be tried again, as well."""

    def __init__(self, make: Callable[[Mapping[str, Any]], Activity], metadata: Mapping[str, Any]) -> None:
        super().__init__(metadata)
        self._make = make
        self._given = dict(metadata)
        self._activity: Activity | None = None

    def start(self) -> None:
        """Make it, and start it."""
        self.check_stopped()
        activity = self._activity = self._activity or self._make(self._given)
        if self._stopping.is_set():
            activity.stop()
        try:
            activity.start()
        finally:
            self.metadata.update(activity.metadata)

    def stop(self) -> None:
        """Have it end soon."""
        super().stop()
        if self._activity is not None:
            self._activity.stop()


def _handlers(loaded: Loaded, name: str, run: datetime) -> tuple[SuccessHandler, FailureHandler]:
    job, mail = loaded.schedule.jobs[name], loaded.schedule.mail
    success: SuccessHandler = _Logged()
    failure: FailureHandler = _Logged()
    if mail is not None:
        smtp = Smtp(**mail.model_dump())
        domain = mail.sender.rpartition("@")[2].rstrip(">")
        if job.on_success is not None:
            success = EmailSuccessHandler(
                smtp=smtp,
                message_id=_message_id(name, run, "success", domain),
                recipients=job.on_success.mail,
                subject=job.on_success.subject,
                body=job.on_success.body,
            )
        if job.on_failure is not None:
            failure = EmailFailureHandler(
                smtp=smtp,
                message_id=_message_id(name, run, "failure", domain),
                recipients=job.on_failure.mail,
                subject=job.on_failure.subject,
                body=job.on_failure.body,
            )
    return success, failure


class _Logged:
    """Tells nobody: each run is logged anyway."""

    def handle_success(self, metadata: Mapping[str, Any]) -> None:
        """Nothing more."""

    def handle_failure(self, exception: BaseException, metadata: Mapping[str, Any]) -> None:
        """Nothing more."""


def _message_id(name: str, run: datetime, what: str, domain: str) -> str:
    """The same however often it is told: after a kill in between, a mail that comes twice is known by it."""
    return f"<{uuid5(NAMESPACE_URL, f'{name} {run.timestamp()} {what}')}@{domain}>"


# --- the activity of a job ---


def _activity_of(
    loaded: Loaded, name: str, values: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Activity:
    job = loaded.schedule.jobs[name]
    if job.deliver is not None:
        deliver = job.deliver
        from upload_client.activities.client import ClientActivity  # noqa: PLC0415 - imports pandas and boto3

        delivery = ClientActivity(
            lambda: _delivery(loaded, deliver, values, delivery.check_stopped), metadata=metadata
        )
        return delivery
    assert job.read is not None
    assert job.write is not None
    own = {key: value for key, value in metadata.items() if key in {"title", *job.metadata}}
    writer, place = _writer(loaded, job.write, values)
    return DeliveryActivity(
        _source(loaded, job.read, values), writer, {**own, **place} if job.write.s3 else {**metadata, **place}
    )


def _password(command: Command | None) -> Callable[[], str] | None:
    return None if command is None else lambda: password_from_command(command)


def _source(loaded: Loaded, read: Read, values: Mapping[str, Any]) -> DataSource:
    if read.call is not None:
        return DataSource.call(read.call)
    if read.file is not None:
        return DataSource.file(loaded.within(fill(read.file, values)))
    if read.url is not None:
        return DataSource.url(fill(read.url, values), password=_password(read.password_command))
    assert read.text is not None
    return DataSource.text(fill(read.text, values))


def _writer(loaded: Loaded, write: Write, values: Mapping[str, Any]) -> tuple[Writer, dict[str, str]]:
    """Where it goes, and what of it stands in the metadata."""
    if (s3 := write.s3) is not None:
        from upload_client.activities.s3 import S3Client, S3FileWriter  # noqa: PLC0415 - imports boto3

        client = S3Client(region=s3.region, endpoint_url=s3.endpoint_url, aws_profile=s3.aws_profile)
        seconds = None if s3.link is None else int(s3.link.total_seconds())
        return (
            S3FileWriter(client, create_bucket=s3.create_bucket, link_seconds=seconds),
            {"bucket": fill(s3.bucket, values), "key": fill(s3.key, values)},
        )
    if (ftp := write.ftp) is not None:
        from upload_client.activities.ftp import FtpClient, FtpFileWriter  # noqa: PLC0415

        passwd = _password(ftp.password_command) or ""
        return (
            FtpFileWriter(FtpClient(ftp.host, ftp.user, passwd, tls=ftp.tls, port=ftp.port)),
            {"filename": fill(ftp.filename, values)},
        )
    if (sftp := write.sftp) is not None:
        from upload_client.activities.sftp import SftpClient, SftpFileWriter  # noqa: PLC0415 - an extra

        ssh = SftpClient(
            sftp.host,
            sftp.user,
            _password(sftp.password_command),
            key_file=None if sftp.key_file is None else loaded.within(sftp.key_file),
            known_hosts=None if sftp.known_hosts is None else loaded.within(sftp.known_hosts),
            port=sftp.port,
        )
        return SftpFileWriter(ssh), {"filename": fill(sftp.filename, values)}
    from upload_client.activities.local import LocalFileWriter  # noqa: PLC0415

    assert write.file is not None
    return LocalFileWriter(), {"filename": str(loaded.within(fill(write.file, values)))}


def _delivery(
    loaded: Loaded, deliver: Deliver, values: Mapping[str, Any], check_stopped: Callable[[], None]
) -> dict[str, Any]:
    """The arguments of `UploadClient`."""
    from upload_client.aws.auth import open_session  # noqa: PLC0415 - imports boto3
    from upload_client.index import sources  # noqa: PLC0415 - imports pandas
    from upload_client.index.choosing import Choice  # noqa: PLC0415
    from upload_client.index.loading import take  # noqa: PLC0415 - imports pandas
    from upload_client.settings import load_settings  # noqa: PLC0415 - imports pydantic
    from upload_client.support.in_use import files_in_use  # noqa: PLC0415
    from upload_client.support.patience import Patience  # noqa: PLC0415
    from upload_client.ui.logs import LoggingReporter  # noqa: PLC0415

    settings = load_settings(profile=_profile(loaded, deliver.profile))
    patiently = Patience(
        settings.patience, notify=lambda text: _log.warning("%s", for_log(text)), meanwhile=check_stopped
    )
    named = fill(deliver.source, values)
    session = None
    source: Any
    if sources.is_bucket(named):
        session = open_session(settings, patience=patiently)
        source = sources.bucket_of(named, session, settings)
    else:
        source = loaded.within(named)
    choice = Choice.of((), settings.exclude, symlinks=settings.symlinks, in_use=files_in_use())
    index = patiently(
        lambda: take(
            source,
            None if deliver.index is None else loaded.within(deliver.index),
            choice,
            notify=lambda note: _log.info("%s", for_log(note)),
        )
    )
    return {
        "dataset": fill(deliver.dataset, values),
        "delivery_id": fill(deliver.delivery_id, values),
        "file_index": index,
        "transfer_type": "sample" if deliver.sample else "staging",
        "source": source,
        "settings": settings,
        "session": session,
        "n_threads": None,
        "max_retries": None,
        "symlinks": choice.symlinks,
        "resend_invalid": deliver.resend_invalid,
        "output_dir": _output_dir(loaded, deliver),
        "reporter": LoggingReporter(_log),
    }


def _output_dir(loaded: Loaded, deliver: Deliver) -> Path:
    """The folder of state and receipt, made where it is missing: at the end it would be too late."""
    folder = loaded.within(deliver.output_dir or ".")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the output_dir {folder} cannot be made: {error.strerror}") from None
    return folder


def _profile(loaded: Loaded, name: str | None) -> str | Path | None:
    """A profile's name, or the path of one, which is relative to the schedule's folder."""
    if name is not None and (name.endswith(".toml") or "/" in name):
        return loaded.within(name)
    return name


# --- checks before the schedule runs ---


def _password_commands(schedule: Schedule, job: Job) -> Iterator[Command]:
    """The programs that print the passwords a job needs: of its mails, its source and where it goes."""
    is_mailed = job.on_success is not None or job.on_failure is not None
    logins = (
        job.read,
        None if job.write is None else job.write.ftp,
        None if job.write is None else job.write.sftp,
        schedule.mail if is_mailed else None,
    )
    return (login.password_command for login in logins if login and login.password_command)


def check_job(loaded: Loaded, name: str, run: datetime) -> None:
    """Check all that can be known of a job before it runs. Makes no request.

    Raises:
        DeliveryError: it would fail.
    """
    from upload_client.core.layout import InvalidName, Layout  # noqa: PLC0415
    from upload_client.settings import load_settings  # noqa: PLC0415 - imports pydantic

    job, values = loaded.schedule.jobs[name], {"job": name, "run": run}
    for command in _password_commands(loaded.schedule, job):
        check_password_command(command)
    if job.deliver is not None:
        load_settings(profile=_profile(loaded, job.deliver.profile))
        try:
            Layout(fill(job.deliver.dataset, values), fill(job.deliver.delivery_id, values), "staging")
        except InvalidName as error:
            raise UsageError(str(error)) from None
        named = fill(job.deliver.source, values)
        # A folder that names the run is made when it is due.
        if "{" not in job.deliver.source and "://" not in named and not loaded.within(named).is_dir():
            raise UsageError(f"the source {loaded.within(named)} is no folder")
        output = loaded.within(job.deliver.output_dir or ".")
        if output.exists() and not output.is_dir():
            raise UsageError(f"the output_dir {output} is no folder")
        return
    activity = _activity_of(loaded, name, values, {"title": title_of(loaded, name, run)})
    assert isinstance(activity, DeliveryActivity)
    activity.writer.check(activity.metadata)  # type: ignore[attr-defined] # each of ours has it
    assert job.read is not None
    if job.read.call is not None:
        find_callable(job.read.call)
    if job.read.file is not None and "{" not in job.read.file and not loaded.within(job.read.file).is_file():
        raise UsageError(f"the file {loaded.within(job.read.file)} is not there")
    if job.write is not None and job.write.sftp is not None:
        try:
            import paramiko  # noqa: F401, PLC0415 - an extra
        except ImportError:
            from upload_client.activities.errors import missing_extra  # noqa: PLC0415

            raise missing_extra("SFTP", "sftp") from None
