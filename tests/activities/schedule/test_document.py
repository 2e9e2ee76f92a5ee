"""The file of a schedule: what may stand in it, and how what is wrong is named."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise

import pytest

from upload_client.activities.schedule.document import InvalidSchedule, load
from upload_client.errors import UsageError

JOB = "read: {text: x}, write: {file: x}"
FULL = """\
timezone: Europe/Berlin
store: sqlite:///schedule.sqlite
mail: {host: smtp.example.org, starttls: true, user: robot, password_command: "pass x", sender: r@example.org}
jobs:
  nightly:
    cron: "0 0 * * mon-fri"
    deliver: {dataset: survey7, delivery_id: "{run:%Y-%m-%d}", source: /data/outbox, profile: archive.toml}
    retry: {tries: 3, delay: 60, backoff: 2}
    on_success: {mail: [provider@example.org]}
    on_failure: {mail: [admin@example.org], subject: "{job} failed"}
  hourly:
    every: 1h
    read: {call: mypackage.render}
    write: {s3: {bucket: dumps, key: "dumps/{run:%Y%m%dT%H%M}.csv", link: 1d}}
    metadata: {generated-by: robot}
  once:
    at: 2026-12-24T18:00
    read: {url: "ftp://robot@example.org/x", password_command: [pass, ftp]}
    write: {sftp: {host: example.org, filename: "in/{run:%Y}.csv"}}
"""


@pytest.fixture
def written(tmp_path):
    """Write a schedule and load it."""

    def written(text):
        path = tmp_path / "nightly.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path)

    return written


def job(words, more=""):
    return f"{more}\njobs:\n  a: {{{words}}}"


def test_a_whole_schedule_is_understood(written, tmp_path):
    loaded = written(FULL)
    jobs = loaded.schedule.jobs
    assert [each.when for each in jobs.values()] == [
        "cron 0 0 * * mon-fri",
        "every 1h",
        "at 2026-12-24T18:00:00",
    ]
    assert jobs["nightly"].retry.delay == dt.timedelta(seconds=60)
    assert jobs["hourly"].write.s3.link == dt.timedelta(days=1)
    assert loaded.within("outbox") == tmp_path / "outbox"


@pytest.mark.parametrize(
    "when",
    [
        'cron: "@daily"',
        'cron: "*/5 0-6,12 1,15 jan-mar 1-5"',
        'cron: "0 0 13 * fri"',
        "every: 90s",
        "every: 1h30m",
        "at: 2026-12-24",
        "at: 2026-12-24 18:00:00",
        "at: 2026-12-24T18:00:00+02:00",
        'at: "2026-12-24T18:00"',
    ],
)
def test_a_job_may_be_due_at_such_times(written, when):
    written(job(f"{when}, {JOB}"))


def _bomb():
    """A few lines that mean billions of things."""
    names = "bcdefghijklmnopqrstuvwxyz"
    return "".join(f"{this}: &{this} [{', '.join([f'*{last}'] * 9)}]\n" for last, this in pairwise(names))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            job(f"every: 1h, {JOB}, titel: x"),
            "line 3, jobs.a.titel: there is no such key here; did you mean 'title'?",
        ),
        (
            job("every: 1h, read: {text: x}, write: {s3: {buckett: b, key: k}}"),
            "line 3, jobs.a.write.s3.buckett: there is no such key here; did you mean 'bucket'?",
        ),
        (job("every: 1h, read: {text: x}, write: {s3: {bucket: bbb}}"), "jobs.a.write.s3: 'key' is missing"),
        (job(JOB), "jobs.a: has to have one of cron, every, at"),
        (job(f"every: 1h, at: 2026-12-24, {JOB}"), "has to have one of cron, every, at, not every and at"),
        (job("every: 1h"), "has to have either deliver, or read and write"),
        (job("every: 1h, read: {text: x}"), "has to have both read and write"),
        (
            job("every: 1h, read: {text: x, file: y}, write: {file: x}"),
            "jobs.a.read: has to have one of call, file, url, text, not file and text",
        ),
        (job(f'cron: "0 0 * *", {JOB}'), "jobs.a.cron: is no cron line: it has 4 fields; there are minute"),
        (job(f'cron: "0 0 * * * *", {JOB}'), "it has 6 fields"),
        (job(f'cron: "61 0 * * *", {JOB}'), "is no cron line: wrong minute"),
        (job(f'cron: "0 0 * * mon-fry", {JOB}'), "wrong day-of-week"),
        (job(f'cron: "0 0 30 2 *", {JOB}'), "wrong day-of-month"),
        (job(f'cron: "0 0 31 4,6 mon", {JOB}'), None),
        (job(f'cron: "0 0 30 2 mon#5", {JOB}'), None),
        (job(f'cron: "@reboot", {JOB}'), "it has 1 field;"),
        (job(f"every: 5, {JOB}"), "jobs.a.every: 5 has no unit; write 5s, or 15m"),
        (job(f"every: 1:30, {JOB}"), "90 has no unit"),
        (job(f"every: soon, {JOB}"), "is no duration"),
        (job(f"at: tomorrow, {JOB}"), "jobs.a.at: is no moment; write 2026-12-24T18:00"),
        (
            job(f"every: 1h, {JOB}", "timezone: Europe/Berln"),
            "line 1, timezone: there is no such time zone; did you mean Europe/",
        ),
        (job(f"every: 1h, {JOB}", "timezone: ../etc/passwd"), "there is no such time zone"),
        (job(f"every: 1h, {JOB}", "store: mysql://x"), "store: is no store; there are memory"),
        (job(f"every: 1h, {JOB}", "store: sqlite://x.sqlite"), "names no file; write sqlite:///FILE"),
        (job(f"every: 1h, {JOB}", "store: postgresql://u:pw@h/db"), "a password does not belong in a file"),
        (
            job(f"every: 1h, {JOB}", "store: postgresql://h/db?password=x"),
            "a password does not belong in a file",
        ),
        (job(f"every: 1h, retry: {{delay: .inf}}, {JOB}"), "no duration between 0 and ten years"),
        (job(f"every: 1h, retry: {{delay: -1}}, {JOB}"), "no duration between 0 and ten years"),
        (
            job(f"every: 1h, {JOB}", "mail: {host: h, sender: a@b.org, password: x}"),
            "mail: a password does not belong in a file; use password_command",
        ),
        (
            job("every: 1h, read: {url: 'http://u:pw@h/x'}, write: {file: x}"),
            "jobs.a.read.url: a password does not belong in a file",
        ),
        (
            job("every: 1h, read: {url: 'htp://h/x'}, write: {file: x}"),
            "htp://h/x is no URL that can be read",
        ),
        (
            job("every: 1h, read: {text: x, password_command: p}, write: {file: x}"),
            "password_command is for a url that names a user",
        ),
        (
            job("every: 1h, read: {text: x}, write: {ftp: {host: h, filename: ../x}}"),
            "jobs.a.write.ftp.filename: contains '.' or '..'",
        ),
        (job("every: 1h, read: {text: x}, write: {ftp: {host: h, filename: 'x{'}}"), "is not a template"),
        (
            job("every: 1h, read: {text: x}, write: {file: 'x{day}'}"),
            "knows no {day}; there are {job}, {run}",
        ),
        (job("every: 1h, read: {text: x}, write: {file: 'x{run.year}'}"), "{run.year} is no name"),
        (
            job("every: 1h, read: {text: x}, write: {s3: {bucket: A_B, key: k}}"),
            "bucket: is no name of a bucket",
        ),
        (
            job("every: 1h, read: {text: x}, write: {s3: {bucket: bbb, key: k, link: 8d}}"),
            "link: a link holds for 1s to 7d",
        ),
        (job(f"every: 1h, {JOB}, metadata: {{a b: x}}"), "metadata: the metadata 'a b' cannot be a name"),
        (
            job(f"every: 1h, {JOB}, retry: {{tries: 0}}"),
            "jobs.a.retry.tries: should be greater than or equal to 1",
        ),
        (
            job(f"every: 1h, {JOB}, on_failure: {{mail: [nobody]}}"),
            "jobs.a.on_failure.mail[0]: is no address",
        ),
        (
            job(f"every: 1h, {JOB}, on_failure: {{mail: [a@b.org]}}"),
            "line 3, jobs.a.on_failure: the job 'a' sends mail, and `mail` names no server",
        ),
        (
            job(
                f"every: 1h, {JOB}, on_failure: {{mail: [a@b.org], body: '{{x.y}}'}}",
                "mail: {host: h, sender: a@b.org}",
            ),
            "body {x.y} is no name",
        ),
        (
            job(f"every: 1h, {JOB}", "mail: {host: h, user: u, password_command: p, sender: a@b.org}"),
            "mail: a password is only sent over an encrypted connection",
        ),
        (job("every: 1h, deliver: {dataset: d}"), "jobs.a.deliver: 'delivery_id' is missing"),
        ("jobs: {}", "line 1, jobs: "),
        ("jobs:\n  'a b': {every: 1h, " + JOB + "}", "a job is named by 1 to 63 letters"),
        (
            f"jobs:\n  a: {{every: 1h, {JOB}}}\n  a: {{every: 2h, {JOB}}}",
            "line 3: the key 'a' stands there twice",
        ),
        ("- a", "it is no mapping that has `jobs`"),
        ("jobs: [", "line 1: "),
        (
            "jobs: !!python/object/apply:os.system [x]",
            "line 1: the tag 'tag:yaml.org,2002:python/object/apply:os.system' means nothing",
        ),
        ("", "it is empty"),
        ("a: &a [1, 2]\nb: &b [*a, *a]\n" + _bomb(), "aliases count with what they stand for"),
        ("jobs:\n  1: {every: 1h, " + JOB + "}", "line 2: the key '1' is no text; write it in quotes"),
        (b"\xff", "it is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_key(written, text, problem):
    if problem is None:
        written(text)
        return
    with pytest.raises(InvalidSchedule) as caught:
        written(text)
    assert problem in str(caught.value)
    assert "nightly.yaml" in str(caught.value)


def test_all_that_is_wrong_is_named_at_once(written):
    with pytest.raises(InvalidSchedule, match="2 problems") as caught:
        written("jobs:\n  a: {every: 1}\n  b: {evry: 1h, " + JOB + "}")
    assert re.search(r"line 2, jobs.a.every: .*\n.*line 3, jobs.b.evry: ", str(caught.value))


def test_a_password_is_not_repeated_in_what_is_said(written):
    with pytest.raises(InvalidSchedule) as caught:
        written(
            job(
                "every: 1h, read: {url: 'http://u:hunter2@h/x'}, write: {file: x}",
                "store: postgresql://u:hunter3@h/db",
            )
        )
    assert "hunter" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="No such file or directory"):
        load(tmp_path / "not.yaml")
