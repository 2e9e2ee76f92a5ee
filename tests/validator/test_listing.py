"""The files of an index, for manifests: read once, and no more of it than there is room for."""

from __future__ import annotations

import pytest

from upload_client.expectations.packaging import NoIndex, judge
from upload_client.validator import listing as module
from upload_client.validator.listing import IndexListing
from upload_client.validator.rows import MalformedIndex

ROWS = [(f"b{n}/{name}", 10) for n in range(50) for name in ("bagit.txt", "bag-info.txt", "data/x", "data/y")]


@pytest.fixture
def rows_read(monkeypatch):
    """What an index has, and how often it was read."""
    read = []

    def index_rows(_control, key):
        read.append(key)
        yield from ROWS

    monkeypatch.setattr(module, "index_rows", index_rows)
    return read


def test_of_however_many_bags_the_index_is_read_once_for_names_and_once_for_numbers(rows_read):
    listing = IndexListing(None, "index.csv", complete=True)
    for n in range(50):
        judged = judge(f"b{n}/bag-info.txt", b"Payload-Oxum: 20.2\n", listing)
        assert not judged.findings.n
    assert "3 files with 20 bytes should be" in str(
        judge("b7/bag-info.txt", b"Payload-Oxum: 20.3\n", listing).findings
    )
    assert len(rows_read) == 2


def test_an_index_that_is_none_is_read_once(monkeypatch):
    read = []

    def index_rows(_control, key):
        read.append(key)
        raise MalformedIndex("row 2 has 1 cells instead of 3")

    monkeypatch.setattr(module, "index_rows", index_rows)
    listing = IndexListing(None, "index.csv", complete=True)
    for _ in range(2):
        with pytest.raises(NoIndex, match="the index is not valid: row 2"):
            listing.below("data/")
    assert len(read) == 1
