#!/usr/bin/env bash
# Schedules and a parameter that AWS does not take, by two emulators.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[server]==5.2.5' 'ministack==1.5.33' 'boto3==1.43.106')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 1)) venv/bin/ministack >log2 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
moto
  a rule, every 5: ValidationException
  a rule, rate(0 minutes): taken
  a rule, rate(2 minute): taken
  a rule, cron(0 6 * * * *): taken
  a schedule, cron(0 6 * * *), UTC, OFF without minutes: taken
  a schedule, at(2030-01-01), UTC, OFF without minutes: taken
  a schedule, cron(0 6 * * ? *), Europe/Atlantis, OFF without minutes: taken
  a schedule, cron(0 6 * * ? *), UTC, FLEXIBLE without minutes: taken
  a parameter `x` where its pattern allows digits: taken
MiniStack
  a rule, every 5: ValidationException
  a rule, rate(0 minutes): taken
  a rule, rate(2 minute): taken
  a rule, cron(0 6 * * * *): ValidationException
  a schedule, cron(0 6 * * *), UTC, OFF without minutes: taken
  a schedule, at(2030-01-01), UTC, OFF without minutes: taken
  a schedule, cron(0 6 * * ? *), Europe/Atlantis, OFF without minutes: taken
  a schedule, cron(0 6 * * ? *), UTC, FLEXIBLE without minutes: taken
  a parameter `x` where its pattern allows digits: taken
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

start, _, port = sys.argv[1].rpartition(":")
TARGET = {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:x", "RoleArn": "arn:aws:iam::123456789012:role/r"}


def said(request, **arguments):
    try:
        request(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "taken"


for name, at in (("moto", port), ("MiniStack", int(port) + 1)):
    options = {
        "endpoint_url": f"{start}:{at}",
        "region_name": "us-east-1",
        "aws_access_key_id": "any",
        "aws_secret_access_key": "any",
        "config": Config(retries={"total_max_attempts": 1}),
    }
    events, scheduler, ssm = (boto3.client(each, **options) for each in ("events", "scheduler", "ssm"))
    for _ in range(240):  # until it answers
        try:
            events.list_rules()
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    print(name)
    for line in ("every 5", "rate(0 minutes)", "rate(2 minute)", "cron(0 6 * * * *)"):
        print(f"  a rule, {line}:", said(events.put_rule, Name="rule", ScheduleExpression=line))
    for number, (line, zone, window) in enumerate(
        (
            ("cron(0 6 * * *)", "UTC", {"Mode": "OFF"}),
            ("at(2030-01-01)", "UTC", {"Mode": "OFF"}),
            ("cron(0 6 * * ? *)", "Europe/Atlantis", {"Mode": "OFF"}),
            ("cron(0 6 * * ? *)", "UTC", {"Mode": "FLEXIBLE"}),
        )
    ):
        answer = said(
            scheduler.create_schedule,
            Name=f"schedule-{number}",
            ScheduleExpression=line,
            ScheduleExpressionTimezone=zone,
            FlexibleTimeWindow=window,
            Target=TARGET,
        )
        print(f"  a schedule, {line}, {zone}, {window['Mode']} without minutes: {answer}")
    answer = said(ssm.put_parameter, Name="/n", Value="x", Type="String", AllowedPattern=r"^\d+$")
    print("  a parameter `x` where its pattern allows digits:", answer)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
