"""``upload-client unlock --steal AGENT``: give back the lock of a run that is known to be dead."""

from __future__ import annotations

import sys

import click

from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import delivery_options, log_in
from upload_client.core.text import for_terminal


@click.command(
    cls=Command,
    short_help="Give back the lock of a run that is dead.",
    sections=(
        examples(
            ("upload-client status --dataset survey7 --delivery-id 1", "who holds it, and for how long"),
            ("upload-client unlock --dataset survey7 --delivery-id 1 --steal fkzqbwmpdrt", ""),
        ),
        exit_codes(
            ("0", "the lock is free"),
            ("2", "wrong usage, or the lock was free already"),
            ("7", "not reachable: try again"),
            ("10", "login refused, or not allowed"),
            ("11", "another agent holds it; or AGENT seems to be running, and --yes was not given"),
        ),
    ),
)
@delivery_options
@click.option(
    "--steal",
    required=True,
    metavar="AGENT",
    help="The agent that holds the lock, as `upload-client status` names it.",
)
@click.option(
    "--yes", is_flag=True, help="Do not ask, even if AGENT has written something within the last minute."
)
def unlock(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    profile: str | None,
    patience: str | None,
    steal: str,
    yes: bool,
) -> int:
    """Take the lock of a delivery from AGENT although its lease has not ended, and give it back.

    Only for a run that is known to be dead; if it has written something within the last minute, you are asked
    first. Should AGENT still be running, it stops with exit code 12 when it next checks the lock or the log,
    and nothing it writes counts any more.
    """
    settings, buckets = log_in(dataset, delivery_id, sample=sample, profile=profile, patience=patience)
    from upload_client.control.fence import unlock as take_and_give_back  # noqa: PLC0415 # imports boto3
    from upload_client.core.files import TYPE_NAMES  # noqa: PLC0415 # not for --help
    from upload_client.errors import HolderAlive  # noqa: PLC0415 # not for --help
    from upload_client.s3.store_clock import StoreClock  # noqa: PLC0415 # not for --help
    from upload_client.support.clock import SYSTEM  # noqa: PLC0415 # not for --help

    clock = StoreClock(SYSTEM)
    clock.watch(buckets.control.client)
    body = None
    for sure in (yes, True):
        try:
            body = take_and_give_back(
                buckets.control,
                buckets.layout,
                holder=steal,
                lease_seconds=settings.lease_seconds,
                sure=sure,
                clock=clock,
            )
            break
        except HolderAlive as alive:
            if sure or not _confirmed(alive):
                raise
    whose = "somebody whose lock could not be read"
    if body is not None:
        of = "" if body.transfer_type is None else f" for {TYPE_NAMES[body.transfer_type]},"
        whose = (
            f"agent {body.agent_id} ({body.user or 'unknown user'} on {body.host or 'unknown host'},{of}"
            f" since {body.acquired_at})"
        )
    click.echo(for_terminal(f"unlocked: the lock was that of {whose}"), err=True)
    return 0


def _confirmed(alive: Exception) -> bool:
    """Whether the person, told that the holder lives, wants to take its lock all the same."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    click.echo(for_terminal(f"{alive}"), err=True)
    return click.confirm("That run then ends without finishing. Take its lock all the same?", err=True)
