"""In the folder with the data, as people work: nothing of our own is delivered, nothing of theirs is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from delivery.conftest import Delivery, content

from upload_client.client import UploadClient
from upload_client.index import scan
from upload_client.receipts.store import open_receipt

posix = pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")

JOB = """
set -u
cd "$FOLDER"
for round in 1 2; do
  "$PYTHON" -m upload_client --profile archive.toml --dataset toy --delivery-id "$DELIVERY" --json \\
    --report report.html --log-file run.log -vv > events.jsonl 2> errors.txt
  echo $? >> codes
done
"$PYTHON" -m upload_client --profile archive.toml --dataset toy --delivery-id "$DELIVERY" --dry-run \\
  | tee plan.txt
"""


@posix
def test_a_job_that_runs_among_the_data_delivers_the_data_alone_and_comes_to_an_end(
    delivery: Delivery, data: Path
) -> None:
    before = content(data)
    profile = delivery.receiver.sandbox.profile.read_bytes()
    (data / "archive.toml").write_bytes(profile)
    (data / "job.sh").write_text(JOB)
    env = {**os.environ, "FOLDER": str(data), "PYTHON": sys.executable, "DELIVERY": delivery.delivery_id}
    done = subprocess.run(
        ["bash", data / "job.sh"], env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert (data / "codes").read_text() == "0\n0\n", (data / "errors.txt").read_text()
    before["codes"] = b"0\n"  # as it was when the second run came: that one delivers it
    assert delivery.landed() == before
    assert "1 file to send, 2 B; left out: 2 of upload-client itself" in (data / "errors.txt").read_text()
    for name in ("archive.toml", "events.jsonl", "errors.txt", "report.html", "run.log", "job.sh"):
        assert f"left out: {name} (" in (data / "errors.txt").read_text(), name
    assert "left out: " in done.stdout
    (receipt,) = data.glob("*_00000002.receipt.json")
    with open_receipt(receipt) as files:
        assert sorted(each.path for each in files) == sorted(before)


@posix
def test_a_loop_as_documented_ends_with_nothing_to_do_and_a_folder_as_delivered(
    delivery: Delivery, data: Path
) -> None:
    """The profile is in use by another name, and named by the environment."""
    (data / "archive.toml").write_bytes(delivery.receiver.sandbox.profile.read_bytes())
    (data / "hidden.toml").hardlink_to(data / "archive.toml")
    command = [
        sys.executable, "-m", "upload_client",
        "--dataset", "toy", "--delivery-id", delivery.delivery_id, "--json",
    ]  # fmt: skip
    env = {**os.environ, "UPLOAD_CLIENT_PROFILE": "./archive.toml"}
    with (data / "events.jsonl").open("ab") as out:
        codes = [
            subprocess.run(
                command, env=env, cwd=data, stdout=out, stderr=subprocess.PIPE, timeout=240, check=False
            )
            for _ in range(2)
        ]
    assert [done.returncode for done in codes] == [0, 0], codes
    assert b"nothing to do" in codes[-1].stderr
    (receipt,) = data.glob("*.receipt.json")
    verified = subprocess.run(
        [*command[:3], "verify", receipt, "--source", data],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout
    assert set(delivery.landed()) == {path for path in content(data) if path.startswith("part")}


def test_a_data_file_called_index_csv_is_delivered_like_the_others(delivery: Delivery, data: Path) -> None:
    (data / "index.csv").write_text("station,height\nmoor,3\n")
    said = delivery.run("--source", data)
    assert said.exit_code == 0, said
    assert delivery.landed() == content(data)


def test_patterns_choose_what_is_delivered_and_what_was_left_out_is_counted(
    delivery: Delivery, data: Path, tmp_path: Path
) -> None:
    (data / ".uploadignore").write_text("part1/\n")
    (data / "a.tmp").write_text("x")
    (data / "b.csv~").write_text("x")
    (tmp_path / "patterns").write_text("/part0/table_00000.csv\n")
    options = ["--source", data, "--exclude", "*.tmp", "--exclude-from", tmp_path / "patterns"]
    plan = delivery.run(*options, "--dry-run", "-v")
    assert "left out: 3 excluded by a pattern, 1 in use by this run" in plan.stderr
    assert "left out: part1/ (.uploadignore line 1: part1/)" in plan.stderr
    assert (
        "warning: this may lie there by accident (--exclude leaves it out): left by an editor: b.csv~"
        in plan.stderr
    )
    assert plan.summary["left_out"] == {"excluded": 3, "in_use": 1}
    said = delivery.run(*options)
    assert said.exit_code == 0, said
    expected = {f"part0/table_{n:05d}.csv" for n in (2, 4, 6, 8, 10)} | {"b.csv~"}
    assert set(delivery.landed()) == expected
    assert said.summary["left_out"] == {"excluded": 3, "in_use": 1}
    assert next(event for event in said.events if event["kind"] == "planned")["left_out"] == {
        "excluded": 3,
        "in_use": 1,
    }
    assert "left out: 3 excluded by a pattern, 1 in use by this run" in said.stderr
    checked = delivery.run("--exclude", "*.tmp", "--source", data, "--dry-run")
    assert "part0/table_00000.csv" in checked.stderr


def test_a_check_tells_what_is_left_out_and_what_may_be_an_accident(delivery: Delivery, data: Path) -> None:
    (data / ".DS_Store").write_text("x")
    command = delivery.command()
    at = command.index("upload_client") + 1
    said = subprocess.run(
        [*command[:at], "check", *command[at:], "--source", data, "--exclude", "part1/"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said.returncode == 0, said.stdout
    assert "7 files, without checksums; left out: 1 excluded by a pattern" in said.stdout
    assert "left by macOS: .DS_Store" in said.stdout


@posix
def test_symlinks_are_followed_out_of_the_source_or_left_out_as_is_asked_for(
    delivery: Delivery, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.csv").write_text("row,value\n0,1\n")
    (data / "far.csv").symlink_to(tmp_path / "elsewhere" / "far.csv")
    (data / "away").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(data / "fifo")
    refused = delivery.run("--source", data)
    assert refused.exit_code == 2, refused
    assert "'far.csv' leads out of the source, through a symlink" in refused.stderr
    assert "--symlinks skip leaves out all, and --symlinks follow delivers" in refused.stderr
    skipped = delivery.run("--source", data, "--symlinks", "skip")
    assert skipped.exit_code == 0, skipped
    assert skipped.summary["left_out"] == {"symlink": 2, "special": 1}
    assert "far.csv" not in delivery.landed()
    followed = delivery.run("--source", data, "--symlinks", "follow")
    assert followed.exit_code == 0, followed
    assert delivery.landed()["far.csv"] == delivery.landed()["away/far.csv"] == b"row,value\n0,1\n"


def test_in_python_files_are_chosen_too(delivery: Delivery, data: Path) -> None:
    (data / "a.tmp").write_text("x")

    def client(**options) -> UploadClient:
        return UploadClient(
            dataset="toy",
            delivery_id=delivery.delivery_id,
            transfer_type="staging",
            source=data,
            settings=delivery.settings,
            output_dir=delivery.receiver.output,
            **options,
        )

    with client(exclude="*.tmp", include=["part0/"], n_threads=4) as one:
        outcome = one.run()
    assert outcome.exit_code == 0
    assert one.left_out.counts == {"excluded": 1, "not_included": 6}
    assert len(delivery.landed()) == 6
    assert client(file_index=scan(data), exclude=["*.tmp", "part1/"]).left_out.counts == {"excluded": 2}
    settings = delivery.settings.model_copy(update={"exclude": ("*.tmp", "part0/")})
    other = UploadClient(
        dataset="toy", delivery_id="x", transfer_type="staging", source=data, settings=settings
    )
    assert other.left_out.counts == {"excluded": 2}
