"""`SftpFileWriter`: a file on an SSH server; `SftpClient`: the connection to it. Needs the extra ``sftp``."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from upload_client.activities.destination import ServerFileWriter
from upload_client.activities.errors import NotDelivered, missing_extra, without_secrets
from upload_client.core.partial_files import folders
from upload_client.errors import LoginRefused, NotReachable, UsageError
from upload_client.support.inputs import kept

if TYPE_CHECKING:
    import paramiko

_KEEPALIVE = 30  # seconds


class SftpClient:
    """A connection to an SSH server, opened when it is needed, and again when it has been lost.

    The server has to be known: its key is looked up in ``~/.ssh/known_hosts``, or in the file named here.

    Args:
        host: its name.
        user: None: this system's.
        password: or a function that gives it; None: the keys of ``~/.ssh`` and of an agent.
        key_file: a private key.
        key_password: the password of that key.
        port: the server's.
        known_hosts: a file with the keys of servers that are known.
        timeout: seconds for an answer.
    """

    def __init__(
        self,
        host: str,
        user: str | None = None,
        password: str | Callable[[], str] | None = None,
        *,
        key_file: str | os.PathLike[str] | None = None,
        key_password: str | None = None,
        port: int = 22,
        known_hosts: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.host, self.user, self.port = host, user, port
        self._password = password
        self._key_file, self._key_password = key_file, key_password
        self._known_hosts = known_hosts
        self._timeout = timeout
        self._ssh: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None
        self._secret = password if isinstance(password, str) else None

    def __repr__(self) -> str:
        return f"SftpClient({self.host!r}, {self.user!r})"

    def __str__(self) -> str:
        return f"sftp://{self.host}" + f":{self.port}" * (self.port != 22)

    def connect(self) -> paramiko.SFTPClient:
        """The connection: the one there is, if it still holds, else a new one.

        Raises:
            LoginRefused: the server does not let this user in, or is not known.
            NotReachable: it cannot be reached.
        """
        if self._sftp is not None:
            try:
                self._sftp.stat(".")
            except (OSError, EOFError):
                self.close()
            else:
                return self._sftp
        try:
            import paramiko  # noqa: PLC0415 - an extra
        except ImportError:
            raise missing_extra("SFTP", "sftp") from None

        if callable(self._password):
            self._secret = self._password()
        ssh = paramiko.SSHClient()
        ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            if self._known_hosts is None:
                ssh.load_system_host_keys()
            else:
                ssh.load_system_host_keys(str(kept(Path(self._known_hosts), "the servers that are known")))
            ssh.connect(
                self.host,
                self.port,
                self.user,
                self._secret,
                key_filename=None if self._key_file is None else str(kept(Path(self._key_file), "the key")),
                passphrase=self._key_password,
                timeout=self._timeout,
                banner_timeout=self._timeout,
                auth_timeout=self._timeout,
                # A password or a key that is named is what is meant, not what else lies about.
                allow_agent=self._secret is None and self._key_file is None,
                look_for_keys=self._secret is None and self._key_file is None,
            )
            transport = ssh.get_transport()
            assert transport is not None
            transport.set_keepalive(_KEEPALIVE)
            sftp = ssh.open_sftp()
        except paramiko.BadHostKeyException:
            ssh.close()
            raise LoginRefused(
                f"{self} is not the server it was: its key has changed",
                hint="Ask who runs it; if that is right, put its new key into known_hosts.",
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            ssh.close()
            self._refuse(error)
        channel = sftp.get_channel()
        assert channel is not None
        channel.settimeout(self._timeout)
        self._ssh, self._sftp = ssh, sftp
        return sftp

    def _refuse(self, error: BaseException) -> None:
        import paramiko  # noqa: PLC0415 - it is imported already

        reason = self.reason_of(error)
        if isinstance(error, paramiko.AuthenticationException):
            raise LoginRefused(
                f"{self} cannot be logged in to: {reason}", hint="Check user, password and key."
            )
        if "known_hosts" in reason:
            raise LoginRefused(
                f"{self} is not known: {reason}",
                hint="Put its key into known_hosts, once you have compared it with what its owner says.",
            )
        if isinstance(error, FileNotFoundError | PermissionError) and error.filename:
            raise UsageError(f"{error.filename} cannot be read: {error.strerror}")
        raise NotReachable(f"{self} cannot be reached: {reason}", hint="Check its name and the network.")

    def close(self) -> None:
        """Give the connection up, whatever is under way on it."""
        for one in (self._sftp, self._ssh):
            if one is not None:
                with contextlib.suppress(OSError, EOFError):
                    one.close()
        self._sftp = self._ssh = None

    def reason_of(self, error: BaseException) -> str:
        """The words of a server or the system, without the password."""
        text = error.strerror if isinstance(error, OSError) and error.strerror else error
        return without_secrets(text, (self._secret, self._key_password))


class SftpFileWriter(ServerFileWriter):
    """Writes one file on an SSH server: under another name first, its size checked, then renamed.

    The metadata say its path as ``filename``; folders are made. What an interrupted try has written is not
    sent again where the content is the same.

    Args:
        client: the connection to the server.
    """

    def __init__(self, client: SftpClient) -> None:
        super().__init__(client, lambda: _Server(client))


class _Server:
    """An SSH server, as a place."""

    can_resume = True

    def __init__(self, client: SftpClient) -> None:
        self._client = client

    def knows_sizes(self) -> bool:
        return True

    def make_folder(self, path: str) -> None:
        with self._connected(f"make the folder {path}") as sftp:
            for made in folders(path):
                if not _is_folder(sftp, made):
                    try:
                        sftp.mkdir(made)
                    except OSError:
                        if not _is_folder(sftp, made):  # somebody else was quicker
                            raise

    def size(self, path: str) -> int | None:
        with self._connected(f"ask for the size of {path}") as sftp:
            try:
                return sftp.stat(path).st_size
            except FileNotFoundError:
                return None

    def write(self, path: str, blocks: Iterator[bytes], offset: int) -> None:
        sftp = self._client.connect()
        with self._translating_errors(f"write {path}"):
            file = sftp.open(path, "r+" if offset else "w")
        try:
            if offset:
                with self._translating_errors(f"write {path}"):
                    file.truncate(offset)
                    file.seek(offset)
            file.set_pipelined(True)
            for block in blocks:
                with self._translating_errors(f"write {path}"):
                    file.write(block)
        finally:
            with self._translating_errors(f"write {path}"):
                file.close()

    def rename(self, path: str, name: str) -> None:
        with self._connected(f"rename {path} to {name}") as sftp:
            try:
                sftp.posix_rename(path, name)
            except OSError:
                # The rename of the protocol itself, which does not rename onto a file that is there.
                with contextlib.suppress(FileNotFoundError):
                    sftp.remove(name)
                sftp.rename(path, name)

    def remove(self, path: str) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._client.connect().remove(path)

    @contextlib.contextmanager
    def _connected(self, action: str) -> Iterator[paramiko.SFTPClient]:
        sftp = self._client.connect()
        with self._translating_errors(action):
            yield sftp

    @contextlib.contextmanager
    def _translating_errors(self, action: str) -> Iterator[None]:
        import paramiko  # noqa: PLC0415 - it is imported already

        try:
            yield
        except (OSError, EOFError, paramiko.SSHException) as error:
            reason = self._client.reason_of(error)
            if isinstance(error, OSError) and error.errno == errno.EACCES:
                reason = "permission denied"
            raise NotDelivered(f"{self._client} cannot {action}: {reason}") from None


def _is_folder(sftp: paramiko.SFTPClient, path: str) -> bool:
    try:
        return stat.S_ISDIR(sftp.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False
