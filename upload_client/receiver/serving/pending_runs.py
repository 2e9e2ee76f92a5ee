"""`PendingRuns`: runs that are being judged here, and whose outcome has not been reported yet.

A validator's log says that all is judged before the receipt is signed and the outcome reported. Where the
process dies in between, nothing in the store shows it: the next process finds the note in this folder, and
does both.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from pathlib import Path

from upload_client.core.files import TRANSFER_TYPES
from upload_client.core.layout import InvalidName, check_name
from upload_client.core.text import for_log
from upload_client.support.atomic import replacing

_log = logging.getLogger(__name__)
_MAX_NOTE = 4096

_Run = tuple[str, str, str]


class PendingRuns:
    """Notes in a folder, one for each delivery and transfer type.

    Args:
        folder: where they lie; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def found(self) -> dict[_Run, int]:
        """Those of an earlier process: epochs by data set, delivery and transfer type."""
        runs: dict[_Run, int] = {}
        for path in self._folder.glob("*.json"):
            found = _read(path)
            if found is not None:
                run, epoch = found
                runs[run] = epoch
        return runs

    def note(self, run: _Run, epoch: int) -> bool:
        """Write down that a run is being judged; on disk when this returns.

        Returns:
            Whether it is new: False where the note exists, perhaps from another process of this machine.
        """
        if self.found_one(run) == epoch:
            return False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)  # somebody may have cleared it away meanwhile
            with replacing(self._path(run), private=True) as file:
                file.write(json.dumps([*run, epoch]))
        except OSError as error:  # it is judged all the same
            _log.warning("%s/%s: it cannot be noted in the state_dir: %s", *run[:2], for_log(str(error), 300))
        return True

    def found_one(self, run: _Run) -> int | None:
        """The epoch in the note of a run; None: there is none."""
        found = _read(self._path(run))
        return None if found is None else found[1]

    def has(self, run: _Run) -> bool:
        """Whether the note is still there: another process of this machine may have reported the run."""
        return self._path(run).exists()

    def forget(self, run: _Run) -> None:
        """Remove the note: the run is reported, or is another's."""
        with contextlib.suppress(OSError):
            self._path(run).unlink(missing_ok=True)

    def _path(self, run: _Run) -> Path:
        return self._folder / f"{hashlib.sha256(repr(run).encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> tuple[_Run, int] | None:
    try:
        with path.open("rb") as file:
            dataset, delivery_id, transfer_type, epoch = json.loads(file.read(_MAX_NOTE))
        check_name(dataset, "name"), check_name(delivery_id, "name")
    except (OSError, ValueError, TypeError, InvalidName):
        return None  # cut off, or nobody's
    if transfer_type not in TRANSFER_TYPES or type(epoch) is not int:
        return None
    return (dataset, delivery_id, transfer_type), epoch
