"""Real servers: FTP with and without TLS, SFTP, SMTP, and HTTP that breaks off."""

from __future__ import annotations

import asyncio
import http.server
import logging
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme

USER, PASSWORD = "robot", "s3cret pässwörd'%"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the certificates of the servers here."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of ``localhost``, in one file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest.fixture
def trusted(authority: trustme.CA) -> ssl.SSLContext:
    """What a client needs to trust them."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


# --- FTP ---


@dataclass
class FtpServer:
    """An FTP server of this process, and what it was asked.

    Attributes:
        root: where its files are.
        commands: what it was asked, without arguments that are secret.
        cut_after: bytes after which it breaks off one transfer; None: it does not.
        drops_control: whether it then breaks off the control connection as well.
    """

    root: Path
    port: int = 0
    commands: list[str] = field(default_factory=list)
    cut_after: int | None = None
    drops_control: bool = False
    resumes: bool = True
    sessions: int = 0


@pytest.fixture
def ftp_server(tmp_path: Path, certificate: Path) -> Iterator[Callable[..., FtpServer]]:
    """Start FTP servers: ``ftp_server(tls=True)``."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "The async(ore|hat) module is deprecated"
        )  # it brings its own later
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
        from pyftpdlib.servers import FTPServer as Server

    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    running: list[tuple[Server, threading.Thread, threading.Event]] = []

    def start(*, tls: bool = False, features: bool = True, sizes: bool = True) -> FtpServer:
        root = tmp_path / f"ftp{len(running)}"
        root.mkdir()
        state = FtpServer(root)
        authorizer = DummyAuthorizer()
        authorizer.add_user(USER, PASSWORD, str(root), perm="elradfmwMT")
        data_base = TLS_DTPHandler if tls else DTPHandler
        control_base = TLS_FTPHandler if tls else FTPHandler

        class Data(data_base):
            def handle_read(self):
                data_base.handle_read(self)
                if state.cut_after is not None and self.tot_bytes_received >= state.cut_after:
                    state.cut_after = None
                    control = self.cmd_channel
                    self._resp = ("426 Connection closed; transfer aborted.", logging.debug)
                    self.close()
                    if state.drops_control:
                        control.close()

            handle_read_event = handle_read

        class Control(control_base):
            dtp_handler = Data
            use_sendfile = False

            def pre_process_command(self, line, cmd, arg):
                state.commands.append(f"{cmd} {arg}" if cmd != "PASS" else cmd)
                if (cmd == "FEAT" and not features) or (cmd == "SIZE" and not sizes):
                    self.respond("500 Unknown command.")
                    return
                super().pre_process_command(line, cmd, arg)

        Control.authorizer = authorizer
        if tls:
            Control.certfile = str(certificate)
            Control.tls_control_required = Control.tls_data_required = True
        if not state.resumes:
            del Control.proto_cmds["REST"]
        server = Server(("127.0.0.1", 0), Control)
        state.port = server.address[1]
        ending = threading.Event()

        def serve() -> None:
            while not ending.is_set():
                server.serve_forever(timeout=0.02, blocking=False)

        thread = threading.Thread(target=serve, name="ftp", daemon=True)
        thread.start()
        running.append((server, thread, ending))
        return state

    yield start
    for server, thread, ending in running:
        ending.set()
        thread.join()
        server.close_all()


# --- SFTP ---


@dataclass
class SshServer:
    """An SSH server of this process.

    Attributes:
        root: where its files are.
        known_hosts: a file that knows it.
        cut_after: bytes after which it breaks off the connection, once; None: it does not.
    """

    root: Path
    known_hosts: Path
    port: int = 0
    cut_after: int | None = None
    writes: list[tuple[int, int]] = field(default_factory=list)


@pytest.fixture
def ssh_server(tmp_path: Path) -> Iterator[SshServer]:
    """An SSH server that speaks SFTP alone."""
    asyncssh = pytest.importorskip("asyncssh")
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    root = tmp_path / "ssh"
    root.mkdir()
    state = SshServer(root, tmp_path / "known_hosts")
    key = asyncssh.generate_private_key("ssh-ed25519")

    class Login(asyncssh.SSHServer):
        def begin_auth(self, username):
            return True

        def password_auth_supported(self):
            return True

        def validate_password(self, username, password):
            return (username, password) == (USER, PASSWORD)

    class Files(asyncssh.SFTPServer):
        def __init__(self, channel):
            self._channel = channel
            super().__init__(channel, chroot=str(root).encode())

        def write(self, file_obj, offset, data):
            state.writes.append((offset, len(data)))
            if state.cut_after is not None and offset + len(data) >= state.cut_after:
                state.cut_after = None
                self._channel.get_connection().abort()
                raise asyncssh.SFTPConnectionLost("cut")
            return super().write(file_obj, offset, data)

    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def serve() -> None:
        listener = await asyncssh.create_server(
            Login, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=Files, allow_scp=False
        )
        state.port = listener.sockets[0].getsockname()[1]
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, name="ssh", daemon=True)
    thread.start()
    assert started.wait(60)
    public = key.export_public_key().decode().strip()
    state.known_hosts.write_text(f"[127.0.0.1]:{state.port} {public}\n", encoding="utf-8")
    yield state

    async def end() -> None:
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    asyncio.run_coroutine_threadsafe(end(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)


# --- SMTP ---


@dataclass
class Mailbox:
    """An SMTP server of this process.

    Attributes:
        mails: what it took, in order: envelope recipients and message.
        refuses: recipients it refuses.
        broken: what it answers to any mail instead of taking it.
    """

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    broken: str = ""
    logins: list[bool] = field(default_factory=list)


@pytest.fixture
def mail_server(certificate: Path) -> Iterator[Callable[..., Mailbox]]:
    """Start SMTP servers: ``mail_server(tls="starttls")``."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    class AnyPort(Controller):
        def _trigger_server(self):
            # It knocks at the port it was given; the system has given another one.
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    running: list[Controller] = []

    def start(*, tls: str = "") -> Mailbox:
        box = Mailbox()
        context = None
        if tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)

        class Handler:
            async def handle_RCPT(self, server, session, envelope, address, options):
                if address in box.refuses:
                    return "550 5.1.1 no such user here"
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, server, session, envelope):
                if box.broken:
                    return box.broken
                message = message_from_bytes(envelope.content, policy=policy.default)
                box.mails.append((list(envelope.rcpt_tos), message))
                return "250 OK"

        def login(server, session, envelope, mechanism, data) -> AuthResult:
            good = (data.login, data.password) == (USER.encode(), MAIL_PASSWORD.encode())
            box.logins.append(good)
            # A server may repeat what it was told.
            answer = f"535 5.7.8 {data.password.decode(errors='replace')} is not right"
            return AuthResult(success=good, handled=False, message=None if good else answer)

        options = {"authenticator": login, "auth_required": bool(tls), "hostname": "127.0.0.1", "port": 0}
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        elif tls == "tls":
            options |= {"ssl_context": context, "auth_require_tls": False}
        controller = AnyPort(Handler(), **options)
        controller.start()
        box.port = controller.port
        running.append(controller)
        return box

    yield start
    for controller in running:
        controller.stop()


MAIL_PASSWORD = "s3cret-mail-password"


# --- HTTP ---


@dataclass
class WebServer:
    """A web server of this process.

    Attributes:
        body: what it answers.
        cut_after: bytes after which it breaks off, once; None: it does not.
        chunked: whether it says no length but sends chunks.
        silent: whether it says no length at all.
        asked: requests it had.
    """

    url: str = ""
    body: bytes = b""
    cut_after: int | None = None
    chunked: bool = False
    silent: bool = False
    status: int = 200
    redirect: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def web_server() -> Iterator[WebServer]:
    """A web server that may break off."""
    state = WebServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            state.asked.append(self.path)
            state.headers.append(dict(self.headers))
            if state.redirect:
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(state.status)
            if state.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif not state.silent:
                self.send_header("Content-Length", str(len(state.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            cut, state.cut_after = state.cut_after, None
            data = state.body if cut is None else state.body[:cut]
            if state.chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if data else b"")
                if cut is None:
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(data)
            self.close_connection = True

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="web", daemon=True)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
