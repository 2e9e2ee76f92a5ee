"""``upload-client expectations``: draft the document that says what belongs in a delivery, and try it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upload_client.cli.help import Command, Group, examples, exit_codes
from upload_client.cli.options import (
    Chosen,
    choice_options,
    debug_option,
    force_option,
    output_option,
    write_text,
)
from upload_client.core.text import counted, for_terminal
from upload_client.support.file_names import from_disk, on_disk
from upload_client.ui.progress_line import ProgressLine

if TYPE_CHECKING:
    from upload_client.core.problems import Problem


_CHECK = "upload-client expectations check data/ --expectations agreed.yaml"


@click.group(cls=Group, short_help="Define what belongs in a delivery: draft the document, try it.")
def expectations() -> None:
    """Define what belongs in a delivery: which files, how many, and what is in them.

    A receiver writes a YAML document, and the validator judges what arrives by its rules.
    """


@expectations.command(
    "infer",
    cls=Command,
    short_help="Draft the document from a good sample.",
    sections=(examples(("upload-client expectations infer sample/ -o agreed.yaml", "")),),
)
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@output_option("Where to write it.  [default: stdout]")
@force_option
@choice_options
@debug_option
def infer(
    *,
    source: Path,
    output: Path | None,
    force: bool,
    chosen: Chosen,
) -> None:
    """Draft the document from SOURCE, a folder with files that are as they should be.

    What all files have in common becomes a rule; what may be chance becomes a comment. The draft accepts
    every file of the sample. Read it before you use it.
    """
    from upload_client.expectations.infer import infer as draft  # noqa: PLC0415 # imports pydantic
    from upload_client.support.atomic import check_free, replacing  # noqa: PLC0415 # not for --help
    from upload_client.support.in_use import note  # noqa: PLC0415 # not for --help
    from upload_client.validator.opening import open_function  # noqa: PLC0415 # not for --help

    if output is not None:
        check_free(output, None, force=force)
    note(output, "what this run writes")
    files = _files(source, chosen)
    with ProgressLine() as line:
        text = draft(source, files, open_function=open_function, on_progress=_showing(line, len(files)))
    if output is None:
        click.echo(text, nl=False)
        return
    with replacing(output) as file:
        file.write(text)
    click.echo(
        f"{for_terminal(str(output))}: drafted from {counted(len(files), 'file')}; read it before use",
        err=True,
    )


@expectations.command(
    "check",
    cls=Command,
    short_help="Judge a folder by the document, as the validator will.",
    sections=(
        examples(
            (_CHECK, ""),
            (
                f"{_CHECK} --json \\\n    | jq .problems",
                "for a script",
            ),
        ),
        exit_codes(
            ("0", "all is as expected"),
            ("2", "wrong usage, or the document is not valid"),
            ("3", "some files, or the delivery as a whole, are not as expected"),
            ("5", "no fault was found, but some files cannot be judged here (a library is missing)"),
        ),
    ),
)
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--expectations",
    "document",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The document.",
)
@click.option("--sample", is_flag=True, help="SOURCE is only a part of a delivery: report no missing files.")
@choice_options
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")
@debug_option
def check(
    *,
    source: Path,
    document: Path,
    sample: bool,
    chosen: Chosen,
    as_object: bool,
) -> int:
    """Judge the files of SOURCE by the document, as the receiver's validator will."""
    from upload_client.core.codes import FileCode  # noqa: PLC0415 # not for --help
    from upload_client.core.expectations import Tally  # noqa: PLC0415 # not for --help
    from upload_client.core.problems import group  # noqa: PLC0415 # not for --help
    from upload_client.expectations.content import lacking  # noqa: PLC0415 # imports pydantic
    from upload_client.expectations.document import load_file  # noqa: PLC0415 # imports pydantic
    from upload_client.expectations.expected import Expected  # noqa: PLC0415 # imports pydantic
    from upload_client.support.inputs import one_reader  # noqa: PLC0415 # not for --help

    one_reader(expectations=document, exclude_from=chosen.exclude_from)
    agreed = load_file(document)
    from upload_client.preflight.content import check_contents, unopened  # noqa: PLC0415 # imports boto3
    from upload_client.preflight.packages import check_packages, with_packages  # noqa: PLC0415 # imports boto3

    expected = Expected(agreed)
    files = _files(source, chosen)
    follow = chosen.symlinks == "follow"
    tally = Tally(expected.rules)
    for path, size in files:
        tally.add(path, size)
    delivery = tally.problems(complete=not sample)
    looked_at = [(path, size) for path, size in files if unopened(path, size, expected) is None]
    undecided: list[tuple[str, str]] = []
    with ProgressLine() as line:
        wrong = list(
            check_contents(
                source,
                looked_at,
                expectations=agreed,
                follow=follow,
                on_progress=_showing(line, len(looked_at)),
                on_undecided=lambda path, reason: undecided.append((path, reason)),
            )
        )
        packages = check_packages(source, dict(files), follow=follow, complete=not sample, expected=expected)
        wrong = with_packages(wrong, packages)
    code = 3 if wrong or delivery else 5 if undecided else 0
    there = {expected.rules.type_of(path) for path, _ in files}
    lacks = [
        (each.name, why)
        for number, each in enumerate(agreed.types)
        if number not in there and each.content is not None and (why := lacking(each.content)) is not None
    ]
    problems = group((path, "invalid", reason, FileCode.CONTENT) for path, reason in sorted(wrong))
    unknown = group((path, "done", reason, FileCode.NOT_JUDGED) for path, reason in sorted(undecided))
    if as_object:
        import json  # noqa: PLC0415 # not for --help

        click.echo(
            json.dumps(
                {
                    "schema_version": 1,
                    "kind": "expectations",
                    "exit_code": code,
                    "n_files": len(files),
                    "n_wrong": len(wrong),
                    "n_undecided": len(undecided),
                    "delivery": delivery,
                    "problems": [_object(problem) for problem in problems],
                    "undecided": [_object(problem) for problem in unknown],
                    "lacking": [{"type": name, "reason": why} for name, why in lacks],
                }
            )
        )
        return code
    _print("The delivery as a whole", [(sentence, ()) for sentence in delivery])
    _print("Files that are not as expected", [_lines_about(problem) for problem in problems])
    _print("Files that cannot be judged here", [_lines_about(problem) for problem in unknown])
    unjudgeable: list[tuple[str, tuple[str, ...]]] = [(f"{name}: {why}", ()) for name, why in lacks]
    _print("Types of which no file is here, and none could be judged", unjudgeable)
    good = len(files) - len(wrong) - len(undecided)
    click.echo(f"{good:,} of {counted(len(files), 'file')} as expected")
    return code


@expectations.command(
    "import",
    cls=Command,
    short_help="Convert a schema that you have into the document.",
    sections=(
        examples(
            ("upload-client expectations import tableschema.json -o agreed.yaml", ""),
            (
                "upload-client expectations import checks.yaml --files 'cat/*.parquet'",
                "a schema of pandera",
            ),
            ("upload-client expectations import row.schema.json --format csv", "a JSON Schema of rows"),
        ),
    ),
)
@click.argument("schema", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "form",
    type=click.Choice(("frictionless", "pandera", "jsonschema", "fast-label")),
    help="Format of the schema.  [default: recognised by content]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(("csv", "tsv", "parquet", "json", "jsonl")),
    help="Format of the files.  [default: what the schema names, or the usual one for it]",
)
@click.option(
    "--files", metavar="GLOB", multiple=True, help="The files that the schema describes.  [repeatable]"
)
@output_option("Where to write it.  [default: stdout]")
@force_option
@debug_option
def import_(
    *,
    schema: Path,
    form: str | None,
    kind: str | None,
    files: tuple[str, ...],
    output: Path | None,
    force: bool,
) -> None:
    """Convert SCHEMA into a document: Frictionless (Table Schema, data package), pandera, JSON Schema, FAST.

    Rules that a document cannot express are listed, here and in its first lines; all others are kept.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.expectations.document import MAX_BYTES  # noqa: PLC0415 # imports pydantic
    from upload_client.expectations.exchange import read  # noqa: PLC0415 # imports pydantic
    from upload_client.support.inputs import read_once  # noqa: PLC0415 # not for --help

    try:
        data = read_once(schema, "the schema", limit=MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{for_terminal(str(schema))} cannot be read: {error.strerror or error}") from error
    text, unsupported = read(data, str(schema), form, kind=kind, files=list(files))  # type: ignore[arg-type] # as chosen
    write_text(text, output, force=force)
    _print_lost(unsupported, "is not in the document")


@expectations.command(
    "export",
    cls=Command,
    short_help="Convert the document into a schema for another program.",
    sections=(
        examples(
            ("upload-client expectations export agreed.yaml --to frictionless -o table.json", ""),
            ("upload-client expectations export agreed.yaml --to pandera --type catalogues", ""),
        ),
    ),
)
@click.argument("document", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(("frictionless", "pandera", "jsonschema")),
    help="Format of the schema: a Table Schema (JSON), a pandera schema (YAML) or a JSON Schema.",
)
@click.option(
    "--type", "name", metavar="NAME", help="The type of files.  [default: the only one with columns]"
)
@output_option("Where to write it.  [default: stdout]")
@force_option
@debug_option
def export(*, document: Path, form: str, name: str | None, output: Path | None, force: bool) -> None:
    """Write the rules for one type of files in DOCUMENT as a schema for another program.

    Rules that the schema cannot express are listed on stderr.
    """
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.expectations.document import load_file  # noqa: PLC0415 # imports pydantic
    from upload_client.expectations.exchange import has_schema, write  # noqa: PLC0415 # imports pydantic

    agreed = load_file(document)
    if name is None:
        names = [one.name for one in agreed.types if has_schema(one, form)]  # type: ignore[arg-type] # as chosen
        if len(names) != 1:
            types = ", ".join(for_terminal(one) for one in names) or "none"
            raise UsageError(f"say which type of files (--type); those with a schema: {types}")
        (name,) = names
    try:
        text, unsupported = write(agreed, name, form)  # type: ignore[arg-type] # as chosen
    except ValueError as error:
        raise UsageError(for_terminal(str(error))) from None
    write_text(text, output, force=force)
    _print_lost(unsupported, "is not in the schema")


def _print_lost(unsupported: list[str], where: str) -> None:
    """Say on stderr what the other form does not have."""
    for sentence in unsupported:
        click.echo(f"{for_terminal(sentence)} ({where})", err=True)


def _files(source: Path, chosen: Chosen) -> list[tuple[str, int]]:
    from upload_client.errors import UsageError  # noqa: PLC0415 # not for --help
    from upload_client.index import check_index  # noqa: PLC0415 # not for --help
    from upload_client.index.loading import take  # noqa: PLC0415 # imports boto3

    choice = chosen.choice()
    checked = check_index(take(source, None, choice), source, choice=choice)
    found = []
    for path, size in zip(checked.paths, checked.sizes, strict=True):
        try:
            found.append((path, int(size) if size is not None else (source / on_disk(path)).stat().st_size))
        except OSError as error:
            raise UsageError(
                f"{from_disk(str(source))}/{path} cannot be read: {error.strerror or error}"
            ) from error
    return found


def _object(problem: Problem) -> dict[str, Any]:
    return {"reason": problem.reason, "n": problem.n, "paths": list(problem.relpaths)}


def _lines_about(problem: Problem) -> tuple[str, tuple[str, ...]]:
    more = problem.n - len(problem.relpaths)
    names = tuple(for_terminal(path) for path in problem.relpaths)
    return f"{counted(problem.n, 'file')}: {problem.reason}", (
        *names,
        *([f"and {more:,} more"] if more else []),
    )


def _print(title: str, rows: list[tuple[str, tuple[str, ...]]]) -> None:
    """A heading, and under it each reason with the files concerned."""
    if not rows:
        return
    width = max(40, min(shutil.get_terminal_size().columns, 120))
    click.echo(title)
    for reason, names in rows:
        text = for_terminal(reason)
        click.echo(
            textwrap.fill(text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
        )
        for name in names:
            click.echo(f"      {name}")
    click.echo()


def _showing(line: ProgressLine, n_files: int) -> Callable[[int], None]:
    """Show on this line how many files have been read."""
    done = 0

    def show(n: int) -> None:
        nonlocal done
        done += n
        line.show(f"{done:,} of {counted(n_files, 'file')} read")

    return show
