"""A whole delivery as an activity: how it ends, what is told of it, and how it is stopped."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

pytest.importorskip("moto")

from upload_client.activities import ActivityRunner, ClientActivity, EmailFailureHandler, RetryingActivity
from upload_client.activities.client import NotAllValid
from upload_client.activities.runner import exit_code_of
from upload_client.cli.app import main
from upload_client.core.schedule import may_help
from upload_client.errors import Interrupted, LoginRefused, NotReachable, UsageError
from upload_client.events import FileChanged
from upload_client.index import scan
from upload_client.sandbox import Sandbox
from upload_client.settings import load_settings

from .conftest import MAIL_PASSWORD, USER


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "out").mkdir()
    for n in range(6):
        (folder / f"{n}.json").write_text(json.dumps({"n": n}), encoding="utf-8")
    return folder


@pytest.fixture
def arguments(sandbox, data, tmp_path):
    """The arguments of a delivery of its own."""

    def made(**more):
        return {
            "dataset": "survey",
            "delivery_id": tmp_path.name,
            "file_index": scan(data),
            "transfer_type": "staging",
            "source": data,
            "settings": load_settings(profile=sandbox.profile, environ={}),
            "session": boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
            "output_dir": tmp_path / "out",
            **more,
        }

    return made


def lock(sandbox: Sandbox, delivery_id: str) -> dict:
    body = sandbox.client("s3").get_object(Bucket=sandbox.control_bucket, Key=f"survey/{delivery_id}/owned")
    return json.loads(body["Body"].read())


def landed(sandbox: Sandbox, delivery_id: str) -> set[str]:
    listed = sandbox.client("s3").list_objects_v2(
        Bucket=sandbox.landing_bucket, Prefix=f"survey/{delivery_id}/staging/"
    )
    return {entry["Key"].rpartition("/")[2] for entry in listed.get("Contents", ())}


def test_a_delivery_succeeds_when_every_file_is_valid_and_tells_its_receipt(sandbox, arguments):
    activity = ClientActivity(arguments, metadata={"title": "Survey"})
    assert ActivityRunner(activity).run() == 0
    told = activity.metadata
    assert (told["title"], told["dataset"]) == ("Survey", "survey")
    assert (told["exit_code"], told["files_valid"], told["problems"]) == (0, 6, "")
    assert told["headline"].startswith("6 of 6 files valid")
    assert "receipt" in told["receipt"]
    assert Path(told["receipt_file"]).is_file()
    assert Path(told["state_csv"]).is_file()
    assert lock(sandbox, told["delivery_id"])["state"] == "released"


def test_a_delivery_that_is_complete_already_has_succeeded(arguments):
    first = ClientActivity(**arguments())
    first.start()
    again = ClientActivity(**arguments())
    again.start()
    assert (again.metadata["exit_code"], again.metadata["problems"]) == (0, "")


def test_what_was_judged_invalid_is_a_failure_that_is_told_once_and_not_tried_again(
    arguments, data, mail_server, trusted
):
    (data / "broken.json").write_text("{not json", encoding="utf-8")
    box = mail_server(tls="starttls")
    told = EmailFailureHandler(
        host="localhost",
        port=box.port,
        starttls=True,
        user=USER,
        password_command=[sys.executable, "-c", f"print({MAIL_PASSWORD!r})"],
        sender="robot@example.org",
        recipients=["admin@example.org"],
        context=trusted,
    )
    started = []
    activity = RetryingActivity(
        ClientActivity(lambda: started.append(1) or arguments()),
        tries=5,
        delay=0,
        helps=lambda error: may_help(exit_code_of(error)),
    )
    assert ActivityRunner(activity, failure_handler=told).run() == 3
    assert len(started) == 1
    ((recipients, mail),) = box.mails
    text = mail.get_content()
    assert recipients == ["admin@example.org"]
    assert "broken.json" in text
    assert "exit_code: 3" in text
    assert "files_invalid: 1" in text
    assert "state_csv: " in text


def test_what_ends_with_another_exit_code_than_0_raises_it_with_its_outcome(arguments, data):
    (data / "broken.json").write_text("{not json", encoding="utf-8")
    with pytest.raises(NotAllValid) as caught:
        ClientActivity(**arguments()).start()
    assert caught.value.exit_code == 3
    assert caught.value.outcome.counts["invalid"] == 1


class Stopping:
    """Stops an activity when its first file is on its way, and tells how often it was told of one."""

    def __init__(self, activity=None):
        self.activity = activity
        self.sent = set()

    def handle(self, event):
        if isinstance(event, FileChanged):
            self.sent.add(event.relpath)
            if self.activity is not None:
                threading.Thread(target=self.activity.stop).start()

    def close(self):
        pass


def test_one_that_is_stopped_gives_the_lock_back_tells_nobody_and_is_gone_on_with(sandbox, arguments, data):
    for n in range(200):
        (data / f"more-{n}.json").write_text(json.dumps({"n": n, "text": "x" * 500}), encoding="utf-8")
    slowly = load_settings(profile=sandbox.profile, environ={"UPLOAD_CLIENT_MAX_RATE": "5kB"})
    reporter = Stopping()
    activity = ClientActivity(lambda: arguments(settings=slowly, reporter=reporter))
    reporter.activity = activity
    told = []
    with pytest.raises(Interrupted):
        ActivityRunner(activity, Told(told), Told(told)).run()
    assert told == []
    delivery_id = activity.metadata["delivery_id"]
    assert lock(sandbox, delivery_id)["state"] == "released"
    before = landed(sandbox, delivery_id)
    assert len(before) < 206
    again = ClientActivity(arguments)
    again.start()
    assert again.metadata["files_valid"] == 206
    assert before <= landed(sandbox, delivery_id)


class Told:
    def __init__(self, told):
        self.told = told

    def handle_success(self, metadata):
        self.told.append(("success", metadata))

    def handle_failure(self, exception, metadata):
        self.told.append(("failure", exception))


def test_one_that_is_stopped_before_it_begins_does_not_begin(arguments):
    activity = ClientActivity(arguments)
    activity.stop()
    with pytest.raises(Interrupted):
        activity.start()
    assert "exit_code" not in activity.metadata


def test_a_receiver_that_is_out_of_reach_is_tried_again(sandbox, arguments, tmp_path):
    away = tmp_path / "away.toml"
    text = Path(sandbox.profile).read_text(encoding="utf-8")
    away.write_text(text.replace(sandbox.endpoint_url, "http://127.0.0.1:9"), encoding="utf-8")
    environ = {"UPLOAD_CLIENT_PATIENCE": "1"}
    profiles = iter([load_settings(profile=away, environ=environ), load_settings(profile=sandbox.profile)])
    retries = []
    activity = RetryingActivity(
        ClientActivity(lambda: arguments(settings=next(profiles), session=None)),
        delay=0,
        hook=lambda remaining, error, delay: retries.append((remaining, type(error))),
    )
    activity.start()
    assert retries == [(2, NotReachable)]
    assert activity.metadata["files_valid"] == 6


def test_a_wrong_password_is_a_failure_with_its_own_exit_code(sandbox, arguments):
    environ = {"UPLOAD_CLIENT_PASSWORD_COMMAND": f"{sys.executable} -c print('wrong')"}
    profile = sandbox.profile
    text = Path(profile).read_text(encoding="utf-8")
    other = Path(profile).with_name("asks.toml")
    other.write_text(
        "".join(line for line in text.splitlines(keepends=True) if "sandbox_password" not in line),
        encoding="utf-8",
    )
    settings = load_settings(profile=other, environ=environ)
    with pytest.raises(LoginRefused) as caught:
        ClientActivity(lambda: arguments(settings=settings, session=None)).start()
    assert exit_code_of(caught.value) == LoginRefused.exit_code


def test_arguments_that_do_not_go_together_are_refused_when_it_is_made_or_started(arguments):
    with pytest.raises(UsageError):
        ClientActivity()
    with pytest.raises(UsageError):
        ClientActivity(arguments, dataset="x")
    with pytest.raises(UsageError):
        ClientActivity(**arguments(dataset="a b")).start()
    with pytest.raises(UsageError, match=r"output_dir nowhere is no folder"):
        ClientActivity(**arguments(output_dir="nowhere")).start()


# --- the same as a job of a schedule ---


def test_a_delivery_of_a_schedule_has_the_night_it_was_due_as_its_name(
    sandbox, data, tmp_path, monkeypatch, mail_server, authority, capsys
):
    box = mail_server(tls="starttls")
    trust = tmp_path / "trust.pem"
    authority.cert_pem.write_to_path(trust)
    monkeypatch.setenv("SSL_CERT_FILE", str(trust))
    (tmp_path / "password").write_text(MAIL_PASSWORD, encoding="utf-8")
    path = tmp_path / "nightly.yaml"
    path.write_text(
        f"""
timezone: Europe/Berlin
store: sqlite:///s.sqlite
mail: {{host: localhost, port: {box.port}, starttls: true, user: {USER},
        password_command: cat {tmp_path / "password"}, sender: robot@example.org}}
jobs:
  nightly:
    cron: "30 2 * * *"
    deliver: {{dataset: survey, delivery_id: "{tmp_path.name}-{{run:%Y-%m-%d}}", source: data,
               profile: {sandbox.profile}, output_dir: results/survey}}
    on_success: {{mail: [provider@example.org]}}
    on_failure: {{mail: [admin@example.org]}}
""",
        encoding="utf-8",
    )
    once = ["schedule", "once", str(path), "nightly", "--run"]
    assert main([*once, "2026-07-20T02:30"]) == 0
    assert landed(sandbox, f"{tmp_path.name}-2026-07-20") == {f"{n}.json" for n in range(6)}
    (data / "broken.json").write_text("{not json", encoding="utf-8")
    assert main([*once, "2026-07-21T02:30"]) == 3
    capsys.readouterr()
    (to_provider, good), (to_admin, bad) = box.mails
    assert (to_provider, to_admin) == (["provider@example.org"], ["admin@example.org"])
    assert "6 of 6 files valid" in good.get_content()
    assert "broken.json" in bad.get_content()
    results = tmp_path / "results" / "survey"  # it was not there
    for mail, name in ((good, "receipt_file"), (good, "state_csv"), (bad, "state_csv")):
        (path_of_it,) = re.findall(rf"^{name}: (.+?)\r?$", mail.get_content(), re.MULTILINE)
        assert Path(path_of_it).parent == results
        assert Path(path_of_it).is_file()
    assert main(["schedule", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "failed with exit code 3" in shown
    assert "for Tue 2026-07-21 02:30 CEST" in shown


def test_a_folder_for_the_state_that_can_be_none_is_told_before_it_is_due(sandbox, data, tmp_path, capsys):
    (tmp_path / "taken").touch()
    path = tmp_path / "nightly.yaml"
    path.write_text(
        "jobs: {a: {every: 1d, deliver: {dataset: survey, delivery_id: x, source: data, "
        f"profile: {sandbox.profile}, output_dir: taken}}}}}}",
        encoding="utf-8",
    )
    assert main(["schedule", "check", str(path)]) == 2
    assert f"a: error: the output_dir {tmp_path / 'taken'} is no folder" in capsys.readouterr().out
    path.write_text(path.read_text("utf-8").replace("taken", "taken/below"), encoding="utf-8")
    assert main(["schedule", "once", str(path), "a"]) == 2
    assert "taken/below cannot be made: Not a directory" in capsys.readouterr().err
