"""Registries of container images to test against: a small one in this process, and a real one where it is."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import urllib3
import waiting

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Registry:
    """A registry on this machine, filled and looked at through its API.

    Attributes:
        host: and port.
    """

    def __init__(self, host: str) -> None:
        self.host = host

    def _ask(self, method, path, **options):
        return urllib3.request(method, f"http://{self.host}{path}", redirect=False, **options)

    def push_blob(self, repository: str, content: bytes) -> dict:
        begun = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
        where = urlsplit(begun.headers["Location"])
        query = f"{where.query}&" if where.query else ""
        done = self._ask(
            "PUT",
            f"{where.path}?{query}digest={digest_of(content)}",
            body=content,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert done.status == 201, done.data
        return {"digest": digest_of(content), "size": len(content), "mediaType": "application/x"}

    def push_manifest(self, repository: str, reference: str | None, read: dict) -> str:
        content = json.dumps(read).encode()
        digest = digest_of(content)
        done = self._ask(
            "PUT",
            f"/v2/{repository}/manifests/{reference or digest}",
            body=content,
            headers={"Content-Type": read["mediaType"]},
        )
        assert done.status == 201, done.data
        return digest

    def push_image(self, repository: str, tag: str | None, *layers: bytes, config: bytes = b"{}") -> str:
        read = {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": self.push_blob(repository, config),
            "layers": [self.push_blob(repository, layer) for layer in layers],
        }
        return self.push_manifest(repository, tag, read)

    def manifest(self, repository: str, reference: str) -> tuple[str, dict] | None:
        answer = self._ask(
            "GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": f"{OCI}, {INDEX}"}
        )
        return (digest_of(answer.data), json.loads(answer.data)) if answer.status == 200 else None

    def blob(self, repository: str, digest: str) -> bytes | None:
        answer = self._ask("GET", f"/v2/{repository}/blobs/{digest}")
        return answer.data if answer.status == 200 else None


PERMISSIONS = {
    ("GET", "manifests"): "ecr:BatchGetImage",
    ("HEAD", "manifests"): "ecr:BatchGetImage",
    ("PUT", "manifests"): "ecr:PutImage",
    ("HEAD", "blobs"): "ecr:BatchCheckLayerAvailability",
    ("GET", "blobs"): "ecr:GetDownloadUrlForLayer",
    ("POST", "blobs/uploads"): "ecr:InitiateLayerUpload",
    ("PATCH", "blobs/uploads"): "ecr:UploadLayerPart",
    ("PUT", "blobs/uploads"): "ecr:CompleteLayerUpload",
}
"""The permission that ECR wants for a request of the registry's API.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
"""


class FakeRegistry(Registry):
    """A registry in this process, which can be broken.

    Attributes:
        damage: digests whose content is sent with its first byte changed.
        cut: digests whose content is cut off, and how often that still happens.
        redirect: layers are somewhere else, as ECR has them.
        uploads_to: another host to which uploads are sent.
        trickle: methods, and parts of paths, of requests whose answers are a byte at a time, without an end.
        drip: whether the content of layers of more than 100 bytes is as slow.
        wants_tokens: whether it answers nobody without a token, which its own ``/token`` gives.
        token_answer: the answer of that place; None: a token.
        realm: where it says that tokens are; empty: its own place.
        spent: tokens that it takes no more.
        may: permissions of whoever asks, as ECR names them; None: all.
        requests: all that came: method, path, authorization.
    """

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.uploads: dict[str, bytes] = {}
        self.damage: set[str] = set()
        self.cut: dict[str, int] = {}
        self.redirect = self.uploads_to = ""
        self.fail_once: list[str] = []
        self.trickle: list[tuple[str, str]] = []
        self.drip = False
        self.wants_tokens = False
        self.token_answer: tuple[int, bytes] | None = None
        self.realm = ""
        self.spent: set[str] = set()
        self.may: set[str] | None = None
        self.requests: list[tuple[str, str, str | None]] = []
        server = self.server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("H", (_Answers,), {"registry": self})
        )
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        super().__init__(f"127.0.0.1:{server.server_port}")

    def close(self) -> None:
        self.trickle.clear()
        self.drip = False
        self.server.shutdown()
        self.server.server_close()


class _Answers(BaseHTTPRequestHandler):
    registry: FakeRegistry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self, code):
        self._answer(404, json.dumps({"errors": [{"code": code, "message": "not here"}]}).encode())

    def _any(self):
        mine = self.registry
        url = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        mine.requests.append((self.command, url.path, self.headers.get("Authorization")))
        if self._trickles() and not mine.drip:
            return self._trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        if self.command in mine.fail_once:
            mine.fail_once.remove(self.command)
            return self._answer(503)
        if mine.wants_tokens:
            if url.path == "/token":
                return self._answer(*(mine.token_answer or (200, self._token(parse_qs(url.query)))))
            if (challenge := self._challenge(url)) is not None:
                errors = b'{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}'
                return self._answer(401, errors, WWW_Authenticate=challenge)
        _, repository, kind, last = re.fullmatch(
            r"(/v2/|/elsewhere/)(.+)/(manifests|blobs/uploads|blobs)/(.*)", url.path
        ).groups()
        needed = PERMISSIONS.get((self.command, kind), "")
        if mine.may is not None and needed not in mine.may:
            why = {"code": "DENIED", "message": f"the role is not authorized to perform: {needed}"}
            return self._answer(403, json.dumps({"errors": [why]}).encode())
        if kind == "blobs/uploads":
            return self._upload(mine, repository, last, parse_qs(url.query), body, size)
        if kind == "blobs":
            return self._blob(mine, repository, last, url)
        if self.command == "PUT":
            read = json.loads(body)
            named = [read["config"], *read["layers"]] if "config" in read else []
            below = read.get("manifests", [])
            if any((repository, one["digest"]) not in mine.blobs for one in named) or any(
                (repository, one["digest"]) not in mine.manifests | mine.blobs for one in below
            ):
                return self._answer(400, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}')
            for name in (last, digest_of(body)):
                mine.manifests[repository, name] = body, self.headers["Content-Type"]
            return self._answer(201, Docker_Content_Digest=digest_of(body))
        if (repository, last) not in mine.manifests:
            return self._missing("MANIFEST_UNKNOWN")
        content, media_type = mine.manifests[repository, last]
        return self._answer(200, content, Content_Type=media_type, Docker_Content_Digest=digest_of(content))

    def _token(self, asked):
        """A token that says what it is for."""
        assert asked["service"] == ["fake"]
        number = sum(path == "/token" for _, path, _ in self.registry.requests)
        return json.dumps({"token": f"{number}/{asked['scope'][0]}"}).encode()

    def _challenge(self, url):
        """What is asked for; None: the token is there."""
        mine = self.registry
        repository = re.fullmatch(r"/v2/(.+)/(?:manifests|blobs/uploads|blobs)/.*", url.path)[1]
        scope = f"repository:{repository}:{'pull' if self.command in ('GET', 'HEAD') else 'pull,push'}"
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token.partition("/")[2] == scope and token not in mine.spent:
            return None
        return f'Bearer realm="{mine.realm or f"http://{mine.host}/token"}",service="fake",scope="{scope}"'

    def _trickles(self):
        mine = self.registry
        return any(part in self.path for method, part in mine.trickle if method == self.command) or mine.drip

    def _trickle(self, start):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.write(start)
            while self._trickles():
                self.wfile.write(b"x")
                threading.Event().wait(0.02)

    def _blob(self, mine, repository, digest, url):
        content = mine.blobs.get((repository, digest))
        if content is None:
            return self._missing("BLOB_UNKNOWN")
        if mine.redirect and url.path.startswith("/v2/") and self.command == "GET":
            return self._answer(307, Location=f"{mine.redirect}/elsewhere/{repository}/blobs/{digest}")
        if digest in mine.damage:
            content = bytes([content[0] ^ 1]) + content[1:]
        if self.command == "GET" and mine.drip and len(content) > 100:
            return self._trickle(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content))
        if self.command == "GET" and mine.cut.get(digest):
            mine.cut[digest] -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return None
        return self._answer(200, content)

    def _upload(self, mine, repository, last, query, body, size):
        where = f"/v2/{repository}/blobs/uploads/{last or len(mine.uploads)}?state=x"
        if self.command == "POST":
            mounted = query.get("mount", [""])[0], query.get("from", [""])[0]
            if (content := mine.blobs.get(mounted[::-1])) is not None:
                mine.blobs[repository, mounted[0]] = content
                return self._answer(201)
            mine.uploads[str(len(mine.uploads))] = b""
            return self._answer(202, Location=f"{mine.uploads_to}{where}")
        if self.command == "PATCH":
            assert len(body) == size
            mine.uploads[last] += body
            return self._answer(202, Location=f"http://{mine.host}{where}")
        if self.command == "DELETE":
            mine.uploads[last] = b""
            return self._answer(204)
        content = mine.uploads[last] + body
        (digest,) = query["digest"]
        if digest_of(content) != digest:
            return self._answer(400, b'{"errors": [{"code": "DIGEST_INVALID"}]}')
        mine.blobs[repository, digest] = content
        return self._answer(201)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815 - given names


PROGRAM = shutil.which("docker-registry") or shutil.which("registry")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


class TokenRegistry(Registry):
    """A registry that wants tokens; it is filled by who has one for everything."""

    def __init__(self, host: str, token: str) -> None:
        super().__init__(host)
        self._token = token

    def _ask(self, method, path, headers=None, **options):
        login = {"Authorization": f"Bearer {self._token}"}
        return super()._ask(method, path, headers={**login, **(headers or {})}, **options)


class Tokens:
    """A place that gives tokens to whoever asks: for reading what is in ``public/``, and for nothing else."""

    def __init__(self, folder: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder(name, name, self.key.public_key(), 1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (_Tokens,), {"tokens": self}))
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def token(self, access: list[dict]) -> str:
        import jwt
        from cryptography.hazmat.primitives import serialization

        der = self._certificate.public_bytes(serialization.Encoding.DER)
        now = int(time.time())
        claims = {"iss": "tokens", "sub": "", "aud": "real", "jti": str(now), "access": access}
        claims |= {"iat": now, "nbf": now - 60, "exp": now + 300}
        return jwt.encode(claims, self.key, "RS256", headers={"x5c": [base64.b64encode(der).decode()]})

    def settings(self) -> str:
        return (
            f"auth: {{token: {{realm: 'http://127.0.0.1:{self.server.server_port}/token', service: real,"
            f" issuer: tokens, rootcertbundle: '{self.bundle}'}}}}\n"
        )

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Tokens(BaseHTTPRequestHandler):
    tokens: Tokens

    def log_message(self, *_):
        pass

    def do_GET(self):
        assert self.headers.get("Authorization") is None
        asked = parse_qs(urlsplit(self.path).query)
        access = []
        for scope in asked.get("scope", []):
            kind, name, actions = scope.split(":")
            given = ["pull"] if name.startswith("public/") and "pull" in actions.split(",") else []
            access.append({"type": kind, "name": name, "actions": given})
        body = json.dumps({"access_token": self.tokens.token(access), "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def real_registry(folder: Path, tokens: Tokens | None = None) -> Iterator[Registry]:
    """The registry that Debian packages as ``docker-registry``; with `tokens` it wants one of these."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n" + (tokens.settings() if tokens else "")
    )
    process = subprocess.Popen(
        [PROGRAM, "serve", folder / "config.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        waiting.until(lambda: _listens(port) or process.poll() is not None, why="it listens nowhere")
        assert process.poll() is None, "it has ended"
        host = f"127.0.0.1:{port}"
        if tokens is None:
            yield Registry(host)
        else:
            every = {"type": "repository", "actions": ["pull", "push"]}
            names = ("public/tool", "private/tool")
            yield TokenRegistry(host, tokens.token([{**every, "name": name} for name in names]))
    finally:
        process.kill()
        process.wait()
