"""``upload-client unlock --steal AGENT``: give back the lock of a run that is known to be dead."""

from __future__ import annotations

import click

from upload_client.cli.help import Command, Section
from upload_client.cli.place import delivery_options, log_in
from upload_client.core.text import for_terminal

__all__ = ["unlock"]


@click.command(
    cls=Command,
    short_help="Give back the lock of a run that is dead.",
    sections=(
        Section(
            "Examples",
            (
                ("upload-client status --dataset survey7 --delivery-id 1", "who holds it, and for how long"),
                ("upload-client unlock --dataset survey7 --delivery-id 1 --steal fkzqbwmpdrt", ""),
            ),
        ),
        Section(
            "Exit codes",
            (
                ("0", "the lock is free"),
                ("2", "wrong usage, or there was nothing to give back"),
                ("10", "login refused"),
                ("11", "somebody else holds it"),
            ),
        ),
    ),
)
@delivery_options
@click.option("--steal", required=True, metavar="AGENT", help="Who holds the lock, as exit code 11 said it.")
def unlock(*, dataset: str, delivery_id: str, sample: bool, profile: str | None, steal: str) -> int:
    """Take the lock of a delivery from AGENT although its lease has not ended, and give it back.

    Only for a run that is known to be dead. Should it live after all, it stops at its next look at the lock,
    and nothing it writes counts any more.
    """
    from upload_client.control.identity import new_agent_id  # noqa: PLC0415 # not for --help
    from upload_client.control.lock import Lock, epoch_floor  # noqa: PLC0415 # imports boto3
    from upload_client.core.lease import MAX_BODY, LockBody  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.s3.bucket import NotFound, ObjectTooLarge  # noqa: PLC0415 # imports boto3

    settings, places = log_in(dataset, delivery_id, sample=sample, profile=profile)
    try:
        body = LockBody.decode(places.control.get(places.layout.owned, limit=MAX_BODY).body)
    except NotFound:
        raise UsageError("this delivery was never locked", hint="Nothing needs to be done.") from None
    except ObjectTooLarge:
        body = None
    if body is not None and body.state == "released":
        raise UsageError(
            f"the lock is free: agent {body.agent_id} gave it back at {body.refreshed_at}",
            hint="Nothing needs to be done.",
        )
    lock = Lock(
        places.control,
        places.layout.owned,
        agent_id=new_agent_id(),
        lease_seconds=settings.lease_seconds,
    )
    try:
        lock.acquire(epoch_floor(places.control, places.layout), steal=steal)
    finally:
        lock.release()
    whose = steal
    if body is not None:
        whose = (
            f"agent {body.agent_id} ({body.user or 'unknown user'} on {body.host or 'unknown host'},"
            f" since {body.acquired_at})"
        )
    click.echo(for_terminal(f"unlocked: the lock was that of {whose}"), err=True)
    return 0
