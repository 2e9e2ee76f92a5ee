"""The page about events says what the code does: every kind, every field, its type, and an example."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from ui.strategies import a_summary, any_event

import upload_client
from upload_client import events
from upload_client.core.states import State
from upload_client.ui.jsonl import KINDS, SCHEMA_VERSION, JsonlReporter

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
ALWAYS = {"schema_version", "kind", "t"}


def sections():
    """For each kind its fields with their types, and its example."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title == "In Python":
            continue
        fields = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", body, re.MULTILINE))
        (example,) = re.findall(r"^```json\n(.+)\n```$", body, re.MULTILINE)
        found[title] = fields, json.loads(example)
    return found


SECTIONS = sections()
EVENTS = {kind: event for event, kind in KINDS.items()}


def fields_of(kind):
    if kind == "plan":  # of a dry run: no event of a delivery
        return dict.fromkeys(("relpath", "state", "code", "reason"), str)
    return typing.get_type_hints(EVENTS[kind])


def in_json(hint):
    """How the page calls a type."""
    if typing.get_origin(hint) is typing.Literal or hint in (str, Path):
        return {"string"}
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return set().union(*map(in_json, typing.get_args(hint)))
    origin = typing.get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"object"}
    names = {int: "integer", float: "number", bool: "boolean", tuple: "array", type(None): "null"}
    return {names[origin]}


def test_every_kind_of_event_is_on_the_page_and_no_other():
    assert set(SECTIONS) == {*KINDS.values(), "plan"}
    assert set(KINDS) == set(typing.get_args(events.Event))


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_field_is_on_the_page_with_its_type(kind):
    fields, _ = SECTIONS[kind]
    assert list(fields) == list(fields_of(kind))
    for name, hint in fields_of(kind).items():
        told = set(re.findall(r"string|integer|number|boolean|object|array|null", fields[name]))
        assert told == in_json(hint), name


@pytest.mark.parametrize("kind", SECTIONS)
def test_quantities_have_their_unit(kind):
    fields, _ = SECTIONS[kind]
    for name, told in fields.items():
        if name.startswith("bytes") or name == "n_bytes":
            assert "bytes" in told
        if name in ("seconds", "lease_left", "validator_heard"):
            assert "seconds" in told


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_example_is_a_line_of_its_kind_with_exactly_its_fields(kind):
    fields, example = SECTIONS[kind]
    assert list(example) == ["schema_version", "kind", "t", *fields]
    assert (example["schema_version"], example["kind"]) == (SCHEMA_VERSION, kind)
    names = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict}
    names |= {"array": list, "null": type(None)}
    for name, told in fields.items():
        kinds = tuple(names[word] for word in re.findall("|".join(names), told))
        assert any(isinstance(example[name], one) for one in kinds), name


def test_every_word_a_field_may_hold_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for words in (events.MessageType, events.PhaseName, events.ValidatorState):
        for word in typing.get_args(words):
            assert f"`{word}`" in page
    assert set(SECTIONS["progress"][1]["counts"]) == set(typing.get_args(State))


def test_what_stands_inside_of_others_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    inside = {
        "progress": (events.InFlight._fields, "in_flight"),
        "summary": (tuple(field.name for field in dataclasses.fields(events.Problem)), "problems"),
    }
    for kind, (names, field) in inside.items():
        assert tuple(SECTIONS[kind][1][field][0]) == names
        row = next(line for line in page.splitlines() if line.startswith(f"| `{field}` "))
        assert all(f"`{name}`" in row for name in names)


@limits(max_examples=50)
@given(any_event | a_summary)
def test_every_line_that_is_written_has_the_fields_of_the_page(event):
    stream = io.StringIO()
    reporter = JsonlReporter(stream=stream)
    reporter.handle(event)
    reporter.close()
    for line in stream.getvalue().splitlines():
        written = json.loads(line)
        assert set(written) == ALWAYS | set(SECTIONS[written["kind"]][0])


def test_every_event_can_be_imported_from_the_package():
    for event in (*KINDS, events.InFlight, events.Problem):
        assert getattr(upload_client, event.__name__) is event
