"""The driver of a worker's requests, once nobody wants them any more."""

from __future__ import annotations

import threading

from upload_client.s3 import write_guard
from upload_client.s3.multiplexer import Job
from upload_client.s3.wire import Answer, HeadObject
from upload_client.support.clock import SYSTEM
from upload_client.transfer.driver import Driver, Stopped


class Repeating:
    """Makes three attempts by itself, as botocore does. Something else happens meanwhile."""

    def __init__(self) -> None:
        self.attempts = 0
        self.meanwhile = lambda: None

    def perform(self, request: HeadObject) -> Answer:
        for _ in range(3):
            write_guard.check()
            self.attempts += 1
            self.meanwhile()
        return Answer(503)


def driver_of(wire: Repeating) -> Driver:
    lock = threading.Lock()
    return Driver(wire, may_write=lambda: True, rate=None, lock=lock, answered=lambda _: None, clock=SYSTEM)


def look(driver: Driver) -> object:
    def steps():
        return (yield HeadObject("a"))

    return driver.drive(Job(steps(), lambda *_: None, "a"))


def test_a_read_is_repeated_as_long_as_somebody_wants_it():
    wire = Repeating()
    assert look(driver_of(wire)).status == 503
    assert wire.attempts == 3


def test_a_read_is_not_repeated_once_the_engine_is_stopped_and_none_is_begun():
    wire = Repeating()
    driver = driver_of(wire)
    wire.meanwhile = driver.stop
    assert isinstance(look(driver), Stopped)
    assert wire.attempts == 1
    assert isinstance(look(driver), Stopped)
    assert wire.attempts == 1
