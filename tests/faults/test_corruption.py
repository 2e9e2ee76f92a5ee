"""Bits that flip on the wire, over plain HTTP: noticed, sent again, in the end reported; never valid."""

from __future__ import annotations

from pathlib import Path

import pytest
from delivery.conftest import Delivery, content
from faults import proxy as net
from faults.conftest import BOTH, PART, Network, client_of

pytestmark = pytest.mark.parametrize("calm", BOTH, indirect=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "small.csv").write_text("a,b\n1,2\n")
    (folder / "other.csv").write_text("a,b\n3,4\n")
    (folder / "large.bin").write_bytes(bytes(range(256)) * (2 * PART // 256) + b"the end")
    return folder


def test_what_was_damaged_once_is_sent_again(delivery: Delivery, data: Path, network: Network) -> None:
    network.s3.on(net.corrupt_request(5), method="PUT", path="staging/small.csv$")
    network.s3.on(net.corrupt_request(12345), method="PUT", path="staging/large.bin$", nth=2)
    network.s3.on(net.corrupt_request(77), method="PUT", path="/log/client/0000000001")
    network.s3.on(net.corrupt_answer(99), method="GET", path="/log/validator/")
    with client_of(delivery, data, network.settings) as client:
        outcome = client.run()
    hit = [request for request in network.s3.requests if request.fault]
    assert len(hit) == 4
    assert outcome.exit_code == 0, outcome
    assert delivery.landed() == content(data)


def test_what_is_damaged_each_time_is_reported_and_never_valid(
    delivery: Delivery, data: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upload_client.transfer.upload._pauses", lambda *_: iter([0.001]))
    network.s3.on(net.corrupt_request(5), method="PUT", path="staging/small.csv$", times=None)
    network.s3.on(net.corrupt_request(-1), method="PUT", path="staging/large.bin$", times=None)
    with client_of(delivery, data, network.settings, max_retries=1) as client:
        outcome = client.run()
    assert outcome.exit_code == 4, outcome
    states = {file.relpath: (file.state, file.message) for file in client.files}
    assert states["other.csv"][0] == "valid"
    for path in ("small.csv", "large.bin"):
        state, message = states[path]
        assert state == "failed"
        assert "400" in (message or "")
    assert set(delivery.landed()) == {"other.csv"}
    assert outcome.receipt is None
