"""Completion in the shell: what can be completed, and ``upload-client completion SHELL``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from upload_client.cli.help import Command, examples

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Folders, for what may be a folder or a bucket."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 # for completion alone

    return [CompletionItem(incomplete, type="dir")]


def profiles(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Profiles by name, and files."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 # for completion alone
    from platformdirs import user_config_path  # noqa: PLC0415 # for completion alone

    folder = user_config_path("upload-client", appauthor=False)
    names = sorted(path.stem for path in folder.glob("*.toml")) if folder.is_dir() else []
    # The file first: bash takes it as the word to forget what came before.
    return [
        CompletionItem(incomplete, type="file"),
        *(CompletionItem(name) for name in names if name.startswith(incomplete)),
    ]


@click.command(
    cls=Command,
    short_help="Print the completion script of a shell.",
    sections=(
        examples(
            ("""echo 'eval "$(upload-client completion bash)"' >> ~/.bashrc""", "bash 4.4 or newer"),
            ("""echo 'eval "$(upload-client completion zsh)"' >> ~/.zshrc""", "zsh, after compinit"),
            ("upload-client completion fish > ~/.config/fish/completions/upload-client.fish", "fish"),
        ),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--debug", is_flag=True, hidden=True, expose_value=False)  # `main` looks for it
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the script with which SHELL completes commands, options, files and names of profiles.

    Run the line below for your shell, and open a new one.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 # for completion alone

    made = get_completion_class(shell)
    assert made is not None
    program = ctx.find_root()
    name = program.info_name or "upload-client"
    variable = f"_{name}_COMPLETE".replace("-", "_").upper()
    click.echo(made(program.command, {}, name, variable).source())
