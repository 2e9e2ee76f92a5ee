"""The definition of a job, whether another is equal to it, what a run overrides."""

from __future__ import annotations

import copy

import pytest

from upload_client.core.batch_jobs import RETRIES, definition, is_equal, is_job_name, overrides, resources


@pytest.mark.parametrize(
    "given",
    [
        {"vcpus": 2, "memory": 4096, "gpu": 1},
        {"VCPU": 2.0, "MEMORY": 4096, "GPU": 1},
        [
            {"type": "VCPU", "value": "2"},
            {"Type": "MEMORY", "Value": 4096},
            {"type": "GPU", "value": "1"},
        ],
    ],
)
def test_resources_are_a_list_by_type_however_they_are_given(given):
    assert resources(given) == [
        {"type": "GPU", "value": "1"},
        {"type": "MEMORY", "value": "4096"},
        {"type": "VCPU", "value": "2"},
    ]


def test_what_is_none_is_not_required_and_half_a_core_is_one():
    assert resources({"vcpus": 0.5, "memory": None}) == [{"type": "VCPU", "value": "0.5"}]


@pytest.mark.parametrize(
    "given",
    [{"disk": 1}, {"vcpu": 1, "vcpus": 1}, [{"type": "DISK", "value": "1"}], [{"type": "VCPU"}], [{}]],
)
def test_other_resources_are_refused(given):
    with pytest.raises(ValueError, match=r"none of|has a type|required twice"):
        resources(given)


@pytest.mark.parametrize(
    "value", ["", "four", True, [], {}, 0, -1, "1e3", "9" * 30, float("nan"), float("inf")]
)
@pytest.mark.parametrize("name", ["vcpus", "memory"])
def test_a_resource_is_a_number_greater_than_none(name, value):
    with pytest.raises(ValueError, match=f"{name.upper().rstrip('S')} is no (whole )?number greater than 0"):
        resources({name: value})


def test_memory_and_gpus_are_whole_and_no_gpu_is_none():
    with pytest.raises(ValueError, match="MEMORY is no whole number"):
        resources({"memory": 0.5})
    assert resources({"gpu": 0, "memory": "2048.0"}) == [{"type": "MEMORY", "value": "2048"}]
    with pytest.raises(ValueError, match="GPU is no whole number"):
        resources([{"type": "GPU", "value": "0"}])


def made(**more):
    given = {
        "name": "d",
        "image": "i",
        "role": None,
        "requirements": resources({"vcpus": 1, "memory": 2048}),
        "mount_points": [],
        "volumes": [],
        "privileged": False,
        "retries": None,
        "tags": {},
    }
    return definition(**(given | more))


def test_what_aws_adds_or_spells_in_another_way_makes_no_difference():
    wanted = made(volumes=[{"name": "a", "host": {}}, {"name": "b"}])
    found = copy.deepcopy(wanted)
    found |= {"revision": 3, "status": "ACTIVE", "parameters": {}, "tags": {}}
    container = found["containerProperties"]
    container |= {"environment": [], "secrets": [], "ulimits": [], "command": []}
    container["resourceRequirements"] = [
        {"value": "1", "type": "VCPU"},
        {"value": "2048", "type": "MEMORY"},
    ]
    container["volumes"] = [{"name": "b"}, {"name": "a"}]
    del container["privileged"]
    for rule in found["retryStrategy"]["evaluateOnExit"]:
        rule["action"] = rule["action"].lower()
    assert is_equal(found, wanted)


@pytest.mark.parametrize(
    "other",
    [
        {"image": "j"},
        {"role": "arn:aws:iam::123456789012:role/r"},
        {"requirements": resources({"vcpus": 2, "memory": 2048})},
        {"mount_points": [{"containerPath": "/x"}]},
        {"volumes": [{"name": "v"}]},
        {"privileged": True},
        {"retries": {"attempts": 1}},
        {"retries": {**RETRIES, "evaluateOnExit": RETRIES["evaluateOnExit"][::-1]}},
        {"tags": {"a": "b"}},
    ],
    ids=str,
)
def test_any_difference_makes_another_definition(other):
    assert not is_equal(made(**other), made())


def test_what_a_run_overrides_is_spelled_as_step_functions_has_it():
    assert overrides(["a", "b"], {"Y": "2", "X": "1"}, resources({"vcpus": 1})) == {
        "Command": ["a", "b"],
        "Environment": [{"Name": "X", "Value": "1"}, {"Name": "Y", "Value": "2"}],
        "ResourceRequirements": [{"Type": "VCPU", "Value": "1"}],
    }


@pytest.mark.parametrize(("name", "taken"), [("a-b_C1", True), ("-a", False), ("a.b", False), ("", False)])
def test_a_name_is_one_that_aws_batch_takes(name, taken):
    assert is_job_name(name) is taken
    assert is_job_name("a" * 128)
    assert not is_job_name("a" * 129)
