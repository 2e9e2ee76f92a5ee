"""Where a delivery stands, as a person reads it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from upload_client.core.delivery_status import (
    DeliveryPhase,
    DeliveryStatus,
    LockStatus,
    Notice,
    ObservedReceipt,
    Rate,
    RunStatus,
    ValidatorStatus,
)
from upload_client.core.hand_over import HandOver
from upload_client.core.observed import NamedFile
from upload_client.core.problems import Problem
from upload_client.ui.observer import line, screen

AT = "2026-01-02T03:04:05.678Z"
HOSTILE = "[red]\x1b[2J\u202e.csv"
FILES = {"ready": 1500, "failed": 2, "done": 50, "valid": 2447, "invalid": 1, "total": 4000}


def lock(state="held", since="2026-01-01T20:00:00.000Z") -> LockStatus:
    return LockStatus(
        state, "qhxkvbnzmru", "maria", "ship\x1b", 7, 3, since, AT, AT, 296.0, 300, for_other_type=False
    )


def status(**more) -> DeliveryStatus:
    facts = {
        "dataset": "toy",
        "delivery_id": "d1",
        "transfer_type": "staging",
        "at": AT,
        "phase": DeliveryPhase.TRANSFERRING,
        "headline": "files are being sent",
        "lock": lock(),
        "run": RunStatus(3, "qhxkvbnzmru", AT, AT, 4.0, None, "", 0.1, 2),
        "files": FILES,
        "n_bytes": {**FILES, "total": 4000},
        "rate": Rate(300.0, 4_000_000.0, 2.0, 1.5),
        "eta_seconds": 600.0,
        "validator": ValidatorStatus("judge", 1, 3, AT, 9.0, None, ""),
        "receipt": ObservedReceipt("staging/receipt/00000003.json", 3, 0.0),
        "wrong": (Problem("invalid", "torn", "Fix it.", 1, (HOSTILE,)),),
        "last": (NamedFile(HOSTILE, "invalid", "torn\n\x1b[31m", AT),),
        "problems": (Notice("error", "invalid_files", f"torn {HOSTILE}", "Fix it."),),
    }
    return DeliveryStatus(**{**facts, **more})


def shown(seen: DeliveryStatus, trouble: str = "", width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, emoji=False, markup=False, highlight=False)
    console.print(screen(seen, trouble))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_and_shows_what_others_wrote_as_it_is(width):
    text = shown(status(), HOSTILE, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "\u202e" not in text
    joined = "".join(text.split())
    assert joined.count("[red]\\x1b[2J\\u202e.csv") == 3  # trouble, problem, file


def test_what_was_not_opened_does_not_look_as_if_it_had_been():
    opened = {"csv": 7, "not opened: \x1b[31mno library": 2}
    assert "not opened  2 files were not opened: \\x1b[31mno library" in shown(
        status(opened=opened), width=100
    )
    assert "not opened" not in shown(status(opened={"csv": 7}))


def test_it_says_how_far_how_fast_and_who():
    text = shown(status(), width=200)
    for said in (
        "toy/d1  staging, the whole delivery; as of 2026-01-02 03:04:05 UTC",
        "Files are being sent",
        "61 %",
        "2,498 of 4,000 files",
        "3.8 MiB/s",
        "valid 2,447, invalid 1  1.5 files/s",
        "2 files could not be sent",
        "10:00, at the rate of the last 5:00",
        "held by maria@ship\\x1b, agent qhxkvbnzmru, epoch 3, since 2026-01-01 20:00:00 UTC, until 03:04:05",
        "number 3, agent qhxkvbnzmru, began 03:04:05, wrote 0:04 ago",
        "judge, last sign of life 0:09 ago",
        "staging/receipt/00000003.json",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"lock": lock("released")}, "free; given back by maria"),
        ({"lock": lock("expired", None)}, "expired, so free to take; held last by maria"),
        ({"lock": replace(lock(), transfer_type="sample")}, "held for the sample by maria"),
        (
            {"lock": replace(lock("expired"), transfer_type="staging")},
            "free to take; held last for the whole delivery by maria",
        ),
        ({"lock": lock("unreadable")}, "unreadable, written at 03:04:05"),
        (
            {"run": RunStatus(3, "a", AT, AT, 4.0, "stop", "interrupted", 0.1, 2)},
            "ended 03:04:05: interrupted",
        ),
        ({"run": RunStatus(3, "a", None, None, None, "crash", "", None, 2)}, "crashed : no reason given"),
        ({"run": RunStatus(3, "a", None, None, None, None, "", None, 2)}, "number 3, agent a"),
        ({"validator": ValidatorStatus(None, 1, 3, None, None, "shutdown", "time")}, "has not begun, left"),
        ({"transfer_type": "sample"}, "sample, the sample"),
    ],
)
def test_whatever_became_of_it_is_told(seen, said):
    assert said in shown(status(**seen), width=200)


def test_of_a_delivery_that_is_not_there_only_that_is_said():
    nothing = dict.fromkeys(("lock", "run", "rate", "eta_seconds", "validator", "receipt"))
    missing = Notice("error", "missing", "there is no delivery", "Check the names.")
    text = shown(
        status(
            **nothing,
            phase=DeliveryPhase.MISSING,
            headline="there is no delivery",
            files=dict.fromkeys(FILES, 0),
            wrong=(),
            last=(),
            problems=(missing,),
        )
    )
    assert text.split("\n")[1:] == ["There is no delivery", "Check the names.", ""]


def test_in_a_line_it_changes_only_where_something_has():
    text = line(status(headline=f"sent {HOSTILE}"))
    assert text.startswith(
        "transferring: sent [red]\\x1b[2J\\u202e.csv; sent 2,498 of 4,000 files, 3.8 MiB/s"
    )
    assert text.endswith("10:00 left")
    assert line(status(phase=DeliveryPhase.ENDED, headline="ended")) == "ended: ended"
    unknown = line(status(rate=None, eta_seconds=None))
    assert unknown.endswith("sent 2,498 of 4,000 files")


def test_it_says_where_a_delivery_was_handed_over():
    record = HandOver(
        *("toy", "d1", "staging", 3, "staging/receipt/00000003.json", "a" * 64, "s3://landing/"),
        *("s3://archive/toy/", 1, 2, "b" * 64, AT, "agent"),
    )
    complete = status(phase=DeliveryPhase.COMPLETE, hand_over=record)
    assert "s3://archive/toy/" in shown(complete)
    assert "removed from landing" not in shown(complete)
    going = status(phase=DeliveryPhase.COMPLETE, hand_over=replace(record, removing_at=AT))
    assert "being removed from landing" in shown(going, width=120)
    assert "bucket" not in shown(going, width=120)
    gone = status(phase=DeliveryPhase.COMPLETE, hand_over=replace(record, removing_at=AT, removed_at=AT))
    assert "being removed" not in shown(gone, width=120)
    assert "removed from landing" in shown(gone, width=120)
    assert "bucket" not in shown(gone, width=120)
