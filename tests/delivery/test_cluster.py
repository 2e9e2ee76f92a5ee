"""Deliveries that other processes send, one of which dies."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from delivery.conftest import Delivery, content, make_data
from delivery.test_python import client_of

from upload_client.cli.cluster import dask_executor
from upload_client.errors import UsageError
from upload_client.index import scan


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers use their own where there are no temporary ones to give them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.mark.long
def test_worker_processes_deliver_small_files_and_large_ones(delivery: Delivery, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", 40)
    (data / "large.bin").write_bytes(os.urandom(11 * 1024**2))
    settings = delivery.settings.model_copy(
        update={"multipart_threshold": 5 * 1024**2, "part_size": 5 * 1024**2}
    )
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor,
        client_of(delivery, data, scan(data), settings=settings, executor=executor, n_threads=2) as client,
    ):
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert outcome.files_sent == 41
    assert outcome.bytes_sent == sum(map(len, content(data).values()))
    assert delivery.landed() == content(data)
    with client_of(delivery, data, scan(data)) as again:  # what the others sent is resumed as any other
        assert again.run().files_sent == 0


@pytest.mark.long
def test_all_workers_gone_is_no_crash(delivery: Delivery, data: Path) -> None:
    executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    executor.shutdown()
    with client_of(delivery, data, scan(data), executor=executor, max_retries=0) as client:
        outcome = client.run()
    assert outcome.exit_code == 4
    assert "its worker was lost" in next(iter(client.files)).message
    with client_of(delivery, data, scan(data), n_threads=4) as again:
        assert again.run().exit_code == 0
    assert delivery.landed() == content(data)


@pytest.mark.heavy
def test_a_dask_worker_is_killed_in_the_middle_and_everything_is_delivered_once(
    delivery: Delivery, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    data = make_data(tmp_path / "data", 300)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as dask,
        client_of(delivery, data, scan(data), executor=dask.get_executor(pure=False), n_threads=2) as client,
    ):
        victim = next(iter(dask.run(os.getpid).values()))
        client.connect()
        client.initiate_transfer()
        for _ in range(300):
            client.transfer_next_file()
        while not client.update():
            if victim and client.counts["done"] + client.counts["valid"]:
                os.kill(victim, signal.SIGKILL)
                victim = 0
        outcome = client.outcome
    assert not victim
    assert outcome is not None
    assert outcome.exit_code == 0, outcome
    assert outcome.files_sent == 300
    assert delivery.landed() == content(data)


def test_the_command_line_sends_from_a_dask_cluster(delivery: Delivery, data: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        said = delivery.run("--source", data, "--dask", cluster.scheduler_address)
    assert said.exit_code == 0, said
    assert said.summary["files_sent"] == 12
    assert delivery.landed() == content(data)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("scheduler:8786", "no address of a Dask scheduler"),
        ("tcp://127.0.0.1:9", "no Dask scheduler answers"),
    ],
)
def test_a_scheduler_that_is_not_there_is_a_wrong_argument(
    address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("upload_client.cli.cluster._PATIENCE", 0.2)  # nobody will answer later either
    with pytest.raises(UsageError, match=why), dask_executor(address):
        pass
