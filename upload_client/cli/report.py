"""``upload-client report``: a delivery as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import delivery_options, force_option, log_in, output_option, waiting
from upload_client.core.text import for_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from upload_client.client import UploadClient
    from upload_client.core.delivery_status import DeliveryStatus
    from upload_client.core.files import ClientFile
    from upload_client.core.layout import Layout
    from upload_client.s3.bucket import Bucket


@click.command(
    cls=Command,
    short_help="Write a report of a delivery: one HTML page, for people.",
    sections=(
        examples(
            ("upload-client report --dataset survey7 --delivery-id 2 -o report.html", ""),
            (
                "upload-client --dataset survey7 --delivery-id 2 --report report.html",
                "deliver, and write it",
            ),
        ),
        exit_codes(
            ("0", "written, whatever the outcome of the delivery"),
            ("1", "the log is broken, or the page cannot be written"),
            ("2", "wrong usage or input, or there is no such delivery"),
            ("7", "not reachable: try again"),
            ("10", "login refused, or not allowed"),
        ),
    ),
)
@delivery_options
@output_option("Where to write it.  [default: upload-client_D_Y_report.html]")
@force_option
def report(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    profile: str | None,
    patience: str | None,
    output: Path | None,
    force: bool,
) -> int:
    """Write a report of a delivery as one HTML page, from any machine that may read the control bucket.

    The page is self-contained, and can be mailed, printed and read on a phone. It shows the outcome, what to
    do, throughput and verdicts over time, problems by reason, and a table to search. Nothing else is changed.
    """
    from upload_client.core.delivery_status import DeliveryPhase  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.reports.state_csv import page_name  # noqa: PLC0415 # not for --help
    from upload_client.support.atomic import check_free  # noqa: PLC0415 # not for --help

    target = output or Path(page_name(dataset, delivery_id))
    check_free(target, "report", force=force)
    settings, buckets = log_in(dataset, delivery_id, sample=sample, profile=profile, patience=patience)
    seen = waiting(settings)(
        lambda: write_report(buckets.control, buckets.layout, target, force=force, landing=buckets.landing)
    )
    if seen is None:
        raise UsageError(
            f"there is no delivery {dataset}/{delivery_id}: nothing of it lies in the control bucket",
            hint="Check the names and the profile; nothing was written.",
        )
    click.echo(f"{for_terminal(str(target))}: {for_terminal(seen.headline)}", err=True)
    return 1 if seen.phase is DeliveryPhase.LOG_BROKEN else 0


def check_target(target: Path) -> None:
    """Refuse, before anything is sent, a place where the report cannot lie.

    Raises:
        UsageError: There is no such folder, or something else lies there.
    """
    from upload_client.support.atomic import check_free  # noqa: PLC0415 # not for --help

    check_free(target, "report", hint="Name another file: a delivery replaces nothing but its own reports.")


def write_report_of(client: UploadClient, target: Path, *, quiet: bool) -> None:
    """Write the report of what a client has just delivered. That it fails changes nothing about the delivery.

    Args:
        client: At its end.
        target: The file to write.
        quiet: Tell of trouble alone.
    """
    from upload_client.errors import DeliveryError, Interrupted  # noqa: PLC0415 # not for --help
    from upload_client.s3.bucket import StoreError  # noqa: PLC0415 # imports boto3

    outcome, buckets = client.outcome, client.buckets
    if buckets is None or (outcome is not None and isinstance(outcome.error, Interrupted)):
        return  # who interrupts a run does not want to wait
    try:
        of_client = any(True for _ in client.files)
        write_report(
            buckets.control,
            buckets.layout,
            target,
            client_files=(lambda: client.files) if of_client else None,
        )
    except (DeliveryError, StoreError) as error:
        click.echo(f"warning: there is no report: {for_terminal(str(error))}", err=True)
    else:
        if not quiet:
            click.echo(f"report: {for_terminal(str(target))}", err=True)


def write_report(
    control: Bucket,
    layout: Layout,
    target: Path,
    *,
    force: bool = False,
    landing: Bucket | None = None,
    client_files: Callable[[], Iterable[ClientFile]] | None = None,
) -> DeliveryStatus | None:
    """Write the report of a delivery, whole or not at all.

    Args:
        control: The control bucket, at the delivery's root. It is only read.
        layout: Of the delivery.
        target: The file to write; an older report is replaced.
        force: Whatever is there is replaced.
        landing: The landing bucket, at the delivery's prefix, to look at where the delivery is complete.
        client_files: Gives the files of a client that has just ended, which the report tells as its CSV does.

    Returns:
        Where the delivery stands; None where there is none, and nothing was written.

    Raises:
        DeliveryError: It cannot be written there.
        StoreError: The store does not answer.
    """
    from upload_client.core.delivery_status import DeliveryPhase  # noqa: PLC0415 # not for --help
    from upload_client.errors import DeliveryError  # noqa: PLC0415 # not for --help
    from upload_client.reports.html import render  # noqa: PLC0415 # not for --help
    from upload_client.reports.observer import StatusReporter  # noqa: PLC0415 # imports boto3
    from upload_client.support.atomic import keep_others, replacing  # noqa: PLC0415 # not for --help

    observer = StatusReporter(control, layout, landing=landing, client_files=client_files)
    seen = observer.look()
    if seen.phase is DeliveryPhase.MISSING:
        return None
    try:
        with replacing(target, lambda _: None if force else keep_others("report")(target)) as file:
            file.writelines(render(seen, observer.files(live=seen.phase.live), observer.history))
    except OSError as error:
        raise DeliveryError(
            f"the report cannot be written to {target}: {error.strerror}", hint="Name another place for it."
        ) from error
    return seen
