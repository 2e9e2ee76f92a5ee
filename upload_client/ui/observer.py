"""The status of a delivery, for a person: on a terminal, in a pipe, or in a line of a log."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from upload_client.core.delivery_status import (
    DeliveryPhase,
    DeliveryStatus,
    LockStatus,
    RunStatus,
    ValidatorStatus,
)
from upload_client.core.files import TYPE_NAMES
from upload_client.core.observed import ObservedLanding
from upload_client.core.opened import not_opened, sentence
from upload_client.core.text import for_terminal
from upload_client.support import figures
from upload_client.ui.progress_line import WIDE

STYLES: dict[DeliveryPhase, str] = {
    DeliveryPhase.COMPLETE: "bold green",
    DeliveryPhase.ENDED: "bold yellow",
    DeliveryPhase.MISSING: "bold yellow",
    DeliveryPhase.CRASHED: "bold red",
    DeliveryPhase.BROKEN_OFF: "bold red",
    DeliveryPhase.LOG_BROKEN: "bold red",
}
BAR_WIDTH = 48


def rows(console: Console, width: int, status: DeliveryStatus, trouble: str = "") -> list[Segments]:
    """The same as `screen`, in rows that can be drawn in place in so many columns."""
    options = console.options.update_width(min(width, WIDE))
    lines = console.render_lines(screen(status, trouble), options, pad=False)
    return [Segments([*line, Segment.line()]) for line in lines]


def screen(status: DeliveryStatus, trouble: str = "") -> RenderableType:
    """All of it.

    Args:
        status: what was seen.
        trouble: why it is not newer.
    """
    parts: list[RenderableType] = [
        Text.assemble(
            (f"{status.dataset}/{status.delivery_id}", "bold"),
            (
                f"  {status.transfer_type}, {TYPE_NAMES[status.transfer_type]}; as of {_clock(status.at)}",
                "dim",
            ),
        ),
        Text(_sentence(status.headline), style=_style(status)),
    ]
    if trouble:
        parts.append(Text(f"not reached since then: {for_terminal(trouble)}", style="yellow"))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, fact in _facts(status):
        facts.add_row(label, fact)
    if facts.row_count:
        parts += [Text(), facts]
    for problem in status.problems:
        if problem.code == "missing":
            parts.append(Text(problem.todo, style="dim"))
            continue
        style = "bold red" if problem.severity == "error" else "yellow"
        parts += [
            Text(),
            Text(f"{problem.severity}: {for_terminal(problem.what)}", style=style),
            Padding(Text(for_terminal(problem.todo)), (0, 0, 0, 2)),
        ]
    if status.last:
        wrong = Table.grid(padding=(0, 1))
        wrong.add_column(style="red", no_wrap=True)
        wrong.add_column(overflow="fold")
        for file in status.last:
            wrong.add_row(file.state, Text(f"{for_terminal(file.path)}: {for_terminal(file.message)}"))
        parts += [Text(), Text("Went wrong last", style="dim"), wrong]
    return Group(*parts)


def line(status: DeliveryStatus) -> str:
    """The same in one line; two that are equal tell the same."""
    files = status.files
    text = f"{status.phase.value}: {status.headline}"
    if status.phase.live and files["total"]:
        sent = files["done"] + files["valid"] + files["invalid"]
        text += f"; sent {figures.count(sent)} of {figures.files(files['total'])}"
        rate = 0.0 if status.rate is None else status.rate.bytes_per_second
        if pace := figures.pace(rate, status.eta_seconds or 0.0):
            text += f", {pace}"
    return for_terminal(text)


def _facts(status: DeliveryStatus) -> Iterator[tuple[str, RenderableType]]:
    files, n_bytes, rate = status.files, status.n_bytes, status.rate
    total = files["total"]
    if total:
        landed = sum(files[state] for state in ("done", "valid", "invalid"))
        landed_bytes = sum(n_bytes[state] for state in ("done", "valid", "invalid"))
        judged = files["valid"] + files["invalid"]
        pace = figures.pace(0.0 if rate is None else rate.bytes_per_second, 0.0)
        speed = f"  {pace}" if pace else ""
        left = status.eta_seconds
        shares = (
            ("sent", figures.sent(landed_bytes, n_bytes["total"], total - landed, total), "cyan"),
            ("judged", figures.share(judged, total), "green"),
        )
        for label, share, style in shares:
            yield label, _bar(share, style)
        in_bytes = f"{figures.size(landed_bytes)} of {figures.size(n_bytes['total'])}"
        yield "sent", f"{figures.count(landed)} of {figures.files(total)}, {in_bytes}{speed}"
        pace = f"  {rate.verdicts_per_second:,.1f} files/s" if rate and rate.verdicts_per_second else ""
        states = Text(f"{figures.count(judged)} of {figures.files(total)}: valid ")
        states.append(figures.count(files["valid"]), style="green")
        states.append(", invalid ")
        states.append(figures.count(files["invalid"]), style="bold red" if files["invalid"] else "")
        states.append(pace)
        yield "judged", states
        if why := not_opened(status.opened):
            yield "not opened", Text(for_terminal(sentence(why)))
        if files["failed"]:
            yield "failed", Text(f"{figures.files(files['failed'])} could not be sent", style="red")
        if left is not None and status.phase is not DeliveryPhase.FINISHING:
            yield "time left", f"{figures.duration(left)}, at the rate of the last {_span(status)}"
    today = status.at[:10]
    if status.lock is not None:
        yield "lock", _lock(status.lock, today)
    if status.run is not None:
        yield "last run", _run(status.run, today)
    if status.validator is not None:
        yield "validator", _validator(status.validator)
    if status.receipt is not None:
        yield "receipt", Text(for_terminal(status.receipt.key))
    if status.hand_over is not None:
        record = status.hand_over
        removed = "" if not record.leaves_landing else ", being removed from landing"
        if record.removed_at is not None:
            removed = ", removed from landing"
        yield "handed over", Text(f"{record.archive}, {record.proven_at}{removed}")
    if status.phase is DeliveryPhase.COMPLETE and not status.leaves_landing:
        yield "bucket", _landing(status.landing)


def _bar(share: float, style: str) -> RenderableType:
    made = Table.grid(padding=(0, 1))
    made.add_row(
        figures.percent(share), ProgressBar(total=1.0, completed=share, width=BAR_WIDTH, complete_style=style)
    )
    return made


def _style(status: DeliveryStatus) -> str:
    landing = status.landing
    if landing is not None and not landing.as_judged:
        return "bold red" if landing.replaced or landing.gone else "bold yellow"
    return STYLES.get(status.phase, "bold cyan")


def _landing(landing: ObservedLanding | None) -> Text:
    if landing is None:
        return Text("not looked at: this login may not list it")
    if landing.as_judged:
        return Text("holds what was judged, and nothing else", style="green")
    text = f"{landing.added:,} added, {landing.replaced:,} replaced, {landing.gone:,} gone since the verdicts"
    return Text(text, style="bold red" if landing.replaced or landing.gone else "yellow")


def _span(status: DeliveryStatus) -> str:
    return figures.duration(0 if status.rate is None else status.rate.seconds)


def _lock(lock: LockStatus, today: str) -> Text:
    if lock.state == "unreadable":
        return Text(f"unreadable, written at {_time(lock.refreshed_at, today)}", style="red")
    whom = f"{lock.user or 'unknown user'}@{lock.host or 'unknown host'}"
    if lock.state == "released":
        return Text(for_terminal(f"free; given back by {whom} at {_time(lock.refreshed_at, today)}"))
    since = _time(lock.since or "an unknown time", today)
    of = "" if lock.transfer_type is None else f" for {TYPE_NAMES[lock.transfer_type]}"
    who = f"{whom}, agent {lock.agent_id}, epoch {lock.epoch}, since {since}"
    if lock.state == "expired":
        return Text(for_terminal(f"expired, so free to take; held last{of} by {who}"), style="yellow")
    until = f"{_time(lock.until or '', today)} if not refreshed ({figures.duration(lock.seconds_left or 0)})"
    return Text(for_terminal(f"held{of} by {who}, until {until}"))


def _run(run: RunStatus, today: str) -> Text:
    text = f"number {run.epoch}, agent {run.agent_id}"
    if run.began_at:
        text += f", began {_time(run.began_at, today)}"
    if run.ended is not None:
        how = "crashed" if run.ended == "crash" else "ended"
        text += f", {how} {_time(run.last_seen or '', today)}: {run.reason or 'no reason given'}"
    elif run.silent_seconds is not None:
        text += f", wrote {figures.duration(run.silent_seconds)} ago"
    return Text(for_terminal(text))


def _validator(validator: ValidatorStatus) -> Text:
    text = validator.validator_id or "has not begun"
    if validator.ended:
        text += f", left ({validator.ended}{': ' + validator.reason if validator.reason else ''})"
    if validator.silent_seconds is not None:
        text += f", last sign of life {figures.duration(validator.silent_seconds)} ago"
    if validator.shards > 1:
        text += f" (shard {validator.shard} of {validator.shards})"
    return Text(for_terminal(text))


def _clock(moment: str) -> str:
    """A moment to the second, as people write it; what is none stays what it is."""
    return f"{moment[:10]} {moment[11:19]} UTC" if moment[10:11] == "T" and moment.endswith("Z") else moment


def _time(moment: str, today: str) -> str:
    """The same, of today without the date."""
    return moment[11:19] if moment[:11] == f"{today}T" else _clock(moment)


def _sentence(text: str) -> str:
    return for_terminal(text[:1].upper() + text[1:])
