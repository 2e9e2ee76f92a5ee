"""The commands for a delivery that has arrived: hand-over, close, remove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.receiver.options import (
    A_DELIVERY,
    note_option,
    of_a_delivery,
    of_a_receiver,
    print_json,
    print_lines,
    receiver_settings,
    sample_option,
)
from upload_client.core.text import counted

if TYPE_CHECKING:
    from upload_client.core.custody import Event
    from upload_client.functions.hand_over.removal import Why


@click.command(
    "hand-over",
    cls=Command,
    short_help="Copy a complete delivery into an archive, with proof.",
    sections=(
        examples(
            (f"upload-client receiver hand-over {A_DELIVERY} \\\n    --to s3://archive/survey7/1/", ""),
            (
                f"upload-client receiver hand-over {A_DELIVERY} \\\n    --to s3://archive/s7/ --remove",
                "and remove it from landing",
            ),
        ),
        exit_codes(
            ("0", "handed over, now or before"),
            ("1", "landing bucket or archive differ from the receipt: the message names the files"),
            ("8", "the delivery is not complete"),
            (
                "11",
                "another hand-over is running, or the provider delivers while files are to be removed",
            ),
        ),
    ),
)
@of_a_delivery
@sample_option
@click.option("--to", required=True, metavar="S3-URI", help="The archive: s3://BUCKET/PREFIX/")
@click.option(
    "--keep/--remove",
    default=True,
    show_default=True,
    help="Keep the files in the landing bucket, or remove them.",
)
@click.option(
    "--notify", "topic", metavar="ARN", help="An SNS topic to which the record is published, as JSON."
)
@of_a_receiver
def hand_over(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    to: str,
    keep: bool,
    topic: str | None,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """Copy a receipt's files into an archive, verify and record them; then, if asked, remove them here.

    Each file is copied only if it has the receipt's ETag, and must have the receipt's CRC32 and size in the
    archive before anything is recorded or removed. Run it again at any time: it resumes, and does nothing
    where all is done. The settings come from --on, else from UPLOAD_CLIENT_VALIDATOR (JSON), else from the
    receiver's stack.
    """
    import boto3  # noqa: PLC0415 # not for --help

    from upload_client.functions.hand_over.work import Job, notifier  # noqa: PLC0415
    from upload_client.functions.hand_over.work import hand_over as carry_out  # noqa: PLC0415
    from upload_client.receiver.process import buckets, recorder  # noqa: PLC0415
    from upload_client.s3 import clients  # noqa: PLC0415

    settings = receiver_settings(stack, region, on)
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    control, landing = buckets(settings, layout)
    client = clients.s3_client(boto3.Session(), settings, pool=64, read_timeout=300.0)
    done = carry_out(
        Job(
            control,
            landing,
            layout,
            layout.fill(to),
            client,
            remove=not keep,
            notify=None if topic is None else notifier(topic, settings),
            recorder=recorder(settings),
        ),
        (lambda _: None) if as_json else print_lines,
    )
    if as_json:
        fields = {"copied": done.copied, "removed": done.removed, "did_nothing": done.did_nothing}
        print_json("hand_over", {**fields, "record": done.record.as_json()})
        return
    record = done.record
    files = counted(record.n_files, "file")
    print_lines(
        f"{'was' if done.did_nothing else 'is'} handed over: {files}, {record.n_bytes:,} bytes,"
        f" {record.archive}"
    )


@click.command(
    "close",
    cls=Command,
    short_help="Close a delivery that you have taken over.",
    sections=(
        examples(
            (f"upload-client receiver close {A_DELIVERY} \\\n    --note 'in the archive since Monday'", ""),
            (f"upload-client receiver close {A_DELIVERY} --reopen", "it may be delivered again"),
        ),
    ),
)
@of_a_delivery
@sample_option
@note_option
@click.option("--reopen", is_flag=True, help="Open it again: files can be sent.")
@of_a_receiver
def close(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    note: str,
    reopen: bool,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """Close a delivery whose files you have taken over.

    A provider who runs the same command again gets exit code 0 and a message, and sends nothing again,
    although the files are no longer in the landing bucket. (`receiver hand-over --remove` closes a delivery,
    too.) The settings come from --on, else from UPLOAD_CLIENT_VALIDATOR (JSON), else from the receiver's
    stack.
    """
    import time  # noqa: PLC0415 # not for --help

    from upload_client.core.closing import Closed  # noqa: PLC0415 # not for --help
    from upload_client.core.custody import Happened  # noqa: PLC0415 # not for --help
    from upload_client.core.times import timestamp  # noqa: PLC0415 # not for --help
    from upload_client.errors import DeliveryError, NotComplete  # noqa: PLC0415 # not for --help
    from upload_client.functions.hand_over.removal import check_receipt  # noqa: PLC0415
    from upload_client.functions.hand_over.work import read_receipt  # noqa: PLC0415
    from upload_client.receipts.custody import record  # noqa: PLC0415 # imports boto3
    from upload_client.receiver.process import buckets, recorder  # noqa: PLC0415 # imports boto3

    settings = receiver_settings(stack, region, on)
    by = recorder(settings)
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    control, landing = buckets(settings, layout)
    if reopen:
        control.rm(layout.closed)
    else:
        control.put(
            layout.closed, Closed(timestamp(time.time()), note).encode(), content_type="application/json"
        )
    n, why_not = None, None
    if by is not None:
        event: Event = "reopened" if reopen else "closed"
        try:
            _, _, sha256, head = read_receipt(control, layout)
            check_receipt(control, landing, layout, head, sha256, by, may_be_gone=True)
        except NotComplete:
            pass  # of what has no receipt nothing can be chained to it
        except DeliveryError as error:  # nothing is signed about what a provider may have made up, or broken
            why_not = str(error)
        else:
            n = record(control, layout, head, sha256, Happened(event, note=note), by).n
    if as_json:
        fields = {"dataset": dataset, "delivery_id": delivery_id, "closed": not reopen, "note": note}
        print_json("closing", {**fields, "custody_record": n, "not_recorded": why_not})
    else:
        print_lines(
            f"{dataset}/{delivery_id} is {'open again' if reopen else 'closed: nothing more is sent'}"
        )
        if n is not None:
            print_lines(f"record {n} of its custody chain")
        if why_not is not None:
            print_lines(f"not recorded in its custody chain: {why_not}")


@click.command(
    "remove",
    cls=Command,
    short_help="Remove a delivery that was withdrawn or has expired.",
    sections=(
        examples(
            (
                f"upload-client receiver remove {A_DELIVERY} \\\n    --because withdrawn",
                "",
            ),
        ),
        exit_codes(
            ("0", "removed, now or before"),
            ("1", "a request was refused, or the receiver's own logs do not prove the receipt"),
            ("8", "there is no receipt: the delivery is not complete"),
            ("11", "a hand-over, a removal or the provider is running: run it again later"),
        ),
    ),
)
@of_a_delivery
@sample_option
@click.option(
    "--because",
    "why",
    required=True,
    type=click.Choice(["withdrawn", "expired"]),
    metavar="WHY",
    help="withdrawn, or expired (its retention period is over).",
)
@note_option
@of_a_receiver
def remove(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    why: Why,
    note: str,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """Close a complete delivery, and delete its files from the landing bucket, each only on its ETag.

    Objects that were replaced since, and others, are kept. Where the receiver has a `signing_key`, the
    removal is recorded in the receipt's custody chain; the receipt itself does not change. Run it again to
    resume. The settings come from --on, else from UPLOAD_CLIENT_VALIDATOR (JSON), else from the receiver's
    stack.
    """
    from upload_client.functions.hand_over.removal import Removal, remove_delivery  # noqa: PLC0415
    from upload_client.functions.hand_over.work import read_receipt  # noqa: PLC0415
    from upload_client.receiver.process import buckets, recorder  # noqa: PLC0415 # imports boto3

    settings = receiver_settings(stack, region, on)
    by = recorder(settings)
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    control, landing = buckets(settings, layout)
    _, files, sha256, head = read_receipt(control, layout)
    removed, made = remove_delivery(
        Removal(control, landing, layout, why, note, by),
        (head, sha256, files),
        (lambda _: None) if as_json else print_lines,
    )
    if as_json:
        fields = {"dataset": dataset, "delivery_id": delivery_id, "because": why, "removed": removed.n}
        print_json(
            "removal", {**fields, "stay": removed.n_stay, "custody_record": None if made is None else made.n}
        )
    elif made is None:
        print_lines("not recorded: the receiver has no `signing_key` (`upload-client docs receipt`, Custody)")
