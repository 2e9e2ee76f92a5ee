"""Names and files that somebody made to do harm: refused with a reason, or delivered exactly as they are."""

from __future__ import annotations

import os
import socket
import stat
import sys
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from delivery.conftest import Delivery, Said, content
from faults.conftest import BEST, client_of
from faults.privileges import without_privileges

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such names")

STRANGE = [
    "NA",
    "001",
    "=cmd|' /C calc'!A0.bin",
    "+1.bin",
    "-1.bin",
    "@SUM(1+1).bin",
    "[/bold].bin",
    "[bold red]loud[/].bin",
    "\u202etxt.bin",
    "zero\u200bwidth.bin",
    "line\nfeed.bin",
    "car\rriage.bin",
    "\ttab.bin",
    'quo"te,comma;.bin',
    " spaces .bin",
    "日本語🛰.bin",
    "%41%2f..bin",
    "a+b c&d?e#f.bin",
    "'quoted'.bin",
    "$(reboot)`id`.bin",
    "--help",
    "del\x7f.bin",
    "{dataset}.bin",
    unicodedata.normalize("NFC", "é.bin"),
    unicodedata.normalize("NFD", "é.bin"),
    "Twin.bin",
    "twin.bin",
    "deep/" * 60 + "down.bin",
]


def unsafe(text: str) -> list[str]:
    """Characters that do something to a terminal."""
    return [one for one in text if not one.isprintable() and one != "\n"]


def made(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for number, name in enumerate(names):
        try:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{number}".encode())
        except OSError as error:
            pytest.skip(f"this file system refuses {name!r}: {error}")
    if len(content(folder)) < len(names):
        pytest.skip("this file system takes two of the names for one")
    return folder


def check_quiet(said: Said) -> None:
    assert unsafe(said.stderr) == []
    assert unsafe(said.stdout) == []
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("calm", BEST, indirect=True)
def test_strange_names_are_delivered_exactly(delivery: Delivery, tmp_path: Path) -> None:
    sandbox = delivery.receiver.sandbox
    moto = sandbox.s3_endpoint_url == sandbox.endpoint_url
    # moto's own routes know no key with a line feed; S3 does.
    names = [name for name in STRANGE if "\n" not in name or not moto]
    folder = made(tmp_path / "data", names)
    said = delivery.run("--source", folder, "-v")
    assert said.exit_code == 0, said
    check_quiet(said)
    assert delivery.landed() == content(folder)
    raw = Path(said.summary["state_csv"]).read_bytes()
    assert b"\x1b" not in raw
    state = pd.read_csv(said.summary["state_csv"], dtype=str, keep_default_na=False)
    assert set(state["state"]) == {"valid"}
    calculated = {name for name in names if name.lstrip("'\"\t \u200b\u202e").startswith(tuple("=+-@"))}
    as_they_are = set(names) - calculated
    assert as_they_are <= set(state["relpath"]), as_they_are - set(state["relpath"])
    for column in state.columns:
        assert not state[column].str.match(r"[=+@-](?![A-Za-z0-9+/]{5}==$)").any(), column
    again = delivery.run("--source", folder, "-v")
    assert again.exit_code == 0, again
    assert again.summary["files_sent"] == 0
    check_quiet(again)


def test_what_cannot_be_delivered_is_refused_by_name_and_reason_and_nothing_is_sent(
    delivery: Delivery, tmp_path: Path
) -> None:
    folder = made(tmp_path / "data", ["fine.bin", "esc\x1b[31m.bin", "back\\slash.bin", "C:drive.bin"])
    if sys.platform == "linux":
        (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.bin"))).write_bytes(b"1")
    too_long = folder
    for _ in range(5):
        too_long /= "x" * 240
    too_long.mkdir(parents=True)
    (too_long / "end.bin").write_bytes(b"1")
    os.mkfifo(folder / "fifo.bin")
    (folder / "out.bin").symlink_to("/etc/hostname")
    said = delivery.run("--source", folder)
    check_quiet(said)
    assert said.exit_code == 2, said
    reasons = {
        "esc\\x1b[31m.bin": "U+001B",
        "slash.bin": "backslash",
        "C:drive.bin": "starts with a drive",
        "end.bin": "1024",
        "out.bin": "out of the source",
    }
    if sys.platform == "linux":
        reasons["\\udcff\\udcfe.bin"] = "Unicode"
    lines = said.stderr.splitlines()
    for name, reason in reasons.items():
        assert any(name in line and reason in line for line in lines), (name, said.stderr)
    assert delivery.landed() == {}
    assert delivery.lock() is None


def device(path: Path) -> None:
    """What reads as zeros without end."""
    os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 5))
    path.open("rb").close()


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # a socket's path may be no longer than some 100 characters


def linked_out(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def locked_away(path: Path) -> None:
    path.write_bytes(b"1")
    path.chmod(0)


BECOMES = {
    "fifo.bin": (os.mkfifo if hasattr(os, "mkfifo") else None, "is a FIFO"),
    "device.bin": (device, "not a regular file"),
    "socket.bin": (listening, "not a regular file"),
    "folder.bin": (Path.mkdir, "is a directory"),
    "link.bin": (linked_out, "lies outside the source"),
    "locked.bin": (locked_away, "permission denied"),
    "gone.bin": (Path.exists, "is not there"),
}


def test_what_is_no_file_any_more_when_it_is_sent_is_refused_and_nothing_waits_for_it(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = made(tmp_path / "data", ["fine.bin", *BECOMES])
    client = client_of(delivery, folder)
    reasons = {}
    for name, (become, reason) in BECOMES.items():
        (folder / name).unlink()
        reasons[name] = reason
        try:
            become(folder / name)
        except PermissionError:  # not everybody may make a device
            (folder / name).unlink(missing_ok=True)
            reasons[name] = "is not there"
    with client:
        outcome = without_privileges(client.run)
    assert outcome.exit_code == 4, outcome
    messages = {file.relpath: file.message for file in client.files}
    assert messages.pop("fine.bin") is None
    for name, reason in reasons.items():
        assert reason in messages[name]
    assert delivery.landed() == {"fine.bin": b"0"}


def test_a_device_is_not_indexed(delivery: Delivery, tmp_path: Path) -> None:
    folder = made(tmp_path / "data", ["fine.bin"])
    try:
        device(folder / "device.bin")
    except PermissionError as error:
        pytest.skip(f"no device can be made and opened here: {error}")
    said = delivery.run("--source", folder)
    check_quiet(said)
    assert said.exit_code == 0, said
    assert delivery.landed() == {"fine.bin": b"0"}


ROWS = {
    "../outside.bin": "'..'",
    "/etc/passwd": "absolute",
    "a/../b.bin": "'..'",
    "a//b.bin": "",
    "./a.bin": "",
    "": "empty",
    "C:\\a.bin": "starts with a drive",
    "not\x1b[31mthere.bin": "U+001B",
    "missing.bin": "",
    "swapped.bin": "out of the source",
    "folder": "not a regular file",
}


def test_an_index_that_reaches_out_of_the_source_is_refused_row_by_row(
    delivery: Delivery, tmp_path: Path
) -> None:
    folder = made(tmp_path / "data", ["fine.bin", "swapped.bin"])
    (folder / "folder").mkdir()
    index = tmp_path / "index.csv"
    pd.DataFrame({"path": ["fine.bin", *ROWS]}).to_csv(index, index=False)
    (folder / "swapped.bin").unlink()
    (folder / "swapped.bin").symlink_to("/etc/hostname")
    said = delivery.run("--source", folder, "--index", index)
    check_quiet(said)
    assert said.exit_code == 2, said
    lines = [line for line in said.stderr.splitlines() if line.strip().startswith("row ")]
    assert len(lines) == len(ROWS), said.stderr
    for line, reason in zip(lines, ROWS.values(), strict=True):
        assert reason in line
    assert delivery.landed() == {}
