"""What is asked for wrongly is said in a sentence, with a hint, and exit code 2."""

from __future__ import annotations

import json

import click
import pytest

from upload_client.cli.deliver import _typed, deliver


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--dataset is missing"),
        (["--dataset", "d"], "--delivery-id is missing"),
        (["--delivry-id", "d"], "No such option '--delivry-id'. Did you mean '--delivery-id'?"),
        (["indx", "."], "No such command 'indx'. Did you mean 'index'?"),
        (["--dataset", "d", "index", "."], "--dataset is for a delivery, not for 'index'"),
        (["index"], "Missing argument 'SOURCE'."),
        (["--threads", "many"], "Invalid value for '--threads': 'many' is neither a number nor 'auto'."),
        (
            ["--dataset", "d", "--delivery-id", "y", "--threads", "0"],
            "command line: --threads: should be greater than or equal to 1",
        ),
        (
            ["--output-dir", "not-there"],
            "Invalid value for '--output-dir': Directory 'not-there' does not exist.",
        ),
        (
            ["--dataset", "d", "--delivery-id", "y", "--profile", "not-there.toml"],
            "the profile not-there.toml is not there",
        ),
        (["--sandbox", "--profile", "x"], "--sandbox brings its own profile: leave --profile out"),
        (["--password", "hunter2"], "No such option '--password'."),
        (["sandbox", "--dataset", "../x"], "dataset"),
        (
            ["receiver", "remove", "--dataset", "d", "--delivery-id", "y"],
            "Missing option '--because'. Choose from: withdrawn, expired",
        ),
    ],
)
def test_it_is_said_on_stderr_and_nothing_is_said_on_stdout(run, arguments, sentence):
    said = run(*arguments)
    assert said.code == 2
    assert said.out == ""
    error, hint = said.err.splitlines()
    assert error.startswith("error: ")
    assert sentence in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("help", "upload-client --help"),
        ("version", "upload-client --version"),
        ("upload data", "A delivery needs no command"),
        ("data", "--source"),
        ("--dataset d --delivery-id y data/a.csv", "--source"),
        ("--dataset d --delivery-id y --exclude data/a.csv data/b.csv", "in quotes ('*.csv')"),
        ("--dataset a b --delivery-id y", "into quotes"),
        ("-dataset d --delivery-id y", "Write two hyphens: --dataset."),
        ("status -dataset=d --delivery-id y", "Write two hyphens: --dataset."),
        ("index data -output x", "Write two hyphens: --output."),
        ("index data -output=x.csv", "Write two hyphens: --output."),
        ("expectations infer data -output=x.yaml", "Write two hyphens: --output."),
        ("--dataset d --delivery-id y -quiet", "Write two hyphens: --quiet."),
        ("index data \u2014force", "Write two hyphens, --force:"),
        ("\u2013dataset d", "Write two hyphens, --dataset:"),
        ("indx data", "`upload-client --help` says what there is."),
        ("--debug indx data", "`upload-client --help` says what there is."),
        ("--profile x recept", "`upload-client --help` says what there is."),
        ("index data \u2013 x y", "`upload-client index --help` says what there is."),
    ],
)
def test_what_is_mistyped_as_people_do_is_told_with_what_is_meant(run, tmp_path, monkeypatch, line, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "data" / name).touch()
    said = run(*line.split())
    assert said.code == 2
    assert hint in said.err.splitlines()[-1]


@pytest.mark.parametrize("rate", ["fast", "50 cars", "MB"])
def test_what_is_no_number_of_bytes_is_told_so(run, rate):
    said = run("--dataset", "d", "--delivery-id", "y", "--max-rate", rate)
    assert (said.code, "--max-rate: is no number of bytes: write a number and its unit" in said.err) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--source", "nowhere"], "a source is a directory"), (["--index", "none"], "the list")],
)
def test_a_path_that_is_wrong_is_what_to_check(run, arguments, hint):
    said = run("--dataset", "d", "--delivery-id", "y", *arguments)
    assert (said.code, hint in said.err.splitlines()[-1]) == (2, True)


def test_a_rate_without_its_unit_is_told_as_what_it_was_taken_for(run):
    said = run("--dataset", "d", "--delivery-id", "y", "--max-rate", "50")
    assert "--max-rate: is less than 1,024 bytes a second; write the unit, too, such as 50MB/s" in said.err


@pytest.mark.parametrize("arguments", [["--json"], ["--json", "--delivry-id", "d"]])
def test_a_program_gets_a_summary_all_the_same(run, arguments):
    said = run(*arguments)
    assert said.code == 2
    (summary,) = map(json.loads, said.out.splitlines())
    assert (summary["kind"], summary["exit_code"], summary["state_csv"]) == ("summary", 2, None)
    assert set(summary["counts"].values()) == {0}
    assert f"error: {summary['headline']}\n" in said.err
    assert (summary["code"], f"hint: {summary['hint']}\n" in said.err) == ("usage", True)


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ("status --dataset d --delivery-id y --profile nowhere --json", "settings", 2),
        ("verify nowhere --json", "usage", 2),
        ("sync --to s3:// --json", "usage", 2),
        ("expectations check . --json", "usage", 2),
        ("schedule run nowhere --json", "usage", 2),
    ],
)
def test_a_program_gets_no_figures_of_a_delivery_from_other_commands(run, arguments, code, exit_code):
    said = run(*arguments.split())
    (line,) = map(json.loads, said.out.splitlines())
    assert line.keys() == {"schema_version", "kind", "t", "exit_code", "code", "headline", "hint"}
    assert (line["kind"], line["exit_code"], line["code"]) == ("summary", exit_code, code)
    assert f"error: {line['headline']}\n" in said.err
    assert said.code == exit_code


def test_no_traceback_is_shown_unless_it_is_asked_for(run):
    assert "Traceback" not in run("--dataset", "d").err
    assert "Traceback" in run("--dataset", "d", "--debug").err


def test_what_was_typed_cannot_alter_the_terminal(run):
    said = run("--\x1b[2Jx")
    assert "\x1b" not in said.err
    assert "\\x1b[2J" in said.err


def test_a_wrong_setting_is_named_with_its_file(run, tmp_path):
    profile = tmp_path / "p.toml"
    profile.write_text("threds = 3\n", encoding="utf-8")
    said = run("--dataset", "d", "--delivery-id", "y", "--profile", profile)
    assert said.code == 2
    assert f"{profile}: threds: is not a setting; did you mean threads?" in said.err


def test_every_option_of_a_delivery_stands_in_the_command_to_type_next():
    given: list[str] = []
    for option in deliver.params:
        if not isinstance(option, click.Option) or option.is_eager:  # --help and --version end it
            continue
        given.append(next(spelt for spelt in option.opts if spelt.startswith("--")))
        if not (option.is_flag or option.count):
            choices = getattr(option.type, "choices", None)
            given.append(str(choices[0]) if choices else "." if option.name == "output_dir" else "1")
    ctx = deliver.make_context("upload-client", list(given))
    assert sorted(_typed(ctx)) == sorted(given)


PLACES = {
    ("", "report"): "--dataset d --delivery-id y --source data --report {}",
    ("index", "output"): "index data -o {}",
    ("sandbox", "profile_out"): "sandbox --profile-out {}",
    ("expectations infer", "output"): "expectations infer data -o {}",
    ("expectations import", "output"): "expectations import schema.json -o {}",
    ("expectations export", "output"): "expectations export e.yaml --to frictionless -o {}",
    ("receipt export", "output"): "receipt export r.json --as csv -o {}",
    ("receiver package", "output"): "receiver package -o {}",
    ("receiver template", "output"): "receiver template -o {}",
    ("receiver invite", "output"): "receiver invite --dataset d --delivery-id y --user maria -o {}",
    ("receiver key make", "file"): "receiver key make {}",
    ("report", "output"): "report --dataset d --delivery-id y -o {}",
}
"""Where a file is named that is to be written; a receipt, or a key, is read first."""


def writing(command: click.Command, words: str = "") -> list[tuple[str, str]]:
    """The options and arguments by which a file is named that is to be written, or a key."""
    of_this = [
        (words, parameter.name)
        for parameter in command.params
        if parameter.name in {"output", "profile_out", "report"} or (words, parameter.name) in PLACES
    ]
    inner = getattr(command, "commands", {}).items()
    return [*of_this, *(found for name, one in inner for found in writing(one, f"{words} {name}".strip()))]


def test_every_place_to_write_to_is_held_against_the_same_table():
    read_first = {(command, "output") for command in ("receipt fetch", "receiver key export", "verify")}
    assert set(writing(deliver)) - read_first == set(PLACES)


@pytest.mark.parametrize("place", ["nowhere/x.out", ""])
@pytest.mark.parametrize("line", PLACES.values())
def test_a_place_where_nothing_can_be_written_is_wrong_usage(run, tmp_path, monkeypatch, line, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("a\n1\n")
    (tmp_path / "schema.json").write_text('{"fields": [{"name": "a", "type": "string"}]}')
    (tmp_path / "e.yaml").write_text(
        "version: 1\ntypes: [{name: t, files: ['*.csv'], content: {format: csv}}]\n"
    )
    said = run(*(place if word == "{}" else word for word in line.split()))
    assert said.code == 2, said.err
    assert "there is no folder" in said.err or "is a folder" in said.err
    assert "hint: " in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "e.yaml", "schema.json"]
