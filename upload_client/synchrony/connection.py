"""Platforms on which people keep a folder in common; two come with this package."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from upload_client.core.codes import FileCode
from upload_client.core.exits import ExitCode
from upload_client.core.synchrony import (
    CONFLICTS,
    FROM_THERE,
    TO_THERE,
    Act,
    Change,
    Choice,
    acts,
    check_name,
    choices,
)
from upload_client.core.text import counted, for_log, for_terminal
from upload_client.errors import InvalidState, Locked, UsageError
from upload_client.support import arguments
from upload_client.synchrony.books import BOOKS, UNKNOWN
from upload_client.synchrony.differences import LARGEST, differing
from upload_client.synchrony.folder import Folder, write_whole
from upload_client.synchrony.locking import hold
from upload_client.synchrony.memory import Memory
from upload_client.synchrony.remote import Fetch, Remote
from upload_client.synchrony.state import Failure, Offer
from upload_client.synchrony.sync import Sync
from upload_client.synchrony.view import (
    Prompt,
    ScreenView,
    View,
    ask_conflict,
    ask_rows,
    ask_yes,
    find_prompt,
)

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_log = logging.getLogger(__name__)
ON_CONFLICT: Final = ("ask", *(choice.value for choice in Choice))
_ROUNDS: Final = 5
"""Times that what was changed meanwhile is checked again in one sync."""


@dataclass(frozen=True)
class SyncOutcome:
    """The outcome of a sync.

    Attributes:
        exit_code: 0: both sides are the same, as far as was asked. 2: nobody was there to choose. 3:
            conflicts are left. 4: something could not be done. 8: something was not chosen.
        files: files there are, on either side.
        done: path and act of each that was done.
        failures: what could not be done, with path, act and reason.
        left: what may be chosen another time.
        log: the log of this sync, if it had trouble.
    """

    exit_code: int
    files: int
    done: tuple[tuple[str, Act], ...] = ()
    failures: tuple[Failure, ...] = ()
    left: tuple[Offer, ...] = ()
    log: Path | None = None

    @property
    def conflicts(self) -> tuple[Offer, ...]:
        """The conflicts among what is left."""
        return tuple(offer for offer in self.left if offer.change in CONFLICTS)


class DataPlatformConnection:
    """A platform, to be inherited from: seven methods, called in this order by `smart_sync` and `reset_all`.

    This one does nothing. Whoever brings a platform names their class in the entry points
    ``upload_client.platforms``.
    """

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - each platform has its own
        if kwargs:
            raise UsageError(f"{type(self).__name__} takes no {', '.join(sorted(kwargs))}")

    def intro_message(self) -> None:
        """Say what is going to happen."""

    def establish_connection(self) -> None:
        """Connect to the platform."""

    def synchronize(self) -> SyncOutcome | None:
        """Bring both sides together, as far as the person chooses."""

    def close_message(self) -> None:
        """Say that it is over."""

    def reset_confirm(self) -> bool:
        """Ask whether the books are really to be deleted."""
        return False

    def reset_local(self) -> None:
        """Delete the books here."""

    def reset_remote(self) -> None:
        """Delete the books on the platform."""


class SyncConnection(DataPlatformConnection):
    """The platforms of this package: their common part."""

    there = ""
    platform = ""

    def __init__(
        self,
        datafolder: str | os.PathLike[str] = "Data",
        *,
        name: str | None = None,
        prompt: Prompt | None = None,
        on_conflict: str = "ask",
        push: bool = False,
        pull: bool = False,
        select: Sequence[str] | str = (),
        yes: bool = False,
        dry_run: bool = False,
        view: View | None = None,
    ) -> None:
        if on_conflict not in ON_CONFLICT:
            raise UsageError(f"on_conflict is {on_conflict!r}, and can be {', '.join(ON_CONFLICT)}")
        if name is not None:
            arguments.text("name", name, "your name, as text")
        if prompt is not None:
            arguments.can("prompt", prompt, (), "a function that asks a question, and gives back the answer")
        if view is not None:
            arguments.can("view", view, ("show", "warn"), "an upload_client.synchrony.view.View")
        push, pull, yes, dry_run = (
            arguments.boolean(option, given)
            for option, given in (("push", push), ("pull", pull), ("yes", yes), ("dry_run", dry_run))
        )
        self._folder = Folder(arguments.path("datafolder", datafolder))
        self._named = os.fspath(datafolder)
        self._memory = Memory(self._folder.books)
        self._given_name = name
        self._view: View = view or ScreenView(self.there)
        self._prompt = prompt if prompt is not None or view is not None else find_prompt()
        self._on_conflict = on_conflict
        self._push, self._pull = push or not pull, pull or not push
        patterns = arguments.texts("select", select)
        self._selected: GitIgnoreSpec | None = None
        if patterns:
            from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import, and seldom needed

            try:
                self._selected = GitIgnoreSpec.from_lines(patterns)
            except ValueError as error:
                raise UsageError(
                    f"select: {error}", hint="A pattern is written as in a .gitignore."
                ) from None
        self._yes = yes
        self._dry_run = dry_run
        self._remote: Remote | None = None
        self._failed: list[Failure] = []

    # --- implemented by each platform ---

    def _connect(self) -> Remote:
        raise NotImplementedError

    def _address(self) -> str:
        """With what the folder is to be shared, as it was given; empty: it was not."""
        raise NotImplementedError

    def _take(self, address: str) -> None:
        """Use an address that the folder remembers."""
        raise NotImplementedError

    # --- the methods of DataPlatformConnection ---

    def intro_message(self) -> None:
        """See `DataPlatformConnection`."""

    def establish_connection(self) -> None:
        """Find out with what the folder is shared, and connect.

        Raises:
            UsageError: nobody has said with what, or it is shared with something else already.
            DeliveryError: there is no access.
        """
        known = self._memory.settings
        given = self._address()
        if not given:
            if known.get("platform", self.platform) != self.platform or not known.get("to"):
                raise UsageError(
                    f"no shared place is known yet for {self._named}",
                    hint=f"Say it once: `{shlex.join(['upload-client', 'sync', self._named])} --to"
                    " s3://bucket/prefix`.",
                )
            self._take(str(known["to"]))
            given = self._address()
        elif known.get("to", given) != given:
            raise UsageError(
                f"{self._named} is shared with {for_log(str(known['to']), 300)}, and not with {given}",
                hint="Share another folder with that, or end this first: `upload-client sync --reset`.",
            )
        self._remote = self._connect()
        self._view.show(f"{self._named} and {self._remote.where}")

    def synchronize(self) -> SyncOutcome:
        """Compare both sides, ask, and do what was chosen.

        Raises:
            DeliveryError: it could not be done, or not safely.
        """
        remote = self._connected()
        if self._dry_run and not self._folder.books.is_dir():
            return self._synchronize(remote)  # nothing is made, not even the folder of the books
        self._folder.make()
        with hold(self._folder.scratch / "lock") as held:
            if not held:
                raise Locked(str(self._folder.root), why="another sync of this folder is running")
            self._folder.clean()
            return self._synchronize(remote)

    def close_message(self) -> None:
        """See `DataPlatformConnection`."""

    def reset_confirm(self) -> bool:
        """Ask whether the books are really to be deleted on both sides.

        Raises:
            UsageError: nobody is there to answer.
        """
        remote = self._connected()
        kept = "and with them what was deleted there and is kept in .S3/deleted/"
        question = (
            f"Delete {self._folder.books} and {remote.where}/{BOOKS}, {kept}? No other file is touched."
        )
        if self._yes:
            return True
        if self._prompt is None:
            raise UsageError(f"nobody can be asked: {question}", hint="Run it at a terminal, or with --yes.")
        return ask_yes(self._prompt, question)

    def reset_local(self) -> None:
        """Delete the books in the folder."""
        if not self._folder.books.is_dir():
            return
        self._folder.make()
        with hold(self._folder.scratch / "lock") as held:
            if not held:
                raise Locked(str(self._folder.root), why="a sync of this folder is running")
        try:
            shutil.rmtree(self._folder.books)
        except OSError as error:
            raise UsageError(f"{self._folder.books} cannot be deleted: {error.strerror or error}") from error
        self._view.show(f"deleted {self._folder.books}")

    def reset_remote(self) -> None:
        """Delete the books on the other side."""
        remote = self._connected()
        n = remote.forget()
        self._view.show(f"deleted {remote.where}/{BOOKS} ({counted(n, 'file')})")

    # --- internals ---

    def _connected(self) -> Remote:
        if self._remote is None:
            raise InvalidState("there is no connection yet", hint="Call establish_connection() first.")
        return self._remote

    def _name(self) -> str:
        """Whose edits these are."""
        known = self._memory.text("user_name.txt").strip()
        name = self._given_name or known
        if not name and self._prompt is not None and not self._dry_run:
            while not name or check_name(name):
                name = self._prompt("Your name, for the others to see: ").strip()
                if why := check_name(name) if name else "is empty":
                    self._view.show(f"this name {why}")
        if not name:
            if self._dry_run or not self._yes:
                return UNKNOWN  # nothing is going to be written in it
            raise UsageError(
                "your name is not known yet",
                hint="Say it once: --name 'Maria Sibylla Merian'.",
            )
        if name != known:
            if why := check_name(name):
                raise UsageError(f"the name {name!r} {why}", hint="Choose another: --name NAME.")
            if not self._dry_run:
                self._memory.write_text("user_name.txt", name)
        return name

    def _synchronize(self, remote: Remote) -> SyncOutcome:
        view = self._view
        sync = Sync(self._folder, remote, self._name(), warn=view.warn, report=view.progress)
        done: list[tuple[str, Act]] = []
        failures: list[Failure] = []
        raced: dict[str, str] | None = None
        left: list[Offer] = []
        can_choose = (self._yes or self._prompt is not None) and not self._dry_run
        for number in range(_ROUNDS):
            offers = sync.look()
            if number == 0:
                view.skipped(sync.skipped)
                if not self._dry_run:  # it is there, and can be read
                    self._memory.remember(platform=self.platform, to=remote.where)
            meant = [offer for offer in offers if self._is_meant(offer)]
            if raced is not None:
                for path, why in sorted(raced.items()):
                    view.show(f"{path}: {why}")
                meant = [offer for offer in meant if offer.path in raced]
            if not can_choose:
                self._show(meant, remote, sync)
                left = meant
                if not self._dry_run and not meant:
                    sync.write_down()
                break
            chosen = self._choose(meant, remote)
            result = sync.carry_out(chosen)
            done += result.done
            failures += result.failures
            view.did(result.done, result.failures)
            raced = result.raced
            if not raced:
                break
        if raced:  # each time anew
            meant_to = {offer.path: acts(offer.change, choice) for offer, choice in chosen}
            again = [
                Failure(path, meant_to[path][0], why, FileCode.CHANGED) for path, why in sorted(raced.items())
            ]
            view.did((), again)
            failures += again
        if can_choose:
            settled = {path for path, _ in done}
            failed = {failure.path for failure in failures}
            offers = [offer for offer in offers if self._is_meant(offer)]
            left = [offer for offer in offers if offer.path not in settled or offer.path in failed]
        return self._end(sync, done, failures, left, can_choose=can_choose)

    def _is_meant(self, offer: Offer) -> bool:
        if self._selected is not None and not self._selected.match_file(offer.path):
            return False
        if offer.change in TO_THERE:
            return self._push
        if offer.change in FROM_THERE:
            return self._pull
        return True

    def _groups(self, offers: Sequence[Offer]) -> Iterator[tuple[Change, list[Offer]]]:
        for change in (*TO_THERE, *FROM_THERE, *CONFLICTS):
            if rows := [offer for offer in offers if offer.change is change]:
                yield change, rows

    def _show(self, offers: Sequence[Offer], remote: Remote, sync: Sync) -> None:
        for change, rows in self._groups(offers):
            self._view.offers(change, rows, self._differences(change, rows, remote))
        if not offers:
            self._view.show(f"nothing to do: {counted(sync.n_files, 'file')}")

    def _choose(self, offers: Sequence[Offer], remote: Remote) -> list[tuple[Offer, Choice]]:
        chosen: list[tuple[Offer, Choice]] = []
        if not offers:
            return chosen
        for change, rows in self._groups(offers):
            if change in CONFLICTS:
                chosen += self._choose_conflicts(change, rows, remote)
            elif self._yes:
                chosen += [(row, choices(change)[0]) for row in rows]
            else:
                self._view.offers(change, rows, {})
                assert self._prompt is not None
                numbers, back = ask_rows(self._view, self._prompt, change, len(rows))
                usual, *other = choices(change)
                picked = [(row, usual) for n, row in enumerate(rows, 1) if n in numbers]
                picked += [(row, other[0]) for n, row in enumerate(rows, 1) if n in back]
                chosen += self._confirmed(picked)
        return chosen

    def _choose_conflicts(
        self, change: Change, rows: Sequence[Offer], remote: Remote
    ) -> list[tuple[Offer, Choice]]:
        self._view.offers(change, rows, self._differences(change, rows, remote))
        if self._on_conflict != "ask":
            return [(row, Choice(self._on_conflict)) for row in rows]
        if self._prompt is None or self._yes:
            return []
        picked: list[tuple[Offer, Choice]] = []
        same: Choice | None = None
        for row in rows:
            if same is None:
                choice, for_all = ask_conflict(self._view, self._prompt, row)
                same = choice if for_all else None
            else:
                choice = same
            if choice is not Choice.LATER:
                picked.append((row, choice))
        return self._confirmed(picked)

    def _confirmed(self, picked: list[tuple[Offer, Choice]]) -> list[tuple[Offer, Choice]]:
        """The picked changes, without the deletions that were not confirmed."""
        assert self._prompt is not None
        for act, where in (
            (Act.DELETE_THERE, f"on {self.there} (a copy is kept in .S3/deleted/)"),
            (Act.DELETE_HERE, "here"),
        ):
            doomed = [row for row, choice in picked if act in acts(row.change, choice)]
            if not doomed:
                continue
            named = ", ".join(for_terminal(row.path) for row in doomed[:5])
            more = f" and {len(doomed) - 5:,} more" if len(doomed) > 5 else ""
            if not ask_yes(self._prompt, f"Really delete {named}{more} {where}?"):
                picked = [pair for pair in picked if act not in acts(pair[0].change, pair[1])]
        return picked

    def _differences(self, change: Change, rows: Sequence[Offer], remote: Remote) -> dict[str, list[str]]:
        """The differences between both versions, for the first conflicts of which they can be told."""
        found: dict[str, list[str]] = {}
        if change is not Change.BOTH_CHANGED or not self._folder.scratch.is_dir():
            return found
        small = [
            row for row in rows if row.here and row.there and max(row.here.size, row.there.size) <= LARGEST
        ][:20]
        targets = {row.path: self._folder.temporary() for row in small}
        fetches = [Fetch(row.path, row.there, targets[row.path]) for row in small if row.there is not None]
        for one in remote.fetch(fetches):
            if one.error is None and not one.raced:
                with contextlib.suppress(OSError):
                    mine = Path(self._folder.path(one.path)).read_bytes()
                    found[one.path] = differing(mine, targets[one.path].read_bytes(), one.path)
        for target in targets.values():
            with contextlib.suppress(OSError):
                target.unlink()
        return found

    def _end(
        self,
        sync: Sync,
        done: Sequence[tuple[str, Act]],
        failures: Sequence[Failure],
        left: Sequence[Offer],
        *,
        can_choose: bool,
    ) -> SyncOutcome:
        conflicts = sum(1 for offer in left if offer.change in CONFLICTS)
        if failures:
            code = ExitCode.NOT_TRANSFERRED
        elif left and not can_choose and not self._dry_run:
            code = ExitCode.USAGE
        elif conflicts:
            code = ExitCode.INVALID
        elif left:
            code = ExitCode.NOT_COMPLETE
        else:
            code = ExitCode.OK
        log = self._write_log(failures) if failures else None
        outcome = SyncOutcome(int(code), sync.n_files, tuple(done), tuple(failures), tuple(left), log)
        counts = Counter(act.value for _, act in done)
        kinds = Counter(offer.change.value for offer in left)
        summary: dict[str, Any] = {
            "exit_code": outcome.exit_code,
            "files": outcome.files,
            "done": dict(counts),
            "failed": len(failures),
            "conflicts": conflicts,
            "left": dict(kinds),
            "log": None if log is None else str(log),
        }
        self._view.ended(summary, self._sentence(outcome, can_choose=can_choose))
        return outcome

    def _sentence(self, outcome: SyncOutcome, *, can_choose: bool) -> str:
        parts = []
        if outcome.failures:
            parts.append(f"{counted(len(outcome.failures), 'thing')} failed: see {outcome.log}")
        if n := len(outcome.conflicts):
            parts.append(f"{counted(n, 'conflict')} left")
        if n := len(outcome.left) - len(outcome.conflicts):
            parts.append(f"{counted(n, 'difference')} left")
        if not parts:
            whole = self._selected is None and self._push and self._pull
            return (
                f"both sides are the same: {counted(outcome.files, 'file')}"
                if whole
                else "all of that is done"
            )
        text = "; ".join(parts)
        if not can_choose and not self._dry_run:
            text += ". Nobody is there to choose: run it at a terminal, or with --yes"
        return text

    def _write_log(self, failures: Sequence[Failure]) -> Path | None:
        now = time.strftime("%Y_%m_%d_%H_%M_%S", time.gmtime())
        path = self._folder.books / "logs" / f"{now}_{secrets.token_hex(4)}.txt"
        lines = [
            f"{for_log(failure.path)}\t{failure.act.value}\t{for_log(failure.why)}\n" for failure in failures
        ]
        try:
            write_whole(path, "".join(lines).encode("utf-8", "backslashreplace"))
        except OSError as error:
            _log.warning("the log of this sync cannot be written: %s", error)
            return None
        return path
