"""Documents that a person or a program reads from one end to the other: PDF, XML, VOTable, mzML.

PDF: ISO 32000-1, 7.5 and Annex H. VOTable: https://www.ivoa.net/documents/VOTable/, 1.4. mzML:
https://www.psidev.info/mzML, 1.1, and the index around it. XML is read in pieces, and nothing that it names
is fetched or expanded.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import BinaryIO
from xml.parsers import expat

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import LOOKED_AT, something_else
from upload_client.expectations.packed import INFLATE_ERRORS, Budget, inflater

_PIECE = 256 * 1024
_NEAR = 1024  # bytes within which readers look for the first line and the last one
_START = re.compile(rb"startxref\s+(\d{1,15})\s")
_LINEARIZED = re.compile(rb"/Linearized[^>]{0,200}?/L\s+(\d{1,15})\b")
_LATER = re.compile(rb"\d+\s+\d+\s+obj\b|\bxref\b|\btrailer\b|\bendstream\b|\bendobj\b")
"""Parts of a PDF; behind its end they are those of an addition that is cut."""
_MAX_BEHIND = 1024 * 1024  # bytes behind the end that others may have put there
_MAX_DEPTH = 1000
_SEVERAL = (
    expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT],
    expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI],
)
"""Said of several documents in one file, as some archives are handed on."""


def open_pdf(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a PDF file: its first line, its last one, and whether the table that this names is in the file.

    What a reader would fix is not refused: only what is not all there.
    """
    file.seek(0)
    head = file.read(_NEAR)
    if b"%PDF-" not in head:
        raise ValueError("it does not begin as PDF does")
    linearized = _LINEARIZED.search(head)
    if (
        linearized is not None and (due := int(linearized[1])) > size
    ):  # Annex F: its length, when it was written
        raise ValueError(f"it is cut: its last {due - size:,} bytes are missing")
    file.seek(max(0, size - _MAX_BEHIND))
    tail = file.read(_MAX_BEHIND)
    at = tail.rfind(b"%%EOF")
    # What has nothing to do with it may follow, such as zeros of a disk: readers pass over it.
    if at < 0 or (len(tail) - at > _NEAR and _LATER.search(tail, at)):
        raise ValueError("it is cut: the line that ends it is missing")
    starts = _START.findall(tail[: at + 1])
    if starts and int(starts[-1]) >= size:
        raise ValueError(
            f"it is cut: its table should begin at byte {int(starts[-1]):,}, and it has {size:,}"
        )


class _Xml:
    """Reads an XML file in pieces, and notes what its elements promise."""

    def __init__(self, roots: tuple[str, ...] = (), *, namespaces: bool = True) -> None:
        self._roots = roots
        self._path: list[str] = []
        parser = expat.ParserCreate(namespace_separator=" " if namespaces else None)
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.text
        parser.EntityDeclHandler = self._refuse
        parser.buffer_text = True
        self.parser = parser

    def read(self, file: BinaryIO, budget: Budget) -> None:
        file.seek(0)
        try:
            while piece := file.read(_PIECE):
                budget.spend()
                self.take(piece)
            self.take(b"")
            self.parser.Parse(b"", True)  # noqa: FBT003 — expat takes no names
        except expat.ExpatError as error:
            if error.code in _SEVERAL and not self._roots:
                raise NotOpened("something stands behind the first document in it") from None
            raise ValueError(f"not whole XML: {error}") from None
        except (LookupError, ValueError) as error:  # expat asks Python for other encodings than UTF
            if "unknown encoding" in str(error) or "multi-byte encodings" in str(error):
                raise NotOpened("it has an encoding that is not known here") from None
            raise

    def take(self, piece: bytes) -> None:
        """Take the next bytes; none: there are no more."""
        self.parser.Parse(piece)

    def _refuse(self, *_: object) -> None:
        raise NotOpened("it declares entities, which are not expanded here")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        if self._roots and not self._path and name not in self._roots:
            raise ValueError(f"its root is {name[:80]!r}, not {self._roots[0]}")
        if len(self._path) >= _MAX_DEPTH:
            raise ValueError(f"it has more than {_MAX_DEPTH:,} elements in each other")
        self._path.append(name)
        self.begin(name, attributes)

    def _end(self, name: str) -> None:
        self._path.pop()
        self.end(name.rpartition(" ")[2])

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Text between them."""


def _number(attributes: dict[str, str], name: str) -> int | None:
    text = attributes.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def open_xml(file: BinaryIO, _size: int, budget: Budget) -> None:
    """Open an XML file: whether it is whole. No schema is looked at, and no prefix needs a namespace."""
    xml = _Xml(namespaces=False)
    parser = xml.parser  # nothing is asked of its elements, which may be millions
    parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
    xml.read(file, budget)


def open_gml(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open GML of geography, which is XML: the Graph Modelling Language, a text, has that name, too."""
    file.seek(0)
    head = file.read(LOOKED_AT)
    if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        raise something_else(file, "GML of geography")
    open_xml(file, size, budget)


_LARGE = 8 * 1024 * 1024
_ROW_END, _ROWS = b"</TR>", b"TABLEDATA"
_NO_ROWS = (_ROWS, b"<!", b"<?")
"""Marks that no piece of rows alone has."""


class _VOTable(_Xml):
    """Each table has as many rows as it says, and each row a cell for each field.

    Whole rows in a large table, of which there may be many millions, are counted in their bytes, while expat
    sees to it that they are XML: to be called for each element takes five times as long. So it is not where
    these may stand for something else, in comments, say.
    """

    def __init__(self, *, is_large: bool) -> None:
        super().__init__(("VOTABLE",))
        self._counts_bytes = is_large
        self._between_rows, self._n_ended = False, 0
        self._rest = self._last = b""
        self._fields = self._rows = self._cells = 0
        self._due: int | None = None
        self._in_cells = self._in_rows = self._as_another = False
        self.parser.CharacterDataHandler = None

    def take(self, piece: bytes) -> None:
        if not self._counts_bytes:
            self.parser.Parse(self._rest + piece)
            self._rest = b""
            return
        data = self._rest + piece
        end = data.rfind(_ROW_END) + len(_ROW_END) if piece else len(data)
        if end < len(_ROW_END):
            end = len(data)
        some, self._rest = data[:end], data[end:]
        are_rows = some.endswith(_ROW_END) and not any(mark in some for mark in _NO_ROWS)
        if self._between_rows and are_rows:
            self.parser.StartElementHandler = self.parser.EndElementHandler = None
            self.parser.Parse(some)
            self.parser.StartElementHandler, self.parser.EndElementHandler = self._begin_cell, self._end_cell
            self._count(some)
        else:
            self.parser.Parse(some)
            # Of what it has begun to see expat may wait for more, and then not have told of all rows yet.
            is_whole = self._n_ended == some.rpartition(_ROWS)[2].count(_ROW_END)
            self._between_rows = self._in_rows and is_whole and some.endswith(_ROW_END)
        self._n_ended = 0
        among_rows = (self._last + some).rpartition(_ROWS)[2]
        self._last = some[-len(_ROWS) :]
        self._counts_bytes = not (self._in_rows and any(mark in among_rows for mark in _NO_ROWS))

    def _count(self, rows: bytes) -> None:
        """Count the cells of whole rows."""
        import numpy as np  # noqa: PLC0415 — not for what is small

        data = np.frombuffer(rows, np.uint8)
        at = np.flatnonzero(data[:-2] == ord("<"))
        kinds = data[at + 2][data[at + 1] == ord("T")]
        starts = np.flatnonzero(kinds == ord("R"))
        n_cells = np.diff(np.append(starts, len(kinds))) - 1
        wrong = np.flatnonzero(n_cells != self._fields)
        if len(wrong) and not self._as_another:
            self._rows += int(wrong[0]) + 1
            self._cells = int(n_cells[wrong[0]])
            self.end("TR")
        self._rows += len(starts)

    def _begin_cell(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element among rows, of which there may be a hundred million."""
        if name[-2:] == "TD":
            self._cells += 1
        elif name[-2:] == "TR":
            self._rows += 1
            self._cells = 0
        else:
            self._begin(name, attributes)

    def _end_cell(self, name: str) -> None:
        if name[-2:] == "TR":
            self._n_ended += 1
            self.end("TR")
        elif name[-2:] != "TD":
            self._end(name)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "TABLE":
            self._fields = self._rows = 0
            self._as_another = "ref" in attributes  # its fields are those of another table
            self._due, self._in_cells = _number(attributes, "nrows"), False
        elif name == "FIELD":
            self._fields += 1
        elif name == "TABLEDATA":
            self._in_cells = self._in_rows = True
            self.parser.StartElementHandler = self._begin_cell
            self.parser.EndElementHandler = self._end_cell

    def end(self, name: str) -> None:
        if name == "TR" and self._cells != self._fields and not self._as_another:
            raise ValueError(
                f"row {self._rows:,} has {self._cells} cells where there are {self._fields} fields"
            )
        if name == "TABLEDATA":
            self._in_rows = False
            self.parser.StartElementHandler, self.parser.EndElementHandler = self._begin, self._end
        if name == "TABLE" and self._in_cells and self._due not in (None, self._rows):
            raise ValueError(f"a table has {self._rows:,} rows where it says {self._due:,}")


def open_votable(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a VOTable: whole XML, with the rows and cells that it promises."""
    _VOTable(is_large=size > _LARGE).read(file, budget)


_MZML_TYPES = {"MS:1000519": 4, "MS:1000521": 4, "MS:1000522": 8, "MS:1000523": 8}  # bytes of an element
_MZML_ZLIB, _MZML_PLAIN = "MS:1000574", "MS:1000576"
_MZML_BY_REFERENCE = "by reference"
_MZML_OTHERS = {
    *(
        f"MS:{number}"
        for number in (*range(1002312, 1002315), *range(1002746, 1002749), *range(1003088, 1003091))
    ),
    _MZML_BY_REFERENCE,
}
"""Packings that give other lengths; some writers name zlib's beside Numpress."""


class _Values:
    """The values of an array in mzML, which come as pieces of base64: how many bytes they are."""

    def __init__(self, due: int, budget: Budget, *, is_packed: bool) -> None:
        self.due = due
        self._budget = budget
        self._unpacker = inflater() if is_packed else None
        self._left = ""
        self._n = 0

    def feed(self, text: str) -> None:
        """Take a piece of base64, without blanks."""
        self._left += text
        usable = len(self._left) // 4 * 4
        self._add(self._left[:usable])
        self._left = self._left[usable:]

    def _add(self, text: str) -> None:
        try:
            data = binascii.a2b_base64(text)
        except (binascii.Error, ValueError):
            raise ValueError("an array is damaged: it is no base64") from None
        if self._unpacker is None:
            self._n += len(data)
            return
        try:
            while data and not self._unpacker.eof:
                piece = self._unpacker.decompress(data, _PIECE)
                self._budget.take(len(piece))
                self._n += len(piece)
                data = self._unpacker.unconsumed_tail
        except INFLATE_ERRORS as error:
            raise ValueError(f"an array is damaged: {error}") from None

    def end(self) -> None:
        """Compare what has come with what was due."""
        self._add(self._left)
        if self._unpacker is not None and (self._n or self.due) and not self._unpacker.eof:
            raise ValueError("an array is damaged: it has no end")
        if self._n != self.due:
            raise ValueError(f"an array has {self._n:,} bytes of values where it says {self.due:,}")


class _MzMl(_Xml):
    """Each list has as many entries as it says, and each array the length that it says, unpacked too."""

    _LISTS = {"spectrumList": "spectrum", "chromatogramList": "chromatogram"}  # noqa: RUF012 — never changed

    def __init__(self, budget: Budget) -> None:
        super().__init__(("mzML", "indexedmzML"))
        self._budget = budget
        self._default: int | None = None
        self._elements: int | None = None
        self._kinds: set[str] = set()
        self._values: _Values | None = None
        self._counts: dict[str, int] = {}
        self._due: dict[str, int | None] = {}
        self._length: int | None = None
        self._n = 0
        self._inside = ""
        self.checksum = ""
        self.at = -1

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name in self._LISTS:
            self._counts[name], self._due[name] = 0, _number(attributes, "count")
        for of, entry in self._LISTS.items():
            if name == entry and of in self._counts:
                self._counts[of] += 1
                self._default = _number(attributes, "defaultArrayLength")
        if name == "binaryDataArray":
            self._length = _number(attributes, "encodedLength")
            own = _number(attributes, "arrayLength")
            self._elements = self._default if own is None else own
            self._kinds = set()
        elif name == "cvParam":
            self._kinds.add(attributes.get("accession", ""))
        elif name == "referenceableParamGroupRef":
            self._kinds.add(_MZML_BY_REFERENCE)
        elif name == "binary":
            self._n, self._inside = 0, name
            self._values = self._begun()
        elif name == "fileChecksum":
            self.at, self._inside = self.parser.CurrentByteIndex, name

    def _begun(self) -> _Values | None:
        """An array whose type and packing are declared; else its length is not known."""
        sizes = [size for kind, size in _MZML_TYPES.items() if kind in self._kinds]
        packings = self._kinds & {_MZML_ZLIB, _MZML_PLAIN}
        if self._elements is None or len(sizes) != 1 or len(packings) != 1 or self._kinds & _MZML_OTHERS:
            return None
        return _Values(self._elements * sizes[0], self._budget, is_packed=_MZML_ZLIB in packings)

    def text(self, text: str) -> None:
        if self._inside == "binary":
            piece = "".join(text.split())
            self._n += len(piece)
            if self._values is not None:
                self._values.feed(piece)
        elif self._inside and len(self.checksum) < 100:
            self.checksum += text

    def end(self, name: str) -> None:
        if name == "binary" and self._length not in (None, self._n):
            raise ValueError(f"an array has {self._n:,} characters where it says {self._length:,}")
        if name == "binary" and self._values is not None:
            self._values.end()
            self._values = None
        if name in self._LISTS and self._due[name] not in (None, self._counts[name]):
            raise ValueError(
                f"its {name} has {self._counts[name]:,} entries where it says {self._due[name]:,}"
            )
        if name == self._inside:
            self._inside = ""


def open_mzml(file: BinaryIO, _size: int, budget: Budget) -> None:
    """Open an mzML file: whole XML, lists and arrays as long as they say, and its SHA-1 where it has one.

    Arrays that zlib has packed are unpacked.
    """
    found = _MzMl(budget)
    found.read(file, budget)
    due = found.checksum.strip().lower()
    if not re.fullmatch("[0-9a-f]{40}", due) or found.at < 0:
        return
    # All before it counts, and its own tag, whatever blanks or prefix are in that.
    file.seek(found.at)
    tag = file.read(_NEAR)
    if not tag.startswith(b"<") or b">" not in tag:
        return  # of an encoding that has more bytes for each
    digest, left = hashlib.sha1(usedforsecurity=False), found.at + tag.index(b">") + 1
    file.seek(0)
    while left > 0 and (piece := file.read(min(_PIECE, left))):
        budget.spend()
        digest.update(piece)
        left -= len(piece)
    if digest.hexdigest() != due:
        raise ValueError("it is damaged: its content has another SHA-1 than it says")
