#!/usr/bin/env bash
# What state machines reckon, choose and refuse.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python=
for candidate in python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python; do # LocalEmu 1.3 wants this one
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.13 is not here" >&2; exit 1; }
packages=('localemu[runtime]==1.3.2' 'boto3==1.42.59')
if command -v uv >/dev/null; then
  uv venv -q -p "$python" "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  "$python" -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' localemu boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
cat >serve.py <<'END'
import runpy

from twisted.internet import endpoints

made = endpoints.TCP4ServerEndpoint  # by itself it listens on every interface
endpoints.TCP4ServerEndpoint = lambda *given, **named: made(*given, **{**named, "interface": "127.0.0.1"})
runpy.run_module("localemu.runtime.main", run_name="__main__")
END
env GATEWAY_LISTEN=127.0.0.1:$port SERVICES=stepfunctions,lambda,iam,sts,logs DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
  LOCALEMU_VOLUME_DIR="$tmp/volume" LOCALSTACK_VOLUME_DIR="$tmp/volume" venv/bin/python serve.py >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
States.Array(null, 'a', 1): SUCCEEDED {"y":[]}
States.Array('a', 1): SUCCEEDED {"y":["a",1]}
States.Format with an escaped quote: SUCCEEDED {"y":"it\\\\"}
States.Base64Decode of a letter beyond ASCII: FAILED States.Runtime
States.ArrayUnique of 1, true and '1': SUCCEEDED {"y":[1,"1"]}
a filter that finds one: SUCCEEDED {"y":2}
a filter that finds two: SUCCEEDED {"y":[1,2]}
01:00 at +01:00 equals 00:00 UTC: SUCCEEDED "no"
00:30 at +01:00 is before 00:00 UTC: SUCCEEDED "no"
a variable that is not there: SUCCEEDED "no"
a Map, inline, whose second item fails: FAILED Bad
a Map, distributed, whose second item fails: SUCCEEDED [1,null,3]
a Map that tolerates 20 %: InvalidDefinition
a definition with neither End nor Next: taken
a definition with Next leads nowhere: taken
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

states = boto3.client("stepfunctions", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
for _ in range(240):
    try:
        states.list_state_machines()
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
numbers = iter(range(100))


def machine(definition):
    role = "arn:aws:iam::000000000000:role/role"
    return states.create_state_machine(name=f"machine{next(numbers)}", roleArn=role, definition=json.dumps(definition))["stateMachineArn"]


def run(words, steps, given=None):
    try:
        arn = machine({"StartAt": "A", "States": steps})
    except ClientError as error:
        print(f"{words}: {error.response['Error']['Code']}")
        return
    execution = states.start_execution(stateMachineArn=arn, input=json.dumps(given or {}))["executionArn"]
    for _ in range(200):
        found = states.describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            break
        time.sleep(0.1)
    print(f"{words}: {found['status']}", found.get("output") or found.get("error") or "")


def reckoned(words, expression, given=None):
    run(words, {"A": {"Type": "Pass", "End": True, "Parameters": {"y.$": expression}}}, given)


def chosen(words, given, **rule):
    ends = {name: {"Type": "Pass", "Result": name, "End": True} for name in ("yes", "no")}
    run(words, {"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", **rule, "Next": "yes"}], "Default": "no"}, **ends}, given)


def mapped(words, given=(1, 2, 3), **more):
    mode = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"} if more.pop("distributed", True) else {"Mode": "INLINE"}
    inner = {
        "B": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "C"}], "Default": "D"},
        "C": {"Type": "Fail", "Error": "Bad"},
        "D": {"Type": "Pass", "End": True},
    }
    run(words, {"A": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": mode, "StartAt": "B", "States": inner}, "End": True, **more}}, list(given))


reckoned("States.Array(null, 'a', 1)", "States.Array(null, 'a', 1)")
reckoned("States.Array('a', 1)", "States.Array('a', 1)")
reckoned("States.Format with an escaped quote", r"States.Format('it\'s {}', $.a)", {"a": 1})
reckoned("States.Base64Decode of a letter beyond ASCII", "States.Base64Decode('w6Q=')")
reckoned("States.ArrayUnique of 1, true and '1'", "States.ArrayUnique($.a)", {"a": [1, True, "1"]})
reckoned("a filter that finds one", "$.a[?(@.x > 1)].x", {"a": [{"x": 1}, {"x": 2}]})
reckoned("a filter that finds two", "$.a[?(@.x > 0)].x", {"a": [{"x": 1}, {"x": 2}]})
chosen("01:00 at +01:00 equals 00:00 UTC", {"x": "2020-01-01T01:00:00+01:00"}, TimestampEquals="2020-01-01T00:00:00Z")
chosen("00:30 at +01:00 is before 00:00 UTC", {"x": "2020-01-01T00:30:00+01:00"}, TimestampLessThan="2020-01-01T00:00:00Z")
chosen("a variable that is not there", {}, NumericEquals=1)
mapped("a Map, inline, whose second item fails", distributed=False)
mapped("a Map, distributed, whose second item fails")
mapped("a Map that tolerates 20 %", ToleratedFailurePercentage=20)
for words, steps in {"neither End nor Next": {"A": {"Type": "Pass"}}, "Next leads nowhere": {"A": {"Type": "Pass", "Next": "B"}}}.items():
    try:
        machine({"StartAt": "A", "States": steps})
        print(f"a definition with {words}: taken")
    except ClientError as error:
        print(f"a definition with {words}: {error.response['Error']['Code']}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
