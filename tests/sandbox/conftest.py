"""One sandbox for all tests of a module: what they do does not get in each other's way."""

import subprocess
from collections.abc import Iterator

import pytest

pytest.importorskip("moto")

from upload_client.sandbox import Sandbox


@pytest.fixture(scope="module")
def as_people_start_it() -> Iterator[None]:
    """Its processes are new ones, not forks of what is loaded already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upload_client.sandbox.sandbox.subprocess", subprocess)
        yield


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
