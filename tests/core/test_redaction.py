"""Words of others are one short line, and no secret is among them."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.redaction import HIDDEN, hide, is_page, sanitized, secrets_of_url, xml_text

PASSWORDS = ["secret-word", "sec#ret/wo?rd", "se@cret:word", "#secret", "pass/word@9", "50%23off"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["http://", "https://", ""])
def test_whatever_is_in_a_proxys_password_no_piece_of_it_is_told(password, scheme):
    url = f"{scheme}maria:{password}@proxy.example:3128"
    secrets = secrets_of_url(url)
    assert password in secrets
    for told in (
        url,
        f"Failed to parse: '{password}' is not a valid host or port",
        f"host='{password[:20]}'",
    ):
        assert password not in sanitized(told, secrets)
    for piece in (piece for piece in secrets if len(piece) >= 4):
        assert piece not in sanitized(f"maria:{piece} is no host", secrets)


def test_what_stands_before_the_at_of_a_url_is_hidden_even_if_nobody_knows_it():
    assert (
        sanitized("cannot reach http://maria:s3cret@proxy:3128/x")
        == f"cannot reach http://{HIDDEN}@proxy:3128/x"
    )


def test_a_url_without_a_login_has_no_secret():
    assert secrets_of_url("http://proxy:3128") == frozenset()
    assert secrets_of_url("http://maria@proxy:3128") == {"maria"}
    assert secrets_of_url("http://x@proxy") == frozenset()


def test_a_short_text_is_not_hidden_as_it_is_found_anywhere():
    assert hide("a cat is in the catalogue", ["cat", "logue"]) == f"a cat is in the cata{HIDDEN}"


def test_the_longer_of_two_secrets_is_hidden_first():
    assert hide("it is topsecret-word", ["secret-word", "topsecret-word"]) == f"it is {HIDDEN}"


PAGES = [
    "<html><body>x</body></html>",
    "<!DOCTYPE html>\n<html>",
    '<?xml version="1.0"?><!-- x --><!doctype HTML PUBLIC "x">',
    "  <head>",
    "b'<html>'",
    "<h1>blocked</h1>",
    "<center>no</center>",
    "<title></title>",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_is_known_by_how_it_begins(page):
    assert is_page(page)
    assert sanitized(page) == "an HTML page"


def test_of_a_page_its_title_is_told():
    page = "<html><head><title>\n Hotel  Wi-Fi:\tlog in </title></head><body>" + "x" * 10_000
    assert sanitized(page) == "an HTML page (Hotel Wi-Fi: log in)"


@pytest.mark.parametrize(
    "text", ["<Error><Code>AccessDenied</Code></Error>", "access denied", "", "<htmlish>", "<a1>", "<bucket>"]
)
def test_what_is_no_page_stays(text):
    assert not is_page(text)
    assert sanitized(text) == text


@given(st.text(max_size=2000), st.lists(st.text(min_size=4, max_size=10), max_size=3))
def test_a_foreign_text_becomes_one_short_line(text, secrets):
    told = sanitized(text, secrets)
    assert len(told) <= 300
    assert "\n" not in told
    assert "\r" not in told


@given(st.text())
@example("a & b < c > \"d\" 'e' &amp; &lt;")
def test_a_text_that_was_put_into_xml_comes_out_as_it_was(text):
    assert xml_text(escape(text, {'"': "&quot;", "'": "&apos;"})) == text
    assert xml_text(escape(text, {'"': "&#34;", "'": "&#39;"})) == text
    assert xml_text("".join(f"&#x{ord(character):X};" for character in text)) == text


def test_what_is_no_reference_stays_as_it_is():
    for text in ("&#1114112;", "&#x110000;", "&nbsp;", "&#;", "a & b", "&amp"):
        assert xml_text(text) == text
    assert xml_text("&amp;lt;") == "&lt;"
