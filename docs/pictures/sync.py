"""Make the pictures of two people who keep a folder in common, from syncs that really run.

Run it: ``python docs/pictures/sync.py``. It needs the extras ``sandbox`` and ``synchrony``, and half a
minute. What stands on the pictures is what the tutorial (``docs/synchrony.md``) has typed, and the very
screen that follows.
"""

# ruff: noqa: INP001 - a script, no package

from __future__ import annotations

import io
import os
import re
import tempfile
from pathlib import Path

import boto3
from make import THEMES
from rich.console import Console
from rich.text import Text

from upload_client.sandbox import Sandbox
from upload_client.synchrony import S3Connection
from upload_client.synchrony.view import ScreenView

FOLDER = Path(__file__).resolve().parent
FIRST = "tree,height\noak,20\nfir,31\n"


def sync(person: str, answers: list[str], url: str, typed: str, name: str = "") -> None:
    """Synchronise a folder, and take a picture of it.

    Args:
        person: who; their folder is called so.
        answers: what they type.
        url: where S3 is.
        typed: the command.
        name: of the picture; empty: none.
    """
    os.environ |= {"AWS_ENDPOINT_URL": url, "COLUMNS": "80"}
    console = Console(
        record=True,
        file=io.StringIO(),
        width=80,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        emoji=False,
        markup=False,
        highlight=False,
    )
    console.print(Text(f"$ {typed}"))

    def answer(question: str) -> str:
        said = answers.pop(0)
        console.print(Text(f"{question}{said}"))
        return said

    view = ScreenView("S3", console)
    view.progress = lambda *_: None  # type: ignore[method-assign] # a line that is gone in the end
    connection = S3Connection(
        person, "team", "trees", person, boto3.Session(region_name="eu-central-1"), answer, view=view
    )
    connection.intro_message()
    connection.establish_connection()
    connection.synchronize()
    connection.close_message()
    assert not answers, answers
    for theme, colours in THEMES.items() if name else ():
        svg = console.export_svg(title=person, theme=colours, unique_id=f"{name}-{theme}", clear=False)
        # The pictures load nothing from elsewhere.
        svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
        svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
        (FOLDER / f"{name}-{theme}.svg").write_text(svg, encoding="utf-8", newline="\n")


def main() -> None:
    """Have both do what the tutorial says."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "anything"}
    with tempfile.TemporaryDirectory() as temporary, Sandbox(buckets=["team"]) as sandbox:
        url = sandbox.s3_endpoint_url
        os.chdir(temporary)
        anna, bert = Path("Anna"), Path("Bert")
        anna.mkdir()
        (anna / "trees.csv").write_text(FIRST)
        (anna / "notes.txt").write_text("measured in spring\n")
        typed = "upload-client sync {0} --to s3://team/trees --name {0}"
        sync("Anna", ["all"], url, typed.format("Anna"), "sync-first-80")
        sync("Bert", ["all"], url, typed.format("Bert"))
        (anna / "trees.csv").write_text(FIRST.replace("20", "21"))
        sync("Anna", ["all"], url, "upload-client sync Anna")
        (bert / "trees.csv").write_text(FIRST.replace("20", "22"))
        (bert / "notes.txt").unlink()
        sync("Bert", ["1", "y", "both"], url, "upload-client sync Bert", "sync-conflict-80")
        os.chdir("/")


if __name__ == "__main__":
    main()
