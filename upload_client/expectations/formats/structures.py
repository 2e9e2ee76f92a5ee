"""Structures of molecules, and how they move: CIF by gemmi, PDB, BinaryCIF, XTC, TRR and DCD by lengths.

CIF: https://www.iucr.org/resources/cif/spec/version1.1; mmCIF: https://mmcif.wwpdb.org. PDB:
https://www.wwpdb.org/documentation/file-format. BinaryCIF: https://github.com/molstar/BinaryCIF. XTC and TRR:
https://manual.gromacs.org/current/reference-manual/file-formats.html. DCD:
https://www.ks.uiuc.edu/Research/namd/2.9/ug/node11.html.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget

_PIECE = 256 * 1024
_WHOLE = 64 * 1024 * 1024
"""Bytes of the largest file that is read whole."""
_LAST = 4096


def open_cif(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open CIF or mmCIF: its grammar, and as many values in each loop as its names want.

    A program that writes a line of ``#`` before each loop, as those of the wwPDB do, writes one at the end.
    """
    if size > _WHOLE:
        raise NotOpened(f"it is CIF of more than {_WHOLE:,} bytes")
    from gemmi import cif  # noqa: PLC0415 — an extra

    file.seek(0)
    data = file.read(size)
    budget.spend()
    if not _begins_as_cif(data):
        raise something_else(file, "CIF")
    try:
        cif.read_string(data)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"it is cut or damaged: {error}") from None
    loops = data.count(b"\nloop_")
    lines = data.rstrip().splitlines()
    if (
        loops
        and data.count(b"#\nloop_") + data.count(b"# \nloop_") == loops
        and not lines[-1].startswith(b"#")
    ):
        raise ValueError("it is cut: the line of # behind its last category is missing")


def _begins_as_cif(data: bytes) -> bool:
    for line in data.removeprefix(b"\xef\xbb\xbf").splitlines():
        if line.strip() and not line.lstrip().startswith(b"#"):
            return line.lstrip()[:5].lower() == b"data_" or line.lower().startswith(b"global_")
    return False


_RECORDS = (
    *(b"HEADER", b"OBSLTE", b"TITLE ", b"SPLIT ", b"CAVEAT", b"COMPND", b"SOURCE", b"KEYWDS", b"EXPDTA"),
    *(b"AUTHOR", b"REVDAT", b"JRNL  ", b"REMARK", b"CRYST1", b"MODEL ", b"ATOM  ", b"HETATM", b"SEQRES"),
    *(b"DBREF ", b"DBREF1", b"HELIX ", b"SHEET ", b"NUMMDL", b"MDLTYP", b"SPRSDE", b"USER  ", b"CONECT"),
    *(b"ORIGX1", b"SCALE1", b"MTRIX1", b"HET   ", b"HETNAM", b"SSBOND", b"LINK  ", b"EXPDAT", b"TER   "),
)
_ATOMS = (b"ATOM  ", b"HETATM")
_BEHIND_MODELS = (b"CONECT", b"MASTER")


def open_pdb(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open PDB: whether a line ends it, and its last atom is whole. Some programs write no such line."""
    file.seek(0)
    head = file.read(_LAST)
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if b"\0" in head or not first.ljust(6).upper().startswith(_RECORDS):
        raise something_else(file, "PDB")
    budget.spend()
    start = max(0, size - _LAST)
    file.seek(start)
    tail = file.read(size - start)
    lines = [line for line in tail.splitlines() if line.strip(b" \0")]
    if start:
        lines = lines[1:]
    last = lines[-1] if lines else b""
    if last.rstrip() in (b"END", b"ENDMDL") or last[:6].rstrip() == b"END":
        return
    if last.startswith(_ATOMS) and not _has_place(last):
        raise ValueError("it is cut: its last atom has no place")
    if not tail.endswith((b"\n", b"\r")) and last[:6] not in _RECORDS:
        raise ValueError("it is cut within its last line")
    if any(line.startswith(b"MODEL ") for line in head.splitlines()) and last[:6] not in _BEHIND_MODELS:
        raise ValueError("it is cut: the line that ends its last model is missing")
    if head.startswith(b"HEADER") and head[62:66].strip().isalnum() and b"\nREMARK   4 " in head + tail:
        raise ValueError("it is cut: the line that ends a file of the Protein Data Bank is missing")
    raise NotOpened("no line ends it, as some programs leave it out: whether it is whole cannot be told")


def _has_place(line: bytes) -> bool:
    try:
        return len([float(line[at : at + 8]) for at in (30, 38, 46)]) == 3
    except ValueError:
        return False


def open_bcif(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open BinaryCIF: MessagePack to its end, with the categories of a file in it."""
    import msgspec  # noqa: PLC0415 — not for other formats

    if size > _WHOLE:
        raise NotOpened(f"it is BinaryCIF of more than {_WHOLE:,} bytes")
    file.seek(0)
    data = file.read(size)
    budget.take(size)
    try:
        found = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is cut or damaged: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("dataBlocks"), list):
        raise something_else(file, "BinaryCIF")


_XTC, _XTC_LONG = 1995, 2023
"""How a frame begins; after the second the number of its bytes has 64 bits."""
_FEW_ATOMS = 9
"""So many, or fewer, are not packed."""


def open_xtc(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open XTC: each frame, all of its bytes."""
    at = n = 0
    while at < size:
        budget.spend()
        n += 1
        file.seek(at)
        head = file.read(96)
        magic, atoms = (int.from_bytes(head[i : i + 4], "big") for i in (0, 4))
        if magic not in (_XTC, _XTC_LONG):
            if n == 1:
                raise something_else(file, "XTC")
            raise ValueError(f"it is cut or damaged: frame {n:,} does not begin as one does")
        if atoms <= _FEW_ATOMS:
            length = 56 + 12 * atoms
        else:
            wide = 8 if magic == _XTC_LONG else 4
            packed = int.from_bytes(head[88 : 88 + wide], "big")
            length = 88 + wide + packed + -packed % 4
        if len(head) < 56 or at + length > size:
            raise ValueError(f"it is cut: frame {n:,} is not whole")
        at += length
    if not n:
        raise ValueError("it is empty")


_TRR_MAGIC = struct.pack(">iii", 1993, 13, 12) + b"GMX_trn_file"


def open_trr(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open TRR: each frame, all of its bytes."""
    at = n = 0
    while at < size:
        budget.spend()
        n += 1
        file.seek(at)
        head = file.read(76)
        if head[:24] != _TRR_MAGIC[: len(head)]:
            if n == 1:
                raise something_else(file, "TRR")
            raise ValueError(f"it is cut or damaged: frame {n:,} does not begin as one does")
        if len(head) < 76:
            raise ValueError(f"it is cut: frame {n:,} is not whole")
        sizes = struct.unpack(">13i", head[24:])
        box, of_atoms, atoms = sizes[2], max(sizes[7:10]), sizes[10]
        real = box // 9 if box else of_atoms // (3 * atoms) if atoms > 0 else 4
        if min(sizes[:10]) < 0 or real not in (4, 8):
            raise ValueError(f"it is damaged: frame {n:,} tells lengths that cannot be")
        at += 76 + 2 * real + sum(sizes[:10])
        if at > size:
            raise ValueError(f"it is cut: frame {n:,} is not whole")
    if not n:
        raise ValueError("it is empty")


_Order = Literal["little", "big"]


def open_dcd(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open DCD: each record between its two lengths, and that it ends where a frame does."""
    file.seek(0)
    head = file.read(16)
    orders: tuple[_Order, ...] = ("little", "big")
    found = next(
        (
            (order, width)
            for order in orders
            for width in (4, 8)
            if int.from_bytes(head[:width], order) == 84 and head[width : width + 4] in (b"CORD", b"VELD")
        ),
        None,
    )
    if found is None:
        raise something_else(file, "DCD")
    order, width = found

    def record(at: int) -> int:
        """The place behind the record at one."""
        budget.spend()
        if at + width > size:
            raise ValueError("it is cut within a frame")
        file.seek(at)
        length = int.from_bytes(file.read(width), order)
        end = at + width + length
        if end + width > size:
            raise ValueError(f"it is cut: the record at byte {at:,} is not whole")
        file.seek(end)
        if int.from_bytes(file.read(width), order) != length:
            raise ValueError(f"it is damaged: the record at byte {at:,} has two lengths")
        return end + width

    file.seek(width)
    control = file.read(84)
    if len(control) < 84:
        raise ValueError("it is cut in its header")
    numbers = [int.from_bytes(control[at : at + 4], order) for at in range(4, 84, 4)]
    of_charmm = numbers[19] != 0
    fixed = numbers[8]
    records = 3 + (of_charmm and numbers[10] == 1) + (of_charmm and numbers[11] == 1)
    at = record(0)
    # The words that describe it may be more than the length says: some write always that of two lines.
    file.seek(at + width)
    end_of_title = at + 4 + 80 * int.from_bytes(file.read(4), order) + 2 * width
    file.seek(end_of_title - width)
    two = int.from_bytes(file.read(width), order) == 164
    at = end_of_title if two else record(at)
    for _ in range(2 if fixed else 1):
        at = record(at)
    lengths: list[int] = []
    while at < size:
        start = at
        for _ in range(records):
            at = record(at)
        lengths.append(at - start)
        if len(lengths) == 2 and not fixed and lengths[0] == lengths[1]:  # the others are alike
            n, rest = divmod(size - at, lengths[1])
            if rest:
                raise ValueError("it is cut within a frame")
            at += max(n - 1, 0) * lengths[1]
