#!/usr/bin/env bash
# May somebody log in who speaks TLS: by STARTTLS, and from the first byte.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'aiosmtpd==1.4.6' 'trustme==1.2.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(aiosmtpd|trustme) '
cd "$tmp"
cat >expected <<'END'
STARTTLS (TLSv1.3): AUTH offered: True; login: 235
TLS from the first byte (TLSv1.3): AUTH offered: False; login: SMTP AUTH extension not supported by server.
the same, auth_require_tls=False (TLSv1.3): AUTH offered: True; login: 235
END
venv/bin/python -W ignore - >seen <<'END'
import smtplib
import socket
import ssl

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

authority = trustme.CA()
server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
authority.issue_cert("localhost").configure_cert(server_side)
client_side = ssl.create_default_context()
authority.configure_trust(client_side)


class Takes:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"


for kind, options in (
    ("STARTTLS", {"tls_context": server_side}),
    ("TLS from the first byte", {"ssl_context": server_side}),
    ("the same, auth_require_tls=False", {"ssl_context": server_side, "auth_require_tls": False}),
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    login = lambda *_: AuthResult(success=True)
    controller = Controller(Takes(), hostname="127.0.0.1", port=port, authenticator=login, auth_required=True, **options)
    controller.start()
    if kind == "STARTTLS":
        client = smtplib.SMTP("localhost", port)
        client.starttls(context=client_side)
    else:
        client = smtplib.SMTP_SSL("localhost", port, context=client_side)
    client.ehlo()
    try:
        said = client.login("robot", "x")[0]
    except smtplib.SMTPException as error:
        said = error
    print(f"{kind} ({client.sock.version()}): AUTH offered: {'auth' in client.esmtp_features}; login: {said}")
    client.quit()
    controller.stop()
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
