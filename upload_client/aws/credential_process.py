"""`credential_process` of a profile of the AWS tools, within limits of time and of what it may print.

botocore waits for such a program for ever, keeps all it prints, and takes anything but JSON for a fault of
its own. https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

from __future__ import annotations

import json
import subprocess
from typing import Any, Final

import boto3
from botocore.credentials import CredentialResolver, ProcessProvider
from botocore.exceptions import CredentialRetrievalError

from upload_client.core.redaction import sanitized
from upload_client.support.program import MAX_OUTPUT, TooMuchOutput, run_program

CREDENTIAL_PROCESS_SECONDS: Final = 120.0
"""It may ask somebody to touch a key."""
_METHOD: Final = "custom-process"  # botocore's name for the provider


def bound_credential_process(session: boto3.Session) -> None:
    """Have this session run its profile's program within limits; before its credentials are first asked for.

    That of another profile, from which a role is taken (``source_profile``), botocore runs itself.
    """
    core: Any = session._session  # noqa: SLF001 - boto3 has no other way to it
    resolver: CredentialResolver = core.get_component("credential_provider")
    profile = core.get_config_variable("profile") or "default"
    resolver.insert_before(_METHOD, ProcessProvider(profile, lambda: core.full_config, popen=_Process))


class _Process:
    """As much of `subprocess.Popen` as botocore uses."""

    def __init__(self, command: list[str], **_pipes: object) -> None:
        self._command = command
        self.returncode = 0

    def communicate(self) -> tuple[bytes, bytes]:
        """Run it; what it printed.

        Raises:
            CredentialRetrievalError: it cannot be run, does not end in time, or prints no object of JSON.
        """
        try:
            ran = run_program(
                self._command, seconds=CREDENTIAL_PROCESS_SECONDS, reads_output=True, inherits_input=True
            )
        except subprocess.TimeoutExpired:
            raise _failed(f"it did not end within {CREDENTIAL_PROCESS_SECONDS:.0f} s") from None
        except TooMuchOutput:
            raise _failed(f"it printed more than {MAX_OUTPUT:,} bytes") from None
        except OSError as error:
            raise _failed(f"it cannot be run: {error.strerror or error}") from None
        self.returncode = ran.returncode
        if ran.returncode == 0 and not _is_object(ran.output):
            raise _failed("it printed no object of JSON") from None
        reason = sanitized(ran.error_output.decode("utf-8", "replace").strip()[-300:])
        return ran.output, f"it ended with {ran.returncode}: {reason}".encode()


def _is_object(output: bytes) -> bool:
    try:
        return isinstance(json.loads(output.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _failed(why: str) -> CredentialRetrievalError:
    return CredentialRetrievalError(provider="credential_process", error_msg=why)
