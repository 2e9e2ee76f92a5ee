"""The format of a file by its suffix, and whether it opens as that format.

`_FORMATS` has a line for each format: its suffixes, the module that reads it, and the extra that installs it.
A new one is a line, and a function that takes the file, its size and its budget, and raises `ValueError` for
a fault. All of it runs in a reader worker, except for text that is not compressed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
from collections.abc import Callable, Iterator
from functools import cache
from typing import BinaryIO, NamedTuple, cast

from upload_client.core.text import for_log
from upload_client.expectations.findings import LibraryMissing, NotOpened, Undecided, reason_of
from upload_client.expectations.formats.namesakes import APPLE_DOUBLE, LOOKED_AT, namesake
from upload_client.expectations.packaging import is_block, is_chunk
from upload_client.expectations.packed import (
    KEPT,
    MODULES,
    Budget,
    Member,
    Unpacked,
    tar_members,
    zip_members,
)
from upload_client.validator.content import TEXT_FORMATS, Unreadable, check_text

CHUNK = "zarr"
"""The format of a chunk of Zarr, which has no suffix, and needs the metadata of its array to be opened."""
_BLOCK = "n5"
CHUNKS = (CHUNK, _BLOCK)
"""This format, and N5, of which the same is true."""
_HERE = "upload_client.expectations.formats"
_PIECE = 256 * 1024
_MAX_WHY = 300
_MAX_DEPTH = 3
"""How many packs may lie in one another; what lies deeper is not opened."""
_FEW = 3
_MAX_UNPACKED = 4 * 1024**3


class _Format(NamedTuple):
    """A format that is opened here.

    Attributes:
        suffixes: the ends of its names, in lower case.
        function: what opens it, as ``module:function``; empty: it is text, or an archive.
        module: what has to be installed for that; empty: nothing.
        package: what a person installs.
        extra: of this package, in which that is.
        streams: it is read from its start to its end alone.
    """

    suffixes: tuple[str, ...]
    function: str = ""
    module: str = ""
    package: str = ""
    extra: str = "formats"
    streams: bool = False


_FORMATS = {
    "csv": _Format(("csv",)),
    "tsv": _Format(("tsv",)),
    "json": _Format(("json", "geojson", "topojson", "jsonld", "ipynb")),
    "jsonl": _Format(("jsonl", "ndjson", "geojsonl")),
    "parquet": _Format(("parquet",), f"{_HERE}.parquet:open_pages", "pyarrow", "pyarrow"),
    "fits": _Format(
        ("fits", "fit", "fts", "fz", "uvfits", "psrfits"), f"{_HERE}.fits:open_fits", "astropy", "astropy"
    ),
    "asdf": _Format(("asdf",), f"{_HERE}.asdf:open_asdf", "asdf", "asdf"),
    "bam": _Format(("bam",), f"{_HERE}.genomics:open_bam"),
    "cram": _Format(("cram",), f"{_HERE}.genomics:open_cram"),
    "bcf": _Format(("bcf",), f"{_HERE}.genomics:open_bcf"),
    "vcf": _Format(("vcf",), f"{_HERE}.genomics:open_vcf", streams=True),
    "fastq": _Format(("fastq", "fq"), f"{_HERE}.genomics:open_fastq", streams=True),
    "dicom": _Format(
        ("dcm", "dicom"), f"{_HERE}.medical:open_dicom", "pydicom", "pydicom", "formats-medical"
    ),
    "nifti": _Format(("nii",), f"{_HERE}.medical:open_nifti"),
    "hdf5": _Format(
        ("h5", "hdf5", "he5", "h5ad", "h5mu", "nwb", "loom", "cool", "mcool", "snirf", "fast5"),
        f"{_HERE}.scientific:open_hdf5",
        *("h5py", "h5py", "formats-arrays"),
    ),
    "hdf": _Format(("hdf", "hdf4", "h4", "nxs"), f"{_HERE}.scientific:open_hdf"),
    "matlab": _Format(("mat",), f"{_HERE}.matlab:open_mat"),
    "sqlite": _Format(
        ("sqlite", "sqlite3", "db", "db3", "gpkg", "mbtiles"), f"{_HERE}.databases:open_sqlite"
    ),
    "arrow": _Format(
        ("arrow", "arrows", "feather", "ipc"), f"{_HERE}.databases:open_arrow", "pyarrow", "pyarrow"
    ),
    "avro": _Format(("avro",), f"{_HERE}.databases:open_avro"),
    "orc": _Format(("orc",), f"{_HERE}.databases:open_orc"),
    "xml": _Format(
        ("xml", "lblx", "kml", "gpx", "svg", "gii", "xsd", "imzml"), f"{_HERE}.documents:open_xml"
    ),
    "gml": _Format(("gml",), f"{_HERE}.documents:open_gml"),
    "jpeg2000": _Format(("jp2", "j2k", "j2c", "jpc", "jpx", "jpf"), f"{_HERE}.pictures:open_jp2"),
    "wav": _Format(("wav", "wave"), f"{_HERE}.signals:open_wav"),
    "flac": _Format(("flac",), f"{_HERE}.signals:open_flac"),
    "edf": _Format(("edf", "bdf"), f"{_HERE}.signals:open_edf"),
    "miniseed": _Format(("mseed", "miniseed", "mseed3"), f"{_HERE}.signals:open_mseed"),
    "segy": _Format(("sgy", "segy"), f"{_HERE}.signals:open_segy"),
    "mgh": _Format(("mgh",), f"{_HERE}.medical:open_mgh"),
    "nrrd": _Format(("nrrd",), f"{_HERE}.medical:open_nrrd"),
    "metaimage": _Format(("mha",), f"{_HERE}.medical:open_metaimage"),
    "shapefile": _Format(("shp", "shx"), f"{_HERE}.geo:open_shapes"),
    "dbase": _Format(("dbf",), f"{_HERE}.databases:open_dbase"),
    "stata": _Format(("dta",), f"{_HERE}.databases:open_stata"),
    "bigwig": _Format(("bw", "bigwig", "bb", "bigbed"), f"{_HERE}.genomics:open_bigwig"),
    "tfrecord": _Format(("tfrecord", "tfrecords", "tfrec"), f"{_HERE}.learning:open_tfrecord"),
    "safetensors": _Format(("safetensors",), f"{_HERE}.learning:open_safetensors"),
    "7z": _Format(("7z",), f"{_HERE}.archives:open_7z"),
    "sas": _Format(("sas7bdat",), f"{_HERE}.statistical:open_sas"),
    "xport": _Format(("xpt",), f"{_HERE}.statistical:open_transport"),
    "spss": _Format(("sav", "zsav"), f"{_HERE}.statistical:open_spss"),
    "r": _Format(("rds", "rda", "rdata"), f"{_HERE}.statistical:open_r"),
    "compound": _Format(("xls", "doc", "ppt", "msg", "oib", "zvi"), f"{_HERE}.office:open_compound"),
    "bai": _Format(("bai",), f"{_HERE}.genomics:open_bai"),
    "index": _Format(("tbi", "csi", "crai"), f"{_HERE}.genomics:open_index"),
    "mp4": _Format(
        ("mp4", "m4v", "m4a", "mov", "3gp", "heic", "heif", "avif"), f"{_HERE}.recordings:open_mp4"
    ),
    "avi": _Format(("avi",), f"{_HERE}.recordings:open_avi"),
    "matroska": _Format(("mkv", "mka", "webm"), f"{_HERE}.recordings:open_matroska"),
    "ogg": _Format(("ogg", "oga", "ogv", "opus"), f"{_HERE}.recordings:open_ogg"),
    "stl": _Format(("stl",), f"{_HERE}.meshes:open_stl"),
    "ply": _Format(("ply",), f"{_HERE}.meshes:open_ply"),
    "e57": _Format(("e57",), f"{_HERE}.meshes:open_e57"),
    "mrc": _Format(("mrc", "mrcs", "ccp4", "map"), f"{_HERE}.laboratory:open_mrc"),
    "czi": _Format(("czi",), f"{_HERE}.laboratory:open_czi"),
    "fcs": _Format(("fcs", "lmd"), f"{_HERE}.laboratory:open_fcs"),
    "mtz": _Format(("mtz",), f"{_HERE}.laboratory:open_mtz"),
    "nd2": _Format(("nd2",), f"{_HERE}.laboratory:open_nd2"),
    "lif": _Format(("lif",), f"{_HERE}.laboratory:open_lif"),
    "tdms": _Format(("tdms", "tdms_index"), f"{_HERE}.laboratory:open_tdms"),
    "cif": _Format(("cif", "mmcif"), f"{_HERE}.structures:open_cif", "gemmi", "gemmi", "formats-structures"),
    "bcif": _Format(("bcif",), f"{_HERE}.structures:open_bcif"),
    "pdb": _Format(("pdb", "ent"), f"{_HERE}.structures:open_pdb"),
    "xtc": _Format(("xtc",), f"{_HERE}.structures:open_xtc"),
    "trr": _Format(("trr",), f"{_HERE}.structures:open_trr"),
    "dcd": _Format(("dcd",), f"{_HERE}.structures:open_dcd"),
    "flatgeobuf": _Format(("fgb",), f"{_HERE}.maps:open_flatgeobuf"),
    "osm": _Format(("pbf",), f"{_HERE}.maps:open_osm"),
    "pmtiles": _Format(("pmtiles",), f"{_HERE}.maps:open_pmtiles"),
    "jsonseq": _Format(("geojsons", "geojsonseq", "jsonseq"), f"{_HERE}.maps:open_sequence"),
    "duckdb": _Format(("duckdb", "ddb"), f"{_HERE}.databases:open_duckdb"),
    "vortex": _Format(("vortex", "vtx"), f"{_HERE}.databases:open_vortex"),
    "gguf": _Format(("gguf",), f"{_HERE}.learning:open_gguf"),
    "onnx": _Format(("onnx",), f"{_HERE}.learning:open_onnx"),
    "pickle": _Format(("pkl", "pickle"), f"{_HERE}.learning:open_pickle"),
    "torch": _Format(("pt", "pth"), f"{_HERE}.learning:open_torch"),
    "netpbm": _Format(("pbm", "pgm", "ppm", "pnm", "pfm"), f"{_HERE}.pictures:open_netpbm"),
    "netcdf": _Format(("nc", "nc4", "cdf5", "mnc", "ncdf"), f"{_HERE}.scientific:open_netcdf"),
    "tiff": _Format(("tif", "tiff"), f"{_HERE}.geo:open_tiff"),
    "las": _Format(("las", "laz"), f"{_HERE}.geo:open_las"),
    "png": _Format(("png", "apng"), f"{_HERE}.pictures:open_png"),
    "jpeg": _Format(("jpg", "jpeg", "jpe", "jfif"), f"{_HERE}.pictures:open_jpeg"),
    "gif": _Format(("gif",), f"{_HERE}.pictures:open_gif"),
    "webp": _Format(("webp",), f"{_HERE}.pictures:open_webp"),
    "bmp": _Format(("bmp",), f"{_HERE}.pictures:open_bmp"),
    "npy": _Format(("npy",), f"{_HERE}.arrays:open_npy", "numpy", "numpy", streams=True),
    "grib": _Format(("grib", "grb", "grib2", "grb2"), f"{_HERE}.messages:open_grib"),
    "mcap": _Format(("mcap",), f"{_HERE}.messages:open_mcap"),
    "root": _Format(("root",), f"{_HERE}.physics:open_root"),
    "cdf": _Format(("cdf",), f"{_HERE}.physics:open_cdf"),
    "votable": _Format(("vot", "votable"), f"{_HERE}.documents:open_votable"),
    "mzml": _Format(("mzml",), f"{_HERE}.documents:open_mzml"),
    "pdf": _Format(("pdf",), f"{_HERE}.documents:open_pdf"),
    CHUNK: _Format((), f"{_HERE}.zarr:open_chunk", "numcodecs", "numcodecs", "formats-arrays"),
    _BLOCK: _Format((), f"{_HERE}.n5:open_block", "numcodecs", "numcodecs", "formats-arrays"),
    "zip": _Format(
        (
            *("zip", "npz", "xlsx", "xlsm", "xlsb", "docx", "pptx", "ods", "odt", "odp", "kmz"),
            *("epub", "3mf", "whl", "qza", "qzv", "keras"),
        )
    ),
    "tar": _Format(("tar",)),
}
_PACKINGS = {
    "gzip": _Format(("gz", "bgz")),
    "bzip2": _Format(("bz2",)),
    "xz": _Format(("xz",)),
    "zstd": _Format(("zst", "zstd"), "", MODULES["zstd"], "backports.zstd", "formats-packed"),
}
_SHORT = {
    "mgz": "mgh in gzip",
    "svgz": "xml in gzip",
    "tgz": "tar in gzip",
    "tbz2": "tar in bzip2",
    "txz": "tar in xz",
    "tzst": "tar in zstd",
}
_SUFFIXES = {suffix: name for name, one in _FORMATS.items() for suffix in one.suffixes}
_PACKED = {suffix: name for name, one in _PACKINGS.items() for suffix in one.suffixes}
_IN = " in "


def format_of(path: str) -> str | None:
    """The format a file should open as, by the end of its name; None where that says nothing.

    Returns:
        ``fits``; of what is packed ``fits in gzip``, or ``gzip`` where nothing is known of what is inside.
    """
    if is_chunk(path):
        return CHUNK
    if is_block(path):
        return _BLOCK
    stem, dot, suffix = path.rpartition("/")[2].lower().rpartition(".")
    if not dot:
        return None
    packing = _PACKED.get(suffix)
    if packing is None:
        return _SUFFIXES.get(suffix) or _SHORT.get(suffix)
    inner = _SUFFIXES.get(stem.rpartition(".")[2]) if "." in stem else None
    return packing if inner is None else f"{inner}{_IN}{packing}"


def _parts(kind: str) -> tuple[str, str]:
    """The format inside, and how it is packed; each empty where there is none."""
    inner, inside, packing = kind.partition(_IN)
    if inside:
        return inner, packing
    return ("", kind) if kind in _PACKINGS else (kind, "")


@cache
def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor what it would be in
        return False


def missing_library(kind: str) -> str | None:
    """Which package would have to be installed to open a format that `format_of` has told; None: nothing."""
    inner, packing = _parts(kind)
    for one in (_PACKINGS.get(packing), _FORMATS.get(inner)):
        if one is not None and one.module and not _is_there(one.module):
            return one.package
    return None


def open_as(
    kind: str, file: BinaryIO, size: int, budget: Budget, *, depth: int = 0, metadata: bytes = b""
) -> None:
    """Open a file as what its name says.

    Args:
        kind: as `format_of` tells it.
        file: binary and seekable.
        size: of it, in bytes.
        budget: what it may take.
        depth: how many packs it lies in.
        metadata: of the array that a chunk of Zarr is of.

    Raises:
        ValueError: it is not that, or damaged; or whatever else a library raises.
        NotOpened: it, or a part of it, was not looked into; nothing speaks against the rest.
        Undecided: it cannot be judged here.
    """
    inner, packing = _parts(kind)
    if packing:
        _open_packed(inner, packing, file, size, budget, depth)
    elif inner in TEXT_FORMATS:
        check_text(inner, file)
    elif inner == "zip":
        _open_members(zip_members(file, size, budget), budget, depth)
    elif inner == "tar":
        _open_members(tar_members(file, budget), budget, depth)
    else:
        module, _, function = _FORMATS[inner].function.partition(":")
        more = (metadata,) if inner in CHUNKS else ()
        try:
            getattr(importlib.import_module(module), function)(file, size, budget, *more)
        except (NotOpened, Undecided, MemoryError):
            raise
        except Exception:
            if other := _namesake(inner, file):
                raise NotOpened(f"it begins as {other}: something else has this name, too") from None
            raise


def _namesake(kind: str, file: BinaryIO) -> str:
    with contextlib.suppress(OSError, ValueError):  # one that cannot go back, or that a library has closed
        file.seek(0)
        return namesake(kind, file.read(LOOKED_AT))
    return ""


def open_function(path: str) -> Callable[[BinaryIO, int], None] | None:
    """The function that opens a file of this name in this process, by file and size; None: there is none."""
    kind = format_of(path)
    if kind is None or kind in CHUNKS or missing_library(kind) is not None:
        return None
    return lambda file, size: open_as(kind, file, size, Budget(_MAX_UNPACKED))


def _open_packed(inner: str, packing: str, file: BinaryIO, size: int, budget: Budget, depth: int) -> None:
    unpacked = Unpacked(packing, file, size, budget)
    content = cast("BinaryIO", io.BufferedReader(unpacked, _PIECE))
    wrong: Exception | None = None
    try:
        _open_inside(inner, unpacked, content, budget, depth)
    except Unreadable as error:
        wrong = ValueError(f"what is inside does not open as {inner}: {error}")
    except (NotOpened, Undecided, ValueError) as error:
        wrong = error
    # Whatever is said of its content: that the pack is damaged says more.
    if unpacked.size is None:
        unpacked.read_on()
    if wrong is not None:
        raise wrong


def _open_inside(inner: str, unpacked: Unpacked, content: BinaryIO, budget: Budget, depth: int) -> None:
    if not inner:
        return
    if inner in TEXT_FORMATS:
        check_text(inner, content)
    elif inner == "tar":
        _open_members(tar_members(content, budget), budget, depth + 1)
    elif (package := missing_library(inner)) is not None:
        raise LibraryMissing(f"{package} is not installed, so what is inside was not looked into")
    elif _FORMATS[inner].streams:
        open_as(inner, content, 0, budget, depth=depth + 1)
    else:
        kept = content.read(KEPT + 1)
        n = len(kept) if len(kept) <= KEPT else unpacked.read_on()
        # What is damaged in its packing has been told by now.
        inside = io.BytesIO(kept) if n <= KEPT else cast("BinaryIO", io.BufferedReader(unpacked, _PIECE))
        del kept
        inside.seek(0)
        open_as(inner, inside, n, budget, depth=depth + 1)


def _open_members(members: Iterator[Member], budget: Budget, depth: int) -> None:
    """Open what lies in an archive, each as what its own name says."""
    left_out: list[str] = []
    n = n_missing = 0
    for member in members:
        why = _open_member(member, budget, depth)
        if why is not None:
            n += 1
            n_missing += isinstance(why, LibraryMissing)
            if len(left_out) < _FEW:
                left_out.append(f"{member}: {why}")
    if n:
        more = f" and {n - len(left_out):,} more" if n > len(left_out) else ""
        # Only if with the libraries all of it could be opened, it is for them that it was not.
        kind = LibraryMissing if n_missing == n else NotOpened
        raise kind("; ".join(left_out) + more)


def _open_member(member: Member, budget: Budget, depth: int) -> NotOpened | None:
    """Open one, and say why it was not opened."""
    kind = format_of(member.name)
    if kind is None or kind in CHUNKS:
        return None
    if member.name.rpartition("/")[2].startswith("._") and member.file.peek(8).startswith(APPLE_DOUBLE):
        return None  # what macOS has put beside the file of that name
    package = missing_library(kind)
    if package is not None:
        return LibraryMissing(f"{package} is not installed")
    try:
        if kind in TEXT_FORMATS:
            check_text(kind, member.file)
        elif depth + 1 >= _MAX_DEPTH:
            return NotOpened(f"it lies in more than {_MAX_DEPTH - 1} packs")
        elif member.size > KEPT and kind in _FORMATS and _FORMATS[kind].streams:
            open_as(kind, member.file, 0, budget, depth=depth + 1)
        elif member.size > KEPT:
            return NotOpened(f"it is {kind} of more than {KEPT:,} bytes")
        else:
            data = member.file.read()
            open_as(kind, io.BytesIO(data), len(data), budget, depth=depth + 1)
    except NotOpened as error:
        return error
    except Undecided as error:
        return NotOpened(str(error))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 — whatever a library raises
        reason = f"{member} does not open as {kind}: {reason_of(error)}"
        raise ValueError(for_log(reason, _MAX_WHY)) from None
    return None
