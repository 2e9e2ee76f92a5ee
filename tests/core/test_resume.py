"""The resume table: the first row that fits, and no read or request where none is needed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory, PathHistory
from upload_client.core.records import Found, SegmentHeader, Transferred, Verdict
from upload_client.core.resume import (
    GONE,
    LandingObject,
    Local,
    Need,
    Reason,
    Start,
    decide,
    place,
    place_valid,
)
from upload_client.core.segments import Records, Segment
from upload_client.core.uploads import Upload

T = "2026-01-02T03:04:05.678Z"
CRC, OTHER_CRC = "yH2GHg==", "AAAAAA=="
ETAG = "ab" * 16
U = Upload(2, 7, 9, CRC, ETAG, mtime_ns=1000)
THERE = (9, ETAG)
SAME, TOUCHED, GROWN = Local(9, 1000), Local(9, 2000), Local(10, 1000)


def past(verdict=None, message=None, upload=U, code=None) -> PathHistory:
    return PathHistory(upload, 3, T, verdict, message, T if verdict else None, code)


VERDICTS = [None, "ok", "failure", "error"]


# --- row by row ---


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("local", [SAME, TOUCHED, GROWN])
@pytest.mark.parametrize(
    ("listed", "head", "crc32", "reason"),
    [
        (None, None, None, Reason.OBJECT_MISSING),
        ((8, ETAG), None, None, Reason.OBJECT_REPLACED),
        ((9, "cd" * 16), GONE, None, Reason.OBJECT_REPLACED),
        ((10, "cd" * 16), LandingObject(10, "cd" * 16, None), None, Reason.OBJECT_REPLACED),
        ((9, "cd" * 16), LandingObject(9, "cd" * 16, OTHER_CRC), CRC, Reason.OBJECT_REPLACED),
        ((10, "cd" * 16), LandingObject(10, "cd" * 16, OTHER_CRC), "", Reason.OBJECT_REPLACED),
    ],
)
def test_an_upload_whose_object_is_missing_or_another_is_sent_again(
    verdict, local, listed, head, crc32, reason
):
    assert decide(past(verdict), listed, local, head=head, local_crc32=crc32) == Start("ready", reason)


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("local", [SAME, TOUCHED, GROWN])
@pytest.mark.parametrize("checksum", [None, OTHER_CRC])
def test_a_changed_file_that_had_landed_before_it_could_be_announced_is_done(verdict, local, checksum):
    listed = (local.size, "cd" * 16)
    assert decide(past(verdict), listed, local, checksum=checksum) is Need.HEAD
    head = LandingObject(*listed, OTHER_CRC, "v")
    assert decide(past(verdict), listed, local, checksum=checksum, head=head) is Need.LOCAL_CRC32
    start = decide(past(verdict), listed, local, checksum=checksum, head=head, local_crc32=OTHER_CRC)
    assert start == Start("done", Reason.FOUND)


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("local", [SAME, TOUCHED, GROWN])
def test_an_upload_with_another_checksum_than_the_index_is_sent_again(verdict, local):
    assert decide(past(verdict), THERE, local, checksum=OTHER_CRC) == Start("ready", Reason.CHECKSUM_CHANGED)


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("local", [SAME, TOUCHED])
def test_an_upload_with_another_size_than_the_index_is_sent_again_which_tells_that(verdict, local):
    assert decide(past(verdict), THERE, local, checksum=CRC, size=10) == Start("ready", Reason.SIZE_CHANGED)


def test_a_file_with_another_size_than_the_index_is_not_found_in_place():
    listed = (GROWN.size, "cd" * 16)
    assert decide(None, listed, GROWN, size=GROWN.size) is Need.HEAD
    assert decide(None, listed, GROWN, size=9) == Start("ready", Reason.OTHER_OBJECT)
    assert decide(past("ok"), listed, GROWN, size=9) == Start("ready", Reason.OBJECT_REPLACED)
    assert decide(past("ok"), THERE, GROWN, size=9) == Start("ready", Reason.CHANGED)
    assert decide(past("ok"), THERE, GROWN, size=GROWN.size) == Start("ready", Reason.CHANGED)


@pytest.mark.parametrize("checksum", [None, CRC])
@pytest.mark.parametrize(("local", "crc32"), [(SAME, None), (TOUCHED, CRC), (Local(9), CRC)])
def test_what_was_found_ok_and_has_not_changed_is_valid(checksum, local, crc32):
    assert decide(past("ok"), THERE, local, checksum=checksum, local_crc32=crc32) == Start(
        "valid", Reason.VALID
    )


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("local", [SAME, TOUCHED, Local(9, etag="cd" * 16)])
def test_what_was_held_against_other_checksums_than_the_index_has_is_told_by_its_content(verdict, local):
    """Neither the time of a file nor the ETag of an object says that they are its checksums."""
    judged = past(verdict, upload=replace(U, source_etag="cd" * 16))

    def start(crc32=None, *, is_compared=False):
        return decide(judged, THERE, local, is_compared=is_compared, local_crc32=crc32)

    assert start() is Need.LOCAL_CRC32
    assert start("") == Start("ready", Reason.CHECKSUM_CHANGED)
    assert start(CRC) == start(CRC, is_compared=True)
    assert start(OTHER_CRC).reason in (Reason.CHANGED, Reason.CHANGED_UNJUDGED)


@pytest.mark.parametrize("verdict", ["ok", "failure"])
@pytest.mark.parametrize(
    ("local", "crc32"), [(GROWN, None), (GROWN, CRC), (TOUCHED, OTHER_CRC), (TOUCHED, "")]
)
@pytest.mark.parametrize("resend", [False, True])
def test_what_was_judged_and_has_changed_since_is_sent_again(verdict, local, crc32, resend):
    start = decide(past(verdict), THERE, local, checksum=CRC, local_crc32=crc32, resend_invalid=resend)
    assert start == Start("ready", Reason.CHANGED)


@pytest.mark.parametrize(("local", "crc32"), [(SAME, None), (TOUCHED, CRC)])
def test_what_was_judged_invalid_and_has_not_changed_stays_invalid_unless_asked_for(local, crc32):
    judged = past("failure", "does not open")
    assert decide(judged, THERE, local, local_crc32=crc32) == Start("invalid", Reason.INVALID)
    again = decide(judged, THERE, local, local_crc32=crc32, resend_invalid=True)
    assert again == Start("ready", Reason.RESEND_INVALID)


def test_what_was_judged_invalid_for_what_another_file_says_is_sent_again_for_that_may_be_fixed():
    judged = past("failure", "it does not go with the delivery", code="not_as_promised")
    assert decide(judged, THERE, SAME) == Start("ready", Reason.PROMISED)


@pytest.mark.parametrize("verdict", [None, "error"])
@pytest.mark.parametrize(("local", "crc32"), [(SAME, None), (TOUCHED, CRC)])
def test_what_is_not_judged_and_has_not_changed_is_done(verdict, local, crc32):
    assert decide(past(verdict), THERE, local, local_crc32=crc32) == Start("done", Reason.NOT_JUDGED)


@pytest.mark.parametrize("verdict", [None, "error"])
@pytest.mark.parametrize(("local", "crc32"), [(GROWN, None), (TOUCHED, OTHER_CRC)])
def test_what_is_not_judged_and_has_changed_is_sent_again(verdict, local, crc32):
    assert decide(past(verdict), THERE, local, local_crc32=crc32) == Start("ready", Reason.CHANGED_UNJUDGED)


@pytest.mark.parametrize("checksum", [None, CRC])
def test_an_object_unknown_to_the_log_with_the_content_of_the_file_is_done(checksum):
    head = LandingObject(9, "other-etag", CRC, "v")
    start = decide(None, (9, "other-etag"), SAME, checksum=checksum, head=head, local_crc32=CRC)
    assert start == Start("done", Reason.FOUND)


@pytest.mark.parametrize(
    ("listed", "head", "crc32", "checksum"),
    [
        ((8, ETAG), None, None, None),
        (THERE, GONE, None, None),
        (THERE, LandingObject(8, ETAG, CRC), None, None),
        (THERE, LandingObject(9, ETAG, None), None, None),
        (THERE, LandingObject(9, ETAG, CRC), None, OTHER_CRC),
        (THERE, LandingObject(9, ETAG, CRC), OTHER_CRC, None),
        (THERE, LandingObject(9, ETAG, CRC), OTHER_CRC, CRC),
        (THERE, LandingObject(9, ETAG, CRC), "", None),
    ],
)
def test_an_object_unknown_to_the_log_with_other_content_is_written_over(listed, head, crc32, checksum):
    start = decide(None, listed, SAME, checksum=checksum, head=head, local_crc32=crc32)
    assert start == Start("ready", Reason.OTHER_OBJECT)


def test_what_nobody_knows_is_sent():
    assert decide(None, None, SAME) == Start("ready", Reason.NEW)


# --- what it costs ---


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_file_with_the_size_and_time_it_was_sent_with_is_not_read(verdict):
    assert isinstance(decide(past(verdict), THERE, SAME, checksum=CRC), Start)


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("local", [TOUCHED, Local(9), Local(9, None, "e", "v")])
def test_a_file_is_read_where_only_its_content_can_tell(verdict, local):
    assert decide(past(verdict), THERE, local) is Need.LOCAL_CRC32


def test_an_object_unknown_to_the_log_costs_a_head_and_then_a_read():
    assert decide(None, THERE, SAME) is Need.HEAD
    assert decide(None, THERE, SAME, head=LandingObject(9, ETAG, CRC)) is Need.LOCAL_CRC32


def test_a_source_object_with_the_etag_it_was_copied_from_is_unchanged():
    copied = Upload(2, 7, 9, CRC, ETAG, source_etag="s", source_version="1")
    assert decide(past("ok", upload=copied), THERE, Local(9, None, "s", "1")) == Start("valid", Reason.VALID)
    assert decide(past("ok", upload=copied), THERE, Local(9, None, "t", "1")) is Need.LOCAL_CRC32


def test_every_case_is_decided_once_all_is_known():
    for verdict, listed, local, checksum, resend, crc32, head in product(
        ["no upload", *VERDICTS],
        [None, THERE, (9, "x"), (8, ETAG)],
        [SAME, TOUCHED, GROWN],
        [None, CRC, OTHER_CRC],
        [False, True],
        [CRC, OTHER_CRC, ""],
        [GONE, LandingObject(9, ETAG, CRC), LandingObject(9, ETAG, None)],
    ):
        start = decide(
            None if verdict == "no upload" else past(verdict),
            listed,
            local,
            checksum=checksum,
            resend_invalid=resend,
            local_crc32=crc32,
            head=head,
        )
        assert isinstance(start, Start)
        if start.state != "ready":
            # Nothing is skipped whose object is not in place with the content of the file and of the index.
            assert listed is not None
            assert local.size == listed[0] == 9
            assert checksum in (None, CRC)
            assert local == SAME or crc32 == CRC
        if start.state == "valid":
            assert verdict == "ok"


def test_every_reason_says_in_a_sentence_what_will_happen():
    for reason in Reason:
        assert len(reason.sentence) > 10
        assert Reason(reason.value) is reason
        assert f"{reason}" == reason.value


# --- into the ledger ---


@pytest.fixture
def files() -> FileLedger:
    return FileLedger(["a"], abspaths="/")


def test_a_new_file_is_placed_ready(files):
    place(files, 0, Start("ready", Reason.NEW), None)
    assert (files.state(0), files.upload(0), files.order.next_row(0.0)) == ("ready", None, 0)


def test_a_file_to_be_sent_again_keeps_its_old_upload_in_mind(files):
    place(files, 0, Start("ready", Reason.CHANGED), past("ok"))
    assert (files.state(0), files.upload(0), files.verdict(0)) == ("ready", U, None)


def test_a_valid_file_is_placed_with_its_verdict(files):
    place(files, 0, Start("valid", Reason.VALID), past("ok", "left over"))
    file = files.file(0)
    assert (file.state, file.message, file.etag, file.judged_at, file.transferred_at) == (
        "valid",
        None,
        ETAG,
        T,
        T,
    )
    assert (files.verdict(0), files.n_complete) == ("ok", 1)


def test_an_invalid_file_is_placed_with_its_old_message(files):
    place(files, 0, Start("invalid", Reason.INVALID), past("failure", "does not open"))
    assert (files.state(0), files.message(0), files.verdict(0)) == ("invalid", "does not open", "failure")
    assert files.n_invalid_this_run == 0


def test_a_file_that_is_not_judged_is_to_be_announced_once_more(files):
    place(files, 0, Start("done", Reason.NOT_JUDGED), past("error", "busy"))
    assert (files.state(0), files.upload(0), files.asks[0], files.verdict(0)) == ("done", U, 4, None)
    assert (files.file(0).transferred_at, files.file(0).judged_at) == (T, None)


def test_an_object_found_in_place_is_a_new_upload(files):
    found = LandingObject(9, ETAG, CRC, "v").as_upload(5, 0, Local(9, 1000, "s", "w"))
    place(files, 0, Start("done", Reason.FOUND), None, found=found)
    assert files.upload(0) == Upload(5, 0, 9, CRC, ETAG, "v", 1000, "s", "w")
    assert files.asks[0] == 0


def test_an_object_without_a_checksum_is_never_taken_for_the_file():
    with pytest.raises(ValueError, match="CRC32"):
        LandingObject(9, ETAG, None).as_upload(5, 0, SAME)


# --- the short way of a file that is valid and has not changed ---


@pytest.mark.parametrize("upload", [U, Upload(2, 7, 9, CRC, "an-unusual-etag", "v", 1000)])
@pytest.mark.parametrize("said", [[], ["ok"], ["failure"], ["error"], ["error", "ok"], ["ok", "failure"]])
def test_the_short_way_of_a_valid_file_ends_where_the_table_does(upload, said):
    found = Found(9, CRC, upload.etag)
    for listed, local, checksum in product(
        [(9, upload.etag), (9, "x"), (8, upload.etag)],
        [SAME, TOUCHED, GROWN, Local(9)],
        [None, CRC, OTHER_CRC],
    ):
        long = FileLedger(["a"], abspaths="/", checksums=[checksum])
        history = DeliveryHistory(long.rows)
        header = SegmentHeader(1, 0, "x", 2, None, 2)
        history.add_client(Segment(header, Records((Transferred(T, "a", upload, 0),)), ""))
        verdicts = tuple(Verdict(T, "a", upload.id, 0, status, "m", found) for status in said)
        history.add_validator(Segment(header, Records(verdicts), ""))
        start = decide(history.latest("a"), listed, local, checksum=checksum)
        short = FileLedger(["a"], abspaths="/", checksums=[checksum], past=history.logged())
        sizes, etags = [listed[0]], [listed[1]]
        (settled,) = place_valid(short, [0], history, (sizes, etags), ([local.size], [local.mtime_ns]))
        assert settled == (start == Start("valid", Reason.VALID))
        for files in (long,) if settled else (long, short):
            if isinstance(start, Start):
                place(files, 0, start, history.latest("a"))
        if not isinstance(start, Start):
            continue  # nothing is said of a file until it is placed
        assert short.file(0) == long.file(0)
        assert short.upload(0) == long.upload(0)
        assert short.verdict(0) == long.verdict(0)
        assert short.counts() == long.counts()


def test_what_the_logs_never_announced_is_not_valid(files):
    history = DeliveryHistory(files.rows)
    assert place_valid(files, [0], history, ([0], [""]), ([0], [None])) == [False]
    assert history.at(0) is None
