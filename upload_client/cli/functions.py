"""``handle-lambda-request``: a function, run as AWS Lambda runs it, where there is no AWS Lambda."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from upload_client.cli import collect_garbage_rarely
from upload_client.cli.failure import Failure
from upload_client.cli.help import Command, Section, examples, exit_codes
from upload_client.cli.signals import in_order
from upload_client.support.streams import guard_standard_streams, open_closed_streams, trouble_of

__all__ = ["handle_lambda_request", "main"]

NAME = "handle-lambda-request"
_HANDLER = ("AWS_LAMBDA_FUNCTION_HANDLER", "_HANDLER")
_PAYLOAD = ("AWS_LAMBDA_EVENT_PAYLOAD",)
_ROUTER = "upload_client.functions.notifications.NotificationRouter"
_REFUSED = "See that bucket and key are the right ones, and what this role may do there; then run it again."
_KEYS = (
    "See that there are AWS credentials here (`aws configure`, or a role), and that they are of this store."
)
_LIMITS = (
    "Allow this process more (`ulimit -v` for memory, `ulimit -u` for threads, or a limit of its container or"
    " function), or have it do less at once (max_concurrency); then run it again."
)
_ENDED = "Have it raise an exception, or return, where it calls sys.exit(); --debug shows where."
_LEVEL = "POWERTOOLS_LOG_LEVEL"
_METRICS = ("POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_METRICS_DISABLED")
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_OWN = "upload_client."
_RESPONSE = ("AWS_LAMBDA_EVENT_RESPONSE_LOCATION",)


@click.command(
    NAME,
    cls=Command,
    context_settings={"help_option_names": ["--help"]},
    sections=[
        examples(
            (f"{NAME} --handler {_ROUTER} --payload event.json", "notify, with the request in a file"),
            (
                f'{NAME} --handler my_functions.Count --payload \'{{"path": "data/"}}\' -o answer.json',
                "run a function of your own, and keep its answer",
            ),
        ),
        Section(
            "Environment",
            (
                ("AWS_LAMBDA_FUNCTION_HANDLER", "the function, where none is named; then _HANDLER"),
                ("AWS_LAMBDA_EVENT_PAYLOAD", "the event, where none is given"),
                ("AWS_LAMBDA_EVENT_RESPONSE_LOCATION", "where the answer goes, where no place is named"),
                ("POWERTOOLS_LOG_LEVEL", "how much the function logs, on standard error (WARNING)"),
                ("POWERTOOLS_METRICS_NAMESPACE", "where it is set, metrics are written there as well"),
            ),
        ),
        exit_codes(("0", "done"), ("1", "the function failed"), ("2", "wrong usage or event")),
    ],
)
@click.option(
    "--handler-qualified-name",
    "--handler-name",
    "--handler",
    "handler",
    metavar="NAME",
    help="The function: package.module.Class, or package.module.function.",
)
@click.option("--payload", "--event", "-e", "payload", metavar="EVENT", help="JSON, a file, or an s3:// URI.")
@click.option(
    "--payload-file",
    metavar="FILE",
    help="A file, - for standard input, or an s3:// URI that holds the event.",
)
@click.option(
    "--response-location",
    "-o",
    metavar="FILE",
    help="A file or an s3:// URI for the answer; standard output where none is named.",
)
@click.option("--debug", is_flag=True, help="Log everything, and show a traceback of what fails.")
def handle_lambda_request(
    handler: str | None,
    payload: str | None,
    payload_file: str | None,
    response_location: str | None,
    debug: bool,
) -> None:
    """Run a function as AWS Lambda would, and write its answer as JSON.

    It needs no AWS where the function needs none. Needs the extra: pip install 'upload-client[functions]'.
    """
    if payload is not None and payload_file is not None:
        raise click.UsageError("--payload and --payload-file are two events; give one")
    handler = handler or _first(_HANDLER)
    if not handler:
        raise click.UsageError(f"no function is named: --handler, or {' or '.join(_HANDLER)}")
    event = payload_file if payload_file is not None else payload
    event = event if event is not None else _first(_PAYLOAD)
    if event is None:
        raise click.UsageError(f"no event is given: --payload, --payload-file or {_PAYLOAD[0]}")
    place = response_location or _first(_RESPONSE)
    level = "DEBUG" if debug else os.environ.get(_LEVEL) or "WARNING"
    if level.upper() not in logging.getLevelNamesMapping():
        raise click.UsageError(f"{_LEVEL} is no level of a log: DEBUG, INFO, WARNING, ERROR or CRITICAL")
    os.environ[_LEVEL] = level

    if handler.startswith(_OWN):
        # Else each model has pydantic look through all that is installed; functions of others may want that.
        os.environ.setdefault(_PLUGINS, "__all__")
    from upload_client.functions.base.context import LocalContext  # noqa: PLC0415 # not for --help
    from upload_client.functions.base.payloads import (  # noqa: PLC0415 # likewise
        check_location,
        read_event,
        read_location,
        write_location,
    )
    from upload_client.functions.base.routing import ROUTER, find_function, handle  # noqa: PLC0415 # likewise

    if place:
        check_location(place)
    given = read_event(event) if payload_file is None else read_location(event, may_be_pipe=True)
    sys.path.append(str(Path.cwd()))  # functions of the person's own, as in AWS; behind all that is installed
    name = handler.replace("/", ".")
    function = handle if name == ROUTER else find_function(name)
    with _without_metrics(), contextlib.redirect_stdout(sys.stderr):  # where the answer alone goes
        answer = function(given, LocalContext())
    if place:
        write_location(place, answer)
    else:
        click.echo(json.dumps(answer, sort_keys=True))


@contextlib.contextmanager
def _without_metrics() -> Iterator[None]:
    """Have no metrics written, unless somebody says for whom: here nobody collects them."""
    if _METRICS[0] in os.environ or _METRICS[1] in os.environ:
        yield
        return
    os.environ[_METRICS[1]] = "true"
    try:
        yield
    finally:
        del os.environ[_METRICS[1]]


def _first(names: Sequence[str]) -> str | None:
    """The first of these variables that says something."""
    return next((text for name in names if (text := os.environ.get(name))), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what stands after the program's name; the process' own when None.

    Returns:
        The exit code: 0, 1 where the function failed, 2 where the command or the event is wrong, 130 where
        somebody stopped it. A failure is one sentence and a hint on stderr, no traceback without ``--debug``.
    """
    if arguments is not None:
        return _run(list(arguments))
    open_closed_streams()
    guard_standard_streams()
    collect_garbage_rarely()
    return in_order(lambda: _run(sys.argv[1:]))


def _run(given: list[str]) -> int:
    try:
        handle_lambda_request.main(given, prog_name=NAME, standalone_mode=False)
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - the last place to tell it
        failure = _failure(error)
        if "--debug" in given:
            failure.print_traceback(error)
        failure.print()
        return failure.exit_code
    return 0


def _failure(error: BaseException) -> Failure:
    """Put a failure into words: 2 is the caller's, 1 the function's."""
    if isinstance(error, click.ClickException | click.Abort | KeyboardInterrupt):
        return Failure.of(error)
    if isinstance(error, OSError) and trouble_of(sys.stdout) is not None:  # it is the answer that is lost
        return Failure.of(error)
    if isinstance(error, SystemExit):  # its code is no exit code of ours: 0 would say that there is an answer
        status = "" if error.code is None else f": {error.code}"
        return Failure(1, f"the function ended its process before it had answered{status}", _ENDED)
    from upload_client.errors import DeliveryError, NotReachable  # noqa: PLC0415 # not for --help
    from upload_client.s3.bucket import ConnectionBlocked, StoreError  # noqa: PLC0415 # likewise
    from upload_client.support.own_limits import lack  # noqa: PLC0415 # likewise

    failure = Failure.of(error)
    if isinstance(error, DeliveryError):
        from upload_client.functions import errors  # noqa: PLC0415 # likewise

        usage = isinstance(error, errors.InvalidRequest | errors.HandlerNotAllowed | errors.MissingExtra)
        hint = failure.hint
        if isinstance(error, StoreError) and not isinstance(error, NotReachable | ConnectionBlocked):
            # What S3 refuses is told to providers elsewhere; here the receiver is at work.
            hint = _KEYS if error.meaning.credentials else _REFUSED
        return Failure(2 if usage else 1, failure.sentence, hint)
    if (lacks := lack(error)) is not None:
        return Failure(1, f"the function failed: {lacks}", _LIMITS)
    from upload_client.functions.errors import hint_of, sentence_of  # noqa: PLC0415 # likewise

    return Failure(1, f"the function failed: {sentence_of(error)}", hint_of(error) or "--debug shows where.")
