"""FITS, by astropy: headers by astropy, and data in pieces read here, so that no header can ask for memory.

FITS standard 4.0, https://fits.gsfc.nasa.gov/fits_standard.html: sections 4 (headers), 5 (data), 7.3
(tables).
"""

from __future__ import annotations

import contextlib
import math
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from upload_client.expectations.findings import Findings, NotOpened, Undecided
from upload_client.expectations.formats.scalars import check_scalar
from upload_client.expectations.model import Fits, Hdu
from upload_client.expectations.packed import Budget
from upload_client.expectations.values import TableJudge, ValueJudge, check_shape, is_of_type

BLOCK = 2880
"""Bytes of a FITS block; padding to whole blocks is often left out at the very end of a file."""
MAX_UNITS = 10_000
_NO_STANDARD = re.compile(rb"SIMPLE  = +F")
_PIECE = 8 * 1024 * 1024
_MAX_WHOLE = 256 * 1024 * 1024
_UNIT = b"XTENSION="
_MAX_TRAILER = 64 * 1024 * 1024  # bytes behind the last unit in which another one is looked for
_MAX_UNPACKED = 256 * 1024 * 1024  # bytes of pixels that are unpacked only to see whether they can be
_ALL_ONES = 0xFFFFFFFF
_NO_UNITS = ("_ValidHDU", "_CorruptedHDU", "_BaseHDU")
"""Classes that astropy gives to a header that is none."""

_BITPIX = {8: "uint8", 16: "int16", 32: "int32", 64: "int64", -32: "float32", -64: "float64"}
_UNSIGNED = {
    ("int16", 2.0**15): "uint16",
    ("int32", 2.0**31): "uint32",
    ("int64", 2.0**63): "uint64",
    ("uint8", -128.0): "int8",
}
_BINARY = {
    "L": "bool",
    "X": "bits",
    "B": "uint8",
    "I": "int16",
    "J": "int32",
    "K": "int64",
    "A": "string",
    "E": "float32",
    "D": "float64",
    "C": "complex64",
    "M": "complex128",
    "P": "variable",
    "Q": "variable",
}
_ASCII = {"A": "string", "I": "int64", "F": "float64", "E": "float64", "D": "float64"}
_NO_VALUES = ("bits", "variable", "unknown")
_FORMAT = re.compile(r"\s*(\d*)([A-Z])")


class Column:
    """A column of a FITS table."""

    def __init__(self, column: Any, *, ascii_table: bool) -> None:  # noqa: ANN401 — astropy's
        match = _FORMAT.match(str(column.format))
        repeat, code = (match[1], match[2]) if match else ("", "?")
        self.name: str = str(column.name)
        self.code = code
        self.type = (_ASCII if ascii_table else _BINARY).get(code, "unknown")
        self.scale = 1.0 if column.bscale in (None, "") else float(column.bscale)
        self.zero = 0.0 if column.bzero in (None, "") else float(column.bzero)
        if self.scale == 1.0:
            self.type = _UNSIGNED.get((self.type, self.zero), self.type)
        self.null = column.null
        self.unit = "" if column.unit is None else str(column.unit)
        n = 1 if code == "A" or ascii_table or not repeat else int(repeat)
        dim = column.dim
        if isinstance(dim, tuple) and code != "A":
            self.shape = tuple(int(one) for one in dim)
        else:
            self.shape = () if n == 1 else (n,)


@contextlib.contextmanager
def open_units(file: BinaryIO, size: int) -> Iterator[list[Any]]:
    """The HDUs of a file, their data unread.

    Raises:
        ValueError: it is cut, or a part of it is damaged.
    """
    if file.read(6) != b"SIMPLE":
        raise ValueError("it does not begin as FITS does")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(file, mode="readonly", memmap=False, lazy_load_hdus=True) as opened:
            units: list[Any] = []
            end = 0
            try:
                for unit in opened:
                    if len(units) >= MAX_UNITS:
                        raise ValueError(f"it has more than {MAX_UNITS:,} HDUs")
                    if type(unit).__name__ in _NO_UNITS:
                        raise ValueError(f"the header of HDU {len(units)} is damaged")
                    units.append(unit)
                    end = data_end(unit)
            except (KeyError, TypeError, AttributeError) as error:  # of what astropy does not expect
                raise ValueError(f"the header of HDU {len(units)} says what cannot be ({error})") from None
            # Before anybody looks at data, which may be said to be larger than anything.
            for number, unit in enumerate(units):
                _check_extent(unit, number, file, size)
            # It stops at a unit that it cannot read, as other things may follow the last one.
            for at in range(end, min(size, end + _MAX_TRAILER), BLOCK):
                file.seek(at)
                if file.read(len(_UNIT)) == _UNIT:
                    raise ValueError(f"the unit at byte {end} is damaged or cut")
            yield units


def check_sums(units: list[Any], file: BinaryIO) -> None:
    """Verify DATASUM and CHECKSUM where they are written (FITS standard, 4.4.2.7 and appendix J).

    Raises:
        ValueError: one of them is not that of the content.
    """
    for number, unit in enumerate(units):
        header = _stored_header(unit, file)
        wanted = {name: str(header.get(name, "")).strip() for name in ("DATASUM", "CHECKSUM")}
        if not any(wanted.values()):
            continue
        place = unit.fileinfo()
        data = _sum(file, place["datLoc"], place["datSpan"])
        if wanted["DATASUM"].isascii() and wanted["DATASUM"].isdigit() and int(wanted["DATASUM"]) != data:
            raise ValueError(f"the data of HDU {number} does not have the DATASUM its header says")
        # Zeros: not computed. All together, with its complement in the card, is a sum of nothing but ones.
        if wanted["CHECKSUM"].strip("0") and (
            _sum(file, place["hdrLoc"], place["datLoc"] - place["hdrLoc"], data) != _ALL_ONES
        ):
            raise ValueError(f"HDU {number} does not have the CHECKSUM its header says")


def check_packed(units: list[Any], file: BinaryIO) -> None:
    """Unpack the tiles of packed images, as far as that takes moderate time.

    Raises:
        ValueError: a tile cannot be unpacked.
    """
    left = _MAX_UNPACKED
    for number, unit in enumerate(units):
        if not isinstance(unit, fits.CompImageHDU) or not unit.shape:
            continue
        left -= math.prod(unit.shape) * 8
        if left < 0:
            return
        try:
            for _ in _pixels(unit, tuple(unit.shape), file):
                pass
        except (Undecided, MemoryError):
            return
        except Exception as error:  # noqa: BLE001 — whatever a library raises
            raise ValueError(f"a tile of the image packed in HDU {number} is damaged ({error})") from None


def _stored_header(unit: Any, file: BinaryIO) -> Any:  # noqa: ANN401 — astropy's
    """The header as it is in the file: of a packed image that of the table it is packed in."""
    place = unit.fileinfo()
    text = _read(file, place["hdrLoc"], place["datLoc"] - place["hdrLoc"])
    return fits.Header.fromstring(text.decode("latin-1"))


def _check_extent(unit: Any, number: int, file: BinaryIO, size: int) -> None:  # noqa: ANN401 — astropy's
    """Hold the end of a unit against the file: padding may be missing at its very end, data may not."""
    place = unit.fileinfo()
    if place["datLoc"] + place["datSpan"] <= size:
        return
    header = _stored_header(unit, file)
    axes = [int(header.get(f"NAXIS{n}", 0)) for n in range(1, int(header.get("NAXIS", 0)) + 1)]
    if axes and axes[0] == 0 and header.get("GROUPS") is True:
        axes = axes[1:]  # random groups, section 6
    values = math.prod(axes) if axes else 0
    n = (
        abs(int(header["BITPIX"]))
        // 8
        * int(header.get("GCOUNT", 1))
        * (int(header.get("PCOUNT", 0)) + values)
    )
    if place["datLoc"] + n > size:
        raise ValueError(
            f"the last {place['datLoc'] + n - size:,} bytes of the data of HDU {number} are missing"
        )


def _sum(file: BinaryIO, at: int, n: int, total: int = 0) -> int:
    """The ones' complement sum of 32-bit words (appendix J); padding that is missing counts as zeros."""
    file.seek(at)
    while n > 0 and (piece := file.read(min(n, _PIECE))):
        n -= len(piece)
        words = np.frombuffer(piece + bytes(-len(piece) % 4), ">u4")
        total += int(words.sum(dtype=np.uint64))
        while total >> 32:
            total = (total & _ALL_ONES) + (total >> 32)
    return total


def data_end(unit: Any) -> int:  # noqa: ANN401 — astropy's
    """The byte behind the data of a unit, and its padding."""
    place = unit.fileinfo()
    end: int = place["datLoc"] + place["datSpan"]
    return end


def is_table(unit: Any) -> bool:  # noqa: ANN401 — astropy's
    """Whether it is a table, and not an image (which may be packed in one)."""
    return isinstance(unit, (fits.BinTableHDU, fits.TableHDU)) and not isinstance(unit, fits.CompImageHDU)


def unit_name(unit: Any) -> str:  # noqa: ANN401 — astropy's
    """EXTNAME; PRIMARY for the first one; empty."""
    return str(unit.name)


def image_type(unit: Any) -> str:  # noqa: ANN401 — astropy's
    """The type of an image's pixels; that of unsigned integers where they are stored by the convention."""
    header = unit.header
    plain = _BITPIX.get(header.get("BITPIX"), "unknown")
    if header.get("BSCALE", 1) == 1:
        plain = _UNSIGNED.get((plain, float(header.get("BZERO", 0))), plain)
    return plain


def columns_of(unit: Any) -> list[Column]:  # noqa: ANN401 — astropy's
    """The columns of a table."""
    ascii_table = isinstance(unit, fits.TableHDU)
    return [Column(column, ascii_table=ascii_table) for column in unit.columns]


def cards_of(unit: Any) -> dict[str, object]:  # noqa: ANN401 — astropy's
    """The cards of a header with their values; None where a card has none."""
    found: dict[str, object] = {}
    for card in unit.header.cards:
        value = card.value
        found[card.keyword] = None if isinstance(value, fits.card.Undefined) else value
    return found


def judge_fits(content: Fits, file: BinaryIO, size: int, findings: Findings) -> None:
    """Judge a FITS file."""
    met: set[str | int] = set()
    with open_units(file, size) as units:
        check_sums(units, file)
        check_packed(units, file)
        for number, unit in enumerate(units):
            name = unit_name(unit)
            specs = [spec for spec in content.hdus if _means(spec.name, name, number)]
            met.update(spec.name for spec in specs)
            where = f"HDU {name}" if name else f"HDU {number}"
            if not specs and content.others == "refuse":
                findings.add(where, "no such HDU is expected")
            for spec in specs:
                _judge_unit(spec, unit, where, file, findings)
    for spec in content.hdus:
        if spec.required and spec.name not in met:
            findings.add(f"HDU {spec.name}", "it is missing")


def _means(wanted: str | int, name: str, number: int) -> bool:
    return wanted == number if isinstance(wanted, int) else wanted.upper() == name.upper()


def _judge_unit(spec: Hdu, unit: Any, where: str, file: BinaryIO, findings: Findings) -> None:  # noqa: ANN401
    kind = "table" if is_table(unit) else "image"
    if spec.type not in ("any", kind):
        findings.add(where, f"{kind} where {spec.type} is expected")
        return
    for rule in spec.header:
        if rule.card not in unit.header:
            if rule.required:
                findings.add(f"{where}, card {rule.card}", "it is missing")
            continue
        value = unit.header[rule.card]
        if isinstance(value, fits.card.Undefined):
            value = None
        check_scalar(findings, f"{where}, card {rule.card}", value, rule, rule.type)
    if kind == "table":
        if spec.dtype != "any" or spec.shape is not None or spec.judges_values:
            findings.add(where, "table where an image is expected")
        elif spec.columns or spec.rows.min is not None or spec.rows.max is not None:
            _judge_table(spec, unit, where, file, findings)
    elif spec.columns:
        findings.add(where, "image where a table is expected")
    else:
        _judge_image(spec, unit, where, file, findings)


def _judge_image(spec: Hdu, unit: Any, where: str, file: BinaryIO, findings: Findings) -> None:  # noqa: ANN401
    shape = tuple(unit.shape or ())
    found = image_type(unit)
    if not shape:
        if spec.shape or spec.dtype != "any":
            findings.add(where, "it has no data")
        return
    if not is_of_type(spec.dtype, found):
        findings.add(where, f"{found} where {spec.dtype} is expected")
    if spec.shape is not None:
        check_shape(findings, where, shape, spec.shape)
    if not spec.judges_values:
        return

    def place(number: int) -> str:
        # As FITS counts: from 1, the fastest axis first.
        index = np.unravel_index(number, shape)
        return f"pixel ({', '.join(str(int(one) + 1) for one in reversed(index))})"

    judge = ValueJudge(spec, where, place)
    first = 0
    for values, missing in _pixels(unit, shape, file):
        judge.feed(values, missing, first)
        first += len(values)
    judge.close(findings)


def _pixels(unit: Any, shape: tuple[int, ...], file: BinaryIO) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    header = unit.header
    if isinstance(unit, fits.CompImageHDU):
        if math.prod(shape[1:]) * 8 > _MAX_WHOLE:
            raise Undecided("the pixels of so large a compressed image cannot be judged")
        n = max(1, _PIECE // max(1, math.prod(shape[1:]) * 8))
        # Whole tiles, each unpacked once: an image may be one.
        tile = int((unit.tile_shape or (1,))[0])
        n = -(-n // tile) * tile
        if n * math.prod(shape[1:]) * 8 > 8 * _MAX_WHOLE:
            raise Undecided("the pixels of a compressed image with so large tiles cannot be judged")
        for start in range(0, shape[0], n):
            yield np.asarray(unit.section[start : start + n]).ravel(), None
        return
    stored = np.dtype(_BITPIX[header["BITPIX"]]).newbyteorder(">")
    scale, zero, blank = header.get("BSCALE", 1), header.get("BZERO", 0), header.get("BLANK")
    at, left = unit.fileinfo()["datLoc"], math.prod(shape)
    while left:
        n = min(left, _PIECE // stored.itemsize)
        raw = np.frombuffer(_read(file, at, n * stored.itemsize), stored)
        missing = raw == blank if blank is not None and stored.kind != "f" else None
        values = raw.astype(stored.newbyteorder("="))
        if (scale, zero) != (1, 0):
            values = values * float(scale) + float(zero)
        yield values, missing
        at += n * stored.itemsize
        left -= n


def _judge_table(spec: Hdu, unit: Any, where: str, file: BinaryIO, findings: Findings) -> None:  # noqa: ANN401
    columns = {column.name: column for column in columns_of(unit)}
    table = TableJudge(spec, findings, where)
    there = table.take_schema([(one.name, one.type, one.code) for one in columns.values()])
    n_rows = int(unit.header.get("NAXIS2", 0))
    for rule in there:
        column = columns[rule.name]
        place = f"{where}, column {rule.name!r}"
        if rule.shape is not None:
            check_shape(findings, place, column.shape, rule.shape)
        if rule.unit is not None and rule.unit != column.unit:
            findings.add(place, f"unit {column.unit or 'none'!r} where {rule.unit!r} is expected")
    if not table.check_rows(n_rows):
        return
    watched = [rule for rule in there if rule.judges_values]
    if not watched:
        return
    for rule in watched:
        if columns[rule.name].type in _NO_VALUES:
            raise Undecided(
                f"{where}, column {rule.name!r}: values of type {columns[rule.name].code} cannot be judged"
            )
    if isinstance(unit, fits.TableHDU):
        _judge_ascii(unit, watched, table)
    else:
        _judge_binary(
            unit, [(rule, columns[rule.name]) for rule in watched], table, file, n_rows, where, findings
        )
    table.close(n_rows)


def _judge_ascii(unit: Any, watched: list[Any], table: TableJudge) -> None:  # noqa: ANN401 — astropy's
    if unit.size > _MAX_WHOLE:
        raise Undecided(f"values in an ASCII table of more than {_MAX_WHOLE:,} bytes cannot be judged")
    data = unit.data
    for rule in watched:
        table.watch(rule)
        column = unit.columns[rule.name]
        texts = np.char.strip(np.asarray(data.base[rule.name]).astype("S"))
        # A blank field has no value, and neither has one that holds TNULL (sections 7.2.1 and 7.2.5).
        missing = texts == b""
        if column.null not in (None, ""):
            missing |= texts == str(column.null).strip().encode("ascii", "replace")
        table.feed(rule.name, np.asarray(data[rule.name]), missing if missing.any() else None)
    table.rows(len(data))


def _judge_binary(
    unit: Any,  # noqa: ANN401 — astropy's
    watched: list[tuple[Any, Column]],
    table: TableJudge,
    file: BinaryIO,
    n_rows: int,
    where: str,
    findings: Findings,
) -> None:
    stored = unit.columns.dtype.newbyteorder(">")
    row_bytes = int(unit.header["NAXIS1"])
    if stored.itemsize != row_bytes:
        findings.add(
            where, f"its columns take {stored.itemsize:,} bytes a row, and NAXIS1 says {row_bytes:,}"
        )
        return
    if row_bytes > _MAX_WHOLE:
        raise Undecided(f"{where}: values in rows of more than {_MAX_WHOLE:,} bytes cannot be judged")
    for rule, _ in watched:
        table.watch(rule, per_row=max(1, math.prod(stored[rule.name].shape)))
    for rows in _row_pieces(unit, stored, n_rows, file):
        for rule, column in watched:
            table.feed(rule.name, *_decoded(rows[rule.name].reshape(-1), column))
        table.rows(len(rows))


def _row_pieces(unit: Any, stored: Any, n_rows: int, file: BinaryIO) -> Iterator[Any]:  # noqa: ANN401 — numpy's
    """The rows of a binary table as they are stored, in pieces."""
    at, left = unit.fileinfo()["datLoc"], n_rows
    while left and stored.itemsize:
        n = min(left, max(1, _PIECE // stored.itemsize))
        yield np.frombuffer(_read(file, at, n * stored.itemsize), stored)
        at += n * stored.itemsize
        left -= n


def learn_values(unit: Any, file: BinaryIO, take: Callable[[str, Any, Any], None]) -> None:  # noqa: ANN401
    """Read the values of an image or a binary table.

    Args:
        unit: astropy's.
        file: it is from.
        take: gets the name of a column (empty: pixels), values in pieces, and where they are missing.
    """
    if not is_table(unit):
        for values, missing in _pixels(unit, tuple(unit.shape or ()), file) if unit.shape else ():
            take("", values, missing)
    elif isinstance(unit, fits.BinTableHDU):
        stored = unit.columns.dtype.newbyteorder(">")
        columns = [one for one in columns_of(unit) if one.type not in _NO_VALUES]
        if stored.itemsize != int(unit.header["NAXIS1"]) or stored.itemsize > _MAX_WHOLE:
            return
        for rows in _row_pieces(unit, stored, int(unit.header["NAXIS2"]), file):
            for column in columns:
                take(column.name, *_decoded(rows[column.name].reshape(-1), column))


def _decoded(raw: Any, column: Column) -> tuple[Any, Any]:  # noqa: ANN401 — arrays of any type
    """The values of a column as they are meant, and where they are missing (FITS standard, 7.3.3)."""
    if column.type == "bool":
        raw = raw.view(np.uint8)
        return raw == ord("T"), raw == 0
    if column.type == "string":
        values = np.char.rstrip(np.char.rstrip(raw.astype(f"S{raw.dtype.itemsize}"), b"\0"), b" ")
        return values, values == b""
    missing = raw == column.null if raw.dtype.kind in "iu" and isinstance(column.null, int) else None
    values = raw.astype(raw.dtype.newbyteorder("="))
    if (column.scale, column.zero) != (1.0, 0.0) and values.dtype.kind in "iuf":
        values = values * column.scale + column.zero
    return values, missing


def _read(file: BinaryIO, at: int, n: int) -> bytes:
    file.seek(at)
    data = file.read(n)
    if len(data) < n:
        raise ValueError(f"the last {n - len(data)} bytes are missing")
    return data


def open_fits(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a FITS file: the end of each HDU, sums where they are written, tiles of packed images."""
    file.seek(0)
    if _NO_STANDARD.match(file.read(80)):
        raise NotOpened("it says itself that it does not conform to the standard (SIMPLE = F)")
    file.seek(0)
    with open_units(file, size) as units:
        check_sums(units, file)
        check_packed(units, file)
