"""The commands that judge what is delivered: validate, serve."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.receiver.options import (
    A_DELIVERY,
    FILE,
    of_a_delivery,
    of_a_receiver,
    print_json,
    print_lines,
    receiver_settings,
    sample_option,
)
from upload_client.core.hints import install
from upload_client.core.layout import MAX_SHARDS

_EXIT_CODES = {"stop": 0, "superseded": 0, "time": 130, "error": 5, "lock lost": 12}


def _shard(_context: click.Context, _parameter: click.Parameter, given: str) -> tuple[int, int]:
    """Which of how many, of ``K/N``."""
    match = re.fullmatch("([0-9]{1,2})/([0-9]{1,2})", given)
    shard, shards = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 0 <= shard < shards <= MAX_SHARDS:
        raise click.BadParameter(
            f"{given!r} is none of 0/N to N-1/N, with N from 1 to {MAX_SHARDS}. Of three: 0/3, 1/3, 2/3."
        )
    return shard, shards


@click.command(
    cls=Command,
    short_help="Validate a delivery in this process.",
    sections=(
        examples(
            (f"upload-client receiver validate {A_DELIVERY}", "once, for example from cron"),
            (f"upload-client receiver validate {A_DELIVERY} --watch", "in a container"),
            (
                f"upload-client receiver validate {A_DELIVERY} \\\n    --watch --shard 0/2",
                "one of two containers",
            ),
        ),
    ),
)
@of_a_delivery
@sample_option
@click.option("--watch", is_flag=True, help="Serve every later client, too, until Ctrl-C or SIGTERM.")
@click.option(
    "--shard",
    metavar="K/N",
    default="0/1",
    show_default=True,
    callback=_shard,
    help="Be one of N validators, number K (from 0): run one process for each, 0/N to N-1/N. Each judges its"
    " own part of the files. N is the receiver's `shards`.",
)
@of_a_receiver
def validate(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    watch: bool,
    shard: tuple[int, int],
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> int:
    """Judge a delivery in this process, as the Lambda function would.

    Without --watch it serves the client that is running, until that ends; or judges what the last one left
    unjudged. The settings come from --on, else from UPLOAD_CLIENT_VALIDATOR (JSON), else from the receiver's
    stack.
    """
    from upload_client.cli.signals import stopping  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415
    from upload_client.receiver.process import Process  # noqa: PLC0415 # imports boto3

    settings = receiver_settings(stack, region, on)
    number, shards = shard
    if shards != settings.shards:
        raise UsageError(
            f"--shard {number}/{shards}: this receiver has {settings.shards} for each delivery",
            hint=f"Run one process for each, --shard 0/{settings.shards} to"
            f" {settings.shards - 1}/{settings.shards}."
            if settings.shards > 1
            else "Leave --shard out, or set the receiver's `shards`.",
        )
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    process = Process(settings, layout, shard=number)
    with stopping(process.stop):
        readers = process.readers()
        if not as_json:
            print_lines(f"a reader worker here: {readers}")
        if watch:
            process.watch()
            return 0
        outcome = process.once()
    if as_json:
        fields = {"dataset": dataset, "delivery_id": delivery_id, "outcome": outcome, "readers": readers}
        print_json("validation", fields)
    else:
        print_lines(f"the validator left: {outcome}" if outcome else "there is nothing to judge")
    return _EXIT_CODES[outcome] if outcome else 0


@click.command(
    cls=Command,
    short_help="Receive all deliveries, on any S3.",
    sections=(
        examples(("upload-client receiver serve receiver.toml", "until Ctrl-C or SIGTERM")),
        exit_codes(("0", "it was stopped"), ("2", "wrong usage, or a wrong configuration")),
    ),
)
@click.argument("configuration", metavar="FILE", type=FILE)
def serve(*, configuration: Path) -> int:
    """Validate all deliveries to this receiver, and report how each run ended.

    FILE (TOML) names the buckets, and has all other settings in the table [serve]. Credentials are those that
    boto3 finds. Any number of these processes may run at once, on several machines. Needs the extra: pip
    install 'upload-client[serve]'.
    """
    import logging  # noqa: PLC0415 # not for --help

    from upload_client.cli.signals import stopping  # noqa: PLC0415
    from upload_client.errors import UsageError  # noqa: PLC0415

    try:
        from upload_client.receiver.serving.configuration import read_configuration  # noqa: PLC0415
        from upload_client.receiver.serving.pages import serve_pages  # noqa: PLC0415 # imports boto3
        from upload_client.receiver.serving.server import Server  # noqa: PLC0415
    except ImportError as error:
        if error.name is None or not error.name.startswith(("prometheus_client", "filelock")):
            raise
        why = f"receiver serve needs {error.name}, which is not installed"
        raise UsageError(why, hint=install("serve")) from None
    from platformdirs import user_state_path  # noqa: PLC0415

    found = read_configuration(configuration)
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")  # CloudWatch's; here it is /metrics
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "validator")
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.getLogger("upload_client.receiver").setLevel(logging.INFO)
    folder = found.serve.state_dir or user_state_path("upload-client") / "receiver" / found.place
    server = Server(found, folder / "outcomes")
    with stopping(server.stop):
        pages = serve_pages(server, found.serve.listen) if found.serve.listen else None
        where = f", http://{found.serve.listen}/" if pages else ""
        print_lines(f"a reader worker here: {server.readers()}", f"waiting for clients{where}")
        try:
            server.run()
        finally:
            if pages is not None:
                pages.shutdown()
    return 0
