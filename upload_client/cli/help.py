"""The text of ``--help``: synopsis, options by subject, examples, exit codes, where to read on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import click


class Section(NamedTuple):
    """A section at the end of a help page: rows of a term and what it means (empty: a line of its own)."""

    title: str
    rows: Sequence[tuple[str, str]]
    ending: str = ""


def examples(*rows: tuple[str, str]) -> Section:
    """The section with examples: a command line each, and a word beside it."""
    return Section("Examples", rows)


def exit_codes(*rows: tuple[str, str]) -> Section:
    """The section with exit codes: each, and what it means."""
    return Section("Exit codes", rows)


ENVIRONMENT = Section(
    "Environment",
    (
        ("UPLOAD_CLIENT_PROFILE", "the profile, where --profile is not given"),
        ("UPLOAD_CLIENT_USERNAME", "who you are"),
        ("UPLOAD_CLIENT_PASSWORD", "your password, where nobody can be asked"),
        ("UPLOAD_CLIENT_...", "any other setting, by its name in capitals"),
        ("AWS_REGION, AWS_ENDPOINT_URL", "as for other AWS tools"),
        ("NO_COLOR", "no colours"),
    ),
)
_READ_ON = "`upload-client docs {page}` shows the page about it; `upload-client docs` lists all pages."
PAGES = {
    "upload-client": "tutorial",
    "check": "check",
    "completion": "cli",
    "docs": "index",
    "expectations": "expectations",
    "handle-lambda-request": "functions",
    "index": "manifests",
    "receipt": "receipt",
    "receiver": "receiver",
    "report": "report",
    "sandbox": "tutorial",
    "schedule": "schedule",
    "status": "status",
    "sync": "synchrony",
    "unlock": "lock",
    "verify": "receipt",
    "receiver hand-over": "hand-over",
    "receiver key": "receipt",
    "receiver policy": "receiving",
    "receiver probe": "receiving",
    "receiver serve": "receiving",
    "receiver sign": "receipt",
}
"""The page that goes with each command, by the first two of its names, or the first."""
_WHOLE = "upload\u2011client"
"""The name of the program with a hyphen at which no line ends."""


class _Formatter(click.HelpFormatter):
    """Wraps lines, and no command within its name: it is copied as it stands."""

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("upload-client", _WHOLE))

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: Any, **options: Any) -> None:  # noqa: ANN401 # click's
        whole = [(term, text.replace("upload-client", _WHOLE)) for term, text in rows]
        super().write_dl(whole, *args, **options)

    def getvalue(self) -> str:
        return super().getvalue().replace(_WHOLE, "upload-client")


class _Context(click.Context):
    formatter_class = _Formatter


class _Manual(click.Command):
    """A command whose help reads like a manual page.

    Args:
        groups: names of parameters, by the title they stand under; all others stand at the end.
        sections: after the options.
        synopsis: what follows the command's name in the first line, where it is not click's.
    """

    context_class = _Context

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 # click's
        groups: Mapping[str, Sequence[str]] | None = None,
        sections: Sequence[Section] = (),
        synopsis: Sequence[str] = (),
        **options: Any,  # noqa: ANN401 # click's
    ) -> None:
        super().__init__(*args, **options)
        self._groups = groups or {}
        self._sections = sections
        self._synopsis = synopsis

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; a long one with one hyphen is none.

        Click takes `-output=x` for `-o` with the value `utput=x`.

        Raises:
            click.NoSuchOption: There is such a one.
        """
        names = {name for param in self.params for name in param.opts}
        for argument in map(str, args):  # a program may give paths
            if argument == "--":
                break
            if argument[:1] == "-" and argument[:2] in names and f"-{argument.partition('=')[0]}" in names:
                raise click.NoSuchOption(argument.partition("=")[0], ctx=ctx)
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line for each form it has."""
        if not self._synopsis:
            super().format_usage(ctx, formatter)
        for n, form in enumerate(self._synopsis):
            formatter.write_usage(ctx.command_path, form, prefix="       " if n else "Usage: ")

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Required options first, then the others."""
        needed = [
            f"{param.opts[0]} {param.make_metavar(ctx)}"
            for param in self.params
            if isinstance(param, click.Option) and param.required
        ]
        return [*needed, *super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, by what they are about."""
        records = {param.name: param.get_help_record(ctx) for param in self.get_params(ctx)}
        for title, names in self._groups.items():
            self._write(formatter, title, [records.pop(name) for name in names if name in records])
        self._write(formatter, "Other options" if self._groups else "Options", list(records.values()))

    @staticmethod
    def _write(formatter: click.HelpFormatter, title: str, records: Sequence[tuple[str, str] | None]) -> None:
        # An argument without a text of its own is told of in the first paragraph.
        if rows := [record for record in records if record is not None and record[1]]:
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections, and where to read on."""
        for title, rows, ending in self._sections:
            with formatter.section(title):
                for line, comment in rows if title == "Examples" else ():
                    # A command is copied as it stands, so it is not wrapped.
                    formatter.write(f"  # {comment}\n" if comment else "")
                    formatter.write(f"  {line}\n")
                if title != "Examples":
                    formatter.write_dl(list(rows))
            if ending:
                formatter.write_paragraph()
                formatter.write_text(ending)
        with formatter.section("Read on"):
            program, *names = ctx.command_path.split()
            page = PAGES.get(" ".join(names[:2])) or PAGES[names[0] if names else program]
            formatter.write_text(_READ_ON.format(page=page))


class Command(_Manual):
    """A command with such a help."""


class Group(_Manual, click.Group):
    """A group of commands with such a help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)
