"""PDS4: a label beside its data files (PDS4 Information Model, https://pds.nasa.gov/datastandards)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from upload_client.core import digests
from upload_client.expectations.packaging.promises import Listing, Promise, Promised, bounded, sibling

_MAX_BYTES = 16 * 1024 * 1024
_MAX_MARKS = 1_000_000
_SPACE = "http://pds.nasa.gov/pds4/pds/"
_SIZE = re.compile(r"(?:Byte|[ML]SB)(1|2|4|8|16)?$")
_OWN = {"IEEE754LSBSingle": 4, "IEEE754MSBSingle": 4, "IEEE754LSBDouble": 8, "IEEE754MSBDouble": 8}
_RECORDS = {"Table_Binary": "Record_Binary", "Table_Character": "Record_Character"}


def is_named(name: str) -> bool:
    """Whether a file of this name may be a label."""
    return name.lower().endswith((".xml", ".lblx"))


def is_meant(data: bytes | bytearray) -> bool:
    """Whether it speaks of PDS4 where a label does."""
    return _SPACE.encode() in data[: 64 * 1024]


class _Tree(ET.TreeBuilder):
    """Without a document type, which could declare entities that grow without end, or lie elsewhere."""

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        raise ValueError("it has a document type, which no label has")


def promised(path: str, data: bytes, _listing: Listing) -> Promised | None:
    """The promises of a label; None: it is none.

    Raises:
        ValueError: it is not whole, or says what cannot be.
        TooLarge: it has more elements and attributes than are looked at.
    """
    if not is_meant(data):
        return None
    bounded(data, _MAX_BYTES, b"<=", _MAX_MARKS)
    text = data.decode("utf-8-sig")
    try:
        root = ET.fromstring(text, ET.XMLParser(target=_Tree()))  # noqa: S314 — there are no entities
    except ET.ParseError as error:
        raise ValueError(f"not whole XML: {error}") from None
    if not root.tag.startswith("{" + _SPACE):
        return None
    return Promised("PDS4 label", _files(path, root))


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _child(element: ET.Element, *names: str) -> ET.Element | None:
    """The one below by these names, whatever their namespace's version."""
    for name in names:
        found = next((one for one in element if _name(one) == name), None)
        if found is None:
            return None
        element = found
    return element


def _text_of(element: ET.Element, *names: str) -> str | None:
    found = _child(element, *names)
    return None if found is None or found.text is None else found.text.strip()


def _number(element: ET.Element, *names: str) -> int | None:
    text = _text_of(element, *names)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"{names[-1]} is {text[:40]!r}, which is no number")
    return int(text)


def _files(path: str, root: ET.Element) -> Iterator[Promise]:
    for area in root:
        file = _child(area, "File")
        if file is None or not _name(area).startswith("File_Area"):
            continue
        place = sibling(path, _text_of(file, "file_name"))
        assert place is not None
        md5 = _text_of(file, "md5_checksum")
        sums = () if md5 is None else (("md5", digests.parse("md5", md5)),)
        least = max((_end(one) for one in area if one is not file), default=0)
        yield Promise(place, _number(file, "file_size"), sums, least)


def _end(part: ET.Element) -> int:
    """The byte where a part of a data file ends, at the least."""
    offset = _number(part, "offset") or 0
    kind = _name(part)
    if kind in _RECORDS:
        length = _number(part, _RECORDS[kind], "record_length") or 0
        return offset + (_number(part, "records") or 0) * length
    if kind.startswith("Array"):
        axes = [one for one in part if _name(one) == "Axis_Array"]
        n = 1
        for axis in axes:
            n *= _number(axis, "elements") or 0
        return offset + n * _size(_text_of(part, "Element_Array", "data_type") or "") if axes else offset
    return offset + (_number(part, "object_length") or 0)


def _size(kind: str) -> int:
    """The bytes of an element; 0 where nobody knows."""
    found = _SIZE.search(kind)
    return _OWN.get(kind) or (int(found[1] or 1) if found is not None else 0)
