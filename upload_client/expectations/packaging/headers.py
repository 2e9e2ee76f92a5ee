"""Headers of values that lie in another file, and what they say of it.

ENVI: https://www.nv5geospatialsoftware.com/docs/ENVIHeaderFiles.html; ESRI: GDAL's EHdr; Analyze 7.5 and
nifti1.h; https://itk.org/Wiki/ITK/MetaIO/Documentation; https://teem.sourceforge.net/nrrd/format.html;
BrainVision Core Data Format 1.0; imzML: https://ms-imaging.org/imzml.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping

from upload_client.expectations.packaging.promises import Listing, Promise, Promised, sibling

_SUFFIXES = (".hdr", ".mhd", ".nhdr", ".vhdr")
_MAX_TEXT = 1024 * 1024
_ENVI = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 9: 16, 12: 2, 13: 4, 14: 8, 15: 8}
_MET = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "DOUBLE": 8}
_MET |= {"LONG_LONG": 8, "ULONG_LONG": 8}
_NRRD = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "int16", "int16_t", "ushort", "unsigned short", "uint16"), 2),
    **dict.fromkeys(("uint16_t", "unsigned short int", "signed short", "signed short int"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32"), 4),
    **dict.fromkeys(("uint32_t", "float"), 4),
    **dict.fromkeys(("double", "longlong", "long long", "int64", "int64_t", "ulonglong", "uint64"), 8),
    **dict.fromkeys(("uint64_t", "unsigned long long", "signed long long", "long long int"), 8),
}
_BRAIN = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
_ENVI_SUFFIXES = ("", ".img", ".dat", ".raw", ".bin", ".bsq", ".bil", ".bip", ".sli", ".envi")
_ESRI_SUFFIXES = (".bil", ".bip", ".bsq", ".flt", ".dem")
_IBD = re.compile(rb'accession="IMS:10000(90|91)"[^>]*?value="\s*([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40})\s*"')
_BRACES = re.compile(r"\{[^{}]*\}")
_SUMS = {b"90": ("md5", 32), b"91": ("sha1", 40)}


def is_named(name: str) -> bool:
    """Whether a file of this name may be a header."""
    return name.endswith(_SUFFIXES) or name.lower().endswith(".imzml")


def promised(path: str, data: bytes, listing: Listing) -> Promised | None:
    """The promises of a header: the file that it describes, and how many bytes that has at least.

    Returns:
        None: it is none of those that are known here.

    Raises:
        ValueError: it is cut, or the file that it describes holds no whole samples.
    """
    lower = path.lower()
    if lower.endswith(".imzml"):
        return Promised("imzML", iter((_of_imzml(path, data),)))
    if lower.endswith(".hdr"):
        return _of_hdr(path, data, listing)
    text = _text(data)
    if lower.endswith(".mhd"):
        return _of_meta_image(path, _pairs(text, "="))
    if lower.endswith(".nhdr"):
        return _of_nrrd(path, text) if text.startswith("NRRD000") else None
    return _of_brain_vision(path, text, listing) if text.startswith("Brain") else None


def _text(data: bytes) -> str:
    """Decode a header: older programs write names of files in the code page of Windows."""
    try:
        return data[:_MAX_TEXT].decode("utf-8-sig")
    except UnicodeDecodeError:
        return data[:_MAX_TEXT].decode("cp1252", "replace")


def _pairs(text: str, between: str) -> dict[str, str]:
    """Keys in small letters, without blanks, and their values."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, there, value = line.partition(between)
        if there:
            found.setdefault("".join(key.lower().split()), value.strip())
    return found


def _one(what: str, path: str, least: int | None) -> Promised:
    return Promised(what, iter((Promise(path, least=least or 0),)))


def _of_imzml(path: str, data: bytes) -> Promise:
    sums = []
    for number, digest in _IBD.findall(data[:_MAX_TEXT]):
        name, digits = _SUMS[number]
        if len(digest) == digits:
            sums.append((name, bytes.fromhex(digest.decode())))
    return Promise(path[: -len(".imzML")] + ".ibd", sums=tuple(sums))


def _of_hdr(path: str, data: bytes, listing: Listing) -> Promised | None:
    """The header of ENVI, ESRI or Analyze: the names of all end so, and none says how its file is called."""
    stem = path[: -len(".hdr")]
    if len(data) == 348 or data[:4] in (b"\x5c\1\0\0", b"\0\0\1\x5c"):
        return _of_analyze(stem, data, listing)
    text = data[:_MAX_TEXT].decode("latin-1")
    if text.startswith("ENVI"):
        found = _pairs(_BRACES.sub("", text), "=")  # a description may have any line in it
        if found.get("filetype", "").lower().startswith("envi meta"):
            return None
        item = _ENVI.get(_number(found, "datatype", 0))
        sides = [_number(found, key, 0) for key in ("samples", "lines", "bands")]
        is_packed = _number(found, "filecompression", 0)
        least = _number(found, "headeroffset", 0) + math.prod(sides) * (item or 0)
        return _nearest(
            "ENVI header", stem, _ENVI_SUFFIXES, 0 if is_packed or item is None else least, listing
        )
    fields = {fields[0].lower(): fields[1] for line in text.splitlines() if len(fields := line.split()) > 1}
    if not {"nrows", "ncols"} <= fields.keys():
        return None
    bits = 32 if "cellsize" in fields and "nbits" not in fields else _number(fields, "nbits", 8)
    row = -(-_number(fields, "ncols", 0) * bits // 8)
    least = _number(fields, "skipbytes", 0) + _number(fields, "nrows", 0) * _number(fields, "nbands", 1) * row
    return _nearest("ESRI header", stem, _ESRI_SUFFIXES, least, listing)


def _of_analyze(stem: str, data: bytes, listing: Listing) -> Promised | None:
    if len(data) < 348:
        raise ValueError("it is cut: its header has 348 bytes")
    order = "<" if data[:4] == b"\x5c\1\0\0" else ">"
    axes, *sides = struct.unpack(f"{order}8h", data[40:56])
    (bits,) = struct.unpack(f"{order}h", data[72:74])
    (start,) = struct.unpack(f"{order}f", data[108:112])
    if data[344:347] == b"n+1" or not 1 <= axes <= 7 or bits <= 0 or not 0 <= start < 2**31:
        return None
    least = int(start) + -(-math.prod(max(1, side) for side in sides[:axes]) * bits // 8)
    if listing.find(f"{stem}.img") is None and listing.find(f"{stem}.img.gz") is not None:
        return _one("Analyze header", f"{stem}.img.gz", None)
    return _one("Analyze header", f"{stem}.img", least)


def _nearest(
    what: str, stem: str, suffixes: tuple[str, ...], least: int, listing: Listing
) -> Promised | None:
    """The promise of the one file that is there of those that a header may be of; there may be others."""
    names = (stem + one for suffix in suffixes for one in (suffix, suffix.upper()))
    there = next((name for name in names if listing.find(name) is not None), None)
    return None if there is None else _one(what, there, least)


def _number(found: Mapping[str, str], key: str, usual: int) -> int:
    value = found.get(key, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else usual


def _of_meta_image(path: str, found: Mapping[str, str]) -> Promised | None:
    name = found.get("elementdatafile", "")
    if not name or name.upper() in ("LOCAL", "LIST") or "%" in name:
        return None
    there = sibling(path, name)
    item = _MET.get(found.get("elementtype", "").upper().removeprefix("MET_"))
    sides = [int(n) for n in found.get("dimsize", "").split() if n.isascii() and n.isdigit()]
    if there is None:
        return None
    least = None
    if found.get("compresseddata", "").lower() == "true":
        least = _number(found, "compresseddatasize", 0)
    elif item is not None and sides and found.get("binarydata", "true").lower() != "false":
        least = math.prod(sides) * item * _number(found, "elementnumberofchannels", 1)
        least += _number(found, "headersize", 0)
    return _one("MetaImage header", there, least)


def _of_nrrd(path: str, text: str) -> Promised | None:
    found = _pairs(text, ":")
    name = found.get("datafile", "")
    if not name or name.upper().startswith("LIST") or "%" in name:
        return None
    there = sibling(path, name)
    item = _NRRD.get(found.get("type", "").lower())
    sides = [int(n) for n in found.get("sizes", "").split() if n.isascii() and n.isdigit()]
    if there is None:
        return None
    least = None
    if found.get("encoding", "").lower() == "raw" and item is not None and sides:
        least = math.prod(sides) * item + _number(found, "byteskip", 0)
    return _one("NRRD header", there, least)


def _of_brain_vision(path: str, text: str, listing: Listing) -> Promised | None:
    found = _pairs(text, "=")
    stem = path.rpartition("/")[2][: -len(".vhdr")]
    promises = []
    for key in ("datafile", "markerfile"):
        if name := found.get(key, "").replace("$b", stem):
            there = sibling(path, name)
            if there is not None:
                promises.append(Promise(there))
    if not promises or "datafile" not in found:
        return None
    channels = _number(found, "numberofchannels", 0)
    frame = channels * _BRAIN.get(found.get("binaryformat", "").upper(), 0)
    if found.get("dataformat", "").upper() == "BINARY" and frame:
        least = _number(found, "datapoints", 0) * frame
        promises[0] = promises[0]._replace(least=least)
        listed = listing.find(promises[0].path)
        size = None if listed is None else listed.size
        if size is not None and size % frame:
            raise ValueError(
                f"{promises[0].path[-80:]!r} has {size:,} bytes, which are no whole samples of {frame} bytes"
            )
    return Promised("BrainVision header", _all(promises))


def _all(promises: list[Promise]) -> Iterator[Promise]:
    yield from promises
