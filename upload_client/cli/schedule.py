"""``upload-client schedule``: deliveries that happen by themselves, when a file says so."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upload_client.cli.help import Command, Group, examples, exit_codes
from upload_client.cli.options import debug_option
from upload_client.core.text import counted, for_terminal

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from upload_client.activities.schedule.outlook import Outlook

SCHEMA_VERSION = 1
"""Version of the lines of --json."""

_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
_log_file = click.option(
    "--log-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write each step and request into this file, too.",
)


@click.group(cls=Group, short_help="Run deliveries on a schedule.")
def schedule() -> None:
    """Run deliveries on a schedule: jobs in a YAML file, and when each is due.

    A job whose times were missed runs once, an interrupted one is resumed, and a mail reports how it ended.
    Needs the extra: pip install 'upload-client[activities]'.
    """


@schedule.command(
    cls=Command,
    short_help="Run the jobs when they are due, until stopped.",
    sections=(
        examples(
            ("upload-client schedule run nightly.yaml", ""),
            ("upload-client schedule run nightly.yaml --json >> runs.jsonl", "for a program"),
        ),
        exit_codes(
            ("0", "stopped in order, or no job is due any more"),
            ("2", "the file is not a schedule"),
            ("130", "stopped at once, by a second signal"),
        ),
    ),
)
@_file
@_json
@_log_file
@debug_option
def run(*, file: Path, as_json: bool, log_file: Path | None) -> int:
    """Run the jobs of FILE when they are due, until Ctrl-C or SIGTERM.

    The first signal stops running jobs in order; the next start resumes them. Several processes may run one
    FILE with one store: each due time runs once.
    """
    from upload_client.activities.schedule.document import load  # noqa: PLC0415 # an extra; imports pydantic
    from upload_client.activities.schedule.service import Service  # noqa: PLC0415 # an extra
    from upload_client.cli.signals import interruptible  # noqa: PLC0415 # not for --help

    loaded = load(file)
    with _notifying(as_json=as_json, log_file=log_file) as notify, interruptible() as is_asked:
        service = Service(loaded, notify=notify)
        try:
            service.start()
            names = list(loaded.schedule.jobs)
            notify("schedule", {"jobs": names, "timezone": loaded.schedule.timezone})
            _print_line(f"{counted(len(names), 'job')} of {file}; Ctrl-C or SIGTERM ends it")
            service.run(is_asked)
            _print_line("nothing is to come any more")
        except KeyboardInterrupt:
            _print_line("is being stopped; running jobs are resumed at the next start")
        finally:
            service.stop()
    return 0


@schedule.command(
    cls=Command,
    short_help="Run one job now.",
    sections=(
        examples(
            ("upload-client schedule once nightly.yaml deliver", ""),
            (
                "upload-client schedule once nightly.yaml deliver --run 2026-07-20",
                "as for that night",
            ),
        ),
        exit_codes(("0, 1, 3 …", "those of the job"), ("11", "it is running already")),
    ),
)
@_file
@click.argument("job")
@click.option("--run", "moment", metavar="TIME", help="The time that {run} stands for.  [default: now]")
@_json
@_log_file
@debug_option
def once(*, file: Path, job: str, moment: str | None, as_json: bool, log_file: Path | None) -> int:
    """Run JOB of FILE now, with its retries and notifications."""
    from upload_client.activities.schedule.document import load  # noqa: PLC0415 # an extra; imports pydantic
    from upload_client.activities.schedule.service import run_once  # noqa: PLC0415 # an extra
    from upload_client.cli.signals import interruptible  # noqa: PLC0415 # not for --help

    loaded = load(file)
    at = None if moment is None else _moment(moment, loaded.schedule.zone)
    with _notifying(as_json=as_json, log_file=log_file) as notify, interruptible():
        return run_once(loaded, job, at, notify=notify)


@schedule.command(
    cls=Command,
    short_help="Show the next times, and the outcome of the last runs.",
    sections=(
        examples(("upload-client schedule show nightly.yaml", "")),
        exit_codes(("0", "shown, whatever the outcome of the runs"), ("2", "the file is not a schedule")),
    ),
)
@_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@debug_option
def show(*, file: Path, as_json: bool) -> None:
    """Show when each job of FILE is due next, how its last run ended, and what daylight saving does to it.

    It only reads, and may be run at any time.
    """
    from upload_client.activities.schedule.document import load  # noqa: PLC0415 # an extra; imports pydantic
    from upload_client.activities.schedule.outlook import as_json as in_json  # noqa: PLC0415 # an extra
    from upload_client.activities.schedule.outlook import look  # noqa: PLC0415 # an extra

    loaded = load(file)
    zone = loaded.schedule.zone
    if as_json:
        jobs = [in_json(seen, zone) for seen in look(loaded)]
        _print("outlook", {"timezone": loaded.schedule.timezone, "jobs": jobs})
        return
    for seen in look(loaded):
        for line in _lines(seen, zone):
            click.echo(line)


@schedule.command(
    cls=Command,
    short_help="Find what would fail, before it is due.",
    sections=(
        examples(("upload-client schedule check nightly.yaml", "")),
        exit_codes(("0", "all jobs can run"), ("2", "something is wrong: the message names it")),
    ),
)
@_file
@debug_option
def check(*, file: Path) -> int:
    """Check what can be known of the jobs of FILE before they are due: times, names, files, programs.

    No request is made, and nothing is written.
    """
    import time  # noqa: PLC0415 # beside the others
    from datetime import datetime  # noqa: PLC0415

    from upload_client.activities.schedule.document import load  # noqa: PLC0415 # an extra; imports pydantic
    from upload_client.activities.schedule.jobs import check_job, find_modules_in_folder  # noqa: PLC0415 # an extra
    from upload_client.activities.schedule.outlook import look  # noqa: PLC0415 # an extra
    from upload_client.errors import DeliveryError  # noqa: PLC0415 # not for --help

    loaded = load(file)
    find_modules_in_folder(loaded)
    zone = loaded.schedule.zone
    n_wrong = 0
    for seen in look(loaded):
        due = seen.next[0] if seen.next else datetime.fromtimestamp(time.time(), zone)
        problem = ""
        try:
            check_job(loaded, seen.job, due)
        except DeliveryError as error:
            n_wrong += 1
            problem = f"error: {error}"
        when = _spelled(seen.next[0]) if seen.next else "never"
        click.echo(for_terminal(f"{seen.job}: {problem or f'can run, next {when}'}"))
        for note in seen.notes:
            click.echo(for_terminal(f"  {note}"))
    if loaded.schedule.store == "memory":
        click.echo("store: memory: what was done and what was missed is forgotten when the process ends")
    n = len(loaded.schedule.jobs)
    click.echo(
        f"{n_wrong} of {n} jobs cannot run" if n_wrong else f"all {n} jobs can run" if n > 1 else "it can run"
    )
    return 2 if n_wrong else 0


# --- arguments and output ---


def _moment(text: str, zone: tzinfo) -> datetime:
    from datetime import datetime  # noqa: PLC0415

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; write 2026-07-20 or 2026-07-20T02:30.", param_hint="--run"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _spelled(moment: datetime) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M:%S %Z}" if moment.second else f"{moment:%a %Y-%m-%d %H:%M %Z}"


def _lines(seen: Outlook, zone: tzinfo) -> list[str]:
    """A job in lines that fit the terminal."""
    import textwrap  # noqa: PLC0415 # beside the others
    from datetime import datetime  # noqa: PLC0415

    from upload_client.support import figures  # noqa: PLC0415

    def moment(seconds: float) -> str:
        return _spelled(datetime.fromtimestamp(seconds, zone))

    rows: list[tuple[str, str]] = []
    if seen.running is not None:
        holder, alive = seen.running
        where = f"process {holder.process.pid} on {holder.host}"
        gone = "" if alive else "; it is gone, and the run is resumed when the schedule runs"
        rows.append(("runs", f"for {moment(holder.due)}, since {moment(holder.since)}, by {where}{gone}"))
    if seen.unfinished is not None:
        rows.append(
            ("unfinished", f"for {moment(seen.unfinished.due)}; it is resumed when the schedule runs")
        )
    if seen.missed is not None:
        rows.append(("missed", f"{_spelled(seen.missed)}; it runs when the schedule does"))
    rows += [("next" * (n == 0), _spelled(one)) for n, one in enumerate(seen.next)]
    if not seen.next:
        rows.append(("next", "never"))
    if (last := seen.last) is not None:
        took = figures.duration((last.ended or last.began) - last.began)
        code = f" with exit code {last.exit_code}" if last.exit_code else ""
        rows.append(("last", f"for {moment(last.due)}: {last.state.value}{code}, took {took}"))
        rows += [("", line) for line in last.message.splitlines()]
    rows += [("note", note) for note in seen.notes]
    width = max(shutil.get_terminal_size().columns, 40)
    lines = [for_terminal(f"{seen.job}  {seen.when}")]
    for label, text in rows:
        lines += textwrap.wrap(
            for_terminal(text), width, initial_indent=f"  {label:<12}", subsequent_indent=" " * 14
        ) or [""]
    return lines


def _print_line(text: str) -> None:
    import time  # noqa: PLC0415 # beside the others

    from upload_client.core.times import timestamp  # noqa: PLC0415
    from upload_client.ui.lines import Lines  # noqa: PLC0415

    Lines("stderr").write(f"{timestamp(time.time())[:19]}Z {for_terminal(text)}")


def _print(kind: str, fields: Mapping[str, Any]) -> None:
    import json  # noqa: PLC0415 # beside the others
    import time  # noqa: PLC0415

    from upload_client.core.times import timestamp  # noqa: PLC0415
    from upload_client.ui.lines import Lines  # noqa: PLC0415

    line = {"schema_version": SCHEMA_VERSION, "kind": kind, "t": timestamp(time.time()), **fields}
    # A lone surrogate, of a name that is not UTF-8, is not for every reader of JSON.
    plain = json.loads(json.dumps(line), parse_constant=str)
    Lines("stdout").write(json.dumps(plain).encode("ascii", "backslashreplace").decode())


def _notifying(*, as_json: bool, log_file: Path | None) -> Any:  # noqa: ANN401 - a context manager
    """Send the log to stderr inside, in lines, and the events, for programs, to stdout."""
    from upload_client.cli.schedule_log import logging_to_stderr  # noqa: PLC0415 # imports logging

    def notify(kind: str, fields: Mapping[str, Any]) -> None:
        if as_json:
            _print(kind, fields)

    return logging_to_stderr(notify, log_file)
