"""Object options (encryption, requester pays, owner, access) for every request to a bucket.

They are put into requests where botocore makes them, so that none is forgotten: not a log segment, not a
receipt in parts, not a listing. Each goes into the operations that know it. A tag or a key of encryption is a
new object's; who pays and who owns concern each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def use(client: Any, bucket: str, options: Mapping[str, str]) -> None:  # noqa: ANN401 - any boto3 client of S3
    """Have each request of this client to this bucket made with these options.

    To another bucket, from which objects are copied, only who pays is said: it may be owned by somebody else.

    Args:
        client: made by `upload_client.s3.clients`.
        bucket: its name.
        options: by their names in PutObject; what a request says for itself wins.
    """
    if not options:
        return
    given: dict[str, str] = dict(options)

    def add(params: dict[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        known = model.input_shape.members if model.input_shape is not None else {}
        of_another = params.get("Bucket") != bucket
        for name, value in given.items():
            if name in known and name not in params and (not of_another or name == "RequestPayer"):
                params[name] = value

    client.meta.events.register("provide-client-params.s3", add)
