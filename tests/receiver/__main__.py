"""``python -m receiver DIRECTORY`` in ``tests/``: see aws.py."""

import os
import sys
import time
from pathlib import Path

os.environ["TZ"] = "UTC"  # moto takes a time without a zone for one of this machine's
if hasattr(time, "tzset"):
    time.tzset()

from receiver.aws import main

main(Path(sys.argv[1]))
