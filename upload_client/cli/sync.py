"""``upload-client sync``: a folder that several people fill, each on their own machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from upload_client.cli.completion import folders
from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import debug_option, log_file_option


@click.command(
    cls=Command,
    short_help="Synchronise a folder with other people.",
    groups={
        "What": ("to", "name", "push", "pull", "select"),
        "How": ("on_conflict", "yes", "dry_run", "reset"),
    },
    sections=(
        examples(
            ("upload-client sync Data --to s3://bucket/trees --name Maria", "the first time"),
            ("upload-client sync Data", "from then on"),
            ("upload-client sync Data --pull --yes", "fetch all that others changed"),
            ("upload-client sync Data --to /mnt/shared/trees", "a directory on shared storage"),
        ),
        exit_codes(
            ("0", "both sides are the same, as far as was asked"),
            ("2", "nobody can be asked, or wrong usage"),
            ("3", "conflicts are left"),
            ("4", "something failed: see the message, and .S3/logs"),
            ("8", "something was not chosen"),
        ),
    ),
)
@click.argument(
    "folder", default="Data", type=click.Path(file_okay=False, path_type=Path), shell_complete=folders
)
@click.option(
    "--to",
    metavar="PLACE",
    help="The shared place: s3://bucket/prefix, or a directory. Needed the first time.",
)
@click.option("--name", metavar="NAME", help="Your name, as others will see it. Needed the first time.")
@click.option("--push", is_flag=True, help="Offer only what goes to PLACE.")
@click.option("--pull", is_flag=True, help="Offer only what comes from PLACE.")
@click.option("--select", multiple=True, metavar="PATTERN", help="Only files that match.  [repeatable]")
@click.option(
    "--on-conflict",
    type=click.Choice(["ask", "mine", "theirs", "both", "later"]),
    default="ask",
    show_default=True,
    help="What to do with a file that has changed on both sides.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Choose everything without asking; conflicts are resolved as --on-conflict says.",
)
@click.option("--dry-run", is_flag=True, help="Show what there is to choose, and change nothing.")
@click.option("--reset", is_flag=True, help="Delete the tables (.S3) on both sides, and no other file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout; nothing is asked.")
@log_file_option
@debug_option
def sync(*, folder: Path, to: str | None, as_json: bool, reset: bool, **options: Any) -> int:  # noqa: ANN401
    """Compare FOLDER with a shared place, and synchronise what you choose.

    What is new, changed or deleted on either side is offered in numbered tables; what you do not choose stays
    as it is. FOLDER is "Data" where none is named. Needs the extra: pip install 'upload-client[synchrony]'.
    """
    from upload_client.cli.signals import interruptible  # noqa: PLC0415 # not for --help
    from upload_client.errors import Interrupted  # noqa: PLC0415 # not for --help
    from upload_client.synchrony.platforms import reset_all, smart_sync  # noqa: PLC0415 # an extra

    platform, more = _place(folder, to)
    if as_json:
        from upload_client.synchrony.view import JsonView  # noqa: PLC0415 # an extra
        from upload_client.ui.lines import Lines  # noqa: PLC0415 # not for --help

        more["view"] = JsonView("S3" if platform == "S3" else "the shared folder", Lines("stdout").write)
    with interruptible():
        try:
            if reset:
                return 0 if reset_all(platform, datafolder=folder, yes=options["yes"], **more) else 8
            outcome = smart_sync(platform, datafolder=folder, **more, **options)
        except KeyboardInterrupt:
            interrupted = Interrupted()
            interrupted.hint = "What was done is written down; run the same command again to go on."
            raise interrupted from None
    return 0 if outcome is None else outcome.exit_code


def _place(folder: Path, to: str | None) -> tuple[str, dict[str, Any]]:
    """The platform, and its own arguments: as `to` says, else as the folder remembers."""
    from upload_client.synchrony.memory import Memory  # noqa: PLC0415 # an extra

    if to is None:
        return str(Memory(folder / ".S3").settings.get("platform", "S3")), {}
    if to.startswith("s3://"):
        bucket, _, prefix = to.removeprefix("s3://").partition("/")
        if not bucket:
            raise click.BadParameter(f"{to!r} names no bucket: s3://bucket/prefix", param_hint="--to")
        return "S3", {"aws_bkt": bucket, "aws_prfx": prefix}
    if "://" in to:
        raise click.BadParameter(f"{to!r} is neither s3://bucket/prefix nor a directory", param_hint="--to")
    return "folder", {"directory": to}
