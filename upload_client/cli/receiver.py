"""``upload-client receiver …``: put up the receiving end, invite providers to it, judge what they deliver."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upload_client.cli.help import Command, Group, Section
from upload_client.cli.place import debug_option, force_option, log_file_option
from upload_client.core.layout import MAX_SHARDS
from upload_client.core.text import counted, for_terminal

if TYPE_CHECKING:
    from upload_client.core.custody import Event
    from upload_client.core.hand_over import HandOver
    from upload_client.functions.hand_over.removal import Why
    from upload_client.receiver.accounts import Accounts
    from upload_client.receiver.operator import Duty
    from upload_client.receiver.stack import Delivery, Receiver
    from upload_client.validator.settings import ValidatorSettings

__all__ = ["receiver"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_A_DELIVERY = "--dataset survey7 --delivery-id 1"
_HOW = "\\\n    --user maria"  # on a second line


def _examples(*rows: tuple[str, str]) -> tuple[Section, ...]:
    return (Section("Examples", rows),)


@click.group(
    cls=Group,
    short_help="For receivers: deploy the receiving end, invite providers, judge.",
    sections=_examples(
        ("upload-client receiver template -o receiver.yaml", "what CloudFormation deploys"),
        ("upload-client receiver package", "the code of its functions"),
        (f"upload-client receiver invite {_A_DELIVERY} {_HOW} --email maria@provider.example", ""),
        (f"upload-client receiver show {_A_DELIVERY}", ""),
    ),
)
def receiver() -> None:
    """Put up the receiving end at AWS, invite providers to it, and see who may deliver what.

    docs/receiver.md goes through it from the first command to the first delivery.
    """


def _of_a_stack(command: Callable[..., Any]) -> Callable[..., Any]:
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


def _of_a_receiver(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say whose settings count, for `_settings`."""
    return click.option(
        "--on", metavar="FILE", type=_FILE, help="Not at AWS: the configuration of `receiver serve`."
    )(_of_a_stack(command))


def _of_a_delivery(command: Callable[..., Any]) -> Callable[..., Any]:
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


_sample_option = click.option("--sample", is_flag=True, help="The small sample agreed on first.")
_note_option = click.option(
    "--note", default="", metavar="TEXT", callback=_one_line, help="What the provider is told, one line."
)


def _open(stack: str, region: str | None) -> Receiver:
    from upload_client.receiver.stack import Receiver  # noqa: PLC0415 # imports boto3

    return Receiver(stack, region=_region(region))


def _region(given: str | None) -> str | None:
    """Which region; boto3 by itself does not look at the first of AWS' variables for it."""
    return given or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def _print(kind: str, values: Mapping[str, Any]) -> None:
    click.echo(json.dumps({"schema_version": 1, "kind": kind, **values}))


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(for_terminal(line))


@receiver.command(
    cls=Command,
    short_help="Write the CloudFormation template.",
    sections=_examples(
        ("upload-client receiver template -o receiver.yaml", "one validator for each delivery"),
        ("upload-client receiver template --fan-out 8 -o receiver.yaml", "eight, which share its files"),
        ("upload-client receiver template --definition", "what runs the eight, by itself"),
        (
            "upload-client receiver template \\\n    --hand-over 's3://archive/{dataset}/{delivery_id}/'",
            "what moves complete deliveries on",
        ),
    ),
)
@click.option("-o", "--output", metavar="FILE", type=_FILE, help="Where  [default: standard output]")
@click.option(
    "--fan-out",
    type=click.IntRange(1, MAX_SHARDS),
    metavar="N",
    help=f"Let N validators (at most {MAX_SHARDS}) share the files of a delivery, run by Step Functions.",
)
@click.option(
    "--definition", is_flag=True, help="Only the state machine that runs them, as JSON, to deploy otherwise."
)
@click.option("--delivery", is_flag=True, help="What `invite` deploys for each delivery.")
@click.option(
    "--hand-over",
    metavar="S3-URI",
    help="What hands complete deliveries over into an archive, as a stack of its own.",
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

    It is to be read: each part says what it is for.
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
    if output is None:
        click.echo(text, nl=False)
        return
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415

    if not force:
        check_free(output, None)
    with replacing(output) as file:
        file.write(text)


@receiver.command(
    cls=Command,
    short_help="Build the zip of the validator's functions.",
    sections=_examples(
        ("upload-client receiver package", ""),
        ("upload-client receiver package --functions", "the functions around a delivery"),
    ),
)
@click.option("--functions", is_flag=True, help="The functions around a delivery, not the validator's.")
@click.option("-o", "--output", metavar="ZIP", type=_FILE, help="Where  [default: named by its content]")
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@debug_option
def package(*, functions: bool, output: Path | None, force: bool, as_json: bool) -> None:
    """Build the zip that the validator's Lambda functions run from.

    It holds upload_client's validator, or with --functions the functions around a delivery, and what they
    need of upload_client. What else they need comes with layers, which are named. The same code makes the
    same zip, under the same name.
    """
    from upload_client.receiver import packaging  # noqa: PLC0415 # not for --help
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415

    what: packaging.Content = "functions" if functions else "validator"
    layers = packaging.FUNCTION_LAYERS if functions else packaging.LAYERS
    content = packaging.lambda_zip(what)
    path = output or Path(packaging.default_name(content, what))
    if not force:
        check_free(path, "package")
    with replacing(path) as file:
        file.buffer.write(content)
    if as_json:
        _print("package", {"path": str(path), "n_bytes": len(content), "layers": layers})
        return
    _say(f"{path}  {len(content):,} bytes", "beside boto3, which Lambda has, it needs")
    _say(*(f"  {brings}: {layer}" for layer, brings in layers.items()))


def _accounts(configuration: Path) -> Accounts:
    """The users of a store, by the configuration of `receiver serve`."""
    from upload_client.receiver.accounts import Accounts  # noqa: PLC0415 # imports boto3
    from upload_client.receiver.serving.configuration import read_configuration  # noqa: PLC0415

    return Accounts(read_configuration(configuration))


_on_option = click.option(
    "--on",
    metavar="FILE",
    type=_FILE,
    help="Not at AWS: the configuration of `receiver serve`. Users are made by the store's IAM API.",
)


@receiver.command(
    cls=Command,
    short_help="Print the policy of who may do one delivery.",
    sections=_examples((f"upload-client receiver policy {_A_DELIVERY} --on receiver.toml", "")),
)
@_of_a_delivery
@click.option(
    "--on", metavar="FILE", type=_FILE, required=True, help="The configuration of `receiver serve`."
)
@debug_option
def policy(*, dataset: str, delivery_id: str, on: Path) -> None:
    """Print the IAM policy of who may do one delivery and nothing else, as JSON, to be attached by hand."""
    click.echo(json.dumps(_accounts(on).policy(dataset, delivery_id), indent=2))


@receiver.command(
    "operator-policy",
    cls=Command,
    short_help="Print the least that an operator needs.",
    sections=_examples(
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
)
@click.option(
    "--for",
    "duties",
    multiple=True,
    required=True,
    type=click.Choice(["invite", "look-after", "accounts", "serve"]),
    metavar="DUTY",
    help="invite, look-after; with --on: accounts (who invites), serve. It may be given several times.",
)
@click.option("--on", metavar="FILE", type=_FILE, help="Not at AWS: the configuration of `receiver serve`.")
@_of_a_stack
def operator_policy(
    *, duties: tuple[Duty, ...], on: Path | None, stack: str, region: str | None, as_json: bool
) -> None:
    """Print the IAM policy of whoever runs these commands and does nothing else, as JSON.

    docs/receiver.md has its table: what each permission is for. Who invites makes roles, and who deploys the
    template as well: see there what that means.
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
        opened = _open(stack, region)
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
        _print("policy", {"for": duties, "policy": document})
    else:
        click.echo(json.dumps(document, indent=2))


@receiver.command(
    cls=Command,
    short_help="Try what your store keeps to, for a delivery.",
    sections=_examples((f"upload-client receiver probe {_A_DELIVERY} --on receiver.toml", "")),
)
@_of_a_delivery
@click.option(
    "--on", metavar="FILE", type=_FILE, required=True, help="The configuration of `receiver serve`."
)
@click.option("--endpoint", metavar="URL", help="Where providers reach the store.  [default: as in FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@debug_option
def probe(*, dataset: str, delivery_id: str, on: Path, endpoint: str | None, as_json: bool) -> int:
    """Try what the store keeps to, and write it down for one delivery.

    So its client need not try it, where your policy does not let it. It is believed for 7 days, at this
    endpoint alone. Exit code 14: the store is not safe for a delivery.
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
        _say(*(f"{one.use.value:12}  {one.reason}" for one in judged), "", profile.in_a_line)
    return ExitCode.STORE_UNSAFE if profile.refused() else ExitCode.OK


@receiver.command(
    cls=Command,
    short_help="Let somebody deliver.",
    sections=_examples(
        (
            f"upload-client receiver invite {_A_DELIVERY} {_HOW} --email maria@provider.example",
            "a temporary password is mailed",
        ),
        (f"upload-client receiver invite {_A_DELIVERY} {_HOW} --ask-password", "you set one"),
        (f"upload-client receiver invite {_A_DELIVERY} {_HOW} --on receiver.toml", "on your own storage"),
    ),
)
@_of_a_delivery
@click.option("--user", required=True, metavar="NAME", help="Who. A user who is not there yet is made.")
@click.option("--email", metavar="ADDRESS", help="Where Cognito mails a new user's temporary password.")
@click.option("--resend", is_flag=True, help="Mail another one to a user who has never logged in.")
@click.option("--ask-password", is_flag=True, help="Ask for a temporary password, and mail nothing.")
@click.option(
    "-o", "--output", metavar="FILE", type=_FILE, help="The profile  [default: DATASET_DELIVERY_USER.toml]"
)
@_on_option
@click.option("--endpoint", metavar="URL", help="With --on: where providers reach the store.")
@force_option
@_of_a_stack
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
    """Let somebody deliver one delivery, and write the profile to send to them.

    They may write and read what is theirs of this delivery, and nothing else. The profile holds no password.
    It may be repeated: what is as it should be is left so. With --on a new user's key is written beside it,
    into a file that only you can read.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help

    path = output or Path(re.sub(r"[^\w.@+-]", "_", f"{dataset}_{delivery_id}_{user}.toml"))
    if not force:
        check_free(path, "invitation")
    if on is not None:
        if email or resend or ask_password:
            raise UsageError("--email, --resend and --ask-password are for Cognito: leave them out with --on")
        keys = path.with_suffix(".keys")
        if keys == path:
            raise UsageError(f"{path} is where their key would be written: name another file for the profile")
        accounts = _accounts(on)
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
        told = [*admitted.did, f"wrote {path}: send it to them"]
        if admitted.keys is not None:
            told.append(f"wrote {keys}: send it to them on another way")
        if as_json:
            _print("invitation", {"dataset": dataset, "delivery_id": delivery_id, "user": user, "did": told})
            return
        _say(*told)
        return
    if endpoint:
        raise UsageError("--endpoint says where a store of your own is reached: it needs --on")
    opened = _open(stack, region)
    password = None
    if ask_password:
        password = click.prompt("Temporary password", hide_input=True, confirmation_prompt=True, err=True)
    done = opened.invite(dataset, delivery_id, user, email=email, temporary_password=password, resend=resend)
    with replacing(path) as file:
        file.write(done.profile)
    if as_json:
        _print("invitation", {**vars(done.delivery), "user": user, "profile": str(path), "did": done.did})
        return
    _say(*done.did, f"wrote {path}: send it to them")


@receiver.command(
    "list",
    cls=Command,
    short_help="List the deliveries somebody is invited to.",
    sections=_examples(("upload-client receiver list --json", "")),
)
@_on_option
@_of_a_stack
def list_(*, on: Path | None, stack: str, region: str | None, as_json: bool) -> None:
    """List the deliveries somebody is invited to, since when, and to where they were handed over."""
    if on is not None:
        invited = sorted(_accounts(on).deliveries())
        if as_json:
            names = ("dataset", "delivery_id", "user")
            _print("deliveries", {"deliveries": [dict(zip(names, one, strict=True)) for one in invited]})
            return
        _say(*(f"{dataset}/{delivery_id}  {user}" for dataset, delivery_id, user in invited))
        return
    opened = _open(stack, region)
    found = list(opened.deliveries())
    handed = _handed_over(opened, found)
    if as_json:
        told = [
            {**vars(one), "hand_over": None if record is None else record.as_json()}
            for one, record in zip(found, handed, strict=True)
        ]
        _print("deliveries", {"deliveries": told})
        return
    width = max((len(f"{one.dataset}/{one.delivery_id}") for one in found), default=0)
    _say(
        *(
            f"{one.dataset + '/' + one.delivery_id:<{width}}  {one.invited}"
            + ("" if record is None else f"  handed over to {record.archive}")
            for one, record in zip(found, handed, strict=True)
        )
    )
    click.echo(counted(len(found), "delivery", "deliveries"), err=True)


@receiver.command(
    cls=Command,
    short_help="Show who may deliver a delivery, and where it goes.",
    sections=_examples((f"upload-client receiver show {_A_DELIVERY}", "")),
)
@_of_a_delivery
@_of_a_stack
def show(*, dataset: str, delivery_id: str, stack: str, region: str | None, as_json: bool) -> None:
    """Show who may deliver a delivery, with which role, and where it goes."""
    opened = _open(stack, region)
    delivery = opened.delivery(dataset, delivery_id)
    users = opened.users(delivery)
    places = _places(opened, delivery)
    if as_json:
        _print("delivery", {**vars(delivery), **places, "users": [vars(user) for user in users]})
        return
    _say(f"delivery  {dataset}/{delivery_id}, invited {delivery.invited}", f"role      {delivery.role_arn}")
    _say(f"landing   {places['landing']}", f"control   {places['control']}")
    status = {"CONFIRMED": "has logged in", "FORCE_CHANGE_PASSWORD": "has not logged in yet"}
    disabled = {True: "", False: ", disabled"}
    _say(
        *(
            f"user      {user.name}: {status.get(user.status, user.status)}{disabled[user.enabled]}"
            for user in users
        )
    )


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


@receiver.command(
    cls=Command,
    short_help="Let somebody, or nobody any more, deliver.",
    sections=_examples(
        (f"upload-client receiver revoke {_A_DELIVERY} --user maria", "one user"),
        (f"upload-client receiver revoke {_A_DELIVERY}", "all of them"),
    ),
)
@_of_a_delivery
@click.option("--user", metavar="NAME", help="Whose invitation ends  [default: everybody's]")
@_on_option
@_of_a_stack
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
    """End the invitation of one user to a delivery, or of all. What has landed stays.

    Without --user the delivery's role goes too, and with it at once whatever was logged in. A user whose last
    delivery this was can no longer log in.
    """
    if on is not None:
        did = _accounts(on).revoke(dataset, delivery_id, user)
    else:
        did = _open(stack, region).revoke(dataset, delivery_id, user)
    if as_json:
        _print("revocation", {"dataset": dataset, "delivery_id": delivery_id, "user": user, "did": did})
    else:
        _say(*did)


@receiver.command(
    "close",
    cls=Command,
    short_help="Say that a delivery was taken over: nothing more is sent.",
    sections=_examples(
        (f"upload-client receiver close {_A_DELIVERY} \\\n    --note 'in the archive since Monday'", ""),
        (f"upload-client receiver close {_A_DELIVERY} --reopen", "it may be delivered again"),
    ),
)
@_of_a_delivery
@_sample_option
@_note_option
@click.option("--reopen", is_flag=True, help="Take it back: the delivery goes on.")
@_of_a_receiver
def close(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    note: str,
    reopen: bool,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """Close a delivery that was taken over, by whatever means.

    A provider who runs the same command again is told so, with exit code 0, and nothing is sent again,
    although the files are no longer where they landed. (After `receiver hand-over --remove` that is so by
    itself.) The settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else of the receiver's
    stack.
    """
    import contextlib  # noqa: PLC0415 # not for --help
    import time  # noqa: PLC0415 # not for --help

    from upload_client.core.closing import Closed  # noqa: PLC0415 # not for --help
    from upload_client.core.custody import Happened  # noqa: PLC0415 # not for --help
    from upload_client.core.times import timestamp  # noqa: PLC0415 # not for --help
    from upload_client.errors import NotComplete  # noqa: PLC0415 # not for --help
    from upload_client.receipts.custody import record_last  # noqa: PLC0415 # imports boto3
    from upload_client.receiver.process import control_bucket, recorder  # noqa: PLC0415 # imports boto3

    settings = _settings(stack, region, on)
    by = recorder(settings)
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    control = control_bucket(settings, layout)
    if reopen:
        control.rm(layout.closed)
    else:
        control.put(
            layout.closed, Closed(timestamp(time.time()), note).encode(), content_type="application/json"
        )
    n = None
    if by is not None:
        with contextlib.suppress(NotComplete):  # of what has no receipt nothing can be chained to it
            event: Event = "reopened" if reopen else "closed"
            n = record_last(control, layout, Happened(event, note=note), by).n
    if as_json:
        told = {"dataset": dataset, "delivery_id": delivery_id, "closed": not reopen, "note": note}
        _print("closing", {**told, "custody_record": n})
    else:
        _say(f"{dataset}/{delivery_id} is {'open again' if reopen else 'closed: nothing more is sent'}")
        if n is not None:
            _say(f"record {n} of its custody chain")


@receiver.command(
    "remove",
    cls=Command,
    short_help="Remove a delivery that is withdrawn, or whose time is over.",
    sections=(
        *_examples(
            (
                f"upload-client receiver remove {_A_DELIVERY} \\\n    --because withdrawn",
                "",
            ),
        ),
        Section(
            "Exit codes",
            (
                ("0", "removed, or it was before"),
                ("1", "a bucket refuses, or what is there is not as it should be"),
                ("8", "there is no receipt: the delivery is not complete"),
                ("11", "it is handed over, removed or delivered to at this moment: run it again later"),
            ),
        ),
    ),
)
@_of_a_delivery
@_sample_option
@click.option(
    "--because",
    "why",
    required=True,
    type=click.Choice(["withdrawn", "expired"]),
    metavar="WHY",
    help="withdrawn, or expired: the time to keep it is over.",
)
@_note_option
@_of_a_receiver
def remove(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    why: Why,
    note: str,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """Close a complete delivery and delete from landing what its receipt names, each object on its ETag.

    What was replaced since, and what lies there besides, stays. Where the receiver has a `signing_key`, it is
    recorded in the custody chain of the receipt, which stays as it is. It may be run again: it goes on. The
    settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else of the receiver's stack.
    """
    from upload_client.functions.hand_over.removal import Removal, remove_delivery  # noqa: PLC0415
    from upload_client.functions.hand_over.work import read_receipt  # noqa: PLC0415
    from upload_client.receiver.process import buckets, recorder  # noqa: PLC0415 # imports boto3

    settings = _settings(stack, region, on)
    by = recorder(settings)
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    control, landing = buckets(settings, layout)
    _, files, sha256, head = read_receipt(control, layout)
    removed, made = remove_delivery(
        Removal(control, landing, layout, why, note, by),
        (head, sha256, files),
        (lambda _: None) if as_json else _say,
    )
    if as_json:
        told = {"dataset": dataset, "delivery_id": delivery_id, "because": why, "removed": removed.n}
        _print(
            "removal", {**told, "stay": removed.n_stay, "custody_record": None if made is None else made.n}
        )
    elif made is None:
        _say("not recorded: the receiver has no `signing_key` (docs/receipt.md, Custody)")


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


@receiver.command(
    cls=Command,
    short_help="Be the validator of a delivery, here.",
    sections=_examples(
        (f"upload-client receiver validate {_A_DELIVERY}", "once, for example from cron"),
        (f"upload-client receiver validate {_A_DELIVERY} --watch", "in a container"),
        (
            f"upload-client receiver validate {_A_DELIVERY} \\\n    --watch --shard 0/2",
            "one of two containers",
        ),
    ),
)
@_of_a_delivery
@_sample_option
@click.option("--watch", is_flag=True, help="Go on for every client that comes, until Ctrl-C or SIGTERM.")
@click.option(
    "--shard",
    metavar="K/N",
    default="0/1",
    show_default=True,
    callback=_shard,
    help="Be one of N validators, number K (from 0): run one process for each, 0/N to N-1/N. Each judges its"
    " own part of the files. N is the receiver's `shards`.",
)
@_of_a_receiver
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

    Without --watch: for the client that is there, until it ends; or what the last one has left unjudged. The
    settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else of the receiver's stack.
    """
    import signal  # noqa: PLC0415 # not for --help

    from upload_client.errors import UsageError  # noqa: PLC0415
    from upload_client.receiver.process import Process  # noqa: PLC0415 # imports boto3

    settings = _settings(stack, region, on)
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
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: process.stop())
    readers = process.readers()
    if not as_json:
        _say(f"a reader worker here: {readers}")
    if watch:
        process.watch()
        return 0
    outcome = process.once()
    if as_json:
        told = {"dataset": dataset, "delivery_id": delivery_id, "outcome": outcome, "readers": readers}
        _print("validation", told)
    else:
        _say(f"the validator left: {outcome}" if outcome else "there is nothing to judge")
    return _EXIT_CODES[outcome] if outcome else 0


@receiver.command(
    cls=Command,
    short_help="Receive all deliveries, on any S3.",
    sections=(
        *_examples(("upload-client receiver serve receiver.toml", "until Ctrl-C or SIGTERM")),
        Section("Exit codes", (("0", "it was stopped"), ("2", "wrong usage, or a wrong configuration"))),
    ),
)
@click.argument("configuration", metavar="FILE", type=_FILE)
def serve(*, configuration: Path) -> int:
    """Judge every delivery whose client comes, and tell how it has ended.

    FILE (TOML) names the buckets, and in the table [serve] what else there is (docs/receiving.md). The
    credentials are those that boto3 finds. Any number of these processes may run at once, on several
    machines. Needs the extra: pip install 'upload-client[serve]'.
    """
    import logging  # noqa: PLC0415 # not for --help
    import signal  # noqa: PLC0415

    from upload_client.errors import UsageError  # noqa: PLC0415

    try:
        from upload_client.receiver.serving.configuration import read_configuration  # noqa: PLC0415
        from upload_client.receiver.serving.pages import serve_pages  # noqa: PLC0415 # imports boto3
        from upload_client.receiver.serving.server import Server  # noqa: PLC0415
    except ImportError as error:
        if error.name is None or not error.name.startswith(("prometheus_client", "filelock")):
            raise
        raise UsageError(
            f"{error.name} is not installed", hint="pip install 'upload-client[serve]'"
        ) from None
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
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    pages = serve_pages(server, found.serve.listen) if found.serve.listen else None
    where = f", http://{found.serve.listen}/" if pages else ""
    _say(f"a reader worker here: {server.readers()}", f"waiting for clients{where}")
    try:
        server.run()
    finally:
        if pages is not None:
            pages.shutdown()
    return 0


@receiver.command(
    cls=Command,
    short_help="Show and mend what nobody can go on from.",
    sections=_examples(
        (f"upload-client receiver repair {_A_DELIVERY}", "shows what is wrong, and changes nothing"),
        (f"upload-client receiver repair {_A_DELIVERY} --mend", "sets it aside"),
    ),
)
@_of_a_delivery
@click.option("--mend", is_flag=True, help="Set aside what is wrong. Nothing is deleted.")
@_of_a_receiver
def repair(
    *,
    dataset: str,
    delivery_id: str,
    mend: bool,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> int:
    """Look for control keys that no run can have written, and because of which nobody can go on.

    An index or a lock of the last epoch that there is, a segment beyond the end of a log, a log that is no
    chain. With --mend they are moved to aside/ below the delivery's keys. It exits with 2 where something is
    wrong that has not been mended.
    """
    from upload_client.receiver.process import control_bucket  # noqa: PLC0415 # imports boto3
    from upload_client.receiver.repair import Repair  # noqa: PLC0415

    settings = _settings(stack, region, on)
    layout = settings.layout(dataset, delivery_id)
    work = Repair(control_bucket(settings, layout), layout)
    faults = work.look()
    done = []
    if mend:
        for sentence in work.mend(faults):
            done.append(sentence)
            if not as_json:
                _say(sentence)
        faults = work.look()
    if as_json:
        told = [{"what": fault.what, "keys": list(fault.keys)} for fault in faults]
        _print("repair", {"dataset": dataset, "delivery_id": delivery_id, "faults": told, "done": done})
    else:
        for fault in faults:
            _say(fault.what)
            _say(*(f"  {key}" for key in fault.keys[:10]))
            if (more := len(fault.keys) - 10) > 0:
                _say(f"  and {more:,} more")
        if not faults:
            _say("nothing is wrong")
        elif not mend:
            _say(
                "",
                "Where a segment is damaged or missing, restore its last good version: docs/runbook.md.",
            )
            _say("Else --mend sets all of this aside; what was said in it is found out again.")
    return 2 if faults else 0


@receiver.group(
    cls=Group,
    short_help="Make or show the key that signs receipts.",
    sections=_examples(
        ("upload-client receiver key make receiver.key", "a private key, and receiver.pub.pem"),
        ("upload-client receiver key export arn:aws:kms:…:key/…", "the public half of a key of AWS KMS"),
    ),
)
def key() -> None:
    """Make or show the key with which the receiver signs the receipts of complete deliveries.

    docs/receipt.md says how providers and auditors hold a receipt against it.
    """


@key.command(
    cls=Command,
    short_help="Make a key, in a file.",
    sections=_examples(("upload-client receiver key make receiver.key", "")),
)
@click.argument("file", type=_FILE)
@debug_option
def make(*, file: Path) -> None:
    """Make an Ed25519 key in FILE, which only you can read, and its public half in FILE.pub.pem.

    Nothing is replaced. Keep FILE where the validator runs (setting `signing_key`), and a copy where it does
    not; give the public half to providers and auditors.
    """
    from upload_client.receipts.signing import make_key  # noqa: PLC0415 # cryptography is an extra
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help

    public = file.with_name(file.name.removesuffix(".key") + ".pub.pem")
    check_free(public, None, hint="Name another file for the key.")
    made = make_key(file)
    with replacing(public) as written:
        written.write(made.pem)
    _say(
        f"private  {file}",
        f"public   {public}",
        f"its id   {made.key_id}",
        f"in one line, for settings: {made.line}",
    )


@key.command(
    cls=Command,
    short_help="Show the public half of a key.",
    sections=_examples(
        ("upload-client receiver key export receiver.key", ""),
        ("upload-client receiver key export alias/receipts -o receiver.pem", "of AWS KMS"),
    ),
)
@click.argument("key_name", metavar="KEY")
@click.option("-o", "--output", metavar="FILE", type=_FILE, help="Where  [default: standard output]")
@force_option
@click.option("--region", metavar="NAME", help="AWS region  [default: that of your AWS setup]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@log_file_option
@debug_option
def export(*, key_name: str, output: Path | None, force: bool, region: str | None, as_json: bool) -> None:
    """Write the public half of KEY in PEM: a file, the ARN of a secret, or the ARN or alias of a KMS key."""
    from upload_client.receipts.signing import open_key  # noqa: PLC0415 # cryptography is an extra
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help

    if name := _region(region):
        os.environ["AWS_DEFAULT_REGION"] = name  # for all the clients of this process
    public = open_key(key_name).public
    if as_json:
        _print("key", {"key_id": public.key_id, "pem": public.pem, "line": public.line})
    if output is not None:
        if not force:
            check_free(output, None)
        with replacing(output) as file:
            file.write(public.pem)
    elif not as_json:
        click.echo(public.pem, nl=False)


@receiver.command(
    cls=Command,
    short_help="Sign the receipt of a complete delivery.",
    sections=(
        *_examples((f"upload-client receiver sign {_A_DELIVERY} \\\n    --key receiver.key", "")),
        Section(
            "Exit codes",
            (
                ("0", "signed, or it was before"),
                ("2", "wrong usage, or a key that cannot be used"),
                ("3", "the logs do not prove what the receipt says: what, is told"),
            ),
        ),
    ),
)
@_of_a_delivery
@_sample_option
@click.option(
    "--key",
    "key_name",
    metavar="KEY",
    help="A file, or the ARN of a secret or of a KMS key.  [default: the receiver's `signing_key`]",
)
@_of_a_receiver
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
    """Sign the last receipt of a delivery, where the receiver's own logs prove each line of it.

    The validator does it by itself where its setting `signing_key` says with what; this is for deliveries
    that were complete before. The settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else of
    the receiver's stack.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415
    from upload_client.receipts.signing import open_key  # noqa: PLC0415 # cryptography is an extra
    from upload_client.receiver.process import buckets  # noqa: PLC0415 # imports boto3
    from upload_client.validator.countersigning import NotSigned, countersign_last  # noqa: PLC0415

    settings = _settings(stack, region, on)
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
            _print(
                "signature",
                {"dataset": dataset, "delivery_id": delivery_id, "signed": False, "why": str(error)},
            )
        else:
            _say(f"not signed: {error}")
        return 3
    told = {
        "dataset": dataset,
        "delivery_id": delivery_id,
        "signed": True,
        "sha256": statement.sha256,
        "signed_at": statement.signed_at,
        "key_id": opened.public.key_id,
    }
    if as_json:
        _print("signature", told)
    else:
        files = counted(statement.n_files, "file")
        _say(f"signed: {files}, SHA-256 {statement.sha256}", f"by the key {opened.public.key_id}")
    return 0


@receiver.command(
    "hand-over",
    cls=Command,
    short_help="Move a complete delivery on into an archive, with proof.",
    sections=(
        *_examples(
            (f"upload-client receiver hand-over {_A_DELIVERY} \\\n    --to s3://archive/survey7/1/", ""),
            (
                f"upload-client receiver hand-over {_A_DELIVERY} \\\n    --to s3://archive/s7/ --remove",
                "and remove it from landing",
            ),
        ),
        Section(
            "Exit codes",
            (
                ("0", "handed over, or it was before"),
                ("1", "landing or archive is not what the receipt names: what, is told"),
                ("8", "the delivery is not complete"),
                (
                    "11",
                    "somebody else hands it over, or the provider is at work while files are to be removed",
                ),
            ),
        ),
    ),
)
@_of_a_delivery
@_sample_option
@click.option("--to", required=True, metavar="S3-URI", help="The archive: s3://BUCKET/PREFIX/")
@click.option(
    "--keep/--remove", default=True, show_default=True, help="Leave the files in landing, or remove them."
)
@click.option("--notify", "topic", metavar="ARN", help="An SNS topic that gets the record as JSON.")
@_of_a_receiver
def hand_over(
    *,
    dataset: str,
    delivery_id: str,
    sample: bool,
    to: str,
    keep: bool,
    topic: str | None,
    on: Path | None,
    stack: str,
    region: str | None,
    as_json: bool,
) -> None:
    """Copy what a receipt names into an archive, prove it there, record it; then, if asked, remove it here.

    Each file is copied on the receipt's ETag, and has the receipt's CRC32 and size in the archive before
    anything is recorded; nothing is removed before that. It may be run again at any time: it goes on, and
    done twice it does nothing. The settings are those of --on, else of UPLOAD_CLIENT_VALIDATOR (JSON), else
    of the receiver's stack. docs/hand-over.md goes through it.
    """
    import boto3  # noqa: PLC0415 # not for --help

    from upload_client.functions.hand_over.work import Job, notifier  # noqa: PLC0415
    from upload_client.functions.hand_over.work import hand_over as carry_out  # noqa: PLC0415
    from upload_client.receiver.process import buckets, recorder  # noqa: PLC0415
    from upload_client.s3 import clients  # noqa: PLC0415

    settings = _settings(stack, region, on)
    layout = settings.layout(dataset, delivery_id, "sample" if sample else "staging")
    control, landing = buckets(settings, layout)
    client = clients.s3_client(boto3.Session(), settings, pool=64, read_timeout=300.0)
    done = carry_out(
        Job(
            control,
            landing,
            layout,
            layout.fill(to),
            client,
            remove=not keep,
            notify=None if topic is None else notifier(topic, settings),
            recorder=recorder(settings),
        ),
        (lambda _: None) if as_json else _say,
    )
    if as_json:
        told = {"copied": done.copied, "removed": done.removed, "did_nothing": done.did_nothing}
        _print("hand_over", {**told, "record": done.record.as_json()})
        return
    record = done.record
    files = counted(record.n_files, "file")
    _say(
        f"{'was' if done.did_nothing else 'is'} handed over: {files}, {record.n_bytes:,} bytes,"
        f" {record.archive}"
    )


def _settings(stack: str, region: str | None, on: Path | None) -> ValidatorSettings:
    """The receiver's settings: of a file, else of this environment, else of its stack.

    The region becomes that of all the clients of this process.
    """
    from upload_client.receiver.process import settings_of  # noqa: PLC0415 # imports boto3
    from upload_client.validator.settings import ENVIRONMENT_VARIABLE, ValidatorSettings  # noqa: PLC0415

    name, found = _region(region), None
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
    return settings_of(_open(stack, region))
