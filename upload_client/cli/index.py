"""``upload-client index``: write the file index of a directory or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from upload_client.cli.completion import folders
from upload_client.cli.help import Command, Section
from upload_client.cli.reading_progress import Told
from upload_client.core.manifests import FORMATS, Format, named_format
from upload_client.core.text import for_terminal
from upload_client.support.file_names import from_disk

if TYPE_CHECKING:
    from upload_client.s3.bucket import Bucket

__all__ = ["index"]


def _as_names(_context: click.Context, _option: click.Parameter, globs: tuple[str, ...]) -> tuple[str, ...]:
    """Compared with file names, they are spelled as those are."""
    return tuple(map(from_disk, globs))


@click.command(
    cls=Command,
    short_help="Write the file index of a directory.",
    sections=(
        Section(
            "Examples",
            (
                ("upload-client index /data/survey7", "as index.csv in that folder"),
                ("upload-client index . -o ../manifest-sha256.txt", "for BagIt; also .tsv, .parquet"),
                ("upload-client index . --exclude '*.tmp' --exclude drafts/ -o index.csv", ""),
            ),
        ),
        Section("Exit codes", (("0", "written"), ("2", "some file cannot be delivered, or wrong usage"))),
    ),
)
@click.argument("source", shell_complete=folders)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: index.csv in SOURCE]",
)
@click.option(
    "--format",
    "as_format",
    type=click.Choice(FORMATS),
    help="What kind of list; s3: for S3 Batch.  [default: by FILE's name]",
)
@click.option("--no-checksums", is_flag=True, help="No CRC32: names and sizes alone, without reading files.")
@click.option(
    "--include",
    multiple=True,
    metavar="GLOB",
    callback=_as_names,
    help="Only files that match.  [repeatable]",
)
@click.option(
    "--exclude", multiple=True, metavar="GLOB", callback=_as_names, help="No files that match.  [repeatable]"
)
@click.option("--debug", is_flag=True, hidden=True, expose_value=False)  # `main` looks for it
def index(
    *,
    source: str,
    output: Path | None,
    as_format: Format | None,
    no_checksums: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
) -> None:
    """Write the file index of SOURCE: path, CRC32 and size of each file.

    With it, what is delivered is proven to be what was indexed. SOURCE is a directory or s3://bucket/prefix
    (that without checksums). In a GLOB, * and ? stand for characters of one name and ** for any number of
    folders; without a / it is looked for in every folder.
    """
    from upload_client.cli import source as sources  # noqa: PLC0415 # imports pandas and boto3
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.index import scan  # noqa: PLC0415 # imports pandas
    from upload_client.index.manifests import write_manifest  # noqa: PLC0415 # imports pandas
    from upload_client.support import figures  # noqa: PLC0415 # not for --help

    kind = as_format or (named_format(output.name) if output is not None else None) or "csv"
    if output is None and kind != "csv":
        raise UsageError(
            f"where to write the {kind} list is not said",
            hint="Name it with -o, outside SOURCE unless it belongs to the delivery.",
        )
    told = Told()
    place: Path | Bucket
    if sources.is_bucket(source):
        from upload_client.aws.auth import open_session  # noqa: PLC0415 # imports boto3
        from upload_client.cli.place import waiting  # noqa: PLC0415 # for buckets alone
        from upload_client.cli.prompt import find_prompt  # noqa: PLC0415 # imports boto3
        from upload_client.settings import load_settings  # noqa: PLC0415 # imports pydantic

        settings = load_settings()
        patiently = waiting(settings)
        session = open_session(settings, prompt=find_prompt(), patience=patiently)
        place = bucket = sources.bucket_of(source, session, settings)
        frame = patiently(lambda: sources.list_bucket(bucket, include, exclude))
        target, no_checksums = output or Path(sources.INDEX), True
    else:
        place = folder = Path(source)
        no_checksums = no_checksums or kind == "bagit"  # which reads all files for other digests
        frame = scan(folder, include=include, exclude=exclude, checksums=not no_checksums, on_progress=told)
        target = output or folder / sources.INDEX
    n_files = write_manifest(frame, target, place, as_format=kind, on_progress=told)
    told.wipe()
    with_what = {"bagit": "with digests", "s3": "as bucket and key"}.get(
        kind, "without checksums" if no_checksums else "with checksums"
    )
    left_out = f" of {figures.files(len(frame))}" if n_files != len(frame) else ""
    size = "" if left_out else f"{figures.size(int(frame['size'].sum()))}, "
    click.echo(
        f"{for_terminal(str(target))}: {figures.files(n_files)}{left_out}, {size}{with_what}", err=True
    )
