"""``python -m receiver DIRECTORY`` in ``tests/``: see aws.py."""

import sys
from pathlib import Path

from receiver.aws import main

main(Path(sys.argv[1]))
