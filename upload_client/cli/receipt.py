"""``upload-client receipt``: the receipt of a finished delivery, from the control bucket."""

from __future__ import annotations

from pathlib import Path

import click

from upload_client.cli.help import Command, Group, Section, examples, exit_codes
from upload_client.cli.options import debug_option, delivery_options, force_option, log_in, output_option
from upload_client.cli.receipt_show import show
from upload_client.core.text import for_terminal


class _Receipt(Group):
    """A group that fetches, where nothing else is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = ["fetch", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_Receipt,
    short_help="Fetch the receipt of a finished delivery, show it, or export it.",
    synopsis=(
        "[fetch] --dataset D --delivery-id Y [OPTIONS]",
        "show RECEIPT [PATH]...",
        "export RECEIPT --as FORM -o TARGET",
        "date RECEIPT --tsa URL",
    ),
    sections=(
        examples(
            ("upload-client receipt --dataset survey7 --delivery-id 2", "into the current directory"),
            ("upload-client receipt --dataset survey7 --delivery-id 2 -o receipt.json", ""),
            ("upload-client receipt show RECEIPT", "who took part, and by which rules"),
            ("upload-client receipt export RECEIPT --as csv -o files.csv", "for a spreadsheet"),
        ),
    ),
)
def receipt() -> None:
    """Fetch the receipt of a finished delivery, show it, or export it.

    `upload-client verify` checks it against a folder, the bucket, a signature or another receipt.
    """


@receipt.command(
    cls=Command,
    short_help="Fetch it from the control bucket.",
    sections=(
        examples(
            ("upload-client receipt --dataset survey7 --delivery-id 2", "into the current directory"),
            ("upload-client receipt --dataset survey7 --delivery-id 2 -o receipt.json", ""),
        ),
        exit_codes(
            ("0", "fetched"),
            ("1", "the file cannot be written"),
            ("2", "wrong usage or input"),
            ("7", "not reachable: try again"),
            ("8", "there is no receipt: the delivery is not complete yet"),
            ("10", "login refused, or not allowed"),
        ),
    ),
)
@delivery_options
@output_option(
    "Where to write it; to - (stdout), a pipe or a device, only the receipt itself.  [default: its own"
    " name, in the current directory]"
)
@force_option
def fetch(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    profile: str | None,
    patience: str | None,
    output: Path | None,
    force: bool,
) -> int:
    """Fetch the receipt of a finished delivery from the control bucket, from any machine that may read it.

    If there are several, the last one. A delivery writes it at its end; fetch it where it is lost, or was
    written on another machine. The receiver's signature, the time-stamp and the custody chain are fetched
    with it, where there are any. Nothing else is changed.
    """
    _, buckets = log_in(dataset, delivery_id, sample=sample, profile=profile, patience=patience)
    from upload_client.core.layout import number  # noqa: PLC0415 # not for --help
    from upload_client.errors import DeliveryError, NotComplete  # noqa: PLC0415 # not for --help
    from upload_client.receipts.custody import ChainBroken, bring_chain  # noqa: PLC0415 # imports boto3
    from upload_client.receipts.dating import bring_time_stamp  # noqa: PLC0415 # imports boto3
    from upload_client.receipts.heads import problem_of_delivery, problem_of_name  # noqa: PLC0415 # imports boto3
    from upload_client.receipts.store import (  # noqa: PLC0415 # imports boto3
        bring_receipt,
        bring_signature,
        last_receipt,
    )
    from upload_client.support.atomic import is_stream  # noqa: PLC0415 # not for --help

    key = last_receipt(buckets.control, buckets.layout)
    if key is None:
        raise NotComplete(f"there is no receipt of {dataset}/{delivery_id}: the delivery is not complete")
    try:
        path, sha256 = bring_receipt(
            buckets.control,
            key,
            output or Path(),
            force=force,
            problem_of=lambda head, sha256: (
                problem_of_delivery(head, buckets.layout, number(key) or 0)
                or problem_of_name(head, sha256, buckets.control, buckets.layout)
            ),
        )
    except OSError as error:
        where = output or "the current directory"
        raise DeliveryError(
            f"the receipt cannot be written to {where}: {error.strerror}",
            hint="Name another place for it: -o.",
        ) from error
    click.echo(f"{for_terminal(str(path))}: SHA-256 {sha256}", err=True)
    if is_stream(path):
        click.echo(
            "its signature, time-stamp and custody chain are files of their own, and not fetched: name a"
            " file with -o, or verify it in the bucket (upload-client verify s3://…)",
            err=True,
        )
        return 0
    try:
        signature = bring_signature(buckets.control, buckets.layout, key, path)
        stamp = bring_time_stamp(buckets.control, buckets.layout, key, path)
        chain = bring_chain(buckets.control, buckets.layout, key, path)
    except ChainBroken as error:
        chain = None
        click.echo(for_terminal(f"what came afterwards is not fetched: {error}"), err=True)
    except OSError as error:
        raise DeliveryError(
            f"the signature cannot be written beside {path}: {error.strerror}",
            hint="Name another place for both: -o.",
        ) from error
    signed = "not signed by the receiver" if signature is None else f"signed: {for_terminal(str(signature))}"
    click.echo(signed, err=True)
    if stamp is not None:
        click.echo(f"dated by a third party: {for_terminal(str(stamp))}", err=True)
    if chain is not None:
        click.echo(f"what came afterwards: {for_terminal(str(chain))}", err=True)
    return 0


@receipt.command(
    cls=Command,
    short_help="Write it in another form.",
    sections=(
        examples(
            ("upload-client receipt export RECEIPT --as csv -o files.csv", "for a spreadsheet"),
            (
                "upload-client receipt export RECEIPT --as bagit --source DIR -o BAG",
                "a bag with the data",
            ),
        ),
        Section(
            "Forms",
            (
                ("csv", "a row for each file"),
                ("frictionless", "datapackage.json of a Frictionless data package"),
                ("ro-crate", "ro-crate-metadata.json of an RO-Crate 1.2"),
                ("bagit", "a bag (RFC 8493), with the data, the receipt and its signature"),
            ),
        ),
        exit_codes(
            ("0", "written"), ("2", "RECEIPT is not a receipt, a file differs from it, or wrong usage")
        ),
    ),
)
@click.argument("receipt_file", metavar="RECEIPT", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "form",
    required=True,
    type=click.Choice(["csv", "frictionless", "ro-crate", "bagit"]),
    metavar="FORM",
    help="csv, frictionless, ro-crate or bagit.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="TARGET",
    type=click.Path(path_type=Path),
    help="The file; of a bag, the folder.",
)
@click.option(
    "--source",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder with the data: each file is compared with the receipt, and its SHA-256 added. Required"
    " for a bag.",
)
@click.option(
    "--symlinks",
    type=click.Choice(["refuse", "follow"]),
    default="refuse",
    show_default=True,
    help="With --source: refuse symlinks that lead out of the folder, or follow them, if the delivery did.",
)
@force_option
@debug_option
def export(
    *, receipt_file: Path, form: str, output: Path, source: Path | None, symlinks: str, force: bool
) -> None:
    """Write RECEIPT in a form that others read."""
    from upload_client.errors import DeliveryError  # noqa: PLC0415 # not for --help
    from upload_client.receipts.export import export as write  # noqa: PLC0415 # imports boto3
    from upload_client.support.atomic import check_free  # noqa: PLC0415 # not for --help
    from upload_client.support.inputs import as_file  # noqa: PLC0415 # not for --help

    if form != "bagit":
        check_free(output, None, force=force)
    try:
        with as_file(receipt_file, "the receipt") as readable:
            write(readable, form, output, source, follow=symlinks == "follow")
    except OSError as error:
        raise DeliveryError(
            f"it cannot be written to {output}: {error.strerror}", hint="Name another place for it: -o."
        ) from error
    click.echo(for_terminal(str(output)), err=True)


@receipt.command(
    cls=Command,
    short_help="Have a third party time-stamp it.",
    sections=(
        examples(("upload-client receipt date RECEIPT --tsa https://tsa.example/tsr", "")),
        exit_codes(
            ("0", "dated"),
            ("2", "RECEIPT is not a receipt, or URL is not a time-stamping authority"),
            ("7", "the authority does not answer: try again"),
        ),
    ),
)
@click.argument("receipt_file", metavar="RECEIPT", type=click.Path(path_type=Path))
@click.option(
    "--tsa",
    required=True,
    metavar="URL",
    help="The time-stamping authority (RFC 3161); only a hash is sent to it.",
)
@debug_option
def date(*, receipt_file: Path, tsa: str) -> None:
    """Have a time-stamping authority certify that RECEIPT exists at this moment.

    The time-stamp is written beside RECEIPT, into a file that ends in .tsr; `upload-client verify` checks it
    offline.
    """
    from upload_client.errors import DeliveryError, UsageError  # noqa: PLC0415 # not for --help
    from upload_client.receipts import dating  # noqa: PLC0415 # not for --help
    from upload_client.receipts.verify import read_receipt  # noqa: PLC0415 # imports boto3
    from upload_client.support.inputs import is_once  # noqa: PLC0415 # not for --help

    if is_once(receipt_file):
        raise UsageError(
            f"{receipt_file} is a pipe, and a time-stamp lies beside its receipt",
            hint="Write the receipt into a file first.",
        )
    read_receipt(receipt_file)
    try:
        path = dating.date(receipt_file, tsa)
    except OSError as error:
        raise DeliveryError(
            f"the time-stamp cannot be written beside {receipt_file}: {error.strerror}",
            hint="Copy the receipt to where you may write.",
        ) from error
    click.echo(for_terminal(str(path)), err=True)


receipt.add_command(show)
