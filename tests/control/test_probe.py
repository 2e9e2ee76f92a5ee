"""A store is used only if it honours conditions on writes; a bad network is no reason to refuse it."""

from __future__ import annotations

import pytest
from faults import proxy as net
from faults.memory import MemoryBucket, MemoryStore

from upload_client.control.probe import probe_store
from upload_client.core.layout import Layout
from upload_client.errors import StoreUnsafe
from upload_client.s3.bucket import AccessDenied, AnswerLost, Bucket, NotFound, PreconditionFailed

LAYOUT = Layout("toy", "d1", "staging")


def test_both_stores_are_safe(bucket):
    probe_store(bucket, LAYOUT, "abcdefghijk")
    assert bucket.ls() == ()  # and nothing is left behind


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.long
def test_a_lost_answer_makes_no_store_unsafe(bucket, through, proxy, clock, lost_answer, nth):
    proxy.on(lost_answer, method="PUT", nth=nth)
    probe_store(through(bucket), LAYOUT, "abcdefghijk", clock=clock)


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.long
def test_a_lost_request_makes_no_store_unsafe(bucket, through, proxy, clock, lost_request, nth):
    proxy.on(lost_request, method="PUT", nth=nth)
    probe_store(through(bucket), LAYOUT, "abcdefghijk", clock=clock)


def test_an_outage_is_not_an_unsafe_store(bucket, through, proxy, clock):
    proxy.down()
    with pytest.raises(AnswerLost):
        probe_store(through(bucket), LAYOUT, "abcdefghijk", clock=clock)


class Careless(MemoryBucket):
    """A store with a defect in the way it treats conditions."""

    def __init__(self, clock, **ignored):
        super().__init__(MemoryStore(clock))
        self.ignored = ignored

    def put(self, key, body, **conditions):
        return super().put(key, body, **(conditions | self.ignored))


@pytest.mark.parametrize(
    ("ignored", "said"),
    [
        ({"if_none_match": False}, "If-None-Match"),
        ({"if_match": None}, "If-Match"),
        ({"if_none_match": False, "if_match": None}, "If-None-Match"),
        ({"if_none_match": True, "if_match": None}, "right ETag"),
        ({"if_match": "0" * 32}, "to create"),
    ],
)
def test_a_store_that_ignores_conditions_is_refused(clock, ignored, said):
    with pytest.raises(StoreUnsafe, match=said) as refused:
        probe_store(Careless(clock, **ignored), LAYOUT, "abcdefghijk", clock=clock)
    assert refused.value.exit_code == 14


def test_a_store_that_ignores_conditions_is_refused_even_if_its_answers_are_lost(clock):
    careless = Careless(clock, if_none_match=False)
    fates = iter(["ok", "mute"])
    careless.store.fate = lambda operation, _key: next(fates, "ok") if operation == "PUT" else "ok"
    with pytest.raises(StoreUnsafe, match="If-None-Match"):
        probe_store(careless, LAYOUT, "abcdefghijk", clock=clock)


def test_a_store_that_knows_no_conditions_is_refused(bucket, through, proxy, clock):
    proxy.on(net.answer(501, "NotImplemented"), method="PUT")
    with pytest.raises(StoreUnsafe, match="does not know"):
        probe_store(through(bucket), LAYOUT, "abcdefghijk", clock=clock)


def test_who_may_not_write_learns_that_and_not_that_the_store_is_unsafe(bucket, through, proxy, clock):
    proxy.on(net.answer(403, "AccessDenied"), method="PUT", times=None)
    with pytest.raises(AccessDenied):
        probe_store(through(bucket), LAYOUT, "abcdefghijk", clock=clock)


def test_who_may_not_delete_may_deliver(bucket, through, proxy):
    proxy.on(net.answer(403, "AccessDenied"), method="DELETE")
    probe_store(through(bucket), LAYOUT, "abcdefghijk")
    assert bucket.ls() == ("probe/abcdefghijk",)
    with pytest.raises(PreconditionFailed):
        bucket.put("probe/abcdefghijk", b"", if_none_match=True)


def test_a_bucket_that_is_not_there_is_named_and_is_not_an_unsafe_store(bucket, store):
    missing = AccessDenied if store.is_seaweedfs else NotFound
    with pytest.raises(missing, match="not-there-at-all") as refused:
        probe_store(Bucket("not-there-at-all", client=bucket.client), LAYOUT, "abcdefghijk")
    assert ("upload-client check" if store.is_seaweedfs else "--dataset") in refused.value.hint


def test_the_object_is_taken_away_also_where_the_store_is_unsafe(clock):
    careless = Careless(clock, if_none_match=False)
    with pytest.raises(StoreUnsafe):
        probe_store(careless, LAYOUT, "abcdefghijk", clock=clock)
    assert careless.ls() == ()
