"""The platforms there are, each with its connection, and a whole sync with one of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from upload_client.core.paths import check_relpath
from upload_client.errors import NotReachable, UsageError
from upload_client.support import arguments
from upload_client.synchrony.books import BOOKS
from upload_client.synchrony.connection import DataPlatformConnection, SyncConnection, SyncOutcome
from upload_client.synchrony.remote import Remote
from upload_client.synchrony.view import (
    Prompt,
)

if TYPE_CHECKING:
    import boto3


GROUP: Final = "upload_client.platforms"
"""Entry points that bring further platforms: the name of one, and its class."""


class S3Connection(SyncConnection):
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
        if session is not None:
            arguments.can("session", session, ("client",), "a boto3 session")
        for argument, given in (
            ("aws_bkt", aws_bkt),
            ("aws_prfx", aws_prfx),
            ("endpoint_url", endpoint_url),
        ):
            if given is not None:
                arguments.text(argument, given, "text")
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

    def synchronize(self) -> SyncOutcome:
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
        from upload_client.s3.clients import S3Endpoint, s3_client  # noqa: PLC0415 - imports boto3
        from upload_client.synchrony.credentials import FILE, session_of  # noqa: PLC0415
        from upload_client.synchrony.s3 import S3Remote  # noqa: PLC0415 - imports boto3

        assert self._place is not None
        bucket, prefix = self._place
        session = self._session or session_of(self._memory.text(FILE), self._view.warn)
        import botocore.exceptions  # noqa: PLC0415 - slow to import

        try:
            client = s3_client(session, S3Endpoint(self._endpoint_url), pool=64)
        except botocore.exceptions.BotoCoreError as error:
            raise UsageError(
                f"S3 cannot be spoken to: {error}", hint="Set AWS_REGION, or a region in the AWS profile."
            ) from error
        return S3Remote(Bucket(bucket, prefix=f"{prefix}/" if prefix else "", client=client))


class FolderConnection(SyncConnection):
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
            self._take(str(arguments.path("directory", directory)))

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
                f"{own} and {shared} overlap: one lies in the other",
                hint="Share a folder with a directory elsewhere.",
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


def smart_sync(platform: str = "S3", **kwargs: Any) -> SyncOutcome | None:  # noqa: ANN401 - the platform's
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
