#!/usr/bin/env bash
# Functions that are done once for each key, what they answer the second time, and the key of an object in an event.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('aws-lambda-powertools[parser]==3.37.0' 'moto[dynamodb]==5.2.5' 'boto3==1.44.8' 'jmespath==1.1.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' aws-lambda-powertools moto boto3
cat >expected <<'END'
a function by customer and one by order, with a layer of their own each: orders 1 and 2 are paid
a function by customer and one by order, with one layer: order 1 is paid, twice "paid 1"
answers, the first time and the second:
  False: False, None
  0: 0, None
  []: [], None
  {}: {}, None
  '': '', None
  (1, 2): (1, 2), [1, 2]
  {1: 'a'}: {1: 'a'}, {'1': 'a'}
  Decimal('0.10'): Decimal('0.10'), '0.10'
another amount under one key: IdempotencyValidationError
another amount, where the path of the amount is misspelt: done
an object "run+1%20a.csv" in an event of EventBridge:
  data class: run 1 a.csv
  parser: run+1%20a.csv
END
env AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_LAMBDA_FUNCTION_NAME=any POWERTOOLS_METRICS_DISABLED=true \
  venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import decimal

import boto3
import moto
from aws_lambda_powertools.utilities.data_classes import S3EventBridgeNotificationEvent
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.parser.models import S3EventNotificationEventBridgeModel


def layer():
    return DynamoDBPersistenceLayer(table_name="once", boto3_client=boto3.client("dynamodb"))


def once(function, path, at, **more):
    return idempotent_function(data_keyword_argument="data", persistence_store=at, config=IdempotencyConfig(event_key_jmespath=path, **more))(function)


def orders(customer, first, second):
    paid = []

    def greet(data):
        return "greeted"

    def pay(data):
        paid.append(data["order"])
        return f"paid {data['order']}"

    once(greet, "customer", first)(data={"customer": customer})
    pay = once(pay, "order", second)
    return paid, [pay(data={"customer": customer, "order": order}) for order in "12"]


def tried(first, second, path, **more):
    function = once(lambda data: "done", path, layer(), **more)
    function(data=first)
    try:
        return function(data=second)
    except Exception as error:
        return type(error).__name__


with moto.mock_aws():
    keys = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
    boto3.client("dynamodb").create_table(TableName="once", BillingMode="PAY_PER_REQUEST", **keys)
    paid, _ = orders("ada", layer(), layer())
    print(f"a function by customer and one by order, with a layer of their own each: orders {' and '.join(paid)} are paid")
    shared = layer()
    paid, answers = orders("ben", shared, shared)
    print(f'a function by customer and one by order, with one layer: order {" and ".join(paid)} is paid, twice "{" and ".join(sorted(set(answers)))}"')
    print("answers, the first time and the second:")
    for number, answer in enumerate((False, 0, [], {}, "", (1, 2), {1: "a"}, decimal.Decimal("0.10"))):
        function = once(lambda data: answer, "id", layer())
        print(f"  {answer!r}: {function(data={'id': f'answer {number}'})!r}, {function(data={'id': f'answer {number}'})!r}")
    one, other = {"id": "x", "amount": 1}, {"id": "x", "amount": 2}
    print("another amount under one key:", tried(one, other, "id", payload_validation_jmespath="amount"))
    one, other = {"id": "y", "amount": 1}, {"id": "y", "amount": 2}
    print("another amount, where the path of the amount is misspelt:", tried(one, other, "id", payload_validation_jmespath="amont"))

event = {
    "version": "0",
    "id": "00000000-0000-4000-8000-000000000001",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-11-12T00:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:s3:::data"],
    "detail": {
        "version": "0",
        "bucket": {"name": "data"},
        "object": {"key": "run+1%20a.csv", "size": 5, "etag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "000000000000000001"},
        "request-id": "REQUEST1",
        "requester": "123456789012",
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    },
}
print('an object "run+1%20a.csv" in an event of EventBridge:')
print("  data class:", S3EventBridgeNotificationEvent(event).detail.object.key)
print("  parser:", S3EventNotificationEventBridgeModel.model_validate(event).detail.object.key)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
