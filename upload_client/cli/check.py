"""``upload-client check``: look at everything before hours of sending, and change nothing."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upload_client.cli.failure import GIVEN
from upload_client.cli.help import Command, Section, exit_codes
from upload_client.cli.options import (
    Chosen,
    choice_options,
    delivery_options,
    digest_option,
    engine_option,
    index_format_option,
    index_option,
    log_in,
    max_retries_option,
    no_index_option,
    own_settings,
    source_option,
    waiting,
)
from upload_client.core.hints import complete
from upload_client.core.text import counted, for_terminal
from upload_client.ui.progress_line import ProgressLine

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from upload_client.core.manifests import Format
    from upload_client.core.preflight import Finding
    from upload_client.settings import Settings

WIDE = 120
"""Columns from which what to do has a column of its own."""
_UNKNOWN_WIDTH = 100  # columns, where nothing tells how many there are
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "skipped": "dim"}
_STATUS_LABELS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM", "skipped": "not done"}


@click.command(
    cls=Command,
    short_help="Check everything before a delivery; change nothing.",
    synopsis=("--dataset D --delivery-id Y [OPTIONS]",),
    groups={
        "The delivery": (
            "dataset",
            "delivery_id",
            "sample",
            "source",
            "index",
            "index_format",
            "no_index",
            "profile",
        ),
        "Which files": ("include", "exclude", "exclude_from", "symlinks"),
        "What to look at": ("content", "store", "clean"),
        "As for the delivery": (
            "threads",
            "max_rate",
            "digest",
            "engine",
            "max_retries",
            "output_dir",
            "patience",
            "plain_http",
            "sandbox",
        ),
    },
    sections=(
        Section(
            "Examples",
            (
                ("upload-client check --profile archive --dataset survey7 --delivery-id 1", ""),
                ("upload-client check --dataset survey7 --delivery-id 1 --content", ""),
                ("upload-client check --dataset survey7 --delivery-id 1 --store", ""),
                ("upload-client check --sandbox --source examples/dataset", "to see one"),
            ),
        ),
        exit_codes(
            ("0", "no problem, perhaps warnings"),
            ("2", "a problem, or wrong usage"),
            ("7", "a service is not reachable: run it again later"),
        ),
    ),
)
@delivery_options(required=False)
@source_option
@index_option
@index_format_option
@no_index_option
@choice_options
@click.option("--content", is_flag=True, help="Open each file, as the receiver's validator will.")
@click.option("--store", is_flag=True, help="Show each test of the store, and test copies and listings, too.")
@click.option(
    "--clean",
    is_flag=True,
    help="Check nothing, but abort the unfinished uploads of interrupted runs; the next run sends these"
    " large files from the start.",
)
@click.option("--threads", metavar="N|auto", help="Requests at once.  [default: 8, of small files 64]")
@click.option("--max-rate", metavar="RATE", help="Limit in bytes a second, such as 50MB/s.")
@digest_option
@engine_option
@max_retries_option
@click.option(
    "--output-dir",
    default=".",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the delivery is to write.  [default: the current directory]",
)
@click.option("--sandbox", is_flag=True, help="Check against a receiver on this machine, to try it out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, the last a summary.")
def check(
    *,
    dataset: str | None,
    delivery_id: str | None,
    sample: bool,
    profile: str | None,
    patience: str | None,
    source: str,
    index: Path | None,
    index_format: Format | None,
    no_index: bool,
    chosen: Chosen,
    content: bool,
    store: bool,
    clean: bool,
    threads: str | None,
    max_rate: str | None,
    digest: str | None,
    engine: str | None,
    max_retries: int | None,
    output_dir: Path,
    sandbox: bool,
    as_json: bool,
) -> int:
    """Check everything before a delivery.

    Settings, login, clock, each permission that the delivery needs, the lock, unfinished uploads, the names
    and files to be sent, free disk, and how long it will take. Permissions are tried with real requests that
    leave nothing behind.
    """
    from upload_client.cli.signals import interruptible  # noqa: PLC0415 # not for --help
    from upload_client.core.preflight import exit_code  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.settings import load_settings, where_from  # noqa: PLC0415 # imports pydantic
    from upload_client.support.inputs import one_reader  # noqa: PLC0415 # not for --help

    if sandbox:
        dataset, delivery_id = dataset or "sample", delivery_id or "1"
    if not dataset or not delivery_id:
        raise UsageError(
            "--delivery-id is missing" if dataset else "--dataset is missing",
            hint="A delivery needs --dataset and --delivery-id; `upload-client check --help` says more.",
        )
    if clean:
        return _clean(dataset, delivery_id, sample=sample, profile=profile, patience=patience)
    with interruptible(), ExitStack() as stack:
        flags = {
            "threads": threads,
            "max_rate": max_rate,
            "digest": digest,
            "engine": engine,
            "max_retries": max_retries,
            "patience": patience,
        }
        given: dict[str, Any] = {"flags": flags, "profile": profile}
        if sandbox:
            given = {"flags": flags, "profile": _sandbox(stack, profile), "environ": {}}
        settings: Settings = load_settings(**given) if sandbox else own_settings(profile, flags)
        one_reader(profile=profile, index=index, exclude_from=chosen.exclude_from)
        choice = chosen.choice(settings)
        # What follows is long in loading: what is typed wrongly has been told.
        from upload_client.cli.prompt import find_prompt  # noqa: PLC0415 # imports boto3
        from upload_client.index import sources  # noqa: PLC0415 # imports boto3
        from upload_client.index.loading import take  # noqa: PLC0415 # not for --help
        from upload_client.preflight import CheckRequest, preflight  # noqa: PLC0415 # imports boto3

        request = CheckRequest(
            dataset=dataset,
            delivery_id=delivery_id,
            transfer_type="sample" if sample else "staging",
            settings=settings,
            sources=where_from(**given),
            open_source=lambda session: (
                (None if session is None else sources.bucket_of(source, session, settings))
                if sources.is_bucket(source)
                else Path(source)
            ),
            read_files=lambda place: take(place, index, choice, as_format=index_format, own=not no_index),
            choice=choice,
            output_dir=output_dir,
            content=content,
            store=store,
            prompt=find_prompt(),
        )
        progress = stack.enter_context(ProgressLine(silent=as_json))
        findings = []
        for finding in preflight(request, report=lambda what: progress.show(f"{what} …")):
            findings.append(finding)
            if as_json:
                _notify_program(finding)
    if as_json:
        _end_for_program(findings)
    else:
        _Table().show(findings)
        place = ["--sandbox"] if sandbox else ["--dataset", dataset, "--delivery-id", delivery_id]
        place += (["--profile", profile] if profile else []) + ["--sample"] * sample
        place += (["--source", source] if source != "." else []) + (["--index", str(index)] if index else [])
        place += ["--index-format", index_format] if index_format else []
        place += ["--no-index"] * no_index + chosen.arguments
        _print_next_step(findings, place)
    return exit_code(findings)


def _sandbox(stack: ExitStack, profile: str | None) -> Path:
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.sandbox import Sandbox  # noqa: PLC0415 # imports boto3

    if profile:
        raise UsageError("--sandbox brings its own profile: leave --profile out")
    return stack.enter_context(Sandbox()).profile


def _clean(dataset: str, delivery_id: str, *, sample: bool, profile: str | None, patience: str | None) -> int:
    """Throw away the parts of unfinished uploads.

    This is for a delivery that nobody goes on with: parts cost the receiver money, and no listing of objects
    shows them.
    """
    from upload_client.control.identity import new_agent_id  # noqa: PLC0415 # not for --help
    from upload_client.control.lock import Lock, epoch_floor  # noqa: PLC0415 # imports boto3
    from upload_client.control.store_probe import adopt_profile  # noqa: PLC0415 # imports boto3
    from upload_client.core.times import timestamp  # noqa: PLC0415 # not for --help
    from upload_client.s3.unfinished import abort, unfinished_uploads  # noqa: PLC0415 # imports boto3

    settings, buckets = log_in(dataset, delivery_id, sample=sample, profile=profile, patience=patience)
    patiently = waiting(settings)
    patiently(lambda: adopt_profile(buckets.control, buckets.layout))
    lock = Lock(
        buckets.control,
        buckets.layout.owned,
        agent_id=new_agent_id(),
        lease_seconds=settings.lease_seconds,
        transfer_type=buckets.layout.transfer_type,
    )
    n, ids = 0, set[str]()
    try:
        floor = patiently(lambda: epoch_floor(buckets.control, buckets.layout))
        patiently(lambda: lock.acquire(floor))  # a run that is at work needs them
        lock.start()
        while found := [  # once more: of many a store may tell the first alone
            upload
            for upload in patiently(lambda: list(unfinished_uploads(buckets.landing)))
            if upload.upload_id not in ids
        ]:
            for upload in found:
                click.echo(f"{for_terminal(upload.key)}  begun {timestamp(upload.initiated)}")
                lock.check_held()
                patiently(partial(abort, buckets.landing, upload))
                ids.add(upload.upload_id)
                n += 1
    finally:
        lock.release()
    what = f"{counted(n, 'unfinished upload')}, thrown away" if n else "no unfinished upload"
    click.echo(what, err=True)
    return 0


def _notify_program(finding: Finding) -> None:
    from upload_client.core.preflight import BY_NAME, actions_of  # noqa: PLC0415 # not for --help

    check = BY_NAME[finding.check]
    _line(
        "check",
        check=finding.check,
        section=check.section,
        title=check.title,
        status=finding.status,
        found=finding.found,
        todo=complete(finding.todo, GIVEN.get()),
        details=list(finding.details),
        actions=list(actions_of(check)),
        missing_actions=list(finding.actions),
    )


def _end_for_program(findings: Sequence[Finding]) -> None:
    from upload_client.core.preflight import exit_code  # noqa: PLC0415 # not for --help

    counts: Counter[str] = Counter(finding.status for finding in findings)
    _line(
        "summary",
        exit_code=exit_code(findings),
        headline=_headline(findings),
        counts={status: counts[status] for status in _STATUS_LABELS},
    )


def _line(kind: str, **fields: Any) -> None:  # noqa: ANN401 # JSON's types
    from upload_client.ui.jsonl import SCHEMA_VERSION  # noqa: PLC0415 # not for --help

    click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "kind": kind, **fields}))


def _headline(findings: Sequence[Finding]) -> str:
    counts: Counter[str] = Counter(finding.status for finding in findings)
    parts = [
        counted(counts[status], what)
        for status, what in (("problem", "problem"), ("warning", "warning"))
        if counts[status]
    ]
    return ", ".join([*parts, f"{counts['ok']} checks are ok"])


def _print_next_step(findings: Sequence[Finding], options: Sequence[str]) -> None:
    if any(finding.status == "problem" for finding in findings):
        click.echo(f"{_headline(findings)}. Do what is said above, then run this again.")
        return
    command = for_terminal(shlex.join(["upload-client", *options]))
    click.echo(f"{_headline(findings)}. Nothing was changed. Deliver:\n  {command}")


class _Table:
    """The findings, for people, on stdout."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 # slow to import

        self._console: Console = Console(emoji=False, markup=False, highlight=False)
        if not self._console.is_terminal and "COLUMNS" not in os.environ:
            self._console.width = _UNKNOWN_WIDTH
        self._wide = self._console.width >= WIDE
        self._arrow = "→" if self._console.encoding.startswith("utf") else ">"

    def show(self, findings: Sequence[Finding]) -> None:
        """Show all, in the order of the list of checks."""
        from rich.table import Table  # noqa: PLC0415 # slow to import
        from rich.text import Text  # noqa: PLC0415 # slow to import

        from upload_client.core.preflight import BY_NAME, CHECKS  # noqa: PLC0415 # not for --help

        request = [check.name for check in CHECKS]
        by_section = groupby(
            sorted(findings, key=lambda finding: request.index(finding.check)),
            key=lambda finding: BY_NAME[finding.check].section,
        )
        for section, of_section in by_section:
            self._console.print(Text(section, style="bold"))
            table = Table.grid(padding=(0, 2, 0, 0), expand=True)
            table.add_column(width=8)
            table.add_column(width=19)
            table.add_column(ratio=3)
            if self._wide:
                table.add_column(ratio=2)
            for (status, found), alike in groupby(
                of_section, key=lambda finding: (finding.status, finding.found)
            ):
                some = list(alike)
                if status == "skipped":  # what was not tried for one reason stands in one row
                    titles = ", ".join(BY_NAME[finding.check].title for finding in some)
                    table.add_row(*self._cells(status, titles, found))
                else:
                    for one in some:
                        table.add_row(
                            *self._cells(status, BY_NAME[one.check].title, found, one.details, one.todo)
                        )
            self._console.print(table)
        self._console.print()

    def _cells(
        self, status: str, title: str, found: str, details: Sequence[str] = (), todo: str = ""
    ) -> list[Text]:
        from rich.text import Text  # noqa: PLC0415 # slow to import

        text = Text(for_terminal(found), style="dim" if status == "skipped" else "")
        for detail in details:
            text.append("\n" + for_terminal(detail), style="dim")
        style = _STYLES[status]
        do = Text(for_terminal(complete(todo, GIVEN.get())), style="dim" if status == "ok" else style)
        if do and not self._wide:
            text.append(f"\n{self._arrow} ").append_text(do)
        return [Text(_STATUS_LABELS[status], style=style), Text(title), text, *([do] if self._wide else [])]
