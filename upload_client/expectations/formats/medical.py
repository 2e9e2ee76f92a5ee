"""Images of medicine: DICOM, by pydicom; NIfTI, MGH, NRRD and MetaImage, by the arithmetic of their headers.

DICOM: https://dicom.nema.org/medical/dicom/current/output/html/part05.html, 7.1 (data elements), 8.1.1 (pixel
data) and A.4 (encapsulated). NIfTI: https://nifti.nimh.nih.gov, nifti1.h and nifti2.h.
MGH: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat. NRRD: https://teem.sourceforge.net/nrrd/format.html.
MetaImage: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import math
import struct
import warnings
from typing import Any, BinaryIO, Literal, cast

from upload_client.expectations.file_tail import FileTail
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import INFLATE_ERRORS, Budget, Unpacked, inflater

_LARGE = 64 * 1024  # bytes of an element's value that is passed over
_UNDEFINED = 0xFFFFFFFF
_MAX_BYTES = 512 * 1024 * 1024  # of what is deflated or encapsulated, which pydicom reads whole
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


class _Watched:
    """A file, and whether it ended within a read: pydicom takes such an end for that of the file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.name = ""
        self.cut = False

    def read(self, n: int = -1) -> bytes:
        data = self._file.read(n)
        self.cut |= 0 < len(data) < n
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        at = self._file.seek(offset, whence)
        self.cut |= at > self._size
        return at

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        """Do nothing: it is somebody else's."""


def open_dicom(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a DICOM file: its elements, its required ones, and whether its pixels are all there."""
    import pydicom  # noqa: PLC0415 — an extra
    from pydicom.datadict import tag_for_keyword  # noqa: PLC0415 — as above
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415 — as above

    watched: Any = _Watched(file, size)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = pydicom.dcmread(watched, defer_size=_LARGE)
        except InvalidDicomError:
            if _is_bare(file, size):
                raise NotOpened(
                    "it lacks the head (PS3.10) that tells how it is written, as older programs leave it out"
                ) from None
            raise ValueError("it does not begin as a DICOM file does") from None
        except EOFError:
            raise ValueError("it is cut") from None
        syntax = data.file_meta.get("TransferSyntaxUID")
        if syntax is None:
            raise ValueError("it names no transfer syntax")
        if not syntax.is_deflated and watched.cut:
            raise ValueError("it is cut within an element")
        # A directory of files (DICOMDIR) has it in the head of the file alone.
        if "SOPClassUID" not in data and "MediaStorageSOPClassUID" not in data.file_meta:
            raise ValueError("it names no SOP class")
        pixels = next((name for name in _PIXELS if name in data), None)
        if pixels is not None:
            # Not by `get_item`, which reads the value of one that was passed over.
            tag = tag_for_keyword(pixels)
            element = next(one for one in data.values() if one.tag == tag)
            _check_pixels(data, element, syntax, size)
        elif "Rows" in data and "Columns" in data and "BitsAllocated" in data:
            if "PixelDataProviderURL" in data:
                raise NotOpened("its pixels lie elsewhere")
            raise ValueError("it has no pixels, and says how many there are")


def _is_bare(file: BinaryIO, size: int) -> bool:
    """Whether a file begins as a data set of DICOM does, with an element of group 2 or 8."""
    file.seek(0)
    head = file.read(8)
    orders: tuple[Literal["big", "little"], ...] = ("little", "big")
    for order in orders:
        if int.from_bytes(head[:2], order) in (2, 8):
            return head[4:6].isupper() or int.from_bytes(head[4:8], order) < size
    return False


def _check_pixels(data: Any, element: Any, syntax: Any, size: int) -> None:  # noqa: ANN401 — pydicom's
    length = element.length if hasattr(element, "length") else len(element.value or b"")
    start = getattr(element, "value_tell", None)
    if length == _UNDEFINED:
        return  # its end is an item that pydicom has looked for
    if start is not None and not syntax.is_deflated and start + length > size:
        raise ValueError(f"the last {start + length - size:,} bytes of its pixels are missing")
    if syntax.is_encapsulated:
        return
    samples = int(data.get("SamplesPerPixel", 1))
    n = math.prod(int(data.get(name) or 1) for name in ("Rows", "Columns", "NumberOfFrames")) * samples
    bits = int(data.get("BitsAllocated", 8)) * n
    if data.get("PhotometricInterpretation") == "YBR_FULL_422" and samples == 3:
        bits = bits * 2 // 3
    due = (bits + 7) // 8
    if length < due:
        raise ValueError(f"its pixels have {length:,} bytes where {due:,} are due")


_LENGTHS = (("<", 348), (">", 348), ("<", 540), (">", 540))


def open_nifti(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a NIfTI file of one piece: whether the values that its header speaks of are all there."""
    file.seek(0)
    head = file.read(540)
    for order, length in _LENGTHS:
        if len(head) >= length and struct.unpack_from(order + "i", head)[0] == length:
            break
    else:
        raise ValueError("it does not begin as NIfTI does")
    if length == 348:
        dims = struct.unpack_from(order + "8h", head, 40)
        bits = struct.unpack_from(order + "h", head, 72)[0]
        start = int(struct.unpack_from(order + "f", head, 108)[0])
        magic = head[344:348]
    else:
        dims = struct.unpack_from(order + "8q", head, 16)
        bits = struct.unpack_from(order + "h", head, 14)[0]
        start = struct.unpack_from(order + "q", head, 168)[0]
        magic = head[4:8]
    if magic not in (b"n+1\0", b"n+2\0"):
        if magic in (b"ni1\0", b"ni2\0"):
            raise NotOpened("its values lie in another file")
        raise ValueError("it does not begin as NIfTI does")
    if not 1 <= dims[0] <= 7 or any(n < 1 for n in dims[1 : dims[0] + 1]) or bits < 1:
        raise ValueError("its header is damaged")
    if start < length:  # nibabel takes the header's own bytes for values then
        raise ValueError(f"its header says that the values begin at byte {start}, within it")
    end = start + (math.prod(dims[1 : dims[0] + 1]) * bits + 7) // 8
    if end > size:
        raise ValueError(f"the last {end - size:,} bytes of its values are missing")


_MGH = {0: 1, 1: 4, 2: 8, 3: 4, 4: 2, 10: 2}  # bytes of an element, by its type


def open_mgh(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open an MGH file of FreeSurfer: whether all of its values are there."""
    file.seek(0)
    head = file.read(28)
    numbers = struct.unpack(">7i", head) if len(head) == 28 else (0,)
    if numbers[0] & 255 != 1:  # above that byte what the values are for, as newer versions of FreeSurfer say
        raise something_else(file, "MGH")
    if min(numbers[1:5]) < 1:
        raise ValueError("its header is damaged")
    if numbers[5] not in _MGH:
        raise NotOpened("its values are of a kind that is not known here")
    _all_there(284 + math.prod(numbers[1:5]) * _MGH[numbers[5]], size)


def _all_there(end: int, size: int) -> None:
    if end > size:
        raise ValueError(f"the last {end - size:,} bytes of its values are missing")


_MAX_HEAD = 1024 * 1024
_NRRD = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
    "float": 4,
    "double": 8,
}
_MET = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4}
_MET |= {"LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


def _unpacks_to(packing: str, file: BinaryIO, start: int, size: int, due: int, budget: Budget) -> None:
    behind = cast("BinaryIO", FileTail(file, start))
    n = Unpacked(packing, behind, size - start, budget).read_on()
    if n < due:
        raise ValueError(f"the last {due - n:,} bytes of its values are missing")


def open_nrrd(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an NRRD file of one piece: whether all of its values are there, also where they are packed."""
    file.seek(0)
    text = file.read(min(size, _MAX_HEAD))
    if not text.startswith(b"NRRD000"):
        raise ValueError("it does not begin as NRRD does")
    ends = [text.find(end) + len(end) for end in (b"\n\n", b"\r\n\r\n") if end in text]
    start = min(ends, default=0)
    lines = text[: start or len(text)].decode("utf-8", "replace").splitlines()
    found = {}
    for line in lines[1:]:
        key, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):  # := is of the user's own keys
            found[key.strip().lower().replace(" ", "")] = value.strip()
    if "datafile" in found:
        raise NotOpened("its values lie in another file")
    if not start:
        raise ValueError("it is cut in its header")
    try:
        item = _NRRD.get(found["type"].lower())
        due = math.prod(int(n) for n in found["sizes"].split())
        lines_to_skip, skip = int(found.get("lineskip", "0")), int(found.get("byteskip", "0"))
        encoding = found["encoding"].lower()
    except (KeyError, ValueError):
        raise ValueError("its header is damaged") from None
    if item is None or lines_to_skip:
        raise NotOpened("its values are of a kind that is not known here")
    if encoding == "raw":
        _all_there(due * item if skip < 0 else start + skip + due * item, size)
    elif encoding in ("gzip", "gz", "bzip2", "bz2") and not skip:
        _unpacks_to("gzip" if encoding.startswith("g") else "bzip2", file, start, size, due * item, budget)
    else:
        raise NotOpened("its values are written in a way that is not known here")


def open_metaimage(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a MetaImage of one piece: whether all of its values are there, also where they are packed."""
    file.seek(0)
    text = file.read(min(size, _MAX_HEAD))
    at = text.find(b"ElementDataFile")
    start = text.find(b"\n", at) + 1
    if at < 0 or not start:
        raise ValueError("it does not begin as MetaImage does, or is cut in its header")
    found = {}
    for line in text[:start].decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        found[key.strip().lower()] = value.strip()
    if "elementdatafile" not in found:
        raise ValueError("its header is damaged")
    if found["elementdatafile"].upper() != "LOCAL":
        raise NotOpened("its values lie in another file")
    try:
        item = _MET.get(found["elementtype"].upper().removeprefix("MET_"))
        sides = [int(n) for n in found["dimsize"].split()]
        due = math.prod(sides) * int(found.get("elementnumberofchannels", "1"))
        packed = int(found.get("compresseddatasize", "-1"))
    except (KeyError, ValueError):
        raise ValueError("its header is damaged") from None
    if item is None or found.get("binarydata", "true").lower() == "false" or "headersize" in found:
        raise NotOpened("its values are written in a way that is not known here")
    if found.get("compresseddata", "false").lower() != "true":
        _all_there(start + due * item, size)
        return
    _all_there(start + max(packed, 0), size)
    unpacker, n = inflater(), 0
    file.seek(start)
    data = b""
    try:
        while not unpacker.eof and (data := unpacker.unconsumed_tail or file.read(_PIECE)):
            piece = unpacker.decompress(data, _PIECE)
            budget.take(len(piece))
            n += len(piece)
    except INFLATE_ERRORS as error:
        raise ValueError(f"its values are damaged: {error}") from None
    if not unpacker.eof or n < due * item:
        raise ValueError(f"it is cut: its values have {n:,} bytes where {due * item:,} are due")


_PIECE = 256 * 1024
