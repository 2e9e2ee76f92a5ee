"""Make the pictures of this folder anew: what a person sees of a delivery, drawn from one that really runs.

Run it: ``python docs/pictures/make.py``. It needs the extra ``sandbox`` and a minute. A sandbox is the
receiver; a data set with large files and some broken ones is delivered to it slowly. In the middle of that,
and at its end, the very screen of the command line is drawn, at two widths, on a dark and a light terminal.
"""

# ruff: noqa: INP001 - a script, no package

from __future__ import annotations

import dataclasses
import io
import os
import random
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from upload_client import UploadClient
from upload_client.events import Connected, Event, Planned, Progress, Summary
from upload_client.index import scan
from upload_client.sandbox import Sandbox, sample
from upload_client.settings import load_settings
from upload_client.ui.ending import Command
from upload_client.ui.rich import RichReporter
from upload_client.ui.run_view import RunView
from upload_client.ui.screen import Screen

FOLDER = Path(__file__).resolve().parent
SIZES = {80: 24, 200: 50}
THEMES = {
    "dark": TerminalTheme(
        (24, 26, 31),
        (204, 208, 214),
        [
            *((40, 44, 52), (224, 108, 117), (152, 195, 121), (229, 192, 123)),
            *((97, 175, 239), (198, 120, 221), (86, 182, 194), (204, 208, 214)),
        ],
    ),
    "light": TerminalTheme(
        (253, 253, 253),
        (40, 44, 52),
        [
            *((40, 44, 52), (190, 40, 50), (40, 120, 40), (150, 100, 0)),
            *((30, 90, 190), (140, 60, 160), (0, 115, 130), (90, 94, 100)),
        ],
    ),
}
TYPED = Command(("upload-client", "--dataset", "survey7", "--delivery-id", "2026-11"))
REMOVED = "harbour/tide-gauge-2026.raw"
SEED = 7


def data_set(folder: Path) -> None:
    """Small tables, large files, and among these two that the validator will not like."""
    sample(folder, n_files=480)
    numbers = random.Random(SEED)  # noqa: S311 - no secret
    for name, mebibytes, beginning in (
        ("moor/instruments-draft.jsonl", 56, b'{"station": "moor"}\n{"station":\n'),
        ("ridge/readings-2026-merged-by-hand.csv", 52, b"time,wind\n1,2\n1,2,3\n"),
        (REMOVED, 50, b""),
        ("orbit/2026-11-03/panorama-from-the-northern-ridge.mosaic", 150, b""),
        ("orbit/2026-11-03/night-0001.cube", 40, b""),
        ("orbit/2026-11-03/night-0002.cube", 40, b""),
        ("радар/обзор-0001.raw", 15, b""),
        *((f"radar/sweep-{n:04}.raw", 14, b"") for n in range(12)),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(beginning + numbers.randbytes(mebibytes << 20))


class Camera:
    """Takes the pictures. The delivery itself is not disturbed.

    Attributes:
        pictures: names of those taken.
    """

    def __init__(self) -> None:
        self.screens = {width: Screen(told) for width, told in ((width, RunView()) for width in SIZES)}
        self.pictures: list[str] = []
        self._first: list[Event] = []

    def handle(self, event: Event) -> None:
        """Look at an event, and take the pictures it makes possible."""
        if isinstance(event, Connected):
            event = dataclasses.replace(
                event, source="/data/survey7", landing="s3://archive-landing/survey7/2026-11/staging/"
            )
        if isinstance(event, Connected | Planned):
            self._first.append(event)
        for width, screen in self.screens.items():
            screen.view.take(event)
            screen.lines(width, SIZES[width])
        if isinstance(event, Progress) and not self.pictures and self._worth_it(event):
            for width in SIZES:
                self._take(f"live-{width}", width)
        if isinstance(event, Summary):
            assert event.state_csv is not None
            end = dataclasses.replace(event, state_csv=Path(event.state_csv.name))
            self._take("end-80", 80, end=end)

    def close(self) -> None:
        """Nothing is held back."""

    def _worth_it(self, event: Progress) -> bool:
        view = self.screens[80].view
        files = sum(place is not None for place in view.places)
        return event.bytes_done > 0.3 * event.bytes_total and len(view.troubles) >= 2 and files >= 5

    def _take(self, name: str, width: int, *, end: Summary | None = None) -> None:
        for theme, colours in THEMES.items():
            console = Console(
                record=True,
                file=io.StringIO(),
                width=width,
                height=SIZES[width],
                force_terminal=True,
                color_system="standard",
                legacy_windows=False,
                emoji=False,
                markup=False,
                highlight=False,
            )
            reporter = RichReporter(console=console, command=TYPED)
            if end is not None:
                reporter.handle(end)
            else:
                for event in self._first:
                    reporter.handle(event)
                for line in self.screens[width].lines(width, SIZES[width]):
                    console.print(line)
            svg = console.export_svg(title="upload-client", theme=colours, unique_id=f"{name}-{theme}")
            # The pictures load nothing from elsewhere.
            svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
            svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
            (FOLDER / f"{name}-{theme}.svg").write_text(svg, encoding="utf-8", newline="\n")
            self.pictures.append(f"{name}-{theme}.svg")


def main() -> None:
    """Deliver the small files, then all, and take pictures meanwhile."""
    camera = Camera()
    with (
        tempfile.TemporaryDirectory() as temporary,
        Sandbox(dataset="survey7", delivery_id="2026-11") as sandbox,
    ):
        source = Path(temporary, "survey7")
        data_set(source)
        os.chdir(temporary)
        flags = {"threads": 6, "max_rate": "25MB/s", "max_retries": 0}
        settings = load_settings(profile=sandbox.profile, environ={}, flags=flags)
        settings = settings.model_copy(update={"multipart_threshold": 6 << 20, "part_size": 5 << 20})
        everything = scan(source)
        for index in (everything[everything["size"] < 1 << 20].reset_index(drop=True), everything):
            with UploadClient(
                dataset="survey7",
                delivery_id="2026-11",
                file_index=index,
                transfer_type="staging",
                source=source,
                n_threads=None,
                max_retries=None,
                settings=settings,
            ) as client:
                if index is everything:
                    (source / REMOVED).unlink()
                outcome = client.run(reporter=camera if index is everything else None)
    print(outcome.headline, *camera.pictures, sep="\n")  # noqa: T201 - it is what a script says


if __name__ == "__main__":
    main()
