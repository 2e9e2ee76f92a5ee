"""Options that the commands about a delivery share, and the login to its buckets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from upload_client.cli.completion import folders, profiles
from upload_client.core.manifests import FORMATS
from upload_client.core.text import for_terminal

if TYPE_CHECKING:
    from upload_client.control.delivery_buckets import DeliveryBuckets
    from upload_client.core.trust import Ask
    from upload_client.index import Choice
    from upload_client.settings import Settings
    from upload_client.support.patience import Patience

source_option = click.option(
    "--source",
    default=".",
    metavar="SOURCE",
    shell_complete=folders,
    help="A directory, or s3://bucket/prefix.  [default: the current directory]",
)
index_option = click.option(
    "--index",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="List of files: CSV, TSV, Parquet, BagIt or S3; - is standard input.  [default: index.csv in the"
    " source, if that is such a list; else all files]",
)
index_format_option = click.option(
    "--index-format",
    type=click.Choice(FORMATS),
    help="The kind of list, where its name and content do not show it.",
)
no_index_option = click.option(
    "--no-index", is_flag=True, help="Deliver all files, and ignore an index.csv in the source."
)
force_option = click.option("--force", is_flag=True, help="Overwrite the file, whatever it is.")


def output_option(help_text: str) -> Callable[..., Any]:
    """The option ``-o``, with its help."""
    return click.option(
        "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help=help_text
    )


engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "direct", "boto3"]),
    help="What sends the files: connections of this program where that is possible (auto), these alone"
    " (direct), or boto3.  [default: auto]",
)
digest_option = click.option(
    "--digest",
    type=click.Choice(["sha256"]),
    help="Also compute this digest of each file while it is read, for the receipt.",
)
max_retries_option = click.option(
    "--max-retries",
    type=int,
    metavar="N",
    help="How often a file that failed is tried again.  [default: 2]",
)
profile_option = click.option(
    "--profile",
    metavar="NAME|FILE",
    shell_complete=profiles,
    help="Settings from the receiver, a TOML file.",
)
debug_option = click.option("--debug", is_flag=True, hidden=True, expose_value=False)  # `main` looks for it


class Chosen(NamedTuple):
    """The options that say which files are meant; the fields are their names."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_from: tuple[Path, ...] = ()
    symlinks: str | None = None

    def choice(self, settings: Settings | None = None) -> Choice:
        """The same as the index takes it.

        Args:
            settings: those that say more about it; the options count for more.

        Raises:
            UsageError: a pattern is none, or a file of patterns cannot be read.
        """
        from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
        from upload_client.index.choosing import Choice, parse_patterns, typed_pattern  # noqa: PLC0415 # not for --help
        from upload_client.support.file_names import from_disk  # noqa: PLC0415 # not for --help
        from upload_client.support.in_use import files_in_use  # noqa: PLC0415 # not for --help
        from upload_client.support.inputs import read_once  # noqa: PLC0415 # not for --help

        exclude = [] if settings is None else [typed_pattern(text, "exclude") for text in settings.exclude]
        for path in self.exclude_from:
            try:
                content = read_once(path, "a file of patterns")
            except OSError as error:
                raise UsageError(
                    f"the patterns in {path} cannot be read: {error.strerror or error}"
                ) from error
            exclude += parse_patterns(content, str(path))
        exclude += [typed_pattern(from_disk(text), "--exclude") for text in self.exclude]
        include = [typed_pattern(from_disk(text), "--include") for text in self.include]
        symlinks: Any = self.symlinks or (settings.symlinks if settings is not None else "refuse")
        return Choice(tuple(include), tuple(exclude), symlinks, files_in_use())

    @property
    def arguments(self) -> list[str]:
        """The options as they are typed."""
        arguments = []
        for name, value in self._asdict().items():
            for one in value if isinstance(value, tuple) else (value,) * (value is not None):
                arguments += [f"--{name.replace('_', '-')}", str(one)]
        return arguments


def choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which files are meant; the command gets them as one, `chosen`."""

    @wraps(command)
    def with_chosen(*args: Any, **given: Any) -> Any:  # noqa: ANN401 - of whatever command
        chosen = Chosen(*(given.pop(name) for name in Chosen._fields))
        return command(*args, chosen=chosen, **given)

    options = (
        click.option(
            "--include", multiple=True, metavar="PATTERN", help="Only files that match.  [repeatable]"
        ),
        click.option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Leave out files that match, as in a .gitignore; a file .uploadignore in the source does"
            " so each time."
            "  [repeatable]",
        ),
        click.option(
            "--exclude-from",
            multiple=True,
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Patterns to exclude, one a line.  [repeatable]",
        ),
        click.option(
            "--symlinks",
            type=click.Choice(["refuse", "follow", "skip"]),
            help="refuse: links out of the source and broken ones are errors; follow: follow those that"
            " lead out, too; skip: leave all links out."
            "  [default: refuse]",
        ),
    )
    found: Callable[..., Any] = with_chosen
    for option in reversed(options):
        found = option(found)
    return found


def refuse_at_once(source: str, choice: Choice, index: Path | None = None) -> None:
    """Refuse a source or a list that is not there, before what reads them is loaded: that takes longer.

    Raises:
        UsageError: it is not there.
    """
    from upload_client.index.folder import Folder  # noqa: PLC0415 # not for --help
    from upload_client.index.problems import shown, unreadable  # noqa: PLC0415 # not for --help
    from upload_client.index.sources import is_bucket  # noqa: PLC0415 # not for --help
    from upload_client.support.inputs import is_once  # noqa: PLC0415 # not for --help

    if not is_bucket(source):
        Folder(source, choice)
    if index is not None and not is_once(index):
        try:
            index.stat()
        except OSError as error:
            raise unreadable(shown(index), error) from error


def _log_into(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """For ``--log-file``: log from here to the command's end."""
    if path is not None:
        from upload_client.cli.logs import log_into  # noqa: PLC0415 # not for --help

        ctx.call_on_close(log_into(path))


log_file_option = click.option(
    "--log-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_log_into,
    expose_value=False,
    help="Write each step and request into this file.",
)


patience_option = click.option(
    "--patience",
    metavar="SECONDS",
    help="How long to retry a service that is not reachable before giving up (exit code 7).  [default: 120]",
)


_PLAIN_HTTP = "upload_client.plain_http"


def _remember_plain_http(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    ctx.meta[_PLAIN_HTTP] = given or None


plain_http_option = click.option(
    "--plain-http",
    is_flag=True,
    callback=_remember_plain_http,
    expose_value=False,
    help="Allow passwords and keys to be sent unencrypted to other machines, where a URL begins with http://.",
)


def own_settings(profile: str | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a command that goes to a receiver; the person is asked what a profile may do."""
    from upload_client.settings import load_settings  # noqa: PLC0415 # imports pydantic

    given = {**(flags or {}), "plain_http": click.get_current_context().meta.get(_PLAIN_HTTP)}
    return load_settings(flags=given, profile=profile, consent=own_consent())


def own_consent() -> Callable[[Ask], bool]:
    """Ask the person at the terminal what a profile may do, and remember it; elsewhere it may not."""
    from upload_client.settings import config_folder  # noqa: PLC0415 # imports pydantic
    from upload_client.support.consent import remember  # noqa: PLC0415 # not for --help

    def ask_person(ask: Ask) -> bool:
        if sys.stdin is None or not sys.stdin.isatty():
            return False
        click.echo(f"The receiver's profile wants to {for_terminal(ask.what)}", err=True)
        if not click.confirm("Allow exactly this, now and in future?", default=False, err=True):
            return False
        try:
            remember(config_folder(), ask)
        except OSError as error:
            click.echo(f"warning: it cannot be remembered: {error.strerror}", err=True)
        return True

    return ask_person


def waiting(settings: Settings) -> Patience:
    """Waits for services as long as the settings say, and tells the person on stderr."""
    from upload_client.support.patience import Patience  # noqa: PLC0415 # not for --help

    return Patience(
        settings.patience, notify=lambda text: click.echo(f"warning: {for_terminal(text)}", err=True)
    )


def delivery_options(
    command: Callable[..., Any] | None = None, *, required: bool = True
) -> Callable[..., Any]:
    """Add the options that say which delivery is meant.

    Args:
        command: what they are added to.
        required: whether dataset and delivery id must be given.
    """
    if command is None:
        return partial(delivery_options, required=required)
    options = (
        click.option("--dataset", required=required, metavar="D", help="Name of the data set."),
        click.option("--delivery-id", required=required, metavar="Y", help="Name of the delivery."),
        click.option("--sample", is_flag=True, help="The small sample agreed on first."),
        profile_option,
        log_file_option,
        patience_option,
        plain_http_option,
        debug_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def log_in(
    dataset: str, delivery_id: str, *, sample: bool, profile: str | None, patience: str | None
) -> tuple[Settings, DeliveryBuckets]:
    """Log in, and find the delivery's buckets.

    Raises:
        NotReachable: a service was out of reach for as long as ``patience`` says.
        DeliveryError: the login is refused, or the settings are not complete.
    """
    from upload_client.core.layout import check_name  # noqa: PLC0415 # not for --help
    from upload_client.settings import foreign_hosts  # noqa: PLC0415 # imports pydantic

    check_name(dataset, "dataset")
    check_name(delivery_id, "delivery_id")
    settings = own_settings(profile, {"patience": patience})
    # What follows is long in loading: what is typed wrongly has been told.
    from upload_client.aws.auth import open_session  # noqa: PLC0415 # imports boto3
    from upload_client.cli.prompt import find_prompt  # noqa: PLC0415 # imports boto3
    from upload_client.control.delivery_buckets import complete_settings, open_buckets  # noqa: PLC0415 # imports boto3

    if hosts := foreign_hosts(settings):
        click.echo(f"Logging in at {for_terminal(', '.join(hosts))}, which is not AWS.", err=True)
    patiently = waiting(settings)
    session = open_session(settings, prompt=find_prompt(), patience=patiently)
    settings = complete_settings(session, settings, patiently)
    buckets = open_buckets(
        session,
        settings,
        dataset=dataset,
        delivery_id=delivery_id,
        transfer_type="sample" if sample else "staging",
    )
    return settings, buckets


def write_text(text: str, output: Path | None, *, force: bool) -> None:
    """Write a text into a file that is not there yet (`force`: or is), or to stdout."""
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help

    if output is None:
        click.echo(text, nl=False)
        return
    check_free(output, None, force=force)
    with replacing(output) as file:
        file.write(text)
