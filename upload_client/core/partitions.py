"""The partitions of AWS: groups of regions, each with domains of its own for the services in it.

Botocore has them in its ``partitions.json``, against which these are held by a test: whoever may not load
botocore, or asks about a host and not about a region, finds them here.

https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Partition(NamedTuple):
    """A partition.

    Attributes:
        id: its name in ARNs.
        begins: what names of its regions begin with; empty: with what no other one's do.
        domain: of the services.
        dual_stack: of the services, where they are reached over IPv6, too.
    """

    id: str
    begins: str
    domain: str
    dual_stack: str


_AWS: Final = Partition("aws", "", "amazonaws.com", "api.aws")
PARTITIONS: Final = (
    _AWS,
    Partition("aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    Partition("aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    Partition("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    Partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    Partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    Partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    Partition("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
)
DOMAINS: Final = tuple(sorted({each.domain for each in PARTITIONS}))
"""Domains of services, each once."""
DUAL_STACK: Final = tuple(sorted({each.dual_stack for each in PARTITIONS}))
"""The same of those that are reached over IPv6, too."""
ANY_DOMAIN: Final = "|".join(map(re.escape, DOMAINS))
"""A regular expression for one of them."""
ANY_DUAL_STACK: Final = "|".join(map(re.escape, DUAL_STACK))
"""The same."""
_ENDS: Final = tuple(f".{domain}" for domain in (*DOMAINS, *DUAL_STACK))


def domain_of(region: str) -> str:
    """The domain of the services of a region, such as ``amazonaws.com``."""
    found = (each for each in PARTITIONS if each.begins and region.startswith(each.begins))
    return next(found, _AWS).domain


def is_below_aws(host: str) -> bool:
    """Whether a host has its name in a domain of AWS' services, as gateways of its customers have, too."""
    return host.endswith(_ENDS)
