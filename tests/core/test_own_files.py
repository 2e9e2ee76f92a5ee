"""What this program has written is known by its content."""

from __future__ import annotations

import pytest

from upload_client.core.attestation import Envelope, Signature, Statement, encode_envelope, encode_statement
from upload_client.core.own_files import (
    LEFT_OVER,
    LOCK,
    LOOKED_AT,
    PAGE_MARK,
    PARQUET_MARK,
    STATE_COLUMNS,
    is_left_over,
    is_ours,
    is_time_stamp,
    whose,
)

STATEMENT = Statement(
    *("upload-client_D_Y_staging_00000001.receipt.json", "ab" * 32, "D", "Y", "staging", 1, 2, 9),
    *("2026-01-02T03:04:05.678Z", "upload-client 1"),
)
STATE = ",".join(STATE_COLUMNS).encode() + b"\r\n"
INDEX = b"path,checksum,size\na.csv,yH2GHg==,3\n"
OURS = {
    "index": INDEX,
    "state": STATE,
    "receipt": b'{"kind":"receipt","schema_version":1,',
    "signature": encode_envelope(Envelope(encode_statement(STATEMENT), (Signature("k", b"s"),))),
    "report": f"<!doctype html>\n<html>\n{PAGE_MARK}".encode(),
    "differences": b"difference,path,message\r\n",
    "events": b'{"schema_version": 1, "kind": "phase", "t"',
    "log": b"2026-01-02T03:04:05.678Z INFO upload_client.client: x\n",
    "sandbox": b"# Written by `upload-client sandbox`; good for",
    "invitation": b"# Your login for delivering D/Y.",
    "package": b"PK\x03\x04" + bytes(26) + b"upload_client/__init__.py...",
}  # fmt: skip


@pytest.mark.parametrize("kind", OURS)
def test_each_kind_is_known_and_taken_for_no_other(kind):
    assert whose(OURS[kind]) == kind
    assert [other for other in OURS if is_ours(other, OURS[kind])] == [kind]
    assert whose(b"x" + OURS[kind]) is None


@pytest.mark.parametrize(
    "content",
    [
        b"path,checksum,size\n",
        b"path\tchecksum\tsize\na,b.csv\t\t\n",
        b'path,checksum,size\n"a\nb.csv",yH2GHg==,3\n',
        b"path,checksum,size\n" + b"a.csv,,4\n" * LOOKED_AT,
        b"path,checksum,size\n" + b"a.csv,,4\n" * 1818 + b'"' + b"x" * LOOKED_AT,
    ],
    ids=["empty", "tabs", "quoted", "long", "cut off"],
)
def test_an_index_is_known_by_its_header_and_what_stands_below(content):
    assert is_ours("index", content[:LOOKED_AT])


@pytest.mark.parametrize(
    "content",
    [
        b"path,checksum,size\na.csv,d41d8cd98f00b204e9800998ecf8427e,3\n",
        b"path,checksum,size\na.csv,,large\n",
        b"path,checksum,size\na.csv,,3,mine\n",
        b"path,checksum,size\na.csv\n",
        b"path,checksum,size,label\na.csv,,3,cat\n",
        b"path\na.csv\n",
        b"x,y\n1,2\n",
        b"",
    ],
)
def test_a_table_of_other_things_is_no_index_of_ours(content):
    assert whose(content) is None


def test_an_index_in_parquet_says_so_at_its_end():
    assert is_ours("index", b"PAR1", b"..." + PARQUET_MARK.encode() + b"...PAR1")
    assert not is_ours("index", b"PAR1", b"...PAR1")


def test_a_profile_is_known_whoever_has_written_it():
    assert whose(b'region = "x"\nuser_pool_id = "eu_1"\n') == "profile"
    for other in (b'region = "x"\n', b"user_pool_id = \n", b"\xff", b"[" * 2000, b"#" * LOOKED_AT):
        assert whose(other) is None


@pytest.mark.parametrize("start", [b"x = " + b"9" * 5000, b"x = " + b"[" * 3000, b"x = \xff"])
def test_data_that_no_profile_could_be_is_nobodys(start):
    assert whose(start) is None


def test_a_log_that_is_empty_may_be_added_to_and_is_nobodys():
    assert is_ours("log", b"")
    said = b"2026-01-02T03:04:05Z connecting to the receiver\n"
    assert is_ours("log", said)
    assert is_ours("log", b"nohup: ignoring input\n" + said)
    assert not is_ours("log", b"2026-01-02T03:04:05Z connecting to a sensor\n")
    assert whose(b"") is None


def test_what_an_interrupted_run_has_left_is_known_by_its_name():
    for kind in (LEFT_OVER, LOCK):
        assert is_left_over(kind.format("0123456789abcdef"))
    for name in ("upload-client_0123456789abcdef.tmp", ".upload-client_notes.tmp", "a.tmp"):
        assert not is_left_over(name)


def test_a_time_stamp_is_ours_by_its_name_and_its_content():
    status = b"\x30\x03\x02\x01\x00"
    signed = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
    stamp = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04"
    answer = b"\x30\x82\x01\x00" + status + b"\x30\x80" + signed + b"\xa0\x80" + stamp + bytes(40)
    assert is_time_stamp("upload-client_D_Y_staging_00000001.receipt.tsr", answer)
    assert not is_time_stamp("mine.receipt.tsr", answer)
    assert not is_time_stamp("upload-client_D_Y_staging_00000001.receipt.tsr", b"\x30\x03\x02\x01\x02")
