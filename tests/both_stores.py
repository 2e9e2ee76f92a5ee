"""moto as a parameter of tests that run against each store."""

from __future__ import annotations

import checking_store
import pytest

MOTO = pytest.param("moto", marks=[pytest.mark.long] if checking_store.is_here() else [])
"""Where there is a store that checks, moto proves less than that, and is left to the long tests."""
