"""Answers that never come: no false conflict, no second validator, nothing twice in a log."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from delivery.conftest import Delivery, content, make_data
from faults import proxy as net
from faults.conftest import (
    BOTH,
    PART,
    PATIENT,
    Movable,
    Network,
    all_sent,
    log_of,
    records_of,
    silence,
    unfinished,
    until_done,
)

from upload_client.core.records import Transferred, ValidatorInit, Verdict


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = make_data(tmp_path / "data", 6)
    (folder / "large.bin").write_bytes(random.Random(2).randbytes(2 * PART + 54_321))
    return folder


UNHEARD = "reset before it was heard"
FAULTS = {
    "swallowed": net.swallow_answer,
    "cut": net.cut_answer,
    "reset": net.reset,
    "half-closed": lambda: net.half_close(after=9, hold=0.5),
    UNHEARD: lambda: net.reset(forward=False),
    "delayed": lambda: net.delay(0.3),
}


def break_once_each(network: Network, fault) -> dict[str, int]:
    """Let `fault` have one request of each kind; says how many kinds there are."""
    kinds = {
        "create the lock": {"method": "PUT", "path": "/owned$"},
        "release the lock": {"when": lambda r: r.method == "PUT" and b'"released"' in r.body},
        "fence": {"method": "PUT", "path": "/log/client/0000000000"},
        "append": {"method": "PUT", "path": "/log/client/0000000002"},
        "index": {"method": "PUT", "path": "/index/"},
        "receipt": {"method": "PUT", "path": "/receipt/"},
        "put": {"method": "PUT", "path": "/staging/part", "nth": 3},
        "create upload": {"method": "POST", "path": "/staging/large", "query": "^uploads"},
        "part": {"method": "PUT", "path": "/staging/large", "query": "uploadId", "nth": 2},
        "complete": {"method": "POST", "path": "/staging/large", "query": "^uploadId"},
    }
    for kind in kinds.values():
        network.s3.on(fault(), **kind)
    network.rest.on(fault(), method="POST", path="/invocations$")
    return len(kinds) + 1


@pytest.mark.parametrize("calm", ["moto"], indirect=True)
@pytest.mark.parametrize("how", FAULTS)
def test_one_lost_answer_of_each_kind_does_no_harm(
    delivery: Delivery, data: Path, network: Network, how: str
) -> None:
    deliver_through(delivery, data, network, how)


@pytest.mark.parametrize("calm", BOTH[1:], indirect=True)
def test_nor_where_the_store_checks_checksums(delivery: Delivery, data: Path, network: Network) -> None:
    deliver_through(delivery, data, network, "swallowed")


def deliver_through(delivery: Delivery, data: Path, network: Network, how: str) -> None:
    n_kinds = break_once_each(network, FAULTS[how])
    clock = Movable()
    client = all_sent(delivery, data, network.settings, clock=clock, more=PATIENT)
    if how == UNHEARD:  # so was the starter, and only silence tells
        silence(client, clock)
    until_done(client)
    outcome = client.outcome
    assert outcome is not None
    hit = [request for request in (*network.s3.requests, *network.rest.requests) if request.fault]
    assert len(hit) == n_kinds
    assert outcome.exit_code == 0, outcome
    assert delivery.landed() == content(data)
    assert unfinished(delivery) == []
    assert delivery.lock()["epoch"] == 1  # nobody took it for somebody else's
    assert delivery.lock()["state"] == "released"
    assert len(records_of(delivery, "validator", ValidatorInit)) == 1
    announced = Counter(record.path for record in records_of(delivery, "client", Transferred))
    assert announced == Counter(content(data).keys())
    judged = Counter(record.path for record in records_of(delivery, "validator", Verdict))
    assert judged == announced
    bodies = [segment.sha256 for segment in log_of(delivery, "client")]
    assert len(set(bodies)) == len(bodies)
