"""The commands about who may deliver what: invite, list, show, revoke."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples
from upload_client.cli.options import force_option
from upload_client.cli.receiver.options import (
    A_DELIVERY,
    FILE,
    HOW,
    accounts_of,
    endpoint_option,
    of_a_delivery,
    of_a_stack,
    on_option,
    open_stack,
    print_json,
    print_lines,
)
from upload_client.core.text import counted

if TYPE_CHECKING:
    from upload_client.core.hand_over import HandOver
    from upload_client.receiver.stack import Delivery, Receiver


@click.command(
    cls=Command,
    short_help="Give a user access to a delivery.",
    sections=(
        examples(
            (
                f"upload-client receiver invite {A_DELIVERY} {HOW} --email maria@provider.example",
                "a temporary password is mailed",
            ),
            (f"upload-client receiver invite {A_DELIVERY} {HOW} --ask-password", "you set one"),
            (f"upload-client receiver invite {A_DELIVERY} {HOW} --on receiver.toml", "on your own storage"),
        ),
    ),
)
@of_a_delivery
@click.option("--user", required=True, metavar="NAME", help="The user; created if new.")
@click.option("--email", metavar="ADDRESS", help="Where Cognito mails a new user's temporary password.")
@click.option(
    "--resend", is_flag=True, help="Mail a new temporary password to a user who has never logged in."
)
@click.option("--ask-password", is_flag=True, help="Ask for a temporary password instead of mailing one.")
@click.option(
    "-o", "--output", metavar="FILE", type=FILE, help="The profile  [default: DATASET_DELIVERY_USER.toml]"
)
@on_option
@endpoint_option("With --on: where providers reach the store.")
@force_option
@of_a_stack
def invite(
    *,
    dataset: str,
    delivery_id: str,
    user: str,
    email: str | None,
    resend: bool,
    ask_password: bool,
    output: Path | None,
    on: Path | None,
    endpoint: str | None,
    force: bool,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """Give a user access to one delivery, and write the profile to send to them.

    The user may write and read the keys of this delivery that a provider needs, and nothing else. The profile
    holds no password. Run it again at any time: what exists is kept. With --on, a new user's access key is
    written beside the profile, into a file that only you can read.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help

    path = output or Path(re.sub(r"[^\w.@+-]", "_", f"{dataset}_{delivery_id}_{user}.toml"))
    check_free(path, "invitation", force=force)
    if on is not None:
        if email or resend or ask_password:
            raise UsageError("--email, --resend and --ask-password are for Cognito: leave them out with --on")
        keys = path.with_suffix(".keys")
        if keys == path:
            raise UsageError(f"{path} is where their key would be written: name another file for the profile")
        accounts = accounts_of(on)
        if not force and not accounts.has_key(user):
            check_free(keys, None)
        admitted = accounts.invite(dataset, delivery_id, user, endpoint=endpoint)
        if admitted.keys is not None and admitted.key_id is not None:
            try:
                with replacing(keys, private=True) as file:
                    file.write(admitted.keys)
            except BaseException:  # nobody else has its secret
                accounts.take_back(user, admitted.key_id)
                raise
        with replacing(path) as file:
            file.write(admitted.profile)
        did = [*admitted.did, f"wrote {path}: send it to them"]
        if admitted.keys is not None:
            did.append(f"wrote {keys}: send it to them on another way")
        if as_json:
            print_json(
                "invitation", {"dataset": dataset, "delivery_id": delivery_id, "user": user, "did": did}
            )
            return
        print_lines(*did)
        return
    if endpoint:
        raise UsageError("--endpoint says where a store of your own is reached: it needs --on")
    opened = open_stack(stack, region)
    password = None
    if ask_password:
        password = click.prompt("Temporary password", hide_input=True, confirmation_prompt=True, err=True)
    done = opened.invite(dataset, delivery_id, user, email=email, temporary_password=password, resend=resend)
    with replacing(path) as file:
        file.write(done.profile)
    if as_json:
        print_json("invitation", {**vars(done.delivery), "user": user, "profile": str(path), "did": done.did})
        return
    print_lines(*done.did, f"wrote {path}: send it to them")


@click.command(
    "list",
    cls=Command,
    short_help="List the deliveries somebody is invited to.",
    sections=(examples(("upload-client receiver list --json", "")),),
)
@on_option
@of_a_stack
def list_(*, on: Path | None, stack: str, region: str | None, as_json: bool) -> None:
    """List the deliveries with invited users, since when, and where they were handed over to."""
    if on is not None:
        invited = sorted(accounts_of(on).deliveries())
        if as_json:
            names = ("dataset", "delivery_id", "user")
            print_json("deliveries", {"deliveries": [dict(zip(names, one, strict=True)) for one in invited]})
            return
        print_lines(*(f"{dataset}/{delivery_id}  {user}" for dataset, delivery_id, user in invited))
        return
    opened = open_stack(stack, region)
    found = list(opened.deliveries())
    handed = _handed_over(opened, found)
    if as_json:
        listed = [
            {**vars(one), "hand_over": None if record is None else record.as_json()}
            for one, record in zip(found, handed, strict=True)
        ]
        print_json("deliveries", {"deliveries": listed})
        return
    width = max((len(f"{one.dataset}/{one.delivery_id}") for one in found), default=0)
    print_lines(
        *(
            f"{one.dataset + '/' + one.delivery_id:<{width}}  {one.invited}"
            + ("" if record is None else f"  handed over to {record.archive}")
            for one, record in zip(found, handed, strict=True)
        )
    )
    click.echo(counted(len(found), "delivery", "deliveries"), err=True)


@click.command(
    cls=Command,
    short_help="Show who may deliver, and where to.",
    sections=(examples((f"upload-client receiver show {A_DELIVERY}", "")),),
)
@of_a_delivery
@on_option
@of_a_stack
def show(
    *, dataset: str, delivery_id: str, on: Path | None, stack: str, region: str | None, as_json: bool
) -> None:
    """Show who may deliver a delivery, with which role (at AWS), and where it goes."""
    if on is not None:
        _show_on(on, dataset, delivery_id, as_json=as_json)
        return
    opened = open_stack(stack, region)
    delivery = opened.delivery(dataset, delivery_id)
    users = opened.users(delivery)
    places = _places(opened, delivery)
    if as_json:
        print_json("delivery", {**vars(delivery), **places, "users": [vars(user) for user in users]})
        return
    print_lines(
        f"delivery  {dataset}/{delivery_id}, invited {delivery.invited}", f"role      {delivery.role_arn}"
    )
    print_lines(f"landing   {places['landing']}", f"control   {places['control']}")
    status = {"CONFIRMED": "has logged in", "FORCE_CHANGE_PASSWORD": "has not logged in yet"}
    disabled = {True: "", False: ", disabled"}
    print_lines(
        *(
            f"user      {user.name}: {status.get(user.status, user.status)}{disabled[user.enabled]}"
            for user in users
        )
    )


def _show_on(on: Path, dataset: str, delivery_id: str, *, as_json: bool) -> None:
    """The same of a receiver outside AWS."""
    accounts = accounts_of(on)
    at = accounts.places(dataset, delivery_id)
    users = accounts.users(dataset, delivery_id)
    control = f"s3://{at.control}/{at.root}"
    landing, sample = (f"s3://{at.landing}/{at.prefixes[each]}" for each in ("staging", "sample"))
    if as_json:
        listed = [{"name": name, "has_key": has_key} for name, has_key in users.items()]
        places = {"landing": landing, "sample": sample, "control": control}
        print_json("delivery", {"dataset": dataset, "delivery_id": delivery_id, **places, "users": listed})
        return
    print_lines(
        f"delivery  {dataset}/{delivery_id}",
        f"landing   {landing}",
        f"sample    {sample}",
        f"control   {control}",
    )
    print_lines(*(f"user      {name}: has {'a' if has_key else 'no'} key" for name, has_key in users.items()))


def _handed_over(opened: Receiver, deliveries: list[Delivery]) -> list[HandOver | None]:
    """The record of the last hand-over of each delivery."""
    import boto3  # noqa: PLC0415 # not for --help

    from upload_client.core.layout import Layout  # noqa: PLC0415 # not for --help
    from upload_client.receipts.hand_overs import last_hand_over  # noqa: PLC0415
    from upload_client.s3 import clients  # noqa: PLC0415
    from upload_client.s3.bucket import Bucket  # noqa: PLC0415

    client = clients.s3_client(boto3.Session(region_name=opened.region))
    found: list[HandOver | None] = []
    for one in deliveries:
        layout = Layout(one.dataset, one.delivery_id, "staging")
        control = Bucket(opened.outputs["ControlBucket"], prefix=layout.root, client=client)
        found.append(last_hand_over(control, layout))
    return found


def _places(opened: Receiver, delivery: Delivery) -> dict[str, str]:
    below = f"{delivery.dataset}/{delivery.delivery_id}/"
    return {
        "landing": f"s3://{opened.outputs['LandingBucket']}/{below}",
        "control": f"s3://{opened.outputs['ControlBucket']}/{below}",
    }


@click.command(
    cls=Command,
    short_help="End the invitation of one user, or of all.",
    sections=(
        examples(
            (f"upload-client receiver revoke {A_DELIVERY} --user maria", "one user"),
            (f"upload-client receiver revoke {A_DELIVERY}", "all of them"),
        ),
    ),
)
@of_a_delivery
@click.option("--user", metavar="NAME", help="The user  [default: all users]")
@on_option
@of_a_stack
def revoke(
    *,
    dataset: str,
    delivery_id: str,
    user: str | None,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """End the access of one user to a delivery, or of all. Files that have arrived are kept.

    Without --user the delivery's role is deleted too, which ends all open sessions at once. A user without
    any other delivery can no longer log in.
    """
    if on is not None:
        did = accounts_of(on).revoke(dataset, delivery_id, user)
    else:
        did = open_stack(stack, region).revoke(dataset, delivery_id, user)
    if as_json:
        print_json("revocation", {"dataset": dataset, "delivery_id": delivery_id, "user": user, "did": did})
    else:
        print_lines(*did)
