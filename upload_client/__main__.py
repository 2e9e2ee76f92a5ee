"""``python -m upload_client``."""

from __future__ import annotations

import sys

from upload_client.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
