"""Many uploads at once: what comes out is what would come out one by one, whatever the network does."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
from faults.proxy import answer, corrupt_answer, cut_answer, delay, drop, swallow_answer

from upload_client.core import checksums
from upload_client.core.records import Found
from upload_client.core.uploads import Upload
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire
from upload_client.s3.multiplexer import Multiplexer
from upload_client.validator import judging
from upload_client.validator.checks import Abandoned, Checker, Judgement
from upload_client.validator.judging import Judging

CSV = b"a,b\n1,2\n"


def send(bucket: Bucket, path: str, data: bytes = CSV) -> Upload:
    stored = bucket.put(path, data)
    return Upload(1, 1, len(data), checksums.encode(checksums.crc32(data)), stored.etag, None, 1)


def good(upload: Upload) -> Judgement:
    return Judgement(
        "ok", "", Found(upload.size, upload.crc32, upload.etag), ("size", "etag", "crc32", "csv")
    )


class Counting(Checker):
    """A checker that says in which way each was judged."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.waited = []

    def judge(self, path, announced):
        self.waited.append("from the beginning")
        return super().judge(path, announced)

    def go_on(self, steps, request):
        self.waited.append(request)
        return super().go_on(steps, request)


@pytest.fixture
def abreast(reader_workers):
    """Make a judging with connections of its own: ``abreast(bucket)``."""
    made = []

    def make(bucket: Bucket, *, checker=None, **options) -> Judging:
        checker = checker or Counting(bucket, reader_workers, max_read=10**9)
        threads = ThreadPoolExecutor(4)
        judging = Judging(checker, threads, DirectWire(bucket), **options)
        judging.checker = checker
        made.append((judging, threads))
        return judging

    yield make
    for one, threads in made:
        one.close()
        threads.shutdown()


def outcomes(judging: Judging, *asked: tuple[str, Upload]) -> list[Judgement]:
    return [future.result(30) for future in [judging.submit(*one) for one in asked]]


def test_what_comes_out_is_what_comes_out_one_by_one(landing, reader_workers, abreast):
    whole = {
        "a.csv": CSV,
        "deep/er/A.TSV": b"a\tb\n",
        "b.json": b"[1, 2",
        "c.jsonl": b"{}\n{}\n",
        "ragged.csv": b"a,b\n1,2,3\n",
        "empty.csv": b"",
        "a.bin": b"\x00\x01",
        "no-suffix": b"x",
        "ä ö/日本 (1)+&%20.csv": CSV,
        "large.csv": b"a,b\n" + b"1,2\n" * 600_000,
        "larger.csv": b"a,b\n" + b"1,2\n" * 2_200_000,
        "cut.fits": b"SIMPLE  = T",
    }
    asked = [(path, send(landing, path, data)) for path, data in whole.items()]
    true = send(landing, "other.csv")
    asked += [
        ("other.csv", replace(true, size=9)),
        ("other.csv", replace(true, size=7)),
        ("other.csv", replace(true, etag="0" * 32)),
        ("other.csv", replace(true, crc32="AAAAAA==")),
        ("nowhere.csv", true),
        ("nowhere.bin", true),
        ("../escape.csv", true),
    ]
    one_by_one = Checker(landing, reader_workers, max_read=10**9)
    expected = [one_by_one.judge(*one) for one in asked]
    assert {judgement.status for judgement in expected} == {"ok", "failure"}
    assert outcomes(abreast(landing), *asked) == expected


def test_what_is_as_it_should_be_takes_one_request_and_no_thread_that_waits(landing, proxy, through, abreast):
    asked = [(f"{n}.csv", send(landing, f"{n}.csv")) for n in range(60)]
    asked += [(f"{n}.bin", send(landing, f"{n}.bin")) for n in range(20)]
    judging = abreast(through(landing))
    assert {judgement.status for judgement in outcomes(judging, *asked)} == {"ok"}
    assert judging.checker.waited == []
    assert (proxy.count("GET"), proxy.count("HEAD")) == (60, 20)
    assert {r.headers["if-match"] for r in proxy.requests if r.method == "GET"} == {f'"{asked[0][1].etag}"'}


@pytest.mark.parametrize(
    "fault",
    [
        answer(503, "SlowDown"),
        answer(500, "InternalError"),
        answer(400, ""),
        drop(),
        swallow_answer(),
        cut_answer(after=3),
        corrupt_answer(offset=-1),
    ],
    ids=["slow down", "internal", "unusual", "drop", "swallow", "cut", "corrupt"],
)
def test_what_is_answered_in_an_unusual_way_is_asked_once_more_by_a_thread_that_may_wait(
    landing, proxy, through, abreast, fault
):
    upload = send(landing, "a.csv")
    proxy.on(fault, method="GET", path=r"a\.csv$", nth=1)
    judging = abreast(through(landing))
    assert outcomes(judging, ("a.csv", upload)) == [good(upload)]
    assert len(judging.checker.waited) == 1
    assert proxy.count("GET", "a.csv") == 2


def test_what_a_store_will_not_say_is_an_error_and_concerns_one_file(landing, proxy, through, abreast):
    asked = [(f"{n}.csv", send(landing, f"{n}.csv")) for n in range(20)]
    proxy.on(answer(403, "AccessDenied"), method="GET", path=r"/7\.csv$", times=None)
    came_out = outcomes(abreast(through(landing)), *asked)
    assert [n for n, judgement in enumerate(came_out) if judgement.status != "ok"] == [7]
    assert came_out[7].status == "error"
    assert "AccessDenied" in came_out[7].message


def test_a_library_gets_what_was_fetched_and_the_store_is_not_asked_again(landing, proxy, through, abreast):
    fits = pytest.importorskip("astropy.io.fits")
    data = io.BytesIO()
    fits.PrimaryHDU().writeto(data)
    asked = [(f"{n}.fits", send(landing, f"{n}.fits", data.getvalue())) for n in range(12)]
    judging = abreast(through(landing))
    assert {judgement.status for judgement in outcomes(judging, *asked)} == {"ok"}
    assert (proxy.count("GET"), proxy.count("HEAD")) == (12, 0)
    assert judging._held == 0


def test_content_in_memory_is_bounded_however_much_waits(landing, abreast, monkeypatch):
    data = b"a,b\n" + b"1,2\n" * 100_000
    monkeypatch.setattr(judging, "_MEMORY", 3 * len(data))
    asked = [(f"{n}.csv", send(landing, f"{n}.csv", data)) for n in range(24)]
    highest = 0

    class Watching(Counting):
        def steps(self, path, announced):
            steps = super().steps(path, announced)
            request = next(steps)
            while True:
                nonlocal highest
                highest = max(highest, one._multiplexer.memory)
                try:
                    request = steps.send((yield request))
                except StopIteration as end:
                    return end.value

    one = abreast(landing, checker=Watching(landing, None, max_read=10**9))
    one._pace.limit = 24
    assert {judgement.status for judgement in outcomes(one, *asked)} == {"ok"}
    assert 0 < highest <= 4 * len(data)


def test_after_stop_all_end_as_abandoned_and_nobody_waits_for_ever(landing, proxy, through, abreast):
    asked = [(f"{n}.csv", send(landing, f"{n}.csv")) for n in range(40)]
    proxy.on(delay(60), method="GET", path=r"\.csv$", times=None)
    judging = abreast(through(landing))
    futures = [judging.submit(*one) for one in asked]
    judging.stop()
    assert wait(futures, 10).not_done == set()
    assert {type(future.exception()) for future in futures} == {Abandoned}
    late = judging.submit(*asked[0])
    with pytest.raises(Abandoned):
        late.result(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_the_one_thread_costs_speed_and_no_verdict(landing, abreast, monkeypatch):
    asked = [(f"{n}.csv", send(landing, f"{n}.csv")) for n in range(30)]

    def broken(*_: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(Multiplexer, "_answered", broken)
    judging = abreast(landing)
    assert {judgement.status for judgement in outcomes(judging, *asked)} == {"ok"}
    assert "from the beginning" in judging.checker.waited
    assert outcomes(judging, asked[0])[0].status == "ok"


def test_whoever_listens_hears_of_each_once_and_of_none_that_is_abandoned(landing, proxy, through, abreast):
    asked = [(f"{n}.csv", send(landing, f"{n}.csv")) for n in range(30)]
    heard = []
    judging = abreast(
        through(landing), on_judgement=lambda path, judgement: heard.append((path, judgement.status))
    )
    outcomes(judging, *asked)
    proxy.on(delay(60), method="GET", path="")
    pending = judging.submit(*asked[0])
    judging.stop()
    assert isinstance(pending.exception(10), Abandoned)
    assert sorted(heard) == sorted((path, "ok") for path, _ in asked)


def test_they_are_begun_in_the_order_of_their_announcement(landing, proxy, through, abreast):
    asked = [(f"{n:02d}.csv", send(landing, f"{n:02d}.csv")) for n in range(40)]
    judging = abreast(through(landing))
    judging._pace.limit, judging._pace._ceiling = 1, 1
    outcomes(judging, *asked)
    assert [r.path[-6:-4] for r in proxy.requests if r.method == "GET"] == [f"{n:02d}" for n in range(40)]


def test_many_threads_may_hand_in_at_once(landing, abreast):
    asked = [(f"{n}.csv", send(landing, f"{n}.csv")) for n in range(8)]
    judging = abreast(landing)
    came_out = []
    threads = [
        threading.Thread(target=lambda: came_out.extend(outcomes(judging, *(asked * 10)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(came_out) == 320
    assert {judgement.status for judgement in came_out} == {"ok"}
