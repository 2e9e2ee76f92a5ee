"""The client's reports: progress, health, problems, the table of all files.

Each function reads existing state, at a cost that does not depend on the number of files; except `problems`
and `frame`, which are called once and read all files.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from upload_client.core.files import ClientFile, FileLedger
from upload_client.core.problems import Problem, group
from upload_client.core.states import STATES, State
from upload_client.errors import DeliveryError
from upload_client.events import Health, Progress, ValidatorState
from upload_client.reports.state_csv import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from upload_client.control.lock import Lock
    from upload_client.control.log import LogWriter
    from upload_client.delivery.plan import Plan
    from upload_client.delivery.validation import Validation
    from upload_client.transfer.engine import TransferEngine
    from upload_client.transfer.executor import ExecutorEngine

MAX_FILES_SHOWN = 24
"""Files on their way that are told of: as many as a high terminal can show."""


def bytes_before(plan: Plan) -> int:
    """Bytes of the files that are not to be sent: they are in place."""
    return max(sum(size for size in plan.sizes if size > 0) - plan.n_bytes, 0)


def progress(
    ledger: FileLedger,
    plan: Plan,
    engine: TransferEngine | ExecutorEngine | None,
    *,
    before: int,
    files_sent: int,
    seconds: float,
) -> Progress:
    """Report how far the run is.

    Args:
        ledger: the files.
        plan: what the run has to do.
        engine: what sends; None where nothing is sent.
        before: bytes that were in place before the run.
        files_sent: brought over by this run.
        seconds: since it began.
    """
    done, kept, files = (0, 0, ()) if engine is None else engine.progress(MAX_FILES_SHOWN)
    return Progress(
        counts=ledger.counts(),
        bytes_sent=0 if engine is None else engine.bytes_sent,
        bytes_total=plan.n_bytes,
        bytes_done=done,
        bytes_kept=kept,
        bytes_before=before,
        files_sent=files_sent,
        files_total=plan.n_to_send,
        seconds=seconds,
        in_flight=files,
        requests=0 if engine is None else engine.requests,
    )


def health(
    lock: Lock,
    writer: LogWriter,
    validation: Validation,
    *,
    silence: float,
    seconds: float,
) -> Health:
    """Report the health of lock, logs and validator.

    Args:
        lock: the delivery's.
        writer: of the client's log.
        validation: what is known of the validators.
        silence: seconds of silence after which the validator is started again.
        seconds: since the run began.
    """
    trouble = lock.trouble or writer.trouble or validation.trouble
    watch = validation.watch
    validator: ValidatorState = "working"
    if watch.gone is not None:
        validator = "left"
    elif watch.validator_id is None:
        validator = "starting"
    elif watch.unheard_for >= silence / 2:  # until it is heard: that it is started again is no sign of life
        validator = "silent"
    elif watch.awaited:
        validator = "starting"
    return Health(
        lease_left=lock.lease_left,
        validator=validator,
        validator_heard=None if watch.validator_id is None else watch.unheard_for,
        trouble=None if trouble is None else str(trouble),
        seconds=seconds,
        trouble_code=None if trouble is None else _code_of(trouble),
    )


def _code_of(trouble: Exception) -> str:
    return trouble.code if isinstance(trouble, DeliveryError) else DeliveryError.code


def problems(ledger: FileLedger) -> tuple[Problem, ...]:
    """The files that failed, are invalid or could not be judged, by reason. Looks at all files."""
    bad: set[State] = {state for state in ("failed", "invalid", "done") if ledger.counts()[state]}
    if not bad:
        return ()
    rows = (row for row, state in enumerate(ledger.states()) if state in bad)
    return group(
        (ledger.relpath(row), ledger.state(row), ledger.message(row), ledger.code(row))
        for row in rows
        # Most of those that are done have no trouble, only no verdict yet.
        if ledger.state(row) != "done" or ledger.message(row)
    )


def frame(ledger: FileLedger | None) -> pd.DataFrame:
    """All files as they stand now, in the order of the index; None: there are none yet.

    Returns:
        One row a file, with the columns of the state CSV: ``relpath``, ``abspath``, ``message``,
        ``checksum``, ``etag``, ``code``, ``opened`` as str, missing where there is none; ``state`` as a
        category, ordered as a file's life is; ``retries``, ``max_retries`` as int64; ``size`` as Int64, in
        bytes; ``transferred_at``, ``judged_at`` as datetime64[ms, UTC].
    """
    import pandas as pd  # noqa: PLC0415 - takes longer to load than most runs take

    found: dict[str, list[object]] = {field.name: [] for field in fields(ClientFile)}
    for some in () if ledger is None else ledger.columns():
        for values, more in zip(found.values(), some, strict=True):
            values.extend(more)
    return pd.DataFrame({name: _column(name, found[name]) for name in COLUMNS})


def _column(name: str, values: list[object]) -> pd.Series:
    import pandas as pd  # noqa: PLC0415 - as above

    if name == "state":
        return pd.Series(pd.Categorical(values, categories=list(STATES), ordered=True))
    if name in ("retries", "max_retries"):
        return pd.Series(values, dtype="int64")
    if name == "size":
        return pd.Series(values, dtype="Int64")
    if name.endswith("_at"):
        return pd.to_datetime(pd.Series(values, dtype="object"), utc=True, format="ISO8601").dt.as_unit("ms")
    return pd.Series(values, dtype="str")
