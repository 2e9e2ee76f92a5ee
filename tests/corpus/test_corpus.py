"""Files as their libraries make them open; cut, changed or with zeros at their end they do not."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import random
import re
import sqlite3
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from corpus.makers import MAKERS, by_path, cuts, flips, zeroed
from corpus.opened import opened
from upload_client.expectations.findings import LibraryMissing, NotOpened

WITHOUT_END = {
    *("table.csv", "calls.vcf", "reads.fastq"),  # a text ends anywhere; what is left are whole lines
    *("image.fits", "image.fits.fz", "pages.tif", "sparse.tar", "old-sparse.tar"),  # what is cut is padding
    *("plain.pdf", "streams.pdf", "rows.vot", "packed.vot"),  # the end of their last line
    *("one.grib", "two.grib2", "table.arrows"),  # each message has an end, and what follows may be missing
    *("plain.xml", "wide.xml", "drawing.svg", "four.hdf"),  # a line break; bytes that are nobody's
    "tree.asdf",  # what is cut is the index of its blocks, which may be left out
    "moving.gif",  # some leave out the byte that ends it
    *("four.mat", "five.mat", "packed.mat"),  # each element has an end
    *("two.mseed", "three.mseed", "records.tfrecord", "traces.sgy"),  # each record has one
    *("volume.mgh", "points.dbf"),  # what is cut is about the volume; a mark that some leave out
    *("lines.geojsons", "town.osm.pbf"),  # each text, each block has an end
    *("text.stl", "reads.bam.bai", "cells.fcs"),  # a line break; a number and a byte that some leave out
    *("text.ply", "tensors.gguf", "reflections.mtz", "book.xls"),  # digits of a last number; what fills up
    *("small.cif", "structure.pdb"),  # a line break
    "log.tdms_index",  # so has each segment
    "deflated.dcm",  # its last bytes are padding, or say again that it ends
}
WITH_CHECKSUMS = {
    *("table.csv.gz", "table.csv.bz2", "table.csv.xz", "data.zip", "data.tar.gz", "table.parquet"),
    *("image.fits", "image.fits.gz", "tree.asdf", "volume.nii.gz", "reads.bam", "reads.cram"),
    *(
        "picture.png",
        "arrays.npz",
        "array.npy.gz",
        "packed.tif",
        "bands.tif",
        "plain.mcap",
        "sum.cdf",
        "indexed.mzML",
    ),
    *("table.rds", "table.RData", "points.e57", "values.pkl.gz"),
    *("calls.vcf.gz", "calls.bcf", "reads.fastq.gz", "volume.mgz", "three.mseed"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_its_library_has_made_opens(name):
    assert opened(name, MAKERS[name]()) == ""


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in WITHOUT_END])
def test_what_is_cut_does_not_open(name):
    data = MAKERS[name]()
    assert [len(cut) for cut in cuts(data, 5) if not opened(name, cut)] == []


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_wrong_with_the_beginning_of_a_file_is_said_in_words(name):
    data = MAKERS[name]()
    said = [opened(name, data[:n]) for n in (8, 20, 60, 126, 300, 1000) if n < len(data)]
    assert [one for one in said if re.search(r"Error: |Exception: |: -\d", one)] == []


@pytest.mark.parametrize("name", sorted(WITH_CHECKSUMS))
def test_what_has_checksums_does_not_open_with_a_byte_changed_or_zeros_at_its_end(name):
    data = MAKERS[name]()
    damaged = [one for damage in (flips, zeroed) for one in damage(data, 4) if one != data]
    assert [i for i, one in enumerate(damaged) if not opened(name, one)] == []


def test_a_directory_of_dicom_files_opens():
    pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    path = get_testdata_file("DICOMDIR-empty.dcm", download=False)
    if path is None:
        pytest.skip("pydicom brings no such file any more")
    assert opened("a.dcm", Path(path).read_bytes()) == ""


def test_records_whose_number_was_never_written_are_not_missed():
    """NetCDF's word for that is as wide as its numbers are."""
    pytest.importorskip("netCDF4")
    for name, width in (("records.nc", 4), ("five-records.nc", 8)):
        data = bytearray(MAKERS["records.nc"]() if width == 4 else _of_version_5())
        data[4 : 4 + width] = b"\xff" * width
        assert opened(name, bytes(data)) == ""


def _of_version_5() -> bytes:
    from corpus.makers import by_path

    netcdf = pytest.importorskip("netCDF4")

    def write(path: str) -> None:
        with netcdf.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
            file.createDimension("time", None)
            file.createVariable("a", "i2", ("time",))[:] = range(50)

    return by_path("a.nc", write)


def _ycbcr(width: int, height: int, n_bytes: int, *, subsampling: tuple[int, int] | None) -> bytes:
    """A TIFF of one strip that is not packed, its colours less often than its brightness (TIFF 6.0, 21)."""
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8 + 2 + 12 * 10 + 4), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 6), (273, 4, 1, 150), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, n_bytes)]
    if subsampling is None:
        tags.append((296, 3, 1, 2))
        packed = [struct.pack("<HHII", *tag) for tag in tags]
    else:
        packed = [struct.pack("<HHII", *tag) for tag in tags] + [
            struct.pack("<HHIHH", 530, 3, 2, *subsampling)
        ]
    head = struct.pack("<2sHIH", b"II", 42, 8, 10) + b"".join(packed) + bytes(4) + struct.pack("<3H", 8, 8, 8)
    return head.ljust(150, b"\0") + bytes(n_bytes)


@pytest.mark.parametrize(
    ("subsampling", "n_bytes"),
    [((2, 2), 6 * 32 * 24), (None, 6 * 32 * 24), ((2, 1), 4 * 32 * 48), ((1, 1), 3 * 64 * 48)],
)
def test_colours_that_are_told_less_often_need_fewer_bytes(subsampling, n_bytes):
    from upload_client.expectations.formats.geo import _Tiff
    from upload_client.expectations.packed import Budget

    def check(n: int) -> None:
        data = _ycbcr(64, 48, n, subsampling=subsampling)
        _Tiff(io.BytesIO(data), len(data), Budget(10**9)).check()

    check(n_bytes)
    with pytest.raises(ValueError, match=f"where {n_bytes:,} are due"):
        check(n_bytes - 1)


def _sparse(extra: tuple, **how) -> bytes:
    """A TIFF of four tiles, of which one is left out."""
    tifffile, np = pytest.importorskip("tifffile"), pytest.importorskip("numpy")
    file = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 9, (32, 32)).astype("u1")
    tifffile.imwrite(file, pixels, tile=(16, 16), extratags=extra, **how)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        places = tiff.pages[0].tags["TileOffsets"], tiff.pages[0].tags["TileByteCounts"]
    for tag in places:
        width = tag.valuebytecount // 4
        data[tag.valueoffset : tag.valueoffset + width] = bytes(width)
    return bytes(data)


def test_tiles_that_gdal_leaves_out_are_no_damage():
    of_gdal = [(42113, "s", 0, "0", True)]
    assert opened("a.tif", _sparse(of_gdal, compression="zlib")) == ""
    assert "left out, as GDAL has it" in opened("a.tif", _sparse(of_gdal))
    assert "is damaged" in opened("a.tif", _sparse([], compression="zlib"))


def _judged(data: bytes, **rules) -> str:
    """The findings of a document that asks for an image."""
    image = pytest.importorskip("upload_client.expectations.formats.image")
    from upload_client.expectations.findings import Findings
    from upload_client.expectations.model import Image

    findings = Findings()
    image.judge_image(Image(format="image", **rules), io.BytesIO(data), len(data), findings)
    return str(findings)


def test_tiles_that_gdal_leaves_out_are_no_damage_where_a_document_asks_for_an_image_either():
    from upload_client.expectations.formats.image import learn_image

    whole = _sparse([(42113, "s", 0, "0", True)], compression="zlib")
    assert _judged(whole, modes=("L",), width={"max": 32}) == ""
    assert "mode L where RGB" in _judged(whole, modes=("RGB",))
    assert learn_image(io.BytesIO(whole)) == ("TIFF", "L", (32, 32))
    with pytest.raises(ValueError, match="is damaged"):
        _judged(_sparse([], compression="zlib"))
    at = whole.rindex(b"\x78\x9c") + 9  # within the last tile that is there
    with pytest.raises(ValueError, match="is damaged"):
        _judged(whole[:at] + b"\xff" * 20 + whole[at + 20 :])


def test_a_page_that_is_a_mask_as_gdal_writes_it_is_no_damage():
    from upload_client.expectations.formats.image import learn_image

    tifffile, np = pytest.importorskip("tifffile"), pytest.importorskip("numpy")
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.arange(600, dtype="u2").reshape(20, 30), photometric="minisblack")
        mask = np.arange(600).reshape(20, 30) % 2 == 0
        writer.write(mask, photometric="mask", subfiletype=4, compression="zlib")
    data = file.getvalue()
    assert (opened("a.tif", data), _judged(data, modes=("I;16",))) == ("", "")
    assert learn_image(io.BytesIO(data)) == ("TIFF", "I;16", (30, 20))
    at = data.rindex(b"\x78\x9c") + 5  # in the mask
    assert "damaged" in opened("a.tif", data[:at] + b"\xff" * 9 + data[at + 9 :])


def test_a_tiff_for_which_pillow_lacks_the_codec_is_no_damage(monkeypatch):
    from upload_client.expectations.formats import image

    monkeypatch.setattr(image, "_unpacks", lambda compression: compression != 8)
    monkeypatch.setattr(image, "_load_frames", None)  # which would call it damaged
    assert opened("packed.tif", MAKERS["packed.tif"]()) == ""
    assert "mode" in _judged(MAKERS["packed.tif"](), modes=("CMYK",))  # which Pillow knows all the same


def _of_jpegs(n: int) -> bytes:
    """A TIFF of strips, each of which is a JPEG (TIFF Technical Note 2)."""
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pillow.frombytes("L", (64, 64 * n), bytes(i * 7919 % 251 for i in range(4096 * n))).save(
        file, "TIFF", compression="jpeg", strip_size=4096
    )
    return file.getvalue()


def test_a_jpeg_in_a_tiff_has_an_end():
    data = _of_jpegs(3)
    assert opened("a.tif", data) == ""
    assert "has no end" in opened("a.tif", data.replace(b"\xff\xd9", b"\0\0"))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_each_of_the_bands_that_lie_apart_is_unpacked(order, tile):
    tifffile, np = pytest.importorskip("tifffile"), pytest.importorskip("numpy")
    for dtype, n in (("u1", 2), ("u1", 5), ("i2", 3), ("u2", 4), ("f4", 2), ("f8", 3)):
        file = io.BytesIO()
        values = np.arange(n * 1600).reshape(n, 40, 40).astype(dtype)
        tifffile.imwrite(
            *(file, values),
            planarconfig="separate",
            photometric="minisblack",
            compression="lzma",
            tile=tile,
            byteorder=order,
            bigtiff=tile is not None,
        )
        data = file.getvalue()
        assert (opened("a.tif", data), _judged(data)) == ("", "")
        for band in range(n):
            places = [at for at in range(len(data)) if data.startswith(b"\xfd7zXZ", at)]
            at = places[len(places) // n * band] + 30
            damaged = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
            assert "damaged" in opened("a.tif", damaged)
            with pytest.raises(ValueError, match="damaged"):
                _judged(damaged)


def test_a_jpeg_that_tells_of_pictures_behind_it_is_one_where_a_document_asks_for_it():
    pillow = pytest.importorskip("PIL.Image")
    from upload_client.expectations.formats.image import learn_image

    one, file = pillow.new("RGB", (30, 20)), io.BytesIO()
    one.save(file, "MPO", save_all=True, append_images=[one])
    data = file.getvalue()
    assert learn_image(io.BytesIO(data)) == ("JPEG", "RGB", (30, 20))
    first = data.index(b"\xff\xd9") + 2
    for whole in (data, data[:first]):  # as an editor leaves it
        assert _judged(whole, formats=("JPEG",)) == ""
        assert opened("a.jpg", whole) == ""


def test_a_jpeg_that_pillow_does_not_know_is_not_judged_and_a_cut_one_is_damaged():
    from upload_client.expectations.findings import Undecided

    data = MAKERS["picture.jpg"]()
    at = data.index(b"\xff\xc0")
    lossless = data[:at] + b"\xff\xc3" + data[at + 2 :]
    of_12_bits = data[: at + 4] + b"\x0c" + data[at + 5 :]
    for unknown in (lossless, of_12_bits):
        with pytest.raises(Undecided, match="cannot read this kind of JPEG"):
            _judged(unknown, formats=("JPEG",))
        with pytest.raises(ValueError, match="cut"):
            _judged(unknown[:-9], formats=("JPEG",))
    with pytest.raises(ValueError, match="cut"):
        _judged(data[:-200], formats=("JPEG",))
    assert "no image" in _judged(b"<html>", formats=("JPEG",))


def test_a_zip_whose_end_says_that_it_is_empty_and_is_not_is_damaged():
    data = MAKERS["data.zip"]()
    assert "names none of the files" in opened("a.zip", data[:-16] + bytes(16))
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    assert opened("a.zip", file.getvalue()) == ""


def test_an_image_too_large_to_unpack_is_not_opened_and_no_fault_of_the_file():
    tifffile, np = pytest.importorskip("tifffile"), pytest.importorskip("numpy")
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((20_000, 12_000), "u1"), compression="zlib", tile=(512, 512))
    assert opened("a.tif", file.getvalue()).startswith("not opened: a page has more than 200,000,000 pixels")


def test_a_nifti_whose_values_would_begin_in_its_header_is_told_so():
    pytest.importorskip("nibabel")
    data = bytearray(MAKERS["volume.nii"]())
    data[108:112] = bytes(4)
    assert "the values begin at byte 0, within it" in opened("a.nii", bytes(data))


@pytest.mark.parametrize(
    "name", ["plain.pdf", "streams.pdf", "linear.pdf", "rows.vot", "packed.vot", "one.grib", "two.grib2"]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_what_is_cut_in_its_middle_does_not_open(name, share):
    data = MAKERS[name]()
    assert opened(name, data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("rows.vot", b"<TABLE>", b'<TABLE nrows="51">', "a table has 50 rows where it says 51"),
        ("rows.vot", b"<TD>n7</TD>", b"", "row 8 has 1 cells where there are 2 fields"),
        ("rows.vot", b"</RESOURCE>", b"", "not whole XML"),
        ("rows.vot", b"VOTABLE", b"OTHER", "its root is 'OTHER', not VOTABLE"),
        (
            "rows.vot",
            b"<VOTABLE",
            b'<!DOCTYPE a [<!ENTITY b "c">]><VOTABLE',
            "not opened: it declares entities",
        ),
        (
            "indexed.mzML",
            b'spectrumList count="3"',
            b'spectrumList count="4"',
            "has 3 entries where it says 4",
        ),
        ("indexed.mzML", b'encodedLength="', b'encodedLength="1', "characters where it says"),
        (
            "indexed.mzML",
            b'defaultArrayLength="9"',
            b'defaultArrayLength="8"',
            "an array has 72 bytes of values where it says 64",
        ),
        ("indexed.mzML", b"MS:1000523", b"MS:1000521", "an array has 72 bytes of values where it says 36"),
        ("indexed.mzML", b"MS:1000574", b"MS:1000576", "an array has 33 bytes of values where it says 72"),
        ("indexed.mzML", b"<binary>eJxj", b"<binary>eJxk", "an array is damaged: "),
        ("cells.fcs", b"/$TOT/100/", b"/$TOT/101/", "its events take 1,212 bytes, and its data have 1,200"),
        ("cells.fcs", b"/$P3B/32/", b"/$P3B/64/", "its events take 1,600 bytes, and its data have 1,200"),
        ("plain.mcap", b"jsonschema", b"jsonschemb", "another checksum"),
        ("tree.root", b"root", b"toor", "not opened: it does not begin as ROOT does: something else"),
        ("tree.root", b"root", bytes(64) + b"root", "does not open as root: it does not begin as ROOT does"),
        ("plain.cdf", b"\xcd\xf3\0\1", b"[CDF]", "not opened: it does not begin as CDF does: something else"),
        ("linear.pdf", b"%PDF-", b"%ODF-", "does not begin as PDF does"),
        ("one.grib", b"7777", b"8888", "its end is not where its length says"),
    ],
)
def test_what_is_wrong_is_said(name, old, new, says):
    data = MAKERS[name]()
    assert old in data
    assert says in opened(name, data.replace(old, new) if name == "rows.vot" else data.replace(old, new, 1))


@pytest.mark.parametrize(
    "behind",
    [bytes(5000), b"<!-- served by somebody -->\n" * 100, bytes(range(256)) * 20],
    ids=["zeros", "text", "bytes"],
)
def test_what_somebody_has_put_behind_a_pdf_is_passed_over_as_readers_do(behind):
    whole = MAKERS["plain.pdf"]()
    assert opened("a.pdf", whole + behind) == ""
    added = b"1 0 obj\n<< /Type /Catalog >>\nendobj\n"
    assert "the line that ends it is missing" in opened("a.pdf", whole + added + behind)


def test_an_array_of_mzml_that_lost_its_end_is_told_also_where_the_file_has_no_checksum():
    data = MAKERS["indexed.mzML"]()
    data = data[: data.index(b"<fileChecksum>")] + b"</indexedmzML>"
    assert opened("a.mzML", data) == ""
    found = re.search(rb'encodedLength="44">((?:(?!<binary>)[\s\S])*)<binary>([^<]*)<', data)
    packed = base64.b64decode(found[2])
    for damaged, says in ((packed[:-5], "it has no end"), (packed[:-1] + b"?", "an array is damaged: ")):
        text = base64.b64encode(damaged)
        new = b'encodedLength="%d">' % len(text) + found[1] + b"<binary>" + text + b"<"
        assert says in opened("a.mzML", data.replace(found[0], new, 1))


_ARRAY = """<mzML><run><spectrumList count="1"><spectrum defaultArrayLength="{default}"><binaryDataArrayList>
<binaryDataArray encodedLength="{n}"{own}>{kinds}<binary>{text}</binary></binaryDataArray>
</binaryDataArrayList></spectrum></spectrumList></run></mzML>"""


@pytest.mark.parametrize("n", [0, 1, 3, 100_000])
@pytest.mark.parametrize(("kind", "size"), [(519, 4), (521, 4), (522, 8), (523, 8)])
@pytest.mark.parametrize("packing", [574, 576])
def test_an_array_of_mzml_has_as_many_values_as_it_says(n, kind, size, packing):
    data = bytes(n * size)
    text = base64.b64encode(zlib.compress(data) if packing == 574 else data).decode()
    type_, packed, numpress = (
        f'<cvParam accession="MS:100{one}"/>' for one in (f"0{kind}", f"0{packing}", 2312)
    )

    def said(default, own="", kinds=type_ + packed):
        return opened(
            "a.mzML", _ARRAY.format(default=default, own=own, n=len(text), kinds=kinds, text=text).encode()
        )

    assert said(n) == said(n + 1, f' arrayLength="{n}"') == ""
    assert "bytes of values where it says" in said(n + 1)
    assert said(n + 1, kinds=packed) == said(n + 1, kinds=type_ + numpress) == said("many") == ""
    group = '<referenceableParamGroupRef ref="g"/>'
    assert said(n + 1, kinds=type_ + packed + numpress) == said(n + 1, kinds=type_ + packed + group) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"/$TOT/100/", b"/$TOT/099/"),  # fewer events than there is room for: none is missing
        (b"/$MODE/L/", b"/$MODE/C/"),
        (b"/$DATATYPE/F/", b"/$DATATYPE/A/"),
        (b"/$P3B/32/", b"/$P3B/**/"),
        (b"/$TOT/", b"/$TAT/"),
    ],
    ids=repr,
)
def test_events_whose_bytes_nobody_can_tell_are_no_fault_of_fcs(old, new):
    data = MAKERS["cells.fcs"]()
    assert old in data
    data = data.replace(old, new)
    assert opened("a.fcs", data.replace(b"/$TOT/100/", b"/$TOT/999/")) == ""


@pytest.mark.parametrize("tag", [b"<fileChecksum >", b'<fileChecksum a="b">', b"<i:fileChecksum>"])
def test_the_checksum_of_mzml_covers_its_own_tag_however_that_is_written(tag):
    import hashlib

    data = MAKERS["indexed.mzML"]()
    before, _, rest = data.partition(b"<fileChecksum>")
    assert rest
    if tag.startswith(b"<i:"):
        before = before.replace(b"<indexedmzML", b'<indexedmzML xmlns:i="http://psi.hupo.org/ms/mzml"', 1)
        rest = rest.replace(b"</fileChecksum>", b"</i:fileChecksum>")
    digest = hashlib.sha1(before + tag).hexdigest().encode()
    assert opened("a.mzML", before + tag + digest + rest[40:]) == ""
    assert "another SHA-1" in opened(
        "a.mzML", before.replace(b"cvRef", b"cvref", 1) + tag + digest + rest[40:]
    )


def test_an_mcap_chunk_may_be_several_frames_of_zstandard():
    zstd = pytest.importorskip("backports.zstd")
    import zlib

    from upload_client.expectations.formats.messages import open_mcap
    from upload_client.expectations.packed import Budget

    def record(kind: int, body: bytes) -> bytes:
        return bytes([kind]) + struct.pack("<Q", len(body)) + body

    messages = record(1, b"x" * 1000) + record(1, b"y" * 2000)
    packed = zstd.compress(messages[:1500]) + zstd.compress(messages[1500:])

    def made(packed: bytes) -> bytes:
        head = struct.pack("<QQQII", 0, 1, len(messages), zlib.crc32(messages), 4) + b"zstd"
        chunk = record(6, head + struct.pack("<Q", len(packed)) + packed)
        magic = b"\x89MCAP0\r\n"
        return magic + record(1, bytes(8)) + chunk + record(15, bytes(4)) + record(2, bytes(20)) + magic

    open_mcap(io.BytesIO(made(packed)), len(made(packed)), Budget(10**6))
    for damaged in (zstd.compress(messages[:1500]), packed[:-3], packed + packed):
        data = made(damaged)
        with pytest.raises(ValueError, match="is damaged"):
            open_mcap(io.BytesIO(data), len(data), Budget(10**6))


@pytest.mark.filterwarnings("ignore:.*writing zero-size array")
def test_an_image_without_rows_lacks_no_pixels():
    tifffile, np = pytest.importorskip("tifffile"), pytest.importorskip("numpy")
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((0, 5), "u1"))
    assert opened("a.tif", file.getvalue()) == ""


def test_a_table_may_have_the_fields_of_another():
    data = MAKERS["rows.vot"]()
    start, end = data.index(b"<TABLE>"), data.index(b"</RESOURCE>")
    table = data[start:end]
    fields = table[table.index(b"<FIELD") : table.index(b"<DATA>")]
    again = table.replace(fields, b"").replace(b"<TABLE>", b'<TABLE ref="first">')
    assert opened("a.vot", data[:end] + again + data[end:]) == ""


@pytest.mark.parametrize(
    ("name", "at", "says"),
    [
        ("plain.cdf", 8 + 12, "a record should begin at byte 18,446,744,073,709,551,615"),
        ("plain.mcap", -8 - 20, "its summary should begin at byte 18,446,744,073,709,551,615"),
    ],
)
def test_a_place_beyond_all_files_is_told_in_words(name, at, says):
    data = bytearray(MAKERS[name]())
    at %= len(data)
    data[at : at + 8] = b"\xff" * 8
    assert says in opened(name, bytes(data))


@pytest.mark.parametrize("encoding", ["gb2312", "shift_jis", "x-of-nobody"])
def test_an_encoding_that_cannot_be_read_is_no_fault_of_the_file(encoding):
    data = f'<?xml version="1.0" encoding="{encoding}"?><VOTABLE/>'.encode("ascii")
    assert opened("a.vot", data) == "not opened: it has an encoding that is not known here"


def test_chunks_for_which_the_library_is_missing_are_no_fault_of_the_file(monkeypatch):
    # Else a receiver that refuses what was not opened would call the file invalid.
    from upload_client.expectations.formats import messages
    from upload_client.expectations.packed import Budget

    monkeypatch.setattr(messages, "MODULES", {"zstd": "a_library.that_is_not_there"})
    data = MAKERS["zstd.mcap"]()
    with pytest.raises(LibraryMissing, match="is not installed"):
        messages.open_mcap(io.BytesIO(data), len(data), Budget(10**9))
    others = data.replace(b"zstd", b"zst4", 1)  # one of its chunks is packed as nobody does here
    with pytest.raises(NotOpened, match="packed with zst4") as caught:
        messages.open_mcap(io.BytesIO(others), len(others), Budget(10**9))
    assert not isinstance(caught.value, LibraryMissing)


def test_hdf5_whose_values_lie_in_another_file_is_not_called_opened(tmp_path, monkeypatch):
    # Where that file is not beside it, h5py reads zeros, and so do references to its chunks.
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    for kind in ("virtual", "external", "virtual within the file"):
        with h5py.File("a.h5", "w") as file:
            file["values"] = [1, 2, 3]
            if kind == "external":
                file.create_dataset("a", (3,), "i8", external=[("not-there.bin", 0, 24)])
            else:
                layout = h5py.VirtualLayout((3,), "i8")
                where = "not-there.h5" if kind == "virtual" else "a.h5"
                layout[:] = h5py.VirtualSource(where, "values", (3,), "i8")
                file.create_virtual_dataset("a", layout)
        expected = "" if "within" in kind else "not opened: some of its values lie in other files"
        assert opened("a.h5", Path("a.h5").read_bytes()) == expected, kind


def test_padding_between_messages_and_behind_them_is_passed_over():
    for name in ("one.grib", "two.grib2"):
        data = MAKERS[name]()
        assert opened(name, bytes(300_000) + data + b"\r\r\n\003" + data + bytes(512)) == ""


def test_netcdf_has_the_name_of_cdf_as_well():
    pytest.importorskip("netCDF4")
    data = MAKERS["classic.nc"]()
    assert opened("a.cdf", data) == ""
    assert opened("a.cdf", data[:-9])


@pytest.mark.parametrize("name", ["picture.jpg", "picture.png", "moving.gif", "picture.webp", "picture.bmp"])
def test_a_picture_is_opened_whatever_stands_behind_it_and_not_as_another_kind(name):
    data = MAKERS[name]()
    assert opened(name, data + b"more") == ""
    assert opened(name, b"<!DOCTYPE html>" + data) != ""
    others = [other for other in MAKERS if other.startswith(("picture", "moving")) and other != name]
    assert [other for other in others if not opened(other, data)] == []


def test_a_gif_may_lack_the_block_that_ends_it_and_no_image():
    data = MAKERS["moving.gif"]()
    assert data.endswith(b"\0;")
    assert opened("a.gif", data[:-1]) == ""
    assert "cut" in opened("a.gif", data[:-2])
    colours = 3 << ((data[10] & 7) + 1)
    assert "damaged" in opened("a.gif", data[: 13 + colours])


def test_restarts_progression_and_a_thumbnail_with_an_end_of_its_own_are_no_end_of_a_jpeg():
    pillow = pytest.importorskip("PIL.Image")
    image = pillow.frombytes("RGB", (90, 60), bytes(i * 7919 % 251 for i in range(16200)))
    plain = io.BytesIO()
    image.save(plain, "JPEG")
    for how in ({"progressive": True}, {"restart_marker_rows": 1}, {"comment": plain.getvalue()}):
        file = io.BytesIO()
        image.save(file, "JPEG", **how)
        data = file.getvalue()
        assert (how, opened("a.jpg", data)) == (how, "")
        assert [n for n in (1, 2, 9, len(data) // 2) if not opened("a.jpg", data[:-n])] == []


def test_numbers_that_have_no_end_are_not_held():
    data = b"P2\n30000 30000 9\n" + b"1" * (16 << 20)
    tracemalloc.start()
    assert "it has 0 numbers of 900,000,000" in opened("picture.pgm", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_pictures_of_all_modes_open(mode):
    pillow = pytest.importorskip("PIL.Image")
    for form in ("PNG", "GIF", "BMP", "WEBP"):
        file = io.BytesIO()
        pillow.new(mode, (33, 21)).save(file, form)
        assert (form, opened(f"a.{form.lower()}", file.getvalue())) == (form, "")
        assert opened(f"a.{form.lower()}", file.getvalue()[: len(file.getvalue()) * 2 // 3]) != ""


@pytest.mark.parametrize("header", [12, 16, 40, 56, 64, 108, 124])
def test_bmp_opens_with_each_header_there_is(header):
    sizes = struct.pack("<HHHH" if header == 12 else "<iiHH", 4, 4, 1, 24)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + header)
    data += (struct.pack("<I", header) + sizes).ljust(header, b"\0") + bytes(4 * 12)
    assert opened("a.bmp", data) == ""
    assert "pixels are missing" in opened("a.bmp", data[:-1])


def test_bmp_of_os2_whose_pixels_are_packed_has_fewer_bytes_than_they_would_take():
    fields = struct.pack("<IiiHHI", 64, 600, 600, 1, 1, 3).ljust(64, b"\0")
    assert opened("a.bmp", b"BM" + struct.pack("<IHHI", 0, 0, 0, 78) + fields + b"\0\1") == ""


@pytest.mark.parametrize("shape", [(-128,), (-2, -64), (2**62,), (2**62, 2**62)])
def test_an_array_whose_header_counts_what_cannot_be_does_not_open(shape):
    """Counted back by 128 bytes, they would begin where the array does: it would be read without end."""
    header = str({"descr": "|u1", "fortran_order": False, "shape": shape}).encode()
    data = b"\x93NUMPY\1\0" + struct.pack("<H", 118) + header.ljust(117) + b"\n"
    said = opened("a.npy", data)
    assert "bytes of its values are missing" in said or "a negative number of values" in said
    assert opened("a.npy.gz", gzip.compress(data)) != ""


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")  # as numpy tells of names that are not ASCII
def test_arrays_of_numpy_of_any_type_open_and_what_follows_them_has_to_be_one():
    np = pytest.importorskip("numpy")
    for dtype in ("?", ">f8", "M8[D]", "g", "V3", "S0", "U5", [("日", "i4"), ("x", "f8", (2,))]):
        for shape in ((), (0, 3), (4, 5)):
            file = io.BytesIO()
            np.save(file, np.zeros(shape, dtype))
            assert opened("a.npy", file.getvalue()) == ""
    several = MAKERS["several.npy"]()
    assert "no array" in opened("a.npy", several + b"x")
    assert "its Python objects have no end" in opened("a.npy", MAKERS["objects.npy"]()[:-1])
    assert "bytes of its values are missing" in opened("a.npy", several[:-1])


def test_a_large_array_in_an_archive_is_read_to_its_end_without_being_held(monkeypatch):
    from upload_client.validator import opening

    monkeypatch.setattr(opening, "KEPT", 1000)
    assert opened("arrays.npz", MAKERS["arrays.npz"]()) == ""
    whole = MAKERS["array.npy"]()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", whole[:-8])
    assert "the last 8 bytes of its values are missing" in opened("a.npz", file.getvalue())


def test_a_database_whose_rows_break_its_own_rules_is_whole_and_one_with_a_torn_tree_is_not():
    data = MAKERS["tables.sqlite"]()

    def changed(path: str) -> None:
        Path(path).write_bytes(data)
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.create_function("ours", 1, lambda value: value, deterministic=True)
            database.execute("PRAGMA ignore_check_constraints = ON")
            database.execute("UPDATE t SET text = 'x' WHERE n = 7")
            database.execute("CREATE INDEX j ON t (ours(text))")  # of a function that nobody has elsewhere
            database.commit()

    assert opened("a.sqlite", by_path("a.sqlite", changed)) == ""
    page = int.from_bytes(data[16:18])
    for at in range(page, len(data), page):
        assert "it is damaged" in opened("a.db", data[:at] + bytes(page) + data[at + page :])


def test_what_is_called_db_or_mat_and_is_something_else_is_not_opened():
    for name in ("a.db", "a.mat"):
        assert opened(name, b"something else" * 20).startswith("not opened: it does not begin")
        assert opened(name, bytes(5000)).startswith("it does not open")
    assert opened("a.db", b"").startswith("not opened: it is empty")


def test_documents_of_xml_one_behind_the_other_are_told_and_not_refused():
    two = b'<?xml version="1.0"?><a/>\n'
    assert opened("a.xml", two * 2) == "not opened: something stands behind the first document in it"
    assert opened("a.kml", b"<a x:b='1'><y:c/></a>") == ""  # prefixes that nobody has declared
    assert "not whole XML" in opened("a.kml", b"<a><b></a></b>")
    assert opened("a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a/>').startswith(
        "not opened: it declares entities"
    )


def test_a_stream_of_arrow_may_lack_the_mark_that_ends_it():
    data = MAKERS["table.arrows"]()
    assert opened("a.arrows", data[:-8]) == ""
    assert "cut or damaged" in opened("a.arrows", data[:-9])


@pytest.mark.parametrize("name", ["plain.avro", "deflate.avro", "snappy.avro"])
def test_each_block_of_avro_has_the_mark_of_its_file(name):
    data = MAKERS[name]()
    for at in (data.rindex(data[-16:]), data.index(data[-16:], 600) + 3):
        assert "its mark is not behind it" in opened(name, data[:at] + b"\xff" + data[at + 1 :])
    assert "no schema" in opened(name, data.replace(b"avro.schema", b"avro.schemo"))
    if name == "deflate.avro":
        others = data.replace(b"\x0edeflate", b"\x0edeflat9")
        assert opened(name, others).startswith("not opened: its blocks are packed with deflat9")


def test_a_block_of_avro_whose_rows_have_no_bytes_is_whole_when_it_is_packed():
    mark, schema = b"m" * 16, b'{"type": "record", "name": "r", "fields": [{"name": "a", "type": "null"}]}'
    head = b"Obj\x01\x04\x14avro.codec\x0edeflate\x16avro.schema\x94\x01" + schema + b"\0" + mark
    block = b"\x06\x04\x03\0" + mark  # three rows, two bytes: Deflate's for nothing
    assert opened("a.avro", head + block) == ""
    assert "it has no end" in opened("a.avro", head + b"\x06\x02\x03" + mark)


def test_an_element_of_matlab_that_is_packed_is_as_long_as_it_says():
    import zlib

    data = MAKERS["packed.mat"]()
    n = int.from_bytes(data[132:136], "little")
    inner = zlib.decompress(data[136 : 136 + n])
    less = zlib.compress(inner[:-8])
    made = data[:132] + len(less).to_bytes(4, "little") + less + data[136 + n :]
    assert "it is shorter than it says" in opened("a.mat", made)
    assert opened("a.mat", data[:128]) == ""  # nothing was saved


def test_hdf_of_either_version_is_opened_by_the_name_that_both_have():
    h5 = MAKERS["packed.h5"]()
    assert (opened("a.hdf", h5), opened("a.hdf", MAKERS["four.hdf"]())) == ("", "")
    assert opened("a.hdf", h5[:-9]) != ""
    assert "does not begin as HDF5 does" in opened("a.hdf", b"other" * 200)


@pytest.mark.parametrize("name", ["two.mseed", "three.mseed"])
def test_records_of_miniseed_are_whole_and_those_of_version_3_have_a_checksum(name):
    data = MAKERS[name]()
    at = data.index(data[:3] if name == "three.mseed" else data[6:20], 100) - (name == "two.mseed") * 6
    assert opened(name, data[:at]) == ""  # a file of fewer records is one
    assert "bytes of record 1 are missing" in opened(name, data[: at - 1])
    assert "record 2" in opened(name, data[: at + 50])
    assert "record 2" in opened(name, data[:at] + bytes(len(data) - at))
    if name == "three.mseed":
        assert "its CRC-32C is another" in opened(name, data[:-1] + bytes([data[-1] ^ 1]))


def test_a_flac_whose_samples_were_not_counted_is_whole_and_one_with_fewer_is_not():
    data = MAKERS["tone.flac"]()
    about = data.index(b"fLaC") + 8
    assert int.from_bytes(data[about + 13 : about + 18]) & (2**36 - 1) == 3000
    uncounted = data[: about + 13] + bytes([data[about + 13] & 0xF0]) + bytes(4) + data[about + 18 :]
    assert opened("a.flac", uncounted) == ""
    more = data[: about + 17] + bytes([data[about + 17] + 1]) + data[about + 18 :]
    assert "it has 3,000 samples where it says 3,001" in opened("a.flac", more)
    assert opened("a.flac", b"ID3\4\0\0\0\0\0\7" + bytes(7) + data + b"TAG" + bytes(125)) == ""
    assert "no frame ends" in opened("a.flac", data[:-1] + b"\0")


def test_a_wav_that_was_written_to_where_one_cannot_go_back_is_whole():
    data = MAKERS["tone.wav"]()
    at = data.index(b"data") + 4
    for unknown in (b"\xff" * 4, bytes(4)):
        assert opened("a.wav", data[:at] + unknown + data[at + 4 :]) == ""
    assert opened("a.wav", data + b"LIST\4\0\0\0abcd") == ""


def test_an_edf_that_was_never_closed_does_not_say_how_many_records_it_has():
    data = MAKERS["plain.edf"]()
    assert opened("a.edf", data[:236] + b"-1      " + data[244:-9]) == ""
    assert "bytes of its records are missing" in opened("a.edf", data[:-9])
    assert opened("a.edf", b"{\nHeaderID = 1 ;\n").startswith("not opened: it does not begin")


def test_traces_of_seg_y_may_have_different_lengths():
    data = bytearray(MAKERS["traces.sgy"]())
    data[3600 + 114 : 3600 + 116] = (10).to_bytes(2)
    shorter = bytes(data[: 3600 + 240 + 40]) + bytes(data[3600 + 240 + 80 :])
    assert opened("a.sgy", shorter) == ""
    assert "of trace 4 are missing" in opened("a.sgy", shorter[:-1])


@pytest.mark.parametrize("name", ["plain.nrrd", "packed.nrrd", "plain.mha", "packed.mha"])
def test_volumes_whose_values_lie_elsewhere_are_not_opened(name):
    data = MAKERS[name]()
    lines = {"nrrd": (b"\n\n", b"\ndata file: a.raw\n\n"), "mha": (b"= LOCAL", b"= a.raw")}
    elsewhere = data.replace(*lines[name.rpartition(".")[2]], 1)
    assert opened(name, elsewhere) == "not opened: its values lie in another file"


def test_two_streams_of_arrow_in_one_file_are_told_and_zeros_are_damage():
    data = MAKERS["table.arrows"]()
    assert opened("a.arrows", data * 2).startswith("not opened: ")
    assert "has zeros where it should go on" in opened("a.arrows", data[:-8] + bytes(300))


def test_safetensors_has_the_length_that_it_says():
    data = MAKERS["plain.safetensors"]()
    for other in (data + b"x", data[:-1], data[:20]):
        assert opened("a.safetensors", other) != ""


def _packed_by(laz: bytes, compressor: int) -> bytes:
    at = laz.index(b"laszip encoded") - 2 + 54
    return laz[:at] + compressor.to_bytes(2, "little") + laz[at + 2 :]


def test_points_as_laszip_packed_them_at_first_have_no_table_of_chunks():
    data = MAKERS["points.laz"]()
    assert opened("a.laz", _packed_by(data, 1)).startswith("not opened: its points are packed as LASzip")


def test_the_table_of_chunks_tells_of_all_points_that_are_there():
    pytest.importorskip("lazrs")
    data = MAKERS["points.laz"]()
    start = int.from_bytes(data[96:100], "little")
    table = int.from_bytes(data[start : start + 8], "little")
    more = (
        data[:start] + (table + 9).to_bytes(8, "little") + data[start + 8 : table] + bytes(9) + data[table:]
    )
    assert "where their table says" in opened("a.laz", more)
    assert [n for n in range(1, len(data) - table) if not opened("a.laz", data[:-n])] == []
    assert opened("a.laz", data[:table] + bytes(len(data) - table)) != ""


@pytest.mark.parametrize("name", ["three.mseed", "records.tfrecord", "tables.sqlite"])
def test_where_python_itself_lacks_what_is_needed_a_file_is_not_opened(name, monkeypatch):
    """As in AWS Lambda, where there is no more than Python, boto3 and what is in the zip."""
    from upload_client.core import digests

    data = MAKERS[name]()
    for module in ("crcmod", "awscrt", "sqlite3"):
        monkeypatch.setitem(sys.modules, module, None)
    digests._crc.cache_clear()  # which remembers what was there before
    assert opened(name, data).startswith("not opened: ")


def test_flac_needs_no_library(monkeypatch):
    for module in ("crcmod", "awscrt"):
        monkeypatch.setitem(sys.modules, module, None)
    data = MAKERS["tone.flac"]()
    assert opened("a.flac", data) == ""
    assert opened("a.flac", data[:-1]) != ""


def _of_sas(pages: int, *, wide: bool, order: str) -> bytes:
    """The header of a file of SAS, and its pages: nobody but SAS writes one whole."""
    head = bytearray(1024)
    head[:32] = bytes.fromhex("000000000000000000000000c2ea8160b31411cfbd92080009c7318c181f1011")
    head[32], head[35], head[37] = 0x33 if wide else 0x22, 0x33, 1 if order == "little" else 0
    for at, width, number in ((200, 4, 1024), (204, 4, 4096), (208, 8 if wide else 4, pages)):
        head[at : at + width] = number.to_bytes(width, order)
    return bytes(head) + bytes(4096 * pages)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("order", ["little", "big"])
def test_each_page_of_sas_is_counted(wide, order):
    data = _of_sas(3, wide=wide, order=order)
    assert opened("a.sas7bdat", data) == ""
    assert "bytes of its 3 pages are missing" in opened("a.sas7bdat", data[:-1])


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("table.sav", b"\x3c\0\0\0", b"\x3d\0\0\0", "of its 61 cases are missing"),
        ("packed.sav", b"\x3c\0\0\0", b"\x3d\0\0\0", "values of"),
        ("table.zsav", b"\x78\x9c", b"\x78\x9d", "is damaged"),
        ("mesh.stl", b"\x08\0\0\0", b"\x09\0\0\0", "50 bytes of its 9 triangles are missing"),
        ("text.ply", b"vertex 4", b"vertex 5", "it has 7 lines of 8"),
        ("mesh.ply", b"face 3", b"face 4", "elements"),
        ("planes.czi", b"ZISRAWSUBBLOCK", b"ZISRAVSUBBLOCK", "no segment begins at byte"),
        ("moving.mp4", b"moov", b"voom", "the box is missing that says what is in it"),
        ("tone.ogg", b"OggS\0\4", b"OggS\0\0", "is damaged: its last page has another checksum"),
        ("lines.geojsons", b'"n": 7', b'"n": }', "text 8 is no JSON"),
        ("town.osm.pbf", b"x\x9c", b"x\x9d", "is damaged"),
        ("model.onnx", b"\x3a", b"\x4a", "its graph, or what operators it is of, is missing"),
    ],
)
def test_what_their_own_numbers_tell_is_noticed(name, old, new, says):
    data = MAKERS[name]()
    assert old in data
    assert says in opened(name, data.replace(old, new, 1))


def test_recordings_that_were_not_ended_and_what_is_not_packed_are_not_opened():
    data = MAKERS["moving.avi"]()
    assert "never written" in opened("a.avi", data[:4] + bytes(4) + data[8:])
    data = gzip.decompress(MAKERS["table.rds"]())
    assert opened("a.rds", data).startswith("not opened: it is not packed")
    assert opened("a.rds", gzip.compress(b"something else")).startswith("not opened")


def test_a_pickle_is_never_loaded_and_a_model_of_pytorch_is_opened_as_a_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02cposix\nsystem\nX\4\0\0\0true\x85R.")
        archive.writestr("archive/data/0", bytes(range(99)))
    assert opened("a.pt", file.getvalue()) == ""
    assert opened("a.pt", file.getvalue()[:-9])
    damaged = file.getvalue().replace(bytes(range(50)), bytes(range(49)) + b"\0")
    assert "CRC" in opened("a.pth", damaged)
    assert opened("a.pkl", b"\x80\x02cposix\nsystem\nX\4\0\0\0true\x85R.") == ""
    assert "cut" in opened("a.pkl", MAKERS["values.pkl"]()[:-1])


@pytest.mark.parametrize("corners", [[3] * 9000, [3, 4] * 3000, [3] * 5000 + [4] * 5000, [0, 5], []])
@pytest.mark.parametrize("order", ["little", "big"])
def test_faces_of_any_number_of_corners_are_counted(corners, order):
    """As programs write them that mix triangles and others."""
    mark = "<" if order == "little" else ">"
    head = f"ply\nformat binary_{order}_endian 1.0\nelement face {len(corners)}\n"
    head += "property list uchar int vertex_indices\nproperty float quality\nend_header\n"
    faces = [struct.pack(f"{mark}B{n}if", n, *range(n), 0.5) for n in corners]
    data = head.encode() + b"".join(faces)
    assert opened("a.ply", data) == ""
    if corners:
        assert "it is cut" in opened("a.ply", data[:-1])
        assert "it is cut" in opened("a.ply", data[: -len(faces[-1])])


def test_pixels_of_dicom_are_counted_and_not_read():
    """They may be gigabytes, and a reader has some hundred MiB."""
    pytest.importorskip("pydicom")
    from upload_client.expectations.formats.medical import open_dicom
    from upload_client.expectations.packed import Budget

    class Counting(io.BytesIO):
        n = 0

        def read(self, n=-1):
            data = super().read(n)
            self.n += len(data)
            return data

    data = MAKERS["plain.dcm"]()
    at = data.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    n = int.from_bytes(data[at : at + 4], "little")
    rows = data.index(b"\x28\0\x10\0US\2\0") + 8
    height = int.from_bytes(data[rows : rows + 2], "little")
    higher = 200 * 1024 // n + 1
    large = data[:at] + (n * higher).to_bytes(4, "little") + data[at + 4 :] + bytes(n * (higher - 1))
    large = large[:rows] + (height * higher).to_bytes(2, "little") + large[rows + 2 :]
    file = Counting(large)
    open_dicom(file, len(large), Budget(10**9))
    assert file.n < len(large) // 2
    with pytest.raises(ValueError, match="it is cut"):
        open_dicom(io.BytesIO(large[:-9]), len(large) - 9, Budget(10**9))


FIELDS = "".join(f'<FIELD name="{name}" datatype="int"/>' for name in "ab")
ROWS = [
    "<TR><TD>1</TD><TD>2</TD></TR>",
    "<TR ID='r'>\n<TD encoding='base64'>1</TD> <TD/></TR>\n",
    "<TR><TD>1 &lt; 2</TD><TD><![CDATA[</TR><TD>]]></TD></TR>",
    "<TR><TD>1</TD><TD>2</TD><!-- <TD>3</TD></TR> --></TR>",
    "<TR><TD>1</TD><?a <TD> ?><TD>2</TD></TR >",
]
WRONG = ["<TR><TD>1</TD></TR>", "<TR><TD>1</TD><TD>2</TD><TD>3</TD></TR>", "<TR></TR>", "<TR/>"]


def _votable(*tables: tuple[str, int | None], more: str = "") -> bytes:
    made = "".join(
        f"<TABLE{'' if n is None else f' nrows={chr(34)}{n}{chr(34)}'}>{FIELDS}<DATA>{more}<TABLEDATA>"
        f"{rows}</TABLEDATA></DATA></TABLE>"
        for rows, n in tables
    )
    return f"<?xml version='1.0'?><!-- <TR> --><VOTABLE><RESOURCE>{made}</RESOURCE></VOTABLE>".encode()


def _votable_at_once(data: bytes, *, is_large: bool) -> str:
    from upload_client.expectations.formats.documents import _VOTable
    from upload_client.expectations.packed import Budget

    try:
        _VOTable(is_large=is_large).read(io.BytesIO(data), Budget(10**9))
    except ValueError as error:
        return str(error)
    return ""


def test_rows_of_a_large_votable_are_counted_in_their_bytes_as_expat_would_count_them(monkeypatch):
    pytest.importorskip("numpy")
    from upload_client.expectations.formats import documents

    chance = random.Random(7)
    n_refused = 0
    for _ in range(400):
        rows = chance.choices(ROWS[: chance.choice((2, 2, 5))], k=chance.randrange(40))
        if chance.random() < 0.4:
            rows.insert(chance.randrange(len(rows) + 1), chance.choice(WRONG))
        told = chance.choice((None, len(rows), len(rows), 3))
        tables = [("".join(rows), told), ("".join(ROWS[:2] * 9), 18)]
        chance.shuffle(tables)
        data = _votable(*tables, more=chance.choice(("", "<!-- </TR> -->")))
        if chance.random() < 0.3:
            data = data[: chance.randrange(len(data))]
        monkeypatch.setattr(documents, "_PIECE", chance.choice((16, 100, 999)))
        thorough = _votable_at_once(data, is_large=False)
        assert _votable_at_once(data, is_large=True) == thorough
        n_refused += bool(thorough)
    assert 100 < n_refused < 350


def test_most_of_a_large_votable_is_not_taken_element_by_element(monkeypatch):
    pytest.importorskip("numpy")
    from upload_client.expectations.formats import documents

    calls = []
    taken = documents._VOTable._begin_cell
    monkeypatch.setattr(documents._VOTable, "_begin_cell", lambda *given: calls.append(1) or taken(*given))
    monkeypatch.setattr(documents, "_PIECE", 4096)
    assert _votable_at_once(_votable((ROWS[0] * 9000, 9000)), is_large=True) == ""
    assert len(calls) < 9000
