"""What is packed is read to its end, and what is inside opens as what its own name says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.packed import BGZF_END, Budget, Unpacked
from upload_client.validator import opening
from upload_client.validator.content import Unreadable
from upload_client.validator.opening import format_of, open_as

CSV = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(3000))
NOISE = random.Random(1).randbytes(20_000)
LIMIT = 10**8


def opened(name: str, data: bytes, limit: int = LIMIT) -> str:
    """What is said of a file: empty where it opens."""
    kind = format_of(name)
    assert kind is not None
    try:
        open_as(kind, io.BytesIO(data), len(data), Budget(limit))
    except NotOpened as error:
        return f"not opened: {error}"
    except (ValueError, Unreadable) as error:
        return str(error)
    return ""


def zstd(data: bytes) -> bytes:
    module = pytest.importorskip(
        "compression.zstd" if opening.MODULES["zstd"].startswith("c") else "backports.zstd"
    )
    return module.compress(data, options={module.CompressionParameter.checksum_flag: 1})


def bgzf(data: bytes) -> bytes:
    """Blocks as the SAM specification, 4.1, has them."""
    blocks = []
    for start in range(0, len(data), 60_000):
        piece = data[start : start + 60_000]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(piece) + packer.flush()
        size = len(packed) + 25
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + size.to_bytes(2, "little")
        tail = zlib.crc32(piece).to_bytes(4, "little") + len(piece).to_bytes(4, "little")
        blocks.append(head + packed + tail)
    return b"".join(blocks) + BGZF_END


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(members: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


PACKERS = {"gz": gzip.compress, "bgz": bgzf, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}
ARCHIVES = {
    "zip": zipped,
    "tar": tarred,
    "tgz": lambda members: gzip.compress(tarred(members)),
    "tar.xz": lambda members: lzma.compress(tarred(members)),
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", ["a.csv", "a.dat", "a"])
def test_what_is_packed_opens_whole_in_one_member_or_several(suffix, name):
    pack = PACKERS[suffix]
    assert opened(f"{name}.{suffix}", pack(CSV)) == ""
    assert opened(f"{name}.{suffix}", pack(CSV) + pack(CSV[4:])) == ""


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 9000)), max_size=4),
    st.integers(1, 300_000),
    st.integers(1, 5000),
)
def test_what_is_packed_comes_out_as_it_went_in_in_pieces_of_any_size(parts, n, n_read):
    """Of what packs very well much is still to come when all of it was taken in."""
    members = [content * often for content, often in parts] or [b""]
    packed = b"".join(map(gzip.compress, members))
    unpacked = Unpacked("gzip", io.BufferedReader(_Slow(packed, n_read)), len(packed), Budget(10**9))
    found = b""
    while piece := unpacked.read(n):
        found += piece
    assert found == b"".join(members)
    assert unpacked.size == len(found)
    if len(packed) > 1:
        cut = Unpacked("gzip", io.BytesIO(packed[:-1]), len(packed) - 1, Budget(10**9))
        with pytest.raises(ValueError, match="it is cut"):
            cut.read_on()


class _Slow(io.BytesIO):
    """Gives a few bytes at once."""

    def __init__(self, data, n):
        super().__init__(data)
        self._n = n

    def readinto(self, buffer):
        piece = self.read(min(self._n, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("suffix", PACKERS)
def test_what_is_packed_is_refused_wherever_it_is_cut(suffix):
    data = PACKERS[suffix](NOISE)
    places = {0, 1, 2, 5, 9, len(data) // 2, len(data) - 29, len(data) - 28, len(data) - 9, len(data) - 1}
    assert [at for at in sorted(places) if not opened(f"a.dat.{suffix}", data[:at])] == []


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_byte_that_has_changed_in_what_is_packed_is_noticed(suffix):
    data = PACKERS[suffix](NOISE)
    missed = []
    for at in range(30, len(data) - 60, 997):
        damaged = bytearray(data)
        damaged[at] ^= 0x55
        if not opened(f"a.dat.{suffix}", bytes(damaged)):
            missed.append(at)
    assert missed == []


@pytest.mark.parametrize("suffix", PACKERS)
def test_what_stands_behind_the_end_is_refused(suffix):
    assert "what follows its member" in opened(f"a.dat.{suffix}", PACKERS[suffix](CSV) + b"something else")


def test_zeros_may_stand_behind_gzip_and_in_fours_behind_xz():
    assert opened("a.dat.gz", gzip.compress(CSV) + bytes(1000)) == ""
    assert opened("a.dat.xz", lzma.compress(CSV) + bytes(400) + lzma.compress(CSV)) == ""
    assert "no multiple of four" in opened("a.dat.xz", lzma.compress(CSV) + bytes(3))


def test_a_text_by_the_name_of_a_packed_one_is_refused():
    assert opened("a.csv.gz", CSV) == "it does not begin as gzip does"
    assert opened("a.csv.gz", b"") == "it is empty"


def test_bgzf_without_its_end_block_was_cut():
    assert opened("a.vcf.gz", bgzf(CSV)[: -len(BGZF_END)]) == (
        "it is cut: BGZF's block that ends a file is missing"
    )


@pytest.mark.parametrize("suffix", PACKERS)
def test_what_is_inside_has_to_open_as_its_own_name_says(suffix):
    said = opened(f"a.csv.{suffix}", PACKERS[suffix](b'a,b\n1,"2\n'))
    assert said.startswith("what is inside does not open as csv: line 2")


def test_that_a_pack_is_damaged_is_said_before_what_that_makes_of_its_content():
    data = bytearray(gzip.compress(b'a,b\n"\n' + NOISE))
    data[-5] ^= 1
    assert "member 1 is damaged" in opened("a.csv.gz", bytes(data))


def test_what_unpacks_to_more_than_it_may_is_not_opened():
    assert opened("a.dat.gz", gzip.compress(bytes(10**6)), 10**5) == (
        "not opened: it unpacks to more than 100,000 bytes"
    )
    assert "more than" in opened("a.zip", zipped({"a.dat": bytes(10**6)}), 10**5)
    assert "more than" in opened("a.tgz", gzip.compress(tarred({"a.dat": bytes(10**6)})), 10**5)


def test_a_library_that_is_not_here_leaves_the_pack_read_and_the_rest_unopened(monkeypatch):
    monkeypatch.setattr(opening, "_is_there", lambda _: False)
    assert opened("a.fits.gz", gzip.compress(NOISE)).startswith("not opened: astropy is not installed")
    assert "is cut" in opened("a.fits.gz", gzip.compress(NOISE)[:-1])
    assert "member 'a.fits': astropy is not installed" in opened("a.zip", zipped({"a.fits": b"no FITS"}))


def test_fits_that_is_packed_is_opened_in_memory_or_if_it_is_large_from_its_pack(monkeypatch):
    np = pytest.importorskip("numpy")
    fits = pytest.importorskip("astropy.io.fits")
    file = io.BytesIO()
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.arange(50_000, dtype="i4")), fits.ImageHDU(np.ones(9))]
    fits.HDUList(hdus).writeto(file, checksum=True)
    data = file.getvalue()
    cut = data[:100_000]
    for kept in (opening.KEPT, 1000):
        monkeypatch.setattr(opening, "KEPT", kept)
        assert opened("a.fits.gz", gzip.compress(data)) == ""
        assert "HDU 1" in opened("a.fits.gz", gzip.compress(cut))


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_the_members_of_an_archive_are_opened(suffix):
    good = {"a.csv": CSV, "b/c.dat": NOISE, "empty.txt": b"", "d.json.gz": gzip.compress(b"[1]")}
    assert opened(f"x.{suffix}", ARCHIVES[suffix](good)) == ""
    said = opened(f"x.{suffix}", ARCHIVES[suffix](good | {"e.json": b"[1"}))
    assert said.startswith("member 'e.json' does not open as json")
    said = opened(f"x.{suffix}", ARCHIVES[suffix](good | {"d.json.gz": gzip.compress(b"[1]")[:-3]}))
    assert "member 'd.json.gz' does not open as json in gzip: it is cut" in said


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_an_archive_is_refused_wherever_it_is_cut_or_changed(suffix):
    data = ARCHIVES[suffix]({"a.dat": NOISE, "b.dat": NOISE[:600]})
    end = len(data.rstrip(b"\0")) + 500  # behind the blocks that end a tar there are more of zeros
    assert [at for at in range(0, min(end, len(data)), 511) if not opened(f"x.{suffix}", data[:at])] == []
    assert opened(f"x.{suffix}", data + b"something else")


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_tar_of_each_kind_opens_with_long_names(kind):
    long = "/".join(["folder" * 4] * 5) + "/" + "x" * 90 + ".json"
    assert opened("x.tar", tarred({long: b"[1]", "b.json": b"[2]"}, kind)) == ""
    assert "does not open as json" in opened("x.tar", tarred({long: b"[1", "b.json": b"[2]"}, kind))


def test_a_header_of_tar_that_is_damaged_in_the_middle_is_noticed():
    data = bytearray(tarred({"a.dat": NOISE, "b.dat": NOISE}, tarfile.USTAR_FORMAT))
    data[data.index(b"b.dat")] ^= 1
    assert opened("x.tar", bytes(data)) == "header 3 is damaged"


def test_a_zip_with_a_directory_of_any_size_is_not_held_in_memory():
    data = bytearray(zipped({"a.dat": NOISE}))
    end = data.rindex(b"PK\5\6")
    data[end + 12 : end + 16] = b"\xff\xff\xff\xff"
    more = b"PK\6\6" + bytes(36) + (2**40).to_bytes(8, "little") + bytes(8)
    assert "not opened: its directory has more than" in opened(
        "x.zip", bytes(data[:end]) + more + bytes(data[end:])
    )


def test_a_zip_whose_last_record_counts_other_files_than_its_directory_is_not_passed(monkeypatch):
    """Without ZIP64 the number begins again at 0 behind 65,535, and most programs read that many."""
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    data = bytearray(zipped({"a.dat": NOISE, "b.dat": NOISE, "c.dat": NOISE}))
    end = data.rindex(b"PK\5\6")
    for declared, in_zip64, said in (
        (3, 3, ""),
        (2, 3, "its directory names 3 files, the record at its end 2"),
        (0xFFFF, 3, ""),
        (0xFFFF, 4, "its directory names 3 files, the record at its end 4"),
    ):
        data[end + 10 : end + 12] = declared.to_bytes(2, "little")
        data[end - 20 - 56 + 32 : end - 20 - 56 + 40] = in_zip64.to_bytes(8, "little")
        found = opened("x.zip", bytes(data))
        assert found.startswith(said) if said else found == ""


def test_a_member_of_zip_that_is_damaged_is_noticed_and_one_that_is_encrypted_not_opened():
    data = bytearray(zipped({"a.dat": NOISE}))
    data[5000] ^= 1
    assert "CRC" in opened("x.zip", bytes(data))
    data = bytearray(zipped({"a.dat": NOISE}))
    data[data.index(b"PK\1\2") + 8] |= 1
    assert opened("x.zip", bytes(data)) == "not opened: it is encrypted"
    assert opened("x.xlsx", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000)) == "not opened: it is encrypted"
