"""One upload is judged by what lies in the store, not by what anybody says."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
from faults.proxy import cut_answer

from upload_client.core import checksums
from upload_client.core.records import Found
from upload_client.core.uploads import Upload
from upload_client.expectations.document import load
from upload_client.expectations.expected import Expected
from upload_client.s3.bucket import Bucket
from upload_client.s3.clients import s3_client
from upload_client.s3.wire import Answer, GetObject
from upload_client.validator import checks, opening
from upload_client.validator.checks import Abandoned, Checker
from upload_client.validator.opening import format_of

CSV = b"a,b\n1,2\n"


def send(bucket: Bucket, path: str, data: bytes) -> Upload:
    stored = bucket.put(path, data)
    return Upload(1, 1, len(data), checksums.encode(checksums.crc32(data)), stored.etag, None, 1)


def send_without_checksum(bucket: Bucket, path: str, data: bytes) -> Upload:
    """As a client does whose store keeps no CRC32: with another algorithm S3 has none to tell."""
    stored = bucket.client.put_object(
        Bucket=bucket.name, Key=bucket.prefix + path, Body=data, ChecksumAlgorithm="SHA256"
    )
    etag = stored["ETag"].strip('"')
    return Upload(1, 1, len(data), checksums.encode(checksums.crc32(data)), etag, None, 1)


@pytest.fixture
def requests(landing):
    """The operations that are asked of the landing bucket from now on."""
    asked = []
    landing.client.meta.events.register(
        "before-call.s3", lambda model, params, **_: asked.append((model.name, params["headers"]))
    )
    return asked


def found_of(upload: Upload) -> Found:
    return Found(upload.size, upload.crc32, upload.etag)


@pytest.mark.parametrize("send", [send, send_without_checksum])
def test_sha256_is_compared_where_the_content_is_read_and_said_only_there(landing, checker, send):
    upload = send(landing, "a.csv", CSV)
    good = replace(upload, sha256=hashlib.sha256(CSV).hexdigest())
    assert checker.judge("a.csv", good).checks == ("size", "etag", "crc32", "sha256", "csv")
    judgement = checker.judge("a.csv", replace(upload, sha256="0" * 64))
    assert (judgement.status, judgement.code) == ("failure", "damaged")
    assert "SHA-256" in judgement.message


def test_sha256_is_not_said_of_what_is_not_read(landing, checker):
    upload = replace(send(landing, "a.bin", b"x"), sha256="0" * 64)
    assert checker.judge("a.bin", upload).checks == ("size", "etag", "crc32")


@pytest.mark.parametrize(
    ("path", "data", "checked"),
    [
        ("a.csv", CSV, ("size", "etag", "crc32", "csv")),
        ("deep/er/A.CSV", CSV, ("size", "etag", "crc32", "csv")),
        ("a.tsv", b"a\tb\n", ("size", "etag", "crc32", "tsv")),
        ("a.json", b"{}", ("size", "etag", "crc32", "json")),
        ("a.jsonl", b"{}\n{}\n", ("size", "etag", "crc32", "jsonl")),
        ("empty.csv", b"", ("size", "etag", "crc32", "csv")),
        ("a.bin", b"\x00\x01", ("size", "etag", "crc32")),
        ("no-suffix", b"x", ("size", "etag", "crc32")),
        ("ä ö/日本 (1)+&%20.csv", CSV, ("size", "etag", "crc32", "csv")),
    ],
)
def test_what_is_there_as_announced_and_opens_is_ok(landing, checker, path, data, checked):
    upload = send(landing, path, data)
    judgement = checker.judge(path, upload)
    assert (judgement.status, judgement.message) == ("ok", "")
    assert judgement.found == found_of(upload)
    assert judgement.checks == checked


def test_whatever_is_judged_costs_one_request(landing, checker, requests):
    binary, text = send(landing, "a.bin", b"x"), send(landing, "a.csv", CSV)
    requests.clear()
    checker.judge("a.bin", binary)
    assert [name for name, _ in requests] == ["HeadObject"]
    requests.clear()
    checker.judge("a.csv", text)
    assert [name for name, _ in requests] == ["GetObject"]
    assert requests[0][1]["If-Match"] == f'"{text.etag}"'
    assert requests[0][1]["x-amz-checksum-mode"] == "ENABLED"


def test_a_large_text_is_looked_at_before_it_is_read(landing, checker, requests, monkeypatch):
    monkeypatch.setattr(checks, "_IN_MEMORY", len(CSV) - 1)
    text, other = send(landing, "a.csv", CSV), send(landing, "b.csv", CSV)
    requests.clear()
    assert checker.judge("a.csv", text).status == "ok"
    assert [name for name, _ in requests] == ["HeadObject", "GetObject"]
    assert requests[1][1]["If-Match"] == f'"{text.etag}"'
    requests.clear()
    assert checker.judge("b.csv", replace(other, etag="0" * 32)).status == "failure"
    assert [name for name, _ in requests] == ["HeadObject"]


def test_of_a_large_text_little_is_read_from_the_store_at_once_as_many_may_be_read_together(
    landing, checker, monkeypatch
):
    asked = []

    class Noting(checks.Stream):
        def _next(self, n):
            asked.append(n)
            return super()._next(n)

    monkeypatch.setattr(checks, "_IN_MEMORY", 1000)
    monkeypatch.setattr(checks, "Stream", Noting)
    upload = send(landing, "large.csv", b"a,b\n" + b"1,2\n" * 200_000)
    assert checker.judge("large.csv", upload).status == "ok"
    assert len(asked) > 10
    assert max(asked[:-1]) <= 64 * 1024  # behind it, what is left is read to the end


def test_what_is_not_there_is_a_failure(landing, checker):
    upload = Upload(1, 1, 3, "AAAAAA==", "0" * 32, None, 1)
    judgement = checker.judge("nowhere.csv", upload)
    assert (judgement.status, judgement.message, judgement.found) == ("failure", "it is not there", None)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"size": 9}, "size 8"), ({"crc32": "AAAAAA=="}, "CRC32 "), ({"etag": "0" * 32}, "ETag ")],
)
def test_another_size_checksum_or_etag_than_announced_is_a_failure_that_names_it(
    landing, checker, change, named
):
    upload = send(landing, "a.csv", CSV)
    judgement = checker.judge("a.csv", replace(upload, **change))
    assert judgement.status == "failure"
    assert judgement.message.startswith(f"it is not what was announced: {named}")
    assert f"{next(iter(change.values()))} was announced" in judgement.message
    assert judgement.found is not None
    assert (judgement.found.size, judgement.found.etag) == (upload.size, upload.etag)


def test_content_that_was_corrupted_at_the_receivers_is_a_failure(landing, checker):
    upload = send(landing, "a.csv", CSV)
    send(landing, "a.csv", b"a,b\n1,3\n")
    judgement = checker.judge("a.csv", upload)
    assert judgement.status == "failure"
    assert "CRC32" in judgement.message


def test_where_the_store_has_no_checksum_it_is_computed_in_the_one_read(landing, checker, requests):
    for path, data, asked in (
        ("a.bin", b"\x00" * 300_000, ["HeadObject", "GetObject"]),
        ("a.csv", CSV, ["GetObject"]),
    ):
        upload = send_without_checksum(landing, path, data)
        assert landing.head(path).crc32 is None
        requests.clear()
        judgement = checker.judge(path, upload)
        assert (judgement.status, judgement.found) == ("ok", found_of(upload))
        assert [name for name, _ in requests] == asked


@pytest.mark.parametrize("path", ["a.bin", "a.csv", "a.json"])
def test_where_the_store_has_no_checksum_damage_is_named_as_such(landing, checker, path):
    upload = send_without_checksum(landing, path, b"not,json\n1,2\n")
    announced = replace(upload, crc32=checksums.encode(checksums.crc32(b"not,json\n1,3\n")))
    judgement = checker.judge(path, announced)
    assert judgement.status == "failure"
    assert judgement.message.startswith("its content has CRC32 ")


@pytest.mark.parametrize("end", [b"\n", b"\n3,4,5\n"])
def test_content_that_was_summed_on_the_way_is_not_summed_again(landing, checker, monkeypatch, end):
    data = b"a,b\n1,2" + end
    upload = send(landing, "a.csv", data)
    other = checksums.encode(checksums.crc32(b"other"))
    monkeypatch.setattr(checksums, "crc32", None)
    for summed, said in (
        (upload.crc32, "3 fields" if end != b"\n" else ""),
        (other, f"content has CRC32 {other}"),
    ):
        steps = checker.steps("a.csv", upload)
        assert isinstance(next(steps), GetObject)
        answer = Answer(
            200,
            etag=upload.etag,
            crc32=upload.crc32,
            size=len(data),
            body=bytearray(data),
            body_crc32=summed,
        )
        with pytest.raises(StopIteration) as ended:
            steps.send(answer)
        judgement = ended.value.value
        assert said in judgement.message
        assert (judgement.status == "ok") is (said == "")


def test_a_text_that_does_not_open_is_a_failure_with_what_was_found(landing, checker):
    upload = send(landing, "a.csv", b"a,b\n1,2,3\n")
    judgement = checker.judge("a.csv", upload)
    assert judgement.status == "failure"
    assert judgement.message == "it does not open as csv: line 2: 3 fields, where the first row has 2"
    assert judgement.found == found_of(upload)


class Meddler(Bucket):
    """A landing bucket that changes an object just after it has been looked at for the first time."""

    def __init__(self, bucket: Bucket, meddle) -> None:
        super().__init__(bucket.name, prefix=bucket.prefix, client=bucket.client)
        self.meddle = meddle

    def head(self, key, *, checksum=True):
        info = super().head(key, checksum=checksum)
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle(key)
        return info


@pytest.fixture
def looks_first(monkeypatch):
    """Every file is a large one."""
    monkeypatch.setattr(checks, "_IN_MEMORY", 0)


def test_an_object_that_is_replaced_between_two_looks_is_a_failure_with_what_is_there_now(
    landing, reader_workers, looks_first
):
    upload = send(landing, "a.csv", CSV)
    meddler = Meddler(landing, lambda key: send(landing, key, b"a,b\n7,8\n"))
    judgement = Checker(meddler, reader_workers, max_read=10**9).judge("a.csv", upload)
    assert (judgement.status, judgement.message) == ("failure", "another object has taken its place")
    assert judgement.found.crc32 == checksums.encode(checksums.crc32(b"a,b\n7,8\n"))


def test_an_object_that_goes_between_two_looks_is_a_failure(landing, reader_workers, looks_first):
    upload = send(landing, "a.csv", CSV)
    judgement = Checker(Meddler(landing, landing.rm), reader_workers, max_read=10**9).judge("a.csv", upload)
    assert (judgement.status, judgement.message, judgement.found) == ("failure", "it is gone", None)


def test_an_object_that_is_another_one_for_a_moment_is_judged_as_what_it_is_then(
    landing, reader_workers, requests
):
    other = b"a,b\n7,8\n"
    upload = send(landing, "a.csv", CSV)
    send(landing, "a.csv", other)

    class PutsBack(Bucket):
        def head(self, key, *, checksum=True):
            send(landing, key, CSV)
            return super().head(key, checksum=checksum)

    puts_back = PutsBack(landing.name, prefix=landing.prefix, client=landing.client)
    requests.clear()
    judgement = Checker(puts_back, reader_workers, max_read=10**9).judge("a.csv", upload)
    assert (judgement.status, judgement.found) == ("ok", found_of(upload))
    names = [name for name, _ in requests if name != "PutObject"]
    assert names == ["GetObject", "HeadObject", "GetObject"]


def test_of_an_object_that_is_larger_than_announced_nothing_is_read(landing, reader_workers, proxy, through):
    data = b"a,b\n" + b"1,2\n" * 500_000
    upload = send(landing, "a.csv", data)
    proxy.on(cut_answer(after=100_000), method="GET", path=r"a\.csv$")
    judgement = Checker(through(landing), reader_workers, max_read=10**9).judge(
        "a.csv", replace(upload, size=7)
    )
    assert judgement.message == f"it is not what was announced: size {len(data)} where 7 was announced"


def test_a_store_that_cannot_be_reached_is_an_error_not_a_failure(session, reader_workers):
    nowhere = SimpleNamespace(endpoint_url="http://127.0.0.1:9", endpoints={})
    client = s3_client(session, nowhere, connect_timeout=1, retries={"total_max_attempts": 1})
    landing = Bucket("landing", prefix="toy/d1/staging/", client=client)
    judgement = Checker(landing, reader_workers, max_read=10**9).judge(
        "a.csv", Upload(1, 1, 1, "AAAAAA==", "0" * 32, None, 1)
    )
    client.close()
    assert judgement.status == "error"
    assert judgement.message.startswith("it could not be judged: ")
    assert judgement.found is None


def test_a_body_that_is_cut_is_an_error_not_a_failure(landing, reader_workers, proxy, through):
    data = b"a,b\n" + b"1,2\n" * 500_000
    upload = send(landing, "a.csv", data)
    proxy.on(cut_answer(after=100_000), method="GET", path=r"a\.csv$")
    judgement = Checker(through(landing), reader_workers, max_read=10**9).judge("a.csv", upload)
    assert (judgement.status, judgement.code) == ("error", None), judgement.message


@pytest.mark.parametrize(
    "path", ["../escape.csv", "/absolute.csv", "a//b.csv", "a/../../b", "a\\b", "nul\0", ".", "C:x"]
)
def test_a_path_that_must_not_be_a_key_is_refused_without_a_look(landing, checker, requests, path):
    judgement = checker.judge(path, Upload(1, 1, 1, "AAAAAA==", "0" * 32, None, 1))
    assert (judgement.status, judgement.found) == ("failure", None)
    assert judgement.message.startswith("the path ")
    assert requests == []


def test_a_format_whose_library_is_missing_is_passed_over_and_said_to_be(landing, checker, monkeypatch):
    monkeypatch.setattr(opening, "_is_there", lambda _module: False)
    judgement = checker.judge("a.parquet", send(landing, "a.parquet", b"no parquet at all"))
    assert judgement.status == "ok"
    assert judgement.checks[-1] == "parquet not opened: pyarrow is not installed"


def test_a_text_that_is_too_large_is_not_read_through_and_said_to_be(landing, reader_workers, requests):
    upload = send(landing, "a.json", b"[" * 2000)
    requests.clear()
    judgement = Checker(landing, reader_workers, max_read=1999).judge("a.json", upload)
    assert judgement.status == "ok"
    assert judgement.checks[-1] == "json not opened: larger than 1999 bytes"
    assert [name for name, _ in requests] == ["HeadObject"]


def test_a_large_file_for_a_library_is_read_only_where_the_library_looks(
    landing, checker, requests, monkeypatch
):
    fits = pytest.importorskip("astropy.io.fits")
    import io

    import numpy as np

    monkeypatch.setattr(checks, "_IN_MEMORY", 100_000)
    data = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros(2_000_000))]).writeto(data)
    upload = send(landing, "a.fits", data.getvalue())
    requests.clear()
    assert checker.judge("a.fits", upload).status == "ok"
    ranges = [headers["Range"] for name, headers in requests if name == "GetObject"]
    assert 0 < len(ranges) < 8
    assert all(headers["If-Match"] == f'"{upload.etag}"' for name, headers in requests if name == "GetObject")
    cut = send(landing, "b.fits", data.getvalue()[:-3_000_000])
    judgement = checker.judge("b.fits", cut)
    assert (judgement.status, judgement.found) == ("failure", found_of(cut))


def test_after_stop_nothing_more_is_read(landing, reader_workers):
    upload = send(landing, "a.csv", CSV)
    checker = Checker(landing, reader_workers, max_read=10**9)
    checker.stop()
    with pytest.raises(Abandoned):
        checker.judge("a.csv", upload)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.csv", "csv"),
        ("a.b/c", None),
        ("x.ndjson", "jsonl"),
        ("x.FIT", "fits"),
        ("a.csv.gz", "csv in gzip"),
        ("a.GZ", "gzip"),
        ("a.fits.zst", "fits in zstd"),
        ("a.tgz", "tar in gzip"),
        ("a.npz", "zip"),
        ("csv", None),
        (".csv", "csv"),
        ("a.", None),
    ],
)
def test_the_suffix_says_what_a_file_should_open_as(path, kind):
    assert format_of(path) == kind


def test_a_judgement_fits_into_a_record(landing, checker):
    from upload_client.core.record_encoding import encode
    from upload_client.core.records import Verdict

    upload = send(landing, "a.json", b"\xff" * 1000)
    judgement = checker.judge("a.json", upload)
    line = encode(
        Verdict(
            "2026-01-02T03:04:05.678Z",
            "a.json",
            upload.id,
            0,
            judgement.status,
            judgement.message,
            judgement.found,
            judgement.checks,
        )
    )
    assert json.loads(line)["status"] == "failure"
    assert len(line) < 2000


@pytest.mark.parametrize("name", ["a.dat", "a", "a.zip"])
def test_a_receiver_may_refuse_what_is_not_opened(landing, reader_workers, name):
    checker = Checker(landing, reader_workers, max_read=10**9, refuse_unopened=True)
    encrypted = bytes.fromhex("d0cf11e0a1b11ae1")  # as an office document with a password is
    judgement = checker.judge(name, send(landing, name, encrypted))
    assert (judgement.status, judgement.code) == ("failure", "not_opened")
    assert judgement.message.startswith("it was not opened: ")


def test_what_was_opened_or_is_expected_to_hold_anything_is_not_refused(landing, reader_workers):
    agreed = b"version: 1\ntypes:\n- {name: logs, files: '*.log', content: {format: opaque}}\n"
    checker = Checker(
        landing, reader_workers, max_read=10**9, expected=Expected(load(agreed, "x")), refuse_unopened=True
    )
    assert checker.judge("a.log", send(landing, "a.log", b"anything")).status == "ok"
    checker = Checker(landing, reader_workers, max_read=10**9, refuse_unopened=True)
    assert checker.judge("a.csv", send(landing, "a.csv", CSV)).status == "ok"


def test_where_a_library_is_missing_a_receiver_who_refuses_what_is_not_opened_cannot_judge(
    landing, reader_workers, monkeypatch
):
    monkeypatch.setattr(opening, "_is_there", lambda _module: False)
    checker = Checker(landing, reader_workers, max_read=10**9, refuse_unopened=True)
    judgement = checker.judge("a.parquet", send(landing, "a.parquet", b"anything"))
    assert (judgement.status, judgement.code) == ("error", "unable")
    assert "pyarrow is not installed" in judgement.message


def test_no_name_makes_what_is_not_opened_look_like_a_library_that_is_missing(landing, reader_workers):
    """Why a file was not opened is told by its kind, not by words, which may be the provider's."""
    checker = Checker(landing, reader_workers, max_read=10**9, refuse_unopened=True)
    packed = b"anything"
    for _ in range(6):  # deeper than is looked into
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a is not installed.zip", packed)
        packed = file.getvalue()
    judgement = checker.judge("a.zip", send(landing, "a.zip", packed))
    assert (judgement.status, judgement.code) == ("failure", "not_opened")
    assert "a is not installed.zip" in judgement.message


def test_a_json_text_that_is_too_long_is_not_opened_and_said_to_be(landing, checker):
    long = b'"' + b"x" * 5_000_000 + b'"'
    judgement = checker.judge("a.json", send(landing, "a.json", long))
    assert judgement.status == "ok"
    assert judgement.checks[-1].startswith("json not opened: a text in it has more than")


# --- chunks of Zarr ---


class Listed:
    """A delivery of which these files are known."""

    complete, in_vain, awaits_manifests = True, 1000, False

    def __init__(self, *paths):
        self.paths = paths

    def find(self, path):
        return SimpleNamespace(size=None) if path in self.paths else None

    def promised(self, _path):
        return None


def array(name: str, dtype: str = "<i4") -> bytes:
    packed = {"id": name} if name else None
    return json.dumps(
        {"zarr_format": 2, "shape": [8], "chunks": [4], "dtype": dtype, "compressor": packed}
    ).encode()


@pytest.fixture
def of_zarr(landing, reader_workers):
    pytest.importorskip("numcodecs")
    return Checker(landing, reader_workers, max_read=10**9, listing=Listed("a.zarr/x/.zarray"))


def test_a_chunk_is_unpacked_by_the_metadata_above_it_which_is_fetched_once(landing, of_zarr, requests):
    landing.put("a.zarr/x/.zarray", array("gzip"))
    chunk = gzip.compress(bytes(16))
    assert of_zarr.judge("a.zarr/x/0", send(landing, "a.zarr/x/0", chunk)).checks[-1] == "zarr"
    requests.clear()
    cut = of_zarr.judge("a.zarr/x/1", send(landing, "a.zarr/x/1", chunk[:-3]))
    assert (cut.status, cut.code) == ("failure", "not_as_promised")
    assert "does not open as zarr: it is cut" in cut.message
    short = of_zarr.judge("a.zarr/x/2", send(landing, "a.zarr/x/2", gzip.compress(bytes(12))))
    assert "12 bytes where a chunk has 16" in short.message


def test_metadata_that_was_sent_again_is_fetched_again_before_a_chunk_is_refused(landing, of_zarr):
    landing.put("a.zarr/x/.zarray", array("gzip", "<i8"))
    chunk = gzip.compress(bytes(16))
    assert of_zarr.judge("a.zarr/x/0", send(landing, "a.zarr/x/0", chunk)).status == "failure"
    landing.put("a.zarr/x/.zarray", array("gzip"))
    assert of_zarr.judge("a.zarr/x/0", send(landing, "a.zarr/x/0", chunk)).status == "ok"


def test_a_chunk_whose_metadata_has_not_arrived_is_not_judged_yet(landing, of_zarr):
    judgement = of_zarr.judge("a.zarr/x/0", send(landing, "a.zarr/x/0", b"\0" * 16))
    assert judgement.status == "error"
    assert "the metadata of its array, a.zarr/x/.zarray, has not arrived" in judgement.message


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("b.zarr/0", "no metadata of an array is above it"),
        ("a.zarr/x/0", "packed with pickle, which is not known here"),
    ],
)
def test_a_chunk_of_nothing_that_is_known_here_is_not_opened_and_said_so(landing, of_zarr, path, says):
    landing.put("a.zarr/x/.zarray", array("pickle"))
    judgement = of_zarr.judge(path, send(landing, path, b"\0" * 16))
    assert judgement.status == "ok"
    assert "not opened" in judgement.checks[-1]
    assert says in judgement.checks[-1]


def test_a_block_of_n5_is_opened_by_the_attributes_above_it(landing, reader_workers):
    attributes = b'{"blockSize": [4], "dimensions": [8], "dataType": "int32", "compressionType": "gzip"}'
    listing = Listed("a.n5/x/attributes.json", "a.n5/x/0", "a.n5/x/1")
    checker = Checker(landing, reader_workers, max_read=10**9, listing=listing)
    landing.put("a.n5/x/attributes.json", attributes)
    block = (1).to_bytes(4, "big") + (4).to_bytes(4, "big") + gzip.compress(bytes(16))
    assert checker.judge("a.n5/x/0", send(landing, "a.n5/x/0", block)).checks[-1] == "n5"
    cut = checker.judge("a.n5/x/1", send(landing, "a.n5/x/1", block[:-3]))
    assert (cut.status, cut.code) == ("failure", "not_as_promised")
    assert "does not open as n5: it is cut" in cut.message


def by_rules(landing, reader_workers, rules: str) -> Checker:
    document = f"version: 1\ntypes: [{{name: a, files: '**/*.zarr/**', content: {{format: zarr, {rules}}}}}]"
    expected = Expected(load(document.encode(), "a document"))
    listing = Listed("a.zarr/x/.zarray", "a.zarr/x/0", "a.zarr/x/1", "a.zarr/7")
    return Checker(landing, reader_workers, max_read=10**9, listing=listing, expected=expected)


def test_values_of_a_chunk_are_judged_by_the_metadata_above_it_also_when_that_was_sent_again(
    landing, reader_workers
):
    pytest.importorskip("numpy")
    checker = by_rules(landing, reader_workers, "arrays: [{name: x, max: 7, complete: true}]")
    chunk = b"".join(n.to_bytes(4, "little") for n in (1, 2, 3, 8))
    upload = send(landing, "a.zarr/x/1", chunk)
    assert "a.zarr/x/.zarray, has not arrived" in checker.judge("a.zarr/x/1", upload).message
    assert checker.judge("a.zarr/x/.zarray", send(landing, "a.zarr/x/.zarray", array(""))).status == "ok"
    told = checker.judge("a.zarr/x/1", upload)
    assert (told.status, told.message) == ("failure", "array 'x': 8 in element [7] is above 7")
    landing.put("a.zarr/x/.zarray", array("", "<f4"))
    assert checker.judge("a.zarr/x/1", upload).status == "ok"


@pytest.mark.parametrize(
    ("others", "status", "says"),
    [
        ("allow", "ok", "not opened: it belongs to no array"),
        ("refuse", "failure", "no such file is expected"),
    ],
)
def test_a_chunk_of_no_array_is_not_opened_or_refused(landing, reader_workers, others, status, says):
    pytest.importorskip("numpy")
    checker = by_rules(landing, reader_workers, f"others: {others}")
    told = checker.judge("a.zarr/7", send(landing, "a.zarr/7", b"1"))
    assert told.status == status
    assert says in told.message + told.checks[-1]
