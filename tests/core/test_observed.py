"""Each file of a delivery, as an observer can tell it from logs and index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core import observed
from upload_client.core.files import ClientFile
from upload_client.core.history import DeliveryHistory
from upload_client.core.observed import FileState, file_states, last_run, parse_index, tally
from upload_client.core.records import Failed, Found, Init, SegmentHeader, Transferred, Verdict
from upload_client.core.segments import Records, Segment
from upload_client.core.times import milliseconds
from upload_client.core.uploads import Upload, parse_upload_id

T = ["2026-01-02T03:04:00.000Z", "2026-01-02T03:05:00.000Z", "2026-01-02T03:06:00.000Z"]
AT = [milliseconds(t) for t in T]
CRC, ETAG = "yH2GHg==", "ab" * 16
FOUND = Found(9, CRC, ETAG)


def client(epoch: int, *records) -> Segment:
    return Segment(SegmentHeader(1, 0, f"client{epoch}", epoch, None), Records(records), "")


def init(epoch: int, t: str = T[0], n_files: int = 3, n_bytes: int = 30) -> Init:
    return Init(t, epoch, f"staging/index/{epoch:08d}.csv", "0" * 64, n_files, n_bytes)


def sent(path: str, upload: str, t: str = T[1]) -> Transferred:
    return Transferred(t, path, Upload(*parse_upload_id(upload), 9, CRC, ETAG), 0)


def verdict(path: str, upload: str, status: str = "ok", message: str = "", t: str = T[2]) -> Segment:
    said = Verdict(t, path, upload, 0, status, message, FOUND)
    return Segment(SegmentHeader(1, 0, "validator", 1, None, 1), Records((said,)), "")


def index(*rows: tuple[str, str, bool]) -> observed.IndexRows:
    lines = [f'"{path}",,{size},{"true" if will else "false"}\n' for path, size, will in rows]
    return parse_index(("path,checksum,size,will_transfer\n" + "".join(lines)).encode())


@pytest.fixture
def history() -> DeliveryHistory:
    """One valid, one invalid, one that could not be judged, one in doubt; one given up."""
    made = DeliveryHistory()
    made.add_client(client(1, init(1), *(sent(path, f"1-{n}") for n, path in enumerate("abcd"))))
    made.add_client(client(1, Failed(T[2], "f", "no permission", 0)))
    made.add_validator(verdict("a", "1-0"))
    made.add_validator(verdict("b", "1-1", "failure", "torn"))
    made.add_validator(verdict("c", "1-2", "error", "no disk"))
    return made


def test_an_index_is_read_as_it_was_written():
    found = index(("a, b", "12", True), ("c\u00e4\n\u2028d\re", "", False))
    assert found.paths == ["a, b", "c\u00e4\n\u2028d\re"]
    assert (list(found.sizes), list(found.will)) == ([12, -1], [1, 0])


def test_rows_of_an_index_that_are_none_are_passed_over():
    found = parse_index("path,checksum,size,will_transfer\nshort\n,,1,true\na,,\u0661,true\n".encode())
    assert (found.paths, list(found.sizes)) == (["a"], [-1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"path\na\n",
        b"\xff",
        b'path,size,will_transfer\n"a',
        b"path,size,will_transfer\na,9" + b"9" * 30 + b",x\n",
    ],
)
def test_what_is_no_index_is_refused(data):
    with pytest.raises(ValueError):
        parse_index(data)


@given(st.binary(max_size=200))
def test_whatever_lies_there_is_an_index_or_a_value_error(data):
    for head in (b"", b"path,checksum,size,will_transfer\n"):
        try:
            found = parse_index(head + data)
        except ValueError:
            continue
        assert len(found.paths) == len(found.sizes) == len(found.will)


def test_each_file_of_the_index_is_as_the_logs_say(history):
    rows = index(
        ("f", "7", True), ("new", "5", True), ("odd", "", True), *((path, "9", True) for path in "abcd")
    )
    found = {file.path: file for file in file_states(history, rows, live=False)}
    assert list(found) == ["f", "new", "odd", *"abcd"]
    assert found["f"] == FileState("f", "failed", 7, None, AT[2], "no permission")
    assert found["new"] == FileState("new", "ready", 5)
    assert found["odd"] == FileState("odd", "ready", None)
    assert found["a"] == FileState("a", "valid", 9, AT[1], AT[2])
    assert found["b"] == FileState("b", "invalid", 9, AT[1], AT[2], "torn")
    assert found["c"] == FileState("c", "done", 9, AT[1], AT[2], "no disk")
    assert found["d"] == FileState("d", "done", 9, AT[1], None)


def test_without_an_index_the_log_alone_tells(history):
    found = {file.path: file.state for file in file_states(history, None, live=False)}
    assert found == {"a": "valid", "b": "invalid", "c": "done", "d": "done", "f": "failed"}
    assert next(f.size for f in file_states(history, None, live=False) if f.path == "f") is None


def test_what_a_later_run_sends_again_is_to_be_sent_whatever_was_said_before(history):
    history.add_client(client(2, init(2, T[2])))
    rows = index(("a", "11", True), ("b", "9", False), ("f", "7", False))
    assert [(f.state, f.size) for f in file_states(history, rows, live=False)][:2] == [
        ("ready", 11),
        ("invalid", 9),
    ]
    history.add_client(client(2, sent("a", "2-0")))
    assert next(file_states(history, rows, live=False)).state == "done"


def test_what_an_earlier_run_gave_up_is_tried_again_while_a_run_is_at_work(history):
    rows = index(("f", "7", True))
    history.add_client(client(2, init(2, "2026-01-02T03:06:00.001Z")))
    assert [f.state for f in file_states(history, rows, live=True)] == ["ready"]
    assert [f.state for f in file_states(history, rows, live=False)] == ["failed"]
    history.add_client(client(2, Failed("2026-01-02T03:07:00.000Z", "f", "still", 0)))
    assert [f.message for f in file_states(history, rows, live=True)] == ["still"]


def test_a_failure_to_send_a_file_again_counts_only_where_the_last_run_wanted_it(history):
    history.add_client(client(1, Failed(T[2], "a", "changed", 0)))
    assert [f.state for f in file_states(history, index(("a", "9", False)), live=False)] == ["valid"]
    history.add_client(client(2, init(2)))
    assert [f.state for f in file_states(history, index(("a", "9", True)), live=False)] == ["failed"]


def test_a_run_that_made_no_plan_is_not_the_last_one(history):
    assert last_run(DeliveryHistory()) is None
    history.add_client(client(5))
    assert last_run(history) is history.clients[1]


def test_without_a_run_nothing_is_to_be_sent_again():
    history = DeliveryHistory()
    history.add_client(client(1, sent("a", "1-0")))
    assert [f.state for f in file_states(history, index(("a", "9", True)), live=False)] == ["done"]


def test_files_are_counted_in_files_and_bytes_and_by_reason(history):
    rows = index(("f", "7", True), ("new", "5", True), *((path, "9", True) for path in "abcd"))
    counted = tally(file_states(history, rows, live=False), AT[1] / 1000, AT[0] / 1000)
    assert counted.files == {"ready": 1, "failed": 1, "done": 2, "valid": 1, "invalid": 1}
    assert counted.n_bytes == {"ready": 5, "failed": 7, "done": 18, "valid": 9, "invalid": 9}
    assert counted.n_files == 6
    found = {(kind.state, kind.reason, kind.relpaths) for kind in counted.wrong}
    assert found == {
        ("invalid", "torn", ("b",)),
        ("failed", "no permission", ("f",)),
        ("done", "no disk", ("c",)),
    }
    assert [(f.path, f.at) for f in counted.last] == [("b", T[2]), ("f", T[2])]


def test_what_was_sent_and_judged_lately_is_told_apart():
    files = [
        FileState("a", "valid", 1, 1_000, 9_000),
        FileState("b", "valid", 2, 5_000, 20_000),
        FileState("c", "invalid", 4, 8_000, 21_000, None),
        FileState("d", "done", None, 9_000, None),
        FileState("e", "done", 8, 9_000, 21_000),
    ]
    counted = tally(iter(files), recent=8.0, begun=2.0)
    assert (counted.sent, counted.judged) == (((3, 12), (4, 14)), (3, 3))
    counted = tally(iter(files), recent=8.0, begun=2.0, validator_ahead=12.5)
    assert counted.judged == (1, 2)
    assert counted.last[0].message == ""


def test_of_many_that_went_wrong_the_last_ones_are_named():
    files = [FileState(f"{n}", "invalid", 1, 1, n * 1000 or None, "because") for n in range(30)]
    counted = tally(iter(files), 0, 0)
    assert [file.path for file in counted.last] == [str(n) for n in range(29, 19, -1)]
    assert [(kind.reason, kind.n) for kind in counted.wrong] == [("because", 30)]
    assert tally(iter(files[:1]), 0, 0).last[0].at is None


# ------------------------------------------------------------------------- the landing place, afterwards


def delivered(*paths: str) -> DeliveryHistory:
    made = DeliveryHistory()
    made.add_client(client(1, init(1), *(sent(path, f"1-{n}") for n, path in enumerate(paths))))
    return made


def test_what_lies_in_the_bucket_afterwards_is_held_against_what_was_judged():
    history = delivered("a", "b", "c", "d", "excluded since then")
    rows = index(*((name, "9", True) for name in ("a", "b", "c", "d", "never sent")))
    there = [("", 0, ""), ("a", 9, ETAG), ("b", 9, "cd" * 16), ("c", 8, ETAG)]
    more = [("excluded since then", 9, ETAG), ("z", 1, ETAG)]
    seen = observed.observe_landing(history, rows, iter([*there, *more]))
    assert seen.named == {"added": ("excluded since then", "z"), "replaced": ("b", "c"), "gone": ("d",)}
    assert (seen.added, seen.replaced, seen.gone, seen.as_judged) == (2, 2, 1, False)


def test_where_there_is_no_index_every_announced_file_is_one_of_the_delivery():
    assert observed.observe_landing(delivered("a", "b"), None, [("a", 9, ETAG), ("b", 9, ETAG)]).as_judged
    assert observed.observe_landing(delivered("a", "b"), None, [("a", 9, ETAG)]).named["gone"] == ("b",)
    damaged = DeliveryHistory({"known": 0})
    damaged.add_client(client(1, sent("a", "1-0")))
    assert observed.observe_landing(damaged, None, [("known", 9, ETAG), ("a", 9, ETAG)]).replaced == 1


def test_of_very_many_objects_the_first_ten_are_named():
    listed = ((f"{n:07}", 1, ETAG) for n in range(100_000))
    seen = observed.observe_landing(delivered("a"), None, listed)
    assert (seen.added, len(seen.named["added"]), seen.named["gone"]) == (100_000, 10, ("a",))


def of_client(path: str, state: str, **more) -> ClientFile:
    return ClientFile(path, path, state, 0, 2, **more)


def test_a_client_that_has_ended_tells_of_its_files_itself_and_of_earlier_moments_the_logs():
    made = delivered("a", "b")
    made.add_validator(verdict("a", f"1-{made.row('a')}"))
    files = [
        of_client("a", "valid", size=9),  # found in place by this run
        of_client("b", "done", size=9, transferred_at=T[2]),  # judged by now, and not heard of
        of_client("c", "transferring"),
        of_client("d", "failed", message="is not there", code="missing"),
    ]
    a, b, c, d = observed.states_of_client(files, made)
    assert (a.state, a.size) == ("valid", 9)
    assert a.sent is not None
    assert a.judged is not None
    assert b == FileState("b", "done", 9, milliseconds(T[2]))
    assert c == FileState("c", "ready", None)
    assert d == FileState("d", "failed", None, None, None, "is not there", "missing")
    assert next(observed.states_of_client(files, None)) == FileState("a", "valid", 9)
