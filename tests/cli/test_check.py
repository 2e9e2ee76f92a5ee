"""`check` on the command line: what it makes of the findings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import upload_client.preflight
from upload_client.core.preflight import CHECKS, Finding

NAMED = ("check", "--dataset", "toy", "--delivery-id", "d1")
LONG = "a text that is broken into several lines, being longer than a terminal of eighty columns is wide"


@pytest.fixture
def found(monkeypatch):
    """Put findings in the place of a real look; what was asked for is kept."""
    monkeypatch.setenv("UPLOAD_CLIENT_AUTH", "aws")
    asked = []

    def put(*special: Finding):
        by_name = {check.name: Finding(check.name, "ok", "allowed") for check in CHECKS}
        by_name |= {finding.check: finding for finding in special}

        def look(order, *, report):
            report("looking")
            asked.append(order)
            yield from reversed(by_name.values())

        monkeypatch.setattr(upload_client.preflight, "preflight", look)
        return asked

    return put


def test_where_all_is_well_the_delivery_is_the_next_command(run, found, data):
    (found_order,) = [found()]
    said = run(*NAMED, "--source", data, "--sample")
    assert said.code == 0
    assert f"{len(CHECKS)} checks are ok. Nothing was changed. Deliver:" in said.out
    assert said.out.endswith(f"  upload-client --dataset toy --delivery-id d1 --sample --source {data}\n")
    (order,) = found_order
    assert (order.dataset, order.delivery_id, order.transfer_type) == ("toy", "d1", "sample")
    assert order.open_source(None) == data


def test_a_problem_is_exit_code_2_and_a_warning_is_not(run, found, data):
    found(Finding("empty", "warning", "1 file", "Look."))
    assert run(*NAMED).code == 0
    found(Finding("empty", "warning", "1 file", "Look."), Finding("lock", "problem", "held", "Wait."))
    said = run(*NAMED)
    assert said.code == 2
    assert "1 problem, 1 warning, " in said.out
    assert "run this again" in said.out


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits_the_terminal_and_stands_in_the_order_of_the_checks(run, found, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    found(
        Finding("lock", "problem", f"{LONG} {LONG}", f"{LONG}.", details=(LONG,)),
        Finding("content", "skipped", "not tried"),
        Finding("accidents", "skipped", "not tried"),
        Finding("empty", "skipped", "not tried"),
    )
    lines = run(*NAMED).out.splitlines()
    assert max(map(len, lines)) <= width
    sections = [line.strip() for line in lines if line.strip() in {check.section for check in CHECKS}]
    assert sections == list(dict.fromkeys(check.section for check in CHECKS))
    (problem,) = [line for line in lines if line.startswith("PROBLEM")]
    assert problem.split()[1] == "lock"
    # What was not tried for one reason stands in one row.
    (skipped,) = [line for line in lines if line.startswith("not done")]
    assert "empty files" in skipped


def test_what_others_have_written_cannot_alter_the_terminal(run, found):
    found(Finding("lock", "problem", "held by \x1b[2J[red]", "Wait\x1b.", details=("\u202e",)))
    out = run(*NAMED).out
    assert "\x1b" not in out
    assert "\\x1b[2J[red]" in out
    assert "\\u202e" in out


def test_a_command_in_what_to_do_names_the_delivery(run, found):
    found(Finding("lock", "problem", "held", "Dead? `upload-client unlock --steal abc`."))
    out = " ".join(run(*NAMED, "--json").out.split())
    assert "`upload-client unlock --dataset toy --delivery-id d1 --steal abc`" in out


def test_a_program_gets_each_finding_and_a_summary(run, found):
    found(Finding("landing-write", "problem", "no", "Ask.", actions=("s3:PutObject",)))
    said = run(*NAMED, "--json")
    *findings, summary = map(json.loads, said.out.splitlines())
    assert {one["kind"] for one in findings} == {"check"}
    assert {one["schema_version"] for one in [*findings, summary]} == {1}
    (problem,) = [one for one in findings if one["status"] == "problem"]
    assert problem == {
        "schema_version": 1,
        "kind": "check",
        "check": "landing-write",
        "section": "Landing bucket",
        "title": "write",
        "status": "problem",
        "found": "no",
        "todo": "Ask.",
        "details": [],
        "actions": ["s3:PutObject"],
        "missing_actions": ["s3:PutObject"],
    }
    assert (summary["kind"], summary["exit_code"]) == ("summary", said.code)
    assert summary["counts"] == {"ok": len(CHECKS) - 1, "warning": 0, "problem": 1, "skipped": 0}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check"], "--dataset is missing"),
        (["check", "--dataset", "d"], "--delivery-id is missing"),
        (["check", "--sandbox", "--profile", "x"], "--sandbox brings its own profile"),
        ([*NAMED, "--threads", "0"], "command line: --threads"),
        ([*NAMED, "--profile", "not-there.toml"], "the profile not-there.toml is not there"),
        ([*NAMED, "--sourc", "x"], "--source"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(run, arguments, sentence):
    said = run(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert sentence in said.err
    assert "hint: " in said.err


def test_the_documentation_names_each_permission():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "check.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.search("`(s3|ssm|lambda):", line) and line[0] == "|"]
    told = [tuple(re.findall(r"`([^`]+)`", row)) for row in rows]
    assert told == [(check.name, *check.actions) for check in CHECKS if check.actions]


def test_the_kind_of_a_list_is_said_as_for_a_delivery(run, found, data, tmp_path):
    asked = found()
    (tmp_path / "list.txt").write_text("a.csv\n")
    said = run(*NAMED, "--source", data, "--index", tmp_path / "list.txt", "--index-format", "paths")
    assert said.code == 0
    assert said.out.rstrip().endswith("--index-format paths")
    assert asked[0].read_files(data).paths == ["a.csv"]


def test_settings_of_a_delivery_can_be_tried(run, found):
    asked = found()
    assert run(*NAMED, "--engine", "boto3", "--max-retries", "7").code == 0
    assert (asked[0].settings.engine, asked[0].settings.max_retries) == ("boto3", 7)
