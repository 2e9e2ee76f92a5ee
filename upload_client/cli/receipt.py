"""``upload-client receipt``: the receipt of a finished delivery, from the control bucket."""

from __future__ import annotations

from pathlib import Path

import click

from upload_client.cli.help import Command, Section
from upload_client.cli.place import delivery_options, force_option, log_in
from upload_client.core.text import for_terminal

__all__ = ["receipt"]


@click.command(
    cls=Command,
    short_help="Fetch the receipt of a finished delivery.",
    sections=(
        Section(
            "Examples",
            (
                ("upload-client receipt --dataset survey7 --delivery-id 2", "into the current directory"),
                ("upload-client receipt --dataset survey7 --delivery-id 2 -o receipt.json", ""),
            ),
        ),
        Section(
            "Exit codes",
            (
                ("0", "fetched"),
                ("1", "the store cannot be reached, or the file not be written"),
                ("2", "wrong usage or input"),
                ("8", "there is no receipt: the delivery is not complete yet"),
                ("10", "login refused"),
            ),
        ),
    ),
)
@delivery_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: its own name, in the current directory]",
)
@force_option
def receipt(
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

    The last one, if there are several. It is what the delivery itself writes at its end: fetch it where that
    could not be, or is lost; and the receiver's signature, where there is one, beside it. Nothing is changed
    anywhere else.
    """
    from upload_client.errors import DeliveryError, NotComplete  # noqa: PLC0415 # not for --help
    from upload_client.receipts.store import (  # noqa: PLC0415 # imports boto3
        bring_receipt,
        bring_signature,
        last_receipt,
    )

    _, places = log_in(dataset, delivery_id, sample=sample, profile=profile, patience=patience)
    key = last_receipt(places.control, places.layout)
    if key is None:
        raise NotComplete(f"there is no receipt of {dataset}/{delivery_id}: the delivery is not complete")
    try:
        path, sha256 = bring_receipt(places.control, key, output or Path(), force=force)
    except OSError as error:
        where = output or "the current directory"
        raise DeliveryError(
            f"the receipt cannot be written to {where}: {error.strerror}",
            hint="Name another place for it: -o.",
        ) from error
    click.echo(f"{for_terminal(str(path))}: SHA-256 {sha256}", err=True)
    try:
        beside = bring_signature(places.control, places.layout, key, path)
    except OSError as error:
        raise DeliveryError(
            f"the signature cannot be written beside {path}: {error.strerror}",
            hint="Name another place for both: -o.",
        ) from error
    signed = "not signed by the receiver" if beside is None else f"signed: {for_terminal(str(beside))}"
    click.echo(signed, err=True)
    return 0
