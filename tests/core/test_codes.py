"""The codes of what goes wrong: stable, and each with something to do."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from upload_client.core import records
from upload_client.core.codes import FileCode, MessageCode, code_of_errno, is_code, todo
from upload_client.core.exits import ExitCode
from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory
from upload_client.core.record_encoding import encode
from upload_client.core.resume import Reason
from upload_client.core.segments import decode_segment, encode_segment
from upload_client.core.uploads import Upload, is_unchanged, kept_mtime, settled_mtime

PAGE = Path(__file__).parents[2] / "docs" / "codes.md"


@pytest.mark.parametrize("code", FileCode)
def test_each_has_the_form_of_a_code_and_a_sentence_of_advice(code):
    assert is_code(code)
    assert code.state in ("failed", "invalid", "done")
    assert code.todo[0].isupper()
    assert code.todo.endswith(".")
    assert todo(code.state, code) == code.todo


@pytest.mark.parametrize("state", ["failed", "invalid", "done"])
@pytest.mark.parametrize("code", [None, "", "of_another_make", "no code\x1b[2J"])
def test_what_nobody_here_knows_has_the_advice_of_its_state(state, code):
    assert (
        todo(state, code)
        == {
            "failed": FileCode.UNEXPECTED.todo,
            "invalid": FileCode.CONTENT.todo,
            "done": FileCode.NOT_JUDGED.todo,
        }[state]
    )


def test_a_code_of_another_state_does_not_mislead():
    assert todo("invalid", FileCode.UNREADABLE) == FileCode.CONTENT.todo


def test_about_a_file_that_is_tried_again_nothing_is_to_be_done():
    assert "by itself" in todo("failed", FileCode.NO_ANSWER, again=True)


def test_the_page_names_every_code_there_is():
    page = PAGE.read_text("utf-8")
    codes = {*FileCode, *Reason, *(code.name.lower() for code in ExitCode)}
    assert sorted(code for code in codes if f"| `{code}` |" not in page) == []
    assert all(code.todo in page for code in FileCode)
    assert all(reason.sentence in page for reason in Reason)
    assert [code for code in MessageCode if f"| `{code}` | {code.meaning} |" not in page] == []
    assert all(map(is_code, MessageCode))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOENT, FileCode.MISSING),
        (errno.EACCES, FileCode.UNREADABLE),
        (errno.ENOSPC, FileCode.OUT_OF_RESOURCES),
        (errno.EMFILE, FileCode.OUT_OF_RESOURCES),
        (errno.EISDIR, FileCode.NOT_A_FILE),
        (errno.EIO, FileCode.READ_ERROR),
        (errno.ELOOP, FileCode.UNEXPECTED),
        (None, FileCode.UNEXPECTED),
    ],
)
def test_an_error_of_the_system_has_the_code_that_a_file_would_have(number, code):
    assert code_of_errno(number) is code


# --- in the logs -------------------------------------------------------------------------------


AT = "2026-01-02T03:04:05.678Z"


@pytest.mark.parametrize(
    "record",
    [
        records.Failed(AT, "a", "is not there", 0, "missing"),
        records.Failed(AT, "a", "is not there", 0),
        records.Crash(AT, "it broke", "log_broken"),
        records.Crash(AT, "it broke"),
        records.Stop(AT, "too many", "too_many_invalid"),
        records.Stop(AT, "complete"),
    ],
    ids=repr,
)
def test_a_code_comes_back_from_the_clients_log(record):
    assert read_back(record, "client") == [record]


@pytest.mark.parametrize("code", [None, "content", "of_another_make"])
def test_a_code_comes_back_from_the_validators_log(code):
    verdict = records.Verdict(AT, "a", "1-0", 0, "failure", "torn", None, ("csv",), code)
    assert read_back(verdict, "validator") == [verdict]


def test_a_code_of_an_odd_form_is_none_and_what_it_stands_beside_is_kept():
    header = records.SegmentHeader(1, 0, "agent", 1, None, 1)
    line = (
        f'{{"kind":"verdict","t":"{AT}","path":"a","upload":"1-0","ask":0,"status":"failure","message":"torn",'
        '"found":null,"checks":[],"code":"\\u001b[2J"}'
    )
    (verdict,) = decode_segment(encode_segment(header, [line.encode()]), writer="validator").records
    assert (verdict.message, verdict.code) == ("torn", None)


def read_back(record, writer):
    header = records.SegmentHeader(1, 0, "agent", 1, None, None if writer == "client" else 1)
    segment = decode_segment(encode_segment(header, [encode(record)]), writer=writer)
    return list(segment.records)


# --- beside the message ------------------------------------------------------------------------


def test_the_ledger_keeps_the_code_of_what_went_wrong_until_the_file_is_tried_again():
    ledger = FileLedger(["a"], abspaths="/data/", max_retries=1)
    ledger.queue(0)
    ledger.start(0)
    ledger.fail(0, "no answer", now=0.0, code=FileCode.NO_ANSWER)
    assert (ledger.code(0), ledger.file(0).code) == ("no_answer", "no_answer")
    ledger.queue(0)
    assert (ledger.code(0), ledger.message(0)) == (None, None)


def test_the_history_keeps_the_code_of_a_verdict():
    history = DeliveryHistory()
    upload = records.Transferred(AT, "a", Upload(1, 0, 3, "yH2GHg==", "ab" * 16), 0)
    for record, writer in (
        (upload, "client"),
        (records.Verdict(AT, "a", "1-0", 0, "failure", "torn", None, (), "content"), "validator"),
    ):
        header = records.SegmentHeader(1, 0, "agent", 1, None, None if writer == "client" else 1)
        data = encode_segment(header, [encode(record)])
        segment = decode_segment(data, writer=writer)
        (history.add_client if writer == "client" else history.add_validator)(segment)
    assert history.code(0) == "content"
    assert history.latest("a").code == "content"


@pytest.mark.parametrize("failed", [[[AT, "a", "gone", 0, 7]], [[AT, "a", 7, 0, None]]])
def test_a_checkpoint_with_a_code_that_is_no_text_is_refused(failed):
    columns = DeliveryHistory().packed()
    with pytest.raises(ValueError, match="nothing that was given up"):
        DeliveryHistory().unpack(0, {**columns, "failed": json.dumps(failed).encode()})


@pytest.mark.parametrize(("mtime_ns", "kept"), [(0, 0), (-1, -1), (2**63 - 1, 2**63 - 1), (2**63, None)])
def test_a_modification_time_that_no_record_can_hold_is_left_out(mtime_ns, kept):
    assert kept_mtime(mtime_ns) == kept


@pytest.mark.parametrize(
    ("mtime_ns", "age", "kept"),
    [
        (1_500_000_000, 60_000_000, True),
        (1_500_000_000, 40_000_000, False),
        (1_500_000_000, -1, False),  # the clock of whoever has the file is ahead
        (5_000_000_000, 60_000_000, False),  # a file system that tells whole seconds, or two
        (5_000_000_000, 2_000_000_000, True),
        (2**63, 2_000_000_000, False),
    ],
)
def test_the_time_of_a_file_that_was_modified_a_moment_ago_is_left_out(mtime_ns, age, kept):
    assert settled_mtime(mtime_ns, mtime_ns + age) == (mtime_ns if kept else None)


@pytest.mark.parametrize(
    ("now", "is_touched", "unchanged"),
    [((3, 5), False, True), ((3, 5), True, None), ((4, 5), False, False), ((3, 6), True, False)],
)
def test_of_a_file_whose_inode_was_touched_only_the_content_tells(now, is_touched, unchanged):
    assert is_unchanged((3, 5), now, is_touched=is_touched) is unchanged
