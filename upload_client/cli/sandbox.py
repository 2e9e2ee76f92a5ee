"""``upload-client sandbox``: AWS on this machine, until it is stopped."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import debug_option, force_option
from upload_client.core.text import for_terminal

if TYPE_CHECKING:
    from upload_client.sandbox import Sandbox


@click.command(
    cls=Command,
    short_help="Run AWS and a receiver on this machine, until Ctrl-C.",
    sections=(
        examples(
            ("upload-client sandbox --profile-out sandbox.toml", "in one terminal"),
            (
                "upload-client --profile sandbox.toml --dataset sample --delivery-id 1",
                "in another",
            ),
        ),
        exit_codes(("0", "it was stopped"), ("1", "it does not start"), ("2", "wrong usage")),
    ),
)
@click.option("--dataset", default="sample", show_default=True, metavar="D", help="Name of the dataset.")
@click.option("--delivery-id", default="1", show_default=True, metavar="Y", help="Name of the delivery.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="[default: a free one]")
@click.option(
    "--s3-endpoint",
    metavar="URL",
    help="An S3 that is running already, used instead of the sandbox's own. It takes any data set.",
)
@click.option(
    "--profile-out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the profile for this sandbox.",
)
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    metavar="NAME",
    help="Also make a bucket of this name, for `upload-client sync`.  [repeatable]",
)
@click.option(
    "--signing-key",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sign the receipts of complete deliveries with it (`upload-client receiver key make`).",
)
@force_option
@debug_option
def sandbox(
    *,
    dataset: str,
    delivery_id: str,
    port: int,
    s3_endpoint: str | None,
    profile_out: Path | None,
    buckets: tuple[str, ...],
    signing_key: Path | None,
    force: bool,
) -> None:
    """Run S3, Cognito, SSM, Lambda and a validator on 127.0.0.1, until Ctrl-C or SIGTERM.

    When it is ready it prints, on a terminal, how to deliver to it, and elsewhere one line of JSON. Its
    profile asks for no password. Needs the extra: pip install 'upload-client[sandbox]'.
    """
    from upload_client.cli.signals import interruptible  # noqa: PLC0415 # not for --help
    from upload_client.sandbox import Sandbox  # noqa: PLC0415 # imports boto3

    made = Sandbox(
        dataset=dataset,
        delivery_id=delivery_id,
        only_dataset=True,
        port=port,
        s3_endpoint=s3_endpoint,
        profile_out=profile_out,
        force=force,
        buckets=buckets,
        validator=None if signing_key is None else {"signing_key": str(signing_key.absolute())},
    )
    try:
        with interruptible(), made as running:
            click.echo(
                _how_to_deliver(running, dataset, delivery_id, buckets)
                if sys.stdout.isatty()
                else running.ready_line()
            )
            running.wait()
    except KeyboardInterrupt:
        # Being stopped is how it ends.
        return


def _how_to_deliver(running: Sandbox, dataset: str, delivery_id: str, buckets: tuple[str, ...]) -> str:
    """The text for a person when it is ready."""
    from upload_client.sandbox.sandbox import REGION  # noqa: PLC0415 # imports boto3, which is there by now

    place = ["--profile", str(running.profile), "--dataset", dataset, "--delivery-id", delivery_id]
    lines = (
        f"A receiver runs on this machine, at {running.endpoint_url}, until Ctrl-C.\n"
        "In another terminal, deliver a folder to it:\n"
        f"  upload-client {for_terminal(shlex.join(place))} --source DIR"
    )
    if buckets:
        bucket = for_terminal(buckets[0])
        receiver = {
            "control_bucket": running.control_bucket,
            "landing_bucket": running.landing_bucket,
            "worker_function": None,
        }
        named = shlex.join(["--dataset", dataset, "--delivery-id", delivery_id])
        lines += (
            "\nFor what follows, tell a terminal where S3 is; any keys will do:\n"
            f"  export AWS_ENDPOINT_URL={running.s3_endpoint_url} AWS_REGION={REGION}\n"
            "  export AWS_ACCESS_KEY_ID=anybody AWS_SECRET_ACCESS_KEY=anything\n"
            "Keep a folder in common with others:\n"
            f"  upload-client sync DIR --to s3://{bucket}/PREFIX\n"
            "Or be the receiver, and hand over what is complete:\n"
            f"  export UPLOAD_CLIENT_VALIDATOR='{json.dumps(receiver)}'\n"
            f"  upload-client receiver hand-over {for_terminal(named)} --to s3://{bucket}/PREFIX/"
        )
    return lines
