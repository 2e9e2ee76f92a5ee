"""Files made to take a reader's memory, time or life: each is judged, and so is what comes after it.

What a verdict costs is measured where it is limited: in the process that reads.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import signal
import socket
import struct
import sys
import zipfile
import zlib
from functools import partial

import pytest

from upload_client.expectations.document import InvalidExpectations, load
from upload_client.expectations.expected import Expected
from upload_client.expectations.findings import Undecided
from upload_client.expectations.model import Json
from upload_client.validator.content import Unreadable
from upload_client.validator.readers import Limits, ReaderWorkers

pytest.importorskip("pyarrow")
pytest.importorskip("astropy")
pytest.importorskip("asdf")
pytest.importorskip("PIL")
pytest.importorskip("jsonschema_rs")

LIMITS = Limits(memory=512 * 1024**2, cpu_seconds=8, wall_seconds=120.0, unpacked=64 * 1024**2)

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits a process' memory reliably"
)


@pytest.fixture(scope="module")
def reader_workers():
    with ReaderWorkers(1, LIMITS) as reader_workers:
        yield reader_workers


@pytest.fixture
def judge(reader_workers):
    """What is wrong with `data` by the rules: ``judge("{format: csv}", b"…")``; empty: nothing."""
    return partial(judged, reader_workers)


def judged(reader_workers: ReaderWorkers, content: str, data: bytes) -> str:
    text = f"version: 1\ntypes: [{{name: a, files: '*', content: {content}}}]"
    rules = Expected(load(text.encode(), "x")).content("a")
    try:
        reader_workers.judge(
            rules.content, rules.format, len(data), lambda offset, n: data[offset : offset + n]
        )
    except Unreadable as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def _the_next_file_is_judged(judge):
    yield
    assert judge("{format: csv, columns: [{name: a, type: integer}]}", b"a\n1\n") == ""
    assert "'x' in row 1" in judge("{format: csv, columns: [{name: a, type: integer}]}", b"a\nx\n")


def card(name: str, value: str) -> bytes:
    return f"{name:8}= {value:>20}".ljust(80).encode()


def header(*cards: tuple[str, str]) -> bytes:
    text = b"".join(card(*one) for one in cards) + b"END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880)


FITS = "{format: fits, hdus: [{name: PRIMARY, min: 0}]}"
SIMPLE = (("SIMPLE", "T"), ("BITPIX", "-64"))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            header(*SIMPLE, ("NAXIS", "2"), ("NAXIS1", "4000000000"), ("NAXIS2", "4000000000")), id="large"
        ),
        pytest.param(header(*SIMPLE, ("NAXIS", "1"), ("NAXIS1", "-5")), id="negative"),
        pytest.param(
            header(*SIMPLE, ("NAXIS", "999"), *((f"NAXIS{n}", "9") for n in range(1, 1000))), id="axes"
        ),
        pytest.param(header(("SIMPLE", "T"), ("BITPIX", "7"), ("NAXIS", "1"), ("NAXIS1", "1")), id="bitpix"),
        pytest.param(header(*SIMPLE, ("NAXIS", "'x'")), id="text"),
        pytest.param(b"".join(card(*one) for one in SIMPLE) + b" " * 80 * 50_000, id="no end"),
        pytest.param(header(*SIMPLE, ("NAXIS", "1"), ("NAXIS1", "100000")) + bytes(2880), id="cut"),
        pytest.param(
            header(*SIMPLE, ("NAXIS", "0"))
            + header(
                ("XTENSION", "'BINTABLE'"),
                ("BITPIX", "8"),
                ("NAXIS", "2"),
                ("NAXIS1", "8"),
                ("NAXIS2", "9000000000000000"),
                ("PCOUNT", "0"),
                ("GCOUNT", "1"),
                ("TFIELDS", "1"),
                ("TFORM1", "'D'"),
            ),
            id="rows",
        ),
        pytest.param(gzip.compress(header(*SIMPLE, ("NAXIS", "0"))), id="packed"),
    ],
)
def test_fits_that_says_what_cannot_be(judge, data):
    assert judge(FITS, data) != ""


def test_a_fits_table_whose_columns_do_not_fit_its_rows(judge):
    table = header(
        *(("XTENSION", "'BINTABLE'"), ("BITPIX", "8"), ("NAXIS", "2"), ("NAXIS1", "8"), ("NAXIS2", "10")),
        *(
            ("PCOUNT", "0"),
            ("GCOUNT", "1"),
            ("TFIELDS", "1"),
            ("TTYPE1", "'a'"),
            ("TFORM1", "'900000000000D'"),
        ),
        ("EXTNAME", "'T'"),
    )
    data = header(*SIMPLE, ("NAXIS", "0")) + table + bytes(2880)
    rules = "{format: fits, hdus: [{name: T, columns: [{name: a, min: 0}]}]}"
    assert judge(rules, data) != ""


def test_a_gzip_bomb_is_unpacked_only_so_far(judge):
    bomb = gzip.compress(bytes(LIMITS.unpacked + 1), 9)
    assert len(bomb) < 100_000
    for content in ("{format: fits, compression: gzip}", "{format: csv, compression: gzip}"):
        assert "unpacks to more than 67,108,864 bytes" in judge(content, bomb)


def test_an_npz_bomb_is_read_in_pieces_and_not_at_all_where_nothing_is_asked_of_its_values(judge):
    import numpy as np

    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (2 * 10**7,)}
    )
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("x.npy", "w") as member:
        member.write(head.getvalue())
        for _ in range(16):
            member.write(bytes(10**7))
    assert len(data.getvalue()) < 200_000
    assert judge("{format: npz, arrays: [{name: x, dtype: float64, shape: [null]}]}", data.getvalue()) == ""
    assert judge("{format: npz, arrays: [{name: x, shape: [7]}]}", data.getvalue()) != ""


class Boom:
    def __reduce__(self):
        return os.system, ("kill -9 $PPID",)


def test_a_pickle_is_never_loaded(judge, reader_workers):
    import numpy as np

    data = io.BytesIO()
    np.save(data, np.array([Boom()], object), allow_pickle=True)
    assert "(a pickle), which are never loaded" in judge("{format: npy}", data.getvalue())
    data = io.BytesIO()
    np.savez(data, x=np.array([Boom()], object))
    assert "(a pickle), which are never loaded" in judge("{format: npz}", data.getvalue())
    assert judge("{format: npy}", pickle.dumps(Boom())) != ""
    ((_, process),) = reader_workers._pool._idle
    assert process.poll() is None


def asdf_of(tree: str, blocks: bytes = b"") -> bytes:
    head = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"
    return head + tree.encode() + b"\n...\n" + blocks


LAUGHS = ["a0: &a0 [y, y]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
NDARRAY = "x: !core/ndarray-1.0.0 {{{}, datatype: float64, shape: [3]}}"
ANY_ARRAY = "{format: asdf, tree: [{path: x, type: array, min: 0}]}"


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ("x: !!python/object/apply:os.system ['kill -9 $PPID']", "list where an array is expected"),
        ("x: " + "[" * 100_000, "it"),
        (NDARRAY.format("source: 'http://127.0.0.1:9/x.asdf'"), "lies in another file"),
        (NDARRAY.format("source: 'file:///etc/passwd'"), "lies in another file"),
        (NDARRAY.format("source: 7"), "failed to convert"),
        (NDARRAY.format("data: [[1], [1, 2]]"), "failed to convert"),
        ("x: !core/externalarray-1.0.0 {fileuri: /etc/passwd, target: 1}", "lies in another file"),
    ],
    ids=["object", "deep", "http", "file", "no block", "ragged", "external"],
)
def test_an_asdf_tree_that_asks_for_what_it_must_not_have(judge, tree, says):
    assert says in judge(ANY_ARRAY, asdf_of(tree))


ELSEWHERE = {
    "array": NDARRAY.format("source: 'URL/x.asdf'"),
    "external": "x: !core/externalarray-1.0.0 {fileuri: 'URL/x.asdf', target: 0, datatype: int8, shape: [3]}",
    "part of the tree": "x: {$ref: 'URL/x.asdf#/x'}",
    "part of an array": "x: !core/ndarray-1.0.0 {$ref: 'URL/x.asdf#/x'}",
    "deep in it": "x: {y: [1, {z: !core/ndarray-1.0.0 {source: 'URL', datatype: float64, shape: [3]}}]}",
}


@pytest.mark.parametrize("tree", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_an_asdf_that_names_what_lies_in_other_files_is_refused_and_nothing_is_fetched(
    judge, reader_workers, tmp_path, tree, scheme
):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}" if scheme == "http" else tmp_path.as_uri()
        data = asdf_of(tree.replace("URL", url))
        assert "lies in another file" in judge("{format: asdf}", data)
        assert "lies in another file" in judge(ANY_ARRAY, data)
        with pytest.raises(Unreadable, match="lies in another file"):
            reader_workers.open("asdf", len(data), lambda offset, n: data[offset : offset + n])
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            listener.accept()


def test_an_asdf_whose_tree_refers_to_itself_opens(judge):
    assert judge("{format: asdf}", asdf_of("x: {$ref: '#/y'}\ny: [1, 2]")) == ""


def block(data: bytes, *, says: int, compression: bytes = b"zlib") -> bytes:
    """A block of an ASDF file that claims to unpack to `says` bytes (ASDF standard, "Blocks")."""
    lengths = struct.pack(">I4sQQQ", 0, compression, len(data), len(data), says)
    return b"\xd3BLK" + struct.pack(">H", len(lengths) + 16) + lengths + bytes(16) + data


@pytest.mark.parametrize("says", [3 << 30, 1 << 62])
def test_an_asdf_block_that_unpacks_to_more_than_there_is_memory(judge, says):
    array = f"x: !core/ndarray-1.0.0 {{source: 0, datatype: uint8, byteorder: big, shape: [{says}]}}"
    data = asdf_of(array, block(zlib.compress(bytes(1 << 20)), says=says))
    assert "memory" in judge("{format: asdf}", data)


def test_an_asdf_array_that_is_larger_than_its_block_by_strides_is_not_looked_through(judge):
    array = (
        "x: !core/ndarray-1.0.0 {source: 0, datatype: float64, byteorder: little,"
        " shape: [1000000000, 1000], strides: [0, 0]}"
    )
    with pytest.raises(Undecided, match="more than 536,870,912 bytes"):
        judge(ANY_ARRAY, asdf_of(array, block(bytes(8), says=8, compression=bytes(4))))


def test_a_png_that_unpacks_to_more_than_there_is_memory(judge):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def png(width: int, height: int, data: bytes) -> bytes:
        size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", data) + chunk(b"IEND", b"")

    assert "pixels, more than" in judge("{format: image}", png(2**31 - 1, 2**31 - 1, b"x"))
    packed = zlib.compress(bytes(3 * 14_000 * 14_000 // 64), 9)
    assert judge("{format: image}", png(14_000, 14_000, packed)) != ""


def test_an_image_that_another_program_would_have_to_run_for_is_not_tried(judge):
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) (w) file\nshowpage\n"
    assert judge("{format: image}", script).startswith("it is no image in PNG or JPEG")


def test_parquet_that_says_what_cannot_be(judge):
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array([7] * 10_000)}), made, compression="gzip")
    good = made.getvalue()
    rules = "{format: parquet, columns: [{name: x, min: 0}]}"
    assert judge(rules, good) == ""
    length = int.from_bytes(good[-8:-4], "little")
    footer = len(good) - 8 - length
    for damaged in (
        good[:-4] + b"PARX",
        good[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
        good[:footer] + b"\xff" * length + good[-8:],
        good[:10] + b"\xff" * 40 + good[50:],
        b"PAR1" + b"\x00" * 100 + b"PAR1",
    ):
        assert judge(rules, damaged) != ""


def test_millions_of_rows_that_take_no_room_are_refused_by_their_number_or_in_time(judge):
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = io.BytesIO()
    table = pa.table({"x": pa.repeat(7, 10_000_000), "s": pa.repeat("y", 10_000_000).dictionary_encode()})
    writer = pq.ParquetWriter(made, table.schema, compression="zstd")
    for _ in range(3):
        writer.write_table(table, row_group_size=10_000_000)
    writer.close()
    data = made.getvalue()
    assert len(data) < 300_000
    counted = judge(
        "{format: parquet, rows: {max: 1000}, columns: [{name: x, unique: true}, {name: s}]}", data
    )
    assert counted == "it has 30,000,000 rows, where there should be 1,000 rows at most"
    # Nothing limits their number: they are read in pieces, or given up.
    slow = judge("{format: parquet, columns: [{name: x, min: 8}, {name: s}]}", data)
    assert slow == "column 'x': 7 in row 1 is below 8 (30,000,000 such values)" or "of computing" in slow


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ('{format: csv, columns: [{name: a, pattern: "(a+)+"}]}', b"a\n" + b"a" * 40 + b"!\n"),
        ("{format: asdf}", asdf_of("\n".join(LAUGHS))),
    ],
    ids=["pattern", "laughs"],
)
@pytest.mark.long
def test_what_takes_for_ever_is_given_up(content, data):
    with ReaderWorkers(1, Limits(cpu_seconds=2)) as reader_workers:
        said = judged(reader_workers, content, data)
    assert said.endswith("takes more than 2 seconds of computing")


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1," + b"x" * 9_000_000,
        b'a,b\n1,"' + b"x\n" * 4_500_000,
        b"a,b\n" + b"\xff\xfe" * 100,
        b"," * 2_000_000,
        b"\0" * 1_000_000,
        b"a,b\n" + b"1,2,3\n" * 500_000,
    ],
    ids=["line", "quote", "bytes", "columns", "zeros", "ragged"],
)
def test_text_that_is_no_table(judge, data):
    assert judge("{format: csv, columns: [{name: a}, {name: b}]}", data) != ""


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b"9" * 1_000_000,
        b'{"a": "' + b"x" * 1_000_000,
        b"\xff",
        b'"\\ud800',
    ],
    ids=["lists", "objects", "digits", "string", "bytes", "surrogate"],
)
def test_text_that_is_no_json(judge, data):
    for kind in ("json", "jsonl"):
        assert judge(f"{{format: {kind}, schema: {{type: object}}}}", data) != ""


def test_a_schema_that_asks_for_work_without_end_is_not_the_fault_of_the_file():
    twice = [
        f"d{n}: {{allOf: [{{$ref: '#/$defs/d{n + 1}'}}, {{$ref: '#/$defs/d{n + 1}'}}]}}" for n in range(60)
    ]
    schema = f"{{$defs: {{{', '.join(twice)}, d60: {{type: integer}}}}, $ref: '#/$defs/d0'}}"
    with (
        ReaderWorkers(1, Limits(cpu_seconds=1)) as reader_workers,
        pytest.raises(Undecided, match=r"more than 1 seconds of computing: .*JSON Schema asks for too much"),
    ):
        judged(reader_workers, f"{{format: json, schema: {schema}}}", b"1")


def test_a_schema_fetches_nothing(judge, reader_workers):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        server.setblocking(False)
        with pytest.raises(InvalidExpectations, match="Retrieval is disabled"):
            judge(f"{{format: json, schema: {{$ref: '{url}'}}}}", b"{}")
        unseen = Json.model_validate(
            {"format": "json", "schema": {"$ref": url}}
        )  # as where nobody could tell
        with pytest.raises(Undecided, match="Retrieval is disabled"):
            reader_workers.judge(unseen, "json", 2, lambda _offset, _n: b"{}")
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("signum", "error"),
    [(signal.SIGSEGV, Unreadable), (signal.SIGABRT, Unreadable), (signal.SIGKILL, Undecided)],
)
def test_a_reader_that_dies_takes_one_verdict_along_and_no_other(reader_workers, signum, error):
    def strike(_offset: int, n: int) -> bytes:
        os.kill(process.pid, signum)
        with contextlib.suppress(ChildProcessError):
            process.wait()
        return bytes(n)

    size, read = _sound()
    reader_workers.open("parquet", size, read)
    ((_, process),) = reader_workers._pool._idle
    with pytest.raises(error, match=r"break down|was killed"):
        reader_workers.open("parquet", size, strike)


def _sound():
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), made)
    data = made.getvalue()
    return len(data), lambda offset, n: data[offset : offset + n]


def test_what_a_reader_never_says_ends_it():
    class Liar:
        """A process that was taken over, as far as its validator can tell."""

        scarce = False

        def __init__(self, said: bytes) -> None:
            self.stdin, self.stdout, self.returncode = io.BytesIO(), io.BytesIO(said), 1

        def kill(self):
            pass

        def wait(self, _timeout=None):
            return 1

        def poll(self):
            return None

    for said in (b"[]\n", b'{"read": 7}\n', b'{"read": [-1, 5]}\n', b'{"read": [0, 999]}\n', b"x\n", b""):
        with ReaderWorkers(1) as lied_to:
            lied_to._pool.keep(lied_to, Liar(said))
            with pytest.raises(Unreadable, match="makes its reader break down"):
                lied_to.open("fits", 10, lambda _offset, n: bytes(n))


def test_a_message_is_short_and_safe(judge):
    names = json.dumps([f"\x1b[31m{n}" + "x" * 300 for n in range(50)])[1:-1]
    said = judge("{format: csv, columns: [{name: a}]}", (names + "\n").encode())
    assert len(said) <= 2000
    assert "\x1b" not in said
    assert said.endswith("; and 41 more")


def test_parquet_pages_that_unpack_to_more_than_there_is_memory():
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = io.BytesIO()
    table = pa.table({"x": pa.array([bytes(48 * 1024**2)] * 4, pa.binary())})
    pq.write_table(table, made, compression="zstd", use_dictionary=False, data_page_size=1024**3)
    assert len(made.getvalue()) < 100_000
    with ReaderWorkers(1, Limits(memory=256 * 1024**2)) as reader_workers:
        said = judged(
            reader_workers, "{format: parquet, columns: [{name: x, nulls: false}]}", made.getvalue()
        )
        assert said in ("it takes too much memory", "reading it as parquet makes its reader break down")
        assert judged(reader_workers, "{format: parquet}", _sound()[1](0, 10**6)) == ""
