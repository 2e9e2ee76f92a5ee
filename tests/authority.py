"""A time-stamping authority of the tests' own (RFC 3161): OpenSSL's, over HTTP on this machine."""

from __future__ import annotations

import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = An authority of the tests
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[tsa]
default_tsa = tsa1
[tsa1]
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512, sha3-256
ess_cert_id_alg = sha256
"""


class Authority:
    """A time-stamping authority: a URL, and the certificate that it leads to."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.root = folder / "ca.pem"
        self.answers: bytes | None = None
        (folder / "config").write_text(_CONFIG)
        (folder / "serial").write_text("01\n")
        new = ["req", "-newkey", "rsa:2048", "-nodes", "-config", "config"]
        self._openssl(*new, "-x509", "-days", "9", "-extensions", "ca", "-keyout", "ca.key", "-out", "ca.pem")
        self._openssl(*new, "-keyout", "tsa.key", "-out", "tsa.csr")
        sign = ["x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        self._openssl(*sign, "-days", "9", "-extfile", "config", "-extensions", "leaf", "-out", "tsa.pem")
        authority = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                said = authority.reply(asked) if authority.answers is None else authority.answers
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)

    def reply(self, asked: bytes) -> bytes:
        (self._folder / "asked").write_bytes(asked)
        self._openssl("ts", "-reply", "-config", "config", "-queryfile", "asked", "-out", "said")
        return (self._folder / "said").read_bytes()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
