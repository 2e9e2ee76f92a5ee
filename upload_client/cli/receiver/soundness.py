"""The commands that look whether a delivery can go on: probe, repair."""

from __future__ import annotations

import json
from pathlib import Path

import click

from upload_client.cli.help import Command, examples
from upload_client.cli.options import debug_option
from upload_client.cli.receiver.options import (
    A_DELIVERY,
    FILE,
    endpoint_option,
    of_a_delivery,
    of_a_receiver,
    print_json,
    print_lines,
    receiver_settings,
)


@click.command(
    cls=Command,
    short_help="Test the guarantees of your store, and record them for a delivery.",
    sections=(examples((f"upload-client receiver probe {A_DELIVERY} \\\n    --on receiver.toml", "")),),
)
@of_a_delivery
@click.option("--on", metavar="FILE", type=FILE, required=True, help="The configuration of `receiver serve`.")
@endpoint_option("Where providers reach the store.  [default: as in FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@debug_option
def probe(*, dataset: str, delivery_id: str, on: Path, endpoint: str | None, as_json: bool) -> int:
    """Test which guarantees the store gives, and record the result for one delivery.

    The delivery's client then need not test the store itself, which your policy may not allow. The result is
    used for 7 days, and only at this endpoint. Exit code 14: the store is not safe for a delivery.
    """
    from upload_client.core.exits import ExitCode  # noqa: PLC0415 # not for --help
    from upload_client.receiver.probing import probe_for  # noqa: PLC0415 # imports boto3
    from upload_client.receiver.serving.configuration import read_configuration  # noqa: PLC0415

    profile = probe_for(read_configuration(on), dataset, delivery_id, endpoint=endpoint)
    judged = profile.judge(copies=True)
    if as_json:
        seen = [
            {"observation": one.observation.value, "use": one.use.value, "reason": one.reason}
            for one in judged
        ]
        click.echo(json.dumps({"store": profile.in_a_line, "seen": seen}))
    else:
        print_lines(*(f"{one.use.value:12}  {one.reason}" for one in judged), "", profile.in_a_line)
    return ExitCode.STORE_UNSAFE if profile.refused() else ExitCode.OK


@click.command(
    cls=Command,
    short_help="Find and set aside what blocks a delivery.",
    sections=(
        examples(
            (f"upload-client receiver repair {A_DELIVERY}", "show what is wrong, and change nothing"),
            (f"upload-client receiver repair {A_DELIVERY} --fix", "move it to aside/"),
        ),
    ),
)
@of_a_delivery
@click.option("--fix", is_flag=True, help="Move what is wrong to aside/. Nothing is deleted.")
@of_a_receiver
def repair(
    *,
    dataset: str,
    delivery_id: str,
    fix: bool,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> int:
    """Find control keys that no run can have written, and that block the delivery.

    Such as an index or a lock with the highest possible epoch, a segment beyond the end of a log, or a broken
    chain. With --fix they are moved to aside/ below the delivery's keys. Exit code 2: something is wrong and
    was not fixed.
    """
    from upload_client.receiver.process import control_bucket  # noqa: PLC0415 # imports boto3
    from upload_client.receiver.repair import Repair  # noqa: PLC0415

    settings = receiver_settings(stack, region, on)
    layout = settings.layout(dataset, delivery_id)
    work = Repair(control_bucket(settings, layout), layout)
    faults = work.look()
    done = []
    if fix:
        for sentence in work.fix(faults):
            done.append(sentence)
            if not as_json:
                print_lines(sentence)
        faults = work.look()
    if as_json:
        listed = [{"what": fault.what, "keys": list(fault.keys)} for fault in faults]
        print_json("repair", {"dataset": dataset, "delivery_id": delivery_id, "faults": listed, "done": done})
    else:
        for fault in faults:
            print_lines(fault.what)
            print_lines(*(f"  {key}" for key in fault.keys[:10]))
            if (more := len(fault.keys) - 10) > 0:
                print_lines(f"  and {more:,} more")
        if not faults:
            print_lines("nothing is wrong")
        elif not fix:
            print_lines(
                "",
                "Where a segment is damaged or missing, restore its last good version:"
                " `upload-client docs runbook`.",
            )
            print_lines("Else --fix moves all of this to aside/; the next run finds out again what it said.")
    return 2 if faults else 0
