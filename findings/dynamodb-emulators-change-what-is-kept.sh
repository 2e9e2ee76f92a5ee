#!/usr/bin/env bash
# Numbers, lists, keys and transactions of DynamoDB in four emulators.
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
install() { # a folder, then packages: the emulators want different versions of botocore
  if command -v uv >/dev/null; then
    uv venv -q -p "$python" "$tmp/$1"
    VIRTUAL_ENV=$tmp/$1 uv pip install -q "${@:2}"
  else
    "$python" -m venv "$tmp/$1"
    "$tmp/$1/bin/pip" install -q --disable-pip-version-check "${@:2}" 2>/dev/null
  fi
}
install localemu 'localemu[runtime]==1.3.2' 'boto3==1.42.59'
install venv 'moto[server,dynamodb]==5.2.5' 'ministack==1.5.33' 'boto3==1.43.106'
cd "$tmp"
npm install --silent --no-fund --no-audit --prefix npm dynalite@4.0.0 >errors 2>&1 || { tail -n 3 errors; exit 1; }
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto ministack boto3
localemu/bin/python -c 'from importlib.metadata import version; print("localemu", version("localemu"))'
node -p '"dynalite " + require("./npm/node_modules/dynalite/package.json").version'
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
cat >serve.py <<'END'
import runpy

from twisted.internet import endpoints

made = endpoints.TCP4ServerEndpoint  # by itself it listens on every interface
endpoints.TCP4ServerEndpoint = lambda *given, **named: made(*given, **{**named, "interface": "127.0.0.1"})
runpy.run_module("localemu.runtime.main", run_name="__main__")
END
env GATEWAY_LISTEN=127.0.0.1:$port SERVICES=dynamodb,iam,sts DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
  LOCALEMU_VOLUME_DIR="$tmp/volume" LOCALSTACK_VOLUME_DIR="$tmp/volume" localemu/bin/python serve.py >log 2>&1 </dev/null &
servers+=($!)
venv/bin/moto_server -H 127.0.0.1 -p $((port + 1)) >log1 2>&1 </dev/null &
servers+=($!)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 2)) venv/bin/ministack >log2 2>&1 </dev/null &
servers+=($!)
node npm/node_modules/dynalite/cli.js --host 127.0.0.1 --port $((port + 3)) --createTableMs 0 >log3 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
38 digits and 1
  LocalEmu   12345678901234567890123456789012345679
  moto       12345678901234567890123456789012345679
  MiniStack  12345678901234567890123456790000000000
  dynalite   12345678901234567890123456789012345679
REMOVE l[1], l[2] of a, b, c, d, e
  LocalEmu   a d e
  moto       a d e
  MiniStack  a c e
  dynalite   a c e
items under the keys 1, 1.0 and 01
  LocalEmu   1 1.0 01
  moto       01
  MiniStack  1
  dynalite   1
the keys 00, 7f, 80 and ff in order
  LocalEmu   ff 00 7f 80
  moto       00 7f 80 ff
  MiniStack  00 7f 80 ff
  dynalite   00 7f 80 ff
[1.0] = [1], and {1, 2} contains 1.0
  LocalEmu   1, 1
  moto       1, 1
  MiniStack  1, 0
  dynalite   0, 1
a filter by what an index does not have
  LocalEmu   finds 0
  moto       finds 0
  MiniStack  finds 1
  dynalite   finds 0
a set of 1 and 1.0
  LocalEmu   taken as 1 1.0
  moto       taken as 1 1.0
  MiniStack  ValidationException
  dynalite   ValidationException
BatchWriteItem with one key twice
  LocalEmu   taken
  moto       taken
  MiniStack  ValidationException
  dynalite   ValidationException
a transaction of "add 1" sent twice with one token
  LocalEmu   2 are added
  moto       2 are added
  MiniStack  1 are added
  dynalite   UnknownOperationException
a transaction that adds 2 to a text, and writes another item
  LocalEmu   ValidationException, text and 1 are there
  moto       ValidationException, text and 1 are there
  MiniStack  taken, text and 2 are there
  dynalite   UnknownOperationException, text and 1 are there
an update that adds 2 to a text
  LocalEmu   ValidationException, text is there
  moto       ValidationException, text is there
  MiniStack  taken, text is there
  dynalite   ValidationException, text is there
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

X = {"id": {"S": "x"}}


def number(text):
    return {"N": text}


def plain(value):
    return next(iter(value.values()))


class Emulator:
    def __init__(self, place):
        self.db = boto3.client(
            "dynamodb",
            endpoint_url=place,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )
        for _ in range(240):
            try:
                self.db.list_tables()
                break
            except (BotoCoreError, ClientError):
                time.sleep(0.5)
        for table, kind in (("plain", None), ("numbers", "N"), ("bytes", "B")):
            keys = [("id", "HASH", "S")] + ([("sort", "RANGE", kind)] if kind else [])
            given = {
                "KeySchema": [{"AttributeName": name, "KeyType": role} for name, role, _ in keys],
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": type} for name, _, type in keys],
            }
            if not kind:
                given["AttributeDefinitions"].append({"AttributeName": "group", "AttributeType": "S"})
                index = {"IndexName": "by-group", "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}], "Projection": {"ProjectionType": "KEYS_ONLY"}}
                given["GlobalSecondaryIndexes"] = [index]
            self.db.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **given)
        time.sleep(1)

    def put(self, **values):
        self.db.put_item(TableName="plain", Item={**X, **values})

    def get(self, name, key="x"):
        return self.db.get_item(TableName="plain", Key={"id": {"S": key}}, ConsistentRead=True)["Item"][name]

    def update(self, expression, **values):
        given = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
        self.db.update_item(TableName="plain", Key=X, UpdateExpression=expression, **given)

    def found(self, expression, **values):
        return self.db.scan(TableName="plain", FilterExpression=expression, ExpressionAttributeValues={f":{name}": value for name, value in values.items()})["Count"]

    def in_order(self, table):
        return [item["sort"] for item in self.db.query(TableName=table, KeyConditionExpression="id = :x", ExpressionAttributeValues={":x": X["id"]})["Items"]]


def add_one(at):
    at.put(n=number("12345678901234567890123456789012345678"))
    at.update("ADD n :one", one=number("1"))
    return plain(at.get("n"))


def remove(at):
    at.put(l={"L": [{"S": letter} for letter in "abcde"]})
    at.update("REMOVE l[1], l[2]")
    return " ".join(item["S"] for item in at.get("l")["L"])


def keys(at):
    for text in ("1", "1.0", "01"):
        at.db.put_item(TableName="numbers", Item={**X, "sort": number(text)})
    return " ".join(map(plain, at.in_order("numbers")))


def bytes_in_order(at):
    for value in (b"\x80", b"\xff", b"\x00", b"\x7f"):
        at.db.put_item(TableName="bytes", Item={**X, "sort": {"B": value}})
    return " ".join(value["B"].hex() for value in at.in_order("bytes"))


def equal(at):
    at.put(l={"L": [number("1.0")]}, s={"NS": ["1", "2"]})
    return f"{at.found('l = :l', l={'L': [number('1')]})}, {at.found('contains(s, :n)', n=number('1.0'))}"


def by_index(at):
    at.put(group={"S": "a"}, n=number("1"))
    given = {"KeyConditionExpression": "#g = :g", "FilterExpression": "n = :n", "ExpressionAttributeNames": {"#g": "group"}}
    return f"finds {at.db.query(TableName='plain', IndexName='by-group', ExpressionAttributeValues={':g': {'S': 'a'}, ':n': number('1')}, **given)['Count']}"


def a_set(at):
    at.put(s={"NS": ["1", "1.0"]})
    return "taken as " + " ".join(at.get("s")["NS"])


def batch(at):
    at.db.batch_write_item(RequestItems={"plain": [{"PutRequest": {"Item": {"id": {"S": "b"}, "n": number(text)}}} for text in "12"]})
    return "taken"


def twice(at):
    at.put(n=number("0"))
    add = {"TableName": "plain", "Key": X, "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": number("1")}}
    for _ in range(2):
        at.db.transact_write_items(ClientRequestToken="once", TransactItems=[{"Update": add}])
    return f"{plain(at.get('n'))} are added"


def two_to_a_text(at):
    at.put(n={"S": "text"})
    at.db.put_item(TableName="plain", Item={"id": {"S": "other"}, "n": number("1")})
    given = {"TableName": "plain", "ExpressionAttributeValues": {":two": number("2")}}
    other = {"Update": {**given, "Key": {"id": {"S": "other"}}, "UpdateExpression": "SET n = :two"}}
    add = {"Update": {**given, "Key": X, "UpdateExpression": "SET n = n + :two"}}
    told = tried(lambda at: at.db.transact_write_items(TransactItems=[other, add]) and "taken", at)
    return f"{told}, {plain(at.get('n'))} and {plain(at.get('n', 'other'))} are there"


def two_to_a_text_alone(at):
    at.put(n={"S": "text"})
    told = tried(lambda at: at.update("SET n = n + :two", two=number("2")) or "taken", at)
    return f"{told}, {plain(at.get('n'))} is there"


def tried(ask, at):
    try:
        return ask(at)
    except ClientError as error:
        return error.response["Error"]["Code"]


asked = {
    "38 digits and 1": add_one,
    "REMOVE l[1], l[2] of a, b, c, d, e": remove,
    "items under the keys 1, 1.0 and 01": keys,
    "the keys 00, 7f, 80 and ff in order": bytes_in_order,
    "[1.0] = [1], and {1, 2} contains 1.0": equal,
    "a filter by what an index does not have": by_index,
    "a set of 1 and 1.0": a_set,
    "BatchWriteItem with one key twice": batch,
    'a transaction of "add 1" sent twice with one token': twice,
    "a transaction that adds 2 to a text, and writes another item": two_to_a_text,
    "an update that adds 2 to a text": two_to_a_text_alone,
}
emulators = {name: Emulator(f"http://127.0.0.1:{int(sys.argv[1]) + at}") for at, name in enumerate(("LocalEmu", "moto", "MiniStack", "dynalite"))}
for title, ask in asked.items():
    print(title)
    for name, emulator in emulators.items():
        print(f"  {name:10} {tried(ask, emulator)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
