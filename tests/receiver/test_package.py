"""The zip of the functions."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pydantic
import pytest

from upload_client.receiver.packaging import default_name, lambda_zip, modules


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "validator.zip"
    path.write_bytes(lambda_zip())
    return path


def test_it_is_small(archive):
    assert archive.stat().st_size < 400_000
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None


def test_it_holds_the_validator_and_nothing_of_the_client():
    names = set(modules())
    assert {f"upload_client/validator/{name}.py" for name in ("handlers", "opener", "serving")} <= names
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


def test_the_handlers_run_from_the_zip_alone(archive, tmp_path):
    """With boto3, as Lambda has it, and pydantic, as its layer has it; nothing of this checkout."""
    for module in (boto3, pydantic):
        beside = Path(module.__file__).parent.parent
    program = f"""
import sys
sys.path[:] = [path for path in sys.path if path and "site-packages" not in path]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path[:0] = [{str(archive)!r}, {str(tmp_path)!r}]
import json
from upload_client.validator import handlers
assert handlers.__file__.startswith({str(archive)!r}), handlers.__file__
class Context:
    def get_remaining_time_in_millis(self): return 60_000
foreign = {{name.partition(".")[0] for name in sys.modules}} & {{"numpy", "pandas", "astropy", "pyarrow"}}
print(json.dumps([sorted(foreign), handlers.start({{"protocol": 1}}, Context())]))
"""
    libraries = (
        "boto3 botocore s3transfer jmespath urllib3 dateutil six.py pydantic pydantic_core annotated_types"
    )
    libraries += " typing_extensions.py typing_inspection"
    for name in libraries.split():
        (tmp_path / name).symlink_to(beside / name)
    settings = {"control_bucket": "c", "landing_bucket": "l", "worker_function": "w"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        env={**os.environ, "UPLOAD_CLIENT_VALIDATOR": json.dumps(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    foreign, answer = json.loads(done.stdout)
    assert foreign == []
    assert (answer["status"], answer["errors"][0]["code"]) == ("failure", "invalid_request")
