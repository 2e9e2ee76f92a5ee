"""``upload-client receipt show``: what a receipt says, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core.test_receipt import file, head

from upload_client.core.receipt import ClientRun, DeliveredBy, ValidatorRun, encode_receipt


@pytest.fixture
def written(tmp_path):
    """Write a receipt of these files: ``written(files, **others of its head)``."""

    def write(files, **others):
        path = tmp_path / "x.receipt.json"
        path.write_bytes(b"".join(encode_receipt(head(files, **others), files)))
        return path

    return write


FILES = [
    file("a.csv", version_id="v7", sha256="7" * 64, opened="csv as expected of 'tables'"),
    file("b/c.txt", 5, judged_by="validator2", opened="not opened: size and checksum alone were compared"),
    file("b/\x9b2J.txt", 4, judged_by="validator2"),
]
RUNS = {
    "clients": (ClientRun(1, "first"), ClientRun(3, "second", {"upload-client": "0.1.0", "boto3": "2"})),
    "validators": (
        ValidatorRun(1, 1, "validator1", 0, {}, "0" * 64),
        ValidatorRun(2, 3, "validator2", 1, {"upload-client": "0.1.0"}, None),
    ),
}


def test_who_took_part_and_by_which_rules_is_shown(run, written):
    said = run("receipt", "show", written(FILES, delivered_by=DeliveredBy("maria"), store="a store", **RUNS))
    assert said.code == 0, said
    lines = said.out.splitlines()
    assert lines[0] == "receipt of D/Y (staging): 3 files, 12 B"
    for line in (
        "delivered by maria, as the client says",
        "store     a store",
        "2 runs of the client",
        "  1  first",
        "  3  second, upload-client 0.1.0, boto3 2",
        f"  1  validator1: 1 file judged for client 1, by expectations {'0' * 64}",
        "  2  validator2, shard 1: 2 files judged for client 3, by no document, upload-client 0.1.0",
        "  1 file: csv as expected of 'tables'",
        "with      SHA-256: 1 file; version of the object: 1",
    ):
        assert line in lines
    assert "upload-client verify" in said.err


def test_single_files_are_shown_by_their_path_or_a_pattern_and_their_names_do_nothing(run, written):
    said = run("receipt", "show", written(FILES), "a.csv", "b/*")
    assert said.code == 0, said
    assert "object    ETag abababababababababababababababab, version v7" in said.out
    assert f"SHA-256   {'7' * 64}" in said.out
    assert "b/c.txt" in said.out.splitlines()
    assert "\x9b" not in said.out
    said = run("receipt", "show", written(FILES), "*.fits", "nothing")
    assert (said.code, "names no file '*.fits' or 'nothing'" in said.err) == (2, True)


def test_of_many_the_first_or_the_last_are_shown_and_the_others_counted(run, written):
    files = [replace(file(f"{n:03d}"), opened=f"kind {n}") for n in range(25)]
    runs = tuple(ClientRun(n, f"agent{n}") for n in range(1, 13))
    said = run("receipt", "show", written(files, clients=runs), "*")
    lines = said.out.splitlines()
    assert "12 runs of the client; the last 10:" in lines
    assert "  and in 15 more ways (export it --as csv)" in lines
    assert "009" in lines
    assert "010" not in lines
    assert lines[-1] == "and 15 more files (export it --as csv for all)"


def test_of_no_validator_is_said_that_it_judged_nothing_because_there_are_many(run, written, monkeypatch):
    n_runs = 1100
    files = [
        replace(file(f"{n:04d}", judged_by=f"validator{n}"), opened=f"kind {n}") for n in range(1, n_runs + 1)
    ]
    runs = tuple(ValidatorRun(n, 1, f"validator{n}", 0, {}, None) for n in range(1, n_runs + 1))
    path = written(files, validators=runs)
    lines = run("receipt", "show", path).out.splitlines()
    assert "  1,100  validator1100: 1 file judged for client 1, by no document" in lines
    assert "  and in at least 990 more ways (export it --as csv)" in lines
    monkeypatch.setattr("upload_client.cli.receipt_show._JUDGES", 1000)
    lines = run("receipt", "show", path).out.splitlines()
    assert "  1,100  validator1100: files not counted, judged for client 1, by no document" in lines


def test_what_is_no_receipt_is_not_shown(run, written):
    path = written(FILES)
    path.write_bytes(path.read_bytes().replace(b'"size":4', b'"size":5'))
    said = run("receipt", "show", path)
    assert (said.code, said.out) == (2, "")
    assert "is no receipt that can be used" in said.err
