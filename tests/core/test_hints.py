"""Commands in hints can be typed as they stand."""

from __future__ import annotations

import pytest

from upload_client.core.hints import complete, place_of


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("--dataset d --delivery-id y --source x", "--dataset d --delivery-id y"),
        ("check --profile=p.toml --sample --json", "--profile=p.toml --sample"),
        ("--threads 3", ""),
        ("--threads --dataset", ""),
        ("--dataset-x=3 --source a=b", ""),
        ("", ""),
    ],
)
def test_the_words_that_say_which_delivery_is_meant_are_found(words, place):
    assert place_of(words.split()) == tuple(place.split())


def test_a_command_in_a_hint_names_the_delivery():
    words = ["--dataset", "d", "--delivery-id", "y", "--profile", "a b.toml"]
    named = "--dataset d --delivery-id y --profile 'a b.toml'"
    assert complete("If it is dead: `upload-client unlock --steal abc`.", words) == (
        f"If it is dead: `upload-client unlock {named} --steal abc`."
    )
    assert complete("`upload-client check` says more.", words) == f"`upload-client check {named}` says more."
    assert complete("`upload-client check`", words, line=lambda words: "|".join(words[:3])) == (
        "`upload-client|check|--dataset`"
    )


def test_the_sample_is_named_once():
    said = "`upload-client status --sample` says how far it is."
    assert complete(said, ["--dataset", "d", "--sample"]) == (
        "`upload-client status --dataset d --sample` says how far it is."
    )
    assert complete(said, ["--dataset", "d"]) == complete(said, ["--dataset", "d", "--sample"])


@pytest.mark.parametrize(
    "hint",
    [
        "`upload-client --help` says more.",
        "`upload-client index DIR`",
        "`upload-client check --dataset other`",
        "`upload-client checks`",
        "Nothing.",
    ],
)
def test_other_commands_stay_as_they_are(hint):
    assert complete(hint, ["--dataset", "d"]) == hint


def test_where_no_delivery_was_named_nothing_is_added():
    assert complete("`upload-client check`", ["--sandbox"]) == "`upload-client check`"
