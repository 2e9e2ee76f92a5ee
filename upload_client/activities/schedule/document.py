"""The file of a schedule: YAML, whose every mistake is named with its line and key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from upload_client.activities.mail import check_address
from upload_client.activities.schedule.triggers import check_cron, never_runs
from upload_client.core.object_metadata import check_bucket, check_key, object_metadata
from upload_client.core.partial_files import check_filename
from upload_client.core.schedule import parse_duration
from upload_client.core.sources import shown_url
from upload_client.core.templates import check_template, fill
from upload_client.errors import UsageError
from upload_client.support import yaml_document
from upload_client.support.inputs import is_once, read_once
from upload_client.support.yaml_document import (
    SHOWN,
    Budget,
    InvalidDocument,
    InvalidYaml,
    Limits,
    place,
    problem_text,
)

if TYPE_CHECKING:
    import yaml

NAMES = ("run", "job")
"""Names that may stand in braces: the moment for which a job runs, and its name."""

_LIMITS = Limits(size=4 * 1024**2, values=400_000, seconds=60.0)
"""Some thousand jobs, with all that may be said of each."""
_SAMPLE = {"run": datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "job": "job"}
_NO_PASSWORD = "a password does not belong in a file; use password_command"  # noqa: S105 - a sentence


class InvalidSchedule(InvalidDocument):
    """The file is no schedule.

    Attributes:
        where: the file.
        problems: what is wrong, each with line and key.
    """

    kind = "schedule"
    hint = "Correct the file: `upload-client docs schedule` says what may stand in it."


# --- values in the file ---


_LONGEST = 10 * 366 * 86_400.0  # seconds


def _template(text: str) -> str:
    if reason := check_template(text, NAMES):
        raise ValueError(reason)
    return text


def _no_secret_in_url(url: str) -> str:
    try:
        secret = urlsplit(url).password
    except ValueError:
        raise ValueError("is no URL") from None
    if secret is not None:
        raise ValueError(_NO_PASSWORD)
    return url


def _duration(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not 0 <= value <= _LONGEST:
            raise ValueError("is no duration between 0 and ten years")
        return timedelta(seconds=value)
    return parse_duration(value) if isinstance(value, str) else value


def _interval(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        # YAML reads 1:30 as ninety, so a bare number may be anything.
        raise ValueError(f"{value} has no unit; write {value}s, or 15m, 1h, 1d")  # noqa: TRY004
    return parse_duration(value) if isinstance(value, str) else value


def _link(duration: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= duration <= timedelta(days=7):
        raise ValueError("a link holds for 1s to 7d")
    return duration


def _cron(line: str) -> str:
    if reason := check_cron(line):
        raise ValueError(reason)
    if never_runs(line):
        raise ValueError("names a day that does not exist")
    return line


def _at(value: object) -> object:
    """A moment, with or without a zone. YAML has read some spellings already."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("is no moment; write 2026-12-24T18:00")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # of which a zone that is not found is one
        close = difflib.get_close_matches(name, available_timezones(), n=1)
        raise ValueError(
            f"there is no such time zone{f'; did you mean {close[0]}?' if close else ''}"
        ) from None
    return name


def _store(text: str) -> str:
    if text == "memory":
        return text
    if not re.match(r"(?:sqlite|postgresql)(?:\+\w+)?://", text):
        raise ValueError("is no store; there are memory, sqlite:///FILE and postgresql://HOST/DATABASE")
    if text.startswith("sqlite") and not re.match(r"sqlite:///[^?]", text):
        raise ValueError("names no file; write sqlite:///FILE, or sqlite:////PATH from the root")
    if re.search(r"[?&](?:ssl)?password=", text):
        raise ValueError(_NO_PASSWORD)
    return _no_secret_in_url(text)


def _address(text: str) -> str:
    if reason := check_address(text):
        raise ValueError(reason)
    return text


def _filename(template: str) -> str:
    if reason := check_filename(fill(template, _SAMPLE)):
        raise ValueError(reason)
    return template


def _bucket(template: str) -> str:
    if reason := check_bucket(fill(template, _SAMPLE)):
        raise ValueError(reason)
    return template


def _key(template: str) -> str:
    if reason := check_key(fill(template, _SAMPLE)):
        raise ValueError(reason)
    return template


def _url(template: str) -> str:
    if not re.match(r"(?:https?|s3|ftps?|file)://.", template):
        raise ValueError(
            f"{shown_url(template)} is no URL that can be read: http, https, s3, ftp, ftps, file"
        )
    return _no_secret_in_url(template)


def _metadata(metadata: dict[str, str]) -> dict[str, str]:
    for name, template in metadata.items():
        if reason := check_template(template, NAMES):
            raise ValueError(f"{name} {reason}")
    object_metadata({name: fill(template, _SAMPLE) for name, template in metadata.items()})
    return metadata


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Template = Annotated[str, AfterValidator(_template)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Filename = Annotated[Template, AfterValidator(_filename)]
Command = Annotated[list[str], Field(min_length=1)] | Annotated[str, StringConstraints(min_length=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, AfterValidator(_address)]


class _Part(BaseModel):
    """A part of the file. What is unknown is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _no_password(cls, given: Any) -> Any:  # noqa: ANN401 - whatever stands there
        if isinstance(given, dict) and not {"password", "passwd"}.isdisjoint(given):
            raise ValueError(_NO_PASSWORD)
        return given


class Mail(_Part):
    """The mail server, and whose mail it is."""

    host: Annotated[str, StringConstraints(min_length=1)]
    port: Port | None = None
    starttls: bool = False
    tls: bool = False
    user: str | None = None
    password_command: Command | None = None
    sender: Address

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        from upload_client.activities.mail import Smtp  # noqa: PLC0415 - its rules are there

        try:
            Smtp(**self.model_dump())
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self


class Notification(_Part):
    """The recipients of news, and the ways to them."""

    mail: Annotated[list[Address], Field(min_length=1)]
    subject: str | None = None
    body: str | None = None

    @model_validator(mode="after")
    def _templates(self) -> Self:
        for what, text in (("subject", self.subject), ("body", self.body)):
            if text is not None and (reason := check_template(text, None)):
                raise ValueError(f"{what} {reason}")
        return self


class Retry(_Part):
    """How often it is tried."""

    tries: Annotated[int, Field(ge=1, le=1000)] = 3
    delay: Duration = timedelta(seconds=60)
    backoff: Annotated[float, Field(ge=1, le=100)] = 2.0


class Deliver(_Part):
    """A whole delivery."""

    dataset: Template
    delivery_id: Template
    source: Template
    profile: str | None = None
    index: str | None = None
    sample: bool = False
    resend_invalid: bool = False
    output_dir: str | None = None


class Read(_Part):
    """The source of a job: one of four."""

    call: str | None = None
    file: Template | None = None
    url: Annotated[Template, AfterValidator(_url)] | None = None
    text: Template | None = None
    password_command: Command | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        _one_of(self, "call", "file", "url", "text")
        if self.password_command is not None and (self.url is None or urlsplit(self.url).username is None):
            raise ValueError("password_command is for a url that names a user: ftp://user@host/path")
        return self


class ToS3(_Part):
    """An object in S3."""

    bucket: Annotated[Template, AfterValidator(_bucket)]
    key: Annotated[Template, AfterValidator(_key)]
    region: str | None = None
    endpoint_url: Annotated[str, AfterValidator(_no_secret_in_url)] | None = None
    aws_profile: str | None = None
    create_bucket: bool = False
    link: Annotated[Duration, AfterValidator(_link)] | None = None


class ToFtp(_Part):
    """A file on an FTP server."""

    host: Annotated[str, StringConstraints(min_length=1)]
    port: Port = 21
    user: str = ""
    password_command: Command | None = None
    tls: bool = False
    filename: Filename


class ToSftp(_Part):
    """A file on an SSH server."""

    host: Annotated[str, StringConstraints(min_length=1)]
    port: Port = 22
    user: str | None = None
    password_command: Command | None = None
    key_file: str | None = None
    known_hosts: str | None = None
    filename: Filename


class Write(_Part):
    """Where it goes: one of four."""

    s3: ToS3 | None = None
    ftp: ToFtp | None = None
    sftp: ToSftp | None = None
    file: Filename | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        _one_of(self, "s3", "ftp", "sftp", "file")
        return self


class Job(_Part):
    """A job: its work, and its times."""

    cron: Annotated[str, AfterValidator(_cron)] | None = None
    every: Annotated[timedelta, BeforeValidator(_interval)] | None = None
    at: Annotated[datetime, BeforeValidator(_at)] | None = None
    deliver: Deliver | None = None
    read: Read | None = None
    write: Write | None = None
    title: Template | None = None
    metadata: Annotated[dict[str, str], AfterValidator(_metadata)] = Field(default_factory=dict)
    retry: Retry = Retry()
    on_success: Notification | None = None
    on_failure: Notification | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _one_of(self, "cron", "every", "at")
        if (self.deliver is None) == (self.read is None and self.write is None):
            raise ValueError("has to have either deliver, or read and write")
        if self.deliver is None and (self.read is None or self.write is None):
            raise ValueError("has to have both read and write")
        return self

    @property
    def when(self) -> str:
        """When it is due, as it stands in the file."""
        if self.cron is not None:
            return f"cron {' '.join(self.cron.split())}"
        if self.every is not None:
            return f"every {_spelled(self.every)}"
        assert self.at is not None
        return f"at {self.at.isoformat(timespec='seconds')}"


class Schedule(_Part):
    """Jobs, and what they have in common."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    store: Annotated[str, AfterValidator(_store)] = "memory"
    mail: Mail | None = None
    at_once: Annotated[int, Field(ge=1, le=1000)] = 16
    jobs: Annotated[dict[Name, Job], Field(min_length=1)]

    @model_validator(mode="after")
    def _can_mail(self) -> Self:
        if self.mail is None:
            for name, job in self.jobs.items():
                for key in ("on_success", "on_failure"):
                    if getattr(job, key):
                        raise PydanticCustomError(
                            "no_mail_server",
                            "the job '{job}' sends mail, and `mail` names no server",
                            {"job": name, "loc": ("jobs", name, key)},
                        )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of all local times."""
        return ZoneInfo(self.timezone)


def _one_of(part: BaseModel, *names: str) -> None:
    given = [name for name in names if getattr(part, name) is not None]
    if len(given) != 1:
        raise ValueError(
            f"has to have one of {', '.join(names)}" + (f", not {' and '.join(given)}" if given else "")
        )


def _spelled(interval: timedelta) -> str:
    seconds = int(interval.total_seconds())
    spelled = ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        n, seconds = divmod(seconds, size)
        spelled += f"{n}{unit}" if n else ""
    return spelled


# --- reading it ---


@dataclass(frozen=True, slots=True)
class Loaded:
    """A schedule and where it stands: relative paths in it are relative to its folder."""

    schedule: Schedule
    path: Path

    @property
    def folder(self) -> Path:
        """The folder of the file; of a pipe, the current one."""
        return self.path.parent

    def within(self, path: str) -> Path:
        """A path that stands in the file."""
        return self.folder / Path(path).expanduser()


def load(path: Path) -> Loaded:
    """Read a schedule.

    Raises:
        InvalidSchedule: it is none.
        UsageError: it cannot be read.
    """
    try:
        data = read_once(path, "the schedule", limit=_LIMITS.size + 1)
    except OSError as error:
        raise UsageError(f"the schedule {path} cannot be read: {error.strerror}") from None
    where = str(path)
    try:
        root, content = yaml_document.read(data, _LIMITS, Budget(_LIMITS.seconds))
    except InvalidYaml as error:
        raise InvalidSchedule(where, [str(error)]) from None
    if not isinstance(content, dict):
        raise InvalidSchedule(where, ["it is no mapping that has `jobs`"])
    try:
        return Loaded(
            Schedule.model_validate(content), Path.cwd() / path.name if is_once(path) else path.absolute()
        )
    except ValidationError as error:
        problems = list(_problems(error, root))
        raise InvalidSchedule(where, problems, error.error_count()) from None


def _problems(error: ValidationError, root: yaml.Node) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False)[:SHOWN]:
        loc = problem["loc"] or problem.get("ctx", {}).get("loc", ())  # of the whole: it says where
        yield f"{place(root, loc)}: {_mistake(problem)}"


def _mistake(problem: Any) -> str:  # noqa: ANN401 - pydantic's own mapping
    if problem["type"] == "string_pattern_mismatch":
        return "a job is named by 1 to 63 letters, digits, dots, dashes and underscores"
    return problem_text(problem, _KEYS)


_KEYS = sorted({name for model in _Part.__subclasses__() for name in model.model_fields})
