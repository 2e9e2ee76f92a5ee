"""Every failure has an exit code, says what happened and what to do."""

from __future__ import annotations

import ast
import copy
import importlib
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from botocore.exceptions import ClientError

import upload_client
from upload_client import errors
from upload_client.core.codes import is_code
from upload_client.core.exits import ExitCode
from upload_client.s3.errors import UploadClientError
from upload_client.validator.handlers import ErrorCode

ROOT = Path(__file__).parents[1]

EXAMPLES = {
    errors.DeliveryError("broken"): 1,
    errors.NotComplete("not yet"): 8,
    errors.NothingToDoError(): 0,
    errors.DeliveryClosed("closed"): 0,
    errors.UsageError("wrong"): 2,
    errors.InvalidIndex("index.csv", ["row 2 is wrong"]): 2,
    errors.InvalidState("not connected"): 1,
    errors.LoginRefused("no"): 10,
    errors.NotReachable("nobody answers"): 7,
    errors.SettingsError("wrong"): 2,
    errors.Locked("D/Y", agent_id="abcdefghijk", host="h", user="u", since="then", until="later"): 11,
    errors.HolderAlive("D/Y", agent_id="abcdefghijk"): 11,
    errors.LockLost("gone"): 12,
    errors.Superseded("gone"): 12,
    errors.LogBroken("log/client/0000000003.jsonl", "wrong prev"): 1,
    errors.PipelineRefused([{"code": "x", "message": "m"}]): 13,
    errors.PipelineBusy(): 13,
    errors.TooManyInvalid(11): 6,
    errors.ValidatorSilent("silent"): 5,
    errors.NoProgress("nothing moves"): 5,
    errors.StoreUnsafe("unsafe"): 14,
    errors.Interrupted(): 130,
    UploadClientError("anything", 3): 1,
}


def test_every_exception_there_is_has_an_example_here():
    assert {type(error).__name__ for error in EXAMPLES} == {*errors.__all__, "UploadClientError"}


@pytest.mark.parametrize(("error", "code"), EXAMPLES.items(), ids=lambda one: type(one).__name__)
def test_each_has_its_exit_code_a_text_and_one_sentence_of_advice(error, code):
    assert error.exit_code == ExitCode(code)
    assert str(error)
    assert error.hint[0].isupper()
    assert error.hint.endswith(".")
    assert "\n" not in error.hint


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda one: type(one).__name__)
def test_each_survives_the_way_to_another_process(error):
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
        assert twin.args == error.args


def test_a_hint_can_be_given():
    assert errors.DeliveryError("broken", hint="Fix it.").hint == "Fix it."
    assert errors.PipelineRefused(hint="Ask.").hint == "Ask."
    assert UploadClientError("broken", hint="Fix it.").hint == "Fix it."


def test_nothing_to_do_and_usage_are_value_errors():
    assert issubclass(errors.NothingToDoError, ValueError)
    assert issubclass(errors.UsageError, ValueError)


def test_locked_says_by_whom_since_when_and_until_when():
    error = errors.Locked(
        "D/Y", agent_id="abcdefghijk", host="h", user="u", since="then", until="later", why="x"
    )
    assert str(error) == "D/Y is locked by agent abcdefghijk (u on h) since then, until later at least: x"
    assert "later" in error.hint
    assert "unlock --steal abcdefghijk" in error.hint


def test_a_lock_that_cannot_be_read_is_somebodys():
    error = errors.Locked("D/Y")
    assert str(error) == "D/Y is locked by somebody whose lock cannot be read"
    assert "steal" not in error.hint
    sample = errors.Locked("D/Y", agent_id="abcdefghijk", host="h", user="u", transfer_type="sample")
    assert str(sample) == "D/Y is locked for the sample by agent abcdefghijk (u on h)"
    assert "`upload-client status --sample`" in sample.hint
    whole = errors.Locked("D/Y", agent_id="abcdefghijk", host="h", user="u", transfer_type="staging")
    assert str(whole) == "D/Y is locked for the whole delivery by agent abcdefghijk (u on h)"
    nameless = errors.Locked("D/Y", agent_id="abcdefghijk")
    assert str(nameless) == "D/Y is locked by agent abcdefghijk (unknown user on unknown host)"


def test_an_index_is_told_with_its_first_problems():
    error = errors.InvalidIndex("index.csv", ["row 2 is wrong", "row 3 too"], 7)
    assert str(error) == "7 problems in index.csv\n  row 2 is wrong\n  row 3 too\n  and 5 more"
    assert str(errors.InvalidIndex("i", ["x"])) == "1 problem in i\n  x"
    assert str(errors.InvalidIndex("i", ["x"], 200_000)) == "200,000 problems in i\n  x\n  and 199,999 more"


def test_a_refusal_repeats_what_the_pipeline_said():
    error = errors.PipelineRefused([{"code": "not_owner", "message": "no lock"}, {}])
    assert str(error) == "the pipeline refused to start: no lock (not_owner);  (no code)"
    assert "no reason given" in str(errors.PipelineRefused())


# ------------------------------------------------------------------------------------- botocore's ClientError


def test_it_is_caught_where_botocores_error_is():
    with pytest.raises(ClientError):
        raise UploadClientError
    assert issubclass(UploadClientError, errors.DeliveryError)


def test_with_botocores_arguments_it_is_botocores_error():
    response = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    for error in (
        UploadClientError(response, "PutObject"),
        UploadClientError(error_response=response, operation_name="PutObject"),
    ):
        assert str(error) == str(ClientError(response, "PutObject"))
        assert (error.response, error.operation_name) == (response, "PutObject")


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, ""),
        (("what",), {}, "what"),
        ((1, None, b"x"), {}, "1, None, b'x'"),
        (({"no": "operation"},), {}, "{'no': 'operation'}"),
        (("PutObject", {}), {}, "PutObject, {}"),
        (({}, 3), {}, "{}, 3"),
        ((), {"path": "a", "size": 3}, "path=a, size=3"),
        ((ValueError("x"),), {}, "x"),
    ],
)
def test_it_can_be_raised_with_any_arguments(args, kwargs, text):
    error = UploadClientError(*args, **kwargs)
    assert str(error) == text
    assert error.args == args
    assert error.response == {"Error": {"Code": "UploadClientError", "Message": text}}
    assert error.operation_name == ""


def test_importing_the_errors_does_not_import_botocore():
    code = (
        "import sys, upload_client, upload_client.errors; assert 'botocore' not in sys.modules; "
        "upload_client.UploadClientError; assert 'botocore' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_has_a_code_that_is_its_own_and_has_the_form_of_one():
    codes = [type(error).code for error in EXAMPLES]
    assert len(set(codes)) == len(codes)
    assert all(is_code(code) for code in codes)
    assert errors.LockLost.code == "lock_lost"
    assert errors.NothingToDoError.code == "nothing_to_do"


def everywhere():
    """Every failure there is, in whatever room."""
    for module in pkgutil.walk_packages(upload_client.__path__, "upload_client."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, more = set(), [errors.DeliveryError]
    while more:
        more += (below := more.pop().__subclasses__())
        found.update(one for one in below if one.__module__.startswith("upload_client."))
    return found


def test_the_code_of_each_failure_in_whatever_room_is_on_the_page_with_its_exit_code():
    page = (ROOT / "docs/codes.md").read_text(encoding="utf-8")
    rows = {f"| `{one.code}` | {one.exit_code.value} |" for one in everywhere()}
    assert [row for row in sorted(rows) if row not in page] == []
    assert [one for one in everywhere() if not is_code(one.code)] == []


def test_why_no_validator_is_started_is_on_the_page():
    page = (ROOT / "docs/codes.md").read_text(encoding="utf-8").partition("## Why no validator is started")[2]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(get_args(ErrorCode))


def test_each_message_of_the_program_says_its_code():
    """Two have none: `UploadClient.cmessage`, with a script's words, and a crash: its summary has one."""
    without = []
    for path in sorted((ROOT / "upload_client").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            named = re.fullmatch(r"Message|(.*[._])?run\.message", ast.unparse(call.func))
            if named and "MessageCode." not in ast.unparse(call):
                without.append(f"{path.name}: {ast.unparse(call)}")
    assert without == [
        "client.py: self._run.message(text, mtype, None)",
        "finish.py: run.message(run.describe(error), 'error', None)",
        "run.py: Message(text, mtype, code)",
        "startup.py: run.message(warning, 'warning', code)",
    ]


def test_what_does_not_exist_is_not_found():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = errors.Nonsense
