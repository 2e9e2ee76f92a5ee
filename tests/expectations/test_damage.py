"""Damage in files that real libraries have written is noticed; what is sound is not refused.

Each file is made here, then cut or changed. Nothing is in them but numbers.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import warnings

import pytest

from upload_client.expectations.findings import Undecided
from upload_client.validator import reader_worker

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
fits = pytest.importorskip("astropy.io.fits")
asdf = pytest.importorskip("asdf")
Pillow = pytest.importorskip("PIL.Image")


def opened(kind: str, data: bytes) -> str:
    """What is wrong with a file about which nobody has said anything: as what its suffix says it opens."""
    outcome = reader_worker._outcome({"kind": kind, "size": len(data)}, io.BytesIO(data), 10**9)
    return outcome.get("why", "") or outcome.get("undecided", "")


def changed(data: bytes, at: int, by: bytes | None = None) -> bytes:
    by = bytes([data[at] ^ 0x55]) if by is None else by
    return data[:at] + by + data[at + len(by) :]


# --- FITS --------------------------------------------------------------------------------------


def fits_of(*units, **how) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(units)).writeto(file, **how)
    return file.getvalue()


def a_table(n: int = 800):
    return fits.BinTableHDU.from_columns(
        [fits.Column("a", "J", array=np.arange(n)), fits.Column("b", "D", array=np.arange(n) / 7)]
    )


IMAGE = fits_of(fits.PrimaryHDU(np.arange(1000, dtype="i2")))


def test_a_fits_file_without_its_padding_is_whole_and_with_a_byte_less_it_is_not():
    assert opened("fits", IMAGE[: 2880 + 2000]) == ""
    assert "the last 1 bytes of the data of HDU 0 are missing" in opened("fits", IMAGE[: 2880 + 1999])


@pytest.mark.parametrize("lost", [1, 79, 2000, 2879])
def test_a_table_that_lost_rows_at_its_end_is_cut(judge, lost):
    whole = fits_of(fits.PrimaryHDU(), a_table())
    end = 2880 * 2 + 800 * 12
    assert "are missing" in opened("fits", whole[: end - lost])
    rules = {"format": "fits", "hdus": [{"name": 1, "type": "table", "rows": {"min": 1}}]}
    assert "are missing" in judge(rules, whole[: end - lost])
    assert judge(rules, whole) == ""


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"])
def test_a_packed_image_that_is_cut_is_noticed_by_the_size_of_its_table(algorithm):
    pixels = np.arange(64 * 64, dtype="i2").reshape(64, 64) % 100
    whole = fits_of(fits.PrimaryHDU(), fits.CompImageHDU(pixels, compression_type=algorithm))
    assert opened("fits", whole) == ""
    assert opened("fits", whole[:-2900]) != ""


def test_a_packed_image_whose_tile_cannot_be_unpacked_is_damaged():
    noise = np.random.default_rng(1).integers(-(2**30), 2**30, (50, 300)).astype("i4")
    whole = fits_of(fits.PrimaryHDU(), fits.CompImageHDU(noise, compression_type="GZIP_1"))
    assert opened("fits", whole) == ""
    assert "tile" in opened("fits", changed(whole, len(whole) - 4000, b"\0" * 40))


def test_an_image_packed_as_one_tile_is_unpacked_once(judge, monkeypatch):
    pixels = np.arange(2000 * 1500, dtype="i4").reshape(2000, 1500)
    whole = fits_of(fits.PrimaryHDU(), fits.CompImageHDU(pixels, tile_shape=(2000, 1500)))
    from astropy.io.fits.hdu.compressed import _tiled_compression as tiled

    calls = []
    unpack = tiled._decompress_tile
    monkeypatch.setattr(tiled, "_decompress_tile", lambda *a, **k: calls.append(1) or unpack(*a, **k))
    assert judge({"format": "fits", "hdus": [{"name": 1, "min": 0, "max": 2_999_999}]}, whole) == ""
    assert len(calls) == 2  # to see whether it can be, and for its values


@pytest.mark.parametrize("unit", [2, 3])
def test_an_extension_whose_header_was_zeroed_is_damage(unit):
    names = "ABC"
    whole = fits_of(fits.PrimaryHDU(), *(fits.ImageHDU(np.ones(10), name=name) for name in names))
    at = [2880, 2880 + 5760][unit - 2]
    assert "damaged" in opened("fits", changed(whole, at, bytes(2880)))


@pytest.mark.parametrize("after", [bytes(2880 * 3), b"what somebody else put there"])
def test_what_follows_the_last_unit_is_nobodys_fault(after):
    assert opened("fits", IMAGE + after) == ""


@pytest.mark.parametrize("at", [2880 + 20, 2880 + 2100], ids=["data", "padding"])
def test_a_datasum_is_verified_where_it_is_written(judge, at):
    whole = fits_of(fits.PrimaryHDU(np.arange(1000, dtype="i2")), checksum="datasum")
    assert (opened("fits", whole), judge({"format": "fits"}, whole)) == ("", "")
    assert "DATASUM" in opened("fits", changed(whole, at))
    assert "DATASUM" in judge({"format": "fits"}, changed(whole, at))


def test_a_checksum_covers_the_header_too():
    header = fits.Header([("OBJECT", "M31")])
    whole = fits_of(fits.PrimaryHDU(np.arange(10), header), a_table(3), checksum=True)
    assert opened("fits", whole) == ""
    assert "CHECKSUM" in opened("fits", whole.replace(b"M31", b"M33"))


def test_values_that_an_ascii_table_declares_missing_are_missing(judge):
    columns = [fits.Column("a", "I5", ascii=True, array=np.array([1, -1, 3]))]
    unit = fits.TableHDU.from_columns(fits.ColDefs(columns))
    unit.header["TNULL1"] = "-1"
    whole = fits_of(fits.PrimaryHDU(), unit)
    rules = {"format": "fits", "hdus": [{"name": 1, "columns": [{"name": "a", "nulls": False}]}]}
    assert "missing" in judge(rules, whole)
    rules["hdus"][0]["columns"] = [{"name": "a", "min": 0}]
    assert judge(rules, whole) == ""


# --- Parquet -----------------------------------------------------------------------------------


def parquet_of(table, **how) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **how)
    return file.getvalue()


NUMBERS = pa.table({"a": np.arange(50_000), "b": np.random.default_rng(1).normal(size=50_000)})


def footer(data: bytes) -> int:
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def test_a_parquet_file_of_which_only_the_footer_is_left_is_damaged():
    whole = parquet_of(NUMBERS)
    assert opened("parquet", whole) == ""
    assert opened("parquet", b"PAR1" + whole[footer(whole) :]) != ""
    assert "not where the footer says" in opened(
        "parquet", whole[: footer(whole) - 5000] + whole[footer(whole) :]
    )


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}], ids=str)
def test_a_parquet_file_without_rows_is_whole(judge, options):
    types = (pa.null(), pa.int64(), pa.string(), pa.list_(pa.int8()), pa.struct([("a", pa.int8())]))
    empty = pa.table({f"c{number}": pa.array([], arrow) for number, arrow in enumerate(types)})
    out = io.BytesIO()
    pq.write_table(empty, out, **options)
    assert judge({"format": "parquet"}, out.getvalue()) == ""


def test_the_crc_of_a_parquet_page_is_verified_where_it_has_one(judge):
    whole = parquet_of(NUMBERS, write_page_checksum=True, compression="none", use_dictionary=False)
    hurt = changed(whole, 1000)
    assert "CRC" in opened("parquet", hurt)
    assert "CRC" in judge({"format": "parquet"}, hurt)
    assert judge({"format": "parquet"}, whole) == ""


@pytest.mark.parametrize("codec", ["snappy", "gzip"])
def test_by_a_document_every_page_is_decoded(judge, codec):
    whole = parquet_of(NUMBERS, compression=codec)
    assert judge({"format": "parquet"}, changed(whole, 5000, b"\xff" * 64)) != ""
    assert judge({"format": "parquet"}, whole) == ""


@pytest.mark.parametrize("year", [1, 1600, 2300, 9999])
def test_int96_moments_are_judged_by_their_true_dates(judge, year):
    moment = dt.datetime(year, 1, 2)  # noqa: DTZ001 - Parquet's are without a zone
    whole = parquet_of(
        pa.table({"t": pa.array([moment], pa.timestamp("us"))}), use_deprecated_int96_timestamps=True
    )
    rules = {"format": "parquet", "columns": [{"name": "t", "min": "1700-01-01", "max": "1900-01-01"}]}
    assert judge(rules, whole) != ""
    rules["columns"][0] = {"name": "t", "min": f"{year:04}-01-01", "max": f"{year:04}-01-03"}
    assert judge(rules, whole) == ""


NESTED = {
    "list": ([[1, 2], [None]], [[1, 2], []], pa.list_(pa.int64())),
    "struct": ([{"x": 1}, {"x": None}], [{"x": 1}, {"x": 2}], pa.struct([("x", pa.int64())])),
    "map": ([[("k", 1)], [("k", None)]], [[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    "whole": ([[1], None], [[1], [2]], pa.list_(pa.int64())),
}


@pytest.mark.parametrize(("without", "whole", "kind"), NESTED.values(), ids=NESTED)
def test_what_is_missing_within_nested_values_is_missing(judge, without, whole, kind):
    rules = {"format": "parquet", "columns": [{"name": "x", "nulls": False}]}
    said = judge(rules, parquet_of(pa.table({"x": pa.array(without, kind)})))
    assert said == "column 'x': a value is missing in row 2"
    assert judge(rules, parquet_of(pa.table({"x": pa.array(whole, kind)}))) == ""


def test_rules_that_cannot_be_applied_to_nested_values_are_not_passed_over(judge):
    whole = parquet_of(pa.table({"x": pa.array([[1]], pa.list_(pa.int64()))}))
    with pytest.raises(Undecided, match="only nulls"):
        judge({"format": "parquet", "columns": [{"name": "x", "min": 0}]}, whole)


def test_an_encrypted_parquet_file_is_not_called_damaged():
    assert opened("parquet", b"PAR1" + b"x" * 100 + b"\x10\0\0\0PARE") == "it is encrypted"


def test_a_parquet_file_with_a_signature_behind_its_footer_has_encrypted_columns(judge):
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), file)
    data = file.getvalue()
    signed = (
        data[:-8] + bytes(28) + (int.from_bytes(data[-8:-4], "little") + 28).to_bytes(4, "little") + b"PAR1"
    )
    assert opened("parquet", signed) == "it is encrypted, though its footer is not"
    with pytest.raises(Undecided, match="though its footer is not"):
        judge({"format": "parquet"}, signed)


# --- ASDF --------------------------------------------------------------------------------------


def asdf_of(**tree) -> bytes:
    file = io.BytesIO()
    asdf.AsdfFile(tree).write_to(file)
    return file.getvalue()


ARRAYS = asdf_of(a=np.arange(1000), b=np.arange(2000) + 0.5)


def test_the_checksum_of_an_asdf_block_is_verified(judge):
    hurt = changed(ARRAYS, ARRAYS.index(b"\xd3BLK") + 300)
    assert (opened("asdf", ARRAYS), judge({"format": "asdf"}, ARRAYS)) == ("", "")
    assert "checksum" in opened("asdf", hurt)
    assert "checksum" in judge({"format": "asdf"}, hurt)


def test_a_tag_that_asdf_itself_had_once_leaves_the_file_open(judge):
    """Tables as asdf 2 wrote them: what reads them is another package now."""
    data = asdf_of(t=np.arange(30)).replace(
        b"t: !core/ndarray-1.1.0\n", b"t: !core/column-1.0.0\n  data: !core/ndarray-1.1.0\n"
    )
    data = data.replace(
        b"\n  source: 0\n  datatype: int64\n  byteorder: little\n  shape: [30]",
        b" {source: 0, datatype: int64, byteorder: little, shape: [30]}",
    )
    assert b"core/column" in data
    assert opened("asdf", data) == ""
    assert (
        judge({"format": "asdf", "tree": [{"path": "t.data", "dtype": "int64", "shape": [30]}]}, data) == ""
    )


@pytest.mark.parametrize("packing", ["zlib", "bzp2"])
def test_a_checksum_of_what_an_asdf_block_unpacks_to_is_one_as_well(judge, packing):
    """As asdf before version 6 wrote it, which version 6 calls damaged."""
    file = io.BytesIO()
    values = np.arange(3000)
    asdf.AsdfFile({"a": values}).write_to(file, all_array_compression=packing)
    data = file.getvalue()
    at = data.index(b"\xd3BLK")
    sums = [hashlib.md5(values.tobytes()).digest(), hashlib.md5(data[at + 54 :]).digest(), b"x" * 16]
    stored = at + 6 + 48
    n = int.from_bytes(data[at + 22 : at + 30])
    sums[1] = hashlib.md5(data[stored : stored + n]).digest()
    told = [changed(data, at + 38, one) for one in sums]
    assert [opened("asdf", one) == "" for one in told] == [True, True, False]
    assert [
        judge({"format": "asdf", "tree": [{"path": "a", "max": 2999}]}, one) == "" for one in told[:2]
    ] == [
        True,
        True,
    ]
    hurt = changed(told[0], stored + n // 2)
    assert opened("asdf", hurt) != ""


def test_an_asdf_block_that_is_gone_is_damage_and_no_mapping():
    second = ARRAYS.index(b"\xd3BLK", ARRAYS.index(b"\xd3BLK") + 4)
    assert opened("asdf", changed(ARRAYS, second, b"xxxx")) != ""


@pytest.mark.parametrize("cut", [1, 100, 5000, 16_100])
def test_an_asdf_file_that_is_cut_is_damaged(cut):
    assert opened("asdf", ARRAYS[: ARRAYS.index(b"#ASDF BLOCK INDEX")][:-cut]) != ""


@pytest.mark.parametrize(
    ("here", "newer"),
    [
        (b"#ASDF_STANDARD 1.6.0", b"#ASDF_STANDARD 9.6.0"),
        (b"#ASDF 1.0.0", b"#ASDF 2.0.0"),
        (b"!core/ndarray-1.1.0", b"!core/ndarray-9.1.0"),
    ],
    ids=["standard", "format", "tag"],
)
def test_an_asdf_file_newer_than_the_library_is_not_called_damaged(here, newer):
    assert here in ARRAYS
    assert "too old for it" in opened("asdf", ARRAYS.replace(here, newer))


# --- CSV ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b'a,b\n1,"two', b'a,b\n1,"two\n3,4\n5,6\n', b'a,b\n1,"two""'])
def test_a_quote_that_is_never_closed_is_noticed_by_a_document_too(judge, data):
    assert "a quote is not closed" in judge({"format": "csv"}, data)


@pytest.mark.parametrize("limit", [1000, 2**17, 2**26])
def test_whatever_other_libraries_have_said_of_fields_a_long_one_is_read_and_an_open_one_noticed(
    judge, limit
):
    """Python's csv has one limit for the whole process: 128 Ki characters, if nobody has set it."""
    before = csv.field_size_limit(limit)
    try:
        assert "a quote is not closed" in judge({"format": "csv"}, b'a,b\n1,"two\n' + b"3,4\n" * 50_000)
        assert judge({"format": "csv"}, b'a;"b, c";d\n1;2;"' + b"POLYGON((1 2, 3 4))" * 9000 + b'"\n') == ""
        assert judge({"format": "csv"}, b"a," + b"b" * 150_000 + b"\n1,2\n") == ""
    finally:
        csv.field_size_limit(before)


def test_an_open_quote_is_noticed_behind_others_that_stand_within_fields(judge):
    assert judge({"format": "csv"}, b'a,b\n"1"x,5" 2"\n3,4"\n') == ""
    assert "a quote is not closed" in judge({"format": "csv"}, b'a,b\n"1"x,5" 2"\n3,4\n5,"6\n')


@pytest.mark.parametrize("data", [b'a,b\n1,5" pipe\n', b'a,b\n1,"5"" pipe"\n', b'a,b\n1,"x\ny"\n'])
def test_quotes_that_are_part_of_a_value_are_no_damage(judge, data):
    assert judge({"format": "csv"}, data) == ""


# --- images ------------------------------------------------------------------------------------


def frames_of(kind: str, n: int = 4) -> bytes:
    noise = np.random.default_rng(1)
    frames = [Pillow.fromarray(noise.integers(0, 255, (60, 80), dtype="u1")) for _ in range(n)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(("kind", "hurt"), [("TIFF", b"\xff" * 8), ("GIF", b""), ("PNG", b"")])
def test_damage_in_a_later_frame_is_noticed_by_a_document(judge, kind, hurt):
    rules = {"format": "image", "formats": [kind]}
    whole = frames_of(kind)
    assert judge(rules, whole) == ""
    assert judge(rules, whole[: int(len(whole) * 0.8)]) != ""


@pytest.mark.parametrize("dtype", ["f2", "f8", "c8", "u8"])
def test_a_tiff_that_pillow_does_not_know_is_an_image_all_the_same(judge, dtype):
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(file, np.zeros((40, 50), dtype))
    rules = {"format": "image", "formats": ["TIFF"], "width": {"max": 50}, "height": {"min": 40}}
    assert judge(rules, file.getvalue()) == ""
    assert judge({**rules, "width": {"min": 51}}, file.getvalue()) != ""
    assert judge(rules, file.getvalue()[:-100]) != ""


@pytest.mark.parametrize(
    "text",
    ['a\tb\n"5 inch\t2\n', 'a\tb\n5" x\t2\n"q"\t3\n', 'a\tb\n"x\ty"\t3\n', 'a\t"b\n1\t2\n', "a\tb\n1\t2"],
    ids=["open", "within", "around", "header", "none"],
)
def test_quotes_of_tsv_may_be_a_part_of_fields_or_stand_around_them(judge, text, tmp_path):
    from upload_client.expectations.infer import infer

    assert (opened("tsv", text.encode()), judge({"format": "tsv", "rows": {"min": 1}}, text.encode())) == (
        "",
        "",
    )
    (tmp_path / "a.tsv").write_text(text)
    assert "format: tsv" in infer(tmp_path, [("a.tsv", len(text))])


@pytest.mark.parametrize("text", ['a\tb\n"5 inch\t2\t3\n', 'a\tb\n"x\n'])
def test_tsv_whose_rows_fit_neither_with_quotes_nor_without_is_refused(judge, text):
    assert judge({"format": "tsv"}, text.encode()) != ""


def test_names_that_are_there_twice_are_only_wrong_where_the_document_speaks_of_them(judge):
    assert judge({"format": "csv"}, b"a,a,b\n1,2,3\n") == ""
    rules = {"format": "csv", "others": "allow", "columns": [{"name": "b", "max": 2}]}
    assert judge(rules, b"a,a,b\n1,2,3\n") == "column 'b': 3.0 in row 1 is above 2"
    assert "'a': it is there twice" in judge({**rules, "columns": [{"name": "a"}]}, b"a,a,b\n1,2,3\n")


@pytest.mark.parametrize(
    "text",
    [
        "# made by a program\n# with, four, fields, here\nid,name\n1,a\n2,b\n",
        "\ufeff# made; today; here\nid;name\n1;a\n2;b\n",
        '# one "quote\nid,name\n1,a\n2,b\n',
        "#\r\nid,name\r\n1,a\r\n2,b\r\n",
    ],
)
def test_lines_of_comment_before_a_table_are_passed_over_by_a_document_too(judge, text, tmp_path):
    from upload_client.expectations.infer import infer

    columns = [{"name": "id", "type": "integer", "max": 1}, {"name": "name"}]
    rules = {"format": "csv", "columns": columns, "rows": {"min": 2, "max": 2}}
    assert judge(rules, text.encode()) == "column 'id': 2 in row 2 is above 1"
    (tmp_path / "a.csv").write_text(text, newline="")
    assert "{name: id, type: integer" in infer(tmp_path, [("a.csv", len(text.encode()))])


def test_the_last_line_of_comment_may_be_the_header(judge):
    rules = {"format": "csv", "columns": [{"name": "#id"}, {"name": "name"}]}
    assert judge(rules, b"# made by a program\n#id,name\n1,a\n") == ""
    rules = {"format": "csv", "columns": [{"name": "#id"}, {"name": "name\nof it"}]}
    assert judge(rules, b'# made by a program\n#id,"name\nof it"\n1,a\n') == ""
