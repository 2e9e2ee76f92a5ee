"""Options for objects: which there are, and which fit where."""

from __future__ import annotations

import pytest

from upload_client.core.object_options import ACLS, check_options, for_control


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"Tagginng": "a=b"}, "did you mean Tagging"),
        ({"Nonsense": "x"}, "is none of ACL"),
        ({"Tagging": "a=b\r\nx-evil: 1"}, "printable ASCII"),
        ({"Tagging": "größe=1"}, "printable ASCII"),
        ({"ACL": "bucket-owner-full"}, "did you mean bucket-owner-full-control"),
        ({"ACL": "zzz"}, "is none of"),
    ],
)
def test_what_no_request_can_hold_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        check_options(options)


def test_each_acl_of_s3_is_taken():
    for acl in ACLS:
        assert check_options({"ACL": acl, "Tagging": "a=b"}) == {"ACL": acl, "Tagging": "a=b"}


@pytest.mark.parametrize("storage", ["GLACIER", "DEEP_ARCHIVE"])
def test_no_log_goes_into_an_archive(storage):
    assert for_control({"StorageClass": storage, "ACL": "private"}) == {"ACL": "private"}
    assert for_control({"StorageClass": "STANDARD_IA"}) == {"StorageClass": "STANDARD_IA"}
