"""``upload-client receiver …``: put up the receiving end, invite providers to it, judge what they deliver."""

from __future__ import annotations

import click

from upload_client.cli.help import Group, examples
from upload_client.cli.receiver.deliveries import close, hand_over, remove
from upload_client.cli.receiver.deployment import operator_policy, package, policy, template
from upload_client.cli.receiver.invitations import invite, list_, revoke, show
from upload_client.cli.receiver.options import A_DELIVERY, HOW
from upload_client.cli.receiver.signing import key, sign
from upload_client.cli.receiver.soundness import probe, repair
from upload_client.cli.receiver.validators import serve, validate

__all__ = ["receiver"]


@click.group(
    cls=Group,
    short_help="For receivers: deploy the receiving end, invite providers, validate.",
    sections=(
        examples(
            ("upload-client receiver template -o receiver.yaml", "what CloudFormation deploys"),
            ("upload-client receiver package", "the code of its functions"),
            (f"upload-client receiver invite {A_DELIVERY} {HOW} --email maria@provider.example", ""),
            (f"upload-client receiver show {A_DELIVERY}", ""),
        ),
    ),
)
def receiver() -> None:
    """Deploy the receiving end, invite providers to it, and see who may deliver what.

    These commands are for a receiver at AWS. On your own storage run `serve`: see `upload-client docs
    receiving`.
    """


for _command in (
    close,
    hand_over,
    remove,
    operator_policy,
    package,
    policy,
    template,
    invite,
    list_,
    revoke,
    show,
    key,
    sign,
    probe,
    repair,
    serve,
    validate,
):
    receiver.add_command(_command)
