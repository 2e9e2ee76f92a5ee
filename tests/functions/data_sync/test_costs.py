"""The prices on the page: the requests of each kind that one more file takes, and no others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.proxy import Proxy, Request

from upload_client.functions.base.routing import find_function

from .conftest import World

PAGE = Path(__file__).parents[3] / "docs/data-sync.md"
PRICES = {"LIST": 0.005, "PUT": 0.005, "COPY": 0.005, "GET": 0.0004, "HEAD": 0.0004}
"""Dollars for a thousand requests in us-east-1: https://aws.amazon.com/s3/pricing/"""
FEW, MANY = 3, 8


@pytest.fixture
def counted(world: World, store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy(store.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def kind_of(request: Request) -> str:
    if request.method == "GET" and "list-type=2" in request.query:
        return "LIST"
    if request.method == "PUT" and "x-amz-copy-source" in request.headers:
        return "COPY"
    if request.method == "POST" and "delete" in request.query:
        return "DELETE"
    return request.method


def requests(proxy: Proxy, world: World, n: int, kind: str, **options) -> Counter[str]:
    """The requests of a sync of so many files, small ones, by their kinds."""
    source, _, target = kind.partition(" to ")
    for row in range(n):
        if source == "files":
            world.write(f"{n}/src/{row}", f"{row}")
        else:
            world.put(f"{n}/src/{row}", f"{row}")
    here = world.path(f"{n}/src/") if source == "files" else world.uri(f"{n}/src/")
    there = world.path(f"{n}/dst/") if target == "files" else world.uri(f"{n}/dst/", world.other)
    if options.pop("again", False):
        world.sync(here, there)
    proxy.requests.clear()
    world.sync(here, there, **options)
    return Counter(map(kind_of, proxy.requests))


AGAIN = {"again": True}
MOVE = {"retain_source_data": False}


@pytest.mark.parametrize("store", ["real"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "options", "each"),
    [
        ("files to objects", {}, {"PUT": 1}),
        ("objects to files", {}, {"GET": 1}),
        ("objects to objects", {}, {"COPY": 1}),
        ("files to objects", AGAIN, {}),
        ("objects to files", AGAIN, {}),
        ("objects to objects", AGAIN, {}),
        ("files to objects", MOVE, {"PUT": 1}),
        ("objects to objects", MOVE, {"COPY": 1}),
    ],
    ids=str,
)
def test_one_more_file_takes_so_many_requests(counted: Proxy, world: World, kind, options, each) -> None:
    few, many = (requests(counted, world, n, kind, **options) for n in (FEW, MANY))
    more = many - few
    assert not few - many
    # The page says when a copy is asked about once more; and what is deleted costs nothing.
    free = {"DELETE"} | ({"HEAD"} if kind == "objects to objects" and options is MOVE else set())
    assert {name: n for name, n in more.items() if name not in free} == {
        name: n * (MANY - FEW) for name, n in each.items()
    }
    assert more["HEAD"] <= MANY - FEW
    assert few["LIST"] <= 4  # both sides, and whether the source is there


def test_the_dollars_of_a_million_are_those_of_its_requests() -> None:
    table = PAGE.read_text(encoding="utf-8").split("\n## What it costs\n")[1].split("\n## ")[0]
    rows = [row.strip("|").split(" | ") for row in table.splitlines() if re.match(r"\|.*[0-9]", row)]
    kinds = []
    for _, asked, dollars in rows:
        found = re.match(r" ?([0-9,]+|two) (PUT|GET|COPY|HEAD|LIST|listings)", asked)
        assert found is not None, asked
        n, kind = found.groups()
        kinds.append(kind)
        number = 2000 if n == "two" else int(n.replace(",", ""))
        price = PRICES["LIST" if kind == "listings" else kind]
        said = re.match(r" ?([0-9.]+)", dollars)
        assert said is not None, dollars
        assert float(said[1]) == pytest.approx(number / 1000 * price, rel=0.01), asked
    assert kinds == ["LIST", "PUT", "GET", "COPY", "HEAD", "listings", "HEAD"]


@pytest.mark.parametrize("store", ["real"], indirect=True)
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", ["objects to objects", "objects to files", "files to objects"])
def test_files_that_are_named_one_by_one_are_asked_for_once_at_each_side(
    counted: Proxy, world: World, kind: str, again: bool
) -> None:
    def named(n: int) -> Counter[str]:
        requests(counted, world, n, kind, again=again)
        if not again:
            for path in world.folder.glob(f"{n}/dst/*"):
                path.unlink()
            for info in list(world.other.list(f"{n}/dst/")):
                world.other.rm(info.key)
        source, _, target = kind.partition(" to ")
        here = world.path(f"{n}/src/") if source == "files" else world.uri(f"{n}/src/")
        there = world.path(f"{n}/dst/") if target == "files" else world.uri(f"{n}/dst/", world.other)
        batch = [
            {"source_path": f"{here}{row}", "destination_path": f"{there}{row}", "filter_root": here}
            for row in range(n)
        ]
        counted.requests.clear()
        find_function("upload_client.functions.data_sync.BatchDataSyncHandler")({"requests": batch}, None)
        return Counter(map(kind_of, counted.requests))

    more = named(MANY) - named(FEW)
    assert more["HEAD"] <= kind.count("objects") * (MANY - FEW), more
