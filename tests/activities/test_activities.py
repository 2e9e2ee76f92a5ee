"""Activities, retries, and the runner that tells how it ended, once."""

from __future__ import annotations

import logging

import pytest

from upload_client.activities import (
    Activity,
    ActivityRunner,
    ClientActivity,
    DataSource,
    DeliveryActivity,
    FtpFileWriter,
    LocalFileWriter,
    RetryingActivity,
    S3FileWriter,
)
from upload_client.activities.errors import NotDelivered
from upload_client.errors import Interrupted, LoginRefused, UsageError


class Failing(Activity):
    """Fails a number of times."""

    def __init__(self, *errors, metadata=None):
        super().__init__(metadata)
        self.errors = list(errors)
        self.started = 0

    def start(self):
        self.started += 1
        if self.errors:
            raise self.errors.pop(0)


class Told:
    """A handler of both kinds."""

    def __init__(self, error=None):
        self.heard = []
        self.error = error

    def handle_success(self, metadata):
        self.heard.append(("success", metadata))
        if self.error:
            raise self.error

    def handle_failure(self, exception, metadata):
        self.heard.append((exception, metadata))
        if self.error:
            raise self.error


def retrying(activity, **options):
    return RetryingActivity(activity, sleep=lambda _: None, **options)


def test_each_activity_has_metadata_of_its_own():
    one, other = Activity(), Activity()
    one.metadata["title"] = "x"
    assert other.metadata == {}
    given = {"title": "x"}
    activity = Activity(given)
    activity.metadata["more"] = 1
    assert given == {"title": "x"}


def test_a_delivery_reads_the_one_and_writes_the_other_and_tells_what_the_writer_tells():
    class Writer:
        def write(self, reader, metadata):
            self.got = reader.read(), metadata
            return {"link": "there"}

    writer = Writer()
    activity = DeliveryActivity("a text", writer, {"title": "x"})
    activity.start()
    assert writer.got == (b"a text", {"title": "x"})
    assert activity.metadata == {"title": "x", "link": "there"}


def test_a_slow_source_is_stopped_before_it_has_given_a_whole_block(tmp_path):
    given = []

    def slowly():
        for n in range(10_000):
            given.append(n)
            if n == 5:
                activity.stop()
            yield b"."

    activity = DeliveryActivity(DataSource(slowly), LocalFileWriter(tmp_path), {"filename": "x"})
    with pytest.raises(Interrupted):
        activity.start()
    assert len(given) == 6
    assert not (tmp_path / "x").exists()


def test_a_writer_that_tells_nothing_will_do():
    class Writer:
        def write(self, reader, metadata):
            assert reader.readline() == b"a text"

    DeliveryActivity(DataSource("a text"), Writer()).start()


# --- retries ---


def test_it_is_tried_until_it_succeeds_and_the_hook_hears_of_each_retry(caplog):
    errors = [ValueError("one"), OSError("two")]
    activity = Failing(*errors)
    heard, slept = [], []
    RetryingActivity(
        activity, tries=4, delay=1.5, backoff=3, hook=lambda *told: heard.append(told), sleep=slept.append
    ).start()
    assert activity.started == 3
    assert heard == [(3, errors[0], 1.5), (2, errors[1], 4.5)]
    assert slept == [1.5, 4.5]
    assert [record.getMessage() for record in caplog.records] == [
        "try 1 of 4 failed, the next in 1.5 s: one",
        "try 2 of 4 failed, the next in 4.5 s: two",
    ]


def test_the_last_exception_is_raised_as_it_was():
    errors = [ValueError("one"), ValueError("two"), ValueError("three")]
    activity = Failing(*errors)
    heard = []
    with pytest.raises(ValueError, match="three") as caught:
        retrying(activity, tries=3, hook=lambda *told: heard.append(told[0])).start()
    assert caught.value is errors[2]
    assert caught.value.__cause__ is None
    assert heard == [2, 1]


@pytest.mark.parametrize(
    ("options", "started"),
    [
        ({"exceptions": (OSError,)}, 1),
        ({"exceptions": (ValueError,)}, 3),
        ({"tries": 1}, 1),
        ({"helps": lambda error: "passes" in str(error)}, 1),
    ],
)
def test_it_is_tried_again_only_after_what_another_try_may_help(options, started):
    activity = Failing(*[ValueError("stays")] * 5)
    with pytest.raises(ValueError, match="stays"):
        retrying(activity, **options).start()
    assert activity.started == started


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted()])
def test_who_stops_it_is_not_tried_against(error):
    activity = Failing(error, error)
    with pytest.raises(type(error)):
        retrying(activity).start()
    assert activity.started == 1


def test_it_is_not_started_again_once_it_was_stopped():
    activity = Failing(ValueError("x"), ValueError("y"))
    again = RetryingActivity(activity, delay=3600)
    again = RetryingActivity(activity, delay=3600, hook=lambda *_: again.stop())
    with pytest.raises(Interrupted):
        again.start()
    assert activity.started == 1


def test_a_hook_that_fails_changes_nothing(caplog):
    activity = Failing(ValueError("x"))
    retrying(activity, hook=lambda *_: 1 / 0).start()
    assert activity.started == 2
    assert "the hook of a retry has failed" in caplog.text


def test_words_of_others_cannot_forge_a_log_line(caplog):
    retrying(Failing(ValueError("x\x1b[2J\r\nERROR forged"))).start()
    assert "\x1b" not in caplog.text
    assert "\\x1b[2J\\r" in caplog.text


@pytest.mark.parametrize("options", [{"tries": 0}, {"delay": -1}, {"backoff": -1}, {"delay": float("nan")}])
def test_what_is_no_retry_is_refused(options):
    with pytest.raises(UsageError):
        RetryingActivity(Activity(), **options)


def test_metadata_of_a_retry_are_those_of_what_is_tried_unless_it_has_its_own():
    inner = Activity({"title": "x"})
    assert RetryingActivity(inner).metadata is inner.metadata
    assert RetryingActivity(inner, {"title": "y"}).metadata == {"title": "y"}


# --- the runner ---


def test_success_is_told_once_after_all_retries():
    told = Told()
    activity = Failing(ValueError("x"), ValueError("y"), metadata={"title": "t"})
    assert ActivityRunner(retrying(activity), success_handler=told, failure_handler=told).run() == 0
    assert told.heard == [("success", {"title": "t"})]


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError("x"), 1), (LoginRefused("x"), 10), (NotDelivered("x"), 4), (UsageError("x"), 2)],
)
def test_failure_is_told_once_after_all_retries_with_what_it_failed_with(error, code):
    told = Told()
    activity = Failing(error, error, error, metadata={"title": "t"})
    runner = ActivityRunner(retrying(activity), success_handler=told, failure_handler=told)
    assert runner.run() == code
    assert told.heard == [(error, {"title": "t"})]
    assert runner.exception is error


@pytest.mark.parametrize("errors", [(), (ValueError("x"),)])
def test_a_handler_that_fails_is_logged_and_the_other_one_is_not_called(errors, caplog):
    told, other = Told(RuntimeError("no mail today")), Told()
    success, failure = (other, told) if errors else (told, other)
    runner = ActivityRunner(Failing(*errors), success_handler=success, failure_handler=failure)
    assert runner.run() == len(errors)
    assert (len(told.heard), len(other.heard)) == (1, 0)
    assert "its outcome could not be reported: RuntimeError: no mail today" in caplog.text


@pytest.mark.parametrize("error", [Interrupted(), KeyboardInterrupt()])
def test_what_was_stopped_has_not_ended_and_nobody_is_told(error):
    told = Told()
    with pytest.raises(type(error)):
        ActivityRunner(Failing(error), success_handler=told, failure_handler=told).run()
    assert told.heard == []


def test_without_handlers_it_is_logged_and_a_link_is_not(caplog):
    caplog.set_level(logging.INFO)
    metadata = {"title": "Customers", "key": "x.csv", "link": "https://lets.in/whoever?has=it"}
    ActivityRunner(Failing(metadata=metadata)).run()
    ActivityRunner(Failing(NotDelivered("it broke off"), metadata=metadata)).run()
    assert [record.getMessage() for record in caplog.records] == [
        "succeeded: Customers x.csv",
        "failed: Customers x.csv: it broke off",
    ]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RetryingActivity(5), "activity is 5: it is an Activity"),
        (lambda: RetryingActivity(Activity, tries=2), "activity is the class Activity: it is an Activity"),
        (
            lambda: RetryingActivity(Activity(), tries="3"),
            "tries is of the type str: it is a whole number, 1 or more",
        ),
        (
            lambda: RetryingActivity(Activity(), delay="1"),
            "delay is of the type str: it is a number, 0 or more",
        ),
        (lambda: RetryingActivity(Activity(), backoff=-1), "backoff is -1: it is a number, 0 or more"),
        (lambda: RetryingActivity(Activity(), exceptions=("x",)), "exceptions are no classes of exceptions"),
        (lambda: RetryingActivity(Activity(), hook=5), "hook is 5: it is a function"),
        (lambda: RetryingActivity(Activity(), sleep=5), "sleep is 5: it is a function"),
        (lambda: ActivityRunner(5), "activity is 5: it is an Activity"),
        (lambda: ActivityRunner(Activity(), success_handler=5), "success_handler is 5: it is an object with"),
        (lambda: ActivityRunner(Activity(), failure_handler=5), "failure_handler is 5: it is an object with"),
        (lambda: DeliveryActivity("text", 5), "writer is 5: it is an object with a method `write`"),
        (lambda: Activity(metadata=5), "metadata is of the type int: it is a dict of names and values"),
        (lambda: ClientActivity(5), "make is 5: it is a function that gives the arguments of UploadClient"),
        (lambda: S3FileWriter(5), "client is 5: it is an S3Client"),
        (lambda: FtpFileWriter(5), "client is 5: it is a connection to a server"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused_where_it_is_given(make, said):
    with pytest.raises(UsageError) as refused:
        make()
    assert str(refused.value).startswith(said)
