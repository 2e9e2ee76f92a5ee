"""``upload-client docs``: the documentation, which is installed with the program."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from upload_client.cli.help import Command, examples

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "_docs", _PACKAGE.parent / "docs")  # installed; in a clone
_FOR_THE_SITE = re.compile(r"^(?::::|--8<--).*\n(?:    .*\n|\n)*", re.MULTILINE)


@click.command(
    cls=Command,
    short_help="Read the documentation.",
    sections=(
        examples(
            ("upload-client docs", "which pages there are"),
            ("upload-client docs settings", "one of them"),
            ("upload-client docs protocol > protocol.md", ""),
        ),
    ),
)
@click.argument("page", required=False, shell_complete=lambda *_: [name for name, _ in _pages()])
def docs(page: str | None) -> None:
    """Show a page of the documentation, or which pages there are.

    PAGE is its name, of which the last part is enough.
    """
    if page is None:
        pages = [(name, _title(path)) for name, path in _pages()]
        width = max(len(name) for name, _ in pages)
        for name, title in pages:
            click.echo(f"{name:{width}}  {title}")
        return
    text = _FOR_THE_SITE.sub("", _find(page).read_text(encoding="utf-8"))
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console  # noqa: PLC0415 # slow to import
    from rich.markdown import Markdown  # noqa: PLC0415

    console = Console(width=min(Console().width, 100))
    with console.capture() as shown:
        console.print(Markdown(text))
    click.echo_via_pager(shown.get())


def _pages() -> Iterator[tuple[str, Path]]:
    """Name and file of each page, by name."""
    for place in _PLACES:
        if place.is_dir():
            for path in sorted(place.rglob("*.md")):
                yield path.relative_to(place).with_suffix("").as_posix(), path
            return


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def _find(page: str) -> Path:
    wanted = page.strip("/").removesuffix(".md").removeprefix("docs/")
    found = [path for name, path in _pages() if name == wanted]
    found = found or [path for name, path in _pages() if name.rpartition("/")[2] == wanted]
    if len(found) != 1:
        raise click.UsageError(f"there is no page {page!r}: `upload-client docs` lists all")
    return found[0]
