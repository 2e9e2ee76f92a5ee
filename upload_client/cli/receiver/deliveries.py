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
    short_help="Move a complete delivery on into an archive, with proof.",
    sections=(
        examples(
            (f"upload-client receiver hand-over {A_DELIVERY} \\\n    --to s3://archive/survey7/1/", ""),
            (
                f"upload-client receiver hand-over {A_DELIVERY} \\\n    --to s3://archive/s7/ --remove",
                "and remove it from landing",
            ),
        ),
        exit_codes(
            ("0", "handed over, or it was before"),
            ("1", "landing or archive is not what the receipt names: what, is told"),
            ("8", "the delivery is not complete"),
            (
                "11",
                "somebody else hands it over, or the provider is at work while files are to be removed",
            ),
        ),
    ),
)
@of_a_delivery
@sample_option
@click.option("--to", required=True, metavar="S3-URI", help="The archive: s3://BUCKET/PREFIX/")
@click.option(
    "--keep/--remove", default=True, show_default=True, help="Leave the files in landing, or remove them."
)
@click.option("--notify", "topic", metavar="ARN", help="An SNS topic that gets the record as JSON.")
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
    """Copy what a receipt names into an archive, prove it there, record it; then, if asked, remove it here.

    Each file is copied on the receipt's ETag, and has the receipt's CRC32 and size in the archive before
    anything is recorded; nothing is removed before that. It may be run again at any time: it goes on, and
    done twice it does nothing. The settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else
    of the receiver's stack.
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
    short_help="Close a delivery that was taken over: nothing more is sent.",
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
@click.option("--reopen", is_flag=True, help="Take it back: the delivery goes on.")
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
    """Close a delivery that was taken over, by whatever means.

    A provider who runs the same command again is told so, with exit code 0, and nothing is sent again,
    although the files are no longer where they landed. (After `receiver hand-over --remove` that is so by
    itself.) The settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else of the receiver's
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
    short_help="Remove a delivery that is withdrawn, or whose time is over.",
    sections=(
        examples(
            (
                f"upload-client receiver remove {A_DELIVERY} \\\n    --because withdrawn",
                "",
            ),
        ),
        exit_codes(
            ("0", "removed, or it was before"),
            ("1", "a bucket refuses, or the receipt is not proven by the receiver's own logs"),
            ("8", "there is no receipt: the delivery is not complete"),
            ("11", "it is handed over, removed or delivered to at this moment: run it again later"),
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
    help="withdrawn, or expired: the time to keep it is over.",
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
    """Close a complete delivery and delete from landing what its receipt names, each object on its ETag.

    What was replaced since, and what lies there besides, stays. Where the receiver has a `signing_key`, it is
    recorded in the custody chain of the receipt, which stays as it is. It may be run again: it goes on. The
    settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else of the receiver's stack.
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
