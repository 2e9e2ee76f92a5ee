"""What the documentation says is so."""

from __future__ import annotations

import re
from pathlib import Path

from upload_client.settings import Settings

ROOT = Path(__file__).parents[1]


def test_every_setting_is_explained():
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert explained == set(Settings.model_fields) - {"password"}
