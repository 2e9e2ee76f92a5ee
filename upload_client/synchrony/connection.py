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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from upload_client.core.exits import ExitCode
from upload_client.core.paths import check_relpath
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
from upload_client.errors import InvalidState, Locked, NotReachable, UsageError
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
    import boto3
    from pathspec import GitIgnoreSpec

__all__ = [
    "ON_CONFLICT",
    "DataPlatformConnection",
    "FolderConnection",
    "Outcome",
    "S3Connection",
    "get_supported_platforms",
    "reset_all",
    "smart_sync",
]

_log = logging.getLogger(__name__)

GROUP: Final = "upload_client.platforms"
"""Entry points that bring further platforms: the name of one, and its class."""
ON_CONFLICT: Final = ("ask", *(choice.value for choice in Choice))
_ROUNDS: Final = 5
"""Times that what was changed meanwhile is looked at again in one sync."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a sync.

    Attributes:
        exit_code: 0: both sides are the same, as far as was asked for. 2: nobody was there to choose. 3:
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

    def synchronize(self) -> Outcome | None:
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


class _Connection(DataPlatformConnection):
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
        self._folder = Folder(Path(datafolder))
        self._named = os.fspath(datafolder)
        self._memory = Memory(self._folder.books)
        self._given_name = name
        self._view: View = view or ScreenView(self.there)
        self._prompt = prompt if prompt is not None or view is not None else find_prompt()
        self._on_conflict = on_conflict
        self._push, self._pull = push or not pull, pull or not push
        patterns = [select] if isinstance(select, str) else list(select)
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

    # --- what each platform says for itself ---

    def _connect(self) -> Remote:
        raise NotImplementedError

    def _address(self) -> str:
        """With what the folder is to be shared, as it was given; empty: it was not."""
        raise NotImplementedError

    def _take(self, address: str) -> None:
        """Use an address that the folder remembers."""
        raise NotImplementedError

    # --- the seven ---

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
                    f"nobody has said yet what {self._named} is shared with",
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

    def synchronize(self) -> Outcome:
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
            raise UsageError(
                f"nobody is there to answer: {question}", hint="Run it at a terminal, or with --yes."
            )
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

    # --- inside ---

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
                "nobody has said yet whose edits these are",
                hint="Say it once: --name 'Maria Sibylla Merian'.",
            )
        if name != known:
            if why := check_name(name):
                raise UsageError(f"the name {name!r} {why}", hint="Choose another: --name NAME.")
            if not self._dry_run:
                self._memory.write_text("user_name.txt", name)
        return name

    def _synchronize(self, remote: Remote) -> Outcome:
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
    ) -> Outcome:
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
        outcome = Outcome(int(code), sync.n_files, tuple(done), tuple(failures), tuple(left), log)
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

    def _sentence(self, outcome: Outcome, *, can_choose: bool) -> str:
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


class S3Connection(_Connection):
    """A folder and a prefix in a bucket. Neither the folder nor the prefix needs to exist.

    Args:
        datafolder: the folder.
        aws_bkt: the bucket; None: as remembered.
        aws_prfx: the prefix; empty: the whole bucket.
        name: whose edits these are; None: as remembered, or asked for.
        session: whose credentials; None: the profile in ``.S3/aws.txt``, or what boto3 finds.
        prompt: asks a question and gives back the answer; None: `input`, where somebody is there to answer.
        on_conflict: ``ask``, ``mine``, ``theirs``, ``both`` or ``later``.
        push: only what goes to S3. Neither this nor `pull`: both.
        pull: only what comes from there.
        select: patterns as in a .gitignore: only files that match.
        yes: choose everything, and do not ask.
        dry_run: say what there is to choose, and change nothing.
        view: shows what happens; None: a screen.
        endpoint_url: where S3 is, when not at AWS; None: as for other AWS tools (``AWS_ENDPOINT_URL``).

    Raises:
        UsageError: an argument is wrong.
    """

    there = "S3"
    platform = "S3"

    def __init__(
        self,
        datafolder: str | os.PathLike[str] = "Data",
        aws_bkt: str | None = None,
        aws_prfx: str | None = None,
        name: str | None = None,
        session: boto3.Session | None = None,
        prompt: Prompt | None = None,
        on_conflict: str = "ask",
        *,
        endpoint_url: str | None = None,
        **options: Any,  # noqa: ANN401 - those of every platform, checked by it
    ) -> None:
        super().__init__(datafolder, name=name, prompt=prompt, on_conflict=on_conflict, **options)
        self._session = session
        self._endpoint_url = endpoint_url
        self._place: tuple[str, str] | None = None
        if aws_bkt:
            self._take(f"s3://{aws_bkt}/{aws_prfx or ''}")
        elif aws_prfx:
            raise UsageError("a prefix was given and no bucket", hint="Say aws_bkt, too.")

    def intro_message(self) -> None:
        """Say what is going to happen."""
        self._view.show("Data sync with S3")

    def synchronize(self) -> Outcome:
        """Compare both sides, ask, and do what was chosen.

        Raises:
            UsageError: there is no such bucket.
            DeliveryError: it could not be done, or not safely.
        """
        with self._advised():
            return super().synchronize()

    def reset_remote(self) -> None:
        """Delete the books at the prefix."""
        with self._advised():
            super().reset_remote()

    @contextlib.contextmanager
    def _advised(self) -> Iterator[None]:
        """Have errors of S3 say what a person can do about them here, where there is no receiver to ask."""
        from upload_client.core.answers import Meaning  # noqa: PLC0415 - only for S3
        from upload_client.s3.bucket import StoreError  # noqa: PLC0415 - imports boto3

        bucket = "" if self._place is None else self._place[0]
        try:
            yield
        except StoreError as error:
            if error.meaning is Meaning.NO_BUCKET:
                raise UsageError(
                    f"there is no bucket {bucket!r}", hint="Correct --to, or have the bucket made first."
                ) from error
            if error.meaning in (Meaning.DENIED, Meaning.UNKNOWN_KEYS, Meaning.SIGNATURE):
                error.hint = (
                    "Check whose credentials these are (.S3/aws.txt, or the AWS tools' settings); they have"
                    f" to list, read, write and delete in {bucket}: `upload-client docs synchrony`."
                )
            elif error.meaning is Meaning.OTHER_REGION:
                error.hint = "Set AWS_REGION to the bucket's region, or name it in the AWS profile."
            elif not isinstance(error, NotReachable):
                error.hint = "What was done is written down; run the same command again to go on."
            raise

    def close_message(self) -> None:
        """Say that it is over."""
        self._view.show("Done.")

    def _take(self, address: str) -> None:
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        why = check_relpath(prefix) if prefix else None
        if why is None and BOOKS in prefix.split("/"):
            why = f"lies in the books of another ({BOOKS})"
        if not bucket or why:
            raise UsageError(
                f"{address!r} is no address of a prefix" + (f": it {why}" if why else ""),
                hint="Write it as s3://bucket/prefix.",
            )
        self._place = (bucket, prefix)

    def _address(self) -> str:
        if self._place is None:
            return ""
        bucket, prefix = self._place
        return f"s3://{bucket}/{prefix}".rstrip("/")

    def _connect(self) -> Remote:
        from upload_client.s3.bucket import Bucket  # noqa: PLC0415 - imports boto3
        from upload_client.s3.clients import s3_client  # noqa: PLC0415 - imports boto3
        from upload_client.synchrony.credentials import FILE, session_of  # noqa: PLC0415
        from upload_client.synchrony.s3 import S3Remote  # noqa: PLC0415 - imports boto3

        assert self._place is not None
        bucket, prefix = self._place
        session = self._session or session_of(self._memory.text(FILE), self._view.warn)
        import botocore.exceptions  # noqa: PLC0415 - slow to import

        try:
            client = s3_client(session, _Where(self._endpoint_url), pool=64)
        except botocore.exceptions.BotoCoreError as error:
            raise UsageError(
                f"S3 cannot be spoken to: {error}", hint="Set AWS_REGION, or a region in the AWS profile."
            ) from error
        return S3Remote(Bucket(bucket, prefix=f"{prefix}/" if prefix else "", client=client))


class _Where:
    """The address of S3, as `upload_client.s3.clients` asks for it."""

    def __init__(self, endpoint_url: str | None) -> None:
        self.endpoint_url = endpoint_url
        self.endpoints: Mapping[str, str] = {}


class FolderConnection(_Connection):
    """A folder and a directory that all see: a network disk, a stick.

    Args:
        datafolder: the folder.
        directory: the directory; None: as remembered.
        name: whose edits these are; None: as remembered, or asked for.
        prompt: see `S3Connection`, as for all others.
        on_conflict: ``ask``, ``mine``, ``theirs``, ``both`` or ``later``.
    """

    there = "the shared folder"
    platform = "folder"

    def __init__(
        self,
        datafolder: str | os.PathLike[str] = "Data",
        directory: str | os.PathLike[str] | None = None,
        name: str | None = None,
        prompt: Prompt | None = None,
        on_conflict: str = "ask",
        **options: Any,  # noqa: ANN401 - those of every platform, checked by it
    ) -> None:
        super().__init__(datafolder, name=name, prompt=prompt, on_conflict=on_conflict, **options)
        self._directory: Path | None = None
        if directory is not None:
            self._take(os.fspath(directory))

    def intro_message(self) -> None:
        """Say what is going to happen."""
        self._view.show("Data sync with a shared folder")

    def close_message(self) -> None:
        """Say that it is over."""
        self._view.show("Done.")

    def _take(self, address: str) -> None:
        self._directory = Path(os.path.abspath(address))  # noqa: PTH100 - a symlink to it stays one

    def _address(self) -> str:
        return "" if self._directory is None else str(self._directory)

    def _connect(self) -> Remote:
        from upload_client.synchrony.shared_folder import SharedFolder  # noqa: PLC0415 - not for S3

        assert self._directory is not None
        shared, own = self._directory, self._folder.root
        if shared == own or own in shared.parents or shared in own.parents:
            raise UsageError(
                f"{own} and {shared} lie in each other", hint="Share a folder with a directory elsewhere."
            )
        if not shared.is_dir() and not shared.parent.is_dir():
            raise UsageError(f"there is no {shared}", hint="Connect the disk, or make the directory.")
        return SharedFolder(shared)


_OURS: Final[Mapping[str, Callable[..., DataPlatformConnection]]] = {
    "S3": S3Connection,
    "folder": FolderConnection,
}


def get_supported_platforms() -> list[str]:
    """The names of the platforms there are: ``["S3", "folder", …]``."""
    return [*_OURS, *sorted({point.name for point in entry_points(group=GROUP)} - set(_OURS))]


def _connection(platform: str, options: Mapping[str, Any]) -> DataPlatformConnection:
    made = _OURS.get(platform)
    if made is None:
        points = [point for point in entry_points(group=GROUP) if point.name == platform]
        if not points:
            raise UsageError(
                f"there is no platform {platform!r}",
                hint=f"There are: {', '.join(get_supported_platforms())}.",
            )
        made = points[0].load()
    try:
        return made(**options)
    except TypeError as error:
        raise UsageError(f"platform {platform}: {error}") from error


def smart_sync(platform: str = "S3", **kwargs: Any) -> Outcome | None:  # noqa: ANN401 - the platform's
    """Bring a folder and the other side together, as far as the person chooses.

    Args:
        platform: one of `get_supported_platforms`.
        **kwargs: the arguments of its connection, such as `S3Connection`.

    Returns:
        What the connection says came of it.

    Raises:
        UsageError: nobody knows the platform, or an argument is wrong.
        DeliveryError: it could not be done, or not safely.
    """
    connection = _connection(platform, kwargs)
    connection.intro_message()
    connection.establish_connection()
    outcome = connection.synchronize()
    connection.close_message()
    return outcome


def reset_all(platform: str = "S3", **kwargs: Any) -> bool:  # noqa: ANN401 - the platform's
    """Delete the books on both sides, if the person says yes: no file of the data is touched.

    Args:
        platform: one of `get_supported_platforms`.
        **kwargs: the arguments of its connection.

    Returns:
        Whether they were deleted.

    Raises:
        UsageError: nobody knows the platform, an argument is wrong, or nobody is there to answer.
        DeliveryError: it could not be done.
    """
    connection = _connection(platform, kwargs)
    connection.intro_message()
    connection.establish_connection()
    confirmed = bool(connection.reset_confirm())
    if confirmed:
        connection.reset_local()
        connection.reset_remote()
    connection.close_message()
    return confirmed
