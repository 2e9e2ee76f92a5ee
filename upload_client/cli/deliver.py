"""``upload-client --dataset … --delivery-id …``: deliver, the main thing there is."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from upload_client.cli import freeze_loaded_objects
from upload_client.cli.failure import COMMAND, EXIT_CODES, Failure
from upload_client.cli.help import ENVIRONMENT, Group, Section
from upload_client.cli.options import (
    Chosen,
    choice_options,
    digest_option,
    engine_option,
    index_format_option,
    index_option,
    max_retries_option,
    no_index_option,
    own_settings,
    patience_option,
    plain_http_option,
    profile_option,
    refuse_at_once,
    source_option,
)
from upload_client.cli.reading_progress import ReadingProgress
from upload_client.cli.report import check_target, write_report_of
from upload_client.cli.version import show_versions
from upload_client.core.manifests import Format
from upload_client.core.text import for_terminal

if TYPE_CHECKING:
    import boto3

    from upload_client.client import UploadClient
    from upload_client.core.files import TransferType
    from upload_client.core.resume import Reason
    from upload_client.events import Reporter
    from upload_client.index import LeftOut
    from upload_client.s3.bucket import Bucket
    from upload_client.settings import Settings
    from upload_client.ui.jsonl import JsonlReporter

_log = logging.getLogger(__name__)

SANDBOX_DATASET, SANDBOX_DELIVERY = "sample", "1"
SHOWN = 10
"""Files a dry run names for each reason; with -v it names all."""


def _threads(text: str) -> int | str:
    """A number, or ``auto``."""
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor 'auto'.") from None


@dataclass(frozen=True)
class _DeliveryOptions:
    """The order given on the command line."""

    dataset: str | None
    delivery_id: str | None
    source: str
    index: Path | None
    index_format: Format | None
    no_index: bool
    chosen: Chosen
    sample: bool
    profile: str | None
    threads: int | str | None
    engine: str | None
    max_rate: str | None
    digest: str | None
    max_retries: int | None
    patience: str | None
    accept_unverified_store: bool
    resend_invalid: bool
    dry_run: bool
    output_dir: Path | None
    report: Path | None
    sandbox: bool
    dask: str | None
    json: bool
    quiet: bool
    verbose: int
    log_file: Path | None
    debug: bool


class _Deliver(Group):
    """The program itself: a delivery, or one of its commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; what is none is told with what was probably meant.

        Raises:
            UsageError: It is none.
        """
        name = args[0]
        if not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            given = {
                key for key in ctx.params if ctx.get_parameter_source(key) is ParameterSource.COMMANDLINE
            }
            alike = get_close_matches(name, self.list_commands(ctx))  # which click names, then
            if hint := _meant_by(name, set() if alike else given):
                from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help

                raise UsageError(f"there is no command {for_terminal(name)!r}", hint=hint)
        return super().resolve_command(ctx, args)


_OPTIONS = {"help": "--help", "version": "--version"}
_DELIVERING = {"deliver", "push", "put", "run", "send", "start", "submit", "transfer", "upload"}


def _meant_by(name: str, given: set[str]) -> str | None:
    """The advice about a word that is no command; None: there is none in particular.

    Args:
        name: the word.
        given: the options that were typed before it.
    """
    if name in _OPTIONS:
        return f"Write `upload-client {_OPTIONS[name]}`."
    if os.path.lexists(name):
        if given & {"include", "exclude"}:
            return (
                "If a pattern is meant, write it in quotes ('*.csv'): else the shell puts names in its place."
            )
        return "If that is what is to be delivered, say so with --source."
    if name in _DELIVERING:
        return "A delivery needs no command: `upload-client --dataset D --delivery-id Y --source DIR`."
    if given and not name.startswith(("-", "\u2013", "\u2014")):
        return (
            "If it belongs to the option before it, put both into quotes; `upload-client --help` says more."
        )
    return None


@click.command(
    cls=_Deliver,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    synopsis=("--dataset D --delivery-id Y [OPTIONS]", "COMMAND [OPTIONS]"),
    groups={
        "The delivery": (
            "dataset",
            "delivery_id",
            "sample",
            "source",
            "index",
            "index_format",
            "no_index",
            "profile",
        ),
        "What is sent, and how": (
            "include",
            "exclude",
            "exclude_from",
            "symlinks",
            "resend_invalid",
            "max_retries",
            "patience",
            "plain_http",
            "accept_unverified_store",
            "threads",
            "max_rate",
            "digest",
            "engine",
            "dask",
        ),
        "To try it out": ("dry_run", "sandbox"),
        "What it says": ("output_dir", "report", "json", "quiet", "verbose", "log_file", "debug"),
    },
    sections=(
        Section(
            "Examples",
            (
                ("upload-client --sandbox --source examples/dataset", "a whole delivery on this machine"),
                (
                    "upload-client check --profile archive --dataset survey7 --delivery-id 1",
                    "before the first time",
                ),
                (
                    "upload-client --profile archive --dataset survey7 --delivery-id 1",
                    "deliver the current folder; run it again to resume",
                ),
                (
                    "upload-client --dataset survey7 --delivery-id 1 --source s3://mine/survey7",
                    "from a bucket",
                ),
            ),
        ),
        Section(
            "Exit codes",
            tuple((str(code), meaning) for code, meaning in EXIT_CODES),
            "Where several apply, it is the first of 12, 6, 5, 4, 3.",
        ),
        ENVIRONMENT,
    ),
)
@click.option("--dataset", metavar="D", help="Name of the data set, as agreed with the receiver.")
@click.option("--delivery-id", metavar="Y", help="Name of this delivery.")
@source_option
@index_option
@index_format_option
@no_index_option
@choice_options
@click.option("--sample", is_flag=True, help="Deliver the small sample agreed on first.")
@profile_option
@click.option(
    "--threads",
    type=_threads,
    metavar="N|auto",
    help="Requests at once; auto: raised while that is faster.  [default: 8, of small files 64]",
)
@click.option("--max-rate", metavar="RATE", help="Limit in bytes a second, such as 50MB/s.")
@digest_option
@engine_option
@max_retries_option
@patience_option
@plain_http_option
@click.option(
    "--accept-unverified-store",
    is_flag=True,
    help="Deliver even to a store that verifies no checksum of an upload; the receipt says so.",
)
@click.option(
    "--resend-invalid", is_flag=True, help="Send invalid files again, even if they have not changed."
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and why; change nothing.")
@click.option(
    "--output-dir",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the CSV with the state of every file goes.  [default: the current directory]",
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a report of the delivery at its end: one HTML page.",
)
@click.option("--sandbox", is_flag=True, help="Deliver to a receiver on this machine, to try it out.")
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Send from the workers of this Dask scheduler (tcp://host:8786), which must see the same files.",
)
@click.option("--json", is_flag=True, help="Print one JSON object a line on stdout, the last one a summary.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", count=True, help="Print each file; -vv: also each step and request.")
@click.option(
    "--log-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write each step and request into this file.  [default: the steps, into a log of which the last ten"
    " are kept]",
)
@click.option("--debug", is_flag=True, help="Print tracebacks, for a bug report.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_versions,
    help="Show what is installed, and exit.",
)
@click.pass_context
def deliver(ctx: click.Context, /, **options: Any) -> int | None:  # noqa: ANN401 # click's values, typed in _Order
    """Deliver a data set to someone else's bucket.

    The files are uploaded, the receiver's validator judges each one, and you see the verdicts. Run the same
    command again at any time, on any machine that has the files: what is delivered already is not sent again.
    """
    given = [name for name in options if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if ctx.invoked_subcommand is not None:
        COMMAND.set(ctx.invoked_subcommand)
        if given:
            raise click.UsageError(
                f"--{given[0].replace('_', '-')} is for a delivery, not for {ctx.invoked_subcommand!r}"
            )
        return None
    return _run(_DeliveryOptions(**options), (*_program(), *_typed(ctx)))


def _program() -> tuple[str, ...]:
    """The name this program is called by here."""
    called = Path(sys.argv[0])
    if called.parts[-2:] == ("upload_client", "__main__.py"):
        return sys.executable, "-m", "upload_client"
    found = shutil.which("upload-client")
    if called.stem != "upload-client" or (found is not None and Path(found).absolute() == called.absolute()):
        return ("upload-client",)
    return (str(called),)


def _typed(ctx: click.Context) -> Iterator[str]:
    """The options that were given, in the order in which ``--help`` has them."""
    for option in ctx.command.params:
        name = option.name or ""
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            spelt = next(spelt for spelt in option.opts if spelt.startswith("--"))
            if isinstance(option, click.Option) and option.count:
                yield from [spelt] * ctx.params[name]
                continue
            value = ctx.params.get(name)  # some flags are kept elsewhere
            for one in value if isinstance(value, tuple) else (value,):
                yield spelt
                if not (isinstance(option, click.Option) and option.is_flag):
                    yield str(one)


def _run(options: _DeliveryOptions, typed: tuple[str, ...]) -> int:
    """Deliver, and tell people and programs how it went."""
    from upload_client.cli.signals import interruptible  # noqa: PLC0415 # not for --help
    from upload_client.support.in_use import note  # noqa: PLC0415 # not for --help
    from upload_client.support.inputs import one_reader  # noqa: PLC0415 # not for --help
    from upload_client.ui import ReporterGroup, people_reporter  # noqa: PLC0415 # not for --help
    from upload_client.ui.ending import Command  # noqa: PLC0415 # not for --help
    from upload_client.ui.jsonl import JsonlReporter  # noqa: PLC0415 # not for --help
    from upload_client.ui.logs import LoggingReporter  # noqa: PLC0415 # not for --help

    verbosity = options.verbose - options.quiet
    people = people_reporter(beside_json=options.json, verbosity=verbosity, command=Command(typed))
    machine = JsonlReporter() if options.json else None
    logged = LoggingReporter(verbosity=int(options.log_file is not None or options.verbose > 1))
    reporter = ReporterGroup([people, logged] if machine is None else [people, machine, logged])
    log_path: Path | None = None
    log = ExitStack()
    try:
        with interruptible(), ExitStack() as stack:
            log_path = log.enter_context(_logging(options, typed))
            if options.report is not None:
                check_target(options.report)
                note(options.report, "the report")
            one_reader(profile=options.profile, index=options.index, exclude_from=options.chosen.exclude_from)
            client = _client(options, reporter, stack)
            freeze_loaded_objects()
            from upload_client.delivery.watchdog import watched  # noqa: PLC0415 # imports boto3

            if options.dry_run:
                return _dry_run(client, options, machine)
            run = client._run  # noqa: SLF001 - of the same program
            with watched(run.settings.standstill * (6 if options.dask else 1), run):
                outcome = client.run()
            if options.report is not None:
                write_report_of(client, options.report, quiet=options.quiet)
        if outcome.error is not None:
            raise outcome.error  # noqa: TRY301 # to be told as any other
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 # each is put into words
        failure = Failure.of(error)
        if machine is not None and not reporter.ended:
            machine.handle(failure.summary())
        reporter.close()
        _log.error("exit code %d: %s", failure.exit_code, failure.sentence, exc_info=error)
        if options.debug:
            failure.print_traceback(error)
        if not reporter.ended:  # else the summary has told it
            failure.print()
        _name_log(log_path, failure.exit_code)
        return failure.exit_code
    finally:
        reporter.close()
        log.close()
    _name_log(log_path, int(outcome.exit_code))
    return int(outcome.exit_code)


def _logging(options: _DeliveryOptions, typed: tuple[str, ...]) -> AbstractContextManager[Path | None]:
    """The log of this run. One that is not even told which delivery is meant keeps none."""
    from upload_client.cli.logs import logging_run  # noqa: PLC0415 # not for --help

    names = (options.dataset or SANDBOX_DATASET, options.delivery_id or SANDBOX_DELIVERY)
    if options.log_file is None and not (options.sandbox or (options.dataset and options.delivery_id)):
        return nullcontext()
    return logging_run(typed, names, log_file=options.log_file, on_stderr=options.verbose > 1)


def _name_log(path: Path | None, exit_code: int) -> None:
    """Say where the log of a run is that failed, unless by what was typed or by who stopped it."""
    if path is not None and exit_code not in (0, 2, 130):
        click.echo(f"log: {for_terminal(str(path))}", err=True)


def _client(options: _DeliveryOptions, reporter: Reporter, stack: ExitStack) -> UploadClient:
    """A client for what is asked for, ready to connect."""
    dataset, delivery_id, settings = _settings(options, reporter, stack)
    choice = options.chosen.choice(settings)
    refuse_at_once(options.source, choice, options.index)
    # What follows is long in loading: what is typed wrongly has been told.
    from upload_client.aws.auth import open_session  # noqa: PLC0415 # imports boto3
    from upload_client.cli.cluster import dask_executor  # noqa: PLC0415 # not for --help
    from upload_client.cli.prompt import find_prompt  # noqa: PLC0415 # imports boto3
    from upload_client.client import UploadClient  # noqa: PLC0415 # imports boto3
    from upload_client.core.codes import MessageCode  # noqa: PLC0415 # not for --help
    from upload_client.delivery.watchdog import watched  # noqa: PLC0415 # imports boto3
    from upload_client.events import Message  # noqa: PLC0415 # not for --help
    from upload_client.index import left_out_of, sources  # noqa: PLC0415 # not for --help
    from upload_client.index.loading import take  # noqa: PLC0415 # not for --help
    from upload_client.support.patience import Patience  # noqa: PLC0415 # not for --help

    def wait(why: str) -> None:
        reporter.handle(Message(why, "warning", MessageCode.NOT_REACHABLE))

    patiently = Patience(settings.patience, notify=wait)
    prompt = find_prompt()
    session: boto3.Session | None = None
    source: Path | Bucket
    if sources.is_bucket(options.source):
        session = open_session(settings, prompt=prompt, patience=patiently)
        source = sources.bucket_of(options.source, session, settings)
    else:
        source = Path(options.source)
    transfer_type: TransferType = "sample" if options.sample else "staging"
    executor, n_batches = stack.enter_context(dask_executor(options.dask)) if options.dask else (None, 1)
    reading = stack.enter_context(ReadingProgress())

    def note_down(note: str) -> None:
        reading.wipe()
        reporter.handle(Message(note, "info", MessageCode.INDEX_READ))

    # Who names a list may be typing it.
    with watched(settings.standstill) if options.index is None else nullcontext():
        index = patiently(
            lambda: take(
                source,
                options.index,
                choice,
                as_format=options.index_format,
                own=not options.no_index,
                notify=note_down,
                on_progress=reading,
            )
        )
    reading.wipe()
    if options.verbose and not options.dry_run:
        for line in _named_left_out(left_out_of(index)):
            reporter.handle(Message(line, "info", MessageCode.LEFT_OUT))
    return UploadClient(
        dataset=dataset,
        delivery_id=delivery_id,
        file_index=index,
        transfer_type=transfer_type,
        source=source,
        n_threads=None,
        max_retries=None,
        debug=options.debug,
        settings=settings,
        session=session,
        reporter=reporter,
        symlinks=choice.symlinks,
        resend_invalid=options.resend_invalid,
        output_dir=options.output_dir,
        prompt=prompt,
        executor=executor,
        n_batches=n_batches,
    )


def _settings(options: _DeliveryOptions, reporter: Reporter, stack: ExitStack) -> tuple[str, str, Settings]:
    """The delivery's names and its settings; with --sandbox, a sandbox that lasts as long as `stack`."""
    from upload_client.core.codes import MessageCode  # noqa: PLC0415 # not for --help
    from upload_client.core.layout import check_name  # noqa: PLC0415 # not for --help
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.events import Message  # noqa: PLC0415 # not for --help
    from upload_client.settings import load_settings  # noqa: PLC0415 # imports pydantic

    dataset, delivery_id = options.dataset, options.delivery_id
    flags = {
        "threads": options.threads,
        "engine": options.engine,
        "max_rate": options.max_rate,
        "digest": options.digest,
        "accept_unverified_store": options.accept_unverified_store or None,
        "max_retries": options.max_retries,
        "patience": options.patience,
    }
    if options.sandbox:
        if options.profile:
            raise UsageError("--sandbox brings its own profile: leave --profile out")
        from upload_client.sandbox import Sandbox  # noqa: PLC0415 # imports boto3

        dataset, delivery_id = dataset or SANDBOX_DATASET, delivery_id or SANDBOX_DELIVERY
        reporter.handle(Message("Starting a sandbox on this machine …", "info", MessageCode.SANDBOX))
        sandbox = stack.enter_context(Sandbox(dataset=dataset, delivery_id=delivery_id))
        # The environment is for the real receiver: AWS_ENDPOINT_URL, say, would lead away from the sandbox.
        return dataset, delivery_id, load_settings(flags=flags, profile=sandbox.profile, environ={})
    if not dataset or not delivery_id:
        raise UsageError(
            "--delivery-id is missing" if dataset else "--dataset is missing",
            hint="A delivery needs --dataset and --delivery-id; `upload-client --help` says more.",
        )
    check_name(dataset, "dataset")
    check_name(delivery_id, "delivery_id")
    return dataset, delivery_id, own_settings(options.profile, flags)


def _named_left_out(left: LeftOut) -> Iterator[str]:
    """The names of the files that are left out."""
    for path, why in left.named:
        yield f"left out: {path} ({why})"
    if more := left.n - len(left.named):
        yield f"left out: {more:,} more"


def _dry_run(client: UploadClient, options: _DeliveryOptions, machine: JsonlReporter | None) -> int:
    """Say what a delivery would do. People read it on stdout, or on stderr where stdout is for a program."""
    from upload_client.core.left_out import sentence  # noqa: PLC0415 # not for --help
    from upload_client.core.states import STATES  # noqa: PLC0415 # not for --help
    from upload_client.events import Summary  # noqa: PLC0415 # not for --help
    from upload_client.support import figures  # noqa: PLC0415 # not for --help

    plan = client.plan()
    states: Counter[str] = Counter()
    named: dict[Reason, list[str]] = {reason: [] for reason in plan.reasons}
    for relpath, state, reason in plan.rows:
        states[state] += 1
        if options.verbose or (state != "valid" and len(named[reason]) < SHOWN):
            named[reason].append(relpath)
        if machine is not None:
            machine.planned(relpath, state, reason)
    for reason, n in plan.reasons.items():
        click.echo(f"{figures.files(n)}, {reason.sentence}", err=options.json)
        if options.quiet or not named[reason]:
            continue
        for relpath in named[reason]:
            click.echo(f"  {for_terminal(relpath)}", err=options.json)
        if more := n - len(named[reason]):
            click.echo(f"  and {figures.files(more)} more (-v names all)", err=options.json)
    if left_out := sentence(client.left_out.counts):
        click.echo(left_out + " (-v names them)" * (not options.verbose), err=options.json)
    for line in _named_left_out(client.left_out) if options.verbose else ():
        click.echo(f"  {for_terminal(line)}", err=options.json)
    for warning in client.warnings:
        click.echo(f"warning: {for_terminal(warning)}", err=options.json)
    headline = "This was a dry run: nothing was changed anywhere."
    if client.buckets is not None:
        where = for_terminal(str(client.buckets.landing))
        click.echo(
            f"to send: {figures.files(plan.n_to_send)}, {figures.size(plan.n_bytes)}; to {where}",
            err=options.json,
        )
    click.echo(headline, err=options.json)
    if machine is not None:
        machine.handle(
            Summary(
                exit_code=0,
                counts={state: states[state] for state in STATES},
                bytes_sent=0,
                files_sent=0,
                seconds=0.0,
                state_csv=None,
                headline=headline,
                left_out=client.left_out.counts,
            )
        )
    return 0
