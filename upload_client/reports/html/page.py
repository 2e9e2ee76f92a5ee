"""One self-contained page about a delivery.

Nothing in it is loaded from elsewhere, and its own policy lets no browser try. Every text from outside goes
through `for_terminal`, which makes visible what could reorder a line, and then through `html.escape`. The
rows of the table are JSON in which no character can end the element; the script puts them in place as text.
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from heapq import heappush, heappushpop
from importlib.metadata import version
from importlib.resources import files as resources
from typing import Any

from upload_client.core.delivery_status import DeliveryPhase, DeliveryStatus
from upload_client.core.files import TYPE_NAMES
from upload_client.core.hints import as_html
from upload_client.core.history import DeliveryHistory, Life
from upload_client.core.observed import OBSERVED_STATES, FileState, ObservedState
from upload_client.core.own_files import PAGE_MARK
from upload_client.core.records import Init
from upload_client.core.states import State
from upload_client.core.text import for_log, for_terminal
from upload_client.core.timeline import Interval, Timeline, timeline
from upload_client.core.times import milliseconds
from upload_client.reports.html.charts import chart, clock, share, swatch, widths
from upload_client.support import figures

MAX_ROWS = 20_000
"""Files in the table: those that went wrong first, then those in doubt, then the others."""
FIRST_ROWS = 50
"""Rows of the table that are there without a script."""
NAMED = 10
"""Largest files, and slowest ones."""
MAX_KINDS = 100
"""Reasons that are distinguished."""
MAX_RUNS = 50
"""Runs that are listed, the last ones."""
MAX_MESSAGE = 500
"""Characters of a message."""

STATE_LABELS: dict[State, str] = {
    "valid": "valid",
    "invalid": "invalid",
    "failed": "not transferred",
    "done": "not judged",
    "ready": "not sent",
}
_MEANINGS = {
    "valid": "in the bucket, checksum confirmed, judged good",
    "invalid": "judged bad",
    "failed": "could not be sent",
    "done": "in the bucket, checksum confirmed, no verdict",
    "ready": "to be sent, or on its way",
}
_SEVERITY: tuple[ObservedState, ...] = ("failed", "invalid", "done", "ready", "valid")
_MARKS = {
    "good": '<path d="M6 12.5l4 4 8-9"/>',
    "fair": '<path d="M12 6v8M12 17.5v.5"/>',
    "bad": '<path d="M7 7l10 10M17 7L7 17"/>',
}


class _Chosen:
    """The files that are shown one by one: those for the table, the largest, and the slowest."""

    def __init__(self) -> None:
        self._by_state: dict[ObservedState, list[FileState]] = {state: [] for state in OBSERVED_STATES}
        self._largest: list[tuple[int, int, FileState]] = []
        self._slowest: list[tuple[int, int, FileState]] = []
        self.n_files = 0

    def take(self, files: Iterable[FileState]) -> Iterator[FileState]:
        """Look at each, and give it on."""
        for n, file in enumerate(files):
            self.n_files += 1
            shown = self._by_state[file.state]
            if len(shown) < MAX_ROWS:
                shown.append(file)
            if file.size is not None:
                _keep(self._largest, (file.size, -n, file))
            if file.sent is not None and file.judged is not None:
                _keep(self._slowest, (file.judged - file.sent, -n, file))
            yield file

    @property
    def rows(self) -> list[FileState]:
        """For the table."""
        return [file for state in _SEVERITY for file in self._by_state[state]][:MAX_ROWS]

    @property
    def largest(self) -> list[FileState]:
        """The largest first."""
        return [file for _, _, file in sorted(self._largest, reverse=True)]

    @property
    def slowest(self) -> list[tuple[int, FileState]]:
        """Milliseconds from announcement to verdict, the longest first."""
        return [(wait, file) for wait, _, file in sorted(self._slowest, reverse=True)]


def _keep(heap: list[tuple[int, int, FileState]], entry: tuple[int, int, FileState]) -> None:
    (heappush if len(heap) < NAMED else heappushpop)(heap, entry)


def render(
    status: DeliveryStatus, files: Iterable[FileState], history: DeliveryHistory | None
) -> Iterator[str]:
    """The page, piece by piece.

    Args:
        status: where the delivery stands.
        files: every file of it; gone through once.
        history: both logs; None where they cannot be believed.
    """
    chosen = _Chosen()
    time = timeline(chosen.take(files))
    style = _resource("page.css") + widths(time)
    script = _resource("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none';"
        " form-action 'none'"
    )
    name = f"{status.dataset} / {status.delivery_id}"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{PAGE_MARK}"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>Delivery report: {_text(name)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
    )
    yield from _head(status, name)
    yield from _figures(status, time)
    yield from _todo(status)
    yield from _timeline(time)
    yield from _reasons(status)
    yield from _opened(status)
    yield from _extremes(chosen)
    yield from _table(chosen)
    yield from _runs(history)
    yield (
        f"</main>\n<footer><p>Made by upload-client {_text(version('upload-client'))} from the logs in the"
        f" control bucket, as they were at {_moment(status.at)}. All times are UTC.</p></footer>\n"
    )
    yield f'<script type="application/json" id="data">{_data(chosen.rows)}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _head(status: DeliveryStatus, name: str) -> Iterator[str]:
    receipt = ""
    if status.receipt is not None:
        receipt = f'<p class="small">Receipt: <span class="path">{_text(status.receipt.key)}</span></p>'
    grade = _grade(status)
    yield (
        f'<header><p class="soft">Delivery report</p><h1>{_text(name)}</h1>'
        f'<p class="soft">{TYPE_NAMES[status.transfer_type]} ({status.transfer_type}), as of'
        f" {_moment(status.at)} UTC</p></header>\n"
        f'<div class="outcome {grade}"><svg viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        f' stroke-width="2.5" stroke-linecap="round" aria-hidden="true"><circle cx="12" cy="12" r="11"'
        f' stroke-width="1.5"/>{_MARKS[grade]}</svg>'
        f"<div><b>{_hint(_sentence(status.headline))}</b>{receipt}</div></div>\n"
    )


def _grade(status: DeliveryStatus) -> str:
    if status.phase is DeliveryPhase.COMPLETE:
        return "good"
    if status.phase.live or status.phase in {DeliveryPhase.ENDED, DeliveryPhase.NOT_BEGUN}:
        return "fair"
    return "bad"


def _figures(status: DeliveryStatus, time: Timeline) -> Iterator[str]:
    files, n_bytes = status.files, status.n_bytes
    landed = sum(n_bytes[state] for state in ("done", "valid", "invalid"))
    shown: list[tuple[str, str, str]] = [
        ("Files", figures.count(files["total"]), figures.size(n_bytes["total"])),
        ("Valid", figures.count(files["valid"]), figures.size(n_bytes["valid"])),
        *(
            (STATE_LABELS[state].capitalize(), figures.count(files[state]), figures.size(n_bytes[state]))
            for state in ("invalid", "failed", "done", "ready")
            if files[state] or state == "invalid"
        ),
        ("Delivered", figures.size(landed), "in the bucket, checksum confirmed"),
    ]
    if time.intervals:
        first, last = time.intervals[0], time.intervals[-1]
        span = last.start + len(last) * time.step - first.start
        pauses = "without long pauses" if len(time.intervals) > 1 else f"from {clock(first.start)}"
        took = time.active if len(time.intervals) > 1 else span
        shown.append(("Took", figures.duration(took), pauses))
        # Below some seconds a rate says nothing.
        if time.active >= 1:
            shown.append(("Average rate", f"{figures.size(landed / time.active)}/s", "while at work"))
    yield '<section aria-labelledby="h-figures"><h2 id="h-figures">At a glance</h2>\n<dl class="figures">'
    for label, figure, note in shown:
        yield f"<div><dt>{label}</dt><dd>{_text(figure)}<small>{_text(note)}</small></dd></div>"
    parts = {state: files[state] for state in ("valid", "invalid", "failed", "done", "ready")}
    shares = ", ".join(f"{figures.count(n)} {STATE_LABELS[state]}" for state, n in _states(parts) if n)
    bar = share(parts, f"Of {figures.files(files['total'])}: {shares}")
    yield f'</dl>\n{bar}\n<ul class="legend">'
    for state, n in _states(parts):
        if n:
            yield f"<li>{swatch(state)}{STATE_LABELS[state]}: {_MEANINGS[state]}</li>"
    yield "</ul></section>\n"


def _states(parts: dict[Any, int]) -> list[tuple[ObservedState, int]]:
    return list(parts.items())


def _todo(status: DeliveryStatus) -> Iterator[str]:
    if not status.problems:
        return
    yield '<section aria-labelledby="h-todo"><h2 id="h-todo">What to do</h2>\n<ol class="todo">'
    for problem in status.problems:
        yield f"<li><b>{_hint(_sentence(problem.what))}</b> {_hint(problem.todo)}</li>"
    yield "</ol></section>\n"


def _timeline(time: Timeline) -> Iterator[str]:
    yield '<section aria-labelledby="h-time"><h2 id="h-time">Over time</h2>\n'
    if not time.intervals:
        yield "<p>Nothing was sent so far.</p></section>\n"
        return
    step = _span(time.step)
    highest = max(max(interval.sent_bytes) for interval in time.intervals) / time.step
    judged = max(max(map(sum, zip(s.valid, s.invalid, strict=True))) for s in time.intervals)
    pauses = "" if len(time.intervals) == 1 else " Long pauses are left out."
    yield (
        f"<h3>Throughput</h3><p class='small soft'>Each bar is {step}; a file counts when all of it had"
        f" arrived.{pauses}</p>"
    )
    yield chart(
        time,
        [("sent", lambda interval: interval.sent_bytes)],
        label=f"Throughput over time, at most {figures.size(highest)} a second; figures are below",
        scale=lambda n_bytes: f"{figures.size(n_bytes / time.step)}/s",
        tip=lambda s, n: (
            f"{clock(s.start + n * time.step)}: {figures.files(s.sent[n])}, {figures.size(s.sent_bytes[n])}"
        ),
    )
    yield (
        "<h3>Verdicts</h3>"
        f'<ul class="legend"><li>{swatch("valid")}valid</li><li>{swatch("invalid")}invalid</li></ul>'
    )
    yield chart(
        time,
        [("invalid", lambda interval: interval.invalid), ("valid", lambda interval: interval.valid)],
        label=f"Verdicts over time, at most {judged:,} in {step}; figures are below",
        scale=lambda n: f"{n:,.0f}" if n >= 1 or not n else "",
        tip=lambda s, n: f"{clock(s.start + n * time.step)}: {s.valid[n]:,} valid, {s.invalid[n]:,} invalid",
    )
    yield (
        '<details class="screen"><summary>The same in figures</summary><div class="scroll"><table>'
        f"<caption>Steps of {step} in which something happened</caption><thead><tr>"
        '<th scope="col">From</th><th scope="col" class="number">Sent</th>'
        '<th scope="col" class="number">Bytes</th><th scope="col" class="number">Valid</th>'
        '<th scope="col" class="number">Invalid</th></tr></thead><tbody>'
    )
    for interval in time.intervals:
        for n in range(len(interval)):
            if interval.sent[n] or interval.valid[n] or interval.invalid[n]:
                yield _step_row(interval, n, time.step)
    yield "</tbody></table></div></details></section>\n"


def _step_row(interval: Interval, n: int, step: int) -> str:
    return (
        f'<tr><td class="when">{clock(interval.start + n * step)}</td>'
        f'<td class="number">{interval.sent[n]:,}</td>'
        f'<td class="number">{figures.size(interval.sent_bytes[n])}</td>'
        f'<td class="number">{interval.valid[n]:,}</td><td class="number">{interval.invalid[n]:,}</td></tr>'
    )


def _reasons(status: DeliveryStatus) -> Iterator[str]:
    if not status.wrong:
        return
    yield (
        '<section aria-labelledby="h-wrong"><h2 id="h-wrong">What went wrong</h2>\n<table class="cards">'
        "<caption>Files with the same trouble, the most frequent first</caption><thead><tr>"
        '<th scope="col">Reason</th><th scope="col">State</th><th scope="col" class="number">Files</th>'
        '<th scope="col">What to do</th></tr></thead><tbody>'
    )
    for kind in status.wrong[:MAX_KINDS]:
        names = "".join(f'<li class="path">{_text(path)}</li>' for path in kind.relpaths)
        if more := kind.n - len(kind.relpaths):
            names += f"<li>and {more:,} more</li>"
        yield (
            f'<tr class="long"><td>{_message(kind.reason)}<ul class="names small">{names}</ul></td>'
            f"<td>{_badge(kind.state)}</td>"
            f'<td class="number" data-label="Files">{kind.n:,}</td><td>{_hint(kind.todo)}</td></tr>'
        )
    yield "</tbody></table>"
    if (more := len(status.wrong) - MAX_KINDS) > 0:
        yield f"<p>And {more:,} other reasons.</p>"
    yield "</section>\n"


def _opened(status: DeliveryStatus) -> Iterator[str]:
    """How the valid files were judged: that one was not opened must not look as if it had been read."""
    if not status.opened:
        return
    yield (
        '<section aria-labelledby="h-opened"><h2 id="h-opened">How valid files were judged</h2>\n'
        '<table class="cards"><thead><tr><th scope="col">Opened as</th>'
        '<th scope="col" class="number">Files</th></tr></thead><tbody>'
    )
    for how, n in list(status.opened.items())[:MAX_KINDS]:
        yield f'<tr><td>{_message(how)}</td><td class="number" data-label="Files">{n:,}</td></tr>'
    yield "</tbody></table>"
    if (more := len(status.opened) - MAX_KINDS) > 0:
        yield f"<p>And in {more:,} other ways.</p>"
    yield "</section>\n"


def _extremes(chosen: _Chosen) -> Iterator[str]:
    yield '<div class="beside">'
    if chosen.largest:
        rows = [(figures.size(file.size or 0), file) for file in chosen.largest]
        yield from _named("largest", "Largest files", "Size", rows)
    if chosen.slowest:
        rows = [(_span(max(0.0, wait / 1000)), file) for wait, file in chosen.slowest]
        yield from _named("slowest", "Longest waits for a verdict", "Wait", rows)
    yield "</div>\n"


def _named(key: str, title: str, what: str, rows: Sequence[tuple[str, FileState]]) -> Iterator[str]:
    yield (
        f'<section aria-labelledby="h-{key}"><h2 id="h-{key}">{title}</h2>\n<table class="cards"><thead><tr>'
        f'<th scope="col">File</th><th scope="col">State</th><th scope="col" class="number">{what}</th>'
        "</tr></thead><tbody>"
    )
    for figure, file in rows:
        yield (
            f'<tr><td><span class="path">{_text(file.path)}</span></td><td>{_badge(file.state)}</td>'
            f'<td class="number" data-label="{what}">{figure}</td></tr>'
        )
    yield "</tbody></table></section>\n"


def _table(chosen: _Chosen) -> Iterator[str]:
    rows = chosen.rows
    n = chosen.n_files
    note = "The one file of this delivery." if n == 1 else f"All {figures.files(n)} of this delivery."
    if len(rows) < chosen.n_files:
        note = (
            f"{len(rows):,} of {chosen.n_files:,} files, those that went wrong first."
            " All are in the CSV with the state of every file, which the delivery has written."
        )
    present = [state for state in _SEVERITY if any(row.state == state for row in rows)]
    chips = "".join(
        f'<button type="button" aria-pressed="false" data-state="{OBSERVED_STATES.index(state)}">'
        f"{STATE_LABELS[state]}</button>"
        for state in present
    )
    yield (
        '<section class="screen" aria-labelledby="h-all"><h2 id="h-all">Files</h2>'
        f'<p class="small soft">{note}</p>\n'
        '<div class="tools" data-tool hidden><input type="search" id="find" autocomplete="off"'
        ' aria-label="Search names and reasons" placeholder="Search names and reasons" spellcheck="false">'
        '<span id="states" role="group" aria-label="Show only"><button type="button" aria-pressed="true"'
        f' data-state="-1">all</button> {chips}</span></div>\n'
        '<table id="all" class="cards" aria-describedby="found"><thead><tr><th scope="col">File</th>'
        '<th scope="col">State</th><th scope="col" class="number">Size</th><th scope="col">Sent</th>'
        '<th scope="col">Judged</th></tr></thead><tbody>'
    )
    for file in rows[:FIRST_ROWS]:
        why = f'<div class="small soft">{_message(file.message)}</div>' if file.message else ""
        size = "" if file.size is None else figures.size(file.size)
        yield (
            f'<tr><td><span class="path">{_text(file.path)}</span>{why}</td><td>{_badge(file.state)}</td>'
            f'<td class="number" data-label="Size">{size}</td>'
            f"{_when('Sent', file.sent)}{_when('Judged', _judged(file))}</tr>"
        )
    yield (
        '</tbody></table>\n<div class="pages small" id="pages" data-tool hidden>'
        '<span id="found" role="status"></span><span><button type="button">Previous</button>'
        '<button type="button">Next</button></span></div>'
        f"<noscript><p>Only the first {FIRST_ROWS} are shown: searching needs JavaScript.</p></noscript>"
        "</section>\n"
    )


def _runs(history: DeliveryHistory | None) -> Iterator[str]:
    if history is None or not history.clients:
        return
    lives = [history.clients[epoch] for epoch in sorted(history.clients)][-MAX_RUNS:]
    yield (
        '<section aria-labelledby="h-runs"><h2 id="h-runs">Runs</h2>\n<table class="cards">'
        '<thead><tr><th scope="col">Run</th><th scope="col">Agent</th><th scope="col">Began</th>'
        '<th scope="col">Last seen</th><th scope="col">How it ended</th><th scope="col">Validator</th></tr>'
        "</thead><tbody>"
    )
    for life in lives:
        began = milliseconds(life.init.t) if isinstance(life.init, Init) else None
        seen = None if life.seen is None else milliseconds(life.seen)
        judges = ", ".join(judge.agent_id for judge in history.validators_of(life.epoch))
        yield (
            f'<tr><td data-label="Run">{life.epoch}</td><td class="path">{_text(life.agent_id)}</td>'
            f"{_when('Began', began)}{_when('Last seen', seen)}<td>{_ending(life)}</td>"
            f'<td class="path">{_text(judges)}</td></tr>'
        )
    yield "</tbody></table></section>\n"


def _ending(life: Life) -> str:
    how = {"stop": "ended", "crash": "crashed"}.get(life.ended or "", "no record of its end")
    return f"{how}: {_message(life.reason)}" if life.reason else how


def _data(rows: Sequence[FileState]) -> str:
    """The rows as JSON that may stand in a script element: nothing in it can end that, or begin a comment."""
    messages: dict[str, int] = {}
    states = {state: n for n, state in enumerate(OBSERVED_STATES)}
    lines = []
    for file in rows:
        at = -1
        if file.message:
            at = messages.setdefault(for_terminal(for_log(file.message, MAX_MESSAGE)), len(messages))
        lines.append([for_terminal(file.path), states[file.state], file.size, file.sent, _judged(file), at])
    data = {
        "states": OBSERVED_STATES,
        "words": [STATE_LABELS[state] for state in OBSERVED_STATES],
        "messages": list(messages),
        "rows": lines,
    }
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _judged(file: FileState) -> int | None:
    """When it was judged; of what was given up, a file's own moment says when that was."""
    return None if file.state == "failed" else file.judged


def _text(text: str) -> str:
    return html.escape(for_terminal(text))


def _hint(text: str) -> str:
    return as_html(for_terminal(text))


def _message(text: str) -> str:
    return _text(for_log(text, MAX_MESSAGE))


def _badge(state: State) -> str:
    return f'<span class="state {state}">{STATE_LABELS[state]}</span>'


def _when(label: str, ms: int | None) -> str:
    return f'<td class="when" data-label="{label}">{"" if ms is None else clock(ms / 1000)}</td>'


def _moment(text: str) -> str:
    return _text(text[:19].replace("T", " "))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _span(seconds: float) -> str:
    """``0.3 s``, ``5 s``, ``2 min``, ``1 h``, or as a clock has it."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit:.0f} {name}"
    return (
        f"{seconds:.1f} s"
        if seconds < 10 and seconds % 1
        else (f"{seconds:.0f} s" if seconds < 60 else figures.duration(seconds))
    )


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return resources(__package__ or "upload_client.reports.html").joinpath(name).read_text(encoding="utf-8")
