"""CRC32, computed by whichever library is there, against an independent oracle."""

from __future__ import annotations

import base64
import importlib.util
import sys

import crcmod.predefined
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core import checksums

oracle = crcmod.predefined.mkCrcFun("crc-32")


def without_isal():
    """The module as it is where isal is not installed."""
    spec = importlib.util.spec_from_file_location("checksums_without_isal", checksums.__file__)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "isal", None)
        spec.loader.exec_module(module)
    return module


BOTH = pytest.mark.parametrize("crc", [checksums, without_isal()], ids=["isal", "zlib"])


def test_isal_is_used_where_it_is_installed_and_zlib_where_it_is_not():
    pytest.importorskip("isal")
    assert checksums._crc32.__module__.startswith("isal")
    assert without_isal()._crc32.__module__ == "zlib"


@BOTH
@given(data=st.binary(max_size=200))
def test_a_checksum_is_what_an_independent_implementation_says(crc, data):
    assert crc.crc32(data) == oracle(data)
    assert crc.crc32(memoryview(bytearray(data))) == oracle(data)


@BOTH
@given(data=st.binary(max_size=200), cut=st.integers(0, 200))
def test_a_checksum_can_be_continued(crc, data, cut):
    assert crc.crc32(data[cut:], crc.crc32(data[:cut])) == oracle(data)


@BOTH
@given(first=st.binary(max_size=100), second=st.binary(max_size=100))
@example(first=b"12345", second=b"6789")
def test_combining_two_checksums_gives_that_of_the_concatenation(crc, first, second):
    assert crc.combine(crc.crc32(first), crc.crc32(second), len(second)) == oracle(first + second)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 50 * 2**40))
def test_both_implementations_combine_alike_whatever_the_length(crc1, crc2, length):
    pytest.importorskip("isal")
    assert checksums.combine(crc1, crc2, length) == without_isal_module.combine(crc1, crc2, length)


without_isal_module = without_isal()


@BOTH
def test_a_block_of_negative_length_is_refused(crc):
    with pytest.raises(ValueError, match="-1 bytes"):
        crc.combine(1, 2, -1)


@given(st.integers(0, 2**32 - 1))
def test_a_checksum_is_spelled_as_the_base64_of_four_big_endian_bytes(value):
    text = checksums.encode(value)
    assert base64.b64decode(text, validate=True) == value.to_bytes(4, "big")
    assert checksums.decode(text) == value


@pytest.mark.parametrize("value", [-1, 2**32])
def test_what_is_no_32_bit_number_is_not_spelled(value):
    with pytest.raises(OverflowError):
        checksums.encode(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yH2GHg",  # no padding
        "yH2GHh==",  # another spelling of the same bytes
        "yH2GHg==\n",
        " yH2GHg==",
        "yH2GHgA=",  # five bytes
        "yH2G",  # three bytes
        "c87d861e",  # hexadecimal
        "yH2GHg==yH2GHg==",
        "ÿH2GHg==",
        "yH2G\x00g==",
        "\ud800",
    ],
)
def test_any_other_spelling_is_refused(text):
    with pytest.raises(ValueError, match="four bytes"):
        checksums.decode(text)


@given(st.text(alphabet="yH2GHg=+/AQw\n ", max_size=12))
def test_what_is_read_is_written_the_same_way(text):
    try:
        value = checksums.decode(text)
    except ValueError:
        return
    assert checksums.encode(value) == text
