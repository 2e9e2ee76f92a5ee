"""One store's trials, for `docs/stores.md`: ``python tests/stores/table.py URL`` prints each, and a row.

Keys come from where boto3 finds them, else they are ``testing``. A bucket is made, and is gone afterwards;
with ``--bucket NAME`` one that is there is used, below ``upload-client-trials/``.
The exit code is 0 where files can be delivered there, 14 where they cannot.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import secrets
import sys
from types import SimpleNamespace

import boto3

from upload_client.control.probe import prove_conditions
from upload_client.control.store_probe import probe_profile
from upload_client.core.store_profile import Observation, StoreProfile, TrialResult
from upload_client.errors import StoreUnsafe
from upload_client.s3.bucket import Bucket, StoreError
from upload_client.s3.clients import s3_client


def main() -> int:
    """Try a store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url", nargs="?", help="of the store; none: AWS")
    parser.add_argument("--bucket")
    given = parser.parse_args()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if given.url:
            os.environ.setdefault(name, "testing")
    session = boto3.Session(region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    client = s3_client(session, SimpleNamespace(endpoint_url=given.url, endpoints={}))
    asked: list[str] = []
    client.meta.events.register("before-send.s3", lambda request, **_: asked.append(request.method))
    name = given.bucket or f"trials-{secrets.token_hex(6)}"
    if not given.bucket:
        client.create_bucket(Bucket=name)
    refused = ""
    try:
        control = Bucket(name, prefix="upload-client-trials/control/", client=client)
        landing = Bucket(name, prefix="upload-client-trials/landing/", client=client)
        try:
            prove_conditions(control, f"probe/{secrets.token_hex(6)}")
        except StoreUnsafe as error:
            refused = str(error)
        asked.clear()
        profile = probe_profile(control, landing, f"probe/{secrets.token_hex(6)}", copies=True, lists=True)
        n_asked = len(asked)
        left = (*control.ls(), *landing.ls())
    finally:
        if not given.bucket:
            client.delete_bucket(Bucket=name)
    for one in profile.judge(copies=True):
        print(f"{one.observation.value:28}{one.use.value:14}{one.reason}")
    print(f"\n{n_asked} requests; left behind: {', '.join(left) or 'nothing'}")
    print(f"{refused or 'honours conditions on PUT'}\n{profile.in_a_line}\n{row(profile, refused)}")
    return 14 if refused or profile.refused() else 0


def row(profile: StoreProfile, refused: str) -> str:
    """A row of the table."""

    def said(*observations: Observation) -> str:
        seen = {profile.observed.get(one) for one in observations}
        return "no" if TrialResult.BROKEN in seen else "yes" if seen == {TrialResult.KEPT} else "not tried"

    o = Observation
    verdict = (
        "refused" if refused or profile.refused() else "works" if not profile.no_parts else "works, no parts"
    )
    cells = (
        profile.server or "says nothing",
        said(o.CREATE_ONLY, o.REPLACE_ONLY),
        said(o.CRC32_PUT),
        "not needed" if profile.verification == "crc32" else said(o.MD5_PUT),
        said(o.CRC32_PART),
        said(o.FULL_OBJECT),
        said(o.COMPLETE_CREATE_ONLY, o.COMPLETE_REPLACE_ONLY),
        said(o.COPY_SOURCE, o.COPY_CREATE_ONLY, o.COPY_REPLACE_ONLY),
        said(o.LIST_ORDER, o.LIST_START_AFTER),
        verdict,
        dt.datetime.now(dt.UTC).date().isoformat(),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StoreError as error:
        print(f"refused: {error}")
        sys.exit(14)
