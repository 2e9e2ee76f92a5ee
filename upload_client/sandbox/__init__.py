"""AWS on this machine, for trying whole deliveries offline.

`Sandbox` serves S3, Cognito, SSM and the validator's Lambda functions on one port of 127.0.0.1 for as
long as it is entered; `sample` writes a small data set to deliver. Needs the extra ``sandbox``.
"""

from __future__ import annotations

from upload_client.sandbox.samples import sample
from upload_client.sandbox.sandbox import Request, Sandbox

__all__ = ["Request", "Sandbox", "sample"]
