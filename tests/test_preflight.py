"""The check before a delivery: it finds what is in the way, says what to do, and leaves nothing behind."""

from __future__ import annotations

import csv
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import waiting
from faults import proxy as net
from faults.proxy import Exchange, Proxy, Request

from upload_client import preflight
from upload_client.core import preflight as rules
from upload_client.core.lease import LockBody
from upload_client.core.preflight import CHECKS, Finding
from upload_client.index import Choice, sources
from upload_client.index.loading import take
from upload_client.preflight import content, control, sequence
from upload_client.sandbox import Sandbox
from upload_client.settings import load_settings
from upload_client.support.clock import Clock
from upload_client.validator import opening
from upload_client.validator.readers import Undecided

ACTIONS = [
    pytest.param(*needed, id=" ".join(needed))
    for needed in sorted({(check.place, action) for check in CHECKS for action in check.actions})
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def checking(real_s3: str) -> Iterator[Sandbox]:
    """The same, with an S3 that checks checksums."""
    with Sandbox(s3_endpoint=real_s3) as made:
        yield made


@pytest.fixture
def network(sandbox: Sandbox) -> Iterator[Proxy]:
    """The way to the sandbox, for all services; it can be broken."""
    with Proxy(sandbox.endpoint_url) as made:
        yield made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with three files and an index."""
    folder = tmp_path / "data"
    (folder / "b").mkdir(parents=True)
    (folder / "a.csv").write_text("x\n1\n", encoding="utf-8")
    (folder / "b" / "c.json").write_text("{}", encoding="utf-8")
    (folder / "b" / "d.txt").write_text("d", encoding="utf-8")
    write_index(folder, ["a.csv", "b/c.json", "b/d.txt"])
    return folder


def write_index(folder: Path, paths: list[str], **columns: list[str]) -> None:
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", *columns])
        rows.writerows(zip(paths, *columns.values(), strict=True))


@dataclass
class Found:
    """What a check has found."""

    findings: dict[str, Finding]

    def __getitem__(self, name: str) -> Finding:
        return self.findings[name]

    def of(self, status: str) -> set[str]:
        return {name for name, finding in self.findings.items() if finding.status == status}


Look = Callable[..., Found]


@pytest.fixture
def look(network, sandbox, data, tmp_path, session, monkeypatch) -> Look:
    """Check a new delivery: ``look(delivery_id="d2", threads=2)``."""
    # One session for all: a new one reads the descriptions of all services anew.
    monkeypatch.setattr(sequence, "open_session", lambda *_, **__: session)

    def look(
        source: Path | str = data,
        *,
        dataset: str = "toy",
        delivery_id: str | None = None,
        content: bool = False,
        to: Sandbox = sandbox,
        **flags: object,
    ) -> Found:
        flags = {"auth": "aws", "endpoint_url": network.url, "max_rate": "1MB", "threads": 2, **flags}
        settings = load_settings(flags=flags, profile=to.profile, environ={})
        request = preflight.CheckRequest(
            dataset=dataset,
            delivery_id=delivery_id or f"d{secrets.token_hex(4)}",
            transfer_type="staging",
            settings=settings,
            sources={"x.toml": ("region",)},
            open_source=lambda session: (
                source
                if isinstance(source, Path)
                else None
                if session is None
                else sources.bucket_of(source, session, settings)
            ),
            read_files=lambda place: take(place, None, Choice()),
            output_dir=tmp_path,
            content=content,
        )
        findings = list(preflight.preflight(request))
        names = [finding.check for finding in findings]
        assert len(names) == len(set(names))
        in_their_place = [check.name for check in CHECKS if check.place != "source" or "s3://" in str(source)]
        assert set(names) == set(in_their_place)
        return Found({finding.check: finding for finding in findings})

    return look


def state_of(sandbox: Sandbox) -> object:
    """Every object, version and unfinished upload there is."""
    s3 = sandbox.client("s3")
    return [
        (
            [
                (entry["Key"], entry["ETag"])
                for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", ())
            ],
            [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())],
        )
        for bucket in (sandbox.control_bucket, sandbox.landing_bucket)
    ]


# --- nothing remains ------------------------------------------------------------------------------


def test_where_nothing_is_in_the_way_all_is_well_and_nothing_remains(look, sandbox, network):
    before = state_of(sandbox)
    found = look()
    assert found.of("problem") == found.of("warning") == set()
    assert found.of("skipped") == {"content"}
    assert state_of(sandbox) == before
    asked = Counter(
        (request.method, "parts" if "uploadId" in request.query else "")
        for request in network.requests
        if sandbox.landing_bucket in request.path
    )
    # Two uploads are begun and abandoned; before each, one that nobody began. No object is ever completed.
    assert asked["DELETE", "parts"] == 4
    assert asked["POST", "parts"] == 0
    assert asked["POST", ""] == 2
    writes = [
        request
        for request in network.requests
        if request.method == "PUT" and sandbox.landing_bucket in request.path and not request.query
    ]
    assert [(request.headers["if-match"], request.status) for request in writes] == [
        (f'"{"0" * 32}"', 404)
    ] * 2


def test_the_same_in_front_of_an_s3_that_checks_checksums(look, checking):
    before = state_of(checking)
    endpoints = {"s3": checking.s3_endpoint_url}
    found = look(to=checking, endpoint_url=checking.endpoint_url, endpoints=endpoints)
    assert found.of("problem") == found.of("warning") == set()
    assert state_of(checking) == before


def test_a_bucket_is_looked_at_as_a_source(look, sandbox):
    s3 = sandbox.client("s3")
    s3.put_object(Bucket=sandbox.control_bucket, Key="from/here/a.csv", Body=b"a\n")
    before = state_of(sandbox)
    found = look(f"s3://{sandbox.control_bucket}/from/here")
    assert found.of("problem") == found.of("warning") == set()
    assert found.of("skipped") == {"content", "time"}
    assert "1 file, 2 B" in found["files"].found
    assert state_of(sandbox) == before


# --- permissions ----------------------------------------------------------------------------------


def needs(request: Request, sandbox: Sandbox) -> set[tuple[str, str]]:
    """The actions that AWS asks for, as (place, action)."""
    if "x-amz-target" in request.headers:
        return {("parameter", f"ssm:{request.headers['x-amz-target'].partition('.')[2]}")}
    if "/functions/" in request.path:
        return {("function", "lambda:InvokeFunction")}
    bucket, _, key = request.path.removeprefix("/").partition("/")
    place = "source" if key.startswith("from/") or "from" in request.query else ""
    place = place or ("control" if bucket == sandbox.control_bucket else "landing")
    asked = parse_qs(request.query, keep_blank_values=True)
    match request.method:
        case "GET" if "list-type" in asked:
            action = "ListBucket"
        case "GET" if "uploads" in asked:
            action = "ListBucketMultipartUploads"
        case "GET" if "uploadId" in asked:
            action = "ListMultipartUploadParts"
        case "GET" | "HEAD":
            action = "GetObject"
        case "DELETE":
            action = "AbortMultipartUpload" if "uploadId" in asked else "DeleteObject"
        case _:
            action = "PutObject"
    found = {(place, f"s3:{action}")}
    if "if-match" in request.headers and request.method == "PUT":
        found.add((place, "s3:GetObject"))
    if "x-amz-copy-source" in request.headers:
        found.add(("source", "s3:GetObject"))
    return found


def forbid(sandbox: Sandbox, place: str, action: str) -> net.Fault:
    """Answers as AWS does where a policy lacks one action."""
    headers = "x-amzn-ErrorType: AccessDeniedException\r\n"
    refuse = net.answer(403, "AccessDenied", headers=headers)

    def fault(x: Exchange) -> None:
        wanted = needs(x.request, sandbox)
        if (place, action) in wanted:
            if place == "parameter":
                body = json.dumps({"__type": "AccessDeniedException", "message": "no"})
                x.send(f"HTTP/1.1 400 No\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            else:
                refuse(x)
            return
        answered = x.forward()
        # Who may not list a bucket is not told whether an object is there.
        if answered.status == 404 and wanted == {(place, "s3:GetObject")} and action == "s3:ListBucket":
            refuse(x)
        else:
            x.send(answered.raw)

    return fault


def test_a_denial_is_told_in_the_own_words_of_who_denies(look, network):
    said = "is not authorized: with an explicit deny in a resource-based policy"
    body = f"<Error><Code>AccessDenied</Code><Message>{said}</Message></Error>"

    def deny(x: Exchange) -> None:
        x.send(f"HTTP/1.1 403 No\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    network.on(deny, method="PUT", path="/probe/", times=None)
    found = look()["control-write"]
    assert found.status == "problem"
    assert said in found.details[0]


@pytest.mark.parametrize(("place", "action"), ACTIONS)
def test_without_an_action_exactly_the_checks_fail_that_name_it(look, sandbox, network, place, action):
    s3 = sandbox.client("s3")
    s3.put_object(Bucket=sandbox.control_bucket, Key="from/here/a.csv", Body=b"a\n")
    before = state_of(sandbox)
    network.on(forbid(sandbox, place, action), times=None)
    found = look(*([f"s3://{sandbox.control_bucket}/from/here"] if place == "source" else []))
    concerned = {check for check in CHECKS if check.place == place and action in check.actions}
    for check in concerned:
        assert found[check.name].status == ("problem" if check.needed else "warning"), check.name
        assert action in found[check.name].found
        assert action in found[check.name].actions
        assert action in found[check.name].todo
    wrong = found.of("problem") | found.of("warning")
    assert wrong - {"index"} == {check.name for check in concerned}
    assert state_of(sandbox) == before


def test_a_policy_that_lacks_it_all_is_told_in_full(look, network, sandbox):
    network.on(
        net.answer(403, "AccessDenied"),
        times=None,
        path=f"^/({sandbox.control_bucket}|{sandbox.landing_bucket})",
    )
    found = look()
    assert {"control-list", "landing-list", "landing-uploads"} <= found.of("problem")
    assert {"control-delete", "landing-abort", "landing-parts"} <= found.of("warning")
    assert "s3:ListBucket" in found["landing-read"].found
    assert {"landing-read", "conditional-writes", "landing-multipart", "time"} <= found.of("skipped")
    assert {"index", "files", "names", "start-function", "parameter"} <= found.of("ok")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "NoSuchBucket", "--dataset"),
        (301, "PermanentRedirect", "region"),
        (400, "ExpiredToken", "Log in again"),
        (403, "InvalidAccessKeyId", "credentials"),
        (400, "InvalidRequest", "tell the receiver"),
    ],
)
def test_what_is_in_the_way_of_a_whole_bucket_is_said_once(look, network, sandbox, status, code, said):
    region = "x-amz-bucket-region: eu-north-1\r\n" * (status == 301)  # S3 says it, and botocore needs it
    network.on(net.answer(status, code, headers=region), times=None, path=f"^/{sandbox.landing_bucket}")
    found = look()
    assert found.of("problem") == {"landing-list"}
    assert said in found["landing-list"].todo
    assert found["landing-write"].found == "not tried: the bucket cannot be used"


def test_without_a_network_each_thing_is_tried_as_far_as_that_goes(look, network):
    network.down()
    found = look()
    assert found.of("problem") == {"parameter"}
    assert rules.exit_code(found.findings.values()) == 7
    assert "network" in found["parameter"].todo
    assert {"index", "names", "files", "disk"} <= found.of("ok")


def test_settings_that_cannot_be_are_said_and_the_files_looked_at_all_the_same(look):
    found = look(dataset="../x")
    assert "dataset" in found["settings"].found
    assert found["settings"].status == "problem"
    assert found["control-list"].found == "not tried: the settings are wrong"
    assert found["files"].status == "ok"


def test_a_parameter_that_is_not_there_is_named(look):
    found = look(settings_parameter="/not/there")
    assert found["parameter"].status == "problem"
    assert "/not/there" in found["parameter"].found
    assert found["lock"].status == "skipped"


def test_a_function_that_is_not_there_is_named(look):
    found = look(start_function="nobody", control_bucket="control", landing_bucket="landing")
    assert found["start-function"].found == "there is no function nobody"


# --- the store ------------------------------------------------------------------------------------


def test_a_store_that_ignores_conditions_is_a_problem_and_nothing_remains(look, network, sandbox):
    def careless(x: Exchange) -> None:
        lines = x.request.head.split(b"\r\n")
        x.request.head = b"\r\n".join(line for line in lines if not line.lower().startswith(b"if-"))
        x.send(x.forward().raw)

    before = state_of(sandbox)
    network.on(careless, times=None, method="PUT")
    found = look()
    assert found.of("problem") == {"conditional-writes"}
    assert "If-None-Match" in found["conditional-writes"].found
    assert state_of(sandbox) == before


@pytest.mark.parametrize(
    ("ahead", "takes", "status", "found"),
    [
        (0, 0, "ok", "as the store's, to a second"),
        (100, 0, "warning", "99 s ahead of the store's"),
        (-900, 0, "problem", "900 s behind the store's"),
        (0, 600, "ok", "as the store's, to a second"),
        (700, 600, "warning", "99 s ahead of the store's"),
        (-900, 600, "problem", "900 s behind the store's"),
    ],
)
def test_a_clock_that_is_off_is_told_with_the_figure_that_an_answer_proves(
    look, network, sandbox, monkeypatch, ahead, takes, status, found
):
    class Simulated(Clock):
        def __init__(self) -> None:
            self.passed = 0.0
            self.began = float(int(time.time()))

        def wall(self) -> float:
            return self.began + ahead + self.passed

        def monotonic(self) -> float:
            self.passed += 1e-6  # what lasts no time at all cannot be measured
            return self.passed

        def sleep(self, seconds: float) -> None:
            self.passed += seconds

    here = Simulated()

    waits = [takes]

    def answered_late(x: Exchange) -> None:
        here.passed += waits.pop() if waits else 0  # not again, where a busy machine has it asked for again
        date = formatdate(here.began + here.passed, usegmt=True).encode()
        x.send(re.sub(rb"(?im)^date:[^\r]*", b"Date: " + date, x.forward().raw))

    listing = f"^/{sandbox.control_bucket}/?$"
    network.on(answered_late, method="GET", path=listing, query="list-type", times=None)
    monkeypatch.setattr(sequence.preflight, "__kwdefaults__", {"report": lambda _: None, "clock": here})
    clock = look()["clock"]
    assert (clock.status, clock.found) == (status, found)


def test_an_upload_that_cannot_be_abandoned_after_all_is_told_with_what_to_do(look, network, sandbox):
    network.on(net.answer(403, "AccessDenied"), method="DELETE", query="uploadId", nth=2, times=None)
    found = look(delivery_id="stays")
    assert found["leftovers"].status == "problem"
    assert "check --clean" in found["leftovers"].todo
    s3, where = sandbox.client("s3"), {"Bucket": sandbox.landing_bucket}
    for upload in s3.list_multipart_uploads(**where)["Uploads"]:
        s3.abort_multipart_upload(**where, Key=upload["Key"], UploadId=upload["UploadId"])


# --- the delivery ---------------------------------------------------------------------------------


def lock(**fields: object) -> bytes:
    body = {
        "agent_id": "abcdefghijk",
        "nonce": "n",
        "epoch": 1,
        "state": "held",
        "host": "h\x1b[2J",
        "user": "u",
        "acquired_at": "then",
        "refreshed_at": "then",
        "lease_seconds": 300,
        "version": 1,
    }
    return json.dumps(body | fields).encode()


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (lock(), "problem", "held by agent abcdefghijk (u on h"),
        (lock(state="released"), "ok", "free"),
        (lock(version=99), "problem", "held by"),
        (b"garbled", "problem", "somebody whose lock cannot be read"),
        (b"x" * 5000, "problem", "somebody whose lock cannot be read"),
    ],
)
def test_the_lock_is_told_with_its_holder(look, sandbox, body, status, said):
    delivery_id = f"d{secrets.token_hex(4)}"
    sandbox.client("s3").put_object(Bucket=sandbox.control_bucket, Key=f"toy/{delivery_id}/owned", Body=body)
    found = look(delivery_id=delivery_id)
    assert LockBody.decode(lock()) is not None
    assert (found["lock"].status, said in found["lock"].found) == (status, True)
    assert ("unlock --steal abcdefghijk" in found["lock"].todo) is (body == lock())
    assert found["delivery"].found.endswith("was begun before and is resumed")


@pytest.mark.parametrize(("dataset", "delivery_id"), [("survey", "2026-11"), ("surveys", "2026-1")])
def test_a_name_that_is_nearly_that_of_another_delivery_is_asked_about(look, sandbox, dataset, delivery_id):
    sandbox.client("s3").put_object(Bucket=sandbox.control_bucket, Key="surveys/2026-11/owned", Body=b"")
    found = look(dataset=dataset, delivery_id=delivery_id)
    assert found["delivery"].status == "warning"
    assert "misspelt" in found["delivery"].found
    sandbox.client("s3").delete_object(Bucket=sandbox.control_bucket, Key="surveys/2026-11/owned")


# --- the files ------------------------------------------------------------------------------------


def test_files_that_cannot_be_sent_are_counted_and_the_first_named(look, data):
    (data / "empty.csv").touch()
    (data / "other.csv").write_text("12345")
    (data / "secret.csv").write_text("x")
    (data / "secret.csv").chmod(0)
    readable = True
    with suppress(PermissionError):
        (data / "secret.csv").read_text()
        readable = False
    missing = [f"gone{n}.csv" for n in range(7)]
    paths = ["a.csv", "empty.csv", "other.csv", "secret.csv", *missing]
    write_index(data, paths, size=["", "0", "4", "", *[""] * 7])
    found = look()
    files = found["files"]
    assert files.status == "problem"
    assert files.found.startswith(f"{8 + readable} of 11 files")
    assert len(files.details) == 6
    assert files.details[-1].startswith("and ")
    assert any("'gone0.csv' is not there" in line for line in files.details)
    assert (found["empty"].status, found["empty"].details) == ("warning", ("'empty.csv'",))


def test_names_that_cannot_be_delivered_have_their_row_and_spoil_no_other(look, data):
    write_index(data, ["a.csv", "../out.csv", "b/c.json", "A.csv", "a.csv"])
    (data / "A.csv").write_text("x\n")
    found = look()
    assert found["names"].status == "problem"
    assert found["names"].details == ("row 3: '../out.csv' contains '..', which leaves its folder",)
    assert found["index"].details == ("row 6: 'a.csv' is there twice, first in row 2",)
    write_index(data, ["a.csv", "A.csv"])
    found = look()
    assert found["names"].status == "warning"
    assert found["names"].details == ("'a.csv' and 'A.csv'",)


def test_an_index_that_is_none_is_said_and_the_rest_looked_at(look, data):
    (data / "index.csv").write_text("path\na.csv,b\n")
    found = look()
    assert found["index"].status == "problem"
    assert "has 2 cells instead of 1" in found["index"].details[0]
    assert found["files"].status == "skipped"
    assert found["landing-write"].status == "ok"


def test_a_source_that_is_not_there_is_said_and_the_rest_looked_at(look, tmp_path):
    found = look(tmp_path / "nowhere")
    assert found["index"].status == "problem"
    assert "nowhere" in found["index"].found
    assert found["landing-write"].status == "ok"


def test_a_disk_without_room_for_the_state_is_a_problem(look, monkeypatch):
    monkeypatch.setattr(sequence.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    assert look()["disk"].status == "problem"


def test_a_fault_of_our_own_keeps_nothing_else_from_being_looked_at(look, monkeypatch):
    monkeypatch.setattr(control, "probe_store", lambda *_, **__: 1 / 0)
    found = look()
    assert found.of("problem") == {"conditional-writes"}
    assert "division by zero" in found["conditional-writes"].found
    assert found["landing-read"].status == "ok"


# --- content --------------------------------------------------------------------------------------


def test_content_is_judged_in_the_validators_own_words(look, data):
    (data / "b" / "c.json").write_text('{"a": 1,}')
    found = look(content=True)["content"]
    assert found.status == "problem"
    assert "does not open" in found.found
    assert "1 file not opened" in found.found
    (line,) = found.details
    assert line.startswith("'b/c.json': it does not open as json: not JSON: ")


def test_content_that_opens_is_ok(look):
    found = look(content=True)["content"]
    assert (found.status, found.found) == (
        "ok",
        "2 files open as what their names say; 1 file not opened (a format that the validator does not open)",
    )


def test_a_file_that_nobody_can_judge_here_is_not_called_invalid(look, data, monkeypatch):
    def nobody_knows(path, *_):
        if path == "b/c.json":
            raise Undecided("values of more than 1 byte cannot be judged")

    monkeypatch.setattr(content, "_judge", nobody_knows)
    found = look(content=True)["content"]
    assert (found.status, found.details) == (
        "warning",
        ("'b/c.json': it could not be judged: values of more than 1 byte cannot be judged",),
    )
    assert "invalid" not in found.found + found.todo


def test_many_files_are_opened_by_several_processes(tmp_path):
    for n in range(130):
        (tmp_path / f"{n:03}.csv").write_text("a,b\n1,2\n" if n % 50 else "a,b\n1\n")
    files = [(f"{n:03}.csv", 8) for n in range(130)] + [("gone.csv", 1)]
    told = []
    wrong = dict(content.check_contents(tmp_path, files, n_processes=2, on_progress=told.append))
    assert sorted(wrong) == ["000.csv", "050.csv", "100.csv", "gone.csv"]
    assert wrong["gone.csv"] == "is not there"
    assert sum(told) == 131


LOOKING = """
import multiprocessing, sys, time
from pathlib import Path
from upload_client.preflight.content import check_contents

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = check_contents(folder, [(path.name, 4) for path in folder.iterdir()], n_processes=2)
    next(found)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_when_who_looks_is_killed_no_process_stays_that_it_has_started(tmp_path):
    (tmp_path / "data").mkdir()
    for n in range(130):
        (tmp_path / "data" / f"{n:03}.csv").write_text("a,b\n1\n")
    program = tmp_path / "look.py"
    program.write_text(LOOKING)
    child = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "data")], stdout=subprocess.PIPE, text=True
    )
    with waiting.killed_after(child):
        pids = [int(pid) for pid in child.stdout.readline().split()]
        assert len(pids) == 2
        assert all(waiting.is_running(pid) for pid in pids)
        child.kill()
        child.communicate()
    for pid in pids:
        waiting.until(lambda pid=pid: not waiting.is_running(pid))


def test_a_library_that_is_not_installed_is_why_a_file_is_not_opened(monkeypatch):
    assert content.unopened("a.csv", 3) is None
    assert "more than" in content.unopened("a.csv", content.MAX_READ + 1)
    monkeypatch.setattr(opening, "_is_there", lambda _: False)
    assert content.unopened("a.parquet", 3) == "pyarrow is not installed here"
