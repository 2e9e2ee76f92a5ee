"""The fakes of the tests are tried as any store is: what one does not prove, no test may rely on there."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores.test_probe import Endpoint, broken

from upload_client.control.probe import prove_conditions
from upload_client.control.store_probe import probe_profile
from upload_client.core.store_profile import Observation, StoreProfile
from upload_client.errors import StoreUnsafe
from upload_client.s3.bucket import Bucket
from upload_client.s3.clients import s3_client
from upload_client.sandbox import Sandbox

O = Observation  # noqa: E741
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def tried(control: Bucket, landing: Bucket | None = None) -> StoreProfile:
    return probe_profile(control, landing, "probe/abc", copies=True, lists=True)


def test_the_sandbox_keeps_to_all_that_a_delivery_is_built_on():
    with Sandbox() as sandbox:
        control = Bucket(sandbox.control_bucket, prefix="toy/d1/", client=sandbox.client("s3"))
        landing = Bucket(sandbox.landing_bucket, prefix="toy/d1/staging/", client=sandbox.client("s3"))
        assert broken(tried(control, landing)) == set()
        assert (control.ls(), landing.ls()) == ((), ())


def test_a_store_behind_the_proxy_is_seen_as_without_it(bucket, through):
    assert broken(tried(through(bucket))) == broken(tried(bucket))
    assert bucket.ls() == ()


def test_who_tries_moto_alone_learns_of_each_thing_that_it_does_not_check(moto_server, session):
    client = s3_client(session, Endpoint(moto_server))
    client.create_bucket(Bucket="fake-moto")
    assert broken(tried(Bucket("fake-moto", prefix="control/", client=client))) == {
        O.CRC32_PUT,
        O.MD5_PUT,
        O.CRC32_PART,
        O.COMPLETE_REPLACE_ONLY,
        O.COPY_SOURCE,
        O.COPY_CREATE_ONLY,
        O.COPY_REPLACE_ONLY,
    }
    client.delete_bucket(Bucket="fake-moto")


@contextlib.contextmanager
def of_a_benchmark(name: str) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, BENCHMARKS / name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield json.loads(process.stdout.readline())["endpoint_url"]
        process.stdin.close()


@pytest.fixture
def sink() -> Iterator[str]:
    with of_a_benchmark("sink.py") as url:
        yield url


@pytest.fixture
def remembering() -> Iterator[str]:
    with of_a_benchmark("remembering.py") as url:
        yield url


def test_a_store_that_says_yes_to_everything_is_refused(sink, session):
    anything = Bucket("landing", prefix="control/toy/d1/", client=s3_client(session, Endpoint(sink)))
    with pytest.raises(StoreUnsafe, match="ignores If-None-Match"):
        prove_conditions(anything, "probe/abc")
    profile = tried(anything, anything)
    assert len(profile.refused(accept_unverified=True)) >= 3
    assert profile.no_parts


def test_the_store_of_a_million_shows_one_level_of_keys_to_a_run_that_goes_on(remembering, session):
    control = Bucket("control", prefix="toy/d1/", client=s3_client(session, Endpoint(remembering)))
    assert control.ls(recursive=False) == ()
    for key in ("owned", "staging/index/00000001.csv", "staging/log/client/0000000000.jsonl"):
        control.put(key, b"x")
    assert control.ls(recursive=False) == ("owned", "staging/")
    assert [entry.key for entry in control.list("staging/log/")] == ["staging/log/client/0000000000.jsonl"]
