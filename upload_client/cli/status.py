"""``upload-client status``: where a delivery stands, from any machine that may read it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import delivery_options, log_in, waiting
from upload_client.core.text import for_terminal

if TYPE_CHECKING:
    from upload_client.core.delivery_status import DeliveryStatus
    from upload_client.reports.observer import StatusReporter
    from upload_client.support.patience import Patience

WATCH_SECONDS = 5.0
"""Between two looks, if a look takes no longer than a tenth of that."""


@click.command(
    cls=Command,
    short_help="Show the status of a delivery: who runs it, progress, problems.",
    sections=(
        examples(
            (
                "upload-client status --dataset survey7 --delivery-id 2 --watch",
                "",
            ),
            (
                "upload-client status --dataset survey7 --delivery-id 2 --json | jq .files",
                "for a script; the page has every field",
            ),
        ),
        exit_codes(
            ("0", "the delivery is complete; also after Ctrl-C"),
            ("1", "its log is broken"),
            ("2", "wrong usage or input, or there is no such delivery"),
            ("7", "not reachable: try again"),
            ("8", "not complete yet; or something is to be fixed, or files were replaced or removed since"),
            ("10", "login refused, or not allowed"),
        ),
    ),
)
@delivery_options
@click.option("--watch", is_flag=True, help="Repeat until the delivery is complete, or Ctrl-C.")
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")
def status(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    profile: str | None,
    patience: str | None,
    watch: bool,
    as_object: bool,
) -> int:
    """Show the status of a delivery, from any machine that may read the control bucket.

    Who holds the lock, progress, rate, problems and what to do about them. It only reads, so it may be run at
    any time, during a delivery and after it.
    """
    settings, buckets = log_in(dataset, delivery_id, sample=sample, profile=profile, patience=patience)
    from upload_client.reports.observer import StatusReporter  # noqa: PLC0415 # imports boto3

    patiently = waiting(settings)
    observer = StatusReporter(buckets.control, buckets.layout, landing=buckets.landing)
    if watch:
        try:
            return _watch(observer, patiently, as_object=as_object)
        except KeyboardInterrupt:
            return 0
    seen = patiently(observer.look)
    if as_object:
        _print_json(seen)
    else:
        from rich.console import Console  # noqa: PLC0415 # not for --help

        from upload_client.ui.observer import screen  # noqa: PLC0415 # not for --help

        Console(emoji=False, markup=False, highlight=False).print(screen(seen))
    return _exit_code(seen)


def _watch(observer: StatusReporter, patiently: Patience, *, as_object: bool) -> int:
    """Look again and again: a screen on a terminal, elsewhere a line for each change."""
    from contextlib import ExitStack  # noqa: PLC0415 # beside the others

    from rich.console import Console  # noqa: PLC0415 # not for --help

    from upload_client.core.delivery_status import DeliveryPhase  # noqa: PLC0415 # not for --help
    from upload_client.s3.bucket import AccessDenied, StoreError  # noqa: PLC0415 # imports boto3
    from upload_client.ui.in_place import InPlace  # noqa: PLC0415 # not for --help
    from upload_client.ui.observer import line, rows  # noqa: PLC0415 # not for --help

    console = Console(emoji=False, markup=False, highlight=False)
    drawn = console.is_terminal and not as_object
    shown = trouble = ""
    seen: DeliveryStatus | None = None
    drawing = InPlace(
        lambda width, _: rows(console, width, seen, trouble) if seen is not None else (), console
    )
    with ExitStack() as stack:
        if drawn:
            drawing.start()
            stack.callback(drawing.stop, keep=True)
        while True:
            began = time.monotonic()
            trouble = ""
            try:
                seen = observer.look() if seen is not None else patiently(observer.look)
            except AccessDenied:
                raise
            except StoreError as error:
                if seen is None:
                    raise
                trouble = str(error)
            if drawn:
                drawing.draw()
            elif as_object:
                _print_json(seen)
            elif (now := line(seen) if not trouble else f"not reached: {for_terminal(trouble)}") != shown:
                click.echo(f"{seen.at[:19]}Z {now}")
                shown = now
            if seen.phase in {DeliveryPhase.COMPLETE, DeliveryPhase.LOG_BROKEN}:
                return _exit_code(seen)
            _wait(began)


def _wait(began: float) -> None:
    """Let time pass since a look that began then: it takes little of anybody's time, however long it took."""
    time.sleep(max(WATCH_SECONDS, 10 * (time.monotonic() - began)))


def _print_json(seen: DeliveryStatus) -> None:
    import json  # noqa: PLC0415 # not for --help

    from upload_client.core.delivery_status import as_json  # noqa: PLC0415 # not for --help

    click.echo(json.dumps(as_json(seen), allow_nan=False))
    sys.stdout.flush()


def _exit_code(seen: DeliveryStatus) -> int:
    from upload_client.core.delivery_status import DeliveryPhase  # noqa: PLC0415 # not for --help
    from upload_client.core.exits import ExitCode  # noqa: PLC0415 # not for --help

    if seen.landing is not None and (seen.landing.gone or seen.landing.replaced):
        return ExitCode.NOT_COMPLETE
    return {DeliveryPhase.COMPLETE: 0, DeliveryPhase.MISSING: 2, DeliveryPhase.LOG_BROKEN: 1}.get(
        seen.phase, ExitCode.NOT_COMPLETE
    )
