"""What the operator is told: logs and metrics while a validator runs, one message when a run has ended."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import pytest

pytest.importorskip("aws_lambda_powertools")

from upload_client.core.layout import Layout
from upload_client.core.records import Found
from upload_client.validator import handlers, serving
from upload_client.validator.checks import Judgement
from upload_client.validator.judging import Judging
from upload_client.validator.tally import Tally
from upload_client.validator.telemetry import Telemetry

ELSEWHERE = Found(1, "AAAAAA==", "0" * 32)
CAME_OUT = {
    "good.csv": Judgement("ok", "", ELSEWHERE, ("size", "etag", "crc32", "csv")),
    "gone.csv": Judgement("failure", "it is not there", None, ("size", "etag", "crc32")),
    "other.csv": Judgement("failure", "it is not what was announced", ELSEWHERE, ("size", "etag", "crc32")),
    "torn.csv": Judgement("failure", "it does not open", ELSEWHERE, ("size", "etag", "crc32", "csv")),
    "../up": Judgement("failure", "the path …", None, ("path",)),
    "dim.csv": Judgement("error", "it could not be judged", None, ("size", "etag", "crc32")),
}


class Validator:
    """As much of one as metrics need."""

    silence, lag, backlog = 3.0, 7.5, 12


class Beginning(Validator):
    silence = float("inf")


class Judge:
    def judge(self, path, announced):
        return CAME_OUT[path]

    def stop(self):
        pass


@pytest.fixture
def written(capsys, monkeypatch):
    """Run something, and give the lines it writes, as JSON."""
    # powertools keeps a logger, and where it writes to, for each name.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"archive-{secrets.token_hex(4)}")

    def written(run):
        run()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]

    return written


def metrics(lines: list[dict]) -> dict[str, float]:
    """Sums by name; those that are counted by reason, by name and reason."""
    found: dict[str, float] = {}
    for line in lines:
        for group in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert group["Namespace"] == "upload-client"
            for metric in group["Metrics"]:
                name = f"{metric['Name']} {line['reason']}" if "reason" in line else metric["Name"]
                found[name] = found.get(name, 0) + sum(line[metric["Name"]])
    return found


def test_files_are_counted_by_how_they_were_judged_and_why_not_well(written):
    def run():
        telemetry = Telemetry(dataset="d", delivery_id="y")
        with telemetry.watching(Validator()), ThreadPoolExecutor(4) as pool:
            judging = Judging(Judge(), pool, on_judgement=telemetry.judged)
            wait([judging.submit(path, None) for path in CAME_OUT])

    lines = written(run)
    found = metrics(lines)
    assert (found["FilesJudged"], found["FilesInvalid"], found["FilesNotJudged"]) == (6, 4, 1)
    assert {line["SilenceSeconds"][0] for line in lines if "SilenceSeconds" in line} == {3.0}
    assert {line["LagSeconds"][0] for line in lines if "LagSeconds" in line} == {7.5}
    assert {line["Backlog"][0] for line in lines if "Backlog" in line} == {12}
    by_reason = {name.partition(" ")[2]: n for name, n in found.items() if name.startswith("FilesInvalidBy")}
    assert by_reason == {"missing": 1, "not as announced": 1, "content": 1, "path": 1}


def test_a_validator_that_has_not_yet_spoken_is_not_called_silent(written):
    def run():
        with Telemetry(dataset="d").watching(Beginning()):
            pass

    lines = written(run)
    assert lines
    assert not any("SilenceSeconds" in line for line in lines)


def test_each_file_that_is_not_valid_is_a_line_that_names_it_and_the_delivery(written):
    lines = written(
        lambda: [Telemetry(dataset="d", delivery_id="y").judged(*one) for one in CAME_OUT.items()]
    )
    logged = [line for line in lines if "path" in line]
    assert {line["path"] for line in logged} == CAME_OUT.keys() - {"good.csv"}
    assert {(line["dataset"], line["delivery_id"], line["level"]) for line in logged} == {
        ("d", "y", "WARNING")
    }


def test_of_two_validators_in_one_process_each_line_and_figure_is_of_its_own(written):
    def run():
        one, other = Telemetry(delivery_id="one"), Telemetry(delivery_id="other")
        one.info("begins")
        other.count("DeliveriesComplete")
        with one.watching(Validator()):
            pass
        one.judged("gone.csv", CAME_OUT["gone.csv"])
        other.info("begins")

    lines = written(run)
    assert [line["delivery_id"] for line in lines if "delivery_id" in line] == ["one", "one", "other"]
    assert "DeliveriesComplete" not in metrics(lines)


def test_what_a_file_name_holds_cannot_make_a_line_of_its_own(written):
    name = 'a\n{"level": "ERROR", "message": "all is lost"}\x1b[2J.csv'
    (line,) = written(lambda: Telemetry(dataset="d").judged(name, CAME_OUT["gone.csv"]))
    assert line["path"].endswith(r"\x1b[2J.csv")


BREAKS = ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
def test_what_others_say_makes_no_line_of_the_mail_or_of_the_message(monkeypatch, line_break):
    forged = f"so it is{line_break}valid          9 of 9 files\x1b[2J"
    tally = Tally(1, 1, 0, 0, 7, ((forged, forged),), "stop", forged)
    told = serving._outcome_message(Layout("d", "y", "staging"), "stop", tally, [])
    sent = []
    sns = SimpleNamespace(publish=lambda **message: sent.append(message))
    monkeypatch.setattr(serving.clients, "client", lambda *_: sns)
    serving._publish(None, SimpleNamespace(outcome_topic="arn"), told)
    message = json.loads(sent[0]["Message"])
    mail = message["email"].splitlines()
    assert len(mail) == 8
    assert [line[:14] for line in mail if line.startswith("valid ")] == ["valid          1"[:14]]
    for line in mail:
        assert line.isprintable()
    machine = json.loads(message["default"])
    assert machine == told
    assert machine["client"].isprintable()
    assert all(text.isprintable() for file in machine["invalid_first"] for text in file.values())
    assert sent[0]["Subject"].isprintable()


def test_why_a_file_is_invalid_is_one_short_line_of_the_log(written):
    bad = Judgement("failure", f"x\nFORGED{'y' * 5000}", None, ("path",))
    (line,) = written(lambda: Telemetry(dataset="d").judged("a.csv", bad))
    assert line["why"].isprintable()
    assert len(line["why"]) == 500


def test_a_million_bad_files_do_not_fill_the_log(written):
    def run():
        telemetry = Telemetry(dataset="d")
        for i in range(3000):
            telemetry.judged(f"{i}.csv", CAME_OUT["gone.csv"])

    assert len(written(run)) == 1000


class Context:
    def get_remaining_time_in_millis(self):
        return 60_000


@pytest.mark.parametrize(
    ("settings", "counted"),
    [
        ("{}", {"FailedStarts": 1.0}),
        ('{"control_bucket": "c", "landing_bucket": "l", "worker_function": "w"}', {}),
    ],
    ids=["the receiver's fault", "the client's fault"],
)
def test_a_start_that_fails_is_counted_when_it_is_the_receivers_fault(
    written, monkeypatch, settings, counted
):
    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", settings)
    assert metrics(written(lambda: handlers.start({"protocol": 1}, Context()))) == counted
