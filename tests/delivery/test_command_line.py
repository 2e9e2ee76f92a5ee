"""Deliveries as a person types them."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pandas as pd
import pytest
from delivery.conftest import Delivery, content
from faults.privileges import without_privileges
from waiting import until

from upload_client.core.digests import Digests
from upload_client.core.states import STATES

COLUMNS = [
    "relpath", "abspath", "state", "retries", "max_retries", "message",
    "checksum", "size", "etag", "transferred_at", "judged_at", "code", "opened",
]  # fmt: skip


def test_files_made_by_somebody_else_are_indexed_delivered_and_all_valid(
    delivery: Delivery, toy: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index.csv"
    made = subprocess.run(
        [*delivery.command()[:3], "index", str(toy), "-o", str(index)], capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    said = delivery.run("--source", toy, "--index", index)
    assert said.exit_code == 0, said
    assert f"{len(content(toy))} of {len(content(toy))} files valid" in said.stderr
    assert delivery.landed() == content(toy)


def test_a_delivery_of_a_folder_loads_no_library_of_tables(delivery: Delivery, data: Path) -> None:
    """They take longer to load than a small delivery; a list of files is read without them, too."""
    words = delivery.command("--source", data, "--index", data.parent / "list.csv")[3:]
    program = f"""
import sys
from upload_client.cli.app import main
index = main(["index", {str(data)!r}, "-o", {str(data.parent / "list.csv")!r}])
print("codes", index, main({words}), sorted({{"pandas", "numpy", "pyarrow"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "codes 0 0 []", done.stderr


def test_the_last_line_sums_up_and_the_state_csv_tells_every_file(delivery: Delivery, data: Path) -> None:
    said = delivery.run("--source", data)
    assert said.exit_code == 0, said
    summary = said.summary
    assert summary["schema_version"] == 1
    assert summary["exit_code"] == 0
    assert summary["counts"] == dict.fromkeys(STATES, 0) | {"valid": 12}
    assert summary["files_sent"] == 12
    assert summary["bytes_sent"] == sum(map(len, content(data).values()))
    assert summary["seconds"] > 0
    state = pd.read_csv(summary["state_csv"], dtype=str, keep_default_na=False)
    assert list(state.columns) == COLUMNS
    assert sorted(state["relpath"]) == sorted(content(data))
    assert set(state["state"]) == {"valid"}
    assert all(state["checksum"].str.fullmatch(r"[A-Za-z0-9+/]{6}=="))
    assert all(state["etag"])
    assert all(state["judged_at"] >= state["transferred_at"])
    how = state["opened"]
    assert how[state["relpath"].str.endswith(".csv")].eq("csv").all()
    unopened = int(how.str.startswith("not opened: ").sum())
    assert sum(summary["not_opened"].values()) == unopened
    assert ("not opened" in said.stderr) is bool(unopened)


def test_a_later_run_still_says_how_each_file_was_judged(delivery: Delivery, data: Path) -> None:
    first = delivery.run("--source", data)
    (data / "one more.bin").write_bytes(b"x")
    again = delivery.run("--source", data)
    assert again.exit_code == 0, again
    state, before = (
        pd.read_csv(said.summary["state_csv"], dtype=str, keep_default_na=False).set_index("relpath")[
            "opened"
        ]
        for said in (again, first)
    )
    assert state["one more.bin"] == "not opened: size and checksum alone were compared"
    assert state[before.index].equals(before)


def test_after_success_there_is_nothing_to_do_and_nothing_is_sent(delivery: Delivery, data: Path) -> None:
    assert delivery.run("--source", data).exit_code == 0
    before = delivery.landed()
    again = delivery.run("--source", data)
    assert again.exit_code == 0, again
    assert "nothing to do" in again.stderr
    assert again.summary["files_sent"] == again.summary["bytes_sent"] == 0
    assert delivery.landed() == before
    assert delivery.lock()["state"] == "released"


def test_after_three_files_have_changed_exactly_these_are_sent_and_judged(
    delivery: Delivery, data: Path
) -> None:
    assert delivery.run("--source", data).exit_code == 0
    changed = sorted(data.rglob("*.csv"))[:3]
    for path in changed:
        path.write_text("row,value\n0,changed\n")
    plan = delivery.run("--source", data, "--dry-run")
    will = {
        event["relpath"] for event in plan.events if event["kind"] == "plan" and event["state"] == "ready"
    }
    assert will == {path.relative_to(data).as_posix() for path in changed}
    again = delivery.run("--source", data)
    assert again.exit_code == 0, again
    assert again.summary["files_sent"] == 3
    assert delivery.landed() == content(data)


def test_a_dry_run_changes_nothing_anywhere(delivery: Delivery, data: Path) -> None:
    before = len(delivery.receiver.sandbox.requests)
    said = delivery.run("--source", data, "--dry-run")
    assert said.exit_code == 0, said
    assert sum(event["kind"] == "plan" for event in said.events) == 12
    asked = delivery.receiver.sandbox.requests[before:]
    s3 = [request for request in asked if f"/{delivery.dataset}" in request.path or "prefix=" in request.path]
    assert {request.method for request in s3} <= {"GET", "HEAD"}
    assert delivery.landed() == {}
    assert list(delivery.receiver.output.iterdir()) == []


@pytest.mark.long
def test_only_the_first_of_two_clients_delivers_and_the_second_names_it(
    delivery: Delivery, data: Path
) -> None:
    slow = subprocess.Popen(
        delivery.command("--source", data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        holder = until(delivery.lock)
        second = delivery.run("--source", data)
        released = delivery.lock()["state"] == "released"
    finally:
        slow.communicate(timeout=120)
    if not released:
        assert second.exit_code == 11, second
        assert holder["agent_id"] in second.stderr
        assert "until" in second.stderr
    assert slow.returncode == 0


def test_ctrl_c_ends_in_order_and_the_next_run_goes_on(delivery: Delivery, data: Path) -> None:
    running = subprocess.Popen(
        delivery.command("--source", data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    for line in running.stdout:
        if '"file"' in line or '"state"' in line:
            break
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=120)
    assert running.returncode in (130, 0), stderr  # 0: it was done already
    assert delivery.lock()["state"] == "released"
    again = delivery.run("--source", data)
    assert again.exit_code == 0, again
    assert delivery.landed() == content(data)


def test_a_wrong_user_is_refused_with_exit_10_and_no_traceback(delivery: Delivery, data: Path) -> None:
    said = delivery.run("--source", data, env={"UPLOAD_CLIENT_USERNAME": "nobody"})
    assert said.exit_code == 10, said
    assert "Traceback" not in said.stderr
    assert said.summary["exit_code"] == 10


def test_an_index_with_bad_rows_is_refused_with_rows_and_reasons(
    delivery: Delivery, data: Path, tmp_path: Path
) -> None:
    index = tmp_path / "bad.csv"
    index.write_text("path,checksum\n../x,\npart0/table_00000.csv,nonsense\nmissing.csv,\n")
    said = delivery.run("--source", data, "--index", index)
    assert said.exit_code == 2, said
    for row in ("row 2", "row 3", "row 4"):
        assert row in said.stderr
    assert delivery.landed() == {}


def test_what_has_another_checksum_than_the_index_says_is_not_delivered_whatever_its_kind(
    delivery: Delivery, data: Path, tmp_path: Path
) -> None:
    names = sorted(content(data))
    index = tmp_path / "mine.csv"
    good = {name: hashlib.sha256(content(data)[name]).hexdigest() for name in names}
    rows = [f"{name},{good[name]}" for name in names[1:]]
    index.write_text("\n".join(["path,sha256", f"{names[0]},{'ab' * 32}", *rows, ""]))
    said = delivery.run("--source", data, "--index", index)
    assert said.exit_code == 4, said
    assert "does not match the sha256 checksum in the index" in said.stderr
    assert set(delivery.landed()) == set(names[1:])
    index.write_text("\n".join(["path,sha256", *(f"{name},{good[name]}" for name in names), ""]))
    assert delivery.run("--source", data, "--index", index).exit_code == 0
    assert delivery.landed() == content(data)


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512"])
def test_an_index_that_names_another_checksum_of_what_was_delivered_is_no_success(
    delivery: Delivery, data: Path, tmp_path: Path, algorithm: str
) -> None:
    """Neither where the file and its time are as they were, nor in the run after the one that told of it."""
    files, index = content(data), tmp_path / "mine.csv"
    first, *_ = sorted(files)

    def write(others: dict[str, bytes]) -> None:
        rows = [f"{name},{digest_of(algorithm, body)}" for name, body in (files | others).items()]
        index.write_text("\n".join([f"path,{algorithm}", *rows, ""]))

    write({})
    assert delivery.run("--source", data, "--index", index).exit_code == 0
    settled = delivery.run("--source", data, "--index", index)
    assert (settled.exit_code, settled.summary["files_sent"]) == (0, 0), settled
    assert "nothing to do" in settled.stderr
    write({first: b"something else"})
    for _ in range(2):
        told = delivery.run("--source", data, "--index", index)
        assert told.exit_code == 4, told
        assert told.summary["counts"]["failed"] == 1
        assert first in told.stderr
        assert "checksum in the index" in told.stderr
    write({})
    assert delivery.run("--source", data, "--index", index).exit_code == 0
    assert delivery.landed() == files


def digest_of(algorithm: str, body: bytes) -> str:
    digests = Digests([algorithm]) if algorithm != "crc32" else None
    if digests is None:
        return f"{zlib.crc32(body):08x}"
    digests.update(body)
    return digests.digest(algorithm).hex()


def test_a_column_of_checksums_that_is_new_is_held_against_what_was_delivered_and_read_for_it(
    delivery: Delivery, data: Path, tmp_path: Path
) -> None:
    files, index = content(data), tmp_path / "mine.csv"
    assert delivery.run("--source", data).exit_code == 0
    rows = [f"{name},{hashlib.sha256(body).hexdigest()}" for name, body in files.items()]
    index.write_text("\n".join(["path,sha256", *rows, ""]))
    right = delivery.run("--source", data, "--index", index)
    assert (right.exit_code, right.summary["files_sent"]) == (0, 0), right
    index.write_text("\n".join(["path,sha256", *rows[1:], f"{rows[0].split(',')[0]},{'ab' * 32}", ""]))
    wrong = delivery.run("--source", data, "--index", index)
    assert wrong.exit_code == 4, wrong
    assert "does not match the sha256 checksum in the index" in wrong.stderr
    plan = delivery.run("--source", data, "--index", index, "--dry-run")
    (event,) = [each for each in plan.events if each["kind"] == "plan" and each["state"] == "ready"]
    assert event["reason"] == "its checksum in the index is another than was sent: will be sent again"


@pytest.mark.parametrize("change", ["gone", "another"])
def test_an_earlier_index_that_is_not_what_the_log_says_vouches_for_no_checksum(
    delivery: Delivery, data: Path, tmp_path: Path, change: str
) -> None:
    files, index = content(data), tmp_path / "mine.csv"
    right = [f"{name},{hashlib.sha256(body).hexdigest()}" for name, body in sorted(files.items())]
    wrong = [*right[1:], f"{right[0].split(',')[0]},{'ab' * 32}"]
    index.write_text("\n".join(["path,sha256", *right, ""]))
    assert delivery.run("--source", data, "--index", index).exit_code == 0
    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    key = f"{delivery.dataset}/{delivery.delivery_id}/staging/index/00000001.csv"
    if change == "gone":
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        s3.put_object(Bucket=bucket, Key=key, Body="\n".join(["path,sha256", *wrong, ""]).encode())
        index.write_text("\n".join(["path,sha256", *wrong, ""]))
        assert delivery.run("--source", data, "--index", index).exit_code == 4
        index.write_text("\n".join(["path,sha256", *right, ""]))
    again = delivery.run("--source", data, "--index", index)
    assert (again.exit_code, again.summary["files_sent"]) == (0, 0), again


def test_invalid_files_are_named_and_exit_3_and_can_be_sent_again(delivery: Delivery, data: Path) -> None:
    bad = data / "part0" / "broken.json"
    bad.write_text("{not json")
    said = delivery.run("--source", data)
    assert said.exit_code == 3, said
    assert "part0/broken.json" in said.stderr
    assert said.summary["counts"]["invalid"] == 1
    settled = delivery.run("--source", data)
    assert settled.exit_code == 3
    assert settled.summary["files_sent"] == 0
    bad.write_text("{}")
    fixed = delivery.run("--source", data)
    assert fixed.exit_code == 0, fixed
    assert fixed.summary["files_sent"] == 1


def test_more_invalid_files_than_allowed_end_the_run_early(delivery: Delivery, data: Path) -> None:
    for i in range(3):
        (data / f"broken{i}.json").write_text("{not json")
    said = delivery.run("--source", data, env={"UPLOAD_CLIENT_MAX_INVALID": "1"})
    assert said.exit_code == 6, said


def test_an_unreadable_file_is_not_transferred_and_exit_4(delivery: Delivery, data: Path) -> None:
    (data / "part0" / "table_00000.csv").chmod(0)
    said = without_privileges(lambda: delivery.run("--source", data))
    assert said.exit_code == 4, said
    assert "permission denied" in said.stderr
    assert said.summary["counts"]["valid"] == 11
