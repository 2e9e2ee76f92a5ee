"""Completion, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from upload_client.cli.app import main


@pytest.fixture
def home(tmp_path) -> Path:
    """A home with two profiles, a folder to work in with a file and a folder, and the program in its path."""
    config = tmp_path / "config" / "upload-client"
    config.mkdir(parents=True)
    for name in ("archive", "atlas"):
        (config / f"{name}.toml").touch()
    work = tmp_path / "work"
    (work / "data").mkdir(parents=True)
    (work / "desk.csv").touch()
    (work / "own.toml").touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "upload-client"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m upload_client "$@"\n')
    program.chmod(0o755)
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


def ask(home: Path, shell: str, script: str) -> set[str]:
    program = shutil.which(shell)
    if program is None or sys.platform == "win32":
        pytest.skip(f"no {shell} here")
    options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [program, *options, "-c", script],
        env=environment(home),
        cwd=home / "work",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


BASH = """
eval "$(upload-client completion bash)"
COMP_WORDS=(upload-client {words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ echo "by_bash_itself:$2"; }}
_upload_client_completion upload-client
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# What the two builtins would be given is printed; zsh has no line editor without a terminal.
ZSH = """
compdef() {{ :; }}
eval "$(upload-client completion zsh)"
_path_files() {{ echo "by_zsh_itself:$1"; }}
_describe() {{ print -l -- ${{completions_with_descriptions%%:*}}; }}
compadd() {{ print -l -- $completions; }}
words=(upload-client {words})
CURRENT=$#words
_upload_client_completion
"""
FISH = """
upload-client completion fish | source
complete -C {line}
"""
OWN = {
    "bash": {"dir": "by_bash_itself:dirnames", "file": "by_bash_itself:default"},
    "zsh": {"dir": "by_zsh_itself:-/", "file": "by_zsh_itself:-f"},
}


def completed(home: Path, shell: str, *words: str) -> set[str]:
    quoted = " ".join(f"'{word}'" for word in words)
    if shell == "fish":
        line = "upload-client " + " ".join(words)
        return ask(home, "fish", FISH.format(line=f"'{line}'"))
    return ask(home, shell, {"bash": BASH, "zsh": ZSH}[shell].format(words=quoted))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_options_are_completed(home, shell):
    assert {"check", "completion"} <= completed(home, shell, "c")
    assert "--delivery-id" in completed(home, shell, "check", "--del")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_profiles_are_completed_by_name_folders_and_files_by_the_shell(home, shell):
    profiles = completed(home, shell, "check", "--profile", "a")
    folders = completed(home, shell, "--source", "d")
    files = completed(home, shell, "--index", "d")
    assert {"archive", "atlas"} <= profiles
    if shell == "fish":
        assert (folders & {"data/", "desk.csv"}, files & {"data/", "desk.csv"}) == (
            {"data/"},
            {"data/", "desk.csv"},
        )
    else:
        assert OWN[shell]["dir"] in folders
        assert OWN[shell]["file"] in files
        assert OWN[shell]["file"] in completed(home, shell, "check", "--profile", "./o")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_can_be_had(capsys, shell):
    assert main(["completion", shell]) == 0
    assert "_UPLOAD_CLIENT_COMPLETE" in capsys.readouterr().out


def test_another_shell_is_refused_with_those_there_are(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
