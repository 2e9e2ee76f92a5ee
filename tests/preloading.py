"""Imported by the server that tests fork processes from (`forked`), and by nobody else."""

from __future__ import annotations

import preloaded

preloaded.load()
