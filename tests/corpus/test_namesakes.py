"""What has the name of a format and is something else, or is made as few make it, is not damaged."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
import shutil
import sqlite3
import struct
import tarfile
import zipfile

import pytest

from corpus.makers import MAKERS
from corpus.opened import opened

PEAKS = b"1234.5 2\n100.1 20.0\n" * 20
PAGE = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"
NO_ACCESS = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>'
OTHERS = {
    "spectrum.dta": PEAKS,
    "well.LAS": b"~Version Information\n VERS. 2.0 : CWLS log ASCII Standard\n~A\n1 2\n",
    "speech.wav": b"NIST_1A\n   1024\ndatabase_id -s5 TIMIT\nend_head\n".ljust(1024, b"\0")
    + bytes(range(256)),
    "long.wav": b"riff\x2e\x91" + bytes(60),
    "in-ogg.flac": b"OggS" + bytes(60),
    "stream.flac": b"\xff\xf8" + bytes(60),
    "big.wav": b"RIFX\0\0\0\x28WAVEfmt " + bytes(40),
    "graph.gml": b'graph [\n  node [ id 0 label "a" ]\n]\n',
    "part.nc": b"%\nO1000\nG21 G90\nG0 X0 Y0\nM30\n%\n" * 3,
    "calibration.dcm": b"KONSERVIERUNG_FORMAT 2.0\n\nFESTWERT a\n  WERT 1.0\nEND\n",
    "strings.orc": b"sr = 44100\nksmps = 32\ninstr 1\nendin\n",
    "card.vcf": b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\r\nEND:VCARD\r\n",
    "run.fit": bytes((14, 16, 0xD9, 7, 40, 0, 0, 0)) + b".FIT" + bytes(46),
    "issues.bcf": b"PK\3\4" + bytes(60),
    "thesis.bcf": b'<?xml version="1.0"?><bcf:controlfile/>',
    "panda.bam": b"pbj\0\n\r" + bytes(range(100)),
    "scan.nxs": b'<?xml version="1.0"?><NXroot></NXroot>',
    "notes.dbf": b"COMMENT a text\n" * 9,
    "second.dbf": b"\x02\x09\0\0\0\0\x7f\0EMP:NMBR" + bytes(60),
    "theirs.mgh": b"something else " * 9,
    "app.js.map": b'{"version":3,"sources":["a.js"],"mappings":"AAAA"}',
    "records.mrc": b"00714cam a2200205 a 4500001001300000003000600013" * 9,
    "tile.pbf": b"\x1a\x30\x0a\x05water" + bytes(range(60)),
    "old.pkl": b"(dp0\nS'a'\np1\nI1\ns.",
    "weights.pt": b"\x80\x02\x8a\nl\xfcF\x9c\xf9 j\xa8P\x19.",
    "paths.csi": b"wireless channel state " * 5,
    "metrics.pfm": b"\x00\x01\xa2\x02\0\0Copyright" + bytes(90),
    "notes.r.rda": b"Relational data analysis, a text\n" * 3,
    "survey.sav": b"\x89PNG saved game " * 9,
    "saved.fcs": b"a conference call\n" * 9,
    "levels.stl": b"(supertux-level\n  (version 3)\n" + b"  (tiles 0 0 12 12 0 0)\n" * 9,
    "list.m3u.ogg": b"#EXTM3U\na.mp3\n" * 5,
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_has_the_name_of_a_format_is_not_called_damaged(name):
    assert "something else has this name, too" in opened(name, OTHERS[name])
    assert opened(name, OTHERS[name]).startswith("not opened: ")


@pytest.mark.parametrize("name", [*OTHERS, "a.db", "a.mat", "a.edf", "a.shp", "a.bw", "a.root", "a.cdf"])
def test_a_page_of_a_server_by_any_name_is_damage_and_so_are_zeros(name):
    for wrong in (PAGE, NO_ACCESS, bytes(5000)):
        if not (name.endswith(".gml") and any(wrong)):  # these are XML, and whole
            assert opened(name, wrong).startswith("it does not open as")


@pytest.mark.parametrize(
    ("name", "other"),
    [("tone.wav", "a.wav"), ("table.dta", "a.dta"), ("points.las", "a.las"), ("table.orc", "a.orc")],
)
def test_a_cut_file_is_not_taken_for_something_else(name, other):
    data = MAKERS[name]()
    for n in (len(data) // 2, 200):
        assert opened(other, data[:n]).startswith("it does not open as")


def test_a_database_that_takes_pages_from_its_log_is_not_called_damaged_for_what_lies_there(tmp_path):
    """A checkpoint under a reader leaves the file alone torn, and with its log whole."""
    path, copy = tmp_path / "a.db", tmp_path / "copy.db"
    drawn = random.Random(1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        for pragma in ("page_size = 512", "journal_mode = WAL", "wal_autocheckpoint = 0"):
            writer.execute(f"PRAGMA {pragma}")
        writer.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text)")
        writer.execute("CREATE INDEX i ON t (text)")

        def work() -> None:
            for _ in range(10):
                texts = ((drawn.randbytes(drawn.randint(5, 400)).hex(),) for _ in range(20))
                writer.execute("BEGIN")
                writer.executemany("INSERT INTO t (text) VALUES (?)", texts)
                writer.execute("DELETE FROM t WHERE n % 7 = ?", (drawn.randrange(7),))
                writer.execute("COMMIT")

        work()
        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        work()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM t").fetchone()
            work()
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
            shutil.copy(path, copy)
            shutil.copy(f"{path}-wal", f"{copy}-wal")
    data = copy.read_bytes()
    with contextlib.closing(sqlite3.connect(copy)) as whole:
        assert whole.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    without_log = data[:18] + b"\1\1" + data[20:]
    assert "it is damaged" in opened("a.db", without_log)
    assert opened("a.db", data).startswith("not opened: it is damaged, or pages of it lie in the log beside")
    assert opened("a.db", data[:9999]).startswith("it does not open as sqlite: it is cut")


@pytest.mark.parametrize("n", [0x7FFF_F000, 0x7FFF_EFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFDB])
def test_a_wav_out_of_a_pipe_tells_more_samples_than_there_can_be(n):
    data = MAKERS["tone.wav"]()
    at = data.index(b"data") + 4
    assert opened("a.wav", data[:at] + n.to_bytes(4, "little") + data[at + 4 :]) == ""
    assert "it is cut" in opened("a.wav", data[:at] + (2**30).to_bytes(4, "little") + data[at + 4 :])


def test_keys_of_the_users_own_are_no_fields_of_nrrd():
    data = MAKERS["plain.nrrd"]()
    own = b"\ntype:=T1\nencoding:=none\nsizes:=large\ndata file:=a\n\n"
    made = data.replace(b"\n\n", own, 1)
    assert opened("a.nrrd", made) == ""
    assert "of its values are missing" in opened("a.nrrd", made[:-1])


def test_an_mgh_says_what_its_values_are_for_in_the_number_of_its_version():
    data = MAKERS["volume.mgh"]()
    assert opened("a.mgh", b"\0\0\x68\1" + data[4:]) == ""
    assert "of its values are missing" in opened("a.mgh", b"\0\0\x68\1" + data[4:9000])
    assert opened("a.mgh", data[:20] + (11).to_bytes(4) + data[24:]).startswith("not opened: its values")


def test_what_stands_in_a_header_of_seg_y_before_version_1_is_nobodys():
    data = bytearray(MAKERS["traces.sgy"]())
    data[3500:3506] = struct.pack(">HHH", 0, 1, 3)
    assert opened("a.sgy", bytes(data)) == ""
    with_headers = data[:3600] + bytes(3 * 3200) + data[3600:]
    assert opened("a.sgy", bytes(with_headers)) == ""
    assert opened("a.sgy", bytes(data[:-9])).startswith("not opened: it does not tell how many headers")
    data[3500:3506] = struct.pack(">HHH", 0x100, 1, 0)
    assert "of trace" in opened("a.sgy", bytes(data[:-9]))


def test_a_label_of_stata_may_name_a_part_of_the_file():
    pandas = pytest.importorskip("pandas")
    file = io.BytesIO()
    pandas.DataFrame({"n": [1, 2]}).to_stata(file, version=118, data_label="the <map> of it")
    assert opened("a.dta", file.getvalue()) == ""
    assert "it is cut" in opened("a.dta", file.getvalue()[:-1])


def test_a_record_of_miniseed_may_have_no_number_and_a_volume_of_seed_is_not_opened():
    data = MAKERS["two.mseed"]()
    assert opened("a.mseed", bytes(6) + data[6:]) == ""
    assert opened("a.mseed", b"000001V 010".ljust(4096) + data).startswith("not opened: it is a whole volume")


def test_records_of_noise_are_passed_over():
    """They are blank behind their number (SEED 2.4, 8; libmseed, MS2_ISVALIDBLANK)."""
    data = MAKERS["two.mseed"]()
    noise = b"000009".ljust(512)
    at = data.index(data[6:20], 100) - 6
    assert opened("a.mseed", noise[:128] + data[:at] + noise + data[at:] + noise[:256]) == ""
    assert "record 2" in opened("a.mseed", data[:at] + noise[:60])


def test_orc_of_its_first_version_has_no_mark_at_its_end_and_hive_leaves_empty_files():
    pa = pytest.importorskip("pyarrow")
    from pyarrow import orc

    file = io.BytesIO()
    orc.write_table(pa.table({"n": range(1000)}), file)
    data = file.getvalue()
    length = data[-1]
    fields = data[-1 - length : -1]
    at = fields.index(b"\x82\xf4\x03\x03ORC")
    others = fields[:at] + fields[at + 7 :]
    made = data[: -1 - length] + others + bytes([len(others)])
    assert opened("a.orc", made) == ""
    for n in (1, 2, 9, 40):
        assert opened("a.orc", made[:-n]).startswith("it does not open as orc")
    assert opened("a.orc", b"").startswith("not opened: it is empty")


def test_a_schema_that_a_newer_sqlite_has_written_is_not_called_damaged():
    data = MAKERS["tables.sqlite"]().replace(b"CREATE TABLE", b"CREATE TIBLE", 1)
    assert "malformed database schema" in opened("a.db", data)
    newer = data[:96] + (2**31).to_bytes(4) + data[100:]
    assert opened("a.db", newer).startswith("not opened: it was written by a newer SQLite")


def test_a_jpx_whose_pixels_lie_in_pieces_is_not_opened():
    head = b"\0\0\0\x0cjP  \r\n\x87\n"
    assert opened("a.jpx", head + b"\0\0\0\x0aftblab").startswith("not opened: its pixels lie in pieces")
    assert "it has no pixels" in opened("a.jpx", head + b"\0\0\0\x0axml ab")


def test_hdf5_without_the_text_of_matlab_is_opened_by_its_name():
    data = MAKERS["packed.h5"]()
    assert opened("a.mat", data) == ""
    assert opened("a.mat", data[:-9]).startswith("it does not open as matlab")
    assert "cut in its header" in opened("a.mat", MAKERS["five.mat"]()[:100])


def test_dates_and_decimals_that_their_type_should_not_have_are_no_damage_of_arrow():
    pa = pytest.importorskip("pyarrow")
    numbers = pa.array([1, 2, None], pa.int64())
    dates = pa.Array.from_buffers(pa.date64(), 3, numbers.buffers())  # milliseconds, as JavaScript has them
    large = pa.array([0, 10**9, 0], pa.int32())
    times = pa.Array.from_buffers(pa.time32("s"), 3, large.buffers())
    tens = pa.array([10**5, 1, 0], pa.decimal128(9, 2))
    decimals = pa.Array.from_buffers(pa.decimal128(3, 2), 3, tens.buffers())
    table = pa.table({"date": dates, "time": times, "decimal": decimals})
    for column in table.columns:
        with pytest.raises(pa.ArrowInvalid):
            column.validate(full=True)
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert opened("a.arrow", file.getvalue()) == ""


def test_a_batch_of_arrow_that_takes_too_much_memory_is_not_opened(monkeypatch):
    pa = pytest.importorskip("pyarrow")

    def full(_file: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 9 failed")

    monkeypatch.setattr(pa.ipc, "open_stream", full)
    assert opened("a.arrows", MAKERS["table.arrows"]()).startswith("not opened: a batch of it takes too much")


def test_a_codestream_of_jpeg_2000_may_have_markers_without_a_length_and_padding_behind_it():
    pytest.importorskip("PIL")
    data = MAKERS["picture.jp2"]()
    at = data.index(b"\xff\x4f\xff\x51")
    stream = data[at:]
    tile = stream.index(b"\xff\x90")
    assert opened("a.j2k", stream) == ""
    assert (
        opened("a.j2k", stream[:tile] + b"\xff\x30\xff\x3f" + stream[tile:]) == ""
    )  # as p0_02 of ISO 15444-4
    last = stream.rindex(b"\xff\x90\x00\x0a")
    to_the_end = stream[: last + 6] + bytes(4) + stream[last + 10 :]
    assert opened("a.j2k", to_the_end + bytes(9)) == ""
    assert "marker that ends its pixels is missing" in opened("a.j2k", to_the_end[:-2])
    told = data[: at - 8] + len(data[at - 8 :]).to_bytes(4) + data[at - 4 :]
    assert opened("a.jp2", told + b"\r\n").startswith("not opened: what stands behind its pixels")


def test_a_flac_made_before_blocks_had_a_flag_is_not_counted():
    data = MAKERS["tone.flac"]()
    about = data.index(b"fLaC") + 8
    other = (
        data[: about + 2] + (4608).to_bytes(2) + data[about + 4 : about + 17] + b"\xff" + data[about + 18 :]
    )
    assert opened("a.flac", other) == ""


def test_headers_that_are_cut_or_damaged_are_told_in_words():
    data = MAKERS["plain.mha"]().replace(b"ElementDataFile", b"ElementDataFiles", 1)
    assert opened("a.mha", data) == "it does not open as metaimage: its header is damaged"
    assert "cut in its header" in opened("a.shp", MAKERS["points.shp"]()[:60])


def test_documents_of_xml_may_be_deep():
    deep = b"<a>" * 1500 + b"</a>" * 1500
    assert (opened("a.xml", deep), "not whole" in opened("a.xml", deep[:-1])) == ("", True)
    assert opened("a.gml", b"\xef\xbb\xbf\n<a/>") == ""
    assert opened("a.gml", '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16")) == ""


@pytest.mark.parametrize(
    "data", [b"<html><table><tr><td>1</td></tr></table></html>", b"a\tb\n1\t2\n" * 9, b"PK\3\4" + bytes(90)]
)
def test_what_programs_call_xls_and_doc_beside_compound_files_is_not_called_damaged(data):
    for name in ("a.xls", "a.doc"):
        assert opened(name, data).startswith("not opened: it is no compound file")


def test_a_compound_file_need_not_lie_where_its_table_once_lay():
    """Outlook's tables mark two sectors behind the end, from where their own list was moved away."""
    data = bytearray(MAKERS["book.xls"]())
    first = int.from_bytes(data[76:80], "little")
    table = (first + 1) * 512
    free = next(at for at in range(table, table + 512, 4) if data[at : at + 4] == b"\xff" * 4)
    data[free : free + 4] = (0xFFFFFFFC).to_bytes(4, "little")
    assert (free - table) // 4 >= len(data) // 512 - 1
    assert opened("mail.msg", bytes(data)) == ""
    data[free : free + 4] = (0xFFFFFFFE).to_bytes(4, "little")
    assert "of its sectors are missing" in opened("mail.msg", bytes(data))


def test_subtitles_and_surfaces_have_one_name():
    assert "begins as subtitles" in opened("a.stl", b"437STL25.01" + bytes(1013) + bytes(range(128)) * 2)


APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2" + bytes(40)


def _package(kind: str, members: dict[str, bytes]) -> bytes:
    """A document as office programs write it: its kind stands first, not packed."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", f"application/{kind}", zipfile.ZIP_STORED)
        for name, data in members.items():
            package.writestr(name, data)
    return made.getvalue()


def test_what_an_office_program_leaves_empty_in_a_document_is_no_damage():
    """OpenOffice 3 and LibreOffice have this one in each document."""
    members = {"content.xml": b"<a/>", "Configurations2/accelerator/current.xml": b""}
    assert opened("a.odt", _package("vnd.oasis.opendocument.text", members)) == ""
    cut = _package("vnd.oasis.opendocument.text", {"content.xml": b"<a>"})
    assert "member 'content.xml' does not open as xml" in opened("a.odt", cut)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:  # no document: a table that is empty is told
        made.writestr("a/current.xml", b"")
    assert "does not open as xml" in opened("a.zip", archive.getvalue())


def test_a_document_that_its_program_has_encrypted_is_not_opened_but_read_to_its_end():
    manifest = b'<m:manifest xmlns:m="urn:m"><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>'
    of_text = {"content.xml": random.Random(1).randbytes(900), "META-INF/manifest.xml": manifest}
    of_book = {"a.xhtml": b"<a/>", "META-INF/encryption.xml": b"<encryption/>", "a.png": b"\x12" * 99}
    for name, members in (("a.odt", of_text), ("a.epub", of_book)):
        data = _package("vnd.oasis.opendocument.text", members)
        assert opened(name, data) == "not opened: what is in it is encrypted"
        first = next(iter(members)).encode()
        at = data.index(first) + len(first) + 1  # in what is packed
        damaged = data[:at] + bytes((data[at] ^ 0x5A,)) + data[at + 1 :]
        assert not opened(name, damaged).startswith("not opened")


def test_what_macos_keeps_beside_a_file_in_an_archive_is_not_taken_for_that_file():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.svg", b"<svg/>")
        made.writestr("__MACOSX/._a.svg", APPLE_DOUBLE)
    assert opened("a.zip", archive.getvalue()) == ""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as made:
        for name, data in (("._a.npy", APPLE_DOUBLE), ("a.svg", b"<svg/>")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    assert opened("a.tar", tar.getvalue()) == ""
    assert "AppleDouble" in opened("._a.npy", APPLE_DOUBLE)


def test_a_line_break_or_zeros_behind_a_zip_are_passed_over():
    data = MAKERS["data.zip"]()
    for behind in (b"\n", b"\r\n", bytes(512)):
        assert opened("a.zip", data + behind) == ""
    assert "4 bytes stand behind its end" in opened("a.zip", data + b"more")


def test_the_last_part_of_an_archive_in_several_files_is_not_opened():
    data = bytearray(MAKERS["data.zip"]())
    at = data.rindex(b"PK\5\6")
    data[at + 4] = 2
    assert "one archive" in opened("a.zip", bytes(data))
    assert opened("a.zip", bytes(data)).startswith("not opened")


def test_dicom_without_its_head_is_not_opened():
    """Older programs write the data set alone, in any of the syntaxes."""
    pydicom = pytest.importorskip("pydicom")
    data = MAKERS["plain.dcm"]()
    of_file = pydicom.dcmread(io.BytesIO(data))
    for implicit, little in ((True, True), (False, True), (False, False)):
        made = io.BytesIO()
        bare = pydicom.Dataset({one.tag: one for one in of_file if one.keyword != "PixelData"})
        pydicom.dcmwrite(made, bare, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
        assert opened("a.dcm", made.getvalue()).startswith("not opened: it lacks the head"), (
            implicit,
            little,
        )
    assert "does not begin as a DICOM file does" in opened("a.dcm", bytes(400) + data[400:])


def test_well_logs_in_utf_16_and_images_of_ana_are_not_called_damaged():
    text = "~VERSION INFORMATION\n VERS. 2.0 : CWLS log ASCII Standard\n~A\n1 2\n"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        assert "a text" in opened("a.las", text.encode(encoding)), encoding
    for mark in (b"\x55\x55\xaa\xaa", b"\xaa\xaa\x55\x55"):
        assert "ANA" in opened("a.fz", mark + bytes(range(200)))


def test_fits_that_says_itself_that_it_conforms_to_nothing_is_not_opened():
    data = MAKERS["image.fits"]()
    assert opened("a.fits", data) == ""
    other = data.replace(b"SIMPLE  =                    T", b"SIMPLE  =                    F", 1)
    assert "does not conform" in opened("a.fits", other)


def test_tags_behind_the_end_of_an_ogg_are_passed_over_and_pages_are_not():
    data = MAKERS["tone.ogg"]()
    for tags in (b"TAG" + bytes(125), b"APETAGEX" + bytes(24), bytes(512)):
        assert opened("a.ogg", data + tags) == ""
    assert opened("a.ogg", data + data) == ""  # one stream behind the other
    assert "not whole" in opened("a.ogg", data + data[:-1])
    at = data.rindex(b"OggS")
    assert "not whole" in opened("a.ogg", data[:at] + b"TAG" + data[at:])


def test_a_pickle_with_something_behind_it_is_not_called_cut():
    for protocol in range(2, 6):
        data = pickle.dumps({"a": list(range(500)), "b": "word", "c": b"bytes" * 99}, protocol)
        assert opened("a.pkl", data + b"and a table\n") == "not opened: something else stands behind its end"
        assert opened("a.pkl", data + data) == ""
        cuts = [data[:n] for n in range(20, len(data), 97) if data[n - 1] != ord(".")]
        assert [len(cut) for cut in cuts if "cut" not in opened("a.pkl", cut)] == []
