#!/usr/bin/env bash
# Paths that a state machine reads its input by, and a time that it may take.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('ministack==1.5.33' 'boto3==1.43.106')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ministack boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" venv/bin/ministack >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
$.files[0].path: SUCCEEDED {"found": "a"}
$.files[1:]: SUCCEEDED {"found": null}
$.files[?(@.size > 5)]: SUCCEEDED {"found": null}
$.no.such.field: SUCCEEDED {"found": null}
a wait of 3 s, with TimeoutSeconds 1: SUCCEEDED {}
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import json
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

states = boto3.client(
    "stepfunctions",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
)
for _ in range(120):
    try:
        states.list_state_machines()
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def run(name, definition, given):
    made = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
    )
    started = states.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(given))
    while (seen := states.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.1)
    return f"{seen['status']} {seen.get('error') or seen.get('output') or ''}"


files = {"files": [{"path": "a", "size": 1}, {"path": "b", "size": 9}]}
for n, path in enumerate(("$.files[0].path", "$.files[1:]", "$.files[?(@.size > 5)]", "$.no.such.field")):
    state = {"Type": "Pass", "Parameters": {"found.$": path}, "End": True}
    print(f"{path}:", run(f"path{n}", {"StartAt": "A", "States": {"A": state}}, files))
wait = {"StartAt": "A", "TimeoutSeconds": 1, "States": {"A": {"Type": "Wait", "Seconds": 3, "End": True}}}
print("a wait of 3 s, with TimeoutSeconds 1:", run("wait", wait, {}))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
