"""One sandbox for all tests of this folder: what they do does not get in each other's way."""

import subprocess
from collections.abc import Iterator

import pytest

pytest.importorskip("moto")

from upload_client.sandbox import Sandbox


@pytest.fixture(autouse=True, scope="package")
def as_people_start_it() -> Iterator[None]:
    """Here its processes are new ones, not forks of what is loaded already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upload_client.sandbox.sandbox.subprocess", subprocess)
        yield


@pytest.fixture(scope="package")
def sandbox(as_people_start_it: None) -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
