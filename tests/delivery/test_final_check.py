"""The final check: what a listing says, and what is asked before anybody is blamed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.codes import FileCode
from upload_client.core.files import FileLedger
from upload_client.core.uploads import Upload
from upload_client.delivery.final_check import not_in_place
from upload_client.s3.bucket import ObjectInfo
from upload_client.s3.listing import Columns

PATHS = ["a", "b/c", "b-d", "é"]
T = "2026-01-02T03:04:05.678Z"


def ledger_of(judged: dict[str, str]) -> FileLedger:
    """Files with the ETags that were judged valid."""
    ledger = FileLedger(
        list(judged), abspaths="", checksums=[None] * len(judged), sizes=[1] * len(judged), max_retries=0
    )
    for row, etag in enumerate(judged.values()):
        ledger.queue(row)
        ledger.start(row)
        assert ledger.transferred(row, Upload(1, row, 1, "AAAAAA==", etag), T)
        ledger.judge(row, "valid", None, T)
    return ledger


class Landing:
    """A bucket whose listing shows what it likes."""

    def __init__(self, objects: dict[str, str], listed: list[str]) -> None:
        self.prefix = ""
        self._objects, self._listed = objects, listed
        self.asked: list[str] = []

    def _pages(self, prefix: str):
        for start in range(0, len(self._listed), 2):
            keys = self._listed[start : start + 2]
            etags = [self._objects[key] for key in keys]
            yield {}, Columns(keys, [1] * len(keys), etags, [0.0] * len(keys))

    def head(self, key: str, *, checksum: bool) -> ObjectInfo | None:
        self.asked.append(key)
        return ObjectInfo(key, 1, self._objects[key], 0.0) if key in self._objects else None


def test_a_file_that_a_listing_leaves_out_is_asked_for_by_itself():
    landing = Landing({"a": "1" * 32, "b": "2" * 32}, listed=["a"])
    assert not_in_place(ledger_of({"a": "1" * 32, "b": "2" * 32}), landing) == []
    assert landing.asked == ["b"]


@pytest.mark.parametrize(
    ("there", "code"), [({}, FileCode.OBJECT_GONE), ({"a": "2" * 32}, FileCode.OBJECT_CHANGED)]
)
def test_what_is_not_there_or_is_another_is_told(there, code):
    assert [found[2] for found in not_in_place(ledger_of({"a": "1" * 32}), Landing(there, listed=[]))] == [
        code
    ]
    assert [
        found[2] for found in not_in_place(ledger_of({"a": "1" * 32}), Landing(there, listed=list(there)))
    ] == [code]


@given(
    judged=st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["1" * 32, "2" * 32])),
    objects=st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["1" * 32, "2" * 32])),
    data=st.data(),
)
def test_whatever_is_listed_in_whatever_order_it_finds_what_is_not_in_place(judged, objects, data):
    shown = data.draw(st.permutations(sorted(objects)))
    shown = shown[: data.draw(st.integers(0, len(shown)))]
    ledger = ledger_of(judged)
    wrong = {ledger.relpath(row) for row, *_ in not_in_place(ledger, Landing(objects, shown))}
    assert wrong == {path for path, etag in judged.items() if objects.get(path) != etag}
