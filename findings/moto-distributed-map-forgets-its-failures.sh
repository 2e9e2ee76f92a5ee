#!/usr/bin/env bash
# A Map state each of whose items fails: what becomes of the execution?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'moto[stepfunctions]==5.2.5' 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|moto) '

cat >"$tmp/expected" <<'END'
INLINE       FAILED
DISTRIBUTED  SUCCEEDED, and the next state was reached
END
"$venv/bin/python" - >"$tmp/seen" 2>/dev/null <<'END'
import json
import time

import boto3
import moto

for mode in ("INLINE", "DISTRIBUTED"):
    each = {
        "ProcessorConfig": {"Mode": mode, **({} if mode == "INLINE" else {"ExecutionType": "STANDARD"})},
        "StartAt": "Bad",
        "States": {"Bad": {"Type": "Fail", "Error": "NotToday", "Cause": "each item fails"}},
    }
    definition = {
        "StartAt": "Each",
        "States": {
            "Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": each, "Next": "After"},
            "After": {"Type": "Pass", "Result": "went on", "End": True},
        },
    }
    with moto.mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        machines = boto3.client(
            "stepfunctions", region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
        )
        machine = machines.create_state_machine(
            name="machine", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
        )["stateMachineArn"]
        execution = machines.start_execution(stateMachineArn=machine, input='{"items": [1, 2, 3]}')["executionArn"]
        while (seen := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(0.1)
    said = ", and the next state was reached" if "went on" in seen.get("output", "") else ""
    print(f"{mode:12} {seen['status']}{said}")
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
