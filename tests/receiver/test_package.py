"""The zip of the functions."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from upload_client.core.records import VERSION
from upload_client.receiver import packaging
from upload_client.receiver.packaging import RUNTIME, default_name, lambda_zip, modules

IS_COMPILED = sys.version_info[:2] == RUNTIME


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "validator.zip"
    path.write_bytes(lambda_zip())
    return path


def test_it_is_small(archive):
    assert archive.stat().st_size < 640_000 + 1_400_000 * IS_COMPILED
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None


def test_it_holds_the_validator_and_nothing_of_the_client():
    names = set(modules())
    assert {
        f"upload_client/validator/{name}.py" for name in ("handlers", "reader_worker", "serving")
    } <= names
    assert not any(
        name.startswith(
            ("upload_client/cli", "upload_client/ui", "upload_client/transfer", "upload_client/client")
        )
        for name in names
    )


def test_the_same_code_makes_the_same_zip_and_other_code_another_name(archive):
    content = archive.read_bytes()
    assert lambda_zip() == content
    assert default_name(content) != default_name(content + b" ")
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("name", ["receiver.yaml", "hand_over.yaml"])
def test_the_templates_ask_for_the_python_whose_modules_a_zip_holds(name):
    text = Path(packaging.__file__).with_name(name).read_text()
    assert set(re.findall(r"Runtime: (\S+)", text)) == {"python{}.{}".format(*RUNTIME)}


def test_what_is_compiled_is_used_in_place_of_the_sources_and_is_the_same_each_time(tmp_path):
    program = """
import sys
from upload_client.receiver import packaging
packaging.RUNTIME = sys.version_info[:2]
sys.stdout.buffer.write(packaging.lambda_zip())
"""
    made = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1]
    with zipfile.ZipFile(io.BytesIO(made[0])) as opened:
        assert opened.namelist()[0].startswith("upload_client/")  # by which it is known for one of ours
        opened.extractall(tmp_path)
    for source in tmp_path.rglob("*.py"):
        source.write_text("this is not read")
    process = subprocess.run(
        [sys.executable, "-B", "-c", "import upload_client.core.records as r; print(r.__file__, r.VERSION)"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert process.stdout.split() == [str(tmp_path / "upload_client/core/records.py"), str(VERSION)]


LAMBDA = """boto3 botocore s3transfer jmespath urllib3 dateutil six
    pydantic pydantic_core annotated_types typing_extensions typing_inspection"""
"""What Lambda's runtime has (boto3), and the layer (pydantic), each with what it stands on."""


def test_the_handlers_run_from_the_zip_alone(archive):
    """With what Lambda has, and nothing else that is installed here; nothing of this checkout."""
    program = f"""
import sys

class Lambda:
    @staticmethod
    def find_spec(name, path=None, target=None):
        there = sys.stdlib_module_names | set({LAMBDA.split()!r}) | {{"upload_client", "yaml"}}
        if name.partition(".")[0] not in there and not name.startswith("_sysconfig"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

class Context:
    @staticmethod
    def get_remaining_time_in_millis():
        return 60_000

sys.meta_path.insert(0, Lambda)
sys.path.insert(0, {str(archive)!r})
import json
import yaml
from upload_client.validator import handlers
from upload_client.validator import reader_worker
for module in (yaml, handlers, reader_worker):
    assert module.__file__.startswith({str(archive)!r}), module.__file__
from importlib.metadata import distribution
from upload_client.validator.expected import made_of
found = distribution("upload-client")  # nothing else says of which version it is
assert {str(archive)!r} in str(found.locate_file("")), found.locate_file("")
assert made_of()["upload-client"] == {version("upload-client")!r}, made_of()
print(json.dumps(handlers.start({{"protocol": 1}}, Context)))
"""
    settings = {"control_bucket": "c", "landing_bucket": "l", "worker_function": "w"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        env={**os.environ, "UPLOAD_CLIENT_VALIDATOR": json.dumps(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["errors"][0]["code"]) == ("failure", "invalid_request")


def test_the_zip_of_the_functions_is_small_and_holds_nothing_of_the_client():
    size = len(lambda_zip("functions"))
    assert size < 1_000_000 + 1_900_000 * IS_COMPILED
    page = (Path(__file__).parents[2] / "docs/functions.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"zip of their own, some ([0-9]+) KB", page)
    assert IS_COMPILED or size / 1000 == pytest.approx(int(said), rel=0.1)
    names = list(modules("functions"))
    assert names[0].startswith("upload_client/")  # by which it is known for one of ours
    assert "upload_client/functions/base/handler.py" in names
    assert "filelock/__init__.py" in names
    others = ("cli", "ui", "client.py", "sandbox")
    assert [name for name in names if name.startswith(tuple(f"upload_client/{one}" for one in others))] == []


def test_the_validators_zip_has_nothing_of_the_functions_nor_of_what_they_stand_on():
    files = modules()
    assert not any(name.startswith("upload_client/functions") for name in files)
    assert not any(b"\nfrom aws_lambda_powertools" in content for content in files.values())


def test_a_function_runs_from_its_zip_alone(tmp_path):
    pytest.importorskip("aws_lambda_powertools")
    archive = tmp_path / "functions.zip"
    archive.write_bytes(lambda_zip("functions"))
    program = f"""
import sys

class Lambda:
    @staticmethod
    def find_spec(name, path=None, target=None):
        there = sys.stdlib_module_names | set({LAMBDA.split()!r})
        there |= {{"upload_client", "filelock", "yaml", "aws_lambda_powertools"}}
        if name.partition(".")[0] not in there and not name.startswith("_sysconfig"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Lambda)
sys.path.insert(0, {str(archive)!r})
import json
import upload_client.functions
import filelock
from importlib.metadata import distribution, version
assert {str(archive)!r} in str(distribution("upload-client").locate_file("")), version("upload-client")
import yaml
for module in (upload_client.functions, filelock, yaml):
    assert module.__file__.startswith({str(archive)!r}), module.__file__
def ask(name, event):
    named = f"upload_client.functions.{{name}}"
    return upload_client.functions.handle({{"handler": named, "event": event}}, None)
content = {{"subject": "", "message": ""}}
told = ask("notifications.NotificationRouter", {{"content": content, "targets": [1]}})
synced = ask("data_sync.DataSyncHandler", {{
    "source_path": {str(tmp_path / "nothing")!r}, "destination_path": {str(tmp_path / "to")!r},
    "require_lock": True, "fail_if_missing": False}})
import importlib, pkgutil
for found in pkgutil.walk_packages(upload_client.functions.__path__, "upload_client.functions."):
    importlib.import_module(found.name)
print(json.dumps([told["results"][0]["success"], synced["result"]["files_transferred"]]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [False, 0]
