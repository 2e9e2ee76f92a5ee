"""The validator judges by the receiver's document, and by nothing where that cannot be used."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest
from validator.by_hand import LAYOUT
from validator.test_checks import CSV, found_of, send

from upload_client.core import index_csv
from upload_client.core.layout import Layout
from upload_client.core.opened import opened_as
from upload_client.errors import SettingsError
from upload_client.expectations import packaging
from upload_client.expectations.document import MAX_BYTES, InvalidExpectations, load
from upload_client.expectations.expected import Expected
from upload_client.s3.bucket import AnswerLost, repeat_while_lost
from upload_client.validator import rows, serving
from upload_client.validator.checks import Checker
from upload_client.validator.expected import (
    MalformedIndex,
    delivery_problems,
    limits,
    make_checker,
    read_expected,
)
from upload_client.validator.settings import ValidatorSettings

pytest.importorskip("pyarrow")

DOCUMENT = b"""
version: 1
delivery:
  files: {max: 3}
  required: [manifest.json]
  forbidden: ["*.tmp"]
types:
  - name: tables
    files: "*.csv"
    bytes: {max: 1 kB}
    content: {format: csv, columns: [{name: x, type: integer}]}
  - {name: manifest, files: "manifest.json"}
  - {name: raw, files: "*.fits", content: {format: opaque}}
  - {name: strange, files: "*.x", content: {format: custom, check: nobody-has-it}}
"""
SETTINGS = ValidatorSettings(control_bucket="c", landing_bucket="l", worker_function="w")


@pytest.fixture
def checker(landing, reader_workers):
    return Checker(landing, reader_workers, max_read=10**6, expected=Expected(load(DOCUMENT, "x")))


@pytest.mark.parametrize(
    ("path", "data", "status", "says", "checked"),
    [
        ("a.csv", b"x\n1\n", "ok", "", "csv as expected of 'tables'"),
        (
            "a.csv",
            b"x\ny\n",
            "failure",
            "column 'x': 'y' in row 1 is no integer",
            "csv as expected of 'tables'",
        ),
        ("a.csv", b"x\n" + b"1\n" * 999, "failure", "it has 2,000 bytes, where", "expected"),
        ("a.tmp", b"", "failure", "it is forbidden here: the expectations forbid '*.tmp'", "expected"),
        ("a.bin", b"", "failure", "no type of files that is expected here", "expected"),
        ("manifest.json", b"{", "failure", "it does not open as json", "json"),
        ("a.fits", b"no fits at all", "ok", "", "opaque as expected of 'raw'"),
        (
            "a.x",
            b"x",
            "error",
            "it could not be judged: the check 'nobody-has-it'",
            "custom as expected of 'strange'",
        ),
    ],
)
def test_a_file_is_judged_by_the_document(landing, checker, path, data, status, says, checked):
    upload = send(landing, path, data)
    judgement = checker.judge(path, upload)
    assert judgement.status == status, judgement.message
    assert judgement.message.startswith(says)
    assert judgement.checks[-1] == checked
    assert judgement.found == found_of(upload)


def test_a_large_file_is_read_through_in_few_requests(landing, checker, monkeypatch):
    from upload_client.validator import checks

    monkeypatch.setattr(checks, "_IN_MEMORY", 0)
    document = DOCUMENT.replace(b"bytes: {max: 1 kB}", b"")
    checker = Checker(
        landing, checker._reader_workers, max_read=10**6, expected=Expected(load(document, "x"))
    )
    data = b"x\n" + b"1234567\n" * 2_000_000
    upload = send(landing, "a.csv", data)
    asked = []
    landing.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    assert checker.judge("a.csv", upload).status == "ok"
    assert asked.count("GetObject") < 20


def test_where_the_document_cannot_be_used_nothing_is_ok(landing, control, reader_workers):
    upload = send(landing, "a.csv", b"x\n1\n")
    control.put(LAYOUT.expectations, b"version: 1\ntypes: 7\n")
    judgement = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers).judge("a.csv", upload)
    assert judgement.status == "error"
    assert "line 2, types" in judgement.message


def test_where_there_is_no_document_files_open_as_their_names_say(landing, control, reader_workers):
    upload = send(landing, "a.csv", b"x\n1,2\n")
    judgement = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers).judge("a.csv", upload)
    assert judgement.message.startswith("it does not open as csv: line 2")


def test_where_there_must_be_a_document_and_is_none_nothing_is_ok(landing, control, reader_workers):
    upload = send(landing, "a.csv", b"x\n1\n")
    settings = SETTINGS.model_copy(update={"require_expectations": True})
    judgement = make_checker(settings, LAYOUT, control, landing, reader_workers).judge("a.csv", upload)
    assert judgement.status == "error"
    assert "takes no delivery without" in judgement.message


def test_a_document_that_is_too_large_is_not_read(control):
    control.put(LAYOUT.expectations, b"#" * (MAX_BYTES + 1))
    with pytest.raises(InvalidExpectations, match="more than 262,144 bytes"):
        read_expected(control, LAYOUT)


def index(control, layout: Layout, *lines: str, header: str = "path,checksum,size,will_transfer") -> None:
    control.put(layout.index(1), "".join(f"{line}\n" for line in (header, *lines)).encode())


def test_the_index_is_compared_with_the_document(control):
    control.put(LAYOUT.expectations, DOCUMENT)
    index(control, LAYOUT, "manifest.json,,2,true", '"a,b.csv",,10,true')
    assert delivery_problems(control, LAYOUT, 1, required=True) == []
    index(control, LAYOUT, *(f"{n}.tmp,,,true" for n in range(4)))
    assert delivery_problems(control, LAYOUT, 1, required=False) == [
        "no file matches 'manifest.json', which is required",
        "0.tmp, 1.tmp, 2.tmp and 1 more: forbidden by '*.tmp'",
        "the delivery has 4 files, where there should be 3 files at most",
    ]


def test_a_sample_lacks_nothing(control):
    sample = Layout("toy", "d1", "sample", "control/", "{dataset}/{delivery_id}/{transfer_type}/")
    control.put(sample.expectations, DOCUMENT)
    index(control, sample, "a.csv,,10,true")
    assert delivery_problems(control, sample, 1, required=True) == []


def test_without_a_document_no_index_is_read(control):
    assert delivery_problems(control, LAYOUT, 1, required=False) == []
    with pytest.raises(InvalidExpectations, match="takes no delivery without"):
        delivery_problems(control, LAYOUT, 1, required=True)


@pytest.mark.parametrize(
    ("header", "line"),
    [("name,size", "a.csv,1"), ("path,size", "a.csv"), ("path,size", '"a.csv,1'), ("path", "\udcff.csv")],
)
def test_an_index_that_is_none_is_said_to_be(control, header, line):
    control.put(LAYOUT.expectations, DOCUMENT)
    control.put(LAYOUT.index(1), f"{header}\n{line}\n".encode("utf-8", "surrogateescape"))
    with pytest.raises(MalformedIndex):
        delivery_problems(control, LAYOUT, 1, required=False)


@pytest.mark.parametrize(
    "text",
    [
        "path,size\n" + "," * 3_000_000,
        "path,size\n" + '"a\nb",' * 500_000,
        "path," * 400_000,
        'path,size\n"' + "x\n" * 1_000_000,
        "x" * 3_000_000,
    ],
    ids=["one row", "a row of many lines", "header", "a quote that is left open", "a line without an end"],
)
def test_no_more_of_an_index_is_held_than_a_row_may_have(control, text, monkeypatch):
    control.put(LAYOUT.expectations, DOCUMENT)
    control.put(LAYOUT.index(1), text.encode())
    read = []
    readinto = rows.Stream.readinto
    monkeypatch.setattr(
        rows.Stream, "readinto", lambda self, buffer: read.append(n := readinto(self, buffer)) or n
    )
    with pytest.raises(MalformedIndex, match="a row of more than 1,048,576 bytes"):
        delivery_problems(control, LAYOUT, 1, required=False)
    assert sum(read) <= 2 * index_csv.MAX_ROW


def test_an_index_names_no_more_files_than_a_delivery_may_have(control, monkeypatch):
    monkeypatch.setattr(index_csv, "MAX_FILES", 3)
    control.put(LAYOUT.index(1), b"path,size\na,1\nb,1\nc,1\n")
    assert len(list(rows.index_rows(control, LAYOUT.index(1)))) == 3
    control.put(LAYOUT.index(2), b"path,size\na,1\nb,1\nc,1\nd,1\n")
    with pytest.raises(MalformedIndex, match="more than 3 files"):
        list(rows.index_rows(control, LAYOUT.index(2)))


def test_the_limits_are_the_settings():
    settings = SETTINGS.model_copy(
        update={"reader_memory": 2**30, "reader_cpu_seconds": 2, "reader_seconds": 3.0, "max_unpacked": 4}
    )
    found = limits(settings, {})
    assert (found.memory, found.cpu_seconds, found.wall_seconds, found.unpacked) == (2**30, 2, 3.0, 4)


def test_on_lambda_the_readers_share_what_the_function_has():
    def memory(function_mib: int) -> int:
        return limits(SETTINGS, {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function_mib)}).memory

    assert memory(10_240) == SETTINGS.reader_memory
    assert SETTINGS.reader_workers * memory(2048) < 2048 * 1024**2
    assert memory(512) == 256 * 1024**2  # no library could be loaded with less


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "control_bucket: Field required"),
        ('{"control_bucket": "hunter2', "Invalid JSON"),
        (
            '{"control_bucket": "c", "landing_bucket": "l", "worker_function": null, "x": "hunter2"}',
            "x: Extra",
        ),
    ],
)
def test_settings_that_are_wrong_are_told_by_their_fields_and_never_by_their_values(text, said):
    with pytest.raises(SettingsError, match=said) as told:
        ValidatorSettings.from_environment({"UPLOAD_CLIENT_VALIDATOR": text})
    assert "hunter2" not in str(told.value)
    assert told.value.__cause__ is None


def listed(control, *rows, epoch=1):
    body = "path,checksum,size\n" + "".join(f"{path},,{size}\n" for path, size in rows)
    control.put(LAYOUT.index(epoch), body.encode())


LINE = b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  data/%s\n"
BAG = "bag/manifest-sha256.txt"


@pytest.mark.parametrize(
    ("files", "data", "status", "says"),
    [
        (
            [("bag/data/x", 4)],
            LINE % b"x",
            "ok",
            "BagIt manifest: 1 file there, 1 checksum not compared yet",
        ),
        ([("bag/data/x", 4)], LINE % b"x" + LINE % b"y", "failure", "'bag/data/y' is not in the delivery"),
        (
            [("bag/data/x", 4), ("bag/data/z", 1)],
            LINE % b"x",
            "failure",
            "1 file below 'bag/data/' is not named",
        ),
        ([], b"what\n", "failure", "line 1 is no line of a BagIt manifest"),
    ],
    ids=["whole", "missing", "too much", "none"],
)
def test_a_manifest_is_held_against_the_index_when_it_arrives(
    landing, control, reader_workers, files, data, status, says
):
    """Whatever of the delivery is there by then: each of its files gets a verdict of its own."""
    listed(control, ("bag/bagit.txt", 5), (BAG, len(data)), *files)
    upload = send(landing, BAG, data)
    judgement = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1).judge(BAG, upload)
    assert judgement.status == status
    assert says in (judgement.message or judgement.checks[-1])


@pytest.mark.parametrize("name", ["a.csv", "a.bin"])
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_checksum_that_a_manifest_says_is_compared_with_what_is_read_for_its_verdict(
    landing, control, reader_workers, algorithm, name
):
    path, manifest = f"bag/data/{name}", f"bag/manifest-{algorithm}.txt"
    digest = hashlib.new(algorithm, CSV).hexdigest()
    data = f"{digest}  data/{name}\n".encode()
    listed(control, ("bag/bagit.txt", 5), (manifest, len(data)), (path, len(CSV)))
    checker = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1)
    assert checker.judge(manifest, send(landing, manifest, data)).status == "ok"
    whole = checker.judge(path, send(landing, path, CSV))
    other = checker.judge(path, send(landing, path, CSV.replace(b"2", b"3")))
    if name == "a.bin":  # its content is not read
        assert (whole.checks, other.status) == (("size", "etag", "crc32"), "ok")
        return
    assert whole.checks == ("size", "etag", "crc32", "manifest", "csv")
    assert (other.status, other.code) == ("failure", "not_as_promised")
    assert other.message == f"its content has another {algorithm} than '{manifest}' says"


def test_a_validator_compares_the_checksums_of_manifests_that_another_has_judged(
    landing, control, reader_workers, monkeypatch
):
    path, manifest = "bag/data/a.csv", "bag/manifest-md5.txt"
    data = f"{hashlib.md5(CSV).hexdigest()}  data/a.csv\n".encode()
    listed(control, ("bag/bagit.txt", 5), (manifest, len(data)), (path, len(CSV)))
    alone = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1)
    one_of_two = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1, others_judge=True)
    other = CSV.replace(b"2", b"3")
    assert one_of_two.judge(path, send(landing, path, other)).status == "ok"  # no manifest has arrived
    send(landing, manifest, data)
    assert one_of_two.judge(path, send(landing, path, other)).status == "ok"  # and it was looked for just now
    monkeypatch.setattr("upload_client.validator.listing._AGAIN", 0.0)
    late = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1, others_judge=True)
    assert late.judge(path, send(landing, path, CSV)).checks[3:] == ("manifest", "csv")
    assert late.judge(path, send(landing, path, other)).code == "not_as_promised"
    assert alone.judge(path, send(landing, path, other)).status == "ok"


def test_a_manifest_that_comes_later_is_looked_for_again(landing, control, reader_workers, monkeypatch):
    monkeypatch.setattr("upload_client.validator.listing._AGAIN", 0.0)
    path, manifest = "bag/data/a.csv", "bag/manifest-md5.txt"
    data = f"{hashlib.md5(CSV).hexdigest()}  data/a.csv\n".encode()
    listed(control, ("bag/bagit.txt", 5), (manifest, len(data)), (path, len(CSV)))
    checker = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1, others_judge=True)
    other = send(landing, path, CSV.replace(b"2", b"3"))
    assert checker.judge(path, other).status == "ok"
    send(landing, manifest, data)
    assert checker.judge(path, other).code == "not_as_promised"


def test_without_an_index_no_manifest_is_looked_for(landing, control, reader_workers):
    checker = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1, others_judge=True)
    assert checker.judge("a.csv", send(landing, "a.csv", CSV)).status == "ok"


def test_the_size_that_a_label_says_is_held_against_the_index(landing, control, reader_workers):
    label = (
        b'<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1"><File_Area_Observational><File>'
        b"<file_name>a.dat</file_name><file_size>7</file_size></File></File_Area_Observational>"
        b"</Product_Observational>"
    )
    listed(control, ("a.xml", len(label)), ("a.dat", 8))
    checker = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1)
    judgement = checker.judge("a.xml", send(landing, "a.xml", label))
    assert judgement.message == ("it does not go with the delivery: 'a.dat' has 8 bytes where it says 7")
    assert judgement.code == "not_as_promised"
    assert judgement.checks[-1] == "PDS4 label: 1 file there"
    other = checker.judge("b.xml", send(landing, "b.xml", b"<x/>"))
    assert (other.status, other.checks) == ("ok", ("size", "etag", "crc32", "xml"))


def test_a_manifest_without_an_index_is_judged_alone_and_that_is_said(landing, control, reader_workers):
    upload = send(landing, "datapackage.json", b'{"resources": [{"path": "a.csv"}]}')
    checker = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 77)
    judgement = checker.judge("datapackage.json", upload)
    assert judgement.status == "ok"
    assert judgement.checks[0] == "not held against the delivery: there is no index"
    assert opened_as(judgement.checks) == "json"


def test_a_manifest_that_is_not_held_against_the_delivery_is_none_that_was_opened(
    landing, control, reader_workers, monkeypatch
):
    monkeypatch.setattr(packaging, "_MAX_PROMISES", 0)
    listed(control, ("bagit.txt", 4), ("manifest-sha256.txt", 73))
    upload = send(landing, "manifest-sha256.txt", b"0" * 64 + b"  data/x\n")
    checker = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1)
    judgement = checker.judge("manifest-sha256.txt", upload)
    assert "not held against the delivery" in judgement.checks[0]
    assert opened_as(judgement.checks) == "not opened: size and checksum alone were compared"


def test_what_is_expected_to_hold_anything_is_no_manifest(landing, control, reader_workers):
    control.put(
        LAYOUT.expectations, b"version: 1\ntypes: [{name: a, files: '*', content: {format: opaque}}]\n"
    )
    listed(control, ("datapackage.json", 2))
    upload = send(landing, "datapackage.json", b"no")
    judgement = make_checker(SETTINGS, LAYOUT, control, landing, reader_workers, 1).judge(
        "datapackage.json", upload
    )
    assert judgement.status == "ok"


@pytest.mark.parametrize("n_cut", [1, 4])
def test_an_index_whose_reading_is_cut_is_read_again_before_a_delivery_is_called_anything(
    control, monkeypatch, n_cut
):
    at_once = SimpleNamespace(sleep=lambda _: None)
    monkeypatch.setattr(serving, "repeat_while_lost", lambda ask: repeat_while_lost(ask, at_once))
    control.put(LAYOUT.expectations, b"version: 1\ndelivery: {files: {max: 2}, others: allow}\n")
    listed(control, ("a", 1), ("b", 1))
    cuts = iter(range(n_cut))

    def cut(*where):
        rows_of_it = rows.index_rows(*where)
        if next(cuts, None) is not None:
            yield next(rows_of_it)
            raise AnswerLost("the connection was cut")
        yield from rows_of_it

    class Counting:
        def tally(self, paths=(), see=print):
            return [path for path in paths if see(path, 1) is None]

    monkeypatch.setattr(serving, "index_rows", cut)
    told = serving._tally(SETTINGS, LAYOUT, Counting(), control, 1)
    assert told == (
        (["a", "b"], []) if n_cut == 1 else ([], ["its index cannot be read: the connection was cut"])
    )
