"""Before a delivery: what is looked at, which permissions that needs, what the answer to a trial means.

`CHECKS` is the one list of it. The receiver's side proves its policy against the same list: take an action
away, and those checks fail that name it, and no others.

The IAM actions: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from upload_client.core.answers import Meaning
from upload_client.core.exits import ExitCode
from upload_client.core.values import value

Status = Literal["ok", "warning", "problem", "skipped"]
Place = Literal["", "control", "landing", "source", "parameter", "function"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at.

    Attributes:
        name: by which programs know it; it does not change.
        title: what people read.
        section: under which it stands.
        place: where its actions must be allowed.
        actions: the IAM actions it needs; none where no permission is concerned.
        without: what a delivery cannot do without these actions.
        needed: whether a delivery fails without them, always or only after an interruption or a lost answer;
            else it only does less.
    """

    name: str
    title: str
    section: str
    place: Place = ""
    actions: tuple[str, ...] = ()
    without: str = ""
    needed: bool = True


CHECKS: Final = (
    Check("settings", "settings", "Settings"),
    Check(
        "parameter",
        "receiver's settings",
        "Settings",
        "parameter",
        ("ssm:GetParameter",),
        "learn where the receiver's buckets are",
    ),
    Check("login", "login", "Login"),
    Check("renewal", "renewal", "Login"),
    Check("clock", "clock", "Store"),
    Check("promises", "promises", "Store"),
    Check(
        "control-list",
        "list",
        "Control bucket",
        "control",
        ("s3:ListBucket",),
        "read the logs",
    ),
    Check(
        "control-delete",
        "delete",
        "Control bucket",
        "control",
        ("s3:DeleteObject",),
        "throw away its own trial objects and old checkpoints",
        needed=False,
    ),
    Check(
        "control-write",
        "write",
        "Control bucket",
        "control",
        ("s3:PutObject",),
        "take the lock",
    ),
    Check("control-read", "read", "Control bucket", "control", ("s3:GetObject",), "read lock and logs"),
    Check("conditional-writes", "conditional writes", "Control bucket"),
    Check(
        "landing-list",
        "list",
        "Landing bucket",
        "landing",
        ("s3:ListBucket",),
        "see what has arrived",
    ),
    Check(
        "landing-read",
        "read",
        "Landing bucket",
        "landing",
        ("s3:GetObject",),
        "compare what has arrived with what was sent",
    ),
    Check(
        "landing-write",
        "write",
        "Landing bucket",
        "landing",
        ("s3:PutObject",),
        "send files",
    ),
    Check(
        "landing-abort",
        "abandon uploads",
        "Landing bucket",
        "landing",
        ("s3:AbortMultipartUpload",),
        "throw away the parts of a large file that changed while it was sent",
        needed=False,
    ),
    Check(
        "landing-uploads",
        "list uploads",
        "Landing bucket",
        "landing",
        ("s3:ListBucketMultipartUploads",),
        "find large files that an interrupted run has sent in part",
    ),
    Check(
        "landing-parts",
        "list parts",
        "Landing bucket",
        "landing",
        ("s3:ListMultipartUploadParts",),
        "go on within a large file, and would send it anew",
        needed=False,
    ),
    Check(
        "landing-multipart",
        "send in parts",
        "Landing bucket",
        "landing",
        ("s3:PutObject",),
        "send large files",
    ),
    Check(
        "source-list",
        "list",
        "Source bucket",
        "source",
        ("s3:ListBucket",),
        "see which files there are",
    ),
    Check("source-read", "read", "Source bucket", "source", ("s3:GetObject",), "read the files"),
    Check("source-copy", "copy", "Source bucket", "source", ("s3:GetObject",), "have S3 copy the files"),
    Check(
        "start-function",
        "start the validator",
        "Validator",
        "function",
        ("lambda:InvokeFunction",),
        "have anything judged",
    ),
    Check("delivery", "name", "Delivery"),
    Check("lock", "lock", "Delivery"),
    Check("leftovers", "unfinished uploads", "Delivery"),
    Check("index", "index", "Data"),
    Check("names", "names", "Data"),
    Check("files", "files", "Data"),
    Check("empty", "empty files", "Data"),
    Check("accidents", "accidents", "Data"),
    Check("content", "content", "Data"),
    Check("disk", "disk", "This machine"),
    Check("time", "time", "This machine"),
)
"""All there is to look at, in the order in which it is shown."""

BY_NAME: Final[Mapping[str, Check]] = {check.name: check for check in CHECKS}

_OPTIONS: Final = {
    "ACL": ("s3:PutObjectAcl",),
    "Tagging": ("s3:PutObjectTagging",),
    "SSEKMSKeyId": ("kms:GenerateDataKey", "kms:Decrypt"),
}
_WRITES: Final = frozenset({"control-write", "landing-write", "landing-multipart", "source-copy"})
_OF_BUCKETS: Final = frozenset({"s3:ListBucket", "s3:ListBucketMultipartUploads"})


def actions_of(check: Check, options: Iterable[str] = ()) -> tuple[str, ...]:
    """The actions a check needs.

    Args:
        check: which one.
        options: names of the settings' ``object_options``, some of which need more for each object made.
    """
    more = [action for option in options for action in _OPTIONS.get(option, ())]
    return (*check.actions, *more) if check.name in _WRITES else check.actions


def resource(action: str, bucket: str, prefix: str) -> str:
    """The resource on which a policy has to allow an S3 action, as an ARN.

    Args:
        action: such as ``s3:PutObject``.
        bucket: its name.
        prefix: what the keys concerned begin with.
    """
    arn = f"arn:aws:s3:::{bucket}"
    return arn if action in _OF_BUCKETS else f"{arn}/{prefix}*"


def allowed(means: Meaning) -> bool:
    """Read from the answer to a trial whether its permission is there.

    A trial asks for something that would be refused even to whoever may do it: a write on an ETag that
    nothing has (412, or 404 where there is no object), the end of an upload that nobody began (404). S3 looks
    at the permission first: 403 means that it is missing.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    return means in _ALLOWED


_ALLOWED: Final = frozenset({Meaning.DONE, Meaning.MISSING, Meaning.CONFLICT, Meaning.CONDITION})

_NETWORK: Final = "Check the network (proxy, firewall), region and endpoint_url; then run it again."
_LATER: Final = "Run the same command again; if it fails again, tell the receiver what it says."
_ADVICE: Final[Mapping[Meaning, str]] = {
    Meaning.NO_ANSWER: _NETWORK,
    Meaning.BUSY: "Run the same command again, in some minutes: it goes on where it was.",
    Meaning.DENIED: (
        "Check --dataset and --delivery-id. If they are right, see which permission is missing, to tell the"
        " receiver: `upload-client check`."
    ),
    Meaning.NO_BUCKET: "Check --dataset, --delivery-id and --profile; if they are right, tell the receiver.",
    Meaning.OTHER_REGION: "Set `region` in the profile to the bucket's region, which the receiver knows.",
    Meaning.ENDED: "Log in again, then run the same command again: it resumes.",
    Meaning.UNKNOWN_KEYS: "Check whose credentials these are, and endpoint_url in the profile.",
    Meaning.SIGNATURE: "Check whose credentials these are, and endpoint_url in the profile.",
    Meaning.CLOCK: "See that this machine's clock is right (set by NTP), then run the same command again.",
    Meaning.FULL: "Tell the receiver that their store takes no more; then run the same command again.",
    Meaning.ARCHIVED: "Have the object restored from the archive first, by whom the bucket belongs to.",
    Meaning.OWN_LIMIT: (
        "End other programs, or allow this process more of what it lacks (open files: `ulimit -n`); then run"
        " it again."
    ),
    Meaning.UNTRUSTED: (
        "Name the certificates of your proxy or store in AWS_CA_BUNDLE, and see that this machine's clock is"
        " right."
    ),
    Meaning.PROXY_LOGIN: "Write user and password into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT.",
}


_TO_RECEIVERS: Final[Mapping[Meaning, str]] = {
    Meaning.DENIED: (
        "See what these credentials may do there: `upload-client receiver operator-policy` names all needed."
    ),
    Meaning.NO_BUCKET: "Look at the name of the bucket, and whether it is in this store and region.",
    Meaning.OTHER_REGION: "Name the region of the bucket: --region, or AWS_REGION.",
    Meaning.UNKNOWN_KEYS: "Check whose credentials these are, and whether they are of this store.",
    Meaning.SIGNATURE: "Check whose credentials these are, and whether they are of this store.",
    Meaning.FULL: "Make room in the store; then run the same command again.",
}


def advice(means: Meaning, *, to_receiver: bool = False) -> str:
    """The advice to a person about the refusal of a request.

    Args:
        means: why it was refused.
        to_receiver: whether the person is the receiver, whom nobody has to tell anything.
    """
    if to_receiver:
        return _TO_RECEIVERS.get(means) or _ADVICE.get(means, "Run the same command again.")
    return _ADVICE.get(means, _LATER)


CLOCK_OFF: Final = 60.0
"""Seconds a clock may be off without a word."""
CLOCK_WRONG: Final = 240.0
"""Seconds off at which requests begin to be refused soon: AWS allows 5 minutes, S3 15."""


def clock_status(seconds: float) -> Status:
    """The severity of a clock on this machine that is off by so many seconds, ahead or behind."""
    off = abs(seconds)
    return "ok" if off < CLOCK_OFF else "warning" if off < CLOCK_WRONG else "problem"


def close_name(name: str, known: Iterable[str]) -> str | None:
    """A name that is there, and of which `name` may be a misspelling; None if `name` is there, or none is."""
    names = list(known)
    if name in names:
        return None
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.75)), None)


_ROW: Final = 160
"""Bytes of a row of the state dump beside its two paths, with some room."""


def dump_bytes(n_files: int, path_bytes: int, root_bytes: int) -> int:
    """About how large the state dump will be.

    Args:
        n_files: rows.
        path_bytes: of all relative paths together.
        root_bytes: of what stands before them in an absolute path.
    """
    return 2 * path_bytes + n_files * (root_bytes + _ROW)


FIRST_PROBE: Final = 64 * 1024
LONGEST_PROBE: Final = 1.0
"""Seconds after which a round of the measurement was long enough to tell the rate."""
LARGEST_PROBE: Final = 32 * 1024 * 1024
"""Bytes, of all connections together, of the last round."""


def next_probe(n_bytes: int, seconds: float, *, most: int = LARGEST_PROBE) -> int | None:
    """Bytes that the next round of the measurement sends; None: this one has shown the rate.

    Args:
        n_bytes: of the round before, all connections together.
        seconds: it took.
        most: bytes a round may send.
    """
    if seconds >= LONGEST_PROBE / 2 or n_bytes >= most:
        return None
    larger = int(n_bytes * LONGEST_PROBE / max(seconds, 0.001))
    return min(larger, 16 * n_bytes, most)


@value
class Estimate:
    """An estimate of the time that sending takes.

    Attributes:
        seconds: in all.
        by: ``bytes`` or ``requests``, whichever takes longer.
    """

    seconds: float
    by: Literal["bytes", "requests"]


def estimate(n_files: int, n_bytes: int, *, rate: float, latency: float, n_threads: int) -> Estimate:
    """Estimate the seconds that a delivery takes. Many small files take their time by their number.

    Args:
        n_files: to send.
        n_bytes: to send.
        rate: bytes a second, of all connections together.
        latency: seconds from a small request to its answer.
        n_threads: requests under way at once.
    """
    by_bytes = n_bytes / rate
    by_requests = n_files * latency / n_threads
    return Estimate(max(by_bytes, by_requests), "bytes" if by_bytes >= by_requests else "requests")


def duration_text(seconds: float) -> str:
    """A time as people say it: ``less than 1 s``, ``40 s``, ``5 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{minutes // 60} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. Texts may quote names from outside.

    Attributes:
        check: name of the check.
        status: ``skipped`` where it could not be tried.
        found: what was found, in one sentence or less.
        todo: what to do about it; empty where there is nothing to do.
        details: more lines, for example the first files concerned.
        actions: IAM actions that are missing.
        passing: the problem may be over a little later: nobody answered.
    """

    check: str
    status: Status
    found: str
    todo: str = ""
    details: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    passing: bool = False


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """The exit code of a check: 7 where all that is wrong is that nobody answered, 2 where there is more."""
    problems = [finding.passing for finding in findings if finding.status == "problem"]
    if not problems:
        return ExitCode.OK
    return ExitCode.NOT_REACHABLE if all(problems) else ExitCode.USAGE
