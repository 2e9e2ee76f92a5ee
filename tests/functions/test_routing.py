"""One function for all, and the command line."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import examples
from upload_client.cli.functions import main
from upload_client.errors import NotComplete
from upload_client.functions import handle
from upload_client.functions.base.routing import find_function
from upload_client.functions.errors import HandlerNotAllowed, InvalidRequest
from upload_client.s3.bucket import refusal
from upload_client.s3.trouble import Trouble


def test_an_event_names_the_function_and_its_event(monkeypatch, context):
    monkeypatch.setenv("UPLOAD_CLIENT_FUNCTIONS", "examples.*")
    for name in ("examples.Counter", "examples:Counter"):
        assert handle({"handler": name, "event": {"words": ["a"]}}, context) == {"n": 1}
    assert handle({"handler": "examples.counter", "event": {"words": ["a"]}}, context) == {"n": 7}
    assert handle({"handler": "examples.plain", "event": [1]}, context) == {"said": [1], "left": True}


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "examples.Counter",
        "upload_client.functions.base.payloads.read_event",
        "upload_client.functions.base.payloads.json",
        "upload_client.functions.base.payloads.replacing",
        "upload_client.functions.base.handler.functools.reduce",
        "upload_client.functions.base.handler.LambdaHandler",
        "upload_client.functions.base.routing.handle",
        "upload_client.functions.handle",
        "upload_client.functions.nowhere.Class",
        "upload_client.functions",
        "Counter",
        "",
    ],
)
def test_what_is_not_allowed_or_no_function_is_not_run(name, context, tmp_path):
    with pytest.raises(HandlerNotAllowed):
        handle({"handler": name, "event": "touch x"}, context)


def test_what_is_not_allowed_is_not_even_imported(monkeypatch, tmp_path, context):
    (tmp_path / "not_allowed.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HandlerNotAllowed, match=r"not_allowed\.f may not be run here"):
        handle({"handler": "not_allowed.f", "event": {}}, context)


def test_a_function_that_a_module_has_only_imported_is_not_its_own(monkeypatch, tmp_path):
    (tmp_path / "imports_others.py").write_text("from shutil import rmtree\nfrom os import system\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("rmtree", "system"):
        with pytest.raises(HandlerNotAllowed):
            find_function(f"imports_others.{name}")


def test_functions_that_are_there_are_named_where_another_one_was_asked_for(monkeypatch, tmp_path):
    text = "from os import system\ndef f(event, context): ...\ndef _own(event, context): ...\n"
    (tmp_path / "has_one.py").write_text(text)
    (tmp_path / "has_none.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HandlerNotAllowed) as caught:
        find_function("has_one.Class")
    assert caught.value.hint == "There is has_one.f."
    with pytest.raises(HandlerNotAllowed) as caught:
        find_function("has_none.Class")
    assert "package.module.Class" in caught.value.hint


def test_what_a_module_needs_and_is_not_there_is_told_as_it_is(monkeypatch, tmp_path):
    (tmp_path / "needs_more.py").write_text("import not_installed_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_at_all"):
        find_function("needs_more.f")


@pytest.mark.parametrize("event", [None, [], {}, {"handler": "a.B"}, {"handler": 1, "event": {}}, "{}"])
def test_an_event_of_another_form_is_refused(event, context):
    with pytest.raises(InvalidRequest, match=r'not \{"handler"'):
        handle(event, context)


@pytest.fixture
def typed(capsys, monkeypatch):
    """Type the command; give exit code, standard output and standard error."""
    for name in ("AWS_LAMBDA_FUNCTION_HANDLER", "_HANDLER", "AWS_LAMBDA_EVENT_PAYLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "WARNING")  # so that it is as before in the end

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.parametrize("option", ["--handler", "--handler-name", "--handler-qualified-name"])
@pytest.mark.parametrize("payload", ["--payload", "--event", "-e"])
def test_the_answer_alone_is_on_standard_output(typed, option, payload, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "n")
    code, out, err = typed(option, "examples.Counter", payload, '{"words": ["a", "b"]}')
    assert (code, json.loads(out)) == (0, {"n": 2})
    assert '"Words"' in err  # metrics


def test_a_file_holds_the_event_and_another_takes_the_answer(typed, tmp_path):
    event, answer = tmp_path / "event.json", tmp_path / "answer.json"
    event.write_text('{"words": []}')
    for words in (["--payload-file", str(event)], ["-e", str(event)]):
        answer.unlink(missing_ok=True)
        assert typed("--handler", "examples.Counter", *words, "-o", str(answer))[:2] == (0, "")
        assert json.loads(answer.read_text()) is None


def test_standard_input_may_hold_the_event(tmp_path):
    program = "import sys; from upload_client.cli.functions import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--handler", "examples.plain", "--payload-file", "-"],
        cwd=Path(__file__).parent,
        input="[1]",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["said"] == [1]


def test_an_event_names_no_device_and_no_pipe(context):
    for path in ("/dev/zero", "/dev/stdin", "-"):
        with pytest.raises(InvalidRequest, match="neither JSON nor a file"):
            handle(path, context)


def test_the_environment_says_what_is_not_typed(typed, tmp_path, monkeypatch):
    monkeypatch.setenv("_HANDLER", "examples.plain")
    monkeypatch.setenv("AWS_LAMBDA_EVENT_PAYLOAD", "[1]")
    assert json.loads(typed()[1]) == {"said": [1], "left": True}
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_HANDLER", "examples.Counter")
    monkeypatch.setenv("AWS_LAMBDA_EVENT_RESPONSE_LOCATION", str(tmp_path / "answer"))
    assert typed("-e", '{"words": ["a"]}')[:2] == (0, "")
    assert json.loads((tmp_path / "answer").read_text()) == {"n": 1}


def test_a_function_that_fails_is_told_in_one_sentence(typed):
    code, out, err = typed("--handler", "examples.Counter", "-e", '{"words": ["a"], "fail": true}')
    assert (code, out) == (1, "")
    told = [line for line in err.splitlines() if not line.startswith("{")]
    assert told == [
        "error: the function failed: RuntimeError: cannot count with None",
        "hint: --debug shows where.",
    ]


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (RuntimeError("can't start new thread"), "this machine lets this process have no", "ulimit -u"),
        (MemoryError(), "not enough memory", "max_concurrency"),
        (
            OSError(errno.ENOSPC, "No space left", "/data/x"),
            "/data/x: No space left",
            "Make room there",
        ),
    ],
)
def test_a_function_that_lacks_something_of_this_machine_says_what_helps(
    typed, monkeypatch, error, said, hint
):
    def fails(*_):
        raise error

    monkeypatch.setattr("examples.Counter.handle", fails)
    code, _, err = typed("--handler", "examples.Counter", "-e", '{"words": ["a"]}')
    assert code == 1
    told = [line for line in err.splitlines() if not line.startswith("{")]
    assert told[0].startswith(f"error: the function failed: {said}")
    assert told[1].startswith("hint: ")
    assert hint in told[1]


def noted(error: Exception, note: str) -> Exception:
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "said", "hint", "error_code"),
    [
        (FileNotFoundError(errno.ENOENT, "None", "/data/x"), "/data/x: None", "Correct the path", "missing"),
        (
            noted(FileNotFoundError("s3://b/x/ is not there"), "Do."),
            "s3://b/x/ is not there",
            "Do.",
            "missing",
        ),
        (noted(ValueError("too large"), "Make it less."), "too large", "Make it less.", "usage"),
        (ValueError("too large"), "too large", "--debug", "usage"),
        (ValueError(), "ValueError", "--debug", "usage"),
        (KeyError("x"), "KeyError: 'x'", "--debug", "unexpected"),
        (PermissionError(errno.EACCES, "No", "/x"), "/x: No", "Allow this user", "unreadable"),
        (NotADirectoryError(errno.ENOTDIR, "No folder", "/x"), "/x: No folder", "take away", "not_a_file"),
        (OSError(errno.ENOSPC, "Full", "/x"), "/x: Full", "Make room", "out_of_resources"),
        (OSError(errno.EMFILE, "Many", "/x"), "/x: Many", "ulimit -n", "out_of_resources"),
        (OSError(errno.ENAMETOOLONG, "Long", "/x"), "/x: Long", "255 bytes", "unexpected"),
        (OSError(errno.EIO, "Broken", "/x"), "/x: Broken", "that disk", "read_error"),
        (OSError("odd"), "odd", "--debug", "unexpected"),
        (NotComplete("there is no receipt", hint="Wait."), "there is no receipt", "Wait.", "not_complete"),
    ],
)
def test_what_has_failed_is_told_with_what_helps_and_logged_with_its_code(
    typed, monkeypatch, context, capsys, error, said, hint, error_code
):
    def fails(*_):
        raise error

    monkeypatch.setattr("examples.Counter.handle", fails)
    code, _, err = typed("--handler", "examples.Counter", "-e", '{"words": ["a"]}')
    assert code == 1
    told = [line for line in err.splitlines() if not line.startswith("{")]
    assert told[0].removeprefix("error: ").removeprefix("the function failed: ") == said
    assert hint in told[1]
    capsys.readouterr()
    with pytest.raises(type(error)):
        examples.Counter.get_handler()({"words": ["a"]}, context)
    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "function failed" in line)
    assert line["code"] == error_code
    assert hint == "--debug" or hint in line["hint"]
    assert said in line["exception"] or error.args == (error.errno, error.strerror)


@pytest.mark.parametrize(("ended", "said"), [(0, ": 0"), (None, ""), (7, ": 7"), ("no input", ": no input")])
def test_a_function_that_ends_its_process_has_not_answered_and_no_0_says_so(
    typed, tmp_path, monkeypatch, ended, said
):
    monkeypatch.chdir(tmp_path)
    name = f"ends_{abs(hash(str(ended)))}"
    Path(f"{name}.py").write_text(f"import sys\ndef run(event, context):\n    sys.exit({ended!r})\n")
    code, out, err = typed("--handler", f"{name}.run", "-e", "{}")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: the function ended its process before it had answered{said}\n")


def test_a_level_that_there_is_not_is_told_by_its_variable_before_anything_is_run(typed, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "LOUD")
    code, out, err = typed("--handler", "examples.Counter", "-e", '{"words": []}')
    assert (code, out) == (2, "")
    assert err.startswith("error: POWERTOOLS_LOG_LEVEL is no level of a log")
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "error")
    assert typed("--handler", "examples.Counter", "-e", '{"words": []}')[0] == 0


def test_with_debug_there_is_a_traceback(typed):
    code, _, err = typed("--handler", "examples.Counter", "-e", '{"words": ["a"], "fail": true}', "--debug")
    assert code == 1
    assert "Traceback (most recent call last)" in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "no function is named"),
        (["--handler", "examples.Counter"], "no event is given"),
        (["--handler", "examples.Counter", "-e", "{"], "begins like it"),
        (["--handler", "examples.Counter", "-e", "{}"], "words: Field required"),
        (["--handler", "examples.Counter", "-e", "[]", "--payload-file", "x"], "two events"),
        (["--handler", "examples.Nothing", "-e", "{}"], "no LambdaHandler"),
        (["--handler", "nowhere.Nothing", "-e", "{}"], "no module nowhere"),
        (["--handler", "Nothing", "-e", "{}"], "no package.module.Class"),
        (["--handler", "examples.Counter", "-e", '{"words": []}', "-o", "/nowhere/x"], "can be written"),
        (["--handler", "examples.Counter", "-e", '{"words": []}', "-o", "s3://bucket"], "s3://bucket/key"),
        (["--wrong"], "No such option"),
    ],
)
def test_what_is_typed_wrongly_ends_with_2(typed, words, why):
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert why in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (403, "AccessDenied", "what this role may do"),
        (404, "NoSuchBucket", "bucket and key"),
        (0, "NoCredentials", "aws configure"),
        (403, "ExpiredToken", "aws configure"),
        (0, "", "Check the network"),
    ],
)
def test_what_s3_refuses_is_told_with_what_helps_against_it(typed, monkeypatch, status, code, advice):
    def refuse(*_, **__):
        raise refusal("LIST x/", Trouble(status, code, "no"))

    monkeypatch.setattr("upload_client.functions.base.routing.find_function", lambda _: refuse)
    said, _, err = typed("--handler", "examples.plain", "-e", "[1]")
    assert said == 1
    assert advice in err.splitlines()[1]


def test_the_help_can_be_read(typed):
    code, out, _ = typed("--help")
    assert code == 0
    assert out.startswith("Usage: handle-lambda-request [OPTIONS]")
    assert "AWS_LAMBDA_EVENT_RESPONSE_LOCATION" in out


def test_functions_of_ones_own_are_found_in_the_current_folder_and_nothing_is_loaded_before(tmp_path):
    (tmp_path / "mine.py").write_text("def f(event, context):\n    print('said')\n    return event\n")
    program = """
import sys
import upload_client
from upload_client.cli.functions import main
main(["--help"])
heavy = {"pydantic", "aws_lambda_powertools", "boto3", "upload_client.functions"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
sys.exit(main(["--handler", "mine.f", "-e", "{}"]))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "{}", "said\n")


@pytest.fixture
def bucket(make_bucket):
    return make_bucket()


@pytest.fixture
def place(bucket, store, monkeypatch):
    """A URI of a bucket with two events."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint_url)
    bucket.put("a b/event.json", b'{"words": ["a"]}')
    bucket.put("no.json", b"no JSON")
    return f"s3://{bucket.name}"


def test_an_event_and_its_answer_may_lie_in_a_bucket(bucket, place, typed, context, monkeypatch):
    uri = f"{place}/a b/event.json"
    monkeypatch.setenv("UPLOAD_CLIENT_FUNCTIONS", "examples.*")
    for event in (uri, json.dumps(uri)):
        assert handle({"handler": "examples.Counter", "event": event}, context) == {"n": 1}
    for n, words in enumerate((["-e", uri], ["--payload-file", uri])):
        assert typed("--handler", "examples.Counter", *words, "-o", f"{place}/answer{n}")[0] == 0
        assert json.loads(bucket.read(f"answer{n}")) == {"n": 1}


@pytest.mark.parametrize(
    ("key", "why"), [("nothing.json", "nothing.json cannot be taken"), ("no.json", "holds no JSON")]
)
def test_an_event_that_is_not_in_its_bucket_is_told(place, typed, key, why):
    code, _, err = typed("--handler", "examples.Counter", "-e", f"{place}/{key}")
    assert code == 2
    assert why in err


def test_an_answer_that_cannot_be_written_is_a_failure(place, typed):
    code, _, err = typed("--handler", "examples.Counter", "-e", '{"words": []}', "-o", f"{place}-not-there/x")
    assert code == 1
    assert "-not-there" in err or "denied" in err.lower()


def test_the_function_for_all_is_run_as_aws_lambda_is_told_it(monkeypatch, capsys):
    monkeypatch.setenv("_HANDLER", "upload_client.functions.handle")
    monkeypatch.setenv("UPLOAD_CLIENT_FUNCTIONS", "examples.*")
    event = {"handler": "examples.Counter", "event": {"words": ["a"]}}
    assert main(["--payload", json.dumps(event)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"n": 1}
    assert "_aws" not in said.err  # metrics that nobody collects
    monkeypatch.setenv("UPLOAD_CLIENT_FUNCTIONS", "others.*")
    assert main(["--payload", json.dumps(event)]) == 2
    assert "may not be run here" in capsys.readouterr().err


def test_the_hand_over_as_a_command_needs_nothing_that_functions_stand_on():
    """It would find out half way, when files are to be removed."""
    code = (
        "import sys; sys.modules['aws_lambda_powertools'] = None;"
        "import upload_client.functions.hand_over.work; import upload_client.functions.data_sync.sync"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
