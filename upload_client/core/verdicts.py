"""The client's rules for a verdict: its meaning for the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from upload_client.core.codes import FileCode
from upload_client.core.files import FileLedger
from upload_client.core.opened import opened_as
from upload_client.core.records import Verdict
from upload_client.core.segments import Records, Segment
from upload_client.core.states import State
from upload_client.core.uploads import Upload, parse_upload_id
from upload_client.core.values import value

ASK_AGAIN_AFTER: Final = (5.0, 30.0, 120.0)
"""Seconds after which an upload that could not be judged is announced again."""

BEFORE_TRANSFER: Final = "verdict before transfer"
SOMETHING_ELSE: Final = "judged something else"
CONTRADICTORY: Final = "contradictory verdicts"
PASSED_OVER: Final = "not judged: the validator has passed over its announcement"
NOT_IN_INDEX: Final = "a verdict for a file that is not in the index"

_IRREGULAR: Final = (BEFORE_TRANSFER, SOMETHING_ELSE, CONTRADICTORY)

Action: TypeAlias = Literal["valid", "invalid", "ask_again", "unjudged", "ignore", "warn"]


@value
class Ruling:
    """The decision about a verdict.

    Attributes:
        action: the file becomes `valid` or `invalid`; its upload is to be announced again (`ask_again`) or
            no more (`unjudged`); nothing is (`ignore`); or the person is to be told (`warn`).
        message: why.
        wait: seconds until it is announced again.
        verdict: what now stands as the validator's word on the file's latest upload, where that is new.
        code: why, for programs.
    """

    action: Action
    message: str | None = None
    wait: float = 0.0
    verdict: Literal["ok", "failure"] | None = None
    code: str | None = None


_VALID = Ruling("valid", verdict="ok")
_EARLIER = Ruling("ignore", "it is about an earlier upload")
_SAME = Ruling("ignore", "it was said before")


def is_for(segment: Segment, epoch: int) -> bool:
    """Whether the verdicts in a segment of the validator's log count for the client of `epoch`.

    They count whichever client the validator served, but not if the validator had lost its log when it wrote
    them, nor if it serves a later client: then they are about uploads that this one has never heard of, and
    cannot tell from uploads never issued. It will find that its lock is lost.
    """
    serves = segment.header.client_epoch
    return not segment.superseded and (serves is None or serves <= epoch)


def judge(
    verdict: Verdict,
    *,
    epoch: int,
    state: State | None,
    latest: Upload | None,
    ask: int = 0,
    errors: int = 0,
    previous: Literal["ok", "failure"] | None = None,
) -> Ruling:
    """The table: what `verdict` means for its file.

    Args:
        verdict: what the validator said, in whatever epoch.
        epoch: this client's.
        state: the file's; None for a file that is not in the index.
        latest: the file's latest upload; one of an earlier run if the file is to be sent again.
        ask: how often that has been announced again.
        errors: how often in this run it could not be judged.
        previous: what the validator has said of it before.
    """
    if state is None:
        return Ruling("warn", NOT_IN_INDEX)
    judged = parse_upload_id(verdict.upload)
    issued = (-1, -1) if latest is None else (latest.epoch, latest.n)
    # All uploads of earlier epochs are known from the log, and within an epoch a file is uploaded once. So
    # what comes after the latest, or beside it in this epoch, was never issued.
    if judged > issued or (judged != issued and judged[0] == epoch):
        return Ruling("invalid", BEFORE_TRANSFER, code=FileCode.VERDICT_BEFORE_TRANSFER)
    if latest is None or judged != issued or state not in ("done", "valid", "invalid"):
        return _EARLIER
    if previous is not None:
        if verdict.status in ("error", previous):
            return _SAME
        return Ruling("invalid", CONTRADICTORY, code=FileCode.CONTRADICTORY_VERDICTS)
    if state != "done":
        # An irregular verdict has made it invalid, and its judge is no longer believed.
        return Ruling("ignore", "the file is invalid already")
    if verdict.status == "failure":
        return Ruling(
            "invalid", verdict.message or "it is not as announced", verdict="failure", code=verdict.code
        )
    if verdict.status == "error":
        return _unable(verdict, ask, errors)
    found = verdict.found
    if found is None or (found.size, found.crc32, found.etag) != (latest.size, latest.crc32, latest.etag):
        return Ruling("invalid", SOMETHING_ELSE, verdict="ok", code=FileCode.JUDGED_SOMETHING_ELSE)
    return _VALID


def _unable(verdict: Verdict, ask: int, errors: int) -> Ruling:
    # One answer to each announcement: two validators may both have been unable.
    if verdict.ask != ask or errors > len(ASK_AGAIN_AFTER):
        return _SAME
    reason = verdict.message.removeprefix("it could not be judged: ")  # once is enough
    message = f"not judged: {reason}" if reason else "not judged"
    if verdict.code == FileCode.UNABLE:  # as it will be in two minutes
        return Ruling("unjudged", message, code=FileCode.UNABLE)
    if errors == len(ASK_AGAIN_AFTER):
        return Ruling("unjudged", message, code=FileCode.NOT_JUDGED)
    return Ruling("ask_again", message, wait=ASK_AGAIN_AFTER[errors])


def apply_all(
    ledger: FileLedger, records: Records, *, epoch: int, now: float
) -> Iterator[tuple[int | None, str, Ruling]]:
    """`apply` all verdicts of a segment, as far as they are taken from this iterator.

    Yields:
        Row, path and what was done, for each of them; the order is that of the log for each file.
    """
    # The one row of the table that a million files take, without making the objects it is about.
    accepted, left = ledger.accept(records.oks)
    for row in accepted:
        yield row, ledger.relpath(row), _VALID
    for record in records.but(left):
        if type(record) is Verdict:
            yield ledger.row(record.path), record.path, apply(ledger, record, epoch=epoch, now=now)


def apply(ledger: FileLedger, verdict: Verdict, *, epoch: int, now: float) -> Ruling:
    """Judge `verdict` and write what follows from it into the ledger, as fast for however many files.

    Args:
        ledger: the files.
        verdict: what the validator said.
        epoch: this client's.
        now: seconds, by the clock that `ledger.asks.next` is asked by.

    Returns:
        What was done; `ignore` where it changed nothing.
    """
    row = ledger.row(verdict.path)
    if row is None:
        return judge(verdict, epoch=epoch, state=None, latest=None)
    ruling = judge(
        verdict,
        epoch=epoch,
        state=ledger.state(row),
        latest=ledger.upload(row),
        ask=ledger.asks[row],
        errors=ledger.asks.errors(row),
        previous=ledger.verdict(row),
    )
    if ruling.action == "valid":
        ledger.judge(row, "valid", None, verdict.t, verdict="ok", opened=opened_as(verdict.checks))
    elif ruling.action == "invalid":
        # Of what is irregular, the first is told: two kinds of it by turns would be told without end.
        if ledger.state(row) == "invalid" and ledger.message(row) in (ruling.message, *_IRREGULAR):
            return _SAME
        ledger.judge(
            row,
            "invalid",
            ruling.message,
            verdict.t,
            verdict=ruling.verdict,
            code=ruling.code,
            opened=opened_as(verdict.checks),
        )
    elif not ledger.asks.awaits_verdict(row):
        # Of a file that is given up (a validator has passed it over, say) only a judgement is heard.
        return _SAME if ruling.action in ("ask_again", "unjudged") else ruling
    elif ruling.action == "ask_again":
        ledger.asks.again(row, now + ruling.wait)
    elif ruling.action == "unjudged":
        ledger.give_up_judging(row, ruling.message or "", ruling.code)
    return ruling
