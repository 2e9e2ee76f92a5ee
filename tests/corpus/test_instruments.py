"""Files of instruments and simulations that no library here writes, or that few write so."""

from __future__ import annotations

import struct

import pytest

from corpus.makers import MAKERS, cuts
from corpus.opened import opened


def _nd2() -> bytes:
    """As Nikon's program lays it out: chunks, the map of them, and the place of that."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(data)) + name + data

    made, places = chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0")), []
    for i in range(5):
        data = bytes(range(200))
        places.append(b"ImageDataSeq|%d!" % i + struct.pack("<QQ", len(made), len(data)))
        made += chunk(b"ImageDataSeq|%d!" % i, data)
    at = len(made)
    table = b"".join(places) + b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<QQ", at, 0)
    made += chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table)
    return made + b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", at)


def _lif(wide: bool) -> bytes:
    """As Leica's program lays it out, with lengths of 32 or of 64 bits."""

    def block(inner: bytes, memory: bytes = b"") -> bytes:
        return struct.pack("<II", 0x70, len(inner)) + inner + memory

    text = "<LMSDataContainerHeader/>"
    made = block(b"*" + struct.pack("<I", len(text)) + text.encode("utf-16-le"))
    for i in range(3):
        name = f"MemBlock_{i}"
        length = struct.pack("<Q" if wide else "<I", 300 * i)
        inner = b"*" + length + b"*" + struct.pack("<I", len(name)) + name.encode("utf-16-le")
        made += block(inner, bytes(range(100)) * 3 * i)
    return made


LAID_OUT = {"a.nd2": _nd2(), "wide.lif": _lif(wide=True), "old.lif": _lif(wide=False)}


@pytest.mark.parametrize("name", LAID_OUT)
def test_what_microscopes_write_opens_and_is_told_where_it_is_cut(name):
    data = LAID_OUT[name]
    assert opened(name, data) == ""
    whole_blocks = (
        [len(data) - 300 * 2 - 8 - 18 - 20 - 4 * ("wide" in name), len(data)] if "lif" in name else []
    )
    missed = [len(cut) for cut in cuts(data, 40) if not opened(name, cut) and len(cut) not in whole_blocks]
    assert missed == []


def test_a_map_of_nd2_that_tells_of_what_is_not_there_is_damage():
    data = _nd2()
    at = data.index(b"ImageDataSeq|3!", data.index(b"FILEMAP")) + 15
    assert "are missing" in opened("a.nd2", data[:at] + struct.pack("<Q", 2**40) + data[at + 8 :])
    assert "no chunk begins" in opened("a.nd2", data[:at] + struct.pack("<Q", 5) + data[at + 8 :])


def test_tdms_that_was_not_ended_is_not_opened_and_may_have_its_numbers_the_other_way_round():
    data = MAKERS["log.tdms"]()
    last = data.rindex(b"TDSm")
    not_ended = data[: last + 12] + b"\xff" * 8 + data[last + 20 :]
    assert opened("a.tdms", not_ended).startswith("not opened")
    length, raw = struct.unpack("<QQ", data[12:28])
    turned = data[:4] + bytes([data[4] | 0x40]) + data[5:8] + struct.pack(">IQQ", 4713, length, raw)
    assert opened("a.tdms", turned + data[28:]) == ""


def test_a_pdb_without_its_last_line_is_not_opened_unless_it_is_the_data_banks():
    atom = b"ATOM      1  N   ALA A   1       3.456   8.216   3.304  1.00  0.00           N  \n"
    assert opened("a.pdb", b"REMARK  of a program\n" + atom * 9 + b"END\n") == ""
    for end in (b"", b"TER\n"):
        assert opened("a.pdb", b"REMARK  of a program\n" + atom * 9 + end).startswith("not opened")
    assert "its last atom has no place" in opened("a.pdb", atom * 9 + atom[:40])
    models = b"".join(b"MODEL        %d\n%sENDMDL\n" % (n, atom * 90) for n in (1, 2, 3))
    assert opened("a.pdb", models) == ""
    assert "its last model is missing" in opened("a.pdb", models[: -len(b"ENDMDL\n")])
    head = b"HEADER    HYDROLASE                               10-JAN-97   1AKI              \n"
    head += b"REMARK   4                                                                      \n"
    head += b"REMARK   4 1AKI COMPLIES WITH FORMAT V. 3.30, 13-JUL-11                         \n"
    assert opened("a.ent", head + atom * 900 + b"END   \n") == ""
    assert "Protein Data Bank is missing" in opened("a.ent", head + atom * 900)
    assert "something else" in opened("a.ent", b"<!-- entities of SGML -->\n<!ENTITY a 'b'>\n" * 9)


def test_a_loop_of_cif_has_as_many_values_as_its_names_want():
    pytest.importorskip("gemmi")
    made = b"# of a program\ndata_a\nloop_\n_atom.id\n_atom.x\n1 0.5\n2 0.7\n"
    assert opened("a.cif", made) == ""
    assert "cut or damaged" in opened("a.cif", made + b"3\n")
    assert "cut or damaged" in opened("a.cif", made + b"3 'no end\n")
    assert "something else" in opened("chip.cif", b"DS 1 1 1;\n9 cell;\nL NWEL;\nB 100 100 0 0;\nDF;\nE\n")


def test_a_dcd_may_tell_another_length_of_its_words_than_they_have():
    """Of three lines of 80 some programs write that they are two."""
    data = MAKERS["frames.dcd"]()
    n = int.from_bytes(data[92:96], "little")
    words = struct.pack("<II", 164, 3) + bytes(240) + struct.pack("<I", 164)
    assert opened("a.dcd", data[:92] + words + data[100 + n :]) == ""
    assert "cut" in opened("a.dcd", (data[:92] + words + data[100 + n :])[:-7])


def _frame(magic: int, atoms: int, packed: bytes) -> bytes:
    head = struct.pack(">iiif9fi", magic, atoms, 0, 0.0, *[1.0] * 9, atoms)
    if atoms <= 9:
        return head + bytes(12 * atoms)
    length = struct.pack(">q" if magic == 2023 else ">i", len(packed))
    return head + struct.pack(">f7i", 1000.0, *[0] * 7) + length + packed + bytes(-len(packed) % 4)


def test_frames_of_xtc_may_have_few_atoms_and_lengths_of_64_bits():
    for magic, atoms in ((1995, 5), (1995, 40), (2023, 40)):
        frame = _frame(magic, atoms, bytes(range(41)))
        assert opened("a.xtc", frame * 3) == ""
        lengths = [len(cut) for cut in cuts(frame * 3, 30) if not opened("a.xtc", cut)]
        assert set(lengths) <= {len(frame), 2 * len(frame)}


def _segy(order: str, **header: int) -> bytes:
    places = {"samples": (20, "H"), "kind": (24, "H"), "more_samples": (68, "I"), "constant": (96, "I")}
    places |= {"alike": (302, "H"), "texts": (304, "h"), "more": (306, "i"), "start": (320, "Q")}
    places |= {"behind": (328, "i")}
    made = bytearray(400)
    made[300] = 2
    for name, value in ({"kind": 5, "samples": 25, "constant": 0x01020304} | header).items():
        at, letter = places[name]
        struct.pack_into(order + letter, made, at, value)
    return b"\x40" * 3200 + bytes(made)


@pytest.mark.parametrize("order", ["<", ">"])
def test_segy_of_version_2_tells_what_stands_before_and_behind_its_traces(order):
    trace = 240 + 100
    for more, n in (
        (_segy(order), 3 * trace),
        (_segy(order, alike=1, texts=1, behind=2), 3200 + 3 * trace + 6400),
        (_segy(order, alike=1, more=1, more_samples=70_000), 2 * (480 + 280_000)),
        (_segy(order, alike=1, texts=-1, start=3600 + 6400), 6400 + 3 * trace),
    ):
        assert opened("a.sgy", more + bytes(n)) == ""
        assert "it is cut" in opened("a.sgy", more + bytes(n - 1))
    for unknown in ({"texts": -1}, {"behind": -1}, {"more": 1}):
        assert opened("a.sgy", _segy(order, **unknown) + bytes(999)).startswith("not opened")


def test_traces_of_version_2_may_have_lengths_of_their_own():
    traces = b""
    for n in (25, 40, 7):
        head = bytearray(240)
        struct.pack_into(">H", head, 114, n)
        traces += bytes(head) + bytes(4 * n)
    assert opened("a.sgy", _segy(">") + traces) == ""
    assert "of trace 3 are missing" in opened("a.sgy", _segy(">") + traces[:-3])
