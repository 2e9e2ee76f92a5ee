"""What a delivery tells of itself: phases, figures, health, problems, and a table of all files."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pandas as pd
import pytest
from delivery.conftest import Receiver, content, make_data

from upload_client import FileChanged, Health, Phase, Progress, Summary, UploadClient
from upload_client.core.layout import Layout
from upload_client.core.records import ValidatorInit
from upload_client.core.states import STATES
from upload_client.delivery import progress, startup
from upload_client.errors import NotReachable
from upload_client.index import scan
from upload_client.reports.state_csv import COLUMNS
from upload_client.s3.bucket import AccessDenied


def client_of(delivery, data, **options):
    return UploadClient(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        file_index=scan(data),
        transfer_type="staging",
        source=data,
        n_threads=4,
        settings=delivery.settings,
        output_dir=delivery.receiver.output,
        **options,
    )


@pytest.fixture(scope="module")
def whole(sandbox, tmp_path_factory):
    """A whole delivery with one invalid file: its events, its client, its files, and where it went."""
    folder = tmp_path_factory.mktemp("told")
    data = make_data(folder / "data", 12)
    (data / "part0" / "broken.json").write_text("{not json")
    delivery = Receiver(sandbox, folder).new_delivery()
    events = []
    with client_of(delivery, data) as client:
        client.run(reporter=events.append)
    return SimpleNamespace(events=events, client=client, data=data, delivery=delivery)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_a_delivery_goes_through_its_phases_in_order(whole):
    events = whole.events
    phases = [event.phase for event in of(Phase, events)]
    assert phases == ["connecting", "planning", "starting", "sending", "judging", "finishing"]
    assert isinstance(events[-1], Summary)


def test_figures_grow_to_the_whole_of_it(whole):
    events, data = whole.events, whole.data
    figures = of(Progress, events)
    size = sum(map(len, content(data).values()))
    assert {event.bytes_total for event in figures} == {size}
    assert {event.bytes_before for event in figures} == {0}
    assert (figures[-1].bytes_done, figures[-1].bytes_sent, figures[-1].bytes_kept) == (size, size, 0)
    assert (figures[-1].files_sent, figures[-1].files_total) == (13, 13)
    assert all(one.bytes_done <= other.bytes_done for one, other in pairwise(figures))
    assert figures[-1].counts == dict.fromkeys(STATES, 0) | {"valid": 12, "invalid": 1}


def test_lock_and_validator_are_told_of(whole):
    events, delivery = whole.events, whole.delivery
    first = of(Health, events)[0]
    assert 0 < first.lease_left <= delivery.settings.lease_seconds
    heard = [event for event in of(Health, events) if event.validator_heard is not None]
    assert heard
    assert heard[-1].validator == "working" or heard[-1].validator == "left"
    assert all(event.trouble is None for event in of(Health, events))


def test_what_went_wrong_is_summed_up_by_reason(whole):
    events = whole.events
    (problem,) = events[-1].problems
    assert (problem.state, problem.n, problem.relpaths) == ("invalid", 1, ("part0/broken.json",))
    assert "json" in problem.reason
    assert problem.todo.startswith("Fix the file")


def test_each_state_of_each_file_is_told(whole):
    events, data = whole.events, whole.data
    for path in content(data):
        states = [event.state for event in of(FileChanged, events) if event.relpath == path]
        assert states[-2:] == ["done", "invalid" if "broken" in path else "valid"]


def test_the_table_of_all_files_is_that_of_the_state_csv(whole):
    client, delivery = whole.client, whole.delivery
    frame = client.frame
    assert tuple(frame.columns) == COLUMNS
    (dump,) = delivery.receiver.output.glob("upload-client_*Z.csv")
    written = pd.read_csv(dump, dtype=str, keep_default_na=False)
    as_text = frame.astype(object).where(frame.notna(), "").map(str)
    times = ["transferred_at", "judged_at"]
    pd.testing.assert_frame_equal(as_text.drop(columns=times), written.drop(columns=times), check_dtype=False)
    for column in times:
        assert frame[column].equals(pd.to_datetime(written[column], utc=True).astype(frame[column].dtype))
    assert list(frame["state"].cat.categories) == list(STATES)
    kinds = {name: str(frame[name].dtype) for name in ("retries", "max_retries", "size", *times)}
    assert kinds == {
        "retries": "int64",
        "max_retries": "int64",
        "size": "Int64",
        "transferred_at": "datetime64[ms, UTC]",
        "judged_at": "datetime64[ms, UTC]",
    }


def test_before_it_is_connected_the_table_is_empty_and_has_its_columns(delivery, data):
    frame = client_of(delivery, data).frame
    assert (len(frame), tuple(frame.columns)) == (0, COLUMNS)
    assert str(frame["judged_at"].dtype) == "datetime64[ms, UTC]"


@pytest.mark.long
def test_after_a_resume_what_was_there_counts_as_there_before(delivery, data):
    fixed = data / "part0" / "broken.json"
    fixed.write_text("{not json")
    with client_of(delivery, data) as client:
        client.run()
    size = sum(map(len, content(data).values()))
    size -= fixed.stat().st_size
    fixed.write_text("{}")
    events = []
    with client_of(delivery, data) as client:
        assert client.run(reporter=events.append).exit_code == 0
    figures = of(Progress, events)
    assert {(event.bytes_before, event.bytes_total, event.files_total) for event in figures} == {(size, 2, 1)}
    assert figures[-1].bytes_done == 2


def test_why_a_delivery_did_not_begin_is_told_with_what_to_do(delivery, data):
    with client_of(delivery, data) as holder:
        holder.connect()
        events = []
        with (
            pytest.raises(Exception, match="is locked for the whole delivery by"),
            client_of(delivery, data) as second,
        ):
            second.run(reporter=events.append)
    assert events[-1].exit_code == 11
    assert f"unlock --steal {holder.agent_id}" in events[-1].hint


@pytest.mark.parametrize(("versions", "is_told"), [({}, False), ({"upload-client": "0.1.0"}, True)])
def test_a_validator_that_names_no_document_tells_of_a_change_only_if_it_would_have_named_one(
    monkeypatch, versions, is_told
):
    init = ValidatorInit("2026-07-20T12:00:00.000Z", "v", 1, versions=versions)
    told = []
    connected = SimpleNamespace(
        run=SimpleNamespace(message=lambda text, mtype, code: told.append(code)),
        buckets=SimpleNamespace(control=None, layout=Layout("d", "1", "staging")),
        history=SimpleNamespace(
            is_ok=lambda row: True, judges=lambda chosen: [SimpleNamespace(init=init)] * any(chosen)
        ),
        ledger=["a.csv"],
    )
    monkeypatch.setattr(startup, "sha256_of", lambda *_: "ab" * 32)
    startup._warn_of_other_expectations(connected)
    assert told == ["expectations_changed"] * is_told


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (None, None),
        (NotReachable("nobody answers"), "not_reachable"),
        (AccessDenied("no"), "access_denied"),
        (OSError("odd"), "unexpected"),
    ],
)
def test_what_keeps_the_lock_from_being_written_has_a_code_beside_its_sentence(trouble, code):
    calm = SimpleNamespace(trouble=None)
    watch = SimpleNamespace(gone=None, validator_id="v", unheard_for=1.0, awaited=False)
    health = progress.health(
        SimpleNamespace(trouble=trouble, lease_left=9.0),
        calm,
        SimpleNamespace(trouble=None, watch=watch),
        silence=60.0,
        seconds=3.0,
    )
    assert (health.trouble, health.trouble_code) == (trouble and str(trouble), code)
