"""State machines, as they are looked at here."""

from __future__ import annotations

import json
import re


def as_moto_reads_it(definition: dict) -> str:
    """A definition as text; moto takes a percentage that is a whole number for none."""
    return re.sub(r'("ToleratedFailurePercentage": \d+)\b', r"\1.0", json.dumps(definition))
