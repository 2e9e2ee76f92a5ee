#!/usr/bin/env bash
# A function of AWS Lambda that raises an exception of its own, called directly and by a state machine that catches it.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
venv=$tmp/venv
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$venv"
  VIRTUAL_ENV=$venv uv pip install -q 'ministack==1.5.33' 'boto3==1.43.106'
else
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check 'ministack==1.5.33' 'boto3==1.43.106'
fi
"$venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ministack boto3
port=$("$venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
(cd "$tmp" && GATEWAY_PORT=$port BIND_HOST=127.0.0.1 LAMBDA_EXECUTOR=local PATH=$venv/bin:$PATH exec "$venv/bin/ministack") \
  >"$tmp/log" 2>&1 </dev/null &
servers+=($!)

cat >"$tmp/expected" <<'END'
called:        errorType Runtime.HandlerError, errorMessage come back later
state machine: catches States.TaskFailed, and no NotYet; the error is Runtime.HandlerError
END
"$venv/bin/python" - "http://127.0.0.1:$port" >"$tmp/seen" <<'END'
import io
import json
import sys
import time
import zipfile

import boto3
from botocore.exceptions import BotoCoreError, ClientError

CODE = """
class NotYet(Exception):
    pass


def handle(event, context):
    raise NotYet("come back later")
"""
ROLE = "arn:aws:iam::000000000000:role/any"


def client(name):
    return boto3.client(
        name, endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


packed = io.BytesIO()
with zipfile.ZipFile(packed, "w") as archive:
    archive.writestr("module_of_mine.py", CODE)
functions = client("lambda")
for _ in range(120):
    try:
        function = functions.create_function(
            FunctionName="raises",
            Runtime="python3.13",
            Role=ROLE,
            Handler="module_of_mine.handle",
            Code={"ZipFile": packed.getvalue()},
            Timeout=30,
        )["FunctionArn"]
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
answer = json.loads(functions.invoke(FunctionName="raises", Payload=b"{}")["Payload"].read())
print(f"called:        errorType {answer['errorType']}, errorMessage {answer['errorMessage']}")

definition = {
    "StartAt": "Call",
    "States": {
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": function, "Payload": {}},
            "Catch": [
                {"ErrorEquals": ["NotYet"], "Next": "ByName"},
                {"ErrorEquals": ["States.TaskFailed"], "Next": "AsAny", "ResultPath": "$.caught"},
            ],
            "End": True,
        },
        "ByName": {"Type": "Pass", "Result": "NotYet", "End": True},
        "AsAny": {"Type": "Pass", "End": True},
    },
}
machines = client("stepfunctions")
machine = machines.create_state_machine(name="machine", definition=json.dumps(definition), roleArn=ROLE)
execution = machines.start_execution(stateMachineArn=machine["stateMachineArn"], input="{}")["executionArn"]
while (seen := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
    time.sleep(0.2)
output = json.loads(seen["output"])
if output == "NotYet":
    print("state machine: catches NotYet")
else:
    print(f"state machine: catches States.TaskFailed, and no NotYet; the error is {output['caught']['Error']}")
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
