"""One bad key, in the provider's own right, ends nobody's delivery: it is refused, shown, and fixed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from validator.by_hand import LAYOUT, Client

from upload_client.cli.receiver import receiver
from upload_client.control.lock import Lock, epoch_floor
from upload_client.control.log import LogReader
from upload_client.core.layout import segment_key
from upload_client.core.lease import LockBody
from upload_client.core.records import SegmentHeader
from upload_client.core.segments import encode_segment
from upload_client.errors import EpochRefused, LogBroken, UsageError
from upload_client.receiver.repair import Repair
from upload_client.validator import ValidatorSettings

LAST = 99_999_999
SAMPLE = replace(LAYOUT, transfer_type="sample")


@pytest.fixture
def control(make_bucket):
    return make_bucket(prefix=LAYOUT.root)


@pytest.fixture
def client(control, make_bucket):
    """A client that has been here, in good order, and has left."""
    client = Client(control, make_bucket(prefix=LAYOUT.landing))
    client.begin()
    control.put(LAYOUT.index(1), b"path,size\n")
    client.stop()
    client.own(state="released")
    return client


def bad_index(client):
    client.control.put(LAYOUT.index(LAST), b"")


def bad_receipt(client):
    client.control.put(SAMPLE.receipt(LAST), b"{}")


def bad_segment(client):
    client.epoch = LAST
    client.write()


def bad_lock(client):
    client.own(epoch=LAST, state="released")


def bad_first_segment_of_a_sample(client):
    data = encode_segment(SegmentHeader(1, 0, "a", LAST, None))
    client.control.put(segment_key(SAMPLE.client_log(), 0), data)


def segment_beyond_the_end(client):
    client.control.put(segment_key(LAYOUT.client_log(), 9_999_999_999), b"")


def garbled_segment(client):
    client.control.put(segment_key(LAYOUT.client_log(), client.chain.next_seq), b"junk\n")


STRANGE = 20
"""Objects that are no segments and are passed over, in place of a thousand."""


def strange_objects(client):
    for n in range(STRANGE + 1):
        client.control.put(f"{LAYOUT.client_log()}!{n}", b"")


EPOCHS = [bad_index, bad_receipt, bad_segment, bad_lock, bad_first_segment_of_a_sample]
LOGS = [segment_beyond_the_end, garbled_segment, strange_objects]


def take_and_give_back(control) -> int:
    """What every run does first and last; its epoch."""
    lock = Lock(control, LAYOUT.owned, agent_id="nextagent", lease_seconds=60)
    epoch = lock.acquire(epoch_floor(control, LAYOUT))
    lock.release()
    return epoch


@pytest.mark.parametrize("harm", EPOCHS)
def test_a_key_that_leaves_no_epoch_is_refused_and_named_and_fixed(control, client, harm):
    harm(client)
    with pytest.raises(EpochRefused, match=r"claims epoch 99999999.*no run can have written it") as caught:
        take_and_give_back(control)
    assert caught.value.code == "epoch_refused"
    assert "receiver repair" in caught.value.hint
    assert control.prefix in caught.value.key
    repair = Repair(control, LAYOUT)
    (fault,) = repair.look()
    assert "claims epoch 99999999" in fault.what
    done = list(repair.fix([fault]))
    assert len(done) == 1
    assert repair.look() == []
    assert take_and_give_back(control) == 2
    aside = control.ls("aside/")
    assert len(aside) == len(fault.keys)
    assert [key.split("/", 2)[2] for key in aside] == list(fault.keys)


@pytest.mark.parametrize("harm", LOGS)
def test_a_log_that_nobody_can_read_on_is_sound_again(control, client, harm, monkeypatch):
    for module in ("control.log", "receiver.repair"):
        monkeypatch.setattr(f"upload_client.{module}.MAX_STRANGE", STRANGE)
    harm(client)

    def read() -> int:
        return len(list(LogReader(control, LAYOUT.client_log(), writer="client").read_all()))

    with pytest.raises(LogBroken):
        read()
    repair = Repair(control, LAYOUT)
    faults = repair.look()
    assert faults
    assert len(list(repair.fix(faults))) == sum(len(fault.keys) for fault in faults)
    assert repair.look() == []
    assert read() == 3


def test_where_nothing_is_wrong_nothing_is_found_and_nothing_done(control, client):
    client.control.put(LAYOUT.receipt(1), b"{}")
    before = {key: control.read(key) for key in control.ls()}
    repair = Repair(control, LAYOUT)
    assert repair.look() == []
    assert list(repair.fix([])) == []
    assert {key: control.read(key) for key in control.ls()} == before


def test_nothing_is_fixed_while_somebody_delivers(control, client):
    bad_index(client)
    client.own()
    repair = Repair(control, LAYOUT)
    faults = repair.look()
    with pytest.raises(UsageError, match="agent clientagent holds the lock"):
        list(repair.fix(faults))
    assert control.ls("aside/") == ()


def test_the_lock_keeps_all_but_its_epoch(control, client):
    bad_lock(client)
    before = LockBody.decode(control.read(LAYOUT.owned))
    repair = Repair(control, LAYOUT)
    list(repair.fix(repair.look()))
    after = LockBody.decode(control.read(LAYOUT.owned))
    assert after == replace(before, epoch=1, nonce=after.nonce)


@pytest.fixture
def run(s3, control, monkeypatch):
    settings = ValidatorSettings(
        control_bucket=control.name,
        control_prefix="control/",
        landing_bucket="landing",
        worker_function=None,
        endpoint_url=s3.meta.endpoint_url,
    )
    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", settings.model_dump_json())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")

    def run(*more):
        given = [
            "repair",
            "--dataset",
            LAYOUT.dataset,
            "--delivery-id",
            LAYOUT.delivery_id,
            "--region",
            "us-east-1",
        ]
        ran = CliRunner().invoke(receiver, [*given, *more], standalone_mode=False)
        assert ran.exception is None, ran.exception
        return ran.return_value, ran.output

    return run


def test_the_command_shows_and_fixes(run, client):
    assert run() == (0, "nothing is wrong\n")
    bad_index(client)
    client.control.put(f"{LAYOUT.index_prefix}99999998.csv", b"")
    code, shown = run()
    assert code == 2
    assert "staging/index/99999999.csv claims epoch 99999999, and no run has come beyond 1\n" in shown
    assert "`upload-client docs runbook`" in shown
    code, shown = run("--json")
    assert code == 2
    assert [fault["keys"] for fault in json.loads(shown)["faults"]] == [
        ["staging/index/99999998.csv"],
        ["staging/index/99999999.csv"],
    ]
    code, shown = run("--fix")
    assert code == 0
    assert "staging/index/99999999.csv is set aside as aside/" in shown
    assert shown.endswith("nothing is wrong\n")
    code, shown = run("--fix", "--json")
    assert (code, json.loads(shown)["done"]) == (0, [])


def test_a_file_names_the_place_whatever_the_environment_says(
    run, client, s3, control, tmp_path, monkeypatch
):
    bad_index(client)
    monkeypatch.setenv(
        "UPLOAD_CLIENT_VALIDATOR", '{"control_bucket": "another", "landing_bucket": "another"}'
    )
    file = tmp_path / "receiver.toml"
    file.write_text(
        f'control_bucket = "{control.name}"\ncontrol_prefix = "control/"\nlanding_bucket = "landing"\n'
        f'endpoint_url = "{s3.meta.endpoint_url}"\n'
    )
    code, shown = run("--on", file)
    assert code == 2
    assert "claims epoch" in shown
