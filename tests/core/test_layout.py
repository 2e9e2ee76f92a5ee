"""Keys: every one of a delivery has one spelling, and two deliveries never meet."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.layout import (
    MAX_SHARDS,
    InvalidName,
    Layout,
    check_name,
    fill_template,
    number,
    segment_key,
    segment_seq,
    shard_in,
    shard_of,
)

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)


@pytest.fixture
def layout() -> Layout:
    return Layout("survey", "d-7", "sample", "control/", "landing/{dataset}/{delivery_id}/{transfer_type}/")


def test_every_key_of_the_protocol_has_its_place(layout):
    assert layout.root == "control/survey/d-7/"
    assert layout.landing == "landing/survey/d-7/sample/"
    assert layout.owned == "owned"
    assert layout.expectations == "expectations.yaml"
    assert layout.validator_lock() == "sample/validator"
    assert layout.validator_lock(3) == "sample/validator-0003"
    assert layout.starting == "sample/starting"
    assert layout.aside("20260102T030405Z", "sample/index/99999999.csv") == (
        "aside/20260102T030405Z/sample/index/99999999.csv"
    )
    assert layout.index(12) == "sample/index/00000012.csv"
    assert layout.client_log() == "sample/log/client/"
    assert layout.validator_log() == "sample/log/validator/0000/"
    assert layout.validator_log(3) == "sample/log/validator/0003/"
    assert layout.checkpoint(34) == "sample/checkpoint/0000000034"
    assert layout.receipt(12) == "sample/receipt/00000012.json"
    assert layout.signature(12) == "sample/signature/00000012.json"
    assert layout.hand_over(12) == "sample/handover/00000012.json"
    assert layout.handing_over == "sample/handing-over"
    assert layout.time_stamp(12) == "sample/signature/00000012.tsr"
    assert layout.custody(12, 3) == "sample/custody/00000012/00000003.json"
    assert layout.closed == "sample/closed.json"
    assert layout.store_profile == "probe/store"
    assert layout.probe("abcdefghijk") == "probe/abcdefghijk"
    assert segment_key(layout.client_log(), 5) == "sample/log/client/0000000005.jsonl"


def test_keys_begin_with_the_prefix_they_are_listed_by(layout):
    assert layout.index(1).startswith(layout.index_prefix)
    assert layout.hand_over(1).startswith(layout.hand_over_prefix)
    assert layout.receipt(1).startswith(layout.receipt_prefix)
    assert layout.checkpoint(1).startswith(layout.checkpoint_prefix)
    assert layout.validator_log(63).startswith(layout.validator_logs)


@pytest.mark.parametrize(
    "log", ["sample/log/validator/0064/", "sample/log/validator/1/", "sample/log/client/"]
)
def test_what_is_no_shards_log_is_none(layout, log):
    assert shard_in(log) is None
    assert shard_in(layout.validator_log(63)) == 63


@given(st.text(), st.integers(1, MAX_SHARDS))
def test_each_file_is_judged_by_one_of_the_shards(path, shards):
    assert 0 <= shard_of(path, shards) < shards


def test_the_shards_share_the_files_about_evenly():
    share = Counter(shard_of(f"night-{n % 7}/frame-{n:05d}.fits", 8) for n in range(8000))
    assert len(share) == 8
    assert max(share.values()) < 1.2 * min(share.values())


def test_the_other_transfer_type_has_a_log_of_its_own_under_the_same_lock(layout):
    staging = Layout("survey", "d-7", "staging", "control/")
    assert staging.root + staging.owned == layout.root + layout.owned
    assert staging.client_log() == layout.client_log("staging") != layout.client_log()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-a", "_a", ".a", "a/b", "a b", "ä", "a\n", "a" * 64, "{a}", None, 7]
)
def test_a_name_that_could_leave_its_place_is_refused(name):
    for fields in ({"dataset": name, "delivery_id": "d"}, {"dataset": "d", "delivery_id": name}):
        with pytest.raises(InvalidName):
            Layout(transfer_type="staging", **fields)


@pytest.mark.parametrize("name", ["a", "0", "A.b_c-d", "a" * 63, "a..b", "a-"])
def test_a_plain_name_is_taken(name):
    assert check_name(name, "dataset") == name


def test_an_unknown_transfer_type_is_refused():
    with pytest.raises(InvalidName, match="staging, sample"):
        Layout("a", "b", "trial")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "prefix",
    ["a", "/", "/a/", "a//", "a//b/", "./", "../", "a/../", "ä/", "a\x07/", "{other}/", "{dataset/", "}/"],
)
def test_a_prefix_that_is_no_folder_is_refused(prefix):
    for fields in ({"control_prefix": prefix}, {"landing_prefix": prefix}):
        with pytest.raises(InvalidName):
            Layout("a", "b", "staging", **fields)


def test_an_unknown_placeholder_is_named():
    with pytest.raises(InvalidName, match=r"\{year\}"):
        fill_template("{year}/", dataset="a", delivery_id="b", transfer_type="sample")


def test_a_name_is_not_taken_for_a_placeholder_again():
    assert fill_template("{dataset}", dataset="{delivery_id}", delivery_id="b", transfer_type="sample") == (
        "{delivery_id}"
    )


@pytest.mark.parametrize(
    ("control", "landing", "prefix"),
    [
        ("control", "landing", "{dataset}/{delivery_id}/"),
        ("control", "landing", "in/{dataset}/{delivery_id}/{transfer_type}/"),
        ("control", "landing-{dataset}", "{delivery_id}/"),
        ("control", "landing", "survey/d-7/"),
        ("same", "same", "landing/{dataset}/{delivery_id}/"),
    ],
)
def test_places_that_name_the_delivery_and_lie_apart_are_fine(control, landing, prefix):
    Layout("survey", "d-7", "staging", "control/", prefix).check_places(control, landing)


@pytest.mark.parametrize(
    ("landing", "prefix", "why"),
    [
        ("landing", "", "dataset"),
        ("landing", "{delivery_id}/", "dataset"),
        ("landing", "{dataset}/", "delivery_id"),
        ("landing", "other/d-7/", "dataset"),
        ("landing", "{dataset}-{delivery_id}/", "one part"),
        ("landing-{dataset}{delivery_id}", "", "one part"),
        ("same", "{dataset}/{delivery_id}/", "overlap"),
        ("same", "{dataset}/{delivery_id}/{transfer_type}/", "overlap"),
    ],
)
def test_places_where_two_deliveries_or_files_and_controls_could_meet_are_refused(landing, prefix, why):
    with pytest.raises(InvalidName, match=why):
        Layout("survey", "d-7", "staging", "", prefix).check_places("same", landing)


def test_control_within_landing_is_refused_as_well():
    layout = Layout("survey", "d-7", "staging", "survey/d-7/control/", "{dataset}/{delivery_id}/")
    with pytest.raises(InvalidName, match="overlap"):
        layout.check_places("same", "same")


@given(NAMES, NAMES, NAMES, NAMES)
def test_two_deliveries_never_share_a_root_or_a_landing_place(dataset, delivery, dataset2, delivery2):
    template = "in/{dataset}/{delivery_id}/{transfer_type}/"
    one = Layout(dataset, delivery, "staging", "c/", template)
    other = Layout(dataset2, delivery2, "staging", "c/", template)
    if (dataset, delivery) == (dataset2, delivery2):
        assert one.root == other.root
    else:
        assert not one.root.startswith(other.root)
        assert not one.landing.startswith(other.landing)


@given(st.integers(0, 10**10 - 1))
def test_a_segment_is_found_by_the_number_it_was_written_under(seq):
    assert segment_seq("staging/log/client/", segment_key("staging/log/client/", seq)) == seq


@given(st.integers(0, 10**8 - 1))
def test_an_epoch_is_read_back_from_index_and_receipt(epoch):
    layout = Layout("a", "b", "staging")
    assert number(layout.index(epoch)) == number(layout.receipt(epoch)) == epoch
    assert number(layout.root + layout.index(epoch)) == epoch


@pytest.mark.parametrize(
    "name",
    [
        "1.jsonl",
        "0000000001.json",
        "00000000001.jsonl",
        "000000000a.jsonl",
        "x/0000000001.jsonl",
        "0000000001.jsonl\n",
        "\u0660000000001.jsonl",
        "",
    ],
)
def test_what_is_no_segment_is_not_taken_for_one(name):
    assert segment_seq("log/", "log/" + name) is None


def test_a_segment_of_another_log_is_not_taken_for_one():
    assert segment_seq("sample/log/client/", segment_key("staging/log/client/", 1)) is None


@pytest.mark.parametrize(
    "name", ["1.csv", "00000001.txt", "000000001.csv", "0000000a.csv", "00000001", "", "00000001.csv/"]
)
def test_what_carries_no_epoch_has_none(name):
    assert number("staging/index/" + name) is None


@given(st.text())
def test_no_key_whatever_makes_trouble(key):
    number(key)
    segment_seq("", key)
    segment_seq(key[:3], key)
