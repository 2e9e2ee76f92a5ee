"""``upload-client check``: uploads of large files that were begun and not ended."""

from __future__ import annotations

import click

from upload_client.cli.place import delivery_options, log_in
from upload_client.core.text import for_terminal

__all__ = ["check"]


@click.command(short_help="List unfinished uploads of a delivery, and throw them away.")
@delivery_options
@click.option("--clean", is_flag=True, help="Throw them away. The next run then sends these files anew.")
def check(*, dataset: str, delivery_id: str, sample: bool, profile: str | None, clean: bool) -> int:
    """List the uploads in parts that an interrupted run of a delivery has left.

    The next run goes on with them, and throws away what it has no use for; so this is for a delivery that
    nobody goes on with: parts cost the receiver money, and no listing of objects shows them.
    """
    from upload_client.aws.identity import new_agent_id  # noqa: PLC0415 # not for --help
    from upload_client.aws.leftover import abort, leftovers  # noqa: PLC0415 # imports boto3
    from upload_client.aws.lock import Lock, epoch_floor  # noqa: PLC0415 # imports boto3
    from upload_client.core.times import timestamp  # noqa: PLC0415 # not for --help

    settings, places = log_in(dataset, delivery_id, sample=sample, profile=profile)
    lock = Lock(
        places.control,
        places.layout.owned,
        agent_id=new_agent_id(),
        lease_seconds=settings.lease_seconds,
    )
    try:
        if clean:  # a run that is at work needs them
            lock.acquire(epoch_floor(places.control, places.layout))
            lock.start()
        found = list(leftovers(places.landing))
        for upload in found:
            click.echo(f"{for_terminal(upload.key)}  begun {timestamp(upload.initiated)}")
            if clean:
                lock.check_held()
                abort(places.landing, upload)
    finally:
        lock.release()
    what = "no unfinished upload" if not found else f"{len(found)} unfinished upload{'s' * (len(found) > 1)}"
    click.echo(what + (", thrown away" if clean and found else ""), err=True)
    return 0
