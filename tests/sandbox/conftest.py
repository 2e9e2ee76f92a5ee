"""One sandbox for all tests of this folder: what they do does not get in each other's way."""

from collections.abc import Iterator

import pytest

pytest.importorskip("moto")

from upload_client.sandbox import Sandbox


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
