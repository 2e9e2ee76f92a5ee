"""Sizes of parts, and which parts of an interrupted upload are kept."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core import checksums
from upload_client.core.parts import (
    DEFAULT_PART,
    MAX_OBJECT,
    MAX_PART,
    MAX_PARTS,
    MIB,
    MIN_PART,
    ListedPart,
    Part,
    TooLarge,
    crc32_of_parts,
    is_kept,
    part_size_for,
    part_size_of,
    parts,
)

sizes = st.one_of(st.integers(0, MAX_OBJECT), st.integers(0, 1000 * MIB))


@given(size=sizes, wanted=st.none() | st.integers(1, 2 * MAX_PART))
def test_every_file_that_s3_can_hold_is_cut_into_parts_that_s3_takes(size, wanted):
    part_size = part_size_for(size, wanted=wanted)
    cut = parts(size, part_size)
    assert MIN_PART <= part_size <= MAX_PART
    assert 1 <= len(cut) <= MAX_PARTS
    assert [part.number for part in cut] == list(range(1, len(cut) + 1))
    assert all(part.size == part_size for part in cut[:-1])
    assert cut[0].offset == 0
    assert all(one.offset + one.size == other.offset for one, other in pairwise(cut))
    assert cut[-1].offset + cut[-1].size == size
    assert cut[-1].size > 0 or size == 0


def test_the_wanted_part_size_is_taken_where_it_is_allowed():
    assert part_size_for(100 * MIB) == DEFAULT_PART
    assert part_size_for(100 * MIB, wanted=7 * MIB) == 7 * MIB
    assert part_size_for(100 * MIB, wanted=1) == MIN_PART
    assert part_size_for(100 * MIB, wanted=2 * MAX_PART) == MAX_PART
    assert part_size_for(100_000 * MIB, wanted=7 * MIB) == 10 * MIB


def test_a_file_no_number_of_parts_can_hold_is_refused():
    assert part_size_for(MAX_OBJECT) == MAX_PART
    with pytest.raises(TooLarge, match="more than S3 can hold"):
        part_size_for(MAX_OBJECT + 1)


def test_an_empty_file_has_one_empty_part():
    assert parts(0, MIN_PART) == [Part(1, 0, 0)]


@given(size=st.integers(1, 1000 * MIB), part_size=st.integers(MIN_PART, 100 * MIB), data=st.data())
def test_an_interrupted_upload_is_resumed_with_its_own_part_size(size, part_size, data):
    cut = parts(size, part_size)
    done = data.draw(st.lists(st.sampled_from(cut), min_size=1, max_size=20, unique=True))
    listed = [ListedPart(part.number, part.size, "etag") for part in done]
    if any(part.size == part_size for part in done):
        assert part_size_of(listed, size) == part_size


def test_the_largest_part_that_is_there_tells_how_the_file_was_cut():
    listed = [ListedPart(2, 4 * MIB, "b"), ListedPart(1, 8 * MIB, "a")]
    assert part_size_of(listed, 12 * MIB) == 8 * MIB


@pytest.mark.parametrize(
    ("listed_sizes", "size"),
    [
        ([], 20 * MIB),
        ([MIN_PART - 1], 20 * MIB),
        ([MAX_PART + 1], 20 * MAX_PART),
        ([MIN_PART], MIN_PART * MAX_PARTS + 1),
    ],
)
def test_an_upload_that_s3_would_not_complete_is_not_resumed(listed_sizes, size):
    listed = [ListedPart(number, part, "etag") for number, part in enumerate(listed_sizes, start=1)]
    assert part_size_of(listed, size) is None


PART = Part(2, 10, 4)


def md5_of(data):
    return lambda: hashlib.md5(data, usedforsecurity=False).hexdigest()


def md5_not_asked():
    pytest.fail("the CRC32 decides")


@given(local=st.binary(max_size=4), there=st.binary(max_size=4))
@example(local=b"data", there=b"data")
@example(local=b"data", there=b"dat\0")
def test_a_part_is_kept_only_if_the_checksum_in_s3_is_that_of_the_local_bytes(local, there):
    local_crc, crc_there = (checksums.encode(checksums.crc32(data)) for data in (local, there))
    listed = ListedPart(2, 4, "etag", crc_there)
    assert is_kept(listed, PART, local_crc, md5_not_asked) == (local == there)
    without_crc = ListedPart(2, 4, md5_of(there)())
    assert is_kept(without_crc, PART, local_crc, md5_of(local)) == (local == there)


def test_a_part_of_another_size_or_number_is_not_kept_whatever_its_checksum():
    assert is_kept(ListedPart(2, 4, "e", "yH2GHg=="), PART, "yH2GHg==", md5_not_asked)
    assert not is_kept(ListedPart(2, 5, "e", "yH2GHg=="), PART, "yH2GHg==", md5_not_asked)
    assert not is_kept(ListedPart(3, 4, "e", "yH2GHg=="), PART, "yH2GHg==", md5_not_asked)


@given(st.lists(st.binary(max_size=20), max_size=10))
@example([b"12345", b"", b"6789"])
def test_the_checksum_of_a_file_is_that_of_its_parts_together(blocks):
    whole = crc32_of_parts((len(block), checksums.crc32(block)) for block in blocks)
    assert whole == checksums.crc32(b"".join(blocks))
