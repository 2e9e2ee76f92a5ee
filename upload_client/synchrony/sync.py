"""`Sync`: one folder and the other side, compared, and brought together as far as a person chooses.

It compares (`look`), carries out what was chosen (`carry_out`), and updates the tables (`write_down`); on
each side first the files, then the tables. Whatever ends it in between, the listing of the other side and the
folder itself say what is there; the tables follow at the next sync, whoever's it is.

What is listed counts for more than what a table says of it. A row is corrected only after the object was
looked at once more, so that a listing which is older than a row never takes it back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from upload_client.core.codes import MessageCode
from upload_client.core.synchrony import Act, Choice, acts
from upload_client.errors import DeliveryError
from upload_client.support.clock import SYSTEM, Clock
from upload_client.synchrony.actions import delete_here, delete_there, download, set_aside_theirs, upload
from upload_client.synchrony.comparison import compare
from upload_client.synchrony.folder import Folder, Skipped
from upload_client.synchrony.remote import Remote
from upload_client.synchrony.state import Offer, Result, SyncState
from upload_client.synchrony.tables import write_down


class Sync:
    """One folder and the other side.

    Args:
        folder: a person's.
        remote: the other side.
        name: whose edits these are.
        warn: called with each notice for the person, once, with its code.
        report: called with the progress: what is done, how many, of how many.
        clock: time; it is written down and never decides.
    """

    def __init__(
        self,
        folder: Folder,
        remote: Remote,
        name: str,
        *,
        warn: Callable[[str, MessageCode], None] = lambda _, __: None,
        report: Callable[[str, int, int], None] = lambda *_: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._state = SyncState(folder, remote, name, warn, report, clock)

    @property
    def skipped(self) -> list[Skipped]:
        """The files of the folder that cannot be shared, and why."""
        return self._state.skipped

    @property
    def n_files(self) -> int:
        """Files there are, on either side."""
        return len(self._state.here.keys() | self._state.there.keys())

    def look(self) -> list[Offer]:
        """Compare both sides, and say what may be chosen.

        Raises:
            UsageError: the folder, or a table, cannot be read.
            StoreError: the other side cannot be read.
        """
        return compare(self._state)

    def carry_out(self, chosen: Iterable[tuple[Offer, Choice]]) -> Result:
        """Do what was chosen, and write it down. What cannot be done is passed over.

        Raises:
            DeliveryError: the other side cannot be written to, or not safely.
        """
        state, result = self._state, Result([], [], {})
        todo: dict[Act, list[Offer]] = {act: [] for act in Act}
        for offer, choice in chosen:
            for act in acts(offer.change, choice):
                todo[act].append(offer)
        if not any(todo.values()):
            self.write_down()
            return result
        state.written = state.clock.monotonic()
        try:
            if todo[Act.UPLOAD] or todo[Act.DELETE_THERE] or todo[Act.SET_ASIDE]:
                state.make_sure()
            set_aside_theirs(state, todo[Act.SET_ASIDE], result)
            given_up = {failure.path for failure in result.failures} | set(result.raced)
            upload(state, [offer for offer in todo[Act.UPLOAD] if offer.path not in given_up], result)
            download(state, todo[Act.DOWNLOAD], result)
            delete_here(state, todo[Act.DELETE_HERE], result)
            delete_there(state, todo[Act.DELETE_THERE], result)
        except BaseException:
            with contextlib.suppress(DeliveryError):  # the first one is the one to tell
                self.write_down()
            raise
        self.write_down()
        return result

    def write_down(self) -> None:
        """Bring the tables on both sides up to what is there.

        Raises:
            DeliveryError: they cannot be written.
        """
        write_down(self._state)
