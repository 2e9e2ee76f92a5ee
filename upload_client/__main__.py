"""The program: ``upload-client``, or ``python -m upload_client``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; its exit code. Ctrl-C is no crash while it is still being loaded either."""
    try:
        from upload_client.cli.app import main as run  # noqa: PLC0415 - that takes a moment
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\nhint: Run the same command again: nothing had begun.\n")
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
