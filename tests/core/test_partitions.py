"""The partitions of AWS, as botocore has them."""

from __future__ import annotations

import json
from pathlib import Path

import botocore
import pytest

from upload_client.core.partitions import PARTITIONS, domain_of, is_below_aws

KNOWN = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())["partitions"]
OURS = {each.id: each for each in PARTITIONS}


@pytest.mark.parametrize("known", KNOWN, ids=[each["id"] for each in KNOWN])
def test_each_partition_of_botocore_has_its_domains_here_and_each_region_that_of_its_partition(known):
    ours, outputs = OURS[known["id"]], known["outputs"]
    assert (ours.domain, ours.dual_stack) == (outputs["dnsSuffix"], outputs["dualStackDnsSuffix"])
    regions = [name for name in known["regions"] if not name.endswith("-global")]
    assert regions
    assert {domain_of(region) for region in regions} == {ours.domain}


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "il-central-1", "garage", ""])
def test_a_region_of_no_other_partition_is_one_of_the_first(region):
    assert domain_of(region) == "amazonaws.com"


@pytest.mark.parametrize(
    ("host", "is_there"),
    [
        ("s3.eu-central-1.amazonaws.com", True),
        ("b.s3.eusc-de-east-1.amazonaws.eu", True),
        ("s3.dualstack.us-east-1.api.aws", True),
        ("s3.us-iso-east-1.c2s.ic.gov", True),
        ("amazonaws.com", False),
        ("evilamazonaws.com", False),
        ("s3.amazonaws.com.example", False),
        ("", False),
    ],
)
def test_hosts_below_the_domains_of_aws_are_known(host, is_there):
    assert is_below_aws(host) is is_there
