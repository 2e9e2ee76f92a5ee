"""Images of medicine: DICOM, by pydicom, and NIfTI, by its header's arithmetic.

DICOM: https://dicom.nema.org/medical/dicom/current/output/html/part05.html, 7.1 (data elements), 8.1.1 (pixel
data) and A.4 (encapsulated). NIfTI: https://nifti.nimh.nih.gov, nifti1.h and nifti2.h.
"""

from __future__ import annotations

import math
import struct
import warnings
from typing import Any, BinaryIO

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.packed import Budget

__all__ = ["open_dicom", "open_nifti"]

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
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415 — as above

    watched: Any = _Watched(file, size)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = pydicom.dcmread(watched, defer_size=_LARGE)
        except InvalidDicomError:
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
            _check_pixels(data, data.get_item(pixels), syntax, size)
        elif "Rows" in data and "Columns" in data and "BitsAllocated" in data:
            if "PixelDataProviderURL" in data:
                raise NotOpened("its pixels lie elsewhere")
            raise ValueError("it has no pixels, and says how many there are")


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
