"""Stores to test against, with buckets of their own, and a network that can be broken.

Two stores: moto, in this process, and an S3 that checks checksums (`checking_store`). ``bucket`` and all that
depends on ``store`` runs against both; against moto only with the long tests, where there is the other one.
"""

from __future__ import annotations

import gc
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # tests of all folders share faults/proxy.py

import checking_store
import forked
import preloaded
from both_stores import MOTO
from faults.proxy import Proxy
from order import dealt

from upload_client.s3.bucket import Bucket
from upload_client.s3.clients import s3_client

# Here and in the hundreds of processes that are started, each of which would compile all it imports anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop(
    "PYTHONUNBUFFERED", None
)  # hardly anybody has it set, and what is held back may fail at the end

preloaded.read_botocore_once()

REGION = "us-east-1"

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers() -> int:
    """Twice the cores: much of what is tested here is waiting, for servers, leases and processes."""
    return 2 * (os.cpu_count() or 1)


_DOOR = pytest.StashKey[checking_store.Door]()
_DOOR_PORT = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """One door to the checking store for this run and all its workers."""
    if hasattr(config, "workerinput"):
        config.stash[_DOOR_PORT] = config.workerinput["checking_store"]
    else:
        door = config.stash[_DOOR] = checking_store.Door()
        config.stash[_DOOR_PORT] = door.port


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell a worker of pytest-xdist where the door is."""
    node.workerinput["checking_store"] = node.config.stash[_DOOR_PORT]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The store ends with the run that needed it."""
    if _DOOR in config.stash:
        config.stash[_DOOR].close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """What a command sets in the environment of its process is gone with the test that ran it in this one."""
    before = dict(os.environ)
    try:
        return (yield)
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Look for no garbage among what all tests are made of: nothing of it goes away before the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[object]:
    """Mark what runs against the checking store: ``-m "checking and not long"``. Heavy tests come first."""
    for item in items:
        params = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if {"real_s3", "checking_url"} & set(item.fixturenames) or {"real", "best", "checking"} & {
            one for one in params if isinstance(one, str)
        }:
            item.add_marker("checking")
    try:
        return (yield)
    finally:
        if hasattr(config, "workerinput"):
            heavy = [item for item in items if item.get_closest_marker("heavy")]
            light = [item for item in items if not item.get_closest_marker("heavy")]
            items[:] = dealt(heavy, light, config.workerinput["workercount"])


@dataclass(frozen=True)
class Store:
    """An S3 to test against: ``moto`` or ``real``, and where it is."""

    name: str
    endpoint_url: str

    @property
    def is_seaweedfs(self) -> bool:
        """Whether it is the one that the tests bring, which differs from S3 in some places."""
        return checking_store.is_seaweedfs(self.endpoint_url)

    def may_hold(self, key: str) -> bool:
        """Whether the store takes a key that S3 takes."""
        if self.name == "moto":
            return "\n" not in key  # where its patterns of URLs end
        if not self.is_seaweedfs:
            return True
        names = key.split("/")  # each is a file's or a folder's there; and it takes a backslash for a slash
        return "\\" not in key and all(one not in (".", "..") and len(one) <= 255 for one in names)

    @property
    def endpoints(self) -> dict[str, str]:
        return {}


@pytest.fixture(autouse=True, scope="session")
def _aws_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the person's own AWS set-up, nor of their logs, may be used or changed by a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            ours = name.startswith("UPLOAD_CLIENT_") and not name.startswith("UPLOAD_CLIENT_TEST_")
            if name.startswith("AWS_") or ours:
                patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _sandboxes_are_forked() -> Iterator[None]:
    """A sandbox costs several seconds of a processor to start as it is started by people."""
    with pytest.MonkeyPatch.context() as patch:
        if forked.can_fork():
            patch.setattr("upload_client.sandbox.sandbox.subprocess", forked.popen_of(forked.Popen))
        yield


@pytest.fixture(scope="session")
def moto_server(_aws_environment: None) -> Iterator[str]:
    """URL of a moto server in this process that does one request at a time.

    Moto looks first and writes later, so that of two conditional writes at once both might succeed.
    """
    moto = pytest.importorskip("moto.moto_server.werkzeug_app")
    from werkzeug.serving import make_server

    app = moto.DomainDispatcherApplication(moto.create_backend_app)
    one_at_a_time = threading.Lock()

    def in_turn(environ, start_response):
        with one_at_a_time:
            return app(environ, start_response)

    server = make_server("127.0.0.1", 0, in_turn, threaded=True, request_handler=moto.MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, name="moto", daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def real_s3(request: pytest.FixtureRequest) -> str:
    """URL of an S3 that checks checksums."""
    url = os.environ.get(checking_store.NAMED)
    if not url:
        if not checking_store.WEED.exists():
            pytest.skip(checking_store.MISSING)
        url = checking_store.ask(request.config.stash[_DOOR_PORT])
        if url.startswith("!"):
            # A pass without it would prove less than it seems to.
            (pytest.fail if os.environ.get("CI") else pytest.skip)(url[1:])
    return url


@pytest.fixture(params=[MOTO, "real"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each of the two stores in turn."""
    fixture = {"moto": "moto_server", "real": "real_s3"}[request.param]
    return Store(request.param, request.getfixturevalue(fixture))


@pytest.fixture(scope="session")
def session(_aws_environment: None) -> boto3.Session:
    """A session with credentials that both stores accept. (One for all: it costs half a second.)"""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


@pytest.fixture
def s3(store: Store, session: boto3.Session):
    """An S3 client of the store, with more connections than any test has threads."""
    client = s3_client(session, store, pool=64)
    yield client
    client.close()


@pytest.fixture
def make_bucket(s3, store: Store) -> Iterator[Callable[..., Bucket]]:
    """Make buckets of this test alone: ``make_bucket(prefix="x/")``. They are gone after it."""
    made: list[tuple[str, bool]] = []

    def make(*, prefix: str = "", versioned: bool = False) -> Bucket:
        name = f"test-{secrets.token_hex(8)}"
        s3.create_bucket(Bucket=name)
        if store.name == "real":
            checking_store.make_room(store.endpoint_url, name)
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        made.append((name, versioned))
        return Bucket(name, prefix=prefix, client=s3)

    yield make
    for name, versioned in made:
        while not _delete_bucket(s3, name):
            for which in _some_of(s3, name, versioned):
                # One by one: XML, and so a request for many, holds no control characters.
                s3.delete_object(Bucket=name, **which)


def _delete_bucket(s3, bucket: str) -> bool:
    """Delete a bucket, unless the store asks to have it emptied first: SeaweedFS takes all with it."""
    try:
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketNotEmpty":
            raise
        return False
    return True


def _some_of(s3, bucket: str, versioned: bool) -> list[dict[str, str]]:
    if not versioned:
        return [{"Key": entry["Key"]} for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
    page = s3.list_object_versions(Bucket=bucket)
    entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
    return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]


@pytest.fixture
def bucket(make_bucket: Callable[..., Bucket]) -> Bucket:
    """An empty bucket of this test alone, with a prefix, in each of the two stores."""
    return make_bucket(prefix="control/toy/d1/")


@pytest.fixture
def proxy(store: Store) -> Iterator[Proxy]:
    """A network to the store that can be broken."""
    with Proxy(store.endpoint_url) as made:
        yield made


@pytest.fixture
def through(proxy: Proxy, session: boto3.Session) -> Iterator[Callable[[Bucket], Bucket]]:
    """The same bucket, reached through `proxy`: ``through(bucket)``. Time-outs are short there."""
    clients = []

    def make(bucket: Bucket, **config) -> Bucket:
        options = {"connect_timeout": 2, "read_timeout": 5, "retries": {"total_max_attempts": 1}} | config
        client = s3_client(session, Store("proxy", proxy.url), pool=64, **options)
        clients.append(client)
        return Bucket(bucket.name, prefix=bucket.prefix, client=client)

    yield make
    for client in clients:
        client.close()
