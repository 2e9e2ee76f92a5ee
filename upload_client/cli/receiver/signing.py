"""The commands about signatures: make and show a key, sign a receipt."""

from __future__ import annotations

import os
from pathlib import Path

import click

from upload_client.cli.help import Command, Group, examples, exit_codes
from upload_client.cli.options import debug_option, force_option, log_file_option, write_text
from upload_client.cli.receiver.options import (
    A_DELIVERY,
    FILE,
    of_a_delivery,
    of_a_receiver,
    print_json,
    print_lines,
    receiver_settings,
    region_of,
    sample_option,
)
from upload_client.core.text import counted


@click.group(
    cls=Group,
    short_help="Make or show the key that signs receipts.",
    sections=(
        examples(
            ("upload-client receiver key make receiver.key", "a private key, and receiver.pub.pem"),
            ("upload-client receiver key export arn:aws:kms:…:key/…", "the public half of a key of AWS KMS"),
        ),
    ),
)
def key() -> None:
    """Make or show the key with which the receiver signs the receipts of complete deliveries.

    The page says how providers and auditors verify a receipt with it.
    """


@key.command(
    cls=Command,
    short_help="Make a key, in a file.",
    sections=(examples(("upload-client receiver key make receiver.key", "")),),
)
@click.argument("file", type=FILE)
@debug_option
def make(*, file: Path) -> None:
    """Make an Ed25519 key in FILE, which only you can read, and its public half in FILE.pub.pem.

    No file is overwritten. Keep FILE where the validator runs (setting `signing_key`), and a copy elsewhere;
    give the public half to providers and auditors.
    """
    from upload_client.receipts.signing import make_key  # noqa: PLC0415 # cryptography is an extra
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help

    check_free(file, None, hint="Name another file for the key.")
    public = file.with_name(file.name.removesuffix(".key") + ".pub.pem")
    check_free(public, None, hint="Name another file for the key.")
    made = make_key(file)
    with replacing(public) as written:
        written.write(made.pem)
    print_lines(
        f"private  {file}",
        f"public   {public}",
        f"its id   {made.key_id}",
        f"in one line, for settings: {made.line}",
    )


@key.command(
    cls=Command,
    short_help="Show the public half of a key.",
    sections=(
        examples(
            ("upload-client receiver key export receiver.key", ""),
            ("upload-client receiver key export alias/receipts -o receiver.pem", "of AWS KMS"),
        ),
    ),
)
@click.argument("key_name", metavar="KEY")
@click.option("-o", "--output", metavar="FILE", type=FILE, help="Where  [default: standard output]")
@force_option
@click.option("--region", metavar="NAME", help="AWS region  [default: that of your AWS setup]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@log_file_option
@debug_option
def export(*, key_name: str, output: Path | None, force: bool, region: str | None, as_json: bool) -> None:
    """Write the public half of KEY in PEM: a file, the ARN of a secret, or the ARN or alias of a KMS key."""
    from upload_client.receipts.signing import open_key  # noqa: PLC0415 # cryptography is an extra

    if name := region_of(region):
        os.environ["AWS_DEFAULT_REGION"] = name  # for all the clients of this process
    public = open_key(key_name).public
    if as_json:
        print_json("key", {"key_id": public.key_id, "pem": public.pem, "line": public.line})
    if output is not None or not as_json:
        write_text(public.pem, output, force=force)


@click.command(
    cls=Command,
    short_help="Sign the receipt of a complete delivery.",
    sections=(
        examples((f"upload-client receiver sign {A_DELIVERY} \\\n    --key receiver.key", "")),
        exit_codes(
            ("0", "signed, now or before"),
            ("2", "wrong usage, or a key that cannot be used"),
            ("3", "the logs do not prove the receipt: the message says what is missing"),
        ),
    ),
)
@of_a_delivery
@sample_option
@click.option(
    "--key",
    "key_name",
    metavar="KEY",
    help="A file, or the ARN of a secret or of a KMS key.  [default: the receiver's `signing_key`]",
)
@of_a_receiver
def sign(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    key_name: str | None,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> int:
    """Sign the last receipt of a delivery, if the receiver's own logs prove each line of it.

    A validator with the setting `signing_key` does this at the end of each delivery; this command is for
    deliveries that were complete before. The settings come from --on, else from UPLOAD_CLIENT_VALIDATOR
    (JSON), else from the receiver's stack.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415
    from upload_client.receipts.signing import open_key  # noqa: PLC0415 # cryptography is an extra
    from upload_client.receiver.process import buckets  # noqa: PLC0415 # imports boto3
    from upload_client.validator.countersigning import NotSigned, countersign_last  # noqa: PLC0415

    settings = receiver_settings(stack, region, on)
    key_name = key_name or settings.signing_key
    if key_name is None:
        raise UsageError(
            "no key is named", hint="Name one: --key, or make one: upload-client receiver key make."
        )
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    control, landing = buckets(settings, layout)
    opened = open_key(key_name, endpoints=settings)
    try:
        statement = countersign_last(control, landing, layout, opened)
    except NotSigned as error:
        if as_json:
            print_json(
                "signature",
                {"dataset": dataset, "delivery_id": delivery_id, "signed": False, "why": str(error)},
            )
        else:
            print_lines(f"not signed: {error}")
        return 3
    fields = {
        "dataset": dataset,
        "delivery_id": delivery_id,
        "signed": True,
        "sha256": statement.sha256,
        "signed_at": statement.signed_at,
        "key_id": opened.public.key_id,
    }
    if as_json:
        print_json("signature", fields)
    else:
        files = counted(statement.n_files, "file")
        print_lines(f"signed: {files}, SHA-256 {statement.sha256}", f"by the key {opened.public.key_id}")
    return 0
