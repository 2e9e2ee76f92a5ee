#!/usr/bin/env bash
# Nulls, quotes and moments in state machines.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[stepfunctions,server]==5.2.5' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
States.Array($.n, null, 'x'): SUCCEEDED {"made": [7, "x"]}
States.Format('it\'s {}', $.n): SUCCEEDED {"made": "it\\\\"}
States.Format('{}', null): FAILED States.Runtime
00:00 in UTC is 01:00 an hour east of it: SUCCEEDED false
and less than 01:30 there: FAILED States.Runtime
01:00 there is less than 00:30 in UTC: SUCCEEDED false
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import json
import sys
import time
from urllib.request import Request, urlopen

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


wanted = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
urlopen(Request(f"{sys.argv[1]}/moto-api/config", wanted, {"Content-Type": "application/json"}))


def run(name, definition, given):
    made = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
    )
    started = states.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(given))
    while (seen := states.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.1)
    return f"{seen['status']} {seen.get('error') or seen.get('output') or ''}"


given = {"n": 7, "utc": "2026-01-01T00:00:00Z", "east": "2026-01-01T01:00:00+01:00"}
for n, call in enumerate(("States.Array($.n, null, 'x')", r"States.Format('it\'s {}', $.n)", "States.Format('{}', null)")):
    state = {"Type": "Pass", "Parameters": {"made.$": call}, "End": True}
    print(f"{call}:", run(f"call{n}", {"StartAt": "A", "States": {"A": state}}, given).partition("Error(")[0])
for n, (told, rule) in enumerate(
    (
        ("00:00 in UTC is 01:00 an hour east of it", {"Variable": "$.utc", "TimestampEqualsPath": "$.east"}),
        ("and less than 01:30 there", {"Variable": "$.utc", "TimestampLessThan": "2026-01-01T01:30:00+01:00"}),
        ("01:00 there is less than 00:30 in UTC", {"Variable": "$.east", "TimestampLessThan": "2026-01-01T00:30:00Z"}),
    )
):
    choice = {
        "A": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
        "Yes": {"Type": "Pass", "Result": True, "End": True},
        "No": {"Type": "Pass", "Result": False, "End": True},
    }
    print(f"{told}:", run(f"choice{n}", {"StartAt": "A", "States": choice}, given))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
