"""Which functions may be run, how parameters become one request, what a log may hold."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.invocations import (
    DEFAULT_FUNCTIONS,
    MAX_ANSWER,
    Contradiction,
    log_level,
    may_run,
    merged,
    patterns_of,
    split_name,
    unanswerable,
    without_secret_fields,
)
from upload_client.core.redaction import HIDDEN


@pytest.mark.parametrize("text", [None, "", "  "])
def test_without_patterns_the_functions_of_this_package_may_be_run(text):
    assert patterns_of(text) == (DEFAULT_FUNCTIONS,)


def test_patterns_are_separated_by_commas_or_spaces():
    assert patterns_of(" a.*, b.c\nd ") == ("a.*", "b.c", "d")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("upload_client.functions.notifications.NotificationRouter", True),
        ("upload_client.functions", False),
        ("upload_client.functionsX.y", False),
        ("upload_client.cli.app.main", False),
        ("Upload_client.functions.x.Y", False),
        ("os.system", False),
    ],
)
def test_a_pattern_allows_what_it_says(name, allowed):
    assert may_run(name, [DEFAULT_FUNCTIONS]) is allowed


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.b.C", ("a.b", "C")),
        ("a.b:C", ("a.b", "C")),
        ("C", None),
        ("a..C", None),
        (".a.C", None),
        ("a.b.__import__", None),
        ("a._b.C", None),
        ("a.b\n.C", None),
        ("a/b.C", None),
        ("ä.C", None),
        ("a." * 150 + "C", None),
        (None, None),
        (["a.b"], None),
    ],
)
def test_a_name_is_a_module_and_what_it_defines(name, parts):
    assert split_name(name) == parts


def test_all_that_a_request_says_is_one_request():
    assert merged({"a": "1"}, {"b": ["x", "y"]}, {"c": {"d": None}}) == {
        "a": "1",
        "b": ["x", "y"],
        "c": {"d": None},
    }
    assert merged({}, {}, None) == {}


@pytest.mark.parametrize(
    ("text", "typed"),
    [("5", 5), ("5.5", 5.5), ("true", True), ("false", False), ("null", None), (["1", "2"], [1, 2])],
)
def test_a_text_and_the_same_with_a_type_are_one_value(text, typed):
    assert merged({"a": text}, {}, {"a": typed})["a"] is typed


@pytest.mark.parametrize("typed", [6, True, None, "5 ", ["5"], {"5": 5}])
def test_a_name_with_two_values_is_refused_with_the_places(typed):
    with pytest.raises(Contradiction, match="a has one value in the query and another in the body"):
        merged({}, {"a": "5"}, {"a": typed})


values = st.text(max_size=3) | st.integers(0, 3) | st.booleans() | st.none()
parameters = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(parameters, parameters, parameters)
def test_nothing_that_was_said_is_lost_or_overruled(route, query, body):
    try:
        found = merged(route, query, body)
    except Contradiction as error:
        places = {"route": route, "query": query, "body": body}
        first, second = (places[place][error.name] for place in error.places)
        assert first != second or type(first) is not type(second)
    else:
        assert found.keys() == route.keys() | query.keys() | body.keys()
        for said in (route, query, body):
            for name, value in said.items():
                assert (
                    value == found[name]
                    or str(value).lower() == str(found[name]).lower()
                    or None
                    in (
                        value,
                        found[name],
                    )
                )


@pytest.mark.parametrize(
    ("text", "level"), [("debug", "DEBUG"), (" INFO ", "INFO"), ("9", None), (None, None)]
)
def test_a_header_names_a_level_or_nothing(text, level):
    assert log_level(text) == level


def test_what_is_named_like_a_secret_is_left_out_of_a_log():
    event = {
        "user": "u",
        "Password": "p",
        "nested": [{"apiKey": ["k"], "n": 1}, {"Authorization": "Bearer x"}],
        "environment": [{"name": "DB_PASSWORD", "value": "v"}, {"Name": "SIZE", "Value": "3"}],
        "more": [{"Name": "GITHUB_TOKEN", "Value": "v"}],
    }
    assert without_secret_fields(event) == {
        "user": "u",
        "Password": HIDDEN,
        "nested": [{"apiKey": HIDDEN, "n": 1}, {"Authorization": HIDDEN}],
        "environment": [{"name": "DB_PASSWORD", "value": HIDDEN}, {"Name": "SIZE", "Value": "3"}],
        "more": [{"Name": "GITHUB_TOKEN", "Value": HIDDEN}],
    }


def test_what_is_named_like_a_secret_is_left_out_of_the_json_in_a_text_too():
    message = json.dumps({"Message": json.dumps([{"token": "t", "n": "ä"}])})
    shown = without_secret_fields({"body": message, "else": "{no JSON", "path": "a"})
    assert json.loads(json.loads(shown["body"])["Message"]) == [{"token": HIDDEN, "n": "ä"}]
    assert (shown["else"], shown["path"]) == ("{no JSON", "a")
    assert without_secret_fields({"else": "[" * 100_000}) == {"else": "[" * 100_000}


def encoded(text: str) -> dict:
    return {"isBase64Encoded": True, "body": base64.b64encode(text.encode()).decode()}


def test_a_body_in_base64_is_looked_into():
    shown = without_secret_fields(encoded('{"password": "p", "n": 1}'))
    assert json.loads(shown["body"]) == {"password": HIDDEN, "n": 1}
    assert json.loads(without_secret_fields(encoded("[1]"))["body"]) == [1]


@pytest.mark.parametrize(
    "event",
    [
        {"body": "password=p&n=1"},
        {"body": '{"password": "p"'},
        {"rawQueryString": "token=p"},
        encoded("password=p"),
        encoded("{password=p"),
        {"isBase64Encoded": True, "body": "password=p"},
        {"isBase64Encoded": True, "body": base64.b64encode(b"\xff{p").decode()},
    ],
)
def test_of_a_body_that_is_no_json_only_the_length_is_told(event):
    name, text = next((name, text) for name, text in event.items() if isinstance(text, str))
    assert without_secret_fields(event)[name] == f"({len(text):,} characters, and no JSON)"


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key", "Access-Key", "X-Auth", "pwd", "db_pwd", "auth"])
def test_headers_that_hold_secrets_are_left_out(name):
    assert without_secret_fields({"headers": {name: "k", "Author": "a"}}) == {
        "headers": {name: HIDDEN, "Author": "a"}
    }


def test_an_answer_is_utf_8_and_of_a_size_that_is_taken():
    assert unanswerable({"a": "ä\n"}) is None
    assert "caf\\udce9.txt" in (unanswerable(["/data/caf\udce9.txt"]) or "")
    assert unanswerable("x" * (MAX_ANSWER - 2)) is None
    assert unanswerable("ä" * (MAX_ANSWER // 2)) == (
        "the answer has 6,291,458 bytes, and AWS Lambda takes 6,291,456"
    )


def test_what_is_nested_without_end_is_cut():
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    assert len(json.dumps(without_secret_fields(deep))) < 200
