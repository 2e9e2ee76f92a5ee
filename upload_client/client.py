"""`UploadClient`: drives one delivery, from the login to the receipt.

The facade of `upload_client.delivery`: which calls are valid in which state. It has no rules (they are in
`upload_client.core`) and makes no AWS call of its own. One thread, the caller's, owns the ledger and
everything in this module and in `upload_client.delivery`. The workers, the lock, and the writers and readers
of logs have threads of their own; the caller's thread uses only the methods of their objects.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from upload_client.aws.auth import Prompt
from upload_client.control.delivery_buckets import usage_errors
from upload_client.control.identity import new_agent_id
from upload_client.control.log import LogReader
from upload_client.core.client_states import ClientState
from upload_client.core.files import ClientFile, TransferType
from upload_client.delivery import finish, loop, startup
from upload_client.delivery.caller import Caller, by_one
from upload_client.delivery.outcome import Outcome, cut_short
from upload_client.delivery.plan import Plan
from upload_client.delivery.run import LOOK_EVERY, ConnectedRun, Run
from upload_client.delivery.run_arguments import RunArguments
from upload_client.delivery.source import Source
from upload_client.delivery.view import DeliveryView
from upload_client.errors import (
    DeliveryError,
    Interrupted,
    InvalidState,
    NothingToDoError,
    UsageError,
)
from upload_client.events import Event, MessageType, Phase, Reporter
from upload_client.index import Choice
from upload_client.index.choosing import Symlinks
from upload_client.index.files import FileIndex
from upload_client.s3.bucket import Bucket
from upload_client.settings import Settings, load_settings
from upload_client.support.arguments import texts
from upload_client.support.clock import SYSTEM, Clock
from upload_client.support.in_use import files_in_use
from upload_client.ui import reporter_of
from upload_client.ui.plain import PlainReporter

if TYPE_CHECKING:
    import boto3

__all__ = ["Outcome", "UploadClient"]


class UploadClient(DeliveryView):
    """One delivery, by one run. Construction checks its arguments and does no network I/O.

    ```python
    with UploadClient(dataset="survey7", delivery_id="2026-11", file_index=df,
                      transfer_type="staging", source="/data/survey7", n_threads=8) as client:
        outcome = client.run()
    ```

    Step by step, the same is `connect`, `write_index`, `initiate_transfer`, a loop of `transfer_next_file`
    and `update`, and `quit`. All methods are called from one thread, in the process that connects; several
    clients, of other deliveries, may be at work beside it.

    Args:
        dataset: name of the data set: 1 to 63 letters, digits, ``.``, ``_``, ``-``.
        delivery_id: name of the delivery, the same.
        file_index: one row a file: ``path`` (str, relative, ``/``-separated), perhaps ``checksum`` (str,
            CRC32 as base64 of 4 big-endian bytes), ``size`` (integer, bytes) and checksums of other kinds
            (``md5``, ``sha256``, …: str in hexadecimal or base64, or bytes). A `pandas.DataFrame` of any
            dtypes, a table of polars or pyarrow (whatever has ``__arrow_c_stream__`` or ``__dataframe__``),
            a mapping of columns, a sequence of paths; or the path of a list of any kind that the command
            line takes. None: ``index.csv`` in the source where that is such a list, else all files there.
        transfer_type: ``staging``, the whole delivery, or ``sample``.
        source: a directory, a `Bucket`, or ``s3://bucket/prefix``.
        lambda_client_config: arguments of `botocore.config.Config` for the Lambda client.
        own_agent_id: name of this run; by default 11 random lowercase letters.
        n_threads: requests under way at once; ``auto``: as many as bring more; None: as the
            settings say.
        debug: put tracebacks into messages.
        max_retries: second and later tries for each file; None: as the settings say.
        settings: see `upload_client.settings`; None: from the environment and the default profile.
        session: a boto3 session to use in place of a login.
        reporter: receives the events, a function each by itself; None: log lines on stderr.
        output_dir: where the state dump goes; None: the working directory.
        include: patterns, as in a .gitignore; where there are any, other files are left out.
        exclude: patterns of files that are left out, besides those that the settings and an
            ``.uploadignore`` in the source leave out.
        symlinks: ``refuse``, ``follow`` or ``skip``, see `upload_client.index.scan`; None: as the settings
            say.
        resend_invalid: send files again that were judged invalid and have not changed since.
        steal: take the lock from the agent of this name although it is held.
        prompt: asks the person for what a login needs; None: nobody is asked.
        executor: sends the files, in batches, on workers that see the source at the same path; None: this
            process does. It stays the caller's, to shut down too.
        n_batches: batches that may be out at once; two for each worker of the executor are enough.
        clock: time.

    Raises:
        UsageError: an argument cannot be used (`InvalidIndex`: the index, with every row that is wrong).
    """

    def __init__(
        self,
        *,
        dataset: str,
        delivery_id: str,
        file_index: FileIndex = None,
        transfer_type: TransferType,
        source: str | Path | Bucket,
        lambda_client_config: dict[str, Any] | None = None,
        own_agent_id: str | None = None,
        n_threads: int | Literal["auto"] | None = 1,
        debug: bool = False,
        max_retries: int | None = 2,
        settings: Settings | None = None,
        session: boto3.Session | None = None,
        reporter: Reporter | Callable[[Event], object] | None = None,
        output_dir: str | Path | None = None,
        include: Sequence[str] | str = (),
        exclude: Sequence[str] | str = (),
        symlinks: Symlinks | None = None,
        resend_invalid: bool = False,
        steal: str | None = None,
        prompt: Prompt | None = None,
        executor: Executor | None = None,
        n_batches: int = 16,
        clock: Clock = SYSTEM,
    ) -> None:
        arguments = RunArguments(
            dataset=dataset,
            delivery_id=delivery_id,
            transfer_type=transfer_type,
            agent_id=new_agent_id() if own_agent_id is None else own_agent_id,
            n_threads=n_threads,
            max_retries=max_retries,
            resend_invalid=resend_invalid,
            steal=steal,
            executor=executor,
            n_batches=n_batches,
            lambda_config=lambda_client_config,
            session=session,
            prompt=prompt,
            clock=clock,
            debug=debug,
            output_dir=Path() if output_dir is None else output_dir,  # type: ignore[arg-type] # it makes one
        )
        shows = PlainReporter() if reporter is None else reporter_of(reporter)
        include, exclude = texts("include", include), texts("exclude", exclude)
        if settings is not None and not isinstance(settings, Settings):
            raise UsageError(
                f"the settings are of the type {type(settings).__name__}",
                hint="Make them with upload_client.load_settings().",
            )
        if settings is None:
            with usage_errors():
                settings = load_settings()
        choice = Choice.of(
            include,
            (*settings.exclude, *exclude),
            symlinks=symlinks or settings.symlinks,
            in_use=files_in_use(),
        )
        super().__init__(Run(arguments, Source(source, file_index, choice), settings, shows))
        self._running_in: int | None = None  # the thread that is in `run`
        self._caller = Caller()

    @property
    def reader(self) -> LogReader:
        """Follows the validator's log; where several share the files, that of the first shard."""
        return self._connected().validation.reader

    def __reduce__(self) -> str:
        """Refuse to be pickled or copied.

        Raises:
            UsageError: it holds a lock, threads and connections, which are of this process.
        """
        raise UsageError(
            "an UploadClient cannot be pickled or copied: it is of one run, in this process",
            hint="Give the other process the arguments, and have it make a client of its own.",
        )

    # --- the steps of a delivery ---

    @by_one
    def run(self, *, reporter: Reporter | Callable[[Event], object] | None = None) -> Outcome:
        """Deliver: everything from `connect` to `quit`.

        Args:
            reporter: receives the events, in place of the one given before; a function is called with each
                event.

        Returns:
            How it ended. What can come of a delivery that has begun (files invalid, not transferred, not
            judged, lock lost, interrupted, …) is returned, not raised.

        Raises:
            DeliveryError: it did not begin: login refused, locked, pipeline refused, bad input, …; its
                ``exit_code`` says which.
        """
        if reporter is not None:
            self._run.reporter = reporter_of(reporter)
        self._running_in = threading.get_ident()
        self._run.in_one_go = True
        try:
            self.connect()
            self.write_index()
            self.initiate_transfer()
            while not self.done:
                self._step(LOOK_EVERY)
        except NothingToDoError:
            pass  # `connect` has ended the run already
        except KeyboardInterrupt as cut:
            self._end(cut_short(cut))
        except Interrupted:
            if self.outcome is None:  # somebody else's
                raise
        except BaseException as cut:  # whatever a program ends its threads with, the lock is given back
            self._end(cut_short(cut))
            raise
        finally:
            self._running_in = None
        outcome = self.outcome
        assert outcome is not None
        error = outcome.error
        if error is not None and not isinstance(error, DeliveryError):
            raise error
        return outcome

    @by_one
    def plan(self) -> Plan:
        """Plan a run, and change nothing.

        Raises:
            DeliveryError: the plan could not be made.
        """
        if self.state is not ClientState.UNCONNECTED:
            raise InvalidState(f"a plan is made before connecting; the client is {self.state}")
        startup.check_open(self._run)
        return startup.survey(self._run, epoch=0).plan

    @by_one
    def connect(self) -> None:
        """Log in, read the settings, take the lock, fence and read the logs, and plan.

        Raises:
            NothingToDoError: all files are delivered and valid already. The client has ended.
            DeliveryError: it cannot be delivered now; the client has ended, and the lock is not held.
        """
        if self.state is not ClientState.UNCONNECTED:
            raise InvalidState(f"a client connects once; this one is {self.state}")
        self._caller.connects()
        with finish.ending_on_error(self._run):
            self._run.check_stop()
            self._run.notify(Phase("connecting"))
            startup.connect(self._run)

    @by_one
    def write_index(self) -> None:
        """Write the index, with the column ``will_transfer``, to the control bucket, and log it."""
        connected = self._connected(ClientState.READY)
        with finish.ending_on_error(self._run):
            startup.write_index(connected)

    @by_one
    def initiate_transfer(self) -> None:
        """Start the validation pipeline; files may be sent from here on.

        Where nothing is to be sent and nothing to be judged, no pipeline is started and the client ends.

        Raises:
            PipelineRefused: it did not start; the client has ended.
        """
        connected = self._connected(ClientState.READY)
        if connected.index is None:
            self.write_index()
        with finish.ending_on_error(self._run):
            if not startup.start_validation(connected):
                self._finish(connected)

    @by_one
    def transfer_next_file(self) -> ClientFile | None:
        """Queue the next file.

        Returns:
            The file as it is now; None, with a warning, where none is left to send at this moment.

        Raises:
            InvalidState: not connected, no pipeline started, or at an end.
        """
        if self.state not in (ClientState.RUNNING, ClientState.PENDING_VALIDATION):
            error = InvalidState(f"no file can be sent: the client is {self.state}")
            self.cmessage(str(error), "error")
            raise error
        connected = self._connected()
        row = connected.ledger.order.next_row(self._run.clock.monotonic())
        if row is None:
            self.cmessage("no file is left to send now", "warning")
            return None
        loop.queue(connected, row)
        return connected.ledger.file(row)

    @by_one
    def update(self, timeout: float = 0.0) -> bool:
        """Process all news once: results of the workers, verdicts, the state of the lock.

        Args:
            timeout: seconds to wait first for something to happen.

        Returns:
            Whether there is nothing more to do: the client has ended, by this update or before.
        """
        if self.state not in (ClientState.RUNNING, ClientState.PENDING_VALIDATION):
            self.cmessage(f"there is nothing to update: the client is {self.state}", "warning")
            return self.done
        self._step(timeout, sends=False)
        return self.done

    def crash(self, exception: BaseException) -> None:
        """End because of an error: log it to S3 if possible, notify the person, quit."""
        if self._caller.is_in_a_fork:
            return
        if self._running_in not in (None, threading.get_ident()):
            self.stop()
            return
        finish.crash(self._run, exception)

    def stop(self) -> None:
        """End the run soon and in order, as Ctrl-C does: from any thread, and from a signal handler.

        Returns at once. `run` then returns an outcome with exit code 130; step by step, the next call of the
        client ends it. Requests in flight are finished or abandoned, the lock is released, the state dump
        written: within 3 seconds, or as soon as a login in progress returns. Called before `run`, it keeps
        the run from beginning; after the end it does nothing.
        """
        self._run.stop_asked = True

    def quit(self, _exception: BaseException | None = None) -> None:
        """End, finished or not: log it to S3 if possible, release the lock, dump the state.

        A second call does nothing. While `run` is under way, in whatever thread, or another thread is in one
        of its methods, it is the same as `stop`. In a fork of the process that has connected it does nothing.
        """
        if self._caller.is_in_a_fork:
            return
        if self._running_in is not None or not self._caller.begin():
            self.stop()
            return
        try:
            self._end(_exception)
        finally:
            self._caller.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, DeliveryError):
            self.crash(error)
        if error is not None and not isinstance(error, Exception):
            error = cut_short(error)
        self.quit(error)

    # --- login and lock ---

    def cognito_authenticate(self) -> None:
        """Log in as the settings say; `connect` does it unless a session was given.

        Raises:
            LoginRefused: no credentials.
            NotReachable: the login server was out of reach for as long as ``patience`` says.
        """
        startup.log_in(self._run)

    def acquire_lock(self, *, refresh: bool = False) -> bool:
        """Take the lock, which then refreshes itself until it is released.

        Args:
            refresh: write it even though this client holds it already.

        Returns:
            True.

        Raises:
            Locked: somebody else has it.
            LockLost: it was ours and is not any more.
        """
        startup.take_lock(self._run, refresh=refresh)
        return True

    def release_lock(self) -> None:
        """Release the lock, if it is held; normally only `quit` does."""
        self._run.release_lock()

    # --- state and messages ---

    def dump_state(self) -> Path | None:
        """Write the state of all files as CSV into the output directory.

        Returns:
            Its path; None where there is no state yet, or it could not be written (the person is notified).
        """
        return self._run.dump_state()

    def cmessage(self, text: str, mtype: MessageType) -> None:
        """Show the person a sentence, in the colour of its category."""
        self._run.message(text, mtype, None)

    def cprint(self, renderable: Any, *, padded: bool = True) -> None:  # noqa: ANN401 - whatever rich can print
        """Print something rich can print to the person's console, stderr."""
        from rich.console import Console  # noqa: PLC0415 - slow, and rarely asked for
        from rich.padding import Padding  # noqa: PLC0415

        Console(stderr=True).print(Padding(renderable, (0, 1)) if padded else renderable)

    def excformat(self, exc: BaseException) -> str:
        """An exception for print or log, safe for a terminal; with its traceback in `debug`."""
        return self._run.describe(exc)

    # --- one step of the loop, and the end ---

    def _connected(self, *states: ClientState) -> ConnectedRun:
        """The connected run; with `states`, only in one of these."""
        connected = self._run.connected
        if connected is None or (states and self.state not in states):
            raise InvalidState(f"that cannot be done now: the client is {self.state}")
        return connected

    def _step(self, timeout: float, *, sends: bool = True) -> None:
        """Process all news once, after a wait for some.

        Args:
            timeout: seconds to wait.
            sends: give the workers files before.

        What goes wrong ends the run, and is in its outcome.
        """
        try:
            with finish.ending_on_error(self._run):
                connected = self._connected()
                self._run.check_stop()
                if sends:
                    loop.feed(connected)
                if timeout > 0:
                    loop.wait(connected, timeout)
                if loop.update(connected):
                    self._finish(connected)
        except Exception:
            if self.outcome is None:
                raise

    def _finish(self, connected: ConnectedRun) -> None:
        finish.complete(connected)
        self._end(None, complete=True)

    def _end(self, error: BaseException | None, *, complete: bool = False) -> None:
        finish.end(self._run, error, crashed=False, complete=complete)
