"""What a reader takes to open a file by its name alone, beside its library's own full read of the same file.

    python tests/benchmarks/readers.py [--megabytes 10] [--runs 3] [FORMAT…]

Each run is a process of its own. Of both the seconds of computing are told, without the imports (a small file
of the same format is read before), and the most memory the process has had, imports and all. Runs of both
take turns, medians are told.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024


def noise(n: int):
    """Numbers that can be packed to some three quarters."""
    import numpy as np

    return np.random.default_rng(1).integers(0, 2**24, n, "i4")


# --- files, of about so many bytes ---------------------------------------------------------------


def make_parquet(path: Path, n: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, pa.schema([("a", pa.int32()), ("b", pa.float64())])) as out:
        left = n // 12
        while left > 0:
            rows = min(left, 500_000)
            values = noise(rows)
            out.write_table(pa.table({"a": values, "b": values / 7}))
            left -= rows


def make_fits(path: Path, n: int) -> None:
    from astropy.io import fits

    fits.PrimaryHDU(noise(n // 4096 * 1024).reshape(-1, 1024)).writeto(path, checksum=True)


def make_asdf(path: Path, n: int) -> None:
    import asdf

    asdf.AsdfFile({"x": noise(n // 4)}).write_to(path)


def make_h5(path: Path, n: int) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "x", (n // 4,), "i4", chunks=(256 * 1024,), compression="gzip", fletcher32=True
        )
        for at in range(0, n // 4, 8 * MIB):
            made[at : at + 8 * MIB] = noise(min(8 * MIB, n // 4 - at))


def make_nc(path: Path, n: int) -> None:
    import netCDF4

    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.createDimension("t", None)
        file.createDimension("x", 1024)
        file.createVariable("v", "i4", ("t", "x"))[:] = noise(n // 4096 * 1024).reshape(-1, 1024)


def make_tif(path: Path, n: int) -> None:
    import tifffile

    side = int((n // 4) ** 0.5) // 256 * 256
    tifffile.imwrite(
        path, noise(side * side).reshape(side, side), compression="zlib", tile=(256, 256), bigtiff=True
    )


def make_las(path: Path, n: int) -> None:
    import laspy

    made = laspy.create(point_format=6)
    made.X = made.Y = made.Z = noise(n // 30)
    made.write(str(path))


def make_nii_gz(path: Path, n: int) -> None:
    import nibabel
    import numpy as np

    depth = n // 4 // 65_536
    values = noise(depth * 65_536).reshape(256, 256, depth)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def make_dcm(path: Path, n: int) -> None:
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    made = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    made.Rows = made.Columns = 1024
    made.NumberOfFrames = n // 2 // MIB
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelData = noise(made.NumberOfFrames * MIB).astype("u2").tobytes()
    made.save_as(path, enforce_file_format=True)


def make_bam(path: Path, n: int) -> None:
    import numpy as np
    import pysam

    with pysam.AlignmentFile(str(path), "wb", header={"SQ": [{"SN": "c", "LN": 10**8}]}) as out:
        bases = np.random.default_rng(1).choice(list("ACGT"), min(n, 10_000_000))
        text = "".join(bases)
        for number in range(n // 110):
            at = number * 100 % (len(text) - 100)
            read = pysam.AlignedSegment(out.header)
            read.query_name, read.query_sequence = f"r{number}", text[at : at + 100]
            read.query_qualities = pysam.qualitystring_to_array("I" * 100)
            read.flag = 4
            out.write(read)


def make_vot(path: Path, n: int) -> None:
    from astropy.table import Table

    rows = n // 60
    Table({"a": noise(rows), "b": noise(rows) / 7}).write(path, format="votable")


def make_jsonl(path: Path, n: int) -> None:
    with path.open("w") as out:
        out.writelines(f'{{"a": {value}, "b": "text of {value}"}}\n' for value in noise(n // 40))


def make_png(path: Path, n: int) -> None:
    from PIL import Image

    side = int((n / 3) ** 0.5)
    Image.frombytes("RGB", (side, side), noise(side * side).tobytes()[: side * side * 3]).save(path)


def make_jpg(path: Path, n: int) -> None:
    from PIL import Image

    side = int((n / 2) ** 0.5)
    pixels = noise(side * side).tobytes()[: side * side * 3]
    Image.frombytes("RGB", (side, side), pixels).save(path, "JPEG", quality=90)


def make_npy(path: Path, n: int) -> None:
    import numpy as np

    np.save(path, noise(n // 4))


def make_sqlite(path: Path, n: int) -> None:
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        made.executemany("INSERT INTO t VALUES (?, ?)", ((int(v), f"text of {v}") for v in noise(n // 30)))
        made.commit()


def make_arrow(path: Path, n: int) -> None:
    import pyarrow as pa

    values = noise(n // 12)
    table = pa.table({"a": values, "b": values / 7})
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=500_000)


def make_xml(path: Path, n: int) -> None:
    with path.open("w") as out:
        out.write("<top>")
        out.writelines(f'<row n="{value}"><b>text of {value}</b></row>\n' for value in noise(n // 48))
        out.write("</top>")


# --- a library's own full read --------------------------------------------------------------------


def read_parquet(path: Path) -> None:
    import pyarrow.parquet as pq

    for _ in pq.ParquetFile(path).iter_batches(use_threads=False):
        pass


def read_fits(path: Path) -> None:
    from astropy.io import fits

    with fits.open(path, checksum=True, memmap=False) as file:
        for unit in file:
            assert unit.data is not None


def read_asdf(path: Path) -> None:
    import asdf

    with asdf.open(path, lazy_load=False, memmap=False, validate_checksums=True) as file:
        assert file["x"] is not None


def read_h5(path: Path) -> None:
    import h5py

    with h5py.File(path) as file:
        data = file["x"]
        for at in range(0, len(data), 8 * MIB):
            assert data[at : at + 8 * MIB] is not None


def read_nc(path: Path) -> None:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        assert file["v"][:] is not None


def read_tif(path: Path) -> None:
    import tifffile

    assert tifffile.imread(path, maxworkers=1) is not None


def read_las(path: Path) -> None:
    import laspy

    with laspy.open(str(path)) as file:
        for _ in file.chunk_iterator(MIB):
            pass


def read_nii_gz(path: Path) -> None:
    import nibabel
    import numpy as np

    assert np.asanyarray(nibabel.load(path).dataobj) is not None


def read_dcm(path: Path) -> None:
    import pydicom

    assert pydicom.dcmread(path).pixel_array is not None


def read_bam(path: Path) -> None:
    import pysam

    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        for _ in file.fetch(until_eof=True):
            pass


def read_vot(path: Path) -> None:
    from astropy.table import Table

    assert Table.read(path, format="votable") is not None


def read_jsonl(path: Path) -> None:
    import json

    with path.open() as file:
        for line in file:
            json.loads(line)


def read_png(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as image:
        image.load()


read_jpg = read_png


def read_sqlite(path: Path) -> None:
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(path)) as found:
        for _ in found.execute("SELECT * FROM t"):
            pass


def read_arrow(path: Path) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        assert pa.ipc.open_file(file).read_all() is not None


def read_xml(path: Path) -> None:
    from xml.etree import ElementTree as ET

    assert ET.parse(path) is not None


def read_npy(path: Path) -> None:
    import numpy as np

    assert np.load(path) is not None


FORMATS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], None]]] = {
    name: (globals()[f"make_{name.replace('.', '_')}"], globals()[f"read_{name.replace('.', '_')}"])
    for name in (
        *("parquet", "fits", "asdf", "h5", "nc", "tif", "las", "nii.gz", "dcm", "bam", "vot", "jsonl"),
        *("png", "jpg", "npy", "sqlite", "arrow", "xml"),
    )
}


def ours(path: Path) -> None:
    """Open it as a validator's reader does."""
    from upload_client.validator.opening import format_of
    from upload_client.validator.reader_worker import _outcome

    kind = format_of(path.name)
    assert kind is not None
    with path.open("rb") as file:
        came_out = _outcome({"kind": kind, "size": path.stat().st_size}, file, 10**12)
    assert came_out.get("opens") is True, came_out
    if "not_opened" in came_out:
        print("not opened:", came_out["not_opened"], file=sys.stderr)


def one(name: str, who: str, path: Path, small: Path) -> None:
    """A run, in this process: seconds of computing and MiB."""
    read = ours if who == "ours" else FORMATS[name][1]
    read(small)
    took = []
    for _ in range(7 if path.stat().st_size < 20 * MIB else 1):  # a hundredth of a second is noise
        begun = time.process_time()
        read(path)
        took.append(time.process_time() - begun)
    print(statistics.median(took), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", nargs=4)
    parser.add_argument("--make", nargs=3)
    given = parser.parse_args()
    if given.make:
        name, path, n = given.make
        FORMATS[name][0](Path(path), int(n))
        return
    if given.one:
        name, who, path, small = given.one
        one(name, who, Path(path), Path(small))
        return
    print("| format | MB | ours, s | library, s | ratio | ours, MiB | library, MiB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in given.formats:
        with tempfile.TemporaryDirectory() as folder:
            small, path = Path(folder, f"small.{name}"), Path(folder, f"large.{name}")
            # Not in this process: a child's record of memory begins with that of its parent.
            for file, n in ((small, 3 * MIB), (path, given.megabytes * 1_000_000)):
                command = [sys.executable, "-W", "ignore", __file__, "--make", name, str(file), str(n)]
                subprocess.run(command, check=True)
            found: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
            for _ in range(given.runs):
                for who, runs in found.items():
                    command = [
                        sys.executable,
                        "-W",
                        "ignore",
                        __file__,
                        "--one",
                        name,
                        who,
                        str(path),
                        str(small),
                    ]
                    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                    seconds, mib = map(float, said.split())
                    runs.append((seconds, mib))
            (ours_s, ours_m), (their_s, their_m) = (
                (statistics.median(one[0] for one in runs), max(one[1] for one in runs))
                for runs in found.values()
            )
            size = path.stat().st_size / 1e6
            print(
                f"| {name} | {size:,.0f} | {ours_s:.2f} | {their_s:.2f} | {ours_s / their_s:.2f}"
                f" | {ours_m:,.0f} | {their_m:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
