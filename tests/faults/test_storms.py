"""A store that says SlowDown, and a network that is gone: the delivery ends all the same.

At full length:

    python -m pytest tests/faults/test_storms.py -m long
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from delivery.conftest import Delivery, content, make_data
from faults import proxy as net
from faults.conftest import BEST, BOTH, Network, Told, client_of
from faults.proxy import Exchange, Request

from upload_client.control import delivery_buckets
from upload_client.events import Phase
from upload_client.transfer import upload


class Storm:
    """Answers a share of all requests with 503; the rest pass, a little later if asked to."""

    def __init__(self, slower: float = 0.0) -> None:
        self.share = 0.0
        self.asked = self.done = 0
        self._slower = slower
        self._shuffle = random.Random(7).shuffle
        self._cards: dict[bool, list[float]] = {True: [], False: []}
        self._lock = threading.Lock()
        self._refuse = net.answer(503, "SlowDown")

    def __call__(self, x: Exchange) -> None:
        sending = x.request.method == "PUT" and x.request.path.startswith("/landing-")
        if sending and self._slower:
            x.proxy.closing.wait(self._slower)
        with self._lock:
            refused = self._draw(sending) < self.share
            counted = sending and 0 < self.share < 1
            self.asked += counted
            self.done += counted and not refused
        if refused:
            self._refuse(x)
        else:
            x.send(x.forward().raw)

    def _draw(self, sending: bool) -> float:
        """A number between 0 and 1, from shuffled packs: chance, but no luck."""
        cards = self._cards[sending]
        if not cards:
            cards += [number / 10 for number in range(10)]
            self._shuffle(cards)
        return cards.pop()


def weather(delivery: Delivery, data: Path, network: Network, storm: Storm, seconds: tuple[float, float]):
    """Deliver while the storm blows: at 30 % for so long, at 100 % for so long, and then no more.

    The 30 % last until enough has passed to tell what it cost, however slow the machine.
    """
    network.s3.on(storm, times=None)
    with client_of(delivery, data, network.settings) as client:
        client.connect()
        client.write_index()
        client.initiate_transfer()
        storm.share = 0.3
        began = time.monotonic()
        worst = ended = None
        while not client.done:
            now = time.monotonic()
            if worst is None and now - began > seconds[0] and storm.done > 100:
                worst, storm.share = now, 1.0
            if worst is not None and ended is None and now - worst > seconds[1]:
                ended, storm.share = now, 0.0
            if client.next_file is not None:
                client.transfer_next_file()
            client.update(0.01)
    assert ended is not None, "it was over before the storm was"
    assert client.outcome is not None
    assert client.outcome.exit_code == 0, client.outcome
    assert delivery.landed() == content(data)
    assert storm.asked / storm.done <= 1.6
    print(f"{storm.asked / storm.done:.2f} requests for each success")


@pytest.mark.heavy
@pytest.mark.parametrize("calm", BEST, indirect=True)
def test_a_storm_passes(delivery: Delivery, tmp_path: Path, network: Network) -> None:
    data = make_data(tmp_path / "data", 240)
    weather(delivery, data, network, Storm(slower=0.05), (0.0, 2.0))


@pytest.mark.long
@pytest.mark.parametrize("calm", BOTH, indirect=True)
def test_a_storm_of_a_minute_and_a_half_passes(delivery: Delivery, tmp_path: Path, network: Network) -> None:
    data = make_data(tmp_path / "data", 1500)
    weather(delivery, data, network, Storm(slower=0.15), (60.0, 30.0))


def outage(delivery: Delivery, data: Path, network: Network, seconds: float, *, more=None, **options) -> None:
    middle = threading.Event()

    def fault(x: Exchange) -> None:
        x.send(x.forward().raw)
        middle.set()

    def sends(request: Request) -> bool:
        return request.method == "PUT" and request.path.startswith("/landing-")

    network.s3.on(fault, when=sends, nth=6)

    def cut() -> None:
        middle.wait()
        for proxy in (network.s3, network.rest):
            proxy.down()
        time.sleep(seconds)  # an outage is so long
        for proxy in (network.s3, network.rest):
            proxy.up()

    cutting = threading.Thread(target=cut)
    cutting.start()
    with client_of(delivery, data, network.settings, n_threads=2, more=more, **options) as client:
        outcome = client.run()
    cutting.join()
    assert outcome.exit_code in (0, 5), outcome
    if outcome.exit_code:
        with client_of(delivery, data, network.settings) as client:
            assert client.run().exit_code == 0
    assert delivery.landed() == content(data)


@pytest.mark.heavy
def test_an_outage_in_mid_delivery_is_survived_and_costs_no_file_its_tries(
    delivery: Delivery, tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = upload._pauses
    monkeypatch.setattr(upload, "_pauses", lambda *_: pauses(5))  # at most 3 s: a file gives up before
    outage(delivery, make_data(tmp_path / "data", 60), network, 4.5, max_retries=0)


@pytest.mark.long
@pytest.mark.parametrize("calm", BOTH, indirect=True)
def test_two_minutes_of_outage_are_survived(delivery: Delivery, tmp_path: Path, network: Network) -> None:
    outage(delivery, make_data(tmp_path / "data", 60), network, 120.0, more={"lease_seconds": 300})


@pytest.mark.parametrize("calm", BEST, indirect=True)
def test_a_run_that_is_stopped_ends_though_no_request_is_answered_any_more(
    delivery, data, network, monkeypatch
):
    """However long a request may wait: the lock is free once its lease is over."""
    monkeypatch.setattr(delivery_buckets, "_CONTROL_TIMEOUT", 3600.0)
    monkeypatch.setattr(delivery_buckets, "_COPY_TIMEOUT", 3600.0)

    class Stopping(Told):
        def handle(self, event) -> None:
            super().handle(event)
            if isinstance(event, Phase) and event.phase == "sending":
                network.s3.on(lambda x: x.wait_for_client(600.0), times=None)
                thread = threading.Timer(0.5, client.stop)
                thread.daemon = True
                thread.start()

    client = client_of(delivery, data, network.settings, reporter=Stopping())
    ended = []
    running = threading.Thread(target=lambda: ended.append(client.run()), daemon=True)
    running.start()
    running.join(120.0)
    assert [outcome.exit_code for outcome in ended] == [130]
