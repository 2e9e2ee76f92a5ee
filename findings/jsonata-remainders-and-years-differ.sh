#!/usr/bin/env bash
# Expressions of JSONata by the library that defines the language, by four others, and in a state machine.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
cd "$tmp"
python=
for candidate in python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[23]*/bin/python; do # jsonatapy has wheels for these
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 12))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.12 is not here" >&2; exit 1; }
"$python" -m venv venv
pip=(venv/bin/pip -q --disable-pip-version-check install)
"${pip[@]}" jsonata-python==0.7.1 jsonatapy==2.2.13 jsonata2py==0.1.3 ministack==1.5.33 boto3==1.43.106 2>errors || { tail -n 3 errors; exit 1; }
"${pip[@]}" --target rs jsonata-rs==0.1.4 2>errors # its module has the name of jsonata-python's
npm install --silent --no-fund --no-audit --prefix npm jsonata@2.2.2 >errors 2>&1 || { tail -n 3 errors; exit 1; }
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' jsonata-python jsonatapy jsonata2py ministack boto3
echo "jsonata-rs $(ls -d rs/jsonata_rs-* | grep -o '[0-9][0-9.]*[0-9]')"
node -p '"jsonata (npm) " + require("./npm/node_modules/jsonata/package.json").version'
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port venv/bin/ministack >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
5.5 % 2                    jsonata 1.5 | python 1 | jsonatapy 1.5 | 2py 1.5 | rs 1.5 | a state machine of MiniStack 1
-0.5 % 1                   jsonata -0.5 | python 0 | jsonatapy -0.5 | 2py -0.5 | rs -0.5 | a state machine of MiniStack 0
$average([0.1, 0.2, 0.3])  jsonata 0.20000000000000004 | python 0.19999999999999998 | jsonatapy 0.20000000000000004 | 2py 0.20000000000000004 | rs 0.20000000000000004 | a state machine of MiniStack 0.19999999999999998
$string(2**53)             jsonata "9007199254740992" | python "9.00719925474099e+15" | jsonatapy "9007199254740992" | 2py "9007199254740992" | rs "9007199254740992" | a state machine of MiniStack "9.00719925474099e+15"
$distinct([1, true, "1"])  jsonata [1, true, "1"] | python [1, "1"] | jsonatapy [1, true, "1"] | 2py [1, true, "1"] | rs [1, true, "1"] | a state machine of MiniStack [1, "1"]
1 in [true]                jsonata false | python true | jsonatapy false | 2py false | rs false | a state machine of MiniStack true
$split("a1b", /([0-9])/)   jsonata ["a", "b"] | python ["a", "1", "b"] | jsonatapy ["a", "b"] | 2py ["a", "b"] | rs ["a", "b"] | a state machine of MiniStack ["a", "1", "b"]
$formatNumber(2.5, "0")    jsonata "2" | python "3" | jsonatapy "2" | 2py "2" | rs "2" | a state machine of MiniStack "3"
[10, 20, 30][-1.5]         jsonata 20 | python 30 | jsonatapy 20 | 2py 30 | rs 30 | a state machine of MiniStack 30
$number("1_000")           jsonata refuses it | python 1000 | jsonatapy refuses it | 2py refuses it | rs refuses it | a state machine of MiniStack 1000
$number(".5")              jsonata refuses it | python 0.5 | jsonatapy 0.5 | 2py refuses it | rs 0.5 | a state machine of MiniStack 0.5
1 January 2021, its week   jsonata "2020-W53-5" | python "2020-W53-5" | jsonatapy "2020-W53-5" | 2py "2020-W53-5" | rs "2021-W53-5" | a state machine of MiniStack "2020-W53-5"
00:00 at -04:30            jsonata "18:30 -05:30" | python "19:30 -04:30" | jsonatapy "18:30 -05:30" | 2py "19:30 -04:30" | rs "19:30 -04:30" | a state machine of MiniStack "19:30 -04:30"
$base64encode("€")         jsonata "rA==" | python "4oKs" | jsonatapy "4oKs" | 2py "rA==" | rs "4oKs" | a state machine of MiniStack "4oKs"
$decodeUrlComponent("1+2") jsonata "1+2" | python "1+2" | jsonatapy "1+2" | 2py "1+2" | rs "1 2" | a state machine of MiniStack "1+2"
END
cat >expressions.json <<'END'
[["5.5 % 2", "5.5 % 2"],
 ["-0.5 % 1", "-0.5 % 1"],
 ["$average([0.1, 0.2, 0.3])", "$average([0.1, 0.2, 0.3])"],
 ["$string(2**53)", "$string(9007199254740992)"],
 ["$distinct([1, true, \"1\"])", "$distinct([1, true, \"1\"])"],
 ["1 in [true]", "1 in [true]"],
 ["$split(\"a1b\", /([0-9])/)", "$split(\"a1b\", /([0-9])/)"],
 ["$formatNumber(2.5, \"0\")", "$formatNumber(2.5, \"0\")"],
 ["[10, 20, 30][-1.5]", "[10, 20, 30][-1.5]"],
 ["$number(\"1_000\")", "$number(\"1_000\")"],
 ["$number(\".5\")", "$number(\".5\")"],
 ["1 January 2021, its week", "$fromMillis(1609459200000, \"[X]-W[W01]-[F1]\")"],
 ["00:00 at -04:30", "$fromMillis(0, \"[H01]:[m01] [Z]\", \"-0430\")"],
 ["$base64encode(\"€\")", "$base64encode(\"€\")"],
 ["$decodeUrlComponent(\"1+2\")", "$decodeUrlComponent(\"1+2\")"]]
END
cat >one.js <<'END'
const jsonata = require("./npm/node_modules/jsonata");
(async () => {
  const seen = [];
  for (const [, text] of require("./expressions.json")) {
    try {
      seen.push(await jsonata(text).evaluate({}));
    } catch {
      seen.push("refused");
    }
  }
  console.log(JSON.stringify(seen));
})();
END
cat >one.py <<'END'
import json
import sys

which = sys.argv[1]
if which == "rs":
    sys.path.insert(0, "rs")
if which in ("rs", "python"):
    import jsonata

    evaluate = lambda text: jsonata.Jsonata(text).evaluate({})
elif which == "jsonatapy":
    import jsonatapy

    evaluate = lambda text: jsonatapy.evaluate(text, {})
else:
    import jsonata2py

    evaluate = lambda text: jsonata2py.JsonataExpressionFactory().compile(text).evaluate({})
seen = []
for _, text in json.load(open("expressions.json")):
    try:
        seen.append(evaluate(text))
    except Exception:
        seen.append("refused")
print(json.dumps(seen))
END
cat >machine.py <<'END'
import json
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError

machines = boto3.client(
    "stepfunctions", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
)
for _ in range(240):
    try:
        machines.list_state_machines()
        break
    except BotoCoreError:
        time.sleep(0.5)
seen = []
for number, (_, text) in enumerate(json.load(open("expressions.json"))):
    only = {"Type": "Pass", "Output": {"it": "{% " + text + " %}"}, "End": True}
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": only}})
    machine = machines.create_state_machine(name=f"m{number}", definition=definition, roleArn="arn:aws:iam::123456789012:role/any")
    started = machines.start_execution(stateMachineArn=machine["stateMachineArn"], input="{}")
    while (told := machines.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.1)
    seen.append(json.loads(told["output"])["it"] if told["status"] == "SUCCEEDED" else "refused")
print(json.dumps(seen))
END
node one.js >by-jsonata
for which in python jsonatapy 2py rs; do
  venv/bin/python -W ignore one.py "$which" >"by-$which" 2>errors || { tail -n 3 errors; exit 1; }
done
venv/bin/python -W ignore machine.py "$port" >by-machine 2>errors || { tail -n 3 errors; exit 1; }
venv/bin/python - >seen <<'END'
import json

titles = {"jsonata": "jsonata", "python": "python", "jsonatapy": "jsonatapy", "2py": "2py", "rs": "rs", "machine": "a state machine of MiniStack"}
seen = {title: json.load(open(f"by-{name}")) for name, title in titles.items()}


def shown(value):
    if value == "refused":
        return "refuses it"
    value = int(value) if isinstance(value, float) and value == int(value) else value
    return json.dumps(value, ensure_ascii=False)


for at, (name, _) in enumerate(json.load(open("expressions.json"))):
    print(f"{name:26}", " | ".join(f"{title} {shown(values[at])}" for title, values in seen.items()))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
