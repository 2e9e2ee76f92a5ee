"""A delivery in a real store, for the validator to follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from validator.by_hand import LAYOUT, Client, Inline

from upload_client.s3.bucket import Bucket
from upload_client.validator.checks import Checker
from upload_client.validator.judging import Judging
from upload_client.validator.pipeline import Validator
from upload_client.validator.readers import ReaderWorkers


@pytest.fixture(scope="session")
def reader_workers() -> Iterator[ReaderWorkers]:
    with ReaderWorkers(2) as reader_workers:
        yield reader_workers


@pytest.fixture
def control(make_bucket) -> Bucket:
    return make_bucket(prefix=LAYOUT.root)


@pytest.fixture
def landing(make_bucket) -> Bucket:
    return make_bucket(prefix=LAYOUT.landing)


@pytest.fixture
def client(control, landing) -> Client:
    client = Client(control, landing)
    client.begin()
    return client


@pytest.fixture
def checker(landing, reader_workers) -> Checker:
    return Checker(landing, reader_workers, max_read=64 * 1024**2)


@pytest.fixture
def make_validator(control, checker) -> Callable[..., Validator]:
    """Make a validator that does everything in order in the test's own thread, and looks at each step."""

    def make(name: str = "validatorxy", *, judge=None, **options) -> Validator:
        options = {"client_epoch": 1, "poll_seconds": 1e-9, "poll_longest_seconds": 1e-9} | options
        return Validator(control, LAYOUT, Judging(judge or checker, Inline()), validator_id=name, **options)

    return make
