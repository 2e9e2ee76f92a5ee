"""Valid files, each made by the library of its field, and what may become of them.

``python tests/corpus/table.py`` prints which share of the damage is noticed.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import pickle
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import warnings
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MAKERS: dict[str, Callable[[], bytes]] = {}
"""By name of the file; what a maker cannot make here it skips (`pytest.importorskip`)."""


def makes(*names: str) -> Callable[[Callable[[str], bytes]], Callable[[str], bytes]]:
    def note(make: Callable[[str], bytes]) -> Callable[[str], bytes]:
        for name in names:
            MAKERS[name] = lambda name=name: make(name)
        return make

    return note


def by_path(name: str, write: Callable[[str], object]) -> bytes:
    """What a library writes that wants a path."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / name
        write(str(path))
        return path.read_bytes()


def noise(n: int, seed: int = 1) -> bytes:
    import random

    return random.Random(seed).randbytes(n)


@makes("table.csv", "table.csv.gz", "table.csv.bz2", "table.csv.xz")
def csv(name: str) -> bytes:
    text = b"id,flux\n" + b"".join(b"%d,%d.5\n" % (n, n * 7919 % 1000) for n in range(4000))
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    return packers.get(name.rpartition(".")[2], bytes)(text)


@makes("data.zip")
def zip_(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/noise.dat", noise(9000))
        archive.writestr("b.csv", csv("b.csv"))
    return file.getvalue()


@makes("data.tar.gz")
def tar(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for inner, data in (("a/noise.dat", noise(9000)), ("b.csv", csv("b.csv"))):
            info = tarfile.TarInfo(inner)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


@makes("sparse.tar", "old-sparse.tar")
def sparse_tar(name: str) -> bytes:
    tar = shutil.which("tar")
    if (
        tar is None
        or b"GNU" not in subprocess.run([tar, "--version"], capture_output=True, check=False).stdout
    ):
        pytest.skip("no GNU tar")
    form = "gnu" if name == "old-sparse.tar" else "pax"
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "a.csv").open("wb") as file:
            file.write(b"a,b\n" + b"1,2\n" * 2000)
            file.truncate(2**20)  # zeros up to here: as a CSV it does not open, and as a part even less
        done = subprocess.run(
            [tar, f"--format={form}", "-S", "-c", "a.csv"], cwd=folder, stdout=subprocess.PIPE, check=True
        )
    return done.stdout


@makes("table.parquet")
def parquet(name: str) -> bytes:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    table = pa.table({"a": list(range(5000)), "b": [f"text {n * 7919}" for n in range(5000)]})
    pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    return file.getvalue()


@makes("table.arrow", "table.arrows", "packed.feather", "table.orc")
def arrow(name: str) -> bytes:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": list(range(5000)), "b": [f"text {n * 7919}" for n in range(5000)]})
    file = io.BytesIO()
    if name == "table.orc":
        pytest.importorskip("pyarrow.orc").write_table(table, file, compression="zlib")
        return file.getvalue()
    how = pa.ipc.IpcWriteOptions(compression="zstd" if name == "packed.feather" else None)
    make = pa.ipc.new_stream if name == "table.arrows" else pa.ipc.new_file
    with make(file, table.schema, options=how) as writer:
        writer.write_table(table, max_chunksize=1000)
    return file.getvalue()


@makes("tables.sqlite", "log.sqlite", "emptied.gpkg")
def sqlite(name: str) -> bytes:
    def write(path: str) -> None:
        with contextlib.closing(sqlite3.connect(path)) as database:
            if name == "log.sqlite":
                database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT CHECK (length(text) > 3))")
            rows = [(f"text {n * 7919}",) for n in range(2000)]
            database.executemany("INSERT INTO t (text) VALUES (?)", rows)
            database.execute("CREATE INDEX i ON t (text)")
            database.commit()
            if name == "emptied.gpkg":
                database.execute("DELETE FROM t WHERE n > 100")
                database.commit()

    return by_path(name, write)


@makes("plain.xml", "wide.xml", "drawing.svg")
def xml(name: str) -> bytes:
    from xml.etree import ElementTree as ET

    top = ET.Element("top", {"{http://example.org/a}b": "c"})
    for n in range(300):
        ET.SubElement(top, "row", {"n": str(n)}).text = "Grüße"
    encoding = "utf-16" if name == "wide.xml" else "iso-8859-1"
    return ET.tostring(top, encoding, xml_declaration=True)


@makes("image.fits", "image.fits.gz", "image.fits.fz")
def fits(name: str) -> bytes:
    np, fits = pytest.importorskip("numpy"), pytest.importorskip("astropy.io.fits")
    file = io.BytesIO()
    if name.endswith("fz"):
        fits.CompImageHDU(np.arange(9000, dtype="i4").reshape(90, 100)).writeto(file, checksum=True)
        return file.getvalue()
    units = [fits.PrimaryHDU(), fits.ImageHDU(np.arange(9000, dtype="i4").reshape(90, 100))]
    fits.HDUList(units).writeto(file, checksum=True)
    return gzip.compress(file.getvalue()) if name.endswith("gz") else file.getvalue()


@makes("tree.asdf")
def asdf(name: str) -> bytes:
    asdf, np = pytest.importorskip("asdf"), pytest.importorskip("numpy")
    file = io.BytesIO()
    asdf.AsdfFile({"a": np.arange(5000), "b": {"unit": "km"}}).write_to(file)
    return file.getvalue()


@makes("plain.dcm", "rle.dcm", "deflated.dcm")
def dicom(name: str) -> bytes:
    pydicom, np = pytest.importorskip("pydicom"), pytest.importorskip("numpy")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import (
        DeflatedExplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        RLELossless,
        SecondaryCaptureImageStorage,
        generate_uid,
    )

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = (
        DeflatedExplicitVRLittleEndian if name.startswith("deflated") else ExplicitVRLittleEndian
    )
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID, data.Modality = "Nobody", "0", "OT"
    data.Rows, data.Columns, data.BitsAllocated, data.BitsStored, data.HighBit = 90, 100, 16, 16, 15
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    pixels = np.arange(9000, dtype="<u2").reshape(90, 100)
    data.PixelData = pixels.tobytes()
    if name.startswith("rle"):
        data.compress(RLELossless, pixels)
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


@makes("tone.wav")
def wav(name: str) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(noise(9000))
    return file.getvalue()


@makes("table.dta")
def stata(name: str) -> bytes:
    pandas = pytest.importorskip("pandas")
    file = io.BytesIO()
    table = pandas.DataFrame({"n": range(500), "text": [f"text {n * 7919}" for n in range(500)]})
    table.to_stata(file, version=118)
    return file.getvalue()


@makes("volume.nii", "volume.nii.gz", "two.nii", "volume.mgz", "volume.mgh")
def nifti(name: str) -> bytes:
    nibabel, np = pytest.importorskip("nibabel"), pytest.importorskip("numpy")
    if ".mg" in name:
        values = np.arange(9000, dtype="i2").reshape(30, 30, 10)
        return by_path(name, lambda path: nibabel.save(nibabel.MGHImage(values, np.eye(4)), path))
    kind = nibabel.Nifti2Image if name == "two.nii" else nibabel.Nifti1Image
    image = kind(np.arange(9000, dtype="i2").reshape(30, 30, 10), np.eye(4))
    return by_path(name, lambda path: nibabel.save(image, path))


def _alignments(name: str, mode: str, **more) -> bytes:
    pysam = pytest.importorskip("pysam")
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "one", "LN": 1000}]}

    def write(path: str) -> None:
        with pysam.AlignmentFile(path, mode, header=header, **more) as file:
            for n in range(2000):
                one = pysam.AlignedSegment(file.header)
                one.query_name, one.query_sequence, one.flag = f"read{n}", "ACGT" * 20, 4
                one.query_qualities = pysam.qualitystring_to_array(chr(40 + n % 30) * 80)
                file.write(one)

    return by_path(name, write)


@makes("reads.bam")
def bam(name: str) -> bytes:
    return _alignments(name, "wb")


@makes("reads.cram", "old.cram")
def cram(name: str) -> bytes:
    version = b"version=2.1" if name.startswith("old") else b"version=3.0"
    return _alignments(name, "wc", format_options=[version, b"no_ref=1"])


@makes("calls.vcf", "calls.vcf.gz", "calls.bcf")
def variants(name: str) -> bytes:
    pysam = pytest.importorskip("pysam")

    def write(path: str) -> None:
        header = pysam.VariantHeader()
        header.contigs.add("one", 10_000)
        header.formats.add("GT", 1, "String", "Genotype")
        header.add_sample("s")
        mode = {"vcf": "w", "gz": "wz", "bcf": "wb"}[path.rpartition(".")[2]]
        with pysam.VariantFile(path, mode, header=header) as file:
            for n in range(2000):
                one = file.new_record(contig="one", start=n, stop=n + 1, alleles=("A", "C"))
                one.samples["s"]["GT"] = (0, 1)
                file.write(one)

    return by_path(name, write)


@makes("reads.fastq", "reads.fastq.gz")
def fastq(name: str) -> bytes:
    text = b"".join(b"@read%d\n%s\n+\n%s\n" % (n, b"ACGT" * 20, b"@I" * 40) for n in range(500))
    return gzip.compress(text) if name.endswith("gz") else text


@makes("packed.h5", "plain.h5", "checked.h5")
def hdf5(name: str) -> bytes:
    h5py, np = pytest.importorskip("h5py"), pytest.importorskip("numpy")
    more = {"packed.h5": {"compression": "gzip"}, "checked.h5": {"fletcher32": True}}.get(name, {})

    def write(path: str) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("g/a", data=np.arange(9000).reshape(90, 100), **more)
            file["g/b"] = ["text", "and more"]
            file["g"].attrs["unit"] = "km"
            file["elsewhere"] = h5py.ExternalLink("not-there.h5", "/a")

    return by_path(name, write)


@makes("classic.nc", "record.nc", "records.nc", "wide.nc", "five.nc", "four.nc")
def netcdf(name: str) -> bytes:
    np = pytest.importorskip("numpy")
    if name == "four.nc":
        return hdf5("packed.h5")
    netcdf = pytest.importorskip("netCDF4")
    kind = {"wide.nc": "NETCDF3_64BIT_OFFSET", "five.nc": "NETCDF3_64BIT_DATA"}.get(name, "NETCDF3_CLASSIC")

    def write(path: str) -> None:
        with netcdf.Dataset(path, "w", format=kind) as file:
            file.title = "a test"
            file.createDimension("time", None if "record" in name else 50)
            file.createDimension("x", 34)
            for variable in ("a", "b") if name != "record.nc" else ("a",):
                made = file.createVariable(variable, "i2", ("time", "x"))
                made.units = "km"
                made[:] = np.arange(50 * 34).reshape(50, 34)

    return by_path(name, write)


@makes(
    "plain.tif",
    "packed.tif",
    "tiled.tif",
    "big.tif",
    "float16.tif",
    "pages.tif",
    "planes.tif",
    "bands.tif",
    "tree.tif",
    "bigtree.tif",
)
def tiff(name: str) -> bytes:
    tifffile, np = pytest.importorskip("tifffile"), pytest.importorskip("numpy")
    data = np.arange(90 * 100, dtype="u2").reshape(90, 100)
    file = io.BytesIO()
    more: dict = {
        "packed.tif": {"compression": "zlib"},
        "tiled.tif": {"tile": (32, 32)},
        "planes.tif": {"planarconfig": "separate", "photometric": "rgb"},
        "bands.tif": {"planarconfig": "separate", "photometric": "minisblack", "compression": "lzma"},
    }.get(name, {})
    if name.endswith("tree.tif"):
        with tifffile.TiffWriter(file, bigtiff=name == "bigtree.tif") as writer:
            writer.write(data, subifds=2, tile=(32, 32), compression="zlib")
            writer.write(data[::2, ::2], subfiletype=1, tile=(16, 16))
            writer.write(data[::4, ::4], subfiletype=1, tile=(16, 16))
        return file.getvalue()
    if name == "float16.tif":
        data = data.astype("f2")
    if name == "pages.tif":
        data = np.stack([data] * 5)
    if name in ("planes.tif", "bands.tif"):
        data = np.stack([data] * 3)
    tifffile.imwrite(file, data, bigtiff=name == "big.tif", **more)
    return file.getvalue()


@makes(
    "picture.png", "picture.jpg", "moving.gif", "picture.webp", "picture.bmp", "picture.jp2", "picture.j2k"
)
def picture(name: str) -> bytes:
    pillow = pytest.importorskip("PIL.Image")
    images = [pillow.frombytes("RGB", (60, 50), noise(9000, seed)) for seed in (1, 2)]
    more = {"save_all": True, "append_images": images[1:]} if name == "moving.gif" else {}
    file = io.BytesIO()
    images[0].save(
        file,
        {"jpg": "JPEG", "jp2": "JPEG2000", "j2k": "JPEG2000"}.get(name[-3:], name[-4:].lstrip(".")),
        **more,
    )
    return file.getvalue()


@makes("array.npy", "arrays.npz", "array.npy.gz", "objects.npy", "several.npy")
def numpy(name: str) -> bytes:
    np = pytest.importorskip("numpy")
    file = io.BytesIO()
    if name == "arrays.npz":
        np.savez(file, a=np.arange(3000), b=np.array([], "f4"))
        return file.getvalue()
    np.save(file, np.array([{"a": 1}, None] * 50) if name == "objects.npy" else np.arange(3000))
    if name == "several.npy":
        np.save(file, np.ones((9, 9), order="F"))
    return gzip.compress(file.getvalue()) if name.endswith("gz") else file.getvalue()


@makes("points.las", "points.laz", "six.las")
def las(name: str) -> bytes:
    laspy, np = pytest.importorskip("laspy"), pytest.importorskip("numpy")
    if name.endswith("laz"):
        pytest.importorskip("lazrs")
    made = (
        laspy.create(point_format=6, file_version="1.4")
        if name == "six.las"
        else laspy.create(point_format=3)
    )
    made.x = made.y = made.z = np.arange(3000) / 10
    return by_path(name, made.write)


@makes("rows.vot", "packed.vot")
def votable(name: str) -> bytes:
    pytest.importorskip("astropy")
    np = pytest.importorskip("numpy")
    from astropy.io.votable import from_table, writeto
    from astropy.table import Table

    made = from_table(Table({"ra": np.arange(50) / 3, "name": [f"n{n}" for n in range(50)]}))
    form = "tabledata" if name == "rows.vot" else "binary2"
    return by_path(name, lambda path: writeto(made, path, tabledata_format=form))


@makes("pixels.pgm", "pixels.ppm", "pixels.pbm", "pixels.pfm")
def netpbm(name: str) -> bytes:
    pillow = pytest.importorskip("PIL.Image")
    mode = {"pgm": "L", "ppm": "RGB", "pbm": "1", "pfm": "F"}[name[-3:]]
    return by_path(name, pillow.linear_gradient("L").resize((33, 20)).convert(mode).save)


@makes("reads.bam.bai", "calls.vcf.gz.tbi", "calls.vcf.gz.csi")
def index(name: str) -> bytes:
    pysam = pytest.importorskip("pysam")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name.rpartition(".")[0]
        path.write_bytes(MAKERS[path.name]())
        if name.endswith("bai"):
            pysam.index(str(path))
        else:
            pysam.tabix_index(str(path), preset="vcf", csi=name.endswith("csi"), force=True)
        return Path(folder, name).read_bytes()


@makes("values.pkl", "values.pkl.gz")
def pickled(name: str) -> bytes:
    data = pickle.dumps({"a": list(range(500)), "b": "word"})
    return gzip.compress(data) if name.endswith("gz") else data


@makes("small.cif")
def cif(name: str) -> bytes:
    """As programs for mmCIF write it, with a line of # behind each category."""
    gemmi = pytest.importorskip("gemmi")
    document = gemmi.cif.Document()
    block = document.add_new_block("a")
    block.set_pair("_cell.length_a", "10")
    atoms = block.init_loop("_atom_site.", ["id", "type_symbol", "x", "y", "z"])
    for i in range(60):
        atoms.add_row([str(i), "C", *(f"{i * n % 7 / 3:.3f}" for n in (1, 2, 3))])
    block.init_loop("_struct.", ["entry_id", "title"]).add_row(["A", "'a title'"])
    return by_path(name, lambda path: document.write_file(path, gemmi.cif.Style.Pdbx))


STORED = Path(__file__).parent / "stored"  # see make_stored.py
MAKERS |= {path.name: path.read_bytes for path in sorted(STORED.iterdir())}


def cuts(data: bytes, k: int) -> Iterator[bytes]:
    """The file cut at k places, the last ones near its end."""
    n = len(data)
    places = {n * i // k for i in range(k)} | {n - 2**i for i in range(12) if 2**i < n}
    for at in sorted(places):
        yield data[:at]


def flips(data: bytes, k: int) -> Iterator[bytes]:
    """The file with one byte changed, at k places."""
    for i in range(k):
        damaged = bytearray(data)
        damaged[len(data) * (2 * i + 1) // (2 * k)] ^= 0x5A
        yield bytes(damaged)


def zeroed(data: bytes, k: int) -> Iterator[bytes]:
    """The file whose end is zeros, from k places on."""
    for i in range(k):
        at = len(data) * i // k
        yield data[:at] + bytes(len(data) - at)
