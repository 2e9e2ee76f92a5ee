"""Commands in hints can be typed as they stand."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from upload_client.core.hints import as_html, complete, install, place_of

ROOT = Path(__file__).parents[2]


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


def test_what_is_to_be_installed_is_an_extra_that_there_is():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert install("serve,dask") == "Install it: pip install 'upload-client[serve,dask]'."
    named = set()
    for path in (ROOT / "upload_client").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for found in re.findall(r"upload-client\[([\w,-]+)\]|install\(\"([\w,-]+)\"", text):
            named.update(",".join(found).strip(",").split(","))
    assert named
    assert named <= extras.keys()


@pytest.mark.parametrize(
    ("hint", "page"),
    [
        ("Run `upload-client check` first.", "Run <code>upload-client check</code> first."),
        ("`a` or `b`", "<code>a</code> or <code>b</code>"),
        ("`<img>` & <b>", "<code>&lt;img&gt;</code> &amp; &lt;b&gt;"),
        ("a ` alone", "a ` alone"),
        ("``", "``"),
        ("over `two\nlines`", "over `two\nlines`"),
    ],
)
def test_commands_of_a_hint_are_code_on_a_page_and_nothing_in_it_is_markup(hint, page):
    assert as_html(hint) == page
