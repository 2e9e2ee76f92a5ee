"""The program: ``upload-client``, or ``python -m upload_client``; and ``handle-lambda-request``."""

from __future__ import annotations

import sys

_INTERRUPTED = "error: interrupted\nhint: Run the same command again: nothing had begun.\n"


def main() -> int:
    """Run the command line; its exit code. Ctrl-C is no crash while it is still being loaded either."""
    try:
        from upload_client.cli.app import main as run  # noqa: PLC0415 - that takes a moment
    except KeyboardInterrupt:
        sys.stderr.write(_INTERRUPTED)
        return 130
    return run()


def handle_lambda_request() -> int:
    """Run a function as AWS Lambda would; the exit code. Ctrl-C is no crash here either."""
    try:
        from upload_client.cli.functions import main as run  # noqa: PLC0415 - that takes a moment
    except KeyboardInterrupt:
        sys.stderr.write(_INTERRUPTED)
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
