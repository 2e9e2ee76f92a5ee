"""`FtpFileWriter`: a file on an FTP server, with TLS or without; `FtpClient`: the connection to it."""

from __future__ import annotations

import contextlib
import ftplib
import socket
import ssl
from collections.abc import Callable, Iterator

from upload_client.activities.destination import ServerFileWriter
from upload_client.activities.errors import NotDelivered, without_secrets
from upload_client.core.partial_files import BLOCK, check_filename, folders
from upload_client.errors import LoginRefused, NotReachable, UsageError

_NOT_THERE = {"450", "550"}
_NOT_KNOWN = {"500", "501", "502", "504"}
"""Replies to a command that a server does not have (RFC 959, section 4.2)."""
_ERRORS = (ftplib.Error, OSError, EOFError, ValueError)


class _WithTls(ftplib.FTP_TLS):
    """FTP with TLS whose data connections go on in the session of the control connection.

    Many servers insist on that: it shows that both belong to the same client (RFC 4217, section 10.2).
    """

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - encrypted below
        if self._prot_p:  # type: ignore[attr-defined] # ftplib's
            session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
            connection = self.context.wrap_socket(connection, server_hostname=self.host, session=session)
        return connection, size


class FtpClient:
    """A connection to an FTP server, opened when it is needed, and again when it has been lost.

    Args:
        host: its name.
        user: empty: anonymous.
        passwd: the password, or a function that gives it.
        tls: encrypt (explicit TLS, RFC 4217), and make sure that it is the right server.
        port: the control connection's.
        timeout: seconds for an answer.
        context: for TLS; None: as the system trusts.
    """

    def __init__(
        self,
        host: str = "",
        user: str = "",
        passwd: str | Callable[[], str] = "",
        *,
        tls: bool = False,
        port: int = 21,
        timeout: float = 60.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.host, self.user, self.port = host, user, port
        self._passwd = passwd
        self._tls = tls
        self._timeout = timeout
        self._context = context
        self._ftp: ftplib.FTP | None = None
        self._secret = passwd if isinstance(passwd, str) else ""

    def __repr__(self) -> str:
        return f"FtpClient({self.host!r}, {self.user!r}, tls={self._tls})"

    def __str__(self) -> str:
        return f"{'ftps' if self._tls else 'ftp'}://{self.host}" + f":{self.port}" * (self.port != 21)

    def connect(self) -> ftplib.FTP:
        """The connection: the one there is, if it still holds, else a new one.

        Raises:
            LoginRefused: the server does not let this user in.
            NotReachable: it cannot be reached.
            NotDelivered: it is not the right server.
        """
        if self._ftp is not None:
            try:
                self._ftp.voidcmd("NOOP")
            except _ERRORS:
                self.close()
            else:
                return self._ftp
        if not self.host:
            raise UsageError("no FTP server is named")
        ftp = (
            _WithTls(context=self._context or ssl.create_default_context(), timeout=self._timeout)
            if self._tls
            else ftplib.FTP(timeout=self._timeout)  # noqa: S321 - asked for without TLS
        )
        if not isinstance(self._passwd, str):
            self._secret = self._passwd()
        action = "be reached"
        try:
            ftp.connect(self.host, self.port)
            assert ftp.sock is not None
            ftp.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
            )  # it is silent while a file goes over
            action = "be logged in to"
            ftp.login(self.user, self._secret)
            if isinstance(ftp, _WithTls):
                ftp.prot_p()
            ftp.voidcmd("TYPE I")
        except _ERRORS as error:
            ftp.close()
            message = f"{self} cannot {action}: {self.reason_of(error)}"
            if isinstance(error, ftplib.error_perm) and str(error)[:3] in {"530", "331", "332"}:
                raise LoginRefused(message, hint="Check user name and password.") from None
            if isinstance(error, ssl.SSLError):
                raise NotDelivered(message, hint="Ask who runs it for its certificate.") from None
            raise NotReachable(message, hint="Check its name and the network.") from None
        self._ftp = ftp
        return ftp

    def close(self) -> None:
        """Give the connection up, whatever is under way on it."""
        if self._ftp is not None:
            self._ftp.close()
            self._ftp = None

    def reason_of(self, error: BaseException) -> str:
        """The words of a server or the system, without the password."""
        text = error.strerror if isinstance(error, OSError) and error.strerror else error
        return without_secrets(text, (self._secret,))

    def reading(self, path: str) -> Callable[[int], bytes]:
        """Begin to read a file.

        Returns:
            A function that gives at most so many of the next bytes, none at the end; and raises
            `NotDelivered` where the connection ends before.
        """
        if reason := check_filename(path):
            raise UsageError(f"the path {path!r} on {self} {reason}")
        ftp = self.connect()
        try:
            expected = _size(ftp, path)
            connection = ftp.transfercmd(f"RETR {path}")
        except _ERRORS as error:
            self.close()
            raise NotDelivered(f"{self}/{path} cannot be read: {self.reason_of(error)}") from None
        total = 0
        ended = False

        def read(size: int) -> bytes:
            nonlocal total, ended
            if ended:
                return b""
            try:
                data = connection.recv(size)
                if not data:
                    ended = True
                    connection.close()
                    ftp.voidresp()  # only this says that it was all
            except _ERRORS as error:
                raise NotDelivered(
                    f"{self}/{path} broke off after {total:,} bytes: {self.reason_of(error)}"
                ) from None
            total += len(data)
            if ended and expected not in {None, total}:
                raise NotDelivered(f"{self}/{path} broke off after {total:,} of {expected:,} bytes")
            return data

        return read


def _size(ftp: ftplib.FTP, path: str) -> int | None:
    """Bytes of a file; None: it is not there, or the server does not tell.

    Raises:
        ftplib.error_perm: the server has no such command.
    """
    try:
        return ftp.size(path)
    except ftplib.error_perm as error:
        if str(error)[:3] in _NOT_THERE | _NOT_KNOWN:
            return None
        raise
    except ftplib.error_temp:
        return None


class FtpFileWriter(ServerFileWriter):
    """Writes one file on an FTP server: under another name first, its size checked, then renamed.

    The metadata say its path as ``filename``; folders are made. What an interrupted try has written is not
    sent again where the server can go on in a file (REST STREAM) and the content is the same.

    Args:
        client: the connection to the server.
    """

    def __init__(self, client: FtpClient) -> None:
        super().__init__(client, lambda: _Server(client))


class _Server:
    """An FTP server, as a place."""

    def __init__(self, client: FtpClient) -> None:
        self._client = client
        self._features: str | None = None

    @property
    def can_resume(self) -> bool:
        return "REST STREAM" in self._feat()

    def knows_sizes(self) -> bool:
        return "SIZE" in self._feat().split()

    def make_folder(self, path: str) -> None:
        with self._translating_errors(f"make the folder {path}") as ftp:
            if _is_folder(ftp, path):
                return
            for made in folders(path):
                try:
                    ftp.mkd(made)
                except ftplib.error_perm as error:
                    # Servers say in many ways that it is there; so it is asked for.
                    if not _is_folder(ftp, made):
                        raise error from None

    def size(self, path: str) -> int | None:
        with self._translating_errors(f"ask for the size of {path}") as ftp:
            return _size(ftp, path)

    def write(self, path: str, blocks: Iterator[bytes], offset: int) -> None:
        source = _Blocks(blocks)
        ftp = self._client.connect()
        try:
            ftp.storbinary(f"STOR {path}", source, BLOCK, rest=offset or None)
        except _ERRORS as error:
            self._client.close()
            if source.error is not None:
                raise source.error from None
            # A control connection that was silent for hours may be gone when the last byte has arrived.
            if not source.ended or isinstance(error, ftplib.Error):
                raise self._failed(f"write {path}", error) from None

    def rename(self, path: str, name: str) -> None:
        with self._translating_errors(f"rename {path} to {name}") as ftp:
            try:
                ftp.rename(path, name)
            except ftplib.error_perm:
                # Some do not rename onto a file that is there.
                if _size(ftp, name) is None:
                    raise
                ftp.delete(name)
                ftp.rename(path, name)

    def remove(self, path: str) -> None:
        with contextlib.suppress(*_ERRORS):
            self._client.connect().delete(path)

    def _feat(self) -> str:
        if self._features is None:
            with self._translating_errors("ask what it can do") as ftp:
                try:
                    self._features = ftp.sendcmd("FEAT").upper()
                except ftplib.error_perm:
                    self._features = ""
        return self._features

    @contextlib.contextmanager
    def _translating_errors(self, action: str) -> Iterator[ftplib.FTP]:
        ftp = self._client.connect()
        try:
            yield ftp
        except _ERRORS as error:
            self._client.close()
            raise self._failed(action, error) from None

    def _failed(self, action: str, error: BaseException) -> NotDelivered:
        return NotDelivered(f"{self._client} cannot {action}: {self._client.reason_of(error)}")


class _Blocks:
    """The reader that ftplib reads from: a block at each call.

    Attributes:
        ended: whether all was read.
        error: what reading has failed with, which is no fault of the server.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.ended = False
        self.error: Exception | None = None

    def read(self, size: int = BLOCK, /) -> bytes:  # noqa: ARG002 - a block is what ftplib asks for
        try:
            data = next(self._blocks, b"")
        except Exception as error:
            self.error = error
            raise
        self.ended = not data
        return data


def _is_folder(ftp: ftplib.FTP, path: str) -> bool:
    here = ftp.pwd()
    try:
        ftp.cwd(path)
    except ftplib.error_perm:
        return False
    ftp.cwd(here)
    return True
