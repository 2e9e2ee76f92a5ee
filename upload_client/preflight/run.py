"""The common ground of a check's parts: the request, what is known so far, the meaning of an answer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from upload_client.aws.auth import Prompt
from upload_client.control.delivery_buckets import DeliveryBuckets
from upload_client.core import preflight as rules
from upload_client.core.answers import Meaning
from upload_client.core.files import TransferType
from upload_client.core.preflight import BY_NAME, CHECKS, Finding, actions_of, allowed
from upload_client.core.text import for_log, for_terminal
from upload_client.errors import DeliveryError, NotReachable
from upload_client.index import Choice
from upload_client.s3.bucket import Bucket, StoreError, store_errors
from upload_client.s3.trouble import date_of, trouble_of
from upload_client.s3.wire import Answer
from upload_client.settings import Settings
from upload_client.support import figures
from upload_client.support.clock import Clock
from upload_client.support.secrets import without_secrets

if TYPE_CHECKING:
    import boto3

    from upload_client.index import Files

__all__ = [
    "SHOWN",
    "TIMEOUT",
    "CheckRequest",
    "Data",
    "Measured",
    "Run",
    "Steps",
    "StoreAnswer",
    "asked",
    "date_of",
    "list_one",
    "may_pass",
    "more",
    "n_threads",
    "ok",
    "quoted",
    "store_answer",
]

T = TypeVar("T")
Steps = Generator[Finding, None, T]

SHOWN = 5
"""Files that are named."""
TIMEOUT = 20.0
"""Seconds to wait for an answer."""
_AUTO_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """The delivery that is checked, and its options.

    Attributes:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: ``staging`` or ``sample``.
        settings: known before the login.
        sources: which of them come from where, see `upload_client.settings.where_from`.
        open_source: gives the source; a bucket needs the session, which is None before a login.
        read_files: gives the index of a source.
        choice: which files of it are wanted.
        output_dir: where the state dump will go.
        content: open the files as the validator will.
        store: try all that a store can be asked for, and show each trial.
        prompt: asks the person for what a login needs.
    """

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    settings: Settings
    sources: Mapping[str, Sequence[str]]
    open_source: Callable[[boto3.Session | None], Path | Bucket | None]
    read_files: Callable[[Path | Bucket], Files]
    output_dir: Path
    choice: Choice = field(default_factory=Choice)
    content: bool = False
    store: bool = False
    prompt: Prompt | None = None


@dataclass(slots=True)
class Measured:
    """The measured abilities of the store.

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
class Data:
    """The files of a delivery that can be read."""

    paths: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


class Run:
    """One look at everything.

    Attributes:
        request: what is to be delivered.
        report: called with what is being done now.
        clock: time.
        seen: checks that have a finding.
        why_not: why what has no finding was not tried.
        from_bucket: whether the source is a bucket.
        denied: checks whose permission is missing.
        data: the files that can be read, once they were looked at.
        a_source_key: some object of the source bucket.
        measured: what the landing bucket can do, once that was measured.
        buckets: the receiver's, once they are known.
    """

    def __init__(self, request: CheckRequest, report: Callable[[str], None], clock: Clock) -> None:
        self.request = request
        self.report = report
        self.clock = clock
        self.seen: set[str] = set()
        self.why_not = ""
        self.from_bucket = False
        self.denied: set[str] = set()
        self.data: Data | None = None
        self.a_source_key: str | None = None
        self.measured: Measured | None = None
        self.buckets: DeliveryBuckets | None = None

    def contained(self, name: str, steps: Steps[T]) -> Steps[T | None]:
        """Go on with the rest, whatever happens in these steps, of which `name` is the first check."""
        passing = False
        try:
            return (yield from steps)
        except DeliveryError as error:
            found, todo, passing = str(error), error.hint, may_pass(error)
        except Exception as error:  # noqa: BLE001 - a check must not keep the others from being made
            trouble = trouble_of(error) if isinstance(error, BotoCoreError | ClientError) else None
            if trouble is not None:
                found, todo = f"{trouble.meaning.value}: {trouble.message}", rules.advice(trouble.meaning)
                passing = trouble.meaning.passing
            else:
                found = f"unexpected: {type(error).__name__}: {without_secrets(str(error))}"
                todo = "This is a fault of upload-client: report it."
        names = [check.name for check in CHECKS]
        left = (one for one in names[names.index(name) :] if one not in self.seen)
        yield Finding(next(left, name), "problem", found, todo, passing=passing)
        return None

    def answer(
        self,
        name: str,
        means: Meaning,
        message: str,
        where: tuple[str, str],
        options: Sequence[str] = (),
        *,
        found: str = "",
    ) -> Finding:
        """Read the answer to the trial of a check.

        Args:
            name: of the check.
            means: what it says.
            message: the same in words.
            where: bucket and prefix.
            options: names of the settings' object options.
            found: more to be said where it is allowed.
        """
        bucket, prefix = where
        actions = actions_of(BY_NAME[name], options)
        if allowed(means):
            return Finding(name, "ok", f"{' and '.join(actions)} allowed{found}")
        if means is Meaning.DENIED:
            missing = [(one, rules.resource(one, bucket, prefix)) for one in actions]
            return self.denial(name, missing, message)
        found = f"{means.value}: {message}"
        if means is Meaning.NO_BUCKET:
            found = f"there is no bucket {bucket}"
        return Finding(name, "problem", found, rules.advice(means), passing=means.passing)

    def denial(self, name: str, missing: Sequence[tuple[str, str]], message: str = "") -> Finding:
        """Permissions are missing.

        Args:
            name: of the check.
            missing: each as its action, and on what it has to be allowed.
            message: the service's own words: they may name the policy that denies it.
        """
        check = BY_NAME[name]
        self.denied.add(name)
        actions = tuple(action for action, _ in missing)
        asked = "; ".join(f"{action} on {arn}" for action, arn in missing)
        return Finding(
            name,
            "problem" if check.needed else "warning",
            f"{' or '.join(actions)} is not allowed: a delivery could not {check.without}",
            f"If dataset and delivery are spelled right, ask the receiver to allow {asked}.",
            details=(f"it says: {for_log(message, 500)}",) if message else (),
            actions=actions,
        )

    def read_answer(self, name: str, answer: StoreAnswer, where: tuple[str, str], *, exists: bool) -> Finding:
        """Read the answer to a look at an object.

        Of an object that is not there S3 says 404 only to whoever may list the bucket, and 403 to others.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        listing = f"{name.partition('-')[0]}-list"
        if answer.means is Meaning.DENIED and listing in self.denied and not exists:
            return Finding(name, "skipped", "cannot be determined while s3:ListBucket is missing")
        return self.answer(name, *answer, where)


def may_pass(error: DeliveryError) -> bool:
    """Whether an error may be over a little later: nobody answered."""
    return isinstance(error, NotReachable) or (isinstance(error, StoreError) and error.meaning.passing)


class StoreAnswer(NamedTuple):
    """The content of an answer, and the same in words."""

    means: Meaning
    message: str


def asked(action: str, ask: Callable[[], object], *, date: dict[str, Any] | None = None) -> StoreAnswer:
    """Make a request, and say what its answer says.

    Args:
        action: what it is, for the message.
        ask: makes it.
        date: gets the answer's ``Date`` where it is a refusal.
    """
    try:
        with store_errors(action):
            ask()
    except StoreError as error:
        response = getattr(error.__cause__, "response", {})
        if date is not None and (sent_at := date_of(response)):
            date["Date"] = sent_at
        return StoreAnswer(error.meaning, str(error))
    return StoreAnswer(Meaning.DONE, "")


def store_answer(answer: Answer) -> StoreAnswer:
    """The content of an answer of the wire."""
    return StoreAnswer(answer.meaning, f"{answer.code} {answer.message}".strip())


def ok(answer: StoreAnswer) -> bool:
    """Whether it is allowed."""
    return allowed(answer.means)


def list_one(bucket: Bucket) -> dict[str, Any]:
    """One key below the bucket's prefix, and the ``Date`` of the answer."""
    answer: Any = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefix, MaxKeys=1)
    return {**answer, "Date": date_of(answer)}


def n_threads(settings: Settings) -> int:
    """Connections to measure with."""
    return _AUTO_THREADS if settings.threads == "auto" else settings.threads


def quoted(path: str) -> str:
    """A path in quotes, safe for a terminal, not too long."""
    text = path if len(path) <= 100 else f"{path[:60]}…{path[-35:]}"
    return f"'{for_terminal(text)}'"


def more(n: int) -> tuple[str, ...]:
    """The line that says how many are not named."""
    return (f"and {figures.count(n - SHOWN)} more",) if n > SHOWN else ()
