"""The options that the commands ``upload-client receiver …`` share, what they mean, and how is answered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upload_client.cli.options import debug_option, log_file_option
from upload_client.core.text import for_terminal

if TYPE_CHECKING:
    from upload_client.receiver.accounts import Accounts
    from upload_client.receiver.stack import Receiver
    from upload_client.validator.settings import ValidatorSettings

FILE = click.Path(dir_okay=False, path_type=Path)
A_DELIVERY = "--dataset survey7 --delivery-id 1"
HOW = "\\\n    --user maria"  # on a second line


def of_a_stack(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which receiver is meant."""
    options = (
        click.option(
            "--stack",
            default="upload-client",
            show_default=True,
            metavar="NAME",
            help="The receiver's CloudFormation stack.",
        ),
        click.option("--region", metavar="NAME", help="AWS region  [default: that of your AWS setup]"),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        log_file_option,
        debug_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def of_a_receiver(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say whose settings count, for `receiver_settings`."""
    return click.option(
        "--on",
        metavar="FILE",
        type=FILE,
        help="For a receiver outside AWS: the configuration of `receiver serve`.",
    )(of_a_stack(command))


def of_a_delivery(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which delivery is meant."""
    command = click.option("--delivery-id", required=True, metavar="Y", help="Name of the delivery.")(command)
    return click.option("--dataset", required=True, metavar="D", help="Name of the data set.")(command)


def _one_line(_context: click.Context, _parameter: click.Parameter, given: str) -> str:
    """A note to the provider."""
    from upload_client.core.closing import MAX_NOTE  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help

    if len(given) > MAX_NOTE or not given.isprintable():
        raise UsageError(f"--note: one line of at most {MAX_NOTE} characters")
    return given


def _endpoint(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    """The URL of a store."""
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.support.service_url import service_url  # noqa: PLC0415 # not for --help

    try:
        return None if given is None else service_url(given)
    except ValueError as error:
        raise UsageError(f"--endpoint {error}") from None


def endpoint_option(help_text: str) -> Callable[..., Any]:
    """The option that says where providers reach the store; `said` is its help."""
    return click.option("--endpoint", metavar="URL", callback=_endpoint, help=help_text)


sample_option = click.option("--sample", is_flag=True, help="The small sample agreed on first.")
note_option = click.option(
    "--note", default="", metavar="TEXT", callback=_one_line, help="A message to the provider, one line."
)


def open_stack(stack: str, region: str | None) -> Receiver:
    """Open the receiver of a stack at AWS."""
    from upload_client.receiver.stack import Receiver  # noqa: PLC0415 # imports boto3

    return Receiver(stack, region=region_of(region))


def region_of(given: str | None) -> str | None:
    """Which region; boto3 by itself does not look at the first of AWS' variables for it.

    Raises:
        UsageError: it is none.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.support.form import REGION, REGION_PROBLEM, of_form  # noqa: PLC0415 # likewise

    places = {"--region": given} | {key: os.environ.get(key) for key in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    for place, name in places.items():
        if name:
            try:
                return of_form(REGION, REGION_PROBLEM)(name)
            except ValueError as error:
                raise UsageError(f"{place}: {for_terminal(name)} {error}") from None
    return None


def print_json(kind: str, values: Mapping[str, Any]) -> None:
    """Print an answer for programs, of the kind `kind`."""
    click.echo(json.dumps({"schema_version": 1, "kind": kind, **values}))


def print_lines(*lines: str) -> None:
    """Print an answer for a person, safe for their terminal."""
    for line in lines:
        click.echo(for_terminal(line))


on_option = click.option(
    "--on",
    metavar="FILE",
    type=FILE,
    help="For a receiver outside AWS: the configuration of `receiver serve`. Users are created with the"
    " store's IAM API.",
)


def accounts_of(configuration: Path) -> Accounts:
    """The users of a store, by the configuration of `receiver serve`."""
    from upload_client.receiver.accounts import Accounts  # noqa: PLC0415 # imports boto3
    from upload_client.receiver.serving.configuration import read_configuration  # noqa: PLC0415

    return Accounts(read_configuration(configuration))


def receiver_settings(stack: str, region: str | None, on: Path | None) -> ValidatorSettings:
    """The receiver's settings: of a file, else of this environment, else of its stack.

    The region becomes that of all the clients of this process.
    """
    from upload_client.receiver.process import settings_of  # noqa: PLC0415 # imports boto3
    from upload_client.validator.settings import ENVIRONMENT_VARIABLE, ValidatorSettings  # noqa: PLC0415

    name, found = region_of(region), None
    if on is not None:
        from upload_client.receiver.serving.configuration import read_configuration  # noqa: PLC0415

        configuration = read_configuration(on)
        name, found = name or configuration.serve.region, configuration.validator
    if name is not None:
        os.environ["AWS_DEFAULT_REGION"] = name
    if found is not None:
        return found
    if ENVIRONMENT_VARIABLE in os.environ:
        return ValidatorSettings.from_environment()
    return settings_of(open_stack(stack, region))
