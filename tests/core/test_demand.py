"""Parameters of an execution, where its data lies, the command and the names of its job."""

from __future__ import annotations

import hashlib
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.batch_jobs import is_job_name
from upload_client.core.demand import (
    DemandError,
    Mount,
    check_id,
    environment_file,
    environment_of,
    job_name,
    named_variable,
    placed,
    read_params,
    resolved,
    shell_command,
    size_of,
    split_environment,
    stated,
    variable_of,
)

WORKING, SHARED = "/opt/efs/scratch/e1", "/opt/efs/shared"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def prepared(params, inputs=(), outputs=(), prefix=None, *, isolate=True):
    read = read_params(params, inputs, outputs, prefix)
    return {one.variable: one for one in resolved(params, placed(read, WORKING, SHARED, isolate=isolate))}


def test_a_parameter_is_a_variable():
    assert variable_of("reference-path.v2") == "REFERENCE_PATH_V2"
    assert named_variable("${in-x}".replace("-", "_")) == "IN_X"
    assert prepared({"a": 1, "b-c": True, "d": {"x": [1]}})["D"].value == '{"x": [1]}'


@pytest.mark.parametrize(
    ("given_as", "local"),
    [
        ("s3://b/k", f"tmp{sha256('s3://b/k')[:8]}"),
        ("s3://b/k @ in/x", "in/x"),
        ({"remote": "s3://b/k", "local": "in/x"}, "in/x"),
    ],
)
def test_an_input_comes_from_somewhere_and_lies_below_the_execution(given_as, local):
    one = prepared({"x": given_as}, ["x"])["X"]
    assert (one.remote, one.value) == ("s3://b/k", f"{WORKING}/{local}")
    assert stated(one) == f"s3://b/k @ {WORKING}/{local}"


def test_an_input_that_is_shared_lies_under_what_it_comes_from():
    one = prepared({"x": "s3://b/k @ in"}, ["x"], isolate=False)["X"]
    assert one.value == f"{SHARED}/{sha256('s3://b/k')}"


@pytest.mark.parametrize(
    ("given_as", "prefix", "remote"),
    [
        ("out", "s3://b/p/", "s3://b/p/out"),
        ("out @ s3://c/k", "s3://b/p", "s3://c/k"),
        ({"local": "out", "remote": "s3://c/k"}, None, "s3://c/k"),
        ({"local": "out"}, "s3://b/p", "s3://b/p/out"),
    ],
)
def test_an_output_goes_where_it_says_or_below_the_prefix(given_as, prefix, remote):
    one = prepared({"x": given_as}, [], ["x"], prefix)["X"]
    assert (one.value, one.remote) == (f"{WORKING}/out", remote)
    assert stated(one) == f"{WORKING}/out @ {remote}"


def test_filters_stay_with_their_parameter():
    params = {
        "i": {"remote": "s3://b/k", "local": "in", "include": r".*\.txt", "exclude": []},
        "o": {"local": "out", "remote": "s3://b/o", "exclude": ["a"]},
    }
    found = prepared(params, ["i"], ["o"])
    assert found["I"].filters == {"include": r".*\.txt"}
    assert stated(found["I"]) == {
        "local": f"{WORKING}/in",
        "remote": "s3://b/k",
        "include": r".*\.txt",
        "action": "LOCALIZE",
    }
    assert stated(found["O"])["action"] == "DELOCALIZE"


def test_references_are_filled_and_one_to_an_input_is_its_path():
    params = {
        "sample": "s1",
        "in": "s3://b/${SAMPLE}/x @ in/${sample}",
        "out": "res/${SAMPLE}",
        "flag": "--in=${IN}/a-${more}",
        "more": "${SAMPLE}${SAMPLE}",
    }
    found = prepared(params, ["in"], ["${OUT}"], "s3://b/o")
    assert found["IN"].remote == "s3://b/s1/x"
    assert found["OUT"].remote == "s3://b/o/res/s1"
    assert found["FLAG"].value == f"--in={WORKING}/in/s1/a-s1s1"


@pytest.mark.parametrize(
    ("params", "inputs", "outputs", "why"),
    [
        ({"a": "${b}"}, [], [], "refers to something that is no parameter"),
        ({"a": "${b}", "b": "${A}"}, [], [], "in a circle"),
        ({"a": "${a}"}, [], [], "in a circle"),
        ({"a-b": 1, "a_b": 1}, [], [], "two parameters have the name A_B"),
        ({"1a": 1}, [], [], "the name of a parameter has"),
        ({"a": "s3://b/k"}, ["a"], ["A"], "A is an input and an output"),
        ({}, ["a"], [], "A is named as an input or output"),
        ({"a": ""}, ["a"], [], "names no source"),
        ({"a": ""}, [], ["a"], "names no local path"),
        ({"a": "x"}, [], ["a"], "there is no prefix"),
        ({"a": 1}, ["a"], [], "neither a text nor an object"),
        ({"a": {"remote": 1}}, ["a"], [], "neither a text nor an object"),
    ],
)
def test_an_execution_that_contradicts_itself_is_told_where(params, inputs, outputs, why):
    with pytest.raises(DemandError, match=why):
        prepared(params, inputs, outputs)


@pytest.mark.parametrize("local", ["../x", "a/../..", "/etc/x", ".", "a/../../e2/x", "a\0b"])
def test_no_path_leads_out_of_the_executions_folder(local):
    for inputs, outputs in ((["a"], []), ([], ["a"])):
        with pytest.raises(DemandError, match="leads out"):
            prepared({"a": {"local": local, "remote": "s3://b/k"}}, inputs, outputs)


def test_a_path_in_the_folder_may_be_written_as_a_whole():
    one = prepared({"a": f"{WORKING}/out"}, [], ["a"], "s3://b")["A"]
    assert one.value == f"{WORKING}/out"


@pytest.mark.parametrize("text", ["", "../x", "a/b", ".x", "-x", "a b", "$(x)", "a;b", "x" * 129, "ä"])
def test_an_id_that_could_lead_elsewhere_is_none(text):
    with pytest.raises(DemandError):
        check_id(text)
    assert check_id("e-1_x.2") == "e-1_x.2"


@pytest.mark.parametrize("name", ["tmp", "TMP"])
def test_no_execution_is_called_as_a_folder_that_all_share(name):
    with pytest.raises(DemandError, match="all executions share"):
        check_id(name)


def test_a_mount_is_a_volume_with_a_short_name_of_its_own():
    mount = Mount("scratch", "fs-1", "fsap-2", "/data/scratch", "/opt/efs/scratch", read_only=False)
    assert mount.volume_name.startswith("scratch-")
    assert mount.mount_point["sourceVolume"] == mount.volume["name"] == mount.volume_name
    assert mount.uri("/opt/efs/scratch/e1/x") == "efs://fs-1:/data/scratch/e1/x"
    others = [
        Mount("scratch", *where, "/", path, read_only=False).volume_name
        for where, path in ((("fs-1", "fsap-3"), "/opt/efs/scratch"), (("fs-1", "fsap-2"), "/scratch"))
    ]
    assert mount.volume_name not in others
    assert Mount("shared", "fs-1", "fsap-2", "/", "/", read_only=True).volume_name.startswith("vol-")


@pytest.mark.parametrize("path", ["opt", "/opt/../x", "/a b", "/$(x)", "/opt/"])
def test_a_container_path_is_a_plain_one(path):
    with pytest.raises(DemandError, match="container path of shared"):
        Mount("shared", "fs-1", "fsap-2", "/", path, read_only=True)


def test_the_jobs_own_variables_are_nobody_elses():
    params = read_params({"tmpdir": "/x"}, [], [], None)
    with pytest.raises(DemandError, match="TMPDIR is a variable of the job's own"):
        environment_of("e1", WORKING, "/tmp", params)
    assert environment_of("e1", WORKING, "/x", params)["TMPDIR"] == "/x"


def test_a_value_that_no_variable_can_have_is_refused():
    with pytest.raises(DemandError, match="NUL"):
        environment_of("e1", WORKING, "/tmp", read_params({"a": "x\0"}, [], [], None))


def test_what_the_command_names_is_given_and_the_rest_stands_in_the_file():
    environment = {"WORKING_DIR": "w", "TMPDIR": "t", "EXECUTION_ID": "e", "A": "1", "B": "2"}
    given_to, filed = split_environment(environment, ["run", "$A"], "/f")
    assert given_to == {"WORKING_DIR": "w", "TMPDIR": "t", "A": "1", "_ENVIRONMENT_FILE": "/f"}
    assert filed == {"EXECUTION_ID": "e", "B": "2"}
    assert size_of({"A": "ä"}) == 3


@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"])))
def test_a_value_is_quoted_as_one_word(text):
    import shlex

    (line,) = [environment_file({"X": text})]
    assert shlex.split(line) == ["export", f"X={text}"]


def test_a_shell_reads_the_file_and_runs_nothing_of_it(tmp_path):
    hostile = "$(touch pwned) `touch pwned` '; touch pwned; \"\nY=1"
    (tmp_path / "env").write_text(environment_file({"X": hostile}))
    command = shell_command(["printenv", "X"], has_file=True)
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={
            "WORKING_DIR": str(tmp_path),
            "TMPDIR": str(tmp_path / "t"),
            "_ENVIRONMENT_FILE": str(tmp_path / "env"),
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{hostile}\n"
    assert not (tmp_path / "pwned").exists()


def test_without_a_command_there_is_nothing_to_run():
    assert shell_command(["a", "b"], has_file=False)[-1].endswith("cd ${WORKING_DIR} && a b")
    with pytest.raises(DemandError, match="no command"):
        shell_command([], has_file=False)


@given(st.text(), st.text(max_size=20), st.lists(st.text("abc-", min_size=1, max_size=24), max_size=3))
@example("a kind \n", "my-", ["scratch"])
@example("?", "", [])
def test_a_name_is_one_that_aws_takes_however_long_its_kind_is(kind, prefix, volumes):
    name = job_name(prefix, kind, ["x"], volumes)
    assert is_job_name(name)
    assert len(name) + max(map(len, volumes), default=0) + 3 <= 139
    assert name != job_name(prefix, kind, ["y"], volumes)
