"""Arrays of science: HDF5 and NetCDF4, by h5py; NetCDF3 and HDF4, by the arithmetic of their headers.

HDF4: https://docs.hdfgroup.org/archive/support/release4/doc/DSpec_html/DS.pdf, 2 (data descriptors).
NetCDF3: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html. Where records at its
end are gone, its library reads zeros in their place.
"""

from __future__ import annotations

import math
from typing import Any, BinaryIO

from upload_client.expectations.findings import LibraryMissing, NotOpened
from upload_client.expectations.packed import Budget

_HDF4, _NO_ELEMENT, _NOWHERE = b"\x0e\x03\x13\x01", 1, 2**32 - 1
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAX_READ = (
    64 * 1024 * 1024
)  # bytes of a file whose packed chunks are unpacked although nobody has asked for it
_MAX_ARRAY = 256 * 1024 * 1024
_MAX_OBJECTS = 100_000


def open_netcdf(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a NetCDF file of any version."""
    file.seek(0)
    if file.read(3) == b"CDF":
        _check_classic(file, size)
    else:
        open_hdf5(file, size, budget)


def open_hdf(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an HDF file of version 4 or 5: of the former, that each element lies in the file."""
    file.seek(0)
    if file.read(4) != _HDF4:
        open_hdf5(file, size, budget)
        return
    at, n = 4, 0
    seen = set[int]()
    while at:
        if at in seen:
            raise ValueError("it is damaged: its descriptors lead in a circle")
        seen.add(at)
        file.seek(at)
        head = file.read(6)
        entries = file.read(12 * int.from_bytes(head[:2]))
        if len(head) < 6 or len(entries) < 12 * int.from_bytes(head[:2]):
            raise ValueError("it is cut: descriptors of its elements are missing")
        for i in range(0, len(entries), 12):
            budget.spend()
            n += 1
            tag = int.from_bytes(entries[i : i + 2])
            offset, length = int.from_bytes(entries[i + 4 : i + 8]), int.from_bytes(entries[i + 8 : i + 12])
            if tag == _NO_ELEMENT or offset == length == _NOWHERE:
                continue
            if offset + length > size:
                raise ValueError(f"it is cut: {offset + length - size:,} bytes of element {n:,} are missing")
        at = int.from_bytes(head[2:6])


def open_hdf5(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an HDF5 file: its end, each object in it, and up to 64 MiB what is packed or has a checksum."""
    try:
        import h5py  # noqa: PLC0415 — an extra
    except ImportError:
        raise LibraryMissing("h5py is not installed") from None

    file.seek(0)
    if file.read(8) != _HDF5 and not any(_begins_at(file, 512 * 2**n, size) for n in range(20)):
        raise ValueError("it does not begin as HDF5 does")
    file.seek(0)
    with h5py.File(file, "r") as opened:
        seen = 0
        unread: list[str] = []

        def look(_name: str, found: Any) -> None:  # noqa: ANN401 — h5py's
            nonlocal seen
            budget.spend()
            seen += 1
            if seen > _MAX_OBJECTS:
                raise NotOpened(f"it has more than {_MAX_OBJECTS:,} objects")
            len(found.attrs)
            if isinstance(found, h5py.Dataset):
                why = _external_storage(found) or (_read(found, budget) if size <= _MAX_READ else "")
                if why and why not in unread:
                    unread.append(why)

        look("/", opened)
        opened.visititems(look)
    if unread:
        raise NotOpened(unread[0])


def _begins_at(file: BinaryIO, at: int, size: int) -> bool:
    """Whether it begins behind a block of the user's own."""
    if at >= size:
        return False
    file.seek(at)
    return file.read(8) == _HDF5


def _external_storage(found: Any) -> str:  # noqa: ANN401 — h5py's
    """Say that values lie in another file: where that is missing, readers get fill values, no error."""
    if found.external or (found.is_virtual and any(one.file_name != "." for one in found.virtual_sources())):
        return "some of its values lie in other files"
    return ""


def _read(found: Any, budget: Budget) -> str:  # noqa: ANN401 — h5py's
    """Unpack a dataset that is packed; say why it was not."""
    if found.is_virtual or found.external or not found.chunks:
        return ""
    plist = found.id.get_create_plist()
    if not plist.get_nfilters() or not found.size:
        return ""
    if found.size * found.dtype.itemsize > _MAX_ARRAY:
        return f"it has arrays of more than {_MAX_ARRAY:,} bytes, which were not unpacked"
    try:
        for where in found.iter_chunks():
            budget.spend()
            found[where]
    except OSError as error:
        if "filter" in str(error) and ("not registered" in str(error) or "not available" in str(error)):
            return "it is packed in a way that is not installed here"
        if "plugin" in str(error) or "required filter" in str(error):
            return "it is packed in a way that is not installed here"
        raise ValueError(f"the array {found.name!r} is damaged: {error}") from None
    return ""


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}


class _Header:
    """Reads the header of a classic NetCDF file."""

    def __init__(self, file: BinaryIO, version: int) -> None:
        self._file = file
        self.wide = version == 5

    def take(self, n: int) -> bytes:
        data = self._file.read(n)
        if len(data) < n:
            raise ValueError("it is cut in its header")
        return data

    def number(self, n: int = 4) -> int:
        return int.from_bytes(self.take(n), "big")

    def length(self) -> int:
        n = self.number(8 if self.wide else 4)
        if n > _MAX_ARRAY:
            raise ValueError("its header is damaged")
        return n

    def text(self) -> str:
        n = self.length()
        return self.take(n + -n % 4)[:n].decode("utf-8", "replace")

    def items(self, tag: int) -> range:
        found, n = self.number(), self.length()
        if found not in (0, tag) or (not found and n):
            raise ValueError("its header is damaged")
        return range(n)

    def attributes(self) -> None:
        for _ in self.items(12):
            self.text()
            kind = self.number()
            n = self.length() * self.item(kind)
            self.take(n + -n % 4)

    @staticmethod
    def item(kind: int) -> int:
        if kind not in _SIZES:
            raise ValueError("its header is damaged")
        return _SIZES[kind]


def _check_classic(file: BinaryIO, size: int) -> None:
    """Add up where the values of each variable end."""
    version = file.read(1)[:1]
    if version not in (b"\1", b"\2", b"\5"):
        raise ValueError("it does not begin as NetCDF does")
    header = _Header(file, version[0])
    n_records = header.number(8 if header.wide else 4)
    lengths = []
    for _ in header.items(10):
        header.text()
        lengths.append(header.number(8 if header.wide else 4))
    header.attributes()
    end = 0
    records: list[tuple[int, int]] = []
    for _ in header.items(11):
        header.text()
        dims = [header.number(8 if header.wide else 4) for _ in range(header.length())]
        if any(n >= len(lengths) for n in dims):
            raise ValueError("its header is damaged")
        header.attributes()
        item = header.item(header.number())
        header.number(8 if header.wide else 4)  # vsize is redundant, and too small for large variables
        begin = header.number(4 if version == b"\1" else 8)
        of_records = bool(dims) and not lengths[dims[0]]
        n = math.prod(lengths[one] for one in dims[of_records:]) * item
        if of_records:
            records.append((begin, n))
        else:
            end = max(end, begin + n)
    streaming = 2 ** (64 if header.wide else 32) - 1  # the number of records was not known yet
    if records and n_records not in (0, streaming):
        # Of a single one the records follow each other without padding.
        step = sum(n + -n % 4 for _, n in records) if len(records) > 1 else records[0][1]
        end = max(end, *(begin + (n_records - 1) * step + n for begin, n in records))
    if end > size:
        raise ValueError(f"the last {end - size:,} bytes of its values are missing")
