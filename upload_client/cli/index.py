"""``upload-client index``: write the file index of a directory or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.completion import folders
from upload_client.cli.help import Command, examples, exit_codes
from upload_client.cli.options import (
    Chosen,
    choice_options,
    debug_option,
    force_option,
    log_file_option,
    output_option,
    patience_option,
    plain_http_option,
    profile_option,
    refuse_at_once,
)
from upload_client.cli.reading_progress import ReadingProgress
from upload_client.core.manifests import WRITTEN, Format, named_format
from upload_client.core.text import for_terminal

if TYPE_CHECKING:
    from upload_client.core.own_files import Kind
    from upload_client.index import Files
    from upload_client.s3.bucket import Bucket

_OURS: dict[Format, Kind] = {"csv": "index", "tsv": "index", "parquet": "index"}
"""Lists that can be told from those of others, so that an older one is replaced."""
SHOWN = 10
"""Files left out that are named."""


@click.command(
    cls=Command,
    short_help="Write the file index of a directory.",
    sections=(
        examples(
            ("upload-client index /data/survey7", "as index.csv in that folder"),
            ("upload-client index . -o ../manifest-sha256.txt", "for BagIt; also .tsv, .parquet"),
            ("upload-client index . --exclude '*.tmp' --exclude drafts/ -o index.csv", ""),
        ),
        exit_codes(("0", "written"), ("2", "some file cannot be delivered, or wrong usage")),
    ),
)
@click.argument("source", shell_complete=folders)
@output_option("Where to write it.  [default: index.csv in SOURCE]")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(WRITTEN),
    help="The kind of list; s3: for S3 Batch.  [default: by FILE's name]",
)
@click.option("--no-checksums", is_flag=True, help="Write names and sizes only, and read no file.")
@choice_options
@force_option
@profile_option
@patience_option
@plain_http_option
@log_file_option
@debug_option
def index(
    *,
    source: str,
    output: Path | None,
    as_format: Format | None,
    no_checksums: bool,
    chosen: Chosen,
    force: bool,
    profile: str | None,
    patience: str | None,
) -> None:
    """Write the file index of SOURCE: path, CRC32 and size of each file.

    A delivery by this index proves that what is sent is what was indexed. SOURCE is a directory, or
    s3://bucket/prefix (without checksums). A PATTERN is written as in a .gitignore: * and ? match characters
    of one name, ** any number of folders; without a / it matches in every folder.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.index import sources  # noqa: PLC0415 # not for --help
    from upload_client.support import figures  # noqa: PLC0415 # not for --help
    from upload_client.support.atomic import check_free  # noqa: PLC0415 # not for --help
    from upload_client.support.in_use import note  # noqa: PLC0415 # not for --help
    from upload_client.support.inputs import one_reader  # noqa: PLC0415 # not for --help

    kind = as_format or (named_format(output.name) if output is not None else None) or "csv"
    one_reader(exclude_from=chosen.exclude_from, profile=profile)
    if output is None and kind != "csv":
        raise UsageError(
            f"no file is named for the {kind} list",
            hint="Name it with -o, outside SOURCE unless it belongs to the delivery.",
        )
    target = output or (Path(sources.INDEX) if sources.is_bucket(source) else Path(source) / sources.INDEX)
    if output is not None or target.parent.is_dir():  # else it is the source that is not there
        check_free(target, _OURS.get(kind), force=force)
    note(target, "the list that is written")
    own = None
    if sources.is_bucket(source):
        from upload_client.cli.options import own_settings, waiting  # noqa: PLC0415 # for buckets alone

        own = own_settings(profile, {"patience": patience})
    choice = chosen.choice(own)
    refuse_at_once(source, choice)
    # What follows is long in loading: what is typed wrongly has been told.
    from upload_client.index import scan_files  # noqa: PLC0415 # not for --help
    from upload_client.index.loading import list_bucket  # noqa: PLC0415 # not for --help
    from upload_client.index.manifests import write_manifest  # noqa: PLC0415 # not for --help

    reading = click.get_current_context().with_resource(ReadingProgress())
    place: Path | Bucket
    if own is not None:
        from upload_client.aws.auth import open_session  # noqa: PLC0415 # imports boto3
        from upload_client.cli.prompt import find_prompt  # noqa: PLC0415 # imports boto3

        patiently = waiting(own)
        session = open_session(own, prompt=find_prompt(), patience=patiently)
        place = bucket = sources.bucket_of(source, session, own)
        files = patiently(lambda: list_bucket(bucket, choice))
        no_checksums = True
    else:
        place = folder = Path(source)
        no_checksums = no_checksums or kind == "bagit"  # which reads all files for other digests
        files = scan_files(folder, choice, checksums=not no_checksums, on_progress=reading)
    n_files = write_manifest(
        files,
        target,
        place,
        as_format=kind,
        on_progress=reading,
        check=lambda path: check_free(path, _OURS.get(kind), force=force),
    )
    reading.wipe()
    with_what = {"bagit": "with digests", "s3": "as bucket and key"}.get(
        kind, "without checksums" if no_checksums else "with checksums"
    )
    left_out = f" of {figures.files(len(files))}" if n_files != len(files) else ""
    size = "" if left_out else f"{figures.size(sum(size or 0 for size in files.sizes or ()))}, "
    click.echo(
        f"{for_terminal(str(target))}: {figures.files(n_files)}{left_out}, {size}{with_what}", err=True
    )
    _notify(files, place if isinstance(place, Path) else None)


def _notify(files: Files, folder: Path | None) -> None:
    """Tell which files are not in the list, and which may be in it by accident."""
    from upload_client.core import accidents  # noqa: PLC0415 # not for --help
    from upload_client.core.left_out import sentence  # noqa: PLC0415 # not for --help
    from upload_client.index import left_out_of  # noqa: PLC0415 # not for --help
    from upload_client.index.accidents import notice  # noqa: PLC0415 # not for --help

    left = left_out_of(files)
    if left.n:
        click.echo(sentence(left.counts), err=True)
    for path, why in left.named[:SHOWN]:
        click.echo(f"  {for_terminal(path)} ({for_terminal(why)})", err=True)
    if more := left.n - len(left.named[:SHOWN]):
        click.echo(f"  and {more:,} more", err=True)
    if odd := accidents.sentence(notice(files, folder)):
        click.echo(f"warning: {for_terminal(accidents.WARNING + odd)}", err=True)
