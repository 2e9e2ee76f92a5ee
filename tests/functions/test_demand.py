"""All requests around an execution on demand."""

from __future__ import annotations

import copy
import json

import boto3
import pytest

pytest.importorskip("moto")
from moto import mock_aws

from upload_client.functions.batch import CreateDefinitionAndPrepareArgsHandler
from upload_client.functions.demand import PrepareDemandScaffoldingHandler
from upload_client.functions.errors import InvalidRequest

EXECUTION = {
    "execution_type": "align",
    "execution_id": "e-1",
    "execution_image": "ghcr.io/group/align:2",
    "execution_parameters": {
        "command": ["align", "--in", "${READS}", "--out", "${RESULT}"],
        "params": {
            "reads": "s3://landing/D/reads/ @ reads",
            "reference": {"remote": "s3://archive/ref/", "local": "ref", "include": ".*\\.fa"},
            "result": "aligned",
            "threads": 4,
            "title": "it's $(nothing)",
        },
        "inputs": ["reads", "reference"],
        "outputs": ["result"],
        "output_s3_prefix": "s3://archive/out",
        "outputs_metadata": {"result": {"kind": "bam"}},
    },
    "execution_metadata": {"user": "maria", "notify_list": ["x@example.org"]},
    "execution_platform": {"aws_batch": {"job_queue_name": "queue"}},
    "resource_requirements": {"vcpus": 4, "memory": 8192, "gpu": 0},
}


@pytest.fixture(autouse=True)
def systems(monkeypatch):
    """File systems, by the name of their role."""
    monkeypatch.delenv("ENV_BASE", raising=False)
    with mock_aws():
        efs = boto3.client("efs")
        yield {role: make(efs, role) for role in ("shared", "scratch", "tmp")}


def make(efs, role, name=None, **tags):
    system = efs.create_file_system(CreationToken=f"{name or role}{tags}")["FileSystemId"]
    tags = [{"Key": key, "Value": value} for key, value in {"Name": name or role, **tags}.items()]
    efs.tag_resource(ResourceId=system, Tags=tags)
    point = efs.create_access_point(
        ClientToken=f"{name}{role}{tags}", FileSystemId=system, Tags=tags, RootDirectory={"Path": f"/{role}"}
    )
    return system, point["AccessPointId"]


def prepare(execution=EXECUTION, *, systems=None, **configuration):
    event = {
        "demand_execution": execution,
        "file_system_configurations": systems or {},
        "context_manager_configuration": configuration,
    }
    return PrepareDemandScaffoldingHandler.get_handler()(event)


def changed(**more):
    execution = copy.deepcopy(EXECUTION)
    execution["execution_parameters"] |= more
    return execution


def test_inputs_are_synced_to_the_executions_folder_and_outputs_back(systems):
    answer = prepare()
    scratch = f"efs://{systems['scratch'][0]}:/scratch/e-1"
    reads, reference = answer["setup_configs"]["data_sync_requests"]
    assert reads == {
        **reads,
        "source_path": "s3://landing/D/reads/",
        "destination_path": f"{scratch}/reads",
        "delete": False,
        "require_lock": True,
        "retain_source_data": True,
        "size_only": True,
        "force": False,
        "batch_size_bytes_limit": 75 * 1024**3,
    }
    assert reference["filter_config"] == {"include": ".*\\.fa"}
    (result,) = answer["cleanup_configs"]["data_sync_requests"]
    assert result == {
        **result,
        "source_path": f"{scratch}/aligned",
        "destination_path": "s3://archive/out/aligned",
        "retain_source_data": False,
        "require_lock": False,
    }
    assert answer["cleanup_configs"]["remove_data_paths_requests"] == [
        {"paths": [f"{scratch}/reads", f"{scratch}/ref"], "allow_s3": False},
        {"paths": [scratch], "allow_s3": False},
    ]


def test_the_execution_has_the_paths_of_the_container_and_all_else_as_it_was():
    answer = prepare()["demand_execution"]
    expected = copy.deepcopy(EXECUTION)
    working = "/opt/efs/scratch/e-1"
    expected["execution_parameters"]["params"] |= {
        "reads": f"s3://landing/D/reads/ @ {working}/reads",
        "reference": {
            "remote": "s3://archive/ref/",
            "local": f"{working}/ref",
            "include": ".*\\.fa",
            "action": "LOCALIZE",
        },
        "result": f"{working}/aligned @ s3://archive/out/aligned",
    }
    assert answer == expected


def test_inputs_that_are_not_isolated_lie_in_the_shared_file_system(systems):
    answer = prepare(isolate_inputs=False, cleanup_inputs=False)
    for request in answer["setup_configs"]["data_sync_requests"]:
        assert request["destination_path"].startswith(f"efs://{systems['shared'][0]}:/shared/")
        assert len(request["destination_path"].rpartition("/")[2]) == 64
    assert len(answer["cleanup_configs"]["remove_data_paths_requests"]) == 1


def test_the_job_can_be_registered_and_has_what_the_program_needs(systems):
    job = prepare()["setup_configs"]["batch_create_request"]
    assert job["command"][:2] == ["/bin/bash", "-c"]
    assert job["command"][2].endswith("&& align --in ${READS} --out ${RESULT}")
    assert job["environment"] == {
        "EXECUTION_ID": "e-1",
        "WORKING_DIR": "/opt/efs/scratch/e-1",
        "TMPDIR": "/opt/efs/scratch/tmp",
        "READS": "/opt/efs/scratch/e-1/reads",
        "REFERENCE": "/opt/efs/scratch/e-1/ref",
        "RESULT": "/opt/efs/scratch/e-1/aligned",
        "THREADS": "4",
        "TITLE": "it's $(nothing)",
    }
    assert job["privileged"] is False
    assert job["job_definition_tags"] == {"USER": "maria"}
    assert job["job_queue_name"] == "queue"
    points = [one["efsVolumeConfiguration"]["authorizationConfig"]["accessPointId"] for one in job["volumes"]]
    assert points == [systems["scratch"][1], systems["shared"][1]]
    assert [one["readOnly"] for one in job["mount_points"]] == [False, True]
    answer = CreateDefinitionAndPrepareArgsHandler.get_handler()(job)
    assert answer["job_name"] == job["job_name"]


def test_executions_of_one_kind_share_a_definition_and_no_job():
    first, second = (
        prepare({**EXECUTION, "execution_id": one})["setup_configs"]["batch_create_request"]
        for one in ("e-1", "e-2")
    )
    assert first["job_definition_name"] == second["job_definition_name"]
    assert first["job_name"] != second["job_name"]
    assert first["job_name"] == prepare()["setup_configs"]["batch_create_request"]["job_name"]


def test_a_file_system_for_temporary_files_is_used_where_there_is_one(systems):
    job = prepare(systems={"tmp": {"access_point": systems["tmp"][1]}})["setup_configs"][
        "batch_create_request"
    ]
    assert job["environment"]["TMPDIR"] == "/opt/efs/tmp"
    assert len(job["volumes"]) == 3


def test_of_several_candidates_an_execution_always_gets_the_same_one():
    efs = boto3.client("efs")
    points = [make(efs, "scratch", f"s{n}")[1] for n in range(4)]
    candidates = {"scratch": [{"access_point": point} for point in points]}

    def chosen(execution_id):
        answer = prepare({**EXECUTION, "execution_id": execution_id}, systems=candidates)
        volume = answer["setup_configs"]["batch_create_request"]["volumes"][0]
        return volume["efsVolumeConfiguration"]["authorizationConfig"]["accessPointId"]

    found = [chosen(f"e-{n}") for n in range(12)]
    assert found == [chosen(f"e-{n}") for n in range(12)]
    assert len(set(found)) > 1


def test_the_variables_stand_in_a_file_where_efs_is_mounted(systems, tmp_path, monkeypatch):
    monkeypatch.setenv("EFS_MOUNT_POINTS", json.dumps({f"{systems['scratch'][0]}:/scratch": str(tmp_path)}))
    job = prepare(env_file_write_mode="ALWAYS")["setup_configs"]["batch_create_request"]
    assert job["environment"].keys() == {"WORKING_DIR", "TMPDIR", "READS", "RESULT", "_ENVIRONMENT_FILE"}
    assert ". ${_ENVIRONMENT_FILE} && align" in job["command"][2]
    assert "export THREADS=4\n" in (tmp_path / "e-1/.demand.env").read_text()


@pytest.mark.parametrize(("size", "written"), [(10, False), (9000, True)])
def test_if_required_they_do_where_they_are_too_large(systems, tmp_path, monkeypatch, size, written):
    monkeypatch.setenv("EFS_MOUNT_POINTS", json.dumps({systems["scratch"][0]: str(tmp_path)}))
    execution = changed(params={**EXECUTION["execution_parameters"]["params"], "long": "x" * size})
    prepare(execution, env_file_write_mode="IF_REQUIRED")
    assert (tmp_path / "scratch/e-1/.demand.env").exists() is written


def test_large_requests_go_through_a_bucket_each_to_a_place_of_its_own():
    payloads = {"temporary_request_payload_path": "s3://control/tmp/"}
    answer = prepare(input_data_sync_configuration=payloads, output_data_sync_configuration=payloads)
    requests = [
        *answer["setup_configs"]["data_sync_requests"],
        *answer["cleanup_configs"]["data_sync_requests"],
    ]
    assert [one["temporary_request_payload_path"] for one in requests] == [
        "s3://control/tmp/input_0/",
        "s3://control/tmp/input_1/",
        "s3://control/tmp/output_0/",
    ]


def test_an_environment_has_file_systems_and_names_of_its_own(monkeypatch):
    efs = boto3.client("efs")
    point = make(efs, "scratch", env_base="dev")[1]
    make(efs, "shared", env_base="dev")
    monkeypatch.setenv("ENV_BASE", "dev")
    job = prepare()["setup_configs"]["batch_create_request"]
    assert job["volumes"][0]["efsVolumeConfiguration"]["authorizationConfig"]["accessPointId"] == point
    assert job["job_definition_name"].startswith("dev-align-")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"execution": {**EXECUTION, "execution_id": "../../e"}}, "execution_id"),
        (
            {"execution": changed(params={"reads": "s3://b/k @ ../../x"}, inputs=["reads"], outputs=[])},
            "leads out",
        ),
        ({"execution": changed(command=[])}, "no command"),
        ({"execution": {**EXECUTION, "execution_platform": {}}}, "aws_batch"),
        ({"systems": {"scratch": {"access_point": "nothing"}}}, "no access point with the tag Name=nothing"),
        ({"systems": {"scratch": {"file_system": "nothing"}}}, "no file system with the tag Name=nothing"),
        ({"systems": {"scratch": {"container_path": "/opt/$(x)"}}}, "container path of scratch"),
        ({"systems": {"scratch": []}}, "names no file system"),
    ],
)
def test_what_cannot_be_prepared_is_told(event, why):
    with pytest.raises(InvalidRequest, match=why):
        prepare(**event)


def test_a_name_that_two_access_points_have_is_told():
    make(boto3.client("efs"), "scratch", again="yes")
    with pytest.raises(InvalidRequest, match="2 access points, not one, with the tag Name=scratch"):
        prepare()
