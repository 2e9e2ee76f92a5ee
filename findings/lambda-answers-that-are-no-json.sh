#!/usr/bin/env bash
# What AWS Lambda's own runtime client for Python answers for values of a function, and what it takes as an event.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('awslambdaric==4.2.2')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'from importlib.metadata import version; print("awslambdaric", version("awslambdaric"))'

cat >function.py <<'END'
import datetime
import decimal

values = {
    "a share of 0/0": float("nan"),
    "no upper bound": [float("inf")],
    "a price of Decimal('1.50')": decimal.Decimal("1.50"),
    "30 digits": decimal.Decimal("0.123456789012345678901234567890"),
    "Decimal('NaN')": decimal.Decimal("NaN"),
    "bytes of a text": b"night.csv",
    "bytes of nothing": b"",
    "a key 1 and a key '1'": {1: "number", "1": "text"},
    "a key None": {None: 1},
    "a day": datetime.date(2026, 1, 1),
    "a set": {1},
}


def handler(event, context):
    return values.get(event, repr(event)) if isinstance(event, str) else repr(event)
END
cat >service.py <<'END'
# The Runtime API, as it is documented: the client asks for an event, and posts what the function answered.
import http.server
import json
import os
import queue
import subprocess
import sys
import threading

import function

events, answers = queue.Queue(), queue.Queue()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        event = events.get()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
        self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answers.put((self.path.rsplit("/", 1)[1], body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = os.environ | {
    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "group",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    "AWS_REGION": "us-east-1",
    "PYTHONPATH": ".",
}
client = subprocess.Popen(
    [sys.executable, "-m", "awslambdaric", "function.handler"],
    env=environment,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)


def ask(event):
    events.put(event)
    kind, body = answers.get(timeout=60)
    return json.loads(body)["errorType"] if kind == "error" else body.decode()


def refuse(name):
    raise ValueError(name)


def strict(pairs):
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


try:
    for what in function.values:
        answer = ask(json.dumps(what).encode())
        try:
            json.loads(answer, parse_constant=refuse, object_pairs_hook=strict)
            note = ""
        except ValueError:
            note = "" if answer.startswith("Runtime.") else ", which is no JSON"
        if "twice" in note or (answer.count('"1"') == 2 and note):
            note = ", in which a name stands twice"
        print(f"returned {what}: {answer or 'nothing'}{note}")
    print("event with 1.0 and a name twice:", ask(b'{"a": 1.0, "a": 2}'))
    print("event with NaN:", ask(b'{"share": NaN}'))
    print("event with 0.1234567890123456789:", ask(b'{"share": 0.1234567890123456789}'))
finally:
    client.kill()
    client.wait()
END
timeout 120 venv/bin/python service.py >seen
cat >expected <<'END'
returned a share of 0/0: NaN, which is no JSON
returned no upper bound: [Infinity], which is no JSON
returned a price of Decimal('1.50'): 1.50
returned 30 digits: 0.123456789012345678901234567890
returned Decimal('NaN'): NaN, which is no JSON
returned bytes of a text: night.csv, which is no JSON
returned bytes of nothing: nothing, which is no JSON
returned a key 1 and a key '1': {"1": "number", "1": "text"}, in which a name stands twice
returned a key None: {"null": 1}
returned a day: Runtime.MarshalError
returned a set: Runtime.MarshalError
event with 1.0 and a name twice: "{'a': 2}"
event with NaN: Runtime.UnmarshalError
event with 0.1234567890123456789: "{'share': 0.12345678901234568}"
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
