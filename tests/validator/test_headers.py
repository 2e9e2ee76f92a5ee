"""Files whose header is read by hand open as all programs may write it."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.packed import Budget
from upload_client.validator.opening import format_of, open_as


def opens(name: str, data: bytes) -> None:
    kind = format_of(name)
    assert kind is not None
    open_as(kind, io.BytesIO(data), len(data), Budget(10**8))


@given(
    st.sampled_from([b"P5\n2 2\n255", b"P5 2 # wide\n2 255", b"P5\n# by hand\n\n2\n2\n255", b"P4\n9 2"]),
    st.sampled_from([b"\n", b" ", b"# the largest\n"]),
    st.one_of(
        st.binary(min_size=4, max_size=4),
        st.sampled_from([b"#ab\n", b"\n\n\n\n", b" #\n ", b"##\n#", b"9 \n#"]),
    ),
)
def test_whatever_pixels_begin_with_is_no_part_of_the_header(header, blank, pixels):
    opens("a.pbm" if header.startswith(b"P4") else "a.pgm", header + blank + pixels)
    with pytest.raises(ValueError, match="1 bytes of its pixels are missing"):
        opens("a.pgm", header + blank + pixels[:-1])


@pytest.mark.parametrize("scale", [b"-1.0", b"-1.000000e+00", b"1", b"-.5", b"1.", b"+1E0"])
def test_the_scale_of_pixels_is_written_as_any_number(scale):
    opens("a.pfm", b"Pf\n2 1\n" + scale + b"\n" + bytes(8))
    with pytest.raises(ValueError, match="missing"):
        opens("a.pfm", b"Pf\n2 1\n" + scale + b"\n" + bytes(7))


def test_a_number_that_no_picture_is_wide_is_told():
    with pytest.raises(ValueError, match="missing"):
        opens("a.pgm", b"P5 " + b"9" * 400 + b" 9 255\n")


def test_lines_of_ply_that_end_as_once_on_the_macintosh_are_not_called_cut():
    with pytest.raises(NotOpened, match="carriage returns"):
        opens("a.ply", b"ply\rformat ascii 1.0\relement vertex 1\rproperty float x\rend_header\r1\r")


@pytest.mark.parametrize("features", [1, 2, 16, 17, 40])
def test_the_index_of_flatgeobuf_has_a_root_also_above_one_feature(features):
    # The table of the header has field 8 alone, the number of features; that of nodes is 16 by default.
    fields = struct.pack("<11H", 22, 12, *[0] * 8, 4)
    header = struct.pack("<I", 4 + len(fields)) + fields + struct.pack("<iQ", len(fields), features)
    nodes = level = features
    while level > 1 or nodes == features:
        level = -(-level // 16)
        nodes += level
    feature = struct.pack("<I", 20) + bytes(20)
    data = b"fgb\x03fgb\0" + struct.pack("<I", len(header)) + header + b"\x40\x41" * 20 * nodes
    opens("a.fgb", data + feature * features)
    with pytest.raises(ValueError, match=f"feature {features} is not whole"):
        opens("a.fgb", data + (feature * features)[:-1])
