#!/usr/bin/env bash
# What is to be retained, parameters and functions of CloudFormation's templates in two emulators.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[server,cloudformation,s3,sqs,dynamodb]==5.2.5' 'ministack==1.5.33' 'boto3==1.43.106')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto ministack boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
env BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 1)) venv/bin/ministack >log2 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
a stack is deleted; its table with Retain
  moto       there, 1 items
  MiniStack  there, 1 items
a stack whose bucket is full is deleted
  moto       DELETE_COMPLETE, the bucket is there, 1 objects
  MiniStack  DELETE_COMPLETE, the bucket is gone
a table with Retain is taken out of the template
  moto       gone
  MiniStack  there, 1 items
a table with Retain is given another name
  moto       the old one there, 1 items; the new one gone
  MiniStack  the old one there, 1 items; the new one there, 0 items
the Number 007
  moto       ['site-7']
  MiniStack  ['site-007']
the list 'a, b ,c' joined
  moto       ['a| b |c']
  MiniStack  ['a|b|c']
a joined with AWS::NoValue
  moto       ['a-None']
  MiniStack  ['a']
abc where AllowedPattern is [0-9]+
  moto       ['abc']
  MiniStack  ValidationError
c where AllowedValues are a and b
  moto       ['c']
  MiniStack  ValidationError
3 where MinValue is 5
  moto       ['3']
  MiniStack  ValidationError
a parameter that the template does not have
  moto       ['taken']
  MiniStack  ['taken']
END
venv/bin/python - "$port" >seen 2>errors <<'END' || { cat errors >&2; exit 1; }
import itertools
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

names = (f"finding-{number}" for number in itertools.count())


class Emulator:
    def __init__(self, port):
        self.s3, self.stacks, self.tables = (
            boto3.client(
                service,
                endpoint_url=f"http://127.0.0.1:{port}",
                region_name="us-east-1",
                aws_access_key_id="any",
                aws_secret_access_key="any",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            for service in ("s3", "cloudformation", "dynamodb")
        )
        for _ in range(240):
            try:
                self.s3.list_buckets()
                break
            except (BotoCoreError, ClientError):
                time.sleep(0.5)

    def settled(self, name):
        for _ in range(40):
            stack = self.stacks.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            time.sleep(0.25)
        raise TimeoutError(name)

    def make(self, template, **parameters):
        name = next(names)
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self.stacks.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)
        return name, self.settled(name)

    def update(self, name, template):
        self.stacks.update_stack(StackName=name, TemplateBody=json.dumps(template))
        self.settled(name)

    def delete(self, name):
        self.stacks.delete_stack(StackName=name)
        for _ in range(40):
            found = [stack for stack in self.stacks.list_stacks()["StackSummaries"] if stack["StackName"] == name]
            if not found:
                return "gone"
            if not found[0]["StackStatus"].endswith("_IN_PROGRESS"):
                return found[0]["StackStatus"]
            time.sleep(0.25)
        raise TimeoutError(name)

    def objects(self, name):
        try:
            return f"there, {self.s3.list_objects_v2(Bucket=name)['KeyCount']} objects"
        except ClientError:
            return "gone"

    def receive(self, name):
        self.tables.put_item(TableName=name, Item={"file": {"S": "night.csv"}})

    def items(self, name):
        try:
            return f"there, {self.tables.scan(TableName=name)['Count']} items"
        except ClientError:
            return "gone"


RETAIN = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def bucket(name):
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}


def table(name):
    properties = {
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": "file", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "file", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    return {"Type": "AWS::DynamoDB::Table", "Properties": properties, **RETAIN}


def deleted_with_retain(emulator):
    kept = next(names)
    name, _ = emulator.make({"Resources": {"Kept": table(kept)}})
    emulator.receive(kept)
    emulator.delete(name)
    return emulator.items(kept)


def deleted_when_full(emulator):
    full = next(names)
    name, _ = emulator.make({"Resources": {"Full": bucket(full)}})
    emulator.s3.put_object(Bucket=full, Key="night.csv", Body=b"1")
    status = emulator.delete(name)
    return f"{status}, the bucket is {emulator.objects(full)}"


def taken_out(emulator):
    kept, other = next(names), next(names)
    name, _ = emulator.make({"Resources": {"Kept": table(kept), "Other": bucket(other)}})
    emulator.receive(kept)
    emulator.update(name, {"Resources": {"Other": bucket(other)}})
    return emulator.items(kept)


def renamed(emulator):
    old, new = next(names), next(names)
    name, _ = emulator.make({"Resources": {"Kept": table(old)}})
    emulator.receive(old)
    emulator.update(name, {"Resources": {"Kept": table(new)}})
    return f"the old one {emulator.items(old)}; the new one {emulator.items(new)}"


def output(value, parameter=None, **parameters):
    def show(emulator):
        template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Value": {"Value": value}}}
        template["Conditions"] = {"Never": {"Fn::Equals": ["1", "2"]}}
        if parameter:
            template["Parameters"] = {"Given": parameter}
        _, stack = emulator.make(template, **parameters)
        return repr([found["OutputValue"] for found in stack.get("Outputs", [])])

    return show


given = {"Ref": "Given"}
absent = {"Fn::If": ["Never", "b", {"Ref": "AWS::NoValue"}]}
trials = {
    "a stack is deleted; its table with Retain": deleted_with_retain,
    "a stack whose bucket is full is deleted": deleted_when_full,
    "a table with Retain is taken out of the template": taken_out,
    "a table with Retain is given another name": renamed,
    "the Number 007": output({"Fn::Sub": "site-${Given}"}, {"Type": "Number"}, Given="007"),
    "the list 'a, b ,c' joined": output({"Fn::Join": ["|", given]}, {"Type": "CommaDelimitedList"}, Given="a, b ,c"),
    "a joined with AWS::NoValue": output({"Fn::Join": ["-", ["a", absent]]}),
    "abc where AllowedPattern is [0-9]+": output(given, {"Type": "String", "AllowedPattern": "[0-9]+"}, Given="abc"),
    "c where AllowedValues are a and b": output(given, {"Type": "String", "AllowedValues": ["a", "b"]}, Given="c"),
    "3 where MinValue is 5": output(given, {"Type": "Number", "MinValue": 5}, Given="3"),
    "a parameter that the template does not have": output("taken", None, Other="1"),
}
emulators = {"moto": Emulator(int(sys.argv[1])), "MiniStack": Emulator(int(sys.argv[1]) + 1)}
for what, trial in trials.items():
    print(what)
    for name, emulator in emulators.items():
        try:
            shown = trial(emulator)
        except ClientError as error:
            shown = error.response["Error"]["Code"]
        print(f"  {name:<9}  {shown}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
