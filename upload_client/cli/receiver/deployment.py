"""The commands that put the receiving end up: its template, its code, who may do what."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples
from upload_client.cli.options import debug_option, force_option, write_text
from upload_client.cli.receiver.options import (
    A_DELIVERY,
    FILE,
    accounts_of,
    of_a_delivery,
    of_a_stack,
    open_stack,
    print_json,
    print_lines,
)
from upload_client.core.layout import MAX_SHARDS

if TYPE_CHECKING:
    from upload_client.receiver.operator import Duty


@click.command(
    cls=Command,
    short_help="Write the CloudFormation template.",
    sections=(
        examples(
            ("upload-client receiver template -o receiver.yaml", "one validator for each delivery"),
            ("upload-client receiver template --fan-out 8 -o receiver.yaml", "eight, which share its files"),
            ("upload-client receiver template --definition", "what runs the eight, by itself"),
            (
                "upload-client receiver template \\\n    --hand-over 's3://archive/{dataset}/{delivery_id}/'",
                "what moves complete deliveries on",
            ),
        ),
    ),
)
@click.option("-o", "--output", metavar="FILE", type=FILE, help="Where  [default: standard output]")
@click.option(
    "--fan-out",
    type=click.IntRange(1, MAX_SHARDS),
    metavar="N",
    help=f"Let N validators (at most {MAX_SHARDS}) share the files of a delivery, run by Step Functions.",
)
@click.option(
    "--definition", is_flag=True, help="Write only the state machine, as JSON, for other deployment tools."
)
@click.option("--delivery", is_flag=True, help="Write the template that `invite` deploys for each delivery.")
@click.option(
    "--hand-over",
    metavar="S3-URI",
    help="Write the template of the hand-over of complete deliveries into an archive, a stack of its own.",
)
@force_option
@debug_option
def template(
    *,
    output: Path | None,
    fan_out: int | None,
    definition: bool,
    delivery: bool,
    hand_over: str | None,
    force: bool,
) -> None:
    """Write the template of the receiving end: buckets, login, validator, alarms.

    Read it before you deploy it: a comment explains each part.
    """
    from upload_client import receiver as templates  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415

    handed = hand_over is not None
    if definition + delivery + (fan_out is not None) > 1 or (handed and (delivery or fan_out is not None)):
        raise UsageError(
            "--fan-out, --definition, --delivery and --hand-over are different things",
            hint="Name one of them. The definition is the same for every number of validators.",
        )
    if definition:
        text = templates.state_machine(hand_over=handed)
    elif hand_over is not None:
        text = templates.hand_over_template(hand_over)
    elif delivery:
        text = templates.delivery_template()
    else:
        text = templates.receiver_template(fan_out)
    write_text(text, output, force=force)


@click.command(
    cls=Command,
    short_help="Build the zip of the validator's functions.",
    sections=(
        examples(
            ("upload-client receiver package", ""),
            ("upload-client receiver package --functions", "the functions around a delivery"),
        ),
    ),
)
@click.option("--functions", is_flag=True, help="The functions around a delivery, not the validator's.")
@click.option("-o", "--output", metavar="ZIP", type=FILE, help="Where  [default: named by its content]")
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@debug_option
def package(*, functions: bool, output: Path | None, force: bool, as_json: bool) -> None:
    """Build the zip that the validator's Lambda functions run from.

    It contains upload_client's validator, or with --functions the functions around a delivery, and the
    modules they import. Other libraries come from Lambda layers, which are listed. The build is reproducible:
    the same code makes the same zip, under the same name.
    """
    from upload_client.receiver import packaging  # noqa: PLC0415 # not for --help
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415

    what: packaging.Content = "functions" if functions else "validator"
    layers = packaging.FUNCTION_LAYERS if functions else packaging.LAYERS
    content = packaging.lambda_zip(what)
    path = output or Path(packaging.default_name(content, what))
    check_free(path, "package", force=force)
    with replacing(path) as file:
        file.buffer.write(content)
    if as_json:
        print_json("package", {"path": str(path), "n_bytes": len(content), "layers": layers})
        return
    print_lines(f"{path}  {len(content):,} bytes", "beside boto3, which Lambda has, it needs")
    print_lines(*(f"  {brings}: {layer}" for layer, brings in layers.items()))


@click.command(
    cls=Command,
    short_help="Print the IAM policy for the provider of one delivery.",
    sections=(examples((f"upload-client receiver policy {A_DELIVERY} \\\n    --on receiver.toml", "")),),
)
@of_a_delivery
@click.option("--on", metavar="FILE", type=FILE, required=True, help="The configuration of `receiver serve`.")
@debug_option
def policy(*, dataset: str, delivery_id: str, on: Path) -> None:
    """Print the IAM policy for the provider of one delivery, as JSON, to be attached by hand.

    It allows this delivery and nothing else.
    """
    click.echo(json.dumps(accounts_of(on).policy(dataset, delivery_id), indent=2))


@click.command(
    "operator-policy",
    cls=Command,
    short_help="Print the IAM policy of an operator.",
    sections=(
        examples(
            ("upload-client receiver operator-policy --for invite", "who invites providers, and sees who is"),
            (
                "upload-client receiver operator-policy --for look-after",
                "closes, signs, judges, repairs, removes",
            ),
            (
                "upload-client receiver operator-policy --for serve \\\n    --on receiver.toml",
                "on your own storage",
            ),
        ),
    ),
)
@click.option(
    "--for",
    "duties",
    multiple=True,
    required=True,
    type=click.Choice(["invite", "look-after", "accounts", "serve"]),
    metavar="DUTY",
    help="invite, look-after; with --on: accounts (who invites), serve.  [repeatable]",
)
@click.option(
    "--on",
    metavar="FILE",
    type=FILE,
    help="For a receiver outside AWS: the configuration of `receiver serve`.",
)
@of_a_stack
def operator_policy(
    *, duties: tuple[Duty, ...], on: Path | None, stack: str, region: str | None, as_json: bool
) -> None:
    """Print the IAM policy that an operator of these commands needs, as JSON.

    The page lists what each permission is for. To invite users and to deploy the template, an operator needs
    to create roles; the page says what that implies.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.receiver.operator import policy_for  # noqa: PLC0415

    of_a_store = {"accounts", "serve"}
    if wrong := [duty for duty in duties if (duty in of_a_store) is not (on is not None)]:
        raise UsageError(
            f"--for {wrong[0]} is for a receiver {'on your own storage' if on is None else 'at AWS'}",
            hint="Add --on FILE." if on is None else "Leave --on out.",
        )
    if on is not None:
        from upload_client.receiver.serving.configuration import read_configuration  # noqa: PLC0415

        settings = read_configuration(on).validator
        landing = re.sub(r"\{[a-z_]+\}", "*", settings.landing_bucket)
        places = {"control": settings.control_bucket, "landing": landing, "partition": "aws", "account": "*"}
    else:
        opened = open_stack(stack, region)
        _, partition, _, at, account, _ = opened.stack_id.split(":", 5)
        found = opened.outputs
        places = {"partition": partition, "region": at, "account": account, "stack": stack}
        places |= {"control": found["ControlBucket"], "landing": found["LandingBucket"]}
        places |= {
            "pool": found["UserPoolId"],
            "start": found["StartFunction"],
            "topic": found["OutcomeTopic"],
        }
    document = policy_for(duties, places)
    if as_json:
        print_json("policy", {"for": duties, "policy": document})
    else:
        click.echo(json.dumps(document, indent=2))
