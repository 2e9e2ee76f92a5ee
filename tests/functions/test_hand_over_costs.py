"""The prices of a hand-over on the page: the requests of each kind that a file more takes, and no others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faults.proxy import Proxy
from functions.data_sync.test_costs import PRICES, kind_of
from functions.test_hand_over import Place

from upload_client import Bucket
from upload_client.core.layout import Layout
from upload_client.functions.base.routing import find_function
from upload_client.functions.hand_over.work import hand_over
from upload_client.s3 import clients

PAGE = Path(__file__).parents[2] / "docs/hand-over.md"
FEW, MANY = 3, 8


@pytest.fixture
def asked(make_bucket: Callable[..., Bucket], store, monkeypatch: pytest.MonkeyPatch):
    """Hand over deliveries of so many small files; the requests of each step, by their kinds."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    with Proxy(store.endpoint_url) as proxy:
        where = type("Where", (), {"endpoint_url": proxy.url, "endpoints": {}})
        client = clients.s3_client(None, where)

        def count(n: int, *steps: Callable[[Place], object]) -> list[Counter[str]]:
            layout = Layout("D", "Y", "staging", landing_prefix="{dataset}/{delivery_id}/")
            here = Place(
                make_bucket(prefix=layout.root),
                make_bucket(prefix=layout.landing),
                make_bucket(prefix="survey/1/"),
                layout,
                proxy.url,
            )
            here.land({f"{row}": b"%d" % row for row in range(n)})
            through = replace(
                here,
                **{
                    name: Bucket(made.name, prefix=made.prefix, client=client)
                    for name in ("control", "landing", "archive")
                    for made in (getattr(here, name),)
                },
            )
            for name, value in through.environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
            found = []
            for step in steps:
                proxy.requests.clear()
                step(through)
                # A copy of the second of its source has us look whether both are one place: by chance.
                seen = [one for one in proxy.requests if not one.path.endswith(".probe")]
                found.append(Counter(map(kind_of, seen)))
                where = [here.landing.name, here.archive.name]
                found[-1]["LIST"] = sum(
                    kind_of(one) == "LIST"
                    and one.path.strip("/") in where
                    and "max-keys=1" not in one.query.split("&")
                    for one in seen
                )  # all pages: of landing and archive, and not whether there is anything
            return found

        yield count


def copy(place: Place) -> None:
    hand_over(place.job(), lambda _: None)


def remove(place: Place) -> None:
    hand_over(place.job(remove=True), lambda _: None)


def by_steps(place: Place) -> None:
    """As the state machine does it."""
    run = find_function("upload_client.functions.hand_over.HandOverHandler")
    to = f"s3://{place.archive.name}/{place.archive.prefix}"
    event = {"dataset": place.layout.dataset, "delivery_id": "Y", "to": to}
    batches = run({**event, "step": "prepare"}, None)["requests"]
    for batch in batches:
        find_function("upload_client.functions.data_sync.BatchDataSyncHandler")(batch, None)
    run({**event, "remove": True}, None)


CASES = {
    "a hand-over": [copy],
    "the same with `--remove`": [remove],
    "once more, when it is done": [copy, copy],
    "`--remove` in a run of its own, which proves once more": [copy, remove],
    "the state machine, with removal": [by_steps],
}


def table() -> dict[str, tuple[Counter[str], float]]:
    """Requests and dollars of a million files, by the names of the rows."""
    text = PAGE.read_text(encoding="utf-8").split("\n## What it costs\n")[1].split("\n## ")[0]
    found = {}
    for line in text.splitlines():
        if row := re.fullmatch(r"\| (.*?) \| (.*?) \| ([0-9.]+) \|", line):
            named = re.findall(r"([0-9,]+) ([A-Z]+)", row[2])
            requests = Counter({kind: int(n.replace(",", "")) for n, kind in named})
            found[row[1]] = requests, float(row[3])
    return found


def test_the_dollars_of_a_million_are_those_of_its_requests() -> None:
    assert table().keys() == CASES.keys()
    for name, (requests, dollars) in table().items():
        assert sum(n / 1000 * PRICES[kind] for kind, n in requests.items()) == pytest.approx(
            dollars, abs=0.01
        ), name


@pytest.mark.parametrize("store", ["real"], indirect=True)
@pytest.mark.parametrize("name", CASES)
def test_one_more_file_takes_so_many_requests(asked, name) -> None:
    few, many = (asked(n, *CASES[name])[-1] for n in (FEW, MANY))
    said, _ = table()[name]
    # This store does not say the CRC32 of a copy, and is asked for it, unless the ETag proves the copy.
    once_more = said["COPY"] if name != "the state machine, with removal" else 0
    each = {"COPY": said["COPY"] // 10**6, "HEAD": (said["HEAD"] + once_more) // 10**6}
    more = many - few
    del more["DELETE"]
    assert more == +Counter({kind: n * (MANY - FEW) for kind, n in each.items()})
    assert not few - many
    assert few["LIST"] == said["LIST"] // 1000  # a page of a listing has a thousand
