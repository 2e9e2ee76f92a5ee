"""Namesakes of these formats, by how they begin: a file that is one is no damaged one.

A `.las` may be a well log (CWLS LAS), a text; a `.wav` NIST SPHERE, as in many corpora of speech; a `.dta`
spectra of SEQUEST. A page that a server gave in a file's place is damage by any name.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from upload_client.expectations.findings import NotOpened

LOOKED_AT = 512
"""Bytes at a file's beginning by which it is told."""
_MIN_TEXT, _MIN_ZEROS = 32, 64
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html[\s>]|error[\s>])", re.IGNORECASE
)
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\f\r\x1a"))
APPLE_DOUBLE = b"\0\5\x16\7\0"
_WIDE_TEXTS = (b"\xff\xfe", b"\xfe\xff", b"~\0", b"\0~")
"""How texts in UTF-16 begin, and well logs in it that have no mark of that."""
_TEXTS = ("arrow", "dicom", "las", "netcdf", "orc", "stata")
"""ETAS DCM, well logs, G-code, Csound, SEQUEST and Gamry: formats of texts by these names."""
_MARKS = {
    "bam": ((0, b"pbj\0", "a model of Panda3D"),),
    "bcf": ((0, b"PK\3\4", "issues of buildings (BIM)"), (0, b"<?xml", "a file of Biber's")),
    "fits": (
        (8, b".FIT", "an activity in Garmin's FIT"),
        *((0, mark, "an image in ANA's format") for mark in (b"\x55\x55\xaa\xaa", b"\xaa\xaa\x55\x55")),
    ),
    "hdf": ((0, b"<?xml", "NeXus in XML"),),
    "vcf": ((0, b"BEGIN:VCARD", "vCard"),),
    "flac": (
        (0, b"OggS", "FLAC in Ogg"),
        *((0, mark, "frames of FLAC without its header") for mark in (b"\xff\xf8", b"\xff\xf9")),
    ),
    "wav": (
        (0, b"NIST_1A", "NIST SPHERE"),
        (0, b"RIFX", "WAV with its numbers the other way round"),
        (0, b"riff\x2e\x91", "Wave64"),
    ),
}


def _is_page(head: bytes) -> bool:
    return _PAGE.match(head) is not None


def something_else(file: BinaryIO, what: str) -> Exception:
    """Tell of a file by a name that others use, too, and that does not begin as a format does.

    Args:
        file: that can go back; zeros at its beginning are damage for certain.
        what: the format.
    """
    file.seek(0)
    head = file.read(LOOKED_AT)
    if _is_page(head):
        return ValueError(f"it is a page such as a server gives instead of a file, not {what}")
    if head[:_MIN_ZEROS].strip(b"\0"):
        return NotOpened(f"it does not begin as {what} does: something else has this name, too")
    return ValueError(f"it does not begin as {what} does")


def namesake(kind: str, head: bytes) -> str:
    """Tell what else a file is that does not open as a format; empty: nothing that is known here.

    Args:
        kind: name of the format.
        head: the first `LOOKED_AT` bytes.
    """
    if _is_page(head):
        return ""
    for at, mark, what in _MARKS.get(kind, ()):
        if head[at : at + len(mark)] == mark:
            return what
    if head.startswith(APPLE_DOUBLE):
        return "what macOS keeps beside a file (AppleDouble)"
    if kind in _TEXTS and any(head.startswith(mark) for mark in _WIDE_TEXTS):
        return "a text"
    is_text = len(head) >= _MIN_TEXT and len(head.translate(None, _CONTROLS)) == len(head)
    return "a text" if kind in _TEXTS and is_text else ""
