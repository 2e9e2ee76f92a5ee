#!/usr/bin/env bash
# Versions, stages and tokens of secrets, and labels of parameters, in three emulators.
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
install venv 'moto[server,secretsmanager,ssm]==5.2.5' 'ministack==1.5.33' 'boto3==1.43.106'
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto ministack boto3
localemu/bin/python -c 'from importlib.metadata import version; print("localemu", version("localemu"))'
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
cat >serve.py <<'END'
import runpy

from twisted.internet import endpoints

made = endpoints.TCP4ServerEndpoint  # by itself it listens on every interface
endpoints.TCP4ServerEndpoint = lambda *given, **named: made(*given, **{**named, "interface": "127.0.0.1"})
runpy.run_module("localemu.runtime.main", run_name="__main__")
END
env GATEWAY_LISTEN=127.0.0.1:$port SERVICES=secretsmanager,ssm,kms,lambda,iam,sts DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
  LOCALEMU_VOLUME_DIR="$tmp/volume" LOCALSTACK_VOLUME_DIR="$tmp/volume" localemu/bin/python serve.py >log 2>&1 </dev/null &
servers+=($!)
venv/bin/moto_server -H 127.0.0.1 -p $((port + 1)) >log1 2>&1 </dev/null &
servers+=($!)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 2)) venv/bin/ministack >log2 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
AWSCURRENT is moved back from two to one
  LocalEmu   taken; read is one, before it two
  moto       taken; read is two, before it two
  MiniStack  taken; read is one, before it two
a value for a secret that is to be deleted, which is then restored
  LocalEmu   taken; read is two
  moto       taken; read is two
  MiniStack  InvalidRequestException; read is one
another value under a token that was used
  LocalEmu   ResourceExistsException; read is two, before it one
  moto       ResourceExistsException; read is two, before it one
  MiniStack  taken; read is other, before it ResourceNotFoundException
the request of two repeated, after three
  LocalEmu   taken; read is three, before it two
  moto       taken; read is three, before it two
  MiniStack  taken; read is two, before it three
the stage "tried" is put on two, then on three
  LocalEmu   taken; "tried" is three
  moto       taken; "tried" is three
  MiniStack  taken; "tried" is two
the newest version, as AWSPREVIOUS
  LocalEmu   InvalidRequestException
  moto       InvalidRequestException
  MiniStack  two
the oldest of three versions, by its number
  LocalEmu   one
  moto       one
  MiniStack  ResourceNotFoundException
a parameter's labels "1st" and "aws-x"
  LocalEmu   refused are 1st, aws-x
  moto       refused are 1st, aws-x
  MiniStack  refused are none
eleven parameters in one request
  LocalEmu   ValidationException
  moto       ValidationException
  MiniStack  11
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import itertools
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

names = (f"secret-{number}" for number in itertools.count())


class Emulator:
    def __init__(self, place):
        given = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test", "config": Config(retries={"max_attempts": 0})}
        self.secrets = boto3.client("secretsmanager", endpoint_url=place, **given)
        self.parameters = boto3.client("ssm", endpoint_url=place, **given)
        for _ in range(240):
            try:
                self.secrets.list_secrets()
                self.parameters.describe_parameters()
                break
            except (BotoCoreError, ClientError):
                time.sleep(0.5)

    def made(self):
        self.id = next(names)
        return self.secrets.create_secret(Name=self.id, SecretString="one")["VersionId"]

    def put(self, value, **more):
        return self.secrets.put_secret_value(SecretId=self.id, SecretString=value, **more)["VersionId"]

    def read(self, **more):
        return tried(lambda: self.secrets.get_secret_value(SecretId=self.id, **more)["SecretString"])

    def both(self):
        return f"read is {self.read()}, before it {self.read(VersionStage='AWSPREVIOUS')}"


def tried(ask):
    try:
        return ask()
    except ClientError as error:
        return error.response["Error"]["Code"]


def back(at):
    one = at.made()
    two = at.put("two")
    given = {"SecretId": at.id, "VersionStage": "AWSCURRENT", "MoveToVersionId": one, "RemoveFromVersionId": two}
    return f"{tried(lambda: at.secrets.update_secret_version_stage(**given) and 'taken')}; {at.both()}"


def deleted(at):
    at.made()
    at.secrets.delete_secret(SecretId=at.id, RecoveryWindowInDays=7)
    said = tried(lambda: at.put("two") and "taken")
    at.secrets.restore_secret(SecretId=at.id)
    return f"{said}; read is {at.read()}"


def token(at):
    at.made()
    at.put("two", ClientRequestToken="a" * 32)
    return f"{tried(lambda: at.put('other', ClientRequestToken='a' * 32) and 'taken')}; {at.both()}"


def repeated(at):
    at.made()
    at.put("two", ClientRequestToken="b" * 32)
    at.put("three")
    return f"{tried(lambda: at.put('two', ClientRequestToken='b' * 32) and 'taken')}; {at.both()}"


def stage(at):
    at.made()
    said = [tried(lambda value=value: at.put(value, VersionStages=["tried"]) and "taken") for value in ("two", "three")]
    return f'{said[-1]}; "tried" is {at.read(VersionStage="tried")}'


def another_stage(at):
    at.made()
    return at.read(VersionId=at.put("two"), VersionStage="AWSPREVIOUS")


def oldest(at):
    one = at.made()
    at.put("two")
    at.put("three")
    return at.read(VersionId=one)


def labels(at):
    name = next(names)
    at.parameters.put_parameter(Name=name, Value="1", Type="String")
    told = [at.parameters.label_parameter_version(Name=name, ParameterVersion=1, Labels=[label])["InvalidLabels"] for label in ("1st", "aws-x")]
    return "refused are " + (", ".join(sum(told, [])) or "none")


def eleven(at):
    all_names = [next(names) for _ in range(11)]
    for name in all_names:
        at.parameters.put_parameter(Name=name, Value="1", Type="String")
    return len(at.parameters.get_parameters(Names=all_names)["Parameters"])


asked = {
    "AWSCURRENT is moved back from two to one": back,
    "a value for a secret that is to be deleted, which is then restored": deleted,
    "another value under a token that was used": token,
    "the request of two repeated, after three": repeated,
    'the stage "tried" is put on two, then on three': stage,
    "the newest version, as AWSPREVIOUS": another_stage,
    "the oldest of three versions, by its number": oldest,
    'a parameter\'s labels "1st" and "aws-x"': labels,
    "eleven parameters in one request": eleven,
}
emulators = {name: Emulator(f"http://127.0.0.1:{int(sys.argv[1]) + at}") for at, name in enumerate(("LocalEmu", "moto", "MiniStack"))}
for title, ask in asked.items():
    print(title)
    for name, emulator in emulators.items():
        print(f"  {name:10} {tried(lambda: ask(emulator))}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
